"""Requests that change something come from our own pages: a token masked anew each time, and the browser's own word.

The token is the session's secret under a fresh mask, because pages echo what people type and are compressed. It is
checked once for every unsafe request, whatever the view does; the only exemptions are the endpoints in `EXEMPT`.
"""

import base64
import binascii
import hmac
import secrets
from typing import Any
from urllib.parse import unquote, urlsplit

from flask import request
from wtforms.csrf.core import CSRF

from app.foundation.sessions import web_session

EXEMPT: frozenset[str] = frozenset()  # endpoints that take no token; each would need its reason here
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
FIELD, HEADERS = "csrf_token", ("X-CSRFToken", "X-CSRF-Token")
_SIZE = 32


class MaskedCSRF(CSRF):
    """The `csrf_token` field of our forms. The check itself has been done before any view ran."""

    def generate_csrf_token(self, csrf_token_field: Any) -> str:
        return csrf_token()

    def validate_csrf_token(self, form: Any, field: Any) -> None:
        return None


def csrf_token() -> str:
    """A token for this browser, never the same twice."""
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, _digest(_holder()))).decode().rstrip("=")


def is_unsafe() -> bool:
    return request.method not in SAFE


def is_foreign() -> bool:
    """Whether another site made the browser send this. Old browsers say nothing; the token speaks for them."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return bool(origin) and not is_own(origin or "")


def is_own(url: str) -> bool:
    """Whether `url` is on this host and scheme."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc) == (request.scheme, request.host)


def safe_path(wanted: str | None) -> str | None:
    """`wanted` if it is a path of ours; anything that a browser could read as another site is None."""
    path = wanted or ""
    plain = unquote(unquote(path))
    if not path.startswith("/") or any(p.startswith(("//", "/\\")) for p in (path, plain)):
        return None
    if "\\" in plain or any(ord(c) < 0x21 or ord(c) == 0x7F for c in path) or len(path) > 400:
        return None
    return path


def is_surely_own() -> bool:
    """Whether the browser itself says that our own page sent this: only then may the text be offered for sending."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site == "same-origin"
    return is_own(request.headers.get("Origin", ""))


def has_valid_token() -> bool:
    """Whether the request carries a token of this browser, made for this person or before they signed in."""
    given = request.form.get(FIELD) or next((request.headers[h] for h in HEADERS if h in request.headers), "")
    try:
        raw = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _SIZE:
        return False
    digest = _xor(raw[:_SIZE], raw[_SIZE:])
    return any(hmac.compare_digest(digest, _digest(holder)) for holder in {0, _holder()})


def _holder() -> int:
    known = web_session().known
    return known.person_id if known else 0


def _digest(holder: int) -> bytes:
    return hmac.digest(web_session().csrf_secret.encode(), f"csrf:{holder}".encode(), "sha256")


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
