"""What building something needs: exact arithmetic over a BoM of any depth. Pure functions on plain data.

    factor = order quantity (in the output's unit) / output quantity
    net    = line quantity x factor
    gross  = net x (1 + scrap) + setup, the setup once per order
The gross of a line is the order quantity of its component's own BoM, unrounded. Only at the very end, once per row, the
sum is rounded up to what its unit can be counted in. Everything in between is an exact fraction. A sub-assembly that is
used in a hundred places is exploded once, with the sum.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal, NamedTuple

from app.bom.content import Content, Line

Levels = Literal["all", "kits"]
Source = Callable[[str], Content | None]


class Unit(NamedTuple):
    """`factor` of these are one `base`; `step` is the smallest amount of the base that can be counted out."""

    base: str
    factor: Decimal
    step: Decimal


PIECE = Decimal(1)
FINE = Decimal("0.000001")


def _table() -> dict[str, Unit]:
    counted = {"unit": 1, "pair": 2, "dozen": 12, "gross": 144}
    measured = {
        "m": {"mm": "0.001", "cm": "0.01", "m": "1", "km": "1000"},
        "kg": {"mg": "0.000001", "g": "0.001", "kg": "1", "t": "1000"},
        "L": {"ml": "0.001", "mL": "0.001", "cl": "0.01", "l": "1", "L": "1"},
        "m2": {"cm2": "0.0001", "m2": "1"},
        "h": {"h": "1"},
    }
    table = {code: Unit("unit", Decimal(factor), PIECE) for code, factor in counted.items()}
    table |= {code: Unit("unit", PIECE, PIECE) for code in ("pc", "pcs", "piece", "pieces", "units", "ea", "each")}
    for base, codes in measured.items():
        table |= {code: Unit(base, Decimal(factor), FINE) for code, factor in codes.items()}
    return table


UNITS: Mapping[str, Unit] = _table()


class Cycle(ValueError):
    """The structure contains itself. `path` begins and ends with the same reference."""

    def __init__(self, path: list[str]) -> None:
        self.path = path
        super().__init__(" → ".join(path))


class UnitMismatch(ValueError):
    """A line asks for its component in a unit that cannot be converted into the one its BoM makes."""

    def __init__(self, parent: str, component: str, uom: str, output_uom: str) -> None:
        self.parent, self.component, self.uom, self.output_uom = parent, component, uom, output_uom
        super().__init__(f"{parent} takes {component} in {uom}, but {component} is made in {output_uom}.")


class Demand(NamedTuple):
    """How much of a component is needed, all paths together."""

    ref: str
    uom: str
    quantity: Decimal


class Need(NamedTuple):
    """As `Demand`, kept apart by the operation of the exploded product that consumes it."""

    ref: str
    uom: str
    quantity: Decimal
    operation: str | None
    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One line at work: how the demand for `parent` became demand for `component`."""

    parent: str
    line: Line
    demand: Decimal
    demand_uom: str
    output: Decimal
    times: int
    gross: Decimal
    net: Decimal

    @property
    def component(self) -> str:
        return self.line.component

    @property
    def uom(self) -> str:
        return self.line.uom

    @property
    def sentence(self) -> str:
        """The calculation, to be read: `6 × 10 / 1 = 60 unit`."""
        text = f"{self.line.quantity:f} × {self.demand:f} / {self.output:f}"
        if self.line.scrap:
            text = f"{text} × (1 + {self.line.scrap:f})"
        if self.line.setup:
            text = f"{text} + {self.line.setup:f}" + (f" × {self.times}" if self.times > 1 else "")
        return f"{self.parent}: {text} = {self.gross:f} {self.line.uom}"


@dataclass(frozen=True)
class Explosion:
    """`rows` is what is needed; `trace` explains every number."""

    ref: str
    quantity: Decimal
    rows: tuple[Demand, ...]
    needs: tuple[Need, ...]
    trace: tuple[Step, ...]

    def explain(self, ref: str) -> list[Step]:
        """The lines that ask for `ref`."""
        return [step for step in self.trace if step.component == ref]

    @cached_property
    def totals(self) -> dict[str, Decimal]:
        """By reference alone; for structures that use one unit per part."""
        return {row.ref: row.quantity for row in self.rows}


def explode(
    product_ref: str,
    quantity: Decimal | int | str,
    source: Source,
    *,
    levels: Levels = "all",
    units: Mapping[str, Unit] = UNITS,
) -> Explosion:
    """What `quantity` of `product_ref` needs.

    `source(ref)` gives the content a component is built to, None for what has no BoM, and is asked once per component.
    `levels="all"` goes down to what has no BoM; `"kits"` looks into kits only and stops at manufactured sub-assemblies,
    which is what one order takes from the shelf. Raises `Cycle` with the path.
    """
    ordered = Fraction(Decimal(quantity))
    if ordered < 0:
        raise ValueError("A quantity to explode is zero or more.")
    contents, order = _structure(product_ref, source, levels)
    bill = _Bill(product_ref, ordered, units)
    for ref in order:
        bill.explode(ref, contents)
    return Explosion(product_ref, Decimal(quantity), bill.rows(), bill.needs(), tuple(bill.trace))


def find_cycle(product_ref: str, source: Source) -> list[str] | None:
    """The path of a cycle below `product_ref`, looking through everything that has a BoM; None when there is none."""
    try:
        _structure(product_ref, source, "all")
    except Cycle as cycle:
        return cycle.path
    return None


def round_up(quantity: Decimal | Fraction, uom: str, units: Mapping[str, Unit] = UNITS) -> Decimal:
    """Inputs: never less than is needed."""
    return _rounded(Fraction(quantity), _unit(uom, units).step, up=True)


def round_down(quantity: Decimal | Fraction, uom: str, units: Mapping[str, Unit] = UNITS) -> Decimal:
    """Outputs: never more than comes out."""
    return _rounded(Fraction(quantity), _unit(uom, units).step, up=False)


def convert(quantity: Fraction, uom: str, to: str, units: Mapping[str, Unit] = UNITS) -> Fraction | None:
    """The same amount in another unit; None when the two cannot be converted."""
    if uom == to:
        return quantity
    here, there = _unit(uom, units), _unit(to, units)
    if here.base != there.base:
        return None
    return quantity * Fraction(here.factor) / Fraction(there.factor)


def _structure(root: str, source: Source, levels: Levels) -> tuple[dict[str, Content], list[str]]:
    """Every BoM that is looked into, and their order: each before the components it uses."""
    contents: dict[str, Content] = {}
    known: dict[str, Content | None] = {}
    finished: list[str] = []
    done: set[str] = set()

    def look(ref: str) -> Content | None:
        if ref not in known:
            known[ref] = source(ref)
        content = known[ref]
        if content is None or (levels == "kits" and ref != root and content.kind != "kit"):
            return None
        contents[ref] = content
        return content

    top = look(root)
    if top is None:
        return contents, []
    path, on_path = [root], {root}
    stack = [iter(top.lines)]
    while stack:
        line = next(stack[-1], None)
        if line is None:
            stack.pop()
            ref = path.pop()
            on_path.discard(ref)
            done.add(ref)
            finished.append(ref)
            continue
        child = line.component
        if child in on_path:
            raise Cycle([*path[path.index(child) :], child])
        if child in done:
            continue
        content = look(child)
        if content is None:
            done.add(child)
            continue
        path.append(child)
        on_path.add(child)
        stack.append(iter(content.lines))
    return contents, finished[::-1]


class _Bill:
    """The sums while they are made. `times` counts the orders a BoM gets, one per path to it, for setup quantities."""

    def __init__(self, root: str, quantity: Fraction, units: Mapping[str, Unit]) -> None:
        self.units = units
        self.root = root
        self.quantity = quantity
        # ref -> operation of the root (for lines of the root and of kits) -> [quantity, times, uids]
        self.ordered: dict[str, dict[str | None, _Sum]] = {root: {None: _Sum(quantity, 1 if quantity else 0)}}
        self.leaves: dict[tuple[str, str], dict[str | None, _Sum]] = {}
        self.spelled: dict[tuple[str, str], set[str]] = {}
        self.trace: list[Step] = []
        self.is_leaf_root = True

    def explode(self, ref: str, contents: Mapping[str, Content]) -> None:
        self.is_leaf_root = False
        content = contents[ref]
        output = Fraction(content.output_quantity)
        orders = self.ordered.pop(ref, {})
        for line in content.lines:
            self._line(ref, line, content, output, orders, contents)

    def _line(
        self,
        ref: str,
        line: Line,
        content: Content,
        output: Fraction,
        orders: "dict[str | None, _Sum]",
        contents: Mapping[str, Content],
    ) -> None:
        each, more, setup = Fraction(line.quantity), 1 + Fraction(line.scrap), Fraction(line.setup)
        total = net_total = demand = Fraction(0)
        times = 0
        child = contents.get(line.component)
        for operation, sum_ in orders.items():
            net = each * sum_.quantity / output
            gross = net * more + setup * sum_.times
            total, net_total, demand, times = total + gross, net_total + net, demand + sum_.quantity, times + sum_.times
            if not gross:
                continue
            at = line.operation if ref == self.root else operation
            if child is None:
                self._leaf(line, gross, at)
                continue
            asked = convert(gross, line.uom, child.uom, self.units)
            if asked is None:
                raise UnitMismatch(ref, line.component, line.uom, child.uom)
            self.ordered.setdefault(line.component, {}).setdefault(at, _Sum()).add(asked, sum_.times, line.uid)
        self.trace.append(
            Step(
                parent=ref,
                line=line,
                demand=_decimal(demand),
                demand_uom=content.uom,
                output=content.output_quantity,
                times=times,
                gross=_decimal(total),
                net=_decimal(net_total),
            )
        )

    def _leaf(self, line: Line, gross: Fraction, operation: str | None) -> None:
        unit = _unit(line.uom, self.units)
        key = (line.component, unit.base)
        self.leaves.setdefault(key, {}).setdefault(operation, _Sum()).add(gross * Fraction(unit.factor), 1, line.uid)
        self.spelled.setdefault(key, set()).add(line.uom)

    def rows(self) -> tuple[Demand, ...]:
        if self.is_leaf_root and self.quantity:
            return (Demand(self.root, "unit", _decimal(self.quantity)),)
        return tuple(
            Demand(
                ref, self._uom(ref, base), self._counted(sum((s.quantity for s in sums.values()), Fraction(0)), base)
            )
            for (ref, base), sums in self.leaves.items()
        )

    def needs(self) -> tuple[Need, ...]:
        return tuple(
            Need(ref, self._uom(ref, base), self._counted(sum_.quantity, base), operation, tuple(sum_.uids))
            for (ref, base), sums in self.leaves.items()
            for operation, sum_ in sums.items()
        )

    def _uom(self, ref: str, base: str) -> str:
        """The base unit, spelled as the lines spell it where they all say the same thing."""
        spelled = self.spelled[ref, base]
        only = next(iter(spelled))
        return only if len(spelled) == 1 and _unit(only, self.units).factor == 1 else base

    def _counted(self, quantity: Fraction, base: str) -> Decimal:
        return _rounded(quantity, _unit(base, self.units).step, up=True)


class _Sum:
    __slots__ = ("quantity", "times", "uids")

    def __init__(self, quantity: Fraction = Fraction(0), times: int = 0) -> None:
        self.quantity, self.times = quantity, times
        self.uids: dict[str, None] = {}

    def add(self, quantity: Fraction, times: int, uid: str) -> None:
        self.quantity += quantity
        self.times += times
        self.uids[uid] = None


def _unit(code: str, units: Mapping[str, Unit]) -> Unit:
    """A unit nobody told us about converts into itself only and is as fine as we store."""
    return units.get(code) or Unit(code, Decimal(1), FINE)


_EXACT = Context(prec=400, rounding=ROUND_CEILING)


def _rounded(quantity: Fraction, step: Decimal, *, up: bool) -> Decimal:
    """To a multiple of `step`, exactly."""
    steps = quantity / Fraction(step)
    whole = -((-steps.numerator) // steps.denominator) if up else steps.numerator // steps.denominator
    result = _EXACT.multiply(Decimal(whole), step)
    return result.to_integral_value() if result == result.to_integral_value(ROUND_FLOOR) else result.normalize(_EXACT)


def _decimal(value: Fraction) -> Decimal:
    """For showing: exact where a decimal can be, else twelve places."""
    exact = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if Fraction(exact) == value:
        return (
            exact.normalize(_EXACT)
            if exact != exact.to_integral_value()
            else exact.quantize(Decimal(1), context=_EXACT)
        )
    return exact.quantize(Decimal("1e-12"), context=_EXACT).normalize(_EXACT)
