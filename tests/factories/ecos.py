"""Types of changes, changes in any stage, and products with a released BoM."""

import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.bom import actions as bom_actions
from app.bom import revisions
from app.bom.models import Bom, BomLine, BomRevision
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.people.models import Person
from app.plm import actions
from app.plm.models import ApproverKind, Eco, EcoType, Signing
from app.plm.signing import Proof
from app.traits.board.models import Stage, StageRole
from tests.factories.people import make_person
from tests.factories.products import make_product

__all__ = [
    "PASSWORD_PROOF",
    "active_number",
    "approve",
    "edit_draft",
    "make_coat_rack",
    "make_eco",
    "make_eco_type",
    "move_to",
    "sheet_hash",
    "slot_of",
    "stage_named",
    "start_revision",
]
_serial = itertools.count(1)
PASSWORD_PROOF = Proof("password", password=True)
STAGES: tuple[tuple[str, StageRole], ...] = (
    ("New", StageRole.NEW),
    ("In progress", StageRole.OPEN),
    ("Review", StageRole.REVIEW),
    ("Approved", StageRole.APPROVED),
    ("Done", StageRole.DONE),
)


def make_eco_type(
    approvers: Mapping[str, Sequence[tuple[Person, ApproverKind]]] | None = None,
    *,
    stages: Sequence[Any] = STAGES,
    name: str | None = None,
    signing: Signing = Signing.SIGNED,
    **settings: Any,
) -> EcoType:
    """A type with the usual stages; `approvers` by stage name, nobody by default."""
    number = next(_serial)
    with transaction(by=None, source="test"):
        return actions.make_eco_type(
            name or f"Product improvement {number}",
            stages,
            approvers or {},
            slug=f"type-{number}",
            signing=signing,
            **settings,
        )


def make_coat_rack(parts: Mapping[str, int] | None = None, *, name: str = "Coat rack") -> Product:
    """A product with a released BoM V1: by default one pole, six dowels, one base."""
    product = make_product(name)
    kind = make_eco_type(signing=Signing.LIGHT, first_release=True, separation_of_duties=False)
    eve = make_person("Joe")
    components = {
        part: make_product(part) for part in (parts or {"Wooden pole": 1, "Wooden dowel": 6, "Wooden base": 1})
    }
    quantities = parts or {"Wooden pole": 1, "Wooden dowel": 6, "Wooden base": 1}
    with transaction(by=eve, source="test"):
        eco = actions.open_eco(title=f"First release of {name}", type=kind, product=product, by=eve)
        draft = actions.start_eco_revision(eco, by=eve)
        for part, quantity in quantities.items():
            bom_actions.add_component(draft, component=components[part], quantity=Decimal(quantity), by=eve)
        actions.enter_and_apply(
            eco,
            to_id=stage_named(eco, "Approved").id,
            by=eve,
            proof=PASSWORD_PROOF,
            seen=sheet_hash(eco),
            approve=False,
        )
    return product


def make_eco(
    product: Product,
    type: EcoType,
    *,
    by: Person,
    title: str = "Support rod, so the rack holds six coats",
    started: bool = False,
    stage: str | None = None,
) -> Eco:
    """A change; `started` with a draft that has one line more, then moved to `stage`."""
    with transaction(by=by, source="test"):
        eco = actions.open_eco(title=title, type=type, product=product, by=by)
    if started or stage:
        start_revision(eco, by=by)
        edit_draft(eco, by=by)
    if stage:
        move_to(eco, stage, by=by)
    return eco


def start_revision(eco: Eco, *, by: Person) -> BomRevision:
    with transaction(by=by, source="test"):
        return actions.start_eco_revision(eco, by=by)


def edit_draft(eco: Eco, *, by: Person, name: str = "Metal support rod", quantity: int = 1) -> BomLine:
    """One component more in the draft of the change."""
    rod = make_product(name)
    with transaction(by=by, source="test"):
        draft = (
            db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco.id).order_by(BomRevision.id))
            .unique()
            .first()
        )
        assert draft is not None
        return bom_actions.add_component(draft, component=rod, quantity=Decimal(quantity), by=by)


def stage_named(eco: Eco, name: str) -> Stage:
    board = select(EcoType.board_id).where(EcoType.id == eco.type_id).scalar_subquery()
    return db.session.scalars(select(Stage).where(Stage.board_id == board, Stage.name == name)).one()


def sheet_hash(eco: Eco) -> str:
    """What the sign-off form of the change carries now."""
    from app.plm.gates import sheet_of

    return sheet_of(eco).content_hash


def move_to(eco: Eco, stage: str, *, by: Person) -> None:
    with transaction(by=by, source="test"):
        actions.move_eco(eco, to=stage_named(eco, stage), before=None, after=None, by=by)


def approve(eco: Eco, *, by: Person, proof: Proof = PASSWORD_PROOF, seen: str | None = None, comment: str = "") -> None:
    with transaction(by=by, source="test"):
        actions.approve_eco(eco, by=by, proof=proof, seen=seen or sheet_hash(eco), comment=comment)


def active_number(product: Product) -> int | None:
    """The number of the current revision of a product's default slot."""
    found = revisions.effective_revision(product)
    return found.number if found else None


def slot_of(product: Product) -> Bom:
    return db.session.scalars(select(Bom).where(Bom.product_id == product.id)).unique().one()
