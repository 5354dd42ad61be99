"""The floor: a bare Flask application with hand-written SQL on the driver's cursor, on the same database.

`POST /move` does what a move must do and nothing else: lock, read the neighbours, write the card, one line of the
board's log, the board's version. No session, rights, audit trail, conversation or idempotency.
"""

import os
import threading
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request
from sqlalchemy import make_url

app = Flask(__name__)
URL = make_url(os.environ.get("BENCH_DB", "sqlite://"))
SQLITE = URL.get_backend_name() == "sqlite"
_local = threading.local()


def connection() -> Any:
    """One connection per thread, kept."""
    if not hasattr(_local, "connection"):
        if SQLITE:
            import sqlite3

            made = sqlite3.connect(URL.database or "", isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
                made.execute(f"PRAGMA {pragma}")
        else:
            import psycopg

            made = psycopg.connect(
                URL.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
            )
        _local.connection = made
    return _local.connection


def sql(statement: str) -> str:
    return statement if SQLITE else statement.replace("?", "%s")


READ_CARD = sql("SELECT stage_id FROM record WHERE id = ?")
LOCK_STAGES = "SELECT id FROM stage WHERE id IN (%s, %s) ORDER BY id FOR UPDATE"
READ_AFTER = sql("SELECT rank FROM record WHERE id = ? AND stage_id = ?")
READ_NEXT = sql("SELECT min(rank) FROM record WHERE stage_id = ? AND rank > ?")
READ_LAST = sql("SELECT max(rank) FROM record WHERE stage_id = ?")
WRITE_CARD = sql("UPDATE record SET stage_id = ?, rank = ?, entered_stage_at = ? WHERE id = ?")
BUMP = sql("UPDATE board SET version = version + 1 WHERE id = ? RETURNING version")
LOG = sql(
    "INSERT INTO board_change (board_id, version, record_id, from_stage_id, to_stage_id, at) VALUES (?, ?, ?, ?, ?, ?)"
)


@app.post("/move")
def move() -> Response:
    form = request.form
    card, board, to, after = (int(form[name]) for name in ("card", "board", "to", "after"))
    cursor = connection().cursor()
    cursor.execute("BEGIN IMMEDIATE" if SQLITE else "BEGIN")
    try:
        home = cursor.execute(READ_CARD, (card,)).fetchone()[0]
        if not SQLITE:
            cursor.execute(LOCK_STAGES, (home, to))
        above = cursor.execute(READ_AFTER, (after, to)).fetchone()
        if above is None or after == card:
            last = cursor.execute(READ_LAST, (to,)).fetchone()[0]
            rank = (last or 0) + 65_536
        else:
            below = cursor.execute(READ_NEXT, (to, above[0])).fetchone()[0]
            rank = (above[0] + below) // 2 if below is not None else above[0] + 65_536
        at = str(datetime.now(UTC).replace(tzinfo=None)) if SQLITE else datetime.now(UTC)
        cursor.execute(WRITE_CARD, (to, rank, at, card))
        version = cursor.execute(BUMP, (board,)).fetchone()[0]
        cursor.execute(LOG, (board, version, card, home, to, at))
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    return Response(f'<article class="card" id="c{card}">moved</article>')


@app.get("/healthz")
def healthz() -> Response:
    return Response("ok\n")
