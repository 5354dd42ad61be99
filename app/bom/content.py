"""What one revision of a BoM says, as plain frozen data. Numbers are strings outside, Decimal inside."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Self

KINDS = ("manufacture", "kit")


def plain(number: Decimal) -> str:
    """The one way a number is written: `6`, `0.5`, never `6.0`, `5E-1` or `-0`."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def number(value: object, what: str) -> Decimal:
    """A finite, non-negative Decimal from a string, an int or a Decimal; floats are refused, they are not exact."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{what} must be a number written as text, not {value!r}.")
    try:
        result = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise ValueError(f"{what} is not a number: {value!r}.") from None
    if not result.is_finite() or result < 0:
        raise ValueError(f"{what} must be zero or more: {value!r}.")
    return result


@dataclass(frozen=True, slots=True)
class Line:
    """A component and how much of it goes into `output_quantity` of the product."""

    uid: str
    component: str
    quantity: Decimal
    uom: str
    scrap: Decimal = Decimal(0)
    setup: Decimal = Decimal(0)
    operation: str | None = None
    note: str = ""
    designators: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        uid = str(data["uid"])
        operation = data.get("operation")
        return cls(
            uid=uid,
            component=str(data["component"]),
            quantity=number(data["quantity"], f"The quantity of line {uid}"),
            uom=str(data.get("uom", "unit")),
            scrap=number(data.get("scrap", "0"), f"The scrap of line {uid}"),
            setup=number(data.get("setup", "0"), f"The setup quantity of line {uid}"),
            operation=None if operation is None else str(operation),
            note=str(data.get("note", "")),
            designators=tuple(str(d) for d in data.get("designators", ())),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "component": self.component,
            "quantity": plain(self.quantity),
            "uom": self.uom,
            "scrap": plain(self.scrap),
            "setup": plain(self.setup),
            "operation": self.operation,
            "note": self.note,
            "designators": list(self.designators),
        }


@dataclass(frozen=True, slots=True)
class Operation:
    """A step of work on `output_quantity` of the product."""

    uid: str
    name: str
    work_centre: str
    minutes: Decimal
    sequence: int = 0
    note: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        uid = str(data["uid"])
        return cls(
            uid=uid,
            name=str(data["name"]),
            work_centre=str(data["work_centre"]),
            minutes=number(data["minutes"], f"The minutes of operation {uid}"),
            sequence=int(data.get("sequence", 0)),
            note=str(data.get("note", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As the contract says; a note appears only where there is one."""
        said = {
            "uid": self.uid,
            "name": self.name,
            "work_centre": self.work_centre,
            "minutes": plain(self.minutes),
            "sequence": self.sequence,
        }
        return said | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class Document:
    """A file, known by its content."""

    uid: str
    name: str
    sha256: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(uid=str(data["uid"]), name=str(data["name"]), sha256=str(data["sha256"]))

    def to_dict(self) -> dict[str, Any]:
        return {"uid": self.uid, "name": self.name, "sha256": self.sha256}


Row = Line | Operation | Document


@dataclass(frozen=True)
class Content:
    """Everything a revision says. Two contents are the same thing to sign when their `content_hash` is the same."""

    output_quantity: Decimal = Decimal(1)
    uom: str = "unit"
    kind: str = "manufacture"
    lines: tuple[Line, ...] = ()
    operations: tuple[Operation, ...] = ()
    documents: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        if self.output_quantity <= 0:
            raise ValueError("The output quantity must be more than zero.")
        if self.kind not in KINDS:
            raise ValueError(f"A BoM is {' or '.join(KINDS)}, not {self.kind!r}.")
        for what, rows in (("line", self.lines), ("operation", self.operations), ("document", self.documents)):
            twice = _twice(row.uid for row in rows)
            if twice is not None:
                raise ValueError(f"Two {what}s have the uid {twice}.")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            output_quantity=number(data.get("output_quantity", "1"), "The output quantity"),
            uom=str(data.get("uom", "unit")),
            kind=str(data.get("kind", "manufacture")),
            lines=tuple(Line.from_dict(row) for row in data.get("lines", ())),
            operations=tuple(Operation.from_dict(row) for row in data.get("operations", ())),
            documents=tuple(Document.from_dict(row) for row in data.get("documents", ())),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "output_quantity": plain(self.output_quantity),
            "uom": self.uom,
            "kind": self.kind,
            "lines": [row.to_dict() for row in self.lines],
            "operations": [row.to_dict() for row in self.operations],
            "documents": [row.to_dict() for row in self.documents],
        }

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over normalised plain strings. The order in which rows are shown is not part of what is signed."""
        said = self.to_dict()
        for rows in ("lines", "operations", "documents"):
            said[rows] = sorted(said[rows], key=lambda row: str(row["uid"]))
        text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return "v1:" + hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()

    @cached_property
    def ordered_operations(self) -> tuple[Operation, ...]:
        """In the order in which they are done."""
        return tuple(sorted(self.operations, key=lambda row: row.sequence))

    def with_rows(
        self,
        *,
        lines: Sequence[Line] | None = None,
        operations: Sequence[Operation] | None = None,
        documents: Sequence[Document] | None = None,
    ) -> Self:
        return replace(
            self,
            lines=self.lines if lines is None else tuple(lines),
            operations=self.operations if operations is None else tuple(operations),
            documents=self.documents if documents is None else tuple(documents),
        )


def values(row: Row, *names: str) -> dict[str, Any]:
    """The named fields of a row as plain data (all of them without names)."""
    said = row.to_dict()
    known = [f.name for f in fields(row)]
    return {name: said.get(name, "") for name in (names or known)}


def _twice(uids: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for uid in uids:
        if uid in seen:
            return uid
        seen.add(uid)
    return None
