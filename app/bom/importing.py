"""A parts list becomes drafts: one for the product, one for each of its assemblies, all under one change.

Everything or nothing: when a row is wrong, all wrong rows are told and nothing is written. The change is opened by
whoever calls, because this storey knows nothing of changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy import func, select

from app.bom import actions, revisions
from app.bom.models import Bom, BomRevision
from app.bom.sheet import Problem, Row, Sheet, by_assembly, read, slug
from app.catalog.actions import create_product, is_reference
from app.catalog.models import Product, UnitOfMeasure
from app.foundation.db import db
from app.foundation.errors import Refused
from app.foundation.language import _, ngettext
from app.people.models import Person
from app.traits.record import Record

OpenChange = Callable[[Product], Record]
LARGEST_FILE = 8 * 1024 * 1024


@dataclass
class Report:
    """What the import says, line by line. `ok` when the drafts are there (or, in a dry run, would be)."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def lines(self) -> list[str]:
        warned = [str(_("Note: %(what)s", what=warning)) for warning in self.warnings]
        return [*warned, *(str(problem) for problem in self.problems), *self.summary]


class Wrong(Exception):
    """Ends the transaction: the problems are in the report, nothing is written."""


def read_file(path: Path, mapping: Mapping[str, str]) -> Sheet:
    """The sheet in a file."""
    if path.stat().st_size > LARGEST_FILE:
        sentence = _("The file is larger than %(most)s MB.", most=LARGEST_FILE // 1024 // 1024)
        return Sheet(problems=[Problem(1, "1", str(sentence))])
    return read(path.read_bytes(), mapping)


def import_sheet(
    sheet: Sheet,
    *,
    product: str,
    names: Mapping[str, str],
    open_change: OpenChange,
    by: Person,
    report: Report,
) -> BomRevision:
    """Write the drafts, inside the caller's transaction. Raises Wrong when a row is, after looking at all of them."""
    report.problems += sheet.problems
    known = {str(row.number) for row in sheet.rows}
    for number in names:
        if number not in known:
            report.problems.append(
                Problem(int(number) if number.isdecimal() else 1, "?", str(_("There is no such row.")))
            )
    if report.problems:
        raise Wrong
    work = _Import(sheet, names, by, report)
    top = work.top_product(product)
    parts = [work.component_of(row) for row in sheet.rows]
    if report.problems:
        raise Wrong
    change = open_change(top)
    draft = work.draft_of(top, change)
    of_row = dict(zip((row.number for row in sheet.rows), parts, strict=True))
    assemblies = 0
    for name, rows in by_assembly(sheet.rows):
        into = draft
        if name:
            assemblies += 1
            assembly = work.assembly_product(top, name, rows[0])
            into = work.draft_of(assembly, change)
            work.add(draft, assembly, rows[0].assembly_quantity, rows[0], "assembly")
        for row in rows:
            work.add(into, of_row[row.number], row.quantity, row, "component", row)
    if report.problems:
        raise Wrong
    report.summary += [
        str(_("%(ref)s %(revision)s is a draft under %(change)s: %(rows)s, %(assemblies)s, %(new)s.",
              ref=top.ref, revision=draft.label, change=change.number,
              rows=ngettext("%(num)s row", "%(num)s rows", len(sheet.rows)),
              assemblies=ngettext("%(num)s sub-assembly", "%(num)s sub-assemblies", assemblies),
              new=ngettext("%(num)s new product", "%(num)s new products", work.new))),
        str(_("Nothing is current before the change is applied: look at %(url)s.", url=draft.url)),
    ]  # fmt: skip
    return draft


class _Import:
    """What one import knows: units, products met so far, and where to complain."""

    def __init__(self, sheet: Sheet, names: Mapping[str, str], by: Person, report: Report) -> None:
        self.sheet, self.names, self.by, self.report = sheet, names, by, report
        self.units = {unit.code.lower(): unit for unit in db.session.scalars(select(UnitOfMeasure))}
        self.products: dict[str, Product] = {}
        self.new = 0

    def complain(self, row: Row | None, name: str, sentence: str) -> None:
        self.report.problems.append(Problem(row.number if row else 1, self.sheet.column(name), str(sentence)))

    def top_product(self, ref: str) -> Product:
        """The product the file builds. One that is not in the catalogue yet is added to it."""
        found = self._find(ref) or self._create(None, ref, ref, None)
        if found is None:
            raise Wrong
        released = db.session.scalar(
            select(Bom.active_revision_id)
            .where(Bom.product_id == found.id, Bom.active_revision_id.is_not(None))
            .limit(1)
        )
        if released is not None:
            sentence = _(
                "%(ref)s has a released bill of materials. Change it by a change order instead.", ref=found.ref
            )
            self.complain(None, "assembly", sentence)
            raise Wrong
        return found

    def component_of(self, row: Row) -> Product | None:
        """The product a row names, or a new one."""
        ref = self.names.get(str(row.number)) or row.component
        if not ref:
            ref = slug(" ".join(part for part in (row.assembly, row.short or row.name) if part))
            sentence = _("Empty. %(ref)s stands in; name it with --name %(row)s=REFERENCE.", ref=ref, row=row.number)
            self.report.warnings.append(Problem(row.number, self.sheet.column("component"), str(sentence)))
        found = self._find(ref)
        if found is not None:
            if found.archived_at is not None:
                self.complain(row, "component", _("%(ref)s is archived.", ref=found.ref))
            self._unit(row)
            return found
        return self._create(row, ref, row.name or row.short or ref, self._unit(row))

    def assembly_product(self, top: Product, name: str, row: Row) -> Product:
        """The product that stands for an assembly: its name as a reference, with the product's where that is taken."""
        for ref in (slug(name), f"{top.ref}-{slug(name)}"[:64]):
            found = self._find(ref)
            if found is None:
                made = self._create(row, ref, name, None)
                if made is not None:
                    return made
                raise Wrong
            if not self._is_released(found) and found.id != top.id and found.name.lower() == name.lower():
                return found
        self.complain(row, "assembly", _("%(ref)s is taken by another product.", ref=slug(name)))
        raise Wrong

    def draft_of(self, product: Product, change: Record) -> BomRevision:
        return revisions.new_bom(product, eco=change, by=self.by)

    def add(
        self, into: BomRevision, part: Product | None, quantity: Decimal, row: Row, name: str, line: Row | None = None
    ) -> None:
        """One line; what the service refuses is a problem of this row."""
        if part is None:
            return
        try:
            actions.add_component(
                into,
                component=part,
                quantity=quantity,
                uom=self._unit(line) if line else None,
                note=line.note if line else "",
                designators=line.designators if line else (),
                by=self.by,
            )
        except Refused as no:
            self.complain(row, no.field if no.field in self.sheet.columns else name, no.sentence)

    def _is_released(self, product: Product) -> bool:
        released = select(Bom.id).where(Bom.product_id == product.id, Bom.active_revision_id.is_not(None))
        return db.session.scalar(released.limit(1)) is not None

    def _unit(self, row: Row) -> UnitOfMeasure | None:
        if not row.uom:
            return None
        found = self.units.get(row.uom.lower())
        if found is None:
            known = ", ".join(sorted(unit.code for unit in self.units.values()))
            self.complain(
                row, "uom", _("“%(typed)s” is no unit here. The units are: %(all)s.", typed=row.uom, all=known)
            )
        return found

    def _find(self, ref: str) -> Product | None:
        key = ref.lower()
        if key not in self.products:
            found = db.session.scalar(select(Product).where(func.lower(Product.ref) == key))
            if found is None:
                return None
            self.products[key] = found
        return self.products[key]

    def _create(self, row: Row | None, ref: str, name: str, uom: UnitOfMeasure | None) -> Product | None:
        uom = uom or self.units.get("unit") or next(iter(self.units.values()), None)
        if uom is None:
            self.complain(row, "uom", _("The catalogue has no unit of measure yet."))
            return None
        if not is_reference(ref):
            self.complain(row, "component", _("“%(ref)s” cannot be a reference.", ref=ref))
            return None
        part = row if row is not None and name != row.assembly else None  # the price is the part's, not its assembly's
        try:
            made = create_product(
                ref=ref,
                name=name,
                uom=uom,
                by=self.by,
                is_sold=False,
                cost=part.price if part else None,
                link=part.link if part else "",
            )
        except Refused as no:
            self.complain(row, no.field if no.field in self.sheet.columns else "component", no.sentence)
            return None
        self.products[ref.lower()] = made
        self.new += 1
        return made
