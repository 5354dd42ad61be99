"""How often something may be tried, counted in the database: exact whatever the number of workers.

One row per thing counted holds the moments of its tries; locking that row makes the count exact. Everything here is a
short transaction of its own, so it is called before the work itself begins.
"""

import hashlib
import math
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import JSON, String, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, current_transaction, db, dialect, transaction
from app.foundation.errors import Refused
from app.foundation.language import ngettext

LONGEST = timedelta(days=1)
PENDING_COUNTS_AFTER = 30.0  # seconds after which a try that never reported back counts as a failed one
PATIENCE = 10.0


class TooMany(Refused):
    """Tried too often; `retry_after` says in how many seconds it is worth trying again."""

    status = 429

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence, code="TOO_MANY")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` tries in `seconds`, of the thing `name` by `key` (an address, an account and an address)."""

    name: str
    count: int
    seconds: int


class LimitRow(Base):
    """`tries` is a list of [moment, id while pending or empty]."""

    __tablename__ = "limit_row"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    tries: Mapped[list[list[object]]] = mapped_column(JSON, default=list)
    at: Mapped[datetime] = mapped_column(index=True)


def take(*wanted: tuple[Limit, str]) -> None:
    """Count one try of each (limit, key), or none at all and TooMany when one of them is full."""
    with transaction(by=None, source="limits") as tx:
        at = tx.at.timestamp()
        rows = {}
        for name, key in sorted({(limit.name, key) for limit, key in wanted}):
            rows[name, key] = _locked(name, key, tx.at)
        for limit, key in wanted:
            _must_have_room(limit, _tries(rows[limit.name, key], at), at)
        for row in rows.values():
            row.tries = [*_tries(row, at), [at, ""]]
            row.at = tx.at


def count(limit: Limit, key: str) -> None:
    """Count one try that has been made, full or not."""
    with transaction(by=None, source="limits") as tx:
        row = _locked(limit.name, key, tx.at)
        row.tries = [*_tries(row, tx.at.timestamp()), [tx.at.timestamp(), ""]][-limit.count :]
        row.at = tx.at


def must_have_room(limit: Limit, key: str) -> None:
    """TooMany when the limit is reached; counts nothing."""
    row = db.session.get(LimitRow, (limit.name, key), populate_existing=True)
    if row is not None:
        _must_have_room(limit, _tries(row, now().timestamp()), now().timestamp())


def reserve(limit: Limit, key: str) -> str:
    """A place for one try whose outcome is not known yet; `settle` it. Waits while others are being tried."""
    give_up = time.monotonic() + PATIENCE
    place = secrets.token_hex(8)
    while True:
        with transaction(by=None, source="limits") as tx:
            at = tx.at.timestamp()
            row = _locked(limit.name, key, tx.at)
            tries = _tries(row, at)
            _must_have_room(limit, [t for t in tries if not t[1]], at)
            if sum(1 for t in tries if float(str(t[0])) > at - limit.seconds) < limit.count:
                row.tries = [*tries, [at, place]]
                row.at = tx.at
                return place
        if time.monotonic() > give_up:
            raise TooMany(_sentence(1), 1)
        time.sleep(0.05)


def settle(limit: Limit, key: str, place: str, *, failed: bool) -> None:
    """Say how the try went: a failed one counts, a good one clears what was counted before."""
    with transaction(by=None, source="limits") as tx:
        at = tx.at.timestamp()
        row = _locked(limit.name, key, tx.at)
        tries = _tries(row, at)
        if failed:
            row.tries = [[t[0], ""] if t[1] == place else t for t in tries]
        else:
            row.tries = [t for t in tries if t[1] and t[1] != place]


def key_of(*parts: str) -> str:
    """What is counted, as a hash: neither accounts nor addresses are kept in the clear."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def sweep() -> int:
    """Forget what has not been tried for a day. Inside the caller's transaction."""
    tx = current_transaction()
    gone = delete(LimitRow).where(LimitRow.at < tx.at - LONGEST)
    return int(getattr(db.session.execute(gone), "rowcount", 0))


def _locked(name: str, key: str, at: datetime) -> LimitRow:
    insert = postgresql_insert if dialect() == "postgresql" else sqlite_insert
    values = {"name": name, "key": key, "tries": [], "at": at}
    db.session.execute(insert(LimitRow).values(values).on_conflict_do_nothing(index_elements=["name", "key"]))
    mine = select(LimitRow).where(LimitRow.name == name, LimitRow.key == key).with_for_update()
    return db.session.scalars(mine, execution_options={"populate_existing": True}).one()


def _tries(row: LimitRow, at: float) -> list[list[object]]:
    """The tries of the last day; one that never reported back has failed."""
    kept = []
    for moment, place in row.tries:
        then = float(str(moment))
        if then > at - LONGEST.total_seconds():
            kept.append([then, "" if place and then < at - PENDING_COUNTS_AFTER else place])
    return kept


def _must_have_room(limit: Limit, tries: list[list[object]], at: float) -> None:
    recent = sorted(float(str(t[0])) for t in tries if float(str(t[0])) > at - limit.seconds)
    if len(recent) >= limit.count:
        wait = max(1, math.ceil(recent[-limit.count] + limit.seconds - at))
        raise TooMany(_sentence(wait), wait)


def _sentence(seconds: int) -> str:
    if seconds < 90:
        return str(ngettext("Too often. Wait %(num)s second.", "Too often. Wait %(num)s seconds.", seconds))
    minutes = math.ceil(seconds / 60)
    return str(ngettext("Too often. Wait %(num)s minute.", "Too often. Wait %(num)s minutes.", minutes))
