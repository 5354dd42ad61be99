"""Before any view runs: who is this, did our own page send it, and may they do it at all?"""

import logging
from dataclasses import replace

from flask import Flask, Response, current_app, g, make_response, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as AnyResponse

from app.foundation import csrf, parking, sessions
from app.foundation.error_pages import answer, back
from app.foundation.errors import NotAllowed, NotFound
from app.foundation.htmx import is_htmx, see_other
from app.foundation.idempotency import remember_op, visitor
from app.foundation.language import _
from app.foundation.permissions import PUBLIC, can
from app.foundation.sessions import Via, web_session
from app.people import queries
from app.people.current import current_person_or_none
from app.people.sign_in import may_sign_in

log = logging.getLogger("loopwright.security")
WITHOUT_PERSON = frozenset({"static", "serving.healthz", "serving.readyz"})
THEMES = ("light", "dark")


def init_gate(app: Flask) -> None:
    app.before_request(_who)
    app.before_request(_from_our_pages)
    app.before_request(_may_they)
    app.after_request(_forget_what_was_sent)
    app.jinja_env.globals.update(
        can=_can, current_person=current_person_or_none, csrf_token=csrf.csrf_token, theme=theme
    )


def theme() -> str:
    """`light`, `dark`, or empty for what the system says; for `<html data-theme>`."""
    wanted = request.cookies.get("theme", "")
    return wanted if wanted in THEMES else ""


def _who() -> None:
    g.person = None
    if request.endpoint in WITHOUT_PERSON:
        return
    this = sessions.unresolved()
    g.session_read = True
    if this is None:
        return
    found = queries.session_and_person(sessions.hashed(this.key or ""))
    sessions.adopt(this, found[0] if found else None)
    if not found or this.known is None:
        return
    if this.is_signed_in and may_sign_in(found[1]):
        g.person = found[1]
    else:
        this.known = replace(this.known, is_alive=False, timed_out=this.known.timed_out and may_sign_in(found[1]))


def _from_our_pages() -> Response | None:
    if not csrf.is_unsafe() or request.endpoint in WITHOUT_PERSON:
        return None
    if csrf.is_foreign():
        raise Forbidden(_("Another site tried to send this in your name. Nothing was changed."))
    if request.endpoint not in csrf.EXEMPT and not csrf.has_valid_token():
        sentence = _("This page was too old, so nothing was sent. What you typed is below.")
        return answer(400, sentence, title=_("Load the page again"), keep_text=True, resend=csrf.is_surely_own())
    person = current_person_or_none()
    remember_op(f"p:{person.id}" if person else visitor(web_session().csrf_secret))
    return None


def _may_they() -> AnyResponse | None:
    if request.endpoint is None or request.endpoint in WITHOUT_PERSON:
        return None
    view = current_app.view_functions[request.endpoint]
    needed = getattr(view, "needs", None)
    if needed == PUBLIC:
        return None
    person = current_person_or_none()
    if person is None:
        return _to_sign_in()
    known = web_session().known
    if known and known.via == Via.PIN and not getattr(view, "floor", False):
        raise NotAllowed(_("A PIN opens the shop floor only. Sign in with your password for this."))
    if needed is None or not can(person, needed):
        log.warning("denied", extra={"event": "denied", "person": person.id, "needed": needed})
        if not person.is_staff:
            raise NotFound("")  # to a customer, what is ours does not exist
        raise NotAllowed(_("You do not have the right to do this. Ask an administrator for it."))
    return None


def _to_sign_in() -> AnyResponse:
    """To the sign-in page and back here afterwards; what was typed is kept for whom the session belonged to."""
    if sessions.is_quiet():
        return make_response("", 401)
    this = web_session()
    page = back() if csrf.is_unsafe() or is_htmx() else request.full_path.rstrip("?")
    if csrf.is_unsafe() and this.was_signed_in and this.known is not None:
        kept = parking.park(this.known.person_id, page)
        if kept is not None:
            page = url_for("people.parked", parked_id=kept)
    return see_other(url_for("people.login", next=page if page != "/" else None))


def _forget_what_was_sent(response: Response) -> Response:
    """A parked text that was sent at last is not kept any longer."""
    person = current_person_or_none()
    kept = request.form.get("parked", "") if csrf.is_unsafe() and person else ""
    if person and kept.isdecimal() and len(kept) < 10 and response.status_code < 400:
        parking.drop(person.id, int(kept))
    return response


def _can(name: str, thing: object = None) -> bool:
    """In templates: may the reader do `name` to `thing`?"""
    return can(current_person_or_none(), name, thing)
