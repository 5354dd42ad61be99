"""The pages of orders: the board, a new one, one order, and who is turned away."""

import re

import pytest
from flask import Flask
from sqlalchemy import select

from app.bom.models import BomRevision
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.manufacturing import actions, queries
from app.manufacturing.models import ManufacturingOrder
from app.people.models import Person
from tests.factories import make_customer, make_person, make_product
from tests.factories.boms import next_revision, release
from tests.factories.orders import make_order
from tests.visitors import Visitor


@pytest.fixture
def petra(app: Flask, planner: Person) -> Visitor:
    return Visitor(app).as_(planner)


def newest() -> ManufacturingOrder:
    number = db.session.scalars(select(ManufacturingOrder.number).order_by(ManufacturingOrder.id.desc())).first()
    assert number is not None
    return queries.order_by_number(number)


def test_a_new_order_says_which_revision_it_takes(petra: Visitor, rack: BomRevision) -> None:
    sent = {"product": "COAT-RACK", "quantity": "10", "planned_start": "2099-01-04"}
    answer = petra.post("/orders/new", sent)
    assert answer.status_code == 303
    page = petra.get(answer.location).text
    assert "BoM V1" in page and "Wooden dowel" in page and ">60 unit<" in page
    assert 'aria-label="Work orders"' in page and "Assemble" in page


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("quantity", "ten", "is not a number"),
        ("quantity", "0", "more than 0"),
        ("quantity", "1,234", "more than one way"),
        ("quantity", "", "How many"),
        ("planned_start", "tomorrow", "Not a valid date"),
        ("product", "NOTHING", "Not a valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    petra: Visitor, rack: BomRevision, field: str, typed: str, said: str
) -> None:
    sent = {"product": "COAT-RACK", "quantity": "7.5", "planned_start": "2099-01-04"} | {field: typed}
    answer = petra.post("/orders/new", sent)
    assert answer.status_code == 422
    assert said in answer.text
    assert field == "quantity" or 'value="7.5"' in answer.text
    assert db.session.scalar(select(ManufacturingOrder.id)) is None


def test_an_order_is_built_by_its_buttons(petra: Visitor, rack: BomRevision, planner: Person) -> None:
    here = f"/orders/{make_order(rack.bom.product, by=planner, quantity=2).number}"
    assert petra.post(f"{here}/confirmation").status_code == 303
    work = newest().work_orders[0].id
    assert petra.post(f"{here}/work/{work}/start").status_code == 303
    assert petra.post(f"{here}/work/{work}/done").status_code == 303
    refused = petra.post(f"{here}/output", {"serials": "CR-1"})
    assert refused.status_code == 422 and "Name 2 serials" in refused.text and "CR-1" in refused.text
    assert petra.post(f"{here}/output", {"serials": "CR-1\nCR-2"}).status_code == 303
    page = petra.get(here).text
    assert '/units/CR-1"' in page and '/units/CR-2"' in page


def test_an_outdated_draft_is_confirmed_only_after_an_update(
    petra: Visitor, rack: BomRevision, rod: Product, planner: Person
) -> None:
    here = f"/orders/{make_order(rack.bom.product, by=planner).number}"
    release(next_revision(rack.bom, parts={rod: 1}))
    assert "Update to V2" in petra.get(here).text
    assert petra.post(f"{here}/confirmation").status_code == 409
    assert petra.post(f"{here}/revision").status_code == 303
    assert petra.post(f"{here}/confirmation").status_code == 303
    assert newest().revision.label == "V2"


def test_the_rail_of_an_order_leads_to_its_revision(petra: Visitor, rack: BomRevision, planner: Person) -> None:
    order = make_order(rack.bom.product, by=planner)
    page = petra.get(f"/orders/{order.number}").text
    found = re.search(r'<li data-step="bom" data-state="(\w+)">\s*<a href="([^"]+)"', page)
    assert found is not None
    assert found.groups() == ("done", rack.url)


def test_a_work_order_of_another_order_is_not_found(petra: Visitor, rack: BomRevision, planner: Person) -> None:
    mine, other = (make_order(rack.bom.product, by=planner, quantity=1) for _n in range(2))
    for order in (mine, other):
        with transaction(by=planner):
            actions.confirm_order(actions.load_for_work(order.id), by=planner)
    foreign = queries.order_by_number(other.number).work_orders[0].id
    assert petra.post(f"/orders/{mine.number}/work/{foreign}/start").status_code == 404
    assert queries.order_by_number(other.number).work_orders[0].started_at is None


def test_who_may_not_is_turned_away(app: Flask, rack: BomRevision, planner: Person) -> None:
    number = make_order(rack.bom.product, by=planner).number
    marc = Visitor(app).as_(make_person("Marc"))
    assert marc.get(f"/orders/{number}").status_code == 200
    assert marc.post(f"/orders/{number}/confirmation").status_code == 403
    customer = Visitor(app).as_(make_customer())
    assert customer.get(f"/orders/{number}").status_code == 404
    assert Visitor(app).get(f"/orders/{number}").status_code == 303


def test_pages_ask_the_same_few_questions_whatever_the_rows(
    petra: Visitor, rack: BomRevision, planner: Person, queries: list[str]
) -> None:
    """Six for the board; for an order as many with 3 components as with 15."""

    def asked(path: str) -> int:
        assert petra.get(path).status_code == 200
        queries.clear()
        petra.get(path)
        return len(queries)

    small = make_order(rack.bom.product, by=planner).number
    release(next_revision(rack.bom, parts={make_product(f"Part {n}"): 1 for n in range(12)}))
    large = make_order(rack.bom.product, by=planner).number
    assert asked("/orders") <= 6
    assert asked(f"/orders/{large}") == asked(f"/orders/{small}") <= 40
