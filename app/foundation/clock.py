"""The only clock of the house: every other module asks `now()`, so that tests and the demo can move time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_moved: ContextVar[datetime | None] = ContextVar("moved_clock", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _moved.get() or datetime.now(UTC)


@contextmanager
def moved(to: datetime) -> Iterator[None]:
    """Stand the clock still at `to` (aware) inside the block."""
    if to.tzinfo is None:
        raise ValueError("The clock only stands at aware moments.")
    token = _moved.set(to.astimezone(UTC))
    try:
        yield
    finally:
        _moved.reset(token)
