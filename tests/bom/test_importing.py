"""A parts list becomes drafts, or every wrong row is told and nothing is written."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.bom import importing, queries
from app.bom.explosion import explode
from app.bom.models import BomRevision, RevisionState
from app.bom.sheet import read, slug
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.people.models import Person
from app.plm.actions import open_first_release
from app.plm.models import Signing
from tests.factories.ecos import make_coat_rack, make_eco_type
from tests.factories.people import make_person
from tests.factories.products import make_product, make_uom

DATA = Path(__file__).resolve().parents[1] / "data"
ROVER = (DATA / "rover_parts_list_clean.csv").read_bytes()


@pytest.fixture
def joe(database: None) -> Person:
    make_uom()
    make_eco_type(signing=Signing.LIGHT, first_release=True)
    return make_person("Joe")


def bring(data: bytes | str, by: Person, *, product: str = "ROVER", names: dict[str, str] | None = None,
          mapping: dict[str, str] | None = None) -> tuple[importing.Report, int | None]:  # fmt: skip
    """Import; the report, and the id of the change when the drafts are there."""
    report = importing.Report()
    sheet = read(data.encode() if isinstance(data, str) else data, mapping)
    try:
        with transaction(by=by, source="import"):
            draft = importing.import_sheet(
                sheet,
                product=product,
                names=names or {},
                open_change=lambda top: open_first_release(top, by=by),
                by=by,
                report=report,
            )
    except importing.Wrong:
        return report, None
    return report, draft.eco_id


def needs(change_id: int, ref: str = "ROVER") -> dict[str, Decimal]:
    below = queries.structure([ref], drafts_of=change_id)
    return {row.ref: row.quantity for row in explode(ref, 1, below.source).rows}


def test_the_rover_comes_in_with_its_assemblies(joe: Person) -> None:
    report, change_id = bring(ROVER, joe)
    assert report.problems == []
    assert change_id is not None
    needed = needs(change_id)
    assert needed["1120-0002-0072"] == 8
    assert needed["1116-0024-0040"] == 4
    assert needed["1118-0024-0096"] == 6
    assert needed["1137-0001-0001"] == 1
    drafts = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == change_id)).unique().all()
    assert {d.bom.product.ref for d in drafts} == {"ROVER", "DRIVE-WHEEL", "CORNER", "ROCKER-BOGIE", "BODY", "GENERAL"}
    assert {d.state for d in drafts} == {RevisionState.DRAFT}


def test_half_a_part_stays_half_a_part(joe: Person) -> None:
    bring(ROVER, joe)
    lines = queries.lines_of(queries.revision_of("ROCKER-BOGIE", 1))
    assert next(line.quantity for line in lines if line.component.ref == "1137-0001-0001") == Decimal("0.5")


def test_prices_names_and_links_come_along(joe: Person) -> None:
    bring(ROVER, joe)
    hub = db.session.scalars(select(Product).where(Product.ref == "545618")).one()
    assert hub.cost == Decimal("7.99")
    assert hub.name == '6mm Bore Clamping D-Hub (Tapped), 0.770" Pattern - ServoCity'
    assert hub.link.startswith("https://www.servocity.com/")


def test_an_empty_part_number_is_told_and_can_be_named(joe: Person) -> None:
    report, _change = bring(ROVER, joe)
    assert [(w.row, w.column) for w in report.warnings] == [(2, "part #")]
    assert "DRIVE-WHEEL-WHEEL" in report.lines[0]
    report, _change = bring(ROVER, joe, product="ROVER-2", names={"2": "TALON-58"})
    assert report.warnings == []
    assert db.session.scalar(select(Product.id).where(Product.ref == "TALON-58")) is not None


def test_commas_without_quotation_marks_are_told_and_nothing_is_written(joe: Person) -> None:
    before = db.session.scalar(select(func.count()).select_from(Product))
    report, change_id = bring((DATA / "rover_parts_list.csv").read_bytes(), joe)
    assert change_id is None
    assert [(p.row, p.column) for p in report.problems] == [(21, "long name"), (22, "long name"), (23, "long name")]
    assert "8mm Length" in report.problems[0].sentence
    assert db.session.scalar(select(func.count()).select_from(Product)) == before
    assert db.session.scalar(select(func.count()).select_from(BomRevision)) == 0


@pytest.mark.parametrize(
    ("rows", "row", "column", "says"),
    [
        ("part,qty\nA,1,5", 2, "qty", "3 cells for 2 columns"),
        ('part,qty\nA,"1,5"', 2, "qty", "not a number"),
        ("part,qty\nA,1.000.5", 2, "qty", "not a number"),
        ("part,qty\nA,-1", 2, "qty", "not a number"),
        ("part,qty\nA,1\nB,", 3, "qty", "missing"),
        ("part,qty\nA", 2, "qty", "ends before"),
        ("part,qty,price\nA,1,cheap", 2, "price", "not a price"),
        ("part,qty,uom\nA,1,furlong", 2, "uom", "no unit here"),
        ("part,qty\nA/B,1", 2, "part", "cannot be a reference"),
        ("part,qty\n,1", 2, "part", "reference or a name"),
        ("part,description,qty\nA,{long},1", 2, "description", "At most 200"),
        ("part,qty\nROVER,1", 2, "part", "contain itself"),
        ("assembly,multiplier,part,qty\nLeg,2,A,1\nLeg,3,B,1", 3, "multiplier", "3 times here and 2 times in row 2"),
        ("part,number,qty\nA,1,1", 1, "component", ""),
        ("colour,shape\nred,round", 1, "quantity", "--map"),
        ("part,qty,amount\nA,1,1", 1, "amount", "is the quantity already"),
        ("part,qty", 1, "1", "no row"),
        ("", 1, "1", "name the columns"),
        ('part,qty\n"A,1', 1, "1", "quotation marks"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_row_and_column(joe: Person, rows: str, row: int, column: str, says: str) -> None:
    if not says:
        assert bring(rows, joe)[0].ok  # "number" is no usual name, so it is simply not used
        return
    report, change_id = bring(rows.replace("{long}", "x" * 201), joe)
    assert change_id is None
    assert any(p.row == row and p.column == column and says in p.sentence for p in report.problems), report.lines


def test_all_wrong_rows_are_told_at_once(joe: Person) -> None:
    report, _change = bring("part,qty\nA,x\nB,1\nC,y", joe)
    assert [p.row for p in report.problems] == [2, 4]


def test_columns_can_be_said(joe: Person) -> None:
    text = "Teil;Menge;qty\nA;2;x\n"
    report, change_id = bring(text, joe, mapping={"Teil": "component", "Menge": "quantity"})
    assert report.ok
    assert change_id is not None
    assert needs(change_id) == {"A": 2}


def test_a_field_or_column_that_is_not_there_is_told(joe: Person) -> None:
    report, _change = bring("part,qty\nA,1", joe, mapping={"part": "colour", "size": "note"})
    assert {(p.row, p.column) for p in report.problems} == {(1, "part"), (1, "size")}


def test_a_row_to_name_must_be_there(joe: Person) -> None:
    report, _change = bring("part,qty\nA,1", joe, names={"9": "B"})
    assert [(p.row, p.sentence) for p in report.problems] == [(9, "There is no such row.")]


def test_known_products_are_used_whatever_their_case(joe: Person) -> None:
    pole = make_product("Wooden pole", ref="POLE")
    bring('part,qty,designators\npole,2,"R1, R2"', joe)
    (line,) = queries.lines_of(queries.revision_of("ROVER", 1))
    assert line.component_id == pole.id
    assert line.designators == ["R1", "R2"]


def test_a_released_bom_is_changed_by_a_change_only(joe: Person) -> None:
    rack = make_coat_rack()
    report, change_id = bring("part,qty\nA,1", joe, product=rack.ref)
    assert change_id is None
    assert "released" in report.problems[0].sentence


def test_an_assembly_never_takes_a_product_of_another_name(joe: Person) -> None:
    make_product("Body of somebody", ref="BODY")
    _report, change_id = bring("assembly,part,qty\nbody,A,1", joe)
    assert change_id is not None
    drafts = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == change_id)).unique()
    assert {d.bom.product.ref for d in drafts} == {"ROVER", "ROVER-BODY"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04rest", "spreadsheet"),
        ("part,qty\nSchl\xfcssel,1".encode("latin-1"), "UTF-8"),
        (b"a\0b", "not a text"),
    ],
)
def test_files_that_are_no_csv_are_refused(data: bytes, says: str) -> None:
    assert says in read(data).problems[0].sentence


def test_a_byte_order_mark_does_no_harm(joe: Person) -> None:
    assert bring(b"\xef\xbb\xbfpart;qty\r\nA;1\r\n", joe)[0].ok


def test_names_become_references() -> None:
    assert slug("drive wheel wheel") == "DRIVE-WHEEL-WHEEL"
    assert slug("⌀36 mm Überzug") == "36-MM-UBERZUG"
    assert slug("轮子") == "PART"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_file_makes_it_stumble(data: bytes) -> None:
    sheet = read(b"part,qty\n" + data)
    assert sheet.rows or sheet.problems
