"""The audit trail writes itself: one row per changed object, in the same transaction, readable and erasable."""

import re
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import ColumnProperty

from app.catalog.models import Product
from app.foundation import audit, personal
from app.foundation.audit import AuditRow, audited_dml, history, note
from app.foundation.db import Base, Transaction, db, dialect, transaction
from app.people.models import Customer, Person, PersonRole, Role, Team, TeamKind, TeamMember
from tests.factories import make_customer, make_person, make_product, make_team


def rows() -> list[AuditRow]:
    return list(db.session.scalars(select(AuditRow).order_by(AuditRow.id)))


def fresh(since: int) -> list[AuditRow]:
    return [row for row in rows() if row.id > since]


def lose(tx: Transaction, product: Product) -> None:
    product.name = "Lost"
    tx.session.flush()
    raise ZeroDivisionError


def test_a_change_is_written_with_before_and_after(database: None) -> None:
    product = make_product("Coat rack", price=Decimal("49.90"))
    marc = make_person("Marc")
    with transaction(by=marc, source="web"):
        product.price = Decimal("59.00")
    newest = history("product", product.id)[0]
    assert (newest.action, newest.actor_id, newest.source) == ("update", marc.id, "web")
    assert newest.fields == {"price": ("49.9", "59")}


def test_a_value_that_was_never_read_is_still_known(database: None) -> None:
    product = make_product("Coat rack")
    with transaction(by=None) as tx:
        tx.session.expire(product)
        product.name = "Coat stand"
    assert history("product", product.id)[0].fields == {"name": ("Coat rack", "Coat stand")}


def test_many_flushes_of_one_object_are_one_row(database: None) -> None:
    product = make_product("Coat rack")
    before = len(rows())
    with transaction(by=None) as tx:
        for name in ("One", "Two", "Three"):
            product.name = name
            tx.session.flush()
    (row,) = fresh(before)
    assert row.changes == '{"name":["Coat rack","Three"]}'


def test_a_change_that_was_taken_back_is_no_change(database: None) -> None:
    product = make_product("Coat rack")
    before = len(rows())
    with transaction(by=None) as tx:
        product.name = "Other"
        tx.session.flush()
        product.name = "Coat rack"
    assert fresh(before) == []


def test_what_came_and_went_in_one_transaction_leaves_no_row(database: None) -> None:
    with transaction(by=None) as tx:
        customer = Customer(name="Brief")
        tx.session.add(customer)
        tx.session.flush()
        tx.session.delete(customer)
    assert [row for row in rows() if row.table_name == "customer"] == []


def test_what_went_and_came_back_is_told_as_the_difference(database: None) -> None:
    marc = make_person("Marc", roles=(Role.HELPDESK, Role.QUALITY))
    before = len(rows())
    with transaction(by=None) as tx:
        marc.role_rows.clear()
        tx.session.flush()
        marc.role_rows.append(PersonRole(role=Role.HELPDESK))
    assert [(row.table_name, row.row_pk, row.action) for row in fresh(before)] == [
        ("person_role", f"{marc.id},quality", "delete")
    ]


def test_what_takes_the_place_of_another_in_one_flush_is_told(database: None) -> None:
    team = make_team("Customer Care")
    team_id = team.id
    with transaction(by=None) as tx:
        tx.session.delete(team)
        tx.session.add(Team(id=team_id, name="Field Care", slug="field", kind=TeamKind.QUALITY))
    newest = history("team", team_id)[0]
    assert newest.action == "update"
    assert newest.fields["name"] == ("Customer Care", "Field Care")


def test_a_deleted_row_keeps_its_last_values(database: None) -> None:
    team = make_team("Customer Care")
    with transaction(by=None) as tx:
        tx.session.delete(team)
    newest = history("team", team.id)[0]
    assert newest.action == "delete"
    assert newest.fields["name"] == ("Customer Care", None)


def test_a_rolled_back_savepoint_leaves_no_row(database: None) -> None:
    product = make_product("Coat rack")
    before = len(rows())
    with transaction(by=None) as tx:
        product.note = "kept"
        with pytest.raises(ZeroDivisionError), tx.session.begin_nested():
            lose(tx, product)
    (row,) = fresh(before)
    assert row.changes == '{"note":["","kept"]}'


def test_a_failed_transaction_leaves_no_row(database: None) -> None:
    product = make_product("Coat rack")
    before = len(rows())
    with pytest.raises(ZeroDivisionError), transaction(by=None) as tx:
        lose(tx, product)
    assert fresh(before) == []


def test_without_its_row_nothing_is_changed(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    product = make_product("Coat rack")

    def full(*_args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(audit, "append", full)
    with pytest.raises(OSError), transaction(by=None):
        product.name = "Lost"
    assert db.session.scalar(select(Product.name).where(Product.id == product.id)) == "Coat rack"


def test_a_list_of_others_shows_who_came_and_went(database: None) -> None:
    marc, julie = make_person("Marc"), make_person("Julie")
    team = make_team(members=(marc,))
    with transaction(by=None) as tx:
        again = tx.session.get(Team, team.id, populate_existing=True)
        assert again is not None
        tx.session.refresh(again, ["members"])
        again.members.append(julie)
        again.members.remove(marc)
    assert history("team", team.id)[0].fields["members"] == ([str(marc.id)], [str(julie.id)])


def test_an_expression_is_written_as_what_it_came_to(database: None) -> None:
    product = make_product(lead_days=4)
    with transaction(by=None):
        product.lead_days = Product.lead_days + 3  # type: ignore[assignment]
    assert history("product", product.id)[0].fields == {"lead_days": (4, 7)}


def test_the_request_and_the_door_are_written_down(app: Flask, database: None) -> None:
    product = make_product()
    with app.test_request_context(headers={"X-Request-Id": "request-12345678"}), transaction(by=None, source="cli"):
        product.name = "Other"
    newest = history("product", product.id)[0]
    assert (newest.request_id, newest.source, newest.via) == ("request-12345678", "cli", None)


def test_secrets_are_never_written(database: None) -> None:
    marc = make_person("Marc", password_hash="argon2-first")
    with transaction(by=marc):
        marc.password_hash = "argon2-second"
    seen = history("person", marc.id)
    assert seen[0].fields == {"password_hash": ("(changed)", "(changed)")}
    assert not [row for row in rows() if "argon2" in row.changes]


def test_personal_values_are_readable_until_they_are_erased(database: None) -> None:
    abigail = make_customer("Abigail Peterson", email="abigail@customer.example")
    with transaction(by=None):
        abigail.name = "Abigail Miller"
    assert history("person", abigail.id)[0].fields == {"name": ("Abigail Peterson", "Abigail Miller")}
    assert not [row for row in rows() if "Abigail" in row.changes or "abigail@" in row.changes]

    with transaction(by=None):
        assert audit.erase("person", abigail.id)
        abigail.name = "Nobody"
    with transaction(by=None):
        assert not audit.erase("person", abigail.id)
        abigail.name = "Nobody at all"
    told = [pair for seen in history("person", abigail.id) for name, pair in seen.fields.items() if name == "name"]
    assert told == [("(erased)", "(erased)"), ("(erased)", "(erased)"), ("(erased)", "(erased)"), (None, "(erased)")]
    assert [seen.action for seen in history("person", abigail.id)].count("erase") == 1
    assert audit.verify().ok


def test_a_sealed_value_cannot_be_read_in_another_place(database: None) -> None:
    key = b"k" * 32
    sealed = personal.encrypted("Abigail", subject="person:1", key=key, place="person/1/name")
    assert personal.decrypted(sealed, keys={"person:1": key}, place="person/1/name") == "Abigail"
    assert personal.decrypted(sealed, keys={"person:1": key}, place="person/2/name") == personal.ERASED


def test_a_core_statement_on_an_audited_table_is_refused(database: None) -> None:
    product = make_product()
    with transaction(by=None) as tx:
        for statement in (
            update(Product).where(Product.id == product.id).values(name="Silent"),
            update(Product.__table__).where(Product.id == product.id).values(name="Silent"),
            insert(Team).values(name="Silent", slug="silent", kind="quality", about=""),
        ):
            with pytest.raises(RuntimeError, match="audited_dml"):
                tx.session.execute(statement)


def test_a_core_statement_through_the_helper_is_written_down(database: None) -> None:
    product = make_product("Coat rack")
    statement = update(Product).where(Product.id == product.id, Product.name == "Coat rack").values(name="Coat stand")
    with transaction(by=None):
        assert audited_dml(statement, "product", product.id, {"name": ("Coat rack", "Coat stand")}) == 1
    before = len(rows())
    with transaction(by=None):
        assert audited_dml(statement, "product", product.id, {"name": ("Coat rack", "Coat stand")}) == 0
    assert history("product", product.id)[0].fields == {"name": ("Coat rack", "Coat stand")}
    assert fresh(before) == []


def test_personal_columns_do_not_go_through_the_helper(database: None) -> None:
    marc = make_person("Marc")
    statement = update(Person).where(Person.id == marc.id).values(name="Marcus")
    with transaction(by=None), pytest.raises(ValueError, match="personal"):
        audited_dml(statement, "person", marc.id, {"name": ("Marc Demo", "Marcus")})


def test_ranks_may_be_renumbered_without_a_trace(database: None) -> None:
    from app.traits.record import Record

    before = len(rows())
    with transaction(by=None) as tx:
        tx.session.execute(update(Record).where(Record.stage_id == 1).values(rank=Record.rank + 1))
        with pytest.raises(RuntimeError, match="audited_dml"):
            tx.session.execute(update(Record).where(Record.stage_id == 1).values(rank=1, stage_id=2))
    assert fresh(before) == []


def test_an_event_without_a_change_can_be_noted(database: None) -> None:
    marc = make_person("Marc")
    with transaction(by=marc):
        note("person", marc.id, {"export": (None, "tickets")})
    assert (history("person", marc.id)[0].action, history("person", marc.id)[0].fields) == (
        "event",
        {"export": (None, "tickets")},
    )


def test_a_change_costs_three_statements_more(database: None, queries: list[str]) -> None:
    products = [make_product(f"Product {number}") for number in range(5)]
    with transaction(by=None) as tx:
        for product in products:
            product.name += "!"
        tx.session.flush()
        queries.clear()
    assert len(queries) == 3
    assert "audit_head" in queries[0]
    assert "INSERT INTO audit_row" in queries[1]
    assert "UPDATE audit_head" in queries[2]


def test_nothing_can_be_written_behind_the_trail(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    product = make_product("Coat rack")
    from app.foundation import db as house

    def late(session: Any, _tx: Any) -> None:
        product.name = "Late"
        session.flush()

    monkeypatch.setattr(house, "_at_commit", [*house._at_commit, (99, late)])
    with pytest.raises(RuntimeError, match="after the audit trail"), transaction(by=None):
        product.note = "x"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_row SET actor_id = 99", "append-only"),
        ("DELETE FROM audit_row", "append-only"),
        ("DELETE FROM audit_head", "stays"),
        ("UPDATE audit_head SET count = count - 1", "only grows"),
    ],
)
def test_the_database_refuses_to_change_the_trail(database: None, statement: str, said: str) -> None:
    make_product()
    with pytest.raises(IntegrityError, match=said), db.session.connection().begin_nested():
        db.session.connection().execute(text(statement))


def test_the_database_refuses_to_empty_the_trail(database: None) -> None:
    make_product()
    statement = "TRUNCATE audit_row" if dialect() == "postgresql" else "DELETE FROM audit_row WHERE 1"
    with pytest.raises(IntegrityError, match="append-only"), db.session.connection().begin_nested():
        db.session.connection().execute(text(statement))


# The lists


def test_old_values_of_every_column_are_remembered(app: Flask) -> None:
    forgetful = [
        f"{mapper.class_.__name__}.{key}"
        for mapper in Base.registry.mappers
        for key, prop in mapper.attrs.items()
        if isinstance(prop, ColumnProperty)
        and str(mapper.local_table.name) not in audit.NOT_AUDITED  # type: ignore[attr-defined]
        and not getattr(mapper.class_, key).impl.active_history
    ]
    assert forgetful == []


def test_every_table_left_out_exists_and_has_a_reason(app: Flask) -> None:
    tables = set(Base.metadata.tables) | {"alembic_version"}
    assert set(audit.NOT_AUDITED) <= tables
    assert all(audit.NOT_AUDITED.values())
    for table, columns in audit.NOT_AUDITED_COLUMNS.items():
        assert table in tables
        assert columns <= {column.name for column in Base.metadata.tables[table].columns}


def test_personal_and_secret_columns_exist(app: Flask) -> None:
    for table, listed in personal.PERSONAL.items():
        columns = {column.name for column in Base.metadata.tables[table].columns}
        if table in {"ticket", "alert", "eco", "manufacturing_order"}:
            columns |= {column.name for column in Base.metadata.tables["record"].columns}
        assert listed.columns <= columns, table
        assert {column for _kind, column in listed.owners} <= columns, table
    for table, secrets in personal.SECRETS.items():
        assert secrets <= {column.name for column in Base.metadata.tables[table].columns}


def test_no_column_that_sounds_secret_is_written_down(app: Flask) -> None:
    sounds = re.compile(r"password|secret|token|(^|_)(pin|key|otp|totp)(_|$)")
    told = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        if table.name not in audit.NOT_AUDITED
        for column in table.columns
        if sounds.search(column.name) and not personal.is_secret(table.name, column.name)
    ]
    assert told == []


def test_no_column_that_sounds_personal_is_written_in_clear(app: Flask) -> None:
    sounds = re.compile(r"email|phone|sender|printed_name|birth|street")
    told = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        if table.name not in audit.NOT_AUDITED
        for column in table.columns
        if sounds.search(column.name) and not personal.is_personal(table.name, column.name)
    ]
    assert told == []


def test_association_tables_have_no_silent_writers(app: Flask) -> None:
    """They are written through a list of their parent, or as objects of their own; both are seen."""
    assert TeamMember.__table__.name not in audit.NOT_AUDITED
