"""The functions of the vocabulary on dual numbers over the field: all is read from their records.

A function is its `reference`, the formula that autodiff differentiates, applied to dual numbers. Where the
array library has a function of its own, as for tanh, the map of `maps` stands for it, and SymPy tells its
derivative. Neither knows the rules of the vocabulary, so that a wrong rule meets a right derivative.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, reduce
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, Expr, Mul, Pow, Rational, Symbol
from sympy import exp as sympy_exp

from symrnn.errors import ValidationError
from symrnn.validation import maps
from symrnn.validation.duals import Dual, Truth, added, aligned, chosen, moved, multiplied, raised
from symrnn.validation.prime import PRIME, Residues, centred, inverse, power, residue, residue_of_float
from symrnn.vocabulary.families import EQUIVALENTS, POINTWISE
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction

Function: TypeAlias = type[PointwiseFunction] | type[VectorFunction]


def _comparison(truth: np.ufunc) -> Callable[["Traced", Any], Truth]:
    """A comparison of traced arrays, or of one with a number."""

    def operation(one: "Traced", other: Any) -> Truth:
        left, right = aligned([_dual(one), _dual(other)])
        return np.asarray(truth(centred(left.value), centred(right.value)))

    return operation


class Traced:
    """What a formula sees in place of an array: a dual number with operators."""

    __slots__ = ("dual",)
    __array_ufunc__ = None

    def __init__(self, dual: Dual) -> None:
        """Wrap a dual number."""
        self.dual = dual

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value."""
        return self.dual.value.shape

    def __add__(self, other: Any) -> "Traced":
        return Traced(added([self.dual, _dual(other)]))

    def __mul__(self, other: Any) -> "Traced":
        return Traced(multiplied([self.dual, _dual(other)]))

    def __neg__(self) -> "Traced":
        return self * -1

    def __sub__(self, other: Any) -> "Traced":
        return self + Traced(_dual(other)) * -1

    def __truediv__(self, other: Any) -> "Traced":
        return self * Traced(raised(_dual(other), -1))

    def __rsub__(self, other: Any) -> "Traced":
        return Traced(_dual(other)) - self

    def __rtruediv__(self, other: Any) -> "Traced":
        return Traced(_dual(other)) / self

    __radd__, __rmul__ = __add__, __mul__

    def __getitem__(self, index: Any) -> "Traced":
        dual = self.dual
        return Traced(Dual(dual.value[index], None if dual.tangent is None else dual.tangent[index]))

    __lt__ = _comparison(np.less)
    __le__ = _comparison(np.less_equal)
    __gt__ = _comparison(np.greater)
    __ge__ = _comparison(np.greater_equal)
    __eq__ = _comparison(np.equal)  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def _dual(value: Any) -> Dual:
    """A traced array, or a number."""
    if isinstance(value, Traced):
        return value.dual
    return Dual(np.asarray([residue_of_float(float(value))], np.int64))


class Library:
    """The array library of a formula: traced arrays in, traced arrays out."""

    @staticmethod
    def where(truth: Truth, then: Any, otherwise: Any) -> Traced:
        """One or the other."""
        return Traced(chosen(truth, _dual(then), _dual(otherwise)))

    @staticmethod
    def isfinite(x: Traced) -> Truth:
        """All elements of the field are."""
        return np.ones(x.dual.value.shape, bool)

    @staticmethod
    def sum(x: Traced, axis: int, keepdims: bool = False) -> Traced:
        """The sum along the last axis."""
        return Traced(_along(x.dual, np.ones(1, np.int64), x.dual.value, keepdims))

    @staticmethod
    def max(x: Traced, axis: int, keepdims: bool = False) -> Traced:
        """The largest along the last axis; ties share its slope."""
        signed = centred(x.dual.value)
        top = signed.max(axis=-1, keepdims=True)
        ties = (signed == top).astype(np.int64)
        shares = ties * inverse(ties.sum(axis=-1, keepdims=True)) % PRIME
        return Traced(_along(x.dual, shares, shares * x.dual.value % PRIME, keepdims))

    @staticmethod
    def power(x: Any, p: Any) -> Traced:
        """X**p; its slopes are p x**p / x and x**p log(x)."""
        base, exponent = aligned([_dual(x), _dual(p)])
        value = maps.MAPS["power"](base.value, exponent.value)
        by_base = exponent.value * value % PRIME * inverse(base.value) % PRIME
        if exponent.tangent is None:
            return Traced(moved(value, (by_base, base)))
        by_exponent = value * maps.MAPS["log"](base.value) % PRIME
        return Traced(moved(value, (by_base, base), (by_exponent, exponent)))

    @staticmethod
    def sign(x: Traced) -> Traced:
        """-1, 0 or 1."""
        return Traced(Dual(np.sign(centred(x.dual.value)) % PRIME))

    def __getattr__(self, name: str) -> Callable[[Traced], Traced]:
        """Any other function of one array."""
        return lambda x: Traced(_mapped(name, x.dual))


LIBRARY = Library()


def _along(x: Dual, weights: Residues, weighed: Residues, keepdims: bool) -> Dual:
    """The sum of what was weighed along the last axis."""

    def total(array: Residues) -> Residues:
        return np.asarray(array.sum(axis=-1, keepdims=keepdims) % PRIME)

    return Dual(total(weighed), None if x.tangent is None else total(weights * x.tangent % PRIME))


# -- functions of the array library -----------------------------------------------------------------------

SLOPES: Mapping[str, Callable[[Residues, Residues], Residues]] = {
    "exp": lambda x, y: y,
    "expm1": lambda x, y: y + 1,
    "log": lambda x, y: inverse(x),
    "log1p": lambda x, y: inverse((x + 1) % PRIME),
    "sqrt": lambda x, y: inverse(2 * y % PRIME),
    "tanh": lambda x, y: 1 - y * y % PRIME,
}
"""Derivatives of the maps, of argument and value."""


def _mapped(name: str, x: Dual) -> Dual:
    """NumPy's function `name`, by a map or as a function of the vocabulary that is spelled so."""
    if name in maps.MAPS:
        value = maps.MAPS[name](x.value)
        return moved(value, (SLOPES[name](x.value, value) % PRIME, x))
    return _opaque(_spelled(f"np.{name}"), x)


@cache
def _spelled(text: str) -> type[PointwiseFunction]:
    for function in POINTWISE:
        if function.facts.spelling.numpy == text:
            return function
    raise ValidationError(f"{text} has no meaning on elements of a field: no function is spelled so.")


def _opaque(function: type[PointwiseFunction], x: Dual) -> Dual:
    """A function known by its parity, its value at 0 and SymPy's derivative alone."""
    facts = function.facts
    assert facts.equivalent is not None, f"{function.name} has neither a reference nor SymPy's name"
    symbol = Symbol("x", real=True)
    whole, mirrored = facts.equivalent(symbol), facts.equivalent(-symbol)
    value = maps.random_map(
        x.value,
        function.name,
        parity=-1 if mirrored == -whole else int(mirrored == whole),
        at_zero=int(closed_value(facts.equivalent(0), {})[0]),
    )
    if x.tangent is None or facts.rules == (None,):
        return Dual(value)
    return moved(value, (closed_value(whole.diff(symbol), {symbol: x.value}), x))


# -- functions of the vocabulary --------------------------------------------------------------------------


def applied(function: Function, *arguments: Dual) -> Dual:
    """A function of the vocabulary on dual numbers, (B or 1, ...)."""
    facts = function.facts
    if not any(facts.rules):
        arguments = tuple(Dual(argument.value) for argument in arguments)
    if facts.reference is not None:
        traced = [Traced(argument) for argument in aligned(list(arguments))]
        made: Traced = facts.reference(LIBRARY, *traced)
        if facts.exponential is not None:
            point, value = facts.exponential(LIBRARY, *traced, made)
            maps.tell_exp(point.dual.value, value.dual.value)
        return made.dual
    if facts.equivalent is not None:
        assert issubclass(function, PointwiseFunction)
        return _opaque(function, *arguments)
    return Dual(facts.value(*(argument.value for argument in arguments)))


def value_of(function: Function) -> Callable[..., Residues]:
    """A function of the vocabulary on residues, of a vector along the last axis."""

    def value(*arrays: Residues) -> Residues:
        together = np.broadcast_arrays(*arrays)
        made = applied(function, *map(Dual, together)).value
        pointwise = issubclass(function, PointwiseFunction)
        return made.reshape(together[0].shape) if pointwise else made  # formulas have numbers of shape (1,)

    return value


# -- SymPy's expressions ----------------------------------------------------------------------------------


def closed_value(
    expr: Expr, values: Mapping[Symbol, Residues], exp: Callable[[Residues], Residues] = maps.MAPS["exp"]
) -> Residues:
    """The residues of an expression in SymPy's own functions, where symbols have residues of one shape.

    Raises:
        ValidationError: it has a function that the vocabulary has not.
    """
    if expr in values:
        return values[expr]
    if not expr.args:
        return _constant(expr)
    kind, parts = type(expr), [closed_value(arg, values, exp) for arg in expr.args]
    if kind in CLOSED:
        return reduce(CLOSED[kind], parts)
    if kind is Pow:
        return _powered(expr.args[1], *parts)
    if kind is sympy_exp:
        return exp(parts[0])
    if kind not in EQUIVALENTS:
        raise ValidationError(f"{kind.__name__} has no meaning in the field: {expr}.")
    function = value_of(EQUIVALENTS[kind])
    return function(*parts) if len(parts) == 1 else reduce(function, parts)  # Max may have many


CLOSED: Mapping[type, Callable[[Residues, Residues], Residues]] = {
    Add: lambda a, b: (a + b) % PRIME,
    Mul: lambda a, b: a * b % PRIME,
}


def _constant(expr: Expr) -> Residues:
    """A number, a float, or pi and the like."""
    exact = isinstance(expr, Rational)
    return np.asarray(
        [residue(Fraction(int(expr.p), int(expr.q))) if exact else residue_of_float(float(expr))]
    )


def _powered(exponent: Expr, base: Residues, element: Residues) -> Residues:
    if not exponent.is_integer:
        return maps.MAPS["power"](base, element)
    whole = int(centred(element)[0])
    return power(base if whole >= 0 else inverse(base), abs(whole))
