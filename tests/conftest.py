"""Fixtures for every height of test. `--engine=postgresql|both` runs the same tests on PostgreSQL (too).

The schema is built by the migrations, once per worker. Each test runs in one outer transaction that is rolled back;
tests that need real commits (several threads, processes, a browser) take `fresh_database` instead.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import create_engine, event, make_url, text

from app import config, create_app
from app.foundation import schema
from app.foundation.db import db
from tests.postgres import private_cluster

ENGINES = {"sqlite": ["sqlite"], "postgresql": ["postgresql"], "both": ["sqlite", "postgresql"]}
SECRET = "only-for-tests-" + "x" * 40
_counter = itertools.count()
_server = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=sorted(ENGINES), default="sqlite", help="the database(s) to test on")


def pytest_configure(config: pytest.Config) -> None:
    """One PostgreSQL server for all workers of a parallel run."""
    parallel = getattr(config.option, "numprocesses", None)
    controls = parallel and not hasattr(config, "workerinput")
    if controls and config.option.engine != "sqlite" and "LOOPWRIGHT_TEST_POSTGRES" not in os.environ:
        os.environ["LOOPWRIGHT_TEST_POSTGRES"] = _server.enter_context(private_cluster())


def pytest_unconfigure(config: pytest.Config) -> None:
    _server.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", ENGINES[metafunc.config.option.engine], scope="session")


def settings_for(url: str, data_dir: Path, **changes: str) -> config.Settings:
    """Settings of a test application."""
    environ = {
        "DATABASE_URL": url,
        "LOOPWRIGHT_DATA_DIR": str(data_dir),
        "SECRET_KEY": SECRET,
        "LOOPWRIGHT_ENV": "development",
        **changes,
    }
    return config.read(environ)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL server, or the one named by LOOPWRIGHT_TEST_POSTGRES."""
    given = os.environ.get("LOOPWRIGHT_TEST_POSTGRES")
    with ExitStack() as stack:
        yield given or stack.enter_context(private_cluster())


@pytest.fixture(scope="session")
def template_url(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a migrated, empty database that nobody writes to."""
    if engine == "sqlite":
        path = tmp_path_factory.mktemp("template") / "template.db"
        schema.upgrade(f"sqlite:///{path}")
        yield f"sqlite:///{path}"
    else:
        server = request.getfixturevalue("postgres_url")
        name = f"template_{os.getpid()}"
        url = _create(server, name)
        schema.upgrade(url)
        yield url
        _drop(server, name)


@pytest.fixture(scope="session")
def app(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on the worker's database; what a test writes is rolled back."""
    settings = settings_for(_copy(template_url, tmp_path_factory.mktemp("database")), tmp_path_factory.mktemp("data"))
    application = create_app(settings)
    application.testing = True
    application.test_client_class = Client
    yield application
    with application.app_context():
        db.engine.dispose()


class Client(FlaskClient):
    """A browser. Shares the test's database session, but no `g` and no stale objects."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        _forget()
        try:
            return super().open(*args, **kwargs)
        finally:
            _forget()


def _forget() -> None:
    g.__dict__.clear()
    db.session.rollback()
    db.session.expire_all()


@pytest.fixture
def database(app: Flask) -> Iterator[None]:
    """One outer transaction around the test, rolled back at its end. Anchors of rows that were rolled back go, too."""
    (app.config["LOOPWRIGHT"].data_dir / "audit-anchors").unlink(missing_ok=True)
    with app.app_context():
        engine = db.engine
        connection = engine.connect()
        outer = connection.begin()
        db.engines[None] = connection  # type: ignore[assignment]
        db.session.remove()
        db.session.configure(join_transaction_mode="create_savepoint")
        try:
            yield
        finally:
            db.session.remove()
            db.engines[None] = engine
            outer.rollback()
            connection.close()


@pytest.fixture
def client(app: Flask, database: None) -> FlaskClient:
    """Somebody with a browser, not signed in."""
    return app.test_client()


@pytest.fixture
def queries(app: Flask, database: None) -> Iterator[list[str]]:
    """Every SQL statement since the fixture was taken; clear it before the request you count."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")):
            seen.append(statement)

    connection = db.engine
    event.listen(connection, "before_cursor_execute", note)
    yield seen
    event.remove(connection, "before_cursor_execute", note)


@pytest.fixture
def fresh_database(template_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a migrated, empty database of the test's own, for real commits from many sides."""
    url = _copy(template_url, tmp_path)
    yield url
    if not url.startswith("sqlite"):
        _drop(template_url, make_url(url).database or "")


@pytest.fixture
def fresh_app(fresh_database: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on `fresh_database`. Push its context (or use its client) yourself."""
    application = create_app(settings_for(fresh_database, tmp_path / "data"))
    application.testing = True
    with application.app_context():
        db.session.configure(join_transaction_mode="conditional_savepoint")
    yield application
    with application.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def new_database(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Call it for one more fresh database."""
    made: list[str] = []

    def make() -> str:
        made.append(_copy(template_url, tmp_path_factory.mktemp("fresh")))
        return made[-1]

    yield make
    for url in made:
        if not url.startswith("sqlite"):
            _drop(template_url, make_url(url).database or "")


def _copy(template: str, folder: Path) -> str:
    if template.startswith("sqlite"):
        path = folder / f"copy{next(_counter)}.db"
        shutil.copy(make_url(template).database or "", path)
        return f"sqlite:///{path}"
    return _create(template, f"copy_{os.getpid()}_{next(_counter)}", template=make_url(template).database)


def _create(server: str, name: str, template: str | None = None) -> str:
    _admin(server, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _drop(server: str, name: str) -> None:
    _admin(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _admin(server: str, statement: str) -> None:
    engine = create_engine(make_url(server).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
