"""A built serial: the revision it was built to, the level it is at now, and who had it when."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, Select, String, func, select, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, aliased, joinedload, mapped_column, relationship, selectinload
from sqlalchemy.sql.base import ExecutableOption

from app.bom.models import BomRevision
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import Base, db, dialect, in_transaction, lock
from app.foundation.errors import Refused
from app.foundation.language import _
from app.foundation.numbering import Sequence as NumberSequence
from app.foundation.permissions import authorize
from app.people.models import Customer, Person
from app.traits.record import Record


class Unit(Base):
    """One piece with a serial number. What it was built to never changes; what it was brought to later may."""

    __tablename__ = "unit"
    __table_args__ = (Index("uq_unit_serial_lower", text("lower(serial)"), unique=True),)

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


# Reading ------------------------------------------------------------------------------------------------------------


class Sold(NamedTuple):
    """A unit that somebody has, with its owner."""

    unit: Unit
    customer: Customer


def find_unit(serial: str) -> Unit | None:
    """By serial, whatever case and blanks it was typed with."""
    return db.session.scalars(
        select(Unit).where(func.lower(Unit.serial) == serial.strip().lower()).options(*_shown())
    ).one_or_none()


def units_of_customer(customer_id: int) -> list[Unit]:
    """What a customer has now."""
    return list(
        db.session.scalars(
            select(Unit)
            .join(UnitOwner, UnitOwner.unit_id == Unit.id)
            .where(UnitOwner.customer_id == customer_id, UnitOwner.to_at.is_(None))
            .order_by(Unit.serial)
            .options(*_shown())
        ).unique()
    )


def units_of_order(order_id: int) -> list[Unit]:
    return list(db.session.scalars(select(Unit).where(Unit.order_id == order_id).order_by(Unit.serial)))


def sold_below(revision: BomRevision) -> list[Sold]:
    """Units out there that are neither built to this revision of their BoM nor to a later one, nor brought to it since.

    Computed from what each serial was built to, never from dates.
    """
    rows = db.session.execute(
        below(select(Unit, Customer), revision)
        .join(Customer, Customer.id == UnitOwner.customer_id)
        .order_by(Customer.name, Unit.serial)
        .options(*_shown())
    )
    return [Sold(unit, customer) for unit, customer in rows.unique()]


def below(statement: Any, revision: BomRevision) -> Any:
    """Of all units with an owner those at an earlier level than `revision`."""
    level = aliased(BomRevision)
    return (
        statement.join(UnitOwner, UnitOwner.unit_id == Unit.id)
        .join(level, level.id == func.coalesce(Unit.maintained_revision_id, Unit.revision_id))
        .where(UnitOwner.to_at.is_(None), level.bom_id == revision.bom_id, level.number < revision.number)
    )


def built_counts(bom_id: int) -> dict[int, int]:
    """Revision id to the number of units built to it."""
    rows = db.session.execute(
        select(Unit.revision_id, func.count())
        .join(BomRevision, BomRevision.id == Unit.revision_id)
        .where(BomRevision.bom_id == bom_id)
        .group_by(Unit.revision_id)
    )
    return {revision_id: count for revision_id, count in rows if revision_id is not None}


class Counts(NamedTuple):
    built: int
    sold: int


def counts(product_id: int) -> Counts:
    """How many of a product were built with a serial, and how many of these somebody has."""
    built = db.session.scalar(select(func.count()).where(Unit.product_id == product_id)) or 0
    sold = db.session.scalar(
        select(func.count())
        .select_from(UnitOwner)
        .join(Unit, Unit.id == UnitOwner.unit_id)
        .where(Unit.product_id == product_id, UnitOwner.to_at.is_(None))
    )
    return Counts(built, sold or 0)


def next_serials(product: Product, pieces: int) -> list[str]:
    """The next free serials: two letters of the reference and a number, CR-0008 for COAT-RACK.

    Inside a transaction the series stays ours until its end, so that nobody else is given the same.
    """
    prefix = _prefix(product.ref)
    if in_transaction():
        _keep(prefix)
    last = max((_number_of(serial, prefix) for serial in db.session.scalars(_series(prefix))), default=0)
    return [f"{prefix}-{last + step:04d}" for step in range(1, pieces + 1)]


# Writing ------------------------------------------------------------------------------------------------------------


def build_units(
    product: Product,
    serials: Sequence[str],
    *,
    order_id: int | None,
    revision: BomRevision | None,
    content_hash: str | None,
) -> list[Unit]:
    """Units come into being. Refused when a serial exists already: it is one piece's name for ever."""
    wanted = [serial.strip() for serial in serials]
    if any(not serial or len(serial) > 40 for serial in wanted):
        raise Refused(_("A serial has 1 to 40 characters."), field="serials")
    _keep(_prefix(product.ref))
    lowered = [serial.lower() for serial in wanted]
    twice = (
        sorted({serial for serial in lowered if lowered.count(serial) > 1}) if len(set(lowered)) < len(wanted) else []
    )
    taken = twice or [
        serial
        for start in range(0, len(lowered), 500)
        for serial in db.session.scalars(
            select(Unit.serial).where(func.lower(Unit.serial).in_(lowered[start : start + 500]))
        )
    ]
    if taken:
        raise Refused(
            _("A serial is given once. Taken already: %(serials)s.", serials=", ".join(taken[:5])), field="serials"
        )
    built = [
        Unit(
            serial=serial,
            product=product,
            order_id=order_id,
            revision_id=revision.id if revision else None,
            content_hash=content_hash,
            maintained_revision_id=None,
            owners=[],
        )
        for serial in wanted
    ]
    db.session.add_all(built)
    db.session.flush()
    return built


def hand_over(unit: Unit, *, customer: Customer, by: Person | None, at: datetime | None = None) -> UnitOwner:
    """The unit is sold, or passed on: whoever had it has it no longer. The history stays."""
    authorize(by, "unit.write", unit)
    lock(Unit, unit.id)
    moment = at or now()
    owner_now = db.session.scalars(
        select(UnitOwner).where(UnitOwner.unit_id == unit.id, UnitOwner.to_at.is_(None))
    ).one_or_none()
    if owner_now is not None:
        if owner_now.customer_id == customer.id:
            return owner_now
        owner_now.to_at = moment
    owner = UnitOwner(unit_id=unit.id, customer=customer, from_at=moment)
    db.session.add(owner)
    db.session.flush()
    return owner


def _prefix(ref: str) -> str:
    """COAT-RACK: CR, BOOKSTAND: BO, 1401-0043: 10."""
    words = [word for word in re.split(r"[^A-Z0-9]+", ref.upper()) if word]
    letters = "".join(word[0] for word in words[:3]) if len(words) > 1 else "".join(words)[:2]
    return letters or "SN"


def _series(prefix: str) -> Select[str]:
    return (
        select(Unit.serial)
        .where(Unit.serial.like(f"{prefix}-%"))
        .order_by(func.length(Unit.serial).desc(), Unit.serial.desc())
        .limit(200)
    )


def _number_of(serial: str, prefix: str) -> int:
    digits = serial.removeprefix(f"{prefix}-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else 0


def _keep(prefix: str) -> None:
    """Take the lock of a series of serials to the end of the transaction."""
    insert = postgresql_insert if dialect() == "postgresql" else sqlite_insert
    kind = f"serial {prefix}"
    db.session.execute(
        insert(NumberSequence)
        .values(kind=kind, last=1)
        .on_conflict_do_update(index_elements=["kind"], set_={"last": NumberSequence.last + 1})
    )


def _shown() -> list[ExecutableOption]:
    """What a page about a unit shows."""
    return [
        selectinload(Unit.owners),
        joinedload(Unit.order),
        joinedload(Unit.revision),
        joinedload(Unit.maintained_revision),
    ]
