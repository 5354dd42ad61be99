"""A form that is sent twice happens once.

Every form carries a fresh `op`. The first transaction of a request writes a row (who, where, op, hash of the body) with
its first statement, so the row is there exactly if the work is. The same `op` again is answered with the stored
outcome; the same `op` with another body is told what was sent already. A refusal rolls back and stores nothing.
"""

import hashlib
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask, g, has_app_context, request
from sqlalchemy import String, UniqueConstraint, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, Transaction, at_begin, at_commit, current_transaction, db, dialect
from app.foundation.errors import AlreadyDone, AlreadySent
from app.foundation.language import _

KEPT = timedelta(days=7)
WEB = "web"
_OP = re.compile(r"[A-Za-z0-9_-]{8,64}")
_NUMBER = re.compile(r"/([A-Z]{1,4}-\d{4,})(?:[/?#]|$)")
_NOT_CONTENT = frozenset({"csrf_token", "op", "parked"})


class OpOutcome(Base):
    """What came of an `op`: only committed work has a row."""

    __tablename__ = "op_outcome"
    __table_args__ = (UniqueConstraint("actor", "route", "op"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(72))
    route: Mapped[str] = mapped_column(String(200))
    op: Mapped[str] = mapped_column(String(64))
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    location: Mapped[str | None] = mapped_column(String(400))
    at: Mapped[datetime] = mapped_column(default=now, index=True)


@dataclass
class Asked:
    """What this request asks for; `row_id` once its transaction has begun, `done` once it is committed."""

    actor: str
    route: str
    op: str
    body_hash: str
    row_id: int | None = None
    done: bool = False


def init_idempotency(app: Flask) -> None:
    app.jinja_env.globals["fresh_op"] = fresh_op


def fresh_op() -> str:
    return str(uuid.uuid4())


def remember_op(actor: str) -> None:
    """Read the `op` of this request. Called once the session is known; `actor` is the person or the browser."""
    op = request.form.get("op", "")
    if _OP.fullmatch(op):
        g.op_asked = Asked(actor=actor[:72], route=request.path[:200], op=op, body_hash=_body_hash())


def visitor(csrf_secret: str) -> str:
    """The name of a browser that nobody is signed in with."""
    return "b:" + hashlib.sha256(csrf_secret.encode()).hexdigest()


@at_begin
def _claim(session: Session, tx: Transaction) -> None:
    asked = _asked(tx)
    if asked is None:
        return
    insert = postgresql_insert if dialect() == "postgresql" else sqlite_insert
    claim = (
        insert(OpOutcome)
        .values(
            actor=asked.actor, route=asked.route, op=asked.op, body_hash=asked.body_hash, status=tx.status, at=tx.at
        )
        .on_conflict_do_nothing(index_elements=["actor", "route", "op"])
        .returning(OpOutcome.id)
    )
    asked.row_id = session.execute(claim).scalar_one_or_none()
    if asked.row_id is not None:
        return
    known = select(OpOutcome.body_hash, OpOutcome.status, OpOutcome.location).where(
        OpOutcome.actor == asked.actor, OpOutcome.route == asked.route, OpOutcome.op == asked.op
    )
    body_hash, status, location = session.execute(known).one()
    if secrets.compare_digest(body_hash, asked.body_hash):
        raise AlreadyDone(status, location)
    raise AlreadySent(already_sent(location), code="ALREADY_SENT")


@at_commit(95)
def _store(session: Session, tx: Transaction) -> None:
    asked = _asked(tx)
    if asked is None or asked.row_id is None:
        return
    location = tx.location if tx.location is None or len(tx.location) <= 400 else None
    stored = update(OpOutcome).where(OpOutcome.id == asked.row_id).values(status=tx.status, location=location)
    session.execute(stored, execution_options={"synchronize_session": False})

    def done() -> None:
        asked.done = True

    tx.after.append(done)


def _asked(tx: Transaction) -> Asked | None:
    """The op of this request, for its first committed piece of work."""
    if tx.source != WEB or not has_app_context():
        return None
    asked: Asked | None = g.get("op_asked")
    return None if asked is None or asked.done else asked


def already_sent(location: str | None) -> str:
    """ "Already sent as T-0413": the sentence for an `op` that comes again with other words."""
    found = _NUMBER.search(location or "")
    if found is None:
        return str(_("Sent already. What you typed is still here: send it again to send it too."))
    return str(_("Already sent as %(number)s. What you typed is still here.", number=found[1]))


def sweep() -> int:
    """Forget outcomes after a week. Inside the caller's transaction."""
    tx = current_transaction()
    gone = delete(OpOutcome).where(OpOutcome.at < tx.at - KEPT)
    return int(getattr(db.session.execute(gone), "rowcount", 0))


def _body_hash() -> str:
    digest = hashlib.sha256()
    fields = sorted((k, v) for k, v in request.form.items(multi=True) if k not in _NOT_CONTENT)
    for key, value in fields:
        digest.update(f"{len(key)}:{key}={len(value)}:{value};".encode())
    for key, file in sorted(request.files.items(multi=True), key=lambda pair: (pair[0], pair[1].filename or "")):
        digest.update(f"file {key}={file.filename};".encode())
        file.stream.seek(0)
        while block := file.stream.read(1 << 20):
            digest.update(block)
        file.stream.seek(0)
    return digest.hexdigest()
