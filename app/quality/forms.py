"""What may be typed about an alert and its actions."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from wtforms import DateField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, Optional
from wtforms.widgets import HiddenInput

from app.foundation.forms import Form
from app.foundation.language import _, lazy
from app.quality import queries
from app.quality.models import ActionKind, Alert

PRIORITIES = [(0, lazy("Low")), (1, lazy("Medium")), (2, lazy("High")), (3, lazy("Urgent"))]

PRIORITIES = [(0, lazy("Low")), (1, lazy("Medium")), (2, lazy("High")), (3, lazy("Urgent"))]


def id_or_none(typed: Any) -> int | None:
    """The id behind an option; the empty option is None."""
    return None if typed in (None, "", "None") else int(typed)


class RaiseForm(Form):
    """An alert because of another record: what that record knows is taken over, not typed again."""

    title = StringField(lazy("Title"), [DataRequired(), Length(max=200)])
    team_id = SelectField(lazy("Team"), coerce=id_or_none, choices=[], validate_choice=False)
    responsible_id = SelectField(lazy("Responsible"), coerce=id_or_none, choices=[], validate_choice=False)
    description = TextAreaField(lazy("What is wrong"), default="", validators=[Length(max=20_000)])

    def offer(self, alert: Alert | None = None) -> "RaiseForm":
        """Fill the lists; what the alert has already stays in them."""
        self.team_id.choices = _options((t.id, t.name) for t in queries.quality_teams())
        self.responsible_id.choices = _options(_staff(), _("nobody yet"))
        return self


class AlertForm(RaiseForm):
    """A new alert that stands alone, and the edit form with its version."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional()])
    product_id = SelectField(lazy("Product"), coerce=id_or_none, choices=[], validate_choice=False)
    serial_text = StringField(lazy("Serial number"), default="", validators=[Length(max=60)])
    customer_id = SelectField(lazy("Customer"), coerce=id_or_none, choices=[], validate_choice=False)
    root_cause_id = SelectField(lazy("Root cause"), coerce=id_or_none, choices=[], validate_choice=False)
    priority = SelectField(lazy("Priority"), coerce=int, default=0, choices=PRIORITIES)
    tags = StringField(
        lazy("Tags"), default="", validators=[Length(max=400)], description=lazy("Words, with commas between them.")
    )

    def offer(self, alert: Alert | None = None) -> "AlertForm":
        super().offer(alert)
        products = queries.products(keep=alert.product_id if alert else None)
        names = Counter(product.name for product in products)
        self.product_id.choices = _options(
            ((p.id, p.name if names[p.name] == 1 else f"{p.name} [{p.ref}]") for p in products), _("none")
        )
        self.customer_id.choices = _options(((c.id, c.name) for c in queries.customers()), _("none"))
        causes = queries.root_causes(keep=alert.root_cause_id if alert else None)
        self.root_cause_id.choices = _options(((c.id, c.name) for c in causes), _("none"))
        return self


class RootCauseForm(Form):
    root_cause_id = SelectField(lazy("Root cause"), coerce=id_or_none, choices=[], validate_choice=False)

    def offer(self, causes: Iterable[tuple[int, str]]) -> "RootCauseForm":
        self.root_cause_id.choices = _options(causes, _("none"))
        return self


class AttachForm(Form):
    alert = StringField(lazy("Alert"), [DataRequired(), Length(max=24)])


class ActionForm(Form):
    """One action with owner and day; its edit form carries the version."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional()])
    text = StringField(lazy("Action"), [DataRequired(lazy("Write what is to be done.")), Length(max=400)])
    owner_id = SelectField(lazy("Owner"), coerce=id_or_none, choices=[], validate_choice=False)
    due_on = DateField(lazy("Due"), [Optional()])

    def offer(self) -> "ActionForm":
        self.owner_id.choices = _options(_staff(), _("nobody yet"))
        return self


class QuickActionForm(Form):
    """The field under a list of actions."""

    text = StringField(lazy("Action"), [DataRequired(lazy("Write what is to be done.")), Length(max=400)])
    kind = SelectField(
        lazy("Kind"), coerce=ActionKind, choices=[(kind.value, kind.value) for kind in ActionKind], widget=HiddenInput()
    )


class StateForm(Form):
    """The buttons of an action."""

    to = StringField()


def _staff() -> list[tuple[int, str]]:
    return [(person.id, person.name) for person in queries.staff()]


def _options(pairs: Iterable[tuple[int, str]], nothing: str | None = None) -> list[tuple[Any, str]]:
    return ([] if nothing is None else [("", nothing)]) + list(pairs)
