"""What people do with alerts: one verb each."""

from datetime import date

from app.bom.units import Unit
from app.catalog.models import Product
from app.foundation.choosing import chosen, must_choose
from app.foundation.db import current_transaction, db, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import AlertRaised
from app.foundation.outbox import enqueue_letter
from app.foundation.permissions import authorize
from app.people.models import Customer, Person, Team
from app.quality import queries
from app.quality.models import ActionKind, ActionState, Alert, AlertAction, RootCause
from app.traits.assigning import assign, tell_responsible
from app.traits.board.actions import card_changed, change_board, enter_board, place
from app.traits.board.models import Board, Stage, StageRole
from app.traits.chatter.actions import follow, log
from app.traits.links.actions import link
from app.traits.record import Record, record_url
from app.traits.tags import set_tags, split_tags, tags_named

STAGES = (
    ("New", StageRole.NEW, False),
    ("Confirmed", StageRole.OPEN, False),
    ("Action agreed", StageRole.AGREED, False),
    ("Verified", StageRole.DONE, True),
)


def raise_alert(
    *,
    title: str,
    team_id: int,
    by: Person,
    responsible_id: int | None = None,
    description: str = "",
    product_id: int | None = None,
    serial_text: str = "",
    customer_id: int | None = None,
    root_cause_id: int | None = None,
    priority: int = 0,
    tags: str = "",
    origin: Record | None = None,
    stage: Stage | None = None,
) -> Alert:
    """Quality takes it up, alone or because of `origin`, which shows it from now on."""
    authorize(by, "alert.raise", origin)
    must_choose(Team, team_id, *queries.TEAM_OPEN, field="team_id")
    responsible = chosen(Person, responsible_id, *queries.STAFF_ACTIVE, field="responsible_id")
    alert = Alert(
        title=title,
        team_id=team_id,
        description=description,
        priority=priority,
        responsible_id=responsible_id,
        created_by_id=by.id,
        created_at=current_transaction().at,
        tags=tags_named(split_tags(tags)),
        actions=[],
    )
    _set_facts(alert, product_id, serial_text, customer_id, root_cause_id)
    enter_board(alert, queries.board_of_team(team_id), stage=stage, by=by)
    log(alert, "created", {"from_record": origin.number} if origin else {}, by=by)
    if origin is not None:
        link(origin, alert, by=by)
        card_changed(origin, by=by)
    tell_responsible(alert, responsible, by=by)
    publish(AlertRaised(alert_id=alert.id, origin_id=origin.id if origin else None))
    return alert


def attach_to_alert(origin: Record, alert: Alert, *, by: Person) -> None:
    """The same problem again: `origin` joins an alert that is open already."""
    authorize(by, "alert.raise", origin)
    lock(Record, origin.id, alert.id)
    if alert.stage is None or alert.stage.is_closed:
        raise Refused(_("%(number)s is closed. Raise a new alert.", number=alert.number), field="alert")
    link(origin, alert, by=by, verb="linked")
    log(alert, "joined", {"from_record": origin.number, "title": origin.title}, by=by)
    card_changed(origin, by=by)
    card_changed(alert, by=by)


def edit_alert(
    alert: Alert,
    *,
    version: int,
    title: str,
    description: str,
    team_id: int,
    responsible_id: int | None,
    product_id: int | None,
    serial_text: str,
    customer_id: int | None,
    root_cause_id: int | None,
    priority: int,
    tags: str,
    by: Person,
) -> None:
    """Save the edit form. A Conflict when somebody saved the alert since the form was drawn."""
    authorize(by, "alert.write", alert)
    if team_id != alert.team_id:
        team = must_choose(Team, team_id, *queries.TEAM_OPEN, field="team_id")
        change_board(alert, queries.board_of_team(team.id), by=by)
    lock(Record, alert.id)
    if alert.version != version:
        raise Conflict(
            _("Somebody saved %(number)s while you were typing. Nothing of theirs is lost.", number=alert.number)
        )
    responsible = chosen(
        Person, responsible_id, *queries.STAFF_ACTIVE, field="responsible_id", keep=alert.responsible_id
    )
    alert.team_id, alert.title, alert.description, alert.priority = team_id, title, description, priority
    set_tags(alert, split_tags(tags))
    _set_facts(alert, product_id, serial_text, customer_id, root_cause_id)
    assign(alert, responsible, by=by)
    card_changed(alert, by=by)
    db.session.flush()


def set_root_cause(alert: Alert, root_cause_id: int | None, *, by: Person) -> None:
    """Why it happened, from the pick list."""
    authorize(by, "alert.write", alert)
    lock(Record, alert.id)
    cause = _root_cause(alert, root_cause_id)
    if alert.root_cause_id != root_cause_id:
        alert.root_cause_id = root_cause_id
        log(alert, "root_cause", {"name": cause.name if cause else ""}, by=by)


def move_alert(record: Alert, *, to: Stage, before: int | None, after: int | None, by: Person) -> None:
    """Put the card there. A closed stage is entered only when every action is settled."""
    authorize(by, "alert.write", record)
    if to.is_closed and to.id != record.stage_id:
        lock(Stage, *(i for i in (record.stage_id, to.id) if i is not None))
        lock(Record, record.id)
        left = queries.unsettled_actions(record.id)
        if left:
            raise Refused(
                _(
                    "%(number)s cannot be closed. Not verified yet: %(actions)s.",
                    number=record.number,
                    actions=", ".join(f"“{action.text}”" for action in left),
                ),
                reasons=[action.text for action in left],
            )
    place(record, to=to, before=before, after=after, by=by)


def add_card(board: Board, stage: Stage, title: str, *, by: Person) -> Alert:
    """The quick form at the head of a column."""
    if board.team_id is None:
        raise Refused(_("This board has no team."))
    return raise_alert(title=title, team_id=board.team_id, stage=stage, by=by)


# Corrective and preventive actions


def add_action(
    alert: Alert,
    kind: ActionKind,
    text: str,
    *,
    owner_id: int | None = None,
    due_on: date | None = None,
    by: Person,
) -> AlertAction:
    """Somebody promises to do something about it."""
    authorize(by, "alert.write", alert)
    lock(Record, alert.id)
    if alert.stage is not None and alert.stage.is_closed:
        raise Refused(_("%(number)s is closed. Open it again to add an action.", number=alert.number), field="text")
    owner = chosen(Person, owner_id, *queries.STAFF_ACTIVE, field="owner_id")
    action = AlertAction(
        alert_id=alert.id,
        kind=kind,
        text=text,
        owner_id=owner_id,
        due_on=due_on,
        created_by_id=by.id,
        created_at=current_transaction().at,
    )
    db.session.add(action)
    db.session.flush()
    log(alert, "action_added", {"text": text, "kind": kind.value}, by=by)
    _tell_owner(alert, action, owner, by=by)
    card_changed(alert, by=by)
    return action


def edit_action(
    alert: Alert,
    action: AlertAction,
    *,
    version: int,
    text: str,
    owner_id: int | None,
    due_on: date | None,
    by: Person,
) -> None:
    """Other words, another owner, another day."""
    authorize(by, "alert.write", alert)
    _lock(alert, action)
    if action.version != version:
        raise Conflict(_("Somebody saved this action while you were typing. Nothing of theirs is lost."))
    owner = chosen(Person, owner_id, *queries.STAFF_ACTIVE, field="owner_id", keep=action.owner_id)
    is_new_owner = owner_id != action.owner_id
    action.text, action.owner_id, action.due_on = text, owner_id, due_on
    db.session.flush()
    if is_new_owner:
        _tell_owner(alert, action, owner, by=by)


def start_action(alert: Alert, action: AlertAction, *, by: Person) -> None:
    authorize(by, "alert.act", action)
    _lock(alert, action)
    action.must_be(ActionState.OPEN)
    _enter(alert, action, ActionState.DOING, by=by)


def finish_action(alert: Alert, action: AlertAction, *, by: Person) -> None:
    """It is done; somebody of quality still has to see that it helps."""
    authorize(by, "alert.act", action)
    _lock(alert, action)
    action.must_be(ActionState.OPEN, ActionState.DOING)
    action.done_at = current_transaction().at
    _enter(alert, action, ActionState.DONE, by=by)


def verify_action(alert: Alert, action: AlertAction, *, by: Person) -> None:
    """It helps."""
    authorize(by, "alert.write", alert)
    _lock(alert, action)
    action.must_be(ActionState.DONE)
    action.verified_at, action.verified_by_id = current_transaction().at, by.id
    _enter(alert, action, ActionState.VERIFIED, by=by)


def drop_action(alert: Alert, action: AlertAction, *, by: Person) -> None:
    """It is not needed after all; it stays to be read."""
    authorize(by, "alert.write", alert)
    _lock(alert, action)
    action.must_be(ActionState.OPEN, ActionState.DOING)
    _enter(alert, action, ActionState.DROPPED, by=by)


def reopen_action(alert: Alert, action: AlertAction, *, by: Person) -> None:
    """It did not help, or was dropped too soon. A closed alert has to be opened first."""
    authorize(by, "alert.write", alert)
    _lock(alert, action)
    action.must_be(ActionState.DONE, ActionState.VERIFIED, ActionState.DROPPED)
    if alert.stage is not None and alert.stage.is_closed:
        raise Refused(_("%(number)s is closed. Open it again first.", number=alert.number))
    action.done_at = action.verified_at = action.verified_by_id = None
    _enter(alert, action, ActionState.OPEN, by=by)


def make_team_board(team: Team, *, by: Person | None = None) -> Board:
    """The board of a quality team, with the usual stages."""
    board = Board(kind="alert", slug=team.slug, name=team.name, team_id=team.id, stages=[])
    for position, (name, role, folded) in enumerate(STAGES):
        board.stages.append(Stage(name=name, role=role, folded=folded, position=position))
    db.session.add(board)
    db.session.flush()
    return board


def _lock(alert: Alert, action: AlertAction) -> None:
    """The alert first, so that closing it and reopening an action cannot pass each other."""
    lock(Record, alert.id)
    lock(AlertAction, action.id)


def _enter(alert: Alert, action: AlertAction, state: ActionState, *, by: Person) -> None:
    action.state = state
    db.session.flush()
    log(alert, "action_" + state.value, {"text": action.text, "kind": action.kind.value}, by=by)
    card_changed(alert, by=by)


def _tell_owner(alert: Alert, action: AlertAction, owner: Person | None, *, by: Person) -> None:
    if owner is None:
        return
    follow(alert, owner)
    if owner.id != by.id:
        enqueue_letter(
            owner,
            "action",
            thread=alert.number,
            record=alert,
            action=action,
            giver=by,
            address=record_url(alert).lstrip("/") + f"?tab={action.kind.value}",
        )


def _set_facts(
    alert: Alert, product_id: int | None, serial_text: str, customer_id: int | None, root_cause_id: int | None
) -> None:
    """A serial of ours brings its product along."""
    product = chosen(Product, product_id, Product.archived_at.is_(None), field="product_id", keep=alert.product_id)
    chosen(Customer, customer_id, Customer.archived_at.is_(None), field="customer_id", keep=alert.customer_id)
    _root_cause(alert, root_cause_id)
    unit: Unit | None = queries.unit_with_serial(serial_text)
    if unit and product and unit.product_id != product.id:
        raise Refused(
            _("%(serial)s is a %(product)s.", serial=unit.serial, product=unit.product.name), field="product_id"
        )
    alert.product_id = unit.product_id if unit else product_id
    alert.unit_id = unit.id if unit else None
    alert.serial_text = unit.serial if unit else serial_text
    alert.customer_id = customer_id
    alert.root_cause_id = root_cause_id


def _root_cause(alert: Alert, root_cause_id: int | None) -> RootCause | None:
    return chosen(
        RootCause, root_cause_id, RootCause.archived_at.is_(None), field="root_cause_id", keep=alert.root_cause_id
    )
