"""What of yours does this revision touch? Rooms answer here; the ECO's page asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import LazyString


@dataclass(frozen=True)
class Touched:
    """One thing that is touched, with its page."""

    label: str
    url: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Impact:
    """One room's answer. `step` colours it (`mo`, `bom`, `field`, `eco`), `count` is all of them, `items` the first."""

    title: str | LazyString
    count: int
    sentence: str
    step: str = "bom"
    icon: str = "bom"
    items: Sequence[Touched] = field(default_factory=tuple)


Answer = Callable[[Any], Impact | Sequence[Impact] | None]
_answers: dict[str, Answer] = {}


def answers_impact(name: str, answer: Answer) -> None:
    """`answer(revision)` says what of this room is touched by a BoM revision; None for nothing to say."""
    _answers[name] = answer


def impact_of(revision: Any) -> list[Impact]:
    """Every room's answer, in order of registration."""
    found: list[Impact] = []
    for answer in _answers.values():
        said = answer(revision)
        if said is not None:
            found.extend([said] if isinstance(said, Impact) else said)
    return found
