"""The place of a BoM revision on the loop rail, and what else this room tells about itself."""

from decimal import ROUND_HALF_UP, Decimal

from flask import Flask
from sqlalchemy import func, select

from app.bom.models import Bom, BomRevision, RevisionState
from app.bom.touched import touched_by
from app.foundation.db import db
from app.foundation.language import _, day, money, ngettext, quantity
from app.traits.impact import Impact, Touched, answers_impact
from app.traits.links.queries import Chain
from app.traits.links.rail import DONE, NEXT, Node, rail_step
from app.traits.work import loop_count


def init_loop(app: Flask) -> None:
    rail_step("bom", revision_node)
    answers_impact("boms", impact)
    loop_count("bom", drafts)
    app.jinja_env.filters.update(signed=signed, signed_money=signed_money, rounded=rounded)


def drafts() -> int:
    """How many revisions are being drawn."""
    statement = select(func.count(BomRevision.id)).where(BomRevision.state == RevisionState.DRAFT)
    return db.session.scalar(statement) or 0


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
        caption=caption_of(revision),
        url=revision.url,
        state=NEXT if revision.is_draft else DONE if not revision.is_current else None,
        is_finished=revision.state.is_released,
    )


def impact(revision: BomRevision) -> list[Impact]:
    """Pieces that are out there at an earlier level, and what is made of the product."""
    found = touched_by(revision)
    answers = []
    if revision.number > 1:
        last = revision.number - 1
        answers.append(
            Impact(
                title=_("Sold with V1") if last == 1 else _("Sold with V1 to V%(last)s", last=last),
                count=found.sold,
                sentence=ngettext("%(num)s customer has them:", "%(num)s customers have them:", found.customers)
                if found.sold
                else _("Nobody has one."),
                step="field",
                icon="user",
                items=_named(found.serials, found.sold),
            )
        )
    answers.append(
        Impact(
            title=_("Used in"),
            count=found.uses,
            sentence=_("What takes the current version:") if found.uses else _("No other bill of materials takes it."),
            items=_named(found.users, found.uses),
        )
    )
    return answers


def _named(shown: list[tuple[str, str]], count: int) -> list[Touched]:
    items = [Touched(label=label, url=url) for label, url in shown]
    return items + ([Touched(label=_("%(num)s more", num=count - len(shown)))] if count > len(shown) else [])


def caption_of(revision: BomRevision) -> str:
    """Where a revision stands, in a few words."""
    if revision.is_draft:
        return str(_("Draft, not released"))
    if revision.is_current:
        return str(_("Current since %(day)s", day=day(revision.released_at)))
    if revision.state is RevisionState.SCHEDULED:
        return str(_("Scheduled"))
    if revision.state.is_released:
        return str(_("Superseded"))
    return str(_("Abandoned"))


def signed(value: Decimal) -> str:
    """+ 6, − 0.5."""
    return f"{'+' if value >= 0 else '−'} {quantity(abs(rounded(value)))}"


def signed_money(value: Decimal) -> str:
    """+ €3.60, − €0.12."""
    return f"{'+' if value >= 0 else '−'} {money(abs(value))}"


def rounded(value: Decimal, places: int = 2) -> Decimal:
    """For showing only."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP).normalize()
