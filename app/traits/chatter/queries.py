"""Reading a conversation: the newest entries, thirty at a time, in four queries whatever their number."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import lazyload

from app.foundation.db import db
from app.foundation.language import _
from app.people.models import Person
from app.traits.attachments.models import Attachment
from app.traits.attachments.queries import attachments_of_entries
from app.traits.chatter.models import Entry, EntryKind, Mention
from app.traits.chatter.prose import prose
from app.traits.record import Record

PAGE = 30


@dataclass(frozen=True)
class Said:
    """A note or a message as it is shown."""

    entry: Entry
    author: Person | None
    name: str
    prose: Markup
    files: list[Attachment]
    to: str = ""

    @property
    def is_note(self) -> bool:
        return self.entry.kind is EntryKind.NOTE

    @property
    def initials(self) -> str:
        words = self.name.split()
        return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"

    @property
    def aside(self) -> str:
        """Beside the name: who reads it, or by which way it came."""
        if self.is_note:
            return str(_("internal note, only we see this"))
        if not self.entry.incoming:
            to = self.to.split()
            return str(_("to %(name)s, by email", name=to[0]) if to else _("by email"))
        ways = {
            "form": _("customer, by web form"),
            "portal": _("customer, on their page"),
            "mail": _("customer, by email"),
        }
        return str(ways.get(str(self.entry.data.get("via")), _("customer")))


@dataclass(frozen=True)
class Event:
    """Something that happened: its facts, and the names of the people in them."""

    entry: Entry
    who: str | None
    data: dict[str, Any]
    people: dict[int, str]

    def person(self, key: str) -> str | None:
        """The name of the person whose id is the fact `key`."""
        return self.people.get(self.data.get(key) or 0)


@dataclass(frozen=True)
class Events:
    """What happened between two things that were said."""

    events: list[Event]

    @property
    def first_at(self) -> datetime:
        return self.events[0].entry.at

    @property
    def last_at(self) -> datetime:
        return self.events[-1].entry.at


@dataclass(frozen=True)
class Thread:
    """A page of a conversation, oldest first. `earlier` is the cursor of the page before, if there is one."""

    record: Record
    blocks: list[Said | Events] = field(default_factory=list)
    earlier: int | None = None
    is_newest: bool = True


def thread_of(record: Record, *, before: int | None = None, public_only: bool = False, size: int = PAGE) -> Thread:
    """The `size` newest entries (older than entry `before`). `public_only` is what the customer reads: messages."""
    statement = select(Entry).where(Entry.record_id == record.id).order_by(Entry.id.desc()).limit(size + 1)
    if before is not None:
        statement = statement.where(Entry.id < before)
    if public_only:
        statement = statement.where(Entry.kind == EntryKind.MESSAGE)
    entries = list(db.session.scalars(statement))
    has_more = len(entries) > size
    entries = entries[:size][::-1]
    said = [entry for entry in entries if entry.kind is not EntryKind.LOG]
    files = attachments_of_entries(entry.id for entry in said)
    mentioned = _mentioned(entry.id for entry in said if "@" in entry.body)
    people = _people({*_ids(entries), *(i for ids in mentioned.values() for i in ids)})
    names = {person.id: person.name for person in people.values()}
    blocks: list[Said | Events] = []
    for entry in entries:
        author = people.get(entry.author_id or 0)
        if entry.kind is EntryKind.LOG:
            event = Event(entry, author.name if author else None, entry.data, names)
            if blocks and isinstance(blocks[-1], Events):
                blocks[-1].events.append(event)
            else:
                blocks.append(Events([event]))
            continue
        shown = prose(entry.body, [(i, names[i]) for i in mentioned.get(entry.id, ()) if i in names])
        name = author.name if author else str(entry.data.get("name") or "")
        to = names.get(entry.data.get("to_person") or 0, "")
        blocks.append(Said(entry, author, name, shown, files.get(entry.id, []), to))
    return Thread(record, blocks, entries[0].id if has_more else None, before is None)


WAITING = select(func.count(Mention.id)).where(
    Mention.person_id == bindparam("person_id"), Mention.done_at.is_(None)
)  # the number beside My work


def count_waiting(person: Person) -> int:
    """How many mentions wait for `person`."""
    return db.session.execute(WAITING, {"person_id": person.id}).scalar_one()


def waiting_mentions(person: Person, *, limit: int = 50) -> list[tuple[Mention, Entry, Record, str]]:
    """The newest first: mention, entry, record and the author's name."""
    statement = (
        select(Mention, Entry, Record, Person.name)
        .join(Entry, Entry.id == Mention.entry_id)
        .join(Record, Record.id == Mention.record_id)
        .outerjoin(Person, Person.id == Entry.author_id)
        .where(Mention.person_id == person.id, Mention.done_at.is_(None))
        .order_by(Mention.id.desc())
        .limit(limit)
    )
    return [(mention, entry, record, name or "") for mention, entry, record, name in db.session.execute(statement)]


def find_mention(mention_id: int, person: Person) -> Mention | None:
    return db.session.scalar(select(Mention).where(Mention.id == mention_id, Mention.person_id == person.id))


def _mentioned(entry_ids: Iterable[int]) -> dict[int, list[int]]:
    ids = list(entry_ids)
    found: dict[int, list[int]] = {}
    if ids:
        rows = select(Mention.entry_id, Mention.person_id).where(Mention.entry_id.in_(ids))
        for entry_id, person_id in db.session.execute(rows):
            found.setdefault(entry_id, []).append(person_id)
    return found


def _ids(entries: Iterable[Entry]) -> Iterable[int]:
    for entry in entries:
        if entry.author_id:
            yield entry.author_id
        for key, value in entry.data.items():
            if key.endswith("_person") and isinstance(value, int):
                yield value


def _people(ids: set[int]) -> dict[int, Person]:
    if not ids:
        return {}
    statement = select(Person).where(Person.id.in_(ids)).options(lazyload(Person.role_rows))
    return {person.id: person for person in db.session.scalars(statement)}
