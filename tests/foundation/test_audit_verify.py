"""`audit verify` finds whatever is done to the trail by raw SQL with the triggers gone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from app.foundation import audit, freeze
from app.foundation.db import db, transaction
from tests.factories import make_person, make_product

COLUMNS = (
    "segment, at, actor_id, via, device_id, source, request_id, table_name, row_pk, action, changes, prev_hash, hash"
)


@pytest.fixture
def trail(fresh_app: Flask) -> Iterator[Flask]:
    """A trail of twelve rows and more, anchored at its tenth or later."""
    with fresh_app.app_context():
        make_person("Marc")
        for number in range(8):
            make_product(f"Product {number}")
        assert audit.write_anchor()
        for number in range(3):
            make_product(f"Later {number}")
        assert audit.verify().ok
        yield fresh_app


def tamper(*statements: str, **values: Any) -> None:
    """Write as somebody would who owns the database: no triggers, no unique hashes."""
    db.session.remove()
    with db.engine.begin() as connection:
        freeze.drop_all_triggers(connection)
        if connection.dialect.name == "sqlite":
            for step in (
                "CREATE TABLE copied AS SELECT * FROM audit_row",
                "DROP TABLE audit_row",
                "ALTER TABLE copied RENAME TO audit_row",
            ):
                connection.execute(text(step))
        else:
            connection.execute(text("ALTER TABLE audit_row DROP CONSTRAINT IF EXISTS uq_audit_row_prev_hash"))
        for statement in statements:
            connection.execute(text(statement), values)


def test_a_whole_trail_is_whole(trail: Flask) -> None:
    verdict = audit.verify()
    assert (verdict.ok, verdict.anchors, verdict.row) == (True, 1, None)
    assert verdict.rows >= 12
    assert "whole" in str(verdict)


@pytest.mark.parametrize(
    "assignment",
    [
        "actor_id = 77",
        "changes = '{}'",
        "row_pk = '77'",
        "source = 'cli'",
        "action = 'delete'",
        "table_name = 'team'",
        "via = 'passkey'",
        "request_id = 'other'",
        "device_id = 7",
        "segment = 2",
        "at = '2020-01-01 00:00:00.000000+00'",
    ],
)
def test_an_edited_row_is_found(trail: Flask, assignment: str) -> None:
    tamper(f"UPDATE audit_row SET {assignment} WHERE id = 5")
    verdict = audit.verify()
    assert (verdict.ok, verdict.row) == (False, 5)


def test_an_edited_row_with_a_fitting_hash_is_found(trail: Flask) -> None:
    tamper("UPDATE audit_row SET actor_id = 77 WHERE id = 5")
    with db.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM audit_row WHERE id = 5")).one()
    forged = dict(row._mapping) | {"at": audit.AuditRow.at.type.process_result_value(_parsed(row.at), None)}  # type: ignore[arg-type]
    tamper("UPDATE audit_row SET hash = :hash WHERE id = 5", hash=audit.row_hash(forged))
    verdict = audit.verify()
    assert (verdict.ok, verdict.row) == (False, 6)


def test_a_deleted_row_is_found(trail: Flask) -> None:
    tamper("DELETE FROM audit_row WHERE id = 4")
    assert audit.verify().row == 4


def test_the_first_row_deleted_is_found(trail: Flask) -> None:
    tamper("DELETE FROM audit_row WHERE id = 1")
    assert audit.verify().row == 1


def test_an_inserted_row_is_found(trail: Flask) -> None:
    tamper(
        "UPDATE audit_row SET id = id + 1000 WHERE id > 6",
        "UPDATE audit_row SET id = id - 999 WHERE id > 1000",
        f"INSERT INTO audit_row (id, {COLUMNS}) SELECT 7, {COLUMNS} FROM audit_row WHERE id = 3",
        "UPDATE audit_head SET count = count + 1",
    )
    assert audit.verify().row == 7


def test_two_swapped_rows_are_found(trail: Flask) -> None:
    tamper(
        "UPDATE audit_row SET id = 1000 WHERE id = 3",
        "UPDATE audit_row SET id = 3 WHERE id = 4",
        "UPDATE audit_row SET id = 4 WHERE id = 1000",
    )
    assert audit.verify().row == 3


def test_a_row_appended_behind_the_head_is_found(trail: Flask) -> None:
    rows = audit.verify().rows
    forge_next()
    verdict = audit.verify()
    assert (verdict.ok, verdict.row) == (False, rows + 1)


def test_a_fork_is_found(trail: Flask) -> None:
    rows = audit.verify().rows
    tamper(f"INSERT INTO audit_row (id, {COLUMNS}) SELECT {rows + 1}, {COLUMNS} FROM audit_row WHERE id = {rows}")
    verdict = audit.verify()
    assert (verdict.ok, verdict.row) == (False, rows + 1)


def test_the_database_itself_refuses_a_fork(trail: Flask) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError), db.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO audit_row (id, {COLUMNS}) SELECT 1000, {COLUMNS} FROM audit_row WHERE id = 5")
        )


def test_a_cut_tail_is_found(trail: Flask) -> None:
    rows = audit.verify().rows
    tamper(f"DELETE FROM audit_row WHERE id = {rows}")
    verdict = audit.verify()
    assert (verdict.ok, verdict.row) == (False, rows)


def test_a_cut_tail_with_the_head_moved_back_is_found(trail: Flask) -> None:
    tamper(
        "DELETE FROM audit_row WHERE id > 6",
        "UPDATE audit_head SET count = 6, hash = (SELECT hash FROM audit_row WHERE id = 6)",
    )
    assert not audit.verify().ok


def test_an_old_copy_of_the_whole_trail_is_found_by_its_anchor(trail: Flask) -> None:
    """The strongest thing that can be done from inside the database: an older head with its own good MAC."""
    with db.engine.connect() as connection:
        head = connection.execute(text("SELECT count, hash, mac FROM audit_head")).one()
    old = dict(zip(("count", "hash", "mac"), head, strict=True))
    make_product("After")
    assert audit.write_anchor()
    assert audit.verify().anchors == 2
    tamper(
        "DELETE FROM audit_row WHERE id > :count",
        "UPDATE audit_head SET count = :count, hash = :hash, mac = :mac",
        **old,
    )
    verdict = audit.verify()
    assert not verdict.ok
    assert verdict.row == int(old["count"]) + 1
    assert "anchored" in verdict.reason


def test_a_trail_written_anew_is_found_by_its_anchor(trail: Flask) -> None:
    """Everything thrown away and the same number of other changes made."""
    rows = audit.verify().rows
    tamper("DELETE FROM audit_row", "DELETE FROM audit_head")
    while (written := audit.verify(db.session.connection())).rows < rows:
        make_product(f"Forged {written.rows}")
    assert "anchored" in audit.verify().reason


def test_writing_on_does_not_hide_what_was_done_to_the_head(trail: Flask) -> None:
    tamper(
        "DELETE FROM audit_row WHERE id > 10",
        "UPDATE audit_head SET count = 10, hash = (SELECT hash FROM audit_row WHERE id = 10)",
    )
    for number in range(5):
        make_product(f"Business as usual {number}")
    verdict = audit.verify()
    assert not verdict.ok
    assert "not written by this installation" in verdict.reason
    assert audit.write_anchor() is False


def test_a_lost_head_is_found_and_not_made_anew(trail: Flask) -> None:
    tamper("DELETE FROM audit_head")
    assert not audit.verify().ok
    with pytest.raises(RuntimeError, match="no head"):
        make_product()


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: [lines[0].replace('"count":', '"count":1'), *lines[1:]],
        lambda lines: ['{"count":3}', *lines],
        lambda lines: ["not json", *lines],
    ],
)
def test_an_edited_anchor_is_found(trail: Flask, edit: Callable[[list[str]], list[str]]) -> None:
    path = audit.anchors_file()
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    verdict = audit.verify()
    assert not verdict.ok
    assert "Line 1 of the anchors" in verdict.reason


def test_a_half_written_last_anchor_is_forgiven(trail: Flask) -> None:
    with audit.anchors_file().open("a") as file:
        file.write('{"at":"2026-')
    assert audit.verify().ok
    make_product("After")
    assert audit.write_anchor()
    assert audit.verify().ok


def test_another_secret_does_not_fit(trail: Flask) -> None:
    trail.config["SECRET_KEY"] = "another-secret-of-forty-characters-or-so"
    assert not audit.verify().ok


def test_a_new_segment_goes_on_from_what_is_there(trail: Flask) -> None:
    with transaction(by=None, source="restore"):
        audit.start_segment("restored", {"backup": "sha256:00"})
    make_product("After")
    verdict = audit.verify()
    assert verdict.ok
    with db.engine.connect() as connection:
        segments = connection.execute(text("SELECT DISTINCT segment FROM audit_row ORDER BY segment")).scalars().all()
    assert segments == [1, 2]


def test_a_segment_nobody_started_is_found(trail: Flask) -> None:
    rows = audit.verify().rows
    forge_next(segment=2)
    assert audit.verify().row == rows + 1


def forge_next(**changes: Any) -> None:
    """A row that follows the last one with a hash that fits, as anybody can make who has read the source."""
    db.session.remove()
    with db.engine.connect() as connection:
        last = _last(connection)
    row = dict(last) | {"id": last["id"] + 1, "prev_hash": last["hash"], "actor_id": 77} | changes
    row["hash"] = audit.row_hash(row)
    tamper()
    with db.engine.begin() as connection:
        connection.execute(audit.AuditRow.__table__.insert().values(**row))  # type: ignore[attr-defined]
    db.session.remove()


def _last(connection: Connection) -> Any:
    table = audit.AuditRow.__table__
    return connection.execute(table.select().order_by(table.c.id.desc()).limit(1)).mappings().one()


def _parsed(value: Any) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(value) if isinstance(value, str) else value


def test_the_command_says_what_is_wrong_and_exits_with_one(trail: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from app.cli import main

    ours = trail.config["LOOPWRIGHT"]
    monkeypatch.setenv("DATABASE_URL", ours.database_url.replace("+psycopg", ""))
    monkeypatch.setenv("LOOPWRIGHT_DATA_DIR", str(ours.data_dir))
    monkeypatch.setenv("SECRET_KEY", ours.secret_key)
    db.session.remove()
    good = CliRunner().invoke(main, ["audit", "verify"])
    assert (good.exit_code, "is whole" in good.output) == (0, True)
    tamper("UPDATE audit_row SET changes = '{}' WHERE id = 5")
    bad = CliRunner().invoke(main, ["audit", "verify"])
    assert (bad.exit_code, "Row 5 is not as it was written" in bad.output) == (1, True)
