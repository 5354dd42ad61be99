"""What stands between a change and its next stage: the path of stages, the sheet that is signed, and what is missing.

A stage's approvers are the gate into it. They are asked when the card enters the stage before it, and what they sign is
the sheet: everything that all revisions of the change say, under one hash.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from app.bom import queries as boms
from app.bom import revisions
from app.bom.compare import Change, compare
from app.bom.content import Content
from app.bom.models import BomRevision, RevisionState
from app.catalog.models import Product
from app.foundation.db import db
from app.foundation.language import _
from app.people.models import Person
from app.plm.models import Approval, ApproverKind, Eco, StageApprover, StageRule, Verdict
from app.traits.board.models import Stage, StageRole

LONGEST_PACKED = 40_000

# The path


@dataclass(frozen=True)
class Step:
    """A stage of a type's board, with what entering it does and who is asked before."""

    stage: Stage
    applies_on_entry: bool
    allows_apply: bool
    approvers: tuple[StageApprover, ...]

    @property
    def required(self) -> tuple[StageApprover, ...]:
        return tuple(a for a in self.approvers if a.kind is ApproverKind.REQUIRED)

    def approver(self, person_id: int) -> StageApprover | None:
        return next((a for a in self.approvers if a.person_id == person_id), None)


@dataclass(frozen=True)
class Path:
    """All stages of one board in order."""

    steps: tuple[Step, ...]

    def index(self, stage_id: int | None) -> int:
        """Where the stage stands; before the first one when it is not on this board."""
        return next((i for i, step in enumerate(self.steps) if step.stage.id == stage_id), -1)

    def step(self, stage_id: int | None) -> Step | None:
        found = self.index(stage_id)
        return self.steps[found] if found >= 0 else None

    def asks_in(self, stage_id: int | None) -> bool:
        """Whether entering this stage asks somebody: the next stage has approvers."""
        following = self.index(stage_id) + 1
        return 0 < following < len(self.steps) and bool(self.steps[following].approvers)

    def asked_in(self, stage_id: int | None) -> tuple[Step, ...]:
        """The gates that can be signed while a card is in this stage: the next one, and those passed before."""
        if not self.asks_in(stage_id):
            return tuple(step for step in self.up_to(stage_id) if step.approvers)
        return tuple(step for step in self.steps[: self.index(stage_id) + 2] if step.approvers)

    def up_to(self, stage_id: int | None) -> tuple[Step, ...]:
        return self.steps[: self.index(stage_id) + 1]

    def crossed(self, from_id: int | None, to_id: int) -> tuple[Step, ...]:
        """The steps whose gates a card passes on its way, the one it enters last; none on the way back."""
        return self.steps[self.index(from_id) + 1 : self.index(to_id) + 1]

    def beyond(self, stage_id: int) -> tuple[Step, ...]:
        return self.steps[self.index(stage_id) + 1 :]

    def first(self, *roles: StageRole) -> Step | None:
        return next((step for step in self.steps if step.stage.role in roles), None)

    def open_before(self, stage_id: int | None) -> Step | None:
        """Where a card goes back to be worked on."""
        earlier = self.steps[: max(self.index(stage_id), 0)]
        worked = [step for step in earlier if step.stage.role is StageRole.OPEN]
        return worked[-1] if worked else (earlier[0] if earlier else None)

    @property
    def unguarded(self) -> tuple[Step, ...]:
        """Stages that change what is built although nobody has to say yes."""
        return tuple(s for s in self.steps if (s.applies_on_entry or s.allows_apply) and not self._guarded(s))

    def _guarded(self, step: Step) -> bool:
        return any(s.required for s in self.steps[: self.index(step.stage.id) + 1])


def path_of(board_id: int) -> Path:
    """Stages, rules and approvers of a board, in one statement."""
    rows = db.session.execute(
        select(Stage, StageRule, StageApprover)
        .outerjoin(StageRule, StageRule.stage_id == Stage.id)
        .outerjoin(StageApprover, StageApprover.stage_id == Stage.id)
        .where(Stage.board_id == board_id, Stage.archived_at.is_(None))
        .options(joinedload(StageApprover.person, innerjoin=False).lazyload(Person.role_rows))
        .order_by(Stage.position, Stage.id, StageApprover.id)
    )
    found: dict[int, tuple[Stage, StageRule | None, list[StageApprover]]] = {}
    for stage, rule, approver in rows.unique():
        _stage, _rule, approvers = found.setdefault(stage.id, (stage, rule, []))
        if approver is not None:
            approvers.append(approver)
    order = list(ApproverKind)
    return Path(
        tuple(
            Step(
                stage,
                applies_on_entry=rule is not None and rule.applies_on_entry,
                allows_apply=rule is not None and rule.allows_apply,
                approvers=tuple(sorted(approvers, key=lambda a: (order.index(a.kind), a.id))),
            )
            for stage, rule, approvers in found.values()
        )
    )


# The sheet


@dataclass(frozen=True)
class Part:
    """One revision of the change: what it was copied from, what it says, what is different."""

    revision: BomRevision
    base_revision: BomRevision | None
    base: Content | None
    content: Content

    @cached_property
    def changes(self) -> list[Change]:
        return compare(self.base, self.content)

    @property
    def base_moved(self) -> bool:
        """Whether another revision has become current since this draft was copied."""
        return self.revision.is_draft and revisions.base_moved(self.revision)

    def changes_of(self, *what: str) -> list[Change]:
        return [change for change in self.changes if change.what in what]


@dataclass(frozen=True)
class Sheet:
    """Everything a signature is about."""

    number: str
    parts: tuple[Part, ...]
    contents: Mapping[int, Content] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        """Bound to this change, to each revision, to what it was copied from and to what it says."""
        said = [
            self.number,
            sorted(
                [p.revision.bom_id, p.revision.number, p.revision.based_on_id, p.content.content_hash]
                for p in self.parts
            ),
        ]
        return "v1:" + hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """The first eight digits in two groups, for people to compare."""
        return fingerprint(self.content_hash)

    @property
    def labels(self) -> str:
        """The revisions as people say them: V2, or "V2 and 3 more"."""
        if not self.parts:
            return ""
        first = self.parts[0].revision.label
        return (
            first if len(self.parts) == 1 else _("%(first)s and %(more)s more", first=first, more=len(self.parts) - 1)
        )

    @property
    def drafts(self) -> tuple[BomRevision, ...]:
        return tuple(part.revision for part in self.parts if part.revision.is_draft)

    @property
    def base_moved(self) -> bool:
        return any(part.base_moved for part in self.parts)

    def part(self, revision_id: int) -> Part | None:
        return next((part for part in self.parts if part.revision.id == revision_id), None)

    def as_seen(self) -> dict[str, Any]:
        """What is on the sheet as plain data, small: per revision only what differs from its base."""
        return {
            "hash": self.content_hash,
            "revisions": [
                {
                    "id": part.revision.id,
                    "label": part.revision.label,
                    "product": part.revision.bom.product.ref,
                    "based_on": part.revision.based_on_id,
                    "hash": part.content.content_hash,
                    "changes": [[c.kind, c.what, c.uid, c.before, c.after] for c in part.changes],
                }
                for part in self.parts
            ],
        }

    def since(self, seen: Mapping[str, Any]) -> list[tuple[Part, list[Change]]]:
        """What is different now from what was seen then; where the base has changed, the whole redline."""
        found = []
        for part in self.parts:
            changes = part.changes
            with suppress(KeyError, TypeError, ValueError, IndexError):  # it came back from a browser
                row = next((row for row in seen["revisions"] if row["id"] == part.revision.id), None)
                if row is not None:
                    base = part.base
                    if row["based_on"] != part.revision.based_on_id:  # rebased since
                        base = _content_in(row["based_on"], part.revision.bom_id)
                    changes = compare(_rebuilt(base, row["changes"]), part.content)
            if changes:
                found.append((part, changes))
        return found

    def packed(self) -> str:
        """`as_seen()` for a hidden field; empty when it would be too long to carry."""
        said = json.dumps(self.as_seen(), separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(zlib.compress(said, 9)).decode()
        return text if len(text) <= LONGEST_PACKED else ""


def sheet_of(eco: Eco) -> Sheet:
    """The sheet as it is now. Abandoned revisions are not on it, unless the whole change was cancelled."""
    own = select(BomRevision).where(BomRevision.eco_id == eco.id)
    if eco.cancelled_at is None:
        own = own.where(BomRevision.state != RevisionState.ABANDONED)
    ids = own.with_only_columns(BomRevision.id)
    bases = own.with_only_columns(BomRevision.based_on_id).where(BomRevision.based_on_id.is_not(None))
    wanted = (
        select(BomRevision)
        .where(or_(BomRevision.id.in_(ids), BomRevision.id.in_(bases)))
        .order_by(BomRevision.bom_id, BomRevision.number)
        .execution_options(populate_existing=True)
    )
    read = {revision.id: revision for revision in db.session.scalars(wanted).unique()}
    if not read:
        return Sheet(eco.number, ())
    contents = boms.contents(read, known=read)
    parts = []
    for revision in read.values():
        if revision.eco_id != eco.id or (revision.state is RevisionState.ABANDONED and eco.cancelled_at is None):
            continue
        base = read.get(revision.based_on_id) if revision.based_on_id is not None else None
        parts.append(Part(revision, base, contents[base.id] if base else None, contents[revision.id]))
    return Sheet(eco.number, tuple(parts), contents)


def unpacked(text: str) -> dict[str, Any]:
    """What `packed()` made, or nothing when it is not ours: it only ever shows somebody what they saw themselves."""
    with suppress(ValueError, zlib.error):
        unzip = zlib.decompressobj()
        said = json.loads(unzip.decompress(base64.urlsafe_b64decode(text[:LONGEST_PACKED].encode()), 2_000_000))
        if isinstance(said, dict):
            return said
    return {}


def names_in(changes: Iterable[Change]) -> dict[str, str]:
    """Reference to name of the components that changes speak of."""
    rows = [row for change in changes if change.what == "line" for row in (change.before, change.after) if row]
    refs = {row["component"] for row in rows}
    if not refs:
        return {}
    named = select(Product.ref, Product.name).where(Product.ref.in_(refs))
    return dict(db.session.execute(named).all())


def fingerprint(content_hash: str) -> str:
    digits = content_hash.rpartition(":")[2]
    return f"{digits[:4]} {digits[4:8]}"


def _content_in(revision_id: int | None, bom_id: int) -> Content | None:
    """What a revision of this slot says; a ValueError for one of another slot."""
    if revision_id is None:
        return None
    if db.session.scalar(select(BomRevision.bom_id).where(BomRevision.id == int(revision_id))) != bom_id:
        raise ValueError("This revision is of another slot.")
    return boms.contents([revision_id])[revision_id]


def _rebuilt(base: Content | None, changes: Iterable[Sequence[Any]]) -> Content:
    """The content that was seen: its base with the changes that were shown."""
    said = (base or Content()).to_dict()
    rows = {"line": "lines", "operation": "operations", "document": "documents"}
    for kind, what, uid, _before, after in changes:
        if what == "header":
            said.update(after)
            continue
        kept = [row for row in said[rows[what]] if row["uid"] != uid]
        said[rows[what]] = kept if kind == "remove" else [*kept, after]
    return Content.from_dict(said)


# What is missing


@dataclass(frozen=True)
class Said:
    """One approver of a gate and the last thing they said; `is_stale` when it was void or about something else."""

    approver: StageApprover
    approval: Approval | None
    is_stale: bool

    @property
    def has_approved(self) -> bool:
        return self.approval is not None and self.approval.verdict is Verdict.APPROVED and not self.is_stale

    @property
    def has_rejected(self) -> bool:
        return self.approval is not None and self.approval.verdict is Verdict.REJECTED

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still hoped for."""
        return self.approver.kind is not ApproverKind.COMMENT and not self.has_approved and not self.has_rejected


def said_at(step: Step, approvals: Sequence[Approval], content_hash: str) -> tuple[Said, ...]:
    """Each approver of the gate with the last word that counts, else the last voided one, to show why it does not."""
    found = []
    for approver in step.approvers:
        theirs = [a for a in approvals if a.stage_id == step.stage.id and a.person_id == approver.person_id]
        valid = [a for a in theirs if a.is_valid and a.verdict is not Verdict.COMMENT]
        comments = [a for a in theirs if a.is_valid]
        words = valid or comments or theirs
        last = words[-1] if words else None
        stale = last is not None and last.verdict is not Verdict.COMMENT
        found.append(Said(approver, last, stale and _is_past(last, content_hash)))
    return tuple(found)


def _is_past(approval: Approval | None, content_hash: str) -> bool:
    return approval is not None and (not approval.is_valid or approval.content_hash != content_hash)


@dataclass(frozen=True)
class Missing:
    """One closed gate, as a sentence; `person_id` when it is somebody's signature."""

    sentence: str
    person_id: int | None = None
    code: str | None = None


def missing_signatures(step: Step, approvals: Sequence[Approval], sheet: Sheet) -> list[Missing]:
    """The required approvers who have not approved exactly this."""
    found = []
    for said in said_at(step, approvals, sheet.content_hash):
        if said.approver.kind is not ApproverKind.REQUIRED or said.has_approved:
            continue
        name = said.approver.person.name
        if said.is_stale and said.approval is not None and said.approval.verdict is Verdict.APPROVED:
            sentence = _("%(name)s approved an older content and has to look again.", name=name)
        else:
            sentence = _("%(name)s has not approved it.", name=name)
        found.append(Missing(sentence, person_id=said.approver.person_id))
    return found


def missing_to_enter(eco: Eco, path: Path, to: Stage, sheet: Sheet) -> list[Missing]:
    """Every closed gate between where the card is and `to`; empty when it may go in."""
    found: list[Missing] = []
    crossed = path.crossed(eco.stage_id, to.id)
    last = crossed[-1] if crossed else None
    if not eco.is_open or last is None:
        return found
    found += [
        Missing(_("It takes effect in “%(stage)s”: move it there first.", stage=step.stage.name))
        for step in crossed[:-1]
        if step.applies_on_entry
    ]
    asks = path.asks_in(to.id)
    if not sheet.drafts and (asks or last.applies_on_entry or last.stage.is_closed or any(s.required for s in crossed)):
        found.append(Missing(_("No revision was started, so there is nothing to decide about.")))
    elif last.stage.is_closed and not last.applies_on_entry and not any(s.applies_on_entry for s in crossed[:-1]):
        found.append(Missing(_("It is not in force yet. Apply it first, or cancel it.")))
    if sheet.drafts:
        # what becomes current is signed at every gate on the way, not only at the last one
        for step in path.up_to(to.id) if last.applies_on_entry else crossed:
            found += missing_signatures(step, eco.approvals, sheet)
    if last.applies_on_entry:
        found += missing_to_apply(eco, sheet)
    return found


def missing_to_apply(eco: Eco, sheet: Sheet) -> list[Missing]:
    """What keeps the revisions themselves from becoming current, signatures aside."""
    found: list[Missing] = []
    if eco.blocked_reason:
        found.append(Missing(_("It is blocked: %(reason)s", reason=eco.blocked_reason)))
    for part in sheet.parts:
        if not part.revision.is_draft:
            continue
        found += [Missing(gate.sentence, code=gate.code) for gate in revisions.failed_gates(part.revision)]
        if eco.type.first_release and part.revision.bom.active_revision_id is not None:
            found.append(
                Missing(
                    _(
                        "%(product)s has a bill of materials already: a change of the type “%(type)s” cannot alter it.",
                        product=part.revision.bom.product.name,
                        type=eco.type.name,
                    )
                )
            )
    return found
