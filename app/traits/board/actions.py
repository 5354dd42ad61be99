"""Putting a card somewhere: entering a board, moving between stages, ranking inside one.

Ranks are integers with a gap of 65,536, given by the server under the lock of the stages. A move takes the middle of
its new neighbours; when a gap is used up that one stage is renumbered; the ends grow outwards. Moves are Core updates
`WHERE stage_id = :from`, so a drag never makes a colleague's open edit form stale (the record's `version` stays).
"""

from typing import Any

from sqlalchemy import Select, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.foundation.audit import audited_dml
from app.foundation.db import Transaction, at_commit, current_transaction, db, lock
from app.foundation.errors import Conflict, Refused
from app.foundation.events import publish
from app.foundation.language import _
from app.foundation.loop import RecordMoved
from app.foundation.numbering import next_number
from app.foundation.permissions import authorize
from app.people.models import Person
from app.traits.board.models import Board, BoardChange, Stage, StageRole
from app.traits.chatter.actions import log
from app.traits.record import Record

GAP = 65_536


_record: Table = Record.__table__  # type: ignore[assignment]
_board: Table = Board.__table__  # type: ignore[assignment]
# Said once, so that they are not put together anew under the lock of every move.
_AT_HOME = update(_record).where(_record.c.id == bindparam("card"), _record.c.stage_id == bindparam("home"))
_RANK = _AT_HOME.values(rank=bindparam("new_rank"))
_MOVE = _AT_HOME.values(
    {name: bindparam(f"new_{name}") for name in ("rank", "stage_id", "entered_stage_at", "closed_at")}
)
_NEXT_VERSION = (
    update(_board)
    .where(_board.c.id == bindparam("board"))
    .values(version=_board.c.version + bindparam("more"))
    .returning(_board.c.version)
)
_CHANGED = insert(BoardChange.__table__)  # type: ignore[arg-type]


def enter_board(record: Record, board: Board, *, by: Person | None, stage: Stage | None = None) -> None:
    """Put a new record on top of `stage`, or of the board's first stage, and give it its number if it has none yet."""
    current_transaction()
    entered = stage or first_stage(board)
    _lock_stages(entered.id)
    lowest = db.session.scalar(select(func.min(Record.rank)).where(Record.stage_id == entered.id))
    record.stage_id = entered.id
    record.rank = 0 if lowest is None else lowest - GAP
    record.entered_stage_at = current_transaction().at
    if not record.number:
        record.number = next_number(record.kind)
    db.session.add(record)
    db.session.flush()
    set_committed_value(record, "stage", entered)
    changed(record, None, entered, by=by)


def move_card(record: Record, *, to: Stage, before: int | None, after: int | None, by: Person) -> None:
    """The default verb of a board: the right to write, the limit of the stage, and the new place."""
    authorize(by, f"{record.kind}.write", record)
    place(record, to=to, before=before, after=after, by=by)


def place(record: Record, *, to: Stage, before: int | None, after: int | None, by: Person | None) -> None:
    """Give the record its place in `to`: above the card `before`, else below the card `after`, else at the end.

    A closed stage, whose cards are folded away, is filled from the top instead. The neighbours are ids of records; one
    that has gone elsewhere in the meantime is left out of account. A Conflict when the record has left the stage it was
    read in; Refused when `to` has a hard limit and is full. Publishes RecordMoved and writes "moved" into the
    conversation when the stage is another one.
    """
    tx = current_transaction()
    db.session.flush()
    home = record.stage
    if home is None or home.board_id != to.board_id:
        raise Refused(_("This stage belongs to another board."))
    _lock_stages(home.id, to.id)
    entering = home.id != to.id
    if entering:
        _must_have_room(to)
    values: dict[str, object] = {"rank": _rank_between(record, to, before, after)}
    changes: dict[str, tuple[object, object]] = {}
    if entering:
        closed_at = (record.closed_at or tx.at) if to.is_closed else None
        values |= {"stage_id": to.id, "entered_stage_at": tx.at, "closed_at": closed_at}
        changes = {"stage_id": (home.id, to.id)}
        if closed_at != record.closed_at:
            changes["closed_at"] = (record.closed_at, closed_at)
    statement = _MOVE if entering else _RANK
    names = {"card": record.id, "home": home.id} | {f"new_{name}": value for name, value in values.items()}
    if not audited_dml(statement, "record", record.id, changes, parameters=names):
        raise Conflict(_("%(number)s was moved by somebody else.", number=record.number))
    for name, value in values.items():
        set_committed_value(record, name, value)
    set_committed_value(record, "stage", to)
    changed(record, home, to, by=by)
    if entering:
        log(record, "moved", {"from": home.name, "to": to.name}, by=by)
        publish(RecordMoved(record_id=record.id, from_stage_id=home.id, to_stage_id=to.id, by_id=by.id if by else None))


def put_in_role(record: Record, role: StageRole, *, by: Person | None) -> None:
    """Move the record to the end of the first stage of its board with this role; nothing when it is in one."""
    db.session.flush()
    if record.stage is not None and record.stage.role == role:
        return
    place(record, to=stage_with_role(_board_id(record), role), before=None, after=None, by=by)


def change_board(record: Record, board: Board, *, by: Person | None) -> None:
    """Take the record to another board, into the first stage with the same role, else into its first open stage."""
    tx = current_transaction()
    db.session.flush()
    home = record.stage
    if home is None or home.board_id == board.id:
        return
    same = [s for s in stages_of(board.id) if s.role == home.role]
    to = same[0] if same else first_stage(board)
    _lock_stages(home.id, to.id)
    closed_at = (record.closed_at or tx.at) if to.is_closed else None
    values = {
        "stage_id": to.id,
        "rank": _rank_between(record, to, None, None),
        "entered_stage_at": tx.at,
        "closed_at": closed_at,
    }
    table = Record.__table__
    statement = update(table).where(table.c.id == record.id, table.c.stage_id == home.id).values(**values)  # type: ignore[arg-type]
    changes: dict[str, tuple[object, object]] = {"stage_id": (home.id, to.id)}
    if closed_at != record.closed_at:
        changes["closed_at"] = (record.closed_at, closed_at)
    if not audited_dml(statement, "record", record.id, changes):
        raise Conflict(_("%(number)s was moved by somebody else.", number=record.number))
    for name, value in values.items():
        set_committed_value(record, name, value)
    set_committed_value(record, "stage", to)
    changed(record, home, None, by=by)
    changed(record, None, to, by=by)


def stages_of(board_id: int) -> list[Stage]:
    """The stages of a board in their order."""
    return list(
        db.session.scalars(
            select(Stage)
            .where(Stage.board_id == board_id, Stage.archived_at.is_(None))
            .order_by(Stage.position, Stage.id)
        )
    )


def first_stage(board: Board) -> Stage:
    """Where new cards enter."""
    found = next((s for s in stages_of(board.id) if not s.is_closed), None)
    if found is None:
        raise Refused(_("The board “%(board)s” has no open stage.", board=board.name))
    return found


def stage_with_role(board_id: int, role: StageRole) -> Stage:
    """The first stage of the board with this role; Refused when it has none."""
    found = next((s for s in stages_of(board_id) if s.role == role), None)
    if found is None:
        raise Refused(_("This board has no stage for that."))
    return found


def changed(record: Record, home: Stage | None, to: Stage | None, *, by: Person | None) -> None:
    """Tell everybody who looks at the board that its card is to be drawn again."""
    for board_id in {s.board_id for s in (home, to) if s is not None}:
        current_transaction().notes.setdefault("board changes", []).append(
            {
                "board_id": board_id,
                "record_id": record.id,
                "from_stage_id": home.id if home else None,
                "to_stage_id": to.id if to else None,
                "actor_id": by.id if by else None,
            }
        )


def card_changed(record: Record, *, by: Person | None) -> None:
    """As `changed`, for a card that stays where it is: its title, tags or person are others now."""
    if record.stage is not None:
        changed(record, record.stage, record.stage, by=by)


@at_commit(10)
def _number_changes(session: Session, tx: Transaction) -> None:
    """Give each change the next version of its board, last but the audit head: the row lock orders the versions."""
    changes = tx.notes.pop("board changes", [])
    for board_id in sorted({change["board_id"] for change in changes}):
        own = [change for change in changes if change["board_id"] == board_id]
        version = session.execute(_NEXT_VERSION, {"board": board_id, "more": len(own)}).scalar_one()
        first = version - len(own) + 1
        session.execute(_CHANGED, [{**change, "version": first + n, "at": tx.at} for n, change in enumerate(own)])


def _lock_stages(*ids: int) -> None:
    lock(Stage, *ids)


def _board_id(record: Record) -> int:
    if record.stage is None:
        raise Refused(_("%(number)s is on no board.", number=record.number))
    return record.stage.board_id


def _must_have_room(to: Stage) -> None:
    if to.wip_limit is None or not to.hard_limit:
        return
    count = db.session.scalar(select(func.count(Record.id)).where(Record.stage_id == to.id)) or 0
    if count >= to.wip_limit:
        raise Refused(
            _("%(stage)s is full: %(count)s of %(limit)s.", stage=to.name, count=count, limit=to.wip_limit),
            code="FULL",
        )


def _rank_between(record: Record, to: Stage, before: int | None, after: int | None) -> int:
    """The rank for the place above `before`, else below `after`, else at the end; renumbers `to` when it must."""
    for _attempt in (1, 2):
        above, below = _neighbours(record, to, before, after)
        if above is None and below is None:
            return 0
        if above is None:
            return (below or 0) - GAP
        if below is None:
            return above + GAP
        if below - above > 1:
            return above + (below - above) // 2
        _renumber(to)
    raise RuntimeError("A stage has no room for a rank after it was renumbered.")


def _neighbours(record: Record, to: Stage, before: int | None, after: int | None) -> tuple[int | None, int | None]:
    """The ranks between which the card goes: (above, below). One statement, whichever of the neighbours is there."""
    names = {"stage": to.id, "card": record.id, "before": before or 0, "after": after or 0}
    below, above_it, above, below_it, first, last = db.session.execute(_NEAR, names).one()
    if below is not None:
        return above_it, below
    if above is not None:
        return above, below_it
    return (None, first) if to.is_closed else (last, None)


def _near() -> Select[Any]:
    """Ranks in a stage: of `before`, above it, of `after`, below that, the first, the last; `card` left out."""
    rank, others = _record.c.rank, (_record.c.stage_id == bindparam("stage"), _record.c.id != bindparam("card"))
    before = select(rank).where(_record.c.id == bindparam("before"), *others).scalar_subquery()
    after = select(rank).where(_record.c.id == bindparam("after"), *others).scalar_subquery()
    least, most = select(func.min(rank)).where(*others), select(func.max(rank)).where(*others)
    return select(
        before,
        most.where(rank < before).scalar_subquery(),
        after,
        least.where(rank > after).scalar_subquery(),
        least.scalar_subquery(),
        most.scalar_subquery(),
    )


_NEAR = _near()


def _renumber(stage: Stage) -> None:
    """Spread the cards of a stage evenly again; ranks are not audited."""
    table = Record.__table__
    ids = db.session.scalars(select(table.c.id).where(table.c.stage_id == stage.id).order_by(table.c.rank, table.c.id))
    rows = [{"card": card, "place": n * GAP} for n, card in enumerate(ids)]
    db.session.connection().execute(
        update(table).where(table.c.id == bindparam("card")).values(rank=bindparam("place")),  # type: ignore[arg-type]
        rows,
    )
