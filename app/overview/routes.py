"""My work: what waits for the person who is signed in."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.foundation.clock import now
from app.foundation.db import transaction
from app.foundation.errors import NotFound
from app.foundation.htmx import fragments, partial
from app.foundation.language import _, format_datetime, ngettext
from app.foundation.permissions import SIGNED_IN, STAFF, needs
from app.overview import picture, queries
from app.people.current import current_person
from app.traits.chatter.actions import finish_mention
from app.traits.chatter.queries import find_mention, waiting_mentions
from app.traits.work import work_of

bp = Blueprint("overview", __name__)


@bp.get("/")
@needs(SIGNED_IN)
def home() -> ResponseReturnValue:
    person = current_person()
    if not person.is_staff:
        return redirect(url_for("portal.tickets"), 303)
    mentions = waiting_mentions(person)
    sections = [*work_of(person), *queries.mine(person)]
    counts = queries.open_counts()
    return render_template(
        "overview/home.html",
        today=format_datetime(now(), "EEEE d MMMM"),
        waiting_sentence=waiting_sentence,
        waiting=len(mentions) + sum(section.count for section in sections),
        sections=sections,
        mentions=mentions,
        arcs=picture.arcs(_steps(), counts),
        total=sum(counts.values()),
    )


@bp.post("/mentions/<int:mention_id>/done")
@needs(STAFF)
def mention_done(mention_id: int) -> ResponseReturnValue:
    person = current_person()
    with transaction(by=person) as tx:
        mention = find_mention(mention_id, person)
        if mention is None:
            raise NotFound("")
        finish_mention(mention, by=person)
        tx.location = url_for("overview.home")
    shown = render_template("overview/_mentions.html", mentions=waiting_mentions(person))
    return fragments(partial("#mentions", shown), instead=url_for("overview.home"))


def _steps() -> list[tuple[str, str, str]]:
    return [
        ("ticket", _("Tickets"), "/tickets"),
        ("alert", _("Alerts"), "/alerts"),
        ("eco", _("Changes"), "/ecos"),
        ("bom", _("Drafts"), "/products"),
        ("mo", _("Orders"), "/orders"),
    ]


def waiting_sentence(count: int) -> str:
    """What the page begins with."""
    if not count:
        return str(_("Nothing waits for you."))
    return str(ngettext("%(num)s thing waits for you.", "%(num)s things wait for you.", count))
