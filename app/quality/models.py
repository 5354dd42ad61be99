"""An alert, its root cause, and the corrective and preventive actions that answer it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bom.units import Unit
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import Base
from app.foundation.errors import Conflict
from app.foundation.language import _
from app.people.models import Customer, Person, Team
from app.traits.record import Record


class RootCause(Base):
    """One entry of the pick list."""

    __tablename__ = "root_cause"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    archived_at: Mapped[datetime | None]


class Alert(Record):
    """A problem quality has taken up."""

    __tablename__ = "alert"
    __mapper_args__ = {"polymorphic_identity": "alert"}

    id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"), index=True)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    serial_text: Mapped[str] = mapped_column(String(60), default="")
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    root_cause_id: Mapped[int | None] = mapped_column(ForeignKey("root_cause.id"), index=True)
    description: Mapped[str] = mapped_column(Text, default="")

    team: Mapped[Team] = relationship(lazy="raise_on_sql")
    product: Mapped[Product | None] = relationship(lazy="raise_on_sql")
    unit: Mapped[Unit | None] = relationship(lazy="raise_on_sql")
    customer: Mapped[Customer | None] = relationship(lazy="raise_on_sql")
    root_cause: Mapped[RootCause | None] = relationship(lazy="raise_on_sql")
    actions: Mapped[list["AlertAction"]] = relationship(
        lazy="raise_on_sql", back_populates="alert", order_by="AlertAction.id"
    )

    def carry(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "description": self.description,
            "product_id": self.product_id,
            "unit_id": self.unit_id,
            "serial_text": self.serial_text,
            "customer_id": self.customer_id,
            "priority": self.priority,
        }


class ActionKind(StrEnum):
    CORRECTIVE = "corrective"
    PREVENTIVE = "preventive"


class ActionState(StrEnum):
    OPEN = "open"
    DOING = "doing"
    DONE = "done"
    VERIFIED = "verified"
    DROPPED = "dropped"

    @property
    def is_settled(self) -> bool:
        """Nothing is left to do or to check."""
        return self in (ActionState.VERIFIED, ActionState.DROPPED)


class AlertAction(Base):
    """Something somebody has promised to do about an alert."""

    __tablename__ = "alert_action"
    __table_args__ = (
        Index("ix_alert_action_alert_id_kind", "alert_id", "kind"),
        Index("ix_alert_action_owner_id_state", "owner_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    kind: Mapped[ActionKind]
    text: Mapped[str] = mapped_column(String(400))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    due_on: Mapped[date | None]
    state: Mapped[ActionState] = mapped_column(default=ActionState.OPEN)
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    done_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    verified_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

    alert: Mapped[Alert] = relationship(lazy="raise_on_sql", back_populates="actions")
    owner: Mapped[Person | None] = relationship(lazy="raise_on_sql", foreign_keys=[owner_id])

    __mapper_args__ = {"version_id_col": version}

    def must_be(self, *states: ActionState) -> None:
        """A Conflict unless the action is in one of `states`: somebody was faster."""
        if self.state not in states:
            raise Conflict(_("“%(text)s” has been changed in the meantime. Look again.", text=self.text))

    def is_late(self, today: date) -> bool:
        return self.due_on is not None and self.due_on < today and self.state in (ActionState.OPEN, ActionState.DOING)
