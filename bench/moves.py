"""Thirty-two clients move forty cards about on one board, beside the same by raw SQL over HTTP.

Ours is the whole thing: session, rights, `op`, locks, audit trail, conversation, the board's log. It is measured twice:
as a form of a plain browser, answered by a redirect, and as htmx asks, answered by both columns drawn anew. A card that
somebody else moved in the meantime is a 409: told, not lost. Each client drags a card of its own between the others,
and now and then one of eight that all of them drag.
"""

import contextlib
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import text

from app.foundation.db import db
from bench import load
from bench.seed import PASSWORD, PEOPLE
from tests.real_server import Visitor, free_port

CLIENTS, HOT, ROUNDS, SECONDS = 32, 40, 3, 5.0


@dataclass
class Ours:
    """A signed-in browser that drags cards."""

    board: int
    stages: list[int]
    headers: dict[str, str]
    where: Any  # stage by card, shared between the processes
    good: int  # the status of a move that was made
    own: int  # the card this client drags most of the time
    last: tuple[int, int] = (0, 0)

    def ask(self, chance: random.Random) -> bytes:
        card = self.own if chance.random() < 0.95 else chance.randint(CLIENTS + 1, HOT)
        to, after = chance.choice(self.stages), chance.randint(1, HOT)
        self.last = (card, to)
        fields = {"card": card, "from": self.where[card], "to": to, "after": after, "before": "", "op": uuid.uuid4()}
        return load.post(f"/boards/{self.board}/moves", urlencode(fields), self.headers)

    def hear(self, status: int) -> None:
        if status == self.good:
            card, to = self.last
            self.where[card] = to


@dataclass
class Raw:
    """The same moves, asked of the bare floor."""

    board: int
    stages: list[int]

    def ask(self, chance: random.Random) -> bytes:
        fields = {
            "card": chance.randint(1, HOT),
            "board": self.board,
            "to": chance.choice(self.stages),
            "after": chance.randint(1, HOT),
        }
        return load.post("/move", urlencode(fields), {})

    def hear(self, status: int) -> None: ...


def measure(app: Flask, port: int, url: str) -> dict[str, Any]:
    with app.app_context(), db.engine.connect() as connection:
        board = int(connection.execute(text("SELECT id FROM board")).scalar_one())
        stages = [row[0] for row in connection.execute(text("SELECT id FROM stage ORDER BY position"))]
    visitors = [Visitor(port).sign_in(f"agent{n}@bench.example", PASSWORD) for n in range(1, PEOPLE + 1)]
    for visitor in visitors:
        visitor.get("/tickets")
        visitor.close()
    headers = [
        {
            "Cookie": v.cookie_header(),
            "X-CSRFToken": v.token,
            "Accept-Encoding": "gzip",
            "Sec-Fetch-Site": "same-origin",
        }
        for v in visitors
    ]
    where = multiprocessing.get_context("fork").Array("i", HOT + 1)
    totals = {name: load.Result() for name in ("form", "htmx", "raw")}
    rates: dict[str, list[float]] = {name: [] for name in totals}
    written = 0
    with raw_server(url) as raw_port:
        for number in range(ROUNDS):
            _look(app, where)
            before = _changes(app)
            for name, more, good in (("form", {}, 303), ("htmx", {"HX-Request": "true"}, 200)):
                clients = [Ours(board, stages, headers[n % PEOPLE] | more, where, good, n + 1) for n in range(CLIENTS)]
                one = load.run(port, clients, SECONDS, seed=number)
                totals[name].add(one)
                rates[name].append(one.statuses[good] / one.seconds)
            written += _changes(app) - before
            one = load.run(raw_port, [Raw(board, stages) for _ in range(CLIENTS)], SECONDS, seed=number)
            totals["raw"].add(one)
            rates["raw"].append(one.statuses[200] / one.seconds)
    moved = totals["form"].statuses[303] + totals["htmx"].statuses[200]
    told = totals["form"].statuses[409] + totals["htmx"].statuses[409]
    asked = totals["form"].statuses.total() + totals["htmx"].statuses.total()
    return {
        "x of raw SQL": _ratio(rates["form"], rates["raw"]),
        "x of raw SQL, both columns drawn": _ratio(rates["htmx"], rates["raw"]),
        "moves a second": {name: round(statistics.median(found)) for name, found in rates.items()},
        "moved": moved,
        "told that somebody was faster": told,
        "lost": moved - written,
        "failed": asked - moved - told,
        "double ranks": _double_ranks(app),
        "p50 ms": {name: round(total.median, 1) for name, total in totals.items()},
        "p99 ms": {name: round(total.percentile(0.99), 1) for name, total in totals.items()},
    }


def _ratio(ours: list[float], raw: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(ours, raw, strict=True)), 2)


@contextlib.contextmanager
def raw_server(url: str) -> Iterator[int]:
    port = free_port()
    server = subprocess.Popen(
        [
            sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "8", "--keep-alive", "15",
            "-b", f"127.0.0.1:{port}", "--log-level", "critical", "bench.bare:app",
        ],
        env={**os.environ, "BENCH_DB": url},
    )  # fmt: skip
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def _changes(app: Flask) -> int:
    with app.app_context(), db.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM board_change")).scalar_one())


def _look(app: Flask, where: Any) -> None:
    """Where the hot cards are now, as somebody who has just loaded the page sees it."""
    with app.app_context(), db.engine.connect() as connection:
        for card, stage in connection.execute(text("SELECT id, stage_id FROM record WHERE id <= :hot"), {"hot": HOT}):
            where[card] = stage


def _double_ranks(app: Flask) -> int:
    with app.app_context(), db.engine.connect() as connection:
        ranks = Counter(tuple(row) for row in connection.execute(text("SELECT stage_id, rank FROM record")))
    return sum(1 for count in ranks.values() if count > 1)
