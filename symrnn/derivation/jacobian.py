"""The step Jacobian: how each state at time t depends on each state at time t-1, in symbols.

It is read off the tangent, which is linear in the dotted states. Between vectors it is a sum of products
of diagonal matrices, matrices (for a stack: their column blocks) and identities, noncommutative SymPy
expressions of the node classes below. Where a scalar or a matrix state is concerned, or a vector's way
leads through a matrix, it is the linear map itself, as the tangent's expression in the dotted state.

Multiplied out, a step of many equations has exponentially many terms. There the derivatives of values that
several ways lead through have names: a Jacobian is made of them, and each of them of earlier ones.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Add, Expr, Mul, S

from symrnn.declaration.arguments import require_cell
from symrnn.declaration.axes import Shape, ranges
from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import Contract, concatenate, ones, where
from symrnn.declaration.quantities import Constant, Part, Quantity, State
from symrnn.derivation.naming import values_to_name
from symrnn.derivation.numeric import Array, Sizes, Values, evaluate, evaluate_cell, size_value
from symrnn.derivation.operators import (
    Block,
    Column,
    Diag,
    Identity,
    MatrixOf,
    Partial,
    Row,
    collected,
    operator_value,
    times,
)
from symrnn.derivation.tangent import Tangent
from symrnn.printing import Printed


@dataclass(frozen=True, slots=True)
class PartialJacobian:
    """The derivative of `of`, a value or a next state, by the previous value of `wrt`.

    In other Jacobians `Partial(of, wrt)` stands for it, or `moved` where they are linear maps.
    """

    of: Quantity
    wrt: State
    expr: Expr
    is_matrix: bool
    direction: Quantity
    moved: Quantity

    def __str__(self) -> str:
        if self.is_matrix:
            return f"d {self.of} / d {self.wrt} = {self.expr}"
        return f"d {self.of} / d {self.wrt}: {self.direction} -> {self.moved} = {self.expr}"


@dataclass(frozen=True, slots=True)
class StepJacobian(Printed):
    """The derivative of the next value of `of` by the previous value of `wrt`.

    `expr` is a product form if `is_matrix`, else the linear map: what the direction `direction` of
    `wrt` does to `of.next`, an expression that is linear in it. `through` are the partial Jacobians that
    it is made of, each made of earlier ones; small cells have none.
    """

    cell: Cell
    of: State
    wrt: State
    expr: Expr
    is_matrix: bool
    direction: Quantity
    through: tuple[PartialJacobian, ...] = ()

    def evaluate(self, values: Values, sizes: Sizes) -> Array:
        """The Jacobian at a point: an array of shape (*of.shape, *wrt.shape).

        `values` holds one sample's inputs, states, parameters and constants by name, `sizes` the length
        of every axis by name.
        """
        known = evaluate_cell(self.cell, values, sizes)
        for zeros in self.expr.atoms(Constant):  # in place of the parts of a stack that do not move
            if zeros.name not in known:
                known[zeros.name] = np.zeros([size_value(size, sizes) for size in zeros.shape])
        rows, columns = (
            tuple(size_value(size, sizes) for size in state.shape) for state in (self.of, self.wrt)
        )
        if self.is_matrix:
            partials: dict[Expr, Array] = {}
            for partial in self.through:
                value = operator_value(partial.expr, known, sizes, partials)
                partials[Partial(partial.of, partial.wrt)] = value
            matrix = operator_value(self.expr, known, sizes, partials)
            return np.broadcast_to(matrix, (*rows, *columns)).copy()
        made = np.empty((*rows, *columns))
        for at in np.ndindex(columns):
            known[self.direction.name] = np.zeros(columns)
            known[self.direction.name][at] = 1.0
            for partial in self.through:
                known[partial.moved.name] = evaluate(partial.expr, known, sizes)
            made[(..., *at)] = evaluate(self.expr, known, sizes)
        return made

    @property
    def equation(self) -> str:
        """The Jacobian as a line of text, in terms of those that it goes through."""
        if self.is_matrix:
            return f"d {self.of.next} / d {self.wrt} = {self.expr}"
        return f"d {self.of.next} / d {self.wrt}: {self.direction} -> {self.expr}"

    def __str__(self) -> str:
        return "\n".join([*map(str, self.through), self.equation])


def jacobian_lines(jacobians: Iterable[StepJacobian]) -> tuple[str, ...]:
    """The Jacobians as lines of text, each once and after those that it goes through."""
    found = [line for jacobian in jacobians for line in str(jacobian).split("\n")]
    return tuple(dict.fromkeys(found))


def step_jacobian(cell: Cell) -> tuple[StepJacobian, ...]:
    """The Jacobian of every next state by every previous state, in the order of the states.

    Raises:
        DerivationError: an operation of the cell has no rule.
        RequestError: `cell` is no Cell.
    """
    reader = _Reader(Tangent(require_cell(cell, "step_jacobian()")))
    return tuple(reader.read(of, wrt) for of in cell.states for wrt in cell.states)


class _NotAMatrixError(Exception):
    """A dependence that no product of matrices expresses."""


class _Reader:
    def __init__(self, tangent: Tangent) -> None:
        self.tangent = tangent
        self.partners = {partner: q for q, partner in tangent.dotted.items()}
        self.restricted: dict[tuple[Expr, Quantity], Expr] = {}
        self.operators: dict[tuple[Expr, Quantity], Expr] = {}
        self.named: dict[Quantity, dict[Expr, Expr]] = {}  # by direction what the named derivatives are
        self.named_of: dict[Expr, Quantity] = {}

    def read(self, of: State, wrt: State) -> StepJacobian:
        direction = self.tangent.dotted[wrt]
        if direction not in self.named:
            self.name_values(direction)
        linear = self.restrict(self.tangent.dotted[of.next], direction)
        linear = self.named[direction].get(linear, linear)  # what it is, if it has a name itself
        needed = self.reached(linear, direction)
        expr, is_matrix = linear, linear == 0
        forms = dict(needed)
        if len(of.shape) == len(wrt.shape) == 1:
            with suppress(_NotAMatrixError):
                forms = {part: self.operator(inner, direction) for part, inner in needed.items()}
                expr, is_matrix = self.operator(linear, direction), True
        through = tuple(
            PartialJacobian(self.named_of[part], wrt, form, is_matrix, direction, part)
            for part, form in (forms if is_matrix else needed).items()
        )
        return StepJacobian(self.tangent.of, of, wrt, expr, is_matrix, direction, through)

    def reached(self, linear: Expr, direction: Quantity) -> dict[Expr, Expr]:
        """The named derivatives that one is made of, in the order of dependence."""
        named, wanted = self.named[direction], set(linear.atoms(Part))
        for part, inner in reversed(named.items()):
            if part in wanted:
                wanted |= inner.atoms(Part)
        return {part: inner for part, inner in named.items() if part in wanted}

    def name_values(self, direction: Quantity) -> None:
        """Give names to derivatives by the direction: to none, unless all together would be too large."""
        named, chosen = self.named.setdefault(direction, {}), values_to_name(self.tangent, direction)
        wrt, states = self.partners[direction], self.tangent.of.states

        def latex(dotted: Quantity) -> str:
            letter = symbol_latex(dotted)
            return letter if len(states) == 1 else f"{{{letter}}}_{{{symbol_latex(wrt)}}}"

        for target in self.tangent.equations:  # in the order of dependence, which may be a long chain
            dotted = self.tangent.dotted.get(target)
            inner = S.Zero if dotted is None else self.restrict(dotted, direction)
            if dotted is not None and target in chosen and inner != 0:
                shape = self.tangent.of.shape_of(target)
                part = Part(f"{dotted.name}_by_{wrt.name}", *shape, latex=latex(dotted))
                named[part], self.named_of[part] = inner, target
                self.restricted[dotted, direction] = part

    def moves(self, expr: Expr) -> bool:
        return any(atom in self.partners or atom in self.named_of for atom in expr.atoms(Quantity))

    def restrict(self, expr: Expr, direction: Quantity) -> Expr:
        """`expr` with every direction but one zero, and dotted values replaced by what they are."""
        key = (expr, direction)
        if key not in self.restricted:
            self.restricted[key] = self._restrict(expr, direction)
        return self.restricted[key]

    def _restrict(self, expr: Expr, direction: Quantity) -> Expr:
        if expr == direction or not self.moves(expr):
            return expr
        form = entry(KEPT, expr)
        if form is None:
            return expr.func(*(self.restrict(arg, direction) for arg in expr.args))
        return form(self, expr, direction)

    def _value(self, expr: Quantity, direction: Quantity) -> Expr:
        made = self.restrict(self.tangent.equations.get(self.partners[expr], S.Zero), direction)
        return made if made == 0 else self.tangent.shaped(made, self.tangent.shape(expr))

    def _factors(self, expr: Mul, direction: Quantity) -> Expr:
        args = [self.restrict(arg, direction) if self.moves(arg) else arg for arg in expr.args]
        return S.Zero if S.Zero in args else expr.func(*args)

    def _operands(self, expr: Contract, direction: Quantity) -> Expr:
        operands = [self.restrict_whole(operand, direction) for operand in expr.operands]
        return S.Zero if S.Zero in operands else expr.over(operands)

    def _branches(self, expr: where, direction: Quantity) -> Expr:
        sides = [self.restrict(side, direction) for side in expr.operands]
        return S.Zero if sides == [0, 0] else expr.over(sides)

    def _parts(self, expr: concatenate, direction: Quantity) -> Expr:
        parts = [self.restrict_whole(part, direction) for part in expr.args]
        return self.tangent.stacked(expr, parts) if any(map(self.moves, parts)) else S.Zero

    def restrict_whole(self, expr: Expr, direction: Quantity) -> Expr:
        """What is left of an operand or part, in its shape: of b_dot + s_dot the number s_dot may be left."""
        if not self.moves(expr):
            return expr
        made = self.restrict(expr, direction)
        return made if made == 0 else self.tangent.shaped(made, self.tangent.shape(expr))

    def rank(self, expr: Expr) -> int:
        return len(self.tangent.shape(expr))

    def operator(self, expr: Expr, direction: Quantity) -> Expr:
        """The matrix that takes the direction to `expr`, which is linear in it."""
        key = (expr, direction)
        if key not in self.operators:
            self.operators[key] = self._operator(expr, direction)
        return self.operators[key]

    def _operator(self, expr: Expr, direction: Quantity) -> Expr:
        if expr == direction:
            return Identity(*direction.shape)
        if expr in self.named_of:
            if len(expr.shape) > 1:
                raise _NotAMatrixError
            return Partial(self.named_of[expr], self.partners[direction])
        if not self.moves(expr):
            return S.Zero
        form = entry(MATRICES, expr)
        if form is None:
            raise _NotAMatrixError
        return form(self, expr, direction)

    def sum(self, expr: Add, direction: Quantity) -> Expr:
        shape = self.tangent.shape(expr)
        return collected(self.summand(term, shape, direction) for term in expr.args)

    def elementwise(self, expr: Mul, direction: Quantity) -> Expr:
        linear = next(factor for factor in expr.args if self.moves(factor))
        return self.scaled([factor for factor in expr.args if factor != linear], linear, direction)

    def summand(self, term: Expr, shape: Shape, direction: Quantity) -> Expr:
        """The operator of a term of a sum; a scalar among vectors is repeated."""
        repeated = [ones(*shape)] if shape and not self.rank(term) else []
        return self.scaled(repeated, term, direction)

    def scaled(self, rest: list[Expr], linear: Expr, direction: Quantity) -> Expr:
        """The operator of an elementwise product."""
        scalars = [factor for factor in rest if not self.rank(factor)]
        arrays = [factor for factor in rest if self.rank(factor)]
        inner = self.operator(linear, direction)
        if not arrays:
            return times(*scalars, inner)
        if self.rank(Mul(*arrays)) != 1:
            raise _NotAMatrixError
        outer = Diag(Mul(*arrays)) if self.rank(linear) else Column(Mul(*arrays))
        return times(*scalars, outer, inner)

    def choice(self, expr: where, direction: Quantity) -> Expr:
        condition, chosen, otherwise = expr.args
        terms = []
        for side, taken in ((chosen, where(condition, 1, 0)), (otherwise, where(condition, 0, 1))):
            if side != 0:
                terms.append(self.scaled([taken], side, direction))
        return collected(terms)

    def product(self, expr: Contract, direction: Quantity) -> Expr:
        """The operator of a contraction: the other operands, contracted to a matrix."""
        position = next(i for i, operand in enumerate(expr.operands) if self.moves(operand))
        linear, own = expr.operands[position], expr.letters[position]
        if len(own) != 1 or len(expr.output) > 1:
            raise _NotAMatrixError
        others = [operand for i, operand in enumerate(expr.operands) if i != position]
        letters = [text for i, text in enumerate(expr.letters) if i != position]
        if own not in "".join(letters) and own != expr.output:
            letters.append(own)
            others.append(ones(*self.tangent.shape(linear)))
        if not others or (own not in "".join(letters) and isinstance(linear, concatenate)):
            raise _NotAMatrixError
        if own not in "".join(letters):  # the others are summed to a number: einsum("i,j->j", v, linear)
            return times(Contract(f"{','.join(letters)}->", *others), self.operator(linear, direction))
        target = own if own == expr.output else expr.output + own
        matrix = others[0] if letters == [target] else Contract(f"{','.join(letters)}->{target}", *others)
        if isinstance(linear, concatenate):
            if len(target) != 2:
                raise _NotAMatrixError
            return self.blocks(matrix, linear, direction)
        inner = self.operator(linear, direction)
        if len(target) == 2:
            return times(MatrixOf(matrix), inner)
        return times(Diag(matrix) if expr.output else Row(matrix), inner)

    def blocks(self, matrix: Expr, stack: concatenate, direction: Quantity) -> Expr:
        """The operator of a matrix times a stack: one column block for each part that moves."""
        rows = ranges(self.tangent.shape(part)[0] for part in stack.args)
        return collected(
            times(Block(matrix, stack, position, *rows[position]), self.operator(part, direction))
            for position, part in enumerate(stack.args)
            if self.moves(part)
        )


KEPT: Mapping[type, Callable[[_Reader, Any, Quantity], Expr]] = {
    Quantity: _Reader._value,
    Mul: _Reader._factors,
    Contract: _Reader._operands,
    where: _Reader._branches,
    concatenate: _Reader._parts,
}
"""What one direction leaves of expressions, by their kinds; of others what it leaves of their arguments."""

MATRICES: Mapping[type, Callable[[_Reader, Any, Quantity], Expr]] = {
    Add: _Reader.sum,
    Mul: _Reader.elementwise,
    where: _Reader.choice,
    Contract: _Reader.product,
}
"""The matrix that takes a direction to an expression, by its kind."""
