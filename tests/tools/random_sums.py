"""Random cells whose equations are sums of products and nested stacks, each under names drawn at random.

`random_sum(seed, naming)` is the cell of a seed: the same structure for every `naming`, under other names.
SymPy orders the terms of a sum by name, so a renaming changes in which order a plan meets them, and must
change nothing else.
"""

import random
from dataclasses import dataclass
from string import ascii_letters

import sympy
from sympy import Eq, Expr

from symrnn import (
    Cell,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    einsum,
    matmul,
    mean,
    ones,
    outer,
    sigmoid,
    tanh,
    total,
)
from symrnn.declaration.axes import Size

n, m, k = axes("n m k")
SIZES = {"n": 2, "m": 3, "k": 5}
"""Distinct small primes, so that mixed-up axes cannot fit by accident."""

VECTORS: tuple[Size, ...] = (m, m, n, k)
DEPTH = 3  # of stacks in stacks
FORBIDDEN = {"I", "E", "S", "N", "O", "Q", "T", "B", "n", "m", "k"}
NAMES = tuple(
    dict.fromkeys(
        name
        for letter in ascii_letters
        for name in (letter, f"{letter}_1", f"{letter}_x", f"d_{letter}", f"a_{letter}")
        if name not in FORBIDDEN
    )
)
"""Each once; some meet the names of adjoints and of pre-activations."""


@dataclass(frozen=True, slots=True)
class RandomSum:
    """A cell, and what each of its quantities is called: by a label that is the same under every naming."""

    cell: Cell
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Piece:
    expr: Expr
    size: Size
    depth: int = 0  # of stacks in it


def random_sum(seed: int, naming: int = 0) -> RandomSum:
    """The random cell that belongs to `seed`, under the names that belong to `naming`."""
    return _Builder(seed, naming).build()


class _Builder:
    def __init__(self, seed: int, naming: int) -> None:
        self.rng = random.Random(seed)
        self.pool = list(NAMES)
        random.Random(f"{seed} {naming}").shuffle(self.pool)
        self.names: dict[str, str] = {}
        self.equations: list[Eq] = []
        self.moving: list[_Piece] = []  # vectors of a sample so far
        self.matrices: list[Expr] = []  # (m, k) of a sample so far
        self.fixed: list[_Piece] = []  # derived parameters and biases
        self.stacks: list[_Piece] = []
        self.parameters: list[Parameter] = []
        self.told: set[Size] = set()

    def build(self) -> RandomSum:
        rng = self.rng
        states = [State(self.name("state"), size) for size in self.some(VECTORS, (1, 1, 1, 2, 2, 3))]
        inputs = [Input(self.name("input"), size) for size in self.some((n, n, k, m), (1, 1, 2, 2, 3))]
        memory = [State(self.name("state"), m, k)] if rng.random() < 0.2 else []
        self.moving += [_Piece(q, q.shape[0]) for q in (*inputs, *states)]
        self.matrices += memory
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            self.derived()
        outputs: list[Expr] = []
        for state in (*rng.sample(states, len(states)), *memory):
            outputs += [self.value() for _ in range(rng.choice((0, 0, 1, 1, 2)))]
            self.update(state)
            outputs.append(state.next)
        self.complete(inputs)
        rng.shuffle(self.equations)
        cell = Cell("random_sum", *self.equations, output=rng.choice(outputs))
        return RandomSum(cell, self.names)

    # -- names and numbers ----------------------------------------------------------------------------

    def name(self, what: str) -> str:
        """The next name, which `what` with a number is the label of."""
        label = f"{what} {len(self.names)}"
        self.names[label] = self.pool.pop()
        return self.names[label]

    def some(self, sizes: tuple[Size, ...], counts: tuple[int, ...]) -> list[Size]:
        return [self.rng.choice(sizes) for _ in range(self.rng.choice(counts))]

    def parameter(self, *shape: Size) -> Parameter:
        """A parameter; at times one that stands elsewhere, too."""
        known = [q for q in self.parameters if q.shape == shape]
        if known and self.rng.random() < 0.2:
            return self.rng.choice(known)
        made = Parameter(self.name("parameter"), *shape)
        self.parameters.append(made)
        self.told |= set(shape)
        return made

    def complete(self, inputs: list[Input]) -> None:
        """Let some equation use every input, and parameters tell all sizes."""
        used = {quantity for equation in self.equations for quantity in equation.rhs.atoms(Input)}
        extra = [total(self.parameter(q.shape[0]) * q) for q in inputs if q not in used]
        extra += [total(self.parameter(axis)) for axis in (n, m, k) if axis not in self.told]
        if extra:
            last = self.equations[-1]
            self.equations[-1] = Eq(last.lhs, last.rhs + sympy.Add(*extra))

    # -- equations ------------------------------------------------------------------------------------

    def derived(self) -> None:
        """An equation among parameters: a vector, a matrix, or a stack of them."""
        kind, value = self.rng.randrange(4), Value(self.name("derived"))
        if kind == 0:
            size = self.rng.choice(VECTORS)
            self.equations.append(
                Eq(value, self.parameter(size, m) @ self.parameter(m) + self.parameter(size))
            )
            self.fixed.append(_Piece(value, size))
        elif kind == 1:
            size = self.rng.choice(VECTORS)
            stack = concatenate(self.parameter(size), concatenate(self.parameter(m), self.parameter(size)))
            self.equations.append(Eq(value, stack))
            self.fixed.append(_Piece(value, m + 2 * size))
        elif kind == 2:
            weights = concatenate(self.parameter(m, n), self.parameter(k, n))
            vector = self.vector(n)
            self.equations.append(Eq(value, weights))
            self.moving.append(_Piece(value @ vector.expr, m + k))
        else:
            square = self.parameter(m, m)
            self.equations.append(Eq(value, square - square.T))
            self.moving.append(_Piece(value @ self.vector(m).expr, m))

    def value(self) -> Value:
        """A value: a sum, a function of one, a stack, a matrix, a number."""
        rng = self.rng
        kind, value = rng.randrange(9), Value(self.name("value"))
        if kind == 0:
            stack = self.stack(DEPTH)
            if stack.expr.has(concatenate):
                self.equations.append(Eq(value, stack.expr))
                self.moving.append(_Piece(value, stack.size))
                return value
        if kind == 1:
            self.equations.append(Eq(value, outer(tanh(self.sum(m)), self.vector(k).expr)))
            self.matrices.append(value)
            return value
        if kind == 2:
            reduced = rng.choice((total, mean))(self.sum(rng.choice(VECTORS)))
            self.equations.append(Eq(value, reduced / 4))
            self.moving.append(_Piece(value * ones(m), m))
            return value
        size = rng.choice(VECTORS)
        plain = self.sum(size)
        self.equations.append(Eq(value, rng.choice((plain, plain, tanh(plain), sigmoid(plain)))))
        self.moving.append(_Piece(value, size))
        return value

    def update(self, state: State) -> None:
        """The next value of a state."""
        rng = self.rng
        if len(state.shape) == 2:
            right = state / 2 + outer(tanh(self.sum(m)), tanh(self.sum(k))) / 4
            self.equations.append(Eq(state.next, right))
            self.matrices.append(state.next)
            return
        (size,) = state.shape
        kind = rng.randrange(6)
        if kind == 0:
            right = tanh(self.sum(size)) * tanh(self.sum(size))
        elif kind == 1:
            gate = sigmoid(self.sum(size))
            right = gate * tanh(self.sum(size)) + (1 - gate) * state
        elif kind == 2:
            right = self.sum(size) / 4
        else:
            right = tanh(self.sum(size))
        self.equations.append(Eq(state.next, right))
        self.moving.append(_Piece(state.next, size))

    # -- sums -----------------------------------------------------------------------------------------

    def sum(self, size: Size) -> Expr:
        """A sum of two to five terms of one size."""
        return sympy.Add(*(self.term(size) for _ in range(self.rng.choice((2, 2, 2, 3, 3, 4, 5)))))

    def term(self, size: Size) -> Expr:
        rng = self.rng
        kind = rng.randrange(12)
        if kind < 3:
            vector = self.any_vector()
            return self.parameter(size, vector.size) @ vector.expr
        if kind < 7:
            stack = self.stack(DEPTH)
            return self.parameter(size, stack.size) @ stack.expr
        if kind == 10:
            number = rng.choice((total, mean))(self.parameter(m, n) @ self.vector(n).expr)
            return number * self.parameter(size) / 2
        if kind == 11:
            return self.of_matrices(size)
        factors = [self.parameter(size)] if kind < 9 else []
        factors += [self.vector(size).expr] if kind > 7 else []
        return sympy.Mul(*factors)

    def of_matrices(self, size: Size) -> Expr:
        """A product with a matrix of a sample, or with a stack of several."""
        if not self.matrices:
            return self.parameter(size) * self.vector(size).expr
        first, second = self.rng.choice(self.matrices), self.rng.choice(self.matrices)
        vector = self.vector(k).expr
        if self.rng.random() < 0.3:
            return self.parameter(size, m) @ matmul(first, vector)
        both = concatenate(first, concatenate(self.parameter(n, k), second))
        if self.rng.random() < 0.3:
            return self.parameter(size, m + n + m) @ einsum("ij,j->i", both, vector)
        return self.parameter(size, m + n + m) @ matmul(both, vector)

    def any_vector(self) -> _Piece:
        """A vector of any size: the latest are likely."""
        pool = [*self.moving, *self.moving[-3:], *self.fixed[-1:]]
        piece = self.rng.choice(pool)
        if self.rng.random() < 0.15:
            return _Piece(tanh(piece.expr) * piece.expr, piece.size)
        return piece

    def vector(self, size: Size) -> _Piece:
        """A vector of a given size."""
        fitting = [piece for piece in (*self.moving, *self.moving[-4:]) if piece.size == size]
        if fitting and self.rng.random() < 0.9:
            return self.rng.choice(fitting)
        other = self.any_vector()
        return _Piece(self.parameter(size, other.size) @ other.expr, size)

    def stack(self, depth: int) -> _Piece:
        """Vectors one after the other; some of them stacks, some the same, at times a known stack."""
        rng = self.rng
        known = [stack for stack in self.stacks if stack.depth <= depth]
        if known and rng.random() < 0.25:
            return rng.choice(known)
        pieces = []
        for _ in range(rng.choice((2, 2, 3))):
            nested = depth > 1 and rng.random() < 0.35
            pieces.append(self.stack(depth - 1) if nested else self.any_vector())
        if rng.random() < 0.15:
            pieces.append(rng.choice(self.fixed) if self.fixed else _Piece(self.parameter(m), m))
        whole = concatenate(*(piece.expr for piece in pieces))
        size = sympy.Add(*(piece.size for piece in pieces))
        self.stacks.append(_Piece(whole, size, 1 + max(piece.depth for piece in pieces)))
        return self.stacks[-1]
