"""The promises of `transaction()`, quantities and numbers."""

from decimal import Decimal

import pytest
from sqlalchemy import select, update

from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.foundation.numbering import next_number
from app.people.models import Person
from tests.factories import make_person, make_product


def test_a_flush_outside_a_transaction_is_refused(database: None) -> None:
    person = make_person("Marc")
    person.name = "Marcus"
    with pytest.raises(RuntimeError, match="outside"):
        db.session.flush()
    db.session.rollback()


def test_an_update_outside_a_transaction_is_refused(database: None) -> None:
    with pytest.raises(RuntimeError, match="outside"):
        db.session.execute(update(Person).values(name="x"))


def test_a_failed_transaction_leaves_nothing(database: None) -> None:
    marc = make_person("Marc")
    with pytest.raises(ZeroDivisionError), transaction(by=marc):
        marc.name = "Somebody else"
        db.session.flush()
        raise ZeroDivisionError
    assert db.session.scalar(select(Person.name).where(Person.id == marc.id)) == "Marc Demo"
    assert marc.name == "Marc Demo"


def test_transactions_do_not_nest(database: None) -> None:
    with transaction(by=None), pytest.raises(RuntimeError, match="open already"), transaction(by=None):
        pass


@pytest.mark.parametrize("typed", ["0.000001", "0.1", "1234567.891", "9000000000", "0"])
def test_quantities_come_back_exactly(database: None, typed: str) -> None:
    product = make_product(cost=Decimal(typed))
    db.session.expire_all()
    assert db.session.scalar(select(Product.cost).where(Product.id == product.id)) == Decimal(typed)


def test_numbers_count_up_per_kind(database: None) -> None:
    with transaction(by=None):
        given = [next_number("ticket"), next_number("ticket"), next_number("eco")]
    assert given == ["T-0001", "T-0002", "ECO-0001"]


def test_a_number_of_a_failed_transaction_is_not_burned(database: None) -> None:
    with pytest.raises(ZeroDivisionError), transaction(by=None):
        next_number("ticket")
        raise ZeroDivisionError
    with transaction(by=None):
        assert next_number("ticket") == "T-0001"
