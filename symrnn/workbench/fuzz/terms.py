"""Terms: expressions with their shape and bounds of their elements, and what constructs make of them.

The bounds are those of random problems: leaves are of order one. They keep cells tame, so that a reference
is finite: arguments of logarithms, roots and quotients stay clear of 0, and nothing grows.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from sympy import Expr, Rational

from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.operations import (
    absolute,
    as_operand,
    exp,
    largest,
    log,
    logsumexp,
    maximum,
    minimum,
    power,
    reciprocal,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
)

LIMIT = 4.0
"""What is larger is scaled down or squashed before it goes on."""
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


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0)


RISING: dict[str, tuple[Callable[[Expr], Expr], Callable[[float], float]]] = {
    "sigmoid": (sigmoid, _sigmoid),
    "tanh": (tanh, math.tanh),
    "relu": (relu, lambda x: max(x, 0.0)),
    "exp": (exp, math.exp),
    "softplus": (softplus, _softplus),
    "log": (log, math.log),
    "sqrt": (sqrt, math.sqrt),
    "stop_gradient": (stop_gradient, lambda x: x),
}
"""Functions that keep the order of their arguments, with their values."""

EXPONENTS = (0.3, Rational(1, 3), 1.7, -0.4)


def applied(name: str, term: Term, choice: int) -> Term:
    """A function of one argument."""
    expr, shape, low, high = term
    if name in ("log", "sqrt", "reciprocal", "power") and low < CLEAR:
        raise NoTermError
    if name == "exp" and high > LIMIT + 1:
        raise NoTermError
    if name in RISING:
        function, value = RISING[name]
        return Term(function(expr), shape, value(low), value(high))
    if name == "reciprocal":
        return Term(reciprocal(expr), shape, 1 / high, 1 / low)
    if name == "power":
        exponent = EXPONENTS[choice % len(EXPONENTS)]
        ends = low ** float(exponent), high ** float(exponent)
        return Term(power(expr, exponent), shape, min(ends), max(ends))
    least = max(low, -high, 0.0)  # the least magnitude, if the bounds are of one sign
    if name == "abs":
        return Term(absolute(expr), shape, least, term.size)
    assert name == "square"
    if choice % 3 == 2:
        return Term(expr**3, shape, low**3, high**3)
    return Term(expr**2, shape, least**2, term.size**2)


def of_two(name: str, left: Term, right: Term) -> Term:
    """The larger or the smaller of two terms."""
    function, pick = (maximum, max) if name == "maximum" else (minimum, min)
    return Term(
        function(left.expr, right.expr),
        left.shape or right.shape,
        pick(left.low, right.low),
        pick(left.high, right.high),
    )


def of_vector(name: str, term: Term, count: int) -> Term:
    """A function of a vector with so many elements."""
    expr, shape, low, high = term
    if name == "softmax":
        return Term(softmax(expr), shape, math.exp(low - high) / count, 1.0)
    if name == "logsumexp":
        return Term(logsumexp(expr), (), low + math.log(count), high + math.log(count))
    return Term(largest(expr), (), low, high)


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
