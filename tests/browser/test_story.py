"""The story that must always work, played in a browser by its people, found by the names that are promised to them.

Wood Hut's coat rack falls with more than five coats: Abigail writes, Marc raises an alert, Julie decides, Joe draws V2,
Jose signs it into force, and the next order is built to it. Each step of the story is a number of the quality chapter.
"""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app import demo
from app.foundation import clock
from tests.browser.conftest import PHONE, Site, Watched

TITLE = "Coat rack falls with more than five coats"


@pytest.fixture(scope="module")
def woodhut(site: Site) -> Site:
    with site.inside():
        demo.load()
    return site


def test_story_of_the_coat_rack(woodhut: Site, chromium: Browser, watched: Watched) -> None:
    def browser(**options: object) -> Page:
        context = chromium.new_context(base_url=woodhut.url, **{"viewport": {"width": 1440, "height": 900}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        page = context.new_page()
        watched.watch(page)
        return page

    def signed_in(email: str) -> Page:
        page = browser()
        page.goto("/login")
        page.get_by_role("textbox", name="Email").fill(email)
        page.get_by_label("Password").fill(demo.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    # 0.1 Abigail writes, on her phone
    abigail = browser(viewport=PHONE)
    abigail.goto("/help/customer-care")
    abigail.get_by_role("textbox", name="Your name").fill("Abigail Peterson")
    abigail.get_by_role("textbox", name="Email").fill("abigail@customer.example")
    abigail.get_by_role("textbox", name="Subject").fill(TITLE)
    abigail.get_by_role("textbox", name="What happened?").fill("With the sixth coat it leans, then falls.")
    abigail.get_by_role("combobox", name="Product").select_option(label="Coat rack")
    abigail.get_by_role("textbox", name="Serial number").fill("CR-0007")
    abigail.get_by_role("button", name="Send").click()
    thanks = abigail.get_by_role("heading", level=1)
    expect(thanks).to_contain_text("Thank you")
    found = re.search(r"T-\d{4,}", abigail.locator("body").inner_text())
    assert found is not None
    ticket = found[0]

    # 0.2 Marc finds it in New and raises an alert for the quality team
    marc = signed_in("marc@woodhut.example")
    marc.goto("/tickets")
    card = marc.get_by_role("region", name="New").get_by_role("article", name=ticket)
    expect(card).to_contain_text("Coat rack")
    card.get_by_role("link", name=TITLE).click()
    expect(marc.get_by_role("heading", level=1)).to_have_text(TITLE)
    expect(marc.locator("main")).to_contain_text("CR-0007")
    marc.get_by_role("link", name="Raise quality alert").or_(
        marc.get_by_role("button", name="Raise quality alert")
    ).first.click()
    marc.get_by_role("textbox", name="Title").fill("Coat rack tips over")
    marc.get_by_role("combobox", name="Team").select_option(label="Production Quality Team")
    marc.get_by_role("combobox", name="Responsible").select_option(label="Julie Andreson")
    marc.get_by_role("button", name="Create alert").click()
    marc.wait_for_url("**/alerts/QA-*")
    alert = marc.url.rsplit("/", 1)[1]
    expect(marc.get_by_role("region", name="Loop").get_by_role("link", name=ticket).first).to_be_visible()

    # 0.3 Julie is told, notes the corrective action and asks for Joe
    julie = signed_in("julie@woodhut.example")
    julie.goto("/")
    expect(julie.locator("main")).to_contain_text(alert)
    julie.goto(f"/alerts/{alert}")
    julie.get_by_role("tab", name="Corrective").click()
    julie.get_by_role("textbox", name="Add a corrective action").fill("Add a metal support rod between the base rails")
    julie.get_by_role("button", name="Add", exact=True).click()
    expect(julie.locator("main")).to_contain_text("Add a metal support rod between the base rails")
    talk = julie.get_by_role("region", name="Conversation")
    talk.get_by_role("textbox", name="Message").fill("@Joe Kazan the base rails flex. We need a rod in the BoM.")
    talk.get_by_role("button", name="Post note").click()
    expect(talk).to_contain_text("the base rails flex")

    # 0.4 Joe finds the mention and raises an ECO from the alert
    joe = signed_in("joe@woodhut.example")
    joe.goto("/")
    expect(joe.locator("main")).to_contain_text("the base rails flex")
    joe.goto(f"/alerts/{alert}")
    joe.get_by_role("link", name="Raise ECO").or_(joe.get_by_role("button", name="Raise ECO")).first.click()
    joe.get_by_role("textbox", name="Title").fill("Support rod, so the rack holds six coats")
    joe.get_by_role("combobox", name="Type").select_option(label="Product improvement")
    choose(joe, "Product", "Coat rack")
    joe.get_by_role("button", name="Create ECO").click()
    joe.wait_for_url("**/ecos/ECO-*")
    eco = joe.url.rsplit("/", 1)[1]

    # 0.11 prepared: an order confirmed before the change keeps V1
    early = order(joe, quantity="5")
    joe.get_by_role("button", name="Confirm").click()
    expect(joe.locator("main")).to_contain_text("BoM V1")

    # 0.5, 0.6 Joe starts the revision and adds the rod and its operation; V2 is not released
    joe.goto(f"/ecos/{eco}")
    joe.get_by_role("button", name="Start revision").click()
    joe.get_by_role("link", name="Revision V2").click()
    expect(joe.get_by_text("Not released").first).to_be_visible()
    joe.get_by_role("button", name="Add component").click()
    choose(joe, "Component", "Metal support rod")
    joe.get_by_role("textbox", name="Quantity").last.fill("1")
    joe.get_by_role("button", name="Save").last.click()
    expect(joe.get_by_role("table", name="Components")).to_contain_text("Metal support rod")
    joe.get_by_role("button", name="Add operation").click()
    joe.get_by_role("textbox", name="Operation").last.fill("Install support rod")
    choose(joe, "Work centre", "Assembly bench")
    joe.get_by_role("textbox", name="Minutes").last.fill("4")
    joe.get_by_role("button", name="Save").last.click()
    expect(joe.get_by_role("table", name="Operations")).to_contain_text("Install support rod")
    joe.goto(f"/ecos/{eco}")
    expect(joe.get_by_role("region", name="BoM changes")).to_contain_text("Metal support rod")
    expect(joe.get_by_role("region", name="Operation changes")).to_contain_text("Install support rod")
    joe.goto("/boms/COAT-RACK")
    expect(current(joe)).to_contain_text("V1")
    draft_time = order(joe, quantity="2")
    expect(joe.locator("main")).to_contain_text("BoM V1")

    # 0.8 ready for review
    joe.goto(f"/ecos/{eco}")
    talk = joe.get_by_role("region", name="Conversation")
    talk.get_by_role("textbox", name="Message").fill("@Jose Mora ready for review, it held eight coats for 48 hours.")
    talk.get_by_role("button", name="Post note").click()
    expect(talk).to_contain_text("ready for review")
    joe.goto("/ecos?type=improvement")
    move(joe, eco, "Review")
    expect(joe.get_by_role("region", name="Review").get_by_role("article", name=eco)).to_be_visible()

    # 0.9 Jose drags it to Approved, signs, and V2 is current
    jose = signed_in("jose@woodhut.example")
    jose.goto("/")
    expect(jose.locator("main")).to_contain_text(eco)
    jose.goto("/ecos?type=improvement")
    card = jose.get_by_role("region", name="Review").get_by_role("article", name=eco)
    drag(jose, card.get_by_role("link", name="Support rod"), jose.get_by_role("region", name="Approved"))
    dialog = jose.get_by_role("dialog", name="Approve and make V2 current")
    expect(dialog).to_be_visible()
    expect(jose.get_by_role("region", name="Review").get_by_role("article", name=eco)).to_have_count(1)
    watched.forget("422")  # the refused drop that asks for the signature
    dialog.get_by_label("Password").fill(demo.PASSWORD)
    dialog.get_by_role("button", name="Approve and apply").click()
    expect(jose.get_by_role("region", name="Approved").get_by_role("article", name=eco)).to_be_visible()
    jose.goto("/boms/COAT-RACK")
    expect(current(jose)).to_contain_text("V2")

    # 0.10 the next order uses it, by itself
    order(jose, quantity="10")
    expect(jose.locator("main")).to_contain_text("BoM V2")
    expect(jose.get_by_role("table", name="Components")).to_contain_text("Metal support rod")
    expect(jose.get_by_role("table", name="Work orders")).to_contain_text("Install support rod")
    jose.get_by_role("button", name="Confirm").click()
    rows = jose.get_by_role("table", name="Components").get_by_role("row")
    needed = {"Wooden pole": "10", "Wooden dowel": "60", "Wooden base": "10", "Metal support rod": "10"}
    for part, quantity in needed.items():
        expect(rows.filter(has_text=part)).to_contain_text(quantity)
    expect(jose.get_by_role("table", name="Work orders").get_by_role("row")).to_have_count(3)

    # 0.11 the early one keeps V1 and says so; the draft may still take V2
    jose.goto(f"/orders/{early}")
    expect(jose.locator("main")).to_contain_text("BoM V1")
    expect(jose.get_by_role("region", name="Newer revision")).to_contain_text("V2")
    jose.goto(f"/orders/{draft_time}")
    jose.get_by_role("button", name="Update to V2").click()
    expect(jose.get_by_role("table", name="Components")).to_contain_text("Metal support rod")

    # The loop is on every record of the way
    for person, page in ((marc, f"/tickets/{ticket}"), (julie, f"/alerts/{alert}"), (jose, f"/ecos/{eco}")):
        person.goto(page)
        loop = person.get_by_role("region", name="Loop")
        for number in (ticket, alert, eco):
            expect(loop.get_by_role("link", name=number).first).to_be_visible()


def order(page: Page, *, quantity: str) -> str:
    """A new order for the coat rack, planned for tomorrow; its number."""
    page.goto("/orders/new")
    choose(page, "Product", "Coat rack")
    page.get_by_role("textbox", name="Quantity").fill(quantity)
    page.get_by_label("Planned start").fill((clock.now() + timedelta(days=1)).date().isoformat())
    page.get_by_role("button", name="Create order").click()
    page.wait_for_url(re.compile(r"/orders/MO-\d+"))
    return page.url.rsplit("/", 1)[1]


def choose(page: Page, name: str, text: str) -> None:
    """Choose in a combobox, be it a native select or one that filters: type the full option text and take it."""
    box = page.get_by_role("combobox", name=name).last
    if box.evaluate("element => element.tagName") == "SELECT":
        box.select_option(label=text)
        return
    box.fill(text)
    option = page.get_by_role("option", name=text, exact=True)
    if option.count() and option.first.is_visible():
        option.first.click()


def current(page: Page) -> Locator:
    """The entry of the current version on a BoM page."""
    return page.get_by_role("list", name="Versions").get_by_role("listitem").filter(has_text="Current")


def move(page: Page, number: str, stage: str) -> None:
    """By the menu of the card."""
    page.get_by_role("button", name=f"Move {number}").click()
    page.get_by_role("menuitem", name=f"Move to {stage}").click()


def drag(page: Page, what: Locator, onto: Locator) -> None:
    """By the mouse, slowly enough to be seen."""
    start, end = what.bounding_box(), onto.bounding_box()
    assert start is not None and end is not None
    page.mouse.move(start["x"] + 30, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + 20, steps=4)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 120, steps=12)
    page.mouse.up()
