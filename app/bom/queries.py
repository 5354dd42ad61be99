"""Reads: contents in bulk, the structure below a product, where a component is used, lists for pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import joinedload

from app.bom.content import Content, Document, Line, Operation
from app.bom.explosion import FINE, PIECE, Unit
from app.bom.models import (
    DEFAULT_CODE,
    Activation,
    ActivationCancellation,
    Bom,
    BomDocument,
    BomLine,
    BomOperation,
    BomRevision,
    RevisionRollup,
    RevisionState,
)
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db
from app.foundation.errors import NotFound
from app.foundation.language import _
from app.traits.record import Record

CHUNK = 500  # ids per statement; engines limit parameters


def chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    rest = iter(sorted(set(ids)))
    while part := list(islice(rest, CHUNK)):
        yield part


def load(revision_id: int) -> BomRevision:
    """The revision with its BoM and product; NoResultFound when there is none."""
    return db.session.scalars(select(BomRevision).where(BomRevision.id == revision_id)).unique().one()


def load_for_page(revision_id: int) -> BomRevision:
    """As `load`, read anew, with its change and the revision it was copied from."""
    return (
        db.session.scalars(
            select(BomRevision)
            .where(BomRevision.id == revision_id)
            .options(joinedload(BomRevision.eco), joinedload(BomRevision.based_on))
            .execution_options(populate_existing=True)
        )
        .unique()
        .one()
    )


def contents(revision_ids: Iterable[int], *, known: Mapping[int, BomRevision] | None = None) -> dict[int, Content]:
    """What these revisions say, in a handful of statements whatever their number.

    `known` are revisions that were loaded a moment ago; their headers are not read again.
    """
    result: dict[int, Content] = {}
    for ids in chunks(revision_ids):
        lines: dict[int, list[Line]] = {id_: [] for id_ in ids}
        operations: dict[int, list[Operation]] = {id_: [] for id_ in ids}
        documents: dict[int, list[Document]] = {id_: [] for id_ in ids}
        for row in db.session.execute(
            select(
                BomLine.revision_id,
                BomLine.uid,
                Product.ref,
                BomLine.quantity,
                UnitOfMeasure.code,
                BomLine.scrap,
                BomLine.setup,
                BomLine.operation_uid,
                BomLine.note,
                BomLine.designators,
            )
            .join(Product, Product.id == BomLine.component_id)
            .join(UnitOfMeasure, UnitOfMeasure.id == BomLine.uom_id)
            .where(BomLine.revision_id.in_(ids))
            .order_by(BomLine.revision_id, BomLine.position, BomLine.id)
        ):
            lines[row[0]].append(Line(*row[1:9], tuple(row[9])))
        for op in db.session.execute(
            select(
                BomOperation.revision_id,
                BomOperation.uid,
                BomOperation.name,
                WorkCentre.code,
                BomOperation.minutes,
                BomOperation.sequence,
                BomOperation.note,
            )
            .join(WorkCentre, WorkCentre.id == BomOperation.work_centre_id)
            .where(BomOperation.revision_id.in_(ids))
            .order_by(BomOperation.revision_id, BomOperation.sequence, BomOperation.id)
        ):
            operations[op[0]].append(Operation(*op[1:]))
        for doc in db.session.execute(
            select(BomDocument.revision_id, BomDocument.uid, BomDocument.name, BomDocument.sha256)
            .where(BomDocument.revision_id.in_(ids))
            .order_by(BomDocument.revision_id, BomDocument.name, BomDocument.id)
        ):
            documents[doc[0]].append(Document(*doc[1:]))
        headers = [
            (r.id, r.output_quantity, r.uom.code, r.kind) for id_ in ids if (r := (known or {}).get(id_)) is not None
        ]
        if len(headers) < len(ids):
            headers = [
                (row[0], row[1], row[2], row[3])
                for row in db.session.execute(
                    select(BomRevision.id, BomRevision.output_quantity, UnitOfMeasure.code, BomRevision.kind)
                    .join(UnitOfMeasure, UnitOfMeasure.id == BomRevision.uom_id)
                    .where(BomRevision.id.in_(ids))
                )
            ]
        for id_, output, uom, kind in headers:
            result[id_] = Content(
                output, uom, kind.value, tuple(lines[id_]), tuple(operations[id_]), tuple(documents[id_])
            )
    return result


def units() -> dict[str, Unit]:
    """The units of measure of this installation, as the explosion wants them."""
    rows = db.session.execute(select(UnitOfMeasure.code, UnitOfMeasure.category, UnitOfMeasure.factor)).all()
    base = {category: code for code, category, factor in sorted(rows, reverse=True) if factor == 1}
    return {
        code: Unit(base.get(category, category), factor, PIECE if category == "count" else FINE)
        for code, category, factor in rows
    }


# Which revision is effective ----------------------------------------------------------------------------------------


def effective_ids(product_ids: Iterable[int], *, at: datetime | None = None) -> dict[int, int]:
    """Product id to the id of its effective revision, now or at a moment; products without one are left out.

    Slots by sequence, then id; the first that has a released revision counts. Drafts are never among them.
    """
    result: dict[int, int] = {}
    for ids in chunks(product_ids):
        slots = db.session.execute(
            select(Bom.product_id, Bom.id, Bom.active_revision_id)
            .where(Bom.product_id.in_(ids))
            .order_by(Bom.product_id, Bom.sequence, Bom.id)
        ).all()
        active = (
            {bom_id: revision_id for _product, bom_id, revision_id in slots}
            if at is None
            else _activated([bom_id for _product, bom_id, _active in slots], at)
        )
        for product_id, bom_id, _active in slots:
            if product_id not in result and (revision_id := active.get(bom_id)) is not None:
                result[product_id] = revision_id
    return result


def _activated(bom_ids: Sequence[int], at: datetime) -> dict[int, int]:
    """The last activation of each slot at or before a moment; None where that revision has been withdrawn since."""
    rows = db.session.execute(
        select(Activation.bom_id, Activation.revision_id, BomRevision.state)
        .join(BomRevision, BomRevision.id == Activation.revision_id)
        .outerjoin(ActivationCancellation, ActivationCancellation.activation_id == Activation.id)
        .where(Activation.bom_id.in_(bom_ids), Activation.from_ts <= at, ActivationCancellation.id.is_(None))
        .order_by(Activation.bom_id, Activation.from_ts, Activation.id)
    )
    last: dict[int, int] = {}
    for bom_id, revision_id, state in rows:
        last[bom_id] = revision_id
        if state is RevisionState.WITHDRAWN:
            del last[bom_id]
    return last


# Structure ----------------------------------------------------------------------------------------------------------


@dataclass
class Structure:
    """Everything below some products, loaded level by level. `source` is what the pure functions ask."""

    contents: dict[str, Content] = field(default_factory=dict)
    revision_ids: dict[str, int] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    uoms: dict[str, str] = field(default_factory=dict)
    rates: dict[str, Decimal] = field(default_factory=dict)

    def source(self, ref: str) -> Content | None:
        return self.contents.get(ref)


def structure(
    refs: Iterable[str],
    *,
    at: datetime | None = None,
    drafts_of: int | None = None,
    instead: Mapping[int, int] | None = None,
) -> Structure:
    """The structure below `refs`: effective revisions, or for some products others.

    `drafts_of` is an ECO: its drafts stand in for what is current, so that a change is looked at as a whole. `instead`
    maps product ids to the revision to look at.
    """
    found = Structure()
    replaced = dict(instead or {})
    if drafts_of is not None:
        replaced = drafts_by_product(drafts_of) | replaced
    waiting = set(refs)
    while waiting:
        products: dict[int, str] = {}
        for part in _parts(waiting):
            for id_, ref, name, cost, uom in db.session.execute(
                select(Product.id, Product.ref, Product.name, Product.cost, UnitOfMeasure.code)
                .join(UnitOfMeasure, UnitOfMeasure.id == Product.uom_id)
                .where(Product.ref.in_(part))
            ):
                products[id_] = ref
                found.prices[ref], found.names[ref], found.uoms[ref] = cost or Decimal(0), name, uom
        effective = effective_ids(products.keys() - replaced.keys(), at=at)
        effective |= {id_: replaced[id_] for id_ in products.keys() & replaced.keys()}
        loaded = contents(effective.values())
        for product_id, revision_id in effective.items():
            ref = products[product_id]
            found.contents[ref], found.revision_ids[ref] = loaded[revision_id], revision_id
        below = {line.component for id_ in effective.values() for line in loaded[id_].lines}
        waiting = below - found.names.keys()
    for code, rate in db.session.execute(select(WorkCentre.code, WorkCentre.cost_per_hour)):
        found.rates[code] = rate
    return found


def drafts_by_product(eco_id: int) -> dict[int, int]:
    """Product id to the draft (or scheduled) revision an ECO has for it."""
    rows = db.session.execute(
        select(Bom.product_id, BomRevision.id)
        .join(Bom, Bom.id == BomRevision.bom_id)
        .where(BomRevision.eco_id == eco_id, BomRevision.state.in_((RevisionState.DRAFT, RevisionState.SCHEDULED)))
        .order_by(Bom.sequence.desc(), Bom.id.desc())
    )
    return {row[0]: row[1] for row in rows}


def _parts(refs: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(sorted(refs))
    while part := list(islice(rest, CHUNK)):
        yield part


# Where used ---------------------------------------------------------------------------------------------------------


class Use(NamedTuple):
    """A current revision that takes the component, and how much of it in all its lines."""

    revision: BomRevision
    quantity: Decimal
    uom: str


def used_in(product_id: int) -> list[Use]:
    """The current revisions that take this product directly."""
    rows = db.session.execute(
        select(BomRevision.id, Product.name, UnitOfMeasure.code, func.sum(BomLine.quantity))
        .join(BomLine, BomLine.revision_id == BomRevision.id)
        .join(UnitOfMeasure, UnitOfMeasure.id == BomLine.uom_id)
        .join(Bom, Bom.id == BomRevision.bom_id)
        .join(Product, Product.id == Bom.product_id)
        .where(BomLine.component_id == product_id, BomRevision.state == RevisionState.ACTIVE)
        .group_by(BomRevision.id, Product.name, UnitOfMeasure.code)
        .order_by(Product.name, BomRevision.id, UnitOfMeasure.code)
    ).all()
    revisions = {
        revision.id: revision
        for ids in chunks(row[0] for row in rows)
        for revision in db.session.scalars(select(BomRevision).where(BomRevision.id.in_(ids))).unique()
    }
    return [Use(revisions[id_], quantity, uom) for id_, _name, uom, quantity in rows]


def products_above(product_ids: Iterable[int]) -> list[int]:
    """Every product whose current structure contains one of these, nearest first; the given ones are left out."""
    given = set(product_ids)
    seen: dict[int, None] = {}
    waiting = set(given)
    while waiting:
        above: set[int] = set()
        for ids in chunks(waiting):
            above |= set(
                db.session.scalars(
                    select(Bom.product_id)
                    .join(BomRevision, BomRevision.id == Bom.active_revision_id)
                    .join(BomLine, BomLine.revision_id == BomRevision.id)
                    .where(BomLine.component_id.in_(ids))
                    .distinct()
                )
            )
        waiting = above - seen.keys() - given
        seen |= dict.fromkeys(sorted(waiting))
    return list(seen)


# Pages --------------------------------------------------------------------------------------------------------------


class Version(NamedTuple):
    """A revision on the time line: when it was current, who brought it about, how many were built to it."""

    revision: BomRevision
    eco: Record | None
    from_ts: datetime | None
    to_ts: datetime | None
    built: int


class BomRow(NamedTuple):
    """A BoM in a list."""

    bom: Bom
    current: BomRevision | None
    rollup: RevisionRollup | None
    drafts: int


class ProductRow(NamedTuple):
    """A product in a list."""

    product: Product
    bom: Bom | None
    current: BomRevision | None
    drafts: int


def bom_of(ref: str, code: str = DEFAULT_CODE) -> Bom:
    """The slot of a product; NotFound without one."""
    found = (
        db.session.scalars(
            select(Bom).join(Product, Product.id == Bom.product_id).where(Product.ref == ref, Bom.code == code)
        )
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("There is no bill of materials for %(ref)s.", ref=ref[:64]))
    return found


def revision_of(ref: str, number: int, code: str = DEFAULT_CODE) -> BomRevision:
    """One revision with its change; NotFound without one."""
    bom = bom_of(ref, code)
    found = (
        db.session.scalars(
            select(BomRevision)
            .where(BomRevision.bom_id == bom.id, BomRevision.number == number)
            .options(joinedload(BomRevision.eco), joinedload(BomRevision.based_on))
        )
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("There is no revision V%(number)s of %(ref)s.", number=number, ref=ref[:64]))
    return found


def versions(bom: Bom, built: Mapping[int, int]) -> list[Version]:
    """Every revision of a slot, oldest first, with the time it was current. It ends where the next begins."""
    found = db.session.scalars(
        select(BomRevision)
        .where(BomRevision.bom_id == bom.id)
        .order_by(BomRevision.number)
        .options(joinedload(BomRevision.eco))
    ).unique()
    starts = db.session.execute(
        select(Activation.revision_id, Activation.from_ts)
        .outerjoin(ActivationCancellation, ActivationCancellation.activation_id == Activation.id)
        .where(Activation.bom_id == bom.id, ActivationCancellation.id.is_(None))
        .order_by(Activation.from_ts, Activation.id)
    ).all()
    spans: dict[int, tuple[datetime | None, datetime | None]] = {}
    for place, (revision_id, from_ts) in enumerate(starts):
        spans[revision_id] = (from_ts, starts[place + 1][1] if place + 1 < len(starts) else None)
    return [
        Version(revision, revision.eco, from_ts, to_ts, built.get(revision.id, 0))
        for revision in found
        for from_ts, to_ts in [spans.get(revision.id, (None, None))]
    ]


def lines_of(revision: BomRevision) -> list[BomLine]:
    return list(
        db.session.scalars(
            select(BomLine).where(BomLine.revision_id == revision.id).order_by(BomLine.position, BomLine.id)
        ).unique()
    )


def operations_of(revision: BomRevision) -> list[BomOperation]:
    return list(
        db.session.scalars(
            select(BomOperation)
            .where(BomOperation.revision_id == revision.id)
            .order_by(BomOperation.sequence, BomOperation.id)
        ).unique()
    )


def line_of(revision: BomRevision, uid: str) -> BomLine:
    """A line by its uid; NotFound without one."""
    found = (
        db.session.scalars(select(BomLine).where(BomLine.revision_id == revision.id, BomLine.uid == uid))
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("Somebody has removed this row."))
    return found


def operation_of(revision: BomRevision, uid: str) -> BomOperation:
    """An operation by its uid; NotFound without one."""
    found = (
        db.session.scalars(select(BomOperation).where(BomOperation.revision_id == revision.id, BomOperation.uid == uid))
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("Somebody has removed this row."))
    return found


def labels(revision_ids: Iterable[int]) -> dict[int, str]:
    """V1, V2, ... of many revisions."""
    return {
        row[0]: f"V{row[1]}"
        for ids in chunks(revision_ids)
        for row in db.session.execute(select(BomRevision.id, BomRevision.number).where(BomRevision.id.in_(ids)))
    }


def boms_of_product(product_id: int) -> list[Bom]:
    return list(
        db.session.scalars(select(Bom).where(Bom.product_id == product_id).order_by(Bom.sequence, Bom.id)).unique()
    )


def drafts_of_product(product_id: int) -> list[BomRevision]:
    """Revisions that are not released yet, with their change."""
    return list(
        db.session.scalars(
            select(BomRevision)
            .join(Bom, Bom.id == BomRevision.bom_id)
            .where(Bom.product_id == product_id, BomRevision.state == RevisionState.DRAFT)
            .order_by(BomRevision.bom_id, BomRevision.number)
            .options(joinedload(BomRevision.eco))
        ).unique()
    )


def bom_rows(typed: str, *, offset: int, limit: int) -> tuple[list[BomRow], int]:
    """A page of BoMs by product name, and how many there are."""
    found = select(Bom).join(Product, Product.id == Bom.product_id)
    for condition in _matches(typed):
        found = found.where(condition)
    count = db.session.scalar(select(func.count()).select_from(found.with_only_columns(Bom.id).subquery())) or 0
    boms = list(
        db.session.scalars(
            found.order_by(func.lower(Product.name), Bom.sequence, Bom.id).offset(offset).limit(limit)
        ).unique()
    )
    current, rollups = _current(boms)
    drafts = _draft_counts(bom.id for bom in boms)
    return [
        BomRow(
            bom,
            current.get(bom.active_revision_id or 0),
            rollups.get(bom.active_revision_id or 0),
            drafts.get(bom.id, 0),
        )
        for bom in boms
    ], count


def product_rows(typed: str, *, offset: int, limit: int) -> tuple[list[ProductRow], int]:
    """A page of products by name, and how many there are."""
    found = select(Product).where(Product.archived_at.is_(None), *_matches(typed))
    count = db.session.scalar(select(func.count()).select_from(found.with_only_columns(Product.id).subquery())) or 0
    products = list(
        db.session.scalars(found.order_by(func.lower(Product.name), Product.ref).offset(offset).limit(limit)).unique()
    )
    boms: dict[int, Bom] = {}
    for bom in db.session.scalars(
        select(Bom).where(Bom.product_id.in_([p.id for p in products])).order_by(Bom.sequence, Bom.id)
    ).unique():
        boms.setdefault(bom.product_id, bom)
    current, _rollups = _current(boms.values())
    drafts = _draft_counts(bom.id for bom in boms.values())
    rows = []
    for product in products:
        bom_or_none = boms.get(product.id)
        rows.append(
            ProductRow(
                product,
                bom_or_none,
                current.get(bom_or_none.active_revision_id or 0) if bom_or_none else None,
                drafts.get(bom_or_none.id, 0) if bom_or_none else 0,
            )
        )
    return rows, count


def _current(boms: Iterable[Bom]) -> tuple[dict[int, BomRevision], dict[int, RevisionRollup]]:
    ids = [bom.active_revision_id for bom in boms if bom.active_revision_id is not None]
    revisions = db.session.scalars(select(BomRevision).where(BomRevision.id.in_(ids))).unique()
    rollups = db.session.scalars(select(RevisionRollup).where(RevisionRollup.revision_id.in_(ids)))
    return {r.id: r for r in revisions}, {r.revision_id: r for r in rollups}


def _draft_counts(bom_ids: Iterable[int]) -> dict[int, int]:
    rows = db.session.execute(
        select(BomRevision.bom_id, func.count())
        .where(BomRevision.bom_id.in_(list(bom_ids)), BomRevision.state == RevisionState.DRAFT)
        .group_by(BomRevision.bom_id)
    )
    return {row[0]: row[1] for row in rows}


def _matches(typed: str) -> list[ColumnElement[bool]]:
    """Every word is in the name or the reference."""
    conditions = []
    for word in typed.lower().split()[:8]:
        like = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        conditions.append(
            or_(func.lower(Product.name).like(like, escape="\\"), func.lower(Product.ref).like(like, escape="\\"))
        )
    return conditions
