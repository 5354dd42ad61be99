"""What people do with changes: open one, start its revision, move it, have it take effect, cancel it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.bom import rebasing, revisions
from app.bom.models import Bom, BomRevision
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import current_transaction, db
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _, lazy
from app.foundation.loop import EcoOpened
from app.foundation.permissions import authorize
from app.people.models import Person
from app.plm import signing
from app.plm.gates import Missing, Step, missing_signatures, missing_to_apply, missing_to_enter, path_of
from app.plm.models import (
    ApproverKind,
    Eco,
    EcoEditor,
    EcoType,
    Meaning,
    Signing,
    StageApprover,
    StageRule,
)
from app.plm.signing import Case, Proof, open_case
from app.traits.assigning import tell_responsible
from app.traits.board.actions import card_changed, enter_board, place
from app.traits.board.models import Board, Stage, StageRole
from app.traits.board.registry import NeedsDialog
from app.traits.chatter.actions import log
from app.traits.impact import impact_of
from app.traits.links.actions import link
from app.traits.record import Record


def open_eco(
    *,
    title: str,
    type: EcoType,
    product: Product | None,
    by: Person,
    description: str = "",
    origin: Record | None = None,
    responsible: Person | None = None,
    priority: int = 0,
    stage: Stage | None = None,
) -> Eco:
    """A change of `product`, on the board of its type. `origin` is the alert or ticket it answers."""
    authorize(by, "eco.open", origin)
    if type.archived_at is not None:
        raise Refused(_("This type is no longer used."), field="type")
    slot = _slot_of(product)
    eco = Eco(
        title=title,
        type=type,
        product=product,
        bom_id=slot.id if slot else None,
        description=description,
        responsible_id=(responsible or by).id,
        created_by_id=by.id,
        priority=priority,
        approvals=[],
        editors=[],
        tags=[],
    )
    enter_board(eco, type.board, by=by, stage=stage)
    said = {"type": type.name, "product": product.name if product else ""}
    log(eco, "created", said | ({"from_record": origin.number} if origin else {}), by=by)
    if origin is not None:
        link(origin, eco, by=by)
        card_changed(origin, by=by)
    tell_responsible(eco, responsible, by=by)
    publish(EcoOpened(eco_id=eco.id, origin_id=origin.id if origin else None))
    return eco


def start_eco_revision(eco: Eco, *, by: Person) -> BomRevision:
    """A draft of the change's BoM, copied from the current revision. The second click returns the first one's.

    A card that is still among the new ones goes to where work is done.
    """
    authorize(by, "eco.write", eco)
    case = open_case(eco.id, slots=True, stages=True)
    eco = case.eco
    if case.sheet.parts:
        return case.sheet.parts[0].revision
    eco.must_be_open()
    if eco.product is None:
        raise Refused(_("Say which product %(number)s is about before you start its revision.", number=eco.number))
    bom = _slot_of(eco.product)
    if bom is None:
        draft = revisions.new_bom(eco.product, eco=eco, by=by)
    else:
        _must_suit(eco.type, bom)
        draft = revisions.start_revision(bom, eco=eco, by=by)
    eco.bom_id = draft.bom_id
    eco.started_at = current_transaction().at
    _is_author(eco, by)
    log(eco, "revision_started", {"revision": draft.label, "product": draft.bom.product.name}, by=by)
    here = case.path.step(eco.stage_id)
    worked = case.path.first(StageRole.OPEN)
    if here is not None and here.stage.role is StageRole.NEW and worked is not None:
        db.session.flush()
        place(eco, to=worked.stage, before=None, after=None, by=by)
        _entered(eco.id, by=by)
    return draft


def move_eco(record: Record, *, to: Stage, before: int | None, after: int | None, by: Person) -> None:
    """The verb of the ECO board: drag, menu, keyboard and the bar of stages all end here.

    Refused with every gate that is shut. When the only thing missing is the signature of `by`, or when the move makes a
    revision current, a dialog is asked for first: that is signed, not dropped.
    """
    authorize(by, "eco.move", record)
    if record.stage_id == to.id:
        place(record, to=to, before=before, after=after, by=by)
        return
    case = open_case(record.id, slots=True, stages=True)
    step = _may_enter(case, to)
    if step is not None and (missing := missing_to_enter(case.eco, case.path, to, case.sheet)):
        if all(gate.person_id == by.id for gate in missing) and _could_approve(case, step, by):
            raise NeedsDialog(DIALOG, sign_context(case, step, by=by, before=before, after=after))
        if _only_signatures(missing, by) and _is_asked(case, by) and _could_approve(case, step, by):
            raise NeedsDialog(DIALOG, sign_context(case, step, by=by, moves=False))  # others have to sign as well
        raise _refused(case.eco, to, missing)
    if step is not None and step.applies_on_entry and case.eco.applied_at is None:
        raise NeedsDialog(
            "plm/_dialog.html", sign_context(case, step, by=by, before=before, after=after, approve=False)
        )
    _enter(case, to, before=before, after=after, by=by)


def approve_eco(
    eco: Eco,
    *,
    by: Person,
    proof: Proof,
    seen: str,
    saw: Mapping[str, Any] | None = None,
    meaning: Meaning = Meaning.APPROVAL,
    comment: str = "",
) -> None:
    """Approve at the gate that `by` is asked about. The card stays where it is; moving it is the next step."""
    authorize(by, "eco.sign", eco)
    case = open_case(eco.id)
    case.eco.must_be_open()
    step = signing.gate_for(case, by)
    signing.approve(case, step, by=by, proof=proof, seen=seen, saw=saw, meaning=meaning, comment=comment)


def enter_and_apply(
    eco: Eco,
    *,
    to_id: int,
    by: Person,
    proof: Proof,
    seen: str,
    saw: Mapping[str, Any] | None = None,
    approve: bool = True,
    meaning: Meaning = Meaning.APPROVAL,
    comment: str = "",
    before: int | None = None,
    after: int | None = None,
) -> bool:
    """The answer to the dialog: sign if asked, enter the stage, and make the revisions current, all or nothing.

    False when it was in force already: somebody else, or the first of two clicks, was faster.
    """
    authorize(by, "eco.move", eco)
    case = open_case(eco.id, slots=True, stages=True)
    if case.eco.applied_at is not None:
        return False
    case.eco.must_be_open()
    step = case.path.step(to_id)
    if step is None or _may_enter(case, step.stage) is None:
        raise Conflict(_("%(number)s is in another stage by now.", number=case.eco.number))
    if seen != case.sheet.content_hash:
        raise signing.ContentChanged(case.sheet, case.sheet.since(saw or {}))
    if approve:
        for gate in case.path.up_to(to_id):
            named = gate.approver(by.id)
            if named is not None and named.kind is ApproverKind.REQUIRED:
                signing.approve(case, gate, by=by, proof=proof, seen=seen, saw=saw, meaning=meaning, comment=comment)
    missing = missing_to_enter(case.eco, case.path, step.stage, case.sheet)
    if missing:
        raise _refused(case.eco, step.stage, missing)
    _enter(case, step.stage, before=before, after=after, by=by)
    return True


def apply_eco(eco: Eco, *, by: Person) -> bool:
    """*Apply changes*, where the stage allows it. False when it was in force already."""
    authorize(by, "eco.move", eco)
    case = open_case(eco.id, slots=True)
    if case.eco.applied_at is not None:
        return False
    case.eco.must_be_open()
    step = case.path.step(case.eco.stage_id)
    if step is None or not step.allows_apply:
        raise Refused(_("Changes are not applied in this stage."))
    missing = []
    if not case.sheet.drafts:
        missing.append(Missing(_("No revision was started, so there is nothing to make current.")))
    for gate in case.path.up_to(step.stage.id):
        missing += missing_signatures(gate, case.eco.approvals, case.sheet)
    missing += missing_to_apply(case.eco, case.sheet)
    if missing:
        raise _refused(case.eco, step.stage, missing)
    _apply(case, by=by)
    return True


def cancel_eco(eco: Eco, *, by: Person, reason: str) -> None:
    """The change is not going to happen: its drafts are given up, their numbers burned, everything stays readable."""
    authorize(by, "eco.write", eco)
    case = open_case(eco.id, slots=True, stages=True)
    eco = case.eco
    eco.must_be_open()
    reason = reason.strip()
    if not reason:
        raise Refused(_("Say why it is cancelled."), field="reason")
    given_up = revisions.abandon(eco, by=by, reason=reason[:400])
    eco.cancelled_at = current_transaction().at
    eco.blocked_reason = None
    signing.void_beyond(case, -1, _("The change was cancelled"))
    log(eco, "cancelled", {"reason": reason, "revisions": [r.label for r in given_up]}, by=by)
    db.session.flush()
    end = case.path.first(StageRole.CANCELLED, StageRole.DONE)
    if end is not None and end.stage.id != eco.stage_id:
        place(eco, to=end.stage, before=None, after=None, by=by)


def add_card(board: Board, stage: Stage, title: str, *, by: Person) -> Eco:
    """A change with nothing but a title, in a stage that nobody has to approve."""
    kind = db.session.scalars(select(EcoType).where(EcoType.board_id == board.id)).unique().one()
    path = path_of(board.id)
    guarded = any(step.approvers or step.applies_on_entry or step.allows_apply for step in path.up_to(stage.id))
    if guarded or stage.is_closed or path.asks_in(stage.id):
        first = path.steps[0].stage.name
        raise Refused(_("A change begins further to the left. Add it to “%(stage)s”.", stage=first))
    return open_eco(title=title, type=kind, product=None, by=by, stage=stage)


def rebase_eco(eco: Eco, *, revision_id: int, onto: int, choices: Mapping[str, str], by: Person) -> BomRevision:
    """A draft takes over what became current while it was written; every signature has to be given again."""
    authorize(by, "eco.write", eco)
    case = open_case(eco.id, slots=True)
    case.eco.must_be_open()
    part = case.sheet.part(revision_id)
    if part is None:
        raise Conflict(_("This revision is not part of %(number)s.", number=case.eco.number))
    was = part.revision.label
    revision = rebasing.rebase(part.revision, choices, onto=onto, by=by)
    current = db.session.get_one(BomRevision, onto)
    log(case.eco, "rebased", {"was": was, "revision": revision.label, "base": current.label}, by=by)
    return revision


def describe_eco(
    eco: Eco,
    *,
    version: int,
    title: str,
    description: str,
    responsible_id: int | None,
    priority: int,
    by: Person,
    product: Product | None = None,
) -> None:
    """Change what the ECO says about itself; a Conflict when somebody saved it since `version`.

    `product` is only taken while no revision has been started.
    """
    authorize(by, "eco.write", eco)
    eco = open_case(eco.id).eco
    if eco.version != version:
        raise Conflict(_("Somebody else saved this in the meantime. Your text is kept; look at theirs first."))
    before: dict[str, Any] = {
        "title": eco.title,
        "description": eco.description,
        "responsible_id": eco.responsible_id,
        "priority": eco.priority,
    }
    after: dict[str, Any] = {
        "title": title,
        "description": description,
        "responsible_id": responsible_id,
        "priority": priority,
    }
    if product is not None and eco.started_at is None:
        slot = _slot_of(product)
        before |= {"product_id": eco.product_id, "bom_id": eco.bom_id}
        after |= {"product_id": product.id, "bom_id": slot.id if slot else None}
    changed = [name for name in before if before[name] != after[name]]
    if not changed:
        return
    for name in changed:
        setattr(eco, name, after[name])
    log(eco, "edited", {"fields": changed}, by=by)
    if "responsible_id" in changed:
        tell_responsible(eco, db.session.get(Person, responsible_id) if responsible_id else None, by=by)
    card_changed(eco, by=by)


def make_eco_type(
    name: str,
    stages: Sequence[tuple[str, StageRole] | Mapping[str, Any]],
    approvers: Mapping[str, Sequence[tuple[Person, ApproverKind]]],
    *,
    slug: str,
    signing: Signing = Signing.SIGNED,
    separation_of_duties: bool = True,
    first_release: bool = False,
    by: Person | None = None,
) -> EcoType:
    """A type with its board.

    `stages` in order, as (name, role) or with more: {"name", "role", "folded", "applies_on_entry", "allows_apply",
    "wip_limit"}. Without a word about it the stage with the role *approved* applies on entry. `approvers` go by the
    name of the stage whose gate they are.
    """
    authorize(by, "eco.types")
    board = Board(kind="eco", slug=slug, name=name, version=0)
    db.session.add(board)
    db.session.flush()
    for position, given in enumerate(stages):
        said: dict[str, Any] = {"name": given[0], "role": given[1]} if isinstance(given, tuple) else dict(given)
        role = StageRole(said["role"])
        stage = Stage(
            board_id=board.id,
            name=said["name"],
            position=position,
            role=role,
            folded=said.get("folded", role.is_closed),
            wip_limit=said.get("wip_limit"),
        )
        db.session.add(stage)
        db.session.flush()
        applies = said.get("applies_on_entry", role is StageRole.APPROVED and not said.get("allows_apply", False))
        if applies or said.get("allows_apply", False):
            db.session.add(
                StageRule(stage_id=stage.id, applies_on_entry=applies, allows_apply=said.get("allows_apply", False))
            )
        for person, kind in approvers.get(stage.name, ()):
            db.session.add(StageApprover(stage_id=stage.id, person_id=person.id, kind=kind))
    made = EcoType(
        board=board,
        name=name,
        signing=signing,
        separation_of_duties=separation_of_duties,
        first_release=first_release,
    )
    db.session.add(made)
    db.session.flush()
    return made


DIALOG = "plm/_dialog.html"
MEANINGS = {
    Meaning.APPROVAL: lazy("Approver: I have reviewed it and agree"),
    Meaning.REVIEW: lazy("Reviewer: I have checked it"),
    Meaning.RESPONSIBILITY: lazy("Responsible: I answer for the consequences"),
}
PRODUCT_IMPROVEMENT = "improvement"
NEW_PRODUCT = "new-product"


def make_default_types(
    *, approver: Person, optional: Sequence[Person] = (), by: Person | None = None
) -> tuple[EcoType, EcoType]:
    """The two types an installation starts with: *Product improvement*, signed, and *New product*, light."""
    improvement = make_eco_type(
        _("Product improvement"),
        [
            (_("New"), StageRole.NEW),
            (_("In progress"), StageRole.OPEN),
            (_("Review"), StageRole.REVIEW),
            (_("Approved"), StageRole.APPROVED),
            (_("Done"), StageRole.DONE),
        ],
        {
            _("Approved"): [
                (approver, ApproverKind.REQUIRED),
                *((person, ApproverKind.OPTIONAL) for person in optional),
            ]
        },
        slug=PRODUCT_IMPROVEMENT,
        by=by,
    )
    new_product = make_eco_type(
        _("New product"),
        [
            (_("Draft"), StageRole.OPEN),
            (_("Review"), StageRole.REVIEW),
            (_("Released"), StageRole.APPROVED),
            (_("Done"), StageRole.DONE),
        ],
        {_("Released"): [(approver, ApproverKind.REQUIRED)]},
        slug=NEW_PRODUCT,
        signing=Signing.LIGHT,
        first_release=True,
        by=by,
    )
    return improvement, new_product


def open_first_release(product: Product, *, by: Person, title: str | None = None) -> Eco:
    """The change under which a product gets its first BoM (by hand or by import)."""
    kind = db.session.scalars(
        select(EcoType).where(EcoType.first_release, EcoType.archived_at.is_(None)).order_by(EcoType.id).limit(1)
    ).first()
    if kind is None:
        raise Refused(_("There is no type of change for new products yet. An administrator makes one."))
    return open_eco(
        title=title or _("First release of %(product)s", product=product.name), type=kind, product=product, by=by
    )


def sign_context(
    case: Case,
    step: Step,
    *,
    by: Person,
    before: int | None = None,
    after: int | None = None,
    approve: bool = True,
    moves: bool = True,
) -> dict[str, Any]:
    """What the sign-off dialog shows and sends back. `moves`: the card enters `step` with it."""
    return {
        "eco": case.eco,
        "sheet": case.sheet,
        "gate": step,
        "at": now(),
        "approve": approve,
        "moves": moves,
        "applies": moves and step.applies_on_entry,
        "may_sign_only": False,
        "needs_password": approve and case.eco.type.signing is Signing.SIGNED,
        "meanings": MEANINGS,
        "impact": [answer for part in case.sheet.parts for answer in impact_of(part.revision)],
        "before": before,
        "after": after,
        "signer": by,
    }


# Inside


def _may_enter(case: Case, to: Stage) -> Step | None:
    """The step of `to` if the card may be asked to go forward into it, None on the way back; Refused when never."""
    eco, path = case.eco, case.path
    step = path.step(to.id)
    if step is None:
        raise Refused(_("This stage is on another board."))
    if eco.cancelled_at is not None:
        raise Conflict(_("%(number)s was cancelled.", number=eco.number), code="CANCELLED")
    forward = path.index(to.id) > path.index(eco.stage_id)
    if eco.applied_at is not None and not forward:
        raise Refused(
            _("%(number)s is in force and does not go back. To undo it, raise a new change.", number=eco.number),
            code="IN_FORCE",
        )
    return step if forward else None


def _could_approve(case: Case, step: Step, by: Person) -> bool:
    """Whether a signature of `by` would open the gate; NotAllowed when they wrote what they would approve."""
    signing.must_be_able_to_approve(case, step if step.approver(by.id) else signing.gate_for(case, by), by=by)
    return True


def _only_signatures(missing: Sequence[Missing], by: Person) -> bool:
    return all(gate.person_id is not None for gate in missing) and any(gate.person_id == by.id for gate in missing)


def _is_asked(case: Case, by: Person) -> bool:
    return any(step.approver(by.id) for step in case.path.asked_in(case.eco.stage_id))


def _enter(case: Case, to: Stage, *, before: int | None, after: int | None, by: Person) -> None:
    """Put the card into `to` and do what the stage does. Everything was checked."""
    eco, path = case.eco, case.path
    step = path.step(to.id)
    back = path.index(to.id) < path.index(eco.stage_id)
    if back:
        signing.void_beyond(case, path.index(to.id), _("The card was moved back"))
    db.session.flush()
    place(eco, to=to, before=before, after=after, by=by)
    if step is not None and step.applies_on_entry and eco.applied_at is None:
        _apply(case, by=by)
    elif not back:
        signing.ask(_reread(case), by=by)


def _apply(case: Case, *, by: Person) -> None:
    eco = case.eco
    revisions.activate_all(case.sheet.drafts, eco=eco, by=by)
    eco.applied_at = current_transaction().at
    db.session.flush()
    log(
        eco,
        "applied",
        {
            "revision": ", ".join(
                f"{part.revision.bom.product.name} {part.revision.label}" for part in case.sheet.parts
            ),
            "fingerprint": case.sheet.fingerprint,
        },
        by=by,
    )


def _entered(eco_id: int, *, by: Person) -> None:
    signing.ask(open_case(eco_id), by=by)


def _reread(case: Case) -> Case:
    """The same case after the card moved."""
    db.session.refresh(case.eco, ["stage_id", "stage"])
    return Case(case.eco, case.path, case.sheet)


def _refused(eco: Eco, to: Stage, missing: Sequence[Missing]) -> Refused:
    code = next((gate.code for gate in missing if gate.code), None)
    return Refused(
        _("%(number)s cannot go to “%(stage)s” yet.", number=eco.number, stage=to.name),
        reasons=list(dict.fromkeys(gate.sentence for gate in missing)),
        code=code,
    )


def _slot_of(product: Product | None) -> Bom | None:
    if product is None:
        return None
    wanted = select(Bom).where(Bom.product_id == product.id).order_by(Bom.sequence, Bom.id).limit(1)
    return db.session.scalars(wanted).unique().first()


def _must_suit(kind: EcoType, bom: Bom) -> None:
    if kind.first_release and bom.active_revision_id is not None:
        raise Refused(
            _(
                "%(product)s has a bill of materials already: a change of the type “%(type)s” cannot alter it.",
                product=bom.product.name,
                type=kind.name,
            )
        )


def _is_author(eco: Eco, person: Person) -> None:
    if db.session.get(EcoEditor, (eco.id, person.id)) is None:
        db.session.add(EcoEditor(eco_id=eco.id, person_id=person.id))
        db.session.flush()
