"""Who may do what with tickets."""

from typing import Any

from sqlalchemy import false, select, true

from app.foundation.permissions import rule
from app.helpdesk.models import Ticket
from app.people.models import Person, Role
from app.traits.record import Record


@rule("ticket.write")
def may_write(person: Person, _ticket: object = None) -> bool:
    """Helpdesk opens, edits, moves and answers tickets."""
    return bool(person.is_staff and person.has_role(Role.HELPDESK))


def may_see(person: Person, ticket: Ticket) -> bool:
    """All staff; customers the tickets of their organisation."""
    return bool(person.is_staff or (person.customer_id is not None and ticket.customer_id == person.customer_id))


def visible_to(person: Person) -> Any:
    """`may_see` as a condition on rows of `record` (or `ticket`)."""
    if person.is_staff:
        return true()
    if person.customer_id is None:
        return false()
    return Record.id.in_(select(Ticket.__table__.c.id).where(Ticket.__table__.c.customer_id == person.customer_id))
