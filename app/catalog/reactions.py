"""What the catalogue does when something happens elsewhere."""

from decimal import Decimal

from app.catalog.models import UnitOfMeasure, WorkCentre
from app.foundation.db import current_transaction
from app.foundation.events import on
from app.foundation.language import _
from app.foundation.loop import CompanyFounded

USUAL_UNITS = (  # code, name, category, factor
    ("unit", "Unit", "count", "1"),
    ("pair", "Pair", "count", "2"),
    ("dozen", "Dozen", "count", "12"),
    ("m", "Metre", "length", "1"),
    ("mm", "Millimetre", "length", "0.001"),
    ("m2", "Square metre", "area", "1"),
    ("kg", "Kilogram", "mass", "1"),
    ("g", "Gram", "mass", "0.001"),
    ("L", "Litre", "volume", "1"),
    ("ml", "Millilitre", "volume", "0.001"),
)


@on(CompanyFounded)
def lay_out_units(_fact: CompanyFounded) -> None:
    """The usual units of measure and one work centre to begin with."""
    session = current_transaction().session
    session.add_all(
        UnitOfMeasure(code=code, name=name, category=category, factor=Decimal(factor))
        for code, name, category, factor in USUAL_UNITS
    )
    session.add(WorkCentre(code="ASM", name=_("Assembly bench")))
    session.flush()
