"""The pages about changes: who may, what is answered, how many statements it takes."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from app.bom.actions import add_operation
from app.bom.models import BomRevision
from app.foundation.db import db, transaction
from app.foundation.sessions import Via
from app.people.models import Person
from app.plm.models import Approval, ApproverKind, Eco, Signing
from app.traits.links.actions import link
from tests.factories import (
    active_number,
    approve,
    edit_draft,
    make_coat_rack,
    make_customer,
    make_eco,
    make_eco_type,
    make_person,
    make_work_centre,
    sheet_hash,
    stage_named,
)
from tests.visitors import PASSWORD, PASSWORD_HASH, Visitor

HTMX = {"HX-Request": "true"}


@pytest.fixture
def joe(database) -> Person:
    return make_person("Joe", password_hash=PASSWORD_HASH)


@pytest.fixture
def jose(database) -> Person:
    return make_person("Jose", password_hash=PASSWORD_HASH)


@pytest.fixture
def kind(jose):
    return make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})


@pytest.fixture
def eco(kind, joe) -> Eco:
    return make_eco(make_coat_rack(), kind, by=joe, stage="Review")


def as_(app, person, via=Via.PASSWORD) -> Visitor:
    return Visitor(app).as_(person, via)


def move(visitor, eco, to, **kwargs):
    stage = stage_named(eco, to)
    data = {"card": eco.id, "from": eco.stage_id, "to": stage.id, "before": "", "after": ""}
    return visitor.post(f"/boards/{stage.board_id}/moves", data, **kwargs)


def sign(visitor, eco, **fields):
    data = {"seen": sheet_hash(eco), "saw": "", "approve": "yes", "meaning": "approval", "comment": "", **fields}
    return visitor.post(f"/ecos/{eco.number}/approvals", data)


def fresh(eco) -> Eco:
    db.session.expire_all()
    return db.session.get_one(Eco, eco.id)


# One change


def test_the_page_tells_what_changes_and_who_has_to_sign(app, eco, jose):
    page = as_(app, jose).get(f"/ecos/{eco.number}").text
    assert "Support rod, so the rack holds six coats" in page
    for region in ("BoM changes", "Operation changes", "Impact"):
        assert f'aria-label="{region}"' in page
    assert ">Approvals</h2>" in page
    assert "Metal support rod" in page
    assert "Revision V2" in page
    assert f'action="/ecos/{eco.number}/approvals"' in page


def test_a_new_change_offers_to_start_its_revision(app, kind, joe):
    eco = make_eco(make_coat_rack(), kind, by=joe)
    visitor = as_(app, joe)
    assert "Start revision" in visitor.get(f"/ecos/{eco.number}").text
    assert visitor.post(f"/ecos/{eco.number}/revision").status_code == 303
    page = visitor.get(f"/ecos/{eco.number}").text
    assert "Revision V2" in page
    assert "Start revision" not in page
    assert fresh(eco).stage.name == "In progress"


def test_a_colleague_without_the_role_reads_but_starts_nothing(app, kind, joe):
    eco = make_eco(make_coat_rack(), kind, by=joe)
    marc = as_(app, make_person("Marc"))
    assert "Start revision" not in marc.get(f"/ecos/{eco.number}").text
    assert marc.post(f"/ecos/{eco.number}/revision").status_code == 403


def test_a_customer_finds_no_change(app, eco):
    abigail = as_(app, make_customer())
    assert abigail.get(f"/ecos/{eco.number}").status_code == 404
    assert abigail.get("/ecos").status_code == 404
    assert abigail.post(f"/ecos/{eco.number}/approvals").status_code == 404


def test_an_unknown_number_is_404(app, joe, database):
    assert as_(app, joe).get("/ecos/ECO-9999").status_code == 404


def test_the_page_takes_at_most_twenty_statements(app, eco, jose, joe, kind, queries):
    origin = make_eco(eco.product, kind, by=joe, title="Tips over")
    bench = make_work_centre()
    with transaction(by=joe):
        draft = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco.id)).unique().one()
        add_operation(draft, name="Install support rod", work_centre=bench, minutes=Decimal(4), by=joe)
        link(origin, eco, by=joe)
    visitor, address = as_(app, jose), f"/ecos/{eco.number}"
    visitor.get(address)
    queries.clear()
    assert visitor.get(address).status_code == 200
    assert len(queries) <= 20, "\n".join(q.replace("\n", " ")[:160] for q in queries)


def test_the_board_takes_at_most_six_statements(app, eco, jose, joe, kind, queries):
    for title in ("Longer dowel", "Second coat of oil", "Stop block"):
        make_eco(make_coat_rack(), kind, by=joe, title=title, stage="Review")
    visitor = as_(app, jose)
    address = f"/ecos?type={kind.board.slug}"
    visitor.get(address)
    queries.clear()
    page = visitor.get(address)
    assert page.status_code == 200
    assert len(queries) <= 6, "\n".join(q.replace("\n", " ")[:160] for q in queries)
    assert "Coat rack · V2" in page.text
    assert "0 of 1" in page.text


# A new change


def test_a_change_is_opened_from_the_form(app, kind, joe):
    rack = make_coat_rack()
    visitor = as_(app, joe)
    assert "Create ECO" in visitor.get("/ecos/new").text
    answer = visitor.post(
        "/ecos/new", {"title": "Support rod", "type": kind.id, "product": rack.ref, "description": "x"}
    )
    assert answer.status_code == 303
    assert answer.location.startswith("/ecos/ECO-")
    made = db.session.scalars(select(Eco).where(Eco.title == "Support rod")).one()
    assert (made.product_id, made.created_by_id, made.responsible_id) == (rack.id, joe.id, joe.id)


def test_a_change_without_a_title_is_shown_again(app, kind, joe):
    answer = as_(app, joe).post("/ecos/new", {"title": " ", "type": kind.id, "product": make_coat_rack().ref})
    assert answer.status_code == 422
    assert "Give it a title." in answer.text


def test_a_stranger_opens_no_change(app, kind, database):
    marc = as_(app, make_person("Marc"))
    assert marc.get("/ecos/new").status_code == 403
    assert marc.post("/ecos/new", {"title": "x", "type": kind.id, "product": make_coat_rack().ref}).status_code == 403


# Moving


def test_A8_moving_with_a_gate_shut_is_422_and_lists_every_reason(app, kind, joe):
    eco = make_eco(make_coat_rack(), kind, by=joe)
    answer = move(as_(app, joe), eco, "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert "No revision was started" in answer.text
    assert fresh(eco).stage.name == "New"


def test_A8_a_missing_signature_is_named(app, eco, joe):
    answer = move(as_(app, joe), eco, "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert "Jose Mora has not approved it." in answer.text
    assert fresh(eco).stage.name == "Review"
    assert active_number(eco.product) == 1


def test_A9_the_last_approver_gets_one_dialog_and_signs_and_applies_in_one(app, eco, jose):
    visitor = as_(app, jose)
    answer = move(visitor, eco, "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert "Approve and make V2 current" in answer.text
    assert 'name="password"' in answer.text
    assert "Approve and apply" in answer.text
    assert fresh(eco).stage.name == "Review"
    answer = sign(visitor, eco, stage=stage_named(eco, "Approved").id, then="apply", password=PASSWORD)
    assert answer.status_code == 303
    eco = fresh(eco)
    assert (eco.stage.name, eco.applied_at is not None, active_number(eco.product)) == ("Approved", True, 2)
    (given,) = db.session.scalars(select(Approval).where(Approval.eco_id == eco.id)).unique()
    assert (given.person_id, given.via) == (jose.id, "password")


def test_A9_one_of_two_who_are_missing_is_asked_to_sign_without_moving(app, jose, joe):
    julie = make_person("Julie")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED), (julie, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    visitor = as_(app, jose)
    answer = move(visitor, eco, "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert f"Approve {eco.number}" in answer.text
    assert "Others may still have to sign" in answer.text
    assert 'name="stage"' not in answer.text
    assert sign(visitor, eco, password=PASSWORD).status_code == 303
    answer = move(visitor, fresh(eco), "Approved", headers=HTMX)
    assert "Julie Andreson has not approved it." in answer.text
    assert "Jose Mora has not" not in answer.text


def test_A9_without_scripts_the_dialog_is_a_page(app, eco, jose):
    visitor = as_(app, jose)
    answer = move(visitor, eco, "Approved")
    assert answer.status_code == 422
    assert "<dialog open" in answer.text
    page = visitor.get(f"/ecos/{eco.number}/approvals")
    assert page.status_code == 200
    assert "<dialog open" in page.text
    assert "Approve and make V2 current" in page.text


def test_A9_a_light_type_asks_for_no_password(app, jose, joe):
    light = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, signing=Signing.LIGHT)
    eco = make_eco(make_coat_rack(), light, by=joe, stage="Review")
    visitor = as_(app, jose)
    answer = move(visitor, eco, "Approved", headers=HTMX)
    assert "Approve and make V2 current" in answer.text
    assert 'name="password"' not in answer.text
    assert sign(visitor, eco, stage=stage_named(eco, "Approved").id, then="apply").status_code == 303
    assert fresh(eco).applied_at is not None


def test_when_all_have_signed_making_it_current_is_still_confirmed(app, eco, jose, joe):
    approve(eco, by=jose)
    visitor = as_(app, joe)
    answer = move(visitor, eco, "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert "Make V2 current" in answer.text
    assert fresh(eco).applied_at is None
    answer = sign(visitor, eco, stage=stage_named(eco, "Approved").id, then="apply", approve="no")
    assert answer.status_code == 303
    assert fresh(eco).applied_at is not None


def test_the_confirmation_does_not_stand_in_for_a_signature(app, eco, joe):
    answer = sign(as_(app, joe), eco, stage=stage_named(eco, "Approved").id, then="apply", approve="no")
    assert answer.status_code == 422
    assert "Jose Mora has not approved it." in answer.text
    assert fresh(eco).applied_at is None


def test_a_move_from_where_the_card_no_longer_is_is_409(app, eco, joe):
    visitor = as_(app, joe)
    stage = stage_named(eco, "In progress")
    data = {"card": eco.id, "from": stage_named(eco, "New").id, "to": stage.id, "before": "", "after": ""}
    assert visitor.post(f"/boards/{stage.board_id}/moves", data, headers=HTMX).status_code == 409


def test_who_may_not_move_gets_403(app, eco):
    assert move(as_(app, make_person("Marc")), eco, "In progress", headers=HTMX).status_code == 403
    assert fresh(eco).stage.name == "Review"


def test_quick_add_takes_a_card_where_nobody_has_to_approve(app, kind, joe):
    visitor = as_(app, joe)
    board, stages = kind.board_id, {s: stage_named_on(kind, s) for s in ("New", "Review", "Approved")}
    added = visitor.post(f"/boards/{board}/stages/{stages['New'].id}/cards", {"title": "Wider foot"}, headers=HTMX)
    assert added.status_code == 200
    for name in ("Review", "Approved"):
        refused = visitor.post(f"/boards/{board}/stages/{stages[name].id}/cards", {"title": "Sneaky"}, headers=HTMX)
        assert refused.status_code == 422
    db.session.expire_all()
    assert db.session.scalars(select(Eco.title)).all() == ["Wider foot"]
    eco = db.session.scalars(select(Eco)).one()
    answer = visitor.post(f"/ecos/{eco.number}/revision")
    assert answer.status_code == 422
    assert "which product" in answer.text


def stage_named_on(kind, name):
    from app.traits.board.models import Stage

    return db.session.scalars(select(Stage).where(Stage.board_id == kind.board_id, Stage.name == name)).one()


# Signing


def test_AE3_no_password_is_403_and_nothing_is_signed(app, eco, jose):
    answer = sign(as_(app, jose), eco)
    assert answer.status_code == 403
    assert db.session.scalars(select(Approval)).unique().all() == []


def test_AE3_a_wrong_password_is_403_and_counts_as_a_failed_sign_in(app, eco, jose):
    visitor = as_(app, jose)
    for _try in range(5):
        assert sign(visitor, eco, password="wrong").status_code == 403
    assert sign(visitor, eco, password=PASSWORD).status_code == 429
    assert db.session.scalars(select(Approval)).unique().all() == []


def test_AE6_a_pin_session_cannot_sign(app, eco, jose):
    assert sign(as_(app, jose, Via.PIN), eco, password=PASSWORD).status_code == 403
    assert sign(as_(app, jose, Via.TOKEN), eco, password=PASSWORD).status_code == 403
    assert db.session.scalars(select(Approval)).unique().all() == []


def test_AE5_a_content_that_changed_is_409_with_the_difference(app, eco, jose, joe):
    visitor = as_(app, jose)
    import re

    form = visitor.get(f"/ecos/{eco.number}/approvals").text
    seen = re.search(r'name="seen" value="([^"]+)"', form)[1]
    saw = re.search(r'name="saw" value="([^"]+)"', form)[1]
    from html import unescape

    edit_draft(eco, by=joe, name="Cap nut M10", quantity=2)
    answer = sign(visitor, eco, seen=seen, saw=unescape(saw), password=PASSWORD)
    assert answer.status_code == 409
    shown = answer.text.split('role="alert"')[1].split("</dialog>")[0]
    assert "Cap nut M10" in shown
    assert "Metal support rod" not in shown
    assert sheet_hash(eco) in answer.text  # and the new content can be signed at once
    assert db.session.scalars(select(Approval)).unique().all() == []


def test_P5_own_work_is_403(app, jose):
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=jose, stage="Review")
    visitor = as_(app, jose)
    assert sign(visitor, eco, password=PASSWORD).status_code == 403
    assert move(visitor, eco, "Approved", headers=HTMX).status_code == 403
    assert f'action="/ecos/{eco.number}/approvals"' not in visitor.get(f"/ecos/{eco.number}").text


def test_a_stranger_cannot_sign(app, eco):
    marc = make_person("Marc", password_hash=PASSWORD_HASH)
    visitor = as_(app, marc)
    assert visitor.get(f"/ecos/{eco.number}/approvals").status_code == 403
    assert sign(visitor, eco, password=PASSWORD).status_code == 403


def test_signing_alone_leaves_the_card_where_it_is(app, eco, jose):
    assert (
        sign(as_(app, jose), eco, password=PASSWORD, stage=stage_named(eco, "Approved").id, then="only").status_code
        == 303
    )
    eco = fresh(eco)
    assert (eco.stage.name, eco.applied_at) == ("Review", None)
    page = as_(app, jose).get(f"/ecos/{eco.number}").text
    assert "Jose Mora, approval," in page
    assert "1 of 1 required" in page


def test_P3_rejecting_goes_through_its_page(app, eco, jose):
    visitor = as_(app, jose)
    assert "Reason" in visitor.get(f"/ecos/{eco.number}/rejection").text
    assert visitor.post(f"/ecos/{eco.number}/rejection", {"comment": ""}).status_code == 422
    assert visitor.post(f"/ecos/{eco.number}/rejection", {"comment": "Too short."}).status_code == 303
    assert "Too short." in visitor.get(f"/ecos/{eco.number}").text
    assert fresh(eco).stage.name == "In progress"


def test_P9_cancelling_goes_through_its_page(app, eco, joe):
    visitor = as_(app, joe)
    assert visitor.post(f"/ecos/{eco.number}/cancellation", {"reason": ""}).status_code == 422
    assert visitor.post(f"/ecos/{eco.number}/cancellation", {"reason": "Not needed."}).status_code == 303
    page = visitor.get(f"/ecos/{eco.number}").text
    assert "Cancelled on" in page
    assert "Metal support rod" in page


def test_A3_applying_twice_is_answered_and_done_once(app, eco, jose):
    visitor = as_(app, jose)
    hash_ = sheet_hash(eco)
    fields = {"stage": stage_named(eco, "Approved").id, "then": "apply", "password": PASSWORD, "seen": hash_}
    assert sign(visitor, eco, **fields).status_code == 303
    assert sign(visitor, eco, **fields).status_code == 303
    assert "in force already" in visitor.get(f"/ecos/{eco.number}").text
    assert len(db.session.scalars(select(Approval)).unique().all()) == 1


def test_A4_the_second_change_of_a_slot_is_told_that_its_base_moved(app, eco, kind, jose, joe):
    second = make_eco(eco.product, kind, by=joe, title="Longer dowel", stage="Review")
    visitor = as_(app, jose)
    sign(visitor, eco, stage=stage_named(eco, "Approved").id, then="apply", password=PASSWORD)
    page = visitor.get(f"/ecos/{second.number}").text
    assert "The bill of materials changed while you worked." in page
    assert f'action="/ecos/{second.number}/approvals"' not in page
    answer = move(visitor, fresh(second), "Approved", headers=HTMX)
    assert answer.status_code == 422
    assert "changed while you worked" in answer.text


def test_apply_changes_shows_only_where_the_stage_allows_it(app, jose, joe):
    from app.traits.board.models import StageRole

    stages = [
        ("New", StageRole.NEW),
        ("In progress", StageRole.OPEN),
        ("Review", StageRole.REVIEW),
        {"name": "Approved", "role": StageRole.APPROVED, "applies_on_entry": False, "allows_apply": True},
        ("Done", StageRole.DONE),
    ]
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, stages=stages)
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    visitor = as_(app, joe)
    assert "Apply changes" not in visitor.get(f"/ecos/{eco.number}").text
    assert visitor.post(f"/ecos/{eco.number}/application").status_code == 422
    approve(eco, by=jose)
    assert move(visitor, eco, "Approved", headers=HTMX).status_code == 200
    assert "Apply changes" in visitor.get(f"/ecos/{eco.number}").text
    assert visitor.post(f"/ecos/{eco.number}/application").status_code == 303
    assert active_number(fresh(eco).product) == 2
    assert "Apply changes" not in visitor.get(f"/ecos/{eco.number}").text


# What it says about itself


def test_an_edit_from_an_old_page_is_409_and_keeps_the_text(app, eco, joe):
    visitor = as_(app, joe)
    stale = {"version": eco.version, "title": "A", "description": "mine", "responsible_id": joe.id, "priority": 1}
    assert visitor.post(f"/ecos/{eco.number}/edit", {**stale, "description": "theirs"}).status_code == 303
    answer = visitor.post(f"/ecos/{eco.number}/edit", stale)
    assert answer.status_code == 409
    assert "mine" in answer.text
    assert "theirs" in answer.text
    assert fresh(eco).description == "theirs"


def test_the_types_page_tells_who_is_asked_where(app, kind, jose, eco):
    page = as_(app, jose).get("/ecos/types").text
    assert "Jose Mora" in page
    assert "makes the revision current at once" in page


def test_P7_a_type_without_a_required_approver_warns(app, joe):
    kind = make_eco_type()
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    assert "nobody has to approve it" in as_(app, joe).get(f"/ecos/{eco.number}").text


def test_my_work_shows_what_waits_for_a_signature(app, eco, jose, joe):
    page = as_(app, jose).get("/").text
    assert "Waiting for your signature" in page
    assert f'href="/ecos/{eco.number}"' in page
    assert "Waiting for your signature" not in as_(app, joe).get("/").text
    approve(eco, by=jose)
    assert "Waiting for your signature" not in as_(app, jose).get("/").text
