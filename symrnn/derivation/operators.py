"""The matrices that Jacobians are made of: noncommutative SymPy expressions, and what they are in numbers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from sympy import Add, Expr, Integer, Mul

from symrnn.declaration.operations import concatenate
from symrnn.derivation.numeric import Array, Sizes, Values, evaluate, size_value


class Operator(Expr):
    """Base of the matrices that step Jacobians are made of; they do not commute."""

    __slots__ = ()
    is_commutative = False


class Diag(Operator):
    """The diagonal matrix of a vector expression."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        return f"diag({printer._print(self.args[0])})"


class MatrixOf(Operator):
    """A matrix expression as an operator."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.args[0]))


class Block(Operator):
    """Columns `start` to `stop` of a matrix: those that meet part number `position` of a stack."""

    __slots__ = ()

    def __new__(cls, matrix: Expr, stack: concatenate, position: int, start: Expr, stop: Expr) -> "Block":
        """Take the column block of `matrix` that multiplies one part of `stack`."""
        return Expr.__new__(cls, matrix, stack, Integer(position), start, stop)

    def _sympystr(self, printer: Any) -> str:
        matrix, _, _, start, stop = (printer._print(arg) for arg in self.args)
        return f"{matrix}[:, {start}:{stop}]"


class Column(Operator):
    """A vector expression as a matrix with one column: it takes a scalar."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        return f"column({printer._print(self.args[0])})"


class Row(Operator):
    """A vector expression as a matrix with one row: it gives a scalar."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        return f"row({printer._print(self.args[0])})"


class Partial(Operator):
    """The derivative of a value, or of a next state, by a state before the step, by its name."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        of, wrt = (printer._print(arg) for arg in self.args)
        return f"(d {of} / d {wrt})"


class Identity(Operator):
    """The identity on vectors of one size."""

    __slots__ = ()

    def _sympystr(self, printer: Any) -> str:
        return "I"


def times(*factors: Expr) -> Expr:
    """The product of operators: neighbouring diagonals merge, identities vanish unless alone."""
    flat = [inner for factor in factors for inner in Mul.make_args(factor)]
    scalars = [factor for factor in flat if factor.is_commutative]
    made: list[Expr] = []
    for factor in (factor for factor in flat if not factor.is_commutative):
        if isinstance(factor, Identity) and made:
            continue
        if made and isinstance(made[-1], Identity):
            made.pop()
        if made and isinstance(made[-1], Diag) and isinstance(factor, Diag):
            made[-1] = Diag(made[-1].args[0] * factor.args[0])
        else:
            made.append(factor)
    return Mul(*scalars, *made)


def collected(operators: Iterable[Expr]) -> Expr:
    """The sum of operators; diagonals in front of the same matrix are added, common factors taken out."""
    groups: dict[Expr, list[Expr]] = {}
    others: list[Expr] = []
    for term in Add.make_args(Add(*operators)):
        factors = list(Mul.make_args(term))
        at = next((i for i, factor in enumerate(factors) if not factor.is_commutative), None)
        if at is not None and isinstance(factors[at], Diag):
            weight = Mul(*factors[:at], factors[at].args[0])
            groups.setdefault(Mul(*factors[at + 1 :]), []).append(weight)
        else:
            others.append(term)
    merged = (times(Diag(_factored(weights)), rest) for rest, weights in groups.items())
    return Add(*others, *merged)


def _factored(terms: list[Expr]) -> Expr:
    """A sum with the factors that all its terms share in front."""
    shared = [
        factor
        for factor in Mul.make_args(terms[0])
        if not factor.is_number and all(factor in Mul.make_args(term) for term in terms[1:])
    ]
    if len(terms) == 1 or not shared:
        return Add(*terms)
    rests = (Mul(*(f for f in Mul.make_args(term) if f not in shared)) for term in terms)
    return Mul(*shared, Add(*rests))


def operator_value(expr: Expr, known: Values, sizes: Sizes, partials: Mapping[Expr, Array]) -> Array:
    """The matrix that an operator expression is, or a number for a commutative factor."""
    if isinstance(expr, Partial):
        return partials[expr]
    if type(expr) in MATRICES:
        return MATRICES[type(expr)](evaluate(expr.args[0], known, sizes), expr.args[3:], sizes)
    if isinstance(expr, Add):
        return sum(operator_value(term, known, sizes, partials) for term in expr.args)
    if isinstance(expr, Mul) and not expr.is_commutative:
        made: Array = None
        for factor in expr.args:
            value = operator_value(factor, known, sizes, partials)
            made = value if made is None else made @ value if np.ndim(made) == 2 else made * value
        return made
    return evaluate(expr, known, sizes)


MATRICES: Mapping[type, Callable[[Array, tuple[Expr, ...], Sizes], Array]] = {
    Diag: lambda array, columns, sizes: np.diag(array),
    Identity: lambda size, columns, sizes: np.eye(int(size)),
    MatrixOf: lambda array, columns, sizes: array,
    Block: lambda array, columns, sizes: array[:, slice(*(size_value(size, sizes) for size in columns))],
    Column: lambda array, columns, sizes: array[:, None],
    Row: lambda array, columns, sizes: array[None, :],
}
"""Matrices by what they are made of: an array, or a size."""
