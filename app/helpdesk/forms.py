"""What may be typed about a ticket, by us and by anybody."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask import current_app
from flask_wtf.file import MultipleFileField
from itsdangerous import BadData, URLSafeSerializer
from wtforms import HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, Optional, ValidationError
from wtforms.widgets import HiddenInput

from app.foundation.clock import now
from app.foundation.forms import Form
from app.foundation.language import _, lazy
from app.foundation.outbox import is_address
from app.helpdesk import queries
from app.helpdesk.models import Doubt, Ticket

FASTEST, SLOWEST = 3, 24 * 3600  # seconds between drawing the public form and sending it
PHOTOS = 5
PRIORITIES = [(0, lazy("Low")), (1, lazy("Medium")), (2, lazy("High")), (3, lazy("Urgent"))]

PRIORITIES = [(0, lazy("Low")), (1, lazy("Medium")), (2, lazy("High")), (3, lazy("Urgent"))]


def id_or_none(typed: Any) -> int | None:
    """The id behind an option; the empty option is None."""
    return None if typed in (None, "", "None") else int(typed)


def must_be_address(_form: Any, field: Any) -> None:
    """Says which half of an address is missing."""
    typed = field.data or ""
    if not typed or is_address(typed):
        return
    if "@" not in typed:
        raise ValidationError(_("The @ is missing."))
    if not typed.partition("@")[2]:
        raise ValidationError(_("The part after the @ is missing."))
    raise ValidationError(_("This is not an e-mail address."))


class TicketForm(Form):
    """New ticket, and the edit form with its version."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional()])
    title = StringField(lazy("Title"), [DataRequired(), Length(max=200)])
    description = TextAreaField(lazy("What happened?"), default="", validators=[Length(max=20_000)])
    customer_id = SelectField(lazy("Customer"), coerce=id_or_none, choices=[], validate_choice=False)
    contact_id = SelectField(lazy("Contact"), coerce=id_or_none, choices=[], validate_choice=False)
    sender_name = StringField(lazy("Name, when not in the list"), default="", validators=[Length(max=120)])
    sender_email = StringField(
        lazy("Email, when not in the list"), default="", validators=[Length(max=254), must_be_address]
    )
    product_id = SelectField(lazy("Product"), coerce=id_or_none, choices=[], validate_choice=False)
    serial_text = StringField(lazy("Serial number"), default="", validators=[Length(max=60)])
    team_id = SelectField(lazy("Team"), coerce=id_or_none, choices=[], validate_choice=False)
    responsible_id = SelectField(lazy("With"), coerce=id_or_none, choices=[], validate_choice=False)
    priority = SelectField(lazy("Priority"), coerce=int, default=0, choices=PRIORITIES)
    tags = StringField(
        lazy("Tags"), default="", validators=[Length(max=400)], description=lazy("Words, with commas between them.")
    )

    def offer(self, ticket: Ticket | None = None) -> "TicketForm":
        """Fill the lists; what the ticket has already stays in them."""
        product_id = ticket.product_id if ticket else None
        nothing = _("none")
        self.customer_id.choices = _options(((c.id, c.name) for c in queries.customers()), nothing)
        self.contact_id.choices = _options(((p.id, _with_customer(p)) for p in queries.contacts()), nothing)
        self.product_id.choices = _options(_products(product_id), nothing)
        self.team_id.choices = _options((t.id, t.name) for t in queries.helpdesk_teams())
        self.responsible_id.choices = _options(((p.id, p.name) for p in queries.staff()), _("nobody yet"))
        return self


class PublicForm(Form):
    """The form of a team for anybody. `homepage` is a trap: people do not see it. `drawn` is when we drew the form."""

    name = StringField(
        lazy("Your name"),
        [DataRequired(lazy("Write your name.")), Length(max=120)],
        render_kw={"autocomplete": "name"},
    )
    email = StringField(
        lazy("Email"),
        [DataRequired(lazy("Write your e-mail address, so that we can answer.")), Length(max=254), must_be_address],
        render_kw={"type": "email", "autocomplete": "email"},
    )
    subject = StringField(
        lazy("Subject"), [DataRequired(lazy("Say in a few words what it is about.")), Length(max=200)]
    )
    text = TextAreaField(
        lazy("What happened?"),
        [DataRequired(lazy("Tell us what happened.")), Length(max=20_000)],
        description=lazy("What did you do, what did you expect?"),
    )
    product_id = SelectField(lazy("Product"), coerce=id_or_none, choices=[], validate_choice=False)
    serial = StringField(
        lazy("Serial number"),
        default="",
        validators=[Length(max=60)],
        description=lazy("It stands on the label, if you can find it."),
        render_kw={"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false"},
    )
    photos = MultipleFileField(lazy("Photos"))
    homepage = StringField(lazy("Leave this empty"), default="")
    drawn = HiddenField(default=lambda: _signer().dumps(int(now().timestamp())))

    def offer(self) -> "PublicForm":
        self.product_id.choices = _options(_products(None), _("I do not know"))
        return self

    def validate_photos(self, field: Any) -> None:
        if len(self.files()) > PHOTOS:
            raise ValidationError(_("At most %(most)s photos.", most=PHOTOS))

    def files(self) -> list[Any]:
        """The photos that were really chosen."""
        return [file for file in self.photos.data or [] if file and file.filename]

    def doubt(self) -> Doubt | None:
        """Why somebody should look first: the trap is filled, it came too fast, or from a page of yesterday."""
        if self.homepage.data:
            return Doubt.TRAP
        try:
            age = now().timestamp() - int(_signer().loads(self.drawn.data or ""))
        except (BadData, TypeError, ValueError):
            return Doubt.STALE
        if age < FASTEST:
            return Doubt.FAST
        return Doubt.STALE if age > SLOWEST else None


def receipt(number: str) -> str:
    """What the address of the thank-you page carries, so that nobody can leaf through our numbers."""
    return str(_signer("receipt").dumps(number))


def is_receipt(number: str, typed: str) -> bool:
    try:
        return bool(_signer("receipt").loads(typed) == number)
    except BadData:
        return False


def _signer(purpose: str = "drawn") -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt=f"public-form-{purpose}")


def _with_customer(person: Any) -> str:
    name, customer = person.name, person.customer.name
    return name if name == customer else f"{name}, {customer}"


def _products(keep: int | None) -> list[tuple[int, str]]:
    """By name; the reference only where two have the same name."""
    products = queries.sold_products(keep=keep)
    names = Counter(product.name for product in products)
    return [(p.id, p.name if names[p.name] == 1 else f"{p.name} [{p.ref}]") for p in products]


def _options(pairs: Iterable[tuple[int, str]], nothing: str | None = None) -> list[tuple[Any, str]]:
    return ([] if nothing is None else [("", nothing)]) + list(pairs)
