"""The command `loopwright`, as somebody at a terminal meets it."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from app.cli import main
from tests.real_server import Visitor, descendants, free_port, served

Run = Callable[..., Result]


@pytest.fixture
def run(fresh_database: str, tmp_path: Path) -> Run:
    """Run a command on a fresh, migrated, empty database."""
    env = {
        "DATABASE_URL": fresh_database,
        "LOOPWRIGHT_DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": "only-for-tests-" + "x" * 30,
        "LOOPWRIGHT_SMTP_URL": "",
    }

    def command(*arguments: str, **settings: str) -> Result:
        return CliRunner().invoke(main, arguments, env={**env, **settings})

    return command


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("DATABASE_URL", "mysql://x"), ("LOOPWRIGHT_IDLE_MINUTES", "0")],
)
def test_a_wrong_setting_is_one_sentence(run: Run, name: str, value: str) -> None:
    result = run("doctor", **{name: value})
    assert result.exit_code == 2
    assert name in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_migrate_says_where_the_database_is(run: Run) -> None:
    result = run("migrate")
    assert result.exit_code == 0
    assert "migration" in result.output


def test_a_database_that_cannot_be_reached_is_one_sentence(run: Run, tmp_path: Path) -> None:
    result = run("migrate", DATABASE_URL=f"sqlite:///{tmp_path}/nowhere/at/all.db")
    assert result.exit_code == 1
    assert result.output.startswith("The database could not be migrated and is as it was")
    assert "Traceback" not in result.output


def test_doctor_names_what_is_wrong_and_the_remedy(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("problem")] == [
        "problem  worker: It has never run here. Start `loopwright up`, or `loopwright worker` beside your own server."
    ]
    assert {"ok       database", "ok       schema", "ok       disk", "ok       mail", "ok       settings"} <= set(lines)


def test_doctor_is_content_when_the_worker_was_heard(run: Run, fresh_database: str) -> None:
    engine = create_engine(fresh_database)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO heartbeat (name, at) VALUES ('worker', :at)"),
            {"at": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())},
        )
    engine.dispose()
    result = run("doctor")
    assert result.exit_code == 0, result.output


def test_doctor_finds_a_mail_server_that_does_not_answer(run: Run) -> None:
    result = run("doctor", LOOPWRIGHT_SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    assert "problem  mail:" in result.output
    assert "LOOPWRIGHT_SMTP_URL" in result.output


def test_audit_verify_is_content_with_an_untouched_trail(run: Run) -> None:
    result = run("audit", "verify")
    assert result.exit_code == 0, result.output


def test_create_admin_prints_a_link_once(run: Run) -> None:
    result = run("create-admin", "--name", "Ada Admin", "--email", "ada@example.com")
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:8000/first" in result.output
    again = run("create-admin", "--name", "Ada Admin", "--email", "ADA@example.com")
    assert again.exit_code == 2
    assert len(again.output.strip().splitlines()) == 1


def test_the_demo_leaves_people_alone(run: Run) -> None:
    run("create-admin", "--name", "Ada Admin", "--email", "ada@example.com")
    for arguments in (("demo",), ("demo", "--reset")):
        result = run(*arguments)
        assert result.exit_code == 2
        assert len(result.output.strip().splitlines()) == 1


def test_an_import_with_wrong_rows_ends_with_one(run: Run) -> None:
    parts = str(Path(__file__).resolve().parents[1] / "data" / "rover_parts_list.csv")
    nobody = run("bom", "import", parts, "--product", "ROVER")
    assert nobody.exit_code == 1
    assert "create-admin" in nobody.output
    run("create-admin", "--name", "Ada Admin", "--email", "ada@example.com")
    result = run("bom", "import", parts, "--product", "ROVER")
    assert result.exit_code == 1
    assert "row 21, column long name" in result.output
    assert "Nothing was written" in result.output


def test_a_port_that_is_taken_is_one_sentence(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("up", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "cannot be used" in result.output


def test_up_migrates_serves_and_stops(new_database: Callable[[], str], tmp_path: Path) -> None:
    """The real tree: web and worker come up on an empty folder, an administrator is asked for, SIGTERM ends all."""
    with served(f"sqlite:///{tmp_path}/new.db", tmp_path / "data") as (port, pid):
        visitor = Visitor(port)
        answer = visitor.get("/login")
        assert answer.status == 200
        assert answer.headers["Server"] == "loopwright"
        tree = descendants(pid)
        assert len(tree) >= 4  # gunicorn, its two workers, our worker
        deadline = time.monotonic() + 20
        while "/first?" not in (log := (tmp_path / "data" / "server.log").read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "/first?" in log
        visitor.close()
    assert not [child for child in tree if Path(f"/proc/{child}").exists()]
