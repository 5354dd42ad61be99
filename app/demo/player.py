"""Plays the demo company: what happened, in the order of time, by the very actions that people use."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import selectinload

from app.bom import actions as bom_actions
from app.bom import revisions
from app.bom.models import BomKind, BomLine, BomRevision
from app.bom.units import Unit, UnitOwner, hand_over
from app.catalog.models import Product, Tracking, UnitOfMeasure, WorkCentre
from app.demo import PASSWORD, catalogue, stories
from app.foundation import clock, schema
from app.foundation.db import db, transaction
from app.foundation.jobs import Job
from app.helpdesk import actions as helpdesk
from app.helpdesk.models import Ticket
from app.manufacturing import actions as manufacturing
from app.manufacturing.models import ManufacturingOrder
from app.people.models import Customer, Person, PersonRole, Role, Site, Team, TeamKind
from app.people.passwords import hash_password
from app.people.site import read_site
from app.plm import actions as plm
from app.plm.gates import sheet_of
from app.plm.models import Eco, EcoType
from app.plm.signing import Proof
from app.quality import actions as quality
from app.quality.models import ActionKind, Alert, AlertAction, RootCause
from app.traits.board.actions import stage_with_role
from app.traits.board.models import StageRole
from app.traits.board.registry import BOARDS
from app.traits.chatter.actions import post_note, send_message
from app.traits.record import Record
from app.traits.tags import set_tags

MONTHS = 18
SIGNED = Proof(via="password", password=True)


def play() -> None:
    """Everything up to now. Letters that would have been sent are not: their readers do not exist."""
    Player().run()


def throw_away() -> None:
    """An empty, migrated database in place of the demo company."""
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    db.session.remove()
    db.engine.dispose()
    schema.downgrade(url, revision="base")
    schema.upgrade(url)


class Player:
    """One run. Happenings are collected with their moments and then played in order."""

    def __init__(self) -> None:
        self.dice = random.Random(2026)
        self.now = clock.now().replace(second=0, microsecond=0)
        self.start = self.now - timedelta(days=MONTHS * 30 + 20)
        self.happenings: list[tuple[datetime, int, Callable[[], None]]] = []
        self.sold = 0

    def run(self) -> None:
        with clock.moved(self.start):
            self.found()
            self.draw_products()
            self.release_all()
        self.plan_orders()
        self.plan_sales()
        for complaint in stories.COMPLAINTS:
            self.at(complaint.days, partial(self.complain, complaint))
        for worry in stories.ALERTS:
            self.at(worry.days, partial(self.worry, worry))
        for change in stories.CHANGES:
            self.at(change.days, partial(self.change, change))
        for moment, _order, happening in sorted(self.happenings, key=lambda h: h[:2]):
            with clock.moved(moment):
                happening()
        with transaction(by=None, source="demo") as tx:
            tx.session.execute(delete(Job))
        read_site()

    # Happenings

    def at(self, days: float, happening: Callable[[], None]) -> None:
        """`happening` takes place `days` ago, in working hours when it is longer ago than a week."""
        moment = self.now - timedelta(days=days)
        if days > 7:
            moment = moment.replace(hour=self.dice.randint(7, 15), minute=self.dice.randrange(60))
        self.happenings.append((max(moment, self.start + timedelta(hours=1)), len(self.happenings), happening))

    def later(self, hours: float) -> "_Later":
        """A moment after the present one of the story, never after today's."""
        return _Later(min(clock.now() + timedelta(hours=hours), self.now))

    # The company

    def found(self) -> None:
        secret = hash_password(PASSWORD)
        with acting() as session:
            session.add(
                Site(
                    id=1,
                    name="Wood Hut",
                    address="Mill Lane 4, 79100 Freiburg",
                    zone="Europe/Berlin",
                    locale="en",
                    currency="EUR",
                    is_demo=True,
                )
            )
            for name, email, roles, colour in catalogue.STAFF:
                session.add(
                    Person(
                        name=name,
                        email=email,
                        is_staff=True,
                        colour=colour,
                        password_hash=secret,
                        role_rows=[PersonRole(role=Role(role)) for role in roles],
                    )
                )
            for number, (organisation, name, email, town) in enumerate(catalogue.CUSTOMERS):
                customer = Customer(name=organisation, email=email, address=town)
                session.add(customer)
                session.add(
                    Person(
                        name=name,
                        email=email,
                        customer=customer,
                        password_hash=secret if name == "Abigail Peterson" else None,
                        colour="abcdef"[number % 6],
                        role_rows=[],
                    )
                )
        self.marc, self.julie, self.joe, self.jose = map(self.person, ("Marc", "Julie", "Joe", "Jose"))
        self.olga, self.nora = self.person("Olga"), self.person("Nora")
        with acting() as session:
            care = Team(
                name="Customer Care",
                slug="customer-care",
                kind=TeamKind.HELPDESK,
                about="Something is wrong with a piece of ours? Tell us, we read every word.",
                members=[self.marc, self.person("Priya")],
            )
            checks = Team(
                name="Production Quality Team",
                slug="production-quality-team",
                kind=TeamKind.QUALITY,
                members=[self.julie, self.person("Tom")],
            )
            session.add_all([care, checks])
            session.flush()
            helpdesk.make_team_board(care)
            quality.make_team_board(checks)
            for cause in ("Design", "Environment", "Machine", "Material", "Method", "Process", "Training"):
                session.add(RootCause(name=cause))
            manufacturing.make_orders_board()
            plm.make_default_types(approver=self.jose, optional=[self.julie])
        self.care, self.checks = care, checks
        read_site()

    def draw_products(self) -> None:
        with acting() as session:
            units = {
                code: UnitOfMeasure(code=code, name=name, category=category, factor=Decimal(factor))
                for code, name, category, factor in catalogue.UNITS
            }
            session.add_all(units.values())
            for code, name, cost in catalogue.CENTRES:
                session.add(WorkCentre(code=code, name=name, cost_per_hour=Decimal(cost)))
            for part in (*catalogue.PARTS, *catalogue.MADE):
                session.add(
                    Product(
                        ref=part.ref,
                        name=part.name,
                        uom=units[part.uom],
                        cost=Decimal(part.cost) if part in catalogue.PARTS else None,
                        price=Decimal(part.price) if part.price else None,
                        is_sold=part.price is not None,
                        tracking=Tracking.SERIAL if part.serial else Tracking.NONE,
                        lead_days=part.lead_days,
                    )
                )

    def release_all(self) -> None:
        """One opening release for the whole catalogue: many first revisions, one approval, one activation."""
        kind = db.session.scalars(select(EcoType).where(EcoType.first_release)).one()
        with acting(self.joe):
            eco = plm.open_eco(
                title="Opening release",
                type=kind,
                product=self.product("COAT-RACK"),
                by=self.joe,
                description="The bills of materials as they were kept on paper until today.",
            )
            for recipe in catalogue.RECIPES:
                draft = revisions.new_bom(self.product(recipe.ref), eco=eco, by=self.joe)
                if recipe.kit:
                    bom_actions.set_output(draft, quantity=Decimal(1), kind=BomKind.KIT, by=self.joe)
                for ref, quantity, uom in recipe.lines:
                    bom_actions.add_component(
                        draft,
                        component=self.product(ref),
                        quantity=Decimal(quantity),
                        uom=db.session.scalars(select(UnitOfMeasure).where(UnitOfMeasure.code == uom)).one(),
                        by=self.joe,
                    )
                for name, centre, minutes in recipe.steps:
                    self.step(draft, name, centre, minutes)
        self.release(eco)

    def release(self, eco: Eco) -> None:
        """Joe asks, Jose signs and puts it in force."""
        with acting(self.joe):
            self.move(eco, StageRole.REVIEW, by=self.joe)
        with self.later(20), acting(self.jose):
            eco = self.again(eco)
            plm.enter_and_apply(
                eco,
                to_id=self.stage(eco, StageRole.APPROVED).id,
                by=self.jose,
                proof=SIGNED,
                seen=sheet_of(eco).content_hash,
                comment="Looked at it together with Joe. Good.",
            )

    # Orders and sales

    def plan_orders(self) -> None:
        """A batch of something about every twelve days, and what is going on now."""
        makes = [part.ref for part in catalogue.MADE if part.serial]
        batches = [(535, "COAT-RACK", 12), (531, "LEDGE-SHELF", 8), (528, "HALL-BENCH", 6), (526, "STEP-STOOL", 8)]
        batches += [(524, "BOOKSTAND", 8), (522, "SIDE-TABLE", 8), (520, "ROCKING-CHAIR", 6), (518, "SERVING-TRAY", 30)]
        days = 490
        while days > 30:
            ref = makes[len(batches) % len(makes)]
            batches.append((days, ref, 6 if ref in ("ROCKING-CHAIR", "HALL-BENCH") else 10))
            days -= 15
        for ago, ref, pieces in batches:
            self.at(ago, partial(self.build, ref, pieces))
        self.at(20, partial(self.order, "HALL-SET", 4, 12, StageRole.CANCELLED))
        self.at(6, partial(self.order, "ROCKING-CHAIR", 4, -1, StageRole.RUNNING))
        self.at(5, partial(self.order, "SIDE-TABLE", 8, -1, StageRole.RUNNING))
        self.at(4, partial(self.order, "COAT-RACK", 20, 3, StageRole.CONFIRMED))
        self.at(3, partial(self.order, "LEDGE-SHELF", 24, 5, StageRole.CONFIRMED))
        self.at(2, partial(self.order, "STEP-STOOL", 12, 9, StageRole.DRAFT))
        self.at(1.5, partial(self.order, "HALL-BENCH", 6, 12, StageRole.DRAFT))
        self.at(1, partial(self.order, "BREAD-BOARD", 40, 15, StageRole.DRAFT))

    def order(self, ref: str, pieces: int, starts_in: int, state: StageRole) -> None:
        with acting(self.jose):
            order = manufacturing.plan_order(
                product=self.product(ref),
                quantity=Decimal(pieces),
                planned_start=clock.now() + timedelta(days=starts_in),
                responsible=self.nora,
                by=self.jose,
            )
            if state is not StageRole.DRAFT:
                db.session.flush()
                manufacturing.confirm_order(manufacturing.load_for_work(order.id), by=self.jose)
            if state is StageRole.CANCELLED:
                manufacturing.cancel_order(manufacturing.load_for_work(order.id), by=self.jose)
            if state is StageRole.RUNNING:
                loaded = manufacturing.load_for_work(order.id)
                manufacturing.start_work(loaded.work_orders[0], by=self.olga)
                manufacturing.finish_work(loaded.work_orders[0], by=self.olga)
                manufacturing.start_work(loaded.work_orders[1], by=self.olga)

    def build(self, ref: str, pieces: int) -> None:
        """Planned and confirmed one day, built the next."""
        with acting(self.jose):
            order = manufacturing.plan_order(
                product=self.product(ref),
                quantity=Decimal(pieces),
                planned_start=clock.now(),
                responsible=self.nora,
                by=self.jose,
            )
            manufacturing.confirm_order(manufacturing.load_for_work(order.id), by=self.jose)
        with self.later(26), acting(self.olga):
            order = self.loaded(order)
            manufacturing.start_order(order, by=self.olga)
            for work in order.work_orders:
                manufacturing.start_work(work, by=self.olga)
                manufacturing.finish_work(work, by=self.olga)
            manufacturing.finish_order(order, by=self.olga)

    def plan_sales(self) -> None:
        """A sale every few days; what somebody complains about later they bought before."""
        self.at(505, partial(self.sell, "COAT-RACK", "Abigail Peterson", "CR-0007"))
        serial = {part.ref for part in catalogue.MADE if part.serial}
        for complaint in stories.COMPLAINTS:
            if complaint.product in serial:
                self.at(
                    complaint.days + self.dice.uniform(3, 8), partial(self.sell, complaint.product, complaint.customer)
                )
        buyers = [organisation for organisation, *_rest in catalogue.CUSTOMERS if organisation != "Abigail Peterson"]
        for number in range(112):
            ref = self.dice.choice(sorted(serial - {"ROCKING-CHAIR"}))
            self.at(12 + number * 4.3, partial(self.sell, ref, self.dice.choice(buyers)))

    def sell(self, ref: str, organisation: str, serial: str | None = None) -> None:
        """One unit from stock, the oldest first; nothing when none is there."""
        taken = select(UnitOwner.unit_id)
        statement = select(Unit.id).join(Product, Product.id == Unit.product_id).where(Product.ref == ref)
        statement = statement.where(Unit.id.not_in(taken))
        statement = statement.where(Unit.serial == serial) if serial else statement.where(Unit.serial != "CR-0007")
        with acting(self.jose):
            unit_id = db.session.scalar(statement.order_by(Unit.id).limit(1))
            if unit_id is not None:
                customer = db.session.scalars(select(Customer).where(Customer.name == organisation)).one()
                hand_over(db.session.get_one(Unit, unit_id), customer=customer, by=self.jose)
                self.sold += 1

    # Complaints, worries, changes

    def complain(self, said: stories.Complaint) -> None:
        contact = db.session.scalars(
            select(Person).join(Customer).where(Customer.name == said.customer).order_by(Person.id)
        ).first()
        assert contact is not None
        serial = db.session.scalar(
            select(Unit.serial)
            .join(UnitOwner, UnitOwner.unit_id == Unit.id)
            .join(Product, Product.id == Unit.product_id)
            .where(UnitOwner.customer_id == contact.customer_id, Product.ref == said.product)
            .order_by(UnitOwner.from_at.desc())
            .limit(1)
        )
        with acting(contact):
            ticket = helpdesk.send_form(
                self.care,
                name=contact.name,
                email=contact.email,
                subject=said.title,
                text=said.text,
                product_id=self.product(said.product).id,
                serial=serial or "",
            )
        if not said.by:
            return
        agent = self.person(said.by)
        with self.later(self.dice.uniform(0.3, 5)), acting(agent):
            ticket = self.again(ticket)
            helpdesk.take_ticket(ticket, by=agent)
            ticket.priority = said.priority
            set_tags(ticket, said.tags)
            self.move(ticket, StageRole.OPEN, by=agent)
            if said.reply:
                send_message(ticket, said.reply, by=agent)
            if said.note:
                post_note(ticket, said.note, by=agent)
            if said.stage == "waiting":
                self.move(ticket, StageRole.WAITING, by=agent)
        if said.stage == "done":
            with self.later(self.dice.uniform(20, 160)), acting(agent):
                self.move(self.again(ticket), StageRole.DONE, by=agent)

    def worry(self, said: stories.Worry) -> None:
        who = self.person(said.by)
        origin = db.session.scalars(select(Ticket).where(Ticket.title == said.ticket)).first() if said.ticket else None
        cause = db.session.scalars(select(RootCause).where(RootCause.name == said.cause)).first()
        raiser = self.marc if origin is not None else who
        with acting(raiser):
            alert = quality.raise_alert(
                title=said.title,
                team_id=self.checks.id,
                by=raiser,
                responsible_id=who.id,
                description=said.text or (origin.description if origin else ""),
                product_id=self.product(said.product).id,
                serial_text=origin.serial_text if origin else "",
                customer_id=origin.customer_id if origin else None,
                priority=said.priority,
                origin=origin,
            )
        if said.stage == "new":
            return
        with self.later(5), acting(who):
            alert = self.again(alert)
            self.move(alert, StageRole.OPEN if said.stage == "confirmed" else StageRole.AGREED, by=who)
            quality.set_root_cause(alert, cause.id if cause else None, by=who)
            for kind, text, owner, state in said.actions:
                action = quality.add_action(
                    alert,
                    ActionKind(kind),
                    text,
                    owner_id=self.person(owner).id,
                    due_on=(clock.now() + timedelta(days=21)).date(),
                    by=who,
                )
                self.carry_out(alert, action, state, by=who)
        if said.stage == "done":
            with self.later(700), acting(who):
                self.move(self.again(alert), StageRole.DONE, by=who)

    def carry_out(self, alert: Alert, action: AlertAction, state: str, *, by: Person) -> None:
        if state != "open":
            quality.start_action(alert, action, by=by)
        if state in ("done", "verified"):
            quality.finish_action(alert, action, by=by)
        if state == "verified":
            quality.verify_action(alert, action, by=by)

    def change(self, said: stories.Change) -> None:
        kind = db.session.scalars(select(EcoType).where(EcoType.first_release.is_(False))).one()
        origin = db.session.scalars(select(Alert).where(Alert.title == said.alert)).first() if said.alert else None
        with acting(self.joe):
            eco = plm.open_eco(
                title=said.title,
                type=kind,
                product=self.product(said.product),
                by=self.joe,
                description=said.text,
                origin=origin,
            )
        if said.stage == "new":
            return
        with self.later(3), acting(self.joe):
            draft = plm.start_eco_revision(self.again(eco), by=self.joe)
            for edit in said.edits:
                self.edit(draft, *edit)
            post_note(self.again(eco), "Drawn and tried on one piece.", by=self.joe)
        if said.stage == "review":
            with self.later(30), acting(self.joe):
                self.move(self.again(eco), StageRole.REVIEW, by=self.joe)
                post_note(self.again(eco), "@Jose Mora ready for review.", by=self.joe)
        if said.stage in ("approved", "done"):
            with self.later(40):
                self.release(self.again(eco))
        if said.stage == "done":
            with self.later(200), acting(self.jose):
                self.move(self.again(eco), StageRole.DONE, by=self.jose)

    def edit(self, draft: BomRevision, verb: str, *given: str) -> None:
        if verb == "add":
            bom_actions.add_component(draft, component=self.product(given[0]), quantity=Decimal(given[1]), by=self.joe)
        elif verb == "change":
            line = db.session.scalars(
                select(BomLine).join(Product).where(BomLine.revision_id == draft.id, Product.ref == given[0])
            ).first()
            assert line is not None
            bom_actions.change_component(line, quantity=Decimal(given[1]), by=self.joe)
        else:
            self.step(draft, *given)

    def step(self, draft: BomRevision, name: str, centre: str, minutes: str) -> None:
        where = db.session.scalars(select(WorkCentre).where(WorkCentre.code == centre)).one()
        bom_actions.add_operation(draft, name=name, work_centre=where, minutes=Decimal(minutes), by=self.joe)

    # Finding things

    def move(self, record: Record, role: StageRole, *, by: Person) -> None:
        """As by the board: through the verb of the kind."""
        if record.stage is not None and record.stage.role is not role:
            BOARDS[record.kind].move(record, to=self.stage(record, role), before=None, after=None, by=by)

    def stage(self, record: Record, role: StageRole) -> Any:
        assert record.stage is not None
        return stage_with_role(record.stage.board_id, role)

    def again(self, record: Any) -> Any:
        """The same record, read in this transaction with what the actions need."""
        model = type(record)
        options = [selectinload(getattr(model, name)) for name in ("tags", "responsible") if hasattr(model, name)]
        return db.session.scalars(select(model).where(model.id == record.id).options(*options)).unique().one()

    def loaded(self, order: ManufacturingOrder) -> ManufacturingOrder:
        return manufacturing.load_for_work(order.id)

    def product(self, ref: str) -> Product:
        return db.session.scalars(select(Product).where(Product.ref == ref)).one()

    def person(self, first_name: str) -> Person:
        return db.session.scalars(
            select(Person).where(Person.is_staff, Person.name.like(f"{first_name} %")).order_by(Person.id)
        ).one()


class _Later:
    """Stands the clock at a later moment of the story inside the block."""

    def __init__(self, moment: datetime) -> None:
        self.clock = clock.moved(moment)

    def __enter__(self) -> None:
        self.clock.__enter__()

    def __exit__(self, *problem: Any) -> None:
        self.clock.__exit__(*problem)


@contextmanager
def acting(by: Person | None = None) -> Iterator[Any]:
    """One transaction of the story; the trail says it came from the demo."""
    with transaction(by=by, source="demo") as tx:
        yield tx.session
