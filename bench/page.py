"""A signed-in board of eight columns over 20,000 cards, beside the same HTML from a bare Flask view.

The bare view keeps what never changes of the real page as text, reads cards, labels, people and counts by hand-written
SQL on the driver's cursor, writes the cards by f-strings and packs the answer the same way. No session, no rights, no
template engine, no ORM. Both run in this process, in turn, and their pages are compared byte by byte.
"""

import gc
import re
import statistics
import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from flask import Flask, Response
from markupsafe import escape
from sqlalchemy import event
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.foundation.db import db
from app.serving.compression import zstd
from bench import bare
from bench.seed import EMAIL, PASSWORD

WARM, REQUESTS, ROUNDS = 10, 100, 3
FIRST = 20
_LIST = re.compile(r'(<ol id="list-(\d+)" data-stage="\d+">\n).*?(</ol>)', re.DOTALL)
_COUNT = re.compile(r'<data value="(\d+)">\1</data></h2>')


def measure(app: Flask) -> dict[str, Any]:
    client = app.test_client()
    page = client.get("/login")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    client.post("/login", data={"csrf_token": token[1], "email": EMAIL, "password": PASSWORD, "op": "benchmark-1"})
    html = client.get("/tickets").text
    cookie = "; ".join(f"{c.key}={c.value}" for c in client._cookies.values())
    floor = bare_app(html)
    environs = {
        "ours": (app, {"path": "/tickets", "headers": {"Cookie": cookie, "Accept-Encoding": "zstd"}}),
        "bare": (floor, {"path": "/board", "headers": {"Accept-Encoding": "zstd"}}),
    }
    answers = {name: zstd.decompress(_ask(*asked)[1]).decode() for name, asked in environs.items()}
    packed = len(_ask(*environs["ours"])[1])
    statements, statements_many = (
        _count_statements(app, cookie, "/tickets"),
        _count_statements(app, cookie, _many(html)),
    )
    times = _interleaved(environs)
    ratios = [statistics.median(r["ours"]) / statistics.median(r["bare"]) for r in times]
    spreads = [_percentile(r["ours"], 0.95) / statistics.median(r["ours"]) for r in times]
    return {
        "x of the bare view": round(statistics.median(ratios), 2),
        "x in each round": [round(r, 2) for r in ratios],
        "p95 / p50": round(statistics.median(spreads), 2),
        "p50 ms": round(statistics.median(t for r in times for t in r["ours"]), 2),
        "p50 ms of the bare view": round(statistics.median(t for r in times for t in r["bare"]), 2),
        "same html": _same(answers["ours"], answers["bare"]),
        "SQL statements": statements,
        "SQL statements with 80 cards a column": statements_many,
        "KB": round(len(answers["ours"]) / 1024, 1),
        "KB compressed": round(packed / 1024, 1),
        "DOM nodes": _nodes(answers["ours"]),
        "cards": answers["ours"].count('<article class="card'),
    }


def bare_app(html: str) -> Flask:
    """The floor, made from a real page: everything but cards and counts is kept as it is."""
    parts: list[str] = []
    stages: list[int] = []
    position = 0
    for match in _LIST.finditer(html):
        head = html[position : match.end(1)]
        counted = list(_COUNT.finditer(head))[-1]
        parts += [head[: counted.start()], head[counted.end() :]]
        stages.append(int(match[2]))
        position = match.start(3)
    tail = html[position:]
    sprite = re.search(r'href="(/static/[0-9a-f]+/img/icons\.svg)#', html)
    assert sprite is not None
    dots = f'<svg class="i" aria-hidden="true"><use href="{sprite[1]}#more"/></svg>'
    cards_sql = " UNION ALL ".join(f"SELECT * FROM ({_CARDS % (stage, FIRST + 1)}) AS s{stage}" for stage in stages)
    counts_sql = (
        f"SELECT stage_id, count(*) FROM record WHERE stage_id IN ({','.join(map(str, stages))}) GROUP BY stage_id"
    )
    app = Flask("bare board")

    @app.get("/board")
    def board() -> Response:
        cursor = bare.connection().cursor()
        rows = cursor.execute(cards_sql).fetchall()
        ids = ",".join(str(row[0]) for row in rows)
        labels: dict[int, list[str]] = {}
        for record_id, name in cursor.execute(_TAGS % ids).fetchall():
            labels.setdefault(record_id, []).append(name)
        people = {row[0]: row for row in cursor.execute(_PEOPLE).fetchall()}
        counts = dict(cursor.execute(counts_sql).fetchall())
        now = datetime.now(UTC).replace(tzinfo=None)
        drawn: dict[int, list[str]] = {stage: [] for stage in stages}
        for id_, number, title, priority, entered, responsible, stage_id, *about in rows:
            column = drawn[stage_id]
            if len(column) == FIRST:
                continue
            minutes = int((now - _moment(entered)).total_seconds()) // 60
            age = (
                f"{minutes} min" if minutes < 60 else f"{minutes // 60} h" if minutes < 1440 else f"{minutes // 1440} d"
            )
            second = " · ".join([part for part in about if part])
            clip = f' <span class="clip">{escape(second)}</span>' if second else ""
            stars = (
                f'<span class="stars" data-n="{priority}" role="img" aria-label="Priority {priority} of 3"></span>'
                if priority
                else ""
            )
            tags = "".join(f'<span class="pill line">{escape(name)}</span>' for name in labels.get(id_, ())[:3])
            face = ""
            if responsible:
                _id, name, colour = people[responsible]
                words = name.split()
                face = f'<span class="av {colour}" title="{escape(name)}">{words[0][0]}{words[-1][0]}</span>'
            column.append(
                f'<li id="c{id_}"><article class="card" id="{number}" aria-labelledby="n{id_} t{id_}">\n'
                f'<h3><a id="t{id_}" href="/tickets/{number}" draggable="false">{escape(title)}</a></h3>\n'
                f'<p><span class="ref" id="n{id_}">{number}</span>{clip}</p>\n'
                f'<footer>{stars}<span class="ref">{age}</span>{tags}{face}</footer>\n'
                f'<button form="go" formaction="/tickets/{number}/move" aria-label="Move {number}">{dots}</button>\n'
                f"</article></li>"
            )
        pieces = []
        for n, stage in enumerate(stages):
            count = counts.get(stage, 0)
            pieces += [
                parts[2 * n],
                f'<data value="{count}">{count}</data></h2>',
                parts[2 * n + 1],
                *drawn[stage],
                "\n",
            ]
        answer = Response(zstd.compress("".join([*pieces, tail]).encode(), 3), mimetype="text/html")
        answer.headers["Content-Encoding"] = "zstd"
        return answer

    return app


_CARDS = (
    "SELECT r.id, r.number, r.title, r.priority, r.entered_stage_at, r.responsible_id, r.stage_id, c.name, p.name "
    "FROM record r LEFT JOIN ticket t ON t.id = r.id LEFT JOIN customer c ON c.id = t.customer_id "
    "LEFT JOIN product p ON p.id = t.product_id WHERE r.stage_id = %s ORDER BY r.rank, r.id LIMIT %s"
)
_TAGS = "SELECT rt.record_id, t.name FROM record_tag rt JOIN tag t ON t.id = rt.tag_id WHERE rt.record_id IN (%s)"
_PEOPLE = "SELECT id, name, colour FROM person WHERE is_staff"


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC).replace(tzinfo=None)


def _ask(app: Flask, asked: dict[str, Any]) -> tuple[float, bytes]:
    environ = EnvironBuilder(**asked).get_environ()
    began = time.perf_counter()
    body, status, _headers = run_wsgi_app(app.wsgi_app, environ)
    data = b"".join(body)
    took = (time.perf_counter() - began) * 1000
    assert status.startswith("200"), status
    return took, data


def _interleaved(environs: dict[str, tuple[Flask, dict[str, Any]]]) -> list[dict[str, list[float]]]:
    """A few rounds of requests, ours and bare in turn, with the collector set as gunicorn's workers set it."""
    for _ in range(WARM):
        for asked in environs.values():
            _ask(*asked)
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        rounds = []
        for _ in range(ROUNDS):
            times: dict[str, list[float]] = {name: [] for name in environs}
            for _ in range(REQUESTS):
                for name, asked in environs.items():
                    times[name].append(_ask(*asked)[0])
            rounds.append(times)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
    return rounds


def _count_statements(app: Flask, cookie: str, path: str) -> int:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    bare_path, _, query = path.partition("?")
    _ask(app, {"path": bare_path, "query_string": query, "headers": {"Cookie": cookie, "Accept-Encoding": "zstd"}})
    event.remove(engine, "before_cursor_execute", note)
    return len([s for s in seen if not s.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"))])


def _many(html: str) -> str:
    """The address of the same board with 80 cards a column."""
    stages = [match[2] for match in _LIST.finditer(html)]
    return "/tickets?shown=" + ",".join(f"{stage}:80" for stage in stages)


def _same(ours: str, bare_html: str) -> bool:
    """Byte by byte, but for what is new in every answer: nonce, token, `op`, and the minute that may pass."""
    volatile = re.compile(r'(nonce=|value=|"X-CSRFToken": )"[\w-]{20,}"')
    return volatile.sub(r"\1", ours) == volatile.sub(r"\1", bare_html)


def _nodes(html: str) -> int:
    class Counting(HTMLParser):
        nodes = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.nodes += 1

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.nodes += 1

    counting = Counting()
    counting.feed(html)
    return counting.nodes


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]
