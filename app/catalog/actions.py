"""What people do with the catalogue: a new product, and changes to what is known about one."""

import re
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from app.catalog.models import Product, Tracking, UnitOfMeasure
from app.foundation.clock import now
from app.foundation.db import current_transaction, db
from app.foundation.errors import Refused
from app.foundation.language import _
from app.foundation.permissions import authorize
from app.people.models import Person

_REF = re.compile(r"[^\s/\\?#%\[\]<>\"]([^/\\?#%\[\]<>\"\n\r\t]{0,62}[^\s/\\?#%\[\]<>\"])?")


def create_product(
    *,
    ref: str,
    name: str,
    uom: UnitOfMeasure,
    by: Person | None,
    tracking: Tracking = Tracking.NONE,
    cost: Decimal | None = None,
    price: Decimal | None = None,
    lead_days: int = 0,
    **more: Any,
) -> Product:
    """Something new to make, buy or sell. Its reference is its address and never changes."""
    authorize(by, "product.write")
    current_transaction()
    if not is_reference(ref):
        raise Refused(
            _("A reference has 1 to 64 characters, without / \\ ? # %% [ ] < > and quotation marks."), field="ref"
        )
    if db.session.scalar(select(func.count()).where(func.lower(Product.ref) == ref.lower())):
        raise Refused(_("%(ref)s is taken by another product.", ref=ref), field="ref")
    _must_make_sense(name, cost, price)
    product = Product(
        ref=ref,
        name=name.strip(),
        uom=uom,
        tracking=tracking,
        is_sold=more.pop("is_sold", price is not None),
        cost=cost,
        price=price,
        lead_days=lead_days,
        **more,
    )
    db.session.add(product)
    db.session.flush()
    return product


def change_product(product: Product, *, by: Person | None, **changes: Any) -> None:
    """Change what is known about a product; reference and unit stay, because BoMs and orders count on them."""
    authorize(by, "product.write", product)
    current_transaction()
    _must_make_sense(changes.get("name", product.name), changes.get("cost"), changes.get("price"))
    for name in ("name", "tracking", "cost", "price", "lead_days", "link", "note", "is_sold"):
        if name in changes:
            setattr(product, name, changes.pop(name))
    if changes:
        raise TypeError(f"A product has no {', '.join(changes)}.")
    db.session.flush()


def archive_product(product: Product, *, by: Person | None) -> None:
    """It can no longer be chosen; what it is part of keeps it."""
    authorize(by, "product.write", product)
    product.archived_at = product.archived_at or now()
    db.session.flush()


def is_reference(text: str) -> bool:
    return len(text) <= 64 and text.lower() not in ("new", "options") and _REF.fullmatch(text) is not None


def _must_make_sense(name: str, cost: Decimal | None, price: Decimal | None) -> None:
    if not name.strip() or len(name) > 200:
        raise Refused(_("Give it a name of up to 200 characters."), field="name")
    for field, amount in (("cost", cost), ("price", price)):
        if amount is not None and amount < 0:
            raise Refused(_("It must be at least %(least)s.", least=0), field=field)
