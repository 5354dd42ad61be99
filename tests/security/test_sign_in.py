"""AU1-AU9, IN5: who gets in, who does not, and what either of them learns."""

import re
import time
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher, extract_parameters
from flask import Flask
from sqlalchemy import select

from app.foundation.clock import moved, now
from app.foundation.csrf import safe_path
from app.foundation.db import db
from app.foundation.errors import NotAllowed, Refused
from app.foundation.limits import LimitRow, TooMany
from app.people import passwords, queries
from app.people.models import Person
from app.people.sign_in import GUESSES, confirm
from tests.factories import make_person
from tests.visitors import PASSWORD, PASSWORD_HASH, Visitor

OpenBrowser = Callable[..., Visitor]


def test_the_right_password_opens_the_door(visitor: Visitor, marc: Person) -> None:
    answer = visitor.sign_in(marc.email.upper())
    assert (answer.status_code, answer.location) == (303, "/")
    assert visitor.get("/account").status_code == 200


def test_the_page_has_the_names_of_the_contract(visitor: Visitor) -> None:
    page = visitor.get("/login").text
    assert re.search(r'<label for="email">Email</label>', page)
    assert re.search(r'<label for="password">Password</label>', page)
    assert '<button class="btn main">Sign in</button>' in page


def test_AU1_new_hashes_are_argon2id_at_the_minimum() -> None:
    made = passwords.hash_password("a wooden pole and six dowels")
    parameters = extract_parameters(made)
    assert made.startswith("$argon2id$")
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)


def test_AU1_an_old_hash_is_renewed_at_sign_in(visitor: Visitor) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    person = make_person("Marc", password_hash=old)
    assert visitor.sign_in(person.email).status_code == 303
    stored = db.session.get_one(Person, person.id).password_hash or ""
    assert stored != old
    assert extract_parameters(stored).memory_cost == 19456


def test_AU1_nobody_costs_the_same_hashing_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: an unknown account is checked against a hash with the same parameters."""
    seen: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, stored: str, password: str) -> bool:
        seen.append(stored)
        return bool(verify(self, stored, password))

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    assert not passwords.is_right(None, "nobody has this password")
    assert not passwords.is_right(PASSWORD_HASH, "wrong")
    nobody, somebody = (extract_parameters(stored) for stored in seen)
    assert nobody == somebody


def test_AU1_only_a_few_passwords_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Lock, Thread

    running, most, guard = 0, 0, Lock()

    def slow(self: PasswordHasher, stored: str, password: str) -> bool:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with guard:
            running -= 1
        return True

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    threads = [Thread(target=passwords.is_right, args=(PASSWORD_HASH, "x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == passwords.AT_ONCE


@pytest.mark.parametrize(
    "poor",
    [
        "short",
        "password1",
        "Password123",
        "loopwright",
        "Loopwright2026",
        "Wood Hut 1",
        "woodhut!",
        "aaaaaaaaaa",
        "marcdemo1",
    ],
)
def test_AU2_common_and_context_words_are_refused(app: Flask, poor: str) -> None:
    with app.test_request_context(), pytest.raises(Refused):
        passwords.must_be_good(poor, "Wood Hut", "Marc Demo", "marc@woodhut.example")


@pytest.mark.parametrize(
    "good", ["木" * 63 + "林", "longlowercaseonlyphrase", "pole dowel base", "p ö ß ☃ 12", "x9" * 100]
)
def test_AU2_anything_else_is_taken_and_every_character_counts(app: Flask, good: str) -> None:
    with app.test_request_context():
        passwords.must_be_good(good, "Wood Hut")
    stored = passwords.hash_password(good)
    assert passwords.is_right(stored, good)
    assert not passwords.is_right(stored, good[:-1] + "?")


def test_AU2_the_same_word_from_another_keyboard_is_the_same_password() -> None:
    assert passwords.is_right(passwords.hash_password("mo\u0308bel und stu\u0308hle"), "m\u00f6bel und st\u00fchle")


def test_AU3_the_sixth_try_waits_and_another_address_gets_in(browser: OpenBrowser, marc: Person) -> None:
    attacker, owner = browser("203.0.113.7"), browser("198.51.100.9")
    assert [attacker.sign_in(marc.email, "wrong").status_code for _ in range(5)] == [401] * 5
    sixth = attacker.sign_in(marc.email)  # even the right one
    assert sixth.status_code == 429
    assert 0 < int(sixth.headers["Retry-After"]) <= 900
    assert "Too often" in sixth.text
    assert owner.sign_in(marc.email).status_code == 303


def test_AU3_the_limit_is_over_after_a_while(browser: OpenBrowser, marc: Person) -> None:
    visitor = browser()
    for _ in range(5):
        visitor.sign_in(marc.email, "wrong")
    from datetime import timedelta

    with moved(now() + timedelta(minutes=15, seconds=1)):
        assert visitor.sign_in(marc.email).status_code == 303


def test_AU3_the_right_password_forgets_the_wrong_ones(browser: OpenBrowser, marc: Person) -> None:
    visitor = browser()
    for _ in range(2):
        assert [visitor.sign_in(marc.email, "wrong").status_code for _ in range(4)] == [401] * 4
        assert visitor.sign_in(marc.email).status_code == 303


def test_AU3_one_address_cannot_try_every_account(browser: OpenBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "is_right", lambda _stored, _password: False)  # a hundred hashes take their time
    visitor = browser("203.0.113.7")
    token = visitor.token()
    sent = {"csrf_token": token, "password": "wrong"}
    codes = [
        visitor.client.post("/login", data={**sent, "email": f"nobody{n}@example.com"}).status_code for n in range(101)
    ]
    assert codes == [401] * 100 + [429]


def test_AU3_accounts_and_addresses_are_counted_as_hashes(browser: OpenBrowser, marc: Person) -> None:
    browser("203.0.113.7").sign_in(marc.email, "wrong")
    for row in db.session.scalars(select(LimitRow)):
        assert re.fullmatch(r"[0-9a-f]{64}", row.key)


def test_AU4_a_forged_address_changes_nothing(browser: OpenBrowser, marc: Person) -> None:
    visitor = browser("203.0.113.7")
    codes = []
    for n in range(7):
        visitor.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"192.0.2.{n}"
        codes.append(visitor.sign_in(marc.email, "wrong").status_code)
    assert codes == [401] * 5 + [429] * 2


def test_AU5_the_answer_does_not_tell_whether_an_account_exists(browser: OpenBrowser, marc: Person) -> None:
    switched_off = make_person("Olga", password_hash=PASSWORD_HASH, is_active=False)
    answers = [
        browser().sign_in("nobody@example.com", "wrong"),
        browser().sign_in(marc.email, "wrong"),
        browser().sign_in(switched_off.email, PASSWORD),
    ]
    bodies = set()
    for answer, email in zip(answers, ("nobody@example.com", marc.email, switched_off.email), strict=True):
        body = answer.text.replace(email, "")
        bodies.add(re.sub(r'(name="(?:csrf_token|op)"[^>]*value=")[^"]+', r"\1", body))
    assert [a.status_code for a in answers] == [401] * 3
    assert len(bodies) == 1


def test_AU6_a_fresh_installation_lets_nobody_in(visitor: Visitor) -> None:
    assert not queries.has_people()
    assert visitor.sign_in("admin", "admin").status_code == 401


def test_a_customer_without_a_password_cannot_sign_in(visitor: Visitor) -> None:
    person = make_person("Marc", password_hash=None)
    assert visitor.sign_in(person.email, "").status_code == 401


def test_confirming_needs_the_password_and_counts_as_a_try(app: Flask, marc: Person) -> None:
    with app.test_request_context():
        with pytest.raises(NotAllowed) as nothing:
            confirm(marc, "", address="127.0.0.1")
        assert nothing.value.field == "password"
        for _ in range(GUESSES.count):
            with pytest.raises(NotAllowed):
                confirm(marc, "wrong", address="127.0.0.1")
        with pytest.raises(TooMany):
            confirm(marc, PASSWORD, address="127.0.0.1")
        confirm(marc, PASSWORD, address="127.0.0.2")


FOREIGN = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "http:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%2f%2fevil.example/..",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "/\tevil",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%252f/evil.example",
    "evil.example",
    "@evil.example",
    "/\x00//evil.example",
    "/x" * 300,
]


@pytest.mark.parametrize("wanted", FOREIGN)
def test_IN5_no_way_to_another_site(visitor: Visitor, marc: Person, wanted: str) -> None:
    assert visitor.sign_in(marc.email, next=wanted).location == "/"


@pytest.mark.parametrize("wanted", ["/tickets/T-0001?view=list&q=a%20b", "/", "/boms/COAT-RACK"])
def test_IN5_our_own_pages_are_fine(visitor: Visitor, marc: Person, wanted: str) -> None:
    assert safe_path(wanted) == wanted
    assert visitor.sign_in(marc.email, next=wanted).location == wanted


def test_SL4_what_happens_at_the_door_is_logged_without_names(
    visitor: Visitor, marc: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "loopwright.security")
    visitor.sign_in(marc.email, "wrong")
    visitor.sign_in(marc.email)
    visitor.post("/logout")
    records = [record for record in caplog.records if record.name == "loopwright.security"]
    assert [vars(record)["event"] for record in records] == ["sign_in_failed", "signed_in", "signed_out"]
    assert marc.email not in str([vars(record) for record in records])
    assert "wrong" not in str([vars(record) for record in records])
