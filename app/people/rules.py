"""Who may do what with people and boards."""

from app.foundation.permissions import rule
from app.people.models import Person, Role


@rule("people.admin")
def may_administer(person: Person, _thing: object = None) -> bool:
    return Role.ADMIN in person.roles
