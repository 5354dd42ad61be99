"""How migrations run, on both engines: in one transaction, all or nothing, with our triggers made again at the end.

SQLite: recreating a table with foreign keys on silently deletes the rows that point at it and loses its triggers. So
migrations have a connection of their own with foreign keys off from the start (the switch does nothing inside a
transaction), begin IMMEDIATE, check every foreign key before the commit, and close the connection afterwards; the
application's own connections always have them on.
"""

import warnings
from typing import Any

from alembic import context
from flask import current_app, has_app_context
from sqlalchemy import Connection, Engine, TypeDecorator, create_engine, event
from sqlalchemy import types as sqltypes
from sqlalchemy.pool import NullPool

from app.foundation import freeze, schema
from app.foundation.db import Base

LOCK = 5_172_004_201  # any number, but always this one: two upgrades of one PostgreSQL database wait for each other


def run() -> None:
    schema.load_models()
    # SQLite cannot tell which expression an index is on, so it is left out when models and database are compared
    warnings.filterwarnings("ignore", message=".*expression-based index.*")
    engine = make_engine(database_url())
    try:
        with engine.connect() as connection:
            configure(connection)
            with context.begin_transaction():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
                if changes_schema():
                    freeze.drop_all_triggers(connection)
                context.run_migrations()
                if changes_schema():
                    freeze.create_all_triggers(connection)
                check_foreign_keys(connection)
    finally:
        engine.dispose()


def database_url() -> str:
    if url := context.config.attributes.get("url"):
        return str(url)
    if not has_app_context():
        raise RuntimeError("Run migrations through `flask db` or app.foundation.schema.upgrade().")
    return str(current_app.extensions["sqlalchemy"].engine.url.render_as_string(hide_password=False))


def make_engine(url: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def on_connect(raw: Any, _record: Any) -> None:
            raw.isolation_level = None
            for pragma in ("busy_timeout=60000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF"):
                raw.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def on_begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if changes_schema() else "BEGIN")

    return engine


def configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        compare_type=True,
        render_item=render_item,
        include_object=include_object,
        process_revision_directives=context.config.attributes.get("process_revision_directives", drop_empty),
    )


def changes_schema() -> bool:
    """Upgrades and downgrades have a destination; `flask db check`, `current` and autogenerate only look."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite" or not changes_schema():
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        table, rowid, parent, _index = broken[0]
        raise RuntimeError(
            f"The migration left {len(broken)} row(s) that point at nothing, the first in {table} (row {rowid}), "
            f"which points at {parent}. Nothing was changed."
        )


def render_item(kind: str, item: object, _autogen: Any) -> str | bool:
    """Migrations never import `app`: our column types are written as what they are in the database."""
    if kind != "type":
        return False
    if isinstance(item, sqltypes.Enum):
        return f"sa.String(length={item.length})"
    if isinstance(item, TypeDecorator) and type(item).__module__.startswith("app."):
        return f"sa.{item.impl_instance!r}"
    return False


def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Full-text tables are made by hand per engine and are not in the models."""
    return not (kind == "table" and reflected and compare_to is None and (name or "").startswith("fts_"))


def drop_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """A migration without a change is not written. (`check` has no message, and needs the empty one to look at.)"""
    if directives and directives[0].message and directives[0].upgrade_ops.is_empty():
        directives[:] = []


run()
