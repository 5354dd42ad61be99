"""What people do with orders: plan, confirm, work, finish, cancel. Every verb is reached from the board as well."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.bom import revisions, units
from app.bom.models import BomRevision
from app.bom.units import Unit
from app.catalog.models import Product, Tracking
from app.foundation import clock
from app.foundation.db import db, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import OrderConfirmed, UnitBuilt
from app.foundation.permissions import authorize
from app.manufacturing import queries
from app.manufacturing.models import ManufacturingOrder, OrderComponent, WorkOrder, WorkState
from app.people.models import Person
from app.traits.board.actions import enter_board, place, put_in_role
from app.traits.board.models import Board, Stage, StageRole
from app.traits.chatter.actions import follow, log
from app.traits.record import Record

MOST_PIECES = 100_000


def make_orders_board() -> Board:
    """The board of orders with its system stages: they may be renamed and folded, never removed."""
    board = Board(kind="order", slug="orders", name=_("Orders"))
    names = (
        (_("Draft"), StageRole.DRAFT, False),
        (_("Ready"), StageRole.CONFIRMED, False),
        (_("In progress"), StageRole.RUNNING, False),
        (_("Done"), StageRole.DONE, True),
        (_("Cancelled"), StageRole.CANCELLED, True),
    )
    board.stages = [
        Stage(name=name, role=role, folded=folded, position=position)
        for position, (name, role, folded) in enumerate(names, start=1)
    ]
    db.session.add(board)
    db.session.flush()
    return board


def plan_order(
    *,
    product: Product,
    quantity: Decimal,
    planned_start: datetime,
    by: Person,
    responsible: Person | None = None,
    title: str | None = None,
) -> ManufacturingOrder:
    """A draft order for `quantity` of `product`, with the revision that is effective when work is planned to start.

    Refused when the product has no released revision: a draft is never picked (rules N1, N5).
    """
    authorize(by, "order.write")
    _must_be_sensible(quantity)
    order = ManufacturingOrder(
        title=title or product.name,
        product=product,
        quantity=quantity,
        uom=product.uom,
        revision=_revision_for(product, planned_start),
        planned_start=planned_start,
        responsible_id=(responsible or by).id,
        created_by_id=by.id,
        components=[],
        work_orders=[],
        tags=[],
    )
    enter_board(order, queries.orders_board(), by=by)
    log(order, "created", {"revision": order.revision.label}, by=by)
    follow(order, responsible or by)
    return order


def replan_order(
    order: ManufacturingOrder, *, quantity: Decimal, planned_start: datetime, by: Person
) -> BomRevision | None:
    """Change a draft. Its revision is chosen again; the new one is returned when it is another (rule N3)."""
    authorize(by, "order.write", order)
    order.must_be(StageRole.DRAFT)
    _must_be_sensible(quantity)
    if order.quantity != quantity:
        log(order, "edited", {"field": "quantity", "from": str(order.quantity), "to": str(quantity)}, by=by)
    order.quantity = quantity
    order.planned_start = planned_start
    return _take(order, _revision_for(order.product, planned_start), by=by)


def update_order(order: ManufacturingOrder, *, by: Person) -> BomRevision | None:
    """Take the revision that is effective now at the planned start of a draft. None when it has it already."""
    authorize(by, "order.write", order)
    order.must_be(StageRole.DRAFT)
    return _take(order, _revision_for(order.product, order.planned_start), by=by)


def confirm_order(order: ManufacturingOrder, *, by: Person) -> None:
    """Pin the order to its revision: components, work orders and prices are copied and never follow the BoM again.

    A draft that was planned with a revision which is no longer the effective one is refused, so that nobody builds the
    old one by accident; `update_order` takes the new one.
    """
    authorize(by, "order.write", order)
    order.must_be(StageRole.DRAFT)
    effective = _revision_for(order.product, order.planned_start)
    if effective.id != order.revision_id:
        raise Conflict(
            _(
                "%(number)s was planned with BoM %(old)s, but %(new)s is current for its planned start. "
                "Update the order first.",
                number=order.number,
                old=order.revision.label,
                new=effective.label,
            ),
            code="OUTDATED",
        )
    if order.product.tracking == Tracking.SERIAL:
        order.whole_pieces()
    _fill(order)
    order.confirmed_at = clock.now()
    put_in_role(order, StageRole.CONFIRMED, by=by)
    log(order, "confirmed", {"revision": order.revision.label}, by=by)
    publish(OrderConfirmed(order_id=order.id, revision_id=order.revision_id))


def start_work(work: WorkOrder, *, by: Person) -> None:
    """Begin a work order; the first one starts the order."""
    order = _order_of(work)
    authorize(by, "order.work", order)
    order.must_be(StageRole.CONFIRMED, StageRole.RUNNING)
    if work.state == WorkState.RUNNING:
        return
    if work.state != WorkState.READY:
        raise Conflict(_("“%(name)s” cannot start now.", name=work.name))
    work.state = WorkState.RUNNING
    work.started_at = clock.now()
    if order.state == StageRole.CONFIRMED:
        _run(order, by=by)
    log(order, "work_started", {"name": work.name}, by=by)


def finish_work(work: WorkOrder, *, by: Person) -> None:
    """A work order is done; the next one becomes ready."""
    order = _order_of(work)
    authorize(by, "order.work", order)
    order.must_be(StageRole.RUNNING)
    if work.state == WorkState.DONE:
        return
    if work.state != WorkState.RUNNING:
        raise Conflict(_("Start “%(name)s” before it can be done.", name=work.name))
    work.state = WorkState.DONE
    work.done_at = clock.now()
    work.done_by_id = by.id
    following = next((w for w in order.work_orders if w.state == WorkState.WAITING), None)
    if following is not None:
        following.state = WorkState.READY
    log(order, "work_done", {"name": work.name}, by=by)


def finish_order(order: ManufacturingOrder, *, serials: Sequence[str] | None = None, by: Person) -> list[Unit]:
    """Everything is built: components count as consumed, and each serial carries the revision it was built to.

    `serials` are the serials of the pieces, one each; None takes the next free ones. Only for products tracked by
    serial; the answer is empty for others.
    """
    authorize(by, "order.work", order)
    order.must_be(StageRole.CONFIRMED, StageRole.RUNNING)
    unfinished = [w.name for w in order.work_orders if w.state != WorkState.DONE]
    if unfinished:
        raise Refused(
            _("%(number)s cannot be done: work orders are still open.", number=order.number), reasons=unfinished
        )
    built = _build(order, serials) if order.product.tracking == Tracking.SERIAL else []
    for component in order.components:
        component.consumed = component.quantity
    order.started_at = order.started_at or clock.now()
    order.finished_at = clock.now()
    put_in_role(order, StageRole.DONE, by=by)
    log(order, "built", {"quantity": str(order.quantity), "serials": [u.serial for u in built][:50]}, by=by)
    for unit in built:
        publish(UnitBuilt(unit_id=unit.id, order_id=order.id, revision_id=order.revision_id))
    return built


def cancel_order(order: ManufacturingOrder, *, by: Person) -> None:
    """Nothing will be built. An order that is being worked on keeps what was done in its history."""
    authorize(by, "order.write", order)
    order.must_be(StageRole.DRAFT, StageRole.CONFIRMED, StageRole.RUNNING)
    put_in_role(order, StageRole.CANCELLED, by=by)
    log(order, "cancelled", {}, by=by)


def move_order(record: Record, *, to: Stage, before: int | None, after: int | None, by: Person) -> None:
    """The board's verb: entering a stage does what its role means; within a stage it only ranks."""
    if to.id == record.stage_id:
        authorize(by, "order.work", record)
        place(record, to=to, before=before, after=after, by=by)
        return
    order = load_for_work(record.id)
    if to.role == StageRole.CONFIRMED:
        confirm_order(order, by=by)
    elif to.role == StageRole.RUNNING:
        start_order(order, by=by)
    elif to.role == StageRole.DONE:
        finish_order(order, by=by)
    elif to.role == StageRole.CANCELLED:
        cancel_order(order, by=by)
    else:
        raise Refused(_("An order does not go back to %(stage)s.", stage=to.name))
    db.session.flush()
    place(order, to=to, before=before, after=after, by=by)


def start_order(order: ManufacturingOrder, *, by: Person) -> None:
    """Begin with the first work order, or just begin when the order has none."""
    order.must_be(StageRole.CONFIRMED)
    first = next((w for w in order.work_orders if w.state == WorkState.READY), None)
    if first is not None:
        start_work(first, by=by)
        return
    authorize(by, "order.work", order)
    _run(order, by=by)


def load_for_work(order_id: int) -> ManufacturingOrder:
    """The order with its components and work orders, locked."""
    lock(ManufacturingOrder, order_id)
    return db.session.scalars(
        select(ManufacturingOrder)
        .where(ManufacturingOrder.id == order_id)
        .options(selectinload(ManufacturingOrder.components), selectinload(ManufacturingOrder.work_orders))
        .execution_options(populate_existing=True)
    ).one()


def _must_be_sensible(quantity: Decimal) -> None:
    if quantity <= 0:
        raise Refused(_("The quantity must be more than 0."), field="quantity")
    if quantity > MOST_PIECES:
        raise Refused(_("At most %(most)s per order.", most=MOST_PIECES), field="quantity")


def _revision_for(product: Product, planned_start: datetime) -> BomRevision:
    found = revisions.effective_revision(product, at=max(planned_start, clock.now()))
    if found is None:
        raise Refused(
            _("%(product)s has no released bill of materials. Release one first.", product=product.name),
            field="product",
        )
    return found


def _take(order: ManufacturingOrder, revision: BomRevision, *, by: Person) -> BomRevision | None:
    if revision.id == order.revision_id:
        return None
    log(order, "revision_taken", {"from": order.revision.label, "to": revision.label}, by=by)
    order.revision = revision
    return revision


def _fill(order: ManufacturingOrder) -> None:
    """Copy what is to be built into the order, with a hash that proves it later (invariant I4)."""
    plan = queries.plan_of(order)
    order.components = [
        OrderComponent(component_id=row.product.id, quantity=row.quantity, uom_id=row.uom.id, consumed=Decimal(0))
        for row in plan.components
    ]
    order.work_orders = [
        WorkOrder(
            op_uid=step.op_uid,
            sequence=step.sequence,
            name=step.name,
            work_centre_id=step.work_centre.id,
            minutes=step.minutes,
            state=WorkState.READY if index == 0 else WorkState.WAITING,
        )
        for index, step in enumerate(plan.steps)
    ]
    order.snapshot = plan.snapshot
    order.snapshot_hash = plan.content_hash


def _run(order: ManufacturingOrder, *, by: Person) -> None:
    order.started_at = clock.now()
    put_in_role(order, StageRole.RUNNING, by=by)
    log(order, "started", {}, by=by)


def _build(order: ManufacturingOrder, serials: Sequence[str] | None) -> list[Unit]:
    pieces = order.whole_pieces()
    if serials is None:
        serials = units.next_serials(order.product, pieces)
    if len(serials) != pieces:
        raise Refused(
            _("Name %(pieces)s serials, one a line; these are %(given)s.", pieces=pieces, given=len(serials)),
            field="serials",
        )
    return units.build_units(
        order.product, serials, order_id=order.id, revision=order.revision, content_hash=order.snapshot_hash
    )


def _order_of(work: WorkOrder) -> ManufacturingOrder:
    return load_for_work(work.order_id)
