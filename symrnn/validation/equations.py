"""What the equations of a cell and of its derivation say, evaluated directly in the field.

Nothing is planned here: every expression is worked out as it stands.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from sympy import Abs, Add, Expr, Integer, Max, Min, Mul, Pow, Rational
from sympy import exp as sympy_exp
from sympy import log as sympy_log
from sympy import tanh as sympy_tanh

from symrnn.declaration import operations as op
from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.quantities import Quantity
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import ValidationError
from symrnn.validation import duals
from symrnn.validation.duals import Dual
from symrnn.validation.maps import MAPS, number_exp
from symrnn.validation.prime import PRIME, Residues, centred, inverse, power, residue, residue_of_float

Values: TypeAlias = dict[Quantity, Dual]

NUMBER_MAPS = {sympy_exp: number_exp, sympy_log: MAPS["log"], sympy_tanh: MAPS["tanh"]}


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
        if type(expr) in duals.POINTWISE:
            return duals.POINTWISE[type(expr)](*duals.aligned(parts))
        if type(expr) in duals.VECTOR:
            return duals.VECTOR[type(expr)](*parts)
        raise ValidationError(f"{type(expr).__name__} has no meaning in the field: {expr}.")


def number(expr: Expr, sizes: Mapping[str, int]) -> int:
    """The residue of a number that may be made of axes, roots and logarithms."""
    if isinstance(expr, Axis):
        return sizes[expr.name] % PRIME
    if isinstance(expr, Rational):
        return residue(Fraction(int(expr.p), int(expr.q)))
    if not expr.args:  # a float, or pi and the like
        return residue_of_float(float(expr))
    numbers = [number(arg, sizes) for arg in expr.args]
    parts = [np.asarray([part], np.int64) for part in numbers]
    signed = [int(centred(part)[0]) for part in parts]
    if isinstance(expr, Add):
        return sum(numbers) % PRIME
    if isinstance(expr, Mul):
        return int(duals.multiplied([Dual(part) for part in parts]).value[0])
    if isinstance(expr, Pow):
        lengths = {axis: Integer(sizes[axis.name]) for axis in expr.args[1].atoms(Axis)}
        return int(_number_power(parts[0], expr.args[1].xreplace(lengths), parts[1])[0])
    if type(expr) in NUMBER_MAPS:
        return int(NUMBER_MAPS[type(expr)](*parts)[0])
    if isinstance(expr, Abs):
        return abs(signed[0]) % PRIME
    if isinstance(expr, Max | Min):
        return (max if isinstance(expr, Max) else min)(signed) % PRIME
    raise ValidationError(f"The number {expr} has no meaning in the field.")


def _number_power(base: Residues, exponent: Expr, element: Residues) -> Residues:
    if exponent.is_Integer:
        whole = int(exponent)
        return power(base if whole >= 0 else inverse(base), abs(whole))
    return MAPS["power"](base, element)
