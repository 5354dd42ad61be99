"""X1-X15 of the oracle, and a brute-force calculation beside the real one."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bom.content import Content
from app.bom.explosion import Cycle, UnitMismatch, explode, find_cycle, round_down, round_up
from tests.bom.plain_content import content, line, operation

Boms = dict[str, Content]


def take(component: str, quantity: str = "1", uom: str = "unit", **more: Any) -> dict[str, Any]:
    return line(f"to-{component}-{uom}-{more.get('operation', '')}", component, quantity, uom=uom, **more)


def needs(boms: Boms, ref: str, quantity: str, levels: str = "all") -> dict[str, Decimal]:
    return explode(ref, Decimal(quantity), boms.get, levels=levels).totals  # type: ignore[arg-type]


def numbers(**quantities: str) -> dict[str, Decimal]:
    return {ref: Decimal(quantity) for ref, quantity in quantities.items()}


def test_X1_ten_coat_racks() -> None:
    rack = content(take("POLE"), take("DOWEL", "6"), take("BASE"), take("ROD"))
    assert needs({"RACK": rack}, "RACK", "10") == numbers(POLE="10", DOWEL="60", BASE="10", ROD="10")


def test_X2_output_scrap_and_units() -> None:
    table = content(
        take("VARNISH", "0.75", "L", scrap="0.04"),
        take("SCREW", "48", "pcs", scrap="0.02"),
        take("RAIL", "2.5", "m"),
        output_quantity="12",
    )
    explosion = explode("T", Decimal(30), {"T": table}.get)
    assert set(explosion.rows) == {
        ("VARNISH", "L", Decimal("1.95")),
        ("SCREW", "pcs", Decimal(123)),
        ("RAIL", "m", Decimal("6.25")),
    }


def kit(scrap: str = "0") -> Boms:
    return {
        "PARENT": content(take("KIT", "3", scrap=scrap)),
        "KIT": content(take("SCREW", "40"), take("WASHER", "20"), output_quantity="10", kind="kit"),
    }


def test_X3_a_kit_of_ten() -> None:
    assert needs(kit(), "PARENT", "7", "kits") == numbers(SCREW="84", WASHER="42")


def test_X4_scrap_on_the_kit_is_not_rounded_on_the_way() -> None:
    assert needs(kit("0.05"), "PARENT", "7", "kits") == numbers(SCREW="89", WASHER="45")


def test_X5_two_sub_assemblies_of_a_batch_of_three() -> None:
    boms = {"TOP": content(take("SUB", "2")), "SUB": content(take("RAW", "9"), output_quantity="3")}
    assert needs(boms, "TOP", "1") == numbers(RAW="6")


def test_X6_inputs_round_up_and_outputs_round_down() -> None:
    nine = content(take("IN", "4"), output_quantity="9")
    assert needs({"P": nine}, "P", "3") == numbers(IN="2")
    assert round_up(Fraction(4, 3), "unit") == 2
    assert round_down(Fraction(8, 3), "unit") == 2


def test_X7_a_dozen_is_twelve() -> None:
    explosion = explode("P", 1, {"P": content(take("EGG", "1", "dozen"))}.get)
    assert explosion.rows == (("EGG", "unit", Decimal(12)),)


def test_X8_two_halves_of_a_piece_are_one_piece() -> None:
    boms = {
        "P": content(take("A"), take("B")),
        "A": content(take("X", "0.4", "pcs")),
        "B": content(take("X", "0.4", "pcs")),
    }
    assert explode("P", 1, boms.get).rows == (("X", "pcs", Decimal(1)),)


def test_X9_a_setup_quantity_does_not_scale() -> None:
    paint = content(line("setting", "PAINT", "0", uom="L", setup="5"), line("each", "PAINT", "2", uom="L"))
    assert needs({"P": paint}, "P", "10") == numbers(PAINT="25")


def test_X9_a_setup_quantity_counts_once_per_order_of_the_kit() -> None:
    boms = {
        "P": content(line("left", "KIT", "2"), line("right", "KIT", "1")),
        "KIT": content(line("x", "X", "1", setup="5"), kind="kit"),
    }
    assert needs(boms, "P", "10", "kits") == numbers(X="40")


def test_X10_cut_to_length_with_attrition() -> None:
    boms = {"P": content(take("BAR", "4")), "BAR": content(take("ROD", "500", "mm", scrap="0.05"))}
    assert explode("P", 3, boms.get).rows == (("ROD", "m", Decimal("6.3")),)


def test_X11_only_what_the_source_gives_is_exploded() -> None:
    """Variants are chosen before: the source answers with the lines of the variant that is built."""
    whole = {"RED-BIG": content(take("WOOD"), take("CLOTH")), "RED-MEDIUM": content(take("CLOTH"))}
    assert needs(whole, "RED-BIG", "1") == numbers(WOOD="1", CLOTH="1")
    assert needs(whole, "RED-MEDIUM", "1") == numbers(CLOTH="1")


def test_X12_kits_in_kits_are_exploded_and_a_sub_assembly_stays() -> None:
    boms = {
        "P": content(take("OUTER", "2"), take("SUB", "3")),
        "OUTER": content(take("INNER", "2"), take("TAPE"), kind="kit"),
        "INNER": content(take("SCREW", "4"), kind="kit"),
        "SUB": content(take("SCREW", "100")),
    }
    assert needs(boms, "P", "1", "kits") == numbers(SCREW="16", TAPE="2", SUB="3")
    assert needs(boms, "P", "1") == numbers(SCREW="316", TAPE="2")


def test_X13_a_little_grease_stays_a_little_grease() -> None:
    assert explode("P", 1, {"P": content(take("GREASE", "0.001", "kg"))}.get).rows[0].quantity == Decimal("0.001")


def test_X14_half_a_pack_twice_is_one_pack() -> None:
    boms = {"ROVER": content(take("BOGIE", "2")), "BOGIE": content(take("BRACKET", "0.5"))}
    assert needs(boms, "ROVER", "1") == numbers(BRACKET="1")


def test_X15_ten_levels_of_ten_are_exact() -> None:
    boms = {f"L{n}": content(take(f"L{n + 1}", "10")) for n in range(10)}
    assert needs(boms, "L0", "1") == {"L10": Decimal(10**10)}


def test_a_diamond_is_not_a_cycle() -> None:
    boms = {
        "P0": content(take("P1"), take("P2"), take("P3"), kind="kit"),
        "P1": content(take("P2"), take("P3"), kind="kit"),
        "P2": content(take("P3"), kind="kit"),
    }
    assert needs(boms, "P0", "1", "kits") == numbers(P3="4")
    assert find_cycle("P0", boms.get) is None


def test_a_cycle_is_told_with_its_path() -> None:
    boms = {"TOP": content(take("A")), "A": content(take("B")), "B": content(take("A", "0"))}
    with pytest.raises(Cycle, match="A → B → A") as told:
        explode("TOP", 1, boms.get)
    assert told.value.path == ["A", "B", "A"]
    assert find_cycle("TOP", boms.get) == ["A", "B", "A"]


def test_a_product_that_needs_itself_is_a_cycle_in_an_order_too() -> None:
    with pytest.raises(Cycle, match="A → A"):
        explode("A", 1, {"A": content(take("A"))}.get, levels="kits")


def test_sixty_doublings_are_looked_at_once_each() -> None:
    asked: list[str] = []
    boms = {f"L{n}": content(line("l", f"L{n + 1}"), line("r", f"L{n + 1}")) for n in range(60)}

    def source(ref: str) -> Content | None:
        asked.append(ref)
        return boms.get(ref)

    assert explode("L0", 1, source).totals == {"L60": Decimal(2**60)}
    assert len(asked) == 61


def test_a_chain_deeper_than_the_stack_is_no_problem() -> None:
    boms = {f"L{n}": content(take(f"L{n + 1}")) for n in range(5000)}
    assert needs(boms, "L0", "3") == {"L5000": Decimal(3)}


def test_a_third_is_never_short() -> None:
    boms = {"P": content(take("OIL", "1", "L"), output_quantity="3")}
    assert needs(boms, "P", "1") == {"OIL": Decimal("0.333334")}
    assert needs(boms, "P", "3") == {"OIL": Decimal(1)}


def test_what_has_no_bom_needs_itself() -> None:
    assert needs({}, "SCREW", "4") == numbers(SCREW="4")


def test_nothing_ordered_needs_nothing() -> None:
    assert needs({"P": content(take("A", setup="5"))}, "P", "0") == {}


def test_units_that_do_not_convert_are_told_apart() -> None:
    boms = {"P": content(take("OIL", "1", "L"), take("OIL", "2", "kg"))}
    assert set(explode("P", 1, boms.get).rows) == {("OIL", "L", Decimal(1)), ("OIL", "kg", Decimal(2))}
    with pytest.raises(UnitMismatch, match="P takes SUB in kg, but SUB is made in unit"):
        explode("P", 1, {"P": content(take("SUB", "1", "kg")), "SUB": content(take("X"))}.get)


def test_a_sub_assembly_asked_for_by_the_dozen() -> None:
    boms = {"P": content(take("SUB", "1", "dozen")), "SUB": content(take("X", "2"))}
    assert needs(boms, "P", "1") == numbers(X="24")


def test_every_number_is_explained() -> None:
    explosion = explode("PARENT", 7, kit("0.05").get, levels="kits")
    (step,) = explosion.explain("SCREW")
    assert step.sentence == "KIT: 40 × 22.05 / 10 = 88.2 unit"
    (step,) = explosion.explain("KIT")
    assert step.sentence == "PARENT: 3 × 7 / 1 × (1 + 0.05) = 22.05 unit"


def test_an_order_keeps_the_operations_apart() -> None:
    rack = content(
        take("SCREW", "4", operation="assemble"),
        take("SCREW", "2", operation="install"),
        operations=[operation("assemble"), operation("install")],
    )
    explosion = explode("RACK", 10, {"RACK": rack}.get, levels="kits")
    assert explosion.totals == numbers(SCREW="60")
    assert {(need.operation, need.quantity) for need in explosion.needs} == {
        ("assemble", Decimal(40)),
        ("install", Decimal(20)),
    }


# A brute-force calculation: every path walked by itself, with fractions, summed and rounded at the end.

amounts = st.sampled_from(["0", "0.5", "1", "2", "3", "0.001", "7"])
small = st.sampled_from(["0", "0", "0.05", "1"])


@st.composite
def structures(draw: st.DrawFn) -> Boms:
    size = draw(st.integers(2, 6))
    boms: Boms = {}
    for n in range(size):
        below = draw(st.lists(st.integers(n + 1, size), max_size=4))
        if not below:
            continue
        boms[f"P{n}"] = content(
            *(
                line(f"{n}.{place}", f"P{child}", draw(amounts), scrap=draw(small), setup=draw(small))
                for place, child in enumerate(below)
            ),
            output_quantity=draw(st.sampled_from(["1", "3", "10"])),
            kind=draw(st.sampled_from(["manufacture", "kit"])),
        )
    return boms


def brute(boms: Boms, ref: str, quantity: Fraction, stop: Callable[[Content], bool]) -> dict[str, Fraction]:
    total: dict[str, Fraction] = defaultdict(Fraction)
    this = boms[ref]
    for row in this.lines if quantity else ():
        net = Fraction(row.quantity) * quantity / Fraction(this.output_quantity)
        gross = net * (1 + Fraction(row.scrap)) + Fraction(row.setup)
        child = boms.get(row.component)
        if child is None or stop(child):
            total[row.component] += gross
        elif gross:
            for part, amount in brute(boms, row.component, gross, stop).items():
                total[part] += amount
    return total


@given(structures(), st.sampled_from(["0", "1", "7", "0.5"]), st.sampled_from(["all", "kits"]))
@settings(max_examples=60, deadline=None)
def test_it_agrees_with_walking_every_path(boms: Boms, quantity: str, levels: str) -> None:
    if "P0" not in boms:
        return
    walked = brute(boms, "P0", Fraction(quantity), lambda child: levels == "kits" and child.kind != "kit")
    expected = {ref: round_up(amount, "unit") for ref, amount in walked.items() if amount}
    assert needs(boms, "P0", quantity, levels) == expected
