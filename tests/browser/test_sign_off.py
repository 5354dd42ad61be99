"""Signing in the browser: the dialog of a move, a wrong password, a rejection, and a rebase by keyboard."""

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.bom import actions as boms
from app.bom.models import BomLine, BomRevision
from app.foundation.db import db, transaction
from app.people.models import Person
from app.plm import actions
from app.plm.models import ApproverKind, EcoType
from tests.browser.conftest import PHONE, Site, Visit, Watched
from tests.factories import (
    PASSWORD_PROOF,
    make_coat_rack,
    make_eco,
    make_eco_type,
    make_person,
    move_to,
    sheet_hash,
    stage_named,
    start_revision,
)
from tests.visitors import PASSWORD, PASSWORD_HASH


@pytest.fixture(scope="module")
def people(site: Site) -> dict[str, Any]:
    with site.inside():
        joe = make_person("Joe", password_hash=PASSWORD_HASH)
        jose = make_person("Jose", password_hash=PASSWORD_HASH)
        kind = make_eco_type({"Approved": [(jose, ApproverKind.REQUIRED)]}, name="Product improvement")
        return {"joe": SimpleNamespace(id=joe.id), "jose": SimpleNamespace(id=jose.id), "kind": kind.id}


def there(people: dict[str, Any]) -> tuple[Person, Person, EcoType]:
    """Joe, Jose and the type, for actions."""
    joe, jose = (db.session.get_one(Person, people[name].id) for name in ("joe", "jose"))
    return joe, jose, db.session.get_one(EcoType, people["kind"])


@pytest.fixture
def in_review(site: Site, people: dict[str, Any]) -> Callable[[str], str]:
    def make(title: str) -> str:
        with site.inside():
            rack = make_coat_rack()
            joe, _jose, kind = there(people)
            return make_eco(rack, kind, by=joe, title=title, stage="Review").number

    return make


def sign(page: Page, password: str) -> None:
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Approve and apply").click()


def test_the_move_to_approved_is_signed_in_a_dialog(
    visit: Visit, people: dict[str, Any], in_review: Callable[[str], str], watched: Watched
) -> None:
    number = in_review("Support rod")
    page = visit(people["jose"], "/ecos")
    page.get_by_role("button", name=f"Move {number}").click()
    page.get_by_role("menuitem", name="Move to Approved").click()
    dialog = page.get_by_role("dialog", name="Approve and make V2 current")
    expect(dialog).to_be_visible()
    expect(page.get_by_role("region", name="Review").get_by_role("article", name=number)).to_be_visible()
    sign(page, "not this one")
    expect(dialog.get_by_role("alert")).to_contain_text("This is not your password")
    watched.errors.clear()  # 422 and 403 are what they should be
    sign(page, PASSWORD)
    expect(page.get_by_role("region", name="Approved").get_by_role("article", name=number)).to_be_visible()
    expect(dialog).not_to_be_visible()
    page.get_by_role("link", name="Support rod", exact=True).click()
    expect(page.get_by_role("region", name="Approvals")).to_contain_text("approved")
    page.get_by_role("link", name="Revision V2").click()
    expect(page.get_by_text("Current", exact=True).first).to_be_visible()


def test_escape_leaves_everything_as_it_was(
    visit: Visit, people: dict[str, Any], in_review: Callable[[str], str], watched: Watched
) -> None:
    number = in_review("Longer dowel")
    page = visit(people["jose"], f"/ecos/{number}")
    page.get_by_role("form", name="Stage").get_by_role("button", name="Approved").click()
    dialog = page.get_by_role("dialog", name="Approve and make V2 current")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page.get_by_role("form", name="Stage").get_by_role("button", name="Review")).to_have_attribute(
        "aria-current", "step"
    )
    watched.errors.clear()


def test_a_rejection_on_a_phone_goes_back_with_its_reason(
    visit: Visit, people: dict[str, Any], in_review: Callable[[str], str]
) -> None:
    number = in_review("Second coat of oil")
    page = visit(people["jose"], f"/ecos/{number}", viewport=PHONE)
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("textbox", name="Reason").fill("It smells for a week.")
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(page.get_by_role("main")).to_contain_text("Jose Mora rejected it: It smells for a week.")
    expect(page.get_by_role("form", name="Stage").get_by_role("button", name="In progress")).to_have_attribute(
        "aria-current", "step"
    )


def test_without_scripts_it_is_signed_on_a_page(
    visit: Visit, people: dict[str, Any], in_review: Callable[[str], str]
) -> None:
    number = in_review("Rubber feet")
    page = visit(people["jose"], f"/ecos/{number}", java_script_enabled=False)
    page.get_by_role("button", name="Approve", exact=True).click()
    sign(page, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Rubber feet")
    expect(page.get_by_role("form", name="Stage").get_by_role("button", name="Approved")).to_have_attribute(
        "aria-current", "step"
    )


def test_two_changes_meet_and_the_second_is_rebased_by_keyboard(
    site: Site, visit: Visit, people: dict[str, Any]
) -> None:
    with site.inside():
        rack = make_coat_rack()
        joe, jose, kind = there(people)
        first, second = (make_eco(rack, kind, by=joe, title=title) for title in ("Seven dowels", "Eight dowels"))
        for eco, count in ((first, 7), (second, 8)):
            start_revision(eco, by=joe)
            with transaction(by=joe):
                draft = db.session.scalars(select(BomRevision).where(BomRevision.eco_id == eco.id)).unique().one()
                lines = db.session.scalars(select(BomLine).where(BomLine.revision_id == draft.id)).unique()
                dowel = next(line for line in lines if line.component.name == "Wooden dowel")
                boms.change_component(dowel, quantity=Decimal(count), by=joe)
        move_to(first, "Review", by=joe)
        with transaction(by=jose):
            to = stage_named(first, "Approved").id
            actions.enter_and_apply(first, to_id=to, by=jose, proof=PASSWORD_PROOF, seen=sheet_hash(first))
        number = second.number
    page = visit(people["joe"], f"/ecos/{number}")
    expect(page.get_by_text("The bill of materials changed while you worked.")).to_be_visible()
    page.get_by_role("radio", name="Wooden dowel: 7 unit").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Wooden dowel: 8 unit")).to_be_checked()
    page.get_by_role("button", name="Rebase").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The bill of materials changed while you worked.")).not_to_be_visible()
    expect(page.get_by_role("region", name="BoM changes")).to_contain_text("8 unit")


def test_a_change_is_opened_and_its_revision_started(site: Site, visit: Visit, people: dict[str, Any]) -> None:
    with site.inside():
        make_coat_rack(name="Hall stand")
    page = visit(people["joe"], "/ecos/new")
    page.get_by_role("textbox", name="Title").fill("A rod for the hall stand")
    page.get_by_role("combobox", name="Type").select_option("Product improvement")
    page.get_by_role("combobox", name="Product").select_option("Hall stand")
    page.get_by_role("button", name="Create ECO").click()
    page.get_by_role("button", name="Start revision").click()
    expect(page.get_by_role("link", name="Revision V2")).to_be_visible()
    for region in ("BoM changes", "Operation changes", "Approvals", "Impact"):
        expect(page.get_by_role("region", name=region)).to_be_visible()
    for region in ("Conversation", "Loop", "History"):
        expect(page.get_by_role("region", name=region)).to_be_visible()
