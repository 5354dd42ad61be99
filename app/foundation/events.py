"""Facts travel between rooms: `publish()` runs every listener at once, in order, inside the same transaction."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from app.foundation.db import current_transaction


class Fact:
    """Something that has happened. Past tense, frozen, ids only, so any room may read it."""


F = TypeVar("F", bound=Fact)
_listeners: dict[type[Fact], list[Callable[[Any], None]]] = defaultdict(list)


def on(kind: type[F]) -> Callable[[Callable[[F], None]], Callable[[F], None]]:
    """Call the decorated function for every fact of `kind`. Registering twice does nothing."""

    def add(listener: Callable[[F], None]) -> Callable[[F], None]:
        if listener not in _listeners[kind]:
            _listeners[kind].append(listener)
        return listener

    return add


def publish(fact: Fact) -> None:
    """Tell everybody who listens. An exception in a listener undoes the whole transaction."""
    current_transaction()
    for listener in _listeners[type(fact)]:
        listener(fact)
