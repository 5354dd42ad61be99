"""What a revision changes, ready to be drawn: every row with its sign, its words, and what it costs and takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import and_, select
from sqlalchemy.orm import aliased

from app.bom import queries
from app.bom.compare import Change, compare
from app.bom.content import Content, Line, Operation
from app.bom.costing import Cost, Costing
from app.bom.explosion import UNITS, Unit
from app.bom.models import Bom, BomRevision, RevisionRollup
from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db
from app.foundation.language import _, quantity

NOTHING = Cost(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
SIGNS = {"add": "+", "update": "≠", "remove": "−"}
LOOKS = {"add": "add", "update": "alt", "remove": "cut"}


@dataclass(frozen=True)
class Row:
    """One row of the redline. `before` and `after` are the quantity or the time, None where they are the same row."""

    kind: Literal["add", "update", "remove"]
    uid: str
    name: str
    ref: str
    before: str | None
    after: str | None
    details: tuple[str, ...] = ()
    old_name: str | None = None
    cost: Decimal | None = None

    @property
    def sign(self) -> str:
        return SIGNS[self.kind]

    @property
    def look(self) -> str:
        return LOOKS[self.kind]

    @property
    def said(self) -> str:
        """Reference and what else is to be told, in one line."""
        return ", ".join(part for part in (self.ref, *self.details) if part)

    @property
    def word(self) -> str:
        return str({"add": _("added"), "update": _("changed"), "remove": _("removed")}[self.kind])


@dataclass(frozen=True)
class Redline:
    """`base` is None for a first revision. Costs are for one of the product."""

    revision: BomRevision
    base: BomRevision | None
    components: tuple[Row, ...] = ()
    operations: tuple[Row, ...] = ()
    documents: tuple[Row, ...] = ()
    header: tuple[Row, ...] = ()
    before: Cost = NOTHING
    after: Cost = NOTHING
    changes: tuple[Change, ...] = field(default_factory=tuple)

    @property
    def is_empty(self) -> bool:
        return not self.changes

    @property
    def cost_delta(self) -> Decimal:
        return self.after.total - self.before.total

    @property
    def minutes_delta(self) -> Decimal:
        return self.after.own_minutes - self.before.own_minutes


def redline(
    revision: BomRevision,
    base: BomRevision | None = None,
    *,
    known: Mapping[int, Content] | None = None,
    alone: bool = False,
) -> Redline:
    """What is different in `revision` against `base`, else against the revision it was copied from.

    `known` are contents by revision id that the caller has read already. `alone`: no other draft belongs to the same
    change, so what the components cost is taken from their roll-ups and nothing below them is read.
    """
    base_id = base.id if base is not None else revision.based_on_id
    before = db.session.get(BomRevision, base_id) if base_id is not None else None
    wanted = {revision.id, *([base_id] if base_id is not None else [])}
    contents = dict(known or {})
    if missing := wanted - contents.keys():
        contents |= queries.contents(missing)
    new, old = contents[revision.id], contents.get(base_id) if base_id is not None else None
    changes = tuple(compare(old, new))
    return _Drawing(revision, before, old, new, changes, shallow=_shallow(old, new) if alone else None).redline()


def _shallow(old: Content | None, new: Content) -> queries.Structure | None:
    """Names and costs of the components in one statement; None where a roll-up is missing and all has to be read."""
    found = queries.Structure()
    refs = {line.component for line in (*new.lines, *(old.lines if old else ()))}
    own, made = aliased(UnitOfMeasure), aliased(UnitOfMeasure)
    for ids in queries._parts(refs):
        rows = db.session.execute(
            select(
                Product.ref,
                Product.name,
                Product.cost,
                own.code,
                Bom.active_revision_id,
                RevisionRollup.cost,
                made.code,
            )
            .join(own, own.id == Product.uom_id)
            .outerjoin(Bom, and_(Bom.product_id == Product.id, Bom.active_revision_id.is_not(None)))
            .outerjoin(BomRevision, BomRevision.id == Bom.active_revision_id)
            .outerjoin(made, made.id == BomRevision.uom_id)
            .outerjoin(RevisionRollup, RevisionRollup.revision_id == Bom.active_revision_id)
            .where(Product.ref.in_(ids))
            .order_by(Product.id, Bom.sequence.desc(), Bom.id.desc())
        )
        for ref, name, cost, uom, active, rolled, made_in in rows:
            if active is not None and rolled is None:
                return None
            found.names[ref] = name
            found.prices[ref] = (rolled if active is not None else cost) or Decimal(0)
            found.uoms[ref] = made_in if active is not None else uom
    return found


def _units_for(found: queries.Structure, old: Content | None, new: Content) -> Mapping[str, Unit]:
    """The site's units, read only where something has to be converted."""
    lines = (*new.lines, *(old.lines if old else ()))
    return UNITS if all(line.uom == found.uoms.get(line.component) for line in lines) else queries.units()


class _Drawing:
    def __init__(
        self,
        revision: BomRevision,
        base: BomRevision | None,
        old: Content | None,
        new: Content,
        changes: tuple[Change, ...],
        *,
        shallow: queries.Structure | None = None,
    ) -> None:
        self.revision, self.base, self.old, self.new, self.changes = revision, base, old, new, changes
        product = revision.bom.product
        self.steps = {step.uid: step.name for step in (*(old.operations if old else ()), *new.operations)}
        if shallow is not None:
            self.names = shallow.names
            units = _units_for(shallow, old, new)
            self.centres = self._read_centres(shallow)
            self.costs = {
                is_new: Costing({product.ref: content}.get, shallow.prices, shallow.rates, shallow.uoms, units)
                for is_new, content in ((True, new), (False, old))
            }
            return
        units = queries.units()
        refs = {product.ref, *(line.component for line in (*new.lines, *(old.lines if old else ())))}
        drafts = revision.eco_id if not revision.state.is_released else None
        after = queries.structure(refs, drafts_of=drafts, instead={product.id: revision.id})
        earlier = queries.structure(refs, instead={product.id: base.id} if base else {})
        if old is None:
            earlier.contents.pop(product.ref, None)
        self.names = after.names
        self.costs = {
            True: Costing(after.source, after.prices, after.rates, after.uoms, units),
            False: Costing(earlier.source, earlier.prices, earlier.rates, earlier.uoms, units),
        }
        self.centres = self._read_centres(after)

    def _read_centres(self, structure: queries.Structure) -> dict[str, str]:
        """Names by code; fills the rates as well, so that both take one statement."""
        if not self.steps:
            return {}
        names = {}
        for code, name, rate in db.session.execute(select(WorkCentre.code, WorkCentre.name, WorkCentre.cost_per_hour)):
            names[code] = name
            structure.rates[code] = rate
        return names

    def redline(self) -> Redline:
        ref = self.revision.bom.product.ref
        rows: dict[str, list[Row]] = {"line": [], "operation": [], "document": [], "header": []}
        draw = {"line": self._line, "operation": self._operation, "document": self._document, "header": self._header}
        for change in self.changes:
            rows[change.what].append(draw[change.what](change))
        return Redline(
            self.revision,
            self.base,
            components=tuple(rows["line"]),
            operations=tuple(rows["operation"]),
            documents=tuple(rows["document"]),
            header=tuple(rows["header"]),
            before=self.costs[False].of(ref) if self.old is not None else NOTHING,
            after=self.costs[True].of(ref),
            changes=self.changes,
        )

    def _line(self, change: Change) -> Row:
        said = change.after or change.before or {}
        component, old_component = str(said["component"]), (change.before or said)["component"]
        cost = Decimal(0)
        for side, content, sign in ((change.after, self.new, 1), (change.before, self.old, -1)):
            if side is not None and content is not None:
                cost += sign * self.costs[side is change.after].of_line(content, Line.from_dict(side))[1]
        moved = component != old_component
        return Row(
            change.kind,
            change.uid,
            name=self.names.get(component, component),
            ref=component,
            before=_amount(change.before),
            after=_amount(change.after),
            details=self._line_details(change),
            old_name=self.names.get(str(old_component), str(old_component)) if moved else None,
            cost=cost,
        )

    def _line_details(self, change: Change) -> tuple[str, ...]:
        after = change.after or {}
        said: list[str] = []
        changed = change.fields if change.kind == "update" else tuple(after)
        if "operation" in changed and (change.kind == "update" or after.get("operation")):
            step = self.steps.get(after.get("operation") or "", "")
            said.append(_("used in %(step)s", step=step) if step else _("no longer tied to a step"))
        if "scrap" in changed and (change.kind == "update" or after.get("scrap") != "0"):
            said.append(_("scrap %(percent)s %%", percent=quantity(Decimal(after["scrap"]) * 100)))
        if "setup" in changed and (change.kind == "update" or after.get("setup") != "0"):
            said.append(_("%(amount)s more per order", amount=quantity(Decimal(after["setup"]))))
        if "designators" in changed and after.get("designators"):
            said.append(", ".join(after["designators"]))
        if "note" in changed and after.get("note"):
            said.append(str(after["note"]))
        return tuple(said)

    def _operation(self, change: Change) -> Row:
        said = change.after or change.before or {}
        cost = Decimal(0)
        for side, content, sign in ((change.after, self.new, 1), (change.before, self.old, -1)):
            if side is not None and content is not None:
                cost += sign * self.costs[side is change.after].of_operation(content, Operation.from_dict(side))
        details: list[str] = []
        centre = self.centres.get(said["work_centre"], said["work_centre"])
        if change.kind != "update" or "work_centre" in change.fields:
            details.append(centre)
        if "sequence" in change.fields and change.kind == "update":
            details.append(_("now step %(sequence)s", sequence=said["sequence"]))
        if said.get("note") and "note" in change.fields:
            details.append(str(said["note"]))
        old_name = change.before["name"] if change.kind == "update" and change.before else said["name"]
        return Row(
            change.kind,
            change.uid,
            name=f"{said['sequence']} {said['name']}",
            ref="",
            before=_minutes(change.before),
            after=_minutes(change.after),
            details=tuple(details),
            old_name=old_name if old_name != said["name"] else None,
            cost=cost,
        )

    def _document(self, change: Change) -> Row:
        said = change.after or change.before or {}
        return Row(change.kind, change.uid, name=str(said["name"]), ref="", before=None, after=None)

    def _header(self, change: Change) -> Row:
        sides = [
            f"{quantity(Decimal(side['output_quantity']))} {side['uom']}"
            + (f" ({_('kit')})" if side["kind"] == "kit" else "")
            for side in (change.before or {}, change.after or {})
            if side
        ]
        return Row("update", "header", name=_("One batch makes"), ref="", before=sides[0], after=sides[-1])


def _amount(side: Mapping[str, Any] | None) -> str | None:
    return f"{quantity(Decimal(side['quantity']))} {side['uom']}" if side is not None else None


def _minutes(side: Mapping[str, Any] | None) -> str | None:
    return str(_("%(minutes)s min", minutes=quantity(Decimal(side["minutes"])))) if side is not None else None
