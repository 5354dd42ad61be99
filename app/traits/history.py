"""The history of a record: every field that changed, from the audit trail, readable for people."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import LazyString
from sqlalchemy import select

from app.foundation import audit
from app.foundation.db import db
from app.foundation.language import _, lazy, moment
from app.people.models import Person
from app.traits.board.models import Stage
from app.traits.record import Record, Tag

PAGE = 20
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")  # as the trail writes one
# Columns that say nothing to people, or that something else says better.
HIDDEN = frozenset({"id", "kind", "version", "rank", "entered_stage_at", "created_at", "created_by_id"})
LABELS: dict[str, LazyString] = {
    "number": lazy("Number"),
    "title": lazy("Title"),
    "description": lazy("Description"),
    "stage_id": lazy("Stage"),
    "responsible_id": lazy("Responsible"),
    "priority": lazy("Priority"),
    "tags": lazy("Tags"),
    "blocked_reason": lazy("Blocked"),
    "closed_at": lazy("Closed"),
    "team_id": lazy("Team"),
    "customer_id": lazy("Customer"),
    "contact_id": lazy("Contact"),
    "product_id": lazy("Product"),
    "unit_id": lazy("Serial number"),
    "serial_text": lazy("Serial number as told"),
    "sender_name": lazy("Sender"),
    "sender_email": lazy("Sender’s address"),
    "channel": lazy("Came by"),
    "root_cause_id": lazy("Root cause"),
    "quantity": lazy("Quantity"),
    "planned_start": lazy("Planned start"),
    "revision_id": lazy("Revision"),
    "effective_from": lazy("Effective from"),
    "applied_at": lazy("Applied"),
    "type_id": lazy("Type"),
    "bom_id": lazy("Bill of materials"),
}
Namer = Callable[[set[int]], dict[int, str]]
_namers: dict[str, Namer] = {}


@dataclass(frozen=True)
class FieldChange:
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Moment:
    """What one person changed at one moment."""

    id: int
    at: datetime
    who: str
    via: str
    fields: list[FieldChange]
    is_first: bool


@dataclass(frozen=True)
class Past:
    moments: list[Moment]
    earlier: int | None


def names_of(column: str, namer: Namer) -> None:
    """`namer(ids)` gives the names behind a column of ids (`product_id`), so that the history reads as words."""
    _namers[column] = namer


def label_of(column: str, label: LazyString) -> None:
    """What the history calls a column of a room's own."""
    LABELS[column] = label


def history_of(record: Record, *, before: int | None = None) -> Past:
    """The newest changes first, a page at a time; as many queries as there are kinds of names in them."""
    rows = audit.history("record", record.id, limit=PAGE + 1, before=before)
    has_more = len(rows) > PAGE
    rows = rows[:PAGE]
    names = _names(rows)
    people = _people({row.actor_id for row in rows if row.actor_id})
    moments = [
        Moment(
            id=row.id,
            at=row.at,
            who=people.get(row.actor_id or 0, "Loopwright"),
            via=row.source,
            fields=_fields(row.fields, names, row.action == "insert"),
            is_first=row.action == "insert",
        )
        for row in rows
    ]
    return Past([m for m in moments if m.fields or m.is_first], rows[-1].id if has_more else None)


def _fields(changes: dict[str, tuple[Any, Any]], names: dict[str, dict[int, str]], is_first: bool) -> list[FieldChange]:
    shown = []
    for column, (before, after) in changes.items():
        if column in HIDDEN or (is_first and after in (None, "", 0, [], False)):
            continue
        label = str(LABELS.get(column) or column.removesuffix("_id").removesuffix("_at").replace("_", " ").capitalize())
        known = names.get(column, {})
        shown.append(FieldChange(label, _shown(before, known), _shown(after, known)))
    return shown


def _shown(value: Any, names: dict[int, str]) -> str:
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(_shown(one, names) for one in value)
    if names and str(value).isdigit():
        return names.get(int(value), str(value))
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return moment(datetime.fromisoformat(value))
    return str(value)


def _names(rows: Iterable[audit.Seen]) -> dict[str, dict[int, str]]:
    """Column -> id -> name, for the columns that hold ids in these rows."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        for column, pair in row.fields.items():
            if column not in _namers:
                continue
            for value in pair:
                for one in value if isinstance(value, list) else [value]:
                    if str(one).isdigit():
                        wanted.setdefault(column, set()).add(int(one))
    return {column: _namers[column](ids) for column, ids in wanted.items() if ids}


def _people(ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    return {row[0]: row[1] for row in db.session.execute(select(Person.id, Person.name).where(Person.id.in_(ids)))}


def _stages(ids: set[int]) -> dict[int, str]:
    return {row[0]: row[1] for row in db.session.execute(select(Stage.id, Stage.name).where(Stage.id.in_(ids)))}


def _tags(ids: set[int]) -> dict[int, str]:
    return {row[0]: row[1] for row in db.session.execute(select(Tag.id, Tag.name).where(Tag.id.in_(ids)))}


names_of("stage_id", _stages)
names_of("responsible_id", _people)
names_of("contact_id", _people)
names_of("tags", _tags)
