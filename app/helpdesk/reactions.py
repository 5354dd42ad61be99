"""What the helpdesk does when something happens elsewhere."""

from app.bom.models import BomRevision
from app.foundation.db import db
from app.foundation.events import on
from app.foundation.language import _
from app.foundation.loop import CompanyFounded, RevisionActivated
from app.helpdesk import queries
from app.helpdesk.actions import make_team_board
from app.people.models import Person, Team, TeamKind
from app.traits.chatter.actions import log


def listen() -> None:
    """Importing this module subscribes it; called by `register(app)`."""


@on(RevisionActivated)
def tell_open_tickets(fact: RevisionActivated) -> None:
    """The change that answers a ticket has taken effect: whoever has it can tell the customer."""
    if fact.eco_id is None:
        return
    revision = db.session.get(BomRevision, fact.revision_id)
    for ticket in queries.open_tickets_behind(fact.eco_id):
        log(ticket, "answered", {"revision": revision.number if revision else None}, by=None)


@on(CompanyFounded)
def lay_out_customer_care(fact: CompanyFounded) -> None:
    """The first team customers write to, with its board; the founder is in it."""
    founder = db.session.get_one(Person, fact.person_id)
    team = Team(name=_("Customer Care"), slug="customer-care", kind=TeamKind.HELPDESK, members=[founder])
    db.session.add(team)
    db.session.flush()
    make_team_board(team)
