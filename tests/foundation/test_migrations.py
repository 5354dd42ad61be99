"""Migrations: all or nothing, children and triggers survive a recreated table, and models and migrations agree."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, inspect, text

from app.foundation import freeze, schema

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lived_in(app: Flask, fresh_database: str) -> Iterator[Engine]:
    """A migrated database with a customer and her person in it."""
    made = create_engine(fresh_database)
    with made.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO customer (id, name, email, phone, address, created_at) "
                "VALUES (1, 'Abigail', '', '', '', '2026-01-01 00:00:00+00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO person (id, name, email, is_staff, is_active, customer_id, colour, created_at) "
                "VALUES (1, 'Abigail', 'a@b.example', false, true, 1, 'a', '2026-01-01 00:00:00+00')"
            )
        )
        connection.execute(text("INSERT INTO person_role (person_id, role) VALUES (1, 'helpdesk')"))
    yield made
    made.dispose()


@pytest.fixture
def scripts(tmp_path: Path) -> Callable[[str], Path]:
    """Our migrations and one more, with the given body."""

    def write(body: str) -> Path:
        folder = tmp_path / "migrations"
        (folder / "versions").mkdir(parents=True, exist_ok=True)
        for path in [*schema.directory().glob("*.py*"), *schema.directory().glob("versions/*.py")]:
            target = folder / path.relative_to(schema.directory())
            target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "versions" / "next.py").write_text(
            "import os\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n"
            f'revision = "next"\ndown_revision = "{schema.head()}"\n\n\n'
            f"def upgrade():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n\ndef downgrade():\n    pass\n",
            encoding="utf-8",
        )
        return folder

    return write


def url_of(lived_in: Engine) -> str:
    return lived_in.url.render_as_string(hide_password=False)


def at(lived_in: Engine) -> str | None:
    with lived_in.connect() as connection:
        return schema.current(connection)


RECREATE = """
how = "always" if op.get_bind().dialect.name == "sqlite" else "auto"
with op.batch_alter_table("customer", recreate=how) as batch:
    batch.add_column(sa.Column("colour", sa.String(length=10), nullable=True))
with op.batch_alter_table("person", recreate=how) as batch:
    batch.add_column(sa.Column("nickname", sa.String(length=10), nullable=True))
with op.batch_alter_table("audit_row", recreate=how) as batch:
    batch.add_column(sa.Column("extra", sa.String(length=10), nullable=True))
"""


def test_children_and_triggers_survive_a_recreated_table(lived_in: Engine, scripts: Callable[[str], Path]) -> None:
    with lived_in.connect() as connection:
        before = freeze.existing_triggers(connection)
    schema.upgrade(url_of(lived_in), scripts=scripts(RECREATE))
    with lived_in.connect() as connection:
        assert freeze.existing_triggers(connection) == before
        assert connection.execute(text("SELECT count(*) FROM person_role")).scalar() == 1
        assert connection.execute(text("SELECT customer_id FROM person")).scalar() == 1
        assert "nickname" in {column["name"] for column in inspect(connection).get_columns("person")}


CRASH = """
op.create_table("first_half", sa.Column("id", sa.Integer(), primary_key=True))
op.execute("DELETE FROM person_role")
op.execute("UPDATE person SET name = 'Nobody'")
{end}
op.create_table("second_half", sa.Column("id", sa.Integer(), primary_key=True))
"""


def nothing_happened(lived_in: Engine) -> None:
    with lived_in.connect() as connection:
        assert schema.current(connection) == schema.head()
        assert not {"first_half", "second_half"} & set(inspect(connection).get_table_names())
        assert connection.execute(text("SELECT name FROM person")).scalar() == "Abigail"
        assert connection.execute(text("SELECT count(*) FROM person_role")).scalar() == 1
        assert freeze.existing_triggers(connection) != []


def test_a_migration_that_fails_in_the_middle_leaves_nothing(lived_in: Engine, scripts: Callable[[str], Path]) -> None:
    with pytest.raises(ZeroDivisionError):
        schema.upgrade(url_of(lived_in), scripts=scripts(CRASH.format(end="raise ZeroDivisionError")))
    nothing_happened(lived_in)


def test_a_migration_killed_in_the_middle_leaves_nothing(lived_in: Engine, scripts: Callable[[str], Path]) -> None:
    folder = scripts(CRASH.format(end="os._exit(137)"))
    program = "import sys; from pathlib import Path; from app.foundation import schema; "
    program += "schema.upgrade(sys.argv[1], scripts=Path(sys.argv[2]))"
    command = [sys.executable, "-c", program, url_of(lived_in), str(folder)]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == 137
    nothing_happened(lived_in)
    schema.upgrade(url_of(lived_in), scripts=scripts(CRASH.format(end="pass")))
    assert at(lived_in) == "next"


def test_a_migration_that_leaves_orphans_is_refused(lived_in: Engine, scripts: Callable[[str], Path]) -> None:
    with pytest.raises(Exception, match=r"point at nothing|violates foreign key"):
        schema.upgrade(url_of(lived_in), scripts=scripts('op.execute("DELETE FROM customer")'))
    with lived_in.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM customer")).scalar() == 1
    assert at(lived_in) == schema.head()


def test_two_upgrades_at_once_wait_for_each_other(lived_in: Engine, scripts: Callable[[str], Path]) -> None:
    folder = scripts('op.create_table("first_half", sa.Column("id", sa.Integer(), primary_key=True))')
    program = "import sys; from pathlib import Path; from app.foundation import schema; "
    program += "schema.upgrade(sys.argv[1], scripts=Path(sys.argv[2]))"
    command = [sys.executable, "-c", program, url_of(lived_in), str(folder)]
    running = [subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert at(lived_in) == "next"


def test_the_way_down_and_up_again(app: Flask, fresh_database: str) -> None:
    schema.downgrade(fresh_database, revision="base")
    made = create_engine(fresh_database)
    with made.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        assert schema.current(connection) is None
    schema.upgrade(fresh_database)
    assert at(made) == schema.head()
    made.dispose()


def test_foreign_keys_are_on_again_for_everybody_else(fresh_app: Flask) -> None:
    from app.foundation.db import db, dialect

    with fresh_app.app_context():
        schema.upgrade(fresh_app.config["SQLALCHEMY_DATABASE_URI"])
        if dialect() == "sqlite":
            assert db.session.execute(text("PRAGMA foreign_keys")).scalar() == 1
        with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"), db.session.connection().begin_nested():
            db.session.connection().execute(text("INSERT INTO person_role (person_id, role) VALUES (99, 'admin')"))


def test_models_and_migrations_agree(app: Flask, fresh_database: str) -> None:
    from alembic import command

    command.check(schema.configuration(fresh_database))


def test_migrations_do_not_import_the_application() -> None:
    for path in schema.directory().glob("versions/*.py"):
        source = path.read_text(encoding="utf-8")
        assert "import app" not in source
        assert "from app" not in source
        assert "app." not in source.replace("batch_op.", "").replace("op.", "")


def test_asking_for_the_head_does_not_load_alembic() -> None:
    program = "import sys; from app.foundation import schema; schema.head(); assert 'alembic' not in sys.modules"
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)


def test_an_unmigrated_database_has_no_revision(app: Flask, tmp_path: Path) -> None:
    made = create_engine(f"sqlite:///{tmp_path}/empty.db")
    assert at(made) is None
    made.dispose()
