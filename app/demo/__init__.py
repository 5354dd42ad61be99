"""Wood Hut, the demo company: eighteen months of its life, played by the real actions under a moved clock."""

from typing import NamedTuple

from sqlalchemy import select

from app.foundation.db import db
from app.people.models import Person, Site

PASSWORD = "woodhut-demo"


class DemoPerson(NamedTuple):
    name: str
    email: str
    does: str


PEOPLE = (
    DemoPerson("Marc Demo", "marc@woodhut.example", "helpdesk"),
    DemoPerson("Julie Andreson", "julie@woodhut.example", "quality"),
    DemoPerson("Joe Kazan", "joe@woodhut.example", "product engineer"),
    DemoPerson("Jose Mora", "jose@woodhut.example", "engineering manager, approves changes"),
    DemoPerson("Olga Brandt", "olga@woodhut.example", "shop floor"),
    DemoPerson("Ada Admin", "ada@woodhut.example", "administrator"),
    DemoPerson("Abigail Peterson", "abigail@customer.example", "customer, owns coat rack CR-0007"),
)


def is_empty() -> bool:
    """Nobody is in the database."""
    return db.session.scalar(select(Person.id).limit(1)) is None


def is_demo() -> bool:
    """The database holds the demo company and nothing else."""
    return bool(db.session.scalar(select(Site.is_demo).where(Site.id == 1)))


def load() -> None:
    """Play the eighteen months into an empty database. Takes some seconds."""
    from app.demo.player import play

    play()


def reset() -> None:
    """Throw the demo company away: drop everything and migrate anew. Refuses where the demo marker does not stand."""
    from app.demo.player import throw_away

    if not is_demo():
        raise RuntimeError("Only the demo company is ever thrown away.")
    throw_away()
