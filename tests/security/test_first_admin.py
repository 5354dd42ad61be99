"""AU6, TK1-TK5, SL3: the link by which the first administrator comes in."""

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.foundation import one_time
from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.errors import NotFound, Refused
from app.foundation.one_time import OneTimeLink
from app.foundation.sessions import hashed
from app.people.first_admin import create_administrator, first_link
from app.people.models import Person, Role, Site
from app.people.queries import person_by_email
from tests.factories import make_person
from tests.visitors import PASSWORD, Visitor

OpenBrowser = Callable[..., Visitor]
FILLED = {"company": "Wood Hut", "name": "Ada Admin", "email": "ada@woodhut.example", "password": PASSWORD}


def opened(visitor: Visitor, link: str) -> Visitor:
    answer = visitor.get(link)
    assert (answer.status_code, answer.location) == (302, "/first")
    return visitor


def test_the_first_administrator_names_the_company_and_is_signed_in(app: Flask, visitor: Visitor) -> None:
    link = first_link()
    assert link
    opened(visitor, link)
    page = visitor.get("/first").text
    for label in ("Company", "Your name", "Email", "Password"):
        assert re.search(rf"<label for=\"\w+\">{label}", page)
    answer = visitor.post("/first", FILLED)
    assert (answer.status_code, answer.location) == (303, "/")
    ada = person_by_email("ada@woodhut.example")
    assert ada is not None
    assert (ada.roles, ada.is_staff) == ({Role.ADMIN}, True)
    assert db.session.get_one(Site, 1).name == "Wood Hut"
    assert visitor.get("/account").status_code == 200
    assert Visitor(app).sign_in("ada@woodhut.example").status_code == 303
    assert first_link() is None


def test_a_poor_password_uses_nothing(app: Flask, visitor: Visitor) -> None:
    opened(visitor, first_link() or "")
    for poor in ("short", "password1", "Wood Hut 1", "adaadmin"):
        answer = visitor.post("/first", {**FILLED, "password": poor})
        assert answer.status_code == 422
        assert "aria-invalid" in answer.text
        assert "Wood Hut" in answer.text
    assert visitor.post("/first", {**FILLED, "email": "no address"}).status_code == 422
    assert visitor.post("/first", {**FILLED, "name": ""}).status_code == 422
    assert visitor.post("/first", FILLED).status_code == 303


def test_TK1_only_the_hash_is_stored_and_the_log_never_sees_it(
    app: Flask, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = first_link() or ""
    key = link.partition("key=")[2]
    assert len(key) == 43
    opened(visitor, link)
    stored = db.session.scalars(select(OneTimeLink)).one()
    assert stored.token_hash == hashed(key)
    assert key not in str(vars(stored))
    assert key not in "".join(str(vars(record)) for record in caplog.records if record.name == "loopwright.access")


def test_TK2_a_link_is_for_one_purpose_ends_and_works_once(app: Flask, browser: OpenBrowser) -> None:
    link = first_link() or ""
    key = hashed(link.partition("key=")[2])
    with app.test_request_context():
        with pytest.raises(NotFound):
            one_time.look("survey", key)
        with moved(now() + timedelta(minutes=59)):
            one_time.look("administrator", key)
        with moved(now() + timedelta(minutes=61)), pytest.raises(one_time.Gone):
            one_time.look("administrator", key)
    with moved(now() + timedelta(minutes=61)):
        assert browser().get(link).status_code == 410
    first, second = opened(browser(), link), opened(browser(), link)
    assert first.post("/first", FILLED).status_code == 303
    assert second.post("/first", {**FILLED, "email": "eve@woodhut.example"}).status_code == 410
    assert person_by_email("eve@woodhut.example") is None
    assert browser().get(link).status_code == 410


def test_TK2_a_new_link_closes_the_older_ones(app: Flask, visitor: Visitor) -> None:
    old = first_link() or ""
    first_link()
    assert visitor.get(old).status_code == 404


@pytest.mark.parametrize("odd", ["", " ", "0", "null", "%00", "x" * 10_000, "[]", "%27%20or%201=1"])
def test_TK3_odd_values_never_match(app: Flask, visitor: Visitor, odd: str) -> None:
    first_link()
    assert visitor.get(f"/first?key={odd}").status_code == 404
    assert visitor.get("/first").status_code == 404
    assert visitor.post("/first", FILLED).status_code == 404


def test_TK4_opening_it_changes_nothing(app: Flask, browser: OpenBrowser) -> None:
    link = first_link() or ""
    for _ in range(3):
        assert opened(browser(), link).get("/first").status_code == 200
    visitor = opened(browser(), link)
    assert visitor.post("/first", FILLED).status_code == 303


def test_TK5_the_key_leaves_the_address_bar_and_is_in_no_page(app: Flask, visitor: Visitor) -> None:
    link = first_link() or ""
    key = link.partition("key=")[2]
    opened(visitor, link)
    assert key not in visitor.get("/first").text
    assert key not in visitor.cookie


def test_an_administrator_added_by_command_chooses_a_password(app: Flask, visitor: Visitor) -> None:
    make_person("Marc")
    link = create_administrator(name="Eve Admin", email="eve@woodhut.example")
    page = opened(visitor, link).get("/first").text
    assert "Company" not in page
    assert visitor.post("/first", {"password": PASSWORD}).status_code == 303
    eve = person_by_email("eve@woodhut.example")
    assert eve is not None
    assert eve.roles == {Role.ADMIN}
    assert Visitor(app).sign_in("eve@woodhut.example").status_code == 303
    assert db.session.get(Site, 1) is None


def test_an_address_that_is_taken_is_refused(app: Flask, database: None) -> None:
    marc = make_person("Marc")
    with app.test_request_context(), pytest.raises(Refused):
        create_administrator(name="Marc again", email=marc.email.upper())


def test_two_who_use_a_link_at_once(fresh_app: Flask) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with fresh_app.app_context():
        link = first_link() or ""
    visitors = [opened(Visitor(fresh_app), link) for _ in range(6)]

    def begin(n: int) -> int:
        return visitors[n].post("/first", {**FILLED, "email": f"ada{n}@woodhut.example"}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(begin, range(6))) == [303, 410, 410, 410, 410, 410]
    with fresh_app.app_context():
        assert len(db.session.scalars(select(Person)).all()) == 1


def test_the_link_of_a_command_runs_outside_of_a_request(app: Flask, database: None) -> None:
    with transaction(by=None):
        token = one_time.issue("x", lifetime=timedelta(hours=1))
    assert len(token) == 43


@pytest.mark.parametrize("weak", ["changeme", "secret", "x" * 40, "changeme-in-production", "123456789012345"])
def test_SL1_a_secret_that_can_be_guessed_is_refused(weak: str) -> None:
    from app.config import BadSettings, read

    with pytest.raises(BadSettings, match="SECRET_KEY"):
        read({"SECRET_KEY": weak})


def test_SL1_an_installation_makes_its_own_and_keeps_it_to_itself(tmp_path: Path) -> None:
    from app.config import read

    first = read({"LOOPWRIGHT_DATA_DIR": str(tmp_path / "data")}).secret_key
    assert len(first) >= 48
    assert read({"LOOPWRIGHT_DATA_DIR": str(tmp_path / "data")}).secret_key == first
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o077 == 0
