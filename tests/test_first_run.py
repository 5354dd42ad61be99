"""A fresh installation without the demo: after founding, the loop can be walked at once."""

from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select

from app.bom import actions as boms
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.manufacturing.actions import confirm_order, load_for_work
from app.people.first_admin import first_link
from app.people.models import Person, Team
from app.people.queries import person_by_email
from app.plm.actions import enter_and_apply, move_eco, open_first_release, start_eco_revision
from app.plm.gates import sheet_of
from app.plm.signing import Proof
from app.quality.models import RootCause
from tests.factories import active_number, stage_named
from tests.factories.orders import make_order
from tests.visitors import PASSWORD, Visitor

FILLED = {"company": "Wood Hut", "name": "Ada Admin", "email": "ada@woodhut.example", "password": PASSWORD}
PRODUCT = {"ref": "COAT-RACK", "name": "Coat rack", "uom": "unit", "price": "189", "lead_days": "3", "note": ""}


@pytest.fixture
def founded(app: Flask, database: None) -> Visitor:
    visitor = Visitor(app)
    assert visitor.get(first_link() or "").status_code == 302
    assert visitor.post("/first", FILLED).status_code == 303
    return visitor


def founder() -> Person:
    found = person_by_email("ada@woodhut.example")
    assert found is not None
    return found


@pytest.mark.parametrize("path", ["/tickets", "/alerts", "/ecos", "/orders", "/help/customer-care", "/products/new"])
def test_every_board_is_there(founded: Visitor, path: str) -> None:
    assert founded.client.get(path, follow_redirects=True).status_code == 200


def test_the_founder_is_in_both_teams(founded: Visitor) -> None:
    for slug in ("customer-care", "production-quality-team"):
        team = db.session.scalars(select(Team).where(Team.slug == slug)).one()
        db.session.refresh(team, ["members"])
        assert [person.name for person in team.members] == ["Ada Admin"]
    assert len(db.session.scalars(select(RootCause)).all()) == 7


def test_a_founder_alone_releases_a_product_and_plans_an_order(founded: Visitor) -> None:
    for ref in ("COAT-RACK", "POLE"):
        assert founded.post("/products/new", {**PRODUCT, "ref": ref, "name": ref}).status_code == 303
    rack, pole = (
        db.session.scalars(select(Product).where(Product.ref == ref)).unique().one() for ref in ("COAT-RACK", "POLE")
    )
    ada = founder()
    with transaction(by=ada):
        eco = open_first_release(rack, by=ada)
        draft = start_eco_revision(eco, by=ada)
    with transaction(by=ada):
        boms.add_component(draft, component=pole, quantity=Decimal(1), by=ada)
    with transaction(by=ada):
        move_eco(eco, to=stage_named(eco, "Review"), before=None, after=None, by=ada)
    with transaction(by=ada):
        enter_and_apply(
            eco,
            to_id=stage_named(eco, "Released").id,
            by=ada,
            proof=Proof("password", password=True),
            seen=sheet_of(eco).content_hash,
        )
    assert active_number(rack) == 1
    order = make_order(rack, by=ada)
    with transaction(by=ada):
        order = load_for_work(order.id)
        confirm_order(order, by=ada)
    assert order.revision.number == 1
