"""Who may do what with bills of materials and units. All staff read them."""

from app.foundation.permissions import rule
from app.people.models import Person, Role


@rule("bom.edit")
def may_edit(person: Person, _thing: object = None) -> bool:
    """Engineers edit drafts; a released revision is beyond everybody's reach."""
    return person.has_role(Role.ENGINEER)


@rule("unit.write")
def may_write_units(person: Person, _thing: object = None) -> bool:
    return person.has_role(Role.HELPDESK, Role.PLANNER, Role.OPERATOR, Role.ENGINEER)
