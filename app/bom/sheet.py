"""A parts list as people keep it: a CSV file read into rows, every problem with its row and column. No database."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from app.foundation.db import LARGEST
from app.foundation.language import _

FIELDS = (
    "assembly", "assembly_quantity", "component", "name", "quantity", "uom", "price", "link", "note", "designators",
)  # fmt: skip
SHORT = "short"  # a nickname: only for the reference that is made for a row without one
USUAL = {
    "assembly": ("assembly", "parent", "sub assembly", "subassembly", "assy"),
    "assembly_quantity": ("assembly quantity", "assembly multiplier", "assembly qty", "multiplier"),
    "component": ("component", "part", "part no", "part number", "ref", "reference", "mpn", "item", "sku"),
    "name": ("name", "long name", "description", "title"),
    SHORT: ("short name", "nickname"),
    "quantity": ("quantity", "qty", "amount", "req in assy", "required", "qty per assembly"),
    "uom": ("uom", "unit", "unit of measure"),
    "price": ("price", "cost", "cost pp", "unit price", "unit cost", "price each"),
    "link": ("link", "url", "web"),
    "note": ("note", "notes", "remark", "comment"),
    "designators": ("designators", "designator", "reference designator", "refdes"),
}
LONGEST = {"name": 200, "link": 500, "note": 400, "component": 64, "assembly": 120, "uom": 16}
MOST_ROWS = 20_000
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?")
_CURRENCY = re.compile(r"^[$€£]\s*|\s*(?:[$€£]|EUR|USD|GBP|CHF)$")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong where. Rows count as a spreadsheet counts them: the header is row 1."""

    row: int
    column: str
    sentence: str

    def __str__(self) -> str:
        return str(_("row %(row)s, column %(column)s: %(what)s", row=self.row, column=self.column, what=self.sentence))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a BoM as it was typed. `component` is empty where the file gives no reference."""

    number: int
    assembly: str
    assembly_quantity: Decimal
    component: str
    name: str
    short: str
    quantity: Decimal
    uom: str
    price: Decimal | None
    link: str
    note: str
    designators: tuple[str, ...]


@dataclass
class Sheet:
    """What was read: good rows, problems, and which column of the file is which field."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    def column(self, name: str) -> str:
        """What the file calls a field."""
        return self.columns.get(name, name)


def read(data: bytes, mapping: Mapping[str, str] | None = None) -> Sheet:
    """Read a CSV file. `mapping` says which field a column is, by its header, where the usual names do not fit."""
    sheet = Sheet()
    if data[:4] == b"PK\x03\x04":
        return _wrong(sheet, _("This is a spreadsheet or an archive. Save it as CSV and import that."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        row = data[: problem.start].count(b"\n") + 1
        sheet.problems.append(Problem(row, "?", str(_("This is not UTF-8 text. Save it as CSV in UTF-8."))))
        return sheet
    if "\0" in text:
        return _wrong(sheet, _("This is not a text file."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as problem:
        return _wrong(sheet, _("The quotation marks of this file do not add up: %(problem)s.", problem=problem))
    if not records or not any(cell.strip() for cell in records[0]):
        return _wrong(sheet, _("The first row must name the columns."))
    if len(records) > MOST_ROWS:
        return _wrong(sheet, _("At most %(most)s rows.", most=MOST_ROWS))
    header = [cell.strip() for cell in records[0]]
    fields = _fields(sheet, header, mapping or {})
    if sheet.problems:
        return sheet
    for number, cells in enumerate(records[1:], 2):
        if any(cell.strip() for cell in cells):
            _read_row(sheet, number, header, fields, cells)
    if not sheet.rows and not sheet.problems:
        return _wrong(sheet, _("There is no row below the header."))
    _same_multiplier(sheet)
    return sheet


def slug(text: str) -> str:
    """ "Drive wheel" -> "DRIVE-WHEEL": how a name becomes a reference."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "-", plain.upper()).strip("-")[:60] or "PART"


def _wrong(sheet: Sheet, sentence: str) -> Sheet:
    sheet.problems.append(Problem(1, "1", str(sentence)))
    return sheet


def _fields(sheet: Sheet, header: Sequence[str], mapping: Mapping[str, str]) -> list[str | None]:
    """The field of each column; None for one that is not used."""
    given = {_plain(column): name for column, name in mapping.items()}
    known = {_plain(cell) for cell in header}
    for column, name in mapping.items():
        if name not in FIELDS:
            sentence = _("There is no field “%(field)s”. The fields are: %(all)s.", field=name, all=", ".join(FIELDS))
            sheet.problems.append(Problem(1, column, str(sentence)))
        elif _plain(column) not in known:
            sheet.problems.append(Problem(1, column, str(_("The file has no such column."))))
    if sheet.problems:
        return []
    fields: list[str | None] = []
    taken = set(given.values())
    for cell in header:
        plain = _plain(cell)
        usual = (name for name, words in USUAL.items() if plain in words and name not in taken)
        found = given[plain] if plain in given else next(usual, None)
        if found is None:
            sheet.unused.append(cell)
        elif found in fields:
            sentence = _("“%(other)s” is the %(field)s already. Say which one counts with --map.",
                         other=sheet.columns[found], field=found)  # fmt: skip
            sheet.problems.append(Problem(1, cell, str(sentence)))
        else:
            sheet.columns[found] = cell
        fields.append(found)
    if SHORT in fields and "name" not in fields:
        fields[fields.index(SHORT)] = "name"
        sheet.columns["name"] = sheet.columns.pop(SHORT)
    for needed in ("quantity", "component"):
        if needed not in fields and not (needed == "component" and "name" in fields):
            sentence = _("No column is the %(field)s. Say which one with --map COLUMN=%(field)s.", field=needed)
            sheet.problems.append(Problem(1, needed, str(sentence)))
    return fields


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", header.lower()).strip()


def _read_row(sheet: Sheet, number: int, header: Sequence[str], fields: Sequence[str | None], cells: list[str]) -> None:
    before = len(sheet.problems)
    typed: dict[str, str] = {}
    for name, cell in zip(fields, cells, strict=False):
        if name is not None:
            typed[name] = " ".join(cell.split())

    def say(column: str, sentence: str) -> None:
        sheet.problems.append(Problem(number, column, str(sentence)))

    if len(cells) != len(header):
        _say_ragged(sheet, number, header, cells)  # what stands in the shifted columns says nothing more
        return
    quantity = _number(typed.get("quantity", ""))
    if quantity is None:
        say(sheet.column("quantity"), _not_a_number(typed.get("quantity", "")))
    multiplier = _number(typed.get("assembly_quantity", "") or "1")
    if multiplier is None or multiplier == 0:
        say(sheet.column("assembly_quantity"), _not_a_number(typed.get("assembly_quantity", "")))
    price = None
    if given := typed.get("price", ""):
        price = _number(_CURRENCY.sub("", given))
        if price is None:
            say(sheet.column("price"), _("“%(typed)s” is not a price. Write 25.27 with a point.", typed=given[:60]))
    for name, most in LONGEST.items():
        if len(typed.get(name, "")) > most:
            say(sheet.column(name), _("At most %(most)s characters.", most=most))
    if not any(typed.get(name) for name in ("component", "name", SHORT)):
        say(sheet.column("component"), _("A row needs a reference or a name."))
    if len(sheet.problems) == before and quantity is not None and multiplier is not None:
        sheet.rows.append(
            Row(
                number=number,
                assembly=typed.get("assembly", ""),
                assembly_quantity=multiplier,
                component=typed.get("component", ""),
                name=typed.get("name", ""),
                short=typed.get(SHORT, ""),
                quantity=quantity,
                uom=typed.get("uom", ""),
                price=price,
                link=typed.get("link", ""),
                note=typed.get("note", ""),
                designators=tuple(part for part in re.split(r"[,;\s]+", typed.get("designators", "")) if part),
            )
        )


def _say_ragged(sheet: Sheet, number: int, header: Sequence[str], cells: Sequence[str]) -> None:
    """Too many cells are nearly always a comma that should stand in quotation marks: say in which column."""
    if len(cells) < len(header):
        missing = header[len(cells)]
        sentence = _("The row ends before this column: %(have)s of %(want)s cells.", have=len(cells), want=len(header))
        sheet.problems.append(Problem(number, missing, str(sentence)))
        return
    # a comma inside a text leaves a blank at the beginning of the cell that is one too many
    split = next((n for n, cell in enumerate(cells[1:], 1) if cell.startswith(" ")), len(header))
    column = header[min(split, len(header)) - 1]
    sentence = _(
        "%(have)s cells for %(want)s columns. A comma inside this text must stand in quotation marks: “%(text)s”.",
        have=len(cells), want=len(header), text=", ".join(cell.strip() for cell in cells[split - 1 : split + 1])[:80],
    )  # fmt: skip
    sheet.problems.append(Problem(number, column, str(sentence)))


def _same_multiplier(sheet: Sheet) -> None:
    """An assembly is in the product so many times: all of its rows must say the same."""
    first: dict[str, Row] = {}
    for row in sheet.rows:
        known = first.setdefault(row.assembly.lower(), row)
        if known.assembly_quantity != row.assembly_quantity:
            sentence = _(
                "“%(assembly)s” is there %(now)s times here and %(then)s times in row %(row)s.",
                assembly=row.assembly, now=row.assembly_quantity, then=known.assembly_quantity, row=known.number,
            )  # fmt: skip
            sheet.problems.append(Problem(row.number, sheet.column("assembly_quantity"), str(sentence)))


def _number(text: str) -> Decimal | None:
    """An exact number with a point; anything ambiguous is None."""
    if not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number <= LARGEST else None


def _not_a_number(typed: str) -> str:
    if not typed:
        return str(_("A number is missing."))
    return str(_("“%(typed)s” is not a number. Write 1.5 with a point and no thousands mark.", typed=typed[:60]))


def by_assembly(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each assembly, in the order in which assemblies first appear; "" is the product itself."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.assembly.lower(), []).append(row)
    for group in found.values():
        yield group[0].assembly, group
