"""A small company with everything that has an address, and everybody who may knock: the ground of the rights matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from flask import Flask
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from app.bom.models import BomLine, BomOperation, BomRevision
from app.foundation.clock import now
from app.foundation.db import db, transaction
from app.foundation.parking import ParkedText
from app.foundation.sessions import BrowserSession, hashed
from app.people.models import Person, Role, Team
from app.quality.models import AlertAction
from app.traits.attachments.actions import attach, keep_photos
from app.traits.board.models import Board, Stage
from app.traits.chatter.actions import post_note
from app.traits.chatter.models import Mention
from app.traits.links.actions import link
from app.traits.record import Record
from tests.factories.alerts import make_action, make_alert, make_quality_team
from tests.factories.ecos import make_coat_rack, make_eco, make_eco_type
from tests.factories.orders import make_order
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import make_helpdesk_team, make_sold_unit, make_ticket
from tests.visitors import PASSWORD_HASH, Visitor

ACTORS = (
    "anonymous", "customer_a", "customer_b", "operator", "agent_1", "agent_2", "engineer", "approver", "admin",
)  # fmt: skip


@dataclass
class World:
    """`people` and `visitors` by actor; `names` are the values for addresses, `*_a` of customer A, `*_b` of customer B."""

    app: Flask
    people: dict[str, Person] = field(default_factory=dict)
    visitors: dict[str, Visitor] = field(default_factory=dict)
    names: dict[str, str | int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Whatever happens inside is taken back."""
        db.session.rollback()
        before = db.engine.begin_nested()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            db.session.rollback()
            before.rollback()
            db.session.expire_all()

    def address(self, endpoint: str, values: dict[str, str]) -> str:
        adapter = self.app.url_map.bind("localhost")
        found = {name: self.names.get(value, value) for name, value in values.items()}
        return adapter.build(endpoint, found)


def build(app: Flask) -> World:
    world = World(app)
    names, people = world.names, world.people
    a, b = make_customer("Abigail Peterson", password_hash=PASSWORD_HASH), make_customer("Bertram Stone")
    staff: dict[str, tuple[Role, ...]] = {
        "operator": (Role.OPERATOR,),
        "agent_1": (Role.HELPDESK,),
        "agent_2": (Role.HELPDESK,),
        "engineer": (Role.ENGINEER,),
        "approver": (Role.APPROVER,),
        "admin": (Role.ADMIN,),
    }
    people |= {"customer_a": a, "customer_b": b}
    people |= {who: make_person(who.replace("_", " ").title(), roles=roles) for who, roles in staff.items()}
    care = make_helpdesk_team("Customer Care", members=(people["agent_1"],))
    repairs = make_helpdesk_team("Repairs", members=(people["agent_2"],))
    quality = make_quality_team()

    rack = make_coat_rack()
    unit_a, unit_b = make_sold_unit(rack, a), make_sold_unit(rack, b)
    ticket_a = make_ticket("Tips over", team_id=care.id, customer_id=a.customer_id, serial_text=unit_a.serial)
    ticket_b = make_ticket("Wobbles", team_id=repairs.id, customer_id=b.customer_id, serial_text=unit_b.serial)
    alert = make_alert("Coat racks tip over", team_id=quality.id)
    action = make_action(alert)
    eco_type = make_eco_type()
    eco = make_eco(rack, eco_type, by=people["engineer"], started=True)
    order = make_order(rack, by=people["engineer"])
    with transaction(by=people["agent_1"], source="test"):
        link(*_records(ticket_a, alert), by=people["agent_1"])
        post_note(_records(alert)[0], "@Agent 1 look at this", by=people["engineer"])
    _hang_photos(world, {"a": ticket_a, "b": ticket_b, "alert": alert})
    _private_things(world)
    _boards(world, {"1": care, "2": repairs})

    names |= {
        "ticket_a": ticket_a.number, "ticket_b": ticket_b.number, "alert": alert.number, "eco": eco.number,
        "order": order.number, "team": care.slug, "rack": rack.ref, "unit_a": unit_a.serial, "unit_b": unit_b.serial,
        "action": action.id, "rack_id": rack.id,
        "record_a": ticket_a.id, "record_b": ticket_b.id, "eco_id": eco.id,
    }  # fmt: skip
    _drafts(world, eco.id)
    for who in ACTORS:
        visitor = Visitor(app)
        world.visitors[who] = visitor if who == "anonymous" else visitor.as_(people[who])
        world.tokens[who] = visitor.token()
    return world


def _records(*those: Record) -> list[Record]:
    return [db.session.get_one(Record, that.id) for that in those]


def _hang_photos(world: World, records: dict[str, Record]) -> None:
    for name, record in records.items():
        picture = BytesIO()
        Image.new("RGB", (8, 8), "brown").save(picture, "PNG")
        picture.seek(0)
        photos = keep_photos([FileStorage(picture, filename="tipped.png", content_type="image/png")])
        with transaction(by=None, source="test"):
            hung = attach(_records(record)[0], photos, by=None, is_public=name != "alert")[0]
        world.names |= {f"photo_{name}": hung.id, f"photo_{name}_name": hung.name}


def _private_things(world: World) -> None:
    """What belongs to agent 1 alone."""
    agent = world.people["agent_1"]
    second = Visitor(world.app).as_(agent)
    mention = db.session.scalars(select(Mention).where(Mention.person_id == agent.id)).first()
    assert mention is not None
    with transaction(by=None, source="test") as tx:
        kept = ParkedText(
            person_id=agent.id, path="/account", fields={"typed": [["zone", "UTC"]], "files": []}, at=now()
        )
        tx.session.add(kept)
    assert db.session.get(BrowserSession, hashed(second.cookie)) is not None
    world.names |= {"mention": mention.id, "parked": kept.id, "session": hashed(second.cookie)}


def _boards(world: World, teams: dict[str, Team]) -> None:
    for name, team in teams.items():
        board = db.session.scalars(select(Board).where(Board.team_id == team.id)).one()
        stages = db.session.scalars(select(Stage).where(Stage.board_id == board.id).order_by(Stage.position)).all()
        world.names |= {f"board_{name}": board.id, f"stage_{name}": stages[0].id, f"stage_{name}_next": stages[1].id}


def _drafts(world: World, eco_id: int) -> None:
    draft = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco_id)).unique().one()
    line = db.session.scalars(select(BomLine).where(BomLine.revision_id == draft.id)).first()
    operation = db.session.scalars(select(BomOperation).where(BomOperation.revision_id == draft.id)).first()
    world.names |= {"draft": draft.number, "draft_id": draft.id}
    world.names |= {"line": line.uid if line else "x", "operation": operation.uid if operation else "x"}


__all__ = ["ACTORS", "AlertAction", "World", "build"]
