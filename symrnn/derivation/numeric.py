"""Numbers for resolved expressions: one sample, one step, float64, in plain NumPy.

This is for looking at a derivation (a Jacobian at a point), not for running a cell.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not, Or, Pow
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import (
    Contract,
    PointwiseFunction,
    Slice,
    VectorFunction,
    concatenate,
    identity,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import DerivationError
from symrnn.vocabulary.families import NAMED

Array: TypeAlias = Any
Values: TypeAlias = Mapping[str, Array]
Sizes: TypeAlias = Mapping[str, int]

FUNCTIONS: dict[str, Callable[..., Array]] = {name: f.facts.value for name, f in NAMED.items()}
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

    def inner(part: Expr) -> Array:
        return evaluate(part, values, sizes)

    if isinstance(expr, Quantity):
        return values[expr.name]
    if isinstance(expr, ones):
        return np.ones([size_value(size, sizes) for size in expr.args])
    if isinstance(expr, one_hot):
        return np.eye(size_value(expr.index.classes, sizes))[int(values[expr.index.name])]
    if isinstance(expr, identity):
        return np.eye(size_value(expr.args[0], sizes))
    if is_coefficient(expr):
        return np.float64(number_value(expr, sizes))
    if isinstance(expr, Add):
        return sum(inner(term) for term in expr.args)
    if isinstance(expr, Mul):
        return np.prod(np.stack(np.broadcast_arrays(*(inner(f) for f in expr.args))), axis=0)
    if isinstance(expr, Pow):
        return inner(expr.args[0]) ** number_value(expr.args[1], sizes)
    if isinstance(expr, PointwiseFunction | VectorFunction):
        return FUNCTIONS[expr.name](*(inner(arg) for arg in expr.args))
    if isinstance(expr, where):
        holds = _condition(expr.args[0], values, sizes)
        return np.where(holds, inner(expr.args[1]), inner(expr.args[2]))
    if isinstance(expr, Contract):
        return np.einsum(expr.spec, *(inner(operand) for operand in expr.operands))
    if isinstance(expr, concatenate):
        return np.concatenate([inner(part) for part in expr.args])
    if isinstance(expr, Slice):
        start, stop = (size_value(size, sizes) for size in expr.args[1:])
        return inner(expr.args[0])[start:stop]
    raise DerivationError(f"{type(expr).__name__} has no numeric meaning here: {expr}.")


def _condition(condition: Boolean, values: Values, sizes: Sizes) -> Array:
    if isinstance(condition, Relational):
        sides = (evaluate(side, values, sizes) for side in condition.args)
        return COMPARISONS[type(condition)](*sides)
    parts = [_condition(part, values, sizes) for part in condition.args]
    if isinstance(condition, Not):
        return np.logical_not(parts[0])
    if isinstance(condition, And | Or):
        return (np.logical_and if isinstance(condition, And) else np.logical_or).reduce(
            np.broadcast_arrays(*parts)
        )
    raise DerivationError(f"The condition {condition} has no numeric meaning.")


def evaluate_cell(cell: Cell, values: Values, sizes: Sizes) -> dict[str, Array]:
    """One step of a cell: `values` (inputs, states, parameters, constants) and what it computes, by name."""
    known = {name: np.asarray(value, np.float64) for name, value in values.items()}
    for definition in cell.definitions:
        shape = tuple(size_value(size, sizes) for size in definition.shape)
        known[definition.symbol.name] = np.broadcast_to(evaluate(definition.expr, known, sizes), shape)
    return known
