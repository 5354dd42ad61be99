"""Web safety in one call, in the order in which a request meets it."""

from flask import Flask

from app.foundation.clean_input import init_clean_input
from app.foundation.error_pages import init_error_pages
from app.foundation.headers import init_headers
from app.foundation.idempotency import init_idempotency
from app.foundation.sessions import init_sessions


def init_safety(app: Flask) -> None:
    """Headers and host names, junk input, sessions, `op`, error pages. The gate of `people` comes after it."""
    init_headers(app)
    init_clean_input(app)
    init_sessions(app)
    init_idempotency(app)
    init_error_pages(app)
