"""How an installation gets its first administrator: by a link that works once and for an hour."""

from datetime import timedelta
from urllib.parse import urlencode

from app.foundation import one_time
from app.foundation.db import transaction
from app.people import actions, passwords, queries

PURPOSE = "administrator"
LIFETIME = timedelta(hours=1)


def first_link() -> str | None:
    """The path of a link for an empty installation; None when somebody is here already. Older links stop working."""
    if queries.has_people():
        return None
    with transaction(by=None, source="cli"):
        one_time.revoke(PURPOSE)
        return _path(one_time.issue(PURPOSE, lifetime=LIFETIME))


def create_administrator(*, name: str, email: str) -> str:
    """Add an administrator; the path of the link by which they choose their password."""
    with transaction(by=None, source="cli"):
        person = actions.add_administrator(name=name, email=email, password_hash=None)
        return _path(one_time.issue(PURPOSE, lifetime=LIFETIME, subject=str(person.id)))


def begin(link: str, *, password: str, company: str = "", name: str = "", email: str = "") -> int:
    """Use the link: the id of the person who can sign in from now on. A poor password is Refused and uses nothing."""
    passwords.must_be_good(password, company, name, email)
    password_hash = passwords.hash_password(password)
    with transaction(by=None) as tx:
        subject = one_time.use(PURPOSE, link).subject
        tx.location = "/"
        if subject:
            person = queries.person_by_id(int(subject))
            assert person is not None
            actions.set_password_hash(person, password_hash)
        else:
            person = actions.found_company(company=company, name=name, email=email, password_hash=password_hash)
        return person.id


def _path(token: str) -> str:
    return "/first?" + urlencode({"key": token})  # in the query, which no log line holds
