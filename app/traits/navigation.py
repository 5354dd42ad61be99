"""The numbers beside the links at the side: how much is open in each room, and what waits for the reader."""

from collections.abc import Callable

from flask import Flask, g
from sqlalchemy import func, select

from app.foundation.db import db
from app.foundation.language import get_locale
from app.people.current import current_person_or_none
from app.people.models import Person
from app.traits.board.models import CLOSED_ROLES, Board, Stage
from app.traits.record import KINDS, Record

Counter = Callable[[Person], int]
_counters: dict[str, Counter] = {}


def count_at(place: str, counter: Counter) -> None:
    """Show `counter(person)` beside the link `place` (`home`, or a step of the loop). Called by `register(app)`."""
    _counters[place] = counter


def init_navigation(app: Flask) -> None:
    app.jinja_env.globals.update(nav_counts=nav_counts, page_language=page_language)


def page_language() -> str:
    """For `<html lang>`."""
    return str(get_locale() or "en").replace("_", "-")


def nav_counts() -> dict[str, int]:
    """Place at the side -> number; read once per request, and not at all when the page knows them already."""
    person = current_person_or_none()
    if person is None or not person.is_staff:
        return {}
    if "nav_counts" not in g:
        g.nav_counts = by_step(open_by_kind())
    counts: dict[str, int] = g.nav_counts
    return counts | {place: counter(person) for place, counter in _counters.items()}


def open_by_kind() -> dict[str, int]:
    """How many records of each kind are in a stage that is not closed."""
    statement = (
        select(Board.kind, func.count(Record.id))
        .join(Stage, Stage.board_id == Board.id)
        .join(Record, Record.stage_id == Stage.id)
        .where(Stage.role.not_in(CLOSED_ROLES), Board.archived_at.is_(None))
        .group_by(Board.kind)
    )
    return {row[0]: row[1] for row in db.session.execute(statement)}


def by_step(counts: dict[str, int]) -> dict[str, int]:
    """Kind -> number as step of the loop -> number."""
    return {KINDS[kind].step: count for kind, count in counts.items() if kind in KINDS}
