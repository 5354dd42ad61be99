"""Who hears about a record: whoever writes in it, is responsible for it or is mentioned, until they stop following."""

from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, lazyload, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, db
from app.people.models import Person
from app.traits.record import Record


class Follower(Base):
    __tablename__ = "follower"

    record_id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True)
    since: Mapped[datetime] = mapped_column(default=now)


def follow(record: Record, person: Person | int | None) -> None:
    """`person` hears about `record` from now on. Only staff follow; customers are written to. Twice is once."""
    person_id = person if isinstance(person, int) else person.id if person is not None else None
    if person_id is None:
        return
    who = person if isinstance(person, Person) else db.session.get(Person, person_id)
    if who is None or not who.is_staff:
        return
    db.session.flush()
    if db.session.get(Follower, (record.id, person_id)) is None:
        db.session.add(Follower(record_id=record.id, person_id=person_id))
        db.session.flush()


def unfollow(record: Record, person: Person) -> None:
    """`person` is no longer told what is written in `record`."""
    row = db.session.get(Follower, (record.id, person.id))
    if row is not None:
        db.session.delete(row)
        db.session.flush()


def followers(record: Record) -> list[Person]:
    """Everybody who follows and still works here, by name."""
    statement = (
        select(Person)
        .join(Follower, Follower.person_id == Person.id)
        .where(Follower.record_id == record.id, Person.is_active, Person.archived_at.is_(None))
        .options(lazyload(Person.role_rows))
        .order_by(Person.name, Person.id)
    )
    return list(db.session.scalars(statement))
