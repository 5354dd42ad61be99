"""The place of a BoM revision on the loop rail, and what else this room tells about itself."""

from decimal import ROUND_HALF_UP, Decimal

from flask import Flask
from sqlalchemy import select

from app.bom.models import Bom, BomRevision, RevisionState
from app.foundation.db import db
from app.foundation.language import _, day, money, quantity
from app.traits.links.queries import Chain
from app.traits.links.rail import DONE, NEXT, Node, rail_step


def init_loop(app: Flask) -> None:
    rail_step("bom", revision_node)
    app.jinja_env.filters.update(signed=signed, signed_money=signed_money, rounded=rounded)


def revision_node(chain: Chain) -> Node | None:
    """The revision the change of this loop has started."""
    eco = chain.main("eco")
    if eco is None:
        return None
    found = list(
        db.session.scalars(
            select(BomRevision)
            .join(Bom, Bom.id == BomRevision.bom_id)
            .where(BomRevision.eco_id == eco.id, BomRevision.state != RevisionState.ABANDONED)
            .order_by(BomRevision.id)
        ).unique()
    )
    if not found:
        return None
    revision = found[0]
    others = len(found) - 1
    label = f"{revision.bom.product.ref} {revision.label}"
    return Node(
        label=label if not others else _("%(label)s and %(others)s more", label=label, others=others),
        caption=_caption(revision),
        url=revision.url,
        state=NEXT if revision.is_draft else DONE if not revision.is_current else None,
        is_finished=revision.state.is_released,
    )


def _caption(revision: BomRevision) -> str:
    if revision.is_draft:
        return str(_("Draft, not released"))
    if revision.is_current:
        return str(_("Current since %(day)s", day=day(revision.released_at)))
    if revision.state is RevisionState.SCHEDULED:
        return str(_("Scheduled"))
    return str(_("Superseded"))


def signed(value: Decimal) -> str:
    """+ 6, − 0.5."""
    return f"{'+' if value >= 0 else '−'} {quantity(abs(rounded(value)))}"


def signed_money(value: Decimal) -> str:
    """+ €3.60, − €0.12."""
    return f"{'+' if value >= 0 else '−'} {money(abs(value))}"


def rounded(value: Decimal, places: int = 2) -> Decimal:
    """For showing only."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP).normalize()
