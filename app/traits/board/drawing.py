"""Cards as HTML. A card whose every word is as it was is not drawn again, whoever looks at it.

Boards are looked at far more often than their cards change: by polls, by colleagues, after each move. What a card shows
is a handful of plain values; together with the language they are the key under which its HTML is kept, so nothing has
to be thrown away when something changes. The store belongs to one process and is emptied when it is full.
"""

from collections.abc import Callable, Sequence
from typing import Any

from flask import current_app
from markupsafe import Markup

from app.foundation.language import _, get_locale
from app.traits.board.queries import Card, Cards
from app.traits.record import Kind

MOST = 20_000  # cards kept; about 700 bytes each
LABELS = 3
SHOWN = Card._fields.index("rank")  # what comes before the place is what the card says

_drawn: dict[tuple[Any, ...], str] = {}


def drawer(kind: Kind, found: Cards, moved: frozenset[int]) -> Callable[[Sequence[Card]], Markup]:
    """What a template calls to draw cards of `found`; those in `moved` are marked."""
    environment = current_app.jinja_env
    sprite = environment.globals["asset"]("img/icons.svg")  # type: ignore[operator]
    frame = (str(get_locale()), kind.plural, sprite)
    words: dict[str, Any] = {}

    def draw(cards: Sequence[Card]) -> Markup:
        return Markup("".join([one(card) for card in cards]))  # noqa: S704 - drawn by an escaping template

    def one(card: Card) -> str:
        face = found.faces.get(card.responsible_id) if card.responsible_id else None
        labels = tuple(found.labels.get(card.id, ())[:LABELS])
        pills = tuple(found.pills.get(card.id, ()))
        key = (frame, card[:SHOWN], face, labels, pills, card.id in moved)
        html = _drawn.get(key)
        if html is None:
            if not words:
                words.update(_words(kind, sprite))
            html = environment.get_template("board/_card.html").render(
                words, **card._asdict(), face=face, labels=labels, pills=pills, moved=card.id in moved
            )
            if len(_drawn) >= MOST:
                _drawn.clear()
            _drawn[key] = html
        return html

    return draw


def _words(kind: Kind, sprite: str) -> dict[str, Any]:
    """What is the same on every card."""
    return {
        "kind": kind,
        "sprite": sprite,
        "move_words": _("Move %(number)s", number="\n").split("\n"),
        "star_words": [_("Priority %(n)s of 3", n=n) for n in range(4)],
    }
