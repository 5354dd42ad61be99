"""The board as a page: what it shows, what it costs, quick add, more cards, and what changed since."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.foundation import clock
from app.foundation.clock import moved
from app.foundation.db import db, transaction
from app.helpdesk import actions
from app.traits.board.actions import place
from app.traits.board.models import Board, BoardChange, Stage, StageRole
from app.traits.board.queries import FIRST, MORE
from app.traits.record import Record
from tests.board.test_move import HTMX, Bench
from tests.factories.people import make_person
from tests.factories.tickets import make_helpdesk_team, make_ticket
from tests.visitors import Visitor

LIMIT = 6


@pytest.fixture
def bench(app: Flask, database: None) -> Bench:
    return Bench(app)


def fill(bench: Bench, count: int, stage: str = "New", **fields: object) -> None:
    """`count` tickets more, written by the quickest way that is still ours."""
    with transaction(by=bench.marc, source="test"):
        for n in range(count):
            actions.open_ticket(
                title=f"Ticket number {n}", team_id=bench.team.id, by=bench.marc, stage=bench.stage(stage), **fields
            )  # type: ignore[arg-type]


def articles(html: str) -> int:
    return html.count("<article")


def address(bench: Bench, more: str = "") -> str:
    return f"/tickets?team={bench.team.slug}{more}"


@pytest.mark.parametrize("path", ["", "&q=ticket", "&tag=safety&assignee=me", "&view=list"])
def test_a_board_costs_the_same_whatever_the_rows(bench: Bench, queries: list[str], path: str) -> None:
    def cost() -> list[str]:
        queries.clear()
        assert bench.visitor.get(address(bench, path)).status_code == 200
        return list(queries)

    cost()
    few = cost()
    fill(bench, 45, tags="safety", responsible_id=bench.marc.id, priority=2)
    many = cost()
    assert len(many) <= LIMIT, many
    assert len(few) <= len(many) + 1


def test_twenty_cards_a_column_and_true_counts(bench: Bench) -> None:
    fill(bench, 30)
    html = bench.visitor.get(address(bench)).text
    assert articles(html) == FIRST
    assert '<data value="34">34</data>' in html
    assert "34 open" in html
    assert "Load more" in html


def test_load_more_continues_exactly_where_it_stopped(bench: Bench) -> None:
    fill(bench, FIRST + MORE)
    html = bench.visitor.get(address(bench)).text
    seen = re.findall(r'<li id="c(\d+)"', html)
    while found := re.search(r'hx-get="([^"]+/cards\?[^"]*after=[^"]+)"', html):
        html = bench.visitor.get(found[1].replace("&amp;", "&"), headers=HTMX).text
        seen += re.findall(r'<li id="c(\d+)"', html)
    wanted = select(Record.id).where(Record.stage_id == bench.stages["New"]).order_by(Record.rank, Record.id)
    assert [int(i) for i in seen] == list(db.session.scalars(wanted))
    assert 'hx-swap="delete"' in html


@pytest.mark.parametrize("after", ["", "1", "x.1", "1.x", "1.2.3", "9" * 40 + ".1"])
def test_a_crooked_place_to_go_on_from_is_not_found(bench: Bench, after: str) -> None:
    path = f"/boards/{bench.board_id}/stages/{bench.stages['New']}/cards"
    assert bench.visitor.get(path, query_string={"after": after}, headers=HTMX).status_code == 404


def test_more_cards_without_scripts_are_a_link(bench: Bench) -> None:
    fill(bench, 30)
    html = bench.visitor.get(address(bench)).text
    link = re.search(r'class="btn bare more"[^>]*href="([^"]+)"', html)
    assert link is not None
    assert articles(bench.visitor.get(link[1].replace("&amp;", "&")).text) == 34


def test_a_folded_stage_shows_its_count_and_opens_by_a_link(bench: Bench) -> None:
    bench.put("A", "Solved")
    html = bench.visitor.get(address(bench)).text
    assert bench.record("A").number not in html
    opened = bench.visitor.get(address(bench, f"&open={bench.stages['Solved']}")).text
    assert bench.record("A").number in opened
    assert "Fold Solved" in opened


def test_a_bare_address_opens_the_board_used_last(bench: Bench) -> None:
    other = make_helpdesk_team("Another line")
    make_ticket("Only there", team_id=other.id, by=bench.marc)
    assert "Only there" not in bench.visitor.get(address(bench)).text
    assert "Only there" not in bench.visitor.get("/tickets").text
    assert "Only there" in bench.visitor.get(f"/tickets?team={other.slug}").text
    assert "Only there" in bench.visitor.get("/tickets").text
    assert bench.visitor.get("/tickets?team=nobodys").status_code == 404


def test_all_boards_are_one_list(bench: Bench) -> None:
    other = make_helpdesk_team("Another line")
    make_ticket("Only there", team_id=other.id, by=bench.marc)
    html = bench.visitor.get("/tickets?view=list").text
    for text in ("Only there", "Another line", bench.record("A").number):
        assert text in html
    assert "Only there" not in bench.visitor.get(address(bench, "&view=list")).text


def test_filters_are_in_the_address(bench: Bench) -> None:
    fill(bench, 2, tags="safety", responsible_id=bench.marc.id)
    for query, count in (
        ("&q=TICKET", 2),
        ("&q=100%25", 0),
        ("&q=_", 0),
        ("&tag=safety", 2),
        ("&assignee=me", 2),
        ("&assignee=nobody", 4),
        (f"&assignee={bench.marc.id}", 2),
        ("&assignee=me&q=zebra", 0),
    ):
        html = bench.visitor.get(address(bench, query)).text
        assert articles(html) == count, query
        assert f'<data value="{count}">{count}</data>' in html


def test_what_people_type_is_text(bench: Bench) -> None:
    with transaction(by=bench.marc, source="test"):
        bench.record("A").title = "<img src=x onerror=alert(1)>"
    html = bench.visitor.get(address(bench, "&q=%3Cimg")).text
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_a_card_and_a_board_stay_small(app: Flask, bench: Bench) -> None:
    with transaction(by=None, source="test") as tx:
        board = tx.session.get_one(Board, bench.board_id)
        for n in range(5):
            tx.session.add(Stage(board_id=board.id, name=f"Stage {n}", position=10 + n, role=StageRole.OPEN))
    names = list(bench.stages)
    with transaction(by=bench.marc, source="test"):
        stages = db.session.scalars(select(Stage).where(Stage.board_id == bench.board_id)).all()
        for n in range(8 * FIRST):
            actions.open_ticket(
                title=f"A drawer of the hall bench sticks in damp weather, case {n}",
                team_id=bench.team.id, by=bench.marc, stage=stages[n % len(stages)], tags="fit, damp", priority=2,
                responsible_id=bench.marc.id, sender_name="Northside Dental Practice",
            )  # fmt: skip
    assert len(names) == 4
    html = bench.visitor.get(address(bench)).text
    cards = re.findall(r"<li id=\"c\d+\">.*?</article></li>", html, re.DOTALL)
    assert len(cards) >= 7 * FIRST
    assert max(len(card.encode()) for card in cards) <= 1200
    assert len(re.findall(r"<[a-z][^>]*>", html)) < 4500
    packed = bench.visitor.get(address(bench), headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) <= 30 * 1024


def test_the_token_is_never_the_same_twice(bench: Bench) -> None:
    token = re.compile(r'X-CSRFToken": "([^"]+)"')
    first, second = (token.search(bench.visitor.get(address(bench)).text) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first[1] != second[1]


# Quick add


def add(bench: Bench, title: str, stage: str = "In progress", *, htmx: bool = True, by: Visitor | None = None) -> Any:
    path = f"/boards/{bench.board_id}/stages/{bench.stages[stage]}/cards"
    return (by or bench.visitor).post(path, {"title": title}, headers=HTMX if htmx else {})


def test_quick_add_puts_a_record_on_top_of_that_stage(bench: Bench) -> None:
    bench.put("A", "In progress")
    answer = add(bench, "  New   lamp ")
    assert answer.status_code == 200
    assert f'hx-target="#stage-{bench.stages["In progress"]}"' in answer.text
    assert bench.order("In progress") == "New lampA"


def test_quick_add_without_scripts_comes_back_to_the_form(bench: Bench) -> None:
    answer = add(bench, "New lamp", htmx=False)
    assert answer.status_code == 303
    page = bench.visitor.get(answer.location).text
    assert "New lamp" in page
    assert f'id="quick-{bench.stages["In progress"]}"' in page


@pytest.mark.parametrize("title", ["", "   ", "x" * 201])
def test_quick_add_wants_a_title(bench: Bench, title: str) -> None:
    assert add(bench, title).status_code == 422
    assert bench.order("In progress") == ""


def test_quick_add_wants_the_right(app: Flask, bench: Bench) -> None:
    julie = Visitor(app).as_(make_person("Julie"))
    assert add(bench, "New lamp", by=julie).status_code == 403
    assert bench.order("In progress") == ""


# What changed


def since(bench: Bench) -> int:
    return db.session.get_one(Board, bench.board_id).version


def poll(bench: Bench, version: int) -> Any:
    return bench.visitor.get(f"/boards/{bench.board_id}/changes?since={version}", headers=HTMX)


def test_nothing_new_is_204_in_two_statements(bench: Bench, queries: list[str]) -> None:
    version = since(bench)
    poll(bench, version)
    queries.clear()
    answer = poll(bench, version)
    assert answer.status_code == 204
    assert len(queries) <= 2, queries


def test_a_change_brings_the_touched_columns_and_a_new_cursor(bench: Bench) -> None:
    version = since(bench)
    julie = make_person("Julie")
    with transaction(by=julie, source="test"):
        place(bench.record("A"), to=bench.stage("In progress"), before=None, after=None, by=julie)
    answer = poll(bench, version)
    html = answer.text
    assert f'hx-target="#stage-{bench.stages["New"]}"' in html
    assert f'hx-target="#stage-{bench.stages["In progress"]}"' in html
    assert f'hx-target="#stage-{bench.stages["Solved"]}"' not in html
    assert f"since={version + 1}" in html
    assert "Julie Andreson moved" in html
    assert poll(bench, version + 1).status_code == 204


def test_a_poll_from_before_a_restore_loads_the_page_again(bench: Bench) -> None:
    assert poll(bench, since(bench) + 5).headers["HX-Refresh"] == "true"


def test_a_poll_never_extends_a_session(bench: Bench) -> None:
    start = clock.now()
    version = since(bench)
    for minutes in range(0, 30, 7):
        with moved(start + timedelta(minutes=minutes)):
            assert poll(bench, version).status_code == 204
    with moved(start + timedelta(minutes=31)):
        assert poll(bench, version).status_code == 401


def test_versions_are_without_gaps_and_in_order_of_commit(bench: Bench) -> None:
    for title in "ABCD":
        bench.put(title, "In progress")
    versions = db.session.scalars(
        select(BoardChange.version).where(BoardChange.board_id == bench.board_id).order_by(BoardChange.id)
    ).all()
    assert list(versions) == list(range(1, len(versions) + 1))
    assert since(bench) == len(versions)
