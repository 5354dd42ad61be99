"""The command `loopwright`: serve, migrate, look after and feed an installation. Each command imports what it needs."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from flask import Flask

from app import config

if TYPE_CHECKING:
    from app.people.models import Person

EMPTY_HOSTS = frozenset({"0.0.0.0", "::", "[::]", ""})  # noqa: S104 - compared with, never listened on


class Commands(click.Group):
    """Turns settings that make no sense into one sentence, whatever the command."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except config.BadSettings as problem:
            _give_up(str(problem), code=2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="loopwright")
def main() -> None:
    """Loopwright: from a customer's complaint to the next order built right."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; PORT or 8000 when not given.")
@click.option("--demo-when-empty", is_flag=True, help="Load the demo company first if nobody is in the database.")
def up(host: str, port: int | None, demo_when_empty: bool) -> None:
    """Migrate, then serve web and worker in one process tree."""
    from app.foundation.logs import configure_logging
    from app.serving.supervisor import Child, supervise

    settings = config.read()
    port = port or settings.port
    _refuse_busy_port(host, port)
    env = {**os.environ, "PORT": str(port), "LOOPWRIGHT_BIND": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    ourselves = [sys.executable, "-m", "app.cli"]
    steps = [["migrate", "--quiet"], *([["demo", "--when-empty"]] if demo_when_empty else [])]
    for step in steps:
        code = subprocess.call([*ourselves, *step], env=env)
        if code != 0:
            sys.exit(code)

    address = f"http://{'127.0.0.1' if host in EMPTY_HOSTS else host}:{port}"
    configure_logging()
    children = [
        Child("web", [sys.executable, "-m", "gunicorn", "-c", "python:app.serving.gunicorn_config"], env),
        Child("worker", [*ourselves, "worker"], env),
    ]

    def announce() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=1):  # noqa: S310 - our own address
                pass
        except (OSError, http.client.HTTPException):
            return False
        subprocess.call([*ourselves, "welcome", address], env=env)
        return True

    supervise(children, announce=announce)


@main.command()
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def migrate(quiet: bool) -> None:
    """Bring the database to the newest migration, all of it or nothing."""
    from app.foundation import schema

    settings = config.read()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        _give_up(f"The data directory cannot be made: {problem}. Set LOOPWRIGHT_DATA_DIR to a folder of yours.")
    try:
        schema.upgrade(settings.database_url)
    except Exception as problem:
        if type(problem).__module__.split(".")[0] not in ("sqlalchemy", "alembic", "sqlite3", "psycopg"):
            raise
        _give_up(f"The database could not be migrated and is as it was: {_first_line(problem)}")
    if not quiet:
        click.echo(f"The database is at migration {schema.head()}.")


@main.command()
def worker() -> None:
    """Run mail and timers alone; `up` runs this beside the web server."""
    from app.foundation.logs import configure_logging
    from app.foundation.worker import work

    configure_logging()
    with _application() as app:
        work(app)


@main.command()
def doctor() -> None:
    """Check settings, database, disk, worker and mail; one line per problem with its remedy."""
    from app.serving.health import examine

    with _application() as app:
        findings = examine(app.config["LOOPWRIGHT"])
    for finding in findings:
        click.echo(f"ok       {finding.name}" if finding.ok else f"problem  {finding.name}: {finding.sentence}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@main.command()
@click.option("--reset", is_flag=True, help="Throw the demo company away first. Only where the demo is.")
@click.option("--when-empty", is_flag=True, hidden=True, help="Do nothing when somebody is in the database.")
def demo(reset: bool, when_empty: bool) -> None:
    """Load the demo company Wood Hut into an empty database."""
    from app import demo as company

    with _application():
        if not company.is_empty():
            if when_empty:
                return
            if not reset:
                _give_up("There are people in this database already; the demo is for an empty one.", code=2)
            if not company.is_demo():
                _give_up("This is not the demo company; a real database is never thrown away.", code=2)
        click.echo("Loading the demo company Wood Hut ...")
        if reset:
            company.reset()
        company.load()


@main.command("create-admin")
@click.option("--name", prompt=True)
@click.option("--email", prompt=True)
def create_admin(name: str, email: str) -> None:
    """Add an administrator, who chooses a password by a link that works once."""
    from app.foundation.errors import Refused
    from app.people.first_admin import create_administrator

    with _application() as app:
        try:
            link = create_administrator(name=name, email=email)
        except Refused as no:
            _give_up(str(no), code=2)
        click.echo(f"Open this within an hour; it works once: {app.config['LOOPWRIGHT'].base_url}{link}")


@main.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
def audit_verify() -> None:
    """Walk the hash chain; exit 1 and the first broken row when something was changed behind its back."""
    from app.foundation.audit import verify

    with _application():
        result = verify()
    click.echo(str(result))
    if not result.ok:
        sys.exit(1)


@main.group()
def bom() -> None:
    """Bills of materials."""


@bom.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--product", required=True, metavar="REF", help="The product that the rows build.")
@click.option(
    "--map", "mapping", multiple=True, metavar="COLUMN=FIELD", help="What a column means, if its header is unusual."
)
@click.option("--name", "names", multiple=True, metavar="ROW=REF", help="The reference for a row that has none.")
@click.option("--by", "email", metavar="EMAIL", help="Who imports; the first administrator when not given.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, write nothing.")
def bom_import(
    file: Path, product: str, mapping: tuple[str, ...], names: tuple[str, ...], email: str | None, dry_run: bool
) -> None:
    """Read a CSV into draft revisions; every problem with row and column, nothing written when a row is wrong."""
    from app.bom import importing
    from app.foundation.db import transaction
    from app.foundation.errors import Refused
    from app.plm.actions import open_first_release

    fields, references = dict(_pairs(mapping)), dict(_pairs(names))
    report = importing.Report()
    with _application():
        sheet = importing.read_file(file, fields)
        try:
            person = _who(email)
            with transaction(by=person, source="import"):
                importing.import_sheet(
                    sheet,
                    product=product,
                    names=references,
                    open_change=lambda top: open_first_release(top, by=person),
                    by=person,
                    report=report,
                )
                if dry_run:
                    raise importing.Wrong
        except importing.Wrong:
            pass
        except Refused as no:
            _give_up(no.sentence, code=1)
        for line in report.lines:
            click.echo(line)
        if not report.ok:
            click.echo(f"{len(report.problems)} problems. Nothing was written.", err=True)
            sys.exit(1)
        if dry_run:
            click.echo("This was a dry run. Nothing was written.")


@main.command(hidden=True)
@click.argument("address")
def welcome(address: str) -> None:
    """Say where Loopwright is and who can sign in."""
    from app import demo as company
    from app.people.first_admin import first_link

    with _application():
        click.echo(f"\nLoopwright is at {address}\n")
        if company.is_demo():
            click.echo(f"Sign in as one of the demo people; the password of all is {company.PASSWORD}")
            for person in company.PEOPLE:
                click.echo(f"  {person.email:<28} {person.name}, {person.does}")
        elif company.is_empty():
            click.echo(f"Make the first administrator here; the link works once:\n  {address}{first_link()}")
        click.echo("\nCtrl-C stops it.\n")


@contextlib.contextmanager
def _application() -> Iterator[Flask]:
    """The application with its context, for commands."""
    from app import create_app
    from app.foundation.db import db

    app = create_app(config.read())
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def _who(email: str | None) -> "Person":
    """Who stands in the audit trail for what a command does."""
    from app.foundation.errors import Refused
    from app.people import queries

    if email:
        person = queries.person_by_email(email)
        if person is None or not person.is_staff or not person.is_active:
            raise Refused(f"Nobody who works here has the address {email}.")
        return person
    administrators = queries.administrators()
    first = queries.person_by_id(administrators[0]) if administrators else None
    if first is None:
        raise Refused("There is no administrator yet: run `loopwright create-admin`, or say who imports with --by.")
    return first


def _pairs(given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for pair in given:
        left, sign, right = pair.partition("=")
        if not (left.strip() and sign and right.strip()):
            raise click.BadParameter(f"{pair!r} must read like LEFT=RIGHT.")
        yield left.strip(), right.strip()


def _refuse_busy_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            reason = problem.strerror or str(problem)
            _give_up(
                f"Port {port} on {host} cannot be used ({reason.lower()}). Choose another: PORT={port + 1} or --port."
            )


def _first_line(problem: BaseException) -> str:
    lines = str(getattr(problem, "orig", None) or problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


def _give_up(sentence: str, *, code: int = 1) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main(prog_name="loopwright")
