"""The database: base class, column types, and `transaction()`, the only door through which anything is written.

SQLite runs with WAL, `synchronous=FULL`, foreign keys and a busy timeout; `transaction()` begins IMMEDIATE there, so a
write that read first never fails half way or loses an update. PostgreSQL gives the same promises by the row locks of
`lock()`. Order of locks: BoM slots by id, stages by id, records by id, number sequence, board version, audit head.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Delete,
    Dialect,
    Enum,
    Insert,
    MetaData,
    TypeDecorator,
    Update,
    event,
    select,
    text,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

from app.foundation import clock

if TYPE_CHECKING:
    from app.people.models import Person

MICRO = Decimal("0.000001")
PATIENCE = 5.0  # seconds that a writer waits for others on SQLite
LARGEST = Decimal("9000000000")  # keeps the stored integer inside 64 bits with room to add


class UtcDateTime(TypeDecorator[datetime]):
    """Aware in, aware out, UTC in the database, on SQLite too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("Only aware moments are stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Quantity(TypeDecorator[Decimal]):
    """A Decimal with six places, stored as BIGINT x 10^-6 on both engines (Numeric is a float on SQLite)."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        number = Decimal(value)
        if not number.is_finite() or abs(number) > LARGEST:
            raise ValueError(f"{value} does not fit a quantity.")
        return int((number / MICRO).to_integral_value(rounding=ROUND_HALF_EVEN))

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else tidy(Decimal(value) * MICRO)


class Money(Quantity):
    """An amount in the site's one currency, stored like a quantity."""

    cache_ok = True


def tidy(number: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent: 6.000000 -> 6, 1E+1 -> 10."""
    whole = number.normalize()
    return whole.quantize(Decimal(1)) if whole == whole.to_integral_value() else whole


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime(),
        StrEnum: Enum(StrEnum, native_enum=False, length=24, values_callable=lambda e: [m.value for m in e]),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


@dataclass
class Transaction:
    """One all-or-nothing piece of work. `location` is where a repeat of the same `op` is sent."""

    session: Session
    by: "Person | None"
    source: str
    at: datetime
    location: str | None = None
    status: int = 303
    wait: bool = True
    patience: float = PATIENCE
    notes: dict[str, Any] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)


Hook = Callable[[Session, Transaction], None]
_current: ContextVar[Transaction | None] = ContextVar("transaction", default=None)
_turn = threading.Lock()
_at_begin: list[Hook] = []
_at_commit: list[tuple[int, Hook]] = []


@contextmanager
def transaction(*, by: "Person | None", source: str = "web", wait: bool = True) -> Iterator[Transaction]:
    """Everything inside is committed together or not at all.

    `by` is the person who acts (None for the house itself), `source` says through which door (`web`, `cli`, `worker`,
    `demo`, `import`). Actions never commit; whoever stands at the edge opens the transaction. Ends the deferred read
    the request has done so far, so everything is read again under the write lock. `wait=False` gives up at once with an
    OperationalError when somebody else is writing: for things that may as well be written next time.
    """
    if _current.get() is not None:
        raise RuntimeError("A transaction is open already; actions do not open their own.")
    session = db.session()
    if session.new or session.deleted or any(session.is_modified(o) for o in session.dirty):
        raise RuntimeError("Something was changed before the transaction began.")
    session.rollback()
    session.expire_all()
    tx = Transaction(session=session, by=by, source=source, at=clock.now(), wait=wait)
    on_sqlite = dialect() == "sqlite"
    if on_sqlite:
        _queue(tx)
    token = _current.set(tx)
    try:
        session.connection()
        if not wait and not on_sqlite:
            session.execute(text("SET LOCAL lock_timeout = '50ms'"))
        for begin in _at_begin:
            begin(session, tx)
        yield tx
        session.flush()
        for _order, hook in _at_commit:
            hook(session, tx)
        session.commit()
    except BaseException:
        session.rollback()
        session.expire_all()
        raise
    finally:
        _current.reset(token)
        if on_sqlite:
            _turn.release()
    for after in tx.after:
        after()


def _queue(tx: Transaction) -> None:
    """Wait for this process's turn to write; what is left of the patience is for the other processes.

    SQLite has no queue of its own: who waits asks again in ever longer pauses, and the lock lies idle in between.
    """
    began = time.monotonic()
    if not _turn.acquire(timeout=PATIENCE if tx.wait else 0):
        raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))
    tx.patience = max(0.5, PATIENCE - (time.monotonic() - began)) if tx.wait else 0.0


def current_transaction() -> Transaction:
    """The open transaction; a RuntimeError outside one."""
    tx = _current.get()
    if tx is None:
        raise RuntimeError("This is written inside `with transaction(by=...)` only.")
    return tx


def in_transaction() -> bool:
    return _current.get() is not None


def at_begin(hook: Hook) -> Hook:
    """Run `hook(session, tx)` first in every transaction."""
    if hook not in _at_begin:
        _at_begin.append(hook)
    return hook


def at_commit(order: int) -> Callable[[Hook], Hook]:
    """Run `hook(session, tx)` after the last flush, before the commit; lower `order` first (board 10, audit 90)."""

    def add(hook: Hook) -> Hook:
        if all(known is not hook for _, known in _at_commit):
            _at_commit.append((order, hook))
            _at_commit.sort(key=lambda pair: pair[0])
        return hook

    return add


M = TypeVar("M", bound=Base)


def lock(model: type[M], *ids: int) -> Sequence[M]:
    """The rows with these ids, freshly read and locked to the end of the transaction, in id order.

    On SQLite the IMMEDIATE transaction is the lock. Missing ids are left out.
    """
    current_transaction()
    key = model.__mapper__.primary_key[0]
    statement = (
        select(model)
        .where(key.in_(set(ids)))
        .order_by(key)
        .with_for_update(of=model.__table__)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).unique().all()


def dialect() -> str:
    """`sqlite` or `postgresql`."""
    return db.session.get_bind().dialect.name


def init_database(app: Flask) -> None:
    """Bind the engine of `app` and teach it our promises."""
    db.init_app(app)
    with app.app_context():
        teach(db.engine)


def teach(engine: Engine) -> None:
    """Set pragmas on connect and begin explicitly, IMMEDIATE inside `transaction()`. SQLite only; once per engine."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def on_connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={int(PATIENCE * 1000)}",
            "temp_store=MEMORY",
            "cache_size=-16000",
            "mmap_size=134217728",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        tx = _current.get()
        if tx is None:
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_immediate(connection, tx.patience)


def _begin_immediate(connection: Connection, patience: float) -> None:
    """Take the write lock. SQLite itself would ask in pauses that grow to a tenth of a second; this asks every half
    millisecond, so that two processes get their turns alike. There is one who asks per process, see `_queue`."""
    raw: Any = connection.connection.driver_connection
    until = time.monotonic() + patience
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as busy:
                if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise OperationalError("BEGIN IMMEDIATE", {}, busy) from busy
            time.sleep(0.0005)
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")


@event.listens_for(db.session, "before_flush")
def _writes_need_a_transaction(session: Session, _context: Any, _instances: Any) -> None:
    if _current.get() is None:
        raise RuntimeError("This was written outside `with transaction(by=...)`.")


@event.listens_for(db.session, "do_orm_execute")
def _statements_need_a_transaction(state: ORMExecuteState) -> None:
    if _current.get() is None and isinstance(state.statement, Update | Insert | Delete):
        raise RuntimeError("This was written outside `with transaction(by=...)`.")
