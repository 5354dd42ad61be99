"""M1-M19 of the oracle and the laws of the merge."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bom.compare import compare
from app.bom.content import Content
from app.bom.explosion import find_cycle
from app.bom.merge import Merge, merge
from tests.bom.plain_content import content, document, line, operation


def done(result: Merge) -> Content:
    assert result.conflicts == ()
    assert result.content is not None
    return result.content


def only(result: Merge) -> str:
    assert result.content is None
    (conflict,) = result.conflicts
    return conflict.id


def row(merged: Content, uid: str) -> Mapping[str, Any]:
    return next(r.to_dict() for r in (*merged.lines, *merged.operations, *merged.documents) if r.uid == uid)


B = content(line("a", quantity="4"), line("b"), operations=[operation("o"), operation("p", 20)])
A5 = content(line("a", quantity="5"), line("b"), operations=[operation("o"), operation("p", 20)])
A6 = content(line("a", quantity="6"), line("b"), operations=[operation("o"), operation("p", 20)])


def test_M1_only_we_changed() -> None:
    assert done(merge(B, B, A5)) == A5


def test_M2_only_they_changed() -> None:
    assert done(merge(B, A5, B)) == A5


def test_M3_the_same_change_twice_is_one_change() -> None:
    theirs = content(line("a", quantity="5"), line("b", note="theirs"))
    ours = content(line("a", quantity="5"), line("b"), line("c"))
    base = content(line("a", quantity="4"), line("b"))
    merged = done(merge(base, theirs, ours))
    assert merged == content(line("a", quantity="5"), line("b", note="theirs"), line("c"))


def test_M4_a_quantity_and_a_note_are_both_kept() -> None:
    merged = done(
        merge(content(line("a")), content(line("a", quantity="5")), content(line("a", note="glue the lower end")))
    )
    assert merged == content(line("a", quantity="5", note="glue the lower end"))


def test_M5_two_quantities_are_a_conflict() -> None:
    result = merge(B, A5, A6)
    assert only(result) == "a:demand"
    (conflict,) = result.conflicts
    assert conflict.base
    assert conflict.theirs
    assert conflict.ours
    assert [side["quantity"] for side in (conflict.base, conflict.theirs, conflict.ours)] == ["4", "5", "6"]
    assert row(done(result.resolve({"a:demand": "theirs"})), "a")["quantity"] == "5"
    assert row(done(result.resolve({"a:demand": "ours"})), "a")["quantity"] == "6"
    other = row(done(result.resolve({"a:demand": {"quantity": "5.5"}})), "a")
    assert (other["quantity"], other["component"]) == ("5.5", "A")


def test_M6_a_quantity_and_its_unit_are_one_group() -> None:
    base, theirs, ours = content(line("a")), content(line("a", quantity="2")), content(line("a", uom="dozen"))
    assert only(merge(base, theirs, ours)) == "a:demand"


def test_M7_another_component_and_another_quantity() -> None:
    base, theirs, ours = content(line("a", "X")), content(line("a", "Y")), content(line("a", "X", "2"))
    result = merge(base, theirs, ours)
    assert only(result) == "a:demand"
    assert row(done(result.resolve({"a:demand": "theirs"})), "a")["component"] == "Y"


def test_M8_deleted_by_them_and_untouched_by_us_is_deleted() -> None:
    base = content(line("a"), line("b"))
    assert done(merge(base, content(line("b")), content(line("a"), line("b"), line("c")))) == content(
        line("b"), line("c")
    )


def test_M9_deleted_and_modified_is_a_conflict() -> None:
    base = content(line("a"), line("b"))
    result = merge(base, content(line("b")), content(line("a", quantity="2"), line("b")))
    assert only(result) == "a:row"
    (conflict,) = result.conflicts
    assert conflict.theirs is None
    assert done(result.resolve({"a:row": "theirs"})) == content(line("b"))
    assert row(done(result.resolve({"a:row": "ours"})), "a")["quantity"] == "2"


def rods(theirs: str = "1", ours: str = "1") -> Merge:
    base = content(line("pole"))
    return merge(
        base,
        content(line("pole"), line("a", "ROD", theirs)),
        content(line("pole"), line("b", "ROD", ours)),
    )


def test_M10_the_rod_added_twice_is_a_conflict() -> None:
    result = rods()
    assert only(result) == "a+b:duplicate"
    (conflict,) = result.conflicts
    assert conflict.default == "theirs"
    assert [r.uid for r in done(result.resolve({"a+b:duplicate": "theirs"})).lines] == ["pole", "a"]
    assert [r.uid for r in done(result.resolve({"a+b:duplicate": "ours"})).lines] == ["pole", "b"]
    assert [r.uid for r in done(result.resolve({"b+a:duplicate": "both"})).lines] == ["pole", "a", "b"]
    summed = done(result.resolve({"a+b:duplicate": "sum"}))
    assert [(r.uid, r.quantity) for r in summed.lines] == [("pole", 1), ("a", 2)]


def test_M10_other_quantities_have_no_default() -> None:
    assert rods("1", "2").conflicts[0].default is None


def test_M10_other_operations_are_no_duplicate() -> None:
    operations = [operation("o"), operation("p", 20)]
    result = merge(
        content(operations=operations),
        content(line("a", "ROD", operation="o"), operations=operations),
        content(line("b", "ROD", operation="p"), operations=operations),
    )
    assert len(done(result).lines) == 2


def test_M10_the_same_operation_added_twice_keeps_the_lines_of_the_one_dropped() -> None:
    result = merge(
        content(line("pole")),
        content(line("pole"), operations=[operation("a", name="Fit rod")]),
        content(line("pole"), line("rod", operation="b"), operations=[operation("b", name="fit rod ")]),
    )
    assert only(result) == "a+b:duplicate"
    merged = done(result.resolve({"a+b:duplicate": "theirs"}))
    assert row(merged, "rod")["operation"] == "a"
    assert [r.uid for r in merged.operations] == ["a"]


def test_M11_different_additions_are_both_kept() -> None:
    base = content(line("x"))
    merged = done(merge(base, content(line("x"), line("a")), content(line("x"), line("b"))))
    assert [r.uid for r in merged.lines] == ["x", "a", "b"]


def test_M12_an_operation_deleted_under_a_new_line() -> None:
    result = merge(
        content(line("x"), operations=[operation("o"), operation("p", 20)]),
        content(line("x"), operations=[operation("p", 20)]),
        content(line("x"), line("n", operation="o"), operations=[operation("o"), operation("p", 20)]),
    )
    assert only(result) == "n:operation"
    gone = done(result.resolve({"n:operation": "theirs"}))
    assert (row(gone, "n")["operation"], [o.uid for o in gone.operations]) == (None, ["p"])
    kept = done(result.resolve({"n:operation": "ours"}))
    assert (row(kept, "n")["operation"], [o.uid for o in kept.operations]) == ("o", ["o", "p"])


def test_M12_an_operation_deleted_under_a_changed_line() -> None:
    result = merge(
        content(line("x", operation="o"), operations=[operation("o")]),
        content(line("x")),
        content(line("x", operation="o", note="with care"), operations=[operation("o")]),
    )
    assert only(result) == "x:operation"


def test_M12_an_operation_deleted_under_an_untouched_line_is_clean() -> None:
    merged = done(
        merge(
            content(line("x", operation="o"), line("y"), operations=[operation("o")]),
            content(line("x"), line("y")),
            content(line("x", operation="o"), line("y", note="n"), operations=[operation("o")]),
        )
    )
    assert merged == content(line("x"), line("y", note="n"))


def test_M13_another_output_quantity_changes_what_every_number_means() -> None:
    base, theirs = content(line("a")), content(line("a"), output_quantity="10")
    result = merge(base, theirs, content(line("a", quantity="2")))
    assert only(result) == "header:output"
    assert done(result.resolve({"header:output": "theirs"})) == content(line("a", quantity="2"), output_quantity="10")
    assert done(result.resolve({"header:output": "ours"})) == content(line("a", quantity="2"))
    custom = done(result.resolve({"header:output": {"output_quantity": "5"}}))
    assert custom.output_quantity == 5
    noted = done(merge(base, theirs, content(line("a", note="n"))))
    assert noted == content(line("a", note="n"), output_quantity="10")


def test_M14_a_new_operation_follows_its_neighbour_into_the_new_order() -> None:
    merged = done(
        merge(
            content(operations=[operation("o", 10), operation("p", 20), operation("q", 30)]),
            content(operations=[operation("q", 5), operation("o", 10), operation("p", 20)]),
            content(operations=[operation("o", 10), operation("p", 20), operation("q", 30), operation("new", 40)]),
        )
    )
    assert [o.uid for o in merged.ordered_operations] == ["q", "new", "o", "p"]
    assert all(one.sequence < other.sequence for one, other in pairwise(merged.ordered_operations))


def test_M14_only_the_same_operation_moved_twice_is_a_conflict() -> None:
    base = content(operations=[operation("o", 10), operation("p", 20), operation("q", 30), operation("r", 40)])
    first = content(operations=[operation("p", 20), operation("o", 25), operation("q", 30), operation("r", 40)])
    last = content(operations=[operation("p", 20), operation("q", 30), operation("r", 40), operation("o", 45)])
    result = merge(base, first, last)
    assert only(result) == "o:sequence"
    for choice, order in (("theirs", "poqr"), ("ours", "pqro")):
        assert [o.uid for o in done(result.resolve({"o:sequence": choice})).ordered_operations] == list(order)
    other = content(operations=[operation("r", 5), operation("o", 10), operation("p", 20), operation("q", 30)])
    assert [o.uid for o in done(merge(base, first, other)).ordered_operations] == ["r", "p", "o", "q"]


def test_M15_a_document_replaced_twice_is_a_conflict() -> None:
    sides = [content(documents=[document("d", sha256=sha)]) for sha in ("aa", "bb", "cc")]
    result = merge(*sides)
    assert only(result) == "d:file"
    merged = done(result.resolve({"d:file": "ours"}))
    assert [d.sha256 for d in merged.documents] == ["cc"]


def test_M15_two_new_documents_of_one_name_never_stand_side_by_side_unasked() -> None:
    added = [content(line("a"), documents=[document(uid, sha256=sha)]) for uid, sha in (("d", "bb"), ("e", "cc"))]
    result = merge(content(line("a")), *added)
    assert only(result) == "d+e:duplicate"
    alike = merge(content(line("a")), added[0], content(line("a"), documents=[document("e", sha256="bb")]))
    assert [d.uid for d in done(alike).documents] == ["d"]


def test_M16_deleted_in_both_is_deleted() -> None:
    base = content(line("a"), line("b"))
    assert done(merge(base, content(line("b"), line("c")), content(line("b"), line("d")))) == content(
        line("b"), line("c"), line("d")
    )


def test_M17_a_revert_is_merged_like_any_change() -> None:
    v2 = content(line("a"), line("rod"))
    v3_like_v1 = content(line("a"))
    ours = content(line("a", note="oak"), line("rod"))
    merged = done(merge(v2, v3_like_v1, ours))
    assert merged == content(line("a", note="oak"))
    assert [(c.kind, c.uid) for c in compare(ours, merged)] == [("remove", "rod")]


def test_M18_a_change_that_is_in_already() -> None:
    theirs = content(line("a", quantity="5"), line("b"), line("new"))
    ours = content(line("a", quantity="5"), line("b"))
    result = merge(content(line("a"), line("b")), theirs, ours)
    assert result.already_contained
    assert not merge(content(line("a")), theirs, content(line("a"), line("x"))).already_contained


def test_M19_a_clean_merge_may_still_be_a_cycle() -> None:
    """The merge says nothing about structure; the gates that guard every activation do."""
    base = content(line("x"))
    merged = done(merge(base, content(line("x"), line("sub", "SUB")), content(line("x", note="n"))))
    assert find_cycle("TOP", {"TOP": merged, "SUB": content(line("t", "TOP"))}.get) == ["TOP", "SUB", "TOP"]


def test_the_reference_example_of_two_changes_from_one_base() -> None:
    v5 = content(line("shelf"), line("screw", quantity="8"))
    v6 = content(line("shelf"), line("screw", quantity="8"), line("stabiliser"))
    mine = content(line("shelf", note="oak"), line("screw", quantity="10"))
    assert done(merge(v5, v6, mine)) == content(
        line("shelf", note="oak"), line("screw", quantity="10"), line("stabiliser")
    )


def test_nothing_is_chosen_for_anybody() -> None:
    result = merge(B, A5, A6)
    assert row(result.draft, "a")["quantity"] == "6"
    with pytest.raises(ValueError, match="no conflict b:demand"):
        result.resolve({"b:demand": "ours"})
    with pytest.raises(ValueError, match="no choice"):
        result.resolve({"a:demand": "sum"})


def test_choices_are_kept_and_may_be_changed() -> None:
    theirs = content(line("a", quantity="2"), line("b", quantity="2"))
    ours = content(line("a", quantity="3"), line("b", quantity="3"))
    half = merge(content(line("a"), line("b")), theirs, ours).resolve({"a:demand": "theirs"})
    assert only(half) == "b:demand"
    whole = half.resolve({"b:demand": "ours"})
    assert [r.quantity for r in done(whole).lines] == [2, 3]
    assert [r.quantity for r in done(whole.resolve({"a:demand": "ours"})).lines] == [3, 3]


# Laws

quantities = st.sampled_from(["1", "2", "5"])
uids = st.sampled_from(list("abcdefg"))


@st.composite
def contents(draw: st.DrawFn) -> Content:
    operations = draw(st.lists(st.sampled_from(list("opqr")), unique=True, max_size=4))
    numbers = draw(st.lists(st.sampled_from([5, 10, 20, 30]), min_size=4, max_size=4))
    lines = draw(st.lists(uids, unique=True, max_size=5))
    return content(
        *(
            line(
                uid,
                draw(st.sampled_from(["X", "Y", uid])),
                draw(quantities),
                note=draw(st.sampled_from(["", "", "n"])),
                operation=draw(st.sampled_from([None, None, *operations])),
            )
            for uid in lines
        ),
        operations=[operation(uid, number, draw(quantities)) for uid, number in zip(operations, numbers, strict=False)],
        documents=[
            document(uid, sha256=draw(st.sampled_from(["aa", "bb"]))) for uid in draw(st.sampled_from(["", "d"]))
        ],
        output_quantity=draw(st.sampled_from(["1", "1", "10"])),
    )


@given(contents(), contents())
@settings(max_examples=80, deadline=None)
def test_law_one_sided_changes_are_taken_as_they_are(base: Content, changed: Content) -> None:
    assert merge(base, base, changed).content == changed
    assert merge(base, changed, base).content == changed
    assert merge(base, changed, changed).content == changed


@given(contents(), contents(), contents())
@settings(max_examples=150, deadline=None)
def test_law_the_order_of_two_changes_does_not_matter(base: Content, one: Content, other: Content) -> None:
    here, there = merge(base, one, other), merge(base, other, one)
    assert {c.id for c in here.conflicts} == {c.id for c in there.conflicts}
    for conflict, mirrored in zip(*(sorted(m.conflicts, key=lambda c: c.id) for m in (here, there)), strict=True):
        assert (conflict.theirs, conflict.ours) == (mirrored.ours, mirrored.theirs)
    if here.content is not None:
        assert there.content is not None
        assert here.content.to_dict() == there.content.to_dict()


@given(contents(), contents(), contents(), st.sampled_from(["theirs", "ours"]))
@settings(max_examples=150, deadline=None)
def test_law_every_conflict_can_be_settled(base: Content, one: Content, other: Content, side: str) -> None:
    result = merge(base, one, other)
    for _round in range(20):
        if not result.conflicts:
            break
        result = result.resolve({conflict.id: side for conflict in result.conflicts})
    merged = done(result)
    operations = {o.uid for o in merged.operations}
    before = {o.uid for o in (*base.operations, *one.operations, *other.operations)}
    assert all(r.operation is None or r.operation in operations or r.operation not in before for r in merged.lines)
    assert merged.output_quantity in {Decimal(1), Decimal(10)}


@given(contents(), contents(), contents())
@settings(max_examples=80, deadline=None)
def test_law_merging_again_changes_nothing(base: Content, one: Content, other: Content) -> None:
    merged = merge(base, one, other).content
    if merged is not None:
        assert merge(one, one, merged).content == merged
