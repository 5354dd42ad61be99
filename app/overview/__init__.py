"""The loop on one page: my work, and the pages of our customers."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.overview import portal, routes, rules  # noqa: F401
    from app.traits.chatter.queries import WAITING
    from app.traits.work import count_at

    count_at("home", WAITING)
    app.register_blueprint(routes.bp)
    app.register_blueprint(portal.bp)
