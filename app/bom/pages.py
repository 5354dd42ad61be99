"""What the pages of this room show, put together: one function per page."""

from dataclasses import replace
from typing import Any

from app.bom import queries, units
from app.bom.compare import compare
from app.bom.loop import caption_of
from app.bom.models import Bom, BomRevision
from app.bom.tree import tree
from app.bom.units import Unit
from app.catalog.models import Product
from app.traits.links.queries import chain_of
from app.traits.links.rail import Node, Rail, rail
from app.traits.record import KINDS, Record, record_url


def bom_page(bom: Bom, opened: frozenset[str]) -> dict[str, Any]:
    """The BoM as it is now: versions, tree, cost, where used. Before the first release its newest draft is shown."""
    versions = queries.versions(bom, units.built_counts(bom.id))
    shown = next((v for v in versions if v.revision.is_current), None) or next(
        (v for v in reversed(versions) if v.revision.is_draft), versions[-1] if versions else None
    )
    revision = shown.revision if shown else None
    return {
        "bom": bom,
        "versions": versions,
        "shown": shown,
        "revision": revision,
        "base": queries.load(revision.based_on_id) if revision and revision.based_on_id is not None else None,
        "tree": tree(revision, opened=opened) if revision else None,
        "steps": marked_steps(revision) if revision else [],
        "used_in": queries.used_in(bom.product_id),
        "others": [other for other in queries.boms_of_product(bom.product_id) if other.id != bom.id],
        "rail": rail_of(shown.revision, shown.eco) if shown else None,
        "address": address,
    }


def revision_page(revision: BomRevision, opened: frozenset[str]) -> dict[str, Any]:
    """One revision with its components and operations, and what is new in them."""
    drawn = tree(revision, opened=opened)
    operations = queries.operations_of(revision)
    base_names = {step.uid for step in drawn.base.operations} if drawn.base else set()
    return {
        "revision": revision,
        "bom": revision.bom,
        "base": queries.load(revision.based_on_id) if revision.based_on_id is not None else None,
        "tree": drawn,
        "nodes": {branch.key: branch.nodes[0] for branch in drawn.branches},
        "lines": queries.lines_of(revision),
        "operations": operations,
        "step_names": {step.uid: step.name for step in operations},
        "new_steps": {step.uid for step in operations if drawn.base and step.uid not in base_names},
        "moved": revision.is_draft and revision.based_on_id != revision.bom.active_revision_id,
        "rail": rail_of(revision, revision.eco),
        "address": address,
    }


def product_page(product: Product) -> dict[str, Any]:
    """A product: what is known about it, how it is made, what it goes into, who has it."""
    boms = queries.boms_of_product(product.id)
    current = [queries.load(bom.active_revision_id) for bom in boms if bom.active_revision_id is not None]
    return {
        "product": product,
        "boms": boms,
        "current": {revision.bom_id: revision for revision in current},
        "drafts": queries.drafts_of_product(product.id),
        "used_in": queries.used_in(product.id),
        "counts": units.counts(product.id),
        "address": address,
    }


def unit_page(unit: Unit) -> dict[str, Any]:
    """A serial: what it was built to, what it is at now, whose it was and is."""
    newer = None
    level = unit.maintained_revision or unit.revision
    if level is not None and level.bom.active_revision_id not in (None, level.id):
        newer = queries.load(level.bom.active_revision_id or 0)
    return {"unit": unit, "newer": newer, "address": address}


def marked_steps(revision: BomRevision) -> list[dict[str, Any]]:
    """Operations with what is different from the revision before: added, changed minutes, removed."""
    ids = [revision.id, *([revision.based_on_id] if revision.based_on_id is not None else [])]
    contents = queries.contents(ids)
    new = contents[revision.id]
    old = contents.get(revision.based_on_id) if revision.based_on_id is not None else None
    changed = {c.uid: c for c in (compare(old, new) if old is not None else ()) if c.what == "operation"}
    steps = []
    for step in new.ordered_operations:
        change = changed.get(step.uid)
        before = change.before if change is not None else None
        steps.append(
            {
                "sequence": step.sequence,
                "name": step.name,
                "minutes": step.minutes,
                "is_new": change is not None and change.kind == "add",
                "before": before["minutes"] if before and "minutes" in (change.fields if change else ()) else None,
            }
        )
    return steps


def rail_of(revision: BomRevision, eco: Record | None) -> Rail | None:
    """The loop as the change behind a revision sees it, standing at this revision; None where there is no change."""
    if eco is None or eco.kind not in KINDS:
        return None
    found = rail(chain_of(eco))
    return Rail(
        nodes=[
            _here(node, revision) if node.step == "bom" else replace(node, is_current=False) for node in found.nodes
        ],
        way_back=found.way_back,
    )


def address(record: Record | None) -> str | None:
    """Where a record is, None when its room has no pages."""
    return record_url(record) if record is not None and record.kind in KINDS else None


def _here(node: Node, revision: BomRevision) -> Node:
    return replace(
        node, label=f"{revision.bom.product.ref} {revision.label}", caption=caption_of(revision), is_current=True
    )
