"""Who has pages of their own here."""

from app.foundation.permissions import rule
from app.people.models import Person


@rule("portal.use")
def may_use_portal(person: Person, _thing: object = None) -> bool:
    """People who buy from us; staff have the house itself."""
    return not person.is_staff
