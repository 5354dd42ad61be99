"""Moving a card: its place, its rank, and every way in which the answer is no."""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, Refused
from app.helpdesk.models import Ticket
from app.people.models import Person, Team
from app.traits.board.actions import GAP, change_board, place, stages_of
from app.traits.board.models import BoardChange, Stage
from app.traits.chatter.models import Entry
from app.traits.record import Record
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import board_of, make_helpdesk_team, make_ticket
from tests.visitors import Visitor

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


class Bench:
    """A team's board with tickets A to D in New, A on top."""

    def __init__(self, app: Flask) -> None:
        self.marc: Person = make_person("Marc")
        self.team: Team = make_helpdesk_team()
        self.board_id = board_of(self.team).id
        self.stages = {stage.name: stage.id for stage in stages_of(self.board_id)}
        self.ids = {title: make_ticket(title, by=self.marc, team_id=self.team.id).id for title in "DCBA"}
        self.visitor = Visitor(app).as_(self.marc)

    def stage(self, name: str) -> Stage:
        return db.session.get_one(Stage, self.stages[name])

    def record(self, title: str) -> Record:
        return db.session.get_one(Ticket, self.ids[title])

    def order(self, name: str) -> str:
        query = select(Record.title).where(Record.stage_id == self.stages[name]).order_by(Record.rank, Record.id)
        return "".join(db.session.scalars(query))

    def ranks(self, name: str) -> list[int]:
        query = select(Record.rank).where(Record.stage_id == self.stages[name]).order_by(Record.rank)
        return list(db.session.scalars(query))

    def put(self, title: str, to: str, before: str | None = None, after: str | None = None) -> None:
        with transaction(by=self.marc, source="test"):
            place(
                self.record(title),
                to=self.stage(to),
                before=self.ids.get(before or ""),
                after=self.ids.get(after or ""),
                by=self.marc,
            )

    def post(
        self, title: str, home: str, to: str, *, htmx: bool = True, junk: Mapping[str, str] = {}, **fields: Any
    ) -> Any:
        data = {"card": self.ids[title], "from": self.stages[home], "to": self.stages[to], **fields, **junk}
        return self.visitor.post(f"/boards/{self.board_id}/moves", data, headers=HTMX if htmx else {})


@pytest.fixture
def bench(app: Flask, database: None) -> Bench:
    return Bench(app)


# Places


def test_a_new_card_goes_on_top(bench: Bench) -> None:
    assert bench.order("New") == "ABCD"


def test_a_card_goes_above_the_one_it_was_dropped_on(bench: Bench) -> None:
    bench.put("D", "New", before="B", after="A")
    assert bench.order("New") == "ADBC"


def test_a_card_goes_below_the_last_one(bench: Bench) -> None:
    bench.put("A", "New", after="D")
    assert bench.order("New") == "BCDA"


def test_the_lower_neighbour_counts_when_both_have_been_torn_apart(bench: Bench) -> None:
    bench.put("D", "New", before="A")
    bench.put("C", "New", before="B", after="D")
    assert bench.order("New") == "DACB"


def test_the_upper_neighbour_counts_when_the_lower_one_has_left(bench: Bench) -> None:
    bench.put("C", "In progress")
    bench.put("D", "New", before="C", after="A")
    assert bench.order("New") == "ADB"


def test_a_card_goes_to_the_end_when_both_neighbours_have_left(bench: Bench) -> None:
    bench.put("B", "In progress")
    bench.put("C", "In progress")
    bench.put("A", "New", before="C", after="B")
    assert bench.order("New") == "DA"


def test_an_open_stage_fills_from_below_and_a_closed_one_from_the_top(bench: Bench) -> None:
    for title in "ABC":
        bench.put(title, "In progress")
    assert bench.order("In progress") == "ABC"
    for title in "ABC":
        bench.put(title, "Solved")
    assert bench.order("Solved") == "CBA"


def test_the_ends_grow_outwards_without_renumbering(bench: Bench) -> None:
    before = set(bench.ranks("New"))
    bench.put("D", "New", before="A")
    assert min(bench.ranks("New")) == min(before) - GAP
    assert set(bench.ranks("New")) - {min(bench.ranks("New"))} <= before


def test_a_used_up_gap_renumbers_the_stage_and_keeps_the_order(bench: Bench) -> None:
    inner = itertools.cycle("CD")
    for _ in range(40):
        title = next(inner)
        bench.put(title, "New", after="A")
        assert bench.order("New")[1] == title
    assert len(set(bench.ranks("New"))) == 4
    assert bench.order("New") == "ADCB"


def test_another_stage_of_the_board_only(bench: Bench) -> None:
    other = make_helpdesk_team("Second line")
    stranger = stages_of(board_of(other).id)[0].id
    bench.stages["elsewhere"] = stranger
    with pytest.raises(Refused):
        bench.put("A", "elsewhere")


def test_a_card_that_left_meanwhile_is_not_moved(bench: Bench) -> None:
    def late() -> None:
        with transaction(by=bench.marc, source="test"):
            record = bench.record("A")
            assert record.stage is not None
            table = Record.__table__
            away = table.update().where(table.c.id == record.id).values(stage_id=bench.stages["Solved"])
            db.session.connection().execute(away)
            place(record, to=bench.stage("In progress"), before=None, after=None, by=bench.marc)

    with pytest.raises(Conflict):
        late()


def test_a_drag_never_makes_an_open_edit_form_stale(bench: Bench) -> None:
    before = bench.record("A").version
    bench.put("A", "In progress")
    db.session.expire_all()
    assert bench.record("A").version == before


def test_closing_is_dated_and_opening_again_undates_it(bench: Bench) -> None:
    bench.put("A", "Solved")
    closed_at = bench.record("A").closed_at
    assert closed_at is not None
    assert bench.record("A").entered_stage_at == closed_at
    bench.put("A", "New")
    assert bench.record("A").closed_at is None


def test_another_team_takes_the_card_by_its_role(bench: Bench) -> None:
    bench.put("A", "Waiting on customer")
    other = board_of(make_helpdesk_team("Second line"))
    with transaction(by=bench.marc, source="test"):
        change_board(bench.record("A"), db.session.merge(other), by=bench.marc)
    stage = bench.record("A").stage
    assert stage is not None
    assert (stage.board_id, stage.name) == (other.id, "Waiting on customer")


def test_a_move_is_told_on_the_board_and_in_the_conversation(bench: Bench) -> None:
    bench.put("A", "In progress")
    change = db.session.scalars(select(BoardChange).order_by(BoardChange.id.desc()).limit(1)).one()
    assert (change.record_id, change.from_stage_id, change.to_stage_id, change.actor_id) == (
        bench.ids["A"],
        bench.stages["New"],
        bench.stages["In progress"],
        bench.marc.id,
    )
    entry = db.session.scalars(select(Entry).where(Entry.record_id == bench.ids["A"], Entry.verb == "moved")).one()
    assert entry.data == {"from": "New", "to": "In progress"}


def test_ranking_inside_a_stage_says_nothing_in_the_conversation(bench: Bench) -> None:
    bench.put("D", "New", before="A")
    assert db.session.scalars(select(Entry).where(Entry.verb == "moved")).all() == []


# Answers


def test_200_brings_both_columns_the_way_back_and_words(bench: Bench) -> None:
    answer = bench.post("B", "New", "In progress")
    assert answer.status_code == 200
    assert answer.headers["HX-Trigger"] == "card-moved"
    html = answer.text
    for target in ("#stage-{New}", "#stage-{In progress}"):
        stage = re.sub(r"\{(.*)\}", lambda m: str(bench.stages[m[1]]), target)
        assert f'hx-target="{stage}"' in html
    number = bench.record("B").number
    assert f"{number} moved to In progress." in html
    undo = html[html.index("Undo") - 700 : html.index("Undo")]
    assert f'name="before" value="{bench.ids["C"]}"' in undo
    assert bench.order("In progress") == "B"


def test_a_plain_browser_is_sent_back_to_its_board(bench: Bench) -> None:
    answer = bench.post("B", "New", "In progress", htmx=False)
    assert answer.status_code == 303
    assert answer.location.startswith(f"/tickets?team={bench.team.slug}")
    assert bench.order("In progress") == "B"


def test_409_draws_the_truth_and_names_who_was_first(app: Flask, bench: Bench) -> None:
    priya = make_person("Priya Nair", roles=bench.marc.roles)  # type: ignore[arg-type]
    Visitor(app).as_(priya).post(
        f"/boards/{bench.board_id}/moves",
        {"card": bench.ids["A"], "from": bench.stages["New"], "to": bench.stages["Waiting on customer"]},
    )
    answer = bench.post("A", "New", "In progress")
    assert answer.status_code == 409
    assert "Priya Nair moved" in answer.text
    assert f'hx-target="#stage-{bench.stages["Waiting on customer"]}"' in answer.text
    assert bench.order("Waiting on customer") == "A"
    page = bench.post("A", "New", "In progress", htmx=False)
    assert page.status_code == 409
    assert "Priya moved this card first" in page.text
    assert "Move it to In progress anyway" in page.text


def test_an_edit_of_the_title_is_no_conflict(bench: Bench) -> None:
    with transaction(by=bench.marc, source="test"):
        bench.record("A").title = "A better"
    assert bench.post("A", "New", "In progress").status_code == 200


def test_422_says_which_limit_and_draws_the_columns(bench: Bench) -> None:
    with transaction(by=None, source="test"):
        bench.stage("In progress").wip_limit, bench.stage("In progress").hard_limit = 1, True
    assert bench.post("A", "New", "In progress").status_code == 200
    answer = bench.post("B", "New", "In progress")
    assert answer.status_code == 422
    assert "In progress is full: 1 of 1." in answer.text
    assert 'role="alert"' in answer.text
    assert f'hx-target="#stage-{bench.stages["New"]}"' in answer.text
    assert bench.order("New") == "BCD"


def test_a_soft_limit_lets_the_card_in_and_says_so(bench: Bench) -> None:
    with transaction(by=None, source="test"):
        bench.stage("In progress").wip_limit = 1
    bench.post("A", "New", "In progress")
    answer = bench.post("B", "New", "In progress")
    assert answer.status_code == 200
    assert "2 of 1 are there now." in answer.text
    assert "over" in answer.text


def test_ranking_inside_a_full_stage_is_allowed(bench: Bench) -> None:
    with transaction(by=None, source="test"):
        bench.stage("New").wip_limit, bench.stage("New").hard_limit = 2, True
    assert bench.post("D", "New", "New", before=bench.ids["A"]).status_code == 200
    assert bench.order("New") == "DABC"


def test_403_without_the_right(app: Flask, bench: Bench) -> None:
    julie = Visitor(app).as_(make_person("Julie"))
    data = {"card": bench.ids["A"], "from": bench.stages["New"], "to": bench.stages["In progress"]}
    answer = julie.post(f"/boards/{bench.board_id}/moves", data, headers=HTMX)
    assert answer.status_code == 403
    assert "You do not have the right" in answer.text
    assert f'hx-target="#stage-{bench.stages["New"]}"' in answer.text
    assert bench.order("New") == "ABCD"


def test_a_customer_finds_no_board_at_all(app: Flask, bench: Bench) -> None:
    abigail = Visitor(app).as_(make_customer())
    data = {"card": bench.ids["A"], "from": bench.stages["New"], "to": bench.stages["In progress"]}
    assert abigail.post(f"/boards/{bench.board_id}/moves", data).status_code == 404


def test_the_same_op_moves_once(bench: Bench) -> None:
    op = "one-and-the-same-op"
    assert bench.post("A", "New", "In progress", op=op).status_code == 200
    again = bench.post("A", "New", "In progress", op=op)
    assert again.status_code == 200
    assert again.headers["HX-Redirect"].startswith("/tickets")
    moved = select(BoardChange).where(BoardChange.record_id == bench.ids["A"], BoardChange.from_stage_id.is_not(None))
    assert len(db.session.scalars(moved).all()) == 1


def test_a_card_that_never_was_is_404(bench: Bench) -> None:
    bench.ids["Z"] = 999_999
    assert bench.post("Z", "New", "In progress").status_code == 404


@pytest.mark.parametrize("name", ["card", "from", "to", "before", "after"])
def test_junk_in_a_field_changes_nothing(bench: Bench, name: str) -> None:
    answer = bench.post("A", "New", "In progress", junk={name: "’or 1=1"})
    assert answer.status_code in (200, 404, 409)
    assert (bench.order("New") == "ABCD") == (answer.status_code != 200)


def test_the_page_of_the_menu_offers_every_other_stage(bench: Bench) -> None:
    number = bench.record("B").number
    page = bench.visitor.get(f"/tickets/{number}/move").text
    assert "Move to In progress" in page
    assert "Move up" in page
    assert "Move down" in page
    assert bench.visitor.get("/tickets/T-9999/move").status_code == 404
    assert bench.visitor.get(f"/alerts/{number}/move").status_code == 404
