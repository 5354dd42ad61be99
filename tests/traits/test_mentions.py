"""Finding people in a text."""

import pytest

from app.traits.chatter.mentions import find_mentions

PEOPLE = [(1, "Joe Kazan"), (2, "Jose Mora"), (3, "Marc Demo"), (4, "Joe Baker"), (5, "Ann-Marie O’Neil")]


def found(text: str, people: list[tuple[int, str]] = PEOPLE) -> list[tuple[str, tuple[int, ...]]]:
    return [(text[m.start : m.end], m.person_ids) for m in find_mentions(text, people)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@Joe Kazan has it.", [("@Joe Kazan", (1,))]),
        ("ask @jose mora, and @MARC", [("@jose mora", (2,)), ("@MARC", (3,))]),
        ("@Joe which of them?", []),
        ("@Jose.", [("@Jose", (2,))]),
        ("(@Jose)", [("@Jose", (2,))]),
        ("@Ann-Marie O’Neil, look", [("@Ann-Marie O’Neil", (5,))]),
        ("write to marc@demo.example", []),
        ("write to x.@Marc Demo.example", []),
        ("mail me@Marc", []),
        ("@marc.demo is a handle", []),
        ("@marc@example.com", []),
        ("@Joseph is nobody here", []),
        ("@Joe\nKazan on two lines", []),
        ("@Joe  Kazan with two blanks", [("@Joe  Kazan", (1,))]),
    ],
)
def test_who_is_meant(text: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert found(text) == expected


def test_the_longest_name_wins() -> None:
    assert found("@Marc Demo Junior", [(1, "Marc Demo"), (2, "Marc Demo Junior")]) == [("@Marc Demo Junior", (2,))]


def test_two_people_with_the_same_full_name_are_both_asked() -> None:
    assert found("@Anna Schmidt", [(1, "Anna Schmidt"), (2, "Anna Schmidt")]) == [("@Anna Schmidt", (1, 2))]


def test_names_with_signs_are_names_not_patterns() -> None:
    assert found("@A.* B", [(1, "A.* B")]) == [("@A.* B", (1,))]
    assert found("@Axxx B", [(1, "A.* B")]) == []
