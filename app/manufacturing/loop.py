"""What orders tell the rest of the loop: their node on the rail, and which of them a revision touches."""

from app.bom.loop import caption_of
from app.bom.models import BomRevision
from app.foundation.db import db
from app.foundation.language import _, day, ngettext, quantity
from app.manufacturing import queries
from app.manufacturing.models import ManufacturingOrder
from app.traits.board.models import StageRole
from app.traits.impact import Impact, Touched
from app.traits.links.queries import Chain, chain_of
from app.traits.links.rail import DONE, Node, Rail, rail
from app.traits.record import KINDS, Record, record_url


def rail_of(order: ManufacturingOrder) -> Rail:
    """The loop of an order: its own revision, the change that made it, and what that change came from."""
    chain = chain_of(order)
    eco = db.session.get(Record, order.revision.eco_id) if order.revision.eco_id else None
    if eco is not None and eco.kind in KINDS:
        before = chain_of(eco)
        ahead = {step: records for step, records in before.ahead.items() if step != "mo"} | {"eco": [eco]}
        chain = Chain(order, ahead=ahead, kin=before.kin, upstream=before.upstream | {eco.id})
    drawn = rail(chain)
    own = Node(
        label=f"{order.product.ref} {order.revision.label}",
        caption=caption_of(order.revision),
        url=order.revision.url,
        state=DONE,
        step="bom",
    )
    return Rail(nodes=[own if n.step == "bom" else n for n in drawn.nodes], way_back=drawn.way_back)


def node(chain: Chain) -> Node | None:
    """The order on the rail: the record itself, or the newest order built to a revision of the chain's ECOs."""
    if isinstance(chain.record, ManufacturingOrder):
        return _node(chain.record, others=0)
    count, shown = queries.orders_of_ecos([eco.id for eco in chain.records("eco")])
    return None if shown is None else _node(shown, others=count - 1)


def impact(revision: BomRevision) -> Impact | None:
    """Open orders of the revision's slot: which keep what they have, which can still take the new one."""
    orders = queries.open_orders_of_bom(revision.bom_id)
    others = [order for order in orders if order.revision_id != revision.id]
    drafts = sum(order.state == StageRole.DRAFT for order in others)
    kept = len(others) - drafts
    sentences = []
    if drafts:
        sentences.append(
            ngettext(
                "%(num)s draft can take %(revision)s.",
                "%(num)s drafts can take %(revision)s.",
                drafts,
                revision=revision.label,
            )
        )
    if kept:
        sentences.append(
            ngettext("%(num)s confirmed order stays as it is.", "%(num)s confirmed orders stay as they are.", kept)
        )
    return Impact(
        title=_("Open orders"),
        count=len(others),
        sentence=" ".join(sentences) or _("None is open; the next order takes it."),
        step="mo",
        icon="mo",
        items=[
            Touched(label=order.number, url=record_url(order), note=f"{order.revision.label}, {order.stage_name}")
            for order in others[:8]
        ],
    )


def _node(order: ManufacturingOrder, *, others: int) -> Node:
    caption = _(
        "%(quantity)s pcs, %(stage)s, starts %(day)s",
        quantity=quantity(order.quantity),
        stage=order.stage_name.lower(),
        day=day(order.planned_start),
    )
    if others > 0:
        caption += ngettext(", and %(num)s more", ", and %(num)s more", others)
    return Node(
        label=order.number,
        caption=caption,
        url=record_url(order),
        is_finished=order.state == StageRole.DONE,
    )
