"""The customers' pages: their tickets, the public side of the conversation, their answer."""

import io
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.foundation.jobs import Job
from app.people.models import Person
from app.traits.attachments.models import Attachment
from app.traits.chatter.actions import log, post_note, send_message
from app.traits.chatter.models import Entry, EntryKind
from app.traits.links.actions import link
from tests.factories.alerts import make_alert
from tests.factories.people import make_customer
from tests.factories.tickets import make_ticket, put_in_stage
from tests.visitors import PASSWORD, PASSWORD_HASH, Visitor

Browser = Callable[[Person], Visitor]
CANARY = "canaryquetzal"


@pytest.fixture
def abigail(database: None) -> Person:
    return make_customer(password_hash=PASSWORD_HASH)


def test_abigail_signs_in_reads_and_answers(app: Flask, abigail: Person, marc: Person) -> None:
    ticket = make_ticket("Coat rack tips over", by=marc, contact_id=abigail.id)
    with transaction(by=marc, source="test"):
        send_message(ticket, "Please hang no more than four coats on it.", by=marc)
    visitor = Visitor(app)
    assert visitor.sign_in(abigail.email, PASSWORD).status_code == 303
    assert visitor.get("/").location == "/portal"
    page = visitor.get("/portal").text
    assert f'href="/portal/{ticket.number}"' in page
    assert "We have it" in page
    shown = visitor.get(f"/portal/{ticket.number}").text
    assert "no more than four coats" in shown
    answer = visitor.post(f"/portal/{ticket.number}/entries", {"body": "Thank you, I will."})
    entry = db.session.scalars(select(Entry).where(Entry.body == "Thank you, I will.")).one()
    assert answer.location == f"/portal/{ticket.number}#entry-{entry.id}"
    assert (entry.kind, entry.incoming, entry.author_id) == (EntryKind.MESSAGE, True, abigail.id)
    assert "Thank you, I will." in visitor.get(f"/portal/{ticket.number}").text


def test_who_follows_hears_of_her_answer(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    with transaction(by=marc, source="test"):
        send_message(ticket, "We are on it.", by=marc)
    browser(abigail).post(f"/portal/{ticket.number}/entries", {"body": "Good."})
    last = db.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id.desc())).first()
    assert last
    assert last.payload["to"] == marc.email
    assert "Abigail Peterson wrote in" in last.payload["subject"]


def test_internal_words_never_reach_the_customer(
    browser: Browser, abigail: Person, marc: Person, julie: Person
) -> None:
    ticket, alert = make_ticket(by=marc, contact_id=abigail.id), make_alert(f"{CANARY} alert")
    with transaction(by=marc, source="test"):
        post_note(ticket, f"{CANARY} @Julie Andreson", by=marc)
        log(ticket, "edited", {"field": "title", "from": CANARY, "to": "x"}, by=marc)
        link(ticket, alert, by=marc)
        send_message(ticket, "We found out why.", by=marc)
        ticket.blocked_reason = CANARY
    visitor = browser(abigail)
    pages = ["/", "/portal", f"/portal/{ticket.number}", f"/portal/{ticket.number}?before=99999", "/account"]
    seen: set[str] = set()
    while pages:
        path = pages.pop()
        answer = visitor.get(path, follow_redirects=True)
        seen.add(path)
        assert CANARY not in unescape(answer.text), path
        assert alert.number not in answer.text, path
        pages += [
            p for p in re.findall(r'href="(/[^"#?]*)', answer.text) if p not in seen and not p.startswith("/static")
        ]
    answer = visitor.post(f"/portal/{ticket.number}/entries", {"body": "x" * 20_001})
    assert answer.status_code == 422
    assert CANARY not in answer.text
    for job in db.session.scalars(select(Job).where(Job.kind == "mail")):
        assert job.payload["to"] != abigail.email or CANARY not in str(job.payload)


def test_the_loop_in_her_words_once_it_is_more_than_a_ticket(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    visitor = browser(abigail)
    assert "Where we are" not in visitor.get(f"/portal/{ticket.number}").text
    alert = make_alert()
    with transaction(by=marc, source="test"):
        link(ticket, alert, by=marc)
    page = visitor.get(f"/portal/{ticket.number}").text
    rail = re.search(r'<nav class="rail".*?</nav>', page, re.S)
    assert rail
    assert re.findall(r'data-state="(\w+)"><a>.*?<b>([^<]+)</b>', rail[0]) == [
        ("done", "You told us"),
        ("now", "We found out why"),
        ("next", "New design"),
        ("next", "Approved"),
        ("next", "We build it"),
    ]


def test_another_customers_ticket_is_not_there(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=make_customer("Paul Brandt").id)
    visitor = browser(abigail)
    assert visitor.get(f"/portal/{ticket.number}").status_code == 404
    assert visitor.post(f"/portal/{ticket.number}/entries", {"body": "x"}).status_code == 404
    assert ticket.number not in visitor.get("/portal").text


def test_only_tickets_are_there(browser: Browser, abigail: Person) -> None:
    assert browser(abigail).get(f"/portal/{make_alert().number}").status_code == 404


def test_an_empty_answer_says_so(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    answer = browser(abigail).post(f"/portal/{ticket.number}/entries", {"body": "  "})
    assert answer.status_code == 422
    assert "Write something first." in answer.text


def test_she_can_send_a_photo(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, "PNG")
    form = {"body": "see", "photos": (io.BytesIO(out.getvalue()), "hall.png")}
    visitor = browser(abigail)
    assert visitor.post(f"/portal/{ticket.number}/entries", form, content_type="multipart/form-data").status_code == 303
    file = db.session.scalars(select(Attachment)).one()
    assert file.is_public
    assert f'src="/attachments/{file.id}/small/hall.png"' in visitor.get(f"/portal/{ticket.number}").text


def test_status_is_in_her_words(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    visitor = browser(abigail)
    for stage, words in (
        ("In progress", "We are working on it"),
        ("Waiting on customer", "We wait for your answer"),
        ("Solved", "Solved"),
    ):
        put_in_stage(ticket, stage)
        assert words in visitor.get("/portal").text


def test_staff_are_sent_to_the_house(browser: Browser, abigail: Person, marc: Person) -> None:
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    visitor = browser(marc)
    assert visitor.get("/portal").location == "/"
    assert visitor.get(f"/portal/{ticket.number}").location == f"/tickets/{ticket.number}"
    assert visitor.post(f"/portal/{ticket.number}/entries", {"body": "x"}).status_code == 403
