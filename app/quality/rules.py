"""Who may do what with alerts."""

from typing import Any

from sqlalchemy import false, true

from app.foundation.permissions import rule
from app.people.models import Person, Role
from app.quality.models import Alert, AlertAction


@rule("alert.write")
def may_write(person: Person, _alert: object = None) -> bool:
    """Quality edits and moves alerts, and verifies what others did."""
    return bool(person.is_staff and person.has_role(Role.QUALITY))


@rule("alert.raise")
def may_raise(person: Person, _origin: object = None) -> bool:
    """Whoever hears of a problem first may raise an alert, or add to one: quality and helpdesk."""
    return bool(person.is_staff and person.has_role(Role.QUALITY, Role.HELPDESK))


@rule("alert.act")
def may_act(person: Person, action: AlertAction | None = None) -> bool:
    """Quality, and whoever owns the action, start and finish it."""
    if not person.is_staff:
        return False
    return may_write(person, action) or action is None or action.owner_id == person.id


def may_see(person: Person, _alert: Alert) -> bool:
    """All staff read alerts; customers none."""
    return bool(person.is_staff)


def visible_to(person: Person) -> Any:
    """`may_see` as a condition on rows of `record`."""
    return true() if person.is_staff else false()
