"""/healthz says that this process answers; /readyz that the installation can do its work, with the reason when not."""

import shutil
import smtplib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import column, func, insert, make_url, select, table
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.foundation import clock, schema
from app.foundation.db import UtcDateTime, db, transaction
from app.foundation.permissions import PUBLIC, can, needs
from app.people.current import current_person_or_none

bp = Blueprint("serving", __name__)

heartbeat = table("heartbeat", column("name"), column("at", UtcDateTime()))
job = table("job", column("state"))
LEAST_DISK = 100 * 1024 * 1024
WORKER_SILENT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `remedy` is empty when all is well; `fatal` says whether work must stop for it."""

    name: str
    problem: str = ""
    remedy: str = ""
    fatal: bool = True

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def sentence(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


@bp.get("/healthz")
@needs(PUBLIC)
def healthz() -> Response:
    return _plain("ok\n", 200)


@bp.get("/readyz")
@needs(PUBLIC)
def readyz() -> Response:
    settings: Settings = current_app.config["LOOPWRIGHT"]
    person = current_person_or_none()
    in_detail = person is not None and can(person, "people.admin")
    findings = examine(settings, CHECKS)
    ready = all(finding.ok or not finding.fatal for finding in findings)
    status = 200 if ready else 503
    if in_detail:
        details = {f.name: "ok" if f.ok else f.sentence for f in findings}
        answer = jsonify(ready=ready, checks=details)
        answer.status_code = status
        answer.headers["Cache-Control"] = "no-store"
        return answer
    return _plain("ready\n" if ready else "not ready\n", status)


def _plain(body: str, status: int) -> Response:
    answer = Response(body, status, mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-store"
    return answer


class _TakenBack(Exception):
    """Ends the trial write below."""


def check_database(settings: Settings) -> Finding:
    """Takes the write lock and writes a row, then takes it back."""
    try:
        with suppress(_TakenBack), transaction(by=None, source="health") as tx:
            tx.session.execute(insert(heartbeat).values(name="readyz", at=tx.at))
            raise _TakenBack
    except (SQLAlchemyError, OSError) as problem:
        return Finding("database", _first_line(problem), _database_remedy(settings))
    return Finding("database")


def check_schema(_settings: Settings) -> Finding:
    try:
        db.session.rollback()
        found = schema.current(db.session.connection())
    except SQLAlchemyError as problem:
        return Finding("schema", _first_line(problem), "Make the database reachable first.")
    if found == schema.head():
        return Finding("schema")
    remedy = "Run `loopwright migrate`, or the newer program if the database is ahead of this one."
    return Finding(
        "schema", f"The database is at {found or 'no migration'}, the program needs {schema.head()}.", remedy
    )


def check_disk(settings: Settings) -> Finding:
    try:
        free = shutil.disk_usage(settings.data_dir).free
    except OSError as problem:
        return Finding("disk", _first_line(problem), f"Make {settings.data_dir} readable for this account.")
    if free < LEAST_DISK:
        return Finding("disk", f"{free // 1_000_000} MB are free for {settings.data_dir}.", "Free some space there.")
    probe = settings.data_dir / ".write-test"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as problem:
        return Finding("disk", _first_line(problem), f"Make {settings.data_dir} writable for this account.")
    return Finding("disk")


def check_worker(_settings: Settings) -> Finding:
    """Pages work without the worker, mail and timers do not: it is told, but does not stop the house."""
    remedy = "Start `loopwright up`, or `loopwright worker` beside your own server."
    try:
        last = db.session.scalar(select(heartbeat.c.at).where(heartbeat.c.name == "worker"))
    except SQLAlchemyError as problem:
        return Finding("worker", _first_line(problem), "Make the database reachable first.", fatal=False)
    if last is None:
        return Finding("worker", "It has never run here.", remedy, fatal=False)
    if clock.now() - last > WORKER_SILENT:
        return Finding("worker", f"It was last heard of at {last:%Y-%m-%d %H:%M} UTC.", remedy, fatal=False)
    return Finding("worker")


def check_mail(settings: Settings) -> Finding:
    """Reaches the mail server without sending; without one, mail is written to files and that is said to be so."""
    try:
        dead = db.session.scalar(select(func.count()).select_from(job).where(job.c.state == "dead")) or 0
    except SQLAlchemyError as problem:
        return Finding("mail", _first_line(problem), "Make the database reachable first.", fatal=False)
    if dead:
        return Finding("mail", f"{dead} jobs were given up.", "See their last error in the table `job`.", fatal=False)
    if not settings.smtp_url:
        return Finding("mail")
    server = urlsplit(settings.smtp_url)
    port = server.port or (465 if server.scheme == "smtps" else 587)
    try:
        connect: type[smtplib.SMTP] = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
        with connect(server.hostname or "", port, timeout=5) as smtp:
            smtp.noop()
    except (OSError, smtplib.SMTPException) as problem:
        remedy = f"Is the mail server at {server.hostname}:{port}? It comes from LOOPWRIGHT_SMTP_URL."
        return Finding("mail", _first_line(problem), remedy, fatal=False)
    return Finding("mail")


def check_settings(settings: Settings) -> Finding:
    """Settings that work, but not as meant."""
    secret = settings.data_dir / "secret_key"
    if secret.exists() and secret.stat().st_mode & 0o077:
        return Finding("settings", f"{secret} can be read by others.", f"Run `chmod 600 {secret}`.")
    if len(settings.secret_key) < 16:
        return Finding("settings", "SECRET_KEY is too short to be secret.", "Set 32 or more random characters.")
    return Finding("settings")


Check = Callable[[Settings], Finding]
CHECKS: tuple[Check, ...] = (check_database, check_schema, check_disk, check_worker)
ALL_CHECKS: tuple[Check, ...] = (check_settings, *CHECKS, check_mail)


def examine(settings: Settings, checks: Sequence[Check] = ALL_CHECKS) -> list[Finding]:
    """What each check found, in order."""
    return [check(settings) for check in checks]


def _first_line(problem: BaseException) -> str:
    lines = str(getattr(problem, "orig", None) or problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


def _database_remedy(settings: Settings) -> str:
    url = make_url(settings.database_url)
    if settings.is_sqlite:
        folder = Path(url.database or ".").parent
        return f"Look at {folder}: is it there, writable, not full, and not locked by another program?"
    return f"Is PostgreSQL running at {url.host or 'its socket'}, and does DATABASE_URL name the right account?"
