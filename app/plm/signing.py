"""Approving, rejecting, commenting: what a person says with their name under it, and when that no longer counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from app.bom.compare import Change
from app.bom.models import Bom, BomRevision, RevisionState
from app.foundation.db import current_transaction, db, lock
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.foundation.language import _
from app.foundation.outbox import enqueue_letter
from app.foundation.permissions import authorize
from app.people.models import Person
from app.plm.gates import Part, Path, Sheet, Step, names_in, path_of, said_at, sheet_of
from app.plm.models import (
    Approval,
    ApproverKind,
    Eco,
    EcoEditor,
    EcoType,
    Meaning,
    Signing,
    StageApprover,
    Verdict,
)
from app.traits.board.actions import place
from app.traits.board.models import Stage
from app.traits.chatter.actions import log
from app.traits.followers import follow
from app.traits.impact import impact_of
from app.traits.record import Record, record_url

LONGEST = 4_000


@dataclass(frozen=True)
class Proof:
    """How the signer proved who they are: how the session began, and whether the password was typed again just now."""

    via: str
    password: bool = False


WEAK = ("pin", "token")


class ContentChanged(Conflict):
    """What is signed must be what was seen; `difference` says what has changed since."""

    def __init__(self, sheet: Sheet, difference: list[tuple[Part, list[Change]]]) -> None:
        super().__init__(
            _("The change is not what you were shown any more. Look at what is different, then sign again."),
            code="CONTENT_CHANGED",
        )
        self.sheet = sheet
        self.difference = difference


@dataclass(frozen=True)
class Case:
    """A change with everything a decision needs, locked to the end of the transaction."""

    eco: Eco
    path: Path
    sheet: Sheet


def open_case(eco_id: int, *, slots: bool = False, stages: bool = False) -> Case:
    """Lock and read afresh, in the order of the house: BoM slots, stages, the record.

    `slots` when drafts may become current or be given up, `stages` when the card may move.
    """
    if slots:
        drafts = select(BomRevision.bom_id).where(
            BomRevision.eco_id == eco_id, BomRevision.state == RevisionState.DRAFT
        )
        lock(Bom, *db.session.scalars(drafts))
    if stages:
        board = select(Stage.id).join(EcoType, EcoType.board_id == Stage.board_id).join(Eco, Eco.type_id == EcoType.id)
        lock(Stage, *db.session.scalars(board.where(Eco.id == eco_id)))
    lock(Record, eco_id)
    eco = db.session.scalars(
        select(Eco)
        .where(Eco.id == eco_id)
        .options(
            joinedload(Eco.type).lazyload(EcoType.board),
            selectinload(Eco.product),
            joinedload(Eco.responsible),
            selectinload(Eco.approvals),
            selectinload(Eco.editors),
        )
        .execution_options(populate_existing=True)
    ).one()
    return Case(eco, path_of(eco.type.board_id), sheet_of(eco))


def approve(
    case: Case,
    step: Step,
    *,
    by: Person,
    proof: Proof,
    seen: str,
    saw: Mapping[str, Any] | None = None,
    meaning: Meaning = Meaning.APPROVAL,
    comment: str = "",
) -> Approval:
    """`by` approves exactly what they have seen (`seen` is its hash), as an approver of the gate into `step`."""
    eco, sheet = case.eco, case.sheet
    must_be_able_to_approve(case, step, by=by)
    _must_be_proven(eco.type, proof)
    if not sheet.parts:
        raise Refused(_("No revision was started, so there is nothing to approve."))
    if sheet.base_moved:
        raise Refused(
            _("The bill of materials changed while you worked. It is approved after it was rebased."), code="BASE_MOVED"
        )
    if seen != sheet.content_hash:
        raise ContentChanged(sheet, sheet.since(saw or {}))
    for approval in eco.approvals:
        if _is_approved(approval, step, by.id) and approval.content_hash == sheet.content_hash:
            return approval  # the same click twice
    again = [a for a in eco.approvals if a.is_valid and a.stage_id == step.stage.id and a.person_id == by.id]
    _void(eco, [a for a in again if a.verdict is not Verdict.COMMENT], _("Signed again"))
    approval = _say(
        eco, step, Verdict.APPROVED, by=by, proof=proof, sheet=sheet, meaning=meaning, comment=comment, keep=True
    )
    log(
        eco,
        "approved",
        {
            "stage": step.stage.name,
            "meaning": meaning.value,
            "comment": approval.comment,
            "labels": sheet.labels,
            "fingerprint": sheet.fingerprint,
        },
        by=by,
    )
    if _is_complete(step, eco.approvals, sheet):
        log(eco, "all_approved", {"stage": step.stage.name}, by=None)
        if eco.responsible is not None and eco.responsible_id != by.id:
            _letter(eco.responsible, "eco_approved", eco, stage=step.stage.name)
    return approval


def reject(eco: Eco, *, by: Person, proof: Proof, reason: str) -> Approval:
    """Say no, with a reason. A required approver sends the card back to be worked on, and a new round begins."""
    authorize(by, "eco.sign", eco)
    case = open_case(eco.id, stages=True)
    eco = case.eco
    eco.must_be_open()
    step = gate_for(case, by)
    approver = _asked(step, by)
    if approver.kind is ApproverKind.COMMENT:
        raise NotAllowed(_("You are asked for a comment only."))
    if proof.via in WEAK:
        raise NotAllowed(_("Sign in with your password to sign."))
    reason = _text(reason)
    if not reason:
        raise Refused(_("Say why: whoever works on it next has to know."), field="comment")
    _void(eco, [a for a in eco.approvals if _is_approved(a, step, by.id)], _("Rejected afterwards"))
    approval = _say(
        eco, step, Verdict.REJECTED, by=by, proof=proof, sheet=case.sheet, meaning=Meaning.REJECTION, comment=reason
    )
    log(eco, "rejected", {"stage": step.stage.name, "comment": reason, "kind": approver.kind.value}, by=by)
    if approver.kind is ApproverKind.REQUIRED:
        said = _("%(name)s rejected it: %(reason)s", name=by.name, reason=reason)
        eco.blocked_reason = said if len(said) <= 200 else said[:199] + "…"
        back = case.path.open_before(step.stage.id)
        if back is not None and back.stage.id != eco.stage_id:
            db.session.flush()
            place(eco, to=back.stage, before=None, after=None, by=by)
        void_beyond(
            case, case.path.index(back.stage.id) if back else 0, _("A new round after a rejection"), but=approval
        )
    for person in _concerned(eco, by):
        _letter(person, "eco_rejected", eco, stage=step.stage.name, name=by.name, reason=reason)
    return approval


def comment_on(eco: Eco, *, by: Person, proof: Proof, comment: str) -> Approval:
    """An approver of any kind says something that does not decide."""
    authorize(by, "eco.sign", eco)
    case = open_case(eco.id)
    case.eco.must_be_open()
    step = gate_for(case, by)
    _asked(step, by)
    comment = _text(comment)
    if not comment:
        raise Refused(_("Write something first."), field="comment")
    approval = _say(
        case.eco, step, Verdict.COMMENT, by=by, proof=proof, sheet=case.sheet, meaning=Meaning.COMMENT, comment=comment
    )
    log(case.eco, "commented", {"stage": step.stage.name, "comment": comment}, by=by)
    return approval


def gate_for(case: Case, person: Person) -> Step:
    """The gate that `person` is asked about now: the earliest one they have not approved, else the last of theirs."""
    theirs = [step for step in case.path.asked_in(case.eco.stage_id) if step.approver(person.id)]
    if not theirs:
        raise NotAllowed(_("You are not asked to approve %(number)s now.", number=case.eco.number))
    for step in theirs:
        mine = [
            s for s in said_at(step, case.eco.approvals, case.sheet.content_hash) if s.approver.person_id == person.id
        ]
        if any(not s.has_approved for s in mine):
            return step
    return theirs[-1]


def must_be_able_to_approve(case: Case, step: Step, *, by: Person) -> None:
    """NotAllowed unless `by` is named for this gate and did not write what they would approve."""
    authorize(by, "eco.sign", case.eco)
    case.eco.must_be_open()
    if _asked(step, by).kind is ApproverKind.COMMENT:
        raise NotAllowed(_("You are asked for a comment only."))
    if case.eco.type.separation_of_duties and by.id in case.eco.author_ids():
        raise NotAllowed(
            _("You opened or edited %(number)s, so somebody else has to approve it.", number=case.eco.number),
            code="OWN_WORK",
        )


# What no longer counts


def void_beyond(case: Case, index: int, reason: str, *, but: Approval | None = None) -> None:
    """Gates after the stage at `index` are to be passed anew."""
    stages = {step.stage.id for step in case.path.steps[index + 1 :]}
    _void(case.eco, [a for a in case.eco.approvals if a.stage_id in stages and a.is_valid and a is not but], reason)


def draft_changed(eco_id: int, by_id: int | None) -> None:
    """A draft of this change was edited: whoever did it is an author now, and signatures on the older content end."""
    lock(Record, eco_id)
    if by_id is not None and db.session.get(EcoEditor, (eco_id, by_id)) is None:
        db.session.add(EcoEditor(eco_id=eco_id, person_id=by_id))
        db.session.flush()
    valid = select(Approval).where(
        Approval.eco_id == eco_id, Approval.voided_at.is_(None), Approval.verdict == Verdict.APPROVED
    )
    signed = list(db.session.scalars(valid.options(joinedload(Approval.stage))).unique())
    if not signed:
        return
    eco = db.session.get_one(Eco, eco_id)
    now_said = sheet_of(eco)
    stale = [approval for approval in signed if approval.content_hash != now_said.content_hash]
    if not stale:
        return
    _void(eco, stale, _("The content was changed"))
    editor = db.session.get(Person, by_id) if by_id is not None else None
    log(eco, "signatures_void", {"names": [a.printed_name for a in stale]}, by=editor)
    for approval in stale:
        if approval.person_id == by_id:
            continue
        difference = now_said.since(approval.signed)
        _letter(
            approval.person,
            "eco_stale",
            eco,
            name=editor.name if editor else "",
            names=names_in(change for _part, changes in difference for change in changes),
            difference=[(part.revision.label, part.revision.bom.product.name, changes) for part, changes in difference],
        )


# Asking


def ask(case: Case, *, by: Person | None) -> None:
    """The card has entered a stage: a new round begins, and the approvers of the next stage are told."""
    eco = case.eco
    if not case.path.asks_in(eco.stage_id):
        return
    step = case.path.asked_in(eco.stage_id)[-1]
    refused = [a for a in eco.approvals if a.is_valid and a.verdict is Verdict.REJECTED and a.stage_id == step.stage.id]
    if refused:
        eco.blocked_reason = None
        _void(eco, refused, _("A new round"))
    asked = []
    for said in said_at(step, eco.approvals, case.sheet.content_hash):
        person = said.approver.person
        if said.has_approved or not person.is_active:
            continue
        follow(eco, person)
        asked.append(person.name)
        if by is None or person.id != by.id:
            letter = "eco_comment_asked" if said.approver.kind is ApproverKind.COMMENT else "eco_asked"
            _letter(person, letter, eco, stage=step.stage.name, kind=said.approver.kind.value, labels=case.sheet.labels)
    if asked:
        log(eco, "approval_asked", {"stage": step.stage.name, "names": asked}, by=by)


# Inside


def _say(
    eco: Eco,
    step: Step,
    verdict: Verdict,
    *,
    by: Person,
    proof: Proof,
    sheet: Sheet,
    meaning: Meaning,
    comment: str,
    keep: bool = False,
) -> Approval:
    approval = Approval(
        eco=eco,
        stage_id=step.stage.id,
        person=by,
        verdict=verdict,
        meaning=meaning,
        comment=_text(comment),
        printed_name=by.name,
        zone=_zone_of(by),
        content_hash=sheet.content_hash,
        signed={
            **(sheet.as_seen() | {"impact": _impact(sheet)} if keep else {"hash": sheet.content_hash}),
            "own_work": by.id in eco.author_ids(),
        },
        via=proof.via,
        at=current_transaction().at,
        voided_at=None,
        void_reason="",
    )
    db.session.add(approval)
    db.session.flush()
    follow(eco, by)
    return approval


def _impact(sheet: Sheet) -> list[list[Any]]:
    """How much the rooms said is touched, at the moment of signing."""
    return [[str(said.title), said.count] for part in sheet.parts for said in impact_of(part.revision)]


def _void(eco: Eco, approvals: Iterable[Approval], reason: str) -> None:
    for approval in approvals:
        approval.voided_at = current_transaction().at
        approval.void_reason = reason
    db.session.flush()


def _is_approved(approval: Approval, step: Step, person_id: int) -> bool:
    return (
        approval.is_valid
        and approval.verdict is Verdict.APPROVED
        and approval.stage_id == step.stage.id
        and approval.person_id == person_id
    )


def _is_complete(step: Step, approvals: list[Approval], sheet: Sheet) -> bool:
    said = said_at(step, approvals, sheet.content_hash)
    return all(s.has_approved for s in said if s.approver.kind is ApproverKind.REQUIRED)


def _asked(step: Step, by: Person) -> StageApprover:
    approver = step.approver(by.id)
    if approver is None:
        raise NotAllowed(_("You are not asked to approve this."))
    return approver


def _must_be_proven(kind: EcoType, proof: Proof) -> None:
    if proof.via in WEAK:
        raise NotAllowed(_("Sign in with your password to sign."))
    if kind.signing is Signing.SIGNED and not proof.password:
        raise NotAllowed(_("Your password is your signature: type it to sign."), field="password")


def _concerned(eco: Eco, by: Person) -> list[Person]:
    """Whoever is responsible and whoever opened it, without the one who acts."""
    ids = {eco.responsible_id, eco.created_by_id} - {None, by.id}
    found = db.session.scalars(select(Person).where(Person.id.in_(ids), Person.is_active).order_by(Person.id))
    return list(found.unique())


def _letter(to: Person, letter: str, eco: Eco, **words: Any) -> None:
    if to.is_active:
        enqueue_letter(to, letter, thread=eco.number, eco=eco, address=record_url(eco).lstrip("/"), **words)


def _text(text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST:
        raise Refused(_("That is too long: at most %(most)s characters.", most=LONGEST), field="comment")
    return text


def _zone_of(person: Person) -> str:
    from app.people.models import Site

    site = db.session.get(Site, 1)
    return person.zone or (site.zone if site else None) or "UTC"
