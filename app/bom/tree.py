"""The component tree of a page: only what is open, priced, with what is new marked."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.bom import queries
from app.bom.compare import compare
from app.bom.content import Content, Line
from app.bom.costing import Cost, Costing
from app.bom.models import BomRevision

DEEPEST = 20  # levels drawn; nobody opens more by hand


@dataclass(frozen=True)
class Node:
    """One row. `path` names it: the uids of the lines that lead to it."""

    path: tuple[str, ...]
    name: str
    ref: str
    revision_label: str
    quantity: Decimal
    uom: str
    each: Decimal
    together: Decimal
    share: Decimal
    is_open: bool
    has_more: bool
    mark: Literal["add", "update", ""] = ""

    @property
    def depth(self) -> int:
        return len(self.path)

    @property
    def key(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Branch:
    """A line of the revision with everything open below it: one piece of the table that is drawn by itself."""

    key: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Tree:
    branches: tuple[Branch, ...]
    cost: Cost
    own_work: Decimal
    base_cost: Cost | None
    content: Content
    base: Content | None
    opened: frozenset[str]

    def toggled(self, key: str) -> str:
        """The `open` parameter with this row folded or unfolded."""
        return ",".join(sorted(self.opened ^ {key}))


def tree(revision: BomRevision, *, opened: Collection[str] = (), only: str | None = None) -> Tree:
    """The tree of a revision with the rows in `opened` unfolded; `only` draws the branch of one line."""
    base_id = revision.based_on_id
    product = revision.bom.product
    contents = queries.contents([revision.id, *([base_id] if base_id is not None else [])])
    content, base = contents[revision.id], contents.get(base_id) if base_id is not None else None
    drafts = revision.eco_id if not revision.state.is_released else None
    units = queries.units()
    below = queries.structure([product.ref], drafts_of=drafts, instead={product.id: revision.id})
    costing = Costing(below.source, below.prices, below.rates, below.uoms, units)
    marks: dict[str, Literal["add", "update", ""]] = {
        change.uid: "add" if change.kind == "add" else "update"
        for change in (compare(base, content) if base is not None else ())
        if change.what == "line" and change.kind != "remove"
    }
    labels = _labels(below.revision_ids)
    drawing = _Drawing(below, costing, labels, frozenset(opened), marks, costing.of(product.ref).total)
    lines = [line for line in content.lines if only is None or line.uid == only]
    return Tree(
        branches=tuple(Branch(line.uid, tuple(drawing.rows(content, line, (), Decimal(1)))) for line in lines),
        cost=costing.of(product.ref),
        own_work=sum((costing.of_operation(content, step) for step in content.operations), Decimal(0)),
        base_cost=_base_cost(product.ref, product.id, base_id),
        content=content,
        base=base,
        opened=frozenset(opened),
    )


def opened_rows(text: str) -> frozenset[str]:
    """The `open` parameter of a page, read with care."""
    return frozenset(key for key in text[:4000].split(",")[:200] if key)


class _Drawing:
    def __init__(
        self,
        below: queries.Structure,
        costing: Costing,
        labels: dict[int, str],
        opened: frozenset[str],
        marks: dict[str, Literal["add", "update", ""]],
        total: Decimal,
    ) -> None:
        self.below, self.costing, self.labels, self.opened = below, costing, labels, opened
        self.marks, self.total = marks, total

    def rows(self, parent: Content, line: Line, above: tuple[str, ...], times: Decimal) -> Iterable[Node]:
        path = (*above, line.uid)
        each, one = self.costing.of_line(parent, line)
        child = self.below.source(line.component)
        is_open = child is not None and ".".join(path) in self.opened and len(path) < DEEPEST
        together = one * times
        label = self.labels.get(self.below.revision_ids.get(line.component, 0), "")
        yield Node(
            path=path,
            name=self.below.names.get(line.component, line.component),
            ref=line.component,
            revision_label=label,
            quantity=line.quantity * times / parent.output_quantity,
            uom=line.uom,
            each=each,
            together=together,
            share=Decimal(0) if not self.total else together * 100 / self.total,
            is_open=is_open,
            has_more=child is not None and bool(child.lines),
            mark=self.marks.get(line.uid, "") if not above else "",
        )
        if is_open and child is not None:
            asked = line.quantity * (1 + line.scrap) * times / parent.output_quantity
            for row in child.lines:
                yield from self.rows(child, row, path, asked)


def _labels(revision_ids: dict[str, int]) -> dict[int, str]:
    return queries.labels(revision_ids.values())


def _base_cost(ref: str, product_id: int, base_id: int | None) -> Cost | None:
    if base_id is None:
        return None
    below = queries.structure([ref], instead={product_id: base_id})
    return Costing(below.source, below.prices, below.rates, below.uoms, queries.units()).of(ref)
