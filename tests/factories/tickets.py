"""Helpdesk teams with their board, and tickets."""

import itertools
from typing import Any

from sqlalchemy import select

from app.bom.units import Unit, UnitOwner
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.helpdesk import actions
from app.helpdesk.models import Ticket
from app.people.models import Person, Team, TeamKind
from app.traits.board.actions import place, stages_of
from app.traits.board.models import Board, Stage
from app.traits.record import Record
from tests.factories.people import make_person, make_team

__all__ = ["board_of", "make_helpdesk_team", "make_sold_unit", "make_ticket", "put_in_stage", "stage_named"]
_serial = itertools.count(1)


def make_helpdesk_team(name: str = "Customer Care", *, members: tuple[Person, ...] = ()) -> Team:
    """A helpdesk team with its board: New, In progress, Waiting on customer, Solved."""
    team = make_team(name, kind=TeamKind.HELPDESK, members=members)
    with transaction(by=None, source="test"):
        actions.make_team_board(db.session.merge(team))
    return team


def make_ticket(title: str = "Coat rack tips over", *, stage: str | None = None, **fields: Any) -> Ticket:
    """A ticket written down by Marc for the first helpdesk team there is, or a new one."""
    marc = fields.pop("by", None) or make_person("Marc")
    team_id = fields.pop("team_id", None)
    if team_id is None:
        team_id = db.session.scalar(select(Team.id).where(Team.kind == TeamKind.HELPDESK).order_by(Team.id).limit(1))
    team_id = team_id or make_helpdesk_team().id
    with transaction(by=marc, source="test"):
        ticket = actions.open_ticket(title=title, team_id=team_id, by=marc, **fields)
    if stage is not None:
        put_in_stage(ticket, stage)
    return ticket


def make_sold_unit(product: Product, owner: Person | None = None, *, serial: str | None = None) -> Unit:
    """A piece that the organisation of `owner` bought."""
    with transaction(by=None, source="test") as tx:
        unit = Unit(serial=serial or f"SN-{next(_serial):04d}", product_id=product.id)
        tx.session.add(unit)
        tx.session.flush()
        if owner is not None:
            tx.session.add(UnitOwner(unit_id=unit.id, customer_id=owner.customer_id))
    return unit


def put_in_stage(record: Record, name: str) -> None:
    """Move it there without asking anybody."""
    with transaction(by=None, source="test"):
        place(record, to=stage_named(record, name), before=None, after=None, by=None)


def stage_named(record: Record, name: str) -> Stage:
    """The stage of the record's board with this name."""
    board_id = db.session.scalar(select(Stage.board_id).where(Stage.id == record.stage_id))
    assert board_id is not None
    return next(stage for stage in stages_of(board_id) if stage.name == name)


def board_of(team: Team) -> Board:
    return db.session.scalars(select(Board).where(Board.team_id == team.id)).one()
