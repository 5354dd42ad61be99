"""Laying the trail."""

from sqlalchemy import select

from app.foundation.db import current_transaction, db
from app.foundation.errors import Refused
from app.foundation.language import _
from app.people.models import Person
from app.traits.chatter.actions import log
from app.traits.links.models import Link
from app.traits.record import Record


def link(origin: Record, target: Record, *, by: Person | None, verb: str | None = "raised") -> Link:
    """`target` follows from `origin`. Twice is once.

    Writes `verb` into the origin's conversation: "raised" for something new, "linked" for joining what is there, None
    for nothing.
    """
    db.session.flush()
    if origin.id == target.id:
        raise Refused(_("A record cannot follow from itself."))
    known = db.session.scalar(select(Link).where(Link.from_id == origin.id, Link.to_id == target.id))
    if known is not None:
        return known
    made = Link(from_id=origin.id, to_id=target.id, by_id=by.id if by else None, at=current_transaction().at)
    db.session.add(made)
    db.session.flush()
    if verb:
        log(origin, verb, {"target_record": target.number, "title": target.title}, by=by)
    return made


def unlink(origin: Record, target: Record, *, by: Person | None) -> None:
    """`target` does not follow from `origin` after all."""
    known = db.session.scalar(select(Link).where(Link.from_id == origin.id, Link.to_id == target.id))
    if known is not None:
        db.session.delete(known)
        db.session.flush()
        log(origin, "unlinked", {"target_record": target.number, "title": target.title}, by=by)
