"""Somebody at a browser, without a browser: signs in, keeps the token, posts forms."""

import re
import secrets
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.foundation import clock
from app.foundation.db import transaction
from app.foundation.sessions import PLAIN_NAME, BrowserSession, Via, hashed
from app.people.models import Person
from app.people.passwords import hasher

PASSWORD = "a bench and four chairs"
PASSWORD_HASH = hasher.hash(PASSWORD)
SETTINGS_IDLE, SETTINGS_ABSOLUTE = 30 * 60, 12 * 3600
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Visitor:
    """One browser. `as_(person)` signs in without the password check; `sign_in` goes through the page."""

    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["REMOTE_ADDR"] = address

    def as_(self, person: Person, via: Via = Via.PASSWORD) -> "Visitor":
        from datetime import timedelta

        key, at = secrets.token_urlsafe(32), clock.now()
        with transaction(by=None, source="session") as tx:
            tx.session.add(
                BrowserSession(
                    id_hash=hashed(key), person_id=person.id, csrf_secret=secrets.token_urlsafe(32), via=via,
                    device_id=None, created_at=at, seen_at=at, idle_seconds=SETTINGS_IDLE,
                    expires_at=at + timedelta(seconds=SETTINGS_ABSOLUTE), ended_at=None, data={},
                )
            )  # fmt: skip
        self.client.set_cookie(PLAIN_NAME, key)
        return self

    def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/login", {"email": email, "password": password, **fields})

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(path, **kwargs)

    def post(self, path: str, data: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """As a form of ours would send it: with token and `op`."""
        filled = {"csrf_token": self.token(), "op": secrets.token_hex(16), **(data or {})}
        return self.client.post(path, data=filled, **kwargs)

    def token(self) -> str:
        """A token for this browser, from the sign-in page, which everybody gets."""
        found = _TOKEN.search(self.client.get("/login").text)
        assert found is not None
        return found[1]

    @property
    def cookie(self) -> str:
        cookie = self.client.get_cookie(PLAIN_NAME)
        return cookie.value if cookie else ""
