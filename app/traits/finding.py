"""Finding a record by its address, for somebody who may know that it exists."""

from sqlalchemy import select

from app.foundation.db import db
from app.foundation.errors import NotFound
from app.foundation.numbering import PREFIXES
from app.people.models import Person
from app.traits.record import KINDS, Record, may_see


def find_record(plural: str, number: str, person: Person) -> Record:
    """The record at `/<plural>/<number>`; NotFound when there is none, or none for `person`."""
    record = db.session.scalar(select(Record).where(Record.number == number))
    if record is None or record.kind not in KINDS or KINDS[record.kind].plural != plural or not may_see(person, record):
        raise NotFound("")
    return record


def number_url(number: str) -> str | None:
    """The address of a number without looking it up: `QA-0001` is at `/alerts/QA-0001`; None for foreign words."""
    prefix = number.rpartition("-")[0]
    for name, known in PREFIXES.items():
        if known == prefix and name in KINDS:
            return f"/{KINDS[name].plural}/{number}"
    return None
