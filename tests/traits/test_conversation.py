"""Writing in the conversation of a record."""

from typing import Any

import pytest
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.foundation.errors import NotAllowed, Refused
from app.foundation.events import on
from app.foundation.jobs import Job
from app.foundation.loop import PersonMentioned
from app.people.models import Person
from app.traits.chatter.actions import finish_mention, log, post_note, receive_message, send_message, unfollow
from app.traits.chatter.models import Entry, EntryKind, Mention
from app.traits.chatter.queries import Events, Said, count_waiting, thread_of, waiting_mentions
from app.traits.followers import follow, followers
from app.traits.record import Record
from tests.factories.alerts import make_alert
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import make_ticket

pytestmark = pytest.mark.usefixtures("database")


def note(record: Record, body: str, by: Person) -> Entry:
    with transaction(by=by, source="test"):
        return post_note(record, body, by=by)


def mails() -> list[dict[str, Any]]:
    return [job.payload for job in db.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id))]


def said(record: Record, **kwargs: Any) -> list[Said]:
    return [block for block in thread_of(record, **kwargs).blocks if isinstance(block, Said)]


def test_a_note_is_internal_and_its_author_follows(marc: Person, julie: Person) -> None:
    alert = make_alert(by=julie)
    entry = note(alert, "The base flexes.", marc)
    assert entry.kind is EntryKind.NOTE
    assert marc.id in {person.id for person in followers(alert)}


def test_a_mention_waits_in_my_work_and_is_mailed_once(marc: Person, julie: Person, joe: Person) -> None:
    ticket = make_ticket(by=marc)
    heard: list[PersonMentioned] = []
    on(PersonMentioned)(heard.append)
    before = len(mails())
    entry = note(ticket, "@Joe Kazan @joe please revise the BoM. @Marc I told you.", marc)
    (waiting,) = waiting_mentions(joe)
    assert (waiting[0].entry_id, waiting[2].number, waiting[3]) == (entry.id, ticket.number, "Marc Demo")
    assert count_waiting(joe) == 1
    assert count_waiting(marc) == 0
    assert joe.id in {person.id for person in followers(ticket)}
    (mail,) = mails()[before:]
    assert mail["to"] == joe.email
    assert "Marc Demo mentioned you in T-0001" in mail["subject"]
    assert f"/tickets/{ticket.number}#entry-{entry.id}" in mail["text"]
    assert [fact.person_id for fact in heard if fact.entry_id == entry.id] == [joe.id]


def test_a_mention_is_done_by_the_one_it_asks(marc: Person, joe: Person, julie: Person) -> None:
    note(make_ticket(by=marc), "@Joe Kazan look", marc)
    mention = db.session.scalars(select(Mention)).one()
    with transaction(by=julie, source="test"):
        finish_mention(mention, by=julie)
    assert count_waiting(joe) == 1
    with transaction(by=joe, source="test"):
        finish_mention(mention, by=joe)
    assert count_waiting(joe) == 0


def test_customers_cannot_be_mentioned(marc: Person) -> None:
    make_customer("Abigail Peterson")
    note(make_ticket(by=marc), "@Abigail Peterson is angry", marc)
    assert db.session.scalar(select(Mention)) is None


def test_a_reply_is_mailed_to_the_customer_with_number_and_text(marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket("Coat rack tips over", by=marc, contact_id=abigail.id)
    before = len(mails())
    with transaction(by=marc, source="test"):
        entry = send_message(ticket, "Please hang no more than four coats on it.", by=marc)
    (mail,) = mails()[before:]
    assert entry.kind is EntryKind.MESSAGE
    assert mail["to"] == abigail.email
    assert mail["subject"] == "Re: Coat rack tips over [T-0001]"
    assert "Hello Abigail," in mail["text"]
    assert "no more than four coats" in mail["text"]
    assert "Marc Demo" in mail["text"]
    assert mail["text"].rstrip().endswith(f"/portal/{ticket.number}")


def test_a_reply_needs_the_right_and_an_address(marc: Person, joe: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    with pytest.raises(NotAllowed), transaction(by=joe, source="test"):
        send_message(ticket, "Hello", by=joe)
    alone = make_ticket(by=marc)
    with pytest.raises(Refused, match="nobody outside"), transaction(by=marc, source="test"):
        send_message(alone, "Hello", by=marc)


def test_customers_post_no_notes(marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    with pytest.raises(NotAllowed), transaction(by=abigail, source="test"):
        post_note(ticket, "Hello", by=abigail)


@pytest.mark.parametrize("body", ["", "  \n ", "x" * 20_001])
def test_nothing_and_too_much_are_refused(marc: Person, body: str) -> None:
    ticket = make_ticket(by=marc)
    with pytest.raises(Refused) as no, transaction(by=marc, source="test"):
        post_note(ticket, body, by=marc)
    assert no.value.field == "body"


def test_followers_are_mailed_but_not_what_they_wrote_themselves(marc: Person, julie: Person, joe: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=None, source="test"):
        for person in (marc, julie, joe):
            follow(ticket, person)
        unfollow(ticket, joe)
    before = len(mails())
    note(ticket, "Rods are in.", marc)
    assert [mail["to"] for mail in mails()[before:]] == [julie.email]
    before = len(mails())
    with transaction(by=None, source="test"):
        receive_message(ticket, "It fell again.", name="Abigail Peterson", via="form")
    assert {mail["to"] for mail in mails()[before:]} == {marc.email, julie.email}
    assert all("Abigail Peterson wrote in T-0001" in mail["subject"] for mail in mails()[before:])


def test_who_left_us_hears_nothing(marc: Person, julie: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=None, source="test"):
        follow(ticket, julie)
        julie.is_active = False
    before = len(mails())
    note(ticket, "Rods are in.", marc)
    assert mails()[before:] == []


def test_a_customer_never_follows(marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc)
    with transaction(by=None, source="test"):
        follow(ticket, abigail)
    assert abigail.id not in {person.id for person in followers(ticket)}


def test_events_between_two_notes_are_one_group(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    note(ticket, "first", marc)
    with transaction(by=marc, source="test"):
        log(ticket, "edited", {"field": "priority", "from": "0", "to": "3"}, by=marc)
        log(ticket, "cancelled", {}, by=marc)
    note(ticket, "second", marc)
    blocks = thread_of(ticket).blocks[-3:]
    assert [type(block) for block in blocks] == [Said, Events, Said]
    assert isinstance(blocks[1], Events)
    assert [event.entry.verb for event in blocks[1].events] == ["edited", "cancelled"]


def test_thirty_entries_at_a_time_and_the_way_to_those_before(marc: Person, queries: list[str]) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=marc, source="test"):
        for number in range(70):
            db.session.add(Entry(record_id=ticket.id, kind=EntryKind.NOTE, author_id=marc.id, body=f"note {number}"))
    db.session.expire_all()
    queries.clear()
    newest = thread_of(ticket)
    assert len(queries) <= 5  # the record itself, entries, files, people
    assert len(said(ticket)) == 30
    assert newest.earlier is not None
    older = thread_of(ticket, before=newest.earlier)
    assert isinstance(older.blocks[-1], Said)
    assert older.blocks[-1].entry.body == "note 39"
    assert older.earlier is not None
    oldest = thread_of(ticket, before=older.earlier)
    assert oldest.earlier is None
    assert "note 0" in [block.entry.body for block in oldest.blocks if isinstance(block, Said)]


def test_what_customers_read_leaves_out_notes_and_events(marc: Person) -> None:
    abigail = make_customer()
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    note(ticket, "canary-quetzal", marc)
    with transaction(by=marc, source="test"):
        send_message(ticket, "We are on it.", by=marc)
        receive_message(ticket, "Thank you.", by=abigail, via="portal")
    thread = thread_of(ticket, public_only=True)
    assert [block.entry.body for block in thread.blocks if isinstance(block, Said)] == ["We are on it.", "Thank you."]
    assert len(thread.blocks) == 2


def test_names_in_events_come_from_ids(marc: Person, julie: Person) -> None:
    ticket = make_ticket(by=marc)
    with transaction(by=marc, source="test"):
        log(ticket, "assigned", {"from_person": marc.id, "to_person": julie.id}, by=marc)
    block = thread_of(ticket).blocks[-1]
    assert isinstance(block, Events)
    assert block.events[-1].person("to_person") == "Julie Andreson"


def test_two_marcs_need_a_full_name(marc: Person) -> None:
    make_person("Marc Two", roles=())
    note(make_ticket(by=marc), "@Marc look", make_person("Julie"))
    assert db.session.scalar(select(Mention)) is None
