"""Structured logs: one JSON object a line on stderr, with the request's id and never a secret.

A log line holds what we chose to say (method, route, status, milliseconds), not what was sent: no form, query string,
cookie or header. JSON escapes line breaks and control characters, so nobody writes a line of their own.
"""

import json
import logging
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, has_request_context, request

_GIVEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|authorization|cookie|api[_-]?key|pin)[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_URL_PASSWORD = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

access = logging.getLogger("loopwright.access")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; `extra={...}` fields become keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if identity := request_id():
            line["request"] = identity
        for key, value in record.__dict__.items():
            if key not in _STANDARD and key not in line:
                line[key] = without_secrets(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True, default=str)


def without_secrets(text: str) -> str:
    """The text with values of password-like names, and passwords inside URLs, replaced by stars."""
    return _URL_PASSWORD.sub(r"\1:***@", _SECRET.sub(r"\1***", text))


def configure_logging(level: int = logging.INFO) -> None:
    """Send every logger of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def request_id() -> str | None:
    """The id of this request: in the log, in the audit trail, on error pages and in the answer's X-Request-Id."""
    if not has_request_context():
        return None
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
    return str(g.request_id)


def init_logs(app: Flask) -> None:
    """Give each request an id and write one access line for it."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        request_id()

    @app.after_request
    def written(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id() or ""
        if request.endpoint not in ("static", "serving.healthz", "serving.readyz"):
            access.info(
                "%s %s %s", request.method, request.url_rule or "-", response.status_code,
                extra={
                    "method": request.method,
                    "route": str(request.url_rule or "-"),
                    "path": request.path[:200],
                    "status": response.status_code,
                    "ms": round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
                    "person": _person_id(),
                },
            )  # fmt: skip
        return response


def _person_id() -> int | None:
    """Who asked, without touching the database: the person may have been let go by now."""
    state = getattr(g.get("person"), "_sa_instance_state", None)
    identity = getattr(state, "identity", None)
    return identity[0] if identity else None
