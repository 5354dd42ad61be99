"""What the pages about orders show."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sqlalchemy import BigInteger, Select, String, cast, func, select, type_coerce
from sqlalchemy.orm import selectinload

from app.bom import queries as boms
from app.bom import units
from app.bom.explosion import explode
from app.bom.models import Bom, BomOperation, BomRevision
from app.bom.units import Unit
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db, tidy
from app.foundation.errors import NotFound, Refused
from app.foundation.language import _, day
from app.manufacturing.models import OPEN, ManufacturingOrder, WorkOrder, WorkState
from app.traits.board.models import CLOSED_ROLES, Board, Stage, StageRole
from app.traits.board.registry import Pill
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
    revision = order.revision
    below = boms.structure([order.product.ref], at=order.planned_start, instead={order.product_id: revision.id})
    content = below.contents[order.product.ref]
    rows = explode(order.product.ref, order.quantity, below.source, levels="kits", units=boms.units()).rows
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
        for op in _operations(revision)
    ]
    components = [PlannedComponent(product=products[row.ref], quantity=row.quantity, uom=uoms[row.uom]) for row in rows]
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


def orders_of_ecos(eco_ids: list[int]) -> tuple[int, ManufacturingOrder | None]:
    """How many orders use revisions of these ECOs, and the one to show: the newest open one, else the newest."""
    if not eco_ids:
        return 0, None
    theirs = select(BomRevision.id).where(BomRevision.eco_id.in_(eco_ids))
    found = db.session.execute(
        select(ManufacturingOrder, func.count().over())
        .join(Stage, Stage.id == ManufacturingOrder.stage_id)
        .where(ManufacturingOrder.revision_id.in_(theirs), Stage.role != StageRole.CANCELLED)
        .order_by(Stage.role.in_(CLOSED_ROLES), ManufacturingOrder.id.desc())
        .limit(1)
    ).first()
    return (found[1], found[0]) if found else (0, None)


def units_of(order: ManufacturingOrder, most: int = 100) -> tuple[int, list[Unit]]:
    """How many units came out of the order, and the first ones."""
    count = db.session.scalar(select(func.count(Unit.id)).where(Unit.order_id == order.id)) or 0
    found = db.session.scalars(select(Unit).where(Unit.order_id == order.id).order_by(Unit.id).limit(most))
    return count, list(found)


def proposed_serials(order: ManufacturingOrder) -> list[str]:
    """The serials that `finish_order` would give."""
    return units.next_serials(order.product, order.whole_pieces())


def join_cards(statement: Select[Any]) -> Select[Any]:
    """Join what the card of an order shows to a statement over `record`."""
    own = ManufacturingOrder.__table__.c
    return statement.outerjoin(ManufacturingOrder.__table__, own.id == Record.id).outerjoin(
        Product, Product.id == own.product_id
    )


def amount_on_card() -> Any:
    """ "25 ×" as SQL text; whole pieces only, the page tells the rest."""
    pieces = type_coerce(ManufacturingOrder.__table__.c.quantity, BigInteger) // 1_000_000
    return cast(pieces, String) + " ×"


def pills(ids: Sequence[int]) -> dict[int, list[Pill]]:
    """Revision and planned start of each order on the board, in one statement."""
    own = ManufacturingOrder.__table__.c
    rows = db.session.execute(
        select(own.id, BomRevision.number, own.planned_start)
        .join(BomRevision, BomRevision.id == own.revision_id)
        .where(own.id.in_(ids))
    )
    return {
        row.id: [Pill(f"V{row.number}", "step", "bom", "bom"), Pill(day(row.planned_start), "line")] for row in rows
    }


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


def product_to_make(ref: str) -> Product:
    """The product with this reference that can be ordered; Refused, at its field, when there is none."""
    found = db.session.scalars(select(Product).where(Product.ref == ref, Product.archived_at.is_(None))).one_or_none()
    if found is None:
        raise Refused(_("Choose a product from the list."), field="product")
    return found


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


def _operations(revision: BomRevision) -> list[BomOperation]:
    return list(
        db.session.scalars(
            select(BomOperation)
            .where(BomOperation.revision_id == revision.id)
            .order_by(BomOperation.sequence, BomOperation.id)
        )
    )
