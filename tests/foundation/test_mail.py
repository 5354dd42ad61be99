"""Mail leaves through the outbox: in the reader's words, safe to send twice, and never lost when the server is."""

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import select

from app.foundation import jobs, mail
from app.foundation.clock import moved
from app.foundation.db import db, transaction
from app.foundation.jobs import Claimed, Job, JobState, run_due
from app.foundation.language import lazy
from app.foundation.outbox import enqueue_letter, enqueue_mail
from tests.factories import make_customer, make_person
from tests.foundation.smtp_stub import smtp_stub

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def use(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change settings for this test; the data directory is the test's own from the start."""

    def change(**values: Any) -> None:
        monkeypatch.setitem(app.config, "LOOPWRIGHT", dataclasses.replace(app.config["LOOPWRIGHT"], **values))

    change(
        data_dir=tmp_path, base_url="https://loop.example", mail_from="Wood Hut <care@woodhut.example>", smtp_url=None
    )
    monkeypatch.setattr(mail, "TIMEOUT", 0.4)
    monkeypatch.setattr(mail, "DEADLINE", 1.0)
    return change


def send(to: Any = "abigail@customer.example", subject: object = "Hello", body: object = "Text", **more: Any) -> None:
    with transaction(by=None):
        enqueue_mail(to, subject, body, **more)


def files(tmp_path: Path) -> list[EmailMessage]:
    paths = sorted((tmp_path / "outbox").glob("*.eml"))
    return [cast(EmailMessage, message_from_bytes(path.read_bytes(), policy=default)) for path in paths]


def words(message: object) -> str:
    """The text with the line ends of this side of the wire."""
    return str(cast(EmailMessage, message).get_content()).replace("\r\n", "\n")


def states() -> list[JobState]:
    db.session.expire_all()
    return list(db.session.scalars(select(Job.state).order_by(Job.id)))


def test_without_a_server_mail_is_a_file(database: None, use: Any, tmp_path: Path) -> None:
    with moved(START):
        send(make_customer("Abigail Peterson", email="abigail@customer.example"), "We have it", "Thank you.\n")
        assert run_due() == 1
    (message,) = files(tmp_path)
    assert message["To"] == "Abigail Peterson <abigail@customer.example>"
    assert message["From"] == "Wood Hut <care@woodhut.example>"
    assert message["Subject"] == "We have it"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == START
    assert words(message) == "Thank you.\n"
    assert not list((tmp_path / "outbox").glob("*.part"))


def test_mail_goes_to_the_server(database: None, use: Any) -> None:
    with smtp_stub() as server:
        use(smtp_url=server.url)
        send(subject="Größe: 5 µm — ✓", body="Ж\n.\n..dots\n")
        run_due()
        (message,) = server.received
    assert message["Subject"] == "Größe: 5 µm — ✓"
    assert words(message) == "Ж\n.\n..dots\n"
    assert states() == [JobState.DONE]


def test_the_server_is_told_the_password_of_the_setting(database: None, use: Any) -> None:
    with smtp_stub() as server:
        use(smtp_url=f"smtp://care%40woodhut:s%3Acret@127.0.0.1:{server.port}")
        send()
        run_due()
    import base64

    assert base64.b64decode(server.logins[0].split()[-1]) == b"\0care@woodhut\0s:cret"


def test_a_password_is_not_sent_in_clear_to_another_machine(
    use: Any, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    monkeypatch.setattr(mail, "_is_loopback", lambda _host: False)
    with app.app_context(), smtp_stub() as server:
        with pytest.raises(mail.NoMailServer, match="no encryption"):
            mail.deliver(EmailMessage(), f"smtp://care:secret@127.0.0.1:{server.port}")
        assert server.logins == []


def test_encryption_that_is_asked_for_is_not_done_without(use: Any, app: Flask) -> None:
    import smtplib

    with app.app_context(), smtp_stub() as server, pytest.raises(smtplib.SMTPNotSupportedError):
        mail.deliver(EmailMessage(), f"smtp+starttls://127.0.0.1:{server.port}")


@pytest.mark.parametrize("url", ["http://mail.example", "smtp:", "localhost:25"])
def test_a_setting_that_makes_no_sense_says_so(use: Any, app: Flask, url: str) -> None:
    with app.app_context(), pytest.raises(mail.NoMailServer, match="LOOPWRIGHT_SMTP_URL"):
        mail.deliver(EmailMessage(), url)


@pytest.mark.parametrize("mood", ["silent", "busy", "refuse", "drip", "hang_up"])
def test_a_server_in_trouble_delays_mail_and_loses_none(database: None, use: Any, mood: str) -> None:
    with smtp_stub(mood, mood, "ok") as server:
        use(smtp_url=server.url)
        with moved(START):
            send(subject="First")
            began = time.monotonic()
            run_due()
            assert time.monotonic() - began < jobs.LEASE.total_seconds()
        assert states() == [JobState.TODO]
        assert db.session.scalar(select(Job.last_error))
        with moved(START + timedelta(minutes=2)):
            run_due()
        assert states() == [JobState.TODO]
        with moved(START + timedelta(minutes=10)):
            run_due()
        assert states() == [JobState.DONE]
        assert [message["Subject"] for message in server.received] == ["First"]


def test_no_server_at_all_is_waited_for(database: None, use: Any) -> None:
    with smtp_stub() as server:
        use(smtp_url=server.url)
    send()
    run_due()
    assert states() == [JobState.TODO]


def test_mail_is_given_up_after_days_and_kept_in_sight(database: None, use: Any) -> None:
    with smtp_stub("refuse") as server:
        use(smtp_url=server.url)
        at = START
        with moved(at):
            send()
        for _ in range(mail.TRIES):
            with moved(at):
                run_due()
            at = db.session.scalar(select(Job.run_at)) or at
    (dead,) = jobs.dead_jobs()
    assert dead.attempts == mail.TRIES
    assert dead.payload["to"] == "abigail@customer.example"
    assert "550" in (dead.last_error or "")
    assert at - START > timedelta(days=3)


def test_a_mail_sent_twice_has_the_same_id(database: None, use: Any) -> None:
    """The worker dies between the server's "accepted" and our own mark."""
    with smtp_stub("accept_and_die", "ok") as server:
        use(smtp_url=server.url)
        with moved(START):
            send()
            send(subject="Another")
            run_due()
        with moved(START + timedelta(minutes=2)):
            run_due()
        ids = server.ids()
    assert states() == [JobState.DONE, JobState.DONE]
    assert len(ids) == 3
    assert len(set(ids)) == 2
    assert all(found.endswith("@loop.example>") for found in ids)


def test_a_file_written_twice_is_one_file(database: None, use: Any, tmp_path: Path, app: Flask) -> None:
    job = Claimed(7, "mail", None, {"to": "a@b.example", "subject": "x", "text": "y"}, 1, START)
    mail.send(job.payload, job)
    mail.send(job.payload, dataclasses.replace(job, attempt=2))
    assert len(files(tmp_path)) == 1


def test_a_useless_address_ends_in_sight_not_in_an_error(database: None, use: Any) -> None:
    with moved(START):
        send("not an address")
    at = START
    for _ in range(mail.TRIES):
        with moved(at):
            run_due()
        at += timedelta(days=3)
    (dead,) = jobs.dead_jobs()
    assert "not an e-mail address" in (dead.last_error or "")


@dataclasses.dataclass
class Somebody:
    name: str
    email: str


NASTY = [
    "Hello\r\nBcc: everybody@evil.example",
    "Hello\nBcc: everybody@evil.example\n\nBody",
    "Hello\u2028Bcc: everybody@evil.example",
    "Hello\x00\x0b\x0c\x85Bcc: everybody@evil.example",
]


@pytest.mark.parametrize("nasty", NASTY)
def test_a_header_cannot_be_smuggled_in(database: None, use: Any, tmp_path: Path, nasty: str) -> None:
    send(Somebody(nasty, "abigail@customer.example"), nasty, nasty, thread=nasty)
    run_due()
    (message,) = files(tmp_path)
    assert message["Bcc"] is None
    assert message["To"].addresses[0].addr_spec == "abigail@customer.example"
    assert len(message["To"].addresses) == 1
    assert len(message["Subject"].splitlines()) == 1


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "a@b.example c@d.example",
        "<a@b.example>",
        "a@b@c.example",
        "a@",
        "@b.example",
        "",
        '"x y"@b.example',
        "a;b@c.example",
        "a@b.example\x00",
    ],
)
def test_what_is_not_one_address_is_refused(app: Flask, address: str) -> None:
    assert not mail.is_address(address)


@pytest.mark.parametrize("address", ["a@b.example", "first.last+tag@sub.domain.example", "o'neil@x.example"])
def test_what_is_an_address_is_taken(app: Flask, address: str) -> None:
    assert mail.is_address(address)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=60), subject=st.text(max_size=120), text=st.text(max_size=200))
def test_any_words_make_one_well_formed_mail(app: Flask, use: Any, name: str, subject: str, text: str) -> None:
    with app.app_context():
        job = Claimed(1, "mail", None, {}, 1, START)
        payload = {"to": "a@b.example", "name": name, "subject": mail.one_line(subject), "text": text}
        message = mail.compose(payload, job)
        read = cast(EmailMessage, message_from_bytes(message.as_bytes(), policy=default))
    assert [address.addr_spec for address in read["To"].addresses] == ["a@b.example"]
    assert {key.lower() for key in read} <= {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "x-auto-response-suppress", "content-type",
        "content-transfer-encoding", "mime-version",
    }  # fmt: skip
    assert read.get_content_type() == "text/plain"


# Letters


@pytest.fixture
def letters(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three letters that only this test knows."""
    loader = DictLoader(
        {
            "mail/plain.txt": "{{ _('Sign in') }} for {{ to_name }}\n\nOpen {{ base_url }}/tickets/{{ number }}\n",
            "mail/rich.txt": "About {{ title }}\n\nSee {{ title }}\n",
            "mail/rich.html": "<p>{{ title }}</p>",
            "mail/dated.txt": "Today\n\n{{ at|moment }}\n",
        }
    )
    monkeypatch.setattr(app.jinja_env, "loader", ChoiceLoader([loader, app.jinja_env.loader]))  # type: ignore[list-item]


def test_a_letter_is_its_first_line_and_the_rest(
    database: None, use: Any, letters: None, tmp_path: Path, app: Flask
) -> None:
    marc = make_person("Marc")
    with app.test_request_context(base_url="https://evil.example"), transaction(by=None):
        enqueue_letter(marc, "plain", number="T-0001", thread="T-0001")
    run_due()
    (message,) = files(tmp_path)
    assert message["Subject"] == "Sign in for Marc Demo"
    assert words(message) == "Open https://loop.example/tickets/T-0001\n"
    assert message["References"] == "<T-0001.record@loop.example>"
    assert not message.is_multipart()


def test_a_letter_with_both_forms_escapes_in_html(database: None, use: Any, letters: None, tmp_path: Path) -> None:
    with transaction(by=None):
        enqueue_letter("a@b.example", "rich", title="<script>x</script>")
    run_due()
    (message,) = files(tmp_path)
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert words(plain) == "See <script>x</script>\n"
    assert words(html) == "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"


def test_a_letter_is_written_in_the_recipients_language_and_zone(
    database: None, use: Any, letters: None, tmp_path: Path, app: Flask
) -> None:
    from flask import g

    julie = make_person("Julie", locale="de", zone="America/New_York")
    marc = make_person("Marc", locale="en", zone="Asia/Tokyo")
    with app.test_request_context(), transaction(by=None):
        g.person = marc
        enqueue_letter(julie, "dated", at=START)
        enqueue_mail(julie, lazy("Sign in"), "x")
        from flask_babel import get_locale, get_timezone

        assert str(get_locale()) == "en"
        assert str(get_timezone()) == "Asia/Tokyo"
    run_due()
    dated = files(tmp_path)[0]
    assert "04:00" in words(dated)
    assert "März" in words(dated) or "Mär" in words(dated)
