"""The facts that travel between rooms. Read this file to see the loop; `docs/loop.md` tells who listens."""

from dataclasses import dataclass

from app.foundation.events import Fact


@dataclass(frozen=True, slots=True)
class CompanyFounded(Fact):
    """An empty installation has its company and first administrator; every room lays out its first board."""

    person_id: int


@dataclass(frozen=True, slots=True)
class TicketOpened(Fact):
    """A customer, or somebody for a customer, says it is wrong."""

    ticket_id: int


@dataclass(frozen=True, slots=True)
class AlertRaised(Fact):
    """Quality takes it up; `origin_id` is the record it came from."""

    alert_id: int
    origin_id: int | None


@dataclass(frozen=True, slots=True)
class EcoOpened(Fact):
    """Engineering takes it up; `origin_id` is the record it came from."""

    eco_id: int
    origin_id: int | None


@dataclass(frozen=True, slots=True)
class RevisionStarted(Fact):
    """A draft copy of the current revision (`based_on_id`, None for a first one) exists."""

    eco_id: int
    bom_id: int
    revision_id: int
    based_on_id: int | None


@dataclass(frozen=True, slots=True)
class DraftEdited(Fact):
    """What a draft says was changed; published after the change, with the person who made it."""

    revision_id: int
    eco_id: int | None
    by_id: int | None


@dataclass(frozen=True, slots=True)
class RevisionActivated(Fact):
    """A revision is the current one from now on; `retired_id` was until now."""

    product_id: int
    bom_id: int
    revision_id: int
    retired_id: int | None
    eco_id: int | None


@dataclass(frozen=True, slots=True)
class OrderConfirmed(Fact):
    """An order is pinned to its revision and its snapshot."""

    order_id: int
    revision_id: int | None


@dataclass(frozen=True, slots=True)
class UnitBuilt(Fact):
    """A serial came out of an order."""

    unit_id: int
    order_id: int
    revision_id: int | None


@dataclass(frozen=True, slots=True)
class RecordMoved(Fact):
    """A card entered another stage."""

    record_id: int
    from_stage_id: int | None
    to_stage_id: int
    by_id: int | None


@dataclass(frozen=True, slots=True)
class PersonMentioned(Fact):
    """Somebody is asked for by name in a note."""

    record_id: int
    person_id: int
    entry_id: int
