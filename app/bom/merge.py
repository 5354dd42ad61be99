"""Three-way merge of two changes to one BoM: what both started from, what is current now, what the draft says.

Rows are matched by uid and compared in groups of fields that only make sense together. Where only one side changed a
group, that change is taken; where both did the same, it is taken once; everything else is a conflict that a person
settles with `resolve()`. Pure functions on plain data. With `theirs` and `ours` swapped the result is the same, but for
what a person chose.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, Literal, Self, TypeVar

from app.bom.content import Content, Document, Line, Operation, plain

Side = Literal["theirs", "ours"]
Choice = str | Mapping[str, Any]

LINE_GROUPS: Mapping[str, tuple[str, ...]] = {
    "demand": ("component", "quantity", "uom", "scrap", "setup"),
    "operation": ("operation",),
    "note": ("note",),
    "designators": ("designators",),
}
OPERATION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "work": ("work_centre", "minutes"),
    "note": ("note",),
}
DOCUMENT_GROUPS: Mapping[str, tuple[str, ...]] = {"file": ("name", "sha256")}
OUTPUT = "header:output"
KIND = "header:kind"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something two people changed, and only a person can settle.

    `base`, `theirs` and `ours` are the fields in question in dict form, None where the row is not there. `choices` are
    the words `resolve()` takes; a dict of fields is taken too where `other` is true. `default` is what we would choose.
    """

    id: str
    what: Literal["header", "line", "operation", "document"]
    uid: str
    group: str
    base: dict[str, Any] | None
    theirs: dict[str, Any] | None
    ours: dict[str, Any] | None
    choices: tuple[str, ...] = ("theirs", "ours")
    other: bool = False
    default: str | None = None


@dataclass(frozen=True)
class Merge:
    """`content` is None while conflicts stand. `draft` shows it with our side where nobody has chosen yet."""

    base: Content
    theirs: Content
    ours: Content
    choices: Mapping[str, Choice]
    draft: Content
    conflicts: tuple[Conflict, ...]
    settled: tuple[Conflict, ...]

    @property
    def content(self) -> Content | None:
        return None if self.conflicts else self.draft

    @property
    def already_contained(self) -> bool:
        """The merge says what the current revision says already: nothing is left to change (M18)."""
        return self.content is not None and self.content.content_hash == self.theirs.content_hash

    def resolve(self, choices: Mapping[str, Choice]) -> Self:
        """Another merge with these choices made as well. ValueError for an id or a choice that does not exist."""
        known = {conflict.id: conflict for conflict in (*self.conflicts, *self.settled)}
        made = dict(self.choices)
        for asked, choice in choices.items():
            conflict = known.get(asked) or known.get(_turned(asked))
            if conflict is None:
                raise ValueError(f"There is no conflict {asked}.")
            if not (conflict.other if isinstance(choice, Mapping) else choice in conflict.choices):
                raise ValueError(f"{choice!r} is no choice for {asked}: {', '.join(conflict.choices)}.")
            made[conflict.id] = choice
        return type(self)(self.base, self.theirs, self.ours, made, *_merged(self.base, self.theirs, self.ours, made))


def merge(base: Content | None, theirs: Content, ours: Content) -> Merge:
    """`base` is what both started from (None: nothing), `theirs` the current revision, `ours` the draft."""
    start = base if base is not None else Content(uom=theirs.uom, output_quantity=theirs.output_quantity)
    return Merge(start, theirs, ours, {}, *_merged(start, theirs, ours, {}))


R = TypeVar("R", Line, Operation, Document)


@dataclass
class _Table(Generic[R]):
    """The rows of one sort on three sides."""

    what: Literal["line", "operation", "document"]
    base: dict[str, R]
    theirs: dict[str, R]
    ours: dict[str, R]
    merged: dict[str, R] = field(default_factory=dict)

    @classmethod
    def of(cls, what: Literal["line", "operation", "document"], *sides: Iterable[R]) -> "_Table[R]":
        base, theirs, ours = ({row.uid: row for row in side} for side in sides)
        return cls(what, base, theirs, ours)

    def uids(self) -> list[str]:
        return sorted(self.base.keys() | self.theirs.keys() | self.ours.keys())


class _Desk:
    """Where conflicts are collected and choices looked up."""

    def __init__(self, choices: Mapping[str, Choice]) -> None:
        self.choices = choices
        self.open: list[Conflict] = []
        self.settled: list[Conflict] = []

    def ask(self, conflict: Conflict) -> Choice | None:
        choice = self.choices.get(conflict.id)
        (self.open if choice is None else self.settled).append(conflict)
        return choice


def _merged(
    base: Content, theirs: Content, ours: Content, choices: Mapping[str, Choice]
) -> tuple[Content, tuple[Conflict, ...], tuple[Conflict, ...]]:
    # the laws, to the letter: whatever one side did alone, or both did alike, is the result
    if theirs in (base, ours):
        return ours, (), ()
    if ours == base:
        return theirs, (), ()
    desk = _Desk(choices)
    lines = _Table.of("line", base.lines, theirs.lines, ours.lines)
    operations = _Table.of("operation", base.ordered_operations, theirs.ordered_operations, ours.ordered_operations)
    documents = _Table.of("document", base.documents, theirs.documents, ours.documents)

    header = _header(base, theirs, ours, lines, desk)
    _rows(operations, OPERATION_GROUPS, desk)
    _rows(lines, LINE_GROUPS, desk)
    _rows(documents, DOCUMENT_GROUPS, desk)
    _duplicate_lines(lines, desk)
    twins = _duplicates(operations, lambda row: (row.name.casefold().strip(), row.work_centre), desk)
    _duplicate_documents(documents, desk)
    for uid, line in lines.merged.items():
        if line.operation in twins:
            lines.merged[uid] = replace(line, operation=twins[line.operation])
    _dangling(lines, operations, set(twins), desk)

    done = header.with_rows(
        lines=_in_order(lines),
        operations=_operations_in_order(operations, desk),
        documents=_in_order(documents),
    )
    return done, tuple(desk.open), tuple(desk.settled)


# The header ---------------------------------------------------------------------------------------------------------


def _header(base: Content, theirs: Content, ours: Content, lines: _Table[Line], desk: _Desk) -> Content:
    b, t, o = ((side.output_quantity, side.uom) for side in (base, theirs, ours))
    output = b
    edited_by_us, edited_by_them = _edits_quantities(lines, lines.ours), _edits_quantities(lines, lines.theirs)
    if t != o and ((t != b and (o != b or edited_by_us)) or (o != b and edited_by_them)):
        conflict = Conflict(
            OUTPUT, "header", "header", "output", _output(b), _output(t), _output(o), ("theirs", "ours"), other=True
        )
        choice = desk.ask(conflict)
        if isinstance(choice, Mapping):
            output = (Decimal(str(choice.get("output_quantity", plain(o[0])))), str(choice.get("uom", o[1])))
        else:
            output = t if choice == "theirs" else o
    elif t != b:
        output = t
    elif o != b:
        output = o
    kind = theirs.kind if theirs.kind != base.kind else ours.kind
    return Content(output_quantity=output[0], uom=output[1], kind=kind)


def _edits_quantities(lines: _Table[Line], side: Mapping[str, Line]) -> bool:
    """Whether this side wrote quantities, which only mean something for its own output quantity."""
    demand = LINE_GROUPS["demand"]
    return any(
        uid not in lines.base or _values(row, demand) != _values(lines.base[uid], demand) for uid, row in side.items()
    )


def _output(pair: tuple[Decimal, str]) -> dict[str, Any]:
    return {"output_quantity": plain(pair[0]), "uom": pair[1]}


# Rows ---------------------------------------------------------------------------------------------------------------


def _rows(table: _Table[R], groups: Mapping[str, tuple[str, ...]], desk: _Desk) -> None:
    for uid in table.uids():
        b, t, o = table.base.get(uid), table.theirs.get(uid), table.ours.get(uid)
        if t is not None and o is not None:
            table.merged[uid] = _fields(table.what, uid, b, t, o, groups, desk)
        elif b is None:
            table.merged[uid] = t or o  # type: ignore[assignment]
        else:
            kept = t or o
            if kept is None or not _differs(kept, b, groups):
                continue  # deleted in both, or deleted here and untouched there
            conflict = Conflict(
                f"{uid}:row",
                table.what,
                uid,
                "row",
                b.to_dict(),
                t.to_dict() if t else None,
                o.to_dict() if o else None,
            )
            choice = desk.ask(conflict)
            keeps: Side = "theirs" if t else "ours"
            if choice is None or choice == keeps:
                table.merged[uid] = kept


def _fields(
    what: Literal["line", "operation", "document"],
    uid: str,
    b: R | None,
    t: R,
    o: R,
    groups: Mapping[str, tuple[str, ...]],
    desk: _Desk,
) -> R:
    said = o.to_dict()
    for group, names in groups.items():
        base = _values(b, names) if b is not None else None
        theirs, ours = _values(t, names), _values(o, names)
        if theirs in (ours, base):
            continue
        if ours == base:
            said |= theirs
            continue
        choice = desk.ask(Conflict(f"{uid}:{group}", what, uid, group, base, theirs, ours, other=True))
        if isinstance(choice, Mapping):
            said |= {name: choice[name] for name in names if name in choice}
        elif choice == "theirs":
            said |= theirs
    return type(o).from_dict(said)


def _differs(row: R, base: R, groups: Mapping[str, tuple[str, ...]]) -> bool:
    return any(_values(row, names) != _values(base, names) for names in groups.values())


def _values(row: Line | Operation | Document, names: Sequence[str]) -> dict[str, Any]:
    said = row.to_dict()
    return {name: said.get(name, "") for name in names}


# The same thing added twice -----------------------------------------------------------------------------------------


def _duplicate_lines(lines: _Table[Line], desk: _Desk) -> None:
    for theirs, ours in _pairs(lines, lambda row: (row.component, row.operation)):
        t, o = lines.merged[theirs], lines.merged[ours]
        choices = ("theirs", "ours", "sum", "both") if t.uom == o.uom else ("theirs", "ours", "both")
        alike = t.quantity == o.quantity and t.uom == o.uom
        choice = desk.ask(_twice(lines.what, t, o, choices, "theirs" if alike else None))
        if choice == "theirs":
            del lines.merged[ours]
        elif choice == "ours":
            del lines.merged[theirs]
        elif choice == "sum":
            del lines.merged[ours]
            both = (*t.designators, *(d for d in o.designators if d not in t.designators))
            lines.merged[theirs] = replace(
                t, quantity=t.quantity + o.quantity, setup=t.setup + o.setup, designators=both
            )


def _duplicate_documents(documents: _Table[Document], desk: _Desk) -> None:
    for theirs, ours in _pairs(documents, lambda row: (row.name.casefold(),)):
        t, o = documents.merged[theirs], documents.merged[ours]
        if t.sha256 == o.sha256:
            del documents.merged[max(theirs, ours)]
            continue
        choice = desk.ask(_twice(documents.what, t, o, ("theirs", "ours", "both"), None))
        if choice in ("theirs", "ours"):
            del documents.merged[ours if choice == "theirs" else theirs]


def _duplicates(
    operations: _Table[Operation], key: Callable[[Operation], tuple[Any, ...]], desk: _Desk
) -> dict[str | None, str]:
    """Settles operations that both sides added; what is dropped points at what stays."""
    twins: dict[str | None, str] = {}
    for theirs, ours in _pairs(operations, key):
        t, o = operations.merged[theirs], operations.merged[ours]
        alike = "theirs" if t.minutes == o.minutes else None
        choice = desk.ask(_twice(operations.what, t, o, ("theirs", "ours", "both"), alike))
        if choice in ("theirs", "ours"):
            dropped, kept = (ours, theirs) if choice == "theirs" else (theirs, ours)
            del operations.merged[dropped]
            twins[dropped] = kept
    return twins


def _pairs(table: _Table[R], key: Callable[[R], tuple[Any, ...]]) -> list[tuple[str, str]]:
    """(their uid, our uid) of rows that are new on both sides and look like the same thing, first with first."""
    ours: dict[tuple[Any, ...], list[str]] = {}
    for uid, row in sorted(table.ours.items()):
        if uid not in table.base and uid not in table.theirs:
            ours.setdefault(key(row), []).append(uid)
    pairs = []
    for uid, row in sorted(table.theirs.items()):
        if uid not in table.base and uid not in table.ours and (same := ours.get(key(row))):
            pairs.append((uid, same.pop(0)))
    return pairs


def _twice(
    what: Literal["line", "operation", "document"],
    theirs: Line | Operation | Document,
    ours: Line | Operation | Document,
    choices: tuple[str, ...],
    default: str | None,
) -> Conflict:
    uid = "+".join(sorted((theirs.uid, ours.uid)))
    return Conflict(
        f"{uid}:duplicate", what, uid, "duplicate", None, theirs.to_dict(), ours.to_dict(), choices, default=default
    )


def _turned(asked: str) -> str:
    """`b+a:duplicate` names the same conflict as `a+b:duplicate`."""
    pair, _colon, group = asked.rpartition(":")
    return "+".join(sorted(pair.split("+"))) + ":" + group if group == "duplicate" else asked


# Lines whose operation is gone --------------------------------------------------------------------------------------


def _dangling(lines: _Table[Line], operations: _Table[Operation], twins: set[str | None], desk: _Desk) -> None:
    """One side deleted an operation in which the other side consumes a line it added or changed (M12)."""
    sides: tuple[tuple[Side, Side, dict[str, Line], dict[str, Operation], dict[str, Operation]], ...] = (
        ("theirs", "ours", lines.ours, operations.theirs, operations.ours),
        ("ours", "theirs", lines.theirs, operations.ours, operations.theirs),
    )
    for deleter, keeper, rows, gone_from, there_in in sides:
        for uid, row in sorted(rows.items()):
            at = row.operation
            if at is None or at in operations.merged or at in twins or uid not in lines.merged:
                continue
            if at not in operations.base or at in gone_from or at not in there_in:
                continue
            if uid in lines.base and not _differs(row, lines.base[uid], LINE_GROUPS):
                continue
            where = {"operation": at}
            nowhere = {"operation": None}
            conflict = Conflict(
                f"{uid}:operation",
                "line",
                uid,
                "operation",
                _values(lines.base[uid], ("operation",)) if uid in lines.base else None,
                nowhere if deleter == "theirs" else where,
                where if deleter == "theirs" else nowhere,
            )
            choice = desk.ask(conflict)
            if choice == keeper:
                operations.merged[at] = there_in[at]
                lines.merged[uid] = replace(lines.merged[uid], operation=at)
            elif choice == deleter:
                lines.merged[uid] = replace(lines.merged[uid], operation=None)
    for uid, row in lines.merged.items():
        if row.operation is not None and row.operation in operations.base and row.operation not in operations.merged:
            lines.merged[uid] = replace(row, operation=None)


# Order --------------------------------------------------------------------------------------------------------------


def _in_order(table: _Table[R]) -> list[R]:
    """Both keep their order: whoever moved rows gives the order of those we share, new rows follow their neighbour."""
    b, t, o = list(table.base), list(table.theirs), list(table.ours)
    shared = set(b) & set(t) & set(o) & set(table.merged)
    in_b, in_t, in_o = ([uid for uid in side if uid in shared] for side in (b, t, o))
    spine = in_t if in_o == in_b else in_o if in_t == in_b else min(in_t, in_o)
    order = _with_new_rows(spine, table, key=lambda uid: (uid,))
    return [table.merged[uid] for uid in order]


def _operations_in_order(table: _Table[Operation], desk: _Desk) -> list[Operation]:
    """Operations keep the sequence numbers people gave them, as far as these still tell the order (M14)."""
    b, t, o = list(table.base), list(table.theirs), list(table.ours)
    shared = set(b) & set(t) & set(o) & set(table.merged)
    moved_t, moved_o = _moved(table.base, table.theirs, shared), _moved(table.base, table.ours, shared)
    number: dict[str, int] = {}
    placed_by: dict[str, dict[str, Operation]] = {}
    for uid in table.merged:
        base, theirs, ours = (
            side[uid].sequence if uid in side else None for side in (table.base, table.theirs, table.ours)
        )
        if theirs is None or ours is None:
            number[uid] = theirs if theirs is not None else ours if ours is not None else table.merged[uid].sequence
        elif theirs in (ours, base):
            number[uid] = ours
        elif ours == base:
            number[uid] = theirs
        else:
            number[uid] = min(theirs, ours)
        if uid in moved_t and uid in moved_o and theirs != ours:
            choice = desk.ask(
                Conflict(
                    f"{uid}:sequence",
                    "operation",
                    uid,
                    "sequence",
                    {"sequence": base},
                    {"sequence": theirs},
                    {"sequence": ours},
                )
            )
            placed_by[uid] = table.theirs if choice == "theirs" else table.ours
            number[uid] = placed_by[uid][uid].sequence
        elif uid in moved_t:
            placed_by[uid] = table.theirs
        elif uid in moved_o:
            placed_by[uid] = table.ours
    still = [uid for uid in b if uid in shared and uid not in placed_by]
    anchored: dict[str | None, list[str]] = {}
    for uid, side in placed_by.items():
        anchored.setdefault(_neighbours(list(side), set(still))[uid], []).append(uid)
    spine: list[str] = []
    for anchor in (None, *still):
        spine += [anchor] if anchor is not None else []
        spine += sorted(anchored.get(anchor, ()), key=lambda uid: (number[uid], uid))
    order = _with_new_rows(spine, table, key=lambda uid: (number[uid], uid))
    return _numbered([replace(table.merged[uid], sequence=number[uid]) for uid in order], table)


def _moved(base: Mapping[str, Operation], side: Mapping[str, Operation], shared: set[str]) -> set[str]:
    """What this side gave another number and thereby another place among the operations all three know."""
    before, after = ([uid for uid in rows if uid in shared] for rows in (base, side))
    if before == after:
        return set()
    was, now = ({uid: place for place, uid in enumerate(rows)} for rows in (before, after))
    renumbered = {uid for uid in shared if base[uid].sequence != side[uid].sequence}
    moved = {
        uid for uid in renumbered if any((was[uid] < was[other]) != (now[uid] < now[other]) for other in shared - {uid})
    }
    # equal numbers tell no order; then it is the list that was rearranged
    return moved or {uid for uid in shared if was[uid] != now[uid]}


def _with_new_rows(spine: Sequence[str], table: _Table[R], *, key: Callable[[str], tuple[Any, ...]]) -> list[str]:
    """`spine` and, each after the row it follows on its own side, what is not in all three."""
    kept, on_spine = set(table.merged), set(spine)
    b, t, o = list(table.base), list(table.theirs), list(table.ours)
    after_any = (_neighbours(t, kept), _neighbours(o, kept))
    after_spine = (_neighbours(t, on_spine), _neighbours(o, on_spine), _neighbours(b, on_spine))
    followers: dict[str | None, list[str]] = {}
    for uid in kept - on_spine:
        if uid in table.theirs and uid in table.ours:
            anchor = min((a for a in (after_spine[0][uid], after_spine[1][uid]) if a is not None), default=None)
        elif uid in table.theirs:
            anchor = after_any[0][uid]
        elif uid in table.ours:
            anchor = after_any[1][uid]
        else:
            anchor = after_spine[2][uid]
        followers.setdefault(anchor, []).append(uid)
    order: list[str] = []

    def follow(leader: str | None) -> None:
        waiting = sorted(followers.get(leader, ()), key=key, reverse=True)
        while waiting:
            uid = waiting.pop()
            order.append(uid)
            waiting += sorted(followers.get(uid, ()), key=key, reverse=True)

    follow(None)
    for uid in spine:
        order.append(uid)
        follow(uid)
    return order


def _neighbours(side: Sequence[str], among: set[str]) -> dict[str, str | None]:
    """For each row the nearest one before it that is in `among`."""
    before: dict[str, str | None] = {}
    nearest: str | None = None
    for uid in side:
        before[uid] = nearest
        if uid in among:
            nearest = uid
    return before


def _numbered(operations: list[Operation], table: _Table[Operation]) -> list[Operation]:
    """Sequence numbers that rise along the order; what tells it already is left alone."""
    result: list[Operation] = []
    for place, operation in enumerate(operations):
        before = result[-1] if result else None
        if before is not None and (
            operation.sequence < before.sequence
            or (operation.sequence == before.sequence and not _together(operation.uid, before.uid, table))
        ):
            following = operations[place + 1].sequence if place + 1 < len(operations) else None
            room = following - before.sequence if following is not None else 20
            step = 10 if room > 10 else room // 2 if room >= 2 else 1
            result.append(replace(operation, sequence=before.sequence + step))
        else:
            result.append(operation)
    return result


def _together(one: str, other: str, table: _Table[Operation]) -> bool:
    """Somebody has numbered the two alike on purpose."""
    return any(
        one in side and other in side and side[one].sequence == side[other].sequence
        for side in (table.theirs, table.ours)
    )
