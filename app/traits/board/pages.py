"""Drawing boards: the page of a kind, one column, and the answer to whoever changed something."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from app.foundation.errors import NotFound
from app.foundation.htmx import partial
from app.foundation.language import _, get_locale
from app.foundation.permissions import can
from app.people.current import current_person
from app.traits.board import queries
from app.traits.board.drawing import drawer
from app.traits.board.queries import FIRST, MORE, MOST, BoardView, Cards, Column, Filters
from app.traits.board.registry import BOARDS, BoardSpec
from app.traits.navigation import by_step
from app.traits.record import Record

REMEMBERED = 365 * 24 * 3600


def board_page(kind: str) -> ResponseReturnValue:
    """`/tickets`: the board asked for, the last used or the first; `?view=list` shows all of them as one list."""
    spec = BOARDS[kind]
    every = queries.boards()
    own = [b for b in every if b.kind == kind]
    asked = request.args.get(spec.switch, "")
    if asked and not any(b.slug == asked for b in own):
        raise NotFound(_("There is no such board."))
    if request.args.get("view") == "list":
        return _list_page(spec, every, own, next((b for b in own if b.slug == asked), None))
    if not own:
        return render_template("board/none.html", spec=spec)
    remembered = request.cookies.get(_cookie(spec), "")
    board = next((b for b in own if b.slug == (asked or remembered)), own[0])
    answer = make_response(_draw_board(spec, every, own, board))
    if asked and asked != remembered:
        answer.set_cookie(
            _cookie(spec), asked, max_age=REMEMBERED, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return answer


def _draw_board(spec: BoardSpec, every: Sequence[BoardView], own: Sequence[BoardView], board: BoardView) -> str:
    view = View(spec, board)
    drawn = [c for c in board.columns if not view.is_folded(c)]
    shown = {c.id: view.shown(c) + 1 for c in drawn}
    found = queries.cards(spec, every, board, view.filters, shown, reader_id=current_person().id)
    g.nav_counts = by_step(found.open_by_kind) | found.own_counts
    return render_template(
        "board/board.html", own=own, total=view.total(found), keys=_keys(str(get_locale())), **view.context(found)
    )


@lru_cache(maxsize=16)
def _keys(locale: str) -> dict[str, Markup]:
    """What never changes on a board, in the reader's language: the script's words, and the list of keys."""
    return {
        "words": Markup(render_template("board/_words.html")),  # noqa: S704 - drawn by an escaping template
        "list": Markup(render_template("board/_keys.html")),  # noqa: S704 - drawn by an escaping template
    }


def _list_page(
    spec: BoardSpec, every: Sequence[BoardView], own: Sequence[BoardView], board: BoardView | None
) -> ResponseReturnValue:
    view = View(spec, board)
    after = request.args.get("after", "")
    rows, found, total = queries.rows(spec, every, board, view.filters, int(after) if after.isdecimal() else None)
    more = view.href(view="list", after=str(rows[-1].card.id)) if len(rows) == queries.LIST_PAGE else None
    return render_template(
        "board/list.html", own=own, rows=rows, total=total, more=more, paged=bool(after), **view.context(found)
    )


class View:
    """How the reader looks at a board: filters, unfolded columns, how much is drawn. All of it is in the address."""

    def __init__(self, spec: BoardSpec, board: BoardView | None) -> None:
        args = request.args
        self.spec, self.board = spec, board
        self.filters = Filters(
            q=args.get("q", "").strip()[:100],
            assignee=_assignee(args.get("assignee", "")),
            tag=args.get("tag", "")[:40],
        )
        self.opened = {int(i) for i in args.getlist("open") if i.isdecimal()}
        self.add = next((int(i) for i in [request.values.get("add", "")] if i.isdecimal()), None)
        self.wanted = _pairs(request.values.get("shown", ""))

    @property
    def one(self) -> BoardView:
        """The board; a list over all of them has none."""
        if self.board is None:
            raise NotFound("")
        return self.board

    @cached_property
    def args(self) -> list[tuple[str, str]]:
        """What an address of this view repeats."""
        args = request.args
        kept = [(name, args[name]) for name in ("q", "assignee", "tag") if args.get(name)]
        if self.board is not None:
            kept.insert(0, (self.spec.switch, self.board.slug))
        if args.get("view") == "list":
            kept.append(("view", "list"))
        return kept + [("open", str(i)) for i in sorted(self.opened)]

    def href(self, *without: str, **changes: str) -> str:
        """The address of this view with `changes`, and without what is named."""
        kept = [(name, value) for name, value in self.args if name not in without and name not in changes]
        query = urlencode(kept + [(name, value) for name, value in changes.items() if value])
        return self.spec.address + (f"?{query}" if query else "")

    def under(self, path: str, **more: str) -> str:
        """An address of the trait itself, with the filters of this view."""
        kept = [(name, value) for name, value in self.args if name not in (self.spec.switch, "view")]
        if not kept and not more:
            return path
        query = urlencode(kept + list(more.items()))
        return path + (f"?{query}" if query else "")

    @cached_property
    def tail(self) -> str:
        """The filters of this view as the end of an address: empty, or from the question mark on."""
        return self.under("")

    @cached_property
    def home(self) -> str:
        """The address of this view itself."""
        return self.href()

    def is_folded(self, column: Column) -> bool:
        return column.folded and column.id not in self.opened

    def shown(self, column: Column) -> int:
        return max(FIRST, min(self.wanted.get(column.id, FIRST), MOST))

    def total(self, found: Cards) -> str:
        count = sum(found.counts[c.id] for c in self.one.columns if not c.is_closed)
        return str(_("%(n)s open", n=count))

    def context(self, found: Cards, moved: Iterable[int] = ()) -> dict[str, Any]:
        """What the templates of a board take."""
        person = current_person()
        return {
            "spec": self.spec,
            "kind": self.spec.of,
            "board": self.board,
            "view": self,
            "found": found,
            "faces": found.faces,
            "labels": found.labels,
            "pills": found.pills,
            "sprite": current_app.jinja_env.globals["asset"]("img/icons.svg"),  # type: ignore[operator]
            "draw": drawer(self.spec.of, found, frozenset(moved)),
            "may_write": can(person, self.spec.rule),
            "me": person,
            "nobody": queries.Face(0, "", "", "", False),
        }


def columns(
    view: View, every: Sequence[BoardView], stage_ids: Iterable[int | None], *, moved: Iterable[int] = ()
) -> tuple[list[str], Cards]:
    """The columns with these ids drawn anew, as partials, with the total above the board."""
    wanted = [c for c in view.one.columns if c.id in set(stage_ids)]
    drawn = {c.id: view.shown(c) + 1 for c in wanted if not view.is_folded(c)}
    found = queries.cards(view.spec, every, view.one, view.filters, drawn)
    context = view.context(found, moved)
    parts = [str(partial(f"#stage-{c.id}", render_template("board/_column.html", column=c, **context))) for c in wanted]
    parts.append(str(partial("#total", render_template("board/_total.html", total=view.total(found)))))
    return parts, found


def more_cards(view: View, column: Column, after: tuple[int, int], every: Sequence[BoardView]) -> list[str]:
    """The next cards of a column below its last one, and a new "Load more" if there are still others."""
    found = queries.cards(
        view.spec, every, view.one, view.filters, {column.id: MORE + 1}, after=after, with_counts=False
    )
    cards = found.by_stage[column.id]
    context = view.context(found)
    parts = [str(partial(f"#list-{column.id}", context["draw"](cards[:MORE]), "beforeend"))]
    if len(cards) > MORE:
        button = render_template("board/_more.html", column=column, last=cards[MORE - 1], count=None, **context)
        parts.append(str(partial(f"#more-{column.id}", button, "outerHTML")))
    else:
        parts.append(str(partial(f"#more-{column.id}", "", "delete")))
    return parts


def toast(
    sentence: str, *, alert: bool = False, undo: Mapping[str, Any] | None = None, reasons: Sequence[str] = ()
) -> str:
    html = render_template("board/_toast.html", sentence=sentence, alert=alert, undo=undo, reasons=reasons)
    return str(partial("#toasts", html, "beforeend"))


def said(sentence: str, *, alarm: bool = False) -> str:
    """The sentence for those who listen: polite, or at once."""
    html = render_template("board/_said.html", sentence=sentence)
    return str(partial("#alarm" if alarm else "#said", html, "innerHTML"))


def conflict_page(view: View, record: Record, to: Column | None, moved: queries.Moved | None) -> Response:
    """Somebody was faster, for a browser without scripts: what is, what was wanted, and both ways on."""
    page = render_template(
        "board/conflict.html",
        record=record,
        to=to,
        moved=moved,
        **view.context(Cards(by_stage={}, counts={})),
    )
    return make_response(page, 409)


def _assignee(asked: str) -> int | None:
    if asked == "me":
        return current_person().id
    if asked == "nobody":
        return 0
    return int(asked) if asked.isdecimal() and len(asked) < 10 else None


def _pairs(text: str) -> dict[int, int]:
    """ "3:40,4:20" -> {3: 40, 4: 20}; anything else is left out."""
    found = {}
    for pair in text[:400].split(","):
        stage, _sep, count = pair.partition(":")
        if stage.isdecimal() and count.isdecimal() and len(stage) < 10 and len(count) < 5:
            found[int(stage)] = int(count)
    return found


def _cookie(spec: BoardSpec) -> str:
    return f"board_{spec.kind}"
