"""What the pages about orders show."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import selectinload

from app.bom import revisions, units
from app.bom.explosion import explode
from app.bom.models import Bom, BomRevision
from app.bom.units import Unit
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db, tidy
from app.foundation.errors import NotFound
from app.foundation.language import _
from app.manufacturing.models import OPEN, ManufacturingOrder, WorkOrder, WorkState
from app.people.models import Person
from app.traits.board.models import CLOSED_ROLES, Board, Stage, StageRole
from app.traits.record import Record


@dataclass(frozen=True)
class PlannedComponent:
    product: Product
    quantity: Decimal
    uom: UnitOfMeasure
    consumed: Decimal = Decimal(0)


@dataclass(frozen=True)
class PlannedStep:
    op_uid: str
    sequence: int
    name: str
    work_centre: WorkCentre
    minutes: Decimal


@dataclass(frozen=True)
class Plan:
    """What an order needs: components and steps for its quantity, and the proof of where they came from."""

    components: list[PlannedComponent]
    steps: list[PlannedStep]
    snapshot: dict[str, Any]
    content_hash: str


def orders_board() -> Board:
    """The one board of orders."""
    return db.session.scalars(select(Board).where(Board.kind == "order", Board.slug == "orders")).one()


def order_by_number(number: str) -> ManufacturingOrder:
    """The order with everything its page shows; NotFound otherwise."""
    found = db.session.scalars(
        select(ManufacturingOrder)
        .where(ManufacturingOrder.number == number)
        .options(
            selectinload(ManufacturingOrder.components),
            selectinload(ManufacturingOrder.work_orders),
            selectinload(ManufacturingOrder.responsible),
            selectinload(ManufacturingOrder.tags),
        )
    ).one_or_none()
    if found is None:
        raise NotFound(_("There is no order %(number)s.", number=number))
    return found


def plan_of(order: ManufacturingOrder) -> Plan:
    """Components (kits taken apart, sub-assemblies kept whole) and steps of `order` by its revision.

    Minutes are per output quantity of the revision, times the order; sub-assemblies are resolved by their own orders
    (rule N8), kits by what is effective at the planned start.
    """
    revision = revisions.load(order.revision_id)
    content = revisions.content(revision)
    contents: dict[str, Any] = {order.product.ref: content}

    def source(ref: str) -> Any:
        if ref not in contents:
            contents[ref] = revisions.effective_content(ref, at=order.planned_start)
        return contents[ref]

    rows = explode(order.product.ref, order.quantity, source, levels="kits").rows
    products = _products({row.ref for row in rows})
    uoms = {u.code: u for u in db.session.scalars(select(UnitOfMeasure))}
    share = order.quantity / revision.output_quantity
    steps = [
        PlannedStep(
            op_uid=op.uid,
            sequence=op.sequence,
            name=op.name,
            work_centre=op.work_centre,
            minutes=tidy((op.minutes * share).quantize(Decimal("0.01"), rounding=ROUND_CEILING)),
        )
        for op in revision.operations
    ]
    components = [
        PlannedComponent(product=products[row.ref], quantity=row.quantity, uom=uoms[row.uom]) for row in rows
    ]
    return Plan(
        components=components,
        steps=steps,
        content_hash=revision.content_hash or content.content_hash,
        snapshot={
            "revision_id": revision.id,
            "revision": revision.label,
            "content": content.to_dict(),
            "prices": {c.product.ref: str(c.product.cost) for c in components if c.product.cost is not None},
        },
    )


def newer_revision(order: ManufacturingOrder) -> BomRevision | None:
    """The current revision of the order's slot when it is a later one than the order's and the order is still open."""
    if order.state not in OPEN:
        return None
    return db.session.scalars(
        select(BomRevision)
        .join(Bom, Bom.active_revision_id == BomRevision.id)
        .where(
            Bom.id == order.revision.bom_id,
            BomRevision.id != order.revision_id,
            BomRevision.number > order.revision.number,
        )
    ).one_or_none()


def open_orders_of_bom(bom_id: int) -> list[ManufacturingOrder]:
    """Orders of this slot that are not finished."""
    return list(
        db.session.scalars(
            select(ManufacturingOrder)
            .join(BomRevision, BomRevision.id == ManufacturingOrder.revision_id)
            .join(Stage, Stage.id == ManufacturingOrder.stage_id)
            .where(BomRevision.bom_id == bom_id, Stage.role.in_(OPEN))
            .order_by(ManufacturingOrder.id)
        ).unique()
    )


def orders_of_revisions(revision_ids: list[int]) -> tuple[int, ManufacturingOrder | None]:
    """How many orders use these revisions, and the one to show: the newest open one, else the newest."""
    if not revision_ids:
        return 0, None
    count = db.session.scalar(
        select(func.count(ManufacturingOrder.id)).where(ManufacturingOrder.revision_id.in_(revision_ids))
    )
    shown = db.session.scalars(
        select(ManufacturingOrder)
        .join(Stage, Stage.id == ManufacturingOrder.stage_id)
        .where(ManufacturingOrder.revision_id.in_(revision_ids), Stage.role != StageRole.CANCELLED)
        .order_by(Stage.role.in_(CLOSED_ROLES), ManufacturingOrder.id.desc())
        .limit(1)
    ).first()
    return count or 0, shown


def units_of(order: ManufacturingOrder, most: int = 100) -> tuple[int, list[Unit]]:
    """How many units came out of the order, and the first ones."""
    count = db.session.scalar(select(func.count(Unit.id)).where(Unit.order_id == order.id)) or 0
    found = db.session.scalars(select(Unit).where(Unit.order_id == order.id).order_by(Unit.id).limit(most))
    return count, list(found)


def proposed_serials(order: ManufacturingOrder) -> list[str]:
    """The serials that `finish_order` would give."""
    return units.next_serials(order.product, order.whole_pieces())


def cards() -> Select[Any]:
    """The card of an order: product and quantity under its title, planned start as its date."""
    return (
        select(
            Record.id,
            Product.name.label("who"),
            ManufacturingOrder.__table__.c.quantity.label("amount"),
            ManufacturingOrder.__table__.c.planned_start.label("due_at"),
        )
        .join(ManufacturingOrder.__table__, ManufacturingOrder.__table__.c.id == Record.id)
        .join(Product, Product.id == ManufacturingOrder.__table__.c.product_id)
    )


def makeable_products() -> list[Product]:
    """Products with a current revision, by name."""
    return list(
        db.session.scalars(
            select(Product)
            .join(Bom, Bom.product_id == Product.id)
            .where(Bom.active_revision_id.is_not(None), Product.archived_at.is_(None))
            .distinct()
            .order_by(Product.name, Product.ref)
        ).unique()
    )


def work_waiting_for(person: Person) -> list[ManufacturingOrder]:
    """Open orders the person is responsible for, earliest first."""
    return list(
        db.session.scalars(
            select(ManufacturingOrder)
            .join(Stage, Stage.id == ManufacturingOrder.stage_id)
            .where(ManufacturingOrder.responsible_id == person.id, Stage.role.in_(OPEN))
            .order_by(ManufacturingOrder.planned_start, ManufacturingOrder.id)
            .limit(20)
        ).unique()
    )


def progress(order: ManufacturingOrder) -> tuple[int, int]:
    """Work orders done, and all of them."""
    return sum(w.state == WorkState.DONE for w in order.work_orders), len(order.work_orders)


def _products(refs: set[str]) -> dict[str, Product]:
    return {p.ref: p for p in db.session.scalars(select(Product).where(Product.ref.in_(refs))).unique()}


def work_of(order: ManufacturingOrder, work_id: int) -> WorkOrder:
    """The work order of this order with this id; NotFound when it belongs to another (rule AZ3)."""
    found = next((w for w in order.work_orders if w.id == work_id), None)
    if found is None:
        raise NotFound(_("There is no such work order on %(number)s.", number=order.number))
    return found
