"""What happens to changes when something happens elsewhere."""

from app.foundation.events import on
from app.foundation.loop import DraftEdited
from app.plm import signing


@on(DraftEdited)
def signatures_are_about_what_was_signed(fact: DraftEdited) -> None:
    """Whoever edits a draft is an author of its change; signatures on the older content are void (rules P1, P5)."""
    if fact.eco_id is not None:
        signing.draft_changed(fact.eco_id, fact.by_id)
