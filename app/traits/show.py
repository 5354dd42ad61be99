"""The page of a record: what every kind has in common is put together here, the room adds its content and facts."""

from dataclasses import dataclass, field
from typing import Any

from flask import current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from app.foundation.errors import NotFound
from app.foundation.permissions import can, known_rules
from app.people.current import current_person
from app.people.models import Person
from app.traits.board.actions import stages_of
from app.traits.chatter.actions import Addressee, addressee_of
from app.traits.chatter.queries import thread_of
from app.traits.followers import followers
from app.traits.links.offers import next_steps, panels
from app.traits.links.queries import chain_of
from app.traits.links.rail import STEPS, rail
from app.traits.record import Record, kind_of, may_see, record_url


@dataclass
class Composer:
    """What the box under a conversation shows: to whom, what is typed already, what was wrong with it."""

    url: str
    addressee: Addressee | None = None
    picked: str = "note"
    body: str = ""
    errors: list[str] = field(default_factory=list)


def record_page(record: Record, template: str, **context: Any) -> str:
    """Draw `template` (a child of `layouts/record.html`) for `record`, with the loop, conversation and next steps."""
    person = current_person()
    if not person.is_staff or not may_see(person, record):
        raise NotFound("")
    chain = chain_of(record)
    own = {
        "record": record,
        "kind": kind_of(record),
        "stages": context.get("stages") or (stages_of(record.stage.board_id) if record.stage else []),
        "chain": chain,
        "may_move": may_write(person, record),
        "may_write": may_write(person, record),
        "rail": rail(chain),
        "linked_groups": [(step, STEPS[step], found) for step in STEPS if len(found := chain.records(step)) > 1],
        "next_steps": next_steps(chain, person),
        "main_panels": panels(record, "main"),
        "aside_panels": panels(record, "aside"),
        "thread": thread_of(record, before=cursor("before")),
        "composer": g.pop("composer", None) or composer_for(record, person),
        "followers": followers(record),
    }
    return render_template(template, **(own | context))


def composer_for(record: Record, person: Person, *, body: str = "", errors: list[str] | None = None) -> Composer:
    """Replies come first where there is a customer and the person may write to them; elsewhere notes do."""
    addressee = addressee_of(record) if may_write(person, record) else None
    if addressee is not None and not addressee.email:
        addressee = None
    picked = "reply" if addressee else "note"
    return Composer(f"{record_url(record)}/entries", addressee, picked, body, errors or [])


def page_again(record: Record, status: int) -> ResponseReturnValue:
    """The record's own page, drawn by its room, as the answer to something that was refused."""
    try:
        endpoint, values = current_app.create_url_adapter(request).match(record_url(record), method="GET")  # type: ignore[union-attr]
    except HTTPException:
        raise NotFound("") from None
    return make_response(current_app.ensure_sync(current_app.view_functions[endpoint])(**values), status)


def may_write(person: Person, record: Record) -> bool:
    """Whether `person` may change `record`: the room's rule `<kind>.write`."""
    name = f"{record.kind}.write"
    return name in known_rules() and can(person, name, record)


def cursor(name: str) -> int | None:
    """A positive number from the query string; None when it is none."""
    given = request.args.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None
