"""What somebody typed into a page whose session had ended: kept for them for a day, shown again after signing in."""

from datetime import datetime, timedelta
from typing import Any

from flask import request
from sqlalchemy import ForeignKey, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, current_transaction, db, transaction

KEPT = timedelta(hours=24)
MOST = 20  # texts of one person
LARGEST = 1_000_000  # characters of one text
HIDDEN = frozenset({"csrf_token", "op", "parked"})
_SECRET = ("password", "pin", "token", "secret")


class ParkedText(Base):
    """One form as it was sent; `fields` is a list of [name, text], `files` names what the browser has to add again."""

    __tablename__ = "parked_text"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String(400))
    page: Mapped[str] = mapped_column(String(400), default="")
    fields: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(index=True)


def typed_fields() -> list[tuple[str, str]]:
    """What was typed into this request's form, without tokens and secrets, in the order of the form."""
    return [
        (name, text)
        for name, text in request.form.items(multi=True)
        if name not in HIDDEN and not any(word in name.lower() for word in _SECRET)
    ]


def lost_files() -> list[str]:
    """The names of the files of this request; the browser has to choose them again."""
    return [f.filename for f in request.files.values() if f.filename]


def park(person_id: int, page: str) -> int | None:
    """Keep what this request brought for `person_id`. Its own short transaction; None when there was no text."""
    fields = typed_fields()
    if not any(text.strip() for _name, text in fields) or sum(len(text) for _name, text in fields) > LARGEST:
        return None
    content = {"typed": [list(pair) for pair in fields], "files": lost_files()}
    with transaction(by=None, source="session") as tx:
        theirs = select(func.count()).select_from(ParkedText).where(ParkedText.person_id == person_id)
        if db.session.scalar(theirs.where(ParkedText.at > tx.at - KEPT)) >= MOST:  # type: ignore[operator]
            return None
        kept = ParkedText(person_id=person_id, path=request.path[:400], page=page[:400], fields=content, at=tx.at)
        tx.session.add(kept)
        tx.session.flush()
        return kept.id


def parked(person_id: int, parked_id: int) -> ParkedText | None:
    """The text if it is this person's and not older than a day."""
    found = db.session.get(ParkedText, parked_id)
    return found if found and found.person_id == person_id and found.at > now() - KEPT else None


def drop(person_id: int, parked_id: int) -> None:
    """Forget a text that was sent, or is not wanted any more. Its own short transaction."""
    with transaction(by=None, source="session"):
        db.session.execute(delete(ParkedText).where(ParkedText.id == parked_id, ParkedText.person_id == person_id))


def sweep() -> int:
    """Forget what is older than a day. Inside the caller's transaction."""
    tx = current_transaction()
    gone = delete(ParkedText).where(ParkedText.at < tx.at - KEPT)
    return int(getattr(db.session.execute(gone), "rowcount", 0))
