"""Serials: given once, carrying the revision they were built to, with everybody who has had them."""

from datetime import timedelta

import pytest
from flask import Flask

from app.bom import revisions, units
from app.bom.models import BomRevision
from app.bom.units import Unit
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import db, transaction
from app.foundation.errors import NotAllowed, Refused
from app.people.models import Customer
from tests.bom.test_activation_races import together
from tests.factories import make_customer, make_person, make_product
from tests.factories.boms import make_bom, next_revision, release

rolled_back = pytest.mark.usefixtures("database")


def build(revision: BomRevision, *serials: str) -> list[Unit]:
    with transaction(by=None):
        return units.build_units(
            db.session.get_one(Product, revision.bom.product_id),
            serials,
            order_id=None,
            revision=revision,
            content_hash=revision.content_hash,
        )


def sell(unit: Unit, name: str) -> Customer:
    person = make_customer(name)
    with transaction(by=None):
        customer = db.session.get_one(Customer, person.customer_id)
        units.hand_over(db.session.get_one(Unit, unit.id), customer=customer, by=None)
    return customer


@pytest.fixture
def rack(database: None) -> BomRevision:
    return make_bom(make_product("Coat rack", ref="COAT-RACK"), {make_product(): 1})


@rolled_back
def test_serials_are_made_of_the_reference_and_count_on(rack: BomRevision) -> None:
    product = rack.bom.product
    assert units.next_serials(product, 2) == ["CR-0001", "CR-0002"]
    build(rack, "CR-0007", "CR-x")
    assert units.next_serials(product, 1) == ["CR-0008"]
    assert units.next_serials(make_product(ref="BOOKSTAND"), 1) == ["BO-0001"]
    build(rack, "CR-9999")
    assert units.next_serials(product, 2) == ["CR-10000", "CR-10001"]


@rolled_back
@pytest.mark.parametrize("serials", [("CR-0007",), ("cr-0007",), ("CR-1", "cr-1"), ("",), ("x" * 41,)])
def test_a_serial_is_given_once_and_is_readable(rack: BomRevision, serials: tuple[str, ...]) -> None:
    build(rack, "CR-0007")
    with pytest.raises(Refused) as told:
        build(rack, *serials)
    assert told.value.field == "serials"
    assert units.counts(rack.bom.product_id).built == 1


@rolled_back
def test_a_unit_is_found_however_its_serial_is_typed(rack: BomRevision) -> None:
    (unit,) = build(rack, "CR-0007")
    found = units.find_unit("  cr-0007 ")
    assert found is not None
    assert (found.id, found.revision_id, found.content_hash) == (unit.id, rack.id, rack.content_hash)
    assert units.find_unit("CR-0008") is None


@rolled_back
def test_passing_a_unit_on_keeps_its_history(rack: BomRevision) -> None:
    (unit,) = build(rack, "CR-0007")
    first = sell(unit, "Abigail Peterson")
    second = sell(unit, "Harbour Library")
    found = units.find_unit("CR-0007")
    assert found is not None
    assert [(o.customer.name, o.to_at is None) for o in found.owners] == [
        ("Abigail Peterson", False),
        ("Harbour Library", True),
    ]
    assert units.units_of_customer(first.id) == []
    assert [u.serial for u in units.units_of_customer(second.id)] == ["CR-0007"]


@rolled_back
def test_selling_twice_to_the_same_is_selling_once(rack: BomRevision) -> None:
    (unit,) = build(rack, "CR-0007")
    customer = sell(unit, "Abigail Peterson")
    with transaction(by=None):
        again = db.session.get_one(Unit, unit.id)
        units.hand_over(
            again, customer=db.session.get_one(Customer, customer.id), by=None, at=now() + timedelta(days=1)
        )
    found = units.find_unit("CR-0007")
    assert found is not None
    assert len(found.owners) == 1


@rolled_back
def test_a_customer_does_not_hand_units_over(rack: BomRevision) -> None:
    (unit,) = build(rack, "CR-0007")
    julie, abigail = make_person("Julie"), make_customer()
    with pytest.raises(NotAllowed), transaction(by=julie):
        customer = db.session.get_one(Customer, abigail.customer_id)
        units.hand_over(db.session.get_one(Unit, unit.id), customer=customer, by=julie)


@rolled_back
def test_what_is_sold_below_a_revision_is_known_by_what_it_was_built_to(rack: BomRevision) -> None:
    old, kept, refitted = build(rack, "CR-0001", "CR-0002", "CR-0003")
    second = release(next_revision(rack.bom, parts={make_product(): 1}))
    (new,) = build(revisions.load(second.id), "CR-0004")
    for unit in (old, refitted, new):
        sell(unit, f"Buyer of {unit.serial}")
    with transaction(by=None):
        db.session.get_one(Unit, refitted.id).maintained_revision_id = second.id
    below = units.sold_below(revisions.load(second.id))
    assert [(sold.unit.serial, sold.customer.name) for sold in below] == [("CR-0001", "Buyer of CR-0001")]
    assert units.counts(rack.bom.product_id) == (4, 3)
    assert units.built_counts(rack.bom_id) == {rack.id: 3, second.id: 1}
    assert kept.maintained_revision_id is None


def test_orders_finished_at_once_get_serials_of_their_own(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        revision_id = make_bom(make_product(ref="SIDE-TABLE"), {make_product(): 1}).id
        db.session.remove()

    def finish() -> object:
        with transaction(by=None, source="test"):
            revision = revisions.load(revision_id)
            product = db.session.get_one(Product, revision.bom.product_id)
            serials = units.next_serials(product, 3)
            units.build_units(product, serials, order_id=None, revision=revision, content_hash=revision.content_hash)
            return serials

    results = together(fresh_app, *(finish for _ in range(4)))
    given = [serial for result in results if isinstance(result, list) for serial in result]
    assert sorted(given) == [f"ST-{number:04d}" for number in range(1, 13)], results
