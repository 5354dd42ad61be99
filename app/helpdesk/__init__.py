"""Someone says it is wrong: tickets."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.helpdesk import models, rules  # noqa: F401
