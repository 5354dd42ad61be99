"""Bills of materials in the browser: what is shown, what an engineer may do to a draft, who may not."""

import re
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import select

from app.bom.loop import impact
from app.bom.models import Bom, BomLine, BomOperation, BomRevision
from app.catalog.models import Product, WorkCentre
from app.foundation.db import db, transaction
from app.people.models import Person
from tests.factories import (
    make_customer,
    make_eco,
    make_eco_type,
    make_person,
    make_product,
    make_work_centre,
    start_revision,
)
from tests.factories.boms import make_bom, make_draft, release
from tests.factories.tickets import make_sold_unit
from tests.visitors import Visitor

HTMX = {"HX-Request": "true"}
JUNK = ("", "x", "-1", "NaN", "1e999", "\x00", "9" * 400, "'\"><b>", "½", "１２")


@pytest.fixture
def joe(app, database) -> Visitor:
    return Visitor(app).as_(make_person("Joe"))


@pytest.fixture
def bench(database) -> WorkCentre:
    return make_work_centre("Assembly bench")


@pytest.fixture
def pole(database) -> Product:
    return make_product("Wooden pole", ref="POLE", cost=Decimal("18.40"))


@pytest.fixture
def rack(pole) -> BomRevision:
    """V1 of a coat rack: current, with a base that has a rail of its own."""
    dowel = make_product("Wooden dowel", ref="DOWEL", cost=Decimal("0.85"))
    rail = make_product("Base rail", ref="RAIL", cost=Decimal("4.90"))
    base = make_product("Wooden base", ref="BASE")
    make_bom(base, {rail: 2})
    return make_bom(make_product("Coat rack", ref="RACK", price=Decimal(189)), {pole: 1, dowel: 6, base: 1})


@pytest.fixture
def draft(rack) -> BomRevision:
    return draft_of(rack.bom)


def draft_of(bom: Bom) -> BomRevision:
    """The next draft, by a change that has begun."""
    engineer = make_person("Joe")
    return start_revision(make_eco(bom.product, make_eco_type(), by=engineer), by=engineer)


def said(response) -> str:
    """The text of a page as one reads it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.text)))


def line_named(name: str) -> BomLine | None:
    """The line of V2 with this component, as it is stored now."""
    db.session.expire_all()
    return db.session.scalars(
        select(BomLine)
        .join(BomRevision, BomRevision.id == BomLine.revision_id)
        .join(Product, Product.id == BomLine.component_id)
        .where(BomRevision.number == 2, Product.name == name)
    ).unique().one_or_none()  # fmt: skip


def steps() -> list[BomOperation]:
    db.session.expire_all()
    return list(db.session.scalars(select(BomOperation).order_by(BomOperation.sequence)).unique())


# A BoM


def test_the_list_finds_by_words_of_the_name_and_by_reference(joe, rack):
    page = joe.get("/boms").text
    assert 'href="/boms/RACK"' in page
    assert 'href="/boms/BASE"' in page
    for typed in ("coat", "RACK rack", "rack"):
        page = joe.get(f"/boms?q={typed}").text
        assert 'href="/boms/RACK"' in page
        assert 'href="/boms/BASE"' not in page
    assert "Nothing fits" in joe.get("/boms?q=%25").text


def test_the_page_has_its_versions_and_says_which_is_current(joe, draft):
    page = joe.get("/boms/RACK").text
    versions = re.search(r'<ol class="versions" aria-label="Versions">.*?</ol>', page, re.S)
    assert versions is not None
    first, second = versions[0].split("<li")[1:]
    assert "V1" in first
    assert "Current" in first
    assert "V2" in second
    assert "Not released" in second
    assert "Current" not in second


def test_the_page_shows_the_current_revision_and_what_one_costs(joe, draft):
    page = said(joe.get("/boms/RACK"))
    assert "Components of V1" in page
    assert "€33.30" in page  # 18.40 + 6 x 0.85 + 2 x 4.90
    assert "€189.00" in page


def test_a_bom_that_was_never_released_says_so(joe, pole):
    make_draft(make_product("Stool", ref="STOOL"), {pole: 3})
    page = said(joe.get("/boms/STOOL"))
    assert "Nothing is released yet: orders cannot use it." in page
    assert "Wooden pole" in page


def test_a_part_says_what_it_is_used_in(joe, rack):
    assert re.search(r'aria-labelledby="h-u.*?href="/boms/RACK"', joe.get("/products/POLE").text, re.S)


def test_the_tree_opens_level_by_level(joe, rack):
    page = joe.get("/boms/RACK").text
    assert "Base rail" not in page
    found = re.search(r'hx-get="([^"]+)"[^>]+aria-expanded="false" aria-label="Open Wooden base"', page)
    assert found is not None
    branch = joe.get(unescape(found[1]), headers=HTMX).text
    assert branch.lstrip().startswith("<tbody")
    assert "Base rail" in branch
    assert 'aria-expanded="true"' in branch
    assert "Wooden pole" not in branch
    whole = joe.get(unescape(found[1]), follow_redirects=True).text  # without scripts: the page, opened
    assert "Base rail" in whole
    assert "Wooden pole" in whole


def test_a_branch_that_is_not_there_is_404(joe, rack):
    assert joe.get("/boms/RACK/revisions/1/branches/nothing", headers=HTMX).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/boms/NONE", "/boms/POLE", "/boms/RACK/other", "/boms/RACK/revisions/9", "/boms/RACK/revisions/999999999999",
        "/boms/RACK/revisions/99999999999999999999999", "/boms/NONE/revisions/1", "/units/NONE",
         "/products/NONE", "/boms/RACK/revisions/2?line=nothing", "/boms/RACK/revisions/2?step=nothing",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_404(joe, draft, path):
    assert joe.get(path).status_code == 404


@pytest.mark.parametrize("junk", JUNK)
def test_junk_in_an_address_breaks_nothing(joe, draft, junk):
    for path, name in (
        ("/boms", "q"), ("/boms", "offset"), ("/boms/RACK", "open"), ("/boms/RACK/revisions/2", "open"),
        ("/boms/RACK/revisions/2", "add"), ("/boms/RACK/revisions/2", "line"), ("/boms/RACK/revisions/2", "step"),
    ):  # fmt: skip
        assert joe.get(path, query_string={name: junk}).status_code in (200, 400, 404), (path, name)


# A draft


def test_a_draft_is_marked_and_offers_its_forms(joe, draft):
    page = joe.get(draft.url).text
    assert "Not released" in page
    assert "Add component" in page
    assert "Add operation" in page
    assert '<table class="table list" aria-label="Components">' in page
    assert '<table class="table list" aria-label="Operations">' in page
    form = joe.get(f"{draft.url}?add=component").text
    assert ">Component</label>" in form
    assert ">Quantity</label>" in form
    assert re.search(r"<button[^>]*>(<svg.*?</svg>)?Save", form)


def test_a_component_is_added_by_its_full_name(joe, draft):
    make_product("Metal support rod", ref="ROD")
    answer = joe.post(f"{draft.url}/components", {"component": "Metal support rod", "quantity": "1.5"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == draft.url
    assert line_named("Metal support rod").quantity == Decimal("1.5")
    assert "<ins>Metal support rod</ins>" in joe.get(draft.url).text


def test_products_of_one_name_are_told_apart(joe, draft):
    make_product("Rod", ref="ROD-A")
    make_product("Rod", ref="ROD-B")
    answer = joe.post(f"{draft.url}/components", {"component": "Rod", "quantity": "1"})
    assert answer.status_code == 422
    assert "Several products are called" in answer.text
    assert joe.post(f"{draft.url}/components", {"component": "[ROD-B] Rod", "quantity": "1"}).status_code == 303
    assert line_named("Rod").component.ref == "ROD-B"


@pytest.mark.parametrize(("locale", "typed"), [("en", "1.5"), ("en", "1,5"), ("de", "1,5")])
def test_a_half_can_be_typed_as_one_does(app, draft, locale, typed):
    make_product("Metal support rod", ref="ROD")
    visitor = Visitor(app).as_(make_person("Joe", locale=locale))
    answer = visitor.post(f"{draft.url}/components", {"component": "Metal support rod", "quantity": typed})
    assert answer.status_code == 303
    assert line_named("Metal support rod").quantity == Decimal("1.5")


def test_what_is_wrong_is_said_at_its_field_and_the_typed_text_stays(joe, draft):
    answer = joe.post(f"{draft.url}/components", {"component": "Unobtainium", "quantity": "two", "note": "by hand"})
    assert answer.status_code == 422
    assert 'value="two"' in answer.text
    assert 'value="by hand"' in answer.text
    assert "Unobtainium" in answer.text
    assert "“two” is not a number." in answer.text
    assert re.search(r'name="quantity"[^>]*aria-invalid="true"|aria-invalid="true"[^>]*name="quantity"', answer.text)
    answer = joe.post(f"{draft.url}/components", {"component": "Unobtainium", "quantity": "2"})
    assert answer.status_code == 422
    assert "There is no product “Unobtainium”." in answer.text
    assert 'value="2"' in answer.text


@pytest.mark.parametrize("junk", JUNK)
def test_junk_in_a_form_is_refused_not_fallen_over(joe, draft, bench, junk):
    line, usual = line_named("Wooden pole"), {"component": "Wooden dowel", "quantity": "1"}
    work = {"name": "Glue", "work_centre": bench.code, "minutes": "1"}
    for path, good in (
        ("/components", usual),
        (f"/components/{line.uid}", usual),
        (f"/components/{line.uid}", {"version": "1"} | usual),
        ("/operations", work),
    ):
        for name in {*good, "uom", "operation", "scrap", "setup", "note", "sequence"}:
            assert joe.post(draft.url + path, good | {name: junk}).status_code in (303, 400, 404, 409, 422), (
                path,
                name,
            )


def test_a_component_that_contains_the_product_is_refused_with_the_path(joe, rack):
    draft = draft_of(db.session.scalars(select(Bom).join(Product).where(Product.ref == "BASE")).unique().one())
    answer = joe.post(f"{draft.url}/components", {"component": "Coat rack", "quantity": "1"})
    assert answer.status_code == 422
    assert "BASE → RACK → BASE" in answer.text


def test_a_component_is_edited_and_removed(joe, draft):
    line = line_named("Wooden dowel")
    form = joe.get(f"{draft.url}?line={line.uid}").text
    assert re.search(r'name="quantity"[^>]*value="6"|value="6"[^>]*name="quantity"', form)
    changes = {"component": "Wooden dowel", "quantity": "8", "version": str(line.version)}
    assert joe.post(f"{draft.url}/components/{line.uid}", changes).status_code == 303
    assert line_named("Wooden dowel").quantity == 8
    assert joe.post(f"{draft.url}/components/{line.uid}/removal").status_code == 303
    assert line_named("Wooden dowel") is None
    assert joe.post(f"{draft.url}/components/{line.uid}/removal").status_code == 404


def test_who_edits_what_somebody_else_changed_since_is_told(joe, draft):
    line = line_named("Wooden dowel")
    changes = {"component": "Wooden dowel", "quantity": "8", "version": str(line.version)}
    assert joe.post(f"{draft.url}/components/{line.uid}", changes).status_code == 303
    answer = joe.post(f"{draft.url}/components/{line.uid}", changes | {"quantity": "7"})
    assert answer.status_code == 409
    assert "Somebody has changed this row" in answer.text
    assert 'value="7"' in answer.text
    assert line_named("Wooden dowel").quantity == 8


def test_an_operation_is_added_edited_and_removed(joe, draft, bench):
    typed = {"name": "Fit support rod", "work_centre": bench.code, "minutes": "4"}
    assert joe.post(f"{draft.url}/operations", typed).status_code == 303
    (step,) = steps()
    assert (step.name, step.minutes, step.sequence) == ("Fit support rod", 4, 10)
    assert "Fit support rod" in joe.get(f"{draft.url}?step={step.uid}").text
    changed = typed | {"minutes": "5.5", "version": str(step.version)}
    assert joe.post(f"{draft.url}/operations/{step.uid}", changed).status_code == 303
    assert steps()[0].minutes == Decimal("5.5")
    assert joe.post(f"{draft.url}/operations/{step.uid}/removal").status_code == 303
    assert steps() == []


def test_an_operation_needs_a_name_a_place_and_a_time(joe, draft):
    answer = joe.post(f"{draft.url}/operations", {"name": "", "work_centre": "", "minutes": "-1"})
    assert answer.status_code == 422
    assert "Name the operation." in answer.text
    assert 'value="-1"' in answer.text
    assert steps() == []


# Who may not


def test_a_released_revision_refuses_every_edit(joe, rack, bench):
    uid = db.session.scalar(select(BomLine.uid).where(BomLine.revision_id == rack.id))
    page = joe.get(rack.url).text
    assert "Add component" not in page
    assert "/removal" not in page
    posts = (
        ("/components", {"component": "Wooden dowel", "quantity": "1"}),
        (f"/components/{uid}", {"component": "Wooden pole", "quantity": "9"}),
        (f"/components/{uid}/removal", {}),
        ("/operations", {"name": "Sand", "work_centre": bench.code, "minutes": "1"}),
    )
    for path, typed in posts:
        answer = joe.post(rack.url + path, typed)
        assert answer.status_code == 409, path
        assert "Start a new revision." in answer.text
    db.session.expire_all()
    assert sorted(line.quantity for line in db.session.scalars(select(BomLine).where(BomLine.revision_id == rack.id))
                  .unique()) == [1, 1, 6]  # fmt: skip


def test_the_helpdesk_reads_and_edits_nothing(app, draft):
    marc = Visitor(app).as_(make_person("Marc"))
    page = marc.get(draft.url)
    assert page.status_code == 200
    assert "Add component" not in page.text
    assert 'name="quantity"' not in marc.get(f"{draft.url}?add=component").text
    assert marc.post(f"{draft.url}/components", {"component": "Wooden pole", "quantity": "1"}).status_code == 403
    assert marc.post(f"{draft.url}/operations", {"name": "Sand"}).status_code == 403


def test_a_customer_finds_nothing(app, draft):
    abigail = Visitor(app).as_(make_customer())
    for path in ("/boms", "/boms/RACK", draft.url, "/products", "/products/RACK", "/units/NONE"):
        assert abigail.get(path).status_code == 404, path
    assert abigail.post(f"{draft.url}/components", {"component": "Wooden pole", "quantity": "1"}).status_code == 404


def test_a_visitor_is_asked_to_sign_in(app, draft):
    answer = Visitor(app).get("/boms/RACK")
    assert answer.status_code == 303
    assert "/login" in answer.headers["Location"]


# Units, impact


def test_a_unit_tells_what_it_is_and_whose(app, joe, rack):
    make_sold_unit(rack.bom.product, make_customer(), serial="CR-0001")
    page = joe.get("/units/cr-0001")
    assert page.status_code == 200
    assert "Coat rack CR-0001" in page.text
    assert "Abigail Peterson" in page.text


def sell(revision: BomRevision, to: Person, serial: str) -> None:
    """A piece built to this revision, in the hands of a customer."""
    unit = make_sold_unit(revision.bom.product, to, serial=serial)
    with transaction(by=None, source="test"):
        unit.revision_id = revision.id


def test_a_change_is_told_what_is_sold_and_what_uses_the_product(draft, rack):
    for serial, customer in (("CR-1", make_customer("Abigail Peterson")), ("CR-2", make_customer("Bo Larsen"))):
        sell(rack, customer, serial)
    make_bom(make_product("Hall set", ref="HALL-SET"), {rack.bom.product: 1})
    sold, used = impact(draft)
    assert (sold.title, sold.count) == ("Sold with V1", 2)
    assert sold.sentence == "2 customers have them:"
    assert [(item.label, item.url) for item in sold.items] == [("CR-1", "/units/CR-1"), ("CR-2", "/units/CR-2")]
    assert (used.title, used.count) == ("Used in", 1)
    assert [(item.label, item.url) for item in used.items] == [("Hall set V1", "/boms/HALL-SET")]


def test_what_was_built_to_the_new_revision_is_not_touched(draft, rack):
    release(draft)
    sell(draft, make_customer(), "CR-1")
    assert [(answer.count, list(answer.items)) for answer in impact(draft)] == [(0, []), (0, [])]


# Statements


def counted(visitor, queries, path) -> int:
    visitor.get(path)
    queries.clear()
    assert visitor.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", ["/boms", "/boms/RACK", "/boms/RACK/revisions/2", "/products/RACK"])
def test_a_page_takes_as_many_statements_for_many_rows_as_for_few(joe, draft, queries, path):
    rack = draft.bom.product
    make_bom(make_product("Hall set", ref="HALL-SET"), {rack: 1})
    few = counted(joe, queries, path)
    for number in range(6):
        part = make_product(f"Part {number}", ref=f"PART-{number}")
        make_bom(part, {make_product(f"Bit {number}", ref=f"BIT-{number}"): 2})
        joe.post(f"{draft.url}/components", {"component": f"Part {number}", "quantity": "1"})
        make_bom(make_product(f"Set {number}", ref=f"SET-{number}"), {db.session.merge(rack): 1})
    assert counted(joe, queries, path) <= few, "\n".join(q[:150].replace("\n", " ") for q in queries)
    assert few <= 50
