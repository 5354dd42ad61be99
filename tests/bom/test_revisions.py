"""Starting, activating and reading revisions: rows A, I, N and P of the oracle that this service answers for."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.bom import actions, queries, revisions
from app.bom.models import Activation, ActivationCancellation, Bom, BomLine, BomOperation, BomRevision, RevisionState
from app.catalog.models import Product
from app.foundation import jobs
from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.foundation.events import on
from app.foundation.loop import RevisionActivated, RevisionStarted
from tests.factories import make_person, make_product, make_uom, make_work_centre
from tests.factories.boms import make_bom, make_change, make_draft, next_revision, release

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def rack() -> BomRevision:
    """The coat rack as it is sold: one pole, six dowels, one base, assembled."""
    return make_bom(
        make_product("Coat rack", ref="COAT-RACK"),
        {
            make_product("Wooden pole", ref="POLE"): 1,
            make_product("Wooden dowel", ref="DOWEL"): 6,
            make_product("Wooden base", ref="BASE"): 1,
        },
        steps={"Assemble": (make_work_centre(), 20)},
    )


def state(revision: BomRevision) -> str:
    return db.session.scalars(select(BomRevision.state).where(BomRevision.id == revision.id)).one().value


def active_ids(bom_id: int) -> list[int]:
    return list(
        db.session.scalars(
            select(BomRevision.id).where(BomRevision.bom_id == bom_id, BomRevision.state == RevisionState.ACTIVE)
        )
    )


def pointer(bom_id: int) -> int | None:
    return db.session.scalars(select(Bom.active_revision_id).where(Bom.id == bom_id)).one()


def first_line(revision: BomRevision) -> BomLine:
    found = db.session.scalars(select(BomLine).where(BomLine.revision_id == revision.id).order_by(BomLine.position))
    return found.unique().all()[0]


def by_hand(statement: str) -> None:
    """Raw SQL, past the service and the session."""
    db.session.rollback()
    with db.engine.begin_nested():  # type: ignore[attr-defined]
        db.engine.exec_driver_sql(statement)  # type: ignore[attr-defined]


def product_of(revision: BomRevision) -> Product:
    return revision.bom.product


# Start revision


def test_start_revision_copies_exactly(rack: BomRevision) -> None:
    with transaction(by=None):
        assemble = db.session.scalars(select(BomOperation)).one()
    # give the copy everything a line can carry
    second = next_revision(rack.bom)
    with transaction(by=None):
        line = first_line(second)
        step = db.session.scalars(select(BomOperation).where(BomOperation.revision_id == second.id)).unique().one()
        assert step.uid == assemble.uid
        actions.change_component(
            line, by=None, operation=step, scrap=Decimal("0.05"), setup=Decimal(2), note="oak", designators=["A1", "A2"]
        )
    release(second)
    third = next_revision(second.bom)
    before, after = revisions.content(second), revisions.content(third)
    assert after == before
    assert after.lines[0].operation == after.operations[0].uid
    assert after.lines[0].designators == ("A1", "A2")
    assert third.based_on_id == second.id
    assert (third.number, state(third)) == (3, "draft")


def test_v1_stays_what_it_was_while_v2_is_edited(rack: BomRevision) -> None:
    before = revisions.content(rack)
    draft = next_revision(rack.bom, parts={make_product("Metal support rod", ref="SUPPORT-ROD"): 1})
    assert revisions.content(rack) == before
    assert [line.component for line in revisions.content(draft).lines] == ["POLE", "DOWEL", "BASE", "SUPPORT-ROD"]
    assert (state(rack), state(draft)) == ("active", "draft")


def test_P14_starting_twice_gives_the_same_revision(rack: BomRevision) -> None:
    change = make_change()
    assert next_revision(rack.bom, change=change).id == next_revision(rack.bom, change=change).id
    assert db.session.scalar(select(func.count()).select_from(BomRevision)) == 2


def test_I5_numbers_never_come_back(rack: BomRevision) -> None:
    change = make_change()
    given_up = next_revision(rack.bom, change=change)
    with transaction(by=None):
        assert [r.id for r in revisions.abandon(change, by=None)] == [given_up.id]
    assert next_revision(rack.bom).number == 3
    assert state(given_up) == "abandoned"


def test_starting_is_told(rack: BomRevision) -> None:
    seen: list[RevisionStarted] = []
    on(RevisionStarted)(seen.append)
    change = make_change()
    draft = next_revision(rack.bom, change=change)
    assert seen[-1] == RevisionStarted(eco_id=change.id, bom_id=rack.bom_id, revision_id=draft.id, based_on_id=rack.id)


def test_only_engineers_start_and_edit(rack: BomRevision) -> None:
    marc, joe, pole = make_person("Marc"), make_person("Joe"), make_product()
    change = make_change()
    with pytest.raises(NotAllowed), transaction(by=marc):
        revisions.start_revision(rack.bom, eco=change, by=marc)
    with transaction(by=joe):
        draft = revisions.start_revision(rack.bom, eco=change, by=joe)
    with pytest.raises(NotAllowed), transaction(by=marc):
        actions.add_component(draft, component=pole, quantity=Decimal(1), by=marc)


# Activation


def test_A1_activating_makes_one_current_and_retires_the_other(rack: BomRevision) -> None:
    seen: list[RevisionActivated] = []
    on(RevisionActivated)(seen.append)
    draft = next_revision(rack.bom, parts={make_product(): 1})
    release(draft)
    assert (state(rack), state(draft)) == ("superseded", "active")
    assert pointer(rack.bom_id) == draft.id
    assert active_ids(rack.bom_id) == [draft.id]
    assert seen[-1].retired_id == rack.id
    row = db.session.get_one(BomRevision, draft.id)
    assert row.released_at is not None
    assert row.content_hash == revisions.content(row).content_hash


def test_A3_applying_twice_is_applying_once(rack: BomRevision) -> None:
    draft = next_revision(rack.bom, parts={make_product(): 1})
    release(draft)
    release(draft)
    assert db.session.scalar(select(func.count()).where(Activation.revision_id == draft.id)) == 1


def test_A4_the_second_of_two_changes_must_rebase(rack: BomRevision) -> None:
    first, second = next_revision(rack.bom, parts={make_product(): 1}), next_revision(rack.bom)
    release(second)  # the higher number first
    with pytest.raises(Refused, match="Rebase") as told:
        release(first)
    assert told.value.code == "BASE_MOVED"
    assert active_ids(rack.bom_id) == [second.id]
    assert state(first) == "draft"


def test_a_lower_id_may_replace_a_higher_one(rack: BomRevision) -> None:
    """In one flush the index would refuse it: rows are written in order of their ids."""
    first, second = next_revision(rack.bom), next_revision(rack.bom)
    release(second)
    with transaction(by=None):
        older = db.session.get_one(BomRevision, first.id)
        older.based_on_id = second.id
        older.number = 9
    release(first)
    assert active_ids(rack.bom_id) == [first.id]
    assert first.id < second.id


def test_A5_several_boms_change_together_or_not_at_all(rack: BomRevision) -> None:
    stool = make_bom(make_product("Step stool"), {make_product(): 2})
    change = make_change()
    drafts = [next_revision(bom, change=change, parts={make_product(): 1}) for bom in (stool.bom, rack.bom)]
    rival = next_revision(stool.bom, parts={make_product(): 1})
    release(rival)
    with pytest.raises(Refused), transaction(by=None):
        revisions.activate_all(drafts, eco=change, by=None)
    assert active_ids(rack.bom_id) == [rack.id]
    assert [state(d) for d in drafts] == ["draft", "draft"]


def test_A5_all_of_them_take_effect_in_the_order_of_their_slots(rack: BomRevision) -> None:
    stool = make_bom(make_product("Step stool"), {make_product(): 2})
    change = make_change()
    drafts = [next_revision(bom, change=change, parts={make_product(): 1}) for bom in (stool.bom, rack.bom)]
    with transaction(by=None):
        done = revisions.activate_all(drafts, eco=change, by=None)
    assert [row.bom_id for row in done] == sorted([stool.bom_id, rack.bom_id])
    assert active_ids(rack.bom_id) == [drafts[1].id]
    assert active_ids(stool.bom_id) == [drafts[0].id]


def test_A6_a_first_revision_has_no_base() -> None:
    draft = make_draft(make_product("Bookstand"), {make_product(): 1})
    assert draft.based_on_id is None
    release(draft)
    other = make_change()
    with transaction(by=None):
        second = revisions.start_revision(draft.bom, eco=other, by=None)
        second.based_on_id = None
    with pytest.raises(Refused, match="Rebase"):
        release(second)


def test_an_empty_draft_does_not_become_current() -> None:
    with pytest.raises(Refused, match="no components"):
        release(make_draft(make_product()))


def test_a_draft_of_another_change_is_refused(rack: BomRevision) -> None:
    draft, other = next_revision(rack.bom), make_change()
    with pytest.raises(Refused, match="another change"), transaction(by=None):
        revisions.activate(draft, eco=other, by=None)


def test_C2_an_archived_component_keeps_a_draft_from_becoming_current(rack: BomRevision) -> None:
    part = make_product("Base plug")
    draft = next_revision(rack.bom, parts={part: 1})
    with transaction(by=None):
        db.session.get_one(Product, part.id).archived_at = now()
    with pytest.raises(Refused, match="Base plug is archived") as told:
        release(draft)
    assert told.value.code == "OBSOLETE"


def test_I6_a_cycle_that_came_from_elsewhere_is_refused_with_its_path() -> None:
    a, b, part = make_product("A", ref="A"), make_product("B", ref="B"), make_product()
    top, sub = make_bom(a, {part: 1}), make_bom(b, {part: 1})
    one, other = next_revision(top.bom, parts={b: 1}), next_revision(sub.bom, parts={a: 1})
    release(one)
    with pytest.raises(Refused, match="B → A → B") as told:
        release(other)
    assert told.value.code == "CYCLE"
    assert [gate.code for gate in revisions.failed_gates(revisions.load(other.id))] == ["CYCLE"]


def test_all_reasons_are_told_at_once(rack: BomRevision) -> None:
    part = make_product("Base plug")
    late = next_revision(rack.bom, parts={part: 1})
    release(next_revision(rack.bom, parts={make_product(): 1}))
    with transaction(by=None):
        db.session.get_one(Product, part.id).archived_at = now()
    with pytest.raises(Refused) as told:
        release(late)
    assert len(told.value.reasons) == 2


# Which one is effective


def test_N1_the_released_revision_is_effective(rack: BomRevision) -> None:
    found = revisions.effective_revision(product_of(rack))
    assert found is not None
    assert found.id == rack.id


def test_N2_a_scheduled_revision_counts_from_its_date(rack: BomRevision) -> None:
    draft = next_revision(rack.bom, parts={make_product(): 1})
    june = now() + timedelta(days=12)
    release(draft, at=june)
    assert state(draft) == "scheduled"
    assert pointer(rack.bom_id) == rack.id
    for days, expected in ((5, rack), (16, draft)):
        found = revisions.effective_revision(product_of(rack), at=now() + timedelta(days=days))
        assert found is not None
        assert found.id == expected.id


def test_N2_a_scheduled_revision_becomes_current_when_its_day_has_come(rack: BomRevision) -> None:
    draft = next_revision(rack.bom, parts={make_product(): 1})
    june = now() + timedelta(days=12)
    release(draft, at=june)
    with moved(june + timedelta(hours=1)):
        with transaction(by=None):
            assert revisions.promote_all() == 1
        with transaction(by=None):
            assert revisions.promote_all() == 0
        assert (state(rack), state(draft)) == ("superseded", "active")
    assert db.session.scalar(select(func.count()).where(Activation.revision_id == draft.id)) == 1


def test_N2_the_worker_carries_out_what_is_due(rack: BomRevision) -> None:
    draft = next_revision(rack.bom, parts={make_product(): 1})
    june = now() + timedelta(days=12)
    release(draft, at=june)
    for days, expected in ((11, ("active", "scheduled")), (12, ("superseded", "active"))):
        with moved(now() + timedelta(days=days, minutes=5)):
            jobs.ensure_timers()
            jobs.run_due()
            assert (state(rack), state(draft)) == expected


def test_N2_effective_revision_carries_out_what_is_due(rack: BomRevision) -> None:
    draft = next_revision(rack.bom, parts={make_product(): 1})
    june = now() + timedelta(days=12)
    release(draft, at=june)
    with moved(june), transaction(by=None):
        found = revisions.effective_revision(product_of(rack))
        assert found is not None
        assert found.id == draft.id
    assert active_ids(rack.bom_id) == [draft.id]


def test_a_scheduled_revision_whose_base_moved_is_called_off_with_the_reason(rack: BomRevision) -> None:
    draft, rival = (
        next_revision(rack.bom, parts={make_product(): 1}),
        next_revision(rack.bom, parts={make_product(): 1}),
    )
    june = now() + timedelta(days=12)
    release(draft, at=june)
    release(rival)
    with moved(june), transaction(by=None):
        revisions.promote_all()
    assert (state(rival), state(draft)) == ("active", "abandoned")
    called_off = db.session.scalars(select(ActivationCancellation)).one()
    assert "changed while you worked" in called_off.reason
    with moved(june + timedelta(days=1)):
        found = revisions.effective_revision(product_of(rack))
        assert found is not None
        assert found.id == rival.id


def test_P10_a_scheduled_revision_can_be_called_off(rack: BomRevision) -> None:
    change = make_change()
    draft = next_revision(rack.bom, change=change, parts={make_product(): 1})
    june = now() + timedelta(days=12)
    release(draft, at=june)
    with transaction(by=None):
        revisions.abandon(change, by=None, reason="Not needed")
    with moved(june + timedelta(days=1)):
        found = revisions.effective_revision(product_of(rack))
        assert found is not None
        assert found.id == rack.id


def test_N5_a_draft_is_never_picked(rack: BomRevision) -> None:
    draft = make_draft(make_product("Bookstand"), {make_product(): 1})
    assert revisions.effective_revision(product_of(draft)) is None
    assert revisions.effective_content(product_of(draft).ref) is None
    newer = next_revision(rack.bom)
    found = revisions.effective_revision(product_of(rack), at=now() + timedelta(days=400))
    assert found is not None
    assert found.id == rack.id != newer.id


def test_I1_every_moment_since_the_first_release_has_one_revision() -> None:
    product, start = make_product(), now() - timedelta(days=100)
    with moved(start):
        first = make_bom(product, {make_product(): 1})
    with moved(start + timedelta(days=30)):
        second = release(next_revision(first.bom, parts={make_product(): 1}))
    expected = ((-1, None), (0, first), (29.9, first), (30, second), (99, second))
    for days, revision in expected:
        found = revisions.effective_revision(product, at=start + timedelta(days=days))
        assert (found.id if found else None) == (revision.id if revision else None), days


def test_slots_are_asked_by_sequence_then_id(rack: BomRevision) -> None:
    product, change = product_of(rack), make_change()
    with transaction(by=None):
        other = revisions.new_bom(product, eco=change, by=None, code="fast")
        other.bom.sequence = 5
        actions.add_component(other, component=db.session.merge(make_part()), quantity=Decimal(1), by=None)
    release(other)
    found = revisions.effective_revision(product)
    assert found is not None
    assert found.id == other.id


def make_part() -> Product:
    uom = db.session.scalars(select(Product)).unique().first()
    assert uom is not None
    part = Product(ref="FAST-PART", name="Fast part", uom=uom.uom)
    db.session.add(part)
    return part


# Frozen


def test_I3_a_released_revision_is_not_edited(rack: BomRevision) -> None:
    part, centre = make_product(), make_work_centre()
    line = first_line(rack)
    with pytest.raises(Conflict, match="Start a new revision"), transaction(by=None):
        actions.add_component(rack, component=part, quantity=Decimal(1), by=None)
    with pytest.raises(Conflict), transaction(by=None):
        actions.change_component(line, by=None, quantity=Decimal(7))
    with pytest.raises(Conflict), transaction(by=None):
        actions.remove_component(line, by=None)
    with pytest.raises(Conflict), transaction(by=None):
        actions.add_operation(rack, name="Sand", work_centre=centre, minutes=Decimal(1), by=None)
    with pytest.raises(Conflict), transaction(by=None):
        actions.set_output(rack, quantity=Decimal(2), by=None)


FORBIDDEN = [
    "UPDATE bom_line SET quantity = 1 WHERE revision_id = :id",
    "DELETE FROM bom_line WHERE revision_id = :id",
    "INSERT INTO bom_line (revision_id, uid, position, component_id, quantity, uom_id, scrap, setup, note, designators,"
    " version) SELECT :id, 'x', 1, component_id, 1, uom_id, 0, 0, '', '[]', 1 FROM bom_line LIMIT 1",
    "UPDATE bom_operation SET minutes = 1 WHERE revision_id = :id",
    "DELETE FROM bom_operation WHERE revision_id = :id",
    "INSERT INTO bom_document (revision_id, uid, name, sha256) VALUES (:id, 'd', 'd', 'd')",
    "UPDATE bom_revision SET content_hash = 'v1:0' WHERE id = :id",
    "UPDATE bom_revision SET number = 7 WHERE id = :id",
    "UPDATE bom_revision SET output_quantity = 7 WHERE id = :id",
    "UPDATE bom_revision SET state = 'draft' WHERE id = :id",
    "UPDATE bom_revision SET state = 'abandoned' WHERE id = :id",
    "DELETE FROM bom_revision WHERE id = :id",
    "UPDATE activation SET from_ts = at WHERE revision_id = :id",
    "DELETE FROM activation WHERE revision_id = :id",
    "INSERT INTO bom_revision (bom_id, number, state, output_quantity, uom_id, kind, note, version, created_at)"
    " SELECT bom_id, 99, 'superseded', 1, uom_id, 'manufacture', '', 1, created_at FROM bom_revision WHERE id = :id",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_I3_the_database_itself_refuses(rack: BomRevision, statement: str) -> None:
    with pytest.raises(IntegrityError):
        by_hand(statement.replace(":id", str(rack.id)))


def test_I3_lines_cannot_be_moved_out_of_or_into_a_released_revision(rack: BomRevision) -> None:
    draft = next_revision(rack.bom)
    for source, target in ((rack, draft), (draft, rack)):
        with pytest.raises(IntegrityError, match="released"):
            by_hand(
                f"UPDATE bom_line SET revision_id = {target.id}, uid = 'new' WHERE revision_id = {source.id} AND uid = "
                f"(SELECT min(uid) FROM bom_line WHERE revision_id = {source.id})"
            )


def test_a_draft_is_not_frozen(rack: BomRevision) -> None:
    draft = next_revision(rack.bom)
    by_hand(f"UPDATE bom_line SET quantity = 2000000 WHERE revision_id = {draft.id}")
    by_hand(f"DELETE FROM bom_operation WHERE revision_id = {draft.id}")
    assert {line.quantity for line in revisions.content(draft).lines} == {Decimal(2)}


def test_the_current_revision_belongs_to_its_own_bom(rack: BomRevision) -> None:
    stool = make_bom(make_product("Step stool"), {make_product(): 2})
    with pytest.raises(IntegrityError, match="its own BoM"):
        by_hand(f"UPDATE bom SET active_revision_id = {stool.id} WHERE id = {rack.bom_id}")


# Structure and money


def test_where_used_is_told_with_quantities(rack: BomRevision) -> None:
    hall = make_product("Hall set", ref="HALL-SET")
    make_bom(hall, {product_of(rack): 2})
    make_draft(make_product("Not released"), {product_of(rack): 9})
    (use,) = queries.used_in(product_of(rack).id)
    assert (use.revision.bom.product.ref, use.quantity, use.uom) == ("HALL-SET", 2, "unit")
    pole = db.session.scalars(select(Product).where(Product.ref == "POLE")).one()
    assert queries.products_above([pole.id]) == [product_of(rack).id, hall.id]


def test_cost_and_minutes_roll_up_through_every_level() -> None:
    pole, felt = make_product("Pole", cost=Decimal("18.40")), make_product("Felt pad", cost=Decimal("0.10"))
    base, rack = make_product("Base", cost=Decimal(99)), make_product("Rack")
    bench = make_work_centre(cost_per_hour=Decimal(36))
    sub = make_bom(base, {felt: 4}, steps={"Glue": (bench, 10)})
    top = make_bom(rack, {pole: 1, base: 2}, steps={"Assemble": (bench, 20)})
    db.session.expire_all()
    rollup = revisions.load(top.id)
    assert cost(rollup) == (Decimal("18.40") + 2 * (Decimal("0.40") + 6) + 12, 40)
    release(next_revision(sub.bom, parts={make_product(cost=Decimal(1)): 3}))
    assert cost(rollup) == (Decimal("43.20") + 6, 40)


def cost(revision: BomRevision) -> tuple[Decimal, Decimal]:
    from app.bom.models import RevisionRollup

    db.session.expire_all()
    row = db.session.get_one(RevisionRollup, revision.id)
    return row.cost, row.minutes


def test_the_contents_of_many_revisions_take_a_handful_of_statements(rack: BomRevision, queries: list[str]) -> None:
    ids = [rack.id, *(make_bom(make_product(), {make_product(): 1}).id for _ in range(3))]
    queries.clear()
    from app.bom.queries import contents

    assert len(contents(ids)) == 4
    assert len(queries) == 4


# Edits


def test_a_component_may_not_contain_the_product(rack: BomRevision) -> None:
    hall = make_product("Hall set", ref="HALL-SET")
    make_bom(hall, {product_of(rack): 1})
    draft = next_revision(rack.bom)
    for part in (hall, product_of(rack)):
        with pytest.raises(Refused, match="→ COAT-RACK") as told, transaction(by=None):
            actions.add_component(draft, component=part, quantity=Decimal(1), by=None)
        assert told.value.field == "component"
    line = first_line(draft)
    with pytest.raises(Refused, match="contain itself"), transaction(by=None):
        actions.change_component(line, by=None, component=hall)


def test_a_stale_edit_changes_nothing(rack: BomRevision) -> None:
    draft = next_revision(rack.bom)
    line = first_line(draft)
    seen = line.version
    with transaction(by=None):
        actions.change_component(line, by=None, version=seen, quantity=Decimal(2))
    with pytest.raises(Conflict, match="changed this row"), transaction(by=None):
        actions.change_component(line, by=None, version=seen, quantity=Decimal(3))
    assert revisions.content(draft).lines[0].quantity == 2


def test_removing_an_operation_keeps_its_components(rack: BomRevision) -> None:
    draft = next_revision(rack.bom)
    with transaction(by=None):
        step = db.session.scalars(select(BomOperation).where(BomOperation.revision_id == draft.id)).unique().one()
        line = first_line(draft)
        actions.change_component(line, by=None, operation=step)
        actions.remove_operation(step, by=None)
    said = revisions.content(draft)
    assert said.operations == ()
    assert all(row.operation is None for row in said.lines)
    assert len(said.lines) == 3


def test_a_unit_that_cannot_be_converted_is_refused(rack: BomRevision) -> None:
    litre = make_uom("L", category="volume")
    draft, part = next_revision(rack.bom), make_product("Dowel")
    with pytest.raises(Refused, match="cannot be converted"), transaction(by=None):
        actions.add_component(draft, component=part, quantity=Decimal(1), uom=litre, by=None)


def test_a_negative_quantity_and_a_nameless_step_are_refused(rack: BomRevision) -> None:
    draft, part, centre = next_revision(rack.bom), make_product("Dowel"), make_work_centre()
    with pytest.raises(Refused) as told, transaction(by=None):
        actions.add_component(draft, component=part, quantity=Decimal(-1), by=None)
    assert told.value.field == "quantity"
    with pytest.raises(Refused) as told, transaction(by=None):
        actions.add_operation(draft, name=" ", work_centre=centre, minutes=Decimal(1), by=None)
    assert told.value.field == "name"


def test_an_abandoned_draft_is_not_edited(rack: BomRevision) -> None:
    change, part = make_change(), make_product()
    draft = next_revision(rack.bom, change=change)
    with transaction(by=None):
        revisions.abandon(change, by=None)
    with pytest.raises(Conflict, match="abandoned"), transaction(by=None):
        actions.add_component(draft, component=part, quantity=Decimal(1), by=None)
