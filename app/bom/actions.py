"""What an engineer does to a draft: add, change and remove components and operations."""

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import func, select

from app.bom import queries, revisions
from app.bom.models import Bom, BomKind, BomLine, BomOperation, BomRevision
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import LARGEST, db, lock
from app.foundation.errors import Conflict, NotFound, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import DraftEdited
from app.foundation.permissions import authorize
from app.people.models import Person


def add_component(
    revision: BomRevision,
    *,
    component: Product,
    quantity: Decimal,
    by: Person | None,
    uom: UnitOfMeasure | None = None,
    operation: BomOperation | None = None,
    scrap: Decimal = Decimal(0),
    setup: Decimal = Decimal(0),
    note: str = "",
    designators: Sequence[str] = (),
    uid: str | None = None,
) -> BomLine:
    """A new line at the end. Refused for a component that contains the product, with the path."""
    revision = _open(revision, by)
    _must_fit(revision, component, quantity, uom or component.uom, scrap, setup)
    last = db.session.scalar(select(func.max(BomLine.position)).where(BomLine.revision_id == revision.id))
    line = BomLine(
        revision_id=revision.id,
        uid=uid or new_uid(),
        position=(last or 0) + 10,
        component=component,
        quantity=quantity,
        uom=uom or component.uom,
        scrap=scrap,
        setup=setup,
        operation_uid=_in(revision, operation),
        note=note,
        designators=list(designators),
        version=1,
    )
    db.session.add(line)
    _edited(revision, by)
    return line


def change_component(line: BomLine, *, by: Person | None, version: int | None = None, **changes: Any) -> BomLine:
    """Change `component`, `quantity`, `uom`, `operation`, `scrap`, `setup`, `note` or `designators` of a line.

    `version` is the version the person saw; 409 when somebody else has changed the line since.
    """
    revision = _open_by_id(line.revision_id, by)
    line = _fresh(line, version)
    component = changes.pop("component", line.component)
    uom = changes.pop("uom", line.uom)
    if component.id != line.component_id and convert_code(line.uom, component.uom) is None and uom is line.uom:
        uom = component.uom
    values = {name: changes.pop(name, getattr(line, name)) for name in ("quantity", "scrap", "setup")}
    _must_fit(revision, component, values["quantity"], uom, values["scrap"], values["setup"], known=line)
    if "operation" in changes:
        line.operation_uid = _in(revision, changes.pop("operation"))
    if "designators" in changes:
        line.designators = list(changes.pop("designators"))
    line.note = changes.pop("note", line.note)
    if changes:
        raise TypeError(f"A line has no {', '.join(changes)}.")
    line.component, line.uom = component, uom
    for name, value in values.items():
        setattr(line, name, value)
    _touched(revision, line, by)
    return line


def remove_component(line: BomLine, *, by: Person | None) -> None:
    """Take a line out. Its uid does not come back."""
    revision = _open_by_id(line.revision_id, by)
    db.session.delete(_fresh(line, None))
    _edited(revision, by)


def add_operation(
    revision: BomRevision,
    *,
    name: str,
    work_centre: WorkCentre,
    minutes: Decimal,
    by: Person | None,
    sequence: int | None = None,
    note: str = "",
    uid: str | None = None,
) -> BomOperation:
    """A new step, after the last one unless `sequence` says otherwise."""
    revision = _open(revision, by)
    _must_be_done(name, minutes, work_centre)
    last = db.session.scalar(select(func.max(BomOperation.sequence)).where(BomOperation.revision_id == revision.id))
    operation = BomOperation(
        revision_id=revision.id,
        uid=uid or new_uid(),
        sequence=sequence if sequence is not None else (last or 0) + 10,
        name=name.strip(),
        work_centre=work_centre,
        minutes=minutes,
        note=note,
        version=1,
    )
    db.session.add(operation)
    _edited(revision, by)
    return operation


def change_operation(
    operation: BomOperation,
    *,
    by: Person | None,
    version: int | None = None,
    **changes: Any,
) -> BomOperation:
    """Change `name`, `work_centre`, `minutes`, `sequence` or `note` of a step. `version` as for lines."""
    revision = _open_by_id(operation.revision_id, by)
    operation = _fresh(operation, version)
    for name in ("name", "work_centre", "minutes", "sequence", "note"):
        if name in changes:
            setattr(operation, name, changes.pop(name))
    if changes:
        raise TypeError(f"An operation has no {', '.join(changes)}.")
    _must_be_done(operation.name, operation.minutes, operation.work_centre)
    _touched(revision, operation, by)
    return operation


def remove_operation(operation: BomOperation, *, by: Person | None) -> None:
    """Take a step out; components that were consumed in it stay, without a step."""
    revision = _open_by_id(operation.revision_id, by)
    operation = _fresh(operation, None)
    for line in db.session.scalars(
        select(BomLine).where(BomLine.revision_id == revision.id, BomLine.operation_uid == operation.uid)
    ).unique():
        line.operation_uid = None
        line.version += 1
    db.session.delete(operation)
    _edited(revision, by)


def set_output(
    revision: BomRevision,
    *,
    quantity: Decimal,
    by: Person | None,
    kind: BomKind | None = None,
    uom: UnitOfMeasure | None = None,
    note: str | None = None,
) -> None:
    """How much the listed components make, and whether it is built or only a kit."""
    revision = _open(revision, by)
    if not 0 < quantity <= LARGEST:
        raise Refused(_("The output quantity must be more than 0."), field="output_quantity")
    revision.output_quantity = quantity
    revision.kind = kind if kind is not None else revision.kind
    revision.uom = uom if uom is not None else revision.uom
    revision.note = note if note is not None else revision.note
    _edited(revision, by)


def new_uid() -> str:
    """The identity of a row that appears for the first time."""
    return uuid.uuid4().hex


def convert_code(uom: UnitOfMeasure, to: UnitOfMeasure) -> Decimal | None:
    """One `uom` in `to`; None when the two do not measure the same thing."""
    return Decimal(1) if uom.id == to.id else None if uom.category != to.category else uom.factor / to.factor


def _open(revision: BomRevision, by: Person | None) -> BomRevision:
    return _open_by_id(revision.id, by)


def _open_by_id(revision_id: int, by: Person | None) -> BomRevision:
    """The draft, read again under the lock of its slot; nothing that is released or given up can be edited."""
    bom_id = db.session.scalar(select(BomRevision.bom_id).where(BomRevision.id == revision_id))
    if bom_id is None:
        raise NotFound(_("This revision does not exist."))
    lock(Bom, bom_id)
    revision = (
        db.session.scalars(
            select(BomRevision).where(BomRevision.id == revision_id).execution_options(populate_existing=True)
        )
        .unique()
        .one()
    )
    authorize(by, "bom.edit", revision)
    if not revision.is_draft:
        raise Conflict(
            _(
                "%(product)s %(revision)s is %(state)s and cannot be changed. Start a new revision.",
                product=revision.bom.product.name,
                revision=revision.label,
                state=revisions.said(revision),
            ),
            code="NOT_A_DRAFT",
        )
    return revision


R = TypeVar("R", BomLine, BomOperation)


def _fresh(row: R, version: int | None) -> R:
    model = type(row)
    found = (
        db.session.scalars(select(model).where(model.id == row.id).execution_options(populate_existing=True))
        .unique()
        .one_or_none()
    )
    if found is None:
        raise Conflict(_("Somebody has removed this row."))
    if version is not None and found.version != version:
        raise Conflict(_("Somebody has changed this row since you opened it. Look at it again before you save."))
    return found


def _touched(revision: BomRevision, row: BomLine | BomOperation, by: Person | None) -> None:
    if db.session.is_modified(row):
        row.version += 1
        _edited(revision, by)


def _edited(revision: BomRevision, by: Person | None) -> None:
    """The draft says something else now: signatures on what it said before do not hold."""
    revision.version += 1
    db.session.flush()
    publish(DraftEdited(revision_id=revision.id, eco_id=revision.eco_id, by_id=by.id if by else None))


def _must_fit(
    revision: BomRevision,
    component: Product,
    quantity: Decimal,
    uom: UnitOfMeasure,
    scrap: Decimal,
    setup: Decimal,
    known: BomLine | None = None,
) -> None:
    if not 0 <= quantity <= LARGEST:
        raise Refused(_("The quantity must be 0 or more."), field="quantity")
    if not 0 <= scrap <= 10:
        raise Refused(_("Scrap is between 0 and 1000 %%."), field="scrap")
    if not 0 <= setup <= LARGEST:
        raise Refused(_("The setup quantity must be 0 or more."), field="setup")
    if convert_code(uom, component.uom) is None:
        raise Refused(
            _(
                "%(component)s is counted in %(uom)s, which cannot be converted.",
                component=component.name,
                uom=component.uom.code,
            ),
            field="uom",
        )
    if known is not None and known.component_id == component.id:
        return
    if component.archived_at is not None:
        raise Refused(_("%(component)s is archived.", component=component.name), field="component")
    product = revision.bom.product
    path = None
    if component.id == product.id:
        path = [product.ref, product.ref]
    else:
        below = queries.structure([component.ref], drafts_of=revision.eco_id)
        path = _path_to(component.ref, product.ref, below)
    if path is not None:
        raise Refused(
            _("%(product)s would contain itself: %(path)s.", product=product.name, path=" → ".join(path)),
            field="component",
            code="CYCLE",
        )


def _path_to(start: str, end: str, below: queries.Structure) -> list[str] | None:
    """`end → start → ... → end` when `end` is somewhere below `start`."""
    came_from: dict[str, str | None] = {start: None}
    waiting = [start]
    while waiting:
        ref = waiting.pop()
        if ref == end:
            path = [ref]
            while (before := came_from[path[-1]]) is not None:
                path.append(before)
            return [end, *path[::-1]]
        content = below.source(ref)
        for line in content.lines if content else ():
            if line.component not in came_from:
                came_from[line.component] = ref
                waiting.append(line.component)
    return None


def _in(revision: BomRevision, operation: BomOperation | None) -> str | None:
    if operation is None:
        return None
    if operation.revision_id != revision.id:
        raise Refused(_("This operation belongs to another revision."), field="operation")
    return operation.uid


def _must_be_done(name: str, minutes: Decimal, work_centre: WorkCentre) -> None:
    if not name.strip():
        raise Refused(_("Name the operation."), field="name")
    if not 0 <= minutes <= LARGEST:
        raise Refused(_("The minutes must be 0 or more."), field="minutes")
    if work_centre.archived_at is not None:
        raise Refused(_("%(centre)s is archived.", centre=work_centre.name), field="work_centre")
