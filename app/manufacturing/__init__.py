"""We build to the current revision: manufacturing orders and work orders."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
