"""What is done to people: passwords, roles, switching somebody off. Each of them ends the sessions it must end."""

from zoneinfo import available_timezones

from app.foundation import sessions
from app.foundation.db import current_transaction, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import CompanyFounded
from app.foundation.permissions import authorize
from app.people import queries
from app.people.models import Person, PersonRole, Role, Site


def found_company(*, company: str, name: str, email: str, password_hash: str) -> Person:
    """The company and its first administrator, in an empty installation."""
    tx = current_transaction()
    if queries.site() is None:
        tx.session.add(Site(id=1, name=company))
    founder = add_administrator(name=name, email=email, password_hash=password_hash)
    publish(CompanyFounded(person_id=founder.id))
    return founder


def add_administrator(*, name: str, email: str, password_hash: str | None) -> Person:
    """One more administrator; without a password until they choose one by their link."""
    tx = current_transaction()
    if queries.person_by_email(email) is not None:
        raise Refused(_("Somebody with this e-mail address is here already."), field="email")
    person = Person(
        name=name,
        email=email.strip(),
        password_hash=password_hash,
        is_staff=True,
        role_rows=[PersonRole(role=Role.ADMIN)],
    )
    tx.session.add(person)
    tx.session.flush()
    return person


def set_password_hash(person: Person, password_hash: str) -> None:
    """A new password; whoever was signed in with the old one is not any more."""
    person.password_hash = password_hash
    sessions.end_all_of(person.id)


def set_roles(person: Person, roles: frozenset[Role], *, by: Person) -> None:
    """What a person may write from now on. Their sessions end, so that nothing goes on under the old rights."""
    authorize(by, "people.admin", person)
    if Role.ADMIN in person.roles and Role.ADMIN not in roles:
        _must_not_be_the_last(person)
    if roles == person.roles:
        return
    kept = [row for row in person.role_rows if row.role in roles]
    person.role_rows = [*kept, *(PersonRole(role=role) for role in sorted(roles - person.roles))]
    sessions.end_all_of(person.id)


def switch_off(person: Person, *, by: Person) -> None:
    """The person cannot sign in any more and is signed out everywhere. What they did keeps their name."""
    authorize(by, "people.admin", person)
    if Role.ADMIN in person.roles:
        _must_not_be_the_last(person)
    person.is_active = False
    sessions.end_all_of(person.id)


def switch_on(person: Person, *, by: Person) -> None:
    authorize(by, "people.admin", person)
    person.is_active = True


def set_zone(person: Person, zone: str) -> None:
    """In which zone the person reads times; empty for the company's."""
    if zone and zone not in available_timezones():
        raise Refused(_("There is no such time zone."), field="zone")
    person.zone = zone or None


def _must_not_be_the_last(person: Person) -> None:
    lock(Person, *queries.administrators())  # two who remove each other at once: one of them waits and is told
    if set(queries.administrators()) <= {person.id}:
        raise Conflict(_("%(name)s is the last administrator. Make somebody else one first.", name=person.name))
