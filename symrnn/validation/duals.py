"""Dual numbers over the field: values, and how they move in one direction, for every operation of a cell.

The derivatives are written here once more, by the argument where the derivation's rules go by the result, so
that a wrong rule meets a right one.
"""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sympy import And, Eq, Expr, Ge, Gt, Le, Lt, Ne, Not, Or

from symrnn.declaration import operations as op
from symrnn.validation import maps
from symrnn.validation.contractions import contracted
from symrnn.validation.prime import PRIME, Residues, centred, inverse, power

Truth: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dual:
    """A value (B or 1, ...) and its tangent of the same shape; None is a tangent of zero."""

    value: Residues
    tangent: Residues | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape per sample."""
        return self.value.shape[1:]


def total_of(arrays: Iterable[Residues]) -> Residues:
    """The sum of at least one array."""
    return reduce(operator.add, arrays) % PRIME


def moved(value: Residues, *parts: tuple[Residues, Dual]) -> Dual:
    """A value whose tangent is the sum of slopes times the tangents of what it is made of."""
    tangents = [slope * dual.tangent % PRIME for slope, dual in parts if dual.tangent is not None]
    if not tangents:
        return Dual(value)
    total = total_of(tangents)
    return Dual(value, np.broadcast_to(total, np.broadcast_shapes(value.shape, total.shape)))


def aligned(duals: list[Dual]) -> list[Dual]:
    """Numbers reshaped to go with arrays of the highest rank."""
    rank = max(dual.value.ndim for dual in duals)

    def raised(array: Residues) -> Residues:
        return array.reshape(array.shape[:1] + (1,) * (rank - array.ndim) + array.shape[1:])

    return [
        Dual(raised(d.value), None if d.tangent is None else raised(d.tangent)) if d.value.ndim < rank else d
        for d in duals
    ]


def added(duals: list[Dual]) -> Dual:
    """The sum."""
    one = np.ones(1, np.int64)
    parts = aligned(duals)
    return moved(total_of(d.value for d in parts), *((one.reshape((1,) * d.value.ndim), d) for d in parts))


def multiplied(duals: list[Dual]) -> Dual:
    """The product."""
    made, *rest = aligned(duals)
    for dual in rest:
        made = moved(made.value * dual.value % PRIME, (dual.value, made), (made.value, dual))
    return made


def raised(dual: Dual, exponent: int) -> Dual:
    """A whole power."""
    base = dual.value if exponent >= 0 else inverse(dual.value)
    value = power(base, abs(exponent))
    slope = power(base, exponent - 1 if exponent > 0 else 1 - exponent) * (exponent % PRIME) % PRIME
    return moved(value, (slope, dual))


def contraction(spec: str, duals: list[Dual]) -> Dual:
    """An einsum of arrays of a sample."""
    inputs, _, output = spec.partition("->")
    letters = ",".join(f"Z{part}" for part in inputs.split(","))
    batch = max(d.value.shape[0] for d in duals)
    arrays = [np.broadcast_to(d.value, (batch, *d.shape)) for d in duals]
    tangents = []
    for position, dual in enumerate(duals):
        if dual.tangent is not None:
            operands = [*arrays]
            operands[position] = np.broadcast_to(dual.tangent, (batch, *dual.shape))
            tangents.append(contracted(f"{letters}->Z{output}", *operands))
    value = contracted(f"{letters}->Z{output}", *arrays)
    return Dual(value, total_of(tangents) if tangents else None)


def stacked(duals: list[Dual]) -> Dual:
    """One after the other along the first axis of a sample."""
    batch = max(d.value.shape[0] for d in duals)
    values = [np.broadcast_to(d.value, (batch, *d.shape)) for d in duals]
    value = np.concatenate(values, axis=1)
    if all(d.tangent is None for d in duals):
        return Dual(value)
    tangents = [
        np.zeros_like(v) if d.tangent is None else d.tangent for d, v in zip(duals, values, strict=True)
    ]
    return Dual(
        value,
        np.concatenate([np.broadcast_to(t, v.shape) for t, v in zip(tangents, values, strict=True)], axis=1),
    )


def chosen(truth: Truth, then: Dual, otherwise: Dual) -> Dual:
    """One or the other, where a condition holds."""
    told, then, otherwise = aligned([Dual(truth.astype(np.int64)), then, otherwise])
    truth = told.value != 0
    value = np.where(truth, then.value, otherwise.value)
    if then.tangent is None and otherwise.tangent is None:
        return Dual(value)
    tangents = [np.zeros_like(d.value) if d.tangent is None else d.tangent for d in (then, otherwise)]
    return Dual(value, np.where(truth, *tangents))


# -- functions of numbers ---------------------------------------------------------------------------------

HALF = (PRIME + 1) // 2


def _share(larger: Callable[[Residues, Residues], Truth]) -> Callable[[Dual, Dual], Dual]:
    """The chosen one of two, whose slope is 1, or 1/2 at a tie."""

    def function(a: Dual, b: Dual) -> Dual:
        x, y = centred(a.value), centred(b.value)
        first = np.where(x == y, HALF, np.where(larger(x, y), 1, 0))
        return moved(np.where(larger(x, y), a.value, b.value), (first, a), ((1 - first) % PRIME, b))

    return function


def _by_map(name: str, slope: Callable[[Residues, Residues], Residues]) -> Callable[[Dual], Dual]:
    """A map whose derivative is slope(argument, value)."""

    def function(a: Dual) -> Dual:
        value = maps.MAPS[name](a.value) if name in maps.MAPS else FORMULAS[name](a.value)
        return moved(value, (slope(a.value, value) % PRIME, a))

    return function


FORMULAS: dict[str, Callable[[Residues], Residues]] = {
    "sigmoid": maps.sigmoid,
    "relu": maps.relu,
    "softplus": maps.softplus,
    "abs": lambda x: abs(centred(x)) % PRIME,
}


def _power(a: Dual, p: Dual) -> Dual:
    """a**p; the slopes are p a**p / a and a**p log(a)."""
    value = maps.MAPS["power"](a.value, p.value)
    by_base = p.value * value % PRIME * inverse(a.value) % PRIME
    if p.tangent is None:
        return moved(value, (by_base, a))
    return moved(value, (by_base, a), (value * maps.MAPS["log"](a.value) % PRIME, p))


POINTWISE: dict[type, Callable[..., Dual]] = {
    op.sigmoid: _by_map("sigmoid", lambda x, y: y * (1 - y)),
    op.tanh: _by_map("tanh", lambda x, y: 1 - y * y),
    op.relu: _by_map("relu", lambda x, y: (centred(x) > 0).astype(np.int64)),
    op.exp: _by_map("exp", lambda x, y: y),
    op.expm1: _by_map("expm1", lambda x, y: y + 1),
    op.log: _by_map("log", lambda x, y: inverse(x)),
    op.softplus: _by_map("softplus", lambda x, y: maps.sigmoid(x)),
    op.sqrt: _by_map("sqrt", lambda x, y: inverse(2 * y % PRIME)),
    op.absolute: _by_map("abs", lambda x, y: np.sign(centred(x))),
    op.reciprocal: lambda a: raised(a, -1),
    op.power: _power,
    op.maximum: _share(lambda x, y: x > y),
    op.minimum: _share(lambda x, y: x < y),
    op.stop_gradient: lambda a: Dual(a.value),
    op.sign: lambda a: Dual(np.sign(centred(a.value)) % PRIME),
}


# -- functions of a vector --------------------------------------------------------------------------------


def _along(weights: Residues, dual: Dual) -> Residues | None:
    """The sum of the tangent along the vector, weighed."""
    if dual.tangent is None:
        return None
    return np.asarray((weights * dual.tangent % PRIME).sum(axis=-1) % PRIME)


def logsumexp(a: Dual) -> Dual:
    """log(sum(exp(a)))."""
    return Dual(maps.logsumexp(a.value), _along(maps.softmax(a.value), a))


def largest(a: Dual) -> Dual:
    """The largest element; ties share."""
    top = centred(a.value).max(axis=-1, keepdims=True)
    ties = (centred(a.value) == top).astype(np.int64)
    shares = ties * inverse(ties.sum(axis=-1, keepdims=True)) % PRIME
    return Dual(top[..., 0] % PRIME, _along(shares, a))


def softmax(a: Dual) -> Dual:
    """exp(a) / sum(exp(a))."""
    y = maps.softmax(a.value)
    mean = _along(y, a)
    if a.tangent is None or mean is None:
        return Dual(y)
    return Dual(y, y * ((a.tangent - mean[..., None]) % PRIME) % PRIME)


VECTOR: dict[type, Callable[[Dual], Dual]] = {
    op.logsumexp: logsumexp,
    op.largest: largest,
    op.softmax: softmax,
}

COMPARISONS: dict[type, Callable[[Any, Any], Truth]] = {
    Lt: np.less,
    Le: np.less_equal,
    Gt: np.greater,
    Ge: np.greater_equal,
    Eq: np.equal,
    Ne: np.not_equal,
}


def holds(condition: Expr, value: Callable[[Expr], Dual]) -> Truth:
    """Where a condition on values is true."""
    if type(condition) in COMPARISONS:
        left, right = aligned([value(side) for side in condition.args])
        return COMPARISONS[type(condition)](centred(left.value), centred(right.value))
    parts = [holds(arg, value) for arg in condition.args]
    if isinstance(condition, Not):
        return np.logical_not(parts[0])
    assert isinstance(condition, And | Or)
    rank = max(part.ndim for part in parts)
    parts = [p.reshape(p.shape[:1] + (1,) * (rank - p.ndim) + p.shape[1:]) for p in parts]
    combine = np.logical_and if isinstance(condition, And) else np.logical_or
    return np.asarray(combine.reduce(np.broadcast_arrays(*parts)))
