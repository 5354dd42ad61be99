"""Abigail buys, Marc supports, Julie checks, Joe designs, Jose approves."""

import itertools
from typing import Any

from app.foundation.db import transaction
from app.people.models import Customer, Person, PersonRole, Role, Team, TeamKind

__all__ = ["make_customer", "make_person", "make_team"]
_serial = itertools.count(1)
PEOPLE: dict[str, tuple[str, tuple[Role, ...]]] = {
    "Marc": ("Marc Demo", (Role.HELPDESK,)),
    "Julie": ("Julie Andreson", (Role.QUALITY,)),
    "Joe": ("Joe Kazan", (Role.ENGINEER,)),
    "Jose": ("Jose Mora", (Role.ENGINEER, Role.APPROVER)),
    "Olga": ("Olga Brandt", (Role.OPERATOR,)),
    "Petra": ("Petra Plan", (Role.PLANNER,)),
    "Ada": ("Ada Admin", (Role.ADMIN,)),
}


def make_person(name: str = "Marc", *, roles: tuple[Role, ...] | None = None, **columns: Any) -> Person:
    """A member of staff by first name of the story, or anybody else with `roles` (default none)."""
    full, known = PEOPLE.get(name, (name, ()))
    with transaction(by=None, source="test") as tx:
        number = next(_serial)
        person = Person(
            **{
                "name": full,
                "email": f"{full.split()[0].lower()}{number}@woodhut.example",
                "is_staff": True,
                "role_rows": [PersonRole(role=role) for role in (known if roles is None else roles)],
                **columns,
            }
        )
        tx.session.add(person)
    return person


def make_customer(name: str = "Abigail Peterson", **columns: Any) -> Person:
    """A customer with one person, who is returned; `person.customer` is the organisation."""
    with transaction(by=None, source="test") as tx:
        number = next(_serial)
        customer = Customer(name=name)
        person = Person(
            **{
                "name": name,
                "email": f"{name.split()[0].lower()}{number}@customer.example",
                "is_staff": False,
                "customer": customer,
                "role_rows": [],
                **columns,
            }
        )
        tx.session.add_all([customer, person])
    return person


def make_team(
    name: str = "Customer Care", *, kind: TeamKind = TeamKind.HELPDESK, members: tuple[Person, ...] = ()
) -> Team:
    """A team without a board; the rooms' factories make teams with one."""
    with transaction(by=None, source="test") as tx:
        team = Team(
            name=name, slug=f"{name.lower().replace(' ', '-')}-{next(_serial)}", kind=kind, members=list(members)
        )
        tx.session.add(team)
    return team
