"""The pages of our customers: their tickets, what was said, and their answer. They read public messages only."""

from dataclasses import dataclass

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.foundation.db import transaction
from app.foundation.errors import NotAllowed, NotFound, Refused
from app.foundation.forms import clean
from app.foundation.language import _, day
from app.foundation.permissions import SIGNED_IN, needs
from app.overview import queries
from app.people.current import current_person
from app.traits.attachments.actions import keep_photos
from app.traits.board.models import StageRole
from app.traits.chatter.actions import receive_message
from app.traits.chatter.queries import thread_of
from app.traits.finding import find_record
from app.traits.links.queries import Chain, chain_of
from app.traits.links.rail import rail
from app.traits.record import Record, record_url
from app.traits.show import cursor

bp = Blueprint("portal", __name__)


@dataclass(frozen=True)
class Stop:
    """A node of the loop in the customer's words. Nothing of ours but a state and a day gets here."""

    step: str
    state: str
    label: str
    caption: str


@bp.get("/portal")
@needs(SIGNED_IN)
def tickets() -> ResponseReturnValue:
    if current_person().is_staff:
        return redirect(url_for("overview.home"), 303)
    return render_template("overview/portal.html", tickets=queries.theirs(current_person()), status_of=status_of)


@bp.get("/portal/<number>")
@needs(SIGNED_IN)
def ticket(number: str) -> ResponseReturnValue:
    record = _theirs(number)
    if current_person().is_staff:
        return redirect(record_url(record), 303)
    return _page(record)


@bp.post("/portal/<number>/entries")
@needs("portal.use")
def answer(number: str) -> ResponseReturnValue:
    record, person = _theirs(number), current_person()
    body = str(clean(request.form.get("body", "")))
    try:
        photos = keep_photos(request.files.getlist("photos"))
        with transaction(by=person) as tx:
            entry = receive_message(record, body, by=person, via="portal", photos=photos)
            tx.location = url_for(".ticket", number=number, _anchor=f"entry-{entry.id}")
    except (NotAllowed, NotFound):
        raise
    except Refused as no:
        return make_response(_page(_theirs(number), body=body, error=no.sentence), no.status)
    return redirect(url_for(".ticket", number=number, _anchor=f"entry-{entry.id}"), 303)


def status_of(record: Record) -> str:
    """Where a ticket stands, in words for the customer; our stages' names stay ours."""
    words = {
        StageRole.NEW: _("We have it"),
        StageRole.WAITING: _("We wait for your answer"),
        StageRole.DONE: _("Solved"),
        StageRole.CANCELLED: _("Closed"),
    }
    return str(words.get(record.stage.role, _("We are working on it")) if record.stage else _("We have it"))


def stops(record: Record) -> list[Stop]:
    """The loop for the customer, once it is more than their ticket."""
    chain = chain_of(record)
    if not chain.ahead:
        return []
    words = {
        "ticket": _("You told us"),
        "alert": _("We found out why"),
        "eco": _("New design"),
        "bom": _("Approved"),
        "mo": _("We build it"),
    }
    return [
        Stop(node.step, node.state or "next", words[node.step], _since(chain, node.step))
        for node in rail(chain).nodes
        if node.step in words
    ]


def _since(chain: Chain, step: str) -> str:
    record = chain.main(step)
    return day(record.created_at) if record else ""


def _page(record: Record, *, body: str = "", error: str = "") -> str:
    return render_template(
        "overview/portal_ticket.html",
        record=record,
        thread=thread_of(record, before=cursor("before"), public_only=True),
        stops=stops(record),
        status=status_of(record),
        body=body,
        error=error,
        site=current_app.config.get("SITE_NAME") or "Loopwright",
    )


def _theirs(number: str) -> Record:
    return find_record("tickets", number, current_person())
