"""Work for later: rows of the table `job`, written in the transaction that wants them, done by the worker after it.

A job is claimed with a lease (`FOR UPDATE SKIP LOCKED` on PostgreSQL, the IMMEDIATE transaction on SQLite), so two
workers never do the same one; a worker that dies loses its lease and the job is done by another. So a handler may be
called twice for one job, unless it is `inside`: then it runs in the very transaction that marks the job done. Failures
are tried again after 1 minute up to 48 hours, then the job is dead: kept, shown to the administrator, and told by
`loopwright doctor`. Timers are rows too.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Index, String, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation import clock
from app.foundation.db import Base, Transaction, current_transaction, db, dialect, in_transaction, transaction
from app.foundation.logs import without_secrets

log = logging.getLogger("loopwright.worker")

LEASE = timedelta(seconds=60)
BACK_OFF = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 8 * 60, 24 * 60, 48 * 60)
)  # after the first, second ... failure; the last one is repeated
KEPT_DONE = timedelta(days=14)


class JobState(StrEnum):
    TODO = "todo"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class Job(Base):
    """One piece of work. `key` names a job of which there is only one; timers are called `timer:<kind>`."""

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_state_run_at", "state", "run_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    key: Mapped[str | None] = mapped_column(String(120), unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[JobState] = mapped_column(default=JobState.TODO)
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class Heartbeat(Base):
    """When a process of the house was last alive."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job in the hands of this worker. `attempt` counts from 1; with the id it is the proof that it is still ours."""

    id: int
    kind: str
    key: str | None
    payload: dict[str, Any]
    attempt: int
    created_at: datetime


Handler = Callable[[dict[str, Any], Claimed], None]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class _Handled:
    function: Handler
    tries: int
    inside: bool
    every: timedelta | None = None


_handlers: dict[str, _Handled] = {}


def enqueue(
    kind: str, payload: Mapping[str, Any] | None = None, *, run_at: datetime | None = None, key: str | None = None
) -> None:
    """Have `kind` done with `payload` (plain JSON, ids rather than things) after this transaction, not before `run_at`.

    With a `key` that an unfinished or finished job has already, nothing happens.
    """
    tx = current_transaction()
    make = postgresql_insert if dialect() == "postgresql" else sqlite_insert
    row = {
        "kind": kind,
        "key": key,
        "payload": dict(payload or {}),
        "state": JobState.TODO,
        "run_at": run_at or tx.at,
        "attempts": 0,
        "created_at": tx.at,
    }
    statement = make(Job).values(**row)
    tx.session.execute(statement.on_conflict_do_nothing(index_elements=["key"]) if key else statement)


def handler(kind: str, *, tries: int = 5, inside: bool = False) -> Callable[[H], H]:
    """`function(payload, job)` does jobs of `kind`.

    It opens its own `transaction()` if it writes. With `inside=True` it is called in the transaction that marks the job
    done, for work that only touches the database: then it happens exactly once.
    """

    def add(function: H) -> H:
        _handlers[kind] = _Handled(function, tries, inside)
        return function

    return add


def timer(kind: str, *, every: timedelta, inside: bool = False) -> Callable[[H], H]:
    """`function(payload, job)` is called by the worker at its start and then `every` so long. It is never given up."""

    def add(function: H) -> H:
        _handlers[kind] = _Handled(function, 0, inside, every)
        return function

    return add


# The worker's side


def run_due(limit: int = 50) -> int:
    """Do jobs that are due, one after another, at most `limit`. Returns how many were taken up."""
    taken = 0
    while taken < limit:
        job = _claim() if _something_is_due() else None
        if job is None:
            break
        taken += 1
        _do(job)
    return taken


def _do(job: Claimed) -> None:
    handled = _handlers.get(job.kind)
    try:
        if handled is None:
            raise LookupError(f"Nobody handles {job.kind}.")
        if handled.inside:
            with transaction(by=None, source="worker") as tx:
                if _still_ours(tx, job):
                    handled.function(dict(job.payload), job)
                    _finish(tx, job, handled)
            return
        handled.function(dict(job.payload), job)
    except Exception as problem:
        db.session.rollback()
        log.warning("A job failed", extra={"job": job.id, "kind": job.kind, "attempt": job.attempt}, exc_info=True)
        with transaction(by=None, source="worker") as tx:
            _put_off(tx, job, handled, problem)
        return
    with transaction(by=None, source="worker") as tx:
        _finish(tx, job, handled)


def _due(at: datetime) -> Any:
    return or_(
        and_(Job.state == JobState.TODO, Job.run_at <= at), and_(Job.state == JobState.RUNNING, Job.lease_until < at)
    )


def _something_is_due() -> bool:
    """A plain read, so that an idle worker never takes the write lock."""
    found = db.session.execute(select(Job.id).where(_due(clock.now())).limit(1)).first()
    if not in_transaction():
        db.session.rollback()
    return found is not None


def _claim() -> Claimed | None:
    with transaction(by=None, source="worker") as tx:
        row = tx.session.execute(
            select(Job.id, Job.kind, Job.key, Job.payload, Job.attempts, Job.created_at)
            .where(_due(tx.at))
            .order_by(Job.run_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return None
        job = Claimed(row.id, row.kind, row.key, row.payload, row.attempts + 1, row.created_at)
        tx.session.execute(
            update(Job)
            .where(Job.id == job.id)
            .values(state=JobState.RUNNING, attempts=job.attempt, lease_until=tx.at + LEASE)
        )
        return job


def _still_ours(tx: Transaction, job: Claimed) -> bool:
    found = tx.session.execute(select(Job.id).where(_ours(job)).with_for_update()).first()
    return found is not None


def _ours(job: Claimed) -> Any:
    return and_(Job.id == job.id, Job.state == JobState.RUNNING, Job.attempts == job.attempt)


def _finish(tx: Transaction, job: Claimed, handled: _Handled | None) -> None:
    """Done. What was in it may be personal and is not kept; a timer waits for its next time."""
    if handled is not None and handled.every is not None:
        values: dict[str, Any] = {"state": JobState.TODO, "run_at": tx.at + handled.every, "attempts": 0}
    else:
        values = {"state": JobState.DONE, "done_at": tx.at, "payload": {}}
    tx.session.execute(update(Job).where(_ours(job)).values(lease_until=None, last_error=None, **values))


def _put_off(tx: Transaction, job: Claimed, handled: _Handled | None, problem: Exception) -> None:
    tries = handled.tries if handled else 5
    is_timer = handled is not None and handled.every is not None
    wait = BACK_OFF[min(job.attempt, len(BACK_OFF)) - 1]
    if handled is not None and handled.every is not None:
        wait = min(wait, handled.every)
    values: dict[str, Any] = {"state": JobState.TODO, "run_at": tx.at + wait}
    if not is_timer and job.attempt >= tries:
        values = {"state": JobState.DEAD, "done_at": tx.at}
        log.error("A job was given up", extra={"job": job.id, "kind": job.kind})
    values["last_error"] = without_secrets(f"{type(problem).__name__}: {problem}")[:500]
    tx.session.execute(update(Job).where(_ours(job)).values(lease_until=None, **values))


def ensure_timers() -> None:
    """Have a row for every timer, and none for those that no longer exist."""
    timers = {f"timer:{kind}": kind for kind, handled in _handlers.items() if handled.every is not None}
    known = set(db.session.scalars(select(Job.key).where(Job.key.like("timer:%"))))
    db.session.rollback()
    if known == set(timers):
        return
    with transaction(by=None, source="worker") as tx:
        for key, kind in timers.items():
            if key not in known:
                enqueue(kind, key=key)
        tx.session.execute(delete(Job).where(Job.key.in_(known - set(timers))))


def beat(name: str = "worker") -> None:
    """Say that this process is alive; skipped when somebody else is writing."""
    try:
        with transaction(by=None, source="worker", wait=False) as tx:
            make = postgresql_insert if dialect() == "postgresql" else sqlite_insert
            statement = make(Heartbeat).values(name=name, at=tx.at)
            tx.session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": tx.at}))
    except OperationalError:
        db.session.rollback()


def sweep_done() -> int:
    """Remove jobs that were done long ago. Dead ones stay until somebody decides."""
    with transaction(by=None, source="worker") as tx:
        old = and_(Job.state == JobState.DONE, Job.done_at < tx.at - KEPT_DONE)
        result: Any = tx.session.execute(delete(Job).where(old))
        return int(result.rowcount)


# For the administrator


def dead_jobs(limit: int = 100) -> Sequence[Job]:
    """Jobs that were given up, the newest first."""
    return db.session.scalars(select(Job).where(Job.state == JobState.DEAD).order_by(Job.id.desc()).limit(limit)).all()


def count_dead() -> int:
    return db.session.scalar(select(func.count()).select_from(Job).where(Job.state == JobState.DEAD)) or 0


def oldest_waiting() -> datetime | None:
    """Since when the job that waits longest has been due; None when nothing is overdue."""
    return db.session.scalar(
        select(func.min(Job.run_at)).where(Job.state == JobState.TODO, Job.run_at <= clock.now()),
    )


def try_again(job_id: int) -> bool:
    """Give a dead job a new life. False when it is not dead."""
    tx = current_transaction()
    result: Any = tx.session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.DEAD)
        .values(state=JobState.TODO, run_at=tx.at, attempts=0, done_at=None)
    )
    return bool(result.rowcount)
