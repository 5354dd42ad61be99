"""What the pages about changes show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import joinedload, lazyload, selectinload

from app.bom.models import Bom, BomRevision, RevisionState
from app.catalog.models import Product
from app.foundation.db import db
from app.foundation.errors import NotFound
from app.foundation.language import _, day
from app.people.models import Person
from app.plm.gates import Path, Said, Sheet, Step, missing_to_enter, path_of, said_at, sheet_of
from app.plm.models import Approval, ApproverKind, Eco, EcoType, Signing, StageApprover, Verdict
from app.traits.board.models import Board, Stage
from app.traits.board.registry import Pill
from app.traits.impact import Impact, impact_of
from app.traits.record import Record, record_url
from app.traits.work import WorkItem

# One change


def eco_by_number(number: str) -> Eco:
    """The change with everything its page shows but what its revisions say."""
    rows = db.session.scalars(
        select(Eco)
        .where(Eco.number == number)
        .options(
            # without what they join themselves: SQLite would read those tables whole, for each change
            joinedload(Eco.type).lazyload(EcoType.board),
            joinedload(Eco.product).lazyload(Product.uom),
            joinedload(Eco.responsible).lazyload(Person.role_rows),
            joinedload(Eco.created_by).lazyload(Person.role_rows),
            joinedload(Eco.editors),
            selectinload(Eco.approvals).joinedload(Approval.person).lazyload(Person.role_rows),
        )
    )
    found = rows.unique().one_or_none()
    if found is None:
        raise NotFound("")
    return found


@dataclass(frozen=True)
class Gate:
    """A stage's approvers with what they said, for the region *Approvals*."""

    step: Step
    said: tuple[Said, ...]

    @property
    def needed(self) -> int:
        return len(self.step.required)

    @property
    def given(self) -> int:
        return sum(s.has_approved for s in self.said if s.approver.kind is ApproverKind.REQUIRED)


@dataclass(frozen=True)
class Dossier:
    """A change as one reader sees it."""

    eco: Eco
    path: Path
    sheet: Sheet
    reader: Person

    @cached_property
    def gates(self) -> list[Gate]:
        """Every gate of the type, in order."""
        return [
            Gate(step, said_at(step, self.eco.approvals, self.sheet.content_hash))
            for step in self.path.steps
            if step.approvers
        ]

    @property
    def step(self) -> Step | None:
        return self.path.step(self.eco.stage_id)

    @property
    def open_gates(self) -> tuple[Step, ...]:
        """The gates that may be signed now."""
        return self.path.asked_in(self.eco.stage_id) if self.eco.is_open and self.sheet.parts else ()

    def is_asked(self, gate: Gate) -> bool:
        return any(step.stage.id == gate.step.stage.id for step in self.open_gates)

    @property
    def mine(self) -> Said | None:
        """What the reader is asked now: the first gate that waits for them, else the last that they may still sign."""
        theirs = [
            said
            for gate in self.gates
            if self.is_asked(gate)
            for said in gate.said
            if said.approver.person_id == self.reader.id
        ]
        return next((said for said in theirs if not said.has_approved), theirs[-1] if theirs else None)

    @property
    def may_approve(self) -> bool:
        mine = self.mine
        return (
            mine is not None
            and mine.approver.kind is not ApproverKind.COMMENT
            and not mine.has_approved
            and not self.sheet.base_moved
            and not self.is_own_work
        )

    @property
    def may_reject(self) -> bool:
        mine = self.mine
        return mine is not None and mine.approver.kind is not ApproverKind.COMMENT and not mine.has_rejected

    @property
    def is_own_work(self) -> bool:
        """Whether the reader would approve what they wrote, where the type does not allow that."""
        return self.eco.type.separation_of_duties and self.reader.id in self.eco.author_ids()

    @property
    def may_apply_here(self) -> bool:
        """Whether *Apply changes* belongs on the page: the stage allows it, and entering it did not do it."""
        step = self.step
        return self.eco.is_open and step is not None and step.allows_apply and not step.applies_on_entry

    @property
    def applies_next(self) -> Step | None:
        """The next stage, if entering it makes the revisions current."""
        following = self.path.beyond(self.eco.stage_id) if self.eco.stage_id is not None else ()
        return following[0] if following and following[0].applies_on_entry and self.eco.is_open else None

    @property
    def last_word(self) -> Step | None:
        """The stage that can be entered with nothing but the reader's signature: signing and applying are one then."""
        to = self.applies_next
        if to is None or not self.may_approve:
            return None
        missing = missing_to_enter(self.eco, self.path, to.stage, self.sheet)
        return to if missing and all(gate.person_id == self.reader.id for gate in missing) else None

    @property
    def is_signed(self) -> bool:
        return self.eco.type.signing is Signing.SIGNED


def dossier_of(eco: Eco, reader: Person) -> Dossier:
    return Dossier(eco, path_of(eco.type.board_id), sheet_of(eco), reader)


# Types


def eco_types() -> list[EcoType]:
    """The types in use, oldest first."""
    return list(
        db.session.scalars(
            select(EcoType).join(Board).where(EcoType.archived_at.is_(None)).order_by(EcoType.id)
        ).unique()
    )


def type_of_board(board_id: int) -> EcoType | None:
    return db.session.scalars(select(EcoType).where(EcoType.board_id == board_id)).unique().one_or_none()


def type_by_id(type_id: int) -> EcoType:
    return db.session.get_one(EcoType, type_id)


@dataclass(frozen=True)
class TypeCard:
    """A type on the overview: its stages with their rules, and how many changes are where."""

    type: EcoType
    path: Path
    open: int
    waits_for_me: int
    asked: int
    to_apply: int


def type_cards(reader: Person) -> list[TypeCard]:
    """Every type in use, for the page about types."""
    mine = Counter(waiting.eco.type_id for waiting in waiting_for(reader))
    counts = {
        (type_id, stage_id): count
        for type_id, stage_id, count in db.session.execute(
            select(Eco.type_id, Eco.stage_id, func.count())
            .where(Eco.applied_at.is_(None), Eco.cancelled_at.is_(None))
            .group_by(Eco.type_id, Eco.stage_id)
        )
    }
    following, needed, given = _signatures()
    signed = Counter(
        db.session.scalars(
            select(Eco.type_id)
            .join(following, following.c.id == Eco.stage_id)
            .where(Eco.applied_at.is_(None), Eco.cancelled_at.is_(None), needed > 0, given >= needed)
        )
    )
    cards = []
    for kind in eco_types():
        path = path_of(kind.board_id)
        here = {step.stage.id: counts.get((kind.id, step.stage.id), 0) for step in path.steps}
        asked = sum(n for stage_id, n in here.items() if path.asks_in(stage_id))
        cards.append(TypeCard(kind, path, sum(here.values()), mine[kind.id], asked, signed[kind.id]))
    return cards


def is_signed(eco: Eco) -> bool:
    """Whether a signature on this change takes the password."""
    return eco.type.signing is Signing.SIGNED


def impact(sheet: Sheet) -> list[Impact]:
    """Who feels it: every room's answer about every revision of the change."""
    return [answer for part in sheet.parts for answer in impact_of(part.revision)]


# Who is asked


@dataclass(frozen=True)
class Waiting:
    """One signature that is hoped for."""

    eco: Eco
    step_name: str
    kind: ApproverKind


def waiting_for(person: Person) -> list[Waiting]:
    """The changes that `person` is asked to approve now, longest waiting first."""
    named = (
        select(StageApprover, Stage)
        .join(Stage, Stage.id == StageApprover.stage_id)
        .where(StageApprover.person_id == person.id, StageApprover.kind != ApproverKind.COMMENT)
        .options(lazyload(StageApprover.person))
    )
    asked = {stage.id: (stage, approver) for approver, stage in db.session.execute(named)}
    if not asked:
        return []
    before = _stages_before(list(asked))
    answered = (
        select(Approval.id)
        .where(
            Approval.eco_id == Eco.id,
            Approval.person_id == person.id,
            Approval.voided_at.is_(None),
            Approval.verdict != Verdict.COMMENT,
        )
        .correlate(Eco)
    )
    found: list[Waiting] = []
    for gate_id, asking_id in before.items():
        stage, approver = asked[gate_id]
        rows = db.session.scalars(
            select(Eco)
            .where(
                Eco.stage_id == asking_id,
                Eco.applied_at.is_(None),
                Eco.cancelled_at.is_(None),
                ~answered.where(Approval.stage_id == gate_id).exists(),
            )
            .options(joinedload(Eco.product).lazyload(Product.uom))
        ).unique()
        found += [Waiting(eco, stage.name, approver.kind) for eco in rows]
    return sorted(found, key=lambda waiting: (waiting.eco.entered_stage_at, waiting.eco.id))


def to_sign(person: Person) -> list[WorkItem]:
    """The same for My work."""
    return [
        WorkItem(
            title=waiting.eco.title,
            url=record_url(waiting.eco),
            note=" · ".join(
                part for part in (waiting.eco.number, waiting.eco.product.name if waiting.eco.product else "") if part
            ),
            due=_("since %(day)s", day=day(waiting.eco.entered_stage_at)),
            pill=_("required") if waiting.kind is ApproverKind.REQUIRED else _("optional"),
            pill_kind="warn" if waiting.kind is ApproverKind.REQUIRED else "line",
            pill_icon="clock" if waiting.kind is ApproverKind.REQUIRED else "",
        )
        for waiting in waiting_for(person)
    ]


def _stages_before(stage_ids: Sequence[int]) -> dict[int, int]:
    """For each stage the id of the one before it on its board."""
    boards = select(Stage.board_id).where(Stage.id.in_(stage_ids))
    rows = db.session.execute(
        select(Stage.id, Stage.board_id)
        .where(Stage.board_id.in_(boards), Stage.archived_at.is_(None))
        .order_by(Stage.board_id, Stage.position, Stage.id)
    ).all()
    pairs = pairwise(rows)
    return {this.id: last.id for last, this in pairs if last.board_id == this.board_id and this.id in stage_ids}


# Choosing


def products_to_change() -> list[Product]:
    """What a change may be about, by name."""
    wanted = select(Product).where(Product.archived_at.is_(None)).order_by(func.lower(Product.name), Product.ref)
    return list(db.session.scalars(wanted).unique())


def engineers() -> list[Person]:
    """Who may be responsible for a change."""
    from app.people.models import PersonRole, Role

    wanted = (
        select(Person)
        .join(PersonRole)
        .where(PersonRole.role == Role.ENGINEER, Person.is_active, Person.archived_at.is_(None))
        .options(lazyload(Person.role_rows))
        .order_by(Person.name)
    )
    return list(db.session.scalars(wanted).unique())


def record_by_number(number: str) -> Record | None:
    return db.session.scalars(select(Record).where(Record.number == number)).one_or_none()


def product_by_ref(ref: str) -> Product | None:
    return db.session.scalars(select(Product).where(Product.ref == ref)).unique().one_or_none()


# On the board


def pills(ids: Sequence[int]) -> Mapping[int, Sequence[Pill]]:
    """Where a card stands, in one statement: in force, conflict, how many have signed."""
    following, needed, given = _signatures()
    moved = (
        select(BomRevision.id)
        .join(Bom, Bom.id == BomRevision.bom_id)
        .where(
            BomRevision.eco_id == Eco.id,
            BomRevision.state == RevisionState.DRAFT,
            func.coalesce(BomRevision.based_on_id, 0) != func.coalesce(Bom.active_revision_id, 0),
        )
        .correlate(Eco)
        .exists()
    )
    eco, record = Eco.__table__, Record.__table__
    rows = db.session.execute(
        select(eco.c.id, eco.c.applied_at, eco.c.cancelled_at, needed, given, moved)
        .join(record, record.c.id == eco.c.id)
        .outerjoin(following, following.c.id == record.c.stage_id)
        .where(eco.c.id.in_(ids))
    )
    found: dict[int, list[Pill]] = {}
    for id_, applied, cancelled, of, signed, conflict in rows:
        words = found.setdefault(id_, [])
        if cancelled is not None:
            words.append(Pill(_("cancelled"), "line"))
        elif applied is not None:
            words.append(Pill(_("in force"), "ok", "check"))
        else:
            if conflict:
                words.append(Pill(_("conflict"), "warn", "merge"))
            if of:
                words.append(Pill(_("%(n)s of %(of)s", n=signed, of=of), "ok" if signed >= of else "", "sign"))
    return found


def _signatures() -> tuple[Any, Any, Any]:
    """For SQL: each stage with the gate after it, how many have to sign that gate, and how many have, per change."""
    following = (
        select(
            Stage.id,
            func.lead(Stage.id).over(partition_by=Stage.board_id, order_by=(Stage.position, Stage.id)).label("gate"),
        )
        .where(Stage.archived_at.is_(None))
        .subquery()
    )
    needed = (
        select(func.count())
        .where(StageApprover.stage_id == following.c.gate, StageApprover.kind == ApproverKind.REQUIRED)
        .correlate(following)
        .scalar_subquery()
    )
    given = (
        select(func.count(Approval.id))
        .join(
            StageApprover,
            and_(StageApprover.stage_id == Approval.stage_id, StageApprover.person_id == Approval.person_id),
        )
        .where(
            Approval.eco_id == Eco.id,
            Approval.stage_id == following.c.gate,
            Approval.verdict == Verdict.APPROVED,
            Approval.voided_at.is_(None),
            StageApprover.kind == ApproverKind.REQUIRED,
        )
        .correlate(following, Eco)
        .scalar_subquery()
    )
    return following, needed, given
