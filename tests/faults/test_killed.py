"""Fifty times `kill -9` while people write: nothing that was acknowledged is lost, and no BoM is half activated."""

import contextlib
import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.bom.models import Activation, Bom, BomRevision, RevisionState
from app.foundation import audit
from app.foundation.db import db
from app.helpdesk.models import Ticket
from app.people.models import Role
from app.people.passwords import hash_password
from app.plm.models import Eco, Signing
from app.traits.board.actions import stages_of
from app.traits.board.models import Board, BoardChange
from app.traits.record import Record
from tests.conftest import SECRET
from tests.factories.ecos import make_coat_rack, make_eco_type
from tests.factories.people import make_person
from tests.factories.tickets import board_of, make_helpdesk_team
from tests.real_server import Visitor, descendants, served, wait_until_ready

WHO = ("web", "web", "web", "web", "activator", "worker")
MASTER_AT = (15, 35)  # the whole web server, twice
KILLS, WRITERS, PASSWORD = 50, 2, "written-while-killed-1"


@dataclass
class Company:
    """Who and what the test needs, as plain values."""

    email: str
    board_id: int
    stage_id: int
    activator: list[str]


@dataclass
class Told:
    """What was acknowledged."""

    titles: list[str] = field(default_factory=list)
    activations: list[tuple[int, int]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    broken: int = 0


@pytest.mark.faults
def test_fifty_kills_lose_nothing_that_was_acknowledged(fresh_app: Flask, fresh_database: str, tmp_path: Path) -> None:
    with fresh_app.app_context():
        company = make_company()
        db.session.remove()
        db.engine.dispose()
    told = Told()
    with served(fresh_database, tmp_path / "data", SECRET_KEY=SECRET) as (port, pid):
        killed = write_and_kill(port, pid, company, told, fresh_database, tmp_path / "data")
        wait_until_ready(port, None, tmp_path / "data" / "server.log", seconds=20)
    assert told.activations, (tmp_path / "data" / "activator.log").read_text()[-3000:]
    assert sum(killed.values()) == KILLS
    assert min(killed["web"], killed["activator"], killed["worker"]) > 0
    assert len(told.titles) > KILLS / 2
    assert set(told.refused) <= {409}
    with fresh_app.app_context():
        nothing_is_lost(told)
        nothing_is_half_active(told)
        the_books_add_up()


def make_company() -> Company:
    marc = make_person("Marc", roles=(Role.HELPDESK,), password_hash=hash_password(PASSWORD))
    joe = make_person("Joe", roles=(Role.ENGINEER, Role.APPROVER))
    board_id = board_of(make_helpdesk_team()).id
    product = make_coat_rack()
    kind = make_eco_type(signing=Signing.LIGHT, separation_of_duties=False)
    activator = [str(joe.id), str(kind.id), str(product.id)]
    return Company(marc.email, board_id, stages_of(board_id)[0].id, activator)


def write_and_kill(
    port: int, pid: int, company: Company, told: Told, database_url: str, data_dir: Path
) -> Counter[str]:
    """Let writers write, kill fifty times, and stop everybody in order."""
    done = threading.Event()
    writers = [threading.Thread(target=write, args=(port, company, told, done)) for _ in range(WRITERS)]
    with open(data_dir / "activator.log", "wb") as log:
        activator = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.activator", *company.activator],
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "LOOPWRIGHT_DATA_DIR": str(data_dir),
                "SECRET_KEY": SECRET,
            },
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    child: list[int] = []
    listener = threading.Thread(target=listen, args=(activator, child, told))
    for thread in (*writers, listener):
        thread.start()
    try:
        until = time.monotonic() + 30
        while not (told.activations and told.titles) and time.monotonic() < until:
            time.sleep(0.05)
        return kill(pid, child)
    finally:
        done.set()
        activator.kill()
        for each in child[-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        for thread in (*writers, listener):
            thread.join(60)
        activator.wait(10)
        assert activator.stdout is not None
        activator.stdout.close()


def kill(pid: int, child: list[int]) -> Counter[str]:
    """SIGKILL to one process or another, fifty times, at moments nobody chose."""
    chance = random.Random(9)
    killed: Counter[str] = Counter()
    while (so_far := killed.total()) < KILLS:
        time.sleep(chance.uniform(0, 0.4))
        names = {each: command_of(each) for each in descendants(pid)}
        serving = [each for each, name in names.items() if "gunicorn" in name]
        there = {
            "master": serving[:1] if so_far in MASTER_AT else [],
            "web": serving[1:],
            "activator": child[-1:],
            "worker": [each for each, name in names.items() if name.rstrip().endswith("app.cli worker")],
        }
        who = "master" if there["master"] else chance.choice([who for who in WHO if there[who]] or ["web"])
        if there[who]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(there[who]), signal.SIGKILL)
                killed[who] += 1
    return killed


def write(port: int, company: Company, told: Told, done: threading.Event) -> None:
    """Add tickets one after the other. An answer that did not come is asked for again with the same `op`."""
    visitor = Visitor(port, timeout=10)
    pending: tuple[str, str] | None = None
    while not done.is_set() or pending:
        try:
            if not visitor.cookies:
                visitor.sign_in(company.email, PASSWORD)
                visitor.get(f"/boards/{company.board_id}/changes?since=0")
            title, op = pending = pending or (f"Ticket {uuid.uuid4()}", str(uuid.uuid4()))
            answer = visitor.post(
                f"/boards/{company.board_id}/stages/{company.stage_id}/cards", {"title": title}, op=op
            )
        except (OSError, http.client.HTTPException):
            told.broken += 1
            time.sleep(0.05)
            continue
        if answer.status in (200, 303):
            told.titles.append(title)
            time.sleep(0.03)  # leave room for the activations: SQLite's lock is not fair
        elif answer.status == 503:
            continue
        else:
            told.refused[answer.status] += 1
        pending = None
    visitor.close()


def listen(activator: "subprocess.Popen[str]", child: list[int], told: Told) -> None:
    assert activator.stdout is not None
    for line in activator.stdout:
        words = line.split()
        if words[0] == "pid":
            child.append(int(words[1]))
        else:
            told.activations.append((int(words[1]), int(words[2])))


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def nothing_is_lost(told: Told) -> None:
    """Every acknowledged ticket is there, once, with its own number and its line in the board's log."""
    found = Counter(db.session.scalars(select(Ticket.title)))
    assert [title for title in told.titles if found[title] != 1] == []
    numbers = Counter(db.session.scalars(select(Record.number)))
    assert [number for number, count in numbers.items() if count > 1] == []
    logged = set(db.session.scalars(select(BoardChange.record_id)))
    assert set(db.session.scalars(select(Record.id))) <= logged


def nothing_is_half_active(told: Told) -> None:
    """All of an activation is there or nothing of it."""
    for bom in db.session.scalars(select(Bom)).unique():
        active = db.session.scalars(
            select(BomRevision.id).where(BomRevision.bom_id == bom.id, BomRevision.state == RevisionState.ACTIVE)
        ).all()
        assert active == [bom.active_revision_id]
        last = db.session.scalars(
            select(Activation.revision_id).where(Activation.bom_id == bom.id).order_by(Activation.id.desc()).limit(1)
        ).one()
        assert last == bom.active_revision_id
    released = select(BomRevision.id).where(BomRevision.state.in_([RevisionState.ACTIVE, RevisionState.SUPERSEDED]))
    activated = Counter(db.session.scalars(select(Activation.revision_id)))
    assert set(activated) == set(db.session.scalars(released))
    assert set(activated.values()) == {1}
    applied = {row.id: row.applied_at for row in db.session.execute(select(Eco.id, Eco.applied_at))}
    owners = {row.id: row.eco_id for row in db.session.execute(select(BomRevision.id, BomRevision.eco_id))}
    for eco_id, moment in applied.items():
        drafts = [revision_id for revision_id, owner in owners.items() if owner == eco_id]
        assert all((revision_id in activated) == (moment is not None) for revision_id in drafts)
    for eco_id, revision_id in told.activations:
        assert activated[revision_id] == 1
        assert applied[eco_id] is not None


def the_books_add_up() -> None:
    """The database is sound, the audit trail unbroken, ranks distinct, versions without a gap."""
    if db.engine.dialect.name == "sqlite":
        assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"
        assert db.session.execute(text("PRAGMA foreign_key_check")).all() == []
    verdict = audit.verify()
    assert verdict.ok, str(verdict)
    twice = select(Record.stage_id, Record.rank).group_by(Record.stage_id, Record.rank).having(func.count() > 1)
    assert db.session.execute(twice).all() == []
    for board_id, version in db.session.execute(select(Board.id, Board.version)).all():
        versions = db.session.scalars(
            select(BoardChange.version).where(BoardChange.board_id == board_id).order_by(BoardChange.version)
        ).all()
        assert versions == list(range(1, version + 1))
