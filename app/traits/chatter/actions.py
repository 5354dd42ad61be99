"""Writing in the conversation of a record: log what happened, note it among us, say it to the customer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.foundation.db import current_transaction, db
from app.foundation.errors import Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import PersonMentioned
from app.foundation.outbox import enqueue_letter
from app.foundation.permissions import authorize
from app.people.models import Person
from app.traits.attachments.actions import Photo, attach
from app.traits.chatter.mentions import find_mentions
from app.traits.chatter.models import Entry, EntryKind, Mention
from app.traits.followers import follow, followers, unfollow
from app.traits.record import Record, record_url

__all__ = [
    "Addressee",
    "addressee_of",
    "finish_mention",
    "follow",
    "log",
    "post_note",
    "receive_message",
    "register_addressee",
    "send_message",
    "unfollow",
]
LONGEST = 20_000


@dataclass
class Addressee:
    """Whom a public message goes to."""

    name: str
    email: str
    locale: str | None = None
    person_id: int | None = None

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name.split() else self.name

    @classmethod
    def of(cls, person: Person) -> "Addressee":
        return cls(person.name, person.email, person.locale, person.id)


_addressees: dict[str, Callable[[Any], Person | Addressee | None]] = {}


def register_addressee(kind: str, find: Callable[[Any], Person | Addressee | None]) -> None:
    """`find(record)` says whom a public message on a record of `kind` goes to. Kinds without one have notes only."""
    _addressees[kind] = find


def addressee_of(record: Record) -> Addressee | None:
    """Whom a public message on `record` goes to; None where nobody outside is concerned."""
    find = _addressees.get(record.kind)
    found = find(record) if find else None
    return Addressee.of(found) if isinstance(found, Person) else found


def log(record: Record, verb: str, data: Mapping[str, Any] | None = None, *, by: Person | None) -> Entry:
    """Write down what happened; `chatter/entries/<verb>.html` makes a sentence of `data` (plain, JSON-like facts)."""
    entry = _add(record, Entry(kind=EntryKind.LOG, verb=verb, data=dict(data or {}), author_id=by.id if by else None))
    if verb in ("created", "assigned"):
        follow(record, by)
        follow(record, record.responsible_id)
    return entry


def post_note(record: Record, body: str, *, by: Person, photos: Sequence[Photo] = ()) -> Entry:
    """An internal note. Whoever is mentioned with @ follows, finds it in My work and gets a mail."""
    authorize(by, "staff")
    entry = _say(record, EntryKind.NOTE, body, by, photos)
    follow(record, by)
    mentioned = {person.id for person in _mention(record, entry, by)}
    for person in followers(record):
        if person.id != by.id:
            _tell(person, "note", record, entry, author=by.name, is_mentioned=person.id in mentioned)
    return entry


def send_message(record: Record, body: str, *, by: Person, photos: Sequence[Photo] = ()) -> Entry:
    """A public message: mailed to the customer in their language, with the number in its subject."""
    authorize(by, f"{record.kind}.write", record)
    to = addressee_of(record)
    if to is None or not to.email:
        raise Refused(_("There is nobody outside to send this to. Post it as a note."), field="body")
    entry = _say(record, EntryKind.MESSAGE, body, by, photos, data={"to_person": to.person_id} if to.person_id else {})
    follow(record, by)
    enqueue_letter(
        to, "reply", thread=record.number, record=record, entry=entry, author=by, address=f"portal/{record.number}"
    )
    for person in followers(record):
        if person.id != by.id:
            _tell(person, "message", record, entry, author=by.name)
    return entry


def receive_message(
    record: Record,
    body: str,
    *,
    by: Person | None = None,
    name: str | None = None,
    via: str = "form",
    photos: Sequence[Photo] = (),
) -> Entry:
    """What the customer says: by the public form (`via="form"`), on their own page (`"portal"`) or by mail (`"mail"`).

    `by` is None for somebody we do not know, who is then called `name`.
    """
    data = {"via": via} | ({"name": name} if by is None and name else {})
    entry = _say(record, EntryKind.MESSAGE, body, by, photos, incoming=True, data=data)
    for person in followers(record):
        _tell(person, "message", record, entry, author=by.name if by else name or _("A customer"))
    return entry


def finish_mention(mention: Mention, *, by: Person) -> None:
    """The mention no longer waits in My work."""
    if mention.person_id == by.id and mention.done_at is None:
        mention.done_at = current_transaction().at


def _say(
    record: Record,
    kind: EntryKind,
    body: str,
    by: Person | None,
    photos: Sequence[Photo],
    *,
    incoming: bool = False,
    data: dict[str, Any] | None = None,
) -> Entry:
    body = body.strip()
    if not body and not photos:
        raise Refused(_("Write something first."), field="body")
    if len(body) > LONGEST:
        raise Refused(_("That is too long: at most %(most)s characters.", most=LONGEST), field="body")
    author_id = by.id if by else None
    entry = _add(record, Entry(kind=kind, body=body, author_id=author_id, incoming=incoming, data=data or {}))
    if photos:
        attach(record, photos, entry_id=entry.id, is_public=kind is EntryKind.MESSAGE, by=by)
    return entry


def _add(record: Record, entry: Entry) -> Entry:
    db.session.flush()
    entry.record_id = record.id
    entry.at = current_transaction().at
    db.session.add(entry)
    db.session.flush()
    return entry


def _tell(person: Person, letter: str, record: Record, entry: Entry, **words: Any) -> None:
    address = f"{record_url(record)}#entry-{entry.id}".lstrip("/")
    enqueue_letter(person, letter, thread=record.number, record=record, entry=entry, address=address, **words)


def _mention(record: Record, entry: Entry, by: Person) -> list[Person]:
    """The people named in the note, each once; the author is not told of themselves."""
    if "@" not in entry.body:
        return []
    colleagues = select(Person).where(Person.is_staff, Person.is_active, Person.archived_at.is_(None))
    people = {person.id: person for person in db.session.scalars(colleagues)}
    found = find_mentions(entry.body, ((person.id, person.name) for person in people.values()))
    ids = dict.fromkeys(i for mention in found for i in mention.person_ids)
    for person_id in ids:
        follow(record, people[person_id])
        if person_id != by.id:
            db.session.add(Mention(entry_id=entry.id, person_id=person_id, record_id=record.id, at=entry.at))
            db.session.flush()
            publish(PersonMentioned(record_id=record.id, person_id=person_id, entry_id=entry.id))
    return [people[i] for i in ids if i != by.id]
