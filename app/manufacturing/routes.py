"""Addresses of orders: the board, a new one, one order and what is done to it."""

from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.foundation import clock
from app.foundation.db import transaction
from app.foundation.errors import Refused
from app.foundation.forms import midnight
from app.foundation.htmx import see_other
from app.foundation.language import _, site_zone
from app.foundation.permissions import STAFF, needs
from app.manufacturing import actions, loop, queries
from app.manufacturing.forms import FinishForm, OrderForm, ReplanForm, VerbForm
from app.manufacturing.models import ManufacturingOrder, WorkOrder
from app.people.current import current_person
from app.traits.board.pages import board_page
from app.traits.show import record_page

bp = Blueprint("manufacturing", __name__)


@bp.get("/orders")
@needs(STAFF)
def board() -> ResponseReturnValue:
    return board_page("order")


@bp.route("/orders/new", methods=["GET", "POST"])
@needs("order.write")
def new() -> ResponseReturnValue:
    form = OrderForm()
    form.offer(queries.makeable_products())
    if request.method == "GET":
        form.product.data = request.args.get("product", "")
        form.planned_start.data = form.planned_start.data or clock.now().astimezone(site_zone()).date()
    if form.validate_on_submit():
        assert form.planned_start.data is not None
        try:
            with transaction(by=current_person()) as tx:
                order = actions.plan_order(
                    product=queries.product_to_make(form.product.data),
                    quantity=form.quantity.data,
                    planned_start=midnight(form.planned_start.data, site_zone()),
                    by=current_person(),
                )
                tx.location = url_for(".show", number=order.number)
            return see_other(tx.location)
        except Refused as no:
            form.refuse(no.sentence, no.field)
    return render_template("manufacturing/new.html", form=form), 422 if form.is_submitted() else 200


@bp.get("/orders/<number>")
@needs(STAFF)
def show(number: str) -> ResponseReturnValue:
    return _page(queries.order_by_number(number))


@bp.post("/orders/<number>/plan")
@needs("order.write")
def replan(number: str) -> ResponseReturnValue:
    form = ReplanForm()
    if not form.validate_on_submit():
        return _page(queries.order_by_number(number), replan=form), 422
    assert form.planned_start.data is not None
    with transaction(by=current_person()) as tx:
        order = actions.load_for_work(queries.order_by_number(number).id)
        taken = actions.replan_order(
            order,
            quantity=form.quantity.data,
            planned_start=midnight(form.planned_start.data, site_zone()),
            by=current_person(),
        )
        tx.location = url_for(".show", number=number)
    if taken is not None:
        flash(_("By its new start the order uses BoM %(revision)s.", revision=taken.label))
    return see_other(tx.location)


@bp.post("/orders/<number>/revision")
@needs("order.write")
def update(number: str) -> ResponseReturnValue:
    return _do(number, lambda order: actions.update_order(order, by=current_person()))


@bp.post("/orders/<number>/confirmation")
@needs("order.write")
def confirm(number: str) -> ResponseReturnValue:
    return _do(number, lambda order: actions.confirm_order(order, by=current_person()))


@bp.post("/orders/<number>/start")
@needs("order.work")
def start(number: str) -> ResponseReturnValue:
    return _do(number, lambda order: actions.start_order(order, by=current_person()))


@bp.post("/orders/<number>/cancellation")
@needs("order.write")
def cancel(number: str) -> ResponseReturnValue:
    return _do(number, lambda order: actions.cancel_order(order, by=current_person()))


@bp.post("/orders/<number>/work/<int:work_id>/start")
@needs("order.work")
def start_work(number: str, work_id: int) -> ResponseReturnValue:
    return _do(number, lambda order: actions.start_work(_work(order, work_id), by=current_person()))


@bp.post("/orders/<number>/work/<int:work_id>/done")
@needs("order.work")
def finish_work(number: str, work_id: int) -> ResponseReturnValue:
    return _do(number, lambda order: actions.finish_work(_work(order, work_id), by=current_person()))


@bp.post("/orders/<number>/output")
@needs("order.work")
def finish(number: str) -> ResponseReturnValue:
    form = FinishForm()
    if not form.validate_on_submit():
        return _page(queries.order_by_number(number), finish=form), 422
    try:
        with transaction(by=current_person()) as tx:
            order = actions.load_for_work(queries.order_by_number(number).id)
            actions.finish_order(order, serials=form.lines() or None, by=current_person())
            tx.location = url_for(".show", number=number)
    except Refused as no:
        form.refuse(" ".join([no.sentence, *no.reasons]), no.field)
        return _page(queries.order_by_number(number), finish=form), no.status
    return see_other(tx.location)


def _do(number: str, verb: Callable[[ManufacturingOrder], object]) -> ResponseReturnValue:
    """One verb on one order, in its own transaction, back to its page. A refusal is shown on the page."""
    with transaction(by=current_person()) as tx:
        verb(actions.load_for_work(queries.order_by_number(number).id))
        tx.location = url_for(".show", number=number)
    return see_other(tx.location)


def _work(order: ManufacturingOrder, work_id: int) -> WorkOrder:
    return queries.work_of(order, work_id)


def _page(order: ManufacturingOrder, *, replan: ReplanForm | None = None, finish: FinishForm | None = None) -> str:
    if replan is None:
        replan = ReplanForm(formdata=None)
        replan.quantity.data = order.quantity
        replan.planned_start.data = order.planned_start.astimezone(site_zone()).date()
    if finish is None:
        finish = FinishForm(formdata=None)
        if order.product.tracking == "serial" and order.state in ("confirmed", "running"):
            finish.serials.data = "\n".join(queries.proposed_serials(order))
    draft = order.state == "draft"
    plan = queries.plan_of(order) if draft else None
    built, units = queries.units_of(order)
    return record_page(
        order,
        "manufacturing/show.html",
        order=order,
        rail=loop.rail_of(order),
        components=plan.components if plan else order.components,
        steps=plan.steps if plan else order.work_orders,
        newer=queries.newer_revision(order),
        replan=replan,
        finish=finish,
        verb=VerbForm(formdata=None),
        units=units,
        built=built,
        late=order.state in ("draft", "confirmed") and order.planned_start < clock.now() - timedelta(days=1),
    )
