"""What may be picked: every id that comes in with a form is checked against the list it was picked from."""

from typing import Any, TypeVar

from sqlalchemy import select

from app.foundation.db import Base, db
from app.foundation.errors import Refused
from app.foundation.language import _

M = TypeVar("M", bound=Base)


def chosen(model: type[M], key: int | None, *conditions: Any, field: str, keep: int | None = None) -> M | None:
    """The row with id `key`, or None for no choice; a Refused at `field` unless it meets `conditions`.

    `keep` is what the record has already: it may stay although it could not be picked anew (an archived product).
    """
    if key is None:
        return None
    statement = select(model).where(model.__mapper__.primary_key[0] == key)
    found = db.session.scalar(statement if key == keep else statement.where(*conditions))
    if found is None:
        raise Refused(_("That cannot be chosen. Choose from the list."), field=field)
    return found


def must_choose(model: type[M], key: int | None, *conditions: Any, field: str, keep: int | None = None) -> M:
    """As `chosen`, where no choice is no answer."""
    found = chosen(model, key, *conditions, field=field, keep=keep)
    if found is None:
        raise Refused(_("Choose one from the list."), field=field)
    return found
