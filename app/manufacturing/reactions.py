"""What happens to orders when something happens elsewhere."""

from app.bom.models import BomRevision
from app.foundation.db import db
from app.foundation.events import on
from app.foundation.loop import CompanyFounded, RevisionActivated
from app.manufacturing import queries
from app.manufacturing.actions import make_orders_board
from app.traits.chatter.actions import log


@on(RevisionActivated)
def tell_open_orders(fact: RevisionActivated) -> None:
    """Every open order of the slot that keeps an older revision says so; nothing in it is changed (spec 2.5)."""
    revision = db.session.get_one(BomRevision, fact.revision_id)
    for order in queries.open_orders_of_bom(fact.bom_id):
        if order.revision_id != fact.revision_id:
            log(order, "newer_revision", {"revision": revision.label, "kept": order.revision.label}, by=None)


@on(CompanyFounded)
def lay_out_board(_fact: CompanyFounded) -> None:
    """The one board of orders."""
    make_orders_board()
