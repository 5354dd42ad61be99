"""Words, dates, numbers and money in the reader's language. Every visible string passes through here."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel import numbers
from flask import Flask, current_app, g, has_app_context, has_request_context, request
from flask_babel import (
    Babel,
    format_date,
    format_datetime,
    format_decimal,
    get_locale,
    get_timezone,
    get_translations,
    ngettext,
)
from flask_babel import lazy_gettext as lazy

__all__ = [
    "Babel",
    "_",
    "day",
    "format_date",
    "format_datetime",
    "format_decimal",
    "get_locale",
    "get_timezone",
    "lazy",
    "moment",
    "money",
    "ngettext",
    "quantity",
    "zone",
]


def _(text: str, /, **variables: Any) -> str:
    """The text in the reader's language, with its variables filled in."""
    said: str = translations().ugettext(text)
    return said % variables if variables else said


def translations() -> Any:
    """The catalogue of the reader's language, looked up once per request: a page asks for some two hundred texts."""
    kept = g.get("_flask_babel") if has_app_context() else None
    known = getattr(kept, "catalogue", None)
    if known is not None and known[0] is getattr(kept, "babel_locale", None):
        return known[1]
    found = get_translations()
    kept = g.get("_flask_babel") if has_app_context() else None
    if kept is not None:
        kept.catalogue = (getattr(kept, "babel_locale", None), found)
    return found


def quantity(value: Decimal | None) -> str:
    """A quantity as the reader writes it, exactly as stored: 0.5, 1,200, never rounded to nothing."""
    if value is None:
        return ""
    return numbers.format_decimal(value, format="#,##0.######", locale=get_locale(), decimal_quantization=False)


def money(value: Decimal | None) -> str:
    """An amount in the site's currency, two places."""
    if value is None:
        return ""
    return numbers.format_currency(value, current_app.config.get("SITE_CURRENCY") or "EUR", locale=get_locale())


def moment(value: datetime | None) -> str:
    """ "Mon 2 Mar, 09:14" in the reader's zone; with the year when it is not this one."""
    if value is None:
        return ""
    from app.foundation.clock import now

    pattern = "EEE d MMM, HH:mm" if value.year == now().year else "d MMM y, HH:mm"
    return str(format_datetime(value, pattern))


def day(value: date | datetime | None) -> str:
    """ "2 Mar" in the reader's zone; with the year when it is not this one."""
    if value is None:
        return ""
    from app.foundation.clock import now

    pattern = "d MMM" if value.year == now().year else "d MMM y"
    if isinstance(value, datetime):
        return str(format_datetime(value, pattern))
    return str(format_date(value, pattern))


def zone() -> ZoneInfo:
    """The reader's time zone."""
    return ZoneInfo(str(get_timezone()))


def init_language(app: Flask) -> None:
    """Language and zone: the person's, else the site's. Filters `quantity`, `money`, `moment`, `day` for templates."""
    Babel(app, locale_selector=_locale, timezone_selector=_zone_name)
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: translations().ugettext(text),
        ngettext=lambda one, many, n: translations().ungettext(one, many, n),
        newstyle=True,
    )
    app.jinja_env.filters.update(quantity=quantity, money=money, moment=moment, day=day)


def _locale() -> str:
    person = g.get("person") if has_request_context() else None
    wanted = getattr(person, "locale", None) or current_app.config.get("SITE_LOCALE")
    if wanted:
        return str(wanted)
    return (request.accept_languages.best_match(LANGUAGES) if has_request_context() else None) or "en"


def _zone_name() -> str:
    person = g.get("person") if has_request_context() else None
    return str(getattr(person, "zone", None) or current_app.config.get("SITE_ZONE") or "UTC")


LANGUAGES = ("en",)


def site_zone() -> ZoneInfo:
    """The zone of the company: days typed by people begin at its midnight."""
    return ZoneInfo(str(current_app.config.get("SITE_ZONE") or "UTC"))
