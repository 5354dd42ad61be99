"""One step of the trail: `to` followed from `from`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base


class Link(Base):
    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("from_id", "to_id"), CheckConstraint("from_id <> to_id", name="not_itself"))

    id: Mapped[int] = mapped_column(primary_key=True)
    from_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))
    to_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), index=True)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(default=now)
