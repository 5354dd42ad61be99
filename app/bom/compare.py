"""The redline: what makes one content into the other, row by row, matched by uid. Pure functions on plain data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.bom.content import Content, Row, plain

ChangeKind = Literal["add", "remove", "update"]
What = Literal["header", "line", "operation", "document"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs. `before` and `after` are whole rows in dict form, None where there is none."""

    kind: ChangeKind
    what: What
    uid: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        before, after = self.before or {}, self.after or {}
        return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def compare(old: Content | None, new: Content | None) -> list[Change]:
    """Header first, then lines, operations, documents; rows in the new order, what was removed at its old place.

    `old` may be None for a first revision. The order in which lines are shown is not a change; the sequence of an
    operation is.
    """
    before, after = old or _NOTHING, new or _NOTHING
    changes: list[Change] = []
    if old is not None and new is not None and _header(old) != _header(new):
        changes.append(Change("update", "header", "header", _header(old), _header(new)))
    changes += _rows("line", before.lines, after.lines)
    changes += _rows("operation", before.ordered_operations, after.ordered_operations)
    changes += _rows("document", before.documents, after.documents)
    return changes


def _rows(what: What, old: Sequence[Row], new: Sequence[Row]) -> Iterable[Change]:
    before = {row.uid: row for row in old}
    after = {row.uid: row for row in new}
    gone_after: dict[str | None, list[Row]] = {}
    kept: str | None = None
    for row in old:
        if row.uid in after:
            kept = row.uid
        else:
            gone_after.setdefault(kept, []).append(row)
    for row in gone_after.get(None, ()):
        yield Change("remove", what, row.uid, row.to_dict(), None)
    for row in new:
        known = before.get(row.uid)
        if known is None:
            yield Change("add", what, row.uid, None, row.to_dict())
        elif known != row:
            yield Change("update", what, row.uid, known.to_dict(), row.to_dict())
        for gone in gone_after.get(row.uid, ()):
            yield Change("remove", what, gone.uid, gone.to_dict(), None)


def _header(content: Content) -> dict[str, Any]:
    return {"output_quantity": plain(content.output_quantity), "uom": content.uom, "kind": content.kind}


_NOTHING = Content()
