"""What any record can do, one thing per module."""

from flask import Flask


def register(app: Flask) -> None:
    """Boards, conversations, links: the traits' own routes and templates."""
    from app.traits import (
        attachments,
        chatter,
        navigation,
        patterns,
        record,  # noqa: F401
        routes,
    )
    from app.traits.board import routes as board_routes

    navigation.init_navigation(app)
    chatter.register(app)
    attachments.register(app)
    app.register_blueprint(board_routes.bp)
    app.register_blueprint(routes.bp)
    if not app.config["LOOPWRIGHT"].production:
        app.register_blueprint(patterns.bp)
