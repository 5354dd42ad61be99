"""The trail between records, and the rail drawn from it."""

import pytest

from app.foundation.db import transaction
from app.foundation.errors import Refused
from app.people.models import Person
from app.traits.chatter.queries import Events, thread_of
from app.traits.links import rail as rails
from app.traits.links.actions import link, unlink
from app.traits.links.queries import Chain, chain_of, followups, linked, origins
from app.traits.links.rail import Node, rail, rail_step
from app.traits.record import Record
from tests.factories.alerts import make_alert
from tests.factories.ecos import make_coat_rack, make_eco, make_eco_type
from tests.factories.people import make_person
from tests.factories.tickets import make_ticket, put_in_stage

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rail without what the rooms fill in, so that these tests say all there is."""
    monkeypatch.setattr(rails, "_providers", {})


def change() -> Record:
    return make_eco(make_coat_rack(), make_eco_type(), by=make_person("Joe"))


def join(origin: Record, target: Record, by: Person | None = None, **kwargs: str | None) -> None:
    with transaction(by=by, source="test"):
        link(origin, target, by=by, **kwargs)


def states(record: Record) -> dict[str, tuple[str, str | None]]:
    return {node.step: (node.label, node.state) for node in rail(chain_of(record)).nodes}


def test_a_link_is_laid_once_and_told_in_the_origin(marc: Person) -> None:
    ticket, alert = make_ticket(by=marc), make_alert()
    join(ticket, alert, marc)
    join(ticket, alert, marc)
    assert [r.number for r in followups(ticket)] == [alert.number]
    assert [r.number for r in origins(alert)] == [ticket.number]
    block = thread_of(ticket).blocks[-1]
    assert isinstance(block, Events)
    assert [e.data["target_record"] for e in block.events if e.entry.verb == "raised"] == [alert.number]


def test_a_record_does_not_follow_from_itself(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    with pytest.raises(Refused), transaction(by=marc, source="test"):
        link(ticket, ticket, by=marc)


def test_a_link_can_be_taken_away(marc: Person) -> None:
    ticket, alert = make_ticket(by=marc), make_alert()
    join(ticket, alert, marc)
    with transaction(by=marc, source="test"):
        unlink(ticket, alert, by=marc)
    assert linked(ticket) == []


def test_the_chain_is_walked_both_ways_in_two_queries(marc: Person, queries: list[str]) -> None:
    ticket, alert, eco = make_ticket(by=marc), make_alert(), change()
    join(ticket, alert)
    join(alert, eco)
    assert alert.id
    queries.clear()
    chain = chain_of(alert)
    assert len(queries) <= 3
    assert {step: [r.number for r in chain.records(step)] for step in ("ticket", "alert", "eco")} == {
        "ticket": [ticket.number],
        "alert": [alert.number],
        "eco": [eco.number],
    }


def test_other_tickets_of_the_same_alert_are_kin(marc: Person) -> None:
    first, second, alert = make_ticket("One", by=marc), make_ticket("Two", by=marc), make_alert()
    join(first, alert)
    join(second, alert)
    chain = chain_of(second)
    assert chain.main("ticket") is second
    assert [r.number for r in chain.records("ticket")] == [second.number, first.number]
    assert chain_of(alert).main("ticket").number == first.number  # type: ignore[union-attr]


def test_a_ring_of_links_ends(marc: Person) -> None:
    ticket, alert = make_ticket(by=marc), make_alert()
    join(ticket, alert)
    join(alert, ticket)
    assert [r.number for r in chain_of(ticket).records("alert")] == [alert.number]


def test_a_ticket_alone_is_now_and_all_else_is_to_come(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    drawn = states(ticket)
    assert list(drawn) == ["ticket", "alert", "eco", "bom", "mo", "field", "survey"]
    assert drawn["ticket"] == (ticket.number, "now")
    assert {state for step, (_label, state) in drawn.items() if step != "ticket"} == {"next"}


def test_the_furthest_is_now_and_what_is_before_it_done(marc: Person) -> None:
    ticket, alert, eco = make_ticket(by=marc), make_alert(), change()
    join(ticket, alert)
    join(alert, eco)
    for record in (ticket, alert, eco):
        drawn = states(record)
        assert (drawn["ticket"][1], drawn["alert"][1], drawn["eco"][1]) == ("done", "done", "now")


def test_what_was_skipped_is_struck_out(marc: Person) -> None:
    assert states(make_alert())["ticket"] == ("Ticket", "none")


def test_a_closed_record_is_done(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    put_in_stage(ticket, "Solved")
    assert states(ticket)["ticket"][1] == "done"


def test_a_room_fills_its_step(marc: Person) -> None:
    ticket, eco = make_ticket(by=marc), change()
    join(ticket, eco)

    def fill(chain: Chain) -> Node | None:
        main = chain.main("eco")
        return Node("CR-06 V2", "Draft, ready", "/boms/CR-06", state="next") if main else None

    rail_step("bom", fill)
    node = next(node for node in rail(chain_of(ticket)).nodes if node.step == "bom")
    assert (node.label, node.caption, node.url, node.state) == ("CR-06 V2", "Draft, ready", "/boms/CR-06", "next")
    assert states(ticket)["eco"][1] == "now"
    assert states(make_ticket(by=marc))["bom"] == ("Bill of materials", "next")


def test_a_caption_says_stage_and_how_many_more(marc: Person) -> None:
    first, second, alert = make_ticket("One", by=marc), make_ticket("Two", by=marc), make_alert()
    join(first, alert)
    join(second, alert)
    node = rail(chain_of(alert)).nodes[0]
    assert node.url == f"/tickets/{first.number}"
    assert node.caption.startswith("New ")
    assert node.caption.endswith(", and 1 more")


def test_unknown_steps_are_our_mistake() -> None:
    with pytest.raises(ValueError):
        rail_step("moon", lambda chain: None)
