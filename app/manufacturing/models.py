"""Manufacturing orders: what is built, to which revision, from what, in which steps."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bom.models import BomRevision
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import Base, Quantity
from app.foundation.errors import Conflict, Refused
from app.foundation.language import _
from app.traits.board.models import StageRole
from app.traits.record import Record

UNSTARTED = (StageRole.DRAFT, StageRole.CONFIRMED)
OPEN = (StageRole.DRAFT, StageRole.CONFIRMED, StageRole.RUNNING)


class ManufacturingOrder(Record):
    """An order. Its state is the role of its stage; from confirmation on its revision and snapshot never change."""

    __tablename__ = "manufacturing_order"
    __mapper_args__ = {"polymorphic_identity": "order"}

    id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    uom_id: Mapped[int] = mapped_column(ForeignKey("unit_of_measure.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    planned_start: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    snapshot: Mapped[dict[str, Any] | None]
    snapshot_hash: Mapped[str | None] = mapped_column(String(80))

    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)
    uom: Mapped[UnitOfMeasure] = relationship(lazy="joined", innerjoin=True)
    revision: Mapped[BomRevision] = relationship(lazy="joined", innerjoin=True)
    components: Mapped[list["OrderComponent"]] = relationship(lazy="raise_on_sql", order_by="OrderComponent.id")
    work_orders: Mapped[list["WorkOrder"]] = relationship(
        lazy="raise_on_sql", order_by="WorkOrder.sequence, WorkOrder.id", back_populates="order"
    )

    @property
    def state(self) -> StageRole:
        assert self.stage is not None
        return self.stage.role

    def must_be(self, *states: StageRole) -> None:
        """A Conflict unless the order is in one of `states`."""
        if self.state not in states:
            raise Conflict(_("%(number)s is %(stage)s now.", number=self.number, stage=self.stage_name))

    @property
    def stage_name(self) -> str:
        return self.stage.name if self.stage else ""

    def whole_pieces(self) -> int:
        """How many serials come out of it; a Refused when the quantity is not a whole number."""
        if self.quantity != self.quantity.to_integral_value():
            raise Refused(_("Serials need a whole number of pieces."), field="quantity")
        return int(self.quantity)

    def carry(self) -> dict[str, Any]:
        return {"title": self.title, "product_id": self.product_id}


class OrderComponent(Base):
    """One component of a confirmed order, copied from the revision and multiplied."""

    __tablename__ = "order_component"
    __table_args__ = (Index("ix_order_component_order_id", "order_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("manufacturing_order.id", ondelete="CASCADE"))
    component_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    uom_id: Mapped[int] = mapped_column(ForeignKey("unit_of_measure.id"))
    consumed: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0))

    component: Mapped[Product] = relationship(lazy="joined", innerjoin=True)
    uom: Mapped[UnitOfMeasure] = relationship(lazy="joined", innerjoin=True)


class WorkState(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"


class WorkOrder(Base):
    """One operation of a confirmed order at its work centre."""

    __tablename__ = "work_order"
    __table_args__ = (
        Index("ix_work_order_order_id_sequence", "order_id", "sequence"),
        CheckConstraint("minutes >= 0", name="minutes"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("manufacturing_order.id", ondelete="CASCADE"))
    op_uid: Mapped[str] = mapped_column(String(36))
    sequence: Mapped[int]
    name: Mapped[str] = mapped_column(String(120))
    work_centre_id: Mapped[int] = mapped_column(ForeignKey("work_centre.id"), index=True)
    minutes: Mapped[Decimal] = mapped_column(Quantity)
    state: Mapped[WorkState] = mapped_column(default=WorkState.WAITING)
    started_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

    order: Mapped[ManufacturingOrder] = relationship(lazy="raise_on_sql", back_populates="work_orders")
    work_centre: Mapped[WorkCentre] = relationship(lazy="joined", innerjoin=True)
