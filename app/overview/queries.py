"""What My work and the customers' pages read."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from app.foundation.db import db
from app.foundation.language import _, day
from app.people.models import Person
from app.traits.board.models import CLOSED_ROLES, Stage
from app.traits.navigation import nav_counts
from app.traits.record import KINDS, Kind, Record, record_url
from app.traits.work import WorkItem, WorkSection, other_counts

MOST = 200


def mine(person: Person) -> list[WorkSection]:
    """The open records this person is responsible for, by kind in loop order, the urgent ones first; one query."""
    statement = (
        select(Record)
        .join(Stage, Stage.id == Record.stage_id)
        .options(contains_eager(Record.stage))
        .where(Record.responsible_id == person.id, Stage.role.not_in(CLOSED_ROLES))
        .order_by(Record.priority.desc(), Record.id)
        .limit(MOST)
    )
    by_kind: dict[str, list[Record]] = {}
    for record in db.session.scalars(statement):
        by_kind.setdefault(record.kind, []).append(record)
    return [_section(kind, by_kind[name]) for name, kind in KINDS.items() if name in by_kind]


def _section(kind: Kind, records: list[Record]) -> WorkSection:
    return WorkSection(
        name=f"mine-{kind.name}",
        title=_("%(kinds)s with me", kinds=kind.labels),
        step=kind.step,
        icon=kind.step,
        items=[_item(record) for record in records],
        count=len(records),
    )


def _item(record: Record) -> WorkItem:
    urgent = {2: (_("high"), "warn"), 3: (_("urgent"), "bad")}.get(record.priority, ("", ""))
    return WorkItem(
        title=record.title,
        url=record_url(record),
        note=f"{record.number} · {record.stage.name if record.stage else ''}",
        due=_("since %(day)s", day=day(record.entered_stage_at)),
        pill=_("blocked") if record.blocked_reason else urgent[0],
        pill_kind="bad" if record.blocked_reason else urgent[1],
        pill_icon="blocked" if record.blocked_reason else "warn" if urgent[0] else "",
    )


def open_counts() -> dict[str, int]:
    """Step of the loop -> how much is open there: the numbers of the side, and those of the rooms."""
    return {step: count for step, count in nav_counts().items() if step != "home"} | other_counts()


@dataclass(frozen=True)
class Theirs:
    """One of a customer's own tickets."""

    record: Record
    url: str


def theirs(person: Person) -> list[Theirs]:
    """What this customer may see, open first, newest first."""
    kind = KINDS.get("ticket")
    if kind is None:
        return []
    statement = select(Record).where(Record.kind == "ticket", kind.visible_to(person)).order_by(Record.id.desc())
    records = list(db.session.scalars(statement.limit(MOST)))
    records.sort(key=lambda record: record.stage is not None and record.stage.is_closed)
    return [Theirs(record, f"/portal/{record.number}") for record in records]
