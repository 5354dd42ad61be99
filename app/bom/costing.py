"""What one of a product costs and how long it takes, rolled up through its structure. Pure functions on plain data."""

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from app.bom.content import Content, Line, Operation
from app.bom.explosion import UNITS, Cycle, Source, Unit, convert, find_cycle


class Cost(NamedTuple):
    """For one of the product: components, work on it, both together, and the minutes of all levels."""

    material: Decimal
    work: Decimal
    own_minutes: Decimal
    minutes: Decimal

    @property
    def total(self) -> Decimal:
        return self.material + self.work


def cost_of(
    ref: str,
    source: Source,
    prices: Mapping[str, Decimal],
    rates: Mapping[str, Decimal],
    *,
    uoms: Mapping[str, str] | None = None,
    units: Mapping[str, Unit] = UNITS,
) -> Cost:
    """`prices` are what bought parts cost by reference and per unit in `uoms`, `rates` work centres by code, per hour.

    Scrap counts, setup quantities do not: they depend on how many are ordered. What has a BoM costs what its BoM costs.
    A part without a price counts as nothing. Raises `Cycle` with the path.
    """
    return Costing(source, prices, rates, uoms, units).of(ref)


def taken(content: Content, line: Line, to: str, units: Mapping[str, Unit] = UNITS) -> Fraction:
    """How much one of the product takes of a line's component, in the unit `to` (in its own where they differ)."""
    gross = Fraction(line.quantity) * (1 + Fraction(line.scrap)) / Fraction(content.output_quantity)
    asked = convert(gross, line.uom, to, units)
    return gross if asked is None else asked


class Costing:
    """Answers for many products of one structure; what was worked out once is kept."""

    def __init__(
        self,
        source: Source,
        prices: Mapping[str, Decimal],
        rates: Mapping[str, Decimal],
        uoms: Mapping[str, str] | None = None,
        units: Mapping[str, Unit] = UNITS,
    ) -> None:
        self.source, self.prices, self.rates, self.uoms, self.units = source, prices, rates, uoms or {}, units
        self.known: dict[str, tuple[Fraction, Fraction, Fraction, Fraction]] = {}

    def of(self, ref: str) -> Cost:
        if ref not in self.known and (path := find_cycle(ref, self.source)) is not None:
            raise Cycle(path)
        waiting = [ref]
        while waiting:
            top = waiting[-1]
            content = self.source(top)
            missing = [line.component for line in content.lines if line.component not in self.known] if content else []
            if missing and top not in self.known:
                waiting += missing
                continue
            self.known.setdefault(top, self._one(top, content))
            waiting.pop()
        return Cost(*(_decimal(value) for value in self.known[ref]))

    def of_line(self, content: Content, line: Line) -> tuple[Decimal, Decimal]:
        """What one unit of a line's component costs, in the line's unit, and what one of the product takes of it."""
        whole = self.of(line.component)
        child = self.source(line.component)
        own_uom = child.uom if child else self.uoms.get(line.component, line.uom)
        one = convert(Fraction(1), line.uom, own_uom, self.units)
        each = (Fraction(1) if one is None else one) * Fraction(whole.total)
        return _decimal(each), _decimal(each * taken(content, line, line.uom, self.units))

    def of_operation(self, content: Content, operation: Operation) -> Decimal:
        """What a step costs per one of the product."""
        hours = Fraction(operation.minutes) / Fraction(content.output_quantity) / 60
        return _decimal(hours * Fraction(self.rates.get(operation.work_centre, Decimal(0))))

    def _one(self, ref: str, content: Content | None) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        if content is None:
            return Fraction(self.prices.get(ref, Decimal(0))), Fraction(0), Fraction(0), Fraction(0)
        material = minutes = work = Fraction(0)
        for line in content.lines:
            child = self.source(line.component)
            amount = taken(content, line, child.uom if child else self.uoms.get(line.component, line.uom), self.units)
            own_material, own_work, _own, all_minutes = self.known[line.component]
            material += amount * (own_material + own_work)
            minutes += amount * all_minutes
        own = Fraction(0)
        for operation in content.operations:
            each = Fraction(operation.minutes) / Fraction(content.output_quantity)
            own += each
            work += each * Fraction(self.rates.get(operation.work_centre, Decimal(0))) / 60
        return material, work, own, own + minutes


_CONTEXT = Context(prec=28)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
