from app.bom.compare import compare
from tests.bom.plain_content import content, document, line, operation


def test_nothing_differs_from_itself() -> None:
    same = content(line("a"), operations=[operation("o")], documents=[document("d")])
    assert compare(same, same) == []


def test_the_support_rod_is_one_added_line_and_one_added_operation() -> None:
    v1 = content(line("pole"), line("dowel", quantity="6"), operations=[operation("assemble")])
    v2 = content(
        line("pole"),
        line("dowel", quantity="6"),
        line("rod", "SUPPORT-ROD"),
        operations=[operation("assemble"), operation("install", 20)],
    )
    changes = compare(v1, v2)
    assert [(c.kind, c.what, c.uid) for c in changes] == [("add", "line", "rod"), ("add", "operation", "install")]
    assert changes[0].before is None
    assert changes[0].after is not None
    assert changes[0].after["component"] == "SUPPORT-ROD"


def test_a_changed_line_tells_before_and_after() -> None:
    (change,) = compare(content(line("screw", quantity="4")), content(line("screw", quantity="2")))
    assert (change.kind, change.fields) == ("update", ("quantity",))
    assert change.before
    assert change.after
    assert (change.before["quantity"], change.after["quantity"]) == ("4", "2")


def test_a_removed_line_stands_where_it_was() -> None:
    changes = compare(content(line("a"), line("b"), line("c")), content(line("a", note="x"), line("c", note="y")))
    assert [(c.kind, c.uid) for c in changes] == [("update", "a"), ("remove", "b"), ("update", "c")]


def test_the_header_and_documents_are_compared() -> None:
    old = content(line("a"), documents=[document("d")])
    new = content(line("a"), documents=[document("d", sha256="bb"), document("e")], output_quantity="10")
    assert [(c.kind, c.what, c.uid) for c in compare(old, new)] == [
        ("update", "header", "header"),
        ("update", "document", "d"),
        ("add", "document", "e"),
    ]


def test_moving_a_line_is_no_change_but_another_sequence_is() -> None:
    assert compare(content(line("a"), line("b")), content(line("b"), line("a"))) == []
    (change,) = compare(content(operations=[operation("o", 10)]), content(operations=[operation("o", 30)]))
    assert change.fields == ("sequence",)


def test_a_first_revision_is_all_added() -> None:
    assert [c.kind for c in compare(None, content(line("a"), operations=[operation("o")]))] == ["add", "add"]


def test_numbers_that_are_equal_do_not_differ() -> None:
    assert compare(content(line("a", quantity="1.0")), content(line("a", quantity="1"))) == []
