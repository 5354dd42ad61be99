"""The form of a team for anybody."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import func, select

from app.foundation.clock import moved, now
from app.foundation.db import db
from app.foundation.jobs import Job
from app.helpdesk.models import Channel, Doubt, Ticket
from app.people.models import Team
from app.traits.attachments.models import Attachment
from app.traits.chatter.models import Entry, EntryKind
from tests.factories.alerts import make_quality_team
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product
from tests.factories.tickets import make_helpdesk_team, make_sold_unit
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def slug() -> str:
    return make_helpdesk_team().slug


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def fill(visitor: Visitor, slug: str, **changes: Any) -> dict[str, Any]:
    """What a person sends who took ten seconds."""
    with moved(now() - timedelta(seconds=10)):
        page = visitor.get(f"/help/{slug}").text
    return {
        "csrf_token": hidden(page, "csrf_token"),
        "op": hidden(page, "op"),
        "drawn": hidden(page, "drawn"),
        "name": "Abigail Peterson",
        "email": "abigail@elsewhere.example",
        "subject": "Rack falls over",
        "text": "With the sixth coat it falls over.",
        "product_id": "",
        "serial": "",
        "homepage": "",
        **changes,
    }


def send(visitor: Visitor, slug: str, **changes: Any) -> Any:
    return visitor.client.post(f"/help/{slug}", data=fill(visitor, slug, **changes))


def the_ticket() -> Ticket:
    return db.session.scalars(select(Ticket)).one()


def how_many() -> int:
    return db.session.scalar(select(func.count(Ticket.id))) or 0


def mails() -> list[dict[str, Any]]:
    return [job.payload for job in db.session.scalars(select(Job)) if job.kind == "mail"]


def test_it_has_the_fields_people_rely_on(app: Flask, slug: str) -> None:
    make_product("Coat rack", is_sold=True)
    make_product("Wooden dowel")
    page = Visitor(app).get(f"/help/{slug}").text
    for label in ("Your name", "Email", "Subject", "What happened?", "Product", "Serial number", "Photos"):
        assert re.search(rf"<label[^>]*>{re.escape(label)}", page), label
    assert "Coat rack" in page
    assert "Wooden dowel" not in page
    assert "Send" in page


def test_a_stranger_gets_a_number(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    answer = send(visitor, slug)
    assert answer.status_code == 303
    page = visitor.get(answer.location).text
    assert re.search(r"<h1>Thank you[^<]*T-0001", page)
    ticket = the_ticket()
    assert (ticket.channel, ticket.customer_id, ticket.doubt) == (Channel.FORM, None, None)
    assert (ticket.sender_name, ticket.sender_email) == ("Abigail Peterson", "abigail@elsewhere.example")


def test_the_text_begins_the_conversation(app: Flask, slug: str) -> None:
    send(Visitor(app), slug)
    said = db.session.scalars(select(Entry).where(Entry.kind == EntryKind.MESSAGE)).one()
    assert (said.body, said.incoming) == ("With the sixth coat it falls over.", True)


def test_the_sender_gets_the_number_by_mail(app: Flask, slug: str) -> None:
    send(Visitor(app), slug)
    (mail,) = mails()
    assert mail["to"] == "abigail@elsewhere.example"
    assert "T-0001" in mail["subject"]
    assert "With the sixth coat" in mail["text"]


def test_a_known_address_is_our_customer(app: Flask, slug: str) -> None:
    abigail = make_customer()
    send(Visitor(app), slug, email=abigail.email.upper())
    assert (the_ticket().customer_id, the_ticket().contact_id) == (abigail.customer_id, abigail.id)


def test_an_address_of_ours_is_no_customer(app: Flask, slug: str) -> None:
    send(Visitor(app), slug, email=make_person("Marc").email)
    assert the_ticket().contact_id is None


def test_a_serial_is_linked_but_says_nothing_to_a_stranger(app: Flask, slug: str) -> None:
    owner = make_customer("Northside Dental")
    unit = make_sold_unit(make_product("Coat rack", is_sold=True), owner, serial="CR-0007")
    visitor = Visitor(app)
    known, unknown = send(visitor, slug, serial="CR-0007"), send(visitor, slug, serial="CR-9999")
    tickets = db.session.scalars(select(Ticket).order_by(Ticket.id)).all()
    assert (tickets[0].unit_id, tickets[0].product_id, tickets[0].customer_id) == (unit.id, unit.product_id, None)
    assert tickets[1].has_unknown_serial
    pages = [visitor.get(answer.location).text for answer in (known, unknown)]
    assert "Northside" not in pages[0] + str(mails())
    assert re.sub(r"T-\d+", "", main_of(pages[0])) == re.sub(r"T-\d+", "", main_of(pages[1]))


def main_of(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


def test_only_sold_products_can_be_chosen(app: Flask, slug: str) -> None:
    part = make_product("Wooden dowel")
    answer = send(Visitor(app), slug, product_id=str(part.id))
    assert answer.status_code == 422
    assert how_many() == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "Write your name."),
        ("email", "abigail@", "The part after the @ is missing."),
        ("email", "abigail", "The @ is missing."),
        ("email", "a b@x.example", "This is not an e-mail address."),
        ("subject", "", "Say in a few words"),
        ("text", "", "Tell us what happened."),
        ("subject", "x" * 201, "200"),
    ],
)
def test_mistakes_keep_what_was_typed(app: Flask, slug: str, field: str, value: str, words: str) -> None:
    typed = {"text": "A long story", field: value}
    answer = send(Visitor(app), slug, **typed)
    assert answer.status_code == 422
    assert words in answer.text
    assert ("A long story" in answer.text) or field == "text"
    assert "Rack falls over" in answer.text or field == "subject"
    assert how_many() == 0


def test_very_fast_is_taken_and_marked(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    fresh = hidden(visitor.get(f"/help/{slug}").text, "drawn")
    assert send(visitor, slug, drawn=fresh).status_code == 303
    assert the_ticket().doubt is Doubt.FAST
    assert len(mails()) == 1


@pytest.mark.parametrize("drawn", ["", "nonsense", "IjEi.xxxx"])
def test_a_forged_moment_is_marked(app: Flask, slug: str, drawn: str) -> None:
    assert send(Visitor(app), slug, drawn=drawn).status_code == 303
    assert the_ticket().doubt is Doubt.STALE


def test_a_page_of_yesterday_is_marked(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    with moved(now() - timedelta(hours=25)):
        old = hidden(visitor.get(f"/help/{slug}").text, "drawn")
    assert send(visitor, slug, drawn=old).status_code == 303
    assert the_ticket().doubt is Doubt.STALE


def test_the_trap_is_taken_for_a_look_and_mails_nobody(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    answer = send(visitor, slug, homepage="https://spam.example")
    assert visitor.get(answer.location).status_code == 200
    assert the_ticket().doubt is Doubt.TRAP
    assert mails() == []


def test_the_trap_is_hidden_from_screen_readers(app: Flask, slug: str) -> None:
    page = Visitor(app).get(f"/help/{slug}").text
    assert re.search(r'aria-hidden="true"><label[^>]*>[^<]*</label><input[^>]*name="homepage"', page)
    assert re.search(r'<input[^>]*name="homepage"[^>]*tabindex="-1"|<input[^>]*tabindex="-1"[^>]*name="homepage"', page)


def test_a_double_click_is_one_ticket(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    form = fill(visitor, slug)
    first, second = visitor.client.post(f"/help/{slug}", data=form), visitor.client.post(f"/help/{slug}", data=form)
    assert first.location == second.location
    assert how_many() == 1
    assert len(mails()) == 1


def test_five_in_ten_minutes_and_no_sixth(app: Flask, slug: str) -> None:
    visitor = Visitor(app, address="203.0.113.9")
    assert [send(visitor, slug).status_code for _n in range(5)] == [303] * 5
    answer = send(visitor, slug, text="The sixth story")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "The sixth story" in answer.text
    assert how_many() == 5
    assert send(Visitor(app, address="203.0.113.10"), slug).status_code == 303
    with moved(now() + timedelta(minutes=11)):
        assert send(visitor, slug).status_code == 303


def test_mistakes_do_not_use_up_the_tries(app: Flask, slug: str) -> None:
    visitor = Visitor(app, address="203.0.113.11")
    for _n in range(8):
        assert send(visitor, slug, name="").status_code == 422
    assert send(visitor, slug).status_code == 303


def photo(name: str = "hall.png") -> tuple[io.BytesIO, str]:
    raw = io.BytesIO()
    Image.new("RGB", (20, 10), "brown").save(raw, "PNG")
    raw.seek(0)
    return raw, name


def test_photos_hang_on_the_message(app: Flask, slug: str) -> None:
    assert send(Visitor(app), slug, photos=[photo(), photo("label.png")]).status_code == 303
    found = db.session.scalars(select(Attachment)).all()
    assert len(found) == 2
    assert all(one.record_id == the_ticket().id and one.is_public and one.entry_id for one in found)


def test_what_is_no_photo_is_refused_and_the_text_kept(app: Flask, slug: str) -> None:
    answer = send(Visitor(app), slug, photos=[(io.BytesIO(b"MZ not a picture"), "virus.png")])
    assert answer.status_code == 422
    assert "With the sixth coat" in answer.text
    assert how_many() == 0


def test_no_more_than_five_photos(app: Flask, slug: str) -> None:
    answer = send(Visitor(app), slug, photos=[photo() for _n in range(6)])
    assert answer.status_code == 422
    assert how_many() == 0


def test_only_helpdesk_teams_have_a_form(app: Flask) -> None:
    quality: Team = make_quality_team()
    assert Visitor(app).get(f"/help/{quality.slug}").status_code == 404
    assert Visitor(app).get("/help/nobody").status_code == 404


def test_numbers_cannot_be_leafed_through(app: Flask, slug: str) -> None:
    visitor = Visitor(app)
    answer = send(visitor, slug)
    assert visitor.get(answer.location.replace("T-0001", "T-0002")).status_code == 404
    assert visitor.get(f"/help/{slug}/thanks/T-0001").status_code == 404


def test_without_a_token_nothing_is_sent(app: Flask, slug: str) -> None:
    answer = Visitor(app).client.post(f"/help/{slug}", data={"name": "x", "text": "Kept"})
    assert answer.status_code == 400
    assert how_many() == 0


def test_columns_that_are_no_field_stay_as_they_are(app: Flask, slug: str) -> None:
    other = make_helpdesk_team("Other team")
    abigail = make_customer()
    send(Visitor(app), slug, team_id=str(other.id), customer_id=str(abigail.customer_id), priority="3",
         responsible_id="1", number="T-9", doubt="", channel="staff")  # fmt: skip
    ticket = the_ticket()
    assert (ticket.customer_id, ticket.priority, ticket.responsible_id) == (None, 0, None)
    assert (ticket.number, ticket.channel) == ("T-0001", Channel.FORM)
    assert ticket.team_id != other.id
