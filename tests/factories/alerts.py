"""Quality teams with their board, alerts, and their actions."""

from typing import Any

from sqlalchemy import select

from app.foundation.db import db, transaction
from app.people.models import Person, Team, TeamKind
from app.quality import actions
from app.quality.models import ActionKind, ActionState, Alert, AlertAction, RootCause
from tests.factories.people import make_person, make_team
from tests.factories.tickets import put_in_stage

__all__ = ["make_action", "make_alert", "make_quality_team", "make_root_cause"]


def make_quality_team(name: str = "Production Quality Team", *, members: tuple[Person, ...] = ()) -> Team:
    """A quality team with its board: New, Confirmed, Action agreed, Verified."""
    team = make_team(name, kind=TeamKind.QUALITY, members=members)
    with transaction(by=None, source="test"):
        actions.make_team_board(db.session.merge(team))
    return team


def make_alert(title: str = "Coat rack tips over", *, stage: str | None = None, **fields: Any) -> Alert:
    """An alert raised by Julie for the first quality team there is, or a new one."""
    julie = fields.pop("by", None) or make_person("Julie")
    team_id = fields.pop("team_id", None)
    if team_id is None:
        team_id = db.session.scalar(select(Team.id).where(Team.kind == TeamKind.QUALITY).order_by(Team.id).limit(1))
    team_id = team_id or make_quality_team().id
    with transaction(by=julie, source="test"):
        alert = actions.raise_alert(title=title, team_id=team_id, by=julie, **fields)
    if stage is not None:
        put_in_stage(alert, stage)
    return alert


def make_action(
    alert: Alert,
    text: str = "Stiffen the base",
    *,
    kind: ActionKind = ActionKind.CORRECTIVE,
    state: ActionState = ActionState.OPEN,
    **fields: Any,
) -> AlertAction:
    """An action in any state."""
    julie = make_person("Julie")
    with transaction(by=julie, source="test"):
        action = actions.add_action(alert, kind, text, by=julie, **fields)
        action.state = state
    return action


def make_root_cause(name: str = "Design, base joint") -> RootCause:
    with transaction(by=None, source="test") as tx:
        cause = RootCause(name=name)
        tx.session.add(cause)
    return cause
