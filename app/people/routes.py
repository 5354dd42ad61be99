"""Signing in and out, the first administrator, what was parked, and one's own account."""

import logging
from datetime import timedelta

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.foundation import one_time, parking, sessions
from app.foundation.csrf import safe_path
from app.foundation.db import transaction
from app.foundation.error_pages import back
from app.foundation.errors import NotFound, Refused
from app.foundation.htmx import see_other
from app.foundation.language import _
from app.foundation.limits import TooMany
from app.foundation.permissions import PUBLIC, SIGNED_IN, needs
from app.foundation.sessions import Via, client_address, web_session
from app.people import actions, first_admin
from app.people.current import current_person, current_person_or_none
from app.people.forms import AccountForm, FirstAdministratorForm, NewPasswordForm, SignInForm
from app.people.gate import THEMES
from app.people.sign_in import sign_in
from app.people.site import read_site

log = logging.getLogger("loopwright.security")
bp = Blueprint("people", __name__)


@bp.get("/login")
@needs(PUBLIC)
def login() -> ResponseReturnValue:
    return _sign_in_page(SignInForm(next=safe_path(request.args.get("next"))))


@bp.post("/login", endpoint="enter")
@needs(PUBLIC)
def enter() -> ResponseReturnValue:
    form = SignInForm()
    try:
        person = sign_in(form.email.data or "", form.password.data or "", address=client_address())
    except Refused as no:
        form.refuse(no.sentence)
        return _sign_in_page(form, no)
    sessions.start(person.id, Via.PASSWORD, stay=bool(form.stay.data))
    return see_other(safe_path(form.next.data) or "/")


@bp.post("/logout")
@needs(PUBLIC)
def logout() -> ResponseReturnValue:
    if person := current_person_or_none():
        log.info("signed out", extra={"event": "signed_out", "person": person.id})
    sessions.end()
    answer = make_response(see_other(url_for(".login")))
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@bp.get("/first")
@needs(PUBLIC)
def first() -> ResponseReturnValue:
    """The link of the first administrator. Its key leaves the address bar at once; looking changes nothing."""
    if key := request.args.get("key"):
        one_time.look(first_admin.PURPOSE, sessions.hashed(key[:100]))
        web_session()["link"] = sessions.hashed(key[:100])
        return redirect(url_for(".first"))
    subject = one_time.look(first_admin.PURPOSE, str(web_session().get("link", ""))).subject
    return render_template("people/first.html", form=NewPasswordForm() if subject else FirstAdministratorForm())


@bp.post("/first", endpoint="begin")
@needs(PUBLIC)
def begin() -> ResponseReturnValue:
    link = str(web_session().get("link", ""))
    subject = one_time.look(first_admin.PURPOSE, link).subject
    form = NewPasswordForm() if subject else FirstAdministratorForm()
    if form.validate():
        try:
            person_id = first_admin.begin(link, **form.values())
        except one_time.Gone:
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
        else:
            read_site()
            sessions.start(person_id, Via.LINK)
            return see_other("/")
    return render_template("people/first.html", form=form), 422


@bp.get("/parked/<int:parked_id>")
@needs(SIGNED_IN)
def parked(parked_id: int) -> ResponseReturnValue:
    """What was typed when the session had ended, to be looked at and sent."""
    kept = parking.parked(current_person().id, parked_id)
    if kept is None:
        raise NotFound(_("This text was sent, or it is older than a day."))
    return render_template("people/parked.html", parked=kept)


@bp.post("/parked/<int:parked_id>/discard")
@needs(SIGNED_IN)
def discard(parked_id: int) -> ResponseReturnValue:
    parking.drop(current_person().id, parked_id)
    return see_other("/")


@bp.get("/account")
@needs(SIGNED_IN)
def account() -> ResponseReturnValue:
    return _account_page(AccountForm(zone=current_person().zone or ""))


@bp.post("/account", endpoint="save_account")
@needs(SIGNED_IN)
def save_account() -> ResponseReturnValue:
    form = AccountForm()
    if not form.validate():
        return _account_page(form, 422)
    with transaction(by=current_person()) as tx:
        actions.set_zone(current_person(), form.zone.data)
        tx.location = url_for(".account")
    flash(_("Saved."))
    return see_other(url_for(".account"))


@bp.post("/account/sessions/<id_hash>/end")
@needs(SIGNED_IN)
def end_session(id_hash: str) -> ResponseReturnValue:
    """Sign another browser of one's own out."""
    with transaction(by=current_person()) as tx:
        if not sessions.end_one(current_person().id, id_hash):
            raise NotFound(_("This browser is signed out already."))
        tx.location = url_for(".account")
    return see_other(url_for(".account"))


@bp.post("/theme")
@needs(PUBLIC)
def set_theme() -> ResponseReturnValue:
    """Light, dark or as the system says: a cookie, so that the very first byte of a page knows it."""
    answer = make_response(see_other(back()))
    wanted = request.form.get("theme", "")
    if wanted in THEMES:
        answer.set_cookie(
            "theme", wanted, max_age=timedelta(days=400), samesite="Lax", secure=request.is_secure, httponly=True
        )
    else:
        answer.delete_cookie("theme", samesite="Lax", secure=request.is_secure, httponly=True)
    return answer


def _sign_in_page(form: SignInForm, no: Refused | None = None) -> Response:
    page = render_template("people/login.html", form=form, person=current_person_or_none())
    answer = make_response(page, no.status if no else 200)
    if isinstance(no, TooMany):
        answer.headers["Retry-After"] = str(no.retry_after)
    return answer


def _account_page(form: AccountForm, status: int = 200) -> Response:
    mine = sessions.sessions_of(current_person().id)
    known = web_session().known
    page = render_template("people/account.html", form=form, sessions=mine, here=known.id_hash if known else "")
    return make_response(page, status)
