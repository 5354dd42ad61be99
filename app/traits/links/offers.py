"""What downstream rooms offer on a record of another room: a follow-up button, a panel."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString

from app.foundation.permissions import can
from app.people.models import Person
from app.traits.links.queries import Chain
from app.traits.record import Record


@dataclass(frozen=True)
class Offer:
    """A button under *Next steps* that opens the form of another room with `?from=<number>`."""

    label: LazyString
    endpoint: str
    needs: str
    step: str
    icon: str
    when: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class NextStep:
    """An offer on one record. `raised` is what came of it already; then the button is no longer the main one."""

    offer: Offer
    is_main: bool
    raised: Record | None


@dataclass(frozen=True)
class Panel:
    """A piece of another room on a record: `query(record)` gives what `template` takes, or None for no panel."""

    title: LazyString
    query: Callable[[Any], Mapping[str, Any] | None]
    template: str
    place: str = "aside"


_offers: dict[str, list[Offer]] = defaultdict(list)
_panels: dict[str, list[Panel]] = defaultdict(list)


def offer(
    on: str,
    label: LazyString,
    endpoint: str,
    needs: str,
    *,
    step: str,
    icon: str | None = None,
    when: Callable[[Any], bool] | None = None,
) -> None:
    """On records of kind `on`, whoever has the right `needs` finds the button `label`. Called by `register(app)`.

    `step` is where it leads in the loop (`"alert"`); `when(record)` may hide it.
    """
    made = Offer(label, endpoint, needs, step, icon or step, when)
    _offers[on] = [*(known for known in _offers[on] if (known.endpoint, known.step) != (endpoint, step)), made]


def panel(
    on: str, title: LazyString, query: Callable[[Any], Mapping[str, Any] | None], template: str, *, place: str = "aside"
) -> None:
    """On records of kind `on`, `template` is drawn with `query(record)`, beside the facts (`aside`) or in `main`."""
    made = Panel(title, query, template, place)
    _panels[on] = [*(known for known in _panels[on] if known.template != template), made]


def next_steps(chain: Chain, person: Person) -> list[NextStep]:
    """The follow-ups this person may start; the first that nothing came of yet is the main one."""
    steps: list[NextStep] = []
    for made in _offers[chain.record.kind]:
        if not can(person, made.needs) or (made.when and not made.when(chain.record)):
            continue
        found = [r for r in chain.ahead.get(made.step, ()) if r.id not in chain.upstream]
        raised = found[-1] if found else None
        is_main = raised is None and not any(step.is_main for step in steps)
        steps.append(NextStep(made, is_main, raised))
    return steps


def panels(record: Record, place: str) -> list[tuple[Panel, Mapping[str, Any]]]:
    """The panels of other rooms on `record`, each with what its template takes."""
    here = [made for made in _panels[record.kind] if made.place == place]
    return [(made, context) for made in here if (context := made.query(record)) is not None]
