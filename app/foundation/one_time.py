"""Links that work once: 256 random bits, of which only the hash is kept, bound to a purpose, with an end."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import String, delete
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, current_transaction, db
from app.foundation.errors import NotFound, Refused
from app.foundation.language import _
from app.foundation.sessions import hashed


class Gone(Refused):
    """It was there once: used, or too old."""

    status = 410


class OneTimeLink(Base):
    """`subject` says what the link is about, in the words of its purpose; `used_at` closes it."""

    __tablename__ = "one_time_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(120), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


def issue(purpose: str, *, lifetime: timedelta, subject: str = "") -> str:
    """A new token, shown once. Inside the caller's transaction."""
    tx = current_transaction()
    token = secrets.token_urlsafe(32)
    tx.session.add(
        OneTimeLink(
            token_hash=hashed(token),
            purpose=purpose,
            subject=subject,
            created_at=tx.at,
            expires_at=tx.at + lifetime,
        )
    )
    return token


def look(purpose: str, token_hash: str) -> OneTimeLink:
    """The living link with this hash; NotFound for another purpose, Gone when used or too old. Changes nothing."""
    link = db.session.get(OneTimeLink, token_hash, with_for_update=False)
    if link is None or link.purpose != purpose:
        raise NotFound(_("There is nothing under this link."))
    if link.used_at is not None:
        raise Gone(_("This link was used already. Each works once."))
    if link.expires_at <= now():
        raise Gone(_("This link is too old. Ask for a new one."))
    return link


def use(purpose: str, token_hash: str) -> OneTimeLink:
    """Close the link: the second one to come gets Gone. Inside the caller's transaction."""
    tx = current_transaction()
    tx.session.get(OneTimeLink, token_hash, with_for_update=True, populate_existing=True)
    link = look(purpose, token_hash)
    link.used_at = tx.at
    return link


def revoke(purpose: str, subject: str = "") -> None:
    """Close every open link of a purpose and subject. Inside the caller's transaction."""
    current_transaction()
    db.session.execute(delete(OneTimeLink).where(OneTimeLink.purpose == purpose, OneTimeLink.subject == subject))
