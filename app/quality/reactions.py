"""What quality does when something happens elsewhere."""

from app.bom.models import BomRevision
from app.foundation.db import db
from app.foundation.events import on
from app.foundation.language import _
from app.foundation.loop import CompanyFounded, RevisionActivated
from app.people.models import Person, Team, TeamKind
from app.quality import queries
from app.quality.actions import make_team_board
from app.quality.models import RootCause
from app.traits.chatter.actions import log


def listen() -> None:
    """Importing this module subscribes it; called by `register(app)`."""


@on(RevisionActivated)
def tell_alerts(fact: RevisionActivated) -> None:
    """The change that answers an alert has taken effect: its actions can be verified now."""
    if fact.eco_id is None:
        return
    revision = db.session.get(BomRevision, fact.revision_id)
    for alert in queries.alerts_behind(fact.eco_id):
        log(alert, "answered", {"revision": revision.number if revision else None}, by=None)


@on(CompanyFounded)
def lay_out_production_quality(fact: CompanyFounded) -> None:
    """The first quality team with its board and the usual root causes; the founder is in it."""
    founder = db.session.get_one(Person, fact.person_id)
    team = Team(
        name=_("Production Quality Team"), slug="production-quality-team", kind=TeamKind.QUALITY, members=[founder]
    )
    db.session.add(team)
    db.session.flush()
    make_team_board(team)
    causes = (_("Design"), _("Environment"), _("Machine"), _("Material"), _("Method"), _("Process"), _("Training"))
    db.session.add_all(RootCause(name=name) for name in causes)
