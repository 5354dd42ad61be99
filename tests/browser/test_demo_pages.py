"""Every page of the demo company, as each kind of reader sees it.

It answers, says nothing in the console, keeps to the content security policy, is accessible in light and dark, and fits
a phone. `make screenshots` takes the README's picture.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from sqlalchemy import select

from app import demo
from app.foundation.db import db
from app.people.models import Person
from app.plm.models import Eco
from app.traits.board.models import Stage, StageRole
from app.traits.record import Record
from tests.browser.conftest import PHONE, Site, Visit, Watched

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
READERS = {
    "marc@woodhut.example": (
        "/", "/tickets", "/tickets?view=list", "/tickets/new", "{ticket}", "{ticket}/edit", "{ticket}/move",
        "/alerts/new?from={ticket_number}", "/account", "/patterns",
    ),
    "julie@woodhut.example": ("/alerts", "{alert}", "{alert}/edit", "/alerts/new"),
    "joe@woodhut.example": (
        "/ecos", "{eco}", "{eco}/edit", "/ecos/new", "/ecos/types", "/products", "/products/new", "/products/COAT-RACK",
        "/boms", "/boms/COAT-RACK", "/boms/COAT-RACK/revisions/1", "/units/CR-0007",
    ),
    "jose@woodhut.example": ("/", "{eco_in_review}"),
    "ada@woodhut.example": ("/", "/orders", "/orders/new", "{order}", "{done_order}"),
    "abigail@customer.example": ("/portal",),
    "": ("/login", "/help/customer-care", "/nowhere"),
}  # fmt: skip


@pytest.fixture(scope="module")
def woodhut(site: Site) -> Site:
    with site.inside():
        demo.load()
    return site


@pytest.fixture
def records(woodhut: Site) -> dict[str, str]:
    """One record of each kind, by the name that stands in the addresses above."""

    def first(kind: str, *roles: StageRole) -> str:
        wanted = select(Record.number).join(Stage, Stage.id == Record.stage_id).where(Record.kind == kind)
        if roles:
            wanted = wanted.where(Stage.role.in_(roles))
        return str(db.session.scalars(wanted.order_by(Record.id.desc()).limit(1)).one())

    with woodhut.inside():
        ticket = first("ticket", StageRole.OPEN)
        in_review = select(Eco.number).join(Stage, Stage.id == Eco.stage_id).where(Stage.role == StageRole.REVIEW)
        return {
            "ticket": f"/tickets/{ticket}",
            "ticket_number": ticket,
            "alert": f"/alerts/{first('alert')}",
            "eco": f"/ecos/{first('eco')}",
            "eco_in_review": f"/ecos/{db.session.scalars(in_review.limit(1)).one()}",
            "order": f"/orders/{first('order', StageRole.CONFIRMED, StageRole.RUNNING)}",
            "done_order": f"/orders/{first('order', StageRole.DONE)}",
        }


@pytest.mark.parametrize("email", READERS)
def test_every_page_is_sound(
    woodhut: Site, visit: Visit, records: dict[str, str], email: str, watched: Watched
) -> None:
    reader = person(woodhut, email)
    desk = visit(reader, "/healthz", color_scheme="light", reduced_motion="reduce")
    phone = visit(reader, "/healthz", color_scheme="dark", reduced_motion="reduce", viewport=PHONE, has_touch=True)
    broken: list[str] = []
    for path in (pattern.format(**records) for pattern in READERS[email]):
        answer = desk.goto(path)
        if answer is None or answer.status != (404 if path == "/nowhere" else 200):
            broken.append(f"{path}: {answer and answer.status}")
            continue
        broken += [f"{path}: {said}" for said in complaints(desk)]
        phone.goto(path)
        broken += [f"{path} (dark, phone): {said}" for said in complaints(phone, contrast_only=True)]
        wide = phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            broken.append(f"{path} (phone): {wide} px too wide")
    watched.forget("404")  # the one that was asked for
    assert broken == []


def test_the_picture_of_the_readme(woodhut: Site, visit: Visit, tmp_path: Path) -> None:
    """Five columns of the ticket board; kept in docs/images when asked for."""
    page = visit(person(woodhut, "marc@woodhut.example"), "/tickets", viewport={"width": 1440, "height": 900})
    page.get_by_role("article").first.wait_for()
    page.evaluate("document.fonts.ready")
    folder = PICTURES if os.environ.get("LOOPWRIGHT_SCREENSHOTS") else tmp_path
    page.screenshot(path=folder / "board.png")
    assert (folder / "board.png").stat().st_size > 20_000


def person(site: Site, email: str) -> Person | None:
    if not email:
        return None
    with site.inside():
        return db.session.scalars(select(Person).where(Person.email == email)).one()


def complaints(page: Page, *, contrast_only: bool = False) -> list[str]:
    """What axe finds serious or worse, one line each."""
    options = {"runOnly": ["color-contrast"]} if contrast_only else None
    found = Axe().run(page, options=options)
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
