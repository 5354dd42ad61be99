"""The loop as a picture: one arc per step, the thicker the more is waiting there. Plain numbers in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

CX, CY = 200.0, 168.0
INNER = 84.0
THINNEST, SPAN = 8.0, 24.0
FILLED = 0.786  # of an arc's share of the circle; the rest is gap


@dataclass(frozen=True)
class Arc:
    """One step: the path of its arc, and where its number and its name stand. `anchor` is the class of the text."""

    step: str
    label: str
    url: str
    count: int
    path: str
    x: float
    y: float
    anchor: str


def arcs(steps: Sequence[tuple[str, str, str]], counts: Mapping[str, int]) -> list[Arc]:
    """`steps` are (step, label, url) in loop order, the first at the top, clockwise."""
    most = max([32, *counts.values()])
    return [
        _arc(index, len(steps), step, label, url, counts.get(step, 0), most)
        for index, (step, label, url) in enumerate(steps)
    ]


def _arc(index: int, of: int, step: str, label: str, url: str, count: int, most: int) -> Arc:
    share = 2 * pi / of
    middle = -pi / 2 + index * share
    start, end = middle - share * FILLED / 2, middle + share * FILLED / 2
    outer = INNER + THINNEST + SPAN * sqrt(count / most)
    a, b = _at(INNER, start), _at(INNER, end)
    c, d = _at(outer, end), _at(outer, start)
    path = f"M{a}A{INNER:g} {INNER:g} 0 0 1 {b}L{c}A{outer:.1f} {outer:.1f} 0 0 0 {d}Z"
    x, y = CX + (outer + 16) * cos(middle), CY + (outer + 16) * sin(middle)
    y += 8 if sin(middle) > 0.8 else -8 if sin(middle) < -0.8 else 2
    anchor = "s" if cos(middle) > 0.2 else "e" if cos(middle) < -0.2 else ""
    return Arc(step, label, url, count, path, round(x), round(y), anchor)


def _at(radius: float, angle: float) -> str:
    return f"{CX + radius * cos(angle):.1f} {CY + radius * sin(angle):.1f}"
