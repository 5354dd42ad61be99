"""People and browsers for the tests of what any record can do."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.people.models import Person
from tests.factories.people import make_person
from tests.visitors import Visitor


@pytest.fixture
def browser(app: Flask, database: None) -> Callable[[Person], Visitor]:
    """A browser in which this person is signed in."""
    return lambda person: Visitor(app).as_(person)


@pytest.fixture
def marc(database: None) -> Person:
    return make_person("Marc")


@pytest.fixture
def julie(database: None) -> Person:
    return make_person("Julie")


@pytest.fixture
def joe(database: None) -> Person:
    return make_person("Joe")
