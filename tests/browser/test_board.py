"""Moving cards in a real browser: by mouse, by touch, by menu, by keyboard, and without scripts."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.foundation.db import db, transaction
from app.helpdesk import actions
from app.people.models import Person
from app.traits.board.actions import place, stages_of
from app.traits.board.models import Stage
from app.traits.record import Record
from tests.browser.conftest import PHONE, Site, Visit, Watched
from tests.factories.people import make_person
from tests.factories.tickets import board_of, make_helpdesk_team

COLUMNS = ("New", "In progress", "Waiting on customer", "Solved")


class Crew:
    """A team with its board, and three tickets in New: Bench above Chair above Desk."""

    def __init__(self, site: Site, **limits: int) -> None:
        self.site = site
        with site.inside():
            self.marc, self.julie = (SimpleNamespace(id=make_person(name).id) for name in ("Marc", "Julie"))
            team = make_helpdesk_team()
            board = board_of(team)
            self.team_id, self.slug, self.board_id = team.id, board.slug, board.id
            self.stages = {stage.name: stage.id for stage in stages_of(board.id)}
            if limits:
                with transaction(by=None, source="test") as tx:
                    for name, limit in limits.items():
                        stage = tx.session.get_one(Stage, self.stages[name])
                        stage.wip_limit, stage.hard_limit = limit, True
        self.numbers = {title: self.add(title) for title in ("Desk drawer", "Chair leg", "Bench top")}
        self.address = f"/tickets?team={self.slug}"

    def add(self, title: str, stage: str = "New", **fields: Any) -> str:
        with self.site.inside(), transaction(by=None, source="test") as tx:
            marc = tx.session.get_one(Person, self.marc.id)
            entered = tx.session.get_one(Stage, self.stages[stage])
            ticket = actions.open_ticket(title=title, team_id=self.team_id, by=marc, stage=entered, **fields)
            return ticket.number

    def move(self, title: str, stage: str) -> None:
        """Julie moves a card meanwhile."""
        with self.site.inside(), transaction(by=None, source="test") as tx:
            by = tx.session.get_one(Person, self.julie.id)
            record = db.session.query(Record).filter_by(number=self.numbers[title]).one()
            place(record, to=tx.session.get_one(Stage, self.stages[stage]), before=None, after=None, by=by)

    def stage_of(self, title: str) -> str:
        with self.site.inside():
            return db.session.query(Stage.name).join(Record).filter(Record.number == self.numbers[title]).scalar()

    def order(self, stage: str) -> list[str]:
        with self.site.inside():
            found = db.session.query(Record.title).filter_by(stage_id=self.stages[stage])
            return [row[0].split()[0] for row in found.order_by(Record.rank, Record.id)]


@pytest.fixture
def crew(site: Site) -> Crew:
    return Crew(site)


def column(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def card(page: Page, title: str) -> Locator:
    return page.get_by_role("article", name=title)


def ready(page: Page) -> Page:
    page.locator("#board[data-ready]").wait_for()
    return page


def drag(page: Page, what: Locator, to: Locator, *, at: str = "middle") -> None:
    """As a hand does it: press, go there in steps, let go."""
    start, end = what.bounding_box(), to.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    y = {"top": end["y"] + 6, "middle": end["y"] + end["height"] / 2, "bottom": end["y"] + end["height"] - 6}[at]
    page.mouse.move(start["x"] + start["width"] / 2 + 12, start["y"] + start["height"] / 2 + 12, steps=4)
    page.mouse.move(end["x"] + end["width"] / 2, y, steps=12)
    page.mouse.move(end["x"] + end["width"] / 2 + 3, y, steps=3)
    page.mouse.up()


def test_the_board_is_named_as_the_contract_says(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    for name, count in zip(COLUMNS, ("3", "0", "0", "0"), strict=True):
        expect(column(page, name).get_by_role("heading", level=2)).to_have_text(re.compile(rf"{name}\s*{count}"))
    article = page.get_by_role("article", name=f"{crew.numbers['Bench top']} Bench top")
    expect(article.get_by_role("link", name="Bench top")).to_have_attribute(
        "href", f"/tickets/{crew.numbers['Bench top']}"
    )
    expect(article.get_by_role("button", name=f"Move {crew.numbers['Bench top']}")).to_be_visible()
    expect(column(page, "New").get_by_role("button", name="Add to New")).to_be_visible()


def test_a_card_is_dragged_to_another_stage_by_mouse(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    with page.expect_response("**/moves*") as answer:
        drag(page, card(page, "Bench top"), column(page, "In progress"))
    assert answer.value.status == 200
    expect(column(page, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    expect(column(page, "In progress").get_by_role("heading", level=2)).to_have_text(re.compile(r"In progress\s*1"))
    expect(column(page, "New").get_by_role("heading", level=2)).to_have_text(re.compile(r"New\s*2"))
    expect(page.locator("#said")).to_contain_text("moved to In progress. 1 of 1.")
    assert crew.stage_of("Bench top") == "In progress"


def test_a_card_is_dragged_inside_its_stage(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    assert crew.order("New") == ["Bench", "Chair", "Desk"]
    with page.expect_response("**/moves*"):
        drag(page, card(page, "Bench top"), card(page, "Desk drawer"), at="bottom")
    expect(page.locator("#said")).to_contain_text("moved inside New")
    assert crew.order("New") == ["Chair", "Desk", "Bench"]


def test_a_folded_stage_takes_a_card_and_stays_folded(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    with page.expect_response("**/moves*"):
        drag(page, card(page, "Chair leg"), column(page, "Solved"))
    expect(column(page, "Solved").get_by_role("heading", level=2)).to_have_text(re.compile(r"Solved\s*1"))
    expect(card(page, "Chair leg")).to_have_count(0)
    assert crew.stage_of("Chair leg") == "Solved"
    column(page, "Solved").get_by_role("link").click()
    expect(column(page, "Solved").get_by_role("article", name="Chair leg")).to_be_visible()


def test_dragging_never_opens_the_card(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    with page.expect_response("**/moves*"):
        drag(page, card(page, "Bench top").get_by_role("link"), column(page, "In progress"))
    expect(page).to_have_url(re.compile(r"/tickets\?team="))


def test_a_card_is_dragged_by_touch(crew: Crew, visit: Visit) -> None:
    page = ready(
        visit(crew.marc, crew.address, viewport={"width": 1024, "height": 768}, has_touch=True, is_mobile=True)
    )
    grip = card(page, "Bench top").get_by_role("button", name="Move")
    box, end = grip.bounding_box(), column(page, "In progress").bounding_box()
    assert box is not None
    assert end is not None
    assert min(box["width"], box["height"]) >= 44
    finger = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    to_x, to_y = end["x"] + end["width"] / 2, end["y"] + 90

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": px, "y": py} for px, py in points]}
        )

    with page.expect_response("**/moves*") as answer:
        touch("touchStart", (x, y))
        for step in range(1, 16):
            touch("touchMove", (x + (to_x - x) * step / 15, y + (to_y - y) * step / 15))
            page.wait_for_timeout(20)
        touch("touchEnd")
    assert answer.value.status == 200
    expect(column(page, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    assert crew.stage_of("Bench top") == "In progress"


def test_a_finger_that_scrolls_moves_no_card(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address, viewport=PHONE, has_touch=True, is_mobile=True))
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    box = card(page, "Bench top").bounding_box()
    assert box is not None
    finger = page.context.new_cdp_session(page)
    x, y = box["x"] + 60, box["y"] + 30
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 12):
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x - step * 12, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)
    assert posts == []
    assert crew.order("New") == ["Bench", "Chair", "Desk"]


def test_the_menu_moves_a_card(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    number = crew.numbers["Chair leg"]
    page.get_by_role("button", name=f"Move {number}").click()
    menu = page.get_by_role("menu", name=f"Move {number}")
    expect(menu.get_by_role("menuitem", name="Move to New")).to_be_disabled()
    menu.get_by_role("menuitem", name="Move to In progress").click()
    expect(column(page, "In progress").get_by_role("article", name="Chair leg")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text=f"{number} moved to In progress").first).to_be_attached()
    assert crew.stage_of("Chair leg") == "In progress"


def test_the_menu_moves_a_card_up_and_down(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    for item, order in (("Move up", ["Chair", "Bench", "Desk"]), ("Move down", ["Bench", "Chair", "Desk"])):
        page.get_by_role("button", name=f"Move {crew.numbers['Chair leg']}").click()
        with page.expect_response("**/moves*"):
            page.get_by_role("menuitem", name=item).click()
        assert crew.order("New") == order
    page.get_by_role("button", name=f"Move {crew.numbers['Bench top']}").click()
    expect(page.get_by_role("menuitem", name="Move up")).to_be_disabled()


def test_undo_puts_the_card_back_where_it_was(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    page.get_by_role("button", name=f"Move {crew.numbers['Chair leg']}").click()
    page.get_by_role("menuitem", name="Move to Waiting on customer").click()
    page.get_by_role("button", name="Undo").click()
    expect(column(page, "New").get_by_role("article", name="Chair leg")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("moved to New")
    assert crew.order("New") == ["Bench", "Chair", "Desk"]


def test_the_keyboard_walks_moves_and_lifts(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    card(page, "Bench top").get_by_role("link").focus()
    page.keyboard.press("ArrowDown")
    expect(card(page, "Chair leg").get_by_role("link")).to_be_focused()
    with page.expect_response("**/moves*"):
        page.keyboard.press("Shift+ArrowRight")
    expect(column(page, "In progress").get_by_role("article", name="Chair leg")).to_be_visible()
    expect(card(page, "Chair leg").get_by_role("link")).to_be_focused()
    with page.expect_response("**/moves*"):
        page.keyboard.press("Shift+ArrowLeft")
    expect(column(page, "New").get_by_role("article", name="Chair leg")).to_be_visible()
    with page.expect_response("**/moves*"):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#said")).to_contain_text("moved inside New")
    expect(card(page, "Chair leg").get_by_role("link")).to_be_focused()
    before = crew.order("New")
    page.keyboard.press("Space")
    expect(page.locator("#said")).to_contain_text("is lifted")
    page.keyboard.press("ArrowRight")
    expect(column(page, "In progress").get_by_role("article", name="Chair leg")).to_be_visible()
    page.keyboard.press("Escape")
    expect(column(page, "New").get_by_role("article", name="Chair leg")).to_be_visible()
    assert crew.order("New") == before
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    with page.expect_response("**/moves*"):
        page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("moved to In progress")
    page.keyboard.press("m")
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()
    assert crew.stage_of("Chair leg") == "In progress"


def test_only_one_card_is_a_stop_for_the_tab_key(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    assert page.locator(".card h3 a:not([tabindex='-1'])").count() == 1
    page.keyboard.press("Escape")
    card(page, "Bench top").get_by_role("link").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".card h3 a[tabindex='0']").inner_text() == "Chair leg"


def test_quick_add_takes_one_title_after_the_other(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    page.get_by_role("button", name="Add to In progress").click()
    title = column(page, "In progress").get_by_role("textbox", name="Title")
    expect(title).to_be_focused()
    title.fill("Lamp flickers")
    column(page, "In progress").get_by_role("button", name="Add", exact=True).click()
    expect(column(page, "In progress").get_by_role("article", name="Lamp flickers")).to_be_visible()
    expect(title).to_have_value("")
    expect(title).to_be_focused()
    title.fill("Hinge squeaks")
    title.press("Enter")
    expect(column(page, "In progress").get_by_role("article", name="Hinge squeaks")).to_be_visible()
    title.press("Escape")
    expect(title).to_have_count(0)
    expect(page.get_by_role("button", name="Add to In progress")).to_be_focused()


def test_what_is_typed_into_quick_add_survives_a_colleagues_move(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    page.get_by_role("button", name="Add to New").click()
    title = column(page, "New").get_by_role("textbox", name="Title")
    title.fill("Half a sent")
    crew.move("Desk drawer", "In progress")
    ask(page)
    expect(column(page, "In progress").get_by_role("article", name="Desk drawer")).to_be_visible()
    expect(title).to_have_value("Half a sent")
    expect(title).to_be_focused()


def test_a_colleagues_move_shows_without_loading_the_page(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    crew.move("Desk drawer", "Waiting on customer")
    ask(page)
    expect(column(page, "Waiting on customer").get_by_role("article", name="Desk drawer")).to_be_visible()
    expect(column(page, "New").get_by_role("heading", level=2)).to_have_text(re.compile(r"New\s*2"))
    expect(page.locator("#toasts")).to_contain_text("Julie Andreson moved")


def test_nothing_moves_under_a_finger_that_drags(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/changes" in request.url else None)
    box = card(page, "Bench top").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 80, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60, steps=6)
    crew.move("Desk drawer", "In progress")
    ask(page)
    page.wait_for_timeout(500)
    assert polls == []
    expect(column(page, "New").get_by_role("article", name="Desk drawer")).to_be_visible()
    page.mouse.up()
    expect(column(page, "In progress").get_by_role("article", name="Desk drawer")).to_be_visible()


def test_two_people_who_move_the_same_card_see_the_same_board(crew: Crew, visit: Visit, watched: Watched) -> None:
    first, second = ready(visit(crew.marc, crew.address)), ready(visit(crew.marc, crew.address))
    first.get_by_role("button", name=f"Move {crew.numbers['Bench top']}").click()
    first.get_by_role("menuitem", name="Move to In progress").click()
    expect(column(first, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    second.get_by_role("button", name=f"Move {crew.numbers['Bench top']}").click()
    with second.expect_response("**/moves*") as answer:
        second.get_by_role("menuitem", name="Move to Waiting on customer").click()
    assert answer.value.status == 409
    expect(column(second, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    expect(second.get_by_role("alert").filter(has_text="moved")).to_contain_text("Marc Demo moved")
    assert crew.stage_of("Bench top") == "In progress"
    watched.forget("409")


def test_a_full_stage_refuses_and_says_why(site: Site, visit: Visit, watched: Watched) -> None:
    crew = Crew(site, **{"In progress": 1})
    crew.move("Desk drawer", "In progress")
    page = ready(visit(crew.marc, crew.address))
    with page.expect_response("**/moves*") as answer:
        drag(page, card(page, "Bench top"), column(page, "In progress"))
    assert answer.value.status == 422
    expect(column(page, "New").get_by_role("article", name="Bench top")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="full")).to_contain_text("In progress is full: 1 of 1.")
    assert crew.stage_of("Bench top") == "New"
    watched.forget("422")


def test_a_colleague_without_the_right_is_told_so(crew: Crew, visit: Visit, watched: Watched) -> None:
    page = ready(visit(crew.julie, crew.address))
    page.get_by_role("button", name=f"Move {crew.numbers['Bench top']}").click()
    with page.expect_response("**/moves*") as answer:
        page.get_by_role("menuitem", name="Move to In progress").click()
    assert answer.value.status == 403
    expect(page.get_by_role("alert").filter(has_text="right")).to_be_visible()
    expect(column(page, "New").get_by_role("article", name="Bench top")).to_be_visible()
    expect(page.get_by_role("button", name="Add to New")).to_have_count(0)
    watched.forget("403")


def test_a_move_that_is_lost_goes_back_and_can_be_sent_again(crew: Crew, visit: Visit, watched: Watched) -> None:
    page = ready(visit(crew.marc, crew.address))
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(str(route.request.post_data))
        route.abort()

    page.route("**/moves*", lose)
    drag(page, card(page, "Bench top"), column(page, "In progress"))
    expect(page.get_by_role("alert").filter(has_text="Not saved")).to_be_visible()
    expect(column(page, "New").get_by_role("article", name="Bench top")).to_be_visible()
    page.unroute("**/moves*")
    with page.expect_request("**/moves*") as again:
        page.get_by_role("button", name="Try again").click()
    op = re.compile(r"op=([\w-]+)")
    assert op.search(str(again.value.post_data))[1] == op.search(sent[0])[1]  # type: ignore[index]
    expect(column(page, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    watched.forget("ERR_FAILED", "htmx")


def test_many_quick_moves_are_all_kept(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    card(page, "Chair leg").get_by_role("link").focus()
    for key in ("ArrowRight", "ArrowLeft") * 5:
        page.keyboard.press(f"Shift+{key}")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#said")).to_contain_text("moved to In progress")
    page.wait_for_load_state("networkidle")
    expect(column(page, "In progress").get_by_role("article", name="Chair leg")).to_be_visible()
    assert crew.stage_of("Chair leg") == "In progress"


def test_load_more_adds_cards_below_and_keeps_the_place(crew: Crew, visit: Visit) -> None:
    for n in range(25):
        crew.add(f"Order number {n}")
    page = ready(visit(crew.marc, crew.address))
    expect(column(page, "New").get_by_role("article")).to_have_count(20)
    expect(column(page, "New").get_by_role("heading", level=2)).to_have_text(re.compile(r"New\s*28"))
    column(page, "New").get_by_role("link", name="Load more").click()
    expect(column(page, "New").get_by_role("article")).to_have_count(28)
    expect(column(page, "New").get_by_role("link", name="Load more")).to_have_count(0)
    expect(column(page, "New").get_by_role("article").nth(20).get_by_role("link")).to_be_focused()
    card(page, "Desk drawer").get_by_role("link").focus()
    with page.expect_response("**/moves*"):
        page.keyboard.press("Shift+ArrowUp")
    expect(page.locator("#said")).to_contain_text("moved inside New")
    expect(column(page, "New").get_by_role("article")).to_have_count(28)


def test_everything_works_without_scripts(crew: Crew, visit: Visit, watched: Watched) -> None:
    page = visit(crew.marc, crew.address, java_script_enabled=False)
    number = crew.numbers["Bench top"]
    page.get_by_role("button", name=f"Move {number}").click()
    expect(page).to_have_url(re.compile(rf"/tickets/{number}/move"))
    page.get_by_role("button", name="Move to In progress").click()
    expect(column(page, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    page.get_by_role("button", name="Add to New").click()
    page.get_by_role("textbox", name="Title").fill("By hand")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(column(page, "New").get_by_role("article", name="By hand")).to_be_visible()
    page.get_by_role("button", name=f"Move {crew.numbers['Desk drawer']}").click()
    crew.move("Desk drawer", "Waiting on customer")
    page.get_by_role("button", name="Move to In progress").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Julie moved this card first")
    assert crew.stage_of("Desk drawer") == "Waiting on customer"
    page.get_by_role("button", name="Move it to In progress anyway").click()
    expect(column(page, "In progress").get_by_role("article", name="Desk drawer")).to_be_visible()
    watched.forget("409")


def test_filters_live_in_the_address_and_survive_a_move(crew: Crew, visit: Visit) -> None:
    page = ready(visit(crew.marc, crew.address))
    page.get_by_role("searchbox").fill("bench")
    page.get_by_role("searchbox").press("Enter")
    expect(page).to_have_url(re.compile("q=bench"))
    ready(page)
    expect(column(page, "New").get_by_role("article")).to_have_count(1)
    page.get_by_role("button", name=f"Move {crew.numbers['Bench top']}").click()
    page.get_by_role("menuitem", name="Move to In progress").click()
    expect(column(page, "In progress").get_by_role("article", name="Bench top")).to_be_visible()
    expect(column(page, "New").get_by_role("article")).to_have_count(0)
    page.get_by_role("link", name="Clear").click()
    expect(column(page, "New").get_by_role("article")).to_have_count(2)


@pytest.mark.parametrize("width", [320, 390, 834, 1280, 1440])
def test_the_page_never_scrolls_sideways(crew: Crew, visit: Visit, width: int) -> None:
    page = ready(visit(crew.marc, crew.address, viewport={"width": width, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def ask(page: Page) -> None:
    """Let the page ask now what changed, rather than in ten seconds."""
    page.evaluate("htmx.trigger(document.body, 'board-changed')")
