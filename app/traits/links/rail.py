"""The loop rail: seven nodes from complaint to question, filled by the rooms, drawn on every record."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flask_babel import LazyString

from app.foundation.language import _, day, lazy, ngettext
from app.traits.links.queries import Chain
from app.traits.record import KINDS, Record, record_url

STEPS: dict[str, LazyString] = {
    "ticket": lazy("Ticket"),
    "alert": lazy("Quality alert"),
    "eco": lazy("Change"),
    "bom": lazy("Bill of materials"),
    "mo": lazy("Order"),
    "field": lazy("Field repair"),
    "survey": lazy("Survey"),
}
DONE, NOW, NEXT, NONE = "done", "now", "next", "none"


@dataclass(frozen=True)
class Node:
    """One node. `state` None lets the rail work it out: the furthest that is there is `now`, what is before it `done`.

    `is_finished`: nothing is left to do here. Without `url` it is drawn without a link.
    """

    label: str
    caption: str = ""
    url: str | None = None
    state: str | None = None
    is_finished: bool = False
    step: str = ""
    is_current: bool = False


@dataclass(frozen=True)
class Rail:
    nodes: list[Node]
    way_back: str


Provider = Callable[[Chain], Node | None]
_providers: dict[str, Provider] = {}


def rail_step(step: str, fill: Provider) -> None:
    """`fill(chain)` makes the node of `step`, or None when there is nothing yet. Steps of records have a default."""
    if step not in STEPS:
        raise ValueError(f"The loop has no step {step}.")
    _providers[step] = fill


def record_node(chain: Chain, step: str, caption: str | None = None) -> Node | None:
    """The node of a step whose things are records: number, and `caption` or stage and date; None without a record."""
    record = chain.main(step)
    if record is None:
        return None
    return Node(
        label=record.number,
        caption=caption or _caption(record, len(chain.records(step)) - 1),
        url=record_url(record),
        is_finished=record.closed_at is not None or (record.stage is not None and record.stage.is_closed),
    )


def rail(chain: Chain) -> Rail:
    """The seven nodes for `chain`, each with its state."""
    nodes = [_node(chain, step) for step in STEPS]
    there = [i for i, node in enumerate(nodes) if node is not None and node.state != NEXT]
    furthest = there[-1] if there else -1
    drawn = []
    for index, (step, node) in enumerate(zip(STEPS, nodes, strict=True)):
        drawn.append(_with_state(node, step, index, furthest))
    own = chain.step
    return Rail(
        nodes=[replace(node, is_current=node.step == own) for node in drawn],
        way_back=_("then the customer tells us if it holds"),
    )


def _node(chain: Chain, step: str) -> Node | None:
    fill = _providers.get(step)
    node = fill(chain) if fill else None
    return node or (record_node(chain, step) if any(kind.step == step for kind in KINDS.values()) else None)


def _with_state(node: Node | None, step: str, index: int, furthest: int) -> Node:
    if node is None:
        caption = _("skipped") if index < furthest else _("not yet")
        return Node(label=str(STEPS[step]), caption=caption, state=NONE if index < furthest else NEXT, step=step)
    state = node.state or (NOW if index == furthest and not node.is_finished else DONE if index <= furthest else NEXT)
    return replace(node, state=state, step=step)


def _caption(record: Record, others: int) -> str:
    if record.stage is not None:
        text = _("%(stage)s %(day)s", stage=record.stage.name, day=day(record.entered_stage_at))
    else:
        text = day(record.created_at)
    if others > 0:
        text += ngettext(", and %(num)s more", ", and %(num)s more", others)
    return str(text)
