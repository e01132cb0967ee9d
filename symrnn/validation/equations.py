"""What the equations of a cell and of its derivation say, evaluated directly in the field.

Nothing is planned here: every expression is worked out as it stands.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from sympy import Add, Expr, Mul, Pow

from symrnn.declaration import operations as op
from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import ValidationError
from symrnn.validation import duals
from symrnn.validation.duals import Dual
from symrnn.validation.functions import applied, closed_value
from symrnn.validation.maps import number_exp
from symrnn.validation.prime import PRIME
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction

Values: TypeAlias = dict[Quantity, Dual]


class Evaluator:
    """Values of resolved expressions, for given lengths of the axes."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        """`sizes` gives the length of every axis by name."""
        self.sizes = sizes
        self.known_sizes: dict[Expr, int] = {}
        self.known_numbers: dict[Expr, int | None] = {}

    def size(self, size: Expr) -> int:
        """The number that a size is."""
        if size not in self.known_sizes:
            lengths = {axis: self.sizes[axis.name] for axis in axes_of((size,))}
            self.known_sizes[size] = int(size.xreplace(lengths))
        return self.known_sizes[size]

    def shape(self, shape: Shape) -> tuple[int, ...]:
        """The numbers that a shape is made of."""
        return tuple(self.size(size) for size in shape)

    def number(self, expr: Expr) -> int | None:
        """The residue of a number, perhaps made of axes; None if it is none."""
        if expr not in self.known_numbers:
            self.known_numbers[expr] = number(expr, self.sizes) if is_coefficient(expr) else None
        return self.known_numbers[expr]

    def value(self, expr: Expr, values: Mapping[Quantity, Dual]) -> Dual:
        """The value of an expression, (B or 1, ...), and its tangent."""
        if isinstance(expr, Quantity):
            return values[expr]
        if (fixed := self.number(expr)) is not None:
            return Dual(np.asarray([fixed], np.int64))
        if isinstance(expr, op.where):
            truth = duals.holds(expr.args[0], lambda part: self.value(part, values))
            return duals.chosen(truth, *(self.value(arg, values) for arg in expr.args[1:]))
        if isinstance(expr, op.ones):
            return Dual(np.ones((1, *self.shape(expr.args)), np.int64))
        if isinstance(expr, op.identity):
            return Dual(np.eye(self.size(expr.args[0]), dtype=np.int64)[None])
        if isinstance(expr, op.one_hot):
            classes = np.arange(self.size(expr.index.classes))
            return Dual((values[expr.index].value[:, None] == classes).astype(np.int64))
        if isinstance(expr, op.Slice):
            start, stop = (self.size(size) for size in expr.args[1:])
            return Dual(self.value(expr.args[0], values).value[:, start:stop])
        if isinstance(expr, Pow):
            return duals.raised(self.value(expr.args[0], values), int(expr.args[1]))
        arguments = expr.operands if isinstance(expr, op.Contract) else expr.args
        return self.applied(expr, [self.value(arg, values) for arg in arguments])

    @staticmethod
    def applied(expr: Expr, parts: list[Dual]) -> Dual:
        """The value of an operation on its arguments' values."""
        if isinstance(expr, Add):
            return duals.added(parts)
        if isinstance(expr, Mul):
            return duals.multiplied(parts)
        if isinstance(expr, op.Contract):
            return duals.contraction(expr.spec, parts)
        if isinstance(expr, op.concatenate):
            return duals.stacked(parts)
        if isinstance(expr, PointwiseFunction | VectorFunction):
            return applied(type(expr), *parts)
        raise ValidationError(f"{type(expr).__name__} has no meaning in the field: {expr}.")


def number(expr: Expr, sizes: Mapping[str, int]) -> int:
    """The residue of a number that may be made of axes, roots and logarithms."""
    lengths = {axis: np.asarray([sizes[axis.name] % PRIME]) for axis in expr.atoms(Axis)}
    return int(closed_value(expr, lengths, number_exp)[0])
