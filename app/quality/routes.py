"""Alerts in the browser: the board, an alert with its actions, raising one from elsewhere."""

from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.foundation.clock import now
from app.foundation.db import transaction
from app.foundation.errors import Conflict, NotAllowed, NotFound, Refused
from app.foundation.htmx import fragments, partial, see_other, wants_fragment
from app.foundation.language import _, zone
from app.foundation.permissions import STAFF, needs
from app.people.current import current_person
from app.quality import actions, queries
from app.quality.forms import ActionForm, AlertForm, AttachForm, QuickActionForm, RaiseForm, RootCauseForm, StateForm
from app.quality.models import ActionKind, ActionState, Alert
from app.traits.board.pages import board_page
from app.traits.chatter.prose import prose
from app.traits.record import Record, record_url
from app.traits.show import record_page

bp = Blueprint("quality", __name__)


@bp.get("/alerts")
@needs(STAFF)
def board() -> ResponseReturnValue:
    return board_page("alert")


@bp.route("/alerts/new", methods=["GET", "POST"])
@needs("alert.raise")
def new() -> ResponseReturnValue:
    """Alone, or with `?from=T-0001` because of another record."""
    origin = queries.origin_named(request.args.get("from", ""), current_person())
    carried = origin.carry() if origin else {}
    form: RaiseForm = RaiseForm(**_started(carried)) if origin else AlertForm()
    status = 200
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                taken = {k: v for k, v in carried.items() if k in TAKEN_OVER}
                alert = actions.raise_alert(**{**taken, **form.values()}, origin=origin, by=current_person())
                tx.location = record_url(alert)
            return see_other(record_url(alert))
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    product, customer = queries.names_of(carried.get("product_id"), carried.get("customer_id"))
    page = render_template(
        "quality/new.html",
        form=form.offer(),
        origin=origin,
        product=product,
        customer=customer,
        serial=carried.get("serial_text", ""),
        url=request.full_path.rstrip("?"),
    )
    return page, status


@bp.route("/alerts/attach", methods=["GET", "POST"])
@needs("alert.raise")
def attach() -> ResponseReturnValue:
    """The record `?from=T-0001` is one more case of an alert that is open already."""
    origin = queries.origin_named(request.args.get("from", ""), current_person())
    if origin is None:
        raise NotFound(_("Say which record: open it, then choose “Attach to open alert”."))
    form, status, typed = AttachForm(), 200, request.args.get("q", "").strip()
    if form.validate_on_submit():
        try:
            alert = queries.alert_by_number(form.alert.data or "")
            with transaction(by=current_person()) as tx:
                tx.location = record_url(origin)
                actions.attach_to_alert(origin, alert, by=current_person())
            return see_other(record_url(origin))
        except NotAllowed:
            raise
        except NotFound:
            form.refuse(_("That cannot be chosen. Choose from the list."))
            status = 422
        except Refused as no:
            form.refuse(no.sentence)
            status = no.status
    elif form.is_submitted():
        status = 422
    found = queries.open_alerts(typed, origin.carry().get("product_id"))
    page = render_template(
        "quality/attach.html",
        form=form,
        origin=origin,
        origin_url=record_url(origin),
        found=found,
        typed=typed,
        same_product=origin.carry().get("product_id"),
    )
    return page, status


@bp.get("/alerts/<number>")
@needs(STAFF)
def show(number: str) -> ResponseReturnValue:
    return _page(queries.alert_by_number(number))


@bp.route("/alerts/<number>/edit", methods=["GET", "POST"])
@needs("alert.write")
def edit(number: str) -> ResponseReturnValue:
    alert = queries.alert_by_number(number)
    form, status, theirs = AlertForm(**_typed(alert)), 200, []
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = record_url(alert)
                actions.edit_alert(alert, version=form.version.data or 0, **form.values(), by=current_person())
            return see_other(record_url(alert))
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            alert = queries.alert_by_number(number)
            if isinstance(no, Conflict):
                theirs = _differences(form.offer(alert), _typed(alert))
                form.version.process_data(alert.version)
                form.version.raw_data = None
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    page = render_template(
        "quality/edit.html", form=form.offer(alert), alert=alert, theirs=theirs, url=url_for(".edit", number=number)
    )
    return page, status


@bp.post("/alerts/<number>/root-cause")
@needs("alert.write")
def root_cause(number: str) -> ResponseReturnValue:
    """Saved as soon as it is chosen."""
    alert = queries.alert_by_number(number)
    form = RootCauseForm()
    if not form.validate_on_submit():
        raise Refused(_("That cannot be chosen. Choose from the list."))
    with transaction(by=current_person()) as tx:
        tx.location = record_url(alert)
        actions.set_root_cause(alert, form.root_cause_id.data, by=current_person())
    alert = queries.alert_by_number(number)
    causes, similar = queries.causes_and_similar(alert)
    context = {"alert": alert, "cause_form": RootCauseForm(formdata=None, obj=alert).offer(causes)}
    return fragments(
        partial("#root-cause", render_template("quality/_root_cause.html", **context)),
        partial("#similar", render_template("quality/_similar.html", similar=similar)),
        instead=record_url(alert),
    )


@bp.post("/alerts/<number>/actions")
@needs("alert.write")
def add_action(number: str) -> ResponseReturnValue:
    alert = queries.alert_by_number(number)
    form = QuickActionForm()
    tab, status = _tab(request.form.get("kind")), 422
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = _tab_url(alert, tab)
                actions.add_action(alert, tab, form.text.data or "", by=current_person())
            return _actions(queries.alert_by_number(number), tab)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            alert = queries.alert_by_number(number)
            form.refuse(no.sentence, no.field)
            status = no.status
    return _actions(alert, tab, form, status)


@bp.route("/alerts/<number>/actions/new", methods=["GET", "POST"])
@needs("alert.write")
def new_action(number: str) -> ResponseReturnValue:
    """With owner and day at once."""
    alert = queries.alert_by_number(number)
    kind = _tab(request.args.get("kind"))
    form, status, back = ActionForm(), 200, _tab_url(alert, kind)
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = back
                values = form.values()
                actions.add_action(alert, kind, values.pop("text"), **values, by=current_person())
            return see_other(back)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    url = url_for(".new_action", number=number, kind=kind.value)
    title = _("New corrective action") if kind is ActionKind.CORRECTIVE else _("New preventive action")
    return render_template(
        "quality/action.html", form=form.offer(), alert=alert, back=back, url=url, title=title
    ), status


@bp.route("/alerts/<number>/actions/<int:action_id>", methods=["GET", "POST"])
@needs("alert.write")
def edit_action(number: str, action_id: int) -> ResponseReturnValue:
    alert = queries.alert_by_number(number)
    action = queries.action_of(alert, action_id)
    form, status = ActionForm(obj=action), 200
    back = _tab_url(alert, action.kind)
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = back
                values = form.values()
                actions.edit_action(alert, action, version=form.version.data or 0, **values, by=current_person())
            return see_other(back)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            if isinstance(no, Conflict):
                form.version.process_data(queries.action_of(queries.alert_by_number(number), action_id).version)
                form.version.raw_data = None
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    page = render_template(
        "quality/action.html",
        form=form.offer(),
        alert=alert,
        back=back,
        title=_("Edit action"),
        url=url_for(".edit_action", number=number, action_id=action_id),
    )
    return page, status


@bp.post("/alerts/<number>/actions/<int:action_id>/state")
@needs("alert.act")
def action_state(number: str, action_id: int) -> ResponseReturnValue:
    """Start, finish, verify, drop or open an action again."""
    alert = queries.alert_by_number(number)
    action = queries.action_of(alert, action_id)
    verb = VERBS.get(StateForm().to.data or "")
    if verb is None:
        raise Refused(_("An action cannot become that."))
    tab = action.kind
    with transaction(by=current_person()) as tx:
        tx.location = _tab_url(alert, tab)
        verb(alert, action, by=current_person())
    return _actions(queries.alert_by_number(number), tab)


VERBS = {
    ActionState.OPEN.value: actions.reopen_action,
    ActionState.DOING.value: actions.start_action,
    ActionState.DONE.value: actions.finish_action,
    ActionState.VERIFIED.value: actions.verify_action,
    ActionState.DROPPED.value: actions.drop_action,
}
TAKEN_OVER = frozenset({"product_id", "serial_text", "customer_id", "priority"})


def _page(alert: Alert, tab: ActionKind | None = None, form: QuickActionForm | None = None) -> ResponseReturnValue:
    tab = tab or _tab(request.args.get("tab"))
    causes, similar = queries.causes_and_similar(alert)
    return record_page(
        alert,
        "quality/show.html",
        alert=alert,
        cause_form=RootCauseForm(formdata=None, obj=alert).offer(causes),
        similar=similar,
        told=prose(alert.description),
        **_tab_context(alert, tab, form),
    )


def _actions(
    alert: Alert, tab: ActionKind, form: QuickActionForm | None = None, status: int = 200
) -> ResponseReturnValue:
    """The list of actions drawn anew; a plain browser gets the page, with what was typed when it was refused."""
    if wants_fragment():
        drawn = render_template("quality/_actions.html", alert=alert, **_tab_context(alert, tab, form))
        return fragments(partial("#actions", drawn), instead=_tab_url(alert, tab), status=status)
    if form is None:
        return see_other(_tab_url(alert, tab))
    return make_response(_page(alert, tab, form), status)


def _tab_context(alert: Alert, tab: ActionKind, form: QuickActionForm | None) -> dict[str, Any]:
    form = form or QuickActionForm(formdata=None, kind=tab)
    if form.kind.data not in list(ActionKind):
        form.kind.data = tab
    return {
        "tab": tab,
        "shown": [action for action in alert.actions if action.kind == tab],
        "how_many": {kind: sum(action.kind == kind for action in alert.actions) for kind in ActionKind},
        "form": form,
        "today": now().astimezone(zone()).date(),
    }


def _tab(typed: str | None) -> ActionKind:
    return ActionKind.PREVENTIVE if typed == ActionKind.PREVENTIVE.value else ActionKind.CORRECTIVE


def _tab_url(alert: Record, tab: ActionKind) -> str:
    return record_url(alert) + ("?tab=preventive" if tab is ActionKind.PREVENTIVE else "")


def _started(carried: dict[str, Any]) -> dict[str, Any]:
    return {name: carried.get(name, "") for name in ("title", "description")}


def _typed(alert: Alert) -> dict[str, Any]:
    """The alert as its edit form shows it."""
    names = ("version", "title", "description", "team_id", "responsible_id", "product_id", "serial_text")
    values = {name: getattr(alert, name) for name in (*names, "customer_id", "root_cause_id", "priority")}
    return values | {"tags": ", ".join(tag.name for tag in alert.tags)}


def _differences(form: AlertForm, typed: dict[str, Any]) -> list[tuple[str, str]]:
    """What stands in the alert now and differs from what was typed: label and value."""
    different = []
    for name, saved in typed.items():
        field = form[name]
        if name == "version" or (field.data or None) == (saved or None):
            continue
        shown = dict(field.choices).get("" if saved is None else saved, saved) if hasattr(field, "choices") else saved
        different.append((str(field.label.text), str(shown if shown not in (None, "") else _("empty"))))
    return different
