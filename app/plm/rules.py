"""Who changes products, and who signs that they may be changed."""

from typing import Any

from sqlalchemy import false, true

from app.foundation.permissions import rule
from app.people.models import Person, Role
from app.plm.models import Eco


@rule("eco.write")
def may_write(person: Person, _eco: object = None) -> bool:
    """Engineers open changes, start revisions, move and cancel."""
    return person.is_staff and person.has_role(Role.ENGINEER)


@rule("eco.open")
def may_open(person: Person, _eco: object = None) -> bool:
    """Quality may raise a change too; what comes of it is the engineers' work."""
    return person.is_staff and person.has_role(Role.ENGINEER, Role.QUALITY)


@rule("eco.move")
def may_move(person: Person, _eco: object = None) -> bool:
    """Engineers, and those who sign, because the last signature and the move are one."""
    return person.is_staff and person.has_role(Role.ENGINEER, Role.APPROVER)


@rule("eco.sign")
def may_sign(person: Person, _eco: object = None) -> bool:
    """Whoever works here may be named as an approver of a stage; whether they are is asked in the action."""
    return person.is_staff


@rule("eco.types")
def may_set_types(person: Person, _type: object = None) -> bool:
    return Role.ADMIN in person.roles


def may_see(person: Person, _eco: Eco) -> bool:
    """All staff read changes; customers none."""
    return person.is_staff


def visible_to(person: Person) -> Any:
    """The same as a condition on `record` rows."""
    return true() if person.is_staff else false()
