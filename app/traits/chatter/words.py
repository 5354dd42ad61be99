"""Words the conversation's templates need: numbers as links, the days that events lie between."""

from datetime import datetime

from markupsafe import Markup, escape

from app.foundation.language import _, day
from app.traits.finding import number_url


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
