"""Tickets in the browser: the board, a ticket, and the public form of each team."""

from typing import Any

from flask import Blueprint, current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.foundation.db import transaction
from app.foundation.errors import Conflict, NotAllowed, NotFound, Refused
from app.foundation.htmx import see_other
from app.foundation.language import _
from app.foundation.limits import Limit, TooMany, key_of, take
from app.foundation.permissions import PUBLIC, STAFF, needs
from app.foundation.sessions import client_address
from app.helpdesk import actions, queries
from app.helpdesk.forms import PHOTOS, PublicForm, TicketForm, is_receipt, receipt
from app.helpdesk.models import Channel, Doubt, Ticket
from app.people.current import current_person
from app.traits.attachments.photos import keep_photos
from app.traits.board.pages import board_page
from app.traits.chatter.prose import prose
from app.traits.record import record_url
from app.traits.show import record_page

bp = Blueprint("helpdesk", __name__)


@bp.get("/tickets")
@needs(STAFF)
def board() -> ResponseReturnValue:
    return board_page("ticket")


@bp.route("/tickets/new", methods=["GET", "POST"])
@needs("ticket.write")
def new() -> ResponseReturnValue:
    form, status = TicketForm(), 200
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                ticket = actions.open_ticket(**form.values(), by=current_person())
                tx.location = record_url(ticket)
            return see_other(record_url(ticket))
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    else:
        _start_with_the_team_asked_for(form)
    return render_template("helpdesk/new.html", form=form.offer(), url=url_for(".new")), status


@bp.get("/tickets/<number>")
@needs(STAFF)
def show(number: str) -> ResponseReturnValue:
    ticket, owner = queries.ticket_and_owner(number)
    return record_page(
        ticket,
        "helpdesk/show.html",
        ticket=ticket,
        owner=owner,
        doubt=doubt_words(ticket.doubt),
        told=prose(ticket.description) if ticket.channel is Channel.STAFF else "",
    )


@bp.route("/tickets/<number>/edit", methods=["GET", "POST"])
@needs("ticket.write")
def edit(number: str) -> ResponseReturnValue:
    ticket = queries.ticket_by_number(number)
    form, status, theirs = TicketForm(**_typed(ticket)), 200, []
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = record_url(ticket)
                actions.edit_ticket(ticket, version=form.version.data or 0, **form.values(), by=current_person())
            return see_other(record_url(ticket))
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            ticket = queries.ticket_by_number(number)
            if isinstance(no, Conflict):
                theirs = _differences(form.offer(ticket), ticket)
                form.version.process_data(ticket.version)
                form.version.raw_data = None
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    page = render_template(
        "helpdesk/edit.html", form=form.offer(ticket), ticket=ticket, theirs=theirs, url=url_for(".edit", number=number)
    )
    return page, status


@bp.post("/tickets/<number>/responsible")
@needs("ticket.write")
def take_it(number: str) -> ResponseReturnValue:
    ticket = queries.ticket_by_number(number)
    with transaction(by=current_person()) as tx:
        tx.location = record_url(ticket)
        actions.take_ticket(ticket, by=current_person())
    return see_other(record_url(ticket))


@bp.post("/tickets/<number>/doubt")
@needs("ticket.write")
def looked_at(number: str) -> ResponseReturnValue:
    ticket = queries.ticket_by_number(number)
    with transaction(by=current_person()) as tx:
        tx.location = record_url(ticket)
        actions.clear_doubt(ticket, by=current_person())
    return see_other(record_url(ticket))


@bp.route("/help/<slug>", methods=["GET", "POST"])
@needs(PUBLIC)
def public_form(slug: str) -> ResponseReturnValue:
    team = queries.helpdesk_team(slug)
    form, status, headers = PublicForm(), 200, {}
    if form.validate_on_submit():
        try:
            _count_this_address()
            photos = keep_photos(form.files())
            with transaction(by=None) as tx:
                typed = {k: v for k, v in form.values().items() if k not in ("homepage", "drawn", "photos")}
                ticket = actions.send_form(team, **typed, photos=photos, doubt=form.doubt())
                thanks = url_for(".thanks", slug=slug, number=ticket.number, receipt=receipt(ticket.number))
                tx.location = thanks
            return see_other(thanks)
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
            if isinstance(no, TooMany):
                headers["Retry-After"] = str(no.retry_after)
    elif form.is_submitted():
        status = 422
    page = render_template(
        "helpdesk/public.html", form=form.offer(), team=team, url=url_for(".public_form", slug=slug), most=PHOTOS
    )
    return make_response(page, status, headers)


@bp.get("/help/<slug>/thanks/<number>")
@needs(PUBLIC)
def thanks(slug: str, number: str) -> ResponseReturnValue:
    if not is_receipt(number, request.args.get("receipt", "")):
        raise NotFound(_("There is nothing here."))
    return render_template("helpdesk/thanks.html", team=queries.helpdesk_team(slug), number=number)


def doubt_words(doubt: Doubt | None) -> str:
    """Why somebody should look first, for people."""
    words = {
        Doubt.FAST: _("check: sent very fast"),
        Doubt.STALE: _("check: sent from an old page"),
        Doubt.TRAP: _("check: filled in a field that people do not see"),
    }
    return words[doubt] if doubt else ""


def _count_this_address() -> None:
    """Before the transaction: so many letters from one address, so many in all."""
    few = current_app.config["LOOPWRIGHT"].public_form_per_ten_minutes
    key = key_of(client_address())
    take(
        (Limit("public-form", few, 600), key),
        (Limit("public-form-hour", max(30, few), 3600), key),
        (Limit("public-form-all", max(300, few), 3600), key_of("all")),
    )


def _start_with_the_team_asked_for(form: TicketForm) -> None:
    asked = request.args.get("team", "")
    for team in queries.helpdesk_teams():
        if team.slug == asked:
            form.team_id.data = team.id


def _typed(ticket: Ticket) -> dict[str, Any]:
    """The ticket as its edit form shows it."""
    names = ("version", "title", "description", "customer_id", "contact_id", "sender_name", "sender_email")
    values = {
        name: getattr(ticket, name)
        for name in (*names, "product_id", "serial_text", "team_id", "responsible_id", "priority")
    }
    return values | {"tags": ", ".join(tag.name for tag in ticket.tags)}


def _differences(form: TicketForm, ticket: Ticket) -> list[tuple[str, str]]:
    """What stands in the ticket now and differs from what was typed: label and value."""
    different = []
    for name, saved in _typed(ticket).items():
        field = form[name]
        if name == "version" or (field.data or None) == (saved or None):
            continue
        shown = dict(field.choices).get("" if saved is None else saved, saved) if hasattr(field, "choices") else saved
        different.append((str(field.label.text), str(shown if shown not in (None, "") else _("empty"))))
    return different
