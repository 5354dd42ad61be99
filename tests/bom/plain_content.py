"""Short ways to say what a BoM contains, for tests of the pure functions."""

from typing import Any

from app.bom.content import Content


def line(uid: str, component: str | None = None, quantity: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "component": component or uid.upper(),
        "quantity": quantity,
        "uom": "unit",
        "scrap": "0",
        "setup": "0",
        "operation": None,
        "note": "",
        "designators": [],
    } | more


def operation(uid: str, sequence: int = 10, minutes: str = "5", **more: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "name": uid.title(),
        "work_centre": "Assembly bench",
        "minutes": minutes,
        "sequence": sequence,
    } | more


def document(uid: str, name: str = "drawing.pdf", sha256: str = "aa") -> dict[str, Any]:
    return {"uid": uid, "name": name, "sha256": sha256}


def as_dict(
    lines: list[dict[str, Any]],
    operations: list[dict[str, Any]] | None = None,
    documents: list[dict[str, Any]] | None = None,
    **header: str,
) -> dict[str, Any]:
    return (
        {"output_quantity": "1", "uom": "unit", "kind": "manufacture"}
        | header
        | {"lines": lines, "operations": operations or [], "documents": documents or []}
    )


def content(*lines: dict[str, Any], **more: Any) -> Content:
    return Content.from_dict(as_dict(list(lines), **more))
