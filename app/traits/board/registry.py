"""What a room says about its boards: how a card reads, what moving it means, how one is added."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask_babel import LazyString
from sqlalchemy import Select

from app.foundation.errors import Refused
from app.foundation.language import _, lazy
from app.people.models import Person
from app.traits.board.actions import move_card
from app.traits.board.models import Board, Stage
from app.traits.record import KINDS, Kind, Record


class Move(Protocol):
    """Put a card above `before`, else below `after`, else at the end of `to`, or say no (Refused and its children)."""

    def __call__(self, record: Any, *, to: Stage, before: int | None, after: int | None, by: Person) -> None: ...


class QuickAdd(Protocol):
    """A new record with nothing but a title, in `stage`."""

    def __call__(self, board: Board, stage: Stage, title: str, *, by: Person) -> Record: ...


@dataclass(frozen=True, slots=True)
class Pill:
    """A word on a card: `look` is ok, warn, bad, step, line or empty, `step` colours it as a place in the loop."""

    text: str
    look: str = ""
    icon: str = ""
    step: str = ""


def _as_it_is(statement: Select[Any]) -> Select[Any]:
    return statement


@dataclass(frozen=True)
class BoardSpec:
    """The boards of one kind.

    `join(select) -> select` joins what `about` and `search` name, by outer joins on `Record.id`, one row per record.
    `about` are expressions of text: what of them is not empty is the second line of a card. `search` are further ones
    that `?q=` looks into, beside number and title. `pills(ids)` gives words by record id, in at most one statement.
    """

    kind: str
    join: Callable[[Select[Any]], Select[Any]] = _as_it_is
    about: tuple[Any, ...] = ()
    search: tuple[Any, ...] = ()
    move: Move = move_card
    quick_add: QuickAdd | None = None
    pills: Callable[[Sequence[int]], Mapping[int, Sequence[Pill]]] | None = None
    switch: str = "team"  # how the address names one of several boards
    write: str = ""  # the rule that lets a person move and add; "<kind>.write" when left out
    new: tuple[LazyString, str] | None = None  # label and address of the one filled button
    add_hint: LazyString = field(default_factory=lambda: lazy("Title"))
    search_hint: LazyString = field(default_factory=lambda: lazy("Number, word…"))

    @property
    def of(self) -> Kind:
        return KINDS[self.kind]

    @property
    def address(self) -> str:
        return f"/{self.of.plural}"

    @property
    def rule(self) -> str:
        return self.write or f"{self.kind}.write"


BOARDS: dict[str, BoardSpec] = {}


def register_board(spec: BoardSpec) -> None:
    """Called by a room's `register(app)`, after `register_kind`."""
    BOARDS[spec.kind] = spec


class NeedsDialog(Refused):
    """The move needs something more from the person: `template` is one `<dialog>`, drawn with `context`.

    The card stays where it is. On a page without scripts the same template is drawn with `plain=True`, so it writes
    `<dialog{{ " open" if plain }} ...>`.
    """

    def __init__(self, template: str, context: Mapping[str, Any] | None = None, sentence: str = "") -> None:
        super().__init__(sentence or _("This move needs your word first."), code="NEEDS_DIALOG")
        self.template = template
        self.context = dict(context or {})
