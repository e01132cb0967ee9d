"""Terms: expressions with their shape and bounds of their elements, and what constructs make of them.

The bounds are those of random problems: leaves are of order one. They keep cells tame, so that a reference
is finite: arguments of logarithms, roots and quotients stay clear of 0, and nothing grows.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from typing import NamedTuple

import numpy as np
from sympy import Expr, Rational

from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.operations import (
    as_operand,
    largest,
    layer_norm,
    logsumexp,
    norm,
    rms_norm,
    softmax,
)
from symrnn.vocabulary.families import POINTWISE, VECTOR_FUNCTIONS
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction

FUNCTIONS = {function.name: function for function in POINTWISE}
VECTORS = {function.name: function for function in VECTOR_FUNCTIONS}

LIMIT = 4.0
"""What is larger is scaled down or squashed before it goes on."""
LARGEST = 150.0
"""No function of one argument gives more."""
CLEAR = 0.02
"""What must be positive is at least this."""


class Term(NamedTuple):
    """An expression, its shape, and bounds of its elements."""

    expr: Expr
    shape: Shape
    low: float
    high: float

    @property
    def size(self) -> float:
        """The largest magnitude of an element."""
        return max(abs(self.low), abs(self.high))


class NoTermError(Exception):
    """A construct found no operands that keep it tame; the generator makes something else."""


def number_of(size: Expr, sizes: dict[Axis, int]) -> int:
    """A size in numbers."""
    return int(size.subs(sizes))


EXPONENTS = (0.3, Rational(1, 3), 1.7, -0.4)


def applied(name: str, term: Term, choice: int) -> Term:
    """A function of one argument, with `power` one of its base, or a whole power."""
    expr, shape, low, high = term
    if name == "square":
        if choice % 3 == 2:
            return Term(expr**3, shape, low**3, high**3)
        least = max(low, -high, 0.0)  # the least magnitude, if the bounds are of one sign
        return Term(expr**2, shape, least**2, term.size**2)
    function = FUNCTIONS[name]
    if function.facts.at_zero_singular is not None and low < CLEAR:
        raise NoTermError
    if function.arity == 1:
        made = Term(function(expr), shape, *_bounds(function, low, high))
        if made.size > LARGEST:
            raise NoTermError
        return made
    exponent = EXPONENTS[choice % len(EXPONENTS)]
    ends = low ** float(exponent), high ** float(exponent)
    return Term(function(expr, exponent), shape, min(ends), max(ends))


def _bounds(function: type[PointwiseFunction], low: float, high: float) -> tuple[float, float]:
    """Between which numbers a function lies if its argument lies between `low` and `high`."""
    facts = function.facts
    if facts.turns is None:
        return facts.range
    values = [float(facts.value(np.float64(point))) for point in _met(function, low, high)]
    return min(values), max(values)


def _met(function: type[PointwiseFunction], low: float, high: float) -> list[float]:
    """The ends of an interval, and where between them a function stops to grow or to fall."""
    return [low, *(point for point in function.facts.turns or () if low < point < high), high]


def of_two(name: str, left: Term, right: Term) -> Term:
    """A function of two arguments, which grows or falls with the second everywhere."""
    function = FUNCTIONS[name]
    met = product(_met(function, left.low, left.high), (right.low, right.high))
    values = [float(function.facts.value(*pair)) for pair in met]
    return Term(function(left.expr, right.expr), left.shape or right.shape, min(values), max(values))


def of_vector(name: str, term: Term, count: int) -> Term:
    """A function of a vector with so many elements."""
    expr, shape = term.expr, term.shape
    function = VECTORS[name]
    bounds = BOUNDS[function](term, count)
    return Term(function(expr), shape if function.gives_vector else (), *bounds)


BOUNDS: dict[type[VectorFunction], Callable[[Term, int], tuple[float, float]]] = {
    softmax: lambda term, count: (math.exp(term.low - term.high) / count, 1.0),
    logsumexp: lambda term, count: (term.low + math.log(count), term.high + math.log(count)),
    largest: lambda term, count: (term.low, term.high),
    norm: lambda term, count: (
        math.sqrt(count) * max(term.low, -term.high, 0.0),
        math.sqrt(count) * term.size,
    ),
    **dict.fromkeys((layer_norm, rms_norm), lambda term, count: (-math.sqrt(count), math.sqrt(count))),
}
"""Between which numbers functions of a vector lie, given its elements' bounds and how many they are."""


SCALES = (-1, Rational(1, 2), 2, 0.75, Rational(-3, 2), -0.25, Rational(1, 3))


def scaled(term: Term, choice: int, positive: bool) -> Term:
    """A term times a number; with `positive`, a positive one."""
    factor = SCALES[choice % len(SCALES)]
    if term.expr.is_Add:
        factor = 0.75 if factor > 0 else -0.25  # a sum times a fraction is multiplied out
    factor = abs(factor) if positive else factor
    factor = 2 if factor == 1 else factor
    ends = float(factor) * term.low, float(factor) * term.high
    return Term(factor * term.expr, term.shape, min(ends), max(ends))


def added(terms: Sequence[Term]) -> Term:
    """The sum of terms."""
    expr = reduce(lambda a, b: a + b, (term.expr for term in terms))
    shape = next((term.shape for term in terms if term.shape), ())
    return Term(expr, shape, sum(t.low for t in terms), sum(t.high for t in terms))


def times(left: Term, right: Term) -> tuple[float, float]:
    """The bounds of products of elements."""
    products = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(products), max(products)


def multiplied(terms: Sequence[Term]) -> Term:
    """The product of terms, element by element."""
    made = terms[0]
    for term in terms[1:]:
        made = Term(made.expr * term.expr, made.shape or term.shape, *times(made, term))
    return made


def number(value: int | Rational | float) -> Term:
    """A number as a term."""
    return Term(as_operand(value, "number"), (), float(value), float(value))
