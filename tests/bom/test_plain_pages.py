"""The pages of BoMs, revisions, products and units, as a browser without scripts sees them."""

import re
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select

from app.bom import revisions, units
from app.bom.models import BomLine, BomRevision
from app.catalog import queries as catalog
from app.catalog.models import Product, Tracking
from app.foundation.db import db, transaction
from app.people.models import Customer
from tests.factories import make_customer, make_person, make_product, make_work_centre
from tests.factories.boms import make_bom, make_draft, next_revision, release
from tests.factories.ecos import make_eco, make_eco_type
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def joe(app: Flask) -> Visitor:
    return Visitor(app).as_(make_person("Joe"))


@pytest.fixture
def marc(app: Flask) -> Visitor:
    return Visitor(app).as_(make_person("Marc"))


@pytest.fixture
def rack() -> BomRevision:
    felt = make_product("Felt pad", ref="FELT", cost=Decimal("0.10"))
    base = make_product("Wooden base", ref="BASE")
    make_bom(base, {felt: 4})
    return make_bom(
        make_product("Coat rack", ref="COAT-RACK", price=Decimal(189)),
        {make_product("Wooden pole", ref="POLE", cost=Decimal("18.40")): 1, base: 2},
        steps={"Assemble": (make_work_centre(), 20)},
    )


def started(rack: BomRevision) -> BomRevision:
    """V2 of the rack, a draft of a real change: editing tells the room that has it."""
    product = db.session.get_one(Product, rack.bom.product_id)
    change = make_eco(product, make_eco_type(), by=make_person("Joe"))
    return next_revision(rack.bom, change=change)


def lines(draft: BomRevision) -> list[tuple[str, Decimal]]:
    return [(line.component, line.quantity) for line in revisions.content(draft).lines]


def uid_of(revision: BomRevision, ref: str) -> str:
    return db.session.scalars(
        select(BomLine.uid)
        .join(Product, Product.id == BomLine.component_id)
        .where(BomLine.revision_id == revision.id, Product.ref == ref)
    ).one()


def table(page: str, name: str) -> str:
    found = re.search(rf'<table[^>]*aria-label="{name}">(.*?)</table>', page, re.DOTALL)
    assert found is not None, name
    return found[1]


def test_the_bom_page_names_its_versions_and_the_current_one(joe: Visitor, rack: BomRevision) -> None:
    next_revision(rack.bom)
    page = joe.get("/boms/COAT-RACK")
    assert page.status_code == 200
    versions = re.search(r'<ol class="versions" aria-label="Versions">(.*?)</ol>', page.text, re.DOTALL)
    assert versions is not None
    first, second = versions[1].split("<li")[1:]
    assert "V1" in first
    assert "Current" in first
    assert "V2" in second
    assert "Current" not in second
    assert "Not released" in second


def test_the_tree_opens_level_by_level(joe: Visitor, rack: BomRevision) -> None:
    uid = uid_of(rack, "BASE")
    closed = joe.get("/boms/COAT-RACK").text
    assert "Wooden base" in table(closed, "Components")
    assert "Felt pad" not in closed
    opened = joe.get(f"/boms/COAT-RACK?open={uid}").text
    felt = next(row for row in table(opened, "Components").split("<tr") if "Felt pad" in row)
    assert ">8<" in felt
    fragment = joe.get(f"/boms/COAT-RACK/revisions/1/branches/{uid}?open={uid}", headers={"HX-Request": "true"})
    assert "Felt pad" in fragment.text
    assert "Wooden pole" not in fragment.text
    assert fragment.text.strip().startswith("<tbody")
    plain = joe.get(f"/boms/COAT-RACK/revisions/1/branches/{uid}?open={uid}")
    assert plain.status_code == 303
    assert f"open={uid}" in plain.headers["Location"]


def test_cost_is_rolled_up(joe: Visitor, rack: BomRevision) -> None:
    page = joe.get("/boms/COAT-RACK").text
    assert "€31.20" in page  # 18.40 + 8 x 0.10 + 20 min at 36 per hour


def test_where_used_is_shown(joe: Visitor, rack: BomRevision) -> None:
    assert "/boms/COAT-RACK" in joe.get("/boms/BASE").text.split("Used in")[1]


def test_a_component_is_added_to_a_draft(joe: Visitor, rack: BomRevision) -> None:
    make_product("Metal support rod", ref="SUPPORT-ROD")
    draft = started(rack)
    page = joe.get("/boms/COAT-RACK/revisions/2").text
    assert "Not released" in page
    assert "Add component" in page
    form = joe.get("/boms/COAT-RACK/revisions/2?add=component").text
    assert "<option>Metal support rod</option>" in form
    answer = joe.post("/boms/COAT-RACK/revisions/2/components", {"component": "Metal support rod", "quantity": "1"})
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/boms/COAT-RACK/revisions/2")
    assert lines(draft)[-1] == ("SUPPORT-ROD", 1)
    shown = table(joe.get("/boms/COAT-RACK/revisions/2").text, "Components")
    assert "<ins>Metal support rod</ins>" in shown


def test_an_operation_is_added_to_a_draft(joe: Visitor, rack: BomRevision) -> None:
    draft = started(rack)
    centre = catalog.work_centres()[0]
    answer = joe.post(
        "/boms/COAT-RACK/revisions/2/operations",
        {"name": "Install support rod", "work_centre": centre.code, "minutes": "4.5"},
    )
    assert answer.status_code == 303
    steps = revisions.content(draft).operations
    assert [(s.name, s.minutes, s.sequence) for s in steps] == [
        ("Assemble", 20, 10),
        ("Install support rod", Decimal("4.5"), 20),
    ]
    assert "Install support rod" in table(joe.get("/boms/COAT-RACK/revisions/2").text, "Operations")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"component": "Woden pole", "quantity": "1"}, "There is no product"),
        ({"component": "", "quantity": "1"}, "Choose a component"),
        ({"component": "Wooden pole", "quantity": "many"}, "is not a number"),
        ({"component": "Wooden pole", "quantity": "-1"}, "at least 0"),
        ({"component": "Wooden pole", "quantity": ""}, "How many go into it?"),
        ({"component": "Coat rack", "quantity": "1"}, "would contain itself"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    joe: Visitor, rack: BomRevision, typed: dict[str, str], sentence: str
) -> None:
    draft = next_revision(rack.bom)
    before = lines(draft)
    answer = joe.post("/boms/COAT-RACK/revisions/2/components", {**typed, "note": "oak only"})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "oak only" in answer.text
    if typed["quantity"]:
        assert f'value="{typed["quantity"]}"' in answer.text
    if typed["component"]:
        assert f"selected>{typed['component']}</option>" in answer.text
    assert lines(draft) == before


def test_a_component_is_changed_and_removed(joe: Visitor, rack: BomRevision) -> None:
    draft = started(rack)
    uid = uid_of(draft, "POLE")
    form = joe.get(f"/boms/COAT-RACK/revisions/2?line={uid}").text
    assert "selected>Wooden pole</option>" in form
    version = re.search(r'name="version"[^>]*value="(\d+)"', form)
    assert version is not None
    said = {"component": "Wooden pole", "quantity": "2", "scrap": "5", "version": version[1]}
    assert joe.post(f"/boms/COAT-RACK/revisions/2/components/{uid}", said).status_code == 303
    line = next(line for line in revisions.content(draft).lines if line.uid == uid)
    assert (line.quantity, line.scrap) == (2, Decimal("0.05"))
    stale = joe.post(f"/boms/COAT-RACK/revisions/2/components/{uid}", said | {"quantity": "7"})
    assert stale.status_code == 409
    assert "changed this row" in stale.text
    assert 'value="7"' in stale.text
    assert joe.post(f"/boms/COAT-RACK/revisions/2/components/{uid}/removal").status_code == 303
    assert [ref for ref, _quantity in lines(draft)] == ["BASE"]


def test_an_operation_is_changed_and_removed(joe: Visitor, rack: BomRevision) -> None:
    draft = started(rack)
    step = revisions.content(draft).operations[0]
    assert 'value="Assemble"' in joe.get(f"/boms/COAT-RACK/revisions/2?step={step.uid}").text
    said = {"name": "Assemble", "work_centre": step.work_centre, "minutes": "25"}
    assert joe.post(f"/boms/COAT-RACK/revisions/2/operations/{step.uid}", said).status_code == 303
    assert revisions.content(draft).operations[0].minutes == 25
    assert joe.post(f"/boms/COAT-RACK/revisions/2/operations/{step.uid}/removal").status_code == 303
    assert revisions.content(draft).operations == ()


def test_a_released_revision_offers_no_editing_and_refuses_it(joe: Visitor, rack: BomRevision) -> None:
    page = joe.get("/boms/COAT-RACK/revisions/1").text
    assert "Add component" not in page
    assert "Save" not in joe.get("/boms/COAT-RACK/revisions/1?add=component").text
    answer = joe.post("/boms/COAT-RACK/revisions/1/components", {"component": "Felt pad", "quantity": "1"})
    assert answer.status_code == 409
    assert len(lines(rack)) == 2


def test_others_read_but_do_not_edit(marc: Visitor, rack: BomRevision) -> None:
    draft = next_revision(rack.bom)
    page = marc.get("/boms/COAT-RACK/revisions/2")
    assert page.status_code == 200
    assert "Add component" not in page.text
    answer = marc.post("/boms/COAT-RACK/revisions/2/components", {"component": "Felt pad", "quantity": "1"})
    assert answer.status_code == 403
    assert len(lines(draft)) == 2


def test_customers_do_not_know_that_boms_exist(app: Flask, rack: BomRevision) -> None:
    abigail = Visitor(app).as_(make_customer())
    for path in ("/boms", "/boms/COAT-RACK", "/boms/COAT-RACK/revisions/1", "/products", "/products/POLE"):
        assert abigail.get(path).status_code in (403, 404)


@pytest.mark.parametrize(
    "path", ["/boms/NOTHING", "/boms/COAT-RACK/revisions/9", "/boms/COAT-RACK/other", "/products/NOTHING", "/units/X-1"]
)
def test_what_is_not_there_is_404(joe: Visitor, rack: BomRevision, path: str) -> None:
    assert joe.get(path).status_code == 404


def test_the_lists_are_searched(joe: Visitor, rack: BomRevision) -> None:
    for path in ("/products", "/boms"):
        page = joe.get(path).text
        assert "Coat rack" in page
        assert "Wooden base" in page
        found = table(joe.get(f"{path}?q=coat+rack").text, "Products" if path == "/products" else "Bills of materials")
        assert "Coat rack" in found
        assert "Wooden base" not in found
    assert "Nothing fits" in joe.get("/products?q=zzz").text


def test_a_percent_sign_is_only_a_percent_sign(joe: Visitor, rack: BomRevision) -> None:
    assert "Nothing fits" in joe.get("/products?q=%25").text


def test_a_list_of_products_takes_a_few_statements(joe: Visitor, rack: BomRevision, queries: list[str]) -> None:
    for number in range(12):
        make_bom(make_product(f"Shelf {number}"), {db.session.get_one(Product, rack.bom.product_id): 1})
    queries.clear()
    joe.get("/products")
    few = len(queries)
    for number in range(12):
        make_product(f"Board {number}")
    queries.clear()
    joe.get("/products")
    assert len(queries) <= few <= 14


def test_a_product_is_made_and_edited(joe: Visitor) -> None:
    make_product()
    typed = {"name": "Bookstand", "ref": "BOOKSTAND", "uom": "unit", "is_tracked": "y", "price": "49"}
    assert joe.post("/products/new", typed).headers["Location"] == "/products/BOOKSTAND"
    page = joe.get("/products/BOOKSTAND").text
    assert "€49.00" in page
    product = db.session.scalars(select(Product).where(Product.ref == "BOOKSTAND")).one()
    assert product.tracking == Tracking.SERIAL
    again = joe.post("/products/new", typed | {"ref": "bookstand"})
    assert again.status_code == 422
    assert "is taken" in again.text
    assert "slash" not in joe.post("/products/new", typed | {"ref": "A/B"}).headers.get("Location", "")
    answer = joe.post("/products/BOOKSTAND/edit", {"name": "Bookstand, oak", "price": "59"})
    assert answer.status_code == 303
    assert "Bookstand, oak" in joe.get("/products/BOOKSTAND").text


def test_a_product_tells_which_drafts_wait(joe: Visitor) -> None:
    make_draft(make_product("Bookstand", ref="BOOKSTAND"), {make_product(): 1})
    page = joe.get("/products/BOOKSTAND").text
    assert "is a draft, not released" in page
    assert "/boms/BOOKSTAND/revisions/1" in page
    assert "orders cannot use it" in joe.get("/boms/BOOKSTAND").text


def test_names_that_collide_are_told_apart() -> None:
    make_product("Screw", ref="S-1")
    make_product("Screw", ref="S-2")
    make_product("Pole", ref="P-9")
    assert {"[S-1] Screw", "[S-2] Screw", "Pole"} <= set(catalog.product_options())
    assert catalog.product_of_option("[S-2] Screw", field="component").ref == "S-2"
    assert catalog.product_of_option("pole", field="component").ref == "P-9"
    assert catalog.product_of_option("s-1", field="component").ref == "S-1"


def test_thousands_of_products_stay_out_of_the_page(
    joe: Visitor, rack: BomRevision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "FEW", 3)
    monkeypatch.setattr(catalog, "SHOWN", 2)
    started(rack)
    page = joe.get("/boms/COAT-RACK/revisions/2?add=component").text
    assert page.count("<option value=") <= 12
    assert 'list="component-list"' in page
    options = joe.get("/products/options?component=felt").text
    assert 'value="Felt pad"' in options
    assert "pole" not in options
    answer = joe.post("/boms/COAT-RACK/revisions/2/components", {"component": "Felt pad", "quantity": "3"})
    assert answer.status_code == 303


def test_the_redline_shows_what_was_added_and_what_it_costs(app: Flask, rack: BomRevision) -> None:
    from flask import render_template

    from app.bom.redline import redline

    rod = make_product("Metal support rod", ref="SUPPORT-ROD", cost=Decimal("3.60"))
    draft = next_revision(rack.bom, parts={rod: 1})
    drawn = redline(revisions.load(draft.id))
    (row,) = drawn.components
    assert (row.kind, row.name, row.after, row.cost) == ("add", "Metal support rod", "1 unit", Decimal("3.60"))
    assert drawn.operations == ()
    assert drawn.cost_delta == Decimal("3.60")
    with app.test_request_context():
        page = render_template("bom/_redline.html", redline=drawn)
    assert "<ins>Metal support rod</ins>" in page
    assert 'aria-label="BoM changes"' in page
    assert 'aria-label="Operation changes"' in page
    assert "+ €3.60" in page
    assert "added" in page


def test_a_first_revision_is_all_added(rack: BomRevision) -> None:
    from app.bom.redline import redline

    drawn = redline(rack)
    assert [row.kind for row in (*drawn.components, *drawn.operations)] == ["add", "add", "add"]
    assert drawn.before.total == 0


def test_a_unit_tells_what_it_was_built_to_and_whose_it_is(joe: Visitor, rack: BomRevision) -> None:
    abigail = make_customer()
    with transaction(by=None):
        (unit,) = units.build_units(
            db.session.get_one(Product, rack.bom.product_id),
            ["CR-0007"],
            order_id=None,
            revision=rack,
            content_hash=rack.content_hash,
        )
        units.hand_over(unit, customer=db.session.get_one(Customer, abigail.customer_id), by=None)
    release(next_revision(rack.bom, parts={make_product(): 1}))
    page = joe.get("/units/cr-0007").text
    assert "BoM V1" in page
    assert "Abigail Peterson" in page
    assert "V2 is current" in page


def test_ui_words_do_not_carry_markup(joe: Visitor) -> None:
    product = make_product("<b>Rack</b>", ref="BOLD")
    make_bom(product, {make_product("<i>Pole</i>", ref="ITALIC"): 1})
    for path in ("/products", "/boms", "/boms/BOLD", "/boms/BOLD/revisions/1", "/products/BOLD", "/products/ITALIC"):
        page = joe.get(path).text
        assert "<b>Rack" not in page
        assert "<i>Pole" not in page
