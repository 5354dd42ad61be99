"""The pages of the helpdesk over HTTP."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.foundation.db import db, transaction
from app.helpdesk.models import Doubt, Ticket
from app.people.models import Person
from app.traits.chatter.actions import post_note, receive_message
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product
from tests.factories.tickets import make_helpdesk_team, make_sold_unit, make_ticket
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")
Seat = Callable[[Person], Visitor]


@pytest.fixture
def sit(app: Flask) -> Seat:
    return lambda person: Visitor(app).as_(person)


def test_the_board_shows_customer_and_product(sit: Seat) -> None:
    abigail, rack, team = make_customer(), make_product("Coat rack"), make_helpdesk_team()
    ticket = make_ticket(team_id=team.id, contact_id=abigail.id, product_id=rack.id, tags="safety")
    page = sit(make_person("Marc")).get(f"/tickets?team={team.slug}")
    assert page.status_code == 200
    for words in (ticket.number, ticket.title, "Abigail Peterson", "Coat rack", "safety", "New ticket"):
        assert words in page.text


def test_the_board_takes_six_queries_at_most(sit: Seat, queries: list[str]) -> None:
    team, abigail, rack = make_helpdesk_team(), make_customer(), make_product("Coat rack")
    marc = make_person("Marc")
    visitor = sit(marc)
    for stage in ("New", "In progress", "Waiting on customer"):
        for n in range(4):
            make_ticket(
                f"{stage} {n}", team_id=team.id, stage=stage, contact_id=abigail.id, product_id=rack.id,
                responsible_id=marc.id, tags="safety, stability",
            )  # fmt: skip
    address = f"/tickets?team={team.slug}"
    visitor.get(address)
    queries.clear()
    assert visitor.get(address).status_code == 200
    assert len(queries) <= 6, "\n".join(queries)


def test_a_ticket_takes_twelve_queries_at_most(sit: Seat, queries: list[str]) -> None:
    marc, abigail, rack = make_person("Marc"), make_customer(), make_product("Coat rack")
    make_sold_unit(rack, abigail, serial="CR-0007")
    ticket = make_ticket(contact_id=abigail.id, serial_text="CR-0007", responsible_id=marc.id, tags="safety, stability")
    with transaction(by=marc):
        receive_message(ticket, "It fell.", by=abigail)
        for n in range(5):
            post_note(ticket, f"Note {n}", by=marc)
    visitor, address = sit(marc), f"/tickets/{ticket.number}"
    visitor.get(address)
    queries.clear()
    assert visitor.get(address).status_code == 200
    assert len(queries) <= 12, "\n".join(queries)


def test_a_ticket_shows_its_facts(sit: Seat) -> None:
    marc, abigail, rack = make_person("Marc"), make_customer(), make_product("Coat rack", ref="COAT-RACK")
    make_sold_unit(rack, abigail, serial="CR-0007")
    ticket = make_ticket("Rack tips", serial_text="CR-0007", priority=3, description="It fell\n\nTwice.", by=marc)
    page = sit(marc).get(f"/tickets/{ticket.number}").text
    assert "<h1>Rack tips</h1>" in page
    assert f"<title>{ticket.number} Rack tips" in page
    for words in (
        "Abigail Peterson",
        "/products/COAT-RACK",
        "/units/CR-0007",
        "urgent",
        "Raise quality alert",
        "Twice.",
    ):
        assert words in page
    assert 'aria-label="Conversation"' in page
    assert "Attach to open alert" in page


def test_an_unknown_serial_is_flagged(sit: Seat) -> None:
    ticket = make_ticket(serial_text="ZZ-1")
    page = sit(make_person("Marc")).get(f"/tickets/{ticket.number}").text
    assert "unknown serial" in page
    assert "/units/ZZ-1" not in page


def test_a_doubtful_ticket_says_why_until_somebody_looked(sit: Seat) -> None:
    marc, ticket = make_person("Marc"), make_ticket()
    with transaction(by=None):
        ticket.doubt = Doubt.FAST
    visitor = sit(marc)
    assert "check: sent very fast" in visitor.get(f"/tickets/{ticket.number}").text
    assert visitor.post(f"/tickets/{ticket.number}/doubt").status_code == 303
    assert "check: sent very fast" not in visitor.get(f"/tickets/{ticket.number}").text


def test_markup_in_words_stays_words(sit: Seat) -> None:
    ticket = make_ticket("<script>alert(1)</script>", description="<img src=x onerror=alert(1)>", tags="<b>x</b>")
    visitor = sit(make_person("Marc"))
    for path in (f"/tickets/{ticket.number}", f"/tickets/{ticket.number}/edit"):
        page = visitor.get(path).text
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "<b>x</b>" not in page


def new_form(team: int, **fields: object) -> dict[str, object]:
    return {"title": "Rack tips", "team_id": str(team), "priority": "2", **fields}


def test_a_new_ticket_is_opened(sit: Seat) -> None:
    team, abigail = make_helpdesk_team(), make_customer()
    visitor = sit(make_person("Marc"))
    assert visitor.get("/tickets/new").status_code == 200
    answer = visitor.post("/tickets/new", new_form(team.id, contact_id=str(abigail.id), tags="safety"))
    assert (answer.status_code, answer.location) == (303, "/tickets/T-0001")
    ticket = db.session.scalars(select(Ticket)).one()
    assert (ticket.title, ticket.customer_id, ticket.priority) == ("Rack tips", abigail.customer_id, 2)


def test_what_was_typed_is_kept_when_it_is_refused(sit: Seat) -> None:
    team = make_helpdesk_team()
    visitor = sit(make_person("Marc"))
    answer = visitor.post("/tickets/new", new_form(team.id, product_id="4711", description="Long story"))
    assert answer.status_code == 422
    assert "Choose from the list" in answer.text
    assert "Long story" in answer.text
    assert 'value="Rack tips"' in answer.text
    assert db.session.scalar(select(func.count(Ticket.id))) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 201},
        {"sender_email": "abigail@"},
        {"team_id": "x"},
        {"team_id": ""},
        {"priority": "9"},
    ],
)
def test_wrong_fields_are_422_and_no_row(sit: Seat, wrong: dict[str, str]) -> None:
    team = make_helpdesk_team()
    answer = sit(make_person("Marc")).post("/tickets/new", new_form(team.id, **wrong))
    assert answer.status_code == 422
    assert db.session.scalar(select(func.count(Ticket.id))) == 0


def test_the_same_op_opens_one_ticket(sit: Seat) -> None:
    team = make_helpdesk_team()
    visitor = sit(make_person("Marc"))
    form = new_form(team.id, op="op-of-this-form-1")
    first, second = visitor.post("/tickets/new", form), visitor.post("/tickets/new", form)
    assert first.location == second.location == "/tickets/T-0001"
    third = visitor.post("/tickets/new", form | {"title": "Other words"})
    assert third.status_code == 422
    assert "T-0001" in third.text
    assert "Other words" in third.text
    assert db.session.scalar(select(func.count(Ticket.id))) == 1


def test_columns_that_are_no_field_stay_as_they_are(sit: Seat) -> None:
    team = make_helpdesk_team()
    extra = {"number": "T-9999", "doubt": "trap", "channel": "form", "created_by_id": "1", "stage_id": "1", "id": "77",
             "closed_at": "2020-01-01", "unit_id": "1", "rank": "5", "kind": "alert"}  # fmt: skip
    sit(make_person("Marc")).post("/tickets/new", new_form(team.id, **extra))
    ticket = db.session.scalars(select(Ticket)).one()
    assert (ticket.number, ticket.doubt, ticket.channel, ticket.unit_id, ticket.closed_at) == (
        "T-0001",
        None,
        "staff",
        None,
        None,
    )


def test_a_stale_edit_shows_both_and_saves_on_the_second_try(sit: Seat) -> None:
    team = make_helpdesk_team()
    ticket = make_ticket("First", team_id=team.id)
    visitor = sit(make_person("Marc"))
    page = visitor.get(f"/tickets/{ticket.number}/edit").text
    version = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert version is not None
    theirs = visitor.post(f"/tickets/{ticket.number}/edit", new_form(team.id, version=version[1], title="Theirs"))
    assert theirs.status_code == 303
    mine = new_form(team.id, version=version[1], title="Mine")
    answer = visitor.post(f"/tickets/{ticket.number}/edit", mine)
    assert answer.status_code == 409
    assert 'value="Mine"' in answer.text
    assert "Title: Theirs" in answer.text
    fresh = re.search(r'name="version"[^>]*value="(\d+)"', answer.text)
    assert fresh is not None
    assert visitor.post(f"/tickets/{ticket.number}/edit", mine | {"version": fresh[1]}).status_code == 303
    assert db.session.scalar(select(Ticket.title)) == "Mine"


def test_taking_it(sit: Seat) -> None:
    marc, ticket = make_person("Marc"), make_ticket()
    visitor = sit(marc)
    assert "Take it" in visitor.get(f"/tickets/{ticket.number}").text
    assert visitor.post(f"/tickets/{ticket.number}/responsible").status_code == 303
    assert db.session.scalar(select(Ticket.responsible_id)) == marc.id


def test_who_is_turned_away(sit: Seat, app: Flask) -> None:
    ticket = make_ticket()
    joe, abigail = sit(make_person("Joe")), sit(make_customer())
    page = joe.get(f"/tickets/{ticket.number}")
    assert page.status_code == 200
    assert "/edit" not in page.text
    for path in ("/tickets/new", f"/tickets/{ticket.number}/edit"):
        assert joe.get(path).status_code == 403
        assert abigail.get(path).status_code == 404
    for path in (f"/tickets/{ticket.number}/responsible", f"/tickets/{ticket.number}/doubt", "/tickets/new"):
        assert joe.post(path).status_code == 403
        assert abigail.post(path).status_code == 404
    for path in ("/tickets", f"/tickets/{ticket.number}"):
        assert abigail.get(path).status_code == 404
        assert Visitor(app).get(path).status_code == 303
    assert joe.get("/tickets/T-9999").status_code == 404
