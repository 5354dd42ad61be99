"""Files on a record. Photos for now: checked, drawn anew without what the camera wrote into them, stored by content."""

from flask import Flask


def register(app: Flask) -> None:
    from app.traits.attachments import (
        actions,  # noqa: F401 - tells the worker of its sweeper
        photos,
        routes,
    )

    app.register_blueprint(routes.bp)
    app.jinja_env.globals.update(attachment_url=routes.attachment_url, photo_types=photos.ACCEPT)
