"""What a person may type about a change."""

from collections import Counter
from collections.abc import Sequence

from wtforms import HiddenField, IntegerField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, Length, Optional

from app.catalog.models import Product
from app.foundation.forms import Form
from app.foundation.language import _, lazy
from app.people.models import Person
from app.plm.actions import MEANINGS
from app.plm.models import EcoType, Meaning

PRIORITIES = [
    SelectChoice(0, lazy("None")),
    SelectChoice(1, lazy("Low")),
    SelectChoice(2, lazy("Medium")),
    SelectChoice(3, lazy("High")),
]


def product_choices(products: Sequence[Product]) -> list[SelectChoice]:
    """The names, with the reference only where they collide."""
    often = Counter(p.name for p in products)
    return [
        SelectChoice("", _("Choose a product")),
        *(SelectChoice(p.ref, p.name if often[p.name] == 1 else f"[{p.ref}] {p.name}") for p in products),
    ]


class EcoForm(Form):
    """A new change."""

    title = StringField(lazy("Title"), validators=[DataRequired(lazy("Give it a title.")), Length(max=200)])
    type = SelectField(lazy("Type"), validators=[DataRequired(lazy("Choose a type."))])
    product = SelectField(lazy("Product"), validators=[DataRequired(lazy("Choose a product."))])
    description = TextAreaField(lazy("What is to change, and why"), validators=[Optional(), Length(max=20_000)])
    origin = HiddenField()

    def offer(self, types: Sequence[EcoType], products: Sequence[Product]) -> None:
        self.type.choices = [SelectChoice(str(t.id), t.name) for t in types]
        self.product.choices = product_choices(products)


class DescriptionForm(Form):
    """What a change says about itself; `version` is the one that was shown."""

    version = HiddenField()
    title = StringField(lazy("Title"), validators=[DataRequired(lazy("Give it a title.")), Length(max=200)])
    description = TextAreaField(lazy("What is to change, and why"), validators=[Optional(), Length(max=20_000)])
    responsible_id = SelectField(lazy("Responsible"), coerce=int)
    priority = SelectField(lazy("Priority"), coerce=int, choices=PRIORITIES)
    product = SelectField(lazy("Product"), validate_choice=False)

    @property
    def seen_version(self) -> int:
        text = self.version.data or ""
        return int(text) if text.isdecimal() and len(text) < 10 else 0

    def offer(self, people: Sequence[Person], now: Person | None, products: Sequence[Product]) -> None:
        known = {0: _("nobody")} | {p.id: p.name for p in people}
        if now is not None:
            known.setdefault(now.id, now.name)
        self.responsible_id.choices = [SelectChoice(id_, name) for id_, name in known.items()]
        self.product.choices = product_choices(products)


class SignForm(Form):
    """The sign-off: what was seen, what the signature means, and the password where the type asks for it."""

    seen = HiddenField()
    saw = HiddenField()
    stage = IntegerField(validators=[Optional()])
    before = IntegerField(validators=[Optional()])
    after = IntegerField(validators=[Optional()])
    approve = HiddenField()
    then = HiddenField()
    meaning = SelectField(
        lazy("I sign as"),
        choices=[SelectChoice(m.value, words) for m, words in MEANINGS.items()],
        default=Meaning.APPROVAL.value,
    )
    comment = TextAreaField(lazy("Comment"), validators=[Optional(), Length(max=4_000)])
    password = PasswordField(lazy("Password"))


class RejectForm(Form):
    comment = TextAreaField(
        lazy("Reason"),
        validators=[
            DataRequired(lazy("Say why: whoever works on it next has to know.")),
            Length(max=4_000),
        ],
    )

    @property
    def text(self) -> str:
        return self.comment.data or ""


class CommentForm(Form):
    comment = TextAreaField(
        lazy("Comment"), validators=[DataRequired(lazy("Write something first.")), Length(max=4_000)]
    )

    @property
    def text(self) -> str:
        return self.comment.data or ""


class CancelForm(Form):
    reason = TextAreaField(lazy("Reason"), validators=[DataRequired(lazy("Say why it is cancelled.")), Length(max=400)])

    @property
    def text(self) -> str:
        return self.reason.data or ""


class RebaseForm(Form):
    """Which draft is rebased onto what; the choices themselves are fields named after their conflicts."""

    revision = IntegerField(validators=[DataRequired()])
    onto = IntegerField(validators=[DataRequired()])


class VerbForm(Form):
    """A button: nothing but the token and the op."""
