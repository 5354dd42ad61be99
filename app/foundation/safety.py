"""Web safety in one call, in the order in which a request meets it; and what is forgotten after a while."""

from datetime import timedelta
from typing import Any

from flask import Flask

from app.foundation import idempotency, jobs, limits, parking, sessions
from app.foundation.clean_input import init_clean_input
from app.foundation.error_pages import init_error_pages
from app.foundation.headers import init_headers


def init_safety(app: Flask) -> None:
    """Headers and host names, junk input, sessions, `op`, error pages. The gate of `people` comes after it."""
    init_headers(app)
    init_clean_input(app)
    sessions.init_sessions(app)
    idempotency.init_idempotency(app)
    init_error_pages(app)


@jobs.timer("safety.sweep", every=timedelta(hours=6), inside=True)
def sweep(_payload: dict[str, Any], _job: jobs.Claimed) -> None:
    """Forget dead sessions, outcomes, counts and parked texts. Nothing is decided by it: ages are judged when read."""
    for forget in (sessions.sweep, idempotency.sweep, limits.sweep, parking.sweep):
        forget()
