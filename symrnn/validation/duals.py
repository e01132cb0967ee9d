"""Dual numbers over the field: values, and how they move in one direction, for sums, products and choices."""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sympy import And, Eq, Expr, Ge, Gt, Le, Lt, Ne, Not, Or

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
    ranks = {dual.value.ndim for dual in duals}
    rank = max(ranks)
    if len(ranks) == 1:
        return duals

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
