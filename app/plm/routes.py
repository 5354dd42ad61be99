"""Addresses of changes: the board, a new one, one change and what is done to it."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.bom.redline import redline
from app.foundation import sessions
from app.foundation.db import transaction
from app.foundation.error_pages import back
from app.foundation.errors import Conflict, NotAllowed, NotFound, Refused
from app.foundation.htmx import fragments, partial, see_other, wants_fragment
from app.foundation.language import _
from app.foundation.permissions import STAFF, can, needs
from app.foundation.sessions import client_address, rotate
from app.people.current import current_person
from app.people.sign_in import confirm
from app.plm import actions, queries, signing
from app.plm.disputes import overtakers
from app.plm.forms import CancelForm, CommentForm, DescriptionForm, EcoForm, RebaseForm, RejectForm, SignForm, VerbForm
from app.plm.gates import names_in, unpacked
from app.plm.models import Eco, Meaning
from app.plm.queries import Dossier
from app.plm.signing import ContentChanged, Proof
from app.traits.board.pages import board_page
from app.traits.record import Record, may_see, record_url
from app.traits.show import record_page

bp = Blueprint("plm", __name__)


@bp.get("/ecos")
@needs(STAFF)
def board() -> ResponseReturnValue:
    return board_page("eco")


@bp.get("/ecos/types")
@needs(STAFF)
def types() -> ResponseReturnValue:
    """What each type asks of a change, and how many wait where."""
    return render_template("plm/types.html", cards=queries.type_cards(current_person()))


@bp.route("/ecos/new", methods=["GET", "POST"])
@needs("eco.open")
def new() -> ResponseReturnValue:
    form, status = EcoForm(), 200
    products = queries.products_to_change()
    form.offer(queries.eco_types(), products)
    origin = _origin(request.values.get("from", "") or form.origin.data or "")
    if form.validate_on_submit():
        kind = queries.type_by_id(int(form.type.data))
        try:
            with transaction(by=current_person()) as tx:
                eco = actions.open_eco(
                    title=form.title.data or "",
                    type=kind,
                    product=queries.product_by_ref(form.product.data),
                    description=form.description.data or "",
                    origin=origin,
                    by=current_person(),
                )
                tx.location = record_url(eco)
            return see_other(tx.location)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    else:
        _fill(form, origin, {p.id: p.ref for p in products}, request.args.get("product", ""))
    return render_template("plm/new.html", form=form, origin=origin, url=url_for(".new")), status


@bp.get("/ecos/<number>")
@needs(STAFF)
def show(number: str) -> ResponseReturnValue:
    return _page(number)


@bp.route("/ecos/<number>/edit", methods=["GET", "POST"])
@needs("eco.write")
def edit(number: str) -> ResponseReturnValue:
    eco = queries.eco_by_number(number)
    form, status, theirs = DescriptionForm(), 200, None
    products = queries.products_to_change() if eco.started_at is None else []
    form.offer(queries.engineers(), eco.responsible, products)
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = record_url(eco)
                actions.describe_eco(
                    eco,
                    version=form.seen_version,
                    title=form.title.data or "",
                    description=form.description.data or "",
                    responsible_id=form.responsible_id.data or None,
                    priority=form.priority.data,
                    product=queries.product_by_ref(form.product.data) if products and form.product.data else None,
                    by=current_person(),
                )
            return see_other(tx.location)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            status = no.status
            eco = queries.eco_by_number(number)
            if isinstance(no, Conflict):
                theirs = eco
                form.version.data = str(eco.version)
            form.refuse(no.sentence, no.field)
    elif form.is_submitted():
        status = 422
    else:
        form.version.data = str(eco.version)
        form.title.data, form.description.data = eco.title, eco.description
        form.responsible_id.data, form.priority.data = eco.responsible_id or 0, eco.priority
        form.product.data = eco.product.ref if eco.product else ""
    return render_template("plm/edit.html", form=form, eco=eco, theirs=theirs, has_product=bool(products)), status


@bp.post("/ecos/<number>/revision")
@needs("eco.write")
def start_revision(number: str) -> ResponseReturnValue:
    return _do(number, lambda eco: actions.start_eco_revision(eco, by=current_person()))


@bp.post("/ecos/<number>/rebase")
@needs("eco.write")
def rebase(number: str) -> ResponseReturnValue:
    form = RebaseForm()

    def take_over(eco: Eco) -> None:
        if not form.validate() or form.revision.data is None or form.onto.data is None:
            raise Refused(_("This page was too old. Look at the choices again."))
        actions.rebase_eco(
            eco,
            revision_id=form.revision.data,
            onto=form.onto.data,
            choices={name[2:]: value for name, value in request.form.items() if name.startswith("c-")},
            by=current_person(),
        )

    return _do(number, take_over)


@bp.route("/ecos/<number>/approvals", methods=["GET", "POST"])
@needs("eco.sign")
def approvals(number: str) -> ResponseReturnValue:
    """The sign-off: a dialog for htmx, a page for a plain browser, both posting here."""
    form = SignForm()
    if request.method == "GET":
        return _sign_dialog(queries.eco_by_number(number), form, 200)
    if not form.validate_on_submit():
        return _sign_dialog(queries.eco_by_number(number), form, 422)
    to_id = form.stage.data if form.then.data != "only" else None
    try:
        eco = queries.eco_by_number(number)
        proof = _proof(eco, form)
        with transaction(by=current_person()) as tx:
            tx.location = _then(eco)
            if to_id is not None:
                done = actions.enter_and_apply(
                    eco,
                    to_id=to_id,
                    approve=form.approve.data != "no",
                    before=form.before.data,
                    after=form.after.data,
                    by=current_person(),
                    proof=proof,
                    seen=form.seen.data or "",
                    saw=unpacked(form.saw.data or ""),
                    meaning=Meaning(form.meaning.data),
                    comment=form.comment.data or "",
                )
            else:
                done = True
                actions.approve_eco(
                    eco,
                    by=current_person(),
                    proof=proof,
                    seen=form.seen.data or "",
                    saw=unpacked(form.saw.data or ""),
                    meaning=Meaning(form.meaning.data),
                    comment=form.comment.data or "",
                )
    except Refused as no:
        return _sign_dialog(queries.eco_by_number(number), form, no.status, no)
    if not done:
        flash(_("%(number)s is in force already.", number=number))
    if proof.password:
        rotate()
    return see_other(tx.location)


@bp.route("/ecos/<number>/rejection", methods=["GET", "POST"])
@needs("eco.sign")
def rejection(number: str) -> ResponseReturnValue:
    return _say(
        number,
        RejectForm(),
        "reject",
        lambda eco, text: signing.reject(eco, by=current_person(), proof=Proof(sessions.via()), reason=text),
    )


@bp.route("/ecos/<number>/comments", methods=["GET", "POST"])
@needs("eco.sign")
def comments(number: str) -> ResponseReturnValue:
    return _say(
        number,
        CommentForm(),
        "comment",
        lambda eco, text: signing.comment_on(eco, by=current_person(), proof=Proof(sessions.via()), comment=text),
    )


@bp.post("/ecos/<number>/application")
@needs("eco.move")
def application(number: str) -> ResponseReturnValue:
    def apply(eco: Eco) -> None:
        if not actions.apply_eco(eco, by=current_person()):
            flash(_("%(number)s is in force already.", number=number))

    return _do(number, apply)


@bp.route("/ecos/<number>/cancellation", methods=["GET", "POST"])
@needs("eco.write")
def cancellation(number: str) -> ResponseReturnValue:
    return _say(
        number,
        CancelForm(),
        "cancel",
        lambda eco, text: actions.cancel_eco(eco, by=current_person(), reason=text),
    )


# Inside


def _do(number: str, verb: Callable[[Eco], object]) -> ResponseReturnValue:
    """One verb on one change, in its own transaction, back to its page. A refusal is shown on the page."""
    eco = queries.eco_by_number(number)
    try:
        with transaction(by=current_person()) as tx:
            tx.location = record_url(eco)
            verb(eco)
    except Refused as no:
        if wants_fragment() or isinstance(no, NotAllowed):
            raise
        return make_response(_page(number, said=no), no.status)
    return see_other(tx.location)


def _page(number: str, *, said: Refused | None = None) -> ResponseReturnValue:
    eco = queries.eco_by_number(number)
    dossier = queries.dossier_of(eco, current_person())
    return record_page(
        eco,
        "plm/show.html",
        eco=eco,
        dossier=dossier,
        stages=[step.stage for step in dossier.path.steps],
        redlines=[
            redline(part.revision, known=dossier.sheet.contents, alone=len(dossier.sheet.parts) == 1)
            for part in dossier.sheet.parts
        ],
        impact=queries.impact(dossier.sheet),
        overtakers=overtakers(dossier.sheet),
        may_move=eco.cancelled_at is None and can(current_person(), "eco.move", eco),
        said=said,
        verb=VerbForm(formdata=None),
    )


def _sign_dialog(eco: Eco, form: SignForm, status: int, no: Refused | None = None) -> ResponseReturnValue:
    """The dialog as it is now: on a changed content with what is different, and with the new content to sign."""
    dossier = queries.dossier_of(eco, current_person())
    if eco.applied_at is not None and no is None:
        return see_other(record_url(eco))
    context = _sign_context(dossier, form)
    context |= {"form": form, "no": no, "difference": [], "names": {}}
    if isinstance(no, ContentChanged):
        context["difference"] = no.difference
        context["names"] = names_in(change for _part, changes in no.difference for change in changes)
    if wants_fragment():
        return fragments(
            partial("#dialogs", render_template("plm/_dialog.html", **context), "innerHTML"),
            instead=record_url(eco),
            status=status,
        )
    return render_template("plm/sign.html", plain=True, **context), status


def _sign_context(dossier: Dossier, form: SignForm) -> dict[str, Any]:
    """Signing alone where others are still to sign; signing and applying where the reader's word is the last one."""
    eco = dossier.eco
    case = signing.Case(eco, dossier.path, dossier.sheet)
    step = dossier.path.step(form.stage.data) if form.stage.data else dossier.last_word
    approve = form.approve.data != "no"
    if step is not None:
        return actions.sign_context(
            case, step, by=current_person(), before=form.before.data, after=form.after.data, approve=approve
        ) | {"may_sign_only": approve and dossier.may_approve}
    return actions.sign_context(case, signing.gate_for(case, current_person()), by=current_person(), moves=False)


def _proof(eco: Eco, form: SignForm) -> Proof:
    """How the reader proved who they are; the password is checked here, before any transaction."""
    if form.approve.data == "no" or not queries.is_signed(eco):
        return Proof(sessions.via())
    confirm(current_person(), form.password.data or "", address=client_address())
    return Proof(sessions.via(), password=True)


def _say(
    number: str, form: RejectForm | CommentForm | CancelForm, what: str, verb: Callable[[Eco, str], object]
) -> ResponseReturnValue:
    """A page with one text: why it is rejected, what there is to say, why it is cancelled."""
    eco, status = queries.eco_by_number(number), 200
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = record_url(eco)
                verb(eco, form.text)
            return see_other(tx.location)
        except NotAllowed:
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
            eco = queries.eco_by_number(number)
    elif form.is_submitted():
        status = 422
    context = {"eco": eco, "form": form, "what": what}
    if wants_fragment():
        html = render_template("plm/_say.html", **context)
        return fragments(partial("#dialogs", html, "innerHTML"), instead=record_url(eco), status=status)
    return render_template("plm/say.html", plain=True, **context), status


def _then(eco: Eco) -> str:
    """Back to the board when the card was moved there, else to the change."""
    page = back()
    return page if page == "/ecos" or page.startswith("/ecos?") else record_url(eco)


def _origin(number: str) -> Record | None:
    """The record a new change comes from, if the reader may know of it."""
    found = queries.record_by_number(number) if number else None
    return found if found is not None and may_see(current_person(), found) else None


def _fill(form: EcoForm, origin: Record | None, refs: dict[int, str], product: str) -> None:
    """What the new change may take over from where it comes from."""
    if origin is not None:
        carried = origin.carry()
        form.origin.data = origin.number
        form.title.data = carried.get("title", "")
        form.description.data = carried.get("description", "")
        form.product.data = refs.get(carried.get("product_id") or 0, "")
    elif product:
        form.product.data = product
