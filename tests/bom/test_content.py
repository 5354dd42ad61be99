from decimal import Decimal

import pytest

from app.bom.content import Content, plain
from tests.bom.plain_content import as_dict, content, document, line, operation


def test_a_dict_comes_back_as_it_went_in() -> None:
    said = as_dict(
        [line("a", quantity="0.5", scrap="0.04", setup="5", operation="glue", note="dry", designators=["R1", "R2"])],
        [operation("glue", 20, "12.5")],
        [document("d")],
        output_quantity="12",
        uom="m",
        kind="kit",
    )
    assert Content.from_dict(said).to_dict() == said


def test_numbers_are_normalised() -> None:
    one, other = content(line("a", quantity="6.00")), content(line("a", quantity="6"))
    assert one.content_hash == other.content_hash
    assert one.content_hash.startswith("v1:")
    assert one.to_dict()["lines"][0]["quantity"] == "6"


@pytest.mark.parametrize(
    ("written", "plainly"), [("1E+1", "10"), ("-0", "0"), ("0.10", "0.1"), ("1E-6", "0.000001"), ("100", "100")]
)
def test_a_number_is_written_one_way(written: str, plainly: str) -> None:
    assert plain(Decimal(written)) == plainly


def test_the_order_of_lines_is_not_signed_but_every_field_is() -> None:
    a, b = line("a"), line("b")
    assert content(a, b).content_hash == content(b, a).content_hash
    first = content(a).content_hash
    for change in (
        {"quantity": "2"},
        {"component": "X"},
        {"uom": "m"},
        {"scrap": "0.1"},
        {"setup": "1"},
        {"note": "n"},
        {"designators": ["R1"]},
    ):
        assert content(a | change).content_hash != first
    assert content(a, output_quantity="2").content_hash != first
    assert content(a, operations=[operation("o")]).content_hash != first


def test_composed_and_decomposed_letters_hash_alike() -> None:
    assert content(line("a", note="\u00e9")).content_hash == content(line("a", note="e\u0301")).content_hash


@pytest.mark.parametrize("wrong", ["", "x", "NaN", "Infinity", "-1", 0.5, None, True])
def test_what_is_no_exact_number_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="quantity of line a"):
        content(line("a", quantity=wrong))  # type: ignore[arg-type]


def test_the_same_uid_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="uid a"):
        content(line("a"), line("a"))


@pytest.mark.parametrize("header", [{"output_quantity": "0"}, {"kind": "phantom"}])
def test_a_header_without_meaning_is_refused(header: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        content(line("a"), **header)
