"""We check, and raise an alert: corrective and preventive actions."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.quality import models, rules  # noqa: F401
