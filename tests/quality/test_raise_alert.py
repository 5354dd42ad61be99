"""An alert alone, from a ticket, and many tickets to one alert."""

from typing import Any

import pytest
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.foundation.events import on
from app.foundation.jobs import Job
from app.foundation.loop import AlertRaised, RevisionActivated
from app.people.models import Role
from app.quality import actions, queries, reactions
from app.quality.models import Alert
from app.traits.board.models import Stage
from app.traits.chatter.models import Entry
from app.traits.followers import followers
from app.traits.links.actions import link
from app.traits.links.queries import followups, origins
from tests.factories.alerts import make_alert, make_quality_team, make_root_cause
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product
from tests.factories.tickets import make_helpdesk_team, make_sold_unit, make_ticket, put_in_stage

pytestmark = pytest.mark.usefixtures("database")


def test_alone_it_enters_the_first_stage() -> None:
    alert = make_alert("Glue does not cure")
    assert alert.number == "QA-0001"
    assert db.session.get(Stage, alert.stage_id).name == "New"  # type: ignore[union-attr]


def test_from_a_ticket_both_show_each_other_and_the_responsible_is_told() -> None:
    abigail, rack, marc, julie = make_customer(), make_product("Coat rack"), make_person("Marc"), make_person("Julie")
    make_sold_unit(rack, abigail, serial="CR-0007")
    ticket, team = make_ticket(serial_text="CR-0007"), make_quality_team()
    with transaction(by=marc):
        carried = {k: v for k, v in ticket.carry().items() if k in ("product_id", "serial_text", "customer_id")}
        alert = actions.raise_alert(
            title="Rack tips", team_id=team.id, responsible_id=julie.id, origin=ticket, by=marc, **carried
        )
    assert (alert.product_id, alert.customer_id, alert.serial_text) == (rack.id, abigail.customer_id, "CR-0007")
    assert alert.unit_id == ticket.unit_id
    assert [record.number for record in followups(ticket)] == [alert.number]
    assert [record.number for record in origins(alert)] == [ticket.number]
    assert julie.id in {person.id for person in followers(alert)}
    assert [job.payload["to"] for job in db.session.scalars(select(Job)) if job.kind == "mail"] == [julie.email]
    assert db.session.scalar(select(Entry.id).where(Entry.record_id == ticket.id, Entry.verb == "raised"))


def test_the_fact_names_where_it_came_from() -> None:
    heard: list[AlertRaised] = []
    on(AlertRaised)(heard.append)
    ticket = make_ticket()
    alert = make_alert(origin=ticket)
    assert heard[-1] == AlertRaised(alert_id=alert.id, origin_id=ticket.id)


def test_many_tickets_join_one_alert_once() -> None:
    marc, alert = make_person("Marc"), make_alert()
    first, second = make_ticket("First"), make_ticket("Second")
    for ticket in (first, second, second):
        with transaction(by=marc):
            actions.attach_to_alert(ticket, alert, by=marc)
    assert [record.number for record in origins(alert)] == [first.number, second.number]
    same = queries.same_cause(first)
    assert same is not None
    assert [record.number for record in same["others"]] == [second.number]
    assert queries.same_cause(make_ticket("Alone")) is None


def test_a_closed_alert_cannot_be_joined() -> None:
    marc, alert, ticket = make_person("Marc"), make_alert(stage="Verified"), make_ticket()
    with pytest.raises(Refused, match="closed"), transaction(by=marc):
        actions.attach_to_alert(ticket, alert, by=marc)
    assert not origins(alert)


def test_open_alerts_of_the_same_product_come_first_and_are_found_by_word() -> None:
    rack, bench = make_product("Coat rack"), make_product("Hall bench")
    of_rack, of_bench = make_alert("Base flexes", product_id=rack.id), make_alert("Slats 100% off", product_id=bench.id)
    make_alert("Closed", product_id=rack.id, stage="Verified")
    assert [a.number for a in queries.open_alerts("", rack.id)] == [of_rack.number, of_bench.number]
    assert [a.number for a in queries.open_alerts("", bench.id)] == [of_bench.number, of_rack.number]
    assert [a.number for a in queries.open_alerts("flex", None)] == [of_rack.number]
    assert [a.number for a in queries.open_alerts("qa-0002", None)] == [of_bench.number]
    assert [a.number for a in queries.open_alerts("%", None)] == [of_bench.number]


def test_similar_problems_share_product_or_cause() -> None:
    rack, cause = make_product("Coat rack"), make_root_cause()
    one = make_alert("One", product_id=rack.id)
    two = make_alert("Two", product_id=rack.id)
    three = make_alert("Three", root_cause_id=cause.id)
    make_alert("Unlike")
    assert [a.number for a in queries.causes_and_similar(one)[1]] == [two.number]
    assert [a.number for a in queries.causes_and_similar(three)[1]] == []
    with transaction(by=None):
        two.root_cause_id = cause.id
    assert {a.number for a in queries.causes_and_similar(two)[1]} == {one.number, three.number}
    assert queries.causes_and_similar(make_alert("Nothing known")) == ([(cause.id, cause.name)], [])


def test_the_root_cause_comes_from_the_list() -> None:
    julie, alert, cause = make_person("Julie"), make_alert(), make_root_cause()
    with transaction(by=julie):
        actions.set_root_cause(alert, cause.id, by=julie)
    assert alert.root_cause_id == cause.id
    with pytest.raises(Refused) as no, transaction(by=julie):
        actions.set_root_cause(alert, 4711, by=julie)
    assert no.value.field == "root_cause_id"
    with transaction(by=julie):
        actions.set_root_cause(alert, None, by=julie)
    assert alert.root_cause_id is None


def typed(alert: Alert, **changes: Any) -> dict[str, Any]:
    names = ("version", "title", "description", "team_id", "responsible_id", "product_id", "serial_text")
    values = {name: getattr(alert, name) for name in (*names, "customer_id", "root_cause_id", "priority")}
    return values | {"tags": ""} | changes


def test_editing_is_guarded_by_the_version() -> None:
    julie, alert = make_person("Julie"), make_alert()
    stale = typed(alert, title="Mine")
    with transaction(by=julie):
        actions.edit_alert(alert, **typed(alert, title="Theirs", tags="safety"), by=julie)
    with pytest.raises(Conflict), transaction(by=julie):
        actions.edit_alert(alert, **stale, by=julie)
    found = queries.alert_by_number(alert.number)
    assert (found.title, [tag.name for tag in found.tags]) == ("Theirs", ["safety"])


def test_another_team_keeps_the_role_of_the_stage() -> None:
    julie, alert, other = make_person("Julie"), make_alert(stage="Action agreed"), make_quality_team("Incoming goods")
    with transaction(by=julie):
        actions.edit_alert(alert, **typed(alert, team_id=other.id), by=julie)
    assert db.session.get(Stage, alert.stage_id).name == "Action agreed"  # type: ignore[union-attr]
    assert alert.team_id == other.id


def test_ids_that_cannot_be_chosen_are_refused() -> None:
    helpdesk, abigail = make_helpdesk_team(), make_customer()
    make_quality_team()
    wrong = {
        "team_id": helpdesk.id,
        "responsible_id": abigail.id,
        "customer_id": 4711,
        "product_id": 4711,
        "root_cause_id": 4711,
    }
    for field, value in wrong.items():
        with pytest.raises(Refused) as no:
            make_alert(**{field: value})
        assert no.value.field == field
    assert db.session.scalar(select(Alert.id)) is None


def test_helpdesk_raises_but_does_not_edit() -> None:
    marc, ticket = make_person("Marc"), make_ticket()
    alert = make_alert(by=marc, origin=ticket)
    for wrong in (
        lambda: actions.edit_alert(alert, **typed(alert), by=marc),
        lambda: actions.set_root_cause(alert, None, by=marc),
    ):
        with pytest.raises(NotAllowed), transaction(by=marc):
            wrong()


def test_who_may_not_raise() -> None:
    make_quality_team()
    for stranger in (make_person("Joe"), make_person("Olga"), make_customer()):
        with pytest.raises(NotAllowed):
            make_alert(by=stranger)


def test_an_administrator_may() -> None:
    assert make_alert(by=make_person("Ada Root", roles=(Role.ADMIN,))).number == "QA-0001"


def test_an_applied_change_is_noted_on_its_alert_and_open_tickets() -> None:
    julie, rack = make_person("Julie"), make_product("Coat rack")
    ticket, solved = make_ticket("Open"), make_ticket("Solved")
    alert, change = make_alert(origin=ticket), make_alert("stands for the change")
    with transaction(by=julie):
        link(solved, alert, by=julie)
        link(alert, change, by=julie)
    put_in_stage(solved, "Solved")
    fact = RevisionActivated(product_id=rack.id, bom_id=1, revision_id=1, retired_id=None, eco_id=change.id)
    with transaction(by=julie):
        reactions.tell_alerts(fact)
        from app.helpdesk.reactions import tell_open_tickets

        tell_open_tickets(fact)
    told = db.session.scalars(select(Entry.record_id).where(Entry.verb == "answered")).all()
    assert sorted(told) == sorted([ticket.id, alert.id])
