"""Two changes of one BoM: the second takes over the first and keeps its own (rules M1 to M18)."""

import re
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import select

from app.bom import actions as boms
from app.bom.models import BomLine, BomRevision
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.plm import actions
from app.plm.disputes import overtakers
from app.plm.gates import sheet_of
from app.plm.models import Approval, ApproverKind, Eco
from tests.factories import (
    PASSWORD_PROOF,
    active_number,
    approve,
    edit_draft,
    make_coat_rack,
    make_eco,
    make_eco_type,
    make_person,
    make_work_centre,
    move_to,
    sheet_hash,
    slot_of,
    stage_named,
    start_revision,
)
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def joe():
    return make_person("Joe")


@pytest.fixture
def jose():
    return make_person("Jose")


@pytest.fixture
def kind(jose):
    return make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})


def draft_of(eco) -> BomRevision:
    return db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco.id)).unique().one()


def set_dowels(eco, quantity, *, by):
    with transaction(by=by):
        lines = db.session.scalars(select(BomLine).where(BomLine.revision_id == draft_of(eco).id)).unique()
        dowel = next(line for line in lines if line.component.name == "Wooden dowel")
        boms.change_component(dowel, quantity=Decimal(quantity), by=by)


def apply(eco, *, by):
    with transaction(by=by):
        actions.enter_and_apply(
            eco, to_id=stage_named(eco, "Approved").id, by=by, proof=PASSWORD_PROOF, seen=sheet_hash(eco)
        )


def rebase(eco, *, by, **choices):
    draft = draft_of(eco)
    onto = draft.bom.active_revision_id
    with transaction(by=by):
        return actions.rebase_eco(eco, revision_id=draft.id, onto=onto, choices=choices, by=by)


def components(revision) -> dict[str, Decimal]:
    db.session.expire_all()
    lines = db.session.scalars(
        select(BomLine).where(BomLine.revision_id == revision.id).order_by(BomLine.position)
    ).unique()
    return {line.component.name: line.quantity for line in lines}


@pytest.fixture
def two(kind, joe, jose):
    """Two changes started from V1; the first one, with seven dowels, is in force."""
    rack = make_coat_rack()
    first, second = (make_eco(rack, kind, by=joe, title=title) for title in ("Seven dowels", "Support rod"))
    for eco in (first, second):
        start_revision(eco, by=joe)
    set_dowels(first, 7, by=joe)
    move_to(first, "Review", by=joe)
    apply(first, by=jose)
    return first, second


def test_M11_what_both_added_is_there_afterwards_and_it_can_be_applied(two, joe, jose):
    _first, second = two
    edit_draft(second, by=joe)
    rebased = rebase(second, by=joe)
    assert components(rebased) == {"Wooden pole": 1, "Wooden dowel": 7, "Wooden base": 1, "Metal support rod": 1}
    move_to(second, "Review", by=joe)
    apply(second, by=jose)
    assert active_number(slot_of_eco(second)) == 3


def slot_of_eco(eco):
    db.session.expire_all()
    return db.session.get_one(Eco, eco.id).product


def test_M5_a_line_that_both_changed_has_to_be_chosen(two, joe):
    _first, second = two
    set_dowels(second, 8, by=joe)
    (overtaker,) = overtakers(sheet_of(second))
    (dispute,) = overtaker.disputes
    assert dispute.label == "Wooden dowel"
    assert dispute.base == "6 unit"
    assert [(option.choice, option.text) for option in dispute.options] == [("theirs", "7 unit"), ("ours", "8 unit")]
    with pytest.raises(Refused) as no:
        rebase(second, by=joe)
    assert no.value.code == "UNRESOLVED"
    rebased = rebase(second, by=joe, **{dispute.id: "ours"})
    assert components(rebased)["Wooden dowel"] == 8


def test_M2_what_only_the_other_changed_is_taken_over_and_said_so(two, joe):
    _first, second = two
    edit_draft(second, by=joe)
    (overtaker,) = overtakers(sheet_of(second))
    assert overtaker.disputes == []
    assert overtaker.taken == [("Wooden dowel", "7 unit")]


def test_M10_the_same_part_added_twice_is_asked_about(kind, joe, jose):
    rack = make_coat_rack()
    first = make_eco(rack, kind, by=joe, started=True)
    second = make_eco(rack, kind, by=joe)
    start_revision(second, by=joe)
    rod = next(line for line in sheet_of(first).parts[0].changes).after["component"]
    with transaction(by=joe):
        from app.catalog.models import Product

        product = db.session.scalars(select(Product).where(Product.ref == rod)).unique().one()
        boms.add_component(draft_of(second), component=product, quantity=Decimal(2), by=joe)
    move_to(first, "Review", by=joe)
    apply(first, by=jose)
    (dispute,) = overtakers(sheet_of(second))[0].disputes
    texts = {option.choice: option.text for option in dispute.options}
    assert texts["sum"] == "together: 3 unit"
    rebased = rebase(second, by=joe, **{dispute.id: "sum"})
    assert components(rebased)["Metal support rod"] == 3


def test_operations_are_taken_over_too(kind, joe, jose):
    rack, bench = make_coat_rack(), make_work_centre()
    first, second = (make_eco(rack, kind, by=joe, title=title, started=True) for title in ("First", "Second"))
    with transaction(by=joe):
        boms.add_operation(draft_of(first), name="Sand", work_centre=bench, minutes=Decimal(3), by=joe)
    move_to(first, "Review", by=joe)
    apply(first, by=jose)
    rebase(second, by=joe)
    (part,) = sheet_of(second).parts
    assert [step.name for step in part.content.operations] == ["Sand"]


def test_I5_a_lower_number_is_burned_and_the_next_free_one_given(kind, joe, jose):
    rack = make_coat_rack()
    slow, fast = (make_eco(rack, kind, by=joe, title=title, started=True) for title in ("Slow", "Fast"))
    assert (draft_of(slow).number, draft_of(fast).number) == (2, 3)
    move_to(fast, "Review", by=joe)
    apply(fast, by=jose)
    assert rebase(slow, by=joe).number == 4
    assert slot_of(rack).last_number == 4
    move_to(slow, "Review", by=joe)
    apply(slow, by=jose)
    assert active_number(rack) == 4


def test_all_signatures_drop_and_the_approver_is_told_only_what_is_new(kind, joe, jose):
    rack = make_coat_rack()
    slow, fast = (make_eco(rack, kind, by=joe, title=title, stage="Review") for title in ("Slow", "Fast"))
    approve(slow, by=jose)
    apply(fast, by=jose)
    rebase(slow, by=joe)
    db.session.expire_all()
    (given,) = db.session.scalars(select(Approval).where(Approval.eco_id == slow.id)).unique()
    assert given.voided_at is not None
    ((_part, changes),) = sheet_of(slow).since(given.signed)
    assert [change.kind for change in changes] == ["add"]  # the rod of the faster one, not the one that was signed
    assert changes[0].after["component"] != given.signed["revisions"][0]["changes"][0][4]["component"]


def test_a_rebase_onto_something_else_than_was_looked_at_is_409(two, joe):
    _first, second = two
    edit_draft(second, by=joe)
    draft = draft_of(second)
    with pytest.raises(Conflict), transaction(by=joe):
        actions.rebase_eco(second, revision_id=draft.id, onto=draft.based_on_id, choices={}, by=joe)
    with pytest.raises(Conflict):
        rebase(second, by=joe, **{"nothing:demand": "ours"})
    rebase(second, by=joe)
    with pytest.raises(Conflict) as no:
        rebase(second, by=joe)
    assert no.value.code == "UP_TO_DATE"


def test_the_current_revision_is_never_touched(two, joe):
    first, second = two
    edit_draft(second, by=joe)
    before = components(draft_of(first))
    rebase(second, by=joe)
    assert components(draft_of(first)) == before


def test_only_engineers_rebase(two, joe):
    _first, second = two
    edit_draft(second, by=joe)
    with pytest.raises(NotAllowed):
        rebase(second, by=make_person("Marc"))


def test_the_page_offers_the_choices_and_takes_them(app, two, joe):
    _first, second = two
    set_dowels(second, 8, by=joe)
    visitor = Visitor(app).as_(joe)
    page = visitor.get(f"/ecos/{second.number}").text
    assert "The bill of materials changed while you worked." in page
    assert "One line needs a choice." in page
    name = unescape(re.search(r'name="(c-[^"]+)"', page)[1])
    fields = dict(re.findall(r'<input type="hidden" name="(revision|onto)" value="(\d+)">', page))
    assert visitor.post(f"/ecos/{second.number}/rebase", fields).status_code == 422
    assert visitor.post(f"/ecos/{second.number}/rebase", {**fields, name: "theirs"}).status_code == 303
    page = visitor.get(f"/ecos/{second.number}").text
    assert "changed while you worked" not in page
    assert "rebased" in page
    assert visitor.post(f"/ecos/{second.number}/rebase", {"revision": "x"}).status_code == 422


def test_whoever_may_not_edit_sees_the_banner_without_the_form(app, two, joe):
    _first, second = two
    edit_draft(second, by=joe)
    page = Visitor(app).as_(make_person("Marc")).get(f"/ecos/{second.number}").text
    assert "changed while you worked" in page
    assert "/rebase" not in page
