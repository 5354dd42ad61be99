"""What the database itself refuses: a released revision keeps its content whoever asks, also by raw SQL."""

from app.foundation import freeze
from app.foundation.freeze import Trigger

SIGNED = "a released revision cannot be changed"
FROZEN = (
    "id",
    "bom_id",
    "number",
    "based_on_id",
    "eco_id",
    "content_hash",
    "output_quantity",
    "uom_id",
    "kind",
    "note",
    "created_at",
    "created_by_id",
    "released_at",
)
EDGES = {
    "draft": ("scheduled", "active", "abandoned"),
    "scheduled": ("active", "superseded", "abandoned", "withdrawn"),
    "active": ("superseded", "withdrawn"),
    "superseded": ("withdrawn",),
}


def _legal() -> str:
    steps = (
        f"(OLD.state = '{old}' AND NEW.state IN ({', '.join(repr(new) for new in news)}))"
        for old, news in EDGES.items()
    )
    return " OR ".join(steps)


freeze.register(
    Trigger(
        "freeze_bom_revision_insert",
        "bom_revision",
        "INSERT",
        "a revision begins as a draft",
        "NEW.state {is_not} 'draft'",
    ),
    Trigger("freeze_bom_revision_content", "bom_revision", "UPDATE", SIGNED, "OLD.state {is_not} 'draft'", FROZEN),
    Trigger(
        "freeze_bom_revision_state",
        "bom_revision",
        "UPDATE",
        "a revision cannot go from this state to that one",
        f"NEW.state {{is_not}} OLD.state AND (NOT ({_legal()})"
        " OR (NEW.state IN ('scheduled', 'active') AND NEW.content_hash IS NULL))",
        ("state",),
    ),
    Trigger("freeze_bom_revision_delete", "bom_revision", "DELETE", "revision numbers never come back"),
    Trigger(
        "freeze_bom_pointer",
        "bom",
        "UPDATE",
        "the current revision belongs to its own BoM",
        "NEW.active_revision_id IS NOT NULL"
        " AND (SELECT bom_id FROM bom_revision WHERE id = NEW.active_revision_id) {is_not} NEW.id",
        ("active_revision_id",),
    ),
)

for _table in ("bom_line", "bom_operation", "bom_document"):
    _new = "(SELECT state FROM bom_revision WHERE id = NEW.revision_id) {is_not} 'draft'"
    _old = _new.replace("NEW.", "OLD.")
    freeze.register(
        Trigger(f"freeze_{_table}_insert", _table, "INSERT", SIGNED, _new),
        Trigger(f"freeze_{_table}_update", _table, "UPDATE", SIGNED, f"{_old} OR {_new}"),
        Trigger(f"freeze_{_table}_delete", _table, "DELETE", SIGNED, _old),
    )

freeze.append_only("activation")
freeze.append_only("activation_cancellation")
