"""The BoM versioning service: start a revision, activate it, and tell which one is effective when.

The truth about which revision was current when is the append-only `activation` table; where one interval ends is where
the next begins. `bom.active_revision_id` is the guard: it only moves by compare-and-swap, so of two activations that
start from the same base exactly one wins. Slots are locked in ascending id before anything else.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from app.bom import queries
from app.bom.content import Content
from app.bom.costing import cost_of
from app.bom.explosion import Cycle, find_cycle
from app.bom.models import (
    DEFAULT_CODE,
    Activation,
    ActivationCancellation,
    ActivationKind,
    Bom,
    BomDocument,
    BomKind,
    BomLine,
    BomOperation,
    BomRevision,
    RevisionRollup,
    RevisionState,
)
from app.catalog.models import Product
from app.foundation.audit import audited_dml
from app.foundation.clock import now
from app.foundation.db import db, in_transaction, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import RevisionActivated, RevisionStarted
from app.foundation.outbox import Claimed, timer
from app.foundation.permissions import authorize
from app.people.models import Person
from app.traits.record import Record

BASE_MOVED = "BASE_MOVED"


# Beginning ----------------------------------------------------------------------------------------------------------


def new_bom(product: Product, *, eco: Record, by: Person | None, code: str = DEFAULT_CODE) -> BomRevision:
    """The slot of a product that has none yet, with an empty first draft under `eco`. Again: the same draft."""
    authorize(by, "bom.edit")
    lock(Product, product.id)  # two at once would both find no slot
    bom = db.session.scalar(select(Bom).where(Bom.product_id == product.id, Bom.code == code))
    if bom is None:
        bom = Bom(product=product, code=code, last_number=0)
        db.session.add(bom)
        db.session.flush()
    return start_revision(bom, eco=eco, by=by)


def start_revision(bom: Bom, *, eco: Record, by: Person | None) -> BomRevision:
    """The draft of `eco` for this slot: an exact copy of the current revision, with the next number.

    Rows keep their uids and operation links. Asked again for the same change it answers with the same revision. Numbers
    are given once, whatever becomes of the draft.
    """
    authorize(by, "bom.edit", bom)
    bom = _locked([bom.id])[0]
    known = db.session.scalars(
        select(BomRevision)
        .where(BomRevision.bom_id == bom.id, BomRevision.eco_id == eco.id)
        .order_by(BomRevision.id.desc())
        .limit(1)
    ).first()
    if known is not None:
        return known
    _promote(bom)
    base = queries.load(bom.active_revision_id) if bom.active_revision_id is not None else None
    bom.last_number += 1
    draft = BomRevision(
        bom=bom,
        number=bom.last_number,
        state=RevisionState.DRAFT,
        based_on_id=base.id if base else None,
        eco_id=eco.id,
        output_quantity=base.output_quantity if base else 1,
        uom_id=base.uom_id if base else bom.product.uom_id,
        kind=base.kind if base else BomKind.MANUFACTURE,
        note=base.note if base else "",
        created_by_id=by.id if by else None,
        version=1,
    )
    db.session.add(draft)
    db.session.flush()
    if base is not None:
        _copy_rows(base.id, draft.id)
    publish(RevisionStarted(eco_id=eco.id, bom_id=bom.id, revision_id=draft.id, based_on_id=draft.based_on_id))
    return draft


def _copy_rows(base_id: int, draft_id: int) -> None:
    copied: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (
            BomLine,
            (
                "uid",
                "position",
                "component_id",
                "quantity",
                "uom_id",
                "scrap",
                "setup",
                "operation_uid",
                "note",
                "designators",
            ),
        ),
        (BomOperation, ("uid", "sequence", "name", "work_centre_id", "minutes", "note")),
        (BomDocument, ("uid", "name", "sha256")),
    )
    for model, columns in copied:
        rows = db.session.execute(
            select(*(getattr(model, column) for column in columns))
            .where(model.revision_id == base_id)
            .order_by(model.id)
        ).all()
        db.session.add_all(model(revision_id=draft_id, **dict(zip(columns, row, strict=True))) for row in rows)
    db.session.flush()


# Reading ------------------------------------------------------------------------------------------------------------


load = queries.load


def content(revision: BomRevision) -> Content:
    """What the revision says, as plain data."""
    return queries.contents([revision.id])[revision.id]


def effective_revision(product: Product, *, at: datetime | None = None) -> BomRevision | None:
    """The released revision that is current at a moment (now without one). Never a draft; None when there is none.

    Scheduled activations count from their date on. Inside a transaction those that have come due are carried out first.
    """
    moment = now() if at is None else at
    if in_transaction():
        promote(product)
    found = queries.effective_ids([product.id], at=moment).get(product.id)
    return queries.load(found) if found is not None else None


def effective_content(ref: str, *, at: datetime | None = None) -> Content | None:
    """The content of the effective revision of the product with this reference; None for what has no released BoM."""
    product_id = db.session.scalar(select(Product.id).where(Product.ref == ref))
    if product_id is None:
        return None
    found = queries.effective_ids([product_id], at=at).get(product_id)
    return queries.contents([found])[found] if found is not None else None


# Activating ---------------------------------------------------------------------------------------------------------


def activate(revision: BomRevision, *, eco: Record, by: Person | None, at: datetime | None = None) -> Activation:
    """Make a draft the current revision of its slot, now or at a later moment. See `activate_all`."""
    return activate_all([revision], eco=eco, by=by, at=at)[0]


def activate_all(
    revisions: Sequence[BomRevision], *, eco: Record, by: Person | None, at: datetime | None = None
) -> list[Activation]:
    """Make the drafts of one change current, all of them or none.

    Refused with every reason when a gate says no: not a draft of this change, the base has moved (`code` BASE_MOVED), a
    component that is no longer used, a cycle (with its path). A revision that is current already is left as it is. A
    moment in the future schedules: the gates run now and again when the moment has come.
    """
    at = at if at is not None and at > now() else None
    boms = {bom.id: bom for bom in _locked([revision.bom_id for revision in revisions])}
    fresh = _reloaded([revision.id for revision in revisions])
    for bom in boms.values():
        _promote(bom)
    waiting = [r for r in fresh if not (r.is_current or (r.state is RevisionState.SCHEDULED and at is not None))]
    _must_pass(waiting, boms, eco)
    for revision in waiting:
        if at is None:
            _put_in_force(revision, boms[revision.bom_id], eco_id=eco.id, by=by)
        else:
            _schedule(revision, eco_id=eco.id, by=by, at=at)
    if at is None:
        refresh_rollups([r.id for r in waiting])
    return [_last_activation(revision) for revision in fresh]


def failed_gates(revision: BomRevision) -> list[Refused]:
    """What would keep this draft from becoming current now; empty when nothing would. For pages."""
    bom = revision.bom
    together = queries.drafts_by_product(revision.eco_id) if revision.eco_id is not None else {}
    return _gates(revision, bom, {**together, bom.product_id: revision.id})


def base_moved(revision: BomRevision) -> bool:
    """Whether another change became current after this draft was started."""
    return revision.based_on_id != revision.bom.active_revision_id


def promote(product: Product) -> None:
    """Carry out scheduled activations of this product that have come due. Safe to call at any time."""
    due = _due_slots(Bom.product_id == product.id)
    for bom in _locked(due) if due else []:
        _promote(bom)


def promote_all() -> int:
    """The same for every product; the worker calls it. Returns how many slots had something due."""
    due = _due_slots()
    for bom in _locked(due) if due else []:
        _promote(bom)
    return len(due)


@timer("bom.promote", every=timedelta(minutes=1), inside=True)
def _every_minute(_payload: dict[str, Any], _job: Claimed) -> None:
    promote_all()


def abandon(eco: Record, *, by: Person | None, reason: str = "") -> list[BomRevision]:
    """The change is not going to happen: its drafts are abandoned, its scheduled revisions called off."""
    authorize(by, "bom.edit")
    found = db.session.scalars(
        select(BomRevision).where(
            BomRevision.eco_id == eco.id,
            BomRevision.state.in_((RevisionState.DRAFT, RevisionState.SCHEDULED)),
        )
    ).unique()
    ids = [revision.id for revision in found]
    if not ids:
        return []
    _locked(db.session.scalars(select(BomRevision.bom_id).where(BomRevision.id.in_(ids))).all())
    abandoned = []
    for revision in _reloaded(ids):
        if revision.state is RevisionState.SCHEDULED:
            _call_off(revision, by=by, reason=reason)
        if revision.state in (RevisionState.DRAFT, RevisionState.SCHEDULED):
            revision.state = RevisionState.ABANDONED
            abandoned.append(revision)
    db.session.flush()
    return abandoned


def _put_in_force(revision: BomRevision, bom: Bom, *, eco_id: int | None, by: Person | None) -> None:
    base_id = revision.based_on_id
    _swap(bom, base_id, revision.id)
    if base_id is not None:
        queries.load(base_id).state = RevisionState.SUPERSEDED
        # flush first: the index allows one active row, and rows are written in order of their ids
        db.session.flush()
    scheduled = revision.state is RevisionState.SCHEDULED
    if not scheduled:
        _release(revision)
    revision.state = RevisionState.ACTIVE
    db.session.flush()
    if not scheduled:
        db.session.add(_activation(revision, eco_id=eco_id, by=by, at=now(), kind=ActivationKind.RELEASE))
        db.session.flush()
    publish(
        RevisionActivated(
            product_id=bom.product_id,
            bom_id=bom.id,
            revision_id=revision.id,
            retired_id=base_id,
            eco_id=eco_id,
        )
    )


def _schedule(revision: BomRevision, *, eco_id: int | None, by: Person | None, at: datetime) -> None:
    _release(revision)
    revision.state = RevisionState.SCHEDULED
    db.session.flush()
    db.session.add(_activation(revision, eco_id=eco_id, by=by, at=at, kind=ActivationKind.SCHEDULED))
    db.session.flush()


def _release(revision: BomRevision) -> None:
    revision.content_hash = content(revision).content_hash
    revision.released_at = now()


def _activation(
    revision: BomRevision, *, eco_id: int | None, by: Person | None, at: datetime, kind: ActivationKind
) -> Activation:
    return Activation(
        bom_id=revision.bom_id,
        revision_id=revision.id,
        from_ts=at,
        eco_id=eco_id,
        actor_id=by.id if by else None,
        kind=kind,
        at=now(),
    )


def _swap(bom: Bom, base_id: int | None, new_id: int) -> None:
    """Compare and swap: only whoever still finds the base there may put something in its place."""
    pointer = Bom.active_revision_id
    met = audited_dml(
        update(Bom)
        .where(Bom.id == bom.id, pointer.is_(None) if base_id is None else pointer == base_id)
        .values(active_revision_id=new_id)
        .execution_options(synchronize_session=False),
        "bom",
        bom.id,
        {"active_revision_id": (base_id, new_id)},
    )
    if not met:
        raise _rebase_needed(bom)
    db.session.refresh(bom, ["active_revision_id"])


def _last_activation(revision: BomRevision) -> Activation:
    return db.session.scalars(
        select(Activation).where(Activation.revision_id == revision.id).order_by(Activation.id.desc()).limit(1)
    ).one()


# Gates --------------------------------------------------------------------------------------------------------------


def _must_pass(revisions: Iterable[BomRevision], boms: dict[int, Bom], eco: Record) -> None:
    waiting = list(revisions)
    together = {boms[revision.bom_id].product_id: revision.id for revision in waiting}
    failed: list[Refused] = []
    for revision in waiting:
        if revision.eco_id != eco.id:
            failed.append(
                Refused(_("%(revision)s belongs to another change.", revision=_named(revision)), code="OTHER_CHANGE")
            )
        failed += _gates(revision, boms[revision.bom_id], together)
    if failed:
        sentences = list(dict.fromkeys(gate.sentence for gate in failed))
        raise Refused(sentences[0], reasons=sentences, code=failed[0].code)


def _gates(revision: BomRevision, bom: Bom, together: dict[int, int]) -> list[Refused]:
    failed: list[Refused] = []
    if revision.state not in (RevisionState.DRAFT, RevisionState.SCHEDULED):
        return [
            Conflict(
                _(
                    "%(revision)s is %(state)s and cannot become current.",
                    revision=_named(revision),
                    state=said(revision),
                ),
                code="NOT_A_DRAFT",
            )
        ]
    if revision.based_on_id != bom.active_revision_id:
        failed.append(_rebase_needed(bom))
    lines = db.session.scalars(
        select(BomLine).where(BomLine.revision_id == revision.id).order_by(BomLine.position, BomLine.id)
    ).unique()
    components = [line.component for line in lines]
    if not components:
        failed.append(Refused(_("%(revision)s has no components yet.", revision=_named(revision)), code="EMPTY"))
    failed += [
        Refused(
            _("%(component)s is archived. Take something else in its place.", component=component.name),
            code="OBSOLETE",
        )
        for component in dict.fromkeys(components)
        if component.archived_at is not None
    ]
    path = cycle_below(bom.product.ref, instead=together)
    if path is not None:
        failed.append(
            Refused(
                _("%(product)s would contain itself: %(path)s.", product=bom.product.name, path=" → ".join(path)),
                code="CYCLE",
            )
        )
    return failed


def cycle_below(ref: str, *, instead: dict[int, int]) -> list[str] | None:
    """The path on which a product would contain itself, with these revisions in place of the current ones."""
    return find_cycle(ref, queries.structure([ref], instead=instead).source)


def _rebase_needed(bom: Bom) -> Refused:
    return Refused(
        _(
            "The bill of materials of %(product)s changed while you worked. Rebase your revision on the current one.",
            product=bom.product.name,
        ),
        code=BASE_MOVED,
    )


def _named(revision: BomRevision) -> str:
    return f"{revision.bom.product.name} {revision.label}"


def said(revision: BomRevision) -> str:
    """The state of a revision in words."""
    words = {
        RevisionState.DRAFT: _("a draft"),
        RevisionState.SCHEDULED: _("scheduled"),
        RevisionState.ACTIVE: _("current"),
        RevisionState.SUPERSEDED: _("superseded"),
        RevisionState.ABANDONED: _("abandoned"),
        RevisionState.WITHDRAWN: _("withdrawn"),
    }
    return str(words[revision.state])


# Scheduled ----------------------------------------------------------------------------------------------------------


def _due_slots(*conditions: Any) -> list[int]:
    return list(
        db.session.scalars(
            select(BomRevision.bom_id)
            .join(Activation, Activation.revision_id == BomRevision.id)
            .join(Bom, Bom.id == BomRevision.bom_id)
            .where(BomRevision.state == RevisionState.SCHEDULED, Activation.from_ts <= now(), *conditions)
            .distinct()
        )
    )


def _promote(bom: Bom) -> None:
    """Carry out what has come due in a locked slot, oldest first. What fails a gate is called off, with the reason."""
    due = db.session.execute(
        select(BomRevision, Activation)
        .join(Activation, Activation.revision_id == BomRevision.id)
        .outerjoin(ActivationCancellation, ActivationCancellation.activation_id == Activation.id)
        .where(
            BomRevision.bom_id == bom.id,
            BomRevision.state == RevisionState.SCHEDULED,
            Activation.from_ts <= now(),
            ActivationCancellation.id.is_(None),
        )
        .order_by(Activation.from_ts, Activation.id)
    ).unique()
    for revision, activation in due.all():
        together = queries.drafts_by_product(revision.eco_id) if revision.eco_id is not None else {}
        scheduled = {
            product_id: revision_id
            for product_id, revision_id in together.items()
            if queries.load(revision_id).state is RevisionState.SCHEDULED
        }
        failed = _gates(revision, bom, {**scheduled, bom.product_id: revision.id})
        if failed:
            _call_off(revision, by=None, reason=" ".join(gate.sentence for gate in failed))
            revision.state = RevisionState.ABANDONED
            db.session.flush()
            continue
        _put_in_force(revision, bom, eco_id=activation.eco_id, by=None)
        refresh_rollups([revision.id])


def _call_off(revision: BomRevision, *, by: Person | None, reason: str) -> None:
    db.session.add(
        ActivationCancellation(
            activation_id=_last_activation(revision).id, actor_id=by.id if by else None, reason=reason[:400], at=now()
        )
    )
    db.session.flush()


# Roll-ups -----------------------------------------------------------------------------------------------------------


def refresh_rollups(revision_ids: Sequence[int]) -> None:
    """Cost and minutes of these current revisions and of everything that contains them, for lists."""
    products = {queries.load(id_).bom.product_id for id_ in revision_ids}
    affected = [*products, *queries.products_above(products)]
    refs = [
        ref
        for ids in queries.chunks(affected)
        for ref in db.session.scalars(select(Product.ref).where(Product.id.in_(ids)))
    ]
    below = queries.structure(refs)
    units = queries.units()
    for ref in refs:
        if ref not in below.revision_ids:
            continue
        try:
            cost = cost_of(ref, below.source, below.prices, below.rates, uoms=below.uoms, units=units)
        except Cycle:  # cannot be: the gates refuse it. A roll-up is no place to find out.
            continue
        db.session.merge(
            RevisionRollup(revision_id=below.revision_ids[ref], cost=cost.total, minutes=cost.minutes, at=now())
        )
    db.session.flush()


# Locks --------------------------------------------------------------------------------------------------------------


def _locked(bom_ids: Sequence[int]) -> Sequence[Bom]:
    return lock(Bom, *bom_ids)


def lock_slots(revisions: Iterable[BomRevision]) -> None:
    """For whoever locks stages or records as well: slots come first."""
    _locked([revision.bom_id for revision in revisions])


def _reloaded(ids: Sequence[int]) -> list[BomRevision]:
    """The revisions as they are under the lock, in the order of their slots."""
    return list(
        db.session.scalars(
            select(BomRevision)
            .where(BomRevision.id.in_(ids))
            .order_by(BomRevision.bom_id, BomRevision.id)
            .execution_options(populate_existing=True)
        ).unique()
    )
