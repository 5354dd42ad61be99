"""What the quality pages show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, String, bindparam, case, cast, false, func, literal, null, or_, select, union_all
from sqlalchemy.orm import joinedload, lazyload

from app.bom.units import Unit
from app.catalog.models import Product
from app.foundation.clock import now
from app.foundation.db import db
from app.foundation.errors import NotFound, Refused
from app.foundation.language import _, day, zone
from app.people.models import Customer, Person, Team, TeamKind
from app.quality.models import ActionState, Alert, AlertAction, RootCause
from app.traits.board.models import CLOSED_ROLES, Board, Stage
from app.traits.links.models import Link
from app.traits.record import KINDS, Record, may_see
from app.traits.work import WorkItem

SIMILAR = 8
FOUND = 20


def alert_by_number(number: str) -> Alert:
    """The alert with everything its page and its edit form show; one statement."""
    found = (
        db.session.scalars(
            select(Alert)
            .where(Alert.number == number)
            .options(
                joinedload(Alert.team),
                joinedload(Alert.customer),
                joinedload(Alert.product),
                joinedload(Alert.root_cause),
                joinedload(Alert.unit).options(joinedload(Unit.revision).options(lazyload("*"))),
                joinedload(Alert.responsible).options(lazyload(Person.role_rows)),
                joinedload(Alert.created_by).options(lazyload(Person.role_rows)),
                joinedload(Alert.tags),
                joinedload(Alert.actions).joinedload(AlertAction.owner).options(lazyload(Person.role_rows)),
            )
        )
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("There is no alert %(number)s.", number=number))
    return found


def action_of(alert: Alert, action_id: int) -> AlertAction:
    found = db.session.scalar(select(AlertAction).where(AlertAction.id == action_id, AlertAction.alert_id == alert.id))
    if found is None:
        raise NotFound(_("There is no such action."))
    return found


def unsettled_actions(alert_id: int) -> Sequence[AlertAction]:
    """What keeps an alert from being closed."""
    open_states = [state for state in ActionState if not state.is_settled]
    return db.session.scalars(
        select(AlertAction)
        .where(AlertAction.alert_id == alert_id, AlertAction.state.in_(open_states))
        .order_by(AlertAction.id)
    ).all()


def actions_waiting_for(person: Person) -> list[WorkItem]:
    """What this person has promised, and what they are to verify, the most urgent first; one query."""
    promised = (AlertAction.owner_id == person.id) & AlertAction.state.in_([ActionState.OPEN, ActionState.DOING])
    to_verify = (Alert.responsible_id == person.id) & (AlertAction.state == ActionState.DONE)
    statement = (
        select(AlertAction, Alert.number, Alert.title)
        .join(Alert, Alert.id == AlertAction.alert_id)
        .where(promised | to_verify)
        .order_by(AlertAction.due_on.is_(None), AlertAction.due_on, AlertAction.id)
    )
    today = now().astimezone(zone()).date()
    return [_waiting(action, number, title, today) for action, number, title in db.session.execute(statement)]


def _waiting(action: AlertAction, number: str, title: str, today: date) -> WorkItem:
    is_late, verify = action.is_late(today), action.state is ActionState.DONE
    return WorkItem(
        title=action.text,
        url=f"/alerts/{number}?tab={action.kind.value}#action-{action.id}",
        note=f"{number} · {title}",
        due=day(action.due_on) if action.due_on else "",
        pill=_("verify") if verify else _("late") if is_late else "",
        pill_kind="ok" if verify else "bad" if is_late else "",
        pill_icon="check" if verify else "late" if is_late else "",
    )


def origin_named(number: str, person: Person) -> Record | None:
    """The record an alert is raised from, if this person may know of it."""
    if not number:
        return None
    found = db.session.scalar(select(Record).where(Record.number == number))
    if found is None or found.kind not in KINDS or not may_see(person, found):
        raise NotFound(_("There is no record %(number)s.", number=number))
    return found


@dataclass(frozen=True, slots=True)
class Similar:
    """Another alert about the same product or with the same root cause."""

    number: str
    title: str
    stage: str


def causes_and_similar(alert: Alert) -> tuple[list[tuple[int, str]], list[Similar]]:
    """The pick list of root causes, and the newest similar alerts; one statement for both."""
    causes = select(
        literal(0).label("what"),
        RootCause.id.label("id"),
        RootCause.name.label("name"),
        null().label("number"),
        null().label("stage"),
    ).where(or_(RootCause.archived_at.is_(None), RootCause.id == alert.root_cause_id))
    same = [
        column == value
        for column, value in ((Alert.product_id, alert.product_id), (Alert.root_cause_id, alert.root_cause_id))
        if value is not None
    ]
    newest = (
        select(Alert.id, Alert.title, Alert.number, Stage.name.label("stage"))
        .join(Stage, Stage.id == Alert.stage_id)
        .where(or_(false(), *same), Alert.id != alert.id)
        .order_by(Alert.id.desc())
        .limit(SIMILAR)
        .subquery()
    )
    alike = select(literal(1), newest.c.id, newest.c.title, newest.c.number, newest.c.stage)
    rows = db.session.execute(union_all(causes, alike)).all()
    picks = sorted(((row.id, row.name) for row in rows if row.what == 0), key=lambda pick: str(pick[1]).casefold())
    similar = sorted((row for row in rows if row.what == 1), key=lambda row: -row.id)
    return picks, [Similar(row.number, row.name, row.stage) for row in similar]


def open_alerts(typed: str, product_id: int | None) -> Sequence[Alert]:
    """Alerts one could still join, those of the same product first; `typed` is part of a number or a title."""
    statement = (
        select(Alert)
        .join(Stage, Stage.id == Alert.stage_id)
        .where(Stage.role.not_in(CLOSED_ROLES))
        .options(joinedload(Alert.product))
    )
    if typed:
        statement = statement.where(
            or_(Alert.number.icontains(typed, autoescape=True), Alert.title.icontains(typed, autoescape=True))
        )
    own_product_first = case((Alert.product_id == product_id, 0), else_=1)
    return db.session.scalars(statement.order_by(own_product_first, Alert.id.desc()).limit(FOUND)).unique().all()


def names_of(product_id: int | None, customer_id: int | None) -> tuple[str, str]:
    """Product and customer of an origin, for people."""
    product = db.session.get(Product, product_id) if product_id else None
    customer = db.session.get(Customer, customer_id) if customer_id else None
    return (product.name if product else "", customer.name if customer else "")


def alerts_behind(record_id: int) -> Sequence[Alert]:
    """The alerts a change goes back to, over however many steps."""
    up = select(Link.from_id.label("id")).where(Link.to_id == record_id).cte("up", recursive=True)
    up = up.union(select(Link.from_id).join(up, Link.to_id == up.c.id))
    return db.session.scalars(select(Alert).where(Alert.id.in_(select(up.c.id))).order_by(Alert.id)).all()


def same_cause(record: Record) -> dict[str, Any] | None:
    """The other records behind the alerts of `record`; None when it stands alone."""
    alert_ids = select(Link.to_id).join(Alert, Alert.id == Link.to_id).where(Link.from_id == record.id)
    others = (
        select(Record)
        .join(Link, Link.from_id == Record.id)
        .where(Link.to_id.in_(alert_ids), Record.id != record.id, Record.kind == record.kind)
        .order_by(Record.id.desc())
    )
    found = db.session.scalars(others).unique().all()
    return {"others": found[:SIMILAR], "count": len(found), "url": KINDS[record.kind].plural} if found else None


def join_for_cards(statement: Select[Any]) -> Select[Any]:
    """What the second line of a card and the search of the board look at."""
    alert = Alert.__table__
    return statement.outerjoin(alert, alert.c.id == Record.id).outerjoin(Product, Product.id == alert.c.product_id)


def _progress() -> Any:
    """ "verified 1/3" on a card, as SQL: how many of its actions are settled; NULL without any."""
    alert, action = Alert.__table__, AlertAction.__table__
    mine = select(func.count()).select_from(action).where(action.c.alert_id == alert.c.id).correlate(alert)
    settled = mine.where(action.c.state.in_([state for state in ActionState if state.is_settled]))
    word = bindparam("verified", callable_=lambda: str(_("verified")), type_=String())
    count = mine.scalar_subquery()
    return case((count > 0, word + " " + cast(settled.scalar_subquery(), String) + "/" + cast(count, String)))


def names_of_causes(ids: set[int]) -> dict[int, str]:
    """For the history of an alert."""
    rows = db.session.execute(select(RootCause.id, RootCause.name).where(RootCause.id.in_(ids)))
    return {row.id: row.name for row in rows}


def unit_with_serial(serial: str) -> Unit | None:
    if not serial:
        return None
    return db.session.scalar(select(Unit).where(Unit.serial.in_({serial, serial.upper()})))


def board_of_team(team_id: int) -> Board:
    """Where a team's alerts live."""
    found = db.session.scalar(select(Board).where(Board.team_id == team_id, Board.archived_at.is_(None)))
    if found is None:
        raise Refused(_("This team has no board yet."), field="team_id")
    return found


def quality_teams() -> Sequence[Team]:
    return db.session.scalars(select(Team).where(*TEAM_OPEN).order_by(Team.name)).all()


def staff() -> Sequence[Person]:
    statement = select(Person).where(*STAFF_ACTIVE).options(lazyload(Person.role_rows)).order_by(Person.name)
    return db.session.scalars(statement).all()


def products(keep: int | None = None) -> Sequence[Product]:
    statement = select(Product).where(or_(Product.archived_at.is_(None), Product.id == keep)).order_by(Product.name)
    return db.session.scalars(statement).all()


def customers() -> Sequence[Customer]:
    return db.session.scalars(select(Customer).where(Customer.archived_at.is_(None)).order_by(Customer.name)).all()


def root_causes(keep: int | None = None) -> Sequence[RootCause]:
    statement = select(RootCause).where(or_(RootCause.archived_at.is_(None), RootCause.id == keep))
    return db.session.scalars(statement.order_by(RootCause.name)).all()


CARD_ABOUT = (Product.name, _progress())
CARD_SEARCH = (Product.name, Alert.__table__.c.serial_text)
TEAM_OPEN = (Team.kind == TeamKind.QUALITY, Team.archived_at.is_(None))
STAFF_ACTIVE = (Person.is_staff.is_(True), Person.is_active.is_(True), Person.archived_at.is_(None))
