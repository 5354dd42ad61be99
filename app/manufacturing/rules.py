"""Who plans orders, and who builds them."""

from typing import Any

from app.foundation.permissions import rule
from app.manufacturing.models import ManufacturingOrder
from app.people.models import Person, Role


@rule("order.write")
def may_plan(person: Person, _order: object = None) -> bool:
    """Planners and engineers plan, confirm and cancel orders."""
    return person.is_staff and person.has_role(Role.PLANNER, Role.ENGINEER)


@rule("order.work")
def may_work(person: Person, _order: object = None) -> bool:
    """Operators work on confirmed orders; who may plan them may too."""
    return person.is_staff and person.has_role(Role.OPERATOR, Role.PLANNER, Role.ENGINEER)


def may_see(person: Person, _order: ManufacturingOrder) -> bool:
    """All staff read orders; customers none."""
    return person.is_staff


def visible_to(person: Person) -> Any:
    """The same as a condition on `record` rows."""
    from sqlalchemy import false, true

    return true() if person.is_staff else false()
