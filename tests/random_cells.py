"""Random cells from the whole vocabulary, numerically tame, for tests of every stage.

`cells()` is a hypothesis strategy, `random_cell(seed)` the same generator on a plain random number
generator. Every choice is one call of `pick(n)`, a number below n with the simplest alternative at 0, so
that hypothesis shrinks a failing cell to a small one: few equations first, then leaves instead of operations.

Tame means: over a handful of steps, with inputs, states and parameters of order one, nothing overflows
and every argument of a logarithm, root or quotient stays clear of 0. Each expression carries a crude
bound of its magnitude, and is scaled down or squashed where the bound grows. Kinks (maximum, minimum, relu,
abs, where) are met exactly only at zero initial states.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

import sympy
from hypothesis import strategies as st
from sympy import Eq, Expr, Piecewise, Rational

from symrnn import (
    Cell,
    Constant,
    Index,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    dot,
    einsum,
    exp,
    identity,
    largest,
    log,
    log_softmax,
    logsumexp,
    matmul,
    maximum,
    minimum,
    ones,
    outer,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    stop_gradient,
    take,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.operations import absolute, reciprocal
from symrnn.declaration.quantities import NextState, Quantity

n, m, k = axes("n m k")
SIZES = {m: 3, n: 2, k: 5}
"""Distinct small primes, so that mixed-up axes cannot fit by accident."""

LARGEST = 4  # bound beyond which an expression is scaled down or squashed
VALUE_NAMES = ("q", "r", "n", "a_r", "d_q", "q_next")  # some meet an axis or a name made by the machinery
STATE_NAMES = ("h", "c", "s")
INPUT_SHAPES: tuple[Shape, ...] = ((n,), (k,), (), (n, k))
STATE_SHAPES: tuple[Shape, ...] = ((m,), (), (m, k), (k,), (m, m))
VALUE_SHAPES: tuple[Shape, ...] = ((m,), (), (k,), (m, m), (m, k), (m + n,), (k + m, m))
INNER_SIZES = (m, n, k, 2)

Pick = Callable[[int], int]


class Term(NamedTuple):
    """An expression, its shape, and a crude bound of its elements' magnitude."""

    expr: Expr
    shape: Shape
    bound: float


def sizes_for(cell: Cell) -> dict[str, int]:
    """A concrete size for every axis of `cell`, by name."""
    return {axis.name: SIZES[axis] for axis in cell.axes}


def random_cell(seed: int) -> Cell:
    """The random cell that belongs to `seed`."""
    return build_cell(random.Random(seed).randrange)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Random cells."""
    return build_cell(lambda count: draw(st.integers(0, count - 1)))


def build_cell(pick: Pick) -> Cell:
    """The cell that the choices of `pick` describe."""
    return _Builder(pick).cell()


class _Builder:
    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.pool: list[Term] = []  # what an equation of the recurrence may use, besides fresh parameters
        self.fixed: list[Term] = []  # parameters and constants so far
        self.static = False  # whether the equation at hand may use parameters alone
        self.made = 0

    # -- the cell ---------------------------------------------------------------------------------------

    def cell(self) -> Cell:
        state_count = (1, 2, 0, 3)[self.pick(4)]
        value_count = self.pick(3) + (state_count == 0)
        derived_count = self.pick(2)
        depth = 1 + self.pick(2)
        inputs = [Input("x", *self.choose(INPUT_SHAPES))]
        if self.pick(4) == 3:
            inputs.append(Input("y", *self.choose(INPUT_SHAPES)))
        states = [State(name, *self.choose(STATE_SHAPES)) for name in STATE_NAMES[:state_count]]
        names = list(VALUE_NAMES)

        self.static = True
        equations = [self.derived(f"A_{i}", depth) for i in range(derived_count)]
        self.static = False
        self.pool += [Term(q, q.shape, 2.0) for q in (*inputs, *states)]
        targets: list[State | None] = [*states, *[None] * value_count]
        for position in range(len(targets)):
            state = targets.pop(self.pick(len(targets)))
            forced = inputs[position:] if not targets else inputs[position : position + 1]
            if state is None:
                name = names.pop(self.pick(len(names)))
                equations.append(self.value(name, depth, forced))
            else:
                equations.append(self.update(state, depth, forced))
        return self.finished(equations, states)

    def finished(self, equations: list[Eq], states: list[State]) -> Cell:
        if self.pick(2):  # the order of presentation is not that of evaluation
            equations = [equations[-1], *equations[:-1]]
        equations[-1] = self.with_sizes(equations)
        moving = [eq.lhs for eq in equations if not str(eq.lhs).startswith("A_")]
        outputs: list[Quantity] = [*(state.next for state in states), *moving, *states]
        output = self.choose(outputs)
        if len(states) == 1 and output == states[0].next:
            return Cell("random", *equations)
        return Cell("random", *equations, output=output)

    def with_sizes(self, equations: list[Eq]) -> Eq:
        """The last equation, with a parameter for every axis whose size no parameter would tell."""
        used = [eq.rhs for eq in equations] + [eq.lhs for eq in equations if isinstance(eq.lhs, NextState)]
        given = [q for expr in used for q in expr.atoms(Quantity) if not isinstance(q, Value)]
        told = {size for q in given if isinstance(q, Parameter | Constant) for size in q.shape}
        axes = {a for expr in used for a in expr.atoms(Axis)} | set(
            axes_of(s for q in given for s in q.shape)
        )
        missing = sorted(axes - told, key=str)
        last = equations[-1]
        extra = [total(self.parameter((axis,)).expr) for axis in missing]
        return Eq(last.lhs, sympy.Add(last.rhs, *extra)) if extra else last

    def derived(self, name: str, depth: int) -> Eq:
        """An equation among parameters alone."""
        if self.pick(3) == 0:
            U, gamma = self.parameter((m, m)).expr, self.parameter(()).expr
            term = Term(U - transpose(U) - gamma * identity(m), (m, m), 3.0)
        else:
            term = self.term(self.choose(VALUE_SHAPES), depth)
        value = Value(name)
        self.fixed.append(Term(value, term.shape, term.bound))
        return Eq(value, term.expr)

    def value(self, name: str, depth: int, forced: list[Input]) -> Eq:
        term = self.fed(self.term(self.choose(VALUE_SHAPES), depth), forced)
        value = Value(name)
        self.pool.append(Term(value, term.shape, term.bound))
        return Eq(value, term.expr)

    def update(self, state: State, depth: int, forced: list[Input]) -> Eq:
        """A bounded recurrence."""
        shape = state.shape
        candidate = tanh(self.fed(self.term(shape, depth), forced).expr)
        kind = self.pick(4)
        if kind == 0:
            right = candidate
        elif kind == 1:
            gate = sigmoid(self.term(shape, depth - 1).expr)
            right = gate * candidate + (1 - gate) * state
        elif kind == 2:
            forget = sigmoid(self.term(self.choose((shape, ())), depth - 1).expr)
            right = forget * state + candidate / 2
        else:
            right = Rational(1, 2) * state + 0.25 * candidate
        self.pool.append(Term(state.next, shape, 2.0))
        return Eq(state.next, right)

    def fed(self, term: Term, inputs: list[Input]) -> Term:
        """`term` plus a projection of each of the inputs, so that each input is used somewhere."""
        for x in inputs:
            projected = self.projection(Term(x, x.shape, 2.0), term.shape)
            term = self.tame(Term(term.expr + projected.expr, term.shape, term.bound + projected.bound))
        return term

    # -- terms ------------------------------------------------------------------------------------------

    def term(self, shape: Shape, depth: int) -> Term:
        """A tame expression of the given shape."""
        if depth <= 0:
            return self.leaf(shape)
        kinds: list[Callable[[Shape, int], Term]] = [
            lambda shape, depth: self.leaf(shape),
            (self.scalar, self.vector, self.matrix)[len(shape)],
            self.squashed,
            self.algebra,
            self.kinked,
            self.chosen,
            self.of_positive,
            self.powered,
            self.by_hand,
            (self.scalar, self.vector, self.matrix)[len(shape)],
        ]
        return self.tame(self.choose(kinds)(shape, depth - 1))

    def leaf(self, shape: Shape) -> Term:
        """A quantity at hand, a fresh parameter, or a constant array."""
        known = self.fixed if self.static else self.pool + self.fixed
        fitting = [term for term in known if term.shape == shape]
        kind = self.pick(len(fitting) + 3)
        if kind < len(fitting):
            return fitting[-1 - kind]
        kind -= len(fitting)
        if kind == 1:
            self.made += 1
            constant = Constant(f"e_{self.made}", *shape, value=0.75)
            self.fixed.append(Term(constant, shape, 1.0))
            return self.fixed[-1]
        if kind == 2 and shape:
            if len(shape) == 2 and shape[0] == shape[1]:
                return Term(self.parameter(()).expr * identity(shape[0]), shape, 1.0)
            return Term(ones(*shape) / 2, shape, 0.5)
        return self.parameter(shape)

    def parameter(self, shape: Shape) -> Term:
        self.made += 1
        letter = "gbWP"[len(shape)]
        self.fixed.append(Term(Parameter(f"{letter}_{self.made}", *shape), shape, 1.0))
        return self.fixed[-1]

    def tame(self, term: Term) -> Term:
        if term.bound <= LARGEST:
            return term
        kind = self.pick(3)
        if kind == 0:
            return Term(term.expr * Rational(1, int(term.bound) // 2), term.shape, 3.0)
        if kind == 1:
            return Term(tanh(term.expr / 4), term.shape, 1.0)
        return Term(term.expr / (2 * sympy.sqrt(m) * (int(term.bound) // 2)), term.shape, 1.0)

    # -- products: one family per rank ------------------------------------------------------------------

    def projection(self, term: Term, shape: Shape) -> Term:
        """A term of any shape, brought to `shape` by parameters."""
        if not term.shape:
            weight = self.parameter(shape)
            return Term(weight.expr * term.expr, shape, term.bound)
        if len(shape) + len(term.shape) > 3:
            weight = self.parameter(term.shape)
            scaled = self.parameter(shape).expr * total(weight.expr * term.expr)
            return self.tame(Term(scaled, shape, 6 * term.bound))
        weight = self.parameter((*shape, *term.shape))
        left, right = "ij"[: len(shape)], "klm"[: len(term.shape)]
        expr = (
            weight.expr @ term.expr
            if len(term.shape) == 1 and shape
            else einsum(f"{left}{right},{right}->{left}", weight.expr, term.expr)
        )
        return self.tame(Term(expr, shape, 4 * term.bound))

    def scalar(self, shape: Shape, depth: int) -> Term:
        size, other = self.choose(INNER_SIZES), self.choose(INNER_SIZES)
        v, w = self.term((size,), depth), self.term((size,), depth)
        bound = 5 * v.bound * w.bound
        kind = self.pick(8 if self.static else 9)
        if kind == 0:
            return Term(dot(v.expr, w.expr), (), bound)
        if kind == 6:
            return Term(logsumexp(v.expr), (), v.bound + 1.7)
        if kind == 7:
            return Term(largest(v.expr + w.expr), (), v.bound + w.bound)
        if kind == 8:
            return Term(take(v.expr, Index(f"i_{size}", size)), (), v.bound)
        if kind == 1:
            return Term(total(v.expr), (), 5 * v.bound)
        if kind == 2:
            return Term(matmul(v.expr, w.expr), (), bound)
        matrix = self.term((size, other), depth)
        if kind == 3:
            return Term(total(matrix.expr), (), 10 * matrix.bound)
        if kind == 4:
            return Term(
                einsum("ij,ij->", matrix.expr, self.parameter((size, other)).expr), (), 8 * matrix.bound
            )
        u = self.parameter((other,)).expr
        return Term(einsum("i,ij,j->", v.expr, matrix.expr, u), (), 8 * v.bound * matrix.bound)

    def vector(self, shape: Shape, depth: int) -> Term:
        (size,) = shape
        if isinstance(size, sympy.Add):
            parts = [self.term((part,), depth) for part in sorted(size.args, key=str, reverse=True)]
            return Term(concatenate(*(p.expr for p in parts)), shape, max(p.bound for p in parts))
        other = self.choose(INNER_SIZES)
        v = self.term((other,), depth)
        kind = self.pick(10 if self.static else 12)
        if kind == 0:
            return self.projection(v, shape)
        if kind == 10:
            return Term(take(self.parameter((k, size)).expr, Index("i_k", k)), shape, 1.0)
        if kind == 11:
            return Term(
                take(self.term((other, size), depth).expr, Index(f"i_{other}", other)), shape, LARGEST
            )
        if kind == 9:
            a = self.projection(v, shape)
            if self.pick(2):
                return Term(log_softmax(a.expr), shape, 2 * a.bound + 2)
            return Term(softmax(a.expr), shape, 1.0)
        if kind == 1:
            w = self.term((self.choose(INNER_SIZES),), depth)
            weight = self.parameter((size, v.shape[0] + w.shape[0])).expr
            return Term(weight @ [v.expr, w.expr], shape, 4 * max(v.bound, w.bound))
        if kind == 2:
            return Term(matmul(v.expr, self.parameter((other, size)).expr), shape, 4 * v.bound)
        if kind == 3:
            return Term(matmul(-2 * self.parameter((other, size)).expr.T, v.expr), shape, 8 * v.bound)
        if kind == 4:
            P, w = self.parameter((size, other, k)).expr, self.term((k,), depth)
            return Term(einsum("ijk,j,k->i", P, v.expr, w.expr), shape, 9 * v.bound * w.bound)
        matrix = self.term((size, other), depth)
        if kind == 5:
            return Term(matmul(matrix.expr, v.expr), shape, 5 * v.bound * matrix.bound)
        if kind == 6:
            return Term(einsum("ij->i", matrix.expr), shape, 5 * matrix.bound)
        if kind == 7:
            return Term(matmul(transpose(self.parameter((other, size)).expr), v.expr), shape, 4 * v.bound)
        w = self.term(shape, depth)
        return Term(
            einsum("b,ab,a->a", v.expr, matrix.expr, w.expr), shape, 5 * v.bound * matrix.bound * w.bound
        )

    def matrix(self, shape: Shape, depth: int) -> Term:
        rows, columns = shape
        if isinstance(rows, sympy.Add):
            parts = [self.term((part, columns), depth) for part in sorted(rows.args, key=str)]
            return Term(concatenate(*(p.expr for p in parts)), shape, max(p.bound for p in parts))
        kind = self.pick(6)
        if kind == 0:
            v, w = self.term((rows,), depth), self.term((columns,), depth)
            return Term(outer(v.expr, w.expr), shape, v.bound * w.bound)
        if kind == 1:
            A = self.term((columns, rows), depth)
            return Term(transpose(A.expr), shape, A.bound)
        if kind == 2:
            w = self.term((columns,), depth)
            A = self.term(shape, depth)
            return Term(einsum("ij,j->ij", A.expr, w.expr), shape, A.bound * w.bound)
        other = self.choose(INNER_SIZES)
        A = self.term((rows, other), depth)
        if kind == 3:
            return Term(matmul(A.expr, self.parameter((other, columns)).expr), shape, 4 * A.bound)
        if kind == 4:  # heads: one small matrix per row
            P = self.parameter((rows, columns, other)).expr
            return Term(einsum("hij,hj->hi", P, A.expr), shape, 4 * A.bound)
        w = self.term((other,), depth)
        b = self.parameter((columns,)).expr
        return Term(einsum("ik,k,j->ij", A.expr, w.expr, b), shape, 5 * A.bound * w.bound)

    # -- element by element -----------------------------------------------------------------------------

    def squashed(self, shape: Shape, depth: int) -> Term:
        a = self.term(shape, depth)
        kind = self.pick(6)
        if kind == 5:
            return Term(stop_gradient(a.expr), shape, a.bound)
        if kind == 3:
            return Term(softplus(a.expr), shape, a.bound + 0.7)
        if kind == 4:
            return Term(sympy.tanh(a.expr), shape, 1.0)
        return Term((tanh, sigmoid, relu)[kind](a.expr), shape, (1.0, 1.0, a.bound)[kind])

    def algebra(self, shape: Shape, depth: int) -> Term:
        a = self.term(shape, depth)
        kind = self.pick(6)
        if kind == 4:
            return Term(a.expr**2, shape, a.bound**2)
        if kind == 5:
            return Term(a.expr**3 / 4, shape, a.bound**3 / 4)
        b = self.term(shape if kind < 3 else (), depth)
        if kind == 0:
            return Term(a.expr + b.expr, shape, a.bound + b.bound)
        if kind == 1:  # a fresh factor, so that nothing cancels to a 0 that has lost its shape
            return Term(a.expr - self.parameter(()).expr * b.expr, shape, a.bound + b.bound)
        return Term(a.expr * b.expr, shape, a.bound * b.bound)

    def kinked(self, shape: Shape, depth: int) -> Term:
        a = self.term(shape, depth)
        kind = self.pick(7)
        if kind == 0:
            return Term(relu(a.expr), shape, a.bound)
        if kind == 1:
            return Term(abs(a.expr), shape, a.bound)
        if kind == 2:
            return Term(maximum(a.expr, 0), shape, a.bound)
        if kind == 3:
            return Term(absolute(-a.expr), shape, a.bound)
        b = self.term(shape, depth)
        function = (maximum, minimum, sympy.Max)[kind - 4]
        return Term(function(a.expr, b.expr), shape, max(a.bound, b.bound))

    def chosen(self, shape: Shape, depth: int) -> Term:
        a, b = self.term(shape, depth), self.term(shape, depth)
        c = self.term(self.choose((shape, ())), depth)
        kind = self.pick(4)
        bound = max(a.bound, b.bound)
        if kind == 0:
            return Term(where(c.expr > 0, a.expr, b.expr), shape, bound)
        if kind == 1:
            within = sympy.And(c.expr < Rational(1, 2), sympy.Or(c.expr >= a.expr, c.expr > -1))
            return Term(where(within, a.expr, b.expr), shape, bound)
        if kind == 2:
            # SymPy recurses without end when it brings some longer conditions into canonical form.
            return Term(Piecewise((a.expr, self.leaf(shape).expr > 0), (b.expr, True)), shape, bound)
        gate = sigmoid(c.expr)
        return Term(gate * a.expr + (1 - gate) * b.expr, shape, a.bound + b.bound)

    def positive(self, shape: Shape, depth: int) -> Expr:
        """An expression between 1/2 and about 20."""
        a = self.term(shape, depth).expr
        kind = self.pick(4)
        if kind == 0:
            return 1 + a**2
        if kind == 1:
            return softplus(a) + Rational(1, 2)
        if kind == 2:
            return 2 - tanh(a)
        return absolute(a) + 1

    def of_positive(self, shape: Shape, depth: int) -> Term:
        p = self.positive(shape, depth)
        kind = self.pick(11)
        if kind == 7:
            return Term(exp(tanh(self.term(shape, depth).expr)), shape, 2.7)
        if kind == 8:
            return Term(sympy.exp(-(self.term(shape, depth).expr ** 2)), shape, 1.0)
        if kind == 9:
            return Term(2 ** (self.term(shape, depth).expr / 4), shape, 2.0)
        if kind == 10:
            a = self.term(shape, depth)
            return Term(a.expr / p, shape, 2 * a.bound)
        powers = (
            (sqrt(p), 5.0),
            (log(p), 3.0),
            (reciprocal(p), 2.0),
            (p ** Rational(-1, 2), 1.5),
            (p ** Rational(3, 2), 90.0),
            (p**0.3, 3.0),
            (p ** Rational(1, 3), 3.0),
        )
        return Term(powers[kind][0], shape, powers[kind][1])

    def powered(self, shape: Shape, depth: int) -> Term:
        """A power of what is 0 where its base is, whose derivative is finite there."""
        a = self.term(shape, depth)
        kind = self.pick(6)
        if kind < 3:
            exponent = (Rational(3, 2), Rational(5, 2), 1.75)[kind]
            return Term(absolute(a.expr) ** exponent / 8, shape, a.bound ** float(exponent) / 8)
        if kind == 5:
            return Term(sqrt(absolute(a.expr)) ** 3 / 8, shape, a.bound**1.5 / 8)
        p = self.term(self.choose((shape, ())), depth - 1).expr
        exponent = 1 + softplus(p) if kind == 3 else 2 + tanh(p)
        return Term(absolute(tanh(a.expr)) ** exponent, shape, 1.0)

    def by_hand(self, shape: Shape, depth: int) -> Term:
        """What has a stable form, written as it would overflow for large arguments."""
        a = self.term(shape, depth)
        kind = self.pick(8 if len(shape) == 1 else 6)
        e = sympy.exp if self.pick(2) else exp
        if kind == 0:
            return Term(1 / (1 + e(-a.expr)), shape, 1.0)
        if kind == 1:
            return Term(log(1 + e(a.expr)), shape, a.bound + 0.7)
        if kind == 2:
            return Term((e(a.expr) - e(-a.expr)) / (e(a.expr) + e(-a.expr)), shape, 1.0)
        if kind == 3:
            return Term(log(1 - sigmoid(a.expr)), shape, a.bound + 0.7)
        if kind == 4:
            b = self.term(shape, depth)
            return Term(e(a.expr) / (e(a.expr) + e(b.expr)), shape, 1.0)
        if kind == 5:
            return Term(1 / sympy.sqrt(1 + e(-a.expr)), shape, 1.0)
        if kind == 6:
            return Term(e(a.expr) / total(e(a.expr)), shape, 1.0)
        return Term(log(softmax(a.expr)), shape, 2 * a.bound + 2)

    def choose(self, alternatives):
        return alternatives[self.pick(len(alternatives))]
