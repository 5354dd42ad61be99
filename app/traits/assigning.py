"""Giving a record to somebody: they follow it, see it in the conversation and get a mail."""

from app.foundation.outbox import enqueue_letter
from app.people.models import Person
from app.traits.chatter.actions import follow, log
from app.traits.record import Record, kind_of, record_url


def assign(record: Record, to: Person | None, *, by: Person | None) -> None:
    """`to` answers for `record` from now on (None: nobody). Nothing happens when it is so already."""
    before = record.responsible_id
    after = to.id if to else None
    if before == after:
        return
    record.responsible_id = after
    log(record, "assigned", {"from_person": before, "to_person": after}, by=by)
    tell_responsible(record, to, by=by)


def tell_responsible(record: Record, to: Person | None, *, by: Person | None) -> None:
    """Tell `to` that the record waits for them. Who gives it to themselves is not told."""
    if to is None:
        return
    follow(record, to)
    if by is None or by.id != to.id:
        enqueue_letter(
            to,
            "assigned",
            thread=record.number,
            record=record,
            kind=kind_of(record).label,
            giver=by,
            address=record_url(record).lstrip("/"),
        )
