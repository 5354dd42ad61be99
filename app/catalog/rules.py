"""Who may write the catalogue. All staff read it."""

from app.foundation.permissions import rule
from app.people.models import Person, Role


@rule("product.write")
def may_write_products(person: Person, _thing: object = None) -> bool:
    return person.has_role(Role.ENGINEER, Role.PLANNER)
