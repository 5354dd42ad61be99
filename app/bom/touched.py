"""What a revision touches beyond itself: pieces sold at an earlier level, and what is made of its product."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sqlalchemy import String, func, literal, select, union_all

from app.bom.models import DEFAULT_CODE, Bom, BomLine, BomRevision
from app.bom.units import Unit, UnitOwner, below
from app.catalog.models import Product
from app.foundation.db import db

FIRST = 6  # serials and products that are named; the rest is counted


@dataclass
class TouchedByRevision:
    """`sold` and `uses` count all; `serials` and `users` are the first of them, each with its page."""

    sold: int = 0
    customers: int = 0
    uses: int = 0
    serials: list[tuple[str, str]] = field(default_factory=list)
    users: list[tuple[str, str]] = field(default_factory=list)


def touched_by(revision: BomRevision) -> TouchedByRevision:
    """All of it in one statement, because the page of a change asks a lot already."""
    found = TouchedByRevision()
    for what, key, name, code, number, count, customers in db.session.execute(
        union_all(_sold(revision), _uses(revision.bom.product_id))
    ):
        if what == "sold":
            found.sold, found.customers = count, customers
            found.serials.append((key, f"/units/{quote(key, safe='')}"))
        else:
            url = f"/boms/{quote(key, safe='')}" + ("" if code == DEFAULT_CODE else f"/{quote(code, safe='')}")
            found.uses = count
            found.users.append((f"{name} V{number}", url))
    found.serials.sort()
    found.users.sort()
    return found


def _sold(revision: BomRevision) -> Any:
    asked = below(select(Unit.serial, UnitOwner.customer_id), revision).subquery()
    first = select(asked.c.serial).order_by(asked.c.serial).limit(FIRST).subquery()
    return select(
        literal("sold", String),
        first.c.serial,
        literal("", String),
        literal("", String),
        literal(0),
        select(func.count()).select_from(asked).scalar_subquery(),
        select(func.count(asked.c.customer_id.distinct())).select_from(asked).scalar_subquery(),
    )


def _uses(product_id: int) -> Any:
    using = (
        select(Product.ref, Product.name, Bom.code, BomRevision.number)
        .join(Bom, Bom.product_id == Product.id)
        .join(BomRevision, BomRevision.id == Bom.active_revision_id)
        .join(BomLine, BomLine.revision_id == BomRevision.id)
        .where(BomLine.component_id == product_id)
        .distinct()
        .subquery()
    )
    first = select(using).order_by(using.c.name, using.c.ref, using.c.code).limit(FIRST).subquery()
    count = select(func.count()).select_from(using).scalar_subquery()
    return select(literal("used", String), first.c.ref, first.c.name, first.c.code, first.c.number, count, literal(0))
