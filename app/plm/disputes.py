"""When another change became current first: what both changed, in words, and how each row may be settled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.bom import queries as boms
from app.bom import rebasing
from app.bom.compare import Change, compare
from app.bom.merge import Conflict, Merge
from app.bom.models import Activation, BomRevision
from app.catalog.models import Product
from app.foundation.db import db
from app.foundation.language import _, quantity
from app.plm.gates import Sheet
from app.traits.record import Record

AMOUNTS = frozenset({"quantity", "output_quantity"})


@dataclass(frozen=True)
class Option:
    """One way to settle a conflict; `side` is the column it stands in."""

    choice: str
    text: str
    side: str
    is_default: bool


@dataclass(frozen=True)
class Dispute:
    """One row of the conflict table."""

    id: str
    label: str
    base: str
    options: list[Option]


@dataclass(frozen=True)
class Overtaker:
    """What became current while a draft was being written, what has to be chosen, and what is simply taken over."""

    draft: BomRevision
    current: BomRevision
    eco: Record | None
    at: datetime | None
    disputes: list[Dispute]
    taken: list[tuple[str, str]]


def overtakers(sheet: Sheet) -> list[Overtaker]:
    """For the banner: which revision moved the base of which draft, by which change, when, and what to do about it."""
    found = []
    for part in sheet.parts:
        merge = rebasing.merge_of(part.revision, known=sheet.contents) if part.base_moved else None
        if merge is None:
            continue
        current = boms.load(part.revision.bom.active_revision_id or 0)
        row = db.session.execute(
            select(Activation.from_ts, Record)
            .outerjoin(Record, Record.id == Activation.eco_id)
            .where(Activation.revision_id == current.id)
            .order_by(Activation.id.desc())
            .limit(1)
        ).first()
        names = _names(merge)
        disputes = [dispute_of(conflict, names) for conflict in merge.conflicts]
        asked = {uid for conflict in merge.conflicts for uid in conflict.uid.split("+")}
        taken = [
            (label_of(change.what, change.after or change.before or {}, names), said_of(change, names))
            for change in compare(merge.base, merge.theirs)
            if change.uid not in asked
        ]
        found.append(
            Overtaker(part.revision, current, row[1] if row else None, row[0] if row else None, disputes, taken)
        )
    return found


def _names(merge: Merge) -> dict[str, str]:
    """Words for references, steps and work centres of all three sides."""
    sides = (merge.base, merge.theirs, merge.ours)
    refs = {line.component for side in sides for line in side.lines}
    named = select(Product.ref, Product.name).where(Product.ref.in_(refs))
    names = dict(db.session.execute(named).all())
    names |= {f"step {step.uid}": step.name for side in sides for step in side.operations}
    lines = [line for side in sides for line in side.lines]
    return names | {f"line {line.uid}": names.get(line.component, line.component) for line in lines}


def label_of(what: str, row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What a row is called."""
    if what == "line":
        return names.get(row.get("component", ""), row.get("component", ""))
    if what == "header":
        return _("One batch makes")
    return str(row.get("name", ""))


def said_of(change: Change, names: Mapping[str, str]) -> str:
    """A change that is taken over, in words."""
    if change.after is None:
        return _("removed")
    if change.before is None:
        return _("added: %(what)s", what=words_for(change.after, ("quantity", "minutes", "work_centre"), names))
    return words_for(change.after, change.fields, names)


def dispute_of(conflict: Conflict, names: Mapping[str, str]) -> Dispute:
    """A conflict as a row with radio buttons."""
    sides = {"theirs": conflict.theirs, "ours": conflict.ours}
    present = [side for side in (conflict.base, *sides.values()) if side is not None]
    fields = tuple(name for side in present for name in side)
    differing = tuple(dict.fromkeys(n for n in fields if len({str(side.get(n)) for side in present}) > 1))
    shown = differing if conflict.group not in ("row", "duplicate") else fields
    options = []
    for choice in conflict.choices:
        if choice in sides:
            side = sides[choice]
            text = _("removed") if side is None else words_for(side, shown, names)
        elif choice == "sum":
            both = Decimal(str((conflict.theirs or {})["quantity"])) + Decimal(str((conflict.ours or {})["quantity"]))
            text = _("together: %(what)s", what=f"{quantity(both)} {(conflict.ours or {}).get('uom', '')}")
        else:
            text = _("keep both")
        options.append(Option(choice, text, "theirs" if choice == "theirs" else "ours", choice == conflict.default))
    whole = {**(conflict.base or {}), **(conflict.theirs or {}), **(conflict.ours or {})}
    base = "" if conflict.base is None else words_for(conflict.base, shown, names)
    return Dispute(conflict.id, _label(conflict, whole, names), base, options)


def _label(conflict: Conflict, whole: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if conflict.what == "operation" and "name" not in whole:
        return names.get(f"step {conflict.uid}", "")
    if conflict.what == "line" and "component" not in whole:
        return names.get(f"line {conflict.uid}", _("A component"))
    return label_of(conflict.what, whole, names)


def words_for(row: Mapping[str, Any], fields: Sequence[str], names: Mapping[str, str]) -> str:
    """The named fields of a row, as people say them."""
    said: list[str] = []
    for name in fields:
        value = row.get(name)
        if name in ("quantity", "output_quantity") or (
            name == "uom" and not {"quantity", "output_quantity"} & set(fields)
        ):
            number = row.get("quantity", row.get("output_quantity"))
            if number is None and not value:
                continue
            said.append(f"{quantity(Decimal(str(number)))} {row.get('uom', '')}" if number is not None else str(value))
        elif name == "minutes" and value is not None:
            said.append(_("%(minutes)s min", minutes=quantity(Decimal(str(value)))))
        elif name == "component":
            said.append(names.get(str(value), str(value)))
        elif name == "operation":
            said.append(names.get(f"step {value}", _("no step")) if value else _("no step"))
        elif name == "sequence":
            said.append(_("step %(number)s", number=value))
        elif name == "scrap" and value not in (None, "0"):
            said.append(_("scrap %(percent)s %%", percent=quantity(Decimal(str(value)) * 100)))
        elif name == "setup" and value not in (None, "0"):
            said.append(_("%(amount)s more per order", amount=quantity(Decimal(str(value)))))
        elif name == "designators" and value:
            said.append(", ".join(value))
        elif name in ("note", "name", "work_centre", "kind") and value:
            said.append(str(value))
    return ", ".join(dict.fromkeys(part for part in said if part))
