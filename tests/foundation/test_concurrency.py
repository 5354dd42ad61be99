"""Nothing is lost however many write at once, and the trail tells exactly what became of every row."""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.catalog.models import Product
from app.foundation import audit
from app.foundation.audit import AuditRow, plain
from app.foundation.db import Transaction, db, dialect, lock, transaction
from app.foundation.numbering import next_number
from app.people.models import Team, TeamKind
from tests.factories import make_product

ROOT = Path(__file__).parents[2]
PROCESSES, ROUNDS = 4, 50
_serial = itertools.count()
WRITER = """
import sys
sys.path.insert(0, {root!r})
from app import config, create_app
from app.catalog.models import Product
from app.foundation.db import db, lock, transaction
from app.foundation.numbering import next_number

with create_app(config.read()).app_context():
    product_id, rounds = int(sys.argv[1]), int(sys.argv[2])
    for _ in range(rounds):
        seen = db.session.get(Product, product_id).lead_days  # a read before the transaction must not spoil it
        with transaction(by=None, source="test"):
            (product,) = lock(Product, product_id)
            product.lead_days += 1
            number = next_number("ticket")
        print(number, flush=True)
        db.session.remove()
"""


def environment(app: Flask) -> dict[str, str]:
    ours = app.config["LOOPWRIGHT"]
    return os.environ | {
        "DATABASE_URL": ours.database_url.replace("+psycopg", ""),
        "LOOPWRIGHT_DATA_DIR": str(ours.data_dir),
        "SECRET_KEY": ours.secret_key,
    }


def test_read_and_write_from_many_processes_ends_exact(fresh_app: Flask, tmp_path: Path) -> None:
    with fresh_app.app_context():
        product = make_product()
        before = audit.verify().rows
        command = [sys.executable, "-c", WRITER.format(root=str(ROOT)), str(product.id), str(ROUNDS)]
        db.session.remove()
        writers = [
            subprocess.Popen(command, cwd=tmp_path, env=environment(fresh_app), stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        numbers = [number for writer in writers for number in writer.communicate(timeout=120)[0].split()]
        assert [writer.returncode for writer in writers] == [0] * PROCESSES
        total = PROCESSES * ROUNDS
        assert db.session.scalar(select(Product.lead_days)) == total
        assert sorted(numbers) == [f"T-{number:04d}" for number in range(1, total + 1)]
        verdict = audit.verify()
        assert (verdict.ok, verdict.rows - before) == (True, total)
        told = [row.fields["lead_days"] for row in audit.history("product", product.id, limit=total)]
        assert told == [(number - 1, number) for number in range(total, 0, -1)]


def test_sqlite_runs_with_its_promises(fresh_app: Flask) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    with fresh_app.app_context():
        if dialect() == "sqlite":
            found = {name: db.session.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
            assert found == wanted
        else:
            assert db.session.execute(text("SHOW transaction_isolation")).scalar() == "read committed"


def test_reading_takes_no_lock_and_writing_begins_with_it(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        product = make_product("Coat rack")
        seen: list[str | None] = []

        def read() -> None:
            with fresh_app.app_context():
                seen.append(db.session.scalar(select(Product.name).where(Product.id == product.id)))
                db.session.remove()

        with transaction(by=None) as tx:
            product.name = "Half way"
            tx.session.flush()
            reader = threading.Thread(target=read)
            reader.start()
            reader.join(10)
        assert seen == ["Coat rack"]


def test_locks_in_any_order_never_cross(fresh_app: Flask) -> None:
    """`lock()` sorts: two who want the same rows the other way round wait, they do not block each other for good."""
    with fresh_app.app_context():
        ids = [make_product(f"Product {number}").id for number in range(6)]
        problems: list[BaseException] = []

        def work(mine: list[int]) -> None:
            try:
                with fresh_app.app_context():
                    for _ in range(20):
                        with transaction(by=None):
                            for product in lock(Product, *mine):
                                product.lead_days += 1
                        db.session.remove()
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(order,)) for order in (ids, ids[::-1], ids[3:] + ids[:3])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        db.session.remove()
        assert set(db.session.scalars(select(Product.lead_days))) == {60}


def test_locked_rows_come_fresh_and_in_order(database: None, queries: list[str]) -> None:
    products = [make_product(f"Product {number}") for number in range(3)]
    ids = [product.id for product in products]
    with transaction(by=None):
        products[1].name = "Not yet written"
        queries.clear()
        found = lock(Product, *reversed(ids), 999_999)
        assert [product.id for product in found] == ids
        assert found[1].name == "Not yet written"  # the question flushed it first
    assert "ORDER BY product.id" in queries[-1] or any("ORDER BY product.id" in query for query in queries)
    if dialect() == "postgresql":
        assert any("FOR UPDATE OF product" in query for query in queries)


def test_locking_outside_a_transaction_is_refused(database: None) -> None:
    product = make_product()
    with pytest.raises(RuntimeError, match="transaction"):
        lock(Product, product.id)


# The trail as a second copy of the truth

step = st.one_of(
    st.tuples(st.just("make"), st.text("abcxyz ü中\x01\n", max_size=8)),
    st.tuples(st.just("rename"), st.text("abcxyz ü中\x01\n", max_size=8)),
    st.tuples(st.just("count"), st.integers(-9, 9)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("replace"), st.text("abc", max_size=4)),
    st.tuples(st.just("regret"), st.text("abc", max_size=4)),
)
pieces = st.lists(st.tuples(st.lists(step, max_size=6), st.booleans()), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=pieces)
def test_the_trail_tells_what_became_of_every_row(database: None, work: list[tuple[list[Any], bool]]) -> None:
    connection: Any = db.engine
    example = connection.begin_nested()
    try:
        play(work)
    finally:
        db.session.remove()
        example.rollback()


def play(work: list[tuple[list[Any], bool]]) -> None:
    numbers: list[str] = []
    for steps, fails in work:
        try:
            with transaction(by=None) as tx:
                for verb, value in steps:
                    take(tx, verb, value)
                given_number = next_number("eco")
                if fails:
                    raise ZeroDivisionError
            numbers.append(given_number)
        except ZeroDivisionError:
            pass
    assert audit.verify().ok
    assert told() == stored()
    values = [int(number.removeprefix("ECO-")) for number in numbers]
    assert values == list(range(values[0], values[0] + len(values))) if values else True


def take(tx: Transaction, verb: str, value: Any) -> None:
    """One thing done to the newest team, or to a new one."""
    teams = tx.session.scalars(select(Team).order_by(Team.id.desc()).limit(2)).all()
    if verb == "make":
        tx.session.add(Team(name=value, slug=f"team-{next(_serial)}", kind=TeamKind.QUALITY))
        tx.session.flush()
    elif verb == "flush":
        tx.session.flush()
    elif not teams:
        return
    elif verb == "rename":
        teams[0].name = value
    elif verb == "count":
        teams[-1].about = str(value)
    elif verb == "delete":
        tx.session.delete(teams[0])
    elif verb == "replace":
        tx.session.delete(teams[0])
        if value:  # else both in one flush
            tx.session.flush()
        slug = f"team-{next(_serial)}"
        tx.session.add(Team(id=teams[0].id, name=value, slug=slug, kind=TeamKind.HELPDESK))
        tx.session.flush()
    elif verb == "regret":
        nested = tx.session.begin_nested()
        teams[0].name = value
        teams[-1].about = value
        tx.session.flush()
        nested.rollback()


def told() -> dict[str, dict[str, Any]]:
    """The rows of `team` as the trail has it."""
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in db.session.scalars(select(AuditRow).where(AuditRow.table_name == "team").order_by(AuditRow.id)):
        if row.action == "delete":
            del rows[row.row_pk]
            continue
        for name, (before, after) in json.loads(row.changes).items():
            assert rows[row.row_pk].get(name) == before
            rows[row.row_pk][name] = after
    return dict(rows)


def stored() -> dict[str, dict[str, Any]]:
    """The rows of `team` as the database has them."""
    db.session.rollback()
    found = db.session.execute(select(Team.__table__)).mappings()
    return {str(row["id"]): {name: plain(value) for name, value in row.items() if value is not None} for row in found}
