"""The company of this installation: its name on every page, its zone, language and currency."""

import time

from flask import Flask, current_app
from sqlalchemy import select

from app.foundation.db import db
from app.people.models import Site

FRESH_FOR = 30.0  # seconds a worker keeps what it read


def init_site(app: Flask) -> None:
    """Read the site row before a request when the last reading is older than half a minute."""
    app.config.update(SITE_NAME="", SITE_ZONE="UTC", SITE_LOCALE=None, SITE_CURRENCY="EUR", SITE_IS_DEMO=False)
    app.extensions["site_read_at"] = 0.0

    @app.before_request
    def read_when_old() -> None:
        if time.monotonic() - app.extensions["site_read_at"] > FRESH_FOR:
            read_site()


def read_site() -> None:
    """Take over the site row into the app's configuration; also called after it was changed and by commands."""
    row = db.session.execute(select(Site.name, Site.zone, Site.locale, Site.currency, Site.is_demo)).first()
    if row is not None:
        current_app.config.update(
            SITE_NAME=row.name,
            SITE_ZONE=row.zone,
            SITE_LOCALE=row.locale,
            SITE_CURRENCY=row.currency,
            SITE_IS_DEMO=row.is_demo,
        )
    current_app.extensions["site_read_at"] = time.monotonic()
