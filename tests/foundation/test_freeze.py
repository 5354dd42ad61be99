"""The triggers that keep things as they are: there on both engines, and still there after every migration."""

import pytest
from flask import Flask
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app.foundation import freeze, schema
from app.foundation.db import db
from app.foundation.freeze import Trigger


def expected(connection: Connection) -> list[tuple[str, str]]:
    names = {(trigger.name, trigger.table) for trigger in freeze.registered()}
    if connection.dialect.name == "postgresql":
        names |= {(f"{t.name}_all", t.table) for t in freeze.registered() if t.event == "DELETE" and not t.condition}
    return sorted(names)


def test_the_database_has_exactly_the_registered_triggers(app: Flask, database: None) -> None:
    schema.load_models()
    connection = db.session.connection()
    assert freeze.existing_triggers(connection) == expected(connection)


def test_the_trail_and_the_activations_are_among_them(app: Flask, database: None) -> None:
    schema.load_models()
    tables = {trigger.table for trigger in freeze.registered()}
    assert {"audit_row", "audit_head", "bom_revision", "bom_line", "bom_operation", "bom_document"} <= tables
    assert {"activation", "activation_cancellation"} <= tables


def test_every_trigger_watches_a_table_that_exists(app: Flask) -> None:
    schema.load_models()
    from app.foundation.db import Base

    assert {trigger.table for trigger in freeze.registered()} <= set(Base.metadata.tables)


def test_another_upgrade_makes_the_same_triggers(app: Flask, fresh_database: str) -> None:
    engine = create_engine(fresh_database)
    with engine.begin() as connection:
        freeze.drop_all_triggers(connection)
        assert freeze.existing_triggers(connection) == []
    schema.upgrade(fresh_database)
    with engine.connect() as connection:
        assert freeze.existing_triggers(connection) == expected(connection)
    engine.dispose()


@pytest.fixture
def parcel(database: None) -> Table:
    """A table that knows the trade of nobody."""
    table = Table("parcel", MetaData(), Column("id", Integer, primary_key=True), Column("state", String(10)))
    connection = db.session.connection()
    table.create(connection)
    connection.execute(
        table.insert(), [{"id": 1, "state": "open"}, {"id": 2, "state": None}, {"id": 3, "state": "sent"}]
    )
    return table


def run(statement: str) -> None:
    with db.session.connection().begin_nested():
        db.session.connection().execute(text(statement))


def test_a_condition_counts_null_as_a_value(parcel: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Trigger("freeze_parcel", "parcel", "UPDATE", "a parcel that is not open stays", "OLD.state {is_not} 'open'")
    monkeypatch.setattr(freeze, "_registry", {keep.name: keep})
    freeze.create_all_triggers(db.session.connection())
    run("UPDATE parcel SET state = 'open' WHERE id = 1")
    for row in (2, 3):
        with pytest.raises(IntegrityError, match="a parcel that is not open stays"):
            run(f"UPDATE parcel SET state = 'open' WHERE id = {row}")


def test_only_the_named_columns_are_kept(parcel: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Trigger("freeze_parcel", "parcel", "UPDATE", "the number stays", columns=("id",))
    monkeypatch.setattr(freeze, "_registry", {keep.name: keep})
    freeze.create_all_triggers(db.session.connection())
    run("UPDATE parcel SET state = 'lost' WHERE id = 1")
    with pytest.raises(IntegrityError, match="the number stays"):
        run("UPDATE parcel SET id = 9 WHERE id = 1")


def test_insert_and_delete_are_refused_too(parcel: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = (
        Trigger("freeze_parcel_insert", "parcel", "INSERT", "parcels begin open", "NEW.state {is_not} 'open'"),
        Trigger("freeze_parcel_delete", "parcel", "DELETE", "open parcels stay", "OLD.state {is} 'open'"),
    )
    monkeypatch.setattr(freeze, "_registry", {trigger.name: trigger for trigger in keep})
    freeze.create_all_triggers(db.session.connection())
    run("INSERT INTO parcel (id, state) VALUES (4, 'open')")
    run("DELETE FROM parcel WHERE id = 2")
    with pytest.raises(IntegrityError, match="begin open"):
        run("INSERT INTO parcel (id, state) VALUES (5, NULL)")
    with pytest.raises(IntegrityError, match="open parcels stay"):
        run("DELETE FROM parcel WHERE id = 4")


def test_two_triggers_of_one_name_are_a_mistake() -> None:
    first = freeze.registered()[0]
    freeze.register(first)
    with pytest.raises(ValueError, match="Two different"):
        freeze.register(Trigger(first.name, first.table, first.event, "another sentence"))


@pytest.mark.parametrize(("name", "message"), [("keep_it", "x"), ("freeze_" + "x" * 60, "x"), ("freeze_it", "it's")])
def test_names_and_sentences_that_would_not_work_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError):
        Trigger(name, "parcel", "UPDATE", message)
