"""A form that is sent twice happens once: decision 17, on real commits from many threads."""

import re
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO

import pytest
from flask import Flask, request
from sqlalchemy import func, select

from app.foundation import idempotency
from app.foundation.clock import moved, now
from app.foundation.db import current_transaction, db, transaction
from app.foundation.errors import Refused
from app.foundation.htmx import see_other
from app.foundation.idempotency import OpOutcome
from app.foundation.permissions import PUBLIC, needs
from app.people.current import current_person_or_none
from app.people.models import Customer
from tests.factories import make_person
from tests.visitors import Visitor


@pytest.fixture
def shop(fresh_app: Flask) -> Flask:
    """An application with one more form: it writes a customer, and says no to the word `no`."""

    @fresh_app.post("/shop")
    @needs(PUBLIC)
    def shop() -> object:
        name = request.form["name"]
        with transaction(by=current_person_or_none()) as tx:
            customer = Customer(name=name)
            tx.session.add(customer)
            tx.session.flush()
            if name == "no":
                raise Refused("No room for this one.")
            tx.location = None if name == "nowhere" else f"/tickets/T-{customer.id:04d}"
            location = tx.location
        return see_other(location or "/done")

    return fresh_app


def customers() -> list[str]:
    return sorted(db.session.scalars(select(Customer.name)).all())


def test_the_same_op_again_is_answered_with_the_same_outcome(shop: Flask) -> None:
    visitor = Visitor(shop)
    sent = {"name": "Abigail", "op": "o" * 36}
    first, second = visitor.post("/shop", sent), visitor.post("/shop", sent)
    by_htmx = visitor.post("/shop", sent, headers={"HX-Request": "true"})
    assert (first.status_code, first.location) == (303, "/tickets/T-0001")
    assert (second.status_code, second.location) == (303, "/tickets/T-0001")
    assert (by_htmx.status_code, by_htmx.headers["HX-Redirect"]) == (200, "/tickets/T-0001")
    with shop.app_context():
        assert customers() == ["Abigail"]


def test_without_a_stored_place_it_goes_back_to_the_page(shop: Flask) -> None:
    visitor = Visitor(shop)
    sent = {"name": "nowhere", "op": "o" * 36}
    visitor.post("/shop", sent)
    again = visitor.post("/shop", sent, headers={"Referer": "http://localhost/tickets/T-0007?a=1"})
    assert again.location == "/tickets/T-0007?a=1"
    elsewhere = visitor.post("/shop", sent, headers={"Referer": "https://evil.example/x"})
    assert elsewhere.location == "/"


def test_the_same_op_with_other_words_is_told_and_can_be_sent(shop: Flask) -> None:
    visitor = Visitor(shop)
    visitor.post("/shop", {"name": "Abigail", "op": "o" * 36})
    other = visitor.post("/shop", {"name": "Abigail and Sons", "op": "o" * 36})
    assert other.status_code == 422
    assert "Already sent as T-0001" in other.text
    assert "Abigail and Sons" in other.text
    fresh = re.search(r'name="op" value="([^"]+)"', other.text)
    assert fresh is not None
    assert fresh[1] != "o" * 36
    assert visitor.post("/shop", {"name": "Abigail and Sons", "op": fresh[1]}).status_code == 303
    with shop.app_context():
        assert customers() == ["Abigail", "Abigail and Sons"]


def test_htmx_gets_the_sentence_and_a_fresh_op_for_its_form(shop: Flask) -> None:
    visitor = Visitor(shop)
    visitor.post("/shop", {"name": "Abigail", "op": "o" * 36})
    other = visitor.post("/shop", {"name": "Else", "op": "o" * 36}, headers={"HX-Request": "true"})
    assert other.status_code == 422
    assert "Already sent as T-0001" in other.text
    assert 'hx-target="input[name=op][value=&#39;' + "o" * 36 in other.text.replace("'", "&#39;")


def test_a_refusal_stores_nothing(shop: Flask) -> None:
    visitor = Visitor(shop)
    assert visitor.post("/shop", {"name": "no", "op": "o" * 36}).status_code == 422
    with shop.app_context():
        assert (customers(), db.session.scalar(select(func.count()).select_from(OpOutcome))) == ([], 0)
    assert visitor.post("/shop", {"name": "yes", "op": "o" * 36}).status_code == 303
    with shop.app_context():
        assert customers() == ["yes"]


def test_an_op_belongs_to_its_person_and_its_address(shop: Flask) -> None:
    with shop.app_context():
        marc, julie = make_person("Marc"), make_person("Julie")
        visitors = [Visitor(shop).as_(marc), Visitor(shop).as_(julie), Visitor(shop), Visitor(shop)]
    for visitor in visitors:
        assert visitor.post("/shop", {"name": "x", "op": "o" * 36}).status_code == 303
    with shop.app_context():
        assert customers() == ["x"] * 4
        actors = db.session.scalars(select(OpOutcome.actor)).all()
        assert {a[:2] for a in actors} == {"p:", "b:"}
        assert len(set(actors)) == 4


def test_files_are_part_of_what_was_sent(shop: Flask) -> None:
    visitor = Visitor(shop)

    def send(content: bytes) -> int:
        return visitor.post("/shop", {"name": "x", "op": "o" * 36, "photo": (BytesIO(content), "a.png")}).status_code

    assert [send(b"one"), send(b"one"), send(b"two")] == [303, 303, 422]


@pytest.mark.parametrize("op", ["", "short", "x" * 65, "o'; drop table", "é" * 20])
def test_an_op_that_is_none_is_ignored(shop: Flask, op: str) -> None:
    visitor = Visitor(shop)
    for _ in range(2):
        assert visitor.post("/shop", {"name": "x", "op": op}).status_code == 303
    with shop.app_context():
        assert customers() == ["x", "x"]


def test_fifty_pairs_at_once(shop: Flask) -> None:
    """Each form is sent twice at the same moment: once it happens, twice the answer is its outcome."""
    visitor = Visitor(shop)
    token, cookie = visitor.token(), visitor.cookie
    ops = [secrets.token_hex(16) for _ in range(50)]

    def send(op: str) -> tuple[int, str]:
        client = shop.test_client()
        client.set_cookie("loopwright_session", cookie)
        answer = client.post("/shop", data={"csrf_token": token, "op": op, "name": op})
        return answer.status_code, answer.location or ""

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, [op for op in ops for _ in range(2)]))
    assert Counter(status for status, _ in answers) == {303: 100}
    pairs = list(zip(answers[::2], answers[1::2], strict=True))
    assert all(a == b for a, b in pairs)
    assert len({a[1] for a, _ in pairs}) == 50
    with shop.app_context():
        assert customers() == sorted(ops)
        assert db.session.scalar(select(func.count()).select_from(OpOutcome)) == 50


def test_outcomes_are_forgotten_after_a_week(shop: Flask) -> None:
    Visitor(shop).post("/shop", {"name": "x", "op": "o" * 36})
    with shop.app_context():
        with moved(now() + timedelta(days=6)), transaction(by=None):
            assert idempotency.sweep() == 0
        with moved(now() + timedelta(days=8)), transaction(by=None):
            assert idempotency.sweep() == 1


def test_only_the_first_piece_of_work_claims_the_op(fresh_app: Flask) -> None:
    """Counts and sessions of the same request are transactions too, and none of them is the work."""

    @fresh_app.post("/twice")
    @needs(PUBLIC)
    def twice() -> str:
        for name in ("one", "two"):
            with transaction(by=None):
                current_transaction().session.add(Customer(name=name))
        return "done"

    visitor = Visitor(fresh_app)
    assert visitor.post("/twice", {"op": "o" * 36}).status_code == 200
    assert visitor.post("/twice", {"op": "o" * 36}).status_code == 303
    with fresh_app.app_context():
        assert customers() == ["one", "two"]
