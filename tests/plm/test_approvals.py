"""Who signs, what they sign, and when it no longer counts (rules P1 to P15, S2 to S6)."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.bom.models import BomRevision, RevisionState
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.foundation.jobs import Job
from app.plm import actions, queries, signing
from app.plm.gates import sheet_of, unpacked
from app.plm.models import Approval, ApproverKind, Eco, Signing, Verdict
from app.plm.signing import ContentChanged, Proof
from app.traits.board.models import StageRole
from app.traits.chatter.models import Entry
from tests.factories import (
    PASSWORD_PROOF,
    approve,
    edit_draft,
    make_coat_rack,
    make_eco,
    make_eco_type,
    make_person,
    move_to,
    sheet_hash,
    stage_named,
)
from tests.factories.ecos import slot_of

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def joe():
    return make_person("Joe")


@pytest.fixture
def jose():
    return make_person("Jose")


@pytest.fixture
def julie():
    return make_person("Julie")


@pytest.fixture
def kind(jose, julie):
    return make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED), (julie, ApproverKind.OPTIONAL)]})


@pytest.fixture
def eco(kind, joe):
    return make_eco(make_coat_rack(), kind, by=joe, stage="Review")


def approvals(eco, **columns):
    db.session.expire_all()
    wanted = select(Approval).where(Approval.eco_id == eco.id).filter_by(**columns).order_by(Approval.id)
    return list(db.session.scalars(wanted).unique())


def verbs(eco):
    return list(db.session.scalars(select(Entry.verb).where(Entry.record_id == eco.id).order_by(Entry.id)))


def mails_to(person):
    rows = db.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id))
    return [job.payload["subject"] for job in rows if job.payload["to"] == person.email]


def test_entering_the_stage_before_the_gate_asks_its_approvers(eco, jose, julie, joe):
    assert [w.eco.id for w in queries.waiting_for(jose)] == [eco.id]
    assert [w.eco.id for w in queries.waiting_for(julie)] == [eco.id]
    assert queries.waiting_for(joe) == []
    assert any(eco.number in subject for subject in mails_to(jose))
    assert "approval_asked" in verbs(eco)


def test_a_required_approver_approves_and_no_longer_waits(eco, jose):
    approve(eco, by=jose, comment="Effective against tipping, cost is fine.")
    (given,) = approvals(eco)
    assert given.verdict is Verdict.APPROVED
    assert queries.waiting_for(jose) == []
    assert verbs(eco)[-1] == "all_approved"


def test_S2_a_signature_shows_name_meaning_time_and_zone(eco, jose):
    approve(eco, by=jose)
    (given,) = approvals(eco)
    assert (given.printed_name, given.meaning.value, given.zone, given.via) == (
        "Jose Mora", "approval", "UTC", "password",
    )  # fmt: skip
    assert given.at.tzinfo is not None
    assert dict(given.signed["impact"])["Open orders"] == 0  # who feels it is stored with it


def test_S3_a_signature_is_bound_to_the_content_of_this_change(eco, jose, kind, joe):
    approve(eco, by=jose)
    (given,) = approvals(eco)
    assert given.content_hash == sheet_hash(eco)
    other = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    assert sheet_hash(other) != given.content_hash


def test_S3_the_database_refuses_to_change_or_delete_a_signature(eco, jose):
    approve(eco, by=jose)
    for statement in ("update approval set comment = 'x'", "delete from approval"):
        with pytest.raises(IntegrityError, match="cannot be changed"), transaction(by=None):
            db.session.connection().exec_driver_sql(statement)


def test_S4_a_signed_type_wants_the_password(eco, jose):
    with pytest.raises(NotAllowed) as no:
        approve(eco, by=jose, proof=Proof("password", password=False))
    assert no.value.field == "password"
    assert approvals(eco) == []


@pytest.mark.parametrize("via", ["pin", "token"])
def test_AE6_a_pin_or_a_token_cannot_sign(eco, jose, via):
    with pytest.raises(NotAllowed):
        approve(eco, by=jose, proof=Proof(via, password=True))
    with pytest.raises(NotAllowed), transaction(by=jose):
        signing.reject(eco, by=jose, proof=Proof(via), reason="No.")


def test_S7_a_light_type_is_signed_by_a_click(jose, joe):
    light = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, signing=Signing.LIGHT)
    eco = make_eco(make_coat_rack(), light, by=joe, stage="Review")
    approve(eco, by=jose, proof=Proof("password"))
    assert [a.verdict for a in approvals(eco)] == [Verdict.APPROVED]


def test_a_stranger_and_a_colleague_cannot_approve(eco, joe):
    with pytest.raises(NotAllowed):
        approve(eco, by=make_person("Marc"))
    with pytest.raises(NotAllowed):
        approve(eco, by=make_person("Nora Beck"))
    assert approvals(eco) == []


def test_nobody_is_asked_before_the_card_is_there(kind, joe, jose):
    eco = make_eco(make_coat_rack(), kind, by=joe, started=True)
    assert queries.waiting_for(jose) == []
    with pytest.raises(NotAllowed):
        approve(eco, by=jose)


def test_P1_an_edit_makes_the_approval_void_and_tells_the_approver(eco, jose, joe):
    approve(eco, by=jose)
    before = len(mails_to(jose))
    edit_draft(eco, by=joe, name="Cap nut M10")
    (stale,) = approvals(eco)
    assert stale.voided_at is not None
    assert "content" in stale.void_reason
    assert "signatures_void" in verbs(eco)
    assert len(mails_to(jose)) == before + 1
    mail = db.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id.desc())).first()
    assert "Cap nut M10" in mail.payload["text"]
    assert "Metal support rod" not in mail.payload["text"]
    assert [w.eco.id for w in queries.waiting_for(jose)] == [eco.id]
    with pytest.raises(Refused) as no:
        move_to(eco, "Approved", by=joe)
    assert any("Jose Mora" in reason for reason in no.value.reasons)


def test_P1_an_approval_after_the_edit_counts_again(eco, jose, joe):
    approve(eco, by=jose)
    edit_draft(eco, by=joe, name="Cap nut M10")
    approve(eco, by=jose)
    assert [a.is_valid for a in approvals(eco)] == [False, True]


def test_AE5_you_sign_what_you_saw(eco, jose, joe):
    seen = sheet_of(eco)
    packed = seen.packed()
    edit_draft(eco, by=joe, name="Cap nut M10", quantity=2)
    with pytest.raises(ContentChanged) as no, transaction(by=jose):
        actions.approve_eco(eco, by=jose, proof=PASSWORD_PROOF, seen=seen.content_hash, saw=unpacked(packed))
    assert no.value.status == 409
    ((_part, changes),) = no.value.difference
    assert [(c.kind, c.after["quantity"]) for c in changes] == [("add", "2")]
    assert approvals(eco) == []


def test_AE5_what_comes_back_from_the_browser_is_never_trusted(eco, jose):
    for saw in (
        {},
        {"revisions": 5},
        {"revisions": [{"id": sheet_of(eco).parts[0].revision.id}]},
        unpacked("~~"),
        unpacked("é"),
    ):
        with pytest.raises(ContentChanged) as no, transaction(by=jose):
            actions.approve_eco(eco, by=jose, proof=PASSWORD_PROOF, seen="v1:0", saw=saw)
        assert no.value.difference


def test_P3_a_rejection_needs_a_reason(eco, jose):
    with pytest.raises(Refused) as no, transaction(by=jose):
        signing.reject(eco, by=jose, proof=PASSWORD_PROOF, reason="  ")
    assert no.value.field == "comment"


def test_P3_a_required_rejection_blocks_and_sends_back_and_a_new_round_starts_at_nothing(eco, jose, julie, joe):
    approve(eco, by=julie)
    with transaction(by=jose):
        signing.reject(eco, by=jose, proof=PASSWORD_PROOF, reason="The rod is too short.")
    db.session.expire_all()
    eco = db.session.get_one(Eco, eco.id)
    assert eco.stage.name == "In progress"
    assert "too short" in eco.blocked_reason
    assert [a.is_valid for a in approvals(eco, verdict=Verdict.APPROVED)] == [False]
    assert mails_to(joe)
    edit_draft(eco, by=joe, name="Longer rod")  # the revision is kept and can be edited
    move_to(eco, "Review", by=joe)
    db.session.expire_all()
    assert db.session.get_one(Eco, eco.id).blocked_reason is None
    assert [w.eco.id for w in queries.waiting_for(jose)] == [eco.id]
    assert [w.eco.id for w in queries.waiting_for(julie)] == [eco.id]


def test_P3_a_blocked_change_is_not_applied(eco, jose, joe):
    with transaction(by=jose):
        signing.reject(eco, by=jose, proof=PASSWORD_PROOF, reason="The rod is too short.")
    with pytest.raises(Refused) as no:
        move_to(eco, "Approved", by=joe)
    assert any("too short" in reason for reason in no.value.reasons)


def test_P4_an_optional_rejection_is_recorded_and_blocks_nothing(eco, jose, julie):
    with transaction(by=julie):
        signing.reject(eco, by=julie, proof=PASSWORD_PROOF, reason="I would wait for the test report.")
    db.session.expire_all()
    eco = db.session.get_one(Eco, eco.id)
    assert (eco.stage.name, eco.blocked_reason) == ("Review", None)
    approve(eco, by=jose)
    with transaction(by=jose):
        assert actions.enter_and_apply(
            eco, to_id=stage_named(eco, "Approved").id, by=jose, proof=PASSWORD_PROOF, seen=sheet_hash(eco)
        )


def test_P4_whoever_is_asked_for_a_comment_cannot_approve_or_reject(jose, joe):
    lena = make_person("Lena Vogt")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED), (lena, ApproverKind.COMMENT)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    assert queries.waiting_for(lena) == []
    with pytest.raises(NotAllowed):
        approve(eco, by=lena)
    with pytest.raises(NotAllowed), transaction(by=lena):
        signing.reject(eco, by=lena, proof=PASSWORD_PROOF, reason="No.")
    with transaction(by=lena):
        signing.comment_on(eco, by=lena, proof=Proof("password"), comment="Needs a new jig.")
    assert [a.verdict for a in approvals(eco)] == [Verdict.COMMENT]


def test_P5_who_opened_it_cannot_approve_it(jose):
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=jose, stage="Review")
    with pytest.raises(NotAllowed) as no:
        approve(eco, by=jose)
    assert no.value.code == "OWN_WORK"
    with pytest.raises(NotAllowed):
        move_to(eco, "Approved", by=jose)


def test_P5_who_edited_the_draft_cannot_approve_it(eco, jose):
    edit_draft(eco, by=jose, name="Cap nut M10")
    with pytest.raises(NotAllowed) as no:
        approve(eco, by=jose)
    assert no.value.code == "OWN_WORK"


def test_P5_without_separation_of_duties_it_is_a_visible_self_approval(jose):
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, separation_of_duties=False)
    eco = make_eco(make_coat_rack(), kind, by=jose, stage="Review")
    approve(eco, by=jose)
    (given,) = approvals(eco)
    assert given.is_valid
    assert given.is_own_work


def test_P6_the_gate_stays_shut_when_its_approver_has_left(eco, jose, joe):
    with transaction(by=None):
        db.session.merge(jose).is_active = False
    with pytest.raises(Refused):
        move_to(eco, "Approved", by=joe)


def test_P7_a_verification_stage_without_a_required_approver_is_known(joe):
    from app.plm.gates import path_of

    kind = make_eco_type()
    assert [s.stage.name for s in path_of(kind.board_id).unguarded] == ["Approved"]
    guarded = make_eco_type({"Approved": [(make_person("Jose"), ApproverKind.REQUIRED)]})
    assert path_of(guarded.board_id).unguarded == ()


def test_P8_moving_back_from_verification_voids_its_approvals(eco, jose, joe):
    approve(eco, by=jose)
    move_to(eco, "In progress", by=joe)
    (given,) = approvals(eco)
    assert given.voided_at is not None
    assert "back" in given.void_reason


def test_P9_a_cancelled_change_abandons_its_draft_and_leaves_the_current_one(eco, joe):
    product = eco.product_id
    with transaction(by=joe):
        actions.cancel_eco(eco, by=joe, reason="Solved by a longer base.")
    db.session.expire_all()
    eco = db.session.get_one(Eco, eco.id)
    assert eco.stage.role is StageRole.DONE
    assert eco.closed_at is not None
    (part,) = sheet_of(eco).parts  # still readable
    assert (part.revision.number, part.revision.state) == (2, RevisionState.ABANDONED)
    slot = slot_of(db.session.merge(part.revision.bom.product))
    assert db.session.get_one(BomRevision, slot.active_revision_id).number == 1
    assert slot.last_number == 2
    assert product == slot.product_id
    with pytest.raises(Conflict):
        move_to(eco, "In progress", by=joe)


def test_P9_only_engineers_cancel_and_only_with_a_reason(eco, joe):
    marc = make_person("Marc")
    with pytest.raises(NotAllowed), transaction(by=marc):
        actions.cancel_eco(eco, by=marc, reason="No.")
    with pytest.raises(Refused), transaction(by=joe):
        actions.cancel_eco(eco, by=joe, reason=" ")


def test_P11_a_change_in_force_does_not_go_back(eco, jose, joe):
    with transaction(by=jose):
        actions.enter_and_apply(
            eco, to_id=stage_named(eco, "Approved").id, by=jose, proof=PASSWORD_PROOF, seen=sheet_hash(eco)
        )
    with pytest.raises(Refused) as no:
        move_to(eco, "Review", by=joe)
    assert no.value.code == "IN_FORCE"
    with pytest.raises(Conflict), transaction(by=joe):
        actions.cancel_eco(eco, by=joe, reason="Too late.")
    move_to(eco, "Done", by=joe)


def test_P14_two_clicks_on_start_revision_give_one_revision(kind, joe):
    eco = make_eco(make_coat_rack(), kind, by=joe)
    with transaction(by=joe):
        first = actions.start_eco_revision(eco, by=joe)
    with transaction(by=joe):
        second = actions.start_eco_revision(eco, by=joe)
    assert first.id == second.id
    assert db.session.scalar(select(func.count()).where(BomRevision.eco_id == eco.id)) == 1
    db.session.expire_all()
    assert db.session.get_one(Eco, eco.id).stage.name == "In progress"


def test_P15_approving_needs_something_to_approve(kind, joe):
    eco = make_eco(make_coat_rack(), kind, by=joe)
    with pytest.raises(Refused):
        move_to(eco, "Review", by=joe)


def test_S6_an_administrator_does_not_sign_by_right(eco):
    ada = make_person("Ada")
    with pytest.raises(NotAllowed):
        approve(eco, by=ada)


def test_the_trail_tells_who_signed(eco, jose):
    approve(eco, by=jose)
    row = db.session.execute(
        text("select actor_id, action from audit_row where table_name = 'approval' order by id desc limit 1")
    ).one()
    assert tuple(row) == (jose.id, "insert")
