"""Many people move the same few cards at once: nothing is lost, nothing stands on the same place twice."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.foundation.audit import verify
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, Refused
from app.helpdesk.models import Ticket
from app.people.models import Person
from app.traits.board.actions import place, stages_of
from app.traits.board.models import Board, BoardChange, Stage
from app.traits.record import Record
from tests.board.test_move import HTMX
from tests.factories.people import make_person
from tests.factories.tickets import board_of, make_helpdesk_team, make_ticket
from tests.visitors import Visitor

HANDS, MOVES, CARDS = 8, 12, 5


class Shop:
    """Plain ids, so that every thread may use them."""

    def __init__(self, app: Flask) -> None:
        with app.app_context():
            self.marc = make_person("Marc").id
            team = make_helpdesk_team()
            self.board = board_of(team).id
            self.stages = [stage.id for stage in stages_of(self.board)]
            marc = db.session.get_one(Person, self.marc)
            self.cards = [make_ticket(f"Card {n}", by=marc, team_id=team.id).id for n in range(CARDS)]
            self.before = db.session.get_one(Board, self.board).version
            db.session.remove()


@pytest.fixture
def shop(fresh_app: Flask) -> Shop:
    return Shop(fresh_app)


def test_no_move_is_lost_and_no_place_is_taken_twice(fresh_app: Flask, shop: Shop) -> None:
    def one_hand(seed: int) -> list[tuple[int, int]]:
        dice, done = random.Random(seed), []
        with fresh_app.app_context():
            for _ in range(MOVES):
                card, to = dice.choice(shop.cards), dice.choice(shop.stages)
                try:
                    with transaction(by=None, source="test") as tx:
                        record = tx.session.get_one(Ticket, card)
                        near = dice.choice([*shop.cards, None])
                        place(
                            record,
                            to=tx.session.get_one(Stage, to),
                            before=near,
                            after=dice.choice(shop.cards),
                            by=None,
                        )
                    done.append((card, to))
                except Conflict:
                    pass
            db.session.remove()
        return done

    with ThreadPoolExecutor(HANDS) as pool:
        done = list(itertools.chain.from_iterable(pool.map(one_hand, range(HANDS))))
    with fresh_app.app_context():
        changes = db.session.scalars(
            select(BoardChange)
            .where(BoardChange.board_id == shop.board, BoardChange.version > shop.before)
            .order_by(BoardChange.version)
        ).all()
        assert len(changes) == len(done) > HANDS * MOVES // 2
        assert [c.version for c in changes] == list(range(shop.before + 1, shop.before + len(done) + 1))
        for card in shop.cards:
            own = [c for c in changes if c.record_id == card]
            for earlier, later in itertools.pairwise(own):
                assert later.from_stage_id == earlier.to_stage_id
            if own:
                assert db.session.get_one(Record, card).stage_id == own[-1].to_stage_id
        twice = (
            select(Record.stage_id, Record.rank)
            .where(Record.stage_id.in_(shop.stages))
            .group_by(Record.stage_id, Record.rank)
            .having(func.count() > 1)
        )
        assert db.session.execute(twice).all() == []
        assert verify().ok
        db.session.remove()


def test_a_hard_limit_holds_against_many_at_once(fresh_app: Flask, shop: Shop) -> None:
    with fresh_app.app_context(), transaction(by=None, source="test") as tx:
        stage = tx.session.get_one(Stage, shop.stages[1])
        stage.wip_limit, stage.hard_limit = 2, True

    def push(card: int) -> bool:
        with fresh_app.app_context():
            try:
                with transaction(by=None, source="test") as tx:
                    to = tx.session.get_one(Stage, shop.stages[1])
                    place(tx.session.get_one(Ticket, card), to=to, before=None, after=None, by=None)
            except Refused:
                return False
            finally:
                db.session.remove()
        return True

    with ThreadPoolExecutor(CARDS) as pool:
        assert sum(pool.map(push, shop.cards)) == 2
    with fresh_app.app_context():
        count = select(func.count()).select_from(Record).where(Record.stage_id == shop.stages[1])
        assert db.session.scalar(count) == 2
        db.session.remove()


def test_one_of_many_requests_for_the_same_card_wins(fresh_app: Flask, shop: Shop) -> None:
    with fresh_app.app_context():
        marc = db.session.get_one(Person, shop.marc)
        visitors = [Visitor(fresh_app).as_(marc) for _ in range(HANDS)]
        tokens = [visitor.token() for visitor in visitors]
        db.session.remove()

    def move(n: int) -> int:
        data = {
            "card": shop.cards[0], "from": shop.stages[0], "to": shop.stages[1 + n % 2],
            "csrf_token": tokens[n], "op": f"hand-number-{n:08d}",
        }  # fmt: skip
        return visitors[n].client.post(f"/boards/{shop.board}/moves", data=data, headers=HTMX).status_code

    with ThreadPoolExecutor(HANDS) as pool:
        answers = sorted(pool.map(move, range(HANDS)))
    assert answers == [200] + [409] * (HANDS - 1)
