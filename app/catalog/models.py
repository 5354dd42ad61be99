"""Products, their units of measure, and the work centres where they are made."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from urllib.parse import quote

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.foundation.clock import now
from app.foundation.db import Base, Money, Quantity


class Tracking(StrEnum):
    NONE = "none"
    SERIAL = "serial"


class UnitOfMeasure(Base):
    """A unit within a category; `factor` says how many reference units of the category one of it is (dozen: 12)."""

    __tablename__ = "unit_of_measure"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(40))
    category: Mapped[str] = mapped_column(String(24))
    factor: Mapped[Decimal] = mapped_column(Quantity)


class WorkCentre(Base):
    """A place where operations are done."""

    __tablename__ = "work_centre"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(24), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    cost_per_hour: Mapped[Decimal] = mapped_column(Money, default=Decimal(0))
    archived_at: Mapped[datetime | None]


class Product(Base):
    """Something we make, buy or sell, known by its reference."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    uom_id: Mapped[int] = mapped_column(ForeignKey("unit_of_measure.id"))
    tracking: Mapped[Tracking] = mapped_column(default=Tracking.NONE)
    is_sold: Mapped[bool] = mapped_column(default=False)
    cost: Mapped[Decimal | None] = mapped_column(Money)
    price: Mapped[Decimal | None] = mapped_column(Money)
    lead_days: Mapped[int] = mapped_column(default=0)
    link: Mapped[str] = mapped_column(String(500), default="")
    note: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    archived_at: Mapped[datetime | None]

    uom: Mapped[UnitOfMeasure] = relationship(lazy="joined")

    @property
    def url(self) -> str:
        return f"/products/{quote(self.ref, safe='')}"
