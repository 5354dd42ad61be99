"""What any record can do, one thing per module."""

from flask import Flask


def register(app: Flask) -> None:
    """Boards, conversations, links: the traits' own routes and templates."""
    from app.traits import record  # noqa: F401
    from app.traits import navigation
    from app.traits.board import models  # noqa: F401

    navigation.init_navigation(app)
