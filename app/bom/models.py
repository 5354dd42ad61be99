"""A product's BoM slot, its numbered revisions, and the append-only story of which one was current when."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from urllib.parse import quote

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.clock import now
from app.foundation.db import Base, Money, Quantity
from app.traits.record import Record

DEFAULT_CODE = "default"


class RevisionState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"
    WITHDRAWN = "withdrawn"

    @property
    def is_released(self) -> bool:
        """Whether somebody has signed it: what it says never changes again."""
        return self in (
            RevisionState.SCHEDULED,
            RevisionState.ACTIVE,
            RevisionState.SUPERSEDED,
            RevisionState.WITHDRAWN,
        )


class BomKind(StrEnum):
    MANUFACTURE = "manufacture"
    KIT = "kit"


class ActivationKind(StrEnum):
    RELEASE = "release"
    SCHEDULED = "scheduled"


class Bom(Base):
    """A slot: one way to make one product. `active_revision_id` is the guard that lets only one activation win."""

    __tablename__ = "bom"
    __table_args__ = (UniqueConstraint("product_id", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    code: Mapped[str] = mapped_column(String(24), default=DEFAULT_CODE)
    sequence: Mapped[int] = mapped_column(default=10)
    # the two tables need each other: this one key is made last
    active_revision_id: Mapped[int | None] = mapped_column(ForeignKey("bom_revision.id", use_alter=True), index=True)
    last_number: Mapped[int] = mapped_column(default=0)

    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)
    active_revision: Mapped["BomRevision | None"] = relationship(
        foreign_keys=[active_revision_id], lazy="raise_on_sql", viewonly=True
    )
    revisions: Mapped[list["BomRevision"]] = relationship(
        back_populates="bom",
        foreign_keys="BomRevision.bom_id",
        lazy="raise_on_sql",
        order_by="BomRevision.number",
        viewonly=True,
    )

    @property
    def is_default(self) -> bool:
        return self.code == DEFAULT_CODE

    @property
    def url(self) -> str:
        """The address of its page: the default slot is known by the product alone."""
        ref = quote(self.product.ref, safe="")
        return f"/boms/{ref}" if self.is_default else f"/boms/{ref}/{quote(self.code, safe='')}"


class BomRevision(Base):
    """One numbered state of a BoM: editable while it is a draft, frozen for ever after."""

    __tablename__ = "bom_revision"
    __table_args__ = (
        UniqueConstraint("bom_id", "number"),
        Index(
            "uq_bom_revision_one_active",
            "bom_id",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
        CheckConstraint("output_quantity > 0", name="output"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    bom_id: Mapped[int] = mapped_column(ForeignKey("bom.id"))
    number: Mapped[int]
    state: Mapped[RevisionState] = mapped_column(default=RevisionState.DRAFT)
    based_on_id: Mapped[int | None] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    eco_id: Mapped[int | None] = mapped_column(ForeignKey("record.id"), index=True)
    content_hash: Mapped[str | None] = mapped_column(String(80))
    output_quantity: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(1))
    uom_id: Mapped[int] = mapped_column(ForeignKey("unit_of_measure.id"))
    kind: Mapped[BomKind] = mapped_column(default=BomKind.MANUFACTURE)
    note: Mapped[str] = mapped_column(String(400), default="")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    released_at: Mapped[datetime | None]

    bom: Mapped[Bom] = relationship(back_populates="revisions", foreign_keys=[bom_id], lazy="joined", innerjoin=True)
    based_on: Mapped["BomRevision | None"] = relationship(
        foreign_keys=[based_on_id], remote_side=[id], lazy="raise_on_sql"
    )
    eco: Mapped[Record | None] = relationship(lazy="raise_on_sql")
    uom: Mapped[UnitOfMeasure] = relationship(lazy="joined", innerjoin=True)
    lines: Mapped[list["BomLine"]] = relationship(
        back_populates="revision", lazy="raise_on_sql", order_by="BomLine.position, BomLine.id"
    )
    operations: Mapped[list["BomOperation"]] = relationship(
        back_populates="revision", lazy="raise_on_sql", order_by="BomOperation.sequence, BomOperation.id"
    )
    documents: Mapped[list["BomDocument"]] = relationship(
        back_populates="revision", lazy="raise_on_sql", order_by="BomDocument.name, BomDocument.id"
    )
    rollup: Mapped["RevisionRollup | None"] = relationship(lazy="raise_on_sql", uselist=False, viewonly=True)

    @property
    def label(self) -> str:
        """V1, V2, ... as people say it."""
        return f"V{self.number}"

    @property
    def url(self) -> str:
        return f"{self.bom.url}/revisions/{self.number}"

    @property
    def is_draft(self) -> bool:
        return self.state is RevisionState.DRAFT

    @property
    def is_current(self) -> bool:
        return self.state is RevisionState.ACTIVE

    def __repr__(self) -> str:
        return f"<BomRevision {self.id} V{self.number} {self.state}>"


class BomLine(Base):
    """A component and how much of it. `uid` stays the same from revision to revision."""

    __tablename__ = "bom_line"
    __table_args__ = (
        UniqueConstraint("revision_id", "uid"),
        Index("ix_bom_line_component_id_revision_id", "component_id", "revision_id"),
        CheckConstraint("quantity >= 0", name="quantity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"))
    uid: Mapped[str] = mapped_column(String(36))
    position: Mapped[int]
    component_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    quantity: Mapped[Decimal] = mapped_column(Quantity)
    uom_id: Mapped[int] = mapped_column(ForeignKey("unit_of_measure.id"))
    scrap: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0))
    setup: Mapped[Decimal] = mapped_column(Quantity, default=Decimal(0))
    operation_uid: Mapped[str | None] = mapped_column(String(36))
    note: Mapped[str] = mapped_column(String(400), default="")
    designators: Mapped[list[str]] = mapped_column(default=list)
    version: Mapped[int] = mapped_column(default=1)

    revision: Mapped[BomRevision] = relationship(back_populates="lines", lazy="raise_on_sql")
    component: Mapped[Product] = relationship(lazy="joined", innerjoin=True)
    uom: Mapped[UnitOfMeasure] = relationship(lazy="joined", innerjoin=True)


class BomOperation(Base):
    """A step of work, in the order of `sequence`."""

    __tablename__ = "bom_operation"
    __table_args__ = (UniqueConstraint("revision_id", "uid"), CheckConstraint("minutes >= 0", name="minutes"))

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"))
    uid: Mapped[str] = mapped_column(String(36))
    sequence: Mapped[int]
    name: Mapped[str] = mapped_column(String(120))
    work_centre_id: Mapped[int] = mapped_column(ForeignKey("work_centre.id"), index=True)
    minutes: Mapped[Decimal] = mapped_column(Quantity)
    note: Mapped[str] = mapped_column(String(400), default="")
    version: Mapped[int] = mapped_column(default=1)

    revision: Mapped[BomRevision] = relationship(back_populates="operations", lazy="raise_on_sql")
    work_centre: Mapped[WorkCentre] = relationship(lazy="joined", innerjoin=True)


class BomDocument(Base):
    """A file that belongs to the revision, known by its content."""

    __tablename__ = "bom_document"
    __table_args__ = (UniqueConstraint("revision_id", "uid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"))
    uid: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))

    revision: Mapped[BomRevision] = relationship(back_populates="documents", lazy="raise_on_sql")


class Activation(Base):
    """From `from_ts` on this revision is the current one of its slot. Written once; the next one ends it."""

    __tablename__ = "activation"
    __table_args__ = (Index("ix_activation_bom_id_from_ts", "bom_id", "from_ts", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    bom_id: Mapped[int] = mapped_column(ForeignKey("bom.id"))
    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    from_ts: Mapped[datetime]
    eco_id: Mapped[int | None] = mapped_column(ForeignKey("record.id"), index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[ActivationKind] = mapped_column(default=ActivationKind.RELEASE)
    at: Mapped[datetime] = mapped_column(default=now)

    revision: Mapped[BomRevision] = relationship(lazy="raise_on_sql")
    eco: Mapped[Record | None] = relationship(lazy="raise_on_sql")
    cancellation: Mapped["ActivationCancellation | None"] = relationship(
        lazy="raise_on_sql", uselist=False, viewonly=True
    )


class ActivationCancellation(Base):
    """A scheduled activation that does not happen."""

    __tablename__ = "activation_cancellation"

    id: Mapped[int] = mapped_column(primary_key=True)
    activation_id: Mapped[int] = mapped_column(ForeignKey("activation.id"), unique=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str] = mapped_column(String(400), default="")
    at: Mapped[datetime] = mapped_column(default=now)


class RevisionRollup(Base):
    """What one of the product costs and takes when built so. A cache, so it lives beside the frozen row."""

    __tablename__ = "revision_rollup"

    revision_id: Mapped[int] = mapped_column(ForeignKey("bom_revision.id"), primary_key=True)
    cost: Mapped[Decimal] = mapped_column(Money)
    minutes: Mapped[Decimal] = mapped_column(Quantity)
    at: Mapped[datetime] = mapped_column(default=now)
