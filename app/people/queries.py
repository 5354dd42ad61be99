"""Reads about people."""

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.foundation.db import db
from app.foundation.sessions import BrowserSession
from app.people.models import Person, PersonRole, Role, Site


def session_and_person(id_hash: str) -> tuple[BrowserSession, Person] | None:
    """The session row behind a cookie with its person and their roles, in one statement."""
    statement = (
        select(BrowserSession, Person)
        .join(Person, Person.id == BrowserSession.person_id)
        .where(BrowserSession.id_hash == id_hash)
        .options(joinedload(Person.role_rows))
    )
    found = db.session.execute(statement).unique().one_or_none()
    return None if found is None else (found[0], found[1])


def person_by_email(email: str) -> Person | None:
    return db.session.scalar(select(Person).where(func.lower(Person.email) == email.strip().lower()))


def person_by_id(person_id: int) -> Person | None:
    return db.session.get(Person, person_id)


def administrators() -> list[int]:
    """The ids of the active administrators."""
    active = select(Person.id).join(PersonRole).where(PersonRole.role == Role.ADMIN, Person.is_active)
    return list(db.session.scalars(active.where(Person.archived_at.is_(None)).order_by(Person.id)))


def has_people() -> bool:
    return db.session.scalar(select(Person.id).limit(1)) is not None


def site() -> Site | None:
    """The company of this installation; None before the first administrator named it."""
    return db.session.get(Site, 1)
