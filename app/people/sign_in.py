"""Who somebody is, by password: slowed per account and address, silent about which accounts exist.

Passwords are hashed outside every transaction, and every count is a short transaction of its own; so this is called
before the work itself begins.
"""

import logging

from app.foundation import limits
from app.foundation.db import transaction
from app.foundation.errors import NotAllowed, Refused
from app.foundation.language import _
from app.foundation.limits import Limit
from app.people import passwords, queries
from app.people.models import Person

GUESSES = Limit("sign-in", 5, 15 * 60)  # wrong passwords of one account from one address
SPRAYING = Limit("sign-in-address", 100, 15 * 60)  # wrong passwords of one address, whatever the account
log = logging.getLogger("loopwright.security")


class WrongPassword(Refused):
    """Nobody has this e-mail address and password; which of the two is wrong is not said."""

    status = 401


def sign_in(email: str, password: str, *, address: str) -> Person:
    """The person with this e-mail address and password. WrongPassword, or TooMany after five wrong tries."""
    account = email.strip().lower()[:254]
    key = limits.key_of(account, address)
    limits.must_have_room(SPRAYING, limits.key_of(address))
    place = limits.reserve(GUESSES, key)
    person = queries.person_by_email(account)
    stored = person.password_hash if person else None
    right = passwords.is_right(stored, password) and person is not None and may_sign_in(person)
    limits.settle(GUESSES, key, place, failed=not right)
    if not right or person is None:
        limits.count(SPRAYING, limits.key_of(address))
        log.warning("sign-in failed", extra={"event": "sign_in_failed", "account": key[:12]})
        raise WrongPassword(_("E-mail address or password is not right."))
    _renew_hash(person, stored or "", password)
    log.info("signed in", extra={"event": "signed_in", "person": person.id})
    return person


def confirm(person: Person, password: str, *, address: str) -> None:
    """That it is really `person` who signs: NotAllowed when the password is not theirs; wrong ones count as above."""
    key = limits.key_of(person.email.lower(), address)
    if not password:
        raise NotAllowed(_("Your password is your signature: type it to sign."), field="password")
    place = limits.reserve(GUESSES, key)
    right = passwords.is_right(person.password_hash, password) and may_sign_in(person)
    limits.settle(GUESSES, key, place, failed=not right)
    if not right:
        log.warning("signature refused", extra={"event": "signature_refused", "person": person.id})
        raise NotAllowed(_("This is not your password. Nothing was signed."), field="password")


def may_sign_in(person: Person) -> bool:
    return person.is_active and person.archived_at is None


def _renew_hash(person: Person, stored: str, password: str) -> None:
    """Bring a hash made with older parameters up to today's."""
    if not passwords.is_outdated(stored):
        return
    renewed = passwords.hash_password(password)
    with transaction(by=None, source="session") as tx:
        fresh = tx.session.get_one(Person, person.id)
        if fresh.password_hash == stored:
            fresh.password_hash = renewed
    log.info("password hash renewed", extra={"event": "hash_renewed", "person": person.id})
