"""BoMs: a change to hang drafts on, drafts, and revisions that are current."""

import itertools
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.bom import actions, revisions
from app.bom.models import Bom, BomRevision
from app.catalog.models import Product, WorkCentre
from app.foundation.db import db, transaction
from app.people.models import Person
from app.traits.record import Record

__all__ = ["BareChange", "make_bom", "make_change", "make_draft", "next_revision", "release"]
_serial = itertools.count(1)
Parts = dict[Product, str | int]


class BareChange(Record):
    """A change order without a room: enough for the BoM service, which asks for its id only."""

    __mapper_args__ = {"polymorphic_identity": "bare change"}


def make_change(title: str = "Make it better") -> Record:
    with transaction(by=None, source="test") as tx:
        change = BareChange(number=f"CHANGE-{next(_serial)}", title=title)
        tx.session.add(change)
    return change


def make_draft(
    product: Product,
    parts: Parts | None = None,
    *,
    change: Record | None = None,
    steps: dict[str, tuple[WorkCentre, str | int]] | None = None,
    by: Person | None = None,
) -> BomRevision:
    """The first draft of a product: `parts` are quantities by component, `steps` minutes by operation."""
    change = change or make_change()
    with transaction(by=by, source="test"):
        draft = revisions.new_bom(product, eco=change, by=by)
        fill(draft, parts or {}, steps or {})
    return draft


def make_bom(product: Product, parts: Parts | None = None, **more: Any) -> BomRevision:
    """V1 of a product, current."""
    return release(make_draft(product, parts, **more))


def next_revision(bom: Bom, *, change: Record | None = None, parts: Parts | None = None) -> BomRevision:
    """A further draft, with `parts` added."""
    change = change or make_change()
    with transaction(by=None, source="test"):
        draft = revisions.start_revision(bom, eco=change, by=None)
        fill(draft, parts or {}, {})
    return draft


def release(revision: BomRevision, **more: Any) -> BomRevision:
    """Make it current, without anybody asking."""
    with transaction(by=None, source="test"):
        change = db.session.get_one(Record, revision.eco_id)
        revisions.activate(revision, eco=change, by=None, **more)
    return revision


def fill(draft: BomRevision, parts: Parts, steps: dict[str, tuple[WorkCentre, str | int]]) -> None:
    for component, quantity in parts.items():
        actions.add_component(
            draft, component=db.session.merge(component, load=True), quantity=Decimal(quantity), by=None
        )
    for name, (centre, minutes) in steps.items():
        found = db.session.scalars(select(WorkCentre).where(WorkCentre.id == centre.id)).one()
        actions.add_operation(draft, name=name, work_centre=found, minutes=Decimal(minutes), by=None)
