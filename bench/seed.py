"""A helpdesk with 20,000 cards on one board of eight columns, the same on both engines and in every run."""

import random
import re
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import insert, text

from app import config, create_app
from app.foundation import clock, schema
from app.foundation.db import db, transaction
from app.helpdesk.models import Channel, Ticket
from app.people.models import Customer, Person, PersonRole, Role, Site, Team, TeamKind
from app.people.passwords import hash_password
from app.traits.board.models import Board, Stage, StageRole
from app.traits.record import Record, RecordTag, Tag

STAGES = (
    ("New", StageRole.NEW),
    ("Sorted", StageRole.OPEN),
    ("In progress", StageRole.OPEN),
    ("At the supplier", StageRole.WAITING),
    ("Waiting on customer", StageRole.WAITING),
    ("In test", StageRole.OPEN),
    ("Answered", StageRole.OPEN),
    ("Solved", StageRole.DONE),
)
PEOPLE = 12
EMAIL, PASSWORD = "agent1@bench.example", "benchmarks-only-1"
GAP = 65_536
WORDS = re.findall(
    r"\w+", "coat rack tips over leg loose drawer sticks varnish peels screw missing hinge squeaks label wrong dowel"
)


def settings(url: str, folder: Path) -> config.Settings:
    environ = {
        "DATABASE_URL": url,
        "LOOPWRIGHT_DATA_DIR": str(folder),
        "SECRET_KEY": "only-for-this-machine-" + "x" * 30,
        "LOOPWRIGHT_IDLE_MINUTES": "600",
    }
    return config.read(environ)


def seeded(url: str, folder: Path, *, cards: int = 20_000) -> Flask:
    """A migrated and filled database, and the application on it."""
    folder.mkdir(parents=True, exist_ok=True)
    schema.upgrade(url)
    app = create_app(settings(url, folder))
    with app.app_context():
        _fill(cards)
        db.session.remove()
    return app


def _fill(cards: int) -> None:
    chance = random.Random(20_000)
    hashed = hash_password(PASSWORD)
    with transaction(by=None, source="bench") as tx:
        site = tx.session.get(Site, 1)
        if site is None:
            site = Site(id=1, name="Bench")
            tx.session.add(site)
        people = [
            Person(
                name=f"Agent {n} Example",
                email=f"agent{n}@bench.example",
                password_hash=hashed,
                is_staff=True,
                colour="abcdef"[n % 6],
                role_rows=[PersonRole(role=Role.HELPDESK)],
            )
            for n in range(1, PEOPLE + 1)
        ]
        customers = [Customer(name=f"Customer {n} & Sons") for n in range(1, 61)]
        tags = [Tag(name=f"tag{n}", hue=n * 37 % 360) for n in range(1, 13)]
        team = Team(name="Bench", slug="bench", kind=TeamKind.HELPDESK, members=people)
        tx.session.add_all([*people, *customers, *tags, team])
        tx.session.flush()
        board = Board(kind="ticket", slug="bench", name="Bench", team_id=team.id, stages=[])
        board.stages = [Stage(name=name, role=role, position=n) for n, (name, role) in enumerate(STAGES)]
        tx.session.add(board)
        tx.session.flush()
        stage_ids = [stage.id for stage in board.stages]
        people_ids, customer_ids = [p.id for p in people], [c.id for c in customers]
        tag_ids, team_id = [t.id for t in tags], team.id
    at = clock.now()
    records, tickets, tagged = [], [], []
    for n in range(1, cards + 1):
        moment = at - timedelta(minutes=chance.randrange(1, 500_000))
        records.append(
            {
                "id": n,
                "kind": "ticket",
                "number": f"T-{n:04d}",
                "title": " ".join(chance.choices(WORDS, k=6)).capitalize(),
                "version": 1,
                "stage_id": stage_ids[n % 8],
                "rank": n * GAP,
                "responsible_id": chance.choice([*people_ids, None]),
                "priority": chance.randrange(4),
                "created_at": moment,
                "entered_stage_at": moment,
                "closed_at": moment if n % 8 == 7 else None,
            }
        )
        tickets.append(
            {
                "id": n,
                "team_id": team_id,
                "customer_id": chance.choice(customer_ids),
                "channel": Channel.STAFF,
                "description": "0",
                "sender_name": "",
                "sender_email": "",
                "serial_text": "",
            }
        )
        tagged += [{"record_id": n, "tag_id": tag} for tag in chance.sample(tag_ids, chance.randrange(3))]
    with db.engine.begin() as connection:
        for table, rows in ((Record.__table__, records), (Ticket.__table__, tickets), (RecordTag.__table__, tagged)):
            for start in range(0, len(rows), 2000):
                connection.execute(insert(table), rows[start : start + 2000])  # type: ignore[arg-type]
        connection.execute(text("INSERT INTO sequence (kind, last) VALUES ('ticket', :last)"), {"last": cards})
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval(pg_get_serial_sequence('record', 'id'), :last)"), {"last": cards})
    with db.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
