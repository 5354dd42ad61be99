"""What happens to changes when something happens elsewhere."""

from app.foundation.db import db
from app.foundation.events import on
from app.foundation.loop import CompanyFounded, DraftEdited
from app.people.models import Person
from app.plm import signing
from app.plm.actions import make_default_types


@on(DraftEdited)
def signatures_are_about_what_was_signed(fact: DraftEdited) -> None:
    """Whoever edits a draft is an author of its change; signatures on the older content are void (rules P1, P5)."""
    if fact.eco_id is not None:
        signing.draft_changed(fact.eco_id, fact.by_id)


@on(CompanyFounded)
def lay_out_types(fact: CompanyFounded) -> None:
    """The two usual types of change, approved by the founder.

    Whoever founds a company is alone in it and is the author of every change. Nobody could approve one if author and
    approver had to be two people, so both types begin without that rule.
    """
    for kind in make_default_types(approver=db.session.get_one(Person, fact.person_id)):
        kind.separation_of_duties = False
