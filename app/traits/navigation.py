"""The numbers beside the links at the side: how much is open in each room, and what waits for the reader."""

from flask import Flask, g
from sqlalchemy import func, literal, select, union_all

from app.foundation.db import db
from app.foundation.language import get_locale
from app.people.current import current_person_or_none
from app.traits.board.models import CLOSED_ROLES, Board, Stage
from app.traits.record import KINDS, Record
from app.traits.work import own_counts


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
        g.nav_counts = _counted(person.id)
    counts: dict[str, int] = g.nav_counts
    return counts


def _counted(person_id: int) -> dict[str, int]:
    """What is open per step, and what waits for this person, in one statement."""
    by_kind = (
        select(literal("open").label("what"), Board.kind, func.count(Record.id))
        .join(Stage, Stage.board_id == Board.id)
        .join(Record, Record.stage_id == Stage.id)
        .where(Stage.role.not_in(CLOSED_ROLES), Board.archived_at.is_(None))
        .group_by(Board.kind)
    )
    own = [select(literal("own"), literal(place), one.scalar_subquery()) for place, one in own_counts.items()]
    rows = db.session.execute(union_all(by_kind, *own) if own else by_kind, {"person_id": person_id}).all()
    counts = by_step({kind: count for what, kind, count in rows if what == "open"})
    return counts | {place: count for what, place, count in rows if what == "own"}


def by_step(counts: dict[str, int]) -> dict[str, int]:
    """Kind -> number as step of the loop -> number."""
    return {KINDS[kind].step: count for kind, count in counts.items() if kind in KINDS}
