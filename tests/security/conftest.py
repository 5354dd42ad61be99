"""People and browsers for the tests of safety."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.people.models import Person
from tests.factories import make_person
from tests.visitors import PASSWORD_HASH, Visitor


@pytest.fixture
def visitor(app: Flask, database: None) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(app)


@pytest.fixture
def marc(database: None) -> Person:
    return make_person("Marc", password_hash=PASSWORD_HASH)


@pytest.fixture
def ada(database: None) -> Person:
    return make_person("Ada", password_hash=PASSWORD_HASH)


@pytest.fixture
def browser(app: Flask, database: None) -> Callable[..., Visitor]:
    """One more browser, from another address if wanted."""

    def open_one(address: str = "127.0.0.1") -> Visitor:
        return Visitor(app, address)

    return open_one
