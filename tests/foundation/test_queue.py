"""Writers of one process queue for SQLite's one lock, and give up together after five seconds."""

import threading

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.foundation import db as database
from app.foundation.db import db, lock, transaction
from app.foundation.numbering import Sequence


def test_many_writers_take_turns(fresh_app: Flask) -> None:
    """Sixteen threads add one to the same number ten times each, by reading and writing."""

    def add() -> None:
        with fresh_app.app_context():
            for _ in range(10):
                with transaction(by=None, source="test") as tx:
                    last = lock(Sequence, "ticket")[0].last
                    tx.session.execute(update(Sequence).values(last=last + 1))
            db.session.remove()

    with fresh_app.app_context():
        with transaction(by=None, source="test") as tx:
            tx.session.add(Sequence(kind="ticket", last=0))
        threads = [threading.Thread(target=add) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert db.session.scalar(select(Sequence.last)) == 160


def test_nobody_waits_for_ever(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One writer that does not end costs the others their patience, and nothing of what they would have done later."""
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    with fresh_app.app_context():
        if db.engine.dialect.name != "sqlite":
            return
        inside, done = threading.Event(), threading.Event()

        def hold() -> None:
            with fresh_app.app_context(), transaction(by=None, source="test"):
                inside.set()
                done.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        inside.wait(10)
        with pytest.raises(OperationalError, match="locked"), transaction(by=None, source="test"):
            pass
        done.set()
        holder.join()
        with transaction(by=None, source="test") as tx:
            tx.session.add(Sequence(kind="ticket", last=0))
