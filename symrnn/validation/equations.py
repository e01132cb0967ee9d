"""What the equations of a cell and of its derivation say, evaluated directly in the field.

Nothing is planned here: every expression is worked out as it stands.
"""

from collections.abc import Iterable, Mapping
from functools import singledispatchmethod
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
        return self.form(expr, values)

    def all(self, parts: Iterable[Expr], values: Mapping[Quantity, Dual]) -> list[Dual]:
        """The values of some expressions."""
        return [self.value(part, values) for part in parts]

    @singledispatchmethod
    def form(self, expr: Expr, values: Mapping[Quantity, Dual]) -> Dual:
        """The value of what is neither a quantity nor a number, by its kind."""
        raise ValidationError(f"{type(expr).__name__} has no meaning in the field: {expr}.")

    @form.register
    def _(self, expr: op.ones, values: Mapping[Quantity, Dual]) -> Dual:
        return Dual(np.ones((1, *self.shape(expr.args)), np.int64))

    @form.register
    def _(self, expr: op.identity, values: Mapping[Quantity, Dual]) -> Dual:
        return Dual(np.eye(self.size(expr.args[0]), dtype=np.int64)[None])

    @form.register
    def _(self, expr: op.one_hot, values: Mapping[Quantity, Dual]) -> Dual:
        classes = np.arange(self.size(expr.index.classes))
        return Dual((values[expr.index].value[:, None] == classes).astype(np.int64))

    @form.register
    def _(self, expr: op.Slice, values: Mapping[Quantity, Dual]) -> Dual:
        start, stop = (self.size(size) for size in expr.args[1:])
        return Dual(self.value(expr.args[0], values).value[:, start:stop])

    @form.register
    def _(self, expr: op.where, values: Mapping[Quantity, Dual]) -> Dual:
        truth = duals.holds(expr.condition, lambda part: self.value(part, values))
        return duals.chosen(truth, *self.all(expr.operands, values))

    @form.register
    def _(self, expr: Pow, values: Mapping[Quantity, Dual]) -> Dual:
        return duals.raised(self.value(expr.args[0], values), int(expr.args[1]))

    @form.register
    def _(self, expr: Add, values: Mapping[Quantity, Dual]) -> Dual:
        return duals.added(self.all(expr.args, values))

    @form.register
    def _(self, expr: Mul, values: Mapping[Quantity, Dual]) -> Dual:
        return duals.multiplied(self.all(expr.args, values))

    @form.register
    def _(self, expr: op.Contract, values: Mapping[Quantity, Dual]) -> Dual:
        return duals.contraction(expr.spec, self.all(expr.operands, values))

    @form.register
    def _(self, expr: op.concatenate, values: Mapping[Quantity, Dual]) -> Dual:
        return duals.stacked(self.all(expr.args, values))

    @form.register
    def _(self, expr: op.NamedFunction, values: Mapping[Quantity, Dual]) -> Dual:
        return applied(type(expr), *self.all(expr.args, values))


def number(expr: Expr, sizes: Mapping[str, int]) -> int:
    """The residue of a number that may be made of axes, roots and logarithms."""
    lengths = {axis: np.asarray([sizes[axis.name] % PRIME]) for axis in expr.atoms(Axis)}
    return int(closed_value(expr, lengths, number_exp)[0])
