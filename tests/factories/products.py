"""Products, units and work centres."""

import itertools
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db, transaction

__all__ = ["make_product", "make_uom", "make_work_centre"]
_serial = itertools.count(1)


def make_uom(code: str = "unit", *, category: str = "count", factor: Decimal = Decimal(1)) -> UnitOfMeasure:
    """The unit with this code, made when missing."""
    with transaction(by=None, source="test") as tx:
        found = tx.session.scalar(select(UnitOfMeasure).where(UnitOfMeasure.code == code))
        if found is None:
            found = UnitOfMeasure(code=code, name=code, category=category, factor=factor)
            tx.session.add(found)
    return found


def make_product(name: str = "Coat rack", *, ref: str | None = None, **columns: Any) -> Product:
    """A product counted in units."""
    uom = make_uom()
    with transaction(by=None, source="test") as tx:
        product = Product(**{"name": name, "ref": ref or f"P-{next(_serial)}", "uom": db.session.merge(uom), **columns})
        tx.session.add(product)
    return product


def make_work_centre(name: str = "Assembly bench", **columns: Any) -> WorkCentre:
    with transaction(by=None, source="test") as tx:
        centre = WorkCentre(**{"name": name, "code": f"WC-{next(_serial)}", "cost_per_hour": Decimal(36), **columns})
        tx.session.add(centre)
    return centre
