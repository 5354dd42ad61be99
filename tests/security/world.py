"""A small company with everything that has an address, and everybody who may knock: the ground of the rights matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from io import BytesIO

from flask import Flask
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from app.bom import actions as bom_actions
from app.bom.models import BomLine, BomOperation, BomRevision
from app.catalog.models import WorkCentre
from app.foundation.clock import now
from app.foundation.db import db, transaction
from app.foundation.parking import ParkedText
from app.foundation.sessions import BrowserSession, hashed
from app.manufacturing.actions import confirm_order
from app.manufacturing.models import WorkOrder
from app.manufacturing.queries import order_by_number
from app.people.models import Person, Role
from app.traits.attachments.actions import attach, keep_photos
from app.traits.board.models import Stage
from app.traits.chatter.actions import post_note
from app.traits.chatter.models import Mention
from app.traits.links.actions import link
from app.traits.record import Record
from tests.factories.alerts import make_action, make_alert, make_quality_team
from tests.factories.boms import make_bom
from tests.factories.ecos import make_coat_rack, make_eco, make_eco_type
from tests.factories.orders import make_order
from tests.factories.people import make_customer, make_person
from tests.factories.products import make_product, make_work_centre
from tests.factories.tickets import make_helpdesk_team, make_sold_unit, make_ticket
from tests.visitors import PASSWORD_HASH, Visitor

ACTORS = (
    "anonymous", "customer_a", "customer_b", "operator", "agent_1", "agent_2", "quality", "engineer", "approver",
    "planner", "admin",
)  # fmt: skip


@dataclass
class World:
    """`people` and `visitors` by actor; `names` are the values for addresses, `*_a` is customer A's, `*_b` B's."""

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
        "quality": (Role.QUALITY,),
        "engineer": (Role.ENGINEER,),
        "approver": (Role.APPROVER,),
        "planner": (Role.PLANNER,),
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
    bench = make_work_centre()
    stool = make_product("Stool")
    make_bom(stool, {make_product("Leg"): 3}, steps={"Assemble": (bench, 12)})
    work = make_order(stool, by=people["engineer"])
    with transaction(by=people["engineer"], source="test"):
        confirm_order(order_by_number(work.number), by=people["engineer"])
    work_id = db.session.scalars(select(WorkOrder.id).where(WorkOrder.order_id == work.id)).one()
    with transaction(by=people["agent_1"], source="test"):
        link(*_records(ticket_a, alert), by=people["agent_1"])
        post_note(_records(alert)[0], "@Agent 1 look at this", by=people["engineer"])
    _hang_photos(world, {"a": ticket_a, "b": ticket_b, "alert": alert})
    _private_things(world)
    _boards(world, {"1": ticket_a, "2": ticket_b, "quality": alert, "eco": eco, "orders": order})

    names |= {
        "ticket_a": ticket_a.number, "ticket_b": ticket_b.number, "alert": alert.number, "eco": eco.number,
        "order": order.number, "team": care.slug, "rack": rack.ref, "unit_a": unit_a.serial, "unit_b": unit_b.serial,
        "action": action.id, "stool": stool.ref, "work_order": work.number, "work": work_id,
        "record_a": ticket_a.id, "record_b": ticket_b.id,
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


def _boards(world: World, records: dict[str, Record]) -> None:
    """The board each record is on: the stage it is in, and the next one."""
    for name, record in records.items():
        here = db.session.get_one(Stage, db.session.get_one(Record, record.id).stage_id)
        stages = select(Stage.id).where(Stage.board_id == here.board_id, Stage.position > here.position)
        following = db.session.scalars(stages.order_by(Stage.position)).first()
        world.names |= {f"board_{name}": here.board_id, f"stage_{name}": here.id, f"next_{name}": following or 0}
        world.names |= {f"card_{name}": record.id}


def _drafts(world: World, eco_id: int) -> None:
    draft = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco_id)).unique().one()
    with transaction(by=world.people["engineer"], source="test"):
        bom_actions.add_operation(
            db.session.get_one(BomRevision, draft.id), name="Drill", work_centre=bench(), minutes=Decimal(2),
            by=world.people["engineer"],
        )  # fmt: skip
    line = db.session.scalars(select(BomLine).where(BomLine.revision_id == draft.id)).first()
    operation = db.session.scalars(select(BomOperation).where(BomOperation.revision_id == draft.id)).first()
    assert line is not None
    assert operation is not None
    world.names |= {"draft": draft.number, "line": line.uid, "operation": operation.uid}


def bench() -> WorkCentre:
    return db.session.scalars(select(WorkCentre)).first() or make_work_centre()
