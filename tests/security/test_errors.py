"""IN7, decision 20: every "no" is a sentence, junk is never our error, and nothing typed is lost."""

import sqlite3
from collections.abc import Callable, Iterator

import psycopg.errors
import pytest
from flask import Flask
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import RequestEntityTooLarge

from app.foundation.errors import Conflict, NotAllowed, NotFound, Refused
from app.foundation.limits import TooMany
from app.foundation.one_time import Gone
from app.foundation.permissions import PUBLIC, needs
from app.people.models import Person
from tests.security.endpoints import address_of, all_endpoints
from tests.visitors import Visitor

TYPED = "Tips over with <five> coats & more"
RAISED: list[Exception] = []


@pytest.fixture
def failing(fresh_app: Flask) -> Iterator[Callable[[Exception], Visitor]]:
    """A browser on an application whose form at /fail raises what is given."""
    fresh_app.config["PROPAGATE_EXCEPTIONS"] = False

    @fresh_app.post("/fail")
    @needs(PUBLIC)
    def fail() -> str:
        raise RAISED[-1]

    def with_(error: Exception) -> Visitor:
        RAISED.append(error)
        return Visitor(fresh_app)

    yield with_
    RAISED.clear()


ANSWERS = [
    (Refused("Start a revision first.", reasons=("No revision",)), 422, "Start a revision first."),
    (Conflict("Priya moved this card first."), 409, "Priya moved this card first."),
    (NotAllowed("Jose approves this, not you."), 403, "Jose approves this, not you."),
    (NotFound("There is no T-9999."), 404, "There is no T-9999."),
    (Gone("This link was used already."), 410, "This link was used already."),
    (TooMany("Too often.", 17), 429, "Too often."),
    (RequestEntityTooLarge(), 413, "Send fewer or smaller files."),
    (StaleDataError("x"), 409, "Somebody else saved this"),
    (OperationalError("UPDATE x", {}, sqlite3.OperationalError("database is locked")), 503, "Too much is being saved"),
    (
        OperationalError("x", {}, psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")),
        503,
        "Too much",
    ),
    (OperationalError("x", {}, psycopg.errors.DeadlockDetected("deadlock detected")), 503, "Too much is being saved"),
    (OperationalError("x", {}, sqlite3.OperationalError("no such column: secret")), 500, "It is written down"),
    (
        IntegrityError("INSERT secret", {}, sqlite3.IntegrityError("FOREIGN KEY constraint failed")),
        409,
        "Load the page again",
    ),
    (
        DataError("INSERT secret", {}, psycopg.errors.NumericValueOutOfRange("integer out of range")),
        422,
        "does not fit",
    ),
    (OverflowError("Python int too large to convert to SQLite INTEGER"), 400, "Nothing was changed"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 400, "Nothing was changed"),
    (ZeroDivisionError("division by zero"), 500, "It is written down"),
]


@pytest.mark.parametrize(("error", "status", "sentence"), ANSWERS)
def test_a_plain_browser_gets_a_page(
    failing: Callable[[Exception], Visitor], error: Exception, status: int, sentence: str
) -> None:
    answer = failing(error).post("/fail", {"body": TYPED}, headers={"Referer": "http://localhost/tickets/T-0001"})
    assert answer.status_code == status
    assert sentence in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert 'href="/tickets/T-0001"' in answer.text
    assert "secret" not in answer.text
    if status not in (404,):
        assert "Tips over with &lt;five&gt; coats &amp; more" in answer.text


@pytest.mark.parametrize(("error", "status", "sentence"), ANSWERS)
def test_htmx_gets_a_sentence_and_keeps_its_page(
    failing: Callable[[Exception], Visitor], error: Exception, status: int, sentence: str
) -> None:
    answer = failing(error).post("/fail", {"body": TYPED}, headers={"HX-Request": "true", "HX-Request-Type": "full"})
    assert answer.status_code == status
    assert sentence in answer.text
    assert answer.text.startswith(
        '<hx-partial hx-target="#toasts" hx-swap="beforeend"><div class="toast" role="alert">'
    )
    assert "<html" not in answer.text


def test_waiting_says_how_long(failing: Callable[[Exception], Visitor]) -> None:
    assert failing(TooMany("Too often.", 17)).post("/fail").headers["Retry-After"] == "17"
    busy = OperationalError("x", {}, sqlite3.OperationalError("database is locked"))
    assert failing(busy).post("/fail").headers["Retry-After"] == "2"


def test_reasons_are_listed(failing: Callable[[Exception], Visitor]) -> None:
    visitor = failing(Refused("Not yet.", reasons=("No revision", "No <approval>")))
    assert "<li>No &lt;approval&gt;</li>" in visitor.post("/fail").text
    assert "<li>No &lt;approval&gt;</li>" in visitor.post("/fail", headers={"HX-Request": "true"}).text


def test_what_was_typed_can_be_sent_again_after_a_refusal(failing: Callable[[Exception], Visitor]) -> None:
    page = failing(Refused("Not yet.")).post("/fail", {"body": TYPED, "product_id": "17"}).text
    assert 'action="/fail"' in page
    assert '<input type="hidden" name="product_id" value="17">' in page
    assert "Send it again" in page


def test_a_password_never_comes_back(failing: Callable[[Exception], Visitor]) -> None:
    page = failing(Refused("Not yet.")).post("/fail", {"body": TYPED, "password": "swordfish deluxe"}).text
    assert "swordfish" not in page


@pytest.mark.parametrize("status", [404, 405])
def test_pages_of_our_own_for_the_router(visitor: Visitor, status: int) -> None:
    answer = visitor.get("/nowhere") if status == 404 else visitor.get("/logout")
    assert answer.status_code == status
    assert answer.headers["X-Request-Id"] in answer.text
    assert "Werkzeug" not in answer.text
    assert "requested URL" not in answer.text


JUNK = [
    "%00",
    "%ff%fe",
    "1" * 31,
    "-1",
    "0",
    "%F0%9F%98%80",
    "a" * 3000,
    "..%2f..%2fetc",
    "%27%20OR%201=1",
    "%ed%a0%80",
    "{{7*7}}",
]


@pytest.mark.parametrize("junk", JUNK)
def test_IN7_junk_in_an_address_is_never_our_error(
    app: Flask, visitor: Visitor, ada: Person, junk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    visitor.as_(ada)
    token, broken = visitor.token(), []
    for endpoint, method, rule in all_endpoints(app):
        if endpoint in ("static", "serving.readyz", "people.logout"):
            continue
        names = [text for dynamic, text in rule._trace if dynamic]
        path = address_of(rule, **dict.fromkeys(names, junk))
        query = "&".join(
            f"{name}={junk}" for name in ("q", "page", "since", "team", "type", "after", "before", "from", "view")
        )
        data = None if method == "GET" else {"csrf_token": token}
        answer = visitor.client.open(f"{path}?{query}", method=method, data=data, buffered=True)
        if answer.status_code >= 500:
            broken.append(f"{method} {endpoint}")
    assert not broken


def test_IN7_bytes_that_are_no_text_are_refused(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    url_encoded = "application/x-www-form-urlencoded"
    assert visitor.get("/account?q=%ff").status_code == 400
    assert visitor.get("/x", environ_overrides={"PATH_INFO": "/acc\xff"}).status_code == 400
    assert visitor.client.post("/account", data=b"zone=%ff", content_type=url_encoded).status_code == 400
    assert visitor.client.post("/account", data=b"\xff=1", content_type=url_encoded).status_code == 400
    assert visitor.client.post("/account", data=b"a=" + b"x" * 5_000_000, content_type=url_encoded).status_code == 413
    assert (
        visitor.client.post("/account", data=b"--x", content_type="multipart/form-data; boundary=y").status_code == 400
    )


def test_IN7_control_characters_are_taken_out(fresh_app: Flask) -> None:
    from flask import request

    seen: list[str] = []

    @fresh_app.post("/echo")
    @needs(PUBLIC)
    def echo() -> str:
        seen.append(request.form["body"] + "|" + request.args["q"])
        return ""

    Visitor(fresh_app).post("/echo?q=a%00b", {"body": "tab\tline\r\nnul\x00esc\x1bdel\x7fc1\x9bend"})
    assert seen == ["tab\tline\r\nnulescdelc1end|ab"]


def test_IN7_the_same_key_twice_and_odd_keys(visitor: Visitor, ada: Person) -> None:
    visitor.as_(ada)
    token = visitor.token()
    body = f"csrf_token={token}&zone=UTC&zone=Europe/Vienna&zone[]=x&[]=&=&zone[a][b]=1"
    answer = visitor.client.post("/account", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (303, 422)


@pytest.mark.parametrize(
    "junk",
    ["http://[", "http://[::1", "\xff\xfe", "x" * 20_000, "%00", "é", "a=b; c", "//", "-1", "http://localhost//evil"],
)
def test_IN7_junk_in_a_header_is_never_our_error(visitor: Visitor, ada: Person, junk: str) -> None:
    visitor.as_(ada)
    names = (
        "Referer Origin Accept-Language User-Agent X-Forwarded-For X-Request-Id HX-Request HX-Target HX-Current-URL "
        "HX-Request-Type Sec-Fetch-Site If-None-Match If-Modified-Since Range Content-Type Accept Accept-Encoding"
    )
    token = visitor.token()
    for name in names.split():
        for path in ("/account", "/nowhere", "/login"):
            assert visitor.get(path, headers={name: junk}).status_code < 500, (name, path)
        answer = visitor.client.post("/theme", data={"csrf_token": token}, headers={name: junk})
        assert answer.status_code < 500, name
        assert "evil" not in (answer.location or ""), name
