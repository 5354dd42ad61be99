"""Record: what tickets, alerts, ECOs and orders have in common, in one table.

A record is numbered, titled, on a board, linked, discussed and audited because it is a Record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_babel import LazyString
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.foundation.clock import now
from app.foundation.db import Base
from app.people.models import Person

if TYPE_CHECKING:
    from app.traits.board.models import Stage


class Record(Base):
    __tablename__ = "record"
    __table_args__ = (
        Index("ix_record_stage_id_rank_id", "stage_id", "rank", "id"),
        Index("ix_record_kind_id", "kind", "id"),
        CheckConstraint("priority between 0 and 3", name="priority"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    number: Mapped[str] = mapped_column(String(24), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column()
    stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"))
    rank: Mapped[int] = mapped_column(BigInteger, default=0)
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    priority: Mapped[int] = mapped_column(default=0)
    blocked_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    entered_stage_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None]

    stage: Mapped["Stage | None"] = relationship(lazy="joined", foreign_keys=[stage_id])
    responsible: Mapped[Person | None] = relationship(lazy="raise_on_sql", foreign_keys=[responsible_id])
    created_by: Mapped[Person | None] = relationship(lazy="raise_on_sql", foreign_keys=[created_by_id])
    tags: Mapped[list["Tag"]] = relationship(secondary="record_tag", lazy="raise_on_sql", order_by="Tag.name")

    __mapper_args__ = {"polymorphic_on": "kind", "version_id_col": version}

    def carry(self) -> dict[str, Any]:
        """What a follow-up may take over into its form: plain ids and texts by field name."""
        return {"title": self.title}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.number}>"


class Tag(Base):
    """A word on a card; `hue` (0-359) is its colour."""

    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    hue: Mapped[int] = mapped_column(default=165)


class RecordTag(Base):
    __tablename__ = "record_tag"

    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True)


@dataclass(frozen=True)
class Kind:
    """How a kind of record is named, numbered and found.

    `model` is its class, `plural` the first part of its address (`tickets`), `step` its place in the loop's colours,
    `label`/`labels` its names, `may_see(person, record) -> bool` and `visible_to(person) -> SQL condition` its scope.
    """

    name: str
    model: type[Record]
    plural: str
    step: str
    label: LazyString
    labels: LazyString
    may_see: Callable[[Person, Any], bool]
    visible_to: Callable[[Person], Any]


KINDS: dict[str, Kind] = {}


def register_kind(kind: Kind) -> None:
    """Called by a room's `register(app)`."""
    KINDS[kind.name] = kind


def kind_of(record: Record) -> Kind:
    return KINDS[record.kind]


def record_url(record: Record) -> str:
    """The address of a record is its number: `/tickets/T-0001`."""
    return f"/{KINDS[record.kind].plural}/{record.number}"


def may_see(person: Person, record: Record) -> bool:
    """Whether `person` may know that `record` exists."""
    return KINDS[record.kind].may_see(person, record)
