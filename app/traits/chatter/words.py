"""Words the conversation's templates need: numbers as links, the days that events lie between."""

from datetime import datetime

from markupsafe import Markup, escape

from app.foundation.language import _, day, format_datetime, format_decimal
from app.traits.finding import number_url
from app.traits.history import LABELS


def record_link(number: str | None) -> Markup:
    """`QA-0001` as a link to its page; a word that is no number of ours as it is."""
    if not number:
        return Markup("")
    url = number_url(number)
    return Markup('<a href="{}">{}</a>').format(url, number) if url else escape(number)


def span_of_days(first: datetime, last: datetime) -> str:
    """ "2 Mar" or "2 Mar to 11 Mar"."""
    if day(first) == day(last):
        return day(first)
    return str(_("%(first)s to %(last)s", first=day(first), last=day(last)))


def short_moment(at: datetime) -> str:
    """ "2 Mar, 10:41" in the reader's zone."""
    return f"{day(at)}, {format_datetime(at, 'HH:mm')}"


def file_size(size: int) -> str:
    """ "2.1 MB" as the reader writes it."""
    if size < 1_000_000:
        return str(_("%(size)s kB", size=max(1, round(size / 1000))))
    return str(_("%(size)s MB", size=format_decimal(round(size / 1_000_000, 1))))


def field_label(field: str) -> str:
    """What people call a column: "planned_start" -> "Planned start"."""
    return str(LABELS.get(field) or field.removesuffix("_id").replace("_", " ")).lower()
