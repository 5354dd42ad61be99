"""A record's page in the browser: conversation, loop, followers, history."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.people.models import Person
from app.traits.chatter.actions import log, post_note
from app.traits.chatter.models import Entry, EntryKind
from app.traits.followers import followers
from app.traits.links.actions import link
from tests.factories.alerts import make_alert
from tests.factories.people import make_customer
from tests.factories.tickets import make_ticket, put_in_stage
from tests.visitors import Visitor

Browser = Callable[[Person], Visitor]
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def region(page: str, label: str) -> str:
    found = re.search(rf'<section[^>]*aria-label="{label}".*?</section>', page, re.DOTALL)
    assert found, f"no region {label}"
    return unescape(found[0])


def test_a_ticket_has_everything_a_record_has(browser: Browser, marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    page = browser(marc).get(f"/tickets/{ticket.number}").text
    talk = region(page, "Conversation")
    assert 'aria-label="Message"' in talk
    assert "Send to Abigail</button>" in talk
    assert "Post note</button>" in talk
    assert re.search(r'value="reply" checked', talk)
    assert 'type="file" name="photos"' in talk
    assert region(page, "Loop").count("<a href=") == 1
    assert "History" in region(page, "History")
    assert f"<title>{ticket.number} Coat rack tips over" in page


def test_an_alert_has_notes_only(browser: Browser, julie: Person) -> None:
    alert = make_alert(by=julie)
    talk = region(browser(julie).get(f"/alerts/{alert.number}").text, "Conversation")
    assert "Send to" not in talk
    assert re.search(r'value="note" checked', talk)


def test_who_may_not_answer_customers_may_still_note(browser: Browser, marc: Person, joe: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=make_customer().id)
    visitor = browser(joe)
    assert "Send to" not in region(visitor.get(f"/tickets/{ticket.number}").text, "Conversation")
    address = f"/tickets/{ticket.number}/entries"
    assert visitor.post(address, {"body": "Hello", "kind": "message"}).status_code == 403
    assert visitor.post(address, {"body": "I have it.", "kind": "note"}).status_code == 303
    assert db.session.scalars(select(Entry.body).where(Entry.kind != EntryKind.LOG)).all() == ["I have it."]


def test_notes_replies_and_the_customer_look_different(browser: Browser, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=make_customer().id)
    visitor = browser(marc)
    visitor.post(f"/tickets/{ticket.number}/entries", {"body": "only us", "kind": "note"})
    visitor.post(f"/tickets/{ticket.number}/entries", {"body": "to her", "kind": "message"})
    talk = region(visitor.get(f"/tickets/{ticket.number}").text, "Conversation")
    assert re.search(r'class="msg note"(?:(?!</article>).)*internal note(?:(?!</article>).)*only us', talk, re.DOTALL)
    assert re.search(
        r'class="msg out"(?:(?!</article>).)*to Abigail, by email(?:(?!</article>).)*to her', talk, re.DOTALL
    )


@pytest.mark.parametrize(("pick", "kind"), [("reply", EntryKind.MESSAGE), ("note", EntryKind.NOTE)])
def test_without_a_button_the_picked_tab_decides(browser: Browser, marc: Person, pick: str, kind: EntryKind) -> None:
    ticket = make_ticket(by=marc, contact_id=make_customer().id)
    answer = browser(marc).post(f"/tickets/{ticket.number}/entries", {"body": "typed", "pick": pick})
    assert answer.status_code == 303
    entry = db.session.scalars(select(Entry).where(Entry.body == "typed")).one()
    assert entry.kind is kind
    assert answer.location == f"/tickets/{ticket.number}#entry-{entry.id}"


def test_the_same_form_twice_is_said_once(browser: Browser, marc: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(marc)
    form = {"body": "once", "kind": "note", "op": "a" * 32}
    first = visitor.post(f"/tickets/{ticket.number}/entries", form)
    second = visitor.post(f"/tickets/{ticket.number}/entries", form)
    assert (first.status_code, second.location) == (303, first.location)
    assert len(db.session.scalars(select(Entry).where(Entry.body == "once")).all()) == 1


def test_htmx_gets_the_thread_an_empty_box_and_the_followers(browser: Browser, marc: Person) -> None:
    ticket = make_ticket(by=marc)
    answer = browser(marc).post(
        f"/tickets/{ticket.number}/entries", {"body": "the rods are in", "kind": "note"}, headers=HTMX
    )
    assert answer.status_code == 200
    assert re.findall(r'hx-target="(#\w+)"', answer.text) == ["#entries", "#composer", "#followers"]
    assert answer.text.count("the rods are in") == 1


def test_what_was_refused_stays_typed_for_both(browser: Browser, marc: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(marc)
    long = "so long " * 3000
    form = {"body": long, "kind": "message"}
    plain = visitor.post(f"/tickets/{ticket.number}/entries", form)
    assert plain.status_code == 422
    assert "<h1>Coat rack tips over</h1>" in plain.text
    assert long.strip() in plain.text
    assert "nobody outside" in plain.text
    htmx = visitor.post(f"/tickets/{ticket.number}/entries", form, headers=HTMX)
    assert htmx.status_code == 422
    assert long.strip() in htmx.text
    assert "#entries" not in htmx.text


def test_earlier_entries_come_when_asked_for(browser: Browser, marc: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=marc, source="test"):
        for number in range(40):
            db.session.add(Entry(record_id=ticket.id, kind=EntryKind.NOTE, author_id=marc.id, body=f"note-{number}."))
    visitor = browser(marc)
    page = visitor.get(f"/tickets/{ticket.number}").text
    assert "note-39." in page
    assert "note-9." not in page
    href = re.search(r'href="([^"]+)"[^>]*hx-get="([^"]+)"[^>]*>Earlier<', page)
    assert href
    assert "note-9." in visitor.get(href[1].partition("#")[0]).text
    older = visitor.get(href[2], headers=HTMX).text
    assert "note-9." in older
    assert "<html" not in older


def test_html_in_a_note_is_text(browser: Browser, marc: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(marc)
    visitor.post(f"/tickets/{ticket.number}/entries", {"body": "<img src=x onerror=alert(1)>", "kind": "note"})
    page = visitor.get(f"/tickets/{ticket.number}").text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_following_and_not(browser: Browser, marc: Person, joe: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(joe)
    address = f"/tickets/{ticket.number}/followers"
    assert ">Follow</button>" in unescape(visitor.get(f"/tickets/{ticket.number}").text).replace("</svg>", "</svg>>")
    visitor.post(address, {"follow": "1"})
    assert joe.id in {p.id for p in followers(ticket)}
    answer = visitor.post(address, {"follow": "0"}, headers=HTMX)
    assert answer.status_code == 200
    assert joe.id not in {p.id for p in followers(ticket)}


def test_the_loop_has_one_link_per_linked_record(browser: Browser, marc: Person) -> None:
    ticket, other, alert = make_ticket("One", by=marc), make_ticket("Two", by=marc), make_alert()
    with transaction(by=marc, source="test"):
        link(ticket, alert, by=marc)
        link(other, alert, by=marc, verb="linked")
    page = browser(marc).get(f"/alerts/{alert.number}").text
    loop = region(page, "Loop")
    assert re.findall(r'<a href="([^"]+)"', loop) == [f"/tickets/{ticket.number}", f"/alerts/{alert.number}"]
    assert f'href="/tickets/{other.number}"' in page


def test_the_history_tells_who_changed_what(browser: Browser, marc: Person, julie: Person) -> None:
    ticket = make_ticket("Old title", by=marc)
    with transaction(by=marc, source="test"):
        ticket.title = "New title"
        ticket.responsible_id = julie.id
    visitor = browser(julie)
    page = unescape(visitor.get(f"/tickets/{ticket.number}/history").text)
    assert "<del>Old title</del>" in page
    assert "<ins>New title</ins>" in page
    assert "<ins>Julie Andreson</ins>" in page
    assert "<b>Marc Demo</b>" in page
    put_in_stage(ticket, "Solved")
    closed = unescape(visitor.get(f"/tickets/{ticket.number}/history").text)
    assert re.search(r"<dt>Closed</dt>.*?<ins>\w{3} \d+ \w{3}, \d\d:\d\d</ins>", closed, re.DOTALL)
    part = visitor.get(f"/tickets/{ticket.number}/history", headers=HTMX).text
    assert "<ins>New title</ins>" in part
    assert "<html" not in part


def test_every_known_event_is_a_sentence(browser: Browser, marc: Person, julie: Person) -> None:
    ticket, alert = make_ticket(by=marc), make_alert()
    events: list[tuple[str, dict[str, object], str]] = [
        (
            "created",
            {"from_record": alert.number},
            f'Marc Demo opened it from <a href="/alerts/{alert.number}">{alert.number}</a>',
        ),
        ("moved", {"from": "New", "to": "In progress"}, "Marc Demo moved it from New to In progress"),
        ("assigned", {"from_person": None, "to_person": julie.id}, "Marc Demo gave it to Julie Andreson"),
        ("assigned", {"from_person": None, "to_person": marc.id}, "Marc Demo took it"),
        ("linked", {"target_record": alert.number, "title": "<x>"}, "&lt;x&gt;"),
        ("revision_started", {"revision": "V2"}, "Marc Demo started revision V2"),
        ("newer_revision", {"revision": "V2", "kept": "V1"}, "V2 is the current revision now; this stays on V1"),
        ("edited", {"field": "priority", "from": "0", "to": "3"}, "Marc Demo changed priority from 0 to 3"),
        ("edited", {"field": "title", "from": "", "to": "T"}, "Marc Demo changed title from empty to T"),
        ("frobnicated", {"by_hand": 3}, "Marc Demo: frobnicated (by hand 3)"),
    ]
    with transaction(by=marc, source="test"):
        for verb, data, _sentence in events:
            log(ticket, verb, data, by=marc)
    page = browser(marc).get(f"/tickets/{ticket.number}").text
    for verb, _data, sentence in events:
        assert sentence in page, verb


def test_a_foreign_or_missing_record_is_not_there(browser: Browser, marc: Person) -> None:
    visitor, ticket = browser(marc), make_ticket(by=marc)
    for path in ("/tickets/T-9999/entries", f"/alerts/{ticket.number}/entries", f"/moons/{ticket.number}/entries"):
        assert visitor.post(path, {"body": "x", "kind": "note"}).status_code == 404
    assert visitor.get(f"/alerts/{ticket.number}/history").status_code == 404


def test_customers_do_not_reach_the_house_by_any_of_these(browser: Browser, marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    visitor = browser(abigail)
    assert visitor.get(f"/tickets/{ticket.number}/history").status_code == 404
    assert visitor.get(f"/tickets/{ticket.number}/entries").status_code == 404
    assert visitor.post(f"/tickets/{ticket.number}/entries", {"body": "x"}).status_code == 404
    assert visitor.post(f"/tickets/{ticket.number}/followers", {"follow": "1"}).status_code == 404


def test_a_full_page_costs_few_queries(browser: Browser, marc: Person, queries: list[str]) -> None:
    ticket, alert = make_ticket(by=marc, contact_id=make_customer().id), make_alert()
    with transaction(by=marc, source="test"):
        link(ticket, alert, by=marc)
        for number in range(25):
            post_note(ticket, f"note {number}", by=marc)
    visitor = browser(marc)
    visitor.get(f"/tickets/{ticket.number}")
    queries.clear()
    assert visitor.get(f"/tickets/{ticket.number}").status_code == 200
    assert len(queries) <= 20, "\n\n".join(queries)
