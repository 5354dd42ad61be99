"""A built serial: the revision it was built to, the level it is at now, and who had it when."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bom.models import BomRevision
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import Base
from app.people.models import Customer
from app.traits.record import Record


class Unit(Base):
    """One piece with a serial number. What it was built to never changes; what it was brought to later may."""

    __tablename__ = "unit"

    id: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(String(40), unique=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("record.id"), index=True)
    revision_id: Mapped[int | None] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    content_hash: Mapped[str | None] = mapped_column(String(80))
    maintained_revision_id: Mapped[int | None] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    built_at: Mapped[datetime] = mapped_column(default=now)

    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)
    order: Mapped[Record | None] = relationship(lazy="raise_on_sql")
    revision: Mapped[BomRevision | None] = relationship(foreign_keys=[revision_id], lazy="raise_on_sql")
    maintained_revision: Mapped[BomRevision | None] = relationship(
        foreign_keys=[maintained_revision_id], lazy="raise_on_sql"
    )
    owners: Mapped[list["UnitOwner"]] = relationship(
        back_populates="unit", lazy="raise_on_sql", order_by="UnitOwner.from_at, UnitOwner.id"
    )


class UnitOwner(Base):
    """Who has had the unit, from when to when. The row without an end is the owner now."""

    __tablename__ = "unit_owner"
    __table_args__ = (Index("ix_unit_owner_customer_id", "customer_id", "to_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    from_at: Mapped[datetime] = mapped_column(default=now)
    to_at: Mapped[datetime | None]

    unit: Mapped[Unit] = relationship(back_populates="owners", lazy="raise_on_sql")
    customer: Mapped[Customer] = relationship(lazy="joined", innerjoin=True)
