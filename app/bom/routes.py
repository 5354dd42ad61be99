"""Bills of materials in the browser: lists, a BoM, a revision with its editor, a product, a unit."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.bom import actions, pages, queries, units
from app.bom.forms import ComponentForm, OperationForm, VerbForm
from app.bom.models import DEFAULT_CODE, BomLine, BomOperation, BomRevision
from app.bom.tree import opened_rows, tree
from app.catalog import queries as catalog
from app.foundation.db import transaction
from app.foundation.errors import Conflict, NotAllowed, NotFound, Refused
from app.foundation.htmx import see_other, wants_fragment
from app.foundation.permissions import STAFF, can, needs
from app.people.current import current_person

bp = Blueprint("bom", __name__)
PAGE = 50
View = Callable[..., ResponseReturnValue]


def both(path: str, **options: Any) -> Callable[[View], View]:
    """The same view for the default slot `/boms/<ref>...` and for another one `/boms/<ref>/<code>...`."""

    def add(view: View) -> View:
        bp.add_url_rule(f"/boms/<ref>{path}", view_func=view, defaults={"code": DEFAULT_CODE}, **options)
        bp.add_url_rule(f"/boms/<ref>/<code>{path}", view_func=view, **options)
        return view

    return add


# Lists --------------------------------------------------------------------------------------------------------------


@bp.get("/products")
@needs(STAFF)
def products() -> ResponseReturnValue:
    typed, offset = _asked()
    rows, count = queries.product_rows(typed, offset=offset, limit=PAGE)
    return render_template("catalog/list.html", rows=rows, count=count, q=typed, offset=offset, page=PAGE)


@bp.get("/boms")
@needs(STAFF)
def index() -> ResponseReturnValue:
    typed, offset = _asked()
    rows, count = queries.bom_rows(typed, offset=offset, limit=PAGE)
    return render_template("bom/list.html", rows=rows, count=count, q=typed, offset=offset, page=PAGE)


def _asked() -> tuple[str, int]:
    offset = request.args.get("offset", "0")
    return request.args.get("q", "").strip()[:200], int(offset) if offset.isdecimal() and len(offset) < 8 else 0


# A product, a unit --------------------------------------------------------------------------------------------------


@bp.get("/products/<ref>")
@needs(STAFF)
def product(ref: str) -> ResponseReturnValue:
    found = catalog.product_by_ref(ref)
    return render_template("catalog/show.html", **pages.product_page(found))


@bp.get("/units/<serial>")
@needs(STAFF)
def unit(serial: str) -> ResponseReturnValue:
    found = units.find_unit(serial)
    if found is None:
        raise NotFound("")
    return render_template("bom/unit.html", **pages.unit_page(found))


# A BoM --------------------------------------------------------------------------------------------------------------


@both("", methods=["GET"])
@needs(STAFF)
def show(ref: str, code: str) -> ResponseReturnValue:
    bom = queries.bom_of(ref, code)
    return render_template("bom/show.html", **pages.bom_page(bom, opened_rows(request.args.get("open", ""))))


@both("/revisions/<int:number>/branches/<uid>", methods=["GET"])
@needs(STAFF)
def branch(ref: str, code: str, number: int, uid: str) -> ResponseReturnValue:
    """One line of the tree with what is open below it; a plain browser gets the whole page."""
    revision = queries.revision_of(ref, number, code)
    opened = request.args.get("open", "")
    if not wants_fragment():
        page = revision.bom.url if revision.is_current else revision.url
        return make_response(redirect(f"{page}?open={opened}#components", 303))
    drawn = tree(revision, opened=opened_rows(opened), only=uid)
    if not drawn.branches:
        raise NotFound("")
    return render_template("bom/_branch.html", branch=drawn.branches[0], tree=drawn, revision=revision)


# A revision ---------------------------------------------------------------------------------------------------------


@both("/revisions/<int:number>", methods=["GET"])
@needs(STAFF)
def revision(ref: str, code: str, number: int) -> ResponseReturnValue:
    found = queries.revision_of(ref, number, code)
    form: ComponentForm | OperationForm | None = None
    editing = ""
    if found.is_draft and can(current_person(), "bom.edit", found):
        adding = request.args.get("add")
        if adding == "component":
            form = ComponentForm()
        elif adding == "operation":
            form = OperationForm()
        elif "line" in request.args:
            editing = request.args["line"]
            form = _filled_component(queries.line_of(found, editing))
        elif "step" in request.args:
            editing = request.args["step"]
            form = _filled_operation(queries.operation_of(found, editing))
    return _draw(found, form, editing)


@both("/revisions/<int:number>/components", methods=["POST"])
@needs("bom.edit")
def add_component(ref: str, code: str, number: int) -> ResponseReturnValue:
    found, form = queries.revision_of(ref, number, code), ComponentForm()

    def save() -> None:
        component = catalog.product_of_option(form.component.data or "", field="component")
        actions.add_component(
            found,
            component=component,
            quantity=form.quantity.data or Decimal(0),
            by=current_person(),
            **_more(found, form),
        )

    return _saved(found, form, save)


@both("/revisions/<int:number>/components/<uid>", methods=["POST"])
@needs("bom.edit")
def change_component(ref: str, code: str, number: int, uid: str) -> ResponseReturnValue:
    found, form = queries.revision_of(ref, number, code), ComponentForm()

    def save() -> None:
        line = queries.line_of(found, uid)
        typed = form.component.data or ""
        kept = typed in (catalog.option_of(line.component), line.component.name, line.component.ref)
        component = line.component if kept else catalog.product_of_option(typed, field="component")
        changes = {"uom": component.uom} | _more(found, form)
        actions.change_component(
            line,
            by=current_person(),
            version=_version(form),
            component=component,
            quantity=form.quantity.data,
            **changes,
        )

    return _saved(found, form, save, uid)


@both("/revisions/<int:number>/components/<uid>/removal", methods=["POST"])
@needs("bom.edit")
def remove_component(ref: str, code: str, number: int, uid: str) -> ResponseReturnValue:
    found = queries.revision_of(ref, number, code)
    return _removed(found, lambda: actions.remove_component(queries.line_of(found, uid), by=current_person()))


@both("/revisions/<int:number>/operations", methods=["POST"])
@needs("bom.edit")
def add_operation(ref: str, code: str, number: int) -> ResponseReturnValue:
    found, form = queries.revision_of(ref, number, code), OperationForm().offer()
    return _saved(found, form, lambda: actions.add_operation(found, by=current_person(), **_step(form)))


@both("/revisions/<int:number>/operations/<uid>", methods=["POST"])
@needs("bom.edit")
def change_operation(ref: str, code: str, number: int, uid: str) -> ResponseReturnValue:
    found, form = queries.revision_of(ref, number, code), OperationForm().offer()

    def save() -> None:
        step = queries.operation_of(found, uid)
        said = _step(form)
        said["sequence"] = step.sequence if said["sequence"] is None else said["sequence"]
        actions.change_operation(step, by=current_person(), version=_version(form), **said)

    return _saved(found, form, save, uid)


@both("/revisions/<int:number>/operations/<uid>/removal", methods=["POST"])
@needs("bom.edit")
def remove_operation(ref: str, code: str, number: int, uid: str) -> ResponseReturnValue:
    found = queries.revision_of(ref, number, code)
    return _removed(found, lambda: actions.remove_operation(queries.operation_of(found, uid), by=current_person()))


def _saved(
    found: BomRevision, form: ComponentForm | OperationForm, save: Callable[[], object], uid: str = ""
) -> ResponseReturnValue:
    """Back to the revision, or the page again with the form as it was typed and what is wrong with it."""
    url, status = found.url, 422
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = url
                save()
            return see_other(url)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
            if isinstance(no, Conflict) and no.code != "NOT_A_DRAFT" and uid:
                _see_it_again(found, form, uid)
    return make_response(_draw(queries.load_for_page(found.id), form, uid), status)


def _removed(found: BomRevision, remove: Callable[[], object]) -> ResponseReturnValue:
    if not VerbForm().validate_on_submit():
        return make_response(_draw(found, None, ""), 422)
    with transaction(by=current_person()) as tx:
        tx.location = found.url
        remove()
    return see_other(found.url)


def _draw(found: BomRevision, form: ComponentForm | OperationForm | None, editing: str) -> str:
    page = pages.revision_page(found, opened_rows(request.args.get("open", "")))
    if isinstance(form, ComponentForm):
        form.offer(page["operations"], catalog.uoms())
    elif form is not None:
        form.offer()
    kind = "component" if isinstance(form, ComponentForm) else "operation" if form is not None else ""
    return render_template("bom/revision.html", **page, form=form, form_kind=kind, editing=editing)


def _see_it_again(found: BomRevision, form: ComponentForm | OperationForm, uid: str) -> None:
    """After a stale edit the next save is about what stands there now."""
    try:
        row: BomLine | BomOperation = (
            queries.line_of(found, uid) if isinstance(form, ComponentForm) else queries.operation_of(found, uid)
        )
    except NotFound:
        return
    form.version.data = str(row.version)


def _more(found: BomRevision, form: ComponentForm) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operation": queries.operation_of(found, form.operation.data) if form.operation.data else None,
        "scrap": (form.scrap.data or Decimal(0)) / 100,
        "setup": form.setup.data or Decimal(0),
        "note": form.note.data or "",
    }
    if form.uom.data:
        uom = next((uom for uom in catalog.uoms() if uom.code == form.uom.data), None)
        if uom is not None:
            said["uom"] = uom
    return said


def _step(form: OperationForm) -> dict[str, Any]:
    centre = next(centre for centre in catalog.work_centres() if centre.code == form.work_centre.data)
    return {
        "name": form.name.data or "",
        "work_centre": centre,
        "minutes": form.minutes.data or Decimal(0),
        "sequence": int(form.sequence.data) if form.sequence.data is not None else None,
        "note": form.note.data or "",
    }


def _version(form: ComponentForm | OperationForm) -> int | None:
    text = form.version.data or ""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _filled_component(line: BomLine) -> ComponentForm:
    return ComponentForm(
        component=catalog.option_of(line.component),
        quantity=line.quantity,
        uom=line.uom.code if line.uom_id != line.component.uom_id else "",
        operation=line.operation_uid or "",
        scrap=line.scrap * 100 if line.scrap else None,
        setup=line.setup or None,
        note=line.note,
        version=str(line.version),
    )


def _filled_operation(step: BomOperation) -> OperationForm:
    return OperationForm(
        name=step.name,
        work_centre=step.work_centre.code,
        minutes=step.minutes,
        sequence=step.sequence,
        note=step.note,
        version=str(step.version),
    )
