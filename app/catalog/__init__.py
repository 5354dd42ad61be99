"""What is made and bought: products, units of measure, work centres."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.catalog import models, reactions, rules  # noqa: F401
    from app.catalog.routes import bp

    app.register_blueprint(bp)
