"""Who may do what. A rule is a named function in a room's `rules.py`; a route that declares none fails the build."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from app.foundation.errors import NotAllowed
from app.foundation.language import _

PUBLIC = "public"  # anybody, signed in or not
SIGNED_IN = "signed in"  # staff and customers
STAFF = "staff"  # everybody who works here


class Actor(Protocol):
    id: Any
    is_staff: Any


Rule = Callable[[Any, Any], bool]
V = TypeVar("V", bound=Callable[..., Any])
_rules: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register `function(person, thing_or_None) -> bool` under `name`, e.g. `"eco.approve"`."""

    def add(function: Rule) -> Rule:
        _rules[name] = function
        return function

    return add


def can(person: Actor | None, name: str, thing: object = None) -> bool:
    """Whether `person` may do `name` to `thing`. Unknown names are a mistake of ours and raise KeyError."""
    if name == PUBLIC:
        return True
    if person is None:
        return False
    if name == SIGNED_IN:
        return True
    if name == STAFF:
        return bool(person.is_staff)
    return _rules[name](person, thing)


def authorize(person: Actor | None, name: str, thing: object = None) -> None:
    """The first line of an action: raises NotAllowed unless the rule says yes. `person=None` is the house itself."""
    if person is not None and not can(person, name, thing):
        raise NotAllowed(_("You do not have the right to do this. Ask an administrator for it."))


def needs(name: str) -> Callable[[V], V]:
    """Declare on a route which rule guards it. The request is turned away before the view runs."""

    def mark(view: V) -> V:
        view.needs = name  # type: ignore[attr-defined]
        return view

    return mark


def known_rules() -> frozenset[str]:
    return frozenset(_rules)
