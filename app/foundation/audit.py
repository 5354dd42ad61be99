"""The audit trail: who changed what, when, from what to what. Written by itself, append-only, hash-chained.

A session event collects one row per changed object per transaction; they are written last, just before the commit, in
the same transaction. Each row holds the hash of the one before it; the head row holds count, last hash and an HMAC with
the installation's secret; `write_anchor()` copies the head to a file outside the database. `verify()` checks all three,
so that an edited, deleted, inserted, swapped or forked row and a cut tail are found even when somebody writes to the
database directly and switches the triggers off.

UPDATE, INSERT and DELETE statements (Core) bypass the session's events: on audited tables they are refused unless they
go through `audited_dml()`.
"""

import copy
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Literal
from weakref import WeakKeyDictionary

from flask import current_app, has_request_context
from flask import session as web_session
from sqlalchemy import (
    CheckConstraint,
    Delete,
    Index,
    Insert,
    String,
    Table,
    Text,
    Update,
    event,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.orm import (
    ColumnProperty,
    InstanceState,
    Mapped,
    Mapper,
    ORMExecuteState,
    QueryableAttribute,
    RelationshipProperty,
    Session,
    SessionTransaction,
    mapped_column,
)
from sqlalchemy.orm.unitofwork import UOWTransaction
from sqlalchemy.sql import ClauseElement

from app.foundation import clock, freeze, personal
from app.foundation.db import Base, Transaction, at_commit, current_transaction, db, in_transaction, tidy
from app.foundation.language import _
from app.foundation.logs import request_id

# Tables that leave no trace here, each with its reason.
NOT_AUDITED: dict[str, str] = {
    "audit_row": "the trail itself",
    "audit_head": "the trail itself",
    "person_key": "keys of the trail; erasing one is written down by erase()",
    "alembic_version": "schema, not data",
    "sequence": "numbers given show in the records that have them",
    "op_outcome": "what a repeated form is answered with; gone after 7 days",
    "job": "the outbox: what it does is seen in its own state",
    "heartbeat": "a sign of life, every few seconds",
    "browser_session": "who is signed in where; sign-ins are logged",
    "limit_row": "the rate limit's memory",
    "parked_text": "what somebody typed into a dead page, kept for a day",
    "one_time_link": "short-lived tokens; what they lead to is audited",
    "board_change": "the boards' cursor; the moves themselves are audited on the record",
    "revision_rollup": "computed from a released revision",
}
# Columns of audited tables whose change alone leaves no trace.
NOT_AUDITED_COLUMNS: dict[str, frozenset[str]] = {
    "record": frozenset({"rank", "version"}),  # the order of cards, and the guard of edit forms
    "board": frozenset({"version"}),
}
GENESIS = "v1:" + "0" * 64
Action = Literal["insert", "update", "delete", "erase", "segment", "event"]


class AuditRow(Base):
    """One changed object. `changes` is canonical JSON, `{"field": [before, after]}`; read it with `history()`."""

    __tablename__ = "audit_row"
    __table_args__ = (Index("ix_audit_row_table_name_row_pk_id", "table_name", "row_pk", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment: Mapped[int]
    at: Mapped[datetime]
    actor_id: Mapped[int | None]
    via: Mapped[str | None] = mapped_column(String(16))
    device_id: Mapped[int | None]
    source: Mapped[str] = mapped_column(String(24))
    request_id: Mapped[str | None] = mapped_column(String(64))
    table_name: Mapped[str] = mapped_column(String(64))
    row_pk: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(12))
    changes: Mapped[str] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(String(70), unique=True)
    hash: Mapped[str] = mapped_column(String(70))


class AuditHead(Base):
    """Where the chain ends. A restore starts a new segment."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment: Mapped[int]
    count: Mapped[int]
    hash: Mapped[str] = mapped_column(String(70))
    mac: Mapped[str] = mapped_column(String(70))


freeze.append_only("audit_row", message="the audit trail is append-only")
freeze.register(
    freeze.Trigger("freeze_audit_head_delete", "audit_head", "DELETE", "the head of the audit trail stays"),
    freeze.Trigger(
        "freeze_audit_head_back",
        "audit_head",
        "UPDATE",
        "the head of the audit trail only grows",
        condition="NEW.count < OLD.count OR NEW.segment < OLD.segment",
    ),
)

_rows: Table = AuditRow.__table__  # type: ignore[assignment]
_head: Table = AuditHead.__table__  # type: ignore[assignment]


# Collecting


@dataclass(slots=True)
class Change:
    """What happened to one object in this transaction. `own` is the model's own table, for the lists of `personal`."""

    table: str
    pk: str
    action: Action
    own: str
    fields: dict[str, list[Any]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    later: dict[str, tuple[object, str]] = field(default_factory=dict)  # computed by the database: read before writing

    def put(self, name: str, before: Any, after: Any) -> None:
        if name in self.fields:
            self.fields[name][1] = after
        else:
            self.fields[name] = [before, after]

    def copied(self) -> "Change":
        return Change(
            self.table, self.pk, self.action, self.own,
            {name: list(pair) for name, pair in self.fields.items()}, dict(self.subjects), dict(self.later),
        )  # fmt: skip


Pending = dict[tuple[str, str], Change]
_marks: "WeakKeyDictionary[SessionTransaction, Pending]" = WeakKeyDictionary()


@event.listens_for(Base, "attribute_instrument", propagate=True)
def _remember_old_values(_class: type, _key: str, attribute: QueryableAttribute[Any]) -> None:
    """A value that is set without having been read is loaded first, so that the trail knows what it was."""
    if isinstance(attribute.property, ColumnProperty):
        attribute.impl.active_history = True


@event.listens_for(db.session, "before_flush")
def _look_before(session: Session, _context: Any, _items: Any) -> None:
    """Two things the flush forgets: the last values of what goes, and what `count = count + 1` began from."""
    if not in_transaction():
        return
    for item in session.deleted:
        gone: InstanceState[Any] = inspect(item)
        for key in gone.expired_attributes.intersection(gone.mapper.column_attrs.keys()):
            getattr(item, key)  # the first one loads them all
    for item in session.dirty:
        state: InstanceState[Any] = inspect(item)
        for key, old in state.committed_state.items():
            if isinstance(state.dict.get(key), ClauseElement):
                current_transaction().notes.setdefault("audit_computed", []).append((item, key, old))


@event.listens_for(db.session, "after_flush")
def _collect(session: Session, context: UOWTransaction) -> None:
    tx = current_transaction()
    pending: Pending = tx.notes.setdefault("audit", {})
    found = False
    fresh, gone = set(session.new), list(session.deleted)
    written = [(state.obj(), is_gone) for state, (is_gone, is_looked_at) in context.states.items() if not is_looked_at]
    gone += [item for item, is_gone in written if is_gone and item not in session.deleted]  # orphans of a list
    places, taken = {_place(item): item for item in gone}, set[tuple[str, str]]()
    for item in fresh:
        if (place := _place(item)) in places:
            _collect_replacement(pending, places.pop(place), item)
            taken.add(place)
            found = True
    for item in places.values():
        found |= _collect_one(pending, item, "delete")
    for item, is_gone in written:
        if not is_gone and (item not in fresh or _place(item) not in taken):
            found |= _collect_one(pending, item, "insert" if item in fresh else "update")
    for item, key, old in tx.notes.pop("audit_computed", ()):
        found |= _collect_computed(pending, item, key, old)
    if found and tx.notes.get("audit_written"):
        raise RuntimeError("Something was written after the audit trail: hooks of at_commit() run before order 90.")


def _collect_one(pending: Pending, item: object, action: Action) -> bool:
    state: InstanceState[Any] = inspect(item)
    mapper: Mapper[Any] = state.mapper
    table, pk = place = _place(item)
    if table in NOT_AUDITED:
        return False
    before = pending.get(place)
    if action == "delete" and before is not None and before.action == "insert":
        del pending[place]
        return False
    change = before or Change(table, pk, action, _name(mapper.local_table))
    if action == "delete":
        change.action = "delete"
    elif action == "insert" and change.action == "delete":
        change.action = "update"  # gone and made again with the same key: what is left is the difference
    _collect_columns(change, state, mapper, action)
    _collect_links(change, state, mapper, action)
    if change.fields or change.action != "update":
        pending[place] = change
        return True
    return False


def _collect_computed(pending: Pending, item: object, key: str, old: Any) -> bool:
    """The new value is read when the trail is written."""
    mapper: Mapper[Any] = inspect(item).mapper
    table, pk = place = _place(item)
    name = _name(mapper.column_attrs[key].columns[0])
    if table in NOT_AUDITED or name in NOT_AUDITED_COLUMNS.get(table, ()):
        return False
    change = pending.setdefault(place, Change(table, pk, "update", _name(mapper.local_table)))
    change.later[name] = (item, key)
    change.put(name, plain(old), None)
    return True


def _collect_replacement(pending: Pending, old: object, new: object) -> None:
    """One goes and another with the same key comes in one flush: an UPDATE, and what `new` does not say stays."""
    was, state = inspect(old), inspect(new)
    table, pk = place = _place(new)
    if table in NOT_AUDITED:
        return
    change = pending.setdefault(place, Change(table, pk, "update", _name(state.mapper.local_table)))
    for key in state.mapper.column_attrs.keys() & state.dict.keys():
        _put(change, state, key, _pair(was, key, "delete")[0], state.dict[key])


def _collect_columns(change: Change, state: InstanceState[Any], mapper: Mapper[Any], action: Action) -> None:
    names = state.dict.keys() if action != "update" else state.committed_state.keys()
    for key in list(names):
        if isinstance(mapper.attrs.get(key), ColumnProperty):
            _put(change, state, key, *_pair(state, key, action))


def _put(change: Change, state: InstanceState[Any], key: str, old: Any, new: Any) -> None:
    name = _name(state.mapper.column_attrs[key].columns[0])
    if name in NOT_AUDITED_COLUMNS.get(change.table, ()) or ((old is new or old == new) and name not in change.fields):
        return
    if personal.is_secret(change.own, name):
        old = None if old is None else personal.SECRET
        new = None if new is None else personal.SECRET
    elif personal.is_personal(change.own, name):
        change.subjects[name] = personal.subject_of(change.own, state.dict)
    change.put(name, plain(old), plain(new))


def _place(item: object) -> tuple[str, str]:
    """Table and key: the address of a row in the trail. A record's is its row in `record`."""
    mapper: Mapper[Any] = inspect(item).mapper
    return _name(mapper.base_mapper.local_table), key_text(mapper.primary_key_from_instance(item))


def _name(item: Any) -> str:
    return str(item.name)


def _pair(state: InstanceState[Any], key: str, action: Action) -> tuple[Any, Any]:
    if action == "insert":
        return None, state.dict.get(key)
    history = state.attrs[key].history
    if action == "delete":
        kept = history.deleted or history.unchanged
        return (kept[0] if kept else None), None
    if history.unchanged:  # set to what it was
        return history.unchanged[0], history.unchanged[0]
    return (history.deleted[0] if history.deleted else None), (history.added[0] if history.added else None)


def _collect_links(change: Change, state: InstanceState[Any], mapper: Mapper[Any], action: Action) -> None:
    """Rows of association tables have no object of their own: they show on the side whose list was changed."""
    if action == "delete":
        return
    for prop in mapper.relationships:
        if prop.secondary is None or prop.viewonly or prop.key not in state.dict:
            continue
        history = state.attrs[prop.key].history
        if history.added or history.deleted:
            change.put(prop.key, _keys_of(prop, history.deleted), _keys_of(prop, history.added))


def _keys_of(prop: RelationshipProperty[Any], items: Sequence[Any] | None) -> list[str]:
    return sorted(key_text(prop.mapper.primary_key_from_instance(item)) for item in items or ())


@event.listens_for(db.session, "after_transaction_create")
def _mark(_session: Session, inner: SessionTransaction) -> None:
    if inner.nested and in_transaction():
        pending: Pending = current_transaction().notes.get("audit", {})
        _marks[inner] = {key: change.copied() for key, change in pending.items()}


@event.listens_for(db.session, "after_soft_rollback")
def _back_to_mark(_session: Session, ended: SessionTransaction) -> None:
    if ended.nested and in_transaction() and ended in _marks:
        current_transaction().notes["audit"] = _marks.pop(ended)


@event.listens_for(db.session, "do_orm_execute")
def _refuse_silent_statements(state: ORMExecuteState) -> None:
    statement = state.statement
    if not isinstance(statement, Insert | Update | Delete) or state.execution_options.get("audited"):
        return
    table = str(getattr(statement.table, "name", ""))
    if table in NOT_AUDITED:
        return
    if isinstance(statement, Update) and _columns_set(statement, state.parameters) <= NOT_AUDITED_COLUMNS.get(
        table, frozenset()
    ):
        return
    raise RuntimeError(f"This statement would leave no trace in the audit trail: write {table} through audited_dml().")


def _columns_set(statement: Update, parameters: Any) -> set[str]:
    names = {str(getattr(column, "name", column)) for column in (statement._values or {})}
    if not names:
        rows = parameters if isinstance(parameters, list) else [parameters or {}]
        names = {name for row in rows for name in row} or {"*"}
    return names


# Writing


def audited_dml(
    statement: Update | Insert | Delete,
    table: str,
    pk: object,
    changes: Mapping[str, tuple[Any, Any]],
    *,
    parameters: Any = None,
) -> int:
    """Run a Core statement on an audited table and write down `changes` ({column: (before, after)}) of row `pk`.

    Returns the number of rows it met; when it met none (somebody was faster) nothing is written down. Changes of
    columns that are not audited (`record.rank`) may be left out. Personal and secret columns go through the session.
    """
    tx = current_transaction()
    for name in changes:
        if personal.is_personal(table, name) or personal.is_secret(table, name):
            raise ValueError(f"{table}.{name} is personal or secret: change it through the object.")
    result = tx.session.execute(statement, parameters, execution_options={"audited": True})
    met = result.rowcount if isinstance(result, CursorResult) else 0
    if met:
        action: Action = {"update": "update", "insert": "insert", "delete": "delete"}[statement.__visit_name__]  # type: ignore[assignment]
        note(table, pk, changes, action=action)
    return met


audited_update = audited_dml


def note(table: str, pk: object, changes: Mapping[str, tuple[Any, Any]], *, action: Action = "event") -> None:
    """Write down something that the session's events do not see: a sign-in, an export, a Core statement."""
    pending: Pending = current_transaction().notes.setdefault("audit", {})
    row = key_text((pk,))
    key = (table, row if action in ("insert", "update", "delete") else f"{row} {action}")
    change = pending.setdefault(key, Change(table, row, action, table))
    hidden = NOT_AUDITED_COLUMNS.get(table, frozenset())
    for name, (before, after) in changes.items():
        if name not in hidden:
            change.put(name, plain(before), plain(after))


@at_commit(90)
def _write(session: Session, tx: Transaction) -> None:
    session.flush()
    pending: Pending = tx.notes.get("audit", {})
    changes = [change for change in pending.values() if _says_something(change)]
    if changes:
        append(session.connection(), tx, changes)
    tx.notes["audit"] = {}
    tx.notes["audit_written"] = True


def _says_something(change: Change) -> bool:
    for name, (item, key) in change.later.items():
        change.fields[name][1] = plain(getattr(item, key))
    if change.action == "insert":
        change.fields = {name: pair for name, pair in change.fields.items() if pair[1] is not None}
    elif change.action == "update":
        change.fields = {
            name: pair for name, pair in change.fields.items() if pair[0] != pair[1] or pair[0] == personal.SECRET
        }
    return bool(change.fields) or change.action != "update"


def append(connection: Connection, tx: Transaction, changes: Sequence[Change], *, new_segment: bool = False) -> None:
    """Chain one row per change to the head: lock the head, write all rows, move the head."""
    head = _locked_head(connection)
    segment = head.segment + 1 if new_segment else head.segment
    subjects = {subject for change in changes for subject in change.subjects.values()}
    keys = personal.keys_for_writing(connection, subjects) if subjects else {}
    via, device_id = _circumstances()
    common = {
        "segment": segment,
        "at": tx.at,
        "actor_id": _actor_id(tx),
        "via": via,
        "device_id": device_id,
        "source": tx.source,
        "request_id": request_id(),
    }
    count, last = head.count, head.hash
    rows: list[dict[str, Any]] = []
    for change in changes:
        count += 1
        row = common | {
            "id": count,
            "table_name": change.table,
            "row_pk": change.pk,
            "action": change.action,
            "changes": canonical(_sealed(change, keys)),
            "prev_hash": last,
        }
        last = row["hash"] = row_hash(row)
        rows.append(row)
    connection.execute(insert(_rows), rows)
    # a head that somebody has tampered with keeps its wrong MAC, so that writing on does not hide it
    mac = signature(segment, count, last) if head.is_signed else head.mac
    connection.execute(update(_head).where(_head.c.id == 1).values(segment=segment, count=count, hash=last, mac=mac))


@dataclass(frozen=True, slots=True)
class _End:
    """The head row."""

    segment: int
    count: int
    hash: str
    mac: str

    @property
    def is_signed(self) -> bool:
        return hmac.compare_digest(signature(self.segment, self.count, self.hash), self.mac)


def _read_head(connection: Connection, *, lock: bool = False) -> _End | None:
    wanted = select(_head.c.segment, _head.c.count, _head.c.hash, _head.c.mac).where(_head.c.id == 1)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    return None if row is None else _End(*row)


def _locked_head(connection: Connection) -> _End:
    head = _read_head(connection, lock=True)
    if head is None:
        first = {"id": 1, "segment": 1, "count": 0, "hash": GENESIS, "mac": signature(1, 0, GENESIS)}
        make = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
        made = connection.execute(make(_head).values(**first).on_conflict_do_nothing().returning(_head.c.id)).first()
        # only when ours is the head: somebody else's first row may have come between
        if made is not None and connection.execute(select(func.count()).select_from(_rows)).scalar_one():
            raise RuntimeError(
                "The audit trail has rows but no head. Restore a backup, or run `loopwright audit verify`."
            )
        head = _read_head(connection, lock=True)
        assert head is not None
    return head


def _sealed(change: Change, keys: Mapping[str, bytes | None]) -> dict[str, list[Any]]:
    if not change.subjects:
        return change.fields
    sealed = dict(change.fields)
    for name, subject in change.subjects.items():
        if name in sealed:
            place = f"{change.table}/{change.pk}/{name}"
            sealed[name] = [
                personal.encrypted(value, subject=subject, key=keys[subject], place=place) for value in sealed[name]
            ]
    return sealed


def _actor_id(tx: Transaction) -> int | None:
    """Without asking the database, even when the person was expired."""
    identity = None if tx.by is None else inspect(tx.by).identity
    return identity[0] if identity else None


def _circumstances() -> tuple[str | None, int | None]:
    """How the person of this request proved who they are, and on which enrolled device."""
    if not has_request_context():
        return None, None
    known = getattr(web_session, "known", None)
    if known is None:
        return None, None
    return str(known.via), known.device_id


def erase(kind: str, identity: int) -> bool:
    """Make everything the trail keeps about this person, customer or record's sender unreadable, for good."""
    if not personal.forget(f"{kind}:{identity}"):
        return False
    note(kind, identity, {}, action="erase")
    return True


def start_segment(reason: str, details: Mapping[str, str] | None = None) -> None:
    """Write down that the chain goes on from an older state: after a restore, or with a new secret."""
    tx = current_transaction()
    connection = tx.session.connection()
    head = _locked_head(connection)
    fields: dict[str, list[Any]] = {"segment": [head.segment, head.segment + 1], "reason": [None, reason]}
    fields |= {name: [None, value] for name, value in (details or {}).items()}
    append(connection, tx, [Change("audit_head", "1", "segment", "audit_head", fields)], new_segment=True)
    head = _locked_head(connection)
    connection.execute(update(_head).where(_head.c.id == 1).values(mac=signature(head.segment, head.count, head.hash)))


# Reading


@dataclass(frozen=True, slots=True)
class Seen:
    """One row of the trail as a person may read it."""

    id: int
    at: datetime
    actor_id: int | None
    via: str | None
    source: str
    request_id: str | None
    table: str
    pk: str
    action: str
    fields: dict[str, tuple[Any, Any]]


def history(table: str, pk: object, *, limit: int = 200, before: int | None = None) -> list[Seen]:
    """The newest changes of one row first, readable. A record (ticket, ECO ...) is `("record", record.id)`."""
    wanted = select(_rows).where(_rows.c.table_name == table, _rows.c.row_pk == key_text((pk,)))
    if before is not None:
        wanted = wanted.where(_rows.c.id < before)
    connection = db.session.connection()
    return readable(connection, connection.execute(wanted.order_by(_rows.c.id.desc()).limit(limit)).all())


def readable(connection: Connection, rows: Iterable[Any]) -> list[Seen]:
    """Rows of `audit_row` with their personal values decrypted; one query for all the keys."""
    parsed = [(row, json.loads(row.changes)) for row in rows]
    subjects = {
        subject
        for _row, fields in parsed
        for pair in fields.values()
        for value in pair
        if (subject := personal.sealed_for(value)) is not None
    }
    keys = personal.keys_for_reading(connection, subjects)
    return [
        Seen(
            row.id, row.at, row.actor_id, row.via, row.source, row.request_id, row.table_name, row.row_pk, row.action,
            {
                name: (
                    personal.decrypted(pair[0], keys=keys, place=f"{row.table_name}/{row.row_pk}/{name}"),
                    personal.decrypted(pair[1], keys=keys, place=f"{row.table_name}/{row.row_pk}/{name}"),
                )
                for name, pair in fields.items()
            },
        )
        for row, fields in parsed
    ]  # fmt: skip


# Verifying


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify()` found. `row` is the first broken row; None when only the head or an anchor is wrong."""

    ok: bool
    rows: int
    anchors: int
    row: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.ok:
            sentence = _("The audit trail is whole: %(rows)s rows, %(anchors)s anchors.")
        else:
            sentence = _("The audit trail is broken. %(reason)s")
        return str(sentence) % {"rows": self.rows, "anchors": self.anchors, "reason": self.reason}


class _Broken(Exception):
    def __init__(self, reason: str, row: int | None = None) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


def verify(connection: Connection | None = None) -> Verdict:
    """Walk the whole chain, then check the head and the anchors. Reads only."""
    connection = connection if connection is not None else db.session.connection()
    rows = anchors = 0
    try:
        marks = read_anchors()
        anchors = len(marks)
        last, segment = GENESIS, 1
        at_count: dict[int, str] = {0: GENESIS}
        wanted_counts = {mark["count"] for mark in marks}
        while True:
            for row in _rows_after(connection, rows):
                segment = _check_row(row, rows + 1, last, segment)
                rows, last = rows + 1, row.hash
                if rows in wanted_counts:
                    at_count[rows] = last
            head = _read_head(connection)
            if head is None or head.count <= rows:
                break
            # on PostgreSQL somebody may have written on meanwhile: then there is more to read, else the tail is gone
            if not connection.execute(select(_rows.c.id).where(_rows.c.id == rows + 1)).first():
                break
        _check_head(head, rows, last, segment)
        _check_anchors(marks, rows, at_count)
    except _Broken as broken:
        return Verdict(False, rows, anchors, broken.row, broken.reason)
    return Verdict(True, rows, anchors)


def _rows_after(connection: Connection, count: int) -> Iterable[Any]:
    wanted = select(_rows).order_by(_rows.c.id).limit(5000)
    while True:
        batch = connection.execute(wanted.where(_rows.c.id > count)).all()
        yield from batch
        if len(batch) < 5000:
            return
        count = batch[-1].id


def _check_row(row: Any, expected: int, last: str, segment: int) -> int:
    if row.id != expected:
        raise _Broken(_("Row %(id)s is missing.", id=expected), expected)
    if row.prev_hash != last:
        raise _Broken(_("Row %(id)s does not follow the row before it.", id=row.id), row.id)
    if row.hash != row_hash(row._mapping):
        raise _Broken(_("Row %(id)s is not as it was written.", id=row.id), row.id)
    if row.segment != segment and not (row.segment == segment + 1 and row.action == "segment"):
        raise _Broken(_("Row %(id)s is in a part of the trail that nobody started.", id=row.id), row.id)
    return int(row.segment)


def _check_head(head: _End | None, rows: int, last: str, segment: int) -> None:
    if head is None:
        if rows:
            raise _Broken(_("The head of the trail is missing."))
        return
    if not head.is_signed:
        raise _Broken(_("The head of the trail was not written by this installation."))
    if head.count < rows:
        raise _Broken(_("Row %(id)s is behind the head of the trail.", id=head.count + 1), head.count + 1)
    if head.count > rows:
        raise _Broken(
            _("The trail ends after row %(id)s, its head counts %(count)s.", id=rows, count=head.count), rows + 1
        )
    if head.hash != last or head.segment != segment:
        raise _Broken(_("The head of the trail does not belong to its last row."), rows or None)


def _check_anchors(marks: Sequence[dict[str, Any]], rows: int, at_count: Mapping[int, str]) -> None:
    for mark in marks:
        count = int(mark["count"])
        if count > rows:
            raise _Broken(
                _("%(count)s rows were anchored at %(at)s, there are %(rows)s.", count=count, at=mark["at"], rows=rows),
                rows + 1,
            )
        if at_count.get(count) != mark["hash"]:
            raise _Broken(_("Row %(id)s is not the one that was anchored at %(at)s.", id=count, at=mark["at"]), count)


def anchors_file() -> Path:
    """Outside the database; backups carry it."""
    folder: Path = current_app.config["LOOPWRIGHT"].data_dir
    return folder / "audit-anchors"


def write_anchor() -> bool:
    """Append the head to the anchors file, when it has moved since the last time. `up` and the worker call it."""
    head = _read_head(db.session.connection())
    if head is None or not head.is_signed:
        return False
    known = read_anchors(strict=False)
    if known and known[-1]["count"] == head.count and known[-1]["hash"] == head.hash:
        return False
    mark = {"at": _moment(clock.now()), "segment": head.segment, "count": head.count, "hash": head.hash}
    mark["mac"] = _mac("anchor", mark["at"], mark["segment"], mark["count"], mark["hash"])
    with anchors_file().open("a+b") as file:
        _drop_half_line(file)
        file.write(canonical(mark).encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def _drop_half_line(file: BinaryIO) -> None:
    """The power may have gone while the last line was written."""
    file.seek(0)
    content = file.read()
    if content and not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)


def read_anchors(*, strict: bool = True) -> list[dict[str, Any]]:
    """The anchors so far; a line that is not ours is broken (or left out, unless `strict`)."""
    path = anchors_file()
    if not path.exists():
        return []
    marks: list[dict[str, Any]] = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            mark = json.loads(line)
            signed = _mac("anchor", mark["at"], mark["segment"], mark["count"], mark["hash"])
            good = hmac.compare_digest(signed, str(mark["mac"]))
        except (ValueError, KeyError, TypeError):
            good = False
            if number == len(lines):
                continue  # the power went while the last line was written
        if good:
            marks.append(mark)
        elif strict:
            raise _Broken(_("Line %(number)s of the anchors was not written by this installation.", number=number))
    return marks


# Hashing


def row_hash(row: Mapping[Any, Any]) -> str:
    """`v1:` and SHA-256 over the hash before and the canonical JSON of everything else in the row."""
    content = [
        row["prev_hash"], row["id"], row["segment"], _moment(row["at"]), row["actor_id"], row["via"], row["device_id"],
        row["source"], row["request_id"], row["table_name"], row["row_pk"], row["action"], row["changes"],
    ]  # fmt: skip
    return "v1:" + hashlib.sha256(canonical(content).encode("utf-8", "surrogatepass")).hexdigest()


def signature(segment: int, count: int, last: str) -> str:
    return _mac("head", segment, count, last)


def _mac(*content: object) -> str:
    secret = current_app.config["SECRET_KEY"]
    key = hmac.digest(secret.encode() if isinstance(secret, str) else secret, b"loopwright audit v1", "sha256")
    return "v1:" + hmac.new(key, canonical(content).encode(), "sha256").hexdigest()


def canonical(value: object) -> str:
    """The one spelling of a JSON value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def key_text(key: Sequence[object]) -> str:
    return ",".join(str(part) for part in key)


def plain(value: Any) -> Any:
    """A column's value as JSON can hold it, always spelled the same."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(tidy(value), "f")
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    if isinstance(value, dict | list | tuple):
        return copy.deepcopy(value)
    return str(value)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
