"""Orders, and products that can be ordered."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.exc import NoResultFound

from app.catalog.models import Product
from app.foundation import clock
from app.foundation.db import db, transaction
from app.manufacturing import actions
from app.manufacturing.models import ManufacturingOrder
from app.manufacturing.queries import orders_board
from app.people.models import Person

__all__ = ["make_order", "make_orders_board"]


def make_orders_board() -> None:
    """The board of orders, once."""
    with transaction(by=None, source="test"):
        try:
            orders_board()
        except NoResultFound:
            actions.make_orders_board()


def make_order(
    product: Product, *, by: Person, quantity: Decimal | int = 10, planned_start: datetime | None = None
) -> ManufacturingOrder:
    """A draft order for a product that has a current revision."""
    make_orders_board()
    with transaction(by=by, source="test"):
        return actions.plan_order(
            product=db.session.merge(product, load=True),
            quantity=Decimal(quantity),
            planned_start=planned_start or clock.now() + timedelta(days=2),
            by=by,
        )
