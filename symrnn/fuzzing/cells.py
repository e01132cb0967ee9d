"""Random cells of the whole vocabulary, tame in numbers, that reach wanted pairs of constructs.

Every choice is one call of `pick(n)`, a number below n with the simplest alternative at 0, so that a property
test shrinks a failing cell: few equations first, then leaves instead of constructs.
"""

import random
import warnings
from collections.abc import Sequence
from functools import lru_cache

import sympy
from sympy import Add, Eq, Expr, Integer, Rational

from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import concatenate, identity, sigmoid, tanh, total, transpose
from symrnn.declaration.quantities import Constant, Index, Input, NextState, Parameter, Quantity, State, Value
from symrnn.declaration.resolution import Resolver, is_coefficient
from symrnn.errors import SymrnnWarning
from symrnn.fuzzing.composing import FREE, LINES_OF, NOTHING, Composer
from symrnn.fuzzing.constructs import LEAVES, LINES, POSITIVE, POSSIBLE, Pair
from symrnn.fuzzing.quantities import INNER_SIZES, SIZES, Pick, k, m, n
from symrnn.fuzzing.terms import CLEAR, NoTermError, Term, added

INPUT_SHAPES: tuple[Shape, ...] = ((n,), (k,), (), (n, k))
STATE_SHAPES: tuple[Shape, ...] = ((m,), (), (m, k), (k,), (m, m))
VALUE_SHAPES: tuple[Shape, ...] = ((m,), (), (k,), (m, m), (m, k), (m + n,), (k + m, m))
SHAPES_OF_RANK: tuple[tuple[Shape, ...], ...] = (
    ((),),
    ((m,), (n,), (k,), (Integer(2),), (m,)),
    ((m, n), (m, m), (n, k), (Integer(2), m), (m, m)),
)
PAIRS_PER_CELL = 2
MOVING = ("input", "state", "next state", "value", "one hot", "row", "element")


def sizes_for(cell: Cell) -> dict[str, int]:
    """A concrete size for every axis of `cell`, by name."""
    return {axis.name: SIZES[axis] for axis in cell.axes}


def random_cell(seed: int) -> Cell:
    """The random cell that belongs to `seed`, with pairs that come to it by chance."""
    return build_cell(random.Random(seed).randrange)


def scheduled_cell(seed: int, number: int) -> Cell:
    """Cell `number` of a fuzzing run: it is made to reach its share of all pairs.

    The pairs come in turn, in an order that `seed` draws anew for every round through all of them.
    """
    return build_cell(random.Random(f"{seed} {number}").randrange, scheduled_pairs(seed, number))


def scheduled_pairs(seed: int, number: int) -> tuple[Pair, ...]:
    """The pairs that cell `number` is made to reach."""
    found = []
    for position in range(number * PAIRS_PER_CELL, (number + 1) * PAIRS_PER_CELL):
        turn, place = divmod(position, len(POSSIBLE))
        found.append(_round(seed, turn)[place])
    return tuple(found)


@lru_cache(maxsize=2)
def _round(seed: int, turn: int) -> tuple[Pair, ...]:
    """All pairs in the order of a round."""
    pairs = list(POSSIBLE)
    random.Random(f"{seed} round {turn}").shuffle(pairs)
    return tuple(pairs)


def build_cell(pick: Pick, wanted: Sequence[Pair] = ()) -> Cell:
    """The cell that the choices of `pick` describe, with the wanted pairs as far as they can be had."""
    with warnings.catch_warnings(category=SymrnnWarning, action="ignore"):
        return _Builder(pick, wanted).cell()


class _Builder(Composer):
    def __init__(self, pick: Pick, wanted: Sequence[Pair]) -> None:
        positive = any(pair.outer in POSITIVE for pair in wanted)
        super().__init__(pick, positive)
        self.wanted = wanted
        self.equations: list[Eq] = []
        self.unused: list[Term] = []  # values that nothing reads yet
        self.nesting = 0

    # -- the cell -----------------------------------------------------------------------------

    def cell(self) -> Cell:
        state_count = (1, 2, 0, 3)[self.pick(4)] if not self.wanted else (1, 0, 1, 2)[self.pick(4)]
        depth = 1 + self.pick(2) if not self.wanted else self.pick(2)
        for _ in range(state_count):
            self.quantities.state(self.choose(STATE_SHAPES))
        self.quantities.input(self.choose(INPUT_SHAPES))
        if not self.wanted and self.pick(2):
            self.equated("derived parameter", self.choose(VALUE_SHAPES), FREE)
        for pair in self.wanted:
            self.reach(pair)
        for _ in range(self.pick(3) if not self.wanted else 0):
            self.value(self.choose(VALUE_SHAPES), depth)
        if self.pick(10) == 9:
            self.nested_stack()
        self.close(depth)
        return self.finished()

    def reach(self, pair: Pair) -> None:
        """An equation with a wanted pair, if its construct can be kept tame."""
        static = pair.inner not in MOVING and self.pick(4) == 3
        before = self.static
        self.static = static
        try:
            term = self.paired(pair)
        except NoTermError:
            return
        finally:
            self.static = before
        self.define(self.tame_value(term), static)

    def tame_value(self, term: Term) -> Term:
        return self.tame(term) if term.size > 50 else term

    def paired(self, pair: Pair) -> Term:
        """A term with the pair at its root."""
        for attempt in range(10 if pair.place in LINES else 6):
            shape: Shape | None = self.choose(SHAPES_OF_RANK[pair.rank])
            if pair.inner == "stack":
                shape = (Add(shape[0], self.choose((n, k, m))), *shape[1:])  # type: ignore[index]
            if pair.inner == "identity":
                shape = self.choose(((m, m), (n, n)))
            low = CLEAR if pair.outer in POSITIVE else FREE
            if pair.outer == "log":
                low = 0.05
            try:
                inner = self.make(
                    pair.inner, shape, NOTHING, int(pair.inner not in LEAVES and attempt < 3), low
                )
                inner = self.fitted(inner, pair)
                made = self.make(
                    pair.outer, None, {pair.place: inner}, int(attempt < 3 and self.pick(3) == 2)
                )
                if pair.outer not in LINES_OF or self.place_of(inner, made) == pair.place:
                    return made
            except NoTermError:
                continue
        raise NoTermError

    def place_of(self, inner: Term, outer: Term) -> str:
        """Where SymPy puts a term in a sum or a product."""
        shapes = {term.expr: term.shape for term in (*self.known, *self.derived)}
        part, whole = (Resolver(shapes).resolve(term.expr).expr for term in (inner, outer))
        args = [arg for arg in whole.args if whole.is_Add or not is_coefficient(arg)]
        if part not in args:
            return ""
        return {0: "first", len(args) - 1: "last"}.get(args.index(part), "middle")

    def fitted(self, inner: Term, pair: Pair) -> Term:
        """The inner term, unless it is too large for its place."""
        if (pair.outer == "exp" and inner.high > 5) or inner.size > 200:
            raise NoTermError
        return inner

    def nested_stack(self) -> None:
        """Stacks in stacks, three deep."""
        parts = [self.term((self.choose(INNER_SIZES),), 1) for _ in range(4)]
        a, b, c, d = (part.expr for part in parts)
        nested = concatenate(concatenate(concatenate(a, b), c), d)
        if self.pick(2):
            nested = concatenate(a, concatenate(b, concatenate(c, d)))
        size = sympy.expand(sum(part.shape[0] for part in parts))
        low, high = min(p.low for p in parts), max(p.high for p in parts)
        self.define(self.projection(Term(nested, (size,), low, high), self.choose(((m,), (), (m, m)))), False)

    # -- equations ----------------------------------------------------------------------------

    def define(self, term: Term, static: bool) -> Term:
        """A value that is a term."""
        value = Value(self.quantities.name())
        self.equations.append(Eq(value, term.expr, evaluate=False))
        made = Term(value, term.shape, term.low, term.high)
        (self.derived if static else self.known).append(made)
        self.unused.append(made)
        return made

    def value(self, shape: Shape, depth: int, low: float = FREE) -> Term:
        """A value that depends on time."""
        term = self.term(shape, depth, low)
        moving = term.expr.atoms(Input, State, NextState) or any(
            t.expr in term.expr.atoms(Value) for t in self.known
        )
        if not moving:
            term = added([term, self.lifted(self.moving(shape), low)])
        return self.define(self.tame(term, low), False)

    def moving(self, shape: Shape) -> Term:
        """Something of a shape that depends on time."""
        found = [
            t for t in (*self.known, *self.quantities.states, *self.quantities.inputs) if t.shape == shape
        ]
        if found:
            return found[self.pick(len(found))]
        return self.projection(self.choose(self.quantities.inputs), shape)

    def equated(self, kind: str, shape: Shape, low: float) -> Term:
        """A quantity with an equation of its own, made now."""
        if self.nesting > 3:
            raise NoTermError
        self.nesting += 1
        before = self.static
        try:
            if kind == "derived parameter":
                self.static = True
                return self.define(self.derivation(shape, low), True)
            if kind == "value":
                return self.value(shape, int(not self.wanted), low)
            found = [term for term in self.quantities.states if term.shape == shape]
            state = found[self.pick(len(found))] if found and self.pick(2) else self.quantities.state(shape)
            return state if kind == "state" else self.updated(state, int(not self.wanted))
        finally:
            self.static = before
            self.nesting -= 1

    def derivation(self, shape: Shape, low: float) -> Term:
        if shape == (m, m) and low == FREE and self.pick(3) == 0:
            U, gamma = self.quantities.parameter((m, m)), self.quantities.parameter(())
            return Term(U.expr - transpose(U.expr) - gamma.expr * identity(m), shape, -3.0, 3.0)
        return self.term(shape, 1 if not self.wanted else self.pick(2), low)

    def updated(self, state: Term, depth: int) -> Term:
        """The next value of a state, whose equation is made now if it has none."""
        symbol = state.expr
        assert isinstance(symbol, State)
        found = [term for term in self.known if term.expr == symbol.next]
        if found:
            return found[0]
        right = self.recurrence(state, depth)
        again = [term for term in self.known if term.expr == symbol.next]
        if again:  # it was made on the way
            return again[0]
        self.equations.append(Eq(symbol.next, right, evaluate=False))
        self.known.append(Term(symbol.next, state.shape, state.low, state.high))
        return self.known[-1]

    def recurrence(self, state: Term, depth: int) -> Expr:
        """A bounded recurrence."""
        shape = state.shape
        if self.quantities.positive:
            return sigmoid(self.gathered(shape, depth).expr) + Rational(1, 5)
        candidate = tanh(self.gathered(shape, depth).expr)
        kind = self.pick(4)
        if kind == 0:
            return candidate
        if kind == 1:
            gate = sigmoid(self.term(shape, depth - 1).expr)
            return gate * candidate + (1 - gate) * state.expr
        if kind == 2:
            forget = sigmoid(self.term(self.choose((shape, ())), depth - 1).expr)
            return forget * state.expr + candidate / 2
        return Rational(1, 2) * state.expr + 0.25 * candidate

    def gathered(self, shape: Shape, depth: int) -> Term:
        """A term, and with it some of what nothing reads yet."""
        term = self.term(shape, depth)
        for _ in range(min(2, len(self.unused))):
            value = self.unused.pop(self.pick(len(self.unused)))
            fits = value.shape == shape and self.pick(2)
            part = self.tame(value) if fits else self.projection(self.tame(value), shape)
            joined = added([term, part])
            term = joined if not joined.expr.is_number else part
        return self.tame(term)

    def close(self, depth: int) -> None:
        """The equations of all states, and of an output that reads what nothing else does."""
        for state in list(self.quantities.states):
            self.updated(state, depth)
        for state in self.quantities.states:  # the list grows where an equation needs another state
            self.updated(state, 0)
        used = {q for eq in self.equations for q in eq.rhs.atoms(Quantity)}
        self.unused = [term for term in self.unused if term.expr not in used]
        loose = [x for x in self.quantities.inputs if x.expr not in used]
        loose += [p for p in self.owed if p.expr in used]
        shape = self.choose(((m,), (), (k,)))
        while loose or self.unused or not self.known:
            parts = [self.projection(self.tame(term), shape) for term in (*self.unused[:3], *loose)]
            self.unused, loose = self.unused[3:], []
            parts = parts or [self.moving(shape)]
            made = self.tame(added(parts))
            self.define(made, False)
            if not self.unused[:-1]:
                break

    def finished(self) -> Cell:
        equations = self.shuffled(self.equations)
        equations[-1] = self.with_sizes(equations)
        states = [term.expr for term in self.quantities.states]
        outputs: list[Quantity] = [self.equations[-1].lhs, *(term.expr for term in self.known), *states]
        output = outputs[self.pick(len(outputs)) if self.pick(3) == 2 else 0]
        name = ("random", "cell", "f", "rnn_1")[self.pick(4)]
        if len(states) == 1 and output == states[0].next:
            return Cell(name, *equations)
        return Cell(name, *equations, output=output)

    def shuffled(self, equations: list[Eq]) -> list[Eq]:
        """The order of presentation, which is not always that of evaluation."""
        kind = self.pick(3)
        if kind == 0:
            return list(equations)
        if kind == 1:
            return [equations[-1], *equations[:-1]]
        left = list(equations)
        return [left.pop(self.pick(len(left))) for _ in range(len(left))]

    def with_sizes(self, equations: list[Eq]) -> Eq:
        """The last equation, with a parameter for every axis whose size no parameter would tell."""
        used = [eq.rhs for eq in equations] + [eq.lhs for eq in equations if isinstance(eq.lhs, NextState)]
        given = [q for expr in used for q in expr.atoms(Quantity)]
        told = {size for q in given if isinstance(q, Parameter | Constant) for size in q.shape}
        sizes = {a for expr in used for a in expr.atoms(Axis)}
        sizes |= set(axes_of(tuple(size for q in given for size in q.shape)))
        sizes |= {a for q in given if isinstance(q, Index) for a in axes_of((q.classes,))}
        last = equations[-1]
        extra = [total(self.quantities.parameter((axis,)).expr) for axis in sorted(sizes - told, key=str)]
        return Eq(last.lhs, Add(last.rhs, *extra), evaluate=False) if extra else last
