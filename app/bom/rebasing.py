"""Rebase: a draft takes over what has become current since it was copied, and what it says itself stays.

The merge itself is a pure function (`merge.py`); here it is read from and written to a draft. What is current is never
touched. The draft is based on the current revision afterwards, so that it can become current itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.bom import queries
from app.bom.content import Content, Document, Line, Operation
from app.bom.merge import Choice, Merge, merge
from app.bom.models import Bom, BomDocument, BomKind, BomLine, BomOperation, BomRevision
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import DraftEdited
from app.foundation.permissions import authorize
from app.people.models import Person


def merge_of(revision: BomRevision, *, known: Mapping[int, Content] | None = None) -> Merge | None:
    """What both have changed since the draft was copied; None when nothing has become current since."""
    current_id = revision.bom.active_revision_id
    if current_id is None or not revision.is_draft or current_id == revision.based_on_id:
        return None
    contents = dict(known or {})
    wanted = {i for i in (revision.id, revision.based_on_id, current_id) if i is not None}
    if missing := wanted - contents.keys():
        contents |= queries.contents(missing)
    base = contents[revision.based_on_id] if revision.based_on_id is not None else None
    return merge(base, contents[current_id], contents[revision.id])


def rebase(revision: BomRevision, choices: Mapping[str, Choice], *, onto: int, by: Person | None) -> BomRevision:
    """The draft with the merge of both, based on the current revision (`onto` is the one that was looked at).

    A Conflict when another one has become current in the meantime; Refused, with nothing written, while something is
    left to choose. A draft with a lower number than what is current gets the next free one, because numbers in force
    only go up.
    """
    lock(Bom, revision.bom_id)
    revision = (
        db.session.scalars(
            select(BomRevision).where(BomRevision.id == revision.id).execution_options(populate_existing=True)
        )
        .unique()
        .one()
    )
    authorize(by, "bom.edit", revision)
    bom = revision.bom
    db.session.refresh(bom)
    found = merge_of(revision)
    if found is None:
        raise Conflict(_("%(revision)s is up to date already.", revision=revision.label), code="UP_TO_DATE")
    if bom.active_revision_id != onto:
        raise Conflict(
            _("Another revision has become current in the meantime. Look at the choices again."), code="BASE_MOVED"
        )
    try:
        merged = found.resolve(choices)
    except ValueError as wrong:
        raise Conflict(_("The choices have changed in the meantime. Look at them again.")) from wrong
    if merged.content is None:
        raise Refused(_("Choose for every line first."), code="UNRESOLVED")
    _write(revision, merged.content)
    current = queries.load(onto)
    revision.based_on_id = onto
    if current.number > revision.number:
        bom.last_number += 1
        revision.number = bom.last_number
    revision.version += 1
    db.session.flush()
    publish(DraftEdited(revision_id=revision.id, eco_id=revision.eco_id, by_id=by.id if by else None))
    return revision


def _write(revision: BomRevision, content: Content) -> None:
    """Make the rows of a draft say `content`; rows that stay keep their place in the database."""
    products = _by(Product, "ref", (line.component for line in content.lines))
    uoms = _by(UnitOfMeasure, "code", {content.uom, *(line.uom for line in content.lines)})
    centres = _by(WorkCentre, "code", (step.work_centre for step in content.operations))
    revision.output_quantity, revision.kind = content.output_quantity, BomKind(content.kind)
    revision.uom_id = uoms[content.uom].id

    def line(row: Line, place: int) -> dict[str, Any]:
        return {
            "position": place * 10,
            "component_id": products[row.component].id,
            "quantity": row.quantity,
            "uom_id": uoms[row.uom].id,
            "scrap": row.scrap,
            "setup": row.setup,
            "operation_uid": row.operation,
            "note": row.note,
            "designators": list(row.designators),
        }

    def operation(row: Operation, _place: int) -> dict[str, Any]:
        return {
            "sequence": row.sequence,
            "name": row.name,
            "work_centre_id": centres[row.work_centre].id,
            "minutes": row.minutes,
            "note": row.note,
        }

    def document(row: Document, _place: int) -> dict[str, Any]:
        return {"name": row.name, "sha256": row.sha256}

    _put(BomLine, revision, content.lines, line)
    _put(BomOperation, revision, content.operations, operation)
    _put(BomDocument, revision, content.documents, document)
    db.session.flush()


def _put(model: Any, revision: BomRevision, rows: Sequence[Any], columns: Any) -> None:
    there = {row.uid: row for row in db.session.scalars(select(model).where(model.revision_id == revision.id)).unique()}
    for place, row in enumerate(rows, 1):
        known = there.pop(row.uid, None)
        if known is None:
            db.session.add(model(revision_id=revision.id, uid=row.uid, **columns(row, place)))
            continue
        for name, value in columns(row, place).items():
            if getattr(known, name) != value:
                setattr(known, name, value)
        if hasattr(known, "version") and db.session.is_modified(known):
            known.version += 1
    for gone in there.values():
        db.session.delete(gone)


def _by(model: Any, name: str, values: Iterable[str]) -> dict[str, Any]:
    column = getattr(model, name)
    found: dict[str, Any] = {}
    for part in _parts(values):
        found |= {getattr(row, name): row for row in db.session.scalars(select(model).where(column.in_(part))).unique()}
    return found


def _parts(values: Iterable[str]) -> Iterable[list[str]]:
    rest = sorted(set(values))
    for start in range(0, len(rest), queries.CHUNK):
        yield rest[start : start + queries.CHUNK]
