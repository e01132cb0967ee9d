"""Between which numbers an expression of a cell lies, as far as its functions alone tell."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import exp as exp_of
from math import inf, isinf
from typing import Any, TypeAlias

from sympy import Add, Expr, Mul, Pow, S

from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import (
    NamedFunction,
    exp,
    expm1,
    maximum,
    minimum,
    ones,
    sigmoid,
    stop_gradient,
    where,
)
from symrnn.declaration.quantities import Quantity

Pick: TypeAlias = Callable[[Any], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`, the ends counted in or not."""

    low: float = -inf
    high: float = inf

    @property
    def size(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.high + other.high)

    def __mul__(self, other: "Interval") -> "Interval":
        ends = [_times(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))


def _times(a: float, b: float) -> float:
    return 0.0 if 0.0 in (a, b) else a * b


def is_switch(factor: Expr) -> bool:
    """Whether it is 1 where a condition holds and 0 elsewhere, or the other way round."""
    return isinstance(factor, where) and set(factor.operands) == {S.Zero, S.One}


class Bounds:
    """Gives the interval of expressions of one cell."""

    def __init__(self, cell: Cell) -> None:
        self.definitions = {d.symbol: d.expr for d in cell.definitions}
        self.known: dict[Expr, Interval] = {}
        self.waiting = iter(self.definitions)

    def __call__(self, expr: Expr) -> Interval:
        """The interval in which every element of `expr` lies."""
        if expr not in self.known:
            self.known[expr] = Interval(*[float(expr)] * 2) if expr.is_number else self._of(expr)
        return self.known[expr]

    def is_gate(self, quantity: Quantity) -> bool:
        """Whether a quantity is a value of the logistic function."""
        return isinstance(self.definitions.get(quantity), sigmoid)

    def _of(self, expr: Expr) -> Interval:
        """The interval of what is no number, by its kind."""
        form = entry(FORMS, expr)
        return Interval() if form is None else form(self, expr)

    def _defined(self, quantity: Quantity) -> Interval:
        """The interval of a definition, after those of earlier ones: a chain of them may be long."""
        for symbol in self.waiting if quantity in self.definitions else ():
            self.known[symbol] = self(self.definitions[symbol])
            if symbol == quantity:
                break
        return self.known.get(quantity, Interval())

    def around(self, exprs: Iterable[Expr], low: Pick = min, high: Pick = max) -> Interval:
        """From the lowest of the low ends to the highest of the high ones."""
        found = [self(expr) for expr in exprs]
        return Interval(low(i.low for i in found), high(i.high for i in found))

    def _sum(self, expr: Add) -> Interval:
        """The sum of the terms; of two between which a condition tells, one alone is there."""
        switches = {factor: term for term in expr.args for factor in Mul.make_args(term) if is_switch(factor)}
        terms, made = list(expr.args), Interval(0.0, 0.0)
        for switch, term in switches.items():
            other = switch.over(reversed(switch.operands))
            if other in switches and term in terms and switches[other] in terms:
                terms.remove(term)
                terms.remove(switches[other])
                made += self.around((term / switch, switches[other] / other))
        return sum(map(self, terms), made)

    def _product(self, expr: Mul) -> Interval:
        """The product of the factors; a gate and 1 minus it have a product of at most a quarter."""
        factors, made = list(expr.args), Interval(1.0, 1.0)
        for gate in [factor for factor in factors if self(factor) == Interval(0.0, 1.0)]:
            if gate in factors and 1 - gate in factors:
                factors.remove(gate)
                factors.remove(1 - gate)
                made = made * Interval(0.0, 0.25)
        for factor in factors:
            made = made * self(factor)
        return made

    def _power(self, expr: Pow) -> Interval:
        base, exponent = expr.args
        inner = self(base)
        if not (exponent.is_Integer and exponent > 0):
            return Interval()
        ends = [inner.low ** int(exponent), inner.high ** int(exponent)]
        if exponent.is_even:
            return Interval(0.0 if inner.low <= 0.0 <= inner.high else min(ends), max(ends))
        return Interval(*ends)

    def exponential(self, expr: Expr, shift: float) -> Interval:
        """The interval of exp, less a number."""
        inner = self(expr.args[0])
        low, high = (inf if end > 700 else exp_of(end) for end in (inner.low, inner.high))
        return Interval(low - shift, high - shift)


FORMS: Mapping[type, Callable[[Bounds, Any], Interval]] = {
    ones: lambda bounds, e: Interval(1.0, 1.0),
    Quantity: Bounds._defined,
    Add: Bounds._sum,
    Mul: Bounds._product,
    Pow: Bounds._power,
    where: lambda bounds, e: bounds.around(e.operands),
    exp: lambda bounds, e: bounds.exponential(e, 0.0),
    expm1: lambda bounds, e: bounds.exponential(e, 1.0),
    maximum: lambda bounds, e: bounds.around(e.args, low=max),
    minimum: lambda bounds, e: bounds.around(e.args, high=min),
    stop_gradient: lambda bounds, e: bounds(e.args[0]),
    NamedFunction: lambda bounds, e: Interval(*e.facts.range),
}
"""The interval of expressions by their kinds; of others nothing is known."""


def is_bounded(interval: Interval) -> bool:
    """Whether an interval has two ends."""
    return not isinf(interval.size)
