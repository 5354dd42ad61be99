"""Triggers that keep what must never change: one registry, made anew after every migration, on both engines.

A room registers its triggers where it is imported (`register(...)`); `migrations/env.py` drops all of them before an
upgrade and makes them again after it, because recreating a table on SQLite silently loses its triggers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

Event = Literal["INSERT", "UPDATE", "DELETE"]
PREFIX = "freeze_"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Refuses `event` on `table` where `condition` holds.

    `condition` is SQL that both engines read, with `OLD` and `NEW`; write `{is_not}` for "differs, and NULL counts as
    a value" and `{is}` for its opposite. An empty condition refuses always. `columns` narrows an UPDATE trigger to
    statements that name one of them. The refusal arrives as SQLAlchemy's IntegrityError with `message` in it.
    """

    name: str
    table: str
    event: Event
    message: str
    condition: str = ""
    columns: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.name.startswith(PREFIX) or len(self.name) > 60:
            raise ValueError(f"A trigger's name starts with {PREFIX} and has at most 60 characters: {self.name}")
        if "'" in self.message:
            raise ValueError("Keep apostrophes out of a trigger's message.")

    def sqlite(self) -> list[str]:
        when = f" WHEN {self._said('IS NOT', 'IS')}" if self.condition else ""
        return [
            f"CREATE TRIGGER {self.name} BEFORE {self._what()} ON {_quoted(self.table)} FOR EACH ROW{when} "
            f"BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        ]

    def postgresql(self) -> list[str]:
        raising = f"RAISE EXCEPTION '{self.message}' USING ERRCODE = 'integrity_constraint_violation';"
        if self.condition:
            raising = f"IF {self._said('IS DISTINCT FROM', 'IS NOT DISTINCT FROM')} THEN {raising} END IF;"
        row = "OLD" if self.event == "DELETE" else "NEW"
        statements = [
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {raising} RETURN {row}; END $$",
            f"CREATE TRIGGER {self.name} BEFORE {self._what()} ON {_quoted(self.table)} "
            f"FOR EACH ROW EXECUTE FUNCTION {self.name}()",
        ]
        if self.event == "DELETE" and not self.condition:
            statements.append(
                f"CREATE TRIGGER {self.name}_all BEFORE TRUNCATE ON {_quoted(self.table)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {self.name}()"
            )
        return statements

    def _what(self) -> str:
        return f"UPDATE OF {', '.join(map(_quoted, self.columns))}" if self.columns else self.event

    def _said(self, is_not: str, same: str) -> str:
        return self.condition.replace("{is_not}", is_not).replace("{is}", same)


_registry: dict[str, Trigger] = {}


def register(*triggers: Trigger) -> None:
    """Make these triggers after every upgrade. Registering the same one twice does nothing."""
    for trigger in triggers:
        if _registry.setdefault(trigger.name, trigger) != trigger:
            raise ValueError(f"Two different triggers are called {trigger.name}.")


def append_only(table: str, *, message: str | None = None) -> None:
    """Rows of `table` are written once: UPDATE and DELETE are refused."""
    said = message or f"{table} is append-only"
    register(
        Trigger(f"{PREFIX}{table}_update", table, "UPDATE", said),
        Trigger(f"{PREFIX}{table}_delete", table, "DELETE", said),
    )


def registered() -> list[Trigger]:
    return [_registry[name] for name in sorted(_registry)]


def create_all_triggers(connection: Connection) -> None:
    """Make every registered trigger whose table exists."""
    tables = set(inspect(connection).get_table_names())
    for trigger in registered():
        if trigger.table in tables:
            _run(connection, trigger.sqlite() if connection.dialect.name == "sqlite" else trigger.postgresql())


def drop_all_triggers(connection: Connection) -> None:
    """Drop every trigger of ours that the database has, registered or from an older version."""
    if connection.dialect.name == "sqlite":
        _run(connection, (f"DROP TRIGGER {_quoted(name)}" for name, _table in existing_triggers(connection)))
        return
    _run(
        connection,
        (f"DROP TRIGGER {_quoted(name)} ON {_quoted(table)}" for name, table in existing_triggers(connection)),
    )
    functions = connection.execute(
        text(
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = current_schema() AND p.proname LIKE :prefix AND p.pronargs = 0"
        ),
        {"prefix": _like(PREFIX)},
    ).scalars()
    _run(connection, [f"DROP FUNCTION {_quoted(name)}()" for name in functions])


def existing_triggers(connection: Connection) -> list[tuple[str, str]]:
    """(name, table) of every trigger of ours in the database, sorted."""
    if connection.dialect.name == "sqlite":
        statement = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE :prefix ESCAPE '\\'"
    else:
        statement = (
            "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE NOT t.tgisinternal AND n.nspname = current_schema() AND t.tgname LIKE :prefix"
        )
    rows = connection.execute(text(statement), {"prefix": _like(PREFIX)})
    return sorted((name, table) for name, table in rows)


def _like(prefix: str) -> str:
    return prefix.replace("_", "\\_") + "%"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _run(connection: Connection, statements: Iterable[str]) -> None:
    for statement in list(statements):
        connection.exec_driver_sql(statement)
