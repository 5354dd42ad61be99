"""What people do with tickets: one verb each."""

from collections.abc import Sequence

from app.catalog.models import Product
from app.foundation.choosing import chosen, must_choose
from app.foundation.db import current_transaction, db, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import TicketOpened
from app.foundation.outbox import enqueue_letter
from app.foundation.permissions import authorize
from app.helpdesk import queries
from app.helpdesk.models import Channel, Doubt, Ticket
from app.people.models import Customer, Person, Site, Team
from app.traits.assigning import assign, tell_responsible
from app.traits.attachments.actions import Photo
from app.traits.board.actions import card_changed, change_board, enter_board
from app.traits.board.models import Board, Stage, StageRole
from app.traits.chatter.actions import Addressee, log, receive_message
from app.traits.record import Record
from app.traits.tags import set_tags, split_tags, tags_named

STAGES = (
    ("New", StageRole.NEW, False),
    ("In progress", StageRole.OPEN, False),
    ("Waiting on customer", StageRole.WAITING, False),
    ("Solved", StageRole.DONE, True),
)


def open_ticket(
    *,
    title: str,
    team_id: int,
    by: Person,
    description: str = "",
    customer_id: int | None = None,
    contact_id: int | None = None,
    sender_name: str = "",
    sender_email: str = "",
    product_id: int | None = None,
    serial_text: str = "",
    priority: int = 0,
    responsible_id: int | None = None,
    tags: str = "",
    stage: Stage | None = None,
) -> Ticket:
    """Somebody of ours writes down what a customer told them."""
    authorize(by, "ticket.write")
    must_choose(Team, team_id, *queries.TEAM_OPEN, field="team_id")
    responsible = chosen(Person, responsible_id, *queries.STAFF_ACTIVE, field="responsible_id")
    ticket = Ticket(
        title=title,
        team_id=team_id,
        description=description,
        sender_name=sender_name,
        sender_email=sender_email,
        priority=priority,
        channel=Channel.STAFF,
        responsible_id=responsible_id,
        created_by_id=by.id,
        tags=tags_named(split_tags(tags)),
    )
    _set_customer(ticket, customer_id, contact_id)
    _set_product(ticket, product_id, serial_text)
    _enter(ticket, stage, by=by)
    tell_responsible(ticket, responsible, by=by)
    return ticket


def send_form(
    team: Team,
    *,
    name: str,
    email: str,
    subject: str,
    text: str,
    product_id: int | None = None,
    serial: str = "",
    photos: Sequence[Photo] = (),
    doubt: Doubt | None = None,
) -> Ticket:
    """A customer writes to us by a team's public form. What they typed is theirs to say; we believe none of it yet."""
    contact = queries.customer_person(email)
    chosen(Product, product_id, queries.PRODUCT_SOLD, field="product_id")
    unit = queries.unit_with_serial(serial)
    ticket = Ticket(
        title=subject,
        team_id=team.id,
        description=text,
        sender_name=name,
        sender_email=email,
        channel=Channel.FORM,
        customer_id=contact.customer_id if contact else None,
        contact_id=contact.id if contact else None,
        created_by_id=contact.id if contact else None,
        product_id=unit.product_id if unit else product_id,
        unit_id=unit.id if unit else None,
        serial_text=unit.serial if unit else serial,
        doubt=doubt,
        tags=[],
    )
    _enter(ticket, None, by=contact)
    receive_message(ticket, text, by=contact, name=name, via="form", photos=photos)
    if doubt is not Doubt.TRAP:  # who filled the trap gave somebody else's address, most likely
        site = db.session.get(Site, 1)
        enqueue_letter(
            Addressee(name, email),
            "ticket_received",
            thread=ticket.number,
            record=ticket,
            text=text,
            site=site.name if site else "",
        )
    return ticket


def edit_ticket(
    ticket: Ticket,
    *,
    version: int,
    title: str,
    description: str,
    team_id: int,
    customer_id: int | None,
    contact_id: int | None,
    sender_name: str,
    sender_email: str,
    product_id: int | None,
    serial_text: str,
    priority: int,
    responsible_id: int | None,
    tags: str,
    by: Person,
) -> None:
    """Save the edit form. A Conflict when somebody saved the ticket since the form was drawn."""
    authorize(by, "ticket.write", ticket)
    if team_id != ticket.team_id:
        team = must_choose(Team, team_id, *queries.TEAM_OPEN, field="team_id")
        change_board(ticket, queries.board_of_team(team.id), by=by)
    lock(Record, ticket.id)
    if ticket.version != version:
        raise Conflict(
            _("Somebody saved %(number)s while you were typing. Nothing of theirs is lost.", number=ticket.number)
        )
    responsible = chosen(
        Person, responsible_id, *queries.STAFF_ACTIVE, field="responsible_id", keep=ticket.responsible_id
    )
    ticket.team_id, ticket.title, ticket.description, ticket.priority = team_id, title, description, priority
    ticket.sender_name, ticket.sender_email = sender_name, sender_email
    set_tags(ticket, split_tags(tags))
    _set_customer(ticket, customer_id, contact_id)
    _set_product(ticket, product_id, serial_text)
    assign(ticket, responsible, by=by)
    card_changed(ticket, by=by)
    db.session.flush()


def take_ticket(ticket: Ticket, *, by: Person) -> None:
    """“I do it.”"""
    authorize(by, "ticket.write", ticket)
    lock(Record, ticket.id)
    if ticket.responsible_id not in (None, by.id):
        raise Conflict(_("Somebody else has taken %(number)s already.", number=ticket.number))
    assign(ticket, by, by=by)
    card_changed(ticket, by=by)


def clear_doubt(ticket: Ticket, *, by: Person) -> None:
    """Somebody has read it: this is no junk."""
    authorize(by, "ticket.write", ticket)
    lock(Record, ticket.id)
    if ticket.doubt is not None:
        log(ticket, "looked_at", {"doubt": ticket.doubt.value}, by=by)
        ticket.doubt = None
        card_changed(ticket, by=by)


def add_card(board: Board, stage: Stage, title: str, *, by: Person) -> Ticket:
    """The quick form at the head of a column."""
    if board.team_id is None:
        raise Refused(_("This board has no team."))
    return open_ticket(title=title, team_id=board.team_id, stage=stage, by=by)


def make_team_board(team: Team, *, by: Person | None = None) -> Board:
    """The board of a helpdesk team, with the usual stages."""
    board = Board(kind="ticket", slug=team.slug, name=team.name, team_id=team.id, stages=[])
    for position, (name, role, folded) in enumerate(STAGES):
        board.stages.append(Stage(name=name, role=role, folded=folded, position=position))
    db.session.add(board)
    db.session.flush()
    return board


def _enter(ticket: Ticket, stage: Stage | None, *, by: Person | None) -> None:
    """Onto its team's board, where it gets its number."""
    ticket.created_at = current_transaction().at
    enter_board(ticket, queries.board_of_team(ticket.team_id), stage=stage, by=by)
    log(ticket, "created", {"via": ticket.channel.value}, by=by)
    publish(TicketOpened(ticket_id=ticket.id))


def _set_customer(ticket: Ticket, customer_id: int | None, contact_id: int | None) -> None:
    """A contact brings their organisation along; a contact of another organisation is a mistake."""
    contact = chosen(Person, contact_id, *queries.CONTACT_OPEN, field="contact_id", keep=ticket.contact_id)
    chosen(Customer, customer_id, Customer.archived_at.is_(None), field="customer_id", keep=ticket.customer_id)
    if contact and customer_id and contact.customer_id != customer_id:
        raise Refused(_("%(name)s does not belong to this customer.", name=contact.name), field="contact_id")
    ticket.customer_id = contact.customer_id if contact else customer_id
    ticket.contact_id = contact_id


def _set_product(ticket: Ticket, product_id: int | None, serial_text: str) -> None:
    """A serial of ours brings its product along, and its owner where no customer is named."""
    product = chosen(Product, product_id, Product.archived_at.is_(None), field="product_id", keep=ticket.product_id)
    unit = queries.unit_with_serial(serial_text)
    if unit and product and unit.product_id != product.id:
        raise Refused(
            _("%(serial)s is a %(product)s.", serial=unit.serial, product=unit.product.name), field="product_id"
        )
    ticket.product_id = unit.product_id if unit else product_id
    ticket.unit_id = unit.id if unit else None
    ticket.serial_text = unit.serial if unit else serial_text
    if unit and ticket.customer_id is None:
        owner = queries.owner_of(unit)
        ticket.customer_id = owner.id if owner else None
