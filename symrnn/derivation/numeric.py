"""Numbers for resolved expressions: one sample, one step, float64, in plain NumPy.

This is for looking at a derivation (a Jacobian at a point), not for running a cell.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not, Or, Pow
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
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
    return Point(values, sizes).value(expr)


@dataclass(frozen=True, slots=True)
class Point:
    """The numbers of quantities and axes, by name."""

    values: Values
    sizes: Sizes

    def size(self, size: Expr) -> int:
        """The number that a size is."""
        return size_value(size, self.sizes)

    def all(self, parts: Iterable[Expr]) -> list[Array]:
        """The values of some expressions."""
        return [self.value(part) for part in parts]

    def value(self, expr: Expr) -> Array:
        """The value of a resolved expression."""
        if isinstance(expr, Quantity):
            return self.values[expr.name]
        if is_coefficient(expr):
            return np.float64(number_value(expr, self.sizes))
        form = entry(FORMS, expr)
        if form is None:
            raise DerivationError(f"{type(expr).__name__} has no numeric meaning here: {expr}.")
        return form(self, expr)

    def holds(self, condition: Boolean) -> Array:
        """Whether a condition holds."""
        kind = type(condition)
        if kind in COMPARISONS:
            return COMPARISONS[kind](*self.all(condition.args))
        if kind not in CONNECTIVES:
            raise DerivationError(f"The condition {condition} has no numeric meaning.")
        return CONNECTIVES[kind](np.broadcast_arrays(*map(self.holds, condition.args)))


FORMS: Mapping[type, Callable[[Point, Any], Array]] = {
    ones: lambda at, e: np.ones([at.size(size) for size in e.args]),
    identity: lambda at, e: np.eye(at.size(e.args[0])),
    one_hot: lambda at, e: np.eye(at.size(e.index.classes))[int(at.values[e.index.name])],
    Add: lambda at, e: sum(at.all(e.args)),
    Mul: lambda at, e: np.prod(np.stack(np.broadcast_arrays(*at.all(e.args))), axis=0),
    Pow: lambda at, e: at.value(e.args[0]) ** number_value(e.args[1], at.sizes),
    NamedFunction: lambda at, e: e.facts.value(*at.all(e.args)),
    where: lambda at, e: np.where(at.holds(e.condition), *at.all(e.operands)),
    Contract: lambda at, e: np.einsum(e.spec, *at.all(e.operands)),
    concatenate: lambda at, e: np.concatenate(at.all(e.args)),
    Slice: lambda at, e: at.value(e.args[0])[slice(*map(at.size, e.args[1:]))],
}
"""What is neither a quantity nor a number, by its kind."""

CONNECTIVES: Mapping[type, Callable[[Sequence[Array]], Array]] = {
    And: np.logical_and.reduce,
    Or: np.logical_or.reduce,
    Not: lambda parts: np.logical_not(*parts),
}


def evaluate_cell(cell: Cell, values: Values, sizes: Sizes) -> dict[str, Array]:
    """One step of a cell: `values` (inputs, states, parameters, constants) and what it computes, by name."""
    known = {name: np.asarray(value, np.float64) for name, value in values.items()}
    for definition in cell.definitions:
        shape = tuple(size_value(size, sizes) for size in definition.shape)
        known[definition.symbol.name] = np.broadcast_to(evaluate(definition.expr, known, sizes), shape)
    return known
