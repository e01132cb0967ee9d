"""Between which numbers an expression of a cell lies, as far as its functions alone tell."""

from dataclasses import dataclass
from math import exp, inf, isinf

from sympy import Add, Expr, Mul, Pow

from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import PointwiseFunction, VectorFunction, ones, sigmoid, where
from symrnn.declaration.quantities import Quantity


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


class Bounds:
    """Gives the interval of expressions of one cell."""

    def __init__(self, cell: Cell) -> None:
        self.definitions = {d.symbol: d.expr for d in cell.definitions}
        self.known: dict[Expr, Interval] = {}
        self.waiting = iter(self.definitions)

    def __call__(self, expr: Expr) -> Interval:
        """The interval in which every element of `expr` lies."""
        if expr not in self.known:
            self.known[expr] = self._of(expr)
        return self.known[expr]

    def is_gate(self, quantity: Quantity) -> bool:
        """Whether a quantity is a value of the logistic function."""
        return isinstance(self.definitions.get(quantity), sigmoid)

    def _of(self, expr: Expr) -> Interval:
        if expr.is_number:
            return Interval(float(expr), float(expr))
        if isinstance(expr, ones):
            return Interval(1.0, 1.0)
        if isinstance(expr, Quantity):
            return self._defined(expr) if expr in self.definitions else Interval()
        if isinstance(expr, Add):
            return sum((self(term) for term in expr.args), Interval(0.0, 0.0))
        if isinstance(expr, Mul):
            return self._product(expr)
        if isinstance(expr, Pow):
            return self._power(expr)
        if isinstance(expr, where):
            sides = [self(side) for side in expr.args[1:]]
            return Interval(min(side.low for side in sides), max(side.high for side in sides))
        return self._function(expr)

    def _defined(self, quantity: Expr) -> Interval:
        """The interval of a definition, after those of earlier ones: a chain of them may be long."""
        for symbol in self.waiting:
            self.known[symbol] = self(self.definitions[symbol])
            if symbol == quantity:
                break
        return self.known[quantity]

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

    def _function(self, expr: Expr) -> Interval:
        if not isinstance(expr, PointwiseFunction | VectorFunction):
            return Interval()
        name = expr.name
        if name in ("exp", "expm1"):
            inner, shift = self(expr.args[0]), 1.0 if name == "expm1" else 0.0
            low, high = (inf if end > 700 else exp(end) for end in (inner.low, inner.high))
            return Interval(low - shift, high - shift)
        if name in ("maximum", "minimum"):
            pick = max if name == "maximum" else min
            sides = [self(arg) for arg in expr.args]
            return Interval(pick(side.low for side in sides), pick(side.high for side in sides))
        if name == "stop_gradient":
            return self(expr.args[0])
        return Interval(*expr.facts.range)


def is_bounded(interval: Interval) -> bool:
    """Whether an interval has two ends."""
    return not isinf(interval.size)
