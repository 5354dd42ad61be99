"""What a board shows, in a fixed number of statements whatever the rows: boards, cards, counts, labels.

Cards are plain tuples, never entities: the first few of every column come in one UNION ALL that follows the index of
`(stage_id, rank, id)`; counts are one GROUP BY. Statements are built once per shape and kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from app.foundation.clock import now
from app.foundation.db import db
from app.foundation.language import _, get_locale
from app.people.models import Person
from app.traits.board.models import Board, BoardChange, Stage, StageRole
from app.traits.board.registry import BOARDS, BoardSpec, Pill
from app.traits.links.models import Link
from app.traits.record import KINDS, Record, RecordTag, Tag
from app.traits.work import own_counts

FIRST = 20  # cards per column at first
MORE = 40  # and with each "Load more"
MOST = 500  # cards in one column that are ever drawn at once
LIST_PAGE = 50
TITLE = 140
OWN = 2  # marks the rows of the counting statement that say what waits for the reader

_record, _board, _stage = Record.__table__, Board.__table__, Stage.__table__


@dataclass(frozen=True)
class Column:
    """A stage as a board shows it."""

    id: int
    board_id: int
    name: str
    role: StageRole
    folded: bool
    wip_limit: int | None
    hard_limit: bool

    @property
    def is_closed(self) -> bool:
        return self.role.is_closed


@dataclass(frozen=True)
class BoardView:
    """A board with its stages, without its cards."""

    id: int
    kind: str
    slug: str
    name: str
    version: int
    columns: list[Column]

    def column(self, stage_id: int | None) -> Column | None:
        return next((c for c in self.columns if c.id == stage_id), None)


@dataclass(frozen=True)
class Filters:
    """What the reader looks for. `assignee` is a person's id, 0 for nobody."""

    q: str = ""
    assignee: int | None = None
    tag: str = ""

    def __bool__(self) -> bool:
        return bool(self.q or self.tag or self.assignee is not None)


class Card(NamedTuple):
    """One card, ready to be drawn; the template unpacks it in this order."""

    id: int
    number: str
    title: str
    priority: int
    age: str
    responsible_id: int | None
    blocked: str | None
    about: str
    rank: int
    stage_id: int


@dataclass(frozen=True)
class Face:
    """A member of staff as a card shows them."""

    id: int
    name: str
    colour: str
    initials: str
    is_active: bool


class Label(NamedTuple):
    """A tag, or a record this one is linked to (`step`, `url` set)."""

    text: str
    step: str
    url: str


@dataclass
class Cards:
    """The drawn part of a board: cards by stage, true counts, and what their labels say."""

    by_stage: dict[int, list[Card]]
    counts: dict[int, int]
    labels: dict[int, list[Label]] = field(default_factory=dict)
    faces: dict[int, Face] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    pills: Mapping[int, Sequence[Pill]] = field(default_factory=dict)
    open_by_kind: dict[str, int] = field(default_factory=dict)
    own_counts: dict[str, int] = field(default_factory=dict)


# Boards


def boards() -> list[BoardView]:
    """All boards of all kinds with their stages, in one statement."""
    statement = (
        select(
            _board.c.id, _board.c.kind, _board.c.slug, _board.c.name, _board.c.version,
            _stage.c.id, _stage.c.name, _stage.c.role, _stage.c.folded, _stage.c.wip_limit, _stage.c.hard_limit,
        )
        .join(_stage, and_(_stage.c.board_id == _board.c.id, _stage.c.archived_at.is_(None)))
        .where(_board.c.archived_at.is_(None))
        .order_by(_board.c.id, _stage.c.position, _stage.c.id)
    )  # fmt: skip
    found: dict[int, BoardView] = {}
    for board_id, kind, slug, name, version, *stage in db.session.execute(statement):
        board = found.setdefault(board_id, BoardView(board_id, kind, slug, name, version, []))
        board.columns.append(Column(stage[0], board_id, *stage[1:]))
    return list(found.values())


def board_by_id(board_id: int) -> BoardView | None:
    return next((b for b in boards() if b.id == board_id), None)


# Cards


def cards(
    spec: BoardSpec,
    every: Sequence[BoardView],
    board: BoardView,
    filters: Filters,
    shown: Mapping[int, int],
    *,
    after: tuple[int, int] | None = None,
    with_counts: bool = True,
    reader_id: int | None = None,
) -> Cards:
    """The first cards of the stages in `shown` (stage id -> how many), with counts of all stages of `board`.

    `after` (rank, id) continues the one stage in `shown`. `reader_id`: what waits for them, too, for the side.
    """
    stage_ids = list(shown)
    by_stage: dict[int, list[Card]] = {s: [] for s in stage_ids}
    if stage_ids:
        statement = _first_cards(spec.kind, len(stage_ids), _shape(filters), after is not None)
        parameters = _parameters(filters)
        for n, stage_id in enumerate(stage_ids):
            parameters |= {f"stage{n}": stage_id, f"limit{n}": min(shown[stage_id], MOST)}
        if after is not None:
            parameters |= {"after_rank": after[0], "after_id": after[1]}
        _fill(by_stage, db.session.execute(statement, parameters).all())
    found = Cards(by_stage=by_stage, counts={c.id: 0 for c in board.columns})
    if with_counts:
        _count(found, spec, every, board, filters, reader_id)
    _label(found)
    if spec.pills:
        found.pills = spec.pills([c.id for column in by_stage.values() for c in column])
    return found


def _fill(by_stage: dict[int, list[Card]], rows: Iterable[Any]) -> None:
    at = now()
    words = _age_words(str(get_locale()))
    for id_, number, title, priority, entered, responsible_id, blocked, rank, stage_id, *about in rows:
        by_stage[stage_id].append(
            Card(
                id_,
                number,
                title if len(title) <= TITLE else title[:TITLE] + "…",
                priority,
                _age(int((at - entered).total_seconds()) // 60, words),
                responsible_id,
                blocked,
                " · ".join([part for part in about if part]),
                rank,
                stage_id,
            )
        )


@lru_cache(maxsize=256)
def _first_cards(kind: str, stages: int, shape: tuple[bool, bool, bool], keyset: bool) -> Any:
    """The statement for so many stages; stages, limits and what is looked for are its parameters."""
    spec = BOARDS[kind]
    parts = []
    for n in range(stages):
        one = _card_columns(spec).where(_record.c.stage_id == bindparam(f"stage{n}"), *_conditions(spec, shape))
        if keyset:
            rank: BindParameter[int] = bindparam("after_rank")
            last: BindParameter[int] = bindparam("after_id")
            one = one.where(
                _record.c.rank >= rank, or_(_record.c.rank > rank, _record.c.id > last)
            )  # the first condition alone lets the index begin at the right place
        one = one.order_by(_record.c.rank, _record.c.id).limit(bindparam(f"limit{n}"))
        parts.append(select(one.subquery()))
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _card_columns(spec: BoardSpec) -> Select[Any]:
    about = [cast(e, String).label(f"about{n}") for n, e in enumerate(spec.about)]
    columns = (
        _record.c.id, _record.c.number, _record.c.title, _record.c.priority, _record.c.entered_stage_at,
        _record.c.responsible_id, _record.c.blocked_reason, _record.c.rank, _record.c.stage_id, *about,
    )  # fmt: skip
    return spec.join(select(*columns).select_from(_record))


# Filters


def _shape(filters: Filters) -> tuple[bool, bool, bool]:
    return bool(filters.q), filters.assignee is not None, bool(filters.tag)


def _parameters(filters: Filters) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if filters.q:
        text = filters.q.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found["q"] = f"%{text}%"
    if filters.assignee is not None:
        found["assignee"] = filters.assignee
    if filters.tag:
        found["tag"] = filters.tag
    return found


def _conditions(spec: BoardSpec, shape: tuple[bool, bool, bool]) -> list[ColumnElement[bool]]:
    has_q, has_assignee, has_tag = shape
    found: list[ColumnElement[bool]] = []
    if has_q:
        texts = (_record.c.number, _record.c.title, *spec.about, *spec.search)
        found.append(or_(*[func.lower(cast(e, String)).like(bindparam("q"), escape="\\") for e in texts]))
    if has_assignee:
        found.append(func.coalesce(_record.c.responsible_id, 0) == bindparam("assignee"))
    if has_tag:
        tagged = select(RecordTag.record_id).join(Tag, Tag.id == RecordTag.tag_id).where(Tag.name == bindparam("tag"))
        found.append(_record.c.id.in_(tagged))
    return found


# Counts


def _count(
    found: Cards,
    spec: BoardSpec,
    every: Sequence[BoardView],
    board: BoardView,
    filters: Filters,
    reader_id: int | None,
) -> None:
    """True counts of every stage of the board, and of what is open elsewhere for the side, in one statement."""
    home = {c.id: b.kind for b in every for c in b.columns if not c.is_closed}
    own = [c.id for c in board.columns]
    parameters: dict[str, Any] = {"stages": sorted(home.keys() | set(own)), **_parameters(filters)}
    if filters:
        parameters["own"] = own
    places = tuple(own_counts) if reader_id is not None else ()
    if places:
        parameters["person_id"] = reader_id
    for filtered, stage_id, count in db.session.execute(_counts(spec.kind, _shape(filters), places), parameters).all():
        if filtered == OWN:
            found.own_counts[places[stage_id]] = count
            continue
        if bool(filtered) == bool(filters) and stage_id in found.counts:
            found.counts[stage_id] = count
        if not filtered and stage_id in home:
            kind = home[stage_id]
            found.open_by_kind[kind] = found.open_by_kind.get(kind, 0) + count


@lru_cache(maxsize=64)
def _counts(kind: str, shape: tuple[bool, bool, bool], places: tuple[str, ...]) -> Any:
    stage_id = _record.c.stage_id
    all_of_them = (
        select(literal(0).label("filtered"), stage_id, func.count().label("n"))
        .where(stage_id.in_(bindparam("stages", expanding=True)))
        .group_by(stage_id)
    )
    own = [select(literal(OWN), literal(n), own_counts[place].scalar_subquery()) for n, place in enumerate(places)]
    if not any(shape):
        return union_all(all_of_them, *own) if own else all_of_them
    spec = BOARDS[kind]
    matching = spec.join(select(literal(1), stage_id, func.count()).select_from(_record))
    matching = matching.where(stage_id.in_(bindparam("own", expanding=True)), *_conditions(spec, shape))
    return union_all(all_of_them, matching.group_by(stage_id), *own)


# Labels


def _label(found: Cards) -> None:
    """Tags and linked records of the drawn cards, all staff and all tags for the filter, in one statement."""
    ids = [card.id for column in found.by_stage.values() for card in column]
    rows = db.session.execute(_labels(), {"ids": ids}).all()
    for what, record_id, first, second, third, active in rows:
        if what == "person":
            words = first.split()
            initials = (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else ""
            found.faces[record_id] = Face(record_id, first, second, initials, bool(active))
        elif what == "tags":
            found.tags.append(first)
        elif what == "tag":
            found.labels.setdefault(record_id, []).append(Label(first, "", ""))
        elif third in KINDS:
            kind = KINDS[third]
            found.labels.setdefault(record_id, []).insert(0, Label(first, kind.step, f"/{kind.plural}/{first}"))
    found.tags.sort()


@lru_cache(maxsize=1)
def _labels() -> Any:
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    nothing = cast(null(), String)
    person = select(
        literal("person").label("what"), Person.id, Person.name, Person.colour, nothing, Person.is_active
    ).where(Person.is_staff)
    tags = select(literal("tags"), Tag.id, Tag.name, nothing, nothing, literal(True))
    tag = (
        select(literal("tag"), RecordTag.record_id, Tag.name, nothing, nothing, literal(True))
        .join(Tag, Tag.id == RecordTag.tag_id)
        .where(RecordTag.record_id.in_(ids))
    )
    onward = (
        select(literal("link"), Link.from_id, _record.c.number, nothing, _record.c.kind, literal(True))
        .join(_record, _record.c.id == Link.to_id)
        .where(Link.from_id.in_(ids))
    )
    back = (
        select(literal("link"), Link.to_id, _record.c.number, nothing, _record.c.kind, literal(True))
        .join(_record, _record.c.id == Link.from_id)
        .where(Link.to_id.in_(ids))
    )
    return union_all(person, tags, tag, onward, back)


# The list


class Row(NamedTuple):
    """One line of the list."""

    card: Card
    stage: str
    board: str


def rows(
    spec: BoardSpec, every: Sequence[BoardView], board: BoardView | None, filters: Filters, before: int | None
) -> tuple[list[Row], Cards, int]:
    """A page of the list, newest first, below the id `before`: rows, their labels, and how many match in all."""
    stages = {
        c.id: (c, b) for b in every if b.kind == spec.kind and (board is None or b.id == board.id) for c in b.columns
    }
    conditions = [_record.c.stage_id.in_(list(stages)), *_conditions(spec, _shape(filters))]
    page = _card_columns(spec).where(*conditions).order_by(_record.c.id.desc()).limit(LIST_PAGE)
    if before is not None:
        page = page.where(_record.c.id < before)
    by_stage: dict[int, list[Card]] = {s: [] for s in stages}
    _fill(by_stage, db.session.execute(page, _parameters(filters)))
    found = Cards(by_stage=by_stage, counts={})
    _label(found)
    drawn = sorted((card for column in by_stage.values() for card in column), key=lambda card: -card.id)
    if spec.pills:
        found.pills = spec.pills([card.id for card in drawn])
    whole = spec.join(select(func.count()).select_from(_record)).where(*conditions)
    total = db.session.execute(whole, _parameters(filters)).scalar_one()
    return [Row(c, stages[c.stage_id][0].name, stages[c.stage_id][1].name) for c in drawn], found, total


# One card


def card_to_move(board: BoardView, record_id: int) -> Record | None:
    """The record, whole, if it is of this board's kind."""
    found = db.session.get(KINDS[board.kind].model, record_id)
    return found if found is not None and found.stage is not None else None


def record_by_number(kind: str, number: str) -> Record | None:
    return db.session.scalar(select(KINDS[kind].model).where(Record.number == number))


def stage_by_id(stage_id: int) -> Stage:
    return db.session.get_one(Stage, stage_id)


def board_and_stage(board_id: int, stage_id: int) -> tuple[Board, Stage]:
    """Both as objects, for a verb."""
    return db.session.get_one(Board, board_id), db.session.get_one(Stage, stage_id)


def place_in_column(record: Record) -> tuple[int | None, int | None, int | None, int | None]:
    """Ids around a card in its column: (the second above, above, below, the second below)."""
    here = (Record.stage_id == record.stage_id, Record.id != record.id)
    ids = select(Record.id).where(*here).limit(2)
    above = db.session.scalars(
        ids.where(Record.rank < record.rank).order_by(Record.rank.desc(), Record.id.desc())
    ).all()
    below = db.session.scalars(ids.where(Record.rank > record.rank).order_by(Record.rank, Record.id)).all()
    up, down = [*above, None, None], [*below, None, None]
    return up[1], up[0], down[0], down[1]


# What changed


@dataclass(frozen=True)
class Moved:
    """Who moved a card last, where to and when."""

    who: str | None
    face: Person | None
    to: str
    ago: str


def last_move(record_id: int) -> Moved | None:
    """The newest change of stage of a record."""
    change = db.session.scalar(
        select(BoardChange)
        .where(
            BoardChange.record_id == record_id,
            BoardChange.to_stage_id.is_not(None),
            BoardChange.to_stage_id.is_distinct_from(BoardChange.from_stage_id),
        )
        .order_by(BoardChange.id.desc())
        .limit(1)
    )
    if change is None:
        return None
    actor = db.session.get(Person, change.actor_id) if change.actor_id else None
    to = db.session.get(Stage, change.to_stage_id)
    return Moved(actor.name if actor else None, actor, to.name if to else "", ago(now() - change.at))


@dataclass(frozen=True)
class Change:
    """One change on a board, of the last few."""

    version: int
    record_id: int
    number: str
    from_stage_id: int | None
    to_stage_id: int | None
    actor_id: int | None
    actor: str | None


def changes(board_id: int, since: int, limit: int) -> list[Change]:
    """What happened on the board after version `since`, oldest first, `limit` + 1 at most."""
    statement = (
        select(
            BoardChange.version, BoardChange.record_id, _record.c.number,
            BoardChange.from_stage_id, BoardChange.to_stage_id, BoardChange.actor_id, Person.name,
        )
        .join(_record, _record.c.id == BoardChange.record_id)
        .outerjoin(Person, Person.id == BoardChange.actor_id)
        .where(BoardChange.board_id == board_id, BoardChange.version > since)
        .order_by(BoardChange.version)
        .limit(limit + 1)
    )  # fmt: skip
    return [Change(*row) for row in db.session.execute(statement)]


def version_of(board_id: int) -> int | None:
    return db.session.scalar(select(_board.c.version).where(_board.c.id == board_id))


# Ages


def age(passed: timedelta) -> str:
    """How long a card has been where it is, in two or three characters: 5 min, 5 h, 3 d."""
    return _age(int(passed.total_seconds()) // 60, _age_words(str(get_locale())))


def _age(minutes: int, words: tuple[str, str, str]) -> str:
    if minutes < 60:
        return words[0].replace("#", str(max(minutes, 0)))
    if minutes < 24 * 60:
        return words[1].replace("#", str(minutes // 60))
    return words[2].replace("#", str(minutes // (24 * 60)))


@lru_cache(maxsize=16)
def _age_words(locale: str) -> tuple[str, str, str]:
    """Minutes, hours and days in the reader's language: a board asks for a hundred ages."""
    return str(_("%(n)s min", n="#")), str(_("%(n)s h", n="#")), str(_("%(n)s d", n="#"))


def ago(passed: timedelta) -> str:
    """ "4 s ago"."""
    seconds = max(int(passed.total_seconds()), 0)
    return str(_("%(n)s s ago", n=seconds) if seconds < 60 else _("%(age)s ago", age=age(passed)))
