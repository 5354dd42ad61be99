"""Mail: written as a job in the transaction that wants it, sent by the worker.

By `LOOPWRIGHT_SMTP_URL` (`smtp://`, `smtps://`, or `smtp+starttls://`, which insists on encryption), else as `.eml`
files in `DATA_DIR/outbox/`. A mail's Message-ID follows from its job, so a mail that is sent twice because the worker
died between "accepted" and "done" carries the same id both times (SMTP allows no better). Letters are templates
`templates/mail/<name>.txt` (first line: subject) with an optional `.html`, drawn in the recipient's language.
"""

import hashlib
import hmac
import logging
import os
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from flask import current_app, g, render_template
from flask_babel import force_locale, timezone
from jinja2 import TemplateNotFound

from app.foundation import jobs
from app.foundation.jobs import Claimed, handler
from app.foundation.language import _

log = logging.getLogger("loopwright.mail")

TIMEOUT = 10.0  # seconds for one step with the mail server
DEADLINE = 40.0  # and for all of them: well inside the lease, also with a server that sends a byte a second
TRIES = 9  # with the pauses between them: about four days
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ADDRESS = re.compile(r"[^\s@<>(),;:\\\"\[\]]{1,64}@[^\s@<>(),;:\\\"\[\]]{1,190}")


class Recipient(Protocol):
    """Whoever has a name and an address: a Person."""

    name: Any
    email: Any


class NoMailServer(Exception):
    """The setting makes no sense; the job waits until it does."""


def enqueue_mail(
    to: "Recipient | str",
    subject: object,
    body: object,
    *,
    html: str | None = None,
    reply_to: str | None = None,
    thread: str | None = None,
) -> None:
    """Have a mail sent after this transaction. `subject` and `body` may be lazy: they become words of the recipient's.

    `thread` (a record's number) keeps mails about one thing together in the reader's mail program.
    """
    name, address = _who(to)
    with _in_language_of(to):
        payload: dict[str, Any] = {"to": address, "name": name, "subject": one_line(str(subject)), "text": str(body)}
    payload |= {key: value for key, value in (("html", html), ("reply_to", reply_to), ("thread", thread)) if value}
    jobs.enqueue("mail", payload)


def enqueue_letter(
    to: "Recipient | str",
    template: str,
    *,
    reply_to: str | None = None,
    thread: str | None = None,
    **context: Any,
) -> None:
    """Have the letter `templates/mail/<template>.txt` (and `.html`) sent. Both get `to_name`, `base_url`, `context`."""
    name, _address = _who(to)
    values = context | {"to_name": name, "base_url": base_url()}
    with _in_language_of(to):
        subject, _newline, text = render_template(f"mail/{template}.txt", **values).lstrip().partition("\n")
        html: str | None = None
        with suppress(TemplateNotFound):
            html = render_template(f"mail/{template}.html", subject=one_line(subject), **values)
    enqueue_mail(to, subject, text.strip() + "\n", html=html, reply_to=reply_to, thread=thread)


def base_url() -> str:
    """What every mailed link begins with, whatever host the browser asked for."""
    return str(current_app.config["LOOPWRIGHT"].base_url)


def link(path: str) -> str:
    """The full address of one of our pages, for mails."""
    return base_url() + "/" + path.lstrip("/")


def one_line(text: str) -> str:
    """`text` without anything that could begin another header."""
    return " ".join(_CONTROL.sub(" ", text).split())


# Sending


@handler("mail", tries=TRIES)
def send(payload: dict[str, Any], job: Claimed) -> None:
    settings = current_app.config["LOOPWRIGHT"]
    message = compose(payload, job)
    if settings.smtp_url:
        deliver(message, settings.smtp_url)
    else:
        write_file(message, settings.data_dir / "outbox", job)


def compose(payload: Mapping[str, Any], job: Claimed) -> EmailMessage:
    """The message of this job, the same each time it is made."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = _address(*parseaddr(current_app.config["LOOPWRIGHT"].mail_from))
    message["To"] = _address(payload.get("name", ""), payload["to"])
    message["Subject"] = one_line(payload["subject"])[:400]
    message["Date"] = format_datetime(job.created_at)
    message["Message-ID"] = message_id(job.id, job.created_at)
    if reply_to := payload.get("reply_to"):
        message["Reply-To"] = _address("", reply_to)
    if thread := payload.get("thread"):
        message["References"] = f"<{re.sub(r'[^A-Za-z0-9.-]', '', thread)}.record@{mail_domain()}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_tidied(payload["text"]))
    if html := payload.get("html"):
        message.add_alternative(_tidied(html), subtype="html")
    return message


def message_id(job_id: int, created_at: datetime) -> str:
    secret = str(current_app.config["SECRET_KEY"]).encode()
    unique = hmac.new(secret, f"mail {job_id} {created_at.timestamp()}".encode(), hashlib.sha256).hexdigest()[:20]
    return f"<job-{job_id}.{unique}@{mail_domain()}>"


def mail_domain() -> str:
    host = urlsplit(base_url()).hostname or "localhost"
    return host if re.fullmatch(r"[A-Za-z0-9.-]+", host) else "localhost"


def write_file(message: EmailMessage, folder: Path, job: Claimed) -> Path:
    """One file per job, complete or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.created_at:%Y%m%dT%H%M%S}-{job.id:06d}.eml"
    fresh = path.with_suffix(".part")
    with fresh.open("wb") as file:
        file.write(message.as_bytes())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path


def deliver(message: EmailMessage, url: str) -> None:
    """Hand `message` to the mail server at `url`; every refusal and delay is an exception."""
    with _connected(url) as server:
        refused = server.send_message(message)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


@contextmanager
def _connected(url: str) -> Iterator[smtplib.SMTP]:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps", "smtp+starttls") or not parts.hostname:
        raise NoMailServer(_("LOOPWRIGHT_SMTP_URL must look like smtp://user:password@host:587."))
    context = ssl.create_default_context()
    is_wrapped = parts.scheme == "smtps"
    server = smtplib.SMTP_SSL(timeout=TIMEOUT, context=context) if is_wrapped else smtplib.SMTP(timeout=TIMEOUT)
    # connecting comes after the guard is set: a greeting of one byte a second is a delay too
    guard = threading.Timer(DEADLINE, _cut, [server])
    guard.daemon = True
    guard.start()
    try:
        server._host = parts.hostname  # type: ignore[attr-defined]  # whose certificate it must be
        server.connect(parts.hostname, parts.port or (465 if is_wrapped else 587))
        server.ehlo_or_helo_if_needed()
        if parts.scheme == "smtp+starttls" or (parts.scheme == "smtp" and server.has_extn("starttls")):
            server.starttls(context=context)
            server.ehlo()
        elif parts.scheme == "smtp" and parts.username and not _is_loopback(parts.hostname):
            raise NoMailServer(_("The mail server offers no encryption, so the password is not sent to it."))
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
        with suppress(smtplib.SMTPException, OSError):
            server.quit()  # accepted is accepted, however the goodbye goes
    finally:
        guard.cancel()
        server.close()


def _cut(server: smtplib.SMTP) -> None:
    with suppress(OSError):
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


# Addresses


def is_address(text: str) -> bool:
    """Whether `text` is one usable address and nothing else."""
    if not _ADDRESS.fullmatch(text) or _CONTROL.search(text):
        return False
    try:
        Address(addr_spec=text)
    except (ValueError, MessageError, IndexError):
        return False
    return True


def _who(to: "Recipient | str") -> tuple[str, str]:
    if isinstance(to, str):
        return "", to.strip()
    return one_line(str(to.name or "")), str(to.email or "").strip()


def _address(name: str, address: str) -> Address:
    if not is_address(address):
        raise ValueError(_("This is not an e-mail address: %(address)s", address=one_line(address)[:100]))
    return Address(display_name=one_line(name)[:100], addr_spec=address)


def _tidied(text: str) -> str:
    return _NOT_IN_TEXT.sub("", _LINE_ENDS.sub("\n", text))


@contextmanager
def _in_language_of(to: "Recipient | str") -> Iterator[None]:
    """The recipient's language and zone, else the company's; never those of whoever acts."""
    locale = getattr(to, "locale", None) or current_app.config.get("SITE_LOCALE") or "en"
    zone = getattr(to, "zone", None) or current_app.config.get("SITE_ZONE") or "UTC"
    kept = g.pop("_flask_babel", None)
    try:
        with force_locale(str(locale).replace("-", "_")):
            g._flask_babel.babel_tzinfo = timezone(str(zone))
            yield
    finally:
        g.pop("_flask_babel", None)
        if kept is not None:
            g._flask_babel = kept
