"""Activation under real commits: many at once, and broken off at every statement (rows A2, A3, A4)."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from app.bom import revisions
from app.bom.models import Activation, Bom, BomRevision, RevisionState
from app.foundation.audit import AuditRow
from app.foundation.db import db, transaction
from app.foundation.errors import Refused
from app.traits.record import Record
from tests.factories import make_product
from tests.factories.boms import make_bom, make_change, next_revision


class Broken(Exception):
    """The power goes off here."""


def together(app: Flask, *works: Callable[[], object]) -> list[object]:
    """Every work in a thread of its own, all let go at once; what each gave or raised."""
    start = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def run(place: int, work: Callable[[], object]) -> None:
        with app.app_context():
            start.wait()
            try:
                results[place] = work()
            except Exception as wrong:
                results[place] = wrong
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def activation_of(revision_id: int) -> Callable[[], object]:
    def work() -> object:
        with transaction(by=None, source="test"):
            revision = revisions.load(revision_id)
            change = db.session.get_one(Record, revision.eco_id)
            return revisions.activate(revision, eco=change, by=None).id

    return work


def rivals(count: int) -> tuple[int, list[int]]:
    """A current revision and drafts of as many changes, all copied from it."""
    first = make_bom(make_product(), {make_product(): 1})
    drafts = [next_revision(first.bom, parts={make_product(): 1}).id for _ in range(count)]
    db.session.remove()
    return first.bom_id, drafts


def now_active(bom_id: int) -> list[int]:
    return list(
        db.session.scalars(
            select(BomRevision.id).where(BomRevision.bom_id == bom_id, BomRevision.state == RevisionState.ACTIVE)
        )
    )


def test_A4_of_many_changes_released_at_once_exactly_one_wins(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        bom_id, drafts = rivals(6)
    results = together(fresh_app, *(activation_of(id_) for id_ in drafts))
    won = [result for result in results if isinstance(result, int)]
    lost = [result for result in results if not isinstance(result, int)]
    assert len(won) == 1, results
    assert all(isinstance(result, Refused) and result.code == "BASE_MOVED" for result in lost), lost
    with fresh_app.app_context():
        (active,) = now_active(bom_id)
        assert active == drafts[next(place for place, result in enumerate(results) if isinstance(result, int))]
        assert db.session.get_one(Bom, bom_id).active_revision_id == active
        assert db.session.scalar(select(func.count()).where(Activation.bom_id == bom_id)) == 2


def test_A3_the_same_change_applied_by_many_at_once_is_applied_once(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        bom_id, (draft,) = rivals(1)
    results = together(fresh_app, *(activation_of(draft) for _ in range(6)))
    assert len(set(results)) == 1, results
    assert isinstance(results[0], int)
    with fresh_app.app_context():
        assert now_active(bom_id) == [draft]
        assert db.session.scalar(select(func.count()).where(Activation.revision_id == draft)) == 1


def test_P14_many_starts_at_once_give_one_draft(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        first = make_bom(make_product(), {make_product(): 1})
        bom_id, change_id = first.bom_id, make_change().id
        db.session.remove()

    def start() -> object:
        with transaction(by=None, source="test"):
            bom = db.session.get_one(Bom, bom_id)
            return revisions.start_revision(bom, eco=db.session.get_one(Record, change_id), by=None).id

    results = together(fresh_app, *(start for _ in range(6)))
    assert len(set(results)) == 1, results
    with fresh_app.app_context():
        assert db.session.scalar(select(func.count()).where(BomRevision.bom_id == bom_id)) == 2


def test_I5_starts_of_many_changes_get_numbers_of_their_own(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        first = make_bom(make_product(), {make_product(): 1})
        bom_id, changes = first.bom_id, [make_change().id for _ in range(6)]
        db.session.remove()

    def start(change_id: int) -> Callable[[], object]:
        def work() -> object:
            with transaction(by=None, source="test"):
                bom = db.session.get_one(Bom, bom_id)
                return revisions.start_revision(bom, eco=db.session.get_one(Record, change_id), by=None).number

        return work

    results = together(fresh_app, *(start(change_id) for change_id in changes))
    assert sorted(map(str, results)) == ["2", "3", "4", "5", "6", "7"]


def test_A5_slots_taken_in_any_order_do_not_block_each_other(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        boms = [make_bom(make_product(), {make_product(): 1}).bom for _ in range(2)]
        pairs = []
        for _ in range(4):
            change = make_change()
            pairs.append((change.id, [next_revision(bom, change=change, parts={make_product(): 1}).id for bom in boms]))
        bom_ids = [bom.id for bom in boms]
        db.session.remove()

    def release(change_id: int, ids: list[int]) -> Callable[[], object]:
        def work() -> object:
            with transaction(by=None, source="test"):
                drafts = [revisions.load(id_) for id_ in ids]
                change = db.session.get_one(Record, change_id)
                return [row.revision_id for row in revisions.activate_all(drafts, eco=change, by=None)]

        return work

    works = [release(change_id, ids if place % 2 else ids[::-1]) for place, (change_id, ids) in enumerate(pairs)]
    results = together(fresh_app, *works)
    won = [result for result in results if isinstance(result, list)]
    assert len(won) == 1, results
    assert all(isinstance(result, Refused) for result in results if not isinstance(result, list)), results
    with fresh_app.app_context():
        assert [id_ for bom_id in bom_ids for id_ in now_active(bom_id)] == won[0]


def test_A2_broken_off_at_any_statement_it_is_all_old_or_all_new(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        bom_id, (draft,) = rivals(1)
        before = picture(bom_id)
        for place in itertools.count(1):
            try:
                with broken_at(place):
                    activation_of(draft)()
            except Broken:
                db.session.remove()
                assert picture(bom_id) == before, f"statement {place}"
            else:
                break
        assert place > 12  # it was broken off at each of them, not at none
        db.session.remove()
        after = picture(bom_id)
        assert after["active"] == [draft]
        assert after["pointer"] == draft
        assert after["activations"] == before["activations"] + 1


def picture(bom_id: int) -> dict[str, Any]:
    """Everything an activation touches."""
    rows = db.session.execute(
        select(BomRevision.id, BomRevision.state, BomRevision.content_hash, BomRevision.released_at)
        .where(BomRevision.bom_id == bom_id)
        .order_by(BomRevision.id)
    ).all()
    seen = {
        "revisions": [tuple(row) for row in rows],
        "active": now_active(bom_id),
        "pointer": db.session.scalar(select(Bom.active_revision_id).where(Bom.id == bom_id)),
        "activations": db.session.scalar(select(func.count()).where(Activation.bom_id == bom_id)) or 0,
        "trail": db.session.scalar(select(func.count()).select_from(AuditRow)) or 0,
    }
    db.session.remove()
    return seen


class broken_at:  # noqa: N801
    """Raises before the n-th statement of the block."""

    def __init__(self, place: int) -> None:
        self.left = place

    def __enter__(self) -> None:
        event.listen(db.engine, "before_cursor_execute", self.count)

    def __exit__(self, *_: object) -> None:
        event.remove(db.engine, "before_cursor_execute", self.count)

    def count(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise Broken


@pytest.mark.parametrize("stage", ["begin", "commit"])
def test_A2_broken_off_at_the_commit_nothing_has_changed(
    fresh_app: Flask, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_app.app_context():
        bom_id, (draft,) = rivals(1)
        before = picture(bom_id)

        def off(*_: object, **__: object) -> None:
            raise Broken

        monkeypatch.setattr(db.session(), "connection" if stage == "begin" else "commit", off)
        with pytest.raises(Broken):
            activation_of(draft)()
        monkeypatch.undo()
        db.session.remove()
        assert picture(bom_id) == before
