"""The worker: one loop that does due jobs, keeps the timers and says that it is alive."""

import logging
import signal
import threading
import time
from datetime import timedelta
from types import FrameType
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app.foundation import audit, jobs, outbox
from app.foundation.db import db
from app.foundation.jobs import Claimed

log = logging.getLogger("loopwright.worker")

PAUSE = 1.0  # seconds between two looks at the table
BEAT_EVERY = 20.0
LONGEST_PAUSE = 30.0


def work(app: Flask) -> None:
    """Run until SIGTERM or SIGINT; the job in hand is finished first."""
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    with app.app_context():
        work_forever(stop)


def work_forever(stop: threading.Event) -> None:
    """Do due jobs until `stop` is set. A database that is away is waited for."""
    last_beat = float("-inf")
    ready = False
    pause = PAUSE
    while not stop.is_set():
        try:
            if not ready:
                audit.write_anchor()
                jobs.ensure_timers()
                ready = True
            if time.monotonic() - last_beat >= BEAT_EVERY:
                jobs.beat()
                last_beat = time.monotonic()
            taken = outbox.run_due(20)
            pause = 0.0 if taken else PAUSE
        except (SQLAlchemyError, OSError):
            log.exception("The worker could not work and tries again")
            pause = min(LONGEST_PAUSE, max(PAUSE, pause * 2))
        finally:
            db.session.remove()
        stop.wait(pause)


@jobs.timer("audit.anchor", every=timedelta(minutes=10))
def _anchor(_payload: dict[str, Any], _job: Claimed) -> None:
    audit.write_anchor()


@jobs.timer("jobs.sweep", every=timedelta(hours=6))
def _sweep(_payload: dict[str, Any], _job: Claimed) -> None:
    jobs.sweep_done()
