"""Packed answers, health and log lines, as a browser and an operator meet them."""

import gzip
import json
import logging
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from app.foundation.logs import JsonLines, without_secrets
from app.serving import health
from app.serving.compression import zstd

ROOT = Path(__file__).resolve().parents[2]


def test_a_browser_with_zstd_gets_zstd(client: FlaskClient) -> None:
    answer = client.get("/login", headers={"Accept-Encoding": "gzip, zstd"})
    assert answer.headers["Content-Encoding"] == "zstd"
    assert b"<h1" in zstd.decompress(answer.data)
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_an_older_browser_gets_gzip(client: FlaskClient) -> None:
    answer = client.get("/login", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"<h1" in gzip.decompress(answer.data)


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0, zstd;q=0"])
def test_who_takes_no_packing_gets_plain_text(client: FlaskClient, accepted: str) -> None:
    answer = client.get("/login", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers
    assert b"<h1" in answer.data


def test_a_small_answer_stays_as_it_is(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert answer.data == b"ok\n"
    assert "Content-Encoding" not in answer.headers


def test_a_script_is_packed_and_kept_for_ever(client: FlaskClient, app: Flask) -> None:
    answer = client.get(f"/static/{app.config['BUILD']}/vendor/htmx.min.js", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == (ROOT / "static" / "vendor" / "htmx.min.js").read_bytes()
    assert "immutable" in answer.headers["Cache-Control"]
    answer.close()


def test_healthz_asks_no_database(client: FlaskClient, queries: list[str]) -> None:
    queries.clear()
    assert client.get("/healthz").status_code == 200
    assert queries == []


def test_readyz_is_ready_on_a_migrated_database(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ready\n")


def test_readyz_leaves_nothing_behind(client: FlaskClient) -> None:
    client.get("/readyz")
    from sqlalchemy import text

    from app.foundation.db import db

    assert db.session.scalar(text("SELECT count(*) FROM heartbeat")) == 0


def test_readyz_says_no_when_nothing_can_be_written(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(**_: object) -> None:
        raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    monkeypatch.setattr(health, "transaction", locked)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "not ready\n")


def test_readyz_says_no_on_another_schema(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.schema, "head", lambda: "another")
    assert client.get("/readyz").status_code == 503


def test_readyz_says_no_without_room_on_the_disk(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_DISK", 1 << 62)
    assert client.get("/readyz").status_code == 503


def test_every_answer_names_its_request(client: FlaskClient) -> None:
    first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))
    assert len(first) == 16
    assert first != second


def test_a_proxy_may_name_the_request_but_not_write_into_the_log(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "edge-12345678"}).headers["X-Request-Id"] == "edge-12345678"
    forged = 'x" , "level": "error'
    assert client.get("/healthz", headers={"X-Request-Id": forged}).headers["X-Request-Id"] != forged


def test_the_access_line_has_the_route_and_no_query(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "loopwright.access"):
        client.get("/login?password=hunter2hunter2")
    record = next(r for r in caplog.records if r.name == "loopwright.access")
    line = json.loads(JsonLines().format(record))
    assert line["route"] == "/login"
    assert line["status"] == 200
    assert "hunter2" not in json.dumps(line)


def test_nobody_writes_a_log_line_of_their_own() -> None:
    record = logging.makeLogRecord({"msg": 'tried "\r\n{"level": "info", "message": "all is well"}', "name": "x"})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["message"].startswith("tried")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("password=hunter2 and on", "password=*** and on"),
        ("{'token': 'abc.def'}", "{'token': ***}"),
        ("Cookie: loopwright_session=abc", "Cookie: ***"),
        ("postgresql+psycopg://user:pass@host/db", "postgresql+psycopg://user:***@host/db"),
        ("smtp://a%40b:s3cret@mail:587", "smtp://a%40b:***@mail:587"),
        ("the spinner turned", "the spinner turned"),
    ],
)
def test_secrets_never_reach_the_log(told: str, kept: str) -> None:
    assert without_secrets(told) == kept


def test_an_exception_is_one_line_without_secrets() -> None:
    try:
        raise ValueError("cannot reach smtp://me:s3cret@host")
    except ValueError:
        import sys

        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    line = JsonLines().format(record)
    assert "s3cret" not in line
    assert "ValueError" in json.loads(line)["exception"]


def test_doctor_names_a_secret_that_others_can_read(app: Flask, database: None, tmp_path: Path) -> None:
    from dataclasses import replace

    secret = tmp_path / "secret_key"
    secret.write_text("s" * 40)
    secret.chmod(0o644)
    finding = health.check_settings(replace(app.config["LOOPWRIGHT"], data_dir=tmp_path))
    assert "chmod 600" in finding.remedy
