"""What a person types to get in."""

import re
from typing import Any
from zoneinfo import available_timezones

from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Length

from app.foundation.forms import Form
from app.foundation.language import _, lazy

_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


class SignInForm(Form):
    email = StringField(lazy("Email"), render_kw={"autocomplete": "username", "type": "email", "autofocus": True})
    password = PasswordField(lazy("Password"), render_kw={"autocomplete": "current-password"})
    stay = BooleanField(lazy("Stay signed in on this computer"))
    next = HiddenField()


class NewPasswordForm(Form):
    """Somebody who is here already chooses a password."""

    password = PasswordField(
        lazy("Password"),
        [InputRequired()],
        description=lazy("At least 8 characters. A few words in a row are good."),
        render_kw={"autocomplete": "new-password", "minlength": 8},
    )


class FirstAdministratorForm(NewPasswordForm):
    """The company and the one who looks after it, in an empty installation."""

    company = StringField(
        lazy("Company"), [InputRequired(), Length(max=80)], render_kw={"autocomplete": "organization"}
    )
    name = StringField(lazy("Your name"), [InputRequired(), Length(max=80)], render_kw={"autocomplete": "name"})
    email = StringField(
        lazy("Email"), [InputRequired(), Length(max=254)], render_kw={"autocomplete": "username", "type": "email"}
    )

    def validate_email(self, field: Any) -> None:
        if not _EMAIL.fullmatch(field.data or ""):
            raise ValidationError(_("This is no e-mail address."))


class AccountForm(Form):
    zone = SelectField(lazy("Time zone"), choices=lambda: [("", _("The company's")), *_zones()])


def _zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in sorted(available_timezones()) if "/" in name]
