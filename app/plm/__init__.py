"""We decide to change the product: engineering change orders, stages, approvals."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.plm import models  # noqa: F401
