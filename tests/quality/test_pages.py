"""The pages of quality over HTTP."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.foundation.db import db, transaction
from app.people.models import Person
from app.quality.models import ActionKind, ActionState, Alert, AlertAction
from app.traits.chatter.actions import post_note
from app.traits.links.queries import followups
from tests.factories.alerts import make_action, make_alert, make_quality_team, make_root_cause
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product
from tests.factories.tickets import make_sold_unit, make_ticket, put_in_stage, stage_named
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")
Seat = Callable[[Person], Visitor]
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def sit(app: Flask) -> Seat:
    return lambda person: Visitor(app).as_(person)


def test_the_board_shows_product_and_progress_in_six_queries(sit: Seat, queries: list[str]) -> None:
    team, rack, julie = make_quality_team(), make_product("Coat rack"), make_person("Julie")
    for n in range(4):
        alert = make_alert(f"Alert {n}", team_id=team.id, product_id=rack.id, responsible_id=julie.id, tags="safety")
        make_action(alert, state=ActionState.VERIFIED)
        make_action(alert)
    visitor, address = sit(julie), f"/alerts?team={team.slug}"
    visitor.get(address)
    queries.clear()
    page = visitor.get(address)
    assert page.status_code == 200
    assert len(queries) <= 6, "\n".join(queries)
    for words in ("QA-0001", "Alert 3", "Coat rack", "verified 1/2", "New alert"):
        assert words in page.text


def test_an_alert_takes_twelve_queries_at_most(sit: Seat, queries: list[str]) -> None:
    julie, joe, rack = make_person("Julie"), make_person("Joe"), make_product("Coat rack")
    alert = make_alert(product_id=rack.id, responsible_id=julie.id, tags="safety, stability", origin=make_ticket())
    make_alert("Similar", product_id=rack.id)
    for n in range(5):
        make_action(alert, f"Action {n}", owner_id=joe.id)
    with transaction(by=julie):
        post_note(alert, "Look at this", by=julie)
    visitor, address = sit(julie), f"/alerts/{alert.number}"
    visitor.get(address)
    queries.clear()
    assert visitor.get(address).status_code == 200
    assert len(queries) <= 12, "\n".join(queries)


def test_from_a_ticket_to_an_alert(sit: Seat) -> None:
    marc, julie, abigail = make_person("Marc"), make_person("Julie"), make_customer()
    make_sold_unit(make_product("Coat rack"), abigail, serial="CR-0007")
    ticket, team = make_ticket("Rack tips", serial_text="CR-0007", description="It fell."), make_quality_team()
    visitor = sit(marc)
    page = visitor.get(f"/alerts/new?from={ticket.number}").text
    for words in ("Rack tips", "It fell.", "Coat rack", "CR-0007", "Abigail Peterson", "Create alert"):
        assert words in page
    answer = visitor.post(
        f"/alerts/new?from={ticket.number}",
        {
            "title": "Rack tips over",
            "team_id": str(team.id),
            "responsible_id": str(julie.id),
            "description": "It fell.",
        },
    )
    assert (answer.status_code, answer.location) == (303, "/alerts/QA-0001")
    alert = db.session.scalars(select(Alert)).one()
    assert (alert.customer_id, alert.serial_text, alert.responsible_id) == (abigail.customer_id, "CR-0007", julie.id)
    assert [record.number for record in followups(ticket)] == ["QA-0001"]
    assert "QA-0001" in visitor.get(f"/tickets/{ticket.number}").text
    assert ticket.number in visitor.get("/alerts/QA-0001").text


def test_what_is_carried_cannot_be_posted(sit: Seat) -> None:
    other = make_product("Hall bench")
    ticket, team = make_ticket(), make_quality_team()
    sit(make_person("Marc")).post(
        f"/alerts/new?from={ticket.number}",
        {"title": "x", "team_id": str(team.id), "product_id": str(other.id), "number": "QA-9", "stage_id": "1"},
    )
    alert = db.session.scalars(select(Alert)).one()
    assert (alert.product_id, alert.number) == (None, "QA-0001")


def test_an_unknown_origin_is_not_found(sit: Seat) -> None:
    make_quality_team()
    assert sit(make_person("Marc")).get("/alerts/new?from=T-9999").status_code == 404


def test_alone_with_typed_text_kept(sit: Seat) -> None:
    team = make_quality_team()
    visitor = sit(make_person("Julie"))
    form = {
        "title": "Glue",
        "team_id": str(team.id),
        "priority": "1",
        "description": "Long story",
        "product_id": "4711",
    }
    answer = visitor.post("/alerts/new", form)
    assert answer.status_code == 422
    assert "Long story" in answer.text
    assert db.session.scalar(select(func.count(Alert.id))) == 0
    again = form | {"product_id": "", "op": "op-of-this-form-2"}
    assert visitor.post("/alerts/new", again).location == visitor.post("/alerts/new", again).location
    assert db.session.scalar(select(func.count(Alert.id))) == 1


def test_attaching_a_second_ticket(sit: Seat) -> None:
    first, second, alert = make_ticket("First"), make_ticket("Second"), make_alert("Base flexes")
    visitor = sit(make_person("Marc"))
    page = visitor.get(f"/alerts/attach?from={second.number}&q=flex").text
    assert "Base flexes" in page
    for ticket in (first, second):
        answer = visitor.post(f"/alerts/attach?from={ticket.number}", {"alert": alert.number})
        assert (answer.status_code, answer.location) == (303, f"/tickets/{ticket.number}")
    shown = visitor.get(f"/tickets/{first.number}").text
    assert "Same cause" in shown
    assert second.number in shown
    wrong = visitor.post(f"/alerts/attach?from={first.number}", {"alert": "QA-9999"})
    assert wrong.status_code == 422


def test_tabs_work_without_scripts(sit: Seat) -> None:
    alert = make_alert()
    make_action(alert, "Hold the stock")
    make_action(alert, "Tip test, every lot", kind=ActionKind.PREVENTIVE)
    visitor = sit(make_person("Julie"))
    corrective, preventive = (visitor.get(f"/alerts/{alert.number}{q}").text for q in ("", "?tab=preventive"))
    assert "Hold the stock" in tab_panel(corrective)
    assert "Tip test" not in tab_panel(corrective)
    assert "Tip test" in tab_panel(preventive)
    assert 'aria-label="Add a corrective action"' in corrective
    assert 'aria-label="Add a preventive action"' in preventive
    assert len(re.findall(r'role="tab"', corrective)) == 2
    assert re.findall(r'<data value="(\d)" aria-hidden="true">', corrective) == ["1", "1"]


def tab_panel(page: str) -> str:
    start = page.index('role="tabpanel"')
    return page[start : page.index("</section>", start)]


def test_adding_an_action_by_form_and_by_htmx(sit: Seat) -> None:
    alert = make_alert()
    visitor = sit(make_person("Julie"))
    url = f"/alerts/{alert.number}/actions"
    plain = visitor.post(url, {"kind": "preventive", "text": "Tip test"})
    assert (plain.status_code, plain.location) == (303, f"/alerts/{alert.number}?tab=preventive")
    drawn = visitor.post(url, {"kind": "corrective", "text": "Hold the stock"}, headers=HTMX)
    assert drawn.status_code == 200
    assert 'hx-target="#actions"' in drawn.text
    assert "Hold the stock" in drawn.text
    empty = visitor.post(url, {"kind": "corrective", "text": " "}, headers=HTMX)
    assert empty.status_code == 422
    assert "Write what is to be done." in empty.text
    assert db.session.scalar(select(func.count(AlertAction.id))) == 2


def test_a_refused_action_keeps_its_words_on_the_page(sit: Seat) -> None:
    alert = make_alert(stage="Verified")
    answer = sit(make_person("Julie")).post(
        f"/alerts/{alert.number}/actions", {"kind": "corrective", "text": "One more thing"}
    )
    assert answer.status_code == 422
    assert 'value="One more thing"' in answer.text
    assert "is closed" in answer.text


def test_a_closed_alert_asks_for_no_more_actions(sit: Seat) -> None:
    alert = make_alert()
    make_action(alert, state=ActionState.VERIFIED)
    visitor = sit(make_person("Julie"))
    assert "Reopen" in visitor.get(f"/alerts/{alert.number}").text
    put_in_stage(alert, "Verified")
    page = visitor.get(f"/alerts/{alert.number}").text
    assert "Add a corrective action" not in page
    assert "Reopen" not in page


def test_an_action_goes_all_the_way_with_owner_and_day(sit: Seat) -> None:
    joe, alert = make_person("Joe"), make_alert()
    action = make_action(alert)
    visitor = sit(make_person("Julie"))
    url = f"/alerts/{alert.number}/actions/{action.id}"
    assert visitor.get(url).status_code == 200
    changed = {"version": str(action.version), "text": "Stiffen it", "owner_id": str(joe.id), "due_on": "2031-03-20"}
    assert visitor.post(url, changed).status_code == 303
    stale = visitor.post(url, changed | {"text": "Mine"})
    assert stale.status_code == 409
    assert 'value="Mine"' in stale.text
    page = visitor.get(f"/alerts/{alert.number}").text
    assert "Joe Kazan" in page
    assert 'datetime="2031-03-20"' in page
    for to in ("doing", "done", "verified", "open"):
        assert visitor.post(url + "/state", {"to": to}).status_code == 303
        assert db.session.scalar(select(AlertAction.state)) == to
    assert visitor.post(url + "/state", {"to": "verified"}).status_code == 409
    assert visitor.post(url + "/state", {"to": "nonsense"}).status_code == 422


def test_a_new_action_with_owner_and_day(sit: Seat) -> None:
    joe, alert = make_person("Joe"), make_alert()
    answer = sit(make_person("Julie")).post(
        f"/alerts/{alert.number}/actions/new?kind=preventive",
        {"text": "Load test", "owner_id": str(joe.id), "due_on": "2031-03-20"},
    )
    assert answer.status_code == 303
    action = db.session.scalars(select(AlertAction)).one()
    assert (action.kind, action.owner_id, action.due_on) == (ActionKind.PREVENTIVE, joe.id, date(2031, 3, 20))


def test_the_root_cause_is_saved_at_once(sit: Seat) -> None:
    alert, cause = make_alert(), make_root_cause("Design, base joint")
    visitor = sit(make_person("Julie"))
    page = visitor.get(f"/alerts/{alert.number}").text
    assert re.search(r"<label[^>]*>Root cause</label>", page)
    url = f"/alerts/{alert.number}/root-cause"
    drawn = visitor.post(url, {"root_cause_id": str(cause.id)}, headers=HTMX)
    assert drawn.status_code == 200
    assert "Design, base joint" in drawn.text
    assert db.session.scalar(select(Alert.root_cause_id)) == cause.id
    assert visitor.post(url, {"root_cause_id": "4711"}).status_code == 422
    assert visitor.post(url, {"root_cause_id": ""}).status_code == 303
    assert db.session.scalar(select(Alert.root_cause_id)) is None


def test_closing_with_open_actions_is_422_and_names_them(sit: Seat) -> None:
    alert = make_alert()
    make_action(alert, "Stiffen the base")
    board_id = stage_named(alert, "New").board_id
    form = {"card": str(alert.id), "from": str(alert.stage_id), "to": str(stage_named(alert, "Verified").id)}
    answer = sit(make_person("Julie")).post(f"/boards/{board_id}/moves", form | {"page": "record"})
    assert answer.status_code == 422
    assert "Stiffen the base" in answer.text
    assert db.session.scalar(select(Alert.closed_at)) is None


def test_markup_in_words_stays_words(sit: Seat) -> None:
    alert = make_alert("<script>alert(1)</script>", description="<img src=x onerror=alert(1)>", tags="<b>x</b>")
    make_action(alert, "<i onclick=x>")
    page = sit(make_person("Julie")).get(f"/alerts/{alert.number}").text
    for wrong in ("<script>alert(1)", "<img src=x", "<b>x</b>", "<i onclick"):
        assert wrong not in page


def test_who_is_turned_away(sit: Seat, app: Flask) -> None:
    alert = make_alert()
    action = make_action(alert)
    base = f"/alerts/{alert.number}"
    posts = [f"{base}/edit", f"{base}/root-cause", f"{base}/actions", f"{base}/actions/{action.id}"]
    for colleague in (sit(make_person("Joe")), sit(make_person("Marc"))):
        page = colleague.get(base)
        assert page.status_code == 200
        assert "Add a corrective action" not in page.text
        for path in posts:
            assert colleague.post(path).status_code == 403
        assert colleague.post(f"{base}/actions/{action.id}/state", {"to": "done"}).status_code == 403
    abigail = sit(make_customer())
    for path in (base, "/alerts", "/alerts/new", "/alerts/attach"):
        assert abigail.get(path).status_code == 404
        assert Visitor(app).get(path).status_code == 303
    for path in (*posts, f"{base}/actions/{action.id}/state", "/alerts/new"):
        assert abigail.post(path).status_code == 404
    assert sit(make_person("Joe")).get("/alerts/new").status_code == 403
    other = make_alert("Another")
    assert sit(make_person("Julie")).get(f"/alerts/{other.number}/actions/{action.id}").status_code == 404
