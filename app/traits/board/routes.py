"""Addresses of all boards: one to move a card, one to add one, one for more cards, one that tells what changed."""

from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.foundation.db import transaction
from app.foundation.errors import AlreadyDone, AlreadySent, Conflict, NotFound, Refused
from app.foundation.forms import one_line
from app.foundation.htmx import fragments, partial, see_other, wants_fragment
from app.foundation.language import _
from app.foundation.permissions import STAFF, authorize, needs
from app.foundation.sessions import quiet
from app.people.current import current_person
from app.traits.board import pages, queries
from app.traits.board.pages import View, board_page
from app.traits.board.queries import Column
from app.traits.board.registry import BOARDS, NeedsDialog
from app.traits.record import KINDS, Record, record_url

__all__ = ["board_page", "bp"]
bp = Blueprint("board", __name__)
FEED = 200  # changes that are sent one by one; whoever is further behind loads the page again


@bp.post("/boards/<int:board_id>/moves")
@needs(STAFF)
def move(board_id: int) -> ResponseReturnValue:
    """Move a card. Every answer draws the columns as they are now; a "no" adds a sentence."""
    view = _view(board_id)
    board, spec = view.one, view.spec
    card, to = _number("card"), board.column(_number("to"))
    home = board.column(_number("from"))
    by = current_person()
    try:
        with transaction(by=by) as tx:
            record = _card_on(view, card)
            tx.location = record_url(record) if _is_record_page() else view.href()
            if to is None:
                raise Conflict(_("This stage is not on the board any more."))
            if home is None or record.stage_id != home.id:
                raise Conflict(_("%(number)s is not in the stage you saw it in.", number=record.number))
            rank = record.rank
            stage = queries.stage_by_id(to.id)
            spec.move(record, to=stage, before=_number("before"), after=_number("after"), by=by)
            number, title = record.number, record.title
    except (AlreadyDone, AlreadySent, NotFound):
        raise
    except Refused as no:
        return _not_moved(view, card, home, to, no)
    if _is_record_page():
        return see_other(record_url(record))
    return _moved(view, record.id, number, title, home, to, rank)


def _moved(view: View, card: int, number: str, title: str, home: Column, to: Column, rank: int) -> ResponseReturnValue:
    """200: both columns, the total, what was done with a way back, and the same for those who listen."""
    if not wants_fragment():
        return see_other(view.href() + f"#{number}")
    every = queries.boards()
    parts, found = pages.columns(view, every, (home.id, to.id), moved=(card,))
    now = next((n for n, c in enumerate(found.by_stage.get(to.id, ()), 1) if c.id == card), None)
    if home.id == to.id:
        sentence = _("%(number)s moved inside %(stage)s.", number=number, stage=to.name)
    else:
        sentence = _("%(number)s moved to %(stage)s.", number=number, stage=to.name)
        if to.wip_limit is not None and found.counts[to.id] > to.wip_limit:
            sentence += " " + _("%(n)s of %(limit)s are there now.", n=found.counts[to.id], limit=to.wip_limit)
    below = next((c.id for c in found.by_stage.get(home.id, ()) if c.rank > rank and c.id != card), None)
    last = next((c.id for c in reversed(found.by_stage.get(home.id, ())) if c.rank < rank and c.id != card), None)
    undo = {
        "url": view.under(f"/boards/{to.board_id}/moves"),
        "card": card,
        "from": to.id,
        "to": home.id,
        "before": below or "",
        "after": "" if below else last or "",
    }
    heard = sentence if now is None else f"{sentence} {_('%(n)s of %(count)s.', n=now, count=found.counts[to.id])}"
    answer = fragments(*parts, pages.toast(sentence, undo=undo), pages.said(heard), instead=view.href())
    answer.headers["HX-Trigger"] = "card-moved"
    return answer


def _not_moved(view: View, card: int, home: Column | None, to: Column | None, no: Refused) -> ResponseReturnValue:
    """409, 422, 403: nothing was changed; the same columns as they are, and why."""
    record = queries.card_to_move(view.one, card)
    if record is None:
        raise NotFound(_("This card is gone."))
    dialog = no if isinstance(no, NeedsDialog) else None
    moved = queries.last_move(record.id) if isinstance(no, Conflict) else None
    if not wants_fragment():
        if dialog is not None:
            page = render_template(
                "board/dialog.html", record=record, view=view, plain=True, template=dialog.template, **dialog.context
            )
            return make_response(page, no.status)
        if isinstance(no, Conflict) and home is not None:
            return pages.conflict_page(view, record, to, moved)
        raise no
    sentence = no.sentence
    if moved is not None and home is not None and moved.who:
        sentence = _(
            "%(who)s moved %(number)s to %(stage)s %(ago)s. Nothing was changed by you.",
            who=moved.who, number=record.number, stage=moved.to, ago=moved.ago,
        )  # fmt: skip
    parts: list[str] = []
    if not _is_record_page():
        stages = (home.id if home else None, to.id if to else None, record.stage_id)
        parts, _found = pages.columns(view, queries.boards(), stages)
    if dialog is not None:
        html = render_template(dialog.template, plain=False, **dialog.context)
        parts += [str(partial("#dialogs", html, "innerHTML")), pages.said(sentence)]
    else:
        parts.append(pages.toast(sentence, alert=True, reasons=no.reasons))
    return fragments(*parts, instead=view.href(), status=no.status)


@bp.post("/boards/<int:board_id>/stages/<int:stage_id>/cards")
@needs(STAFF)
def add(board_id: int, stage_id: int) -> ResponseReturnValue:
    """Quick add: a title is enough."""
    view = _view(board_id)
    board, spec = view.one, view.spec
    column = board.column(stage_id)
    if column is None or spec.quick_add is None:
        raise NotFound("")
    by = current_person()
    authorize(by, spec.rule)
    view.add = stage_id
    try:
        title = one_line(request.form.get("title", ""))
        if not title:
            raise Refused(_("Give it a title."), field="title")
        if len(title) > 200:
            raise Refused(_("A title has 200 characters at most."), field="title")
        with transaction(by=by) as tx:
            whole, stage = queries.board_and_stage(board.id, stage_id)
            tx.location = view.href(add=str(stage_id))
            record = spec.quick_add(whole, stage, title, by=by)
            number = record.number
    except Refused as no:
        if not wants_fragment() or isinstance(no, AlreadySent):
            raise
        why = pages.toast(no.sentence, alert=True, reasons=no.reasons)
        return fragments(why, instead=view.href(), status=no.status)
    if not wants_fragment():
        return see_other(view.href(add=str(stage_id)) + f"#{number}")
    parts, found = pages.columns(view, queries.boards(), (stage_id,), moved=(record.id,))
    sentence = _("%(number)s added to %(stage)s.", number=number, stage=column.name)
    form = render_template("board/_quick.html", column=column, **view.context(found))
    return fragments(
        *parts, str(partial(f"#quick-{stage_id}", form, "outerHTML")), pages.said(sentence), instead=view.href()
    )


@bp.get("/boards/<int:board_id>/stages/<int:stage_id>/cards")
@needs(STAFF)
def more(board_id: int, stage_id: int) -> ResponseReturnValue:
    """The next cards of a column, below `?after=rank.id`."""
    view = _view(board_id)
    column = view.one.column(stage_id)
    rank, _dot, last = request.args.get("after", "").partition(".")
    if column is None or not last.isdecimal() or not rank.removeprefix("-").isdecimal() or len(rank + last) > 30:
        raise NotFound("")
    parts = pages.more_cards(view, column, (int(rank), int(last)), queries.boards())
    return fragments(*parts, instead=view.href())


@bp.get("/boards/<int:board_id>/changes")
@needs(STAFF)
@quiet
def changes(board_id: int) -> ResponseReturnValue:
    """What changed since version `?since=`: nothing (204), or the columns it touched and a new cursor."""
    since = _number("since")
    version = queries.version_of(board_id)
    if version is None:
        raise NotFound("")
    if since == version:
        return make_response("", 204)
    view = _view(board_id)
    board = view.one
    if not wants_fragment():
        return see_other(view.href())
    happened = [] if since > version else queries.changes(board_id, since, FEED)
    if since > version or len(happened) > FEED:
        answer = make_response("", 200)
        answer.headers["HX-Refresh"] = "true"
        return answer
    me = current_person().id
    others = [c for c in happened if c.actor_id != me]
    touched = {s for c in happened for s in (c.from_stage_id, c.to_stage_id)}
    parts, _found = pages.columns(view, queries.boards(), touched, moved={c.record_id for c in others})
    last = next((c for c in reversed(others) if c.actor and c.from_stage_id != c.to_stage_id), None)
    to = board.column(last.to_stage_id) if last else None
    if last is not None and to is not None and last.from_stage_id is not None:
        words = _("%(who)s moved %(number)s to %(stage)s", who=last.actor, number=last.number, stage=to.name)
        parts.append(pages.toast(words))
    cursor = happened[-1].version if happened else version
    sync = render_template("board/_sync.html", view=view, board=board, version=cursor)
    parts.append(str(partial("#sync", sync, "outerHTML")))
    return fragments(*parts, instead=view.href())


@bp.get("/<plural>/<number>/move")
@needs(STAFF)
def move_page(plural: str, number: str) -> ResponseReturnValue:
    """The Move menu as a page, for a browser without scripts."""
    kind = next((k for k in KINDS.values() if k.plural == plural and k.name in BOARDS), None)
    record = queries.record_by_number(kind.name, number) if kind else None
    if record is None or record.stage is None:
        raise NotFound("")
    view = _view(record.stage.board_id)
    around = queries.place_in_column(record)
    empty = queries.Cards(by_stage={}, counts={})
    return render_template("board/move.html", record=record, around=around, **view.context(empty))


def _view(board_id: int) -> View:
    board = queries.board_by_id(board_id)
    if board is None or board.kind not in BOARDS:
        raise NotFound(_("There is no such board."))
    return View(BOARDS[board.kind], board)


def _card_on(view: View, card: int) -> Record:
    record = queries.card_to_move(view.one, card)
    if record is None or not view.spec.of.may_see(current_person(), record):
        raise NotFound(_("This card is gone."))
    return record


def _is_record_page() -> bool:
    return request.form.get("page") == "record"


def _number(name: str) -> int:
    """A whole number of the request; 0 when there is none."""
    given: Any = request.values.get(name, "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0
