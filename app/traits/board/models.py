"""A board, its stages, and the log of what changed on it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.foundation.clock import now
from app.foundation.db import Base


class StageRole(StrEnum):
    """What a stage means. Rules read the role, never the name, so every company may name its stages as it likes."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    AGREED = "agreed"
    REVIEW = "review"
    APPROVED = "approved"
    DRAFT = "draft"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        return self in (StageRole.DONE, StageRole.CANCELLED)


CLOSED_ROLES = (StageRole.DONE, StageRole.CANCELLED)


class Board(Base):
    """One board of one kind: a team's tickets, a type's ECOs. `version` grows with every change on it."""

    __tablename__ = "board"
    __table_args__ = (UniqueConstraint("kind", "slug"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    slug: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(80))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"), unique=True)
    version: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]

    stages: Mapped[list["Stage"]] = relationship(
        back_populates="board", lazy="raise_on_sql", order_by="Stage.position, Stage.id"
    )


class Stage(Base):
    """A column. `role` is its meaning; a hard `wip_limit` refuses the next card, a soft one only warns."""

    __tablename__ = "stage"
    __table_args__ = (Index("ix_stage_board_id_position", "board_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("board.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    position: Mapped[int]
    role: Mapped[StageRole]
    folded: Mapped[bool] = mapped_column(default=False)
    wip_limit: Mapped[int | None]
    hard_limit: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]

    board: Mapped[Board] = relationship(back_populates="stages", lazy="raise_on_sql")

    @property
    def is_closed(self) -> bool:
        return self.role.is_closed


class BoardChange(Base):
    """One line per change on a board: `(board_id, version)` is the cursor of `/changes?since=`."""

    __tablename__ = "board_change"
    __table_args__ = (UniqueConstraint("board_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("board.id", ondelete="CASCADE"))
    version: Mapped[int]
    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"))
    from_stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"))
    to_stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(default=now)
