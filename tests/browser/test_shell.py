"""The frame of every page: navigation, theme, keys, and what axe says about it."""

from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.foundation.db import db, transaction
from app.helpdesk import actions
from app.people.models import Person
from tests.browser.conftest import PHONE, Site, Visit
from tests.factories.people import make_person
from tests.factories.tickets import make_helpdesk_team


@pytest.fixture(scope="module")
def marc(site: Site) -> SimpleNamespace:
    with site.inside():
        person_id = make_person("Marc").id
        team = make_helpdesk_team()
        with transaction(by=None, source="test"):
            marc = db.session.get_one(Person, person_id)
            ticket = actions.open_ticket(
                title="Coat rack wobbles",
                team_id=team.id,
                by=marc,
                tags="stability",
                priority=2,
                responsible_id=marc.id,
            )
            ticket.blocked_reason = (
                "Waits for a delivery that was promised for the week after next, or the one after it"
            )
        return SimpleNamespace(id=person_id, number=ticket.number)


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/tickets", "/tickets?view=list", "/patterns", "/tickets/{number}/move"])
def test_axe_finds_nothing_serious(marc: SimpleNamespace, visit: Visit, path: str, scheme: str) -> None:
    page = visit(marc, path.format(number=marc.number), color_scheme=scheme)
    assert serious(page) == []


def test_axe_finds_nothing_serious_in_what_opens(marc: SimpleNamespace, visit: Visit) -> None:
    page = visit(marc, "/tickets")
    page.locator("#board[data-ready]").wait_for()
    page.get_by_role("button", name=f"Move {marc.number}").click()
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add to New").click()
    page.get_by_role("button", name="Add filter").click()
    assert serious(page) == []


def test_the_theme_is_kept_and_known_to_the_first_byte(marc: SimpleNamespace, visit: Visit) -> None:
    page = visit(marc, "/tickets")
    page.get_by_text("Marc Demo").first.click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    answer = page.request.get("/tickets")
    assert '<html lang="en" data-theme="dark">' in answer.text()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") in ("dark", "normal")


def test_the_loop_is_reached_on_a_phone_with_and_without_scripts(marc: SimpleNamespace, visit: Visit) -> None:
    for scripts in (True, False):
        page = visit(marc, "/tickets", viewport=PHONE, java_script_enabled=scripts)
        expect(page.get_by_role("link", name="Quality alerts")).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        nav = page.get_by_role("navigation", name="Main")
        for name in ("My work", "Tickets", "Quality alerts", "Changes", "Bills of materials", "Orders"):
            expect(nav.get_by_role("link", name=name)).to_be_visible()
        nav.get_by_role("link", name="Quality alerts").click()
        expect(page).to_have_url(f"{page.url.partition('/alerts')[0]}/alerts")


def test_nothing_comes_from_elsewhere(marc: SimpleNamespace, visit: Visit, site: Site) -> None:
    page = visit(marc, "/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/tickets")
    page.locator("#board[data-ready]").wait_for()
    assert asked
    assert [url for url in asked if not url.startswith((site.url, "data:"))] == []


def test_a_long_reason_stays_inside_its_card(marc: SimpleNamespace, visit: Visit) -> None:
    page = visit(marc, "/tickets")
    card = page.get_by_role("article", name=marc.number)
    outer, face = card.bounding_box(), card.get_by_title("Marc Demo").bounding_box()
    assert outer is not None
    assert face is not None
    assert face["x"] + face["width"] <= outer["x"] + outer["width"]
