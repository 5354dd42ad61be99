"""Corrective and preventive actions, and the closing of an alert."""

from datetime import date

import pytest
from sqlalchemy import select

from app.foundation.clock import now
from app.foundation.db import db, transaction
from app.foundation.errors import Conflict, NotAllowed, Refused
from app.foundation.jobs import Job
from app.people.models import Person
from app.quality import actions, queries
from app.quality.models import ActionKind, ActionState, Alert, AlertAction
from app.traits.followers import followers
from tests.factories.alerts import make_action, make_alert
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import put_in_stage, stage_named

pytestmark = pytest.mark.usefixtures("database")
OPEN, DOING, DONE, VERIFIED, DROPPED = ActionState
VERBS = {
    "start": (actions.start_action, {OPEN: DOING}),
    "finish": (actions.finish_action, {OPEN: DONE, DOING: DONE}),
    "verify": (actions.verify_action, {DONE: VERIFIED}),
    "drop": (actions.drop_action, {OPEN: DROPPED, DOING: DROPPED}),
    "reopen": (actions.reopen_action, {DONE: OPEN, VERIFIED: OPEN, DROPPED: OPEN}),
}


@pytest.mark.parametrize("before", list(ActionState))
@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_from_each_state(verb: str, before: ActionState) -> None:
    julie, alert = make_person("Julie"), make_alert()
    action = make_action(alert, state=before)
    do, legal = VERBS[verb]
    if before in legal:
        with transaction(by=julie):
            do(alert, action, by=julie)
        assert action.state is legal[before]
    else:
        with pytest.raises(Conflict), transaction(by=julie):
            do(alert, action, by=julie)
        assert db.session.scalar(select(AlertAction.state)) is before


def test_finishing_and_verifying_keep_who_and_when() -> None:
    julie, alert = make_person("Julie"), make_alert()
    action = make_action(alert)
    with transaction(by=julie) as tx:
        actions.finish_action(alert, action, by=julie)
        finished = tx.at
    with transaction(by=julie):
        actions.verify_action(alert, action, by=julie)
    assert (action.done_at, action.verified_by_id) == (finished, julie.id)
    with transaction(by=julie):
        actions.reopen_action(alert, action, by=julie)
    assert (action.done_at, action.verified_at, action.verified_by_id) == (None, None, None)


def test_the_owner_is_told_and_follows() -> None:
    julie, joe, alert = make_person("Julie"), make_person("Joe"), make_alert()
    with transaction(by=julie):
        actions.add_action(alert, ActionKind.CORRECTIVE, "Revise the BoM", owner_id=joe.id, by=julie)
    assert joe.id in {person.id for person in followers(alert)}
    mails = [job.payload["to"] for job in db.session.scalars(select(Job)) if job.kind == "mail"]
    assert mails == [joe.email]


def test_the_owner_starts_and_finishes_but_does_not_verify() -> None:
    joe, alert = make_person("Joe"), make_alert()
    action = make_action(alert, owner_id=joe.id)
    with transaction(by=joe):
        actions.start_action(alert, action, by=joe)
    with transaction(by=joe):
        actions.finish_action(alert, action, by=joe)
    with pytest.raises(NotAllowed), transaction(by=joe):
        actions.verify_action(alert, action, by=joe)


def test_a_colleague_and_a_customer_do_nothing() -> None:
    alert = make_alert()
    action = make_action(alert)
    for stranger in (make_person("Olga"), make_person("Marc"), make_customer()):
        for do, _legal in VERBS.values():
            with pytest.raises(NotAllowed), transaction(by=stranger):
                do(alert, action, by=stranger)
        with pytest.raises(NotAllowed), transaction(by=stranger):
            actions.add_action(alert, ActionKind.PREVENTIVE, "x", by=stranger)


def test_a_customer_cannot_own_an_action() -> None:
    julie, abigail, alert = make_person("Julie"), make_customer(), make_alert()
    with pytest.raises(Refused) as no, transaction(by=julie):
        actions.add_action(alert, ActionKind.CORRECTIVE, "x", owner_id=abigail.id, by=julie)
    assert no.value.field == "owner_id"


def close(alert: Alert, julie: Person) -> None:
    with transaction(by=julie):
        actions.move_alert(alert, to=stage_named(alert, "Verified"), before=None, after=None, by=julie)


def test_it_cannot_be_closed_with_open_actions_and_names_them() -> None:
    julie, alert = make_person("Julie"), make_alert()
    make_action(alert, "Hold the stock", state=VERIFIED)
    make_action(alert, "Stiffen the base", state=DONE)
    make_action(alert, "Tip test, every lot", kind=ActionKind.PREVENTIVE)
    with pytest.raises(Refused) as no:
        close(alert, julie)
    assert no.value.status == 422
    assert "Stiffen the base" in no.value.sentence
    assert "Tip test, every lot" in no.value.sentence
    assert "Hold the stock" not in no.value.sentence
    assert db.session.scalar(select(Alert.closed_at)) is None


def test_it_closes_when_everything_is_settled() -> None:
    julie, alert = make_person("Julie"), make_alert()
    make_action(alert, state=VERIFIED)
    make_action(alert, state=DROPPED)
    close(alert, julie)
    assert db.session.scalar(select(Alert.closed_at)) is not None


def test_a_closed_alert_takes_no_action_and_reopens_none() -> None:
    julie, alert = make_person("Julie"), make_alert()
    action = make_action(alert, state=VERIFIED)
    close(alert, julie)
    with pytest.raises(Refused, match="closed"), transaction(by=julie):
        actions.add_action(alert, ActionKind.CORRECTIVE, "One more", by=julie)
    with pytest.raises(Refused, match="closed"), transaction(by=julie):
        actions.reopen_action(alert, action, by=julie)


def test_other_stages_do_not_ask() -> None:
    julie, alert = make_person("Julie"), make_alert()
    make_action(alert)
    with transaction(by=julie):
        actions.move_alert(alert, to=stage_named(alert, "Action agreed"), before=None, after=None, by=julie)
    assert alert.stage is not None
    assert alert.stage.name == "Action agreed"


def test_a_stale_edit_is_a_conflict() -> None:
    julie, alert = make_person("Julie"), make_alert()
    action = make_action(alert)
    seen = action.version
    with transaction(by=julie):
        actions.edit_action(
            alert, action, version=seen, text="Theirs", owner_id=None, due_on=date(2026, 3, 20), by=julie
        )
    with pytest.raises(Conflict), transaction(by=julie):
        actions.edit_action(alert, action, version=seen, text="Mine", owner_id=None, due_on=None, by=julie)
    assert db.session.scalar(select(AlertAction.text)) == "Theirs"


def test_my_work_shows_what_one_owns_and_what_one_verifies() -> None:
    julie, joe = make_person("Julie"), make_person("Joe")
    alert = make_alert(responsible_id=julie.id)
    make_action(alert, "Late", owner_id=joe.id, due_on=date(2020, 1, 1))
    make_action(alert, "Finished", owner_id=joe.id, state=DONE)
    make_action(alert, "Verified", owner_id=joe.id, state=VERIFIED)
    assert [(item.title, item.pill) for item in queries.actions_waiting_for(joe)] == [("Late", "late")]
    assert [(item.title, item.pill) for item in queries.actions_waiting_for(julie)] == [("Finished", "verify")]


def test_an_action_is_late_from_the_day_after() -> None:
    today = now().date()
    action = AlertAction(text="x", state=OPEN, due_on=today)
    assert not action.is_late(today)
    assert action.is_late(date.fromordinal(today.toordinal() + 1))
    action.state = DONE
    assert not action.is_late(date.fromordinal(today.toordinal() + 1))


def test_reopening_the_alert_lets_work_go_on() -> None:
    julie, alert = make_person("Julie"), make_alert()
    close(alert, julie)
    put_in_stage(alert, "Confirmed")
    with transaction(by=julie):
        actions.add_action(alert, ActionKind.CORRECTIVE, "One more", by=julie)
    assert db.session.scalar(select(Alert.closed_at)) is None
