"""Cards are drawn once for the same words, and anew for any other."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.traits.board import drawing
from app.traits.board.queries import Card, Cards, Face, Label
from app.traits.board.registry import Pill
from app.traits.record import KINDS

CARD = Card(7, "T-0007", "Rack <b>tips</b> over", 2, "3 d", 5, None, "Abigail & Sons", 65_536, 1)
FACE = Face(5, "Marc Demo", "b", "MD", True)


@pytest.fixture
def drawn(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The number of every card that a template really drew, from an empty store."""
    seen: list[str] = []
    monkeypatch.setattr(drawing, "_drawn", {})
    get_template = app.jinja_env.get_template

    def noting(name: str, *rest: Any) -> Any:
        seen.append(name)
        return get_template(name, *rest)

    monkeypatch.setattr(app.jinja_env, "get_template", noting)
    return seen


def draw(app: Flask, card: Card = CARD, *, moved: frozenset[int] = frozenset(), **found: Any) -> str:
    cards = Cards(**{"by_stage": {1: [card]}, "counts": {1: 1}, "faces": {5: FACE}, **found})
    with app.test_request_context():
        return str(drawing.drawer(KINDS["ticket"], cards, moved)([card]))


def test_the_same_words_are_drawn_once(app: Flask, drawn: list[str]) -> None:
    first = draw(app)
    assert draw(app) == first
    assert draw(app, CARD._replace(rank=1, stage_id=2)) == first
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("title", "Leg is loose", "Leg is loose"),
        ("priority", 3, 'data-n="3"'),
        ("age", "4 d", "4 d"),
        ("blocked", "waits for varnish", "waits for varnish"),
        ("about", "Beth", "Beth"),
        ("responsible_id", None, 'class="ref">3 d</span></footer>'),
    ],
)
def test_any_other_word_is_drawn(app: Flask, drawn: list[str], field: str, value: object, shown: str) -> None:
    draw(app)
    assert shown in draw(app, CARD._replace(**{field: value}))
    assert len(drawn) == 2


def test_labels_pills_faces_and_marks_are_words_too(app: Flask, drawn: list[str]) -> None:
    draw(app)
    assert "wobbly" in draw(app, labels={7: [Label("wobbly", "", "")]})
    assert "late" in draw(app, pills={7: [Pill("late", "bad")]})
    assert "moved" in draw(app, moved=frozenset({7}))
    assert "Marc Renamed" in draw(app, faces={5: replace(FACE, name="Marc Renamed")})
    assert len(drawn) == 5


def test_what_people_typed_is_escaped(app: Flask, drawn: list[str]) -> None:
    html = draw(app)
    assert "Rack &lt;b&gt;tips&lt;/b&gt; over" in html
    assert "Abigail &amp; Sons" in html


def test_a_full_store_is_emptied(app: Flask, drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MOST", 2)
    for title in ("one", "two", "three"):
        assert title in draw(app, CARD._replace(title=title))
    assert len(drawing._drawn) == 1
