"""The door in a real browser: the names of the contract, a session that ends while somebody types, and axe."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import update

from app.foundation.clock import now
from app.foundation.db import transaction
from app.foundation.sessions import BrowserSession
from app.people.first_admin import first_link
from app.people.models import Person
from tests.browser.conftest import Site, Visit, Watched
from tests.factories import make_person
from tests.visitors import PASSWORD, PASSWORD_HASH


@pytest.fixture(scope="module")
def marc(site: Site) -> Person:
    with site.inside():
        return make_person("Marc", password_hash=PASSWORD_HASH)


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def must_be_accessible(page: Page) -> None:
    found = Axe().run(page)
    serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert serious == [], found.generate_report()


def test_the_first_administrator_comes_in_by_a_link(site: Site, visit: Visit) -> None:
    with site.inside():
        link = first_link()
    page = visit(None, link or "/never")
    expect(page).to_have_url(re.compile("/first$"))
    must_be_accessible(page)
    page.get_by_role("textbox", name="Company").fill("Wood Hut")
    page.get_by_role("textbox", name="Your name").fill("Ada Admin")
    page.get_by_role("textbox", name="Email").fill("ada@woodhut.example")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page).to_have_url(re.compile("/$"))


def test_in_and_out(marc: Person, visit: Visit, watched: Watched) -> None:
    page = visit(None, "/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    must_be_accessible(page)
    sign_in(page, marc.email, "not this one")
    expect(page.get_by_role("alert")).to_contain_text("E-mail address or password is not right")
    expect(page.get_by_role("textbox", name="Email")).to_have_value(marc.email)
    must_be_accessible(page)
    sign_in(page, marc.email)
    expect(page).to_have_url(re.compile("/account$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Marc Demo")
    must_be_accessible(page)
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    watched.errors[:] = [e for e in watched.errors if "401" not in e]


def test_what_is_typed_when_the_session_ends_is_there_after_signing_in(
    site: Site, marc: Person, visit: Visit, watched: Watched
) -> None:
    page = visit(marc, "/account")
    with site.inside(), transaction(by=None, source="session") as tx:
        tx.session.execute(update(BrowserSession).values(seen_at=now() - timedelta(hours=1)))
    page.get_by_label("Time zone").select_option("Europe/Vienna")
    page.get_by_role("main").get_by_role("button", name="Save").click()
    sign_in(page, marc.email)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your text is here")
    must_be_accessible(page)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Vienna")


def test_errors_have_pages_of_their_own(marc: Person, visit: Visit, watched: Watched) -> None:
    page = visit(marc, "/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    must_be_accessible(page)
    watched.errors[:] = [e for e in watched.errors if "404" not in e]


def test_the_theme_is_kept(marc: Person, visit: Visit) -> None:
    page = visit(marc, "/account")
    page.get_by_role("main").get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    must_be_accessible(page)
