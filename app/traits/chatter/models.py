"""What was said and what happened on a record, and who was asked for by name."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base


class EntryKind(StrEnum):
    NOTE = "note"  # only we read it
    MESSAGE = "message"  # the customer reads it, or wrote it
    LOG = "log"  # something happened


class Entry(Base):
    """One thing said or done. A message with `incoming` came from the customer; `data` are the facts of a log entry.

    In `data`, a key ending in `_person` holds a person's id and one ending in `_record` a record's number.
    """

    __tablename__ = "entry"
    __table_args__ = (Index("ix_entry_record_id_id", "record_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))
    kind: Mapped[EntryKind]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    incoming: Mapped[bool] = mapped_column(default=False)
    body: Mapped[str] = mapped_column(Text, default="")
    verb: Mapped[str | None] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)


class Mention(Base):
    """Somebody is asked for in a note; it waits in their My work until it is done."""

    __tablename__ = "mention"
    __table_args__ = (Index("ix_mention_person_id_done_at", "person_id", "done_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(default=now)
    done_at: Mapped[datetime | None]
