"""SE1-SE6, CS3: how long a session lives, and what ends it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.foundation import sessions
from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict
from app.foundation.sessions import PLAIN_NAME, SECURE_NAME, BrowserSession, Via, hashed
from app.people import actions
from app.people.models import Person, Role
from tests.factories import make_person
from tests.visitors import PASSWORD, PASSWORD_HASH, Visitor

OpenBrowser = Callable[..., Visitor]


def is_in(visitor: Visitor) -> bool:
    answer = visitor.get("/account")
    assert answer.status_code in (200, 303), answer.status_code
    return answer.status_code == 200


def rows() -> int:
    return db.session.scalar(select(func.count()).select_from(BrowserSession)) or 0


def replay(app: Flask, cookie: str) -> Visitor:
    other = Visitor(app)
    other.client.set_cookie(PLAIN_NAME, cookie)
    return other


def test_SE1_a_cookie_is_dead_after_signing_out(app: Flask, visitor: Visitor, marc: Person) -> None:
    visitor.sign_in(marc.email)
    cookie = visitor.cookie
    assert is_in(replay(app, cookie))
    answer = visitor.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/login")
    assert not visitor.cookie
    assert replay(app, cookie).get("/account").location == "/login?next=/account"


def test_SE1_switching_a_person_off_ends_all_their_sessions(browser: OpenBrowser, marc: Person, ada: Person) -> None:
    here, there = browser().as_(marc), browser().as_(marc)
    with transaction(by=ada):
        actions.switch_off(db.session.get_one(Person, marc.id), by=ada)
    assert (is_in(here), is_in(there)) == (False, False)


def test_SE1_a_person_switched_off_behind_our_back_is_out_too(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    with transaction(by=None):
        db.session.get_one(Person, marc.id).is_active = False
    assert not is_in(visitor)


def test_SE1_other_roles_end_the_sessions(visitor: Visitor, marc: Person, ada: Person) -> None:
    visitor.as_(marc)
    with transaction(by=ada):
        actions.set_roles(db.session.get_one(Person, marc.id), frozenset({Role.QUALITY}), by=ada)
    assert not is_in(visitor)
    assert db.session.get_one(Person, marc.id).roles == {Role.QUALITY}


def test_SE1_a_new_password_ends_the_sessions(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    with transaction(by=None):
        actions.set_password_hash(db.session.get_one(Person, marc.id), "x")
    assert not is_in(visitor)


def test_AZ12_the_last_administrator_stays(marc: Person, ada: Person) -> None:
    with pytest.raises(Conflict), transaction(by=ada):
        actions.switch_off(db.session.get_one(Person, ada.id), by=ada)
    with pytest.raises(Conflict), transaction(by=ada):
        actions.set_roles(db.session.get_one(Person, ada.id), frozenset(), by=ada)
    second = make_person("Ada", password_hash=PASSWORD_HASH)
    with transaction(by=ada):
        actions.switch_off(db.session.get_one(Person, second.id), by=ada)
    assert not db.session.get_one(Person, second.id).is_active


def test_SE2_signing_in_gives_a_new_id_and_kills_the_old(app: Flask, visitor: Visitor, marc: Person) -> None:
    visitor.get("/login")
    before = visitor.cookie
    visitor.sign_in(marc.email)
    first = visitor.cookie
    visitor.sign_in(marc.email)
    second = visitor.cookie
    assert len({before, first, second}) == 3
    assert [is_in(replay(app, c)) for c in (before, first, second)] == [False, False, True]


def test_SE2_an_id_chosen_by_somebody_else_is_never_taken_over(visitor: Visitor, marc: Person) -> None:
    visitor.client.set_cookie(PLAIN_NAME, "a" * 43)
    visitor.sign_in(marc.email)
    assert visitor.cookie != "a" * 43
    assert db.session.get(BrowserSession, hashed("a" * 43)) is None


def test_SE2_proving_it_again_gives_a_new_id(app: Flask, visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    old = visitor.cookie
    with app.test_request_context(headers={"Cookie": f"{PLAIN_NAME}={old}"}):
        sessions.web_session()
        sessions.rotate()
        new = sessions.web_session().key or ""
    assert new != old
    assert [is_in(replay(app, c)) for c in (old, new)] == [False, True]


def test_SE3_the_cookie_over_https(visitor: Visitor, marc: Person) -> None:
    https = {"base_url": "https://localhost"}
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.get("/login", **https).text)
    assert token
    sent = {"email": marc.email, "password": PASSWORD, "csrf_token": token[1]}
    cookie = visitor.client.post("/login", data=sent, **https).headers["Set-Cookie"]
    key, _, rest = cookie.partition(";")
    assert len(key.removeprefix(f"{SECURE_NAME}=")) == 43
    assert {part.strip() for part in rest.split(";")} == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_SE3_the_cookie_on_loopback(visitor: Visitor, marc: Person) -> None:
    visitor.token()
    cookie = visitor.sign_in(marc.email).headers["Set-Cookie"]
    assert cookie.startswith(f"{PLAIN_NAME}=")
    assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax"}


def test_SE4_idle_and_absolute_time_are_judged_when_read(visitor: Visitor, marc: Person) -> None:
    visitor.sign_in(marc.email)
    start = now()
    with moved(start + timedelta(minutes=29)):
        assert is_in(visitor)
    with moved(start + timedelta(minutes=29 + 31)):
        assert not is_in(visitor)
    assert rows() == 1  # nothing cleaned it away
    visitor.sign_in(marc.email)
    at = start = now()
    while at < start + timedelta(hours=11, minutes=50):
        at += timedelta(minutes=20)
        with moved(at):
            alive = is_in(visitor)
        assert alive == (at < start + timedelta(hours=12))


def test_SE4_staying_signed_in_is_longer_and_ends_too(visitor: Visitor, marc: Person) -> None:
    cookie = visitor.post("/login", {"email": marc.email, "password": PASSWORD, "stay": "y"})
    assert "Max-Age=" in cookie.headers["Set-Cookie"]
    with moved(now() + timedelta(days=29)):
        assert is_in(visitor)
    with moved(now() + timedelta(days=31)):
        assert not is_in(visitor)


def test_SE4_the_page_itself_never_keeps_a_session_alive(app: Flask, visitor: Visitor, marc: Person) -> None:
    view = app.view_functions["people.account"]
    visitor.as_(marc)
    start = now()
    sessions.quiet(view)
    try:
        with moved(start + timedelta(minutes=20)):
            assert is_in(visitor)
        with moved(start + timedelta(minutes=40)):
            answer = visitor.get("/account")
    finally:
        del view.quiet  # type: ignore[attr-defined]
    assert (answer.status_code, answer.data) == (401, b"")


def test_SE4_being_here_is_written_once_a_minute(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    row = select(BrowserSession.seen_at)
    start = db.session.scalar(row)
    assert start is not None
    for seconds, expected in ((30, 0), (59, 0), (61, 61), (100, 61), (122, 122)):
        with moved(start + timedelta(seconds=seconds)):
            visitor.get("/account")
        assert db.session.scalar(row) == start + timedelta(seconds=expected)


def test_SE5_a_person_ends_their_own_sessions_only(browser: OpenBrowser, marc: Person) -> None:
    here, there, julie = browser().as_(marc), browser().as_(marc), browser().as_(make_person("Julie"))
    path = f"/account/sessions/{hashed(there.cookie)}/end"
    assert hashed(there.cookie) in here.get("/account").text
    assert julie.post(path).status_code == 404
    assert is_in(there)
    assert here.post(path).status_code == 303
    assert (is_in(here), is_in(there)) == (True, False)


def test_SE6_nothing_private_is_kept_by_the_browser(visitor: Visitor, marc: Person) -> None:
    answer = visitor.as_(marc).get("/account")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert {"Cookie", "HX-Request"} <= {h.strip() for h in answer.headers["Vary"].split(",")}
    assert '"cache"' in visitor.post("/logout").headers["Clear-Site-Data"]


def test_a_crawler_makes_no_rows(visitor: Visitor) -> None:
    for _ in range(3):
        assert visitor.get("/login").status_code == 200
    assert rows() == 0


def test_only_the_hash_of_the_id_is_stored(visitor: Visitor, marc: Person) -> None:
    visitor.sign_in(marc.email)
    stored = db.session.scalars(select(BrowserSession)).one()
    assert stored.id_hash == hashed(visitor.cookie)
    assert visitor.cookie not in str(vars(stored))
    assert (stored.via, stored.device_id) == (Via.PASSWORD, None)


def test_a_pin_opens_no_ordinary_page(visitor: Visitor, marc: Person) -> None:
    assert visitor.as_(marc, via=Via.PIN).get("/account").status_code == 403


def test_a_changed_or_unsigned_visitor_cookie_counts_for_nothing(visitor: Visitor) -> None:
    token = visitor.token()
    visitor.client.set_cookie(PLAIN_NAME, visitor.cookie[:-2] + "xx")
    assert visitor.client.post("/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 400


def test_flashed_words_survive_the_redirect(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    assert visitor.post("/account", {"zone": "Europe/Vienna"}).status_code == 303
    assert "Saved." in visitor.get("/account").text
    assert "Saved." not in visitor.get("/account").text
    assert db.session.get_one(Person, marc.id).zone == "Europe/Vienna"


def test_old_rows_are_swept(visitor: Visitor, marc: Person) -> None:
    visitor.as_(marc)
    with moved(now() + timedelta(days=8)), transaction(by=None):
        sessions.sweep()
    assert rows() == 0
