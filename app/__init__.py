"""Loopwright: from a customer's complaint to the next order built right."""

from importlib import import_module
from pathlib import Path

from flask import Flask

from app import config
from app.foundation import (
    assets,
    audit,  # noqa: F401 - first: its events watch every model from the start
    db,
    htmx,
    language,
    safety,
)

ROOMS = ("helpdesk", "quality", "plm", "bom", "catalog", "manufacturing", "overview")  # in loop order


def create_app(settings: config.Settings | None = None) -> Flask:
    """The whole application: settings, database, web safety, then each room's `register(app)`, in loop order."""
    settings = settings or config.read()
    home = bundle()
    app = Flask("app", template_folder=str(home / "templates"), static_folder=None)
    app.config.update(
        LOOPWRIGHT=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
        MAX_CONTENT_LENGTH=60 * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    import_module("app.serving").register(app)  # first, so that packing and the log line come last
    db.init_database(app)
    htmx.init_htmx(app)
    language.init_language(app)
    safety.init_safety(app)
    assets.init_assets(app, home / "static")
    for trait in ("people", "traits"):
        import_module(f"app.{trait}").register(app)
    for room in ROOMS:
        import_module(f"app.{room}").register(app)
    return app


def bundle() -> Path:
    """Where templates, static files and migrations are: in the installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "_bundle"
    return inside if inside.is_dir() else Path(__file__).parent.parent


def _engine_options(settings: config.Settings) -> dict[str, object]:
    if settings.is_sqlite:
        return {"connect_args": {"check_same_thread": False}}
    return {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 10, "pool_timeout": 5}
