"""The ways that a step Jacobian gives a gradient, one for each of its terms, and what opens and closes them.

A term is a product of elementwise factors and of weights: matrices, or vectors of parameters. What bounds
the factors, which of them are derivatives of functions, and which vanish where a gate is near 0 or near 1, is
read off the expressions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sympy import Add, Expr, Mul, Pow, S

from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import hard_sigmoid, hard_tanh, tanh, where
from symrnn.declaration.quantities import Constant, Parameter, Quantity, State
from symrnn.derivation.bounds import Bounds, Interval, is_bounded, is_switch
from symrnn.derivation.jacobian import StepJacobian
from symrnn.derivation.operators import MATRICES, Column, Diag, Identity, MatrixOf, Row
from symrnn.derivation.rules import pointwise_term


@dataclass(frozen=True, slots=True)
class GradientPath:
    """One term of the derivative of `of.next` by `wrt`.

    `factors` act element by element, each in its place between the `weights`: column blocks, matrices, or
    parameters that multiply element by element. `span` bounds the product of those factors that are no
    weights. `derivatives` are the functions whose derivatives are among the factors, `unbounded` the moving
    quantities among them that have no bounds, `moving` those in the matrices. `is_steady`: nothing in it
    moves with time, `has_moving_weights`: a weight does.
    """

    of: State
    wrt: State
    factors: tuple[Expr, ...]
    weights: tuple[Expr, ...]
    span: Interval
    derivatives: frozenset[str]
    unbounded: tuple[Quantity, ...]
    moving: tuple[Quantity, ...]
    is_steady: bool
    has_moving_weights: bool

    @property
    def factor(self) -> Expr:
        """The product of the factors, which is what a path without weights multiplies by."""
        return Mul(*self.factors)

    @property
    def is_direct(self) -> bool:
        """Whether no weight lies on the way."""
        return not self.weights

    def is_closed(self, gate: Quantity, end: int) -> bool:
        """Whether it is zero where all of `gate` is `end`, 0 or 1."""
        return any(factor.xreplace({gate: S(end)}) == 0 for factor in self.factors)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a gate does: which paths are closed where it is near 0, and which where it is near 1."""

    gate: Quantity
    at_zero: tuple[GradientPath, ...]
    at_one: tuple[GradientPath, ...]


def gradient_paths(cell: Cell, jacobians: Iterable[StepJacobian]) -> tuple[GradientPath, ...]:
    """The paths of all step Jacobians of a cell, in their order."""
    finder = _Finder(cell)
    return tuple(path for jacobian in jacobians for path in finder.paths(jacobian))


def gate_effects(cell: Cell, paths: Iterable[GradientPath]) -> tuple[Effect, ...]:
    """What each value of the logistic function does to the paths, in the order of the cell's equations."""
    bounds, found = Bounds(cell), tuple(paths)
    made = []
    for gate in (equation.target for equation in cell.equations):
        if bounds.is_gate(gate):
            zero, one = (tuple(path for path in found if path.is_closed(gate, end)) for end in (0, 1))
            made += [Effect(gate, zero, one)] if zero or one else []
    return tuple(made)


class _Finder:
    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.bounds = Bounds(cell)
        self.calls = {d.symbol: d.expr for d in cell.definitions}
        self.static = {d.symbol for d in cell.definitions if d.static}

    def paths(self, jacobian: StepJacobian) -> Iterable[GradientPath]:
        if jacobian.is_matrix:
            for factors in _products(jacobian.expr):
                yield from self.split(jacobian, factors)
            return
        moving = {jacobian.direction, *(partial.moved for partial in jacobian.through)}
        for term in Add.make_args(jacobian.expr.expand(mul=False)):
            if term == 0:
                continue
            factors = Mul.make_args(term)
            outer = [factor for factor in factors if not moving & factor.atoms(Quantity)]
            inner = Mul(*(factor for factor in factors if factor not in outer))
            weights = () if inner == jacobian.direction else (inner,)
            yield self.path(jacobian, [Mul(*outer)], weights)

    def split(self, jacobian: StepJacobian, factors: list[Expr]) -> Iterable[GradientPath]:
        """The path of a product of operators; a diagonal that is a sum gives one for each of its terms."""
        diagonals = [Mul(*(factor for factor in factors if factor.is_commutative))]
        weights = []
        for factor in factors:
            if isinstance(factor, Diag):
                diagonals.append(factor.args[0])
            elif not factor.is_commutative and not isinstance(factor, Identity):
                weights.append(factor)
        if weights:
            yield self.path(jacobian, diagonals, tuple(weights))
            return
        for term in (
            Add.make_args(Mul(*diagonals)) if not _is_complement(Mul(*diagonals)) else [Mul(*diagonals)]
        ):
            yield self.path(jacobian, [term], ())

    def path(self, jacobian: StepJacobian, diagonals: list[Expr], weights: tuple[Expr, ...]) -> GradientPath:
        """A path; on a way without matrices, parameters beside what moves are weights."""
        factors = tuple(diagonal for diagonal in diagonals if diagonal != 1)
        steady = all(self.is_steady(expr) for expr in (*factors, *map(_content, weights)))
        span, found = Interval(1.0, 1.0), []
        for diagonal in factors:
            pieces = Mul.make_args(diagonal)
            scales = [piece for piece in pieces if isinstance(piece, Parameter)] if not steady else []
            found += scales
            span = span * self.bounds(Mul(*(piece for piece in pieces if piece not in scales)))
        derivatives = frozenset(
            name for factor in factors for name in self.derivatives(Mul.make_args(factor))
        )
        free = [q for factor in factors for q in self.unbounded(factor)]
        return GradientPath(
            jacobian.of,
            jacobian.wrt,
            factors,
            (*weights, *found),
            span,
            derivatives,
            tuple(dict.fromkeys(free)),
            tuple(dict.fromkeys(q for weight in weights for q in self.unbounded_weight(weight))),
            steady,
            not all(map(self.is_steady, map(_content, weights))),
        )

    def unbounded(self, expr: Expr) -> Iterable[Quantity]:
        """The moving quantities that keep an expression from having a bound."""
        if is_bounded(self.bounds(expr)) or self.is_steady(expr):
            return
        if isinstance(expr, Quantity):
            yield expr
        for arg in sorted(expr.args, key=str):
            yield from self.unbounded(arg)

    def unbounded_weight(self, weight: Expr) -> Iterable[Quantity]:
        """The moving quantities that keep a matrix, made of several of them, from having a bound."""
        content = _content(weight)
        if isinstance(weight, MatrixOf | Column | Row) and not isinstance(content, Quantity):
            yield from self.unbounded(content)

    def is_steady(self, expr: Expr) -> bool:
        quantities = expr.atoms(Quantity)
        return all(isinstance(q, Parameter | Constant) or q in self.static for q in quantities)

    def derivatives(self, factors: tuple[Expr, ...]) -> Iterable[str]:
        """The functions whose derivatives the factors are: v (1 - v), 1 - v^2, 0 or 1."""
        for factor in factors:
            if isinstance(factor, Quantity) and self.bounds.is_gate(factor) and 1 - factor in factors:
                yield "sigmoid"
            squared = 1 - factor if isinstance(factor, Add) else S.Zero
            if isinstance(squared, Pow) and squared.args[1] == 2:
                base = squared.args[0]
                if isinstance(self.calls.get(base, base), tanh):
                    yield "tanh"
            if is_switch(factor):
                yield self.switched(factor)

    def switched(self, factor: where) -> str:
        """The function whose derivative is constant where the condition of a choice holds, else 0."""
        for quantity in sorted(factor.condition.atoms(Quantity), key=str):
            call = self.calls.get(quantity)
            if isinstance(call, hard_sigmoid | hard_tanh):
                derivative = pointwise_term(S.One, quantity, call, 0)
                if isinstance(derivative, where) and derivative.condition == factor.condition:
                    return call.name
        return "relu"


def _content(weight: Expr) -> Expr:
    """The array that a weight is made of."""
    return weight.args[0] if type(weight) in MATRICES else weight


def _is_complement(expr: Expr) -> bool:
    """Whether an expression is 1 minus a quantity, which is one factor and not two terms."""
    return isinstance(1 - expr, Quantity)


def _products(expr: Expr) -> Iterable[list[Expr]]:
    """The products of a sum of operators, sums inside of products multiplied out."""
    if isinstance(expr, Add):
        for term in expr.args:
            yield from _products(term)
        return
    products: list[list[Expr]] = [[]]
    for factor in Mul.make_args(expr):
        if isinstance(factor, Add) and not factor.is_commutative:
            choices = list(_products(factor))
            products = [[*before, *choice] for before in products for choice in choices]
        else:
            products = [[*before, factor] for before in products]
    yield from (product for product in products if product != [S.Zero])
