"""gunicorn's settings: two workers with eight threads each, loaded once before the fork, collector frozen.

Full collections of a warm process with a few hundred thousand objects take 50 ms and hit one page in a dozen. What is
there after start stays for ever, so it is taken out of the collector's sight and later collections are made rare.
"""

import gc
import logging
import os
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi
from gunicorn.workers.base import Worker
from jinja2 import TemplateError

# the Server header tells nobody what to look up
wsgi.SERVER = "loopwright"  # type: ignore[attr-defined]

bind = os.environ.get("LOOPWRIGHT_BIND", "127.0.0.1:8000")
wsgi_app = "app:create_app()"
workers = int(os.environ.get("LOOPWRIGHT_WEB_WORKERS") or 2)
threads = int(os.environ.get("LOOPWRIGHT_WEB_THREADS") or 8)
worker_class = "gthread"
preload_app = True
timeout = 60
graceful_timeout = 20
keepalive = 15
backlog = 512
limit_request_line = 8190
forwarded_allow_ips = "127.0.0.1,::1"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - a heartbeat file, kept off slow disks
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "app.foundation.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
        "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
    },
}


def when_ready(server: Arbiter) -> None:
    """The application is loaded: compile every template once, so that all workers share them, then freeze."""
    app: Any = server.app.wsgi()
    for name in app.jinja_env.list_templates(extensions=["html"]):
        try:
            app.jinja_env.get_template(name)
        except TemplateError:  # one broken page must not keep the others from being served
            logging.getLogger("loopwright.up").exception("The template %s does not compile", name)
    _dispose_engine(app, close=True)
    gc.collect()
    gc.freeze()


def post_fork(server: Arbiter, worker: Worker) -> None:
    """A child must never speak on a connection that its parent opened."""
    _dispose_engine(server.app.wsgi(), close=False)


def post_worker_init(worker: Worker) -> None:
    """One request warms what loads lazily; then everything that is there is frozen."""
    app: Any = worker.wsgi
    app.test_client().get("/healthz")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _dispose_engine(app: Any, *, close: bool) -> None:
    from app.foundation.db import db

    with app.app_context():
        db.engine.dispose(close=close)
