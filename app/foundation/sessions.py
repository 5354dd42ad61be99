"""Server-side sessions: the cookie holds a random id, the table its SHA-256, and the row says whether it still counts.

Whether a session is alive is judged whenever it is read: no cleaner has to run for it to end. Visitors who are not
signed in get a signed cookie under the same name instead (their CSRF secret and flashed messages), so that a crawler
never makes a row. The two cannot be taken for each other: ids hold no dot, signed values always do.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, current_app, g, has_request_context, request
from flask import session as flask_session
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.datastructures import CallbackDict

from app.foundation.clock import now
from app.foundation.db import Base, current_transaction, db, transaction

SECURE_NAME = "__Host-loopwright"  # the prefix makes the browser insist on Secure, Path=/ and no Domain
PLAIN_NAME = "loopwright_session"  # loopback HTTP, where no browser would keep a Secure cookie
SEEN_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=7)  # dead rows stay so long, so that what is typed into an old page still finds its owner
LARGEST_COOKIE = 3500

V = TypeVar("V", bound=Callable[..., Any])


class Via(StrEnum):
    """How somebody proved who they are."""

    PASSWORD = "password"  # noqa: S105 - a word, not a secret
    LINK = "link"
    PASSKEY = "passkey"
    PIN = "pin"
    TOKEN = "token"  # noqa: S105 - a word, not a secret


class BrowserSession(Base):
    """One signed-in browser. `idle_seconds` and `expires_at` are fixed at sign-in; `ended_at` ends it at once."""

    __tablename__ = "browser_session"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    csrf_secret: Mapped[str] = mapped_column(String(64))
    via: Mapped[Via]
    device_id: Mapped[int | None]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    idle_seconds: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    stays: Mapped[bool] = mapped_column(default=False)
    address: Mapped[str] = mapped_column(String(45), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)

    def is_alive(self, at: datetime) -> bool:
        idle_until = self.seen_at + timedelta(seconds=self.idle_seconds)
        return self.ended_at is None and at < min(self.expires_at, idle_until)


@dataclass(frozen=True, slots=True)
class Known:
    """What the request keeps of the row; plain, so that no later query or rollback can change it."""

    id_hash: str
    person_id: int
    csrf_secret: str
    via: Via
    device_id: int | None
    seen_at: datetime
    expires_at: datetime
    stays: bool
    is_alive: bool
    timed_out: bool


class WebSession(CallbackDict[str, Any], SessionMixin):
    """What Flask calls `session`: a small dictionary (flashed messages), with the row behind it when signed in."""

    def __init__(self, key: str | None = None, initial: dict[str, Any] | None = None) -> None:
        def changed(this: "WebSession") -> None:
            this.modified = True

        super().__init__(initial or {}, changed)
        self.key = key  # the id the browser sent; never stored
        self.known: Known | None = None
        self.resolved = key is None
        self.issued: str | None = None  # a new id to hand out
        self.dropped = False
        self.new = key is None and not initial
        self.modified = False

    @property
    def is_signed_in(self) -> bool:
        return self.known is not None and self.known.is_alive

    @property
    def was_signed_in(self) -> bool:
        """Ended by time, not by hand: what is typed into its pages is kept for its owner."""
        return self.known is not None and self.known.timed_out

    @property
    def csrf_secret(self) -> str:
        if self.known is not None:
            return self.known.csrf_secret
        if "csrf" not in self:
            self["csrf"] = secrets.token_urlsafe(32)
        return str(self["csrf"])


class Sessions(SessionInterface):
    def open_session(self, app: Flask, request: Request) -> WebSession:
        value = request.cookies.get(cookie_name(request), "")
        if "." in value:
            try:
                data = _signer(app).loads(value)
            except BadSignature:
                return WebSession()
            return WebSession(initial=data if isinstance(data, dict) else None)
        return WebSession(key=value if 20 <= len(value) <= 64 and value.isascii() else None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        this = cast(WebSession, session)
        if not this.resolved:
            return  # nobody asked who this is, or the database could not say
        name, secure = cookie_name(request), request.is_secure
        options: dict[str, Any] = {"secure": secure, "httponly": True, "samesite": "Lax", "path": "/"}
        if this.issued and this.known:
            age = this.known.expires_at - now() if this.known.stays else None
            response.set_cookie(name, this.issued, max_age=age, **options)
        elif this.dropped:
            response.delete_cookie(name, **options)
        elif this.known is not None:
            _keep(this, this.known)
        elif this.modified:
            value = _signer(app).dumps(dict(this))
            if isinstance(value, bytes):
                value = value.decode()
            if len(value) > LARGEST_COOKIE:
                value = str(_signer(app).dumps({k: v for k, v in this.items() if k in ("csrf", "link")}))
            response.set_cookie(name, value, **options)


def init_sessions(app: Flask) -> None:
    app.session_interface = Sessions()


def web_session() -> WebSession:
    """The session of this request, looked up once."""
    this = cast(WebSession, flask_session._get_current_object())  # type: ignore[attr-defined]
    if not this.resolved:
        adopt(this, db.session.get(BrowserSession, hashed(this.key or "")))
    return this


def unresolved() -> WebSession | None:
    """The session of this request while nobody has looked up the id it brought; None when there is none."""
    this = cast(WebSession, flask_session._get_current_object())  # type: ignore[attr-defined]
    return None if this.resolved else this


def adopt(this: WebSession, row: BrowserSession | None) -> None:
    """Take over the row the cookie names, if there is one."""
    this.resolved = True
    if row is None:
        return
    at = now()
    alive = row.is_alive(at)
    this.known = _known(row, is_alive=alive, timed_out=not alive and row.ended_at is None)
    if alive:
        this.update(row.data or {})
        this.modified = False


def start(person_id: int, via: Via = Via.PASSWORD, *, stay: bool = False, device_id: int | None = None) -> None:
    """Sign `person_id` in: a new id and row; what the browser held before is dead. Its own short transaction."""
    this = web_session()
    settings = current_app.config["LOOPWRIGHT"]
    at = now()
    lifetime = timedelta(days=settings.stay_days) if stay else timedelta(hours=settings.absolute_hours)
    # "Stay signed in" would mean nothing if half an hour of quiet ended it: such a row has no idle time of its own.
    idle = lifetime if stay else timedelta(minutes=settings.idle_minutes)
    key = secrets.token_urlsafe(32)
    row = BrowserSession(
        id_hash=hashed(key),
        person_id=person_id,
        # Carried over, so that a page left open before signing in again in another tab can still be sent.
        csrf_secret=this.csrf_secret,
        via=via,
        device_id=device_id,
        created_at=at,
        seen_at=at,
        idle_seconds=int(idle.total_seconds()),
        expires_at=at + lifetime,
        ended_at=None,
        stays=stay,
        address=client_address()[:45],
        agent=(request.user_agent.string or "")[:200],
        data={},
    )
    with transaction(by=None, source="session") as tx:
        if this.key:
            _end(tx.at, BrowserSession.id_hash == hashed(this.key))
        tx.session.add(row)
    this.clear()
    this.key, this.issued, this.known = key, key, _known(row, is_alive=True, timed_out=False)


def rotate() -> None:
    """The same person under a new id, after they proved again who they are. Its own short transaction."""
    this = web_session()
    if not this.is_signed_in or this.known is None:
        return
    key = secrets.token_urlsafe(32)
    with transaction(by=None, source="session") as tx:
        old = db.session.get_one(BrowserSession, this.known.id_hash)
        columns = {c.key: getattr(old, c.key) for c in BrowserSession.__mapper__.column_attrs}
        row = BrowserSession(**{**columns, "id_hash": hashed(key), "seen_at": tx.at, "data": dict(this)})
        tx.session.add(row)
        old.ended_at = tx.at
    this.key, this.issued, this.known = key, key, _known(row, is_alive=True, timed_out=False)


def end() -> None:
    """Sign this browser out: the row is dead from now on, the cookie goes."""
    this = web_session()
    if this.known is not None:
        with transaction(by=None, source="session") as tx:
            _end(tx.at, BrowserSession.id_hash == this.known.id_hash)
    this.clear()
    this.known, this.issued, this.dropped = None, None, True


def end_all_of(person_id: int, *, but: str | None = None) -> None:
    """End every session of a person, inside the caller's transaction: disabled, other rights, other password."""
    tx = current_transaction()
    _end(tx.at, BrowserSession.person_id == person_id, BrowserSession.id_hash != (but or ""))


def end_one(person_id: int, id_hash: str) -> bool:
    """End one session of a person, inside the caller's transaction; whether there was one."""
    row = db.session.get(BrowserSession, id_hash)
    if row is None or row.person_id != person_id or row.ended_at is not None:
        return False
    row.ended_at = current_transaction().at
    return True


def sweep() -> int:
    """Forget rows that have been dead for a week. Inside the caller's transaction; nothing depends on it."""
    tx = current_transaction()
    old = tx.at - KEPT
    gone = delete(BrowserSession).where((BrowserSession.expires_at < old) | (BrowserSession.ended_at < old))
    return int(getattr(db.session.execute(gone), "rowcount", 0))


def quiet(view: V) -> V:
    """Mark a view that the page calls by itself: it never extends a session."""
    view.quiet = True  # type: ignore[attr-defined]
    return view


def is_quiet() -> bool:
    """Whether this request was made by the page and not by its reader."""
    return bool(getattr(current_app.view_functions.get(request.endpoint or ""), "quiet", False))


def via() -> str:
    """How the person behind this request signed in, for the audit trail; empty outside a session."""
    known = _current_known()
    return known.via.value if known else ""


def device_id() -> int | None:
    """The enrolled device this request comes from, for the audit trail."""
    known = _current_known()
    return known.device_id if known else None


def client_address() -> str:
    """Whom this request comes from. Only the proxies counted by LOOPWRIGHT_TRUSTED_PROXIES are believed."""
    return request.remote_addr or "unknown"


def cookie_name(request: Request) -> str:
    return SECURE_NAME if request.is_secure else PLAIN_NAME


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _current_known() -> Known | None:
    if not has_request_context() or "session_read" not in g:
        return None
    this = web_session()
    return this.known if this.is_signed_in else None


def _keep(this: WebSession, known: Known) -> None:
    """Write what changed, and at most once a minute that the person was here. Busy: next time."""
    if not known.is_alive:
        return
    at = now()
    values: dict[str, Any] = {}
    if this.modified:
        values["data"] = json.loads(json.dumps(dict(this), default=str))
    if at - known.seen_at >= SEEN_EVERY and not is_quiet():
        values["seen_at"] = at
    if not values:
        return
    statement = update(BrowserSession).where(BrowserSession.id_hash == known.id_hash).values(**values)
    try:
        db.session.rollback()  # whatever a view left behind is not ours to write
        with transaction(by=None, source="session", wait=this.modified) as tx:
            tx.session.execute(statement, execution_options={"synchronize_session": False})
    except SQLAlchemyError:
        current_app.logger.info("session not touched: the database is busy")


def _end(at: datetime, *where: Any) -> None:
    db.session.execute(
        update(BrowserSession).where(BrowserSession.ended_at.is_(None), *where).values(ended_at=at),
        execution_options={"synchronize_session": False},
    )


def _known(row: BrowserSession, *, is_alive: bool, timed_out: bool) -> Known:
    return Known(
        id_hash=row.id_hash,
        person_id=row.person_id,
        csrf_secret=row.csrf_secret,
        via=row.via,
        device_id=row.device_id,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        stays=row.stays,
        is_alive=is_alive,
        timed_out=timed_out,
    )


def _signer(app: Flask) -> URLSafeSerializer:
    older = app.config.get("SECRET_KEY_FALLBACKS") or []
    return URLSafeSerializer([*older, str(app.secret_key)], salt="visitor")


def sessions_of(person_id: int) -> list[BrowserSession]:
    """The living sessions of a person, newest first."""
    at = now()
    rows = db.session.scalars(
        select(BrowserSession).where(BrowserSession.person_id == person_id).order_by(BrowserSession.created_at.desc())
    )
    return [row for row in rows if row.is_alive(at)]
