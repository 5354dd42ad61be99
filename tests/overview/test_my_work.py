"""My work: what waits for the person who is signed in."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.overview.picture import arcs
from app.people.models import Person
from app.traits import work
from app.traits.assigning import assign
from app.traits.chatter.actions import post_note
from app.traits.chatter.models import Mention
from app.traits.work import WorkItem, my_work
from tests.factories import make_product
from tests.factories.alerts import make_alert
from tests.factories.boms import make_draft
from tests.factories.tickets import make_ticket, put_in_stage
from tests.visitors import Visitor

Browser = Callable[[Person], Visitor]
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def section(page: str, heading: str) -> str:
    found = re.search(
        rf'<section[^>]*aria-labelledby="([^"]+)"[^>]*><header><h2 id="\1">{heading}</h2>.*?</section>', page, re.S
    )
    return unescape(found[0]) if found else ""


def test_nothing_waits_for_somebody_new(browser: Browser, marc: Person) -> None:
    page = browser(marc).get("/").text
    assert "<h1>My work</h1>" in page
    assert "Nothing waits for you" in page


def test_a_mention_waits_until_it_is_done(browser: Browser, marc: Person, joe: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=marc, source="test"):
        entry = post_note(ticket, "@Joe Kazan please revise the BoM", by=marc)
    mine = browser(joe)
    shown = section(mine.get("/").text, "Mentions")
    assert f'href="/tickets/{ticket.number}#entry-{entry.id}"' in shown
    assert "Marc Demo in T-0001 Coat rack tips over" in shown
    mention = db.session.scalars(select(Mention)).one()
    assert browser(marc).post(f"/mentions/{mention.id}/done").status_code == 404
    answer = mine.post(f"/mentions/{mention.id}/done", headers=HTMX)
    assert 'id="mentions"' in answer.text
    assert "revise the BoM" not in answer.text
    assert "revise the BoM" not in mine.get("/").text


def test_my_records_stand_by_kind_with_their_stage_urgent_ones_first(browser: Browser, marc: Person) -> None:
    calm, urgent, solved, other = (make_ticket(t, by=marc) for t in ("Calm", "Urgent", "Solved one", "Not mine"))
    alert = make_alert("A crack")
    with transaction(by=None, source="test"):
        for record in (calm, urgent, solved, alert):
            assign(record, marc, by=marc)
        urgent.priority = 3
    put_in_stage(solved, "Solved")
    page = browser(marc).get("/").text
    tickets = section(page, "Tickets with me")
    assert re.findall(r"<h3><a href=[^>]*>([^<]*)<", tickets) == ["Urgent", "Calm"]
    assert f"{calm.number} · New" in tickets
    assert "A crack" in section(page, "Quality alerts with me")
    assert other.title not in page


def test_rooms_add_what_waits_there(browser: Browser, marc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_sections", {})
    asked: list[int] = []

    def mine(person: Person) -> list[WorkItem]:
        asked.append(person.id)
        return [
            WorkItem("Support rod", "/ecos/ECO-0029", note="Joe asked yesterday", pill="required", pill_kind="warn")
        ]

    my_work("approvals", mine, title="Waiting for my approval", step="eco", icon="sign", order=10)
    my_work("nothing", lambda person: [], title="Empty", step="mo")
    page = browser(marc).get("/").text
    assert "Support rod" in section(page, "Waiting for my approval")
    assert "Empty" not in page
    assert asked == [marc.id]


def test_the_picture_counts_what_is_open(browser: Browser, marc: Person) -> None:
    for title in ("One", "Two", "Three"):
        make_ticket(title, by=marc)
    put_in_stage(make_ticket("Four", by=marc), "Solved")
    make_alert()
    page = browser(marc).get("/").text
    picture = re.search(r'<svg class="loop".*?</svg>', page, re.S)
    assert picture
    counts = dict(re.findall(r'<a href="([^"]+)"[^>]*>.*?<text[^>]*>(\d+)</text>', picture[0], re.S))
    assert counts["/tickets"] == "3"
    assert counts["/alerts"] == "1"
    assert 'data-step="field"' not in picture[0]


def test_more_waiting_makes_a_thicker_arc() -> None:
    few, many = arcs([("ticket", "T", "/t"), ("alert", "A", "/a")], {"ticket": 1, "alert": 30})
    radius = [float(re.findall(r"A([\d.]+) ", arc.path)[1]) for arc in (few, many)]
    assert 84 < radius[0] < radius[1] <= 116
    assert few.path.startswith("M")
    assert arcs([("ticket", "T", "/t")], {})[0].count == 0


def test_it_costs_the_same_few_queries_however_much_waits(browser: Browser, marc: Person, queries: list[str]) -> None:
    def load(count: int) -> int:
        for number in range(count):
            ticket = make_ticket(f"Ticket {number}", by=marc)
            with transaction(by=None, source="test"):
                assign(ticket, marc, by=None)
                post_note(ticket, "@Marc Demo look", by=julie)
        visitor = browser(marc)
        visitor.get("/")
        queries.clear()
        visitor.get("/")
        return len(queries)

    from tests.factories.people import make_person

    julie = make_person("Julie")
    few = load(1)
    assert load(8) == few
    assert few <= 16, "\n\n".join(queries)


def test_the_side_says_how_many_mentions_wait(browser: Browser, marc: Person, joe: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=marc, source="test"):
        post_note(ticket, "@Joe Kazan look", by=marc)
    page = browser(joe).get("/").text
    assert re.search(r'aria-current="page".*My work<data value="1">1</data>', page)


def test_signed_out_goes_to_sign_in(app: object, client: object) -> None:
    assert client.get("/").status_code == 303  # type: ignore[attr-defined]


def test_the_loop_counts_drafts_of_bills_of_materials(database: None) -> None:
    before = work.other_counts()["bom"]
    make_draft(make_product("Stool"), {make_product("Leg"): 4})
    assert work.other_counts()["bom"] == before + 1
