"""Somebody of ours writes down what a customer told them."""

import pytest
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.foundation.errors import NotAllowed, Refused
from app.foundation.jobs import Job
from app.helpdesk import actions
from app.helpdesk.models import Channel, Ticket
from app.traits.board.models import Stage
from app.traits.followers import followers
from tests.factories.alerts import make_quality_team
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product
from tests.factories.tickets import make_helpdesk_team, make_sold_unit, make_ticket, stage_named

pytestmark = pytest.mark.usefixtures("database")


def test_it_enters_the_first_stage_of_its_team_with_a_number() -> None:
    first, second = make_ticket("One"), make_ticket("Two")
    assert (first.number, second.number) == ("T-0001", "T-0002")
    assert db.session.get(Stage, first.stage_id).name == "New"  # type: ignore[union-attr]
    assert second.rank < first.rank
    assert second.channel is Channel.STAFF


def test_a_known_serial_brings_product_and_owner() -> None:
    abigail, rack = make_customer(), make_product("Coat rack")
    unit = make_sold_unit(rack, abigail, serial="CR-0007")
    ticket = make_ticket(serial_text="cr-0007")
    assert (ticket.unit_id, ticket.product_id, ticket.customer_id) == (unit.id, rack.id, abigail.customer_id)
    assert ticket.serial_text == "CR-0007"
    assert not ticket.has_unknown_serial


def test_an_unknown_serial_is_kept_and_flagged() -> None:
    ticket = make_ticket(serial_text="ZZ-9999")
    assert ticket.has_unknown_serial
    assert ticket.serial_text == "ZZ-9999"
    assert ticket.unit_id is None


def test_a_serial_of_another_product_is_a_mistake() -> None:
    make_sold_unit(make_product("Coat rack"), serial="CR-0007")
    bench = make_product("Hall bench")
    with pytest.raises(Refused, match="CR-0007 is a Coat rack") as no:
        make_ticket(serial_text="CR-0007", product_id=bench.id)
    assert no.value.field == "product_id"


def test_a_contact_brings_their_organisation() -> None:
    abigail = make_customer()
    ticket = make_ticket(contact_id=abigail.id)
    assert ticket.customer_id == abigail.customer_id


def test_a_contact_of_another_organisation_is_a_mistake() -> None:
    abigail, paul = make_customer(), make_customer("Paul Brandt")
    with pytest.raises(Refused, match="does not belong") as no:
        make_ticket(contact_id=abigail.id, customer_id=paul.customer_id)
    assert no.value.field == "contact_id"


def test_the_responsible_follows_and_is_told() -> None:
    nora, marc = make_person("Nora Lind"), make_person("Marc")
    ticket = make_ticket(responsible_id=nora.id, by=marc)
    assert {p.name for p in followers(ticket)} == {"Nora Lind", "Marc Demo"}
    mails = [job.payload for job in db.session.scalars(select(Job)) if job.kind == "mail"]
    assert [mail["to"] for mail in mails] == [nora.email]
    assert ticket.number in mails[0]["subject"]


def test_who_takes_it_is_not_told() -> None:
    marc = make_person("Marc")
    make_ticket(responsible_id=marc.id, by=marc)
    assert not [job for job in db.session.scalars(select(Job)) if job.kind == "mail"]


def test_tags_are_made_once_in_lower_case() -> None:
    make_ticket(tags="Safety, stability, safety")
    ticket = make_ticket(tags="safety")
    with transaction(by=None):
        found = db.session.scalars(select(Ticket).where(Ticket.id == ticket.id)).one()
        db.session.refresh(found, ["tags"])
        assert [tag.name for tag in found.tags] == ["safety"]


def test_only_helpdesk_opens_tickets() -> None:
    make_helpdesk_team()
    for stranger in (make_person("Joe"), make_person("Julie"), make_customer()):
        with pytest.raises(NotAllowed):
            make_ticket(by=stranger)


def test_ids_that_cannot_be_chosen_are_refused() -> None:
    julies_team, abigail = make_quality_team(), make_customer()
    make_helpdesk_team()
    wrong = {
        "team_id": julies_team.id,
        "responsible_id": abigail.id,
        "contact_id": make_person("Joe").id,
        "customer_id": 987_654,
        "product_id": 987_654,
    }
    for field, value in wrong.items():
        with pytest.raises(Refused) as no:
            make_ticket(**{field: value})
        assert no.value.field == field
    assert db.session.scalar(select(Ticket.id)) is None


def test_quick_add_puts_it_into_that_column() -> None:
    marc, other = make_person("Marc"), make_ticket()
    stage = stage_named(other, "Waiting on customer")
    with transaction(by=marc):
        ticket = actions.add_card(stage_board(stage), stage, "Hook snapped off", by=marc)
    assert (ticket.stage_id, ticket.team_id) == (stage.id, other.team_id)


def stage_board(stage: Stage) -> actions.Board:
    found = db.session.get(actions.Board, stage.board_id)
    assert found is not None
    return found
