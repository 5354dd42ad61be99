"""A change takes effect: all of it or nothing, once, whoever else tries at the same moment (rules A1 to A9)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from app.bom.models import Activation, Bom, BomRevision, RevisionState
from app.foundation.db import db, transaction
from app.foundation.errors import Refused
from app.foundation.events import on
from app.foundation.loop import RevisionActivated
from app.plm import actions
from app.plm.gates import sheet_of
from app.plm.models import Approval, ApproverKind, Eco, Verdict
from app.traits.board.models import StageRole
from app.traits.chatter.models import Entry
from tests.factories import (
    PASSWORD_PROOF,
    active_number,
    approve,
    edit_draft,
    make_coat_rack,
    make_eco,
    make_eco_type,
    make_person,
    make_product,
    move_to,
    sheet_hash,
    slot_of,
    stage_named,
    start_revision,
)

STAGES_WITH_APPLY = [
    ("New", StageRole.NEW),
    ("In progress", StageRole.OPEN),
    ("Review", StageRole.REVIEW),
    {"name": "Approved", "role": StageRole.APPROVED, "applies_on_entry": False, "allows_apply": True},
    ("Done", StageRole.DONE),
]


def apply(eco: Eco, *, by: Any, approve: bool = True, seen: str | None = None) -> bool:
    with transaction(by=by, source="test"):
        return actions.enter_and_apply(
            eco,
            to_id=stage_named(eco, "Approved").id,
            by=by,
            proof=PASSWORD_PROOF,
            seen=seen or sheet_hash(eco),
            approve=approve,
        )


def fresh(eco: Eco) -> Eco:
    db.session.expire_all()
    return db.session.get_one(Eco, eco.id)


def states(product: Any) -> list[tuple[int, str]]:
    db.session.expire_all()
    rows = db.session.execute(
        select(BomRevision.number, BomRevision.state)
        .where(BomRevision.bom_id == slot_of(product).id)
        .order_by(BomRevision.number)
    )
    return [(number, state.value) for number, state in rows]


# One after the other


def test_A1_entering_the_stage_supersedes_the_old_and_activates_the_new(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    assert apply(eco, by=jose)
    eco = fresh(eco)
    assert states(eco.product) == [(1, "superseded"), (2, "active")]
    assert eco.stage.name == "Approved"
    assert eco.applied_at is not None
    verbs = list(db.session.scalars(select(Entry.verb).where(Entry.record_id == eco.id).order_by(Entry.id)))
    assert verbs[-4:] == ["approved", "all_approved", "moved", "applied"]


def test_A1_content_cannot_be_edited_afterwards(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    apply(eco, by=jose)
    with pytest.raises(Refused, match="cannot be changed"):
        edit_draft(eco, by=joe, name="Too late")


def test_A3_applying_again_is_no_error_and_does_nothing(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    seen = sheet_hash(eco)
    assert apply(eco, by=jose, seen=seen)
    assert not apply(eco, by=jose, seen=seen)
    assert db.session.scalar(select(func.count()).select_from(Activation).where(Activation.eco_id == eco.id)) == 1


def test_A5_all_drafts_of_one_change_become_current_together(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    racks = [make_coat_rack(name="Coat rack"), make_coat_rack(name="Hall set")]
    eco = make_eco(racks[0], kind, by=joe, started=True)
    from app.bom.revisions import start_revision as start_in_slot

    with transaction(by=joe):
        start_in_slot(slot_of(racks[1]), eco=eco, by=joe)
    move_to(eco, "Review", by=joe)
    apply(eco, by=jose)
    assert [active_number(rack) for rack in racks] == [2, 2]


def test_A5_one_failing_draft_keeps_all_back(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    racks = [make_coat_rack(name="Coat rack"), make_coat_rack(name="Hall set")]
    eco = make_eco(racks[0], kind, by=joe, started=True)
    overtaker = make_eco(racks[1], kind, by=joe, title="Faster", stage="Review")
    from app.bom.revisions import start_revision as start_in_slot

    with transaction(by=joe):
        start_in_slot(slot_of(racks[1]), eco=eco, by=joe)
    move_to(eco, "Review", by=joe)
    apply(overtaker, by=jose)
    with pytest.raises(Refused) as no:
        apply(eco, by=jose)
    assert no.value.code == "BASE_MOVED"
    assert [active_number(rack) for rack in racks] == [1, 2]


def test_A6_a_first_release_has_no_base(database):
    jose, joe = make_person("Jose"), make_person("Joe")
    with transaction(by=None):
        _improvement, new_product = actions.make_default_types(approver=jose)
    hook = make_product("Wall hook")
    with transaction(by=joe):
        eco = actions.open_first_release(hook, by=joe)
    assert eco.type_id == new_product.id
    start_revision(eco, by=joe)
    edit_draft(eco, by=joe, name="Brass")
    move_to(eco, "Review", by=joe)
    with transaction(by=jose):
        actions.enter_and_apply(
            eco, to_id=stage_named(eco, "Released").id, by=jose, proof=PASSWORD_PROOF, seen=sheet_hash(eco)
        )
    assert active_number(hook) == 1


def test_A6_a_type_for_new_products_cannot_change_a_released_one(database):
    jose, joe = make_person("Jose"), make_person("Joe")
    with transaction(by=None):
        _improvement, new_product = actions.make_default_types(approver=jose)
    eco = make_eco(make_coat_rack(), new_product, by=joe)
    with pytest.raises(Refused, match="already"):
        start_revision(eco, by=joe)


def test_A8_every_shut_gate_is_listed_and_nothing_changes(database):
    joe, jose, julie = make_person("Joe"), make_person("Jose"), make_person("Julie")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED), (julie, ApproverKind.REQUIRED)]})
    rack = make_coat_rack()
    eco = make_eco(rack, kind, by=joe, stage="Review")
    apply(make_eco(rack, make_eco_type(), by=joe, title="Faster", stage="Review"), by=joe, approve=False)
    with pytest.raises(Refused) as no:
        move_to(eco, "Approved", by=joe)
    said = " ".join(no.value.reasons)
    assert "Jose Mora has not approved" in said
    assert "Julie Andreson has not approved" in said
    assert "changed while you worked" in said
    assert no.value.code == "BASE_MOVED"
    assert fresh(eco).stage.name == "Review"


def test_skipping_the_stage_that_applies_is_refused(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    approve(eco, by=jose)
    with pytest.raises(Refused) as no:
        move_to(eco, "Done", by=joe)
    assert any("takes effect in" in reason for reason in no.value.reasons)


def test_a_gate_passed_earlier_has_to_hold_when_it_takes_effect(database):
    joe, jose, julie = make_person("Joe"), make_person("Jose"), make_person("Julie")
    kind = make_eco_type({"Review": [(julie, ApproverKind.REQUIRED)], "Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, started=True)
    approve(eco, by=julie)
    move_to(eco, "Review", by=joe)
    edit_draft(eco, by=joe, name="Cap nut M10")  # after Julie has signed, while Jose is asked
    with pytest.raises(Refused) as no:
        apply(eco, by=jose)
    assert any("Julie" in reason for reason in no.value.reasons)
    approve(eco, by=julie)  # and she can sign again from where the card is
    assert apply(eco, by=jose)


def test_apply_changes_where_the_stage_allows_it(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, stages=STAGES_WITH_APPLY)
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    approve(eco, by=jose)
    move_to(eco, "Approved", by=joe)
    assert active_number(eco.product) == 1
    with transaction(by=joe):
        assert actions.apply_eco(eco, by=joe)
    with transaction(by=joe):
        assert not actions.apply_eco(eco, by=joe)
    assert active_number(fresh(eco).product) == 2


def test_apply_changes_checks_the_signatures_again(database):
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, stages=STAGES_WITH_APPLY)
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    approve(eco, by=jose)
    move_to(eco, "Approved", by=joe)
    edit_draft(eco, by=joe, name="Cap nut M10")
    with pytest.raises(Refused) as no, transaction(by=joe):
        actions.apply_eco(eco, by=joe)
    assert any("Jose Mora" in reason for reason in no.value.reasons)


# A failure anywhere leaves nothing


def picture() -> tuple[Any, ...]:
    """Everything that applying would change."""
    db.session.rollback()
    db.session.expire_all()
    return (
        db.session.execute(
            select(BomRevision.id, BomRevision.state, BomRevision.content_hash).order_by(BomRevision.id)
        ).all(),
        db.session.execute(select(Bom.id, Bom.active_revision_id).order_by(Bom.id)).all(),
        db.session.execute(select(Activation.id)).all(),
        db.session.execute(select(Eco.id, Eco.stage_id, Eco.applied_at).order_by(Eco.id)).all(),
        db.session.execute(select(Approval.id, Approval.voided_at)).all(),
        db.session.scalar(select(func.count()).select_from(Entry)),
    )


def test_A2_a_failure_at_any_statement_leaves_all_as_it_was(fresh_app):
    """The same apply is broken off at its first, second, third ... statement, until it gets through."""
    with fresh_app.app_context():
        break_off_everywhere()


def break_off_everywhere() -> None:
    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    seen = sheet_hash(eco)
    before = picture()
    connection = db.engine
    left = [0]

    class PowerCut(Exception):
        pass

    def cut(*_args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise PowerCut

    for statement in range(1, 400):
        left[0] = statement
        event.listen(connection, "before_cursor_execute", cut)
        try:
            apply(eco, by=jose, seen=seen)
        except PowerCut:
            done = False
        else:
            done = True
        finally:
            event.remove(connection, "before_cursor_execute", cut)
        if done:
            break
        assert picture() == before, f"statement {statement} left something behind"
    else:
        pytest.fail("It never got through.")
    assert statement > 20  # it was broken off at every one of them
    assert picture() != before
    assert states(eco.product) == [(1, "superseded"), (2, "active")]


def test_A2_a_listener_that_fails_undoes_everything(database):
    from app.foundation import events

    joe, jose = make_person("Joe"), make_person("Jose")
    kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
    eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
    before = picture()

    def broken(_fact: RevisionActivated) -> None:
        raise ZeroDivisionError

    on(RevisionActivated)(broken)
    try:
        with pytest.raises(ZeroDivisionError):
            apply(eco, by=jose)
    finally:
        events._listeners[RevisionActivated].remove(broken)
    assert picture() == before


# At the same moment: real commits from several threads


def at_once(app: Flask, *jobs: Callable[[], Any]) -> list[Any]:
    """Run the jobs in threads that start together; what each returned or raised."""
    ready = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(n: int) -> None:
        with app.app_context():
            try:
                ready.wait(timeout=20)
                results[n] = jobs[n]()
            except Exception as failed:
                results[n] = failed
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def person(person_id: int) -> Any:
    from app.people.models import Person

    return db.session.get_one(Person, person_id)


def job(eco_id: int, person_id: int, seen: str, *, approve: bool = True) -> Callable[[], bool]:
    def run() -> bool:
        return apply(db.session.get_one(Eco, eco_id), by=person(person_id), approve=approve, seen=seen)

    return run


@pytest.mark.parametrize("round_", range(3))
def test_A3_two_who_apply_at_once_give_one_activation(fresh_app, round_):
    with fresh_app.app_context():
        joe, jose, nora = (
            make_person("Joe"),
            make_person("Jose"),
            make_person("Nora Beck", roles=make_person("Joe").roles),
        )
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
        eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
        approve(eco, by=jose)
        seen = sheet_hash(eco)
        ids = eco.id, joe.id, nora.id
        db.session.remove()
    results = at_once(
        fresh_app,
        job(ids[0], ids[1], seen, approve=False),
        job(ids[0], ids[2], seen, approve=False),
        job(ids[0], ids[1], seen, approve=False),
    )
    assert sorted(results) == [False, False, True]
    with fresh_app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Activation).where(Activation.eco_id == ids[0])) == 1
        applied = select(func.count()).select_from(Entry).where(Entry.record_id == ids[0], Entry.verb == "applied")
        assert db.session.scalar(applied) == 1


@pytest.mark.parametrize("round_", range(3))
def test_A4_of_two_changes_on_one_slot_one_wins_and_the_other_is_told(fresh_app, round_):
    with fresh_app.app_context():
        joe, jose = make_person("Joe"), make_person("Jose")
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
        rack = make_coat_rack()
        ecos = [make_eco(rack, kind, by=joe, title=title, stage="Review") for title in ("First", "Second")]
        jobs = [job(eco.id, jose.id, sheet_hash(eco)) for eco in ecos]
        ids = [eco.id for eco in ecos]
        bom_id = slot_of(rack).id
        db.session.remove()
    results = at_once(fresh_app, *(reversed(jobs) if round_ % 2 else jobs))
    assert sum(result is True for result in results) == 1
    (refused,) = [result for result in results if result is not True]
    assert isinstance(refused, Refused)
    assert refused.code == "BASE_MOVED"
    with fresh_app.app_context():
        active = select(func.count()).where(BomRevision.bom_id == bom_id, BomRevision.state == RevisionState.ACTIVE)
        assert db.session.scalar(active) == 1
        assert db.session.scalar(select(func.count()).where(Eco.id.in_(ids), Eco.applied_at.is_not(None))) == 1
        assert db.session.scalar(select(func.count()).where(Activation.bom_id == bom_id)) == 2


@pytest.mark.parametrize("round_", range(3))
def test_P2_the_last_two_approvers_at_once_are_both_stored_and_it_is_complete_once(fresh_app, round_):
    with fresh_app.app_context():
        joe, jose, julie = make_person("Joe"), make_person("Jose"), make_person("Julie")
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED), (julie, ApproverKind.REQUIRED)]})
        eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
        seen, eco_id, ids = sheet_hash(eco), eco.id, (jose.id, julie.id)
        db.session.remove()

    def signs(person_id: int) -> Callable[[], None]:
        return lambda: approve(db.session.get_one(Eco, eco_id), by=person(person_id), seen=seen)

    assert at_once(fresh_app, signs(ids[0]), signs(ids[1])) == [None, None]
    with fresh_app.app_context():
        eco = db.session.get_one(Eco, eco_id)
        valid = select(func.count()).where(
            Approval.eco_id == eco_id, Approval.verdict == Verdict.APPROVED, Approval.voided_at.is_(None)
        )
        assert db.session.scalar(valid) == 2
        complete = select(func.count()).where(Entry.record_id == eco_id, Entry.verb == "all_approved")
        assert db.session.scalar(complete) == 1
        assert sheet_of(eco).content_hash == seen


@pytest.mark.parametrize("round_", range(3))
def test_P1_an_edit_and_a_signature_at_once_never_leave_a_valid_signature_on_another_content(fresh_app, round_):
    with fresh_app.app_context():
        joe, jose = make_person("Joe"), make_person("Jose")
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
        eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
        seen, eco_id, joe_id, jose_id = sheet_hash(eco), eco.id, joe.id, jose.id
        db.session.remove()
    at_once(
        fresh_app,
        lambda: approve(db.session.get_one(Eco, eco_id), by=person(jose_id), seen=seen),
        lambda: edit_draft(db.session.get_one(Eco, eco_id), by=person(joe_id), name="Cap nut M10"),
    )
    with fresh_app.app_context():
        eco = db.session.get_one(Eco, eco_id)
        now_said = sheet_of(eco).content_hash
        assert now_said != seen
        valid = select(Approval.content_hash).where(Approval.eco_id == eco_id, Approval.voided_at.is_(None))
        assert set(db.session.scalars(valid)) <= {now_said}


@pytest.mark.parametrize("round_", range(3))
def test_I7_an_edit_and_an_apply_at_once_put_only_in_force_what_was_signed(fresh_app, round_):
    with fresh_app.app_context():
        joe, jose = make_person("Joe"), make_person("Jose")
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]})
        eco = make_eco(make_coat_rack(), kind, by=joe, stage="Review")
        seen, eco_id, joe_id, jose_id = sheet_hash(eco), eco.id, joe.id, jose.id
        signed_content = sheet_of(eco).parts[0].content.content_hash
        db.session.remove()
    at_once(
        fresh_app,
        job(eco_id, jose_id, seen),
        lambda: edit_draft(db.session.get_one(Eco, eco_id), by=person(joe_id), name="Cap nut M10"),
    )
    with fresh_app.app_context():
        eco = db.session.get_one(Eco, eco_id)
        (part,) = sheet_of(eco).parts
        if eco.applied_at is not None:
            assert part.revision.content_hash == signed_content
            assert part.content.content_hash == signed_content
        else:
            assert part.revision.is_draft


@pytest.mark.parametrize("round_", range(3))
def test_P14_two_who_start_the_revision_at_once_get_the_same_one(fresh_app, round_):
    with fresh_app.app_context():
        joe = make_person("Joe")
        eco = make_eco(make_coat_rack(), make_eco_type(), by=joe)
        eco_id, joe_id = eco.id, joe.id
        db.session.remove()
    jobs = [lambda: start_revision(db.session.get_one(Eco, eco_id), by=person(joe_id)).number] * 3
    assert at_once(fresh_app, *jobs) == [2, 2, 2]
    with fresh_app.app_context():
        assert db.session.scalar(select(func.count()).where(BomRevision.eco_id == eco_id)) == 1
