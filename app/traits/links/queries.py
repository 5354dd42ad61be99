"""Walking the trail both ways in two queries, whatever its length."""

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import literal, select, union_all

from app.foundation.db import db
from app.traits.links.models import Link
from app.traits.record import KINDS, Record

MOST = 400  # records in one loop; beyond that the rail still stands, counts say "and more"
UP, DOWN, KIN = 0, 1, 2


@dataclass
class Chain:
    """What hangs together with `record`, by step of the loop (`ticket`, `alert`, `eco`, `mo` ...).

    `ahead` are the records it came from and those that came of it; `kin` came from elsewhere into the same ones (the
    other tickets of one alert). Both are in order of age and leave out what their kind does not show.
    """

    record: Record
    ahead: dict[str, list[Record]] = field(default_factory=dict)
    kin: dict[str, list[Record]] = field(default_factory=dict)
    upstream: frozenset[int] = frozenset()

    @property
    def step(self) -> str:
        return KINDS[self.record.kind].step

    def records(self, step: str) -> list[Record]:
        """The records at `step`, the one the rail points to first."""
        main = self.main(step)
        others = [r for r in (*self.ahead.get(step, ()), *self.kin.get(step, ())) if main is None or r.id != main.id]
        return [main, *others] if main is not None else others

    def main(self, step: str) -> Record | None:
        """The one record of `step` the rail points to: itself, else the first it came from, else the newest of it."""
        if step == self.step:
            return self.record
        found = self.ahead.get(step)
        if not found:
            return None
        first = [record for record in found if record.id in self.upstream]
        return first[0] if first else found[-1]


def chain_of(record: Record) -> Chain:
    """Two queries: the ids by recursion, then the records."""
    chain = Chain(record)
    ids = _connected(record.id)
    if not ids:
        return chain
    statement = select(Record).where(Record.id.in_(ids)).order_by(Record.id)
    ahead: dict[str, list[Record]] = defaultdict(list)
    kin: dict[str, list[Record]] = defaultdict(list)
    for found in db.session.scalars(statement):
        if found.kind in KINDS:
            (kin if ids[found.id] == KIN else ahead)[KINDS[found.kind].step].append(found)
    chain.ahead, chain.kin = dict(ahead), dict(kin)
    chain.upstream = frozenset(i for i, way in ids.items() if way == UP)
    return chain


def linked(record: Record, *, kind: str | None = None) -> list[Record]:
    """The records one step away in either direction, oldest first; `kind` keeps those of one kind."""
    near = (
        select(Link.to_id).where(Link.from_id == record.id).union(select(Link.from_id).where(Link.to_id == record.id))
    )
    statement = select(Record).where(Record.id.in_(near)).order_by(Record.id)
    if kind is not None:
        statement = statement.where(Record.kind == kind)
    return list(db.session.scalars(statement))


def origins(record: Record, *, kind: str | None = None) -> list[Record]:
    """The records that `record` follows from directly, oldest link first."""
    return _one_side(Link.from_id, Link.to_id, record, kind)


def followups(record: Record, *, kind: str | None = None) -> list[Record]:
    """The records that follow from `record` directly, oldest link first."""
    return _one_side(Link.to_id, Link.from_id, record, kind)


def _one_side(wanted: object, given: object, record: Record, kind: str | None) -> list[Record]:
    statement = select(Record).join(Link, Record.id == wanted).where(given == record.id).order_by(Link.id)  # type: ignore[arg-type]
    if kind is not None:
        statement = statement.where(Record.kind == kind)
    return list(db.session.scalars(statement))


def _connected(record_id: int) -> dict[int, int]:
    """Id -> UP, DOWN or KIN. UNION (not ALL) in the recursion ends it even where links run in a ring."""
    me = select(literal(record_id).label("id"))
    up = me.cte("up", recursive=True)
    up = up.union(select(Link.from_id).join(up, Link.to_id == up.c.id))
    down = me.cte("down", recursive=True)
    down = down.union(select(Link.to_id).join(down, Link.from_id == down.c.id))
    kin = select(down.c.id).cte("kin", recursive=True)
    kin = kin.union(select(Link.from_id).join(kin, Link.to_id == kin.c.id))
    every = union_all(
        select(up.c.id, literal(UP).label("way")),
        select(down.c.id, literal(DOWN).label("way")),
        select(kin.c.id, literal(KIN).label("way")),
    ).subquery()
    statement = select(every.c.id, every.c.way).order_by(every.c.way, every.c.id).limit(MOST * 3)
    ids: dict[int, int] = {}
    for found, way in db.session.execute(statement):
        if found != record_id:
            ids.setdefault(found, way)
    return dict(list(ids.items())[:MOST])
