"""What waits for a person: rooms answer here, My work asks. Also the numbers of the loop picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask_babel import LazyString
from sqlalchemy import Select

from app.people.models import Person


@dataclass(frozen=True)
class WorkItem:
    """One thing somebody waits for. `pill` is a short word for why now, `pill_kind` its weight (warn, bad, ok)."""

    title: str
    url: str
    note: str = ""
    due: str = ""
    pill: str = ""
    pill_kind: str = ""
    pill_icon: str = ""
    step: str = ""
    icon: str = ""


@dataclass(frozen=True)
class WorkSection:
    """A heading with its items; `count` may be more than the items shown."""

    name: str
    title: str | LazyString
    step: str
    icon: str
    items: Sequence[WorkItem]
    count: int


@dataclass(frozen=True)
class _Asked:
    title: str | LazyString
    step: str
    icon: str
    order: int
    find: Callable[[Person], Sequence[WorkItem]]


SHOWN = 20
_sections: dict[str, _Asked] = {}
_loop_counts: dict[str, Callable[[], int]] = {}
own_counts: dict[str, Select[int]] = {}


def my_work(
    name: str,
    find: Callable[[Person], Sequence[WorkItem]],
    *,
    title: str | LazyString,
    step: str,
    icon: str | None = None,
    order: int = 50,
) -> None:
    """Show `find(person)` in My work under `title`, the smallest `order` first (approvals 10, actions 30)."""
    _sections[name] = _Asked(title, step, icon or step, order, find)


def count_at(place: str, statement: Select[int]) -> None:
    """Show the one number of `statement` (with a parameter `person_id`) beside the link `place` (`home`, or a step).

    A statement and no function, because every page shows it: it rides along with the other numbers of the side.
    """
    own_counts[place] = statement


def loop_count(step: str, count: Callable[[], int]) -> None:
    """How many open things there are at a step that has no records of its own (draft revisions)."""
    _loop_counts[step] = count


def work_of(person: Person) -> list[WorkSection]:
    """The sections that have something in them."""
    found = []
    for name, asked in sorted(_sections.items(), key=lambda pair: pair[1].order):
        items = asked.find(person)
        if items:
            found.append(WorkSection(name, asked.title, asked.step, asked.icon, items[:SHOWN], len(items)))
    return found


def other_counts() -> dict[str, int]:
    """Step -> number, from the rooms that registered one."""
    return {step: count() for step, count in _loop_counts.items()}
