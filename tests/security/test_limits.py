"""AU3, RT1: limits are exact with many hands at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from app.foundation import limits
from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.limits import Limit, LimitRow, TooMany
from tests.factories import make_person
from tests.visitors import PASSWORD_HASH, Visitor

FORM, HOUR, ALL = Limit("form", 5, 600), Limit("form", 30, 3600), Limit("form-all", 300, 3600)


def test_exactly_five_of_thirty_guesses_are_heard(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        email = make_person("Marc", password_hash=PASSWORD_HASH).email
    visitor = Visitor(fresh_app)
    token, cookie = visitor.token(), visitor.cookie

    def guess(_n: int) -> int:
        client = fresh_app.test_client()
        client.set_cookie("loopwright_session", cookie)
        return client.post("/login", data={"csrf_token": token, "email": email, "password": "wrong"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(guess, range(30))) == {401: 5, 429: 25}


def test_everybody_at_once_with_the_right_password_gets_in(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        email = make_person("Marc", password_hash=PASSWORD_HASH).email

    def enter(_n: int) -> int:
        return Visitor(fresh_app).sign_in(email).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(enter, range(24))) == {303: 24}


def test_RT1_takes_are_exact_over_all_limits_together(fresh_app: Flask) -> None:
    def take(n: int) -> bool:
        with fresh_app.app_context():
            key = limits.key_of(f"203.0.113.{n % 3}")
            try:
                limits.take((FORM, key), (HOUR, key), (ALL, ""))
            except TooMany:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(60))) == 15


def test_RT1_a_full_limit_counts_nothing_elsewhere(app: Flask, database: None) -> None:
    one, other = limits.key_of("a"), limits.key_of("b")
    small = Limit("small-all", 6, 3600)
    with app.test_request_context():
        for _ in range(5):
            limits.take((FORM, one), (small, ""))
        for _ in range(3):
            with pytest.raises(TooMany) as full:
                limits.take((FORM, one), (small, ""))
        assert 0 < full.value.retry_after <= 600
        limits.take((FORM, other), (small, ""))
        with pytest.raises(TooMany):
            limits.take((FORM, other), (small, ""))


def test_a_limit_slides(app: Flask, database: None) -> None:
    start, key = now(), limits.key_of("a")
    with app.test_request_context():
        for minute in (0, 2, 4, 6, 8):
            with moved(start + timedelta(minutes=minute)):
                limits.take((FORM, key))
        with moved(start + timedelta(minutes=9)), pytest.raises(TooMany) as full:
            limits.take((FORM, key))
        assert full.value.retry_after == 60
        with moved(start + timedelta(minutes=10, seconds=1)):
            limits.take((FORM, key))
        with moved(start + timedelta(minutes=11)), pytest.raises(TooMany):
            limits.take((FORM, key))


def test_a_try_that_never_reported_back_counts(app: Flask, database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.0)
    once = Limit("once", 1, 600)
    start = now()
    with app.test_request_context():
        with moved(start):
            limits.reserve(once, "k")
            with pytest.raises(TooMany) as waiting:
                limits.reserve(once, "k")
        with moved(start + timedelta(seconds=31)), pytest.raises(TooMany) as counted:
            limits.reserve(once, "k")
    assert waiting.value.retry_after == 1
    assert counted.value.retry_after > 500


def test_old_counts_are_swept(app: Flask, database: None) -> None:
    with app.test_request_context():
        limits.take((FORM, "k"))
    with moved(now() + timedelta(days=2)), transaction(by=None):
        assert limits.sweep() == 1
    assert db.session.get(LimitRow, ("form", "k")) is None


def test_the_parts_of_a_key_do_not_run_together() -> None:
    assert limits.key_of("a", "b") != limits.key_of("ab", "")
