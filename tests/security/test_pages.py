"""HD2, HD3, XS: what every page of a whole company holds, and what it must not."""

import hashlib
import json
import re
from html import unescape
from pathlib import Path

import pytest
from flask import Flask

from app import bundle
from app.foundation.db import db, transaction
from app.people.models import Person
from app.traits.record import Record
from tests.security.test_rights import ask, every_address
from tests.security.world import World, build

ATTACK = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}"
CONFIG = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
}


@pytest.fixture
def world(app: Flask, database: None) -> World:
    return build(app)


def pages(world: World) -> list[tuple[str, str, str]]:
    """(who, address, text) of every page an administrator and customer A can read."""
    found = []
    for who in ("admin", "customer_a", "anonymous"):
        for method, endpoint, values in every_address(world):
            if method == "GET":
                answer = ask(world, who, method, endpoint, values)
                if answer.mimetype == "text/html" and answer.status_code == 200:
                    found.append((who, f"{endpoint} {values}", answer.text))
    return found


def test_HD2_HD3_CS1_every_page_obeys_the_policy_and_protects_its_forms(world: World) -> None:
    read = pages(world)
    assert len(read) > 40
    for who, address, text in read:
        where = f"{address} as {who}"
        for tag in re.findall(r"<[a-zA-Z][^>]*>", text):
            assert not re.search(r"\s(style|on[a-z]+|hx-on[^=]*)\s*=", re.sub(r'"[^"]*"', '""', tag)), (where, tag)
            assert not re.search(r"javascript:|hx-\w+=\"js:|hx-trigger=\"[^\"]*\[", tag), (where, tag)
            for target in re.findall(r'\s(?:src|action|hx-\w+)="(https?:|//)', tag):
                raise AssertionError((where, tag, target))
        for script in re.findall(r"<script\b([^>]*)>(.*?)</script>", text, re.DOTALL):
            assert "nonce=" in script[0], where
            assert script[1].strip() == "", where
        if "htmx-config" in text:
            config = re.search(r"name=\"htmx-config\" content='([^']+)'", text)
            assert config is not None, where
            assert CONFIG.items() <= json.loads(unescape(config[1])).items(), where
            assert "hx-headers:inherited" in text, where
        for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text, re.DOTALL | re.IGNORECASE):
            assert 'name="csrf_token"' in form, (where, form[:200])
            assert 'name="op"' in form, (where, form[:200])


def test_XS1_words_of_people_are_words_on_every_page(world: World) -> None:
    with transaction(by=None, source="test"):
        for name in ("record_a", "record_b"):
            db.session.get_one(Record, world.names[name]).title = ATTACK
        for person in (world.people["agent_1"], world.people["customer_a"]):
            db.session.get_one(Person, person.id).name = ATTACK[:80]
    shown = 0
    for who, address, text in pages(world):
        assert "<img src=x" not in text, (who, address)
        assert "<script>alert" not in text, (who, address)
        assert ">49" not in text, (who, address)
        shown += "&lt;img src=x" in text
    assert shown > 5


def test_HD3_the_vendored_files_are_the_pinned_ones() -> None:
    vendor = Path(bundle()) / "static" / "vendor"
    pinned = (vendor / "README.md").read_text(encoding="utf-8")
    scripts = sorted(vendor.rglob("*.js"))
    assert scripts
    for script in scripts:
        assert hashlib.sha256(script.read_bytes()).hexdigest() in pinned, script.name
