"""Finding people in a text: `@Joe Kazan`, or `@Joe` where only one Joe works here. Plain data in and out."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mentioned:
    """`text[start:end]` names these people (more than one only where full names are the same)."""

    start: int
    end: int
    person_ids: tuple[int, ...]


def find_mentions(text: str, people: Iterable[tuple[int, str]]) -> list[Mentioned]:
    """Every mention in `text`, in order. The longest name wins; what stands in an e-mail address is none."""
    if "@" not in text:
        return []
    names = _names(people)
    if not names:
        return []
    longest_first = sorted(names, key=len, reverse=True)
    alternatives = "|".join(r"[^\S\n]+".join(re.escape(word) for word in name.split()) for name in longest_first)
    pattern = re.compile(rf"(?<![\w.+@-])@({alternatives})(?![\w@]|[.-]\w)", re.IGNORECASE)
    return [
        Mentioned(found.start(), found.end(), names[_plain(found[1])])
        for found in pattern.finditer(text)
        if _plain(found[1]) in names
    ]


def _names(people: Iterable[tuple[int, str]]) -> dict[str, tuple[int, ...]]:
    """Name as typed without regard to case -> the people it means."""
    full: dict[str, list[int]] = defaultdict(list)
    first: dict[str, list[int]] = defaultdict(list)
    for person_id, name in people:
        if not name.split():
            continue
        full[_plain(name)].append(person_id)
        first[_plain(name.split()[0])].append(person_id)
    names = {name: tuple(ids) for name, ids in first.items() if len(ids) == 1}
    names.update((name, tuple(ids)) for name, ids in full.items())
    return names


def _plain(name: str) -> str:
    return " ".join(name.split()).lower()
