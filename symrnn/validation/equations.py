"""What the equations of a cell and of its derivation say, evaluated directly in the field.

Nothing is planned here: every expression is worked out as it stands.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, Expr, Mul, Pow

from symrnn.declaration import operations as op
from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.nodes import entry
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import ValidationError
from symrnn.validation import duals
from symrnn.validation.duals import Dual
from symrnn.validation.functions import applied, closed_value
from symrnn.validation.maps import number_exp
from symrnn.validation.prime import PRIME

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
        form = entry(FORMS, expr)
        if form is None:
            raise ValidationError(f"{type(expr).__name__} has no meaning in the field: {expr}.")
        return form(self, expr, values)

    def all(self, parts: Iterable[Expr], values: Mapping[Quantity, Dual]) -> list[Dual]:
        """The values of some expressions."""
        return [self.value(part, values) for part in parts]

    def rows(self, expr: op.Slice, values: Mapping[Quantity, Dual]) -> Dual:
        """A range of a sample's first axis."""
        start, stop = (self.size(size) for size in expr.args[1:])
        return Dual(self.value(expr.args[0], values).value[:, start:stop])

    def unit(self, expr: op.one_hot, values: Mapping[Quantity, Dual]) -> Dual:
        """Unit vectors."""
        classes = np.arange(self.size(expr.index.classes))
        return Dual((values[expr.index].value[:, None] == classes).astype(np.int64))

    def choice(self, expr: op.where, values: Mapping[Quantity, Dual]) -> Dual:
        """One branch or the other."""
        truth = duals.holds(expr.condition, lambda part: self.value(part, values))
        return duals.chosen(truth, *self.all(expr.operands, values))


FORMS: Mapping[type, Callable[[Evaluator, Any, Mapping[Quantity, Dual]], Dual]] = {
    op.ones: lambda of, e, _: Dual(np.ones((1, *of.shape(e.args)), np.int64)),
    op.identity: lambda of, e, _: Dual(np.eye(of.size(e.args[0]), dtype=np.int64)[None]),
    op.one_hot: Evaluator.unit,
    op.Slice: Evaluator.rows,
    op.where: Evaluator.choice,
    Pow: lambda of, e, values: duals.raised(of.value(e.args[0], values), int(e.args[1])),
    Add: lambda of, e, values: duals.added(of.all(e.args, values)),
    Mul: lambda of, e, values: duals.multiplied(of.all(e.args, values)),
    op.Contract: lambda of, e, values: duals.contraction(e.spec, of.all(e.operands, values)),
    op.concatenate: lambda of, e, values: duals.stacked(of.all(e.args, values)),
    op.NamedFunction: lambda of, e, values: applied(type(e), *of.all(e.args, values)),
}
"""What is neither a quantity nor a number, by its kind."""


def number(expr: Expr, sizes: Mapping[str, int]) -> int:
    """The residue of a number that may be made of axes, roots and logarithms."""
    lengths = {axis: np.asarray([sizes[axis.name] % PRIME]) for axis in expr.atoms(Axis)}
    return int(closed_value(expr, lengths, number_exp)[0])
