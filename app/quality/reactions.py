"""What quality does when something happens elsewhere."""

from app.bom.models import BomRevision
from app.foundation.db import db
from app.foundation.events import on
from app.foundation.loop import RevisionActivated
from app.quality import queries
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
