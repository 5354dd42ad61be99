"""CS1-CS5: only our own pages change anything, and nobody loses what they typed."""

import base64
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.foundation import csrf, parking
from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.parking import ParkedText
from app.people.models import Person
from tests.factories import make_person
from tests.security.endpoints import address_of, unsafe_endpoints
from tests.visitors import Visitor

OpenBrowser = Callable[..., Visitor]
TYPED = "The coat rack tips over with more than five coats."


def test_CS1_nothing_is_exempt() -> None:
    assert frozenset() == csrf.EXEMPT


def test_CS1_every_unsafe_method_needs_a_token(app: Flask, browser: OpenBrowser, ada: Person) -> None:
    visitor = browser().as_(ada)
    checked = 0
    for endpoint, method, rule in unsafe_endpoints(app):
        answer = visitor.client.open(address_of(rule), method=method, data={"text": TYPED})
        assert answer.status_code == 400, (endpoint, method, answer.status_code)
        assert TYPED in answer.text, endpoint
        checked += 1
    assert checked >= 7


@pytest.mark.parametrize(
    "token", ["", "x", "é", "A" * 86, base64.urlsafe_b64encode(bytes(range(64))).decode(), "null", "0"]
)
def test_CS1_no_other_value_is_a_token(visitor: Visitor, ada: Person, token: str) -> None:
    assert visitor.as_(ada).client.post("/theme", data={"csrf_token": token}).status_code == 400


def test_CS1_the_token_of_somebody_else_counts_for_nothing(browser: OpenBrowser, ada: Person, marc: Person) -> None:
    theirs = browser().as_(marc).token()
    assert browser().as_(ada).client.post("/theme", data={"csrf_token": theirs}).status_code == 400


def test_the_token_is_never_the_same_twice(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    tokens = [visitor.token() for _ in range(5)]
    assert len(set(tokens)) == 5
    raw = [base64.urlsafe_b64decode(t + "==") for t in tokens]
    assert len({r[:32] for r in raw}) == len({r[32:] for r in raw}) == 5
    for token in tokens:
        assert visitor.client.post("/theme", data={"csrf_token": token}).status_code == 303


def test_CS2_htmx_sends_it_in_the_header(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    hx = {"HX-Request": "true"}
    assert visitor.client.post("/theme", headers=hx).status_code == 400
    answer = visitor.client.post("/theme", headers={**hx, "X-CSRFToken": visitor.token()})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/")


def test_CS2_a_page_stays_good_after_signing_in_again_in_another_tab(visitor: Visitor, marc: Person) -> None:
    visitor.sign_in(marc.email)
    token = visitor.token()
    assert visitor.sign_in(marc.email).status_code == 303
    assert visitor.client.post("/theme", data={"csrf_token": token}).status_code == 303


def test_CS2_a_page_drawn_before_signing_in_stays_good(visitor: Visitor, marc: Person) -> None:
    token = visitor.token()
    visitor.sign_in(marc.email)
    assert visitor.client.post("/theme", data={"csrf_token": token}).status_code == 303


def test_a_page_of_another_person_at_this_browser_is_not(visitor: Visitor, marc: Person, ada: Person) -> None:
    visitor.sign_in(ada.email)
    token = visitor.token()
    visitor.sign_in(marc.email)
    assert visitor.client.post("/theme", data={"csrf_token": token}).status_code == 400


def test_after_signing_out_old_tokens_are_nothing(visitor: Visitor, ada: Person) -> None:
    visitor.sign_in(ada.email)
    token = visitor.token()
    visitor.post("/logout")
    visitor.get("/login")
    assert visitor.client.post("/theme", data={"csrf_token": token}).status_code == 400


def test_CS3_a_page_that_was_open_for_hours_can_be_sent(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    token, start = visitor.token(), now()
    for minutes in range(20, 8 * 60, 20):
        with moved(start + timedelta(minutes=minutes)):
            visitor.get("/account")
    with moved(start + timedelta(hours=8)):
        answer = visitor.client.post("/account", data={"csrf_token": token, "zone": "Europe/Vienna"})
    assert answer.status_code == 303


def parked_by(visitor: Visitor, path: str = "/account", **fields: object) -> object:
    """A page was open, the session ended, the form is sent."""
    token = visitor.token()
    with moved(now() + timedelta(hours=1)):
        return visitor.client.post(path, data={"csrf_token": token, "op": "o" * 20, **fields})


def test_CS3_what_was_typed_when_the_session_had_ended_comes_back(visitor: Visitor, marc: Person) -> None:
    from io import BytesIO

    visitor.as_(marc)
    files = (BytesIO(b"picture"), "tipped over.png")
    answer = parked_by(visitor, zone="Europe/Vienna", body=TYPED, password="not this", photos=files)
    assert answer.status_code == 303  # type: ignore[attr-defined]
    kept = db.session.scalars(select(ParkedText)).one()
    assert kept.person_id == marc.id
    assert kept.fields == {"typed": [["zone", "Europe/Vienna"], ["body", TYPED]], "files": ["tipped over.png"]}
    assert answer.location == f"/login?next=/parked/{kept.id}"  # type: ignore[attr-defined]

    again = visitor.sign_in(marc.email, next=f"/parked/{kept.id}")
    page = visitor.get(again.location or "").text
    assert TYPED in page
    assert "tipped over.png" in page
    assert "not this" not in page
    assert 'action="/account"' in page
    form = re.findall(
        r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split('action="/account"')[1].split("</form>")[0]
    )
    assert {"csrf_token", "op", "parked"} <= dict(form).keys()
    sent = visitor.client.post("/account", data={**dict(form), "zone": "Europe/Vienna"})
    assert sent.status_code == 303
    assert db.session.get_one(Person, marc.id).zone == "Europe/Vienna"
    assert db.session.scalars(select(ParkedText)).all() == []


def test_CS3_htmx_is_sent_to_sign_in_as_well(visitor: Visitor, marc: Person) -> None:
    token = visitor.as_(marc).token()
    headers = {"HX-Request": "true", "X-CSRFToken": token, "Referer": "http://localhost/tickets/T-0001"}
    with moved(now() + timedelta(hours=1)):
        answer = visitor.client.post("/account", data={"zone": "Europe/Vienna"}, headers=headers)
    kept = db.session.scalars(select(ParkedText)).one()
    assert answer.headers["HX-Redirect"] == f"/login?next=/parked/{kept.id}"
    assert kept.page == "/tickets/T-0001"


def test_CS3_only_its_owner_sees_a_parked_text_and_for_a_day(browser: OpenBrowser, marc: Person, ada: Person) -> None:
    parked_by(browser().as_(marc), body=TYPED)
    kept = db.session.scalars(select(ParkedText)).one()
    assert browser().as_(ada).get(f"/parked/{kept.id}").status_code == 404
    assert browser().as_(ada).post(f"/parked/{kept.id}/discard").status_code == 303
    assert browser().as_(marc).get(f"/parked/{kept.id}").status_code == 200
    with moved(now() + timedelta(hours=23)):
        late = browser().as_(marc)
    with moved(now() + timedelta(hours=25)):
        late.as_(marc)
        assert late.get(f"/parked/{kept.id}").status_code == 404
    with moved(now() + timedelta(hours=26)), transaction(by=None):
        assert parking.sweep() == 1


def test_CS3_nothing_is_parked_without_a_valid_token(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    with moved(now() + timedelta(hours=1)):
        answer = visitor.client.post("/account", data={"body": TYPED})
    assert answer.status_code == 400
    assert TYPED in answer.text
    assert db.session.scalars(select(ParkedText)).all() == []


def test_CS3_a_person_switched_off_parks_nothing(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    token = visitor.token()
    with transaction(by=None):
        db.session.get_one(Person, marc.id).is_active = False
    with moved(now() + timedelta(hours=1)):
        assert visitor.client.post("/account", data={"csrf_token": token, "body": TYPED}).status_code == 303
    assert db.session.scalars(select(ParkedText)).all() == []


def test_CS3_one_person_parks_twenty_texts_at_most(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    for _ in range(22):
        parked_by(visitor, body=TYPED)
    assert len(db.session.scalars(select(ParkedText)).all()) == 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://["},
    ],
)
def test_CS5_another_site_is_refused_even_with_a_token(visitor: Visitor, ada: Person, headers: dict[str, str]) -> None:
    visitor.as_(ada)
    answer = visitor.client.post("/theme", data={"csrf_token": visitor.token()}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}, {}]
)
def test_CS5_our_own_pages_are_not(visitor: Visitor, ada: Person, headers: dict[str, str]) -> None:
    visitor.as_(ada)
    answer = visitor.client.post("/theme", data={"csrf_token": visitor.token()}, headers=headers)
    assert answer.status_code == 303


def test_a_foreign_text_is_never_offered_for_sending(visitor: Visitor, ada: Person) -> None:
    """The page for a stale token echoes the text; only when the browser vouches for us is there a button."""
    visitor.as_(ada)
    unknown = visitor.client.post("/account", data={"body": TYPED})
    ours = visitor.client.post("/account", data={"body": TYPED}, headers={"Sec-Fetch-Site": "same-origin"})
    assert "Send it again" not in unknown.text
    assert "Send it again" in ours.text


def test_typed_markup_comes_back_as_text(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    attack = "</textarea><script>alert(1)</script> <img src=x>"
    page = visitor.client.post("/account", data={"body": attack, '"><b>': attack}).text
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_someone_not_signed_in_is_sent_to_sign_in_and_back(visitor: Visitor) -> None:
    assert visitor.get("/account?a=1&b=2").location == "/login?next=/account?a%3D1%26b%3D2"
    assert (
        visitor.post("/account", {"zone": "UTC"}, headers={"Referer": "http://localhost/x"}).location
        == "/login?next=/x"
    )


def test_a_customer_may_sign_in_too(visitor: Visitor) -> None:
    from tests.factories import make_customer

    assert visitor.as_(make_customer()).get("/account").status_code == 200


def test_a_route_that_declares_nothing_is_closed(app: Flask, visitor: Visitor) -> None:
    view = app.view_functions["people.account"]
    declared = view.needs  # type: ignore[attr-defined]
    del view.needs  # type: ignore[attr-defined]
    try:
        assert visitor.as_(make_person("Ada")).get("/account").status_code == 403
    finally:
        view.needs = declared  # type: ignore[attr-defined]
