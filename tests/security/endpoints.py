"""The table of all endpoints, read from the application itself."""

from collections.abc import Iterator

from flask import Flask
from werkzeug.routing import Rule

SAFE = {"GET", "HEAD", "OPTIONS"}
EXAMPLES = {"int": "1", "path": "x/y", "default": "x", "string": "x"}


def all_endpoints(app: Flask) -> Iterator[tuple[str, str, Rule]]:
    """(endpoint, method, rule) of everything that can be asked for; HEAD and OPTIONS go with GET."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, rule


def unsafe_endpoints(app: Flask) -> Iterator[tuple[str, str, Rule]]:
    return (found for found in all_endpoints(app) if found[1] not in SAFE)


def address_of(rule: Rule, **values: str) -> str:
    """An address the rule matches; `values` by name, examples for the rest."""
    parts = []
    for is_dynamic, text in rule._trace:
        if not is_dynamic:
            parts.append(text.removeprefix("|"))
        else:
            kind = rule._converters[text].__class__.__name__
            parts.append(values.get(text, "1" if "Integer" in kind else "x"))
    return "".join(parts)
