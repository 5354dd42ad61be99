"""Reading what hangs on records."""

from collections.abc import Iterable

from sqlalchemy import select

from app.foundation.db import db
from app.foundation.errors import NotFound
from app.people.models import Person
from app.traits.attachments.models import Attachment
from app.traits.record import Record, may_see


def find_attachment(attachment_id: int, name: str, person: Person) -> Attachment:
    """The attachment for somebody who may see it; NotFound for everybody else, whatever the reason."""
    statement = select(Attachment, Record).join(Record, Record.id == Attachment.record_id)
    row = db.session.execute(statement.where(Attachment.id == attachment_id)).one_or_none()
    if row is None:
        raise NotFound("")
    attachment, record = row
    if attachment.name != name or not may_see(person, record) or not (person.is_staff or attachment.is_public):
        raise NotFound("")
    return attachment


def attachments_of_entries(entry_ids: Iterable[int]) -> dict[int, list[Attachment]]:
    """Entry id -> its files, in order; one query."""
    ids = list(entry_ids)
    found: dict[int, list[Attachment]] = {}
    if not ids:
        return found
    statement = select(Attachment).where(Attachment.entry_id.in_(ids)).order_by(Attachment.id)
    for attachment in db.session.scalars(statement):
        found.setdefault(attachment.entry_id or 0, []).append(attachment)
    return found
