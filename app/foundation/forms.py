"""Forms: what a person may type. Every form carries a one-time `op`, numbers are read in the reader's locale."""

import re
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets import TextInput

from app.foundation.csrf import MaskedCSRF
from app.foundation.db import LARGEST
from app.foundation.language import _, get_locale

FILTERS: tuple[Callable[[Any], Any], ...] = ()


def clean(text: Any) -> Any:
    """Typed text without NUL and other control characters, in NFC, line ends as \\n, blanks at both ends cut."""
    if not isinstance(text, str):
        return text
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept).strip()


def one_line(text: Any) -> Any:
    """As `clean`, on one line."""
    text = clean(text)
    return re.sub(r"\s+", " ", text) if isinstance(text, str) else text


class Form(FlaskForm):  # type: ignore[misc]  # flask_wtf has no stubs
    """Our base: `values()` is what the action takes, `op` makes a repeated send harmless."""

    op = HiddenField(default=lambda: str(uuid.uuid4()))

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        csrf_class = MaskedCSRF

        def bind_field(self, form: Any, unbound: Any, options: Any) -> Any:
            filters = list(unbound.kwargs.get("filters", ()))
            if issubclass(unbound.field_class, StringField) and unbound.field_class is not HiddenField:
                multi = unbound.field_class.__name__ == "TextAreaField"
                secret = unbound.field_class.__name__ == "PasswordField"
                if not secret:
                    filters.append(clean if multi else one_line)
            unbound.kwargs["filters"] = filters
            if isinstance(unbound.kwargs.get("choices"), list):  # pairs are what we write, choices what WTForms wants
                unbound.kwargs["choices"] = [_choice(c) for c in unbound.kwargs["choices"]]
            return unbound.bind(form=form, **options)

    def values(self) -> dict[str, Any]:
        """Field name to value, without `op`, the token and the buttons."""
        hidden = {"op", "csrf_token", "version"}
        return {f.name: f.data for f in self if f.name not in hidden and f.type != "SubmitField"}

    def refuse(self, sentence: str, field: str | None = None) -> None:
        """Show the sentence of a Refused at its field, or above the form, which gets a fresh `op`."""
        self.op.data = str(uuid.uuid4())
        if field and field in self:
            target = self[field]
            target.errors = [*target.errors, sentence]
        else:
            self.form_errors.append(sentence)


def _choice(option: Any) -> Any:
    return SelectChoice(value=option[0], label=option[1]) if isinstance(option, tuple) else option


def parse_number(text: str, *, places: int = 6) -> Decimal:
    """The Decimal a person typed, by the reader's locale; ValidationError when it is no number or could be two.

    "1,5" and "1.5" are both understood where only one reading exists; "1,234" or "1.234" is refused where the group
    mark of the locale could be meant as a decimal mark and the other way round.
    """
    typed = text.strip().replace("\u00a0", "").replace("\u202f", "").replace("'", "").replace(" ", "")
    typed = typed.replace("\u2212", "-")
    if not re.fullmatch(r"[+-]?[0-9.,]*[0-9][0-9.,]*", typed) or not typed.isascii():
        raise ValidationError(_("“%(text)s” is not a number.", text=text[:40]))
    decimal_mark = "," if str(get_locale() or "en").split("_")[0] in _COMMA_LANGUAGES else "."
    other = "." if decimal_mark == "," else ","
    if "." in typed and "," in typed:
        last = max(typed.rfind("."), typed.rfind(","))
        mark = typed[last]
        group = "," if mark == "." else "."
        whole, _mark, fraction = typed.rpartition(mark)
        groups = whole.lstrip("+-").split(group)
        if mark in whole or len(groups[0]) > 3 or any(len(g) != 3 for g in groups[1:]):
            raise ValidationError(_("“%(text)s” can be read in more than one way. Write 1234.5.", text=text[:40]))
        typed = whole.replace(group, "") + "." + fraction
    elif other in typed:
        pieces = typed.lstrip("+-").split(other)
        if len(pieces) > 2 or (len(pieces) == 2 and len(pieces[1]) == 3 and pieces[0] not in ("", "0")):
            raise ValidationError(_("“%(text)s” can be read in more than one way. Write 1234.5.", text=text[:40]))
        typed = typed.replace(other, ".")
    else:
        typed = typed.replace(decimal_mark, ".")
    try:
        number = Decimal(typed)
    except InvalidOperation:
        raise ValidationError(_("“%(text)s” is not a number.", text=text[:40])) from None
    if abs(number) > LARGEST:
        raise ValidationError(_("%(text)s is too large.", text=text[:40]))
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places:
        raise ValidationError(_("At most %(places)s places after the point are kept.", places=places))
    return number


_COMMA_LANGUAGES = frozenset("de es fr it nl pt da sv nb fi pl cs sk hu ro bg el tr ru uk id vi".split())  # noqa: SIM905


class NumberField(Field):
    """A number typed as text (`inputmode=decimal`), read by locale. The typed text is kept when it is wrong."""

    widget = TextInput()

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        least: Decimal | int | None = None,
        more_than: Decimal | int | None = None,
        most: Decimal | int | None = None,
        places: int = 6,
        **kwargs: Any,
    ) -> None:
        render = {"inputmode": "decimal", "autocomplete": "off", **kwargs.pop("render_kw", {})}
        super().__init__(label, validators, render_kw=render, **kwargs)
        self.least, self.more_than, self.most, self.places = least, more_than, most, places
        self.typed: str | None = None

    def _value(self) -> str:
        if self.typed is not None:
            return self.typed
        return "" if self.data is None else _plain(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        if not valuelist:
            return
        self.typed = valuelist[0]
        self.data = None
        if not self.typed.strip():
            return
        try:
            self.data = parse_number(self.typed, places=self.places)
        except ValidationError as wrong:
            raise ValueError(str(wrong)) from None

    def pre_validate(self, form: Any) -> None:
        if self.data is None:
            if self.typed is not None and self.typed.strip():
                raise StopValidation()
            return
        if self.least is not None and self.data < self.least:
            raise StopValidation(_("It must be at least %(least)s.", least=self.least))
        if self.more_than is not None and self.data <= self.more_than:
            raise StopValidation(_("It must be more than %(least)s.", least=self.more_than))
        if self.most is not None and self.data > self.most:
            raise StopValidation(_("It must be at most %(most)s.", most=self.most))


def _plain(number: Decimal) -> str:
    """A number as it is put into a field: no group marks, the decimal mark of the reader."""
    text = f"{number:f}"
    return text.replace(".", ",") if str(get_locale() or "en").split("_")[0] in _COMMA_LANGUAGES else text


QuantityField = NumberField
MoneyField = NumberField


def midnight(day: date, zone: Any) -> datetime:
    """The moment a day begins in `zone`, in UTC."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
