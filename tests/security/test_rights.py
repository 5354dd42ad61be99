"""AZ1-AZ7, AZ11, CS4: who gets what, every cell of one table. The table is `rights.yaml`; read it as the policy.

`ok` is any answer past the question of rights (a form that is not filled in as well), `login` the way to the sign-in
page, 403 "not you", 404 "there is nothing here for you".
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.foundation.db import Base, db, transaction
from app.foundation.permissions import PUBLIC, SIGNED_IN, STAFF, known_rules
from app.foundation.sessions import PLAIN_NAME
from app.people.models import Person
from app.traits.chatter.actions import post_note
from app.traits.record import KINDS, Record, may_see
from tests.security.endpoints import all_endpoints
from tests.security.world import ACTORS, World, build

TABLE = Path(__file__).with_name("rights.yaml")
FIELDS = {"ask", "answers", "body", "query"}


@pytest.fixture
def world(app: Flask, database: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)  # our failures are cells of the table too
    return build(app)


def entries() -> list[dict[str, Any]]:
    return list(yaml.safe_load(TABLE.read_text(encoding="utf-8"))["table"])


def test_AZ1_every_route_declares_a_rule_that_exists(app: Flask) -> None:
    for endpoint, _method, rule in all_endpoints(app):
        needed = getattr(app.view_functions[endpoint], "needs", None)
        assert needed in known_rules() | {PUBLIC, SIGNED_IN, STAFF}, f"{endpoint} ({rule}) declares {needed!r}"


def test_AZ1_what_anybody_may_ask_for_is_a_short_list(app: Flask) -> None:
    public = {e for e, _m, _r in all_endpoints(app) if app.view_functions[e].needs == PUBLIC}  # type: ignore[attr-defined]
    assert public == {
        "people.login", "people.enter", "people.logout", "people.first", "people.begin", "people.set_theme",
        "helpdesk.public_form", "helpdesk.thanks", "static", "serving.healthz", "serving.readyz",
    }  # fmt: skip


def test_AZ2_the_table_names_every_endpoint_and_no_other(app: Flask) -> None:
    listed = {entry["ask"] for entry in entries()}
    real = {f"{method} {endpoint}" for endpoint, method, _rule in all_endpoints(app)}
    assert listed == real, f"not in the table: {sorted(real - listed)}; no longer there: {sorted(listed - real)}"


def test_AZ2_every_cell_says_what_the_table_says(world: World) -> None:
    wrong = []
    for entry in entries():
        expected = dict(zip(ACTORS, entry["answers"].split(), strict=True))
        for who in ACTORS:
            found = answer_to(world, who, entry)
            if found != expected[who]:
                wrong.append(f"{entry['ask']} {_values(entry)} as {who}: {found}, not {expected[who]}")
    assert not wrong, "\n".join(wrong)


def answer_to(world: World, who: str, entry: dict[str, Any]) -> str:
    method, endpoint = entry["ask"].split()
    with world.unchanged():
        return _word(ask(world, who, method, endpoint, _values(entry), entry.get("body"), entry.get("query")))


def ask(
    world: World,
    who: str,
    method: str,
    endpoint: str,
    values: dict[str, str],
    body: dict[str, Any] | None = None,
    query: dict[str, Any] | None = None,
) -> TestResponse:
    filled, asked = (
        {name: world.names.get(value, value) for name, value in (given or {}).items()} for given in (body, query)
    )
    data = {"csrf_token": world.tokens[who], **filled} if method != "GET" else None
    visitor = world.visitors[who]
    cookie = visitor.cookie
    try:
        return visitor.client.open(
            world.address(endpoint, values), method=method, data=data, query_string=asked, buffered=True
        )
    finally:
        visitor.client.set_cookie(PLAIN_NAME, cookie)  # signing out is part of the table


def _values(entry: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in entry.items() if name not in FIELDS}


def _word(answer: TestResponse) -> str:
    if answer.status_code in (403, 404) or answer.status_code >= 500:
        return str(answer.status_code)
    to_sign_in = (answer.location or "").startswith("/login")
    return "login" if to_sign_in or (answer.status_code == 401 and not answer.data) else "ok"


def test_AZ2_may_see_and_visible_to_agree(world: World) -> None:
    """What a person may open is exactly what their lists show, for every kind and everybody."""
    records = db.session.scalars(select(Record).where(Record.kind.in_(KINDS))).unique().all()
    assert {record.kind for record in records} == set(KINDS)
    for who, person in world.people.items():
        for kind in KINDS.values():
            listed = select(Record.id).where(Record.kind == kind.name, kind.visible_to(person))
            allowed = {record.id for record in records if record.kind == kind.name and may_see(person, record)}
            assert set(db.session.scalars(listed)) == allowed, (who, kind.name)


def test_AZ2_each_customer_sees_their_own_ticket_and_nothing_else(world: World) -> None:
    a, b = world.people["customer_a"], world.people["customer_b"]
    records = db.session.scalars(select(Record).where(Record.kind.in_(KINDS))).unique().all()
    assert {r.number for r in records if may_see(a, r)} == {world.names["ticket_a"]}
    assert {r.number for r in records if may_see(b, r)} == {world.names["ticket_b"]}


STOLEN = {
    "id": "1", "kind": "eco", "number": "T-9999", "version": "99", "rank": "1", "created_by_id": "1", "author_id": "1",
    "by_id": "1", "person_id": "1", "actor_id": "1", "signed_by": "1", "user_id": "1", "state": "active", "closed_at":
    "2020-01-01", "created_at": "2020-01-01", "is_staff": "1", "is_active": "0", "role": "admin", "roles": "admin",
    "password_hash": "x", "applied_at": "2020-01-01", "approved_at": "2020-01-01", "is_public": "1", "is_demo": "1",
    "customer": "1", "email": "eve@evil.example", "colour": "z", "pin_hash": "x", "via": "passkey",
}  # fmt: skip


def test_AZ7_columns_that_are_no_fields_change_nothing(world: World) -> None:
    """Every unsafe address of people gets every column it has no field for."""
    agent = world.people["agent_1"]
    before = columns_of(agent)
    for endpoint, method, rule in all_endpoints(world.app):
        if method == "GET" or not endpoint.startswith("people.") or endpoint in ("people.logout", "people.enter"):
            continue
        values = {name: {"parked_id": "parked", "id_hash": "session"}[name] for name in rule.arguments}
        with world.unchanged():
            ask(world, "agent_1", method, endpoint, values, {**STOLEN, "zone": ""})
            assert columns_of(db.session.get_one(Person, agent.id)) == before, endpoint


def columns_of(person: Person) -> dict[str, Any]:
    return {c.key: getattr(person, c.key) for c in Person.__mapper__.column_attrs} | {"roles": person.roles}


def test_AZ6_AZ11_a_customer_reads_nothing_of_others_and_nothing_internal(world: World) -> None:
    """Canary words in everything of B and in everything internal: A asks for every address and reads none of them."""
    with transaction(by=None, source="test"):
        ticket_a, ticket_b = (db.session.get_one(Record, world.names[f"record_{x}"]) for x in "ab")
        post_note(ticket_a, "CANARYNOTE for colleagues", by=world.people["agent_1"])
        ticket_b.title = "CANARYTITLE of somebody else"
    seen = 0
    for method, endpoint, values in every_address(world):
        if method != "GET":
            continue
        with world.unchanged():
            answer = ask(world, "customer_a", method, endpoint, values)
        assert "CANARY" not in answer.text if answer.mimetype.startswith("text/") else True, endpoint
        seen += answer.status_code == 200
    assert seen > 3
    assert "CANARYNOTE" in ask(world, "agent_1", "GET", "helpdesk.show", {"number": "ticket_a"}).text


def test_CS4_reading_changes_nothing(world: World) -> None:
    """An administrator reads every page there is; the database is what it was, sessions apart."""
    before = contents()
    for method, endpoint, values in every_address(world):
        if method == "GET":
            assert ask(world, "admin", method, endpoint, values).status_code < 500
    db.session.rollback()
    after = contents()
    assert {name for name in before if before[name] != after[name]} == set()


JUNK = {"control and huge": ("\x00\x1b[31m", str(10**30)), "negative and long": ("-1", "x" * 25_000)}


@pytest.mark.parametrize("pair", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("turn", [0, 1])
def test_IN7_junk_in_every_field_of_real_things_is_never_our_error(
    world: World, pair: tuple[str, str], turn: int
) -> None:
    """An administrator sends nonsense in every field there is, to every address of things that exist."""
    body = {name: pair[(n + turn) % 2] for n, name in enumerate(FIELD_NAMES)}
    broken = []
    for method, endpoint, values in every_address(world):
        if (method == "GET" and turn) or endpoint in ("people.logout", "serving.readyz"):
            continue
        with world.unchanged():
            answer = ask(world, "admin", method, endpoint, values, body, {"q": pair[turn][:500]})
        if answer.status_code >= 500:
            broken.append(f"{method} {endpoint} {values}")
    assert not broken, "\n".join(broken)


_NAMES = """
    title name email body text description quantity product product_id team_id card from to before after v
    stage_id unit_id customer_id contact_id component component_id minutes work_centre work_centre_id uom uom_id
    verdict comment zone theme next note version due_on planned_start serial serials serial_text tags priority
    responsible responsible_id root_cause_id type kind pick follow owner_id meaning seen reason alert code ref
    price cost lead_days tracking link effective_from sender_name sender_email subject homepage drawn scrap setup
    designators position choice state
"""
FIELD_NAMES = _NAMES.split()


def every_address(world: World) -> list[tuple[str, str, dict[str, str]]]:
    return [(*entry["ask"].split(), _values(entry)) for entry in entries()]  # type: ignore[misc]


def contents() -> dict[str, str]:
    """A hash of every table's rows but those of sessions."""
    found = {}
    for table in Base.metadata.sorted_tables:
        if table.name not in ("browser_session",):
            rows = sorted(repr(tuple(row)) for row in db.session.execute(select(table)))
            found[table.name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found
