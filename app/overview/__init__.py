"""The loop on one page: my work."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
