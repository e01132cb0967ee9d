"""Numbers for resolved expressions: one sample, one step, float64, in plain NumPy.

This is for looking at a derivation (a Jacobian at a point), not for running a cell.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not, Or, Pow
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import (
    Contract,
    NamedFunction,
    Slice,
    concatenate,
    identity,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import DerivationError

Array: TypeAlias = Any
Values: TypeAlias = Mapping[str, Array]
Sizes: TypeAlias = Mapping[str, int]

COMPARISONS: dict[type, Callable[..., Array]] = {
    Lt: np.less,
    Le: np.less_equal,
    Gt: np.greater,
    Ge: np.greater_equal,
    Eq: np.equal,
    Ne: np.not_equal,
}


def size_value(size: Expr, sizes: Sizes) -> int:
    """The number that a size is, given the length of every axis by name."""
    return int(size.xreplace({axis: sizes[axis.name] for axis in size.atoms(Axis)}))


def number_value(expr: Expr, sizes: Sizes) -> float:
    """The number that a coefficient is, given the length of every axis by name."""
    return float(expr.xreplace({axis: sizes[axis.name] for axis in expr.atoms(Axis)}))


def evaluate(expr: Expr, values: Values, sizes: Sizes) -> Array:
    """The value of a resolved expression, an array of its shape (or a scalar, which broadcasts).

    `values` holds an array for every quantity by name, `sizes` the length of every axis by name.

    Raises:
        DerivationError: the expression holds something that is not in the vocabulary.
    """
    if isinstance(expr, Quantity):
        return values[expr.name]
    return np.float64(number_value(expr, sizes)) if is_coefficient(expr) else _value(expr, values, sizes)


def _all(parts: Iterable[Expr], values: Values, sizes: Sizes) -> list[Array]:
    return [evaluate(part, values, sizes) for part in parts]


@singledispatch
def _value(expr: Expr, values: Values, sizes: Sizes) -> Array:
    """The value of what is neither a quantity nor a number, by its kind."""
    raise DerivationError(f"{type(expr).__name__} has no numeric meaning here: {expr}.")


@_value.register
def _(expr: ones, values: Values, sizes: Sizes) -> Array:
    return np.ones([size_value(size, sizes) for size in expr.args])


@_value.register
def _(expr: identity, values: Values, sizes: Sizes) -> Array:
    return np.eye(size_value(expr.args[0], sizes))


@_value.register
def _(expr: one_hot, values: Values, sizes: Sizes) -> Array:
    return np.eye(size_value(expr.index.classes, sizes))[int(values[expr.index.name])]


@_value.register
def _(expr: Add, values: Values, sizes: Sizes) -> Array:
    return sum(_all(expr.args, values, sizes))


@_value.register
def _(expr: Mul, values: Values, sizes: Sizes) -> Array:
    return np.prod(np.stack(np.broadcast_arrays(*_all(expr.args, values, sizes))), axis=0)


@_value.register
def _(expr: Pow, values: Values, sizes: Sizes) -> Array:
    return evaluate(expr.args[0], values, sizes) ** number_value(expr.args[1], sizes)


@_value.register
def _(expr: NamedFunction, values: Values, sizes: Sizes) -> Array:
    return expr.facts.value(*_all(expr.args, values, sizes))


@_value.register
def _(expr: where, values: Values, sizes: Sizes) -> Array:
    holds = _condition(expr.condition, values, sizes)
    return np.where(holds, *_all(expr.operands, values, sizes))


@_value.register
def _(expr: Contract, values: Values, sizes: Sizes) -> Array:
    return np.einsum(expr.spec, *_all(expr.operands, values, sizes))


@_value.register
def _(expr: concatenate, values: Values, sizes: Sizes) -> Array:
    return np.concatenate(_all(expr.args, values, sizes))


@_value.register
def _(expr: Slice, values: Values, sizes: Sizes) -> Array:
    start, stop = (size_value(size, sizes) for size in expr.args[1:])
    return evaluate(expr.args[0], values, sizes)[start:stop]


CONNECTIVES = {And: np.logical_and, Or: np.logical_or}


def _condition(condition: Boolean, values: Values, sizes: Sizes) -> Array:
    kind = type(condition)
    if kind in COMPARISONS:
        return COMPARISONS[kind](*_all(condition.args, values, sizes))
    parts = [_condition(part, values, sizes) for part in condition.args]
    if kind is Not:
        return np.logical_not(parts[0])
    if kind in CONNECTIVES:
        return CONNECTIVES[kind].reduce(np.broadcast_arrays(*parts))
    raise DerivationError(f"The condition {condition} has no numeric meaning.")


def evaluate_cell(cell: Cell, values: Values, sizes: Sizes) -> dict[str, Array]:
    """One step of a cell: `values` (inputs, states, parameters, constants) and what it computes, by name."""
    known = {name: np.asarray(value, np.float64) for name, value in values.items()}
    for definition in cell.definitions:
        shape = tuple(size_value(size, sizes) for size in definition.shape)
        known[definition.symbol.name] = np.broadcast_to(evaluate(definition.expr, known, sizes), shape)
    return known
