"""What the helpdesk pages show."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select, String, bindparam, case, func, or_, select
from sqlalchemy.orm import aliased, joinedload, lazyload, selectinload

from app.bom.models import BomRevision
from app.bom.units import Unit, UnitOwner
from app.catalog.models import Product
from app.foundation.db import db
from app.foundation.errors import NotFound, Refused
from app.foundation.language import _
from app.helpdesk.models import Ticket
from app.people.models import Customer, Person, Team, TeamKind
from app.traits.board.models import Board
from app.traits.chatter.actions import Addressee
from app.traits.links.models import Link
from app.traits.record import Record


def ticket_by_number(number: str) -> Ticket:
    """The ticket with everything its page and its edit form show."""
    return ticket_and_owner(number)[0]


def ticket_and_owner(number: str) -> tuple[Ticket, Customer | None]:
    """The ticket, and who has the piece with its serial now; one statement."""
    buyer = aliased(Customer)
    found = (
        db.session.execute(
            select(Ticket, buyer)
            .outerjoin(UnitOwner, (UnitOwner.unit_id == Ticket.unit_id) & UnitOwner.to_at.is_(None))
            .outerjoin(buyer, buyer.id == UnitOwner.customer_id)
            .where(Ticket.number == number)
            .options(
                joinedload(Ticket.team),
                joinedload(Ticket.customer),
                joinedload(Ticket.contact).options(lazyload(Person.role_rows)),
                joinedload(Ticket.responsible).options(lazyload(Person.role_rows)),
                joinedload(Ticket.created_by).options(lazyload(Person.role_rows)),
                joinedload(Ticket.product),
                selectinload(Ticket.unit).options(joinedload(Unit.revision).options(lazyload("*"))),
                selectinload(Ticket.tags),  # joined it would read every tag of every record on SQLite
            )
        )
        .unique()
        .first()
    )
    if found is None:
        raise NotFound(_("There is no ticket %(number)s.", number=number))
    return found[0], found[1]


def unit_with_serial(serial: str) -> Unit | None:
    """The piece we built with this serial, typed in either case."""
    if not serial:
        return None
    return db.session.scalar(
        select(Unit)
        .where(Unit.serial.in_({serial, serial.upper()}))
        .options(joinedload(Unit.revision).options(lazyload("*")))
    )


def owner_of(unit: Unit) -> Customer | None:
    """Who has the unit now."""
    return db.session.scalar(
        select(Customer).join(UnitOwner).where(UnitOwner.unit_id == unit.id, UnitOwner.to_at.is_(None)).limit(1)
    )


def customer_person(email: str) -> Person | None:
    """The customer's person who writes from this address."""
    if not email:
        return None
    return db.session.scalar(
        select(Person).where(
            func.lower(Person.email) == email.lower(),
            Person.is_staff.is_(False),
            Person.customer_id.is_not(None),
            Person.archived_at.is_(None),
        )
    )


def addressee(ticket: Ticket) -> Person | Addressee | None:
    """Whom our answer goes to: the contact, else whoever wrote, else the organisation."""
    if ticket.contact_id is not None:
        return db.session.get(Person, ticket.contact_id)
    if ticket.sender_email:
        return Addressee(ticket.sender_name or ticket.sender_email, ticket.sender_email)
    customer = db.session.get(Customer, ticket.customer_id) if ticket.customer_id else None
    return Addressee(customer.name, customer.email) if customer and customer.email else None


def join_for_cards(statement: Select[Any]) -> Select[Any]:
    """What the second line of a card and the search of the board look at."""
    ticket = Ticket.__table__
    return (
        statement.outerjoin(ticket, ticket.c.id == Record.id)
        .outerjoin(Customer, Customer.id == ticket.c.customer_id)
        .outerjoin(Product, Product.id == ticket.c.product_id)
    )


def open_tickets_behind(record_id: int) -> Sequence[Ticket]:
    """The tickets a change (or an alert) goes back to, over however many steps."""
    up = select(Link.from_id.label("id")).where(Link.to_id == record_id).cte("up", recursive=True)
    up = up.union(select(Link.from_id).join(up, Link.to_id == up.c.id))
    statement = select(Ticket).where(Ticket.id.in_(select(up.c.id)), Ticket.closed_at.is_(None)).order_by(Ticket.id)
    return db.session.scalars(statement).all()


def helpdesk_team(slug: str) -> Team:
    """The team behind a public form."""
    found = db.session.scalar(select(Team).where(Team.slug == slug, *TEAM_OPEN))
    if found is None:
        raise NotFound(_("There is no such team."))
    return found


def board_of_team(team_id: int) -> Board:
    """Where a team's tickets live."""
    found = db.session.scalar(select(Board).where(Board.team_id == team_id, Board.archived_at.is_(None)))
    if found is None:
        raise Refused(_("This team has no board yet."), field="team_id")
    return found


def helpdesk_teams() -> Sequence[Team]:
    return db.session.scalars(select(Team).where(*TEAM_OPEN).order_by(Team.name)).all()


def sold_products(keep: int | None = None) -> Sequence[Product]:
    """What customers can have, and the one the ticket names already."""
    statement: Select[Any] = select(Product).where(or_(PRODUCT_SOLD, Product.id == keep)).order_by(Product.name)
    return db.session.scalars(statement).all()


def customers() -> Sequence[Customer]:
    return db.session.scalars(select(Customer).where(Customer.archived_at.is_(None)).order_by(Customer.name)).all()


def contacts() -> Sequence[Person]:
    """Persons of customers, with their customer."""
    statement = (
        select(Person)
        .where(*CONTACT_OPEN)
        .options(joinedload(Person.customer), lazyload(Person.role_rows))
        .order_by(Person.name)
    )
    return db.session.scalars(statement).all()


def staff() -> Sequence[Person]:
    statement = select(Person).where(*STAFF_ACTIVE).options(lazyload(Person.role_rows)).order_by(Person.name)
    return db.session.scalars(statement).all()


def built_revision(ticket: Ticket) -> BomRevision | None:
    """The revision the customer's piece was built to."""
    return ticket.unit.revision if ticket.unit else None


def _names(name: Any, key: Any) -> Callable[[set[int]], dict[int, str]]:
    """Ids to names, for the history of a record."""

    def look_up(ids: set[int]) -> dict[int, str]:
        return {found: str(called) for found, called in db.session.execute(select(key, name).where(key.in_(ids)))}

    return look_up


NAMES = {
    "team_id": _names(Team.name, Team.id),
    "customer_id": _names(Customer.name, Customer.id),
    "contact_id": _names(Person.name, Person.id),
    "product_id": _names(Product.name, Product.id),
    "unit_id": _names(Unit.serial, Unit.id),
}
_TO_CHECK = bindparam("to_check", callable_=lambda: str(_("to check")), type_=String())
CARD_ABOUT = (
    case(
        (
            Ticket.__table__.c.doubt.is_not(None),
            bindparam("check", callable_=lambda: str(_("to check")), type_=String()),
        )
    ),
    func.coalesce(Customer.name, Ticket.__table__.c.sender_name),
    Product.name,
)
CARD_SEARCH = (Customer.name, Ticket.__table__.c.sender_name, Product.name, Ticket.__table__.c.serial_text)
TEAM_OPEN = (Team.kind == TeamKind.HELPDESK, Team.archived_at.is_(None))
STAFF_ACTIVE = (Person.is_staff.is_(True), Person.is_active.is_(True), Person.archived_at.is_(None))
CONTACT_OPEN = (Person.is_staff.is_(False), Person.customer_id.is_not(None), Person.archived_at.is_(None))
PRODUCT_SOLD = Product.is_sold.is_(True) & Product.archived_at.is_(None)
