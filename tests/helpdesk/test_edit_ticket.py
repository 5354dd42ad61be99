"""The edit form, taking a ticket, moving it, giving it to another team."""

from typing import Any

import pytest
from sqlalchemy import select

from app.foundation.clock import moved, now
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.helpdesk import actions, queries
from app.helpdesk.models import Doubt, Ticket
from app.traits.board.actions import move_card, stages_of
from app.traits.board.models import Board, Stage, StageRole
from app.traits.chatter.models import Entry
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import make_helpdesk_team, make_ticket, put_in_stage, stage_named

pytestmark = pytest.mark.usefixtures("database")


def as_typed(ticket: Ticket, **changes: Any) -> dict[str, Any]:
    names = ("version", "title", "description", "team_id", "customer_id", "contact_id", "sender_name", "sender_email")
    values = {n: getattr(ticket, n) for n in (*names, "product_id", "serial_text", "priority", "responsible_id")}
    return values | {"tags": ""} | changes


def test_it_saves_what_was_typed() -> None:
    marc, abigail = make_person("Marc"), make_customer()
    ticket = queries.ticket_by_number(make_ticket().number)
    with transaction(by=marc):
        actions.edit_ticket(
            ticket, **as_typed(ticket, title="It falls", priority=3, contact_id=abigail.id, tags="safety"), by=marc
        )
    found = queries.ticket_by_number(ticket.number)
    assert (found.title, found.priority, found.customer_id) == ("It falls", 3, abigail.customer_id)
    assert [tag.name for tag in found.tags] == ["safety"]


def test_a_stale_save_is_a_conflict_and_changes_nothing() -> None:
    marc = make_person("Marc")
    ticket = queries.ticket_by_number(make_ticket("First words").number)
    stale = as_typed(ticket, title="Mine")
    with transaction(by=marc):
        actions.edit_ticket(ticket, **as_typed(ticket, title="Theirs"), by=marc)
    with pytest.raises(Conflict), transaction(by=marc):
        actions.edit_ticket(ticket, **stale, by=marc)
    assert queries.ticket_by_number(ticket.number).title == "Theirs"


def test_tags_alone_make_an_open_form_stale() -> None:
    marc = make_person("Marc")
    ticket = queries.ticket_by_number(make_ticket().number)
    stale = as_typed(ticket, tags="mine")
    with transaction(by=marc):
        actions.edit_ticket(ticket, **as_typed(ticket, tags="theirs"), by=marc)
    with pytest.raises(Conflict), transaction(by=marc):
        actions.edit_ticket(ticket, **stale, by=marc)
    assert [tag.name for tag in queries.ticket_by_number(ticket.number).tags] == ["theirs"]


def test_a_drag_does_not_make_an_open_form_stale() -> None:
    marc = make_person("Marc")
    ticket = queries.ticket_by_number(make_ticket().number)
    typed = as_typed(ticket, title="Typed meanwhile")
    with transaction(by=marc):
        move_card(ticket, to=stage_named(ticket, "In progress"), before=None, after=None, by=marc)
    with transaction(by=marc):
        actions.edit_ticket(ticket, **typed, by=marc)
    found = queries.ticket_by_number(ticket.number)
    assert (found.title, found.stage.name) == ("Typed meanwhile", "In progress")  # type: ignore[union-attr]


def test_another_team_maps_the_stage_by_its_role() -> None:
    marc, other = make_person("Marc"), make_helpdesk_team("Spare parts")
    with transaction(by=None):
        board = db.session.scalars(select(Board).where(Board.team_id == other.id)).one()
        for stage in stages_of(board.id):
            if stage.role is StageRole.WAITING:
                stage.name = "Customer’s turn"
    first = make_helpdesk_team("Customer Care")
    ticket = make_ticket(team_id=first.id, stage="Waiting on customer")
    with transaction(by=marc):
        actions.edit_ticket(ticket, **as_typed(ticket, team_id=other.id), by=marc)
    stage = db.session.get(Stage, ticket.stage_id)
    assert stage is not None
    assert (stage.name, stage.board_id, ticket.team_id) == ("Customer’s turn", board.id, other.id)


def test_solved_closes_and_leaving_it_opens_again() -> None:
    ticket = make_ticket()
    put_in_stage(ticket, "Solved")
    assert db.session.scalar(select(Ticket.closed_at).where(Ticket.id == ticket.id)) is not None
    put_in_stage(ticket, "In progress")
    assert db.session.scalar(select(Ticket.closed_at).where(Ticket.id == ticket.id)) is None


def test_closing_keeps_the_moment() -> None:
    ticket, at = make_ticket(), now().replace(microsecond=0)
    with moved(at):
        put_in_stage(ticket, "Solved")
    assert db.session.scalar(select(Ticket.closed_at).where(Ticket.id == ticket.id)) == at


def test_taking_it_once() -> None:
    marc, nora, ticket = make_person("Marc"), make_person("Nora Lind", roles=make_person("Marc").roles), make_ticket()  # type: ignore[arg-type]
    with transaction(by=marc):
        actions.take_ticket(ticket, by=marc)
    assert ticket.responsible_id == marc.id
    with pytest.raises(Conflict), transaction(by=nora):
        actions.take_ticket(ticket, by=nora)


def test_looking_at_a_doubtful_ticket_clears_it() -> None:
    marc, ticket = make_person("Marc"), make_ticket()
    with transaction(by=None):
        ticket.doubt = Doubt.FAST
    with transaction(by=marc):
        actions.clear_doubt(ticket, by=marc)
    assert ticket.doubt is None
    assert db.session.scalar(select(Entry.verb).where(Entry.record_id == ticket.id, Entry.verb == "looked_at"))


def test_others_cannot_edit() -> None:
    ticket = make_ticket()
    for stranger in (make_person("Joe"), make_customer()):
        with pytest.raises(NotAllowed), transaction(by=stranger):
            actions.edit_ticket(ticket, **as_typed(ticket), by=stranger)
        with pytest.raises(NotAllowed), transaction(by=stranger):
            actions.take_ticket(ticket, by=stranger)


def test_a_team_without_a_board_is_refused() -> None:
    from app.people.models import TeamKind
    from tests.factories.people import make_team

    marc, ticket, bare = make_person("Marc"), make_ticket(), make_team("Nobody yet", kind=TeamKind.HELPDESK)
    with pytest.raises(Refused) as no, transaction(by=marc):
        actions.edit_ticket(ticket, **as_typed(ticket, team_id=bare.id), by=marc)
    assert no.value.field == "team_id"
