"""The person behind this request. Set once per request by the session; actions are given `by` and never ask here."""

from flask import g, has_request_context

from app.foundation.errors import NotAllowed
from app.foundation.language import _
from app.people.models import Person


def current_person_or_none() -> Person | None:
    """Who is signed in, or None."""
    return g.get("person") if has_request_context() else None


def current_person() -> Person:
    """Who is signed in; NotAllowed when nobody is (routes guarded by `@needs` never see that)."""
    person = current_person_or_none()
    if person is None:
        raise NotAllowed(_("Sign in to do this."))
    return person
