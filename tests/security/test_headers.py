"""HD1-HD6, IN6, SE3: what every answer carries, and from where it may be asked for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.config import BadSettings
from app.foundation.db import db
from app.foundation.permissions import PUBLIC, needs
from app.foundation.sessions import client_address
from app.people.models import Person
from tests.conftest import settings_for
from tests.security.endpoints import address_of, all_endpoints
from tests.visitors import Visitor

CSP = re.compile(
    r"default-src 'none'; script-src 'nonce-([A-Za-z0-9_-]{22})'; style-src 'self'; img-src 'self' blob:; "
    r"font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; "
    r"base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture
def another(fresh_database: str, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """One more application, with settings of its own."""
    made: list[Flask] = []

    def make(**changes: str) -> Flask:
        made.append(create_app(settings_for(fresh_database, tmp_path / f"data{len(made)}", **changes)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def must_be_safe(answer: object) -> str:
    """Check the headers of an answer; its nonce."""
    headers = answer.headers  # type: ignore[attr-defined]
    for name, value in ALWAYS.items():
        assert headers[name] == value, name
    assert "camera=(self)" in headers["Permissions-Policy"]
    assert "Server" not in headers
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", headers["X-Request-Id"])
    assert "unsafe" not in headers["Content-Security-Policy"]
    policy = CSP.fullmatch(headers["Content-Security-Policy"])
    if policy is None:  # files of users: no script, no frame, nothing
        assert "sandbox" in headers["Content-Security-Policy"]
        return ""
    return policy[1]


def test_HD1_HD4_on_every_route_for_everybody(app: Flask, visitor: Visitor, ada: Person) -> None:
    nonces: list[str] = []
    for who in (visitor, Visitor(app).as_(ada)):
        for endpoint, method, rule in all_endpoints(app):
            if endpoint == "people.logout":
                continue
            answer = who.client.open(address_of(rule), method=method, buffered=True)
            assert answer.status_code < 500 or endpoint == "serving.readyz", (endpoint, method)
            nonces.append(must_be_safe(answer))
            if answer.mimetype == "text/html":
                assert answer.headers["Cache-Control"] == "no-store", endpoint
                assert "ETag" not in answer.headers
    nonces = [n for n in nonces if n]
    assert len(nonces) > 20
    assert len(set(nonces)) == len(nonces)


def test_HD1_the_nonce_of_the_page_is_the_one_of_the_header(visitor: Visitor, ada: Person) -> None:
    answer = visitor.as_(ada).get("/account")
    nonce = must_be_safe(answer)
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)


@pytest.mark.parametrize("path", ["/nowhere", "/static/x/y.js", "/parked/1", "/login/", "/%00"])
def test_HD1_errors_and_redirects_too(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code in (303, 308, 400, 404)
    must_be_safe(answer)


def test_HD4_https_is_remembered_for_a_year_and_http_says_nothing(visitor: Visitor) -> None:
    assert (
        "max-age=31536000" in visitor.get("/login", base_url="https://localhost").headers["Strict-Transport-Security"]
    )
    assert "Strict-Transport-Security" not in visitor.get("/login").headers


def test_HD6_a_failure_shows_nothing_of_the_inside(fresh_app: Flask) -> None:
    @fresh_app.get("/broken")
    @needs(PUBLIC)
    def broken() -> str:
        secret = "swordfish"
        raise RuntimeError(f"SELECT {secret} FROM /home/app.py")

    fresh_app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = Visitor(fresh_app).get("/broken")
    assert answer.status_code == 500
    must_be_safe(answer)
    assert answer.headers["X-Request-Id"] in answer.text
    for word in ("swordfish", "SELECT", "/home", "RuntimeError", "Traceback", ".py"):
        assert word not in answer.text


def test_HD6_the_page_for_a_failure_needs_no_database(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh_app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("no database")

    visitor = Visitor(fresh_app)
    visitor.get("/login")
    visitor.client.set_cookie("loopwright_session", "a" * 43)
    monkeypatch.setattr(db.session, "execute", broken)
    monkeypatch.setattr(db.session, "get", broken)
    answer = visitor.get("/login")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text


def test_HD6_production_refuses_debug(another: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with pytest.raises(BadSettings, match="FLASK_DEBUG"):
        another(LOOPWRIGHT_ENV="production")
    monkeypatch.delenv("FLASK_DEBUG")
    another(LOOPWRIGHT_ENV="production")


def test_HD6_trace_is_not_answered(visitor: Visitor) -> None:
    answer = visitor.client.open("/login", method="TRACE")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "[::1", "a b", "", "localhost:x"]
)
def test_IN6_a_foreign_host_is_refused(visitor: Visitor, host: str) -> None:
    answer = visitor.get("/login", headers={"Host": host})
    assert answer.status_code == 400
    assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "loop.localhost"])
def test_IN6_this_machine_is_fine(visitor: Visitor, host: str) -> None:
    assert visitor.get("/login", headers={"Host": host}).status_code == 200


def test_IN6_the_name_of_the_installation_is_fine(another: Callable[..., Flask]) -> None:
    app = another(LOOPWRIGHT_BASE_URL="https://loop.woodhut.example", LOOPWRIGHT_TRUSTED_PROXIES="1")
    client = app.test_client()
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "loop.woodhut.example", "X-Forwarded-For": "192.0.2.1"}
    assert client.get("/login", headers=proxied).status_code == 200
    assert client.get("/login", headers={**proxied, "X-Forwarded-Host": "evil.example"}).status_code == 400
    assert client.get("/login", headers={"Host": "loop.woodhut.example"}).status_code == 403  # in the clear


def test_SE3_plain_http_from_the_network_is_refused_with_words(visitor: Visitor) -> None:
    answer = visitor.get("/login", headers={"Host": "192.168.1.20:8000"})
    assert answer.status_code == 403
    assert "not encrypted" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert visitor.get("/healthz", headers={"Host": "192.168.1.20:8000"}).status_code == 200


def test_SE3_the_switch_allows_it_with_a_banner(another: Callable[..., Flask]) -> None:
    answer = (
        another(LOOPWRIGHT_ALLOW_INSECURE_HTTP="1").test_client().get("/login", headers={"Host": "192.168.1.20:8000"})
    )
    assert answer.status_code == 200
    assert "This address is not encrypted" in answer.text
    assert answer.headers["Set-Cookie"].startswith("loopwright_session=")


def test_AU4_only_counted_proxies_are_believed(another: Callable[..., Flask]) -> None:
    app = another(LOOPWRIGHT_TRUSTED_PROXIES="1")
    seen: list[str] = []

    @app.get("/who")
    @needs(PUBLIC)
    def who() -> str:
        seen.append(client_address())
        return ""

    app.test_client().get("/who", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7"})
    assert seen == ["192.0.2.7"]


def test_static_files_are_kept_for_ever_and_are_safe(app: Flask, visitor: Visitor) -> None:
    answer = visitor.get(f"/static/{app.config['BUILD']}/css/app.css")
    assert answer.status_code == 200
    must_be_safe(answer)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_the_theme_is_in_the_first_byte(visitor: Visitor) -> None:
    assert "data-theme" not in visitor.get("/login").text
    answer = visitor.post("/theme", {"theme": "dark"}, headers={"Referer": "http://localhost/login?x=1"})
    assert (answer.status_code, answer.location) == (303, "/login?x=1")
    assert '<html lang="en" data-theme="dark">' in visitor.get("/login").text
    visitor.post("/theme", {"theme": '"><script>'})
    assert "data-theme" not in visitor.get("/login").text
