"""Numbers that are given once and never come back: T-0001, QA-0001, ECO-0001 ..."""

from sqlalchemy import String
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.db import Base, current_transaction, db, dialect

PREFIXES = {"ticket": "T", "alert": "QA", "eco": "ECO", "order": "MO", "visit": "FS", "survey": "SV"}


class Sequence(Base):
    """The last number given per kind; its row is the lock that keeps two writers apart."""

    __tablename__ = "sequence"

    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    last: Mapped[int]


def next_number(kind: str) -> str:
    """The next free number of `kind`: four digits, more when needed. Safe under concurrency on both engines."""
    current_transaction()
    insert = postgresql_insert if dialect() == "postgresql" else sqlite_insert
    statement = (
        insert(Sequence)
        .values(kind=kind, last=1)
        .on_conflict_do_update(index_elements=["kind"], set_={"last": Sequence.last + 1})
        .returning(Sequence.last)
    )
    last = db.session.execute(statement).scalar_one()
    return f"{PREFIXES[kind]}-{last:04d}"
