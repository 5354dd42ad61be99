"""Planning and confirming: which revision an order takes, and that it keeps it (rows N and I4 of the oracle)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.bom.models import BomRevision
from app.bom.units import Unit
from app.catalog.models import Product
from app.foundation import clock
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.manufacturing import actions, queries
from app.manufacturing.models import ManufacturingOrder, WorkState
from app.people.models import Person
from app.traits.board.actions import stages_of
from app.traits.board.models import StageRole
from app.traits.chatter.models import Entry
from tests.factories import make_person, make_product
from tests.factories.boms import next_revision, release
from tests.factories.orders import make_order

pytestmark = pytest.mark.usefixtures("database")


def loaded(order: ManufacturingOrder) -> ManufacturingOrder:
    return queries.order_by_number(order.number)


def confirm(order: ManufacturingOrder, by: Person) -> None:
    with transaction(by=by):
        actions.confirm_order(actions.load_for_work(order.id), by=by)


def parts(order: ManufacturingOrder) -> dict[str, Decimal]:
    return {c.component.ref: c.quantity for c in loaded(order).components}


def verbs(order: ManufacturingOrder) -> list[str]:
    return [
        v or "" for v in db.session.scalars(select(Entry.verb).where(Entry.record_id == order.id).order_by(Entry.id))
    ]


def test_N1_a_new_order_takes_the_current_revision(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner)
    assert order.number == "MO-0001"
    assert order.state == StageRole.DRAFT
    assert order.revision_id == rack.id


def test_N2_an_order_takes_the_revision_scheduled_for_its_start(
    rack: BomRevision, rod: Product, planner: Person
) -> None:
    later = clock.now() + timedelta(days=10)
    v2 = next_revision(rack.bom, parts={rod: 1})
    release(v2, at=later)
    before = make_order(rack.bom.product, by=planner, planned_start=later - timedelta(days=5))
    after = make_order(rack.bom.product, by=planner, planned_start=later + timedelta(days=5))
    assert (before.revision_id, after.revision_id) == (rack.id, v2.id)


def test_N3_a_draft_planned_across_the_date_takes_the_other_one(
    rack: BomRevision, rod: Product, planner: Person
) -> None:
    later = clock.now() + timedelta(days=10)
    v2 = next_revision(rack.bom, parts={rod: 1})
    release(v2, at=later)
    order = make_order(rack.bom.product, by=planner)
    with transaction(by=planner):
        taken = actions.replan_order(
            actions.load_for_work(order.id), quantity=Decimal(10), planned_start=later + timedelta(days=1), by=planner
        )
    assert taken is not None and taken.id == v2.id
    assert "revision_taken" in verbs(order)


def test_N5_a_product_with_only_a_draft_is_refused(planner: Person) -> None:
    from tests.factories.boms import make_draft

    product = make_product("Stool")
    make_draft(product, {make_product("Leg"): 4})
    with pytest.raises(Refused, match="no released bill of materials") as no:
        make_order(product, by=planner)
    assert no.value.field == "product"


def test_N4_a_draft_revision_never_leaks_into_an_order(rack: BomRevision, rod: Product, planner: Person) -> None:
    next_revision(rack.bom, parts={rod: 1})
    assert make_order(rack.bom.product, by=planner).revision_id == rack.id


def test_I4_confirming_copies_components_and_steps(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner, quantity=10)
    confirm(order, planner)
    assert parts(order) == {"POLE": 10, "DOWEL": 60, "BASE": 10}
    steps = loaded(order).work_orders
    assert [(s.name, s.minutes, s.state) for s in steps] == [("Assemble", 120, WorkState.READY)]
    assert loaded(order).snapshot_hash == db.session.get_one(BomRevision, rack.id).content_hash


def test_0_11_a_confirmed_order_keeps_its_revision(rack: BomRevision, rod: Product, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner)
    confirm(order, planner)
    v2 = next_revision(rack.bom, parts={rod: 1})
    release(v2)
    kept = loaded(order)
    assert kept.revision_id == rack.id
    assert "SUPPORT-ROD" not in parts(order)
    newer = queries.newer_revision(kept)
    assert newer is not None and newer.id == v2.id
    assert verbs(order)[-1] == "newer_revision"


def test_0_10_the_next_order_takes_v2_with_its_rod(rack: BomRevision, rod: Product, planner: Person) -> None:
    release(next_revision(rack.bom, parts={rod: 1}))
    order = make_order(rack.bom.product, by=planner, quantity=1)
    assert order.revision.label == "V2"
    confirm(order, planner)
    assert parts(order) == {"POLE": 1, "DOWEL": 6, "BASE": 1, "SUPPORT-ROD": 1}


def test_a_draft_of_the_old_revision_must_be_updated_before_it_is_confirmed(
    rack: BomRevision, rod: Product, planner: Person
) -> None:
    order = make_order(rack.bom.product, by=planner)
    v2 = next_revision(rack.bom, parts={rod: 1})
    release(v2)
    with pytest.raises(Conflict, match="Update the order first"):
        confirm(order, planner)
    assert loaded(order).state == StageRole.DRAFT
    with transaction(by=planner):
        actions.update_order(actions.load_for_work(order.id), by=planner)
    confirm(order, planner)
    assert loaded(order).revision_id == v2.id


def test_an_order_goes_from_plan_to_serials(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner, quantity=3)
    confirm(order, planner)
    work = loaded(order).work_orders[0].id
    olga = make_person("Olga")
    with transaction(by=olga):
        actions.start_work(actions.load_for_work(order.id).work_orders[0], by=olga)
    assert loaded(order).state == StageRole.RUNNING
    with pytest.raises(Refused, match="still open"), transaction(by=olga):
        actions.finish_order(actions.load_for_work(order.id), by=olga)
    with transaction(by=olga):
        actions.finish_work(actions.load_for_work(order.id).work_orders[0], by=olga)
    with transaction(by=olga):
        actions.finish_order(actions.load_for_work(order.id), by=olga)
    done = loaded(order)
    assert done.state == StageRole.DONE and done.closed_at is not None
    assert [w.id for w in done.work_orders] == [work]
    units = db.session.scalars(select(Unit).order_by(Unit.serial)).unique().all()
    assert [(u.serial, u.revision_id, u.content_hash) for u in units] == [
        (f"CR-000{n}", rack.id, done.snapshot_hash) for n in (1, 2, 3)
    ]
    assert {c.consumed for c in done.components} == {3, 18}


def test_a_serial_is_given_once(rack: BomRevision, planner: Person) -> None:
    for serials, fine in ((["CR-0001"], True), (["cr-0001"], False), (["CR-0002", "CR-0003"], False)):
        order = make_order(rack.bom.product, by=planner, quantity=1)
        confirm(order, planner)
        with transaction(by=planner):
            loaded_order = actions.load_for_work(order.id)
            actions.start_order(loaded_order, by=planner)
            actions.finish_work(loaded_order.work_orders[0], by=planner)
        if fine:
            with transaction(by=planner):
                actions.finish_order(actions.load_for_work(order.id), serials=serials, by=planner)
        else:
            with pytest.raises(Refused), transaction(by=planner):
                actions.finish_order(actions.load_for_work(order.id), serials=serials, by=planner)
            assert loaded(order).state == StageRole.RUNNING


def test_half_a_rack_cannot_be_confirmed(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner, quantity=Decimal("1.5"))
    with pytest.raises(Refused, match="whole number"):
        confirm(order, planner)


@pytest.mark.parametrize("quantity", ["0", "-1", "100001"])
def test_a_senseless_quantity_is_refused(rack: BomRevision, planner: Person, quantity: str) -> None:
    with pytest.raises(Refused) as no:
        make_order(rack.bom.product, by=planner, quantity=Decimal(quantity))
    assert no.value.field == "quantity"


@pytest.mark.parametrize("who", ["Marc", "Julie"])
def test_support_and_quality_do_not_plan_orders(rack: BomRevision, planner: Person, who: str) -> None:
    with pytest.raises(NotAllowed):
        make_order(rack.bom.product, by=make_person(who))


def test_an_operator_works_but_does_not_plan(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner)
    olga = make_person("Olga")
    with pytest.raises(NotAllowed):
        confirm(order, olga)
    confirm(order, planner)
    with transaction(by=olga):
        actions.start_order(actions.load_for_work(order.id), by=olga)
    assert loaded(order).state == StageRole.RUNNING


def test_a_cancelled_order_does_nothing_more(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner)
    with transaction(by=planner):
        actions.cancel_order(actions.load_for_work(order.id), by=planner)
    with pytest.raises(Conflict):
        confirm(order, planner)


def test_the_board_calls_the_verbs(rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner, quantity=1)
    by_role = {s.role: s for s in stages_of(queries.orders_board().id)}

    def move(role: StageRole) -> None:
        with transaction(by=planner):
            actions.move_order(actions.load_for_work(order.id), to=by_role[role], before=None, after=None, by=planner)

    with pytest.raises(Conflict):
        move(StageRole.DONE)
    move(StageRole.CONFIRMED)
    assert parts(order)["DOWEL"] == 6
    move(StageRole.RUNNING)
    with pytest.raises(Refused, match="does not go back"):
        move(StageRole.DRAFT)
    with transaction(by=planner):
        actions.finish_work(actions.load_for_work(order.id).work_orders[0], by=planner)
    move(StageRole.DONE)
    assert loaded(order).finished_at is not None
