"""Products in the browser: the list, a product, a new one, what is refused."""

import re
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import select

from app.catalog.models import Product, Tracking
from app.foundation.db import db
from tests.factories import make_customer, make_person, make_product, make_uom
from tests.visitors import Visitor

NEW = {"name": "Coat rack", "ref": "COAT-RACK", "uom": "unit", "price": "189", "lead_days": "3", "note": ""}


@pytest.fixture
def joe(app, database) -> Visitor:
    make_uom()
    return Visitor(app).as_(make_person("Joe"))


def stored(ref: str) -> Product | None:
    db.session.expire_all()
    return db.session.scalars(select(Product).where(Product.ref == ref)).unique().one_or_none()


def test_the_list_is_searched_by_name_and_reference(joe):
    make_product("Wooden pole", ref="POLE")
    make_product("Wooden dowel", ref="DOWEL-16")
    assert 'href="/products/POLE"' in joe.get("/products").text
    for typed in ("dowel wood", "el-16"):
        page = joe.get("/products", query_string={"q": typed}).text
        assert 'href="/products/DOWEL-16"' in page
        assert 'href="/products/POLE"' not in page
    nothing = joe.get("/products", query_string={"q": "<b>_"}).text
    assert "Nothing fits" in nothing
    assert "<b>_" not in nothing


def test_long_lists_come_in_pages(joe):
    for number in range(55):
        make_product(f"Part {number:02d}", ref=f"PART-{number:02d}")
    first, second = joe.get("/products").text, joe.get("/products?offset=50").text
    assert "PART-00" in first
    assert "PART-54" not in first
    assert "PART-54" in second
    assert joe.get("/products?offset=9999999").status_code == 200
    assert joe.get("/products?offset=x").status_code == 200


def test_the_list_takes_as_many_statements_for_many_as_for_one(joe, queries):
    def counted() -> int:
        joe.get("/products")
        queries.clear()
        assert joe.get("/products").status_code == 200
        return len(queries)

    make_product("Part", ref="PART")
    few = counted()
    for number in range(20):
        make_product(f"Part {number}", ref=f"PART-{number}")
    assert counted() == few


def test_a_product_has_its_facts(joe):
    make_product("Wooden pole", ref="POLE 1+2", cost=Decimal("18.40"), note="Oak, straight")
    page = joe.get(stored("POLE 1+2").url).text
    assert "<h1>Wooden pole</h1>" in page
    assert "€18.40" in page
    assert "Oak, straight" in page


def test_a_product_is_created_and_changed(joe):
    answer = joe.post("/products/new", NEW | {"is_tracked": "y"})
    assert (answer.status_code, answer.headers.get("Location")) == (303, "/products/COAT-RACK")
    product = stored("COAT-RACK")
    assert (product.price, product.tracking, product.lead_days) == (189, Tracking.SERIAL, 3)
    form = joe.get("/products/COAT-RACK/edit").text
    assert 'name="ref"' not in form
    assert joe.post("/products/COAT-RACK/edit", {"name": "Coat rack, oak", "price": "199,5"}).status_code == 303
    assert (stored("COAT-RACK").name, stored("COAT-RACK").price) == ("Coat rack, oak", Decimal("199.5"))


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("ref", "", "Give it a reference."),
        ("ref", "a/b", "A reference has 1 to 64 characters"),
        ("ref", "new", "A reference has 1 to 64 characters"),
        ("ref", "pole", "pole is taken by another product."),
        ("name", "", "Give it a name."),
        ("price", "cheap", "“cheap” is not a number."),
        ("price", "-1", "It must be at least 0."),
        ("cost", "1e30", ""),
        ("lead_days", "1.5", ""),
        ("uom", "parsec", ""),
    ],
)
def test_what_is_wrong_is_said_and_the_typed_text_stays(joe, name, typed, sentence):
    make_product("Wooden pole", ref="POLE")
    answer = joe.post("/products/new", NEW | {name: typed})
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert sentence in page
    assert 'aria-invalid="true"' in page
    assert stored("COAT-RACK") is None
    if typed and name != "uom":
        assert f'value="{typed}"' in page


@pytest.mark.parametrize("junk", ["\x00", "9" * 400, "NaN", "1e999999", "½", "\ud7ff", "\u202e"])
def test_junk_breaks_nothing(joe, junk):
    make_product("Wooden pole", ref="POLE")
    for name in NEW:
        assert joe.post("/products/new", NEW | {name: junk}).status_code in (303, 400, 422), name
        assert joe.post("/products/POLE/edit", NEW | {name: junk}).status_code in (303, 400, 422), name
    for name in ("q", "offset"):
        assert joe.get("/products", query_string={name: junk}).status_code in (200, 400), name
    for name in ("component", "q", "product"):
        assert joe.get("/products/options", query_string={name: junk}).status_code in (200, 400), name


def test_a_list_narrows_down_to_what_is_typed(joe):
    make_product("Wooden pole", ref="POLE")
    make_product("Wooden dowel", ref="DOWEL")
    options = joe.get("/products/options?component=dow").text
    assert re.findall(r'value="([^"]+)"', options) == ["Wooden dowel"]


def test_who_may_not(app, joe):
    make_product("Wooden pole", ref="POLE")
    marc, abigail = Visitor(app).as_(make_person("Marc")), Visitor(app).as_(make_customer())
    assert marc.get("/products/POLE").status_code == 200
    assert "New product" not in marc.get("/products").text
    for path in ("/products/new", "/products/POLE/edit"):
        assert marc.get(path).status_code == 403
        assert marc.post(path, NEW).status_code == 403
        assert abigail.get(path).status_code == 404
        assert abigail.post(path, NEW).status_code == 404
    assert abigail.get("/products/options").status_code == 404


def test_an_unknown_reference_is_404(joe):
    for path in ("/products/NONE", "/products/NONE/edit"):
        assert joe.get(path).status_code == 404
