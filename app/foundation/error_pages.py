"""The one place where a "no", a failure or a repeat becomes an answer, for htmx and for plain browsers.

A plain browser gets a page of our own with the request id and with what was typed; htmx gets a sentence for the alert
region and leaves the page as it is. Nothing of the program's inside is ever shown.
"""

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, make_response, render_template, request
from markupsafe import Markup, escape
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from app.foundation import csrf, parking
from app.foundation.db import db
from app.foundation.errors import AlreadyDone, AlreadySent, NotAllowed, NotFound, Refused
from app.foundation.htmx import is_htmx, see_other
from app.foundation.idempotency import fresh_op
from app.foundation.language import _, lazy
from app.foundation.limits import TooMany
from app.foundation.logs import request_id

TITLES = {
    400: lazy("This request could not be read"),
    401: lazy("Sign in to see this"),
    403: lazy("You may not do this"),
    404: lazy("There is nothing here"),
    405: lazy("This address does not take that"),
    409: lazy("Somebody was faster"),
    410: lazy("This link does not work any more"),
    413: lazy("That is too large"),
    415: lazy("This kind of file is not taken"),
    422: lazy("That did not work yet"),
    429: lazy("Too often"),
    500: lazy("Something broke on our side"),
    503: lazy("Busy for a moment"),
    507: lazy("There is no room left"),
}
SENTENCES = {
    400: lazy("Nothing was changed. Go back, load the page again and try once more."),
    401: lazy("Your session has ended."),
    403: lazy("You do not have the right to do this. Ask an administrator for it."),
    404: lazy("The address may be mistyped, or what was here is not yours to see."),
    405: lazy("Go back and use the buttons of the page."),
    409: lazy("Load the page again to see how things are now. Nothing was changed by you."),
    410: lazy("It was used already, or it is too old."),
    413: lazy("Send fewer or smaller files. Nothing was changed."),
    415: lazy("Nothing was changed."),
    422: lazy("Nothing was changed."),
    429: lazy("Wait a little and try again. Nothing was changed."),
    500: lazy("It is written down under the number below. Nothing is half saved: all of it is there or nothing."),
    503: lazy("Too much is being saved at once. Try again in a few seconds; nothing was changed."),
    507: lazy("Nothing was changed. Tell who runs this installation."),
}
BUSY = ("database is locked", "lock timeout", "deadlock detected", "could not serialize", "connection")


def init_error_pages(app: Flask) -> None:
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(AlreadyDone, _already_done)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _busy)
    app.register_error_handler(StaleDataError, _stale)
    app.register_error_handler(OverflowError, _junk)
    app.register_error_handler(UnicodeError, _junk)
    app.register_error_handler(Exception, _broken)


def answer(
    status: int,
    sentence: str | None = None,
    *,
    reasons: tuple[str, ...] = (),
    title: str | None = None,
    keep_text: bool = False,
    resend: bool = False,
) -> Response:
    """The page or the sentence for `status`. `resend` offers what was typed for sending again, with a fresh `op`."""
    said = sentence or str(SENTENCES.get(status, SENTENCES[400]))
    if is_htmx():
        return _for_htmx(status, said, reasons)
    kept = parking.typed_fields() if keep_text and csrf.is_unsafe() else []
    try:
        page = render_template(
            "errors/error.html",
            status=status,
            title=title or TITLES.get(status, TITLES[400]),
            sentence=said,
            reasons=reasons,
            kept=kept,
            files=parking.lost_files() if kept else [],
            resend=resend,
            action=request.path,
            back=back(),
        )
    except Exception:
        current_app.logger.exception("the error page could not be drawn")
        page = _bare(status, said)
    return make_response(page, status)


def back() -> str:
    """The page this request came from if it is ours, else the start."""
    try:
        parts = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return "/"
    if parts.scheme in ("http", "https") and csrf.is_own(f"{parts.scheme}://{parts.netloc}"):
        return csrf.safe_path(parts.path + (f"?{parts.query}" if parts.query else "")) or "/"
    return "/"


def _refused(no: Refused) -> Response:
    db.session.rollback()
    if isinstance(no, NotFound) or no.status == 404:
        return answer(404, no.sentence or None)
    if isinstance(no, AlreadySent):
        found = answer(422, no.sentence, keep_text=True, resend=True)
        return _renew_op(found)
    response = answer(no.status, no.sentence, reasons=no.reasons, keep_text=True, resend=not isinstance(no, NotAllowed))
    if isinstance(no, TooMany):
        response.headers["Retry-After"] = str(no.retry_after)
    return response


def _already_done(done: AlreadyDone) -> Response:
    """The same form again: the outcome of the first time, nothing happens twice."""
    db.session.rollback()
    return see_other(done.location or back())


def _http(error: HTTPException) -> Any:
    if error.code is None or error.code < 400:
        return error  # a redirect of the router, or an answer somebody made by hand
    # A description of our own is worth showing; werkzeug's are English sentences for developers.
    own = error.description if error.description != type(error).description else None
    response = answer(error.code, own, keep_text=True)
    given = dict(error.get_headers())
    for name in ("Allow", "Retry-After"):
        if name in given:
            response.headers[name] = given[name]
    return response


def _database(error: DBAPIError) -> Response:
    db.session.rollback()
    words = str(error.orig).lower()
    if error.connection_invalidated or (
        isinstance(error, OperationalError | InterfaceError) and any(word in words for word in BUSY)
    ):
        return _busy(error)
    if isinstance(error, DataError):
        current_app.logger.warning("the database refused a value", exc_info=error)
        return answer(422, _("One of the values does not fit. Nothing was changed."), keep_text=True, resend=True)
    if isinstance(error, IntegrityError):
        current_app.logger.warning("the database refused a row", exc_info=error)
        return answer(409, keep_text=True, resend=True)
    return _broken(error)


def _busy(_error: Exception) -> Response:
    response = answer(503, keep_text=True, resend=True)
    response.headers["Retry-After"] = "2"
    return response


def _stale(_error: StaleDataError) -> Response:
    db.session.rollback()
    return answer(
        409, _("Somebody else saved this in the meantime. Load it again; what you typed is below."), keep_text=True
    )


def _junk(error: Exception) -> Response:
    db.session.rollback()
    current_app.logger.warning("a value that nothing can hold", exc_info=error)
    return answer(400, keep_text=True)


def _broken(error: Exception) -> Response:
    db.session.rollback()
    if current_app.testing and current_app.config["PROPAGATE_EXCEPTIONS"] is not False:
        raise error
    current_app.logger.error("a view failed", exc_info=error)
    return answer(500, keep_text=True)


def _for_htmx(status: int, sentence: str, reasons: tuple[str, ...]) -> Response:
    """A sentence for the alert region; what is on the page stays."""
    said = escape(sentence)
    if reasons:
        said += Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(r) for r in reasons))
    toast = Markup('<div class="toast" role="alert">{}</div>').format(said)
    body = Markup('<hx-partial hx-target="#toasts" hx-swap="beforeend">{}</hx-partial>').format(toast)
    return make_response(str(body), status)  # nothing but a partial: the main target is left alone


def _renew_op(response: Response) -> Response:
    """Give the form on the page a new `op`, so that what it holds now can be sent as well."""
    old = request.form.get("op", "")
    if is_htmx() and old.replace("-", "").replace("_", "").isalnum():
        field = Markup('<input type="hidden" name="op" value="{}">').format(fresh_op())
        renewed = Markup('<hx-partial hx-target="input[name=op][value=\'{}\']" hx-swap="outerHTML">{}</hx-partial>')
        response.set_data(response.get_data(as_text=True) + str(renewed.format(old, field)))
    return response


def _bare(status: int, sentence: str) -> str:
    """When even the template fails."""
    page = Markup('<!doctype html><html lang="en"><title>{0}</title><h1>{0}</h1><p>{1}</p><p>{2}</p></html>')
    return str(page.format(TITLES.get(status, status), sentence, request_id() or ""))
