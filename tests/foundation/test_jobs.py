"""Jobs: written with the change that wants them, done once, tried again, given up in sight."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.foundation import jobs, worker
from app.foundation.clock import moved
from app.foundation.db import db, transaction
from app.foundation.jobs import BACK_OFF, Claimed, Heartbeat, Job, JobState, enqueue, run_due
from app.people.models import Team, TeamKind

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a handler called `note` was given."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(jobs, "_handlers", {})

    @jobs.handler("note")
    def note(payload: dict[str, Any], _job: Claimed) -> None:
        seen.append(payload)

    return seen


@pytest.fixture
def failing(done: list[dict[str, Any]]) -> list[int]:
    """A handler called `fail` that always does; the attempts it saw."""
    attempts: list[int] = []

    @jobs.handler("fail", tries=5)
    def fail(_payload: dict[str, Any], job: Claimed) -> None:
        attempts.append(job.attempt)
        raise ValueError("broken, password=hunter2")

    return attempts


def put(kind: str, payload: dict[str, Any] | None = None, **how: Any) -> None:
    with transaction(by=None):
        enqueue(kind, payload, **how)


def the_job() -> Job:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Job).order_by(Job.id.desc())).first()  # type: ignore[return-value]


def test_a_job_is_done_after_the_transaction(database: None, done: list[dict[str, Any]]) -> None:
    with transaction(by=None):
        enqueue("note", {"number": 1})
        assert done == []
    assert run_due() == 1
    assert done == [{"number": 1}]
    assert the_job().state is JobState.DONE
    assert run_due() == 0


def test_a_job_of_a_failed_transaction_is_never_done(database: None, done: list[dict[str, Any]]) -> None:
    def work() -> None:
        with transaction(by=None):
            enqueue("note", {"number": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert run_due() == 0
    assert done == []


def test_what_was_in_a_job_is_not_kept(database: None, done: list[dict[str, Any]]) -> None:
    put("note", {"to": "abigail@customer.example"})
    run_due()
    assert the_job().payload == {}


def test_a_job_waits_for_its_time(database: None, done: list[dict[str, Any]]) -> None:
    with moved(START):
        put("note", run_at=START + timedelta(hours=1))
        assert run_due() == 0
    with moved(START + timedelta(hours=1)):
        assert run_due() == 1


def test_a_key_is_given_once(database: None, done: list[dict[str, Any]]) -> None:
    for _ in range(3):
        put("note", key="once")
    assert run_due() == 1


def test_failures_are_tried_again_later_and_later(database: None, failing: list[int]) -> None:
    with moved(START):
        put("fail")
    at = START
    for attempt in range(1, 6):
        with moved(at):
            assert run_due() == 1
            assert run_due() == 0
            job = the_job()
            if attempt < 5:
                assert (job.state, job.run_at - at) == (JobState.TODO, BACK_OFF[attempt - 1])
                at = job.run_at
    assert failing == [1, 2, 3, 4, 5]
    assert the_job().state is JobState.DEAD
    with moved(at + timedelta(days=30)):
        assert run_due() == 0


def test_the_pauses_go_from_a_minute_to_two_days() -> None:
    assert (BACK_OFF[0], BACK_OFF[-1]) == (timedelta(minutes=1), timedelta(hours=48))
    assert list(BACK_OFF) == sorted(BACK_OFF)


def test_a_dead_job_is_in_sight_and_can_be_tried_again(database: None, failing: list[int]) -> None:
    put("fail", {"to": "abigail@customer.example"})
    at = datetime.now(UTC)
    for _ in range(5):
        at += timedelta(days=3)
        with moved(at):
            run_due()
    (dead,) = jobs.dead_jobs()
    assert jobs.count_dead() == 1
    assert dead.payload == {"to": "abigail@customer.example"}
    assert dead.last_error == "ValueError: broken, password=***"
    with transaction(by=None):
        assert jobs.try_again(dead.id)
        assert not jobs.try_again(dead.id)
    assert jobs.count_dead() == 0
    with moved(at + timedelta(days=1)):
        run_due()
    assert failing[-1] == 1


def test_a_kind_that_nobody_handles_is_not_lost(database: None, done: list[dict[str, Any]]) -> None:
    put("unknown")
    assert run_due() == 1
    assert (the_job().state, the_job().attempts) == (JobState.TODO, 1)
    assert "Nobody handles unknown" in (the_job().last_error or "")


def test_one_poison_job_does_not_hold_up_the_others(
    database: None, done: list[dict[str, Any]], failing: list[int]
) -> None:
    put("fail")
    put("note", {"number": 2})
    run_due()
    assert done == [{"number": 2}]


def test_an_inside_handler_and_its_mark_are_one(database: None, done: list[dict[str, Any]]) -> None:
    @jobs.handler("found", inside=True)
    def found(payload: dict[str, Any], job: Claimed) -> None:
        db.session.add(Team(name=payload["name"], slug=payload["name"], kind=TeamKind.QUALITY))
        db.session.flush()
        if job.attempt == 1:
            raise ValueError("half way")

    with moved(START):
        put("found", {"name": "a-team"})
        run_due()
    assert db.session.scalars(select(Team.slug)).all() == []
    assert the_job().state is JobState.TODO
    with moved(START + timedelta(hours=1)):
        run_due()
    assert db.session.scalars(select(Team.slug)).all() == ["a-team"]
    assert the_job().state is JobState.DONE


def test_a_lost_lease_is_taken_over_and_the_loser_changes_nothing(database: None, done: list[dict[str, Any]]) -> None:
    with moved(START):
        put("note")
        first = jobs._claim()
        assert first is not None
        assert jobs._claim() is None
    assert timedelta(seconds=60) >= jobs.LEASE
    with moved(START + jobs.LEASE + timedelta(seconds=1)):
        second = jobs._claim()
        assert second is not None
        assert (second.id, second.attempt) == (first.id, 2)
        jobs._do(first)
        assert the_job().state is JobState.RUNNING
        jobs._do(second)
        assert the_job().state is JobState.DONE


def test_a_timer_is_a_row_that_comes_back(database: None, done: list[dict[str, Any]]) -> None:
    ticks: list[int] = []

    @jobs.timer("tick", every=timedelta(minutes=10))
    def tick(_payload: dict[str, Any], job: Claimed) -> None:
        ticks.append(job.attempt)

    with moved(START):
        jobs.ensure_timers()
        jobs.ensure_timers()
        assert run_due() == 1
        assert run_due() == 0
    with moved(START + timedelta(minutes=10)):
        assert run_due() == 1
    assert ticks == [1, 1]
    assert len(db.session.scalars(select(Job)).all()) == 1


def test_a_timer_that_fails_goes_on(database: None, done: list[dict[str, Any]]) -> None:
    @jobs.timer("tick", every=timedelta(minutes=10))
    def tick(_payload: dict[str, Any], _job: Claimed) -> None:
        raise ValueError

    at = START
    with moved(at):
        jobs.ensure_timers()
    for _ in range(12):
        with moved(at):
            assert run_due() == 1
        at = the_job().run_at
    assert the_job().state is JobState.TODO


def test_the_row_of_a_timer_that_no_longer_exists_goes(database: None, done: list[dict[str, Any]]) -> None:
    put("tick", key="timer:tick")
    jobs.ensure_timers()
    assert db.session.scalars(select(Job)).all() == []


def test_done_jobs_are_swept_and_dead_ones_stay(database: None, done: list[dict[str, Any]], failing: list[int]) -> None:
    with moved(START):
        put("note")
        put("fail")
        run_due()
    for day in range(1, 14, 3):
        with moved(START + timedelta(days=day)):
            run_due()
    with moved(START + timedelta(days=20)):
        assert jobs.sweep_done() == 1
    assert [job.state for job in db.session.scalars(select(Job))] == [JobState.DEAD]


def test_an_idle_worker_does_not_take_the_write_lock(
    database: None, done: list[dict[str, Any]], queries: list[str]
) -> None:
    queries.clear()
    run_due()
    assert len(queries) == 1
    assert queries[0].startswith("SELECT")


def test_jobs_leave_no_trace_in_the_audit_trail(database: None, done: list[dict[str, Any]]) -> None:
    from app.foundation.audit import AuditRow

    put("note", {"to": "abigail@customer.example"})
    run_due()
    assert db.session.scalars(select(AuditRow)).all() == []


# The loop


@pytest.fixture
def loop(fresh_app: Flask, done: list[dict[str, Any]]) -> Iterator[tuple[threading.Thread, threading.Event]]:
    stop = threading.Event()

    def run() -> None:
        with fresh_app.app_context():
            worker.work_forever(stop)

    thread = threading.Thread(target=run)
    with fresh_app.app_context():
        yield thread, stop
        stop.set()
        if thread.is_alive():
            thread.join(10)
        db.session.remove()


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
        db.session.remove()


def test_the_loop_does_jobs_beats_and_stops(
    loop: tuple[threading.Thread, threading.Event], done: list[dict[str, Any]]
) -> None:
    thread, stop = loop
    put("note", {"number": 1})
    thread.start()
    wait_for(lambda: done == [{"number": 1}])
    wait_for(lambda: db.session.get(Heartbeat, "worker") is not None)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_loop_survives_a_database_that_is_away(
    loop: tuple[threading.Thread, threading.Event], done: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    thread, _stop = loop
    real, away = jobs._claim, [1, 1]

    def claim() -> Claimed | None:
        if away:
            away.pop()
            raise OperationalError("SELECT", {}, OSError("gone"))
        return real()

    monkeypatch.setattr(jobs, "_claim", claim)
    monkeypatch.setattr(worker, "PAUSE", 0.01)
    put("note", {"number": 1})
    thread.start()
    wait_for(lambda: done == [{"number": 1}])


# Several workers

WORKER = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from app import config, create_app
from app.foundation import jobs
app = create_app(config.read())

@jobs.handler("note")
def note(payload, job):
    with open(payload["file"], "a") as file:
        file.write(f"{{payload['number']}}\\n")
    if payload.get("die") and job.attempt == 1:
        os._exit(137)

with app.app_context():
    while jobs.run_due(5):
        pass
"""


def start_worker(app: Flask, tmp_path: Path) -> "subprocess.Popen[bytes]":
    settings = app.config["LOOPWRIGHT"]
    env = os.environ | {
        "DATABASE_URL": settings.database_url.replace("+psycopg", ""),
        "LOOPWRIGHT_DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": settings.secret_key,
    }
    return subprocess.Popen([sys.executable, "-c", WORKER.format(root=str(ROOT))], cwd=tmp_path, env=env)


def test_two_workers_do_each_job_once(fresh_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "done"
    with fresh_app.app_context():
        with transaction(by=None):
            for number in range(40):
                enqueue("note", {"number": number, "file": str(file)})
        workers = [start_worker(fresh_app, tmp_path) for _ in range(2)]
        assert [process.wait(60) for process in workers] == [0, 0]
        assert sorted(map(int, file.read_text().split())) == list(range(40))
        assert {job.state for job in db.session.scalars(select(Job))} == {JobState.DONE}


def test_a_worker_killed_in_a_job_loses_it_to_another(fresh_app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "done"
    with fresh_app.app_context():
        put("note", {"number": 1, "file": str(file), "die": True})
        assert start_worker(fresh_app, tmp_path).wait(60) == 137
        assert the_job().state is JobState.RUNNING
        with transaction(by=None) as tx:
            left = the_left_job(tx.session)
            left.lease_until = tx.at - timedelta(seconds=1)
        assert start_worker(fresh_app, tmp_path).wait(60) == 0
        assert (the_job().state, the_job().attempts) == (JobState.DONE, 2)
        assert file.read_text().split() == ["1", "1"]


def the_left_job(session: Any) -> Job:
    return session.scalars(select(Job)).one()  # type: ignore[no-any-return]
