"""What a person may type about a change."""

from collections.abc import Sequence

from wtforms import HiddenField, IntegerField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.catalog.models import Product
from app.foundation.forms import Form
from app.foundation.language import _, lazy
from app.people.models import Person
from app.plm.models import EcoType, Meaning

PRIORITIES = [(0, lazy("None")), (1, lazy("Low")), (2, lazy("Medium")), (3, lazy("High"))]
MEANINGS = [
    (Meaning.APPROVAL.value, lazy("Approver: I have reviewed it and agree")),
    (Meaning.REVIEW.value, lazy("Reviewer: I have checked it")),
    (Meaning.RESPONSIBILITY.value, lazy("Responsible: I answer for the consequences")),
]


class EcoForm(Form):
    """A new change."""

    title = StringField(lazy("Title"), validators=[InputRequired(lazy("Give it a title.")), Length(max=200)])
    type = SelectField(lazy("Type"), validators=[InputRequired(lazy("Choose a type."))])
    product = SelectField(lazy("Product"), validators=[InputRequired(lazy("Choose a product."))])
    description = TextAreaField(lazy("What is to change, and why"), validators=[Optional(), Length(max=20_000)])
    origin = HiddenField()

    def offer(self, types: Sequence[EcoType], products: Sequence[Product]) -> None:
        self.type.choices = [(str(t.id), t.name) for t in types]
        names = [p.name for p in products]
        self.product.choices = [("", _("Choose a product"))] + [
            (p.ref, p.name if names.count(p.name) == 1 else f"[{p.ref}] {p.name}") for p in products
        ]


class DescriptionForm(Form):
    """What a change says about itself; `version` is the one that was shown."""

    version = HiddenField()
    title = StringField(lazy("Title"), validators=[InputRequired(lazy("Give it a title.")), Length(max=200)])
    description = TextAreaField(lazy("What is to change, and why"), validators=[Optional(), Length(max=20_000)])
    responsible_id = SelectField(lazy("Responsible"), coerce=int)
    priority = SelectField(lazy("Priority"), coerce=int, choices=PRIORITIES)

    def offer(self, people: Sequence[Person], now: Person | None) -> None:
        known = {p.id: p.name for p in people}
        if now is not None:
            known.setdefault(now.id, now.name)
        self.responsible_id.choices = list(known.items())


class SignForm(Form):
    """The sign-off: what was seen, what the signature means, and the password where the type asks for it."""

    seen = HiddenField()
    saw = HiddenField()
    stage = IntegerField(validators=[Optional()])
    before = IntegerField(validators=[Optional()])
    after = IntegerField(validators=[Optional()])
    meaning = SelectField(lazy("I sign as"), choices=MEANINGS, default=Meaning.APPROVAL.value)
    comment = TextAreaField(lazy("Comment"), validators=[Optional(), Length(max=4_000)])
    password = PasswordField(lazy("Password"))


class RejectForm(Form):
    comment = TextAreaField(
        lazy("Reason"),
        validators=[
            InputRequired(lazy("Say why: whoever works on it next has to know.")),
            Length(max=4_000),
        ],
    )


class CommentForm(Form):
    comment = TextAreaField(lazy("Comment"), validators=[InputRequired(lazy("Write something first.")), Length(max=4_000)])


class CancelForm(Form):
    reason = TextAreaField(
        lazy("Reason"), validators=[InputRequired(lazy("Say why it is cancelled.")), Length(max=400)]
    )


class VerbForm(Form):
    """A button: nothing but the token and the op."""
