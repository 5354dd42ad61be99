"""Bills of materials, their revisions, and the service that makes one of them current."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.bom import freezing, loop, models, rules, units  # noqa: F401
    from app.bom.routes import bp

    loop.init_loop(app)
    app.register_blueprint(bp)
