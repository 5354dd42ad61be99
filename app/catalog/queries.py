"""Reads: products by reference, by what somebody typed, and lists to choose from."""

import re
from collections.abc import Sequence

from sqlalchemy import func, or_, select

from app.catalog.models import Product, UnitOfMeasure, WorkCentre
from app.foundation.db import db
from app.foundation.errors import NotFound, Refused
from app.foundation.language import _

FEW = 300  # up to so many products are offered in one list; beyond it the list narrows down while one types
SHOWN = 30
_WITH_REF = re.compile(r"^\[([^\]]+)\]\s*")


def product_by_ref(ref: str) -> Product:
    found = db.session.scalars(select(Product).where(Product.ref == ref)).unique().one_or_none()
    if found is None:
        raise NotFound(_("There is no product with the reference %(ref)s.", ref=ref[:64]))
    return found


def product_options(typed: str = "", *, limit: int = FEW) -> list[str]:
    """What can be chosen: the name alone, with the reference in front where several have that name."""
    statement = select(Product.ref, Product.name).where(Product.archived_at.is_(None))
    words = _WITH_REF.sub("", typed).strip() or typed.strip("[] ")
    if words:
        like = f"%{_escaped(words.lower())}%"
        statement = statement.where(
            or_(func.lower(Product.name).like(like, escape="\\"), func.lower(Product.ref).like(like, escape="\\"))
        )
    rows = db.session.execute(statement.order_by(func.lower(Product.name), Product.ref).limit(limit)).all()
    return _told_apart([(ref, name) for ref, name in rows])


def has_few_products() -> bool:
    """Whether all products fit into one list."""
    rows = db.session.scalars(select(Product.id).where(Product.archived_at.is_(None)).limit(FEW + 1)).all()
    return len(rows) <= FEW


def option_of(product: Product) -> str:
    """The text this product has in a list."""
    same = db.session.scalar(select(func.count()).where(Product.name == product.name, Product.archived_at.is_(None)))
    return product.name if (same or 0) <= 1 else f"[{product.ref}] {product.name}"


def product_of_option(text: str, *, field: str) -> Product:
    """The product somebody chose or typed: by option text, name or reference. Refused at `field` when unclear."""
    typed = text.strip()
    if not typed:
        raise Refused(_("Choose a product."), field=field)
    with_ref = _WITH_REF.match(typed)
    conditions = (
        [Product.ref == with_ref[1]]
        if with_ref
        else [
            Product.name == typed,
            Product.ref == typed,
            func.lower(Product.name) == typed.lower(),
            func.lower(Product.ref) == typed.lower(),
        ]
    )
    for condition in conditions:
        found = (
            db.session.scalars(select(Product).where(condition, Product.archived_at.is_(None)).limit(2)).unique().all()
        )
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(
                _("Several products are called “%(name)s”. Choose one with its reference in front.", name=typed[:80]),
                field=field,
            )
    raise Refused(_("There is no product “%(name)s”. Choose one from the list.", name=typed[:80]), field=field)


def uoms() -> Sequence[UnitOfMeasure]:
    return db.session.scalars(select(UnitOfMeasure).order_by(UnitOfMeasure.category, UnitOfMeasure.factor)).all()


def uoms_like(uom: UnitOfMeasure) -> Sequence[UnitOfMeasure]:
    """Those it can be converted into."""
    return [other for other in uoms() if other.category == uom.category]


def work_centres() -> Sequence[WorkCentre]:
    return db.session.scalars(
        select(WorkCentre).where(WorkCentre.archived_at.is_(None)).order_by(WorkCentre.name)
    ).all()


def _told_apart(rows: Sequence[tuple[str, str]]) -> list[str]:
    names = {name for _ref, name in rows}
    twice = {
        name
        for start in range(0, len(names), 300)
        for name in db.session.scalars(
            select(Product.name)
            .where(Product.name.in_(sorted(names)[start : start + 300]), Product.archived_at.is_(None))
            .group_by(Product.name)
            .having(func.count() > 1)
        )
    }
    return [f"[{ref}] {name}" if name in twice else name for ref, name in rows]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
