"""Equations of any depth: a deep one is cut into values, so that whatever follows meets short expressions.

SymPy walks over expressions by recursion, and so does whatever is made of a cell: a printer, a rule, a pass.
A few dozen levels are well within Python's limit, some hundreds are not, and an expression that stands in
several places of another one, which stands in several places again, is written out exponentially often. So
both are cut here, without recursion, before anything else looks at them.
"""

from dataclasses import dataclass

from sympy import Add, Basic, Expr
from sympy.core.function import Application

from symrnn.declaration.conditions import CONDITIONS
from symrnn.declaration.nodes import depth_of, nodes_of
from symrnn.declaration.operations import Operation, concatenate
from symrnn.declaration.quantities import NextState, Quantity, Value

LEVELS = 14
"""From how many levels on a part of an equation becomes a value."""

SLACK = 8
"""By how many levels more the cut may wait for a sum or a function, which make better values than others."""

SIZE = 500
"""From how many nodes on, copies counted, an equation has its copies cut out."""

COPY = 10
"""How many nodes a part must have for its copies to become a value then."""

APT = (Add, Application, Operation)
"""What makes good values: sums, functions and operations."""

DEEPEST = 100
"""How many levels an equation may have that cannot be cut any more: conditions are no values."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An equation, or a value cut out of it; `number` is the author's equation, counted from 1."""

    target: Quantity
    rhs: Expr
    number: int


def cut(target: Quantity, rhs: Expr, number: int, taken: set[str]) -> list[Piece]:
    """An equation as pieces of few levels, each made of earlier ones; most equations are one piece.

    The names of new values are added to `taken`.
    """
    if depth_of(rhs) <= LEVELS and not (_size(rhs) > SIZE and _has_copies(rhs)):
        return [Piece(target, rhs, number)]
    return _Cutter(target, number, taken).pieces(rhs)


def _uses(expr: Basic) -> dict[int, int]:
    """By a node's identity how often other nodes have it among their arguments."""
    found: dict[int, int] = {}
    for node in nodes_of(expr):
        for arg in node.args:
            found[id(arg)] = found.get(id(arg), 0) + 1
    return found


def _has_copies(expr: Expr) -> bool:
    return any(count > 1 for count in _uses(expr).values())


def _size(expr: Expr) -> int:
    """How many nodes an expression has where it is written out."""
    sizes: dict[int, int] = {}
    for node in nodes_of(expr):
        sizes[id(node)] = 1 + sum(sizes[id(arg)] for arg in node.args)
    return sizes[id(expr)]


class _Cutter:
    def __init__(self, target: Quantity, number: int, taken: set[str]) -> None:
        self.target, self.number, self.taken = target, number, taken
        self.base = target.state.name if isinstance(target, NextState) else target.name
        self.count = 0
        self.made: list[Piece] = []
        self.values: dict[Basic, Value] = {}
        self.levels: dict[Basic, int] = {}
        self.sizes: dict[Basic, int] = {}

    def pieces(self, rhs: Expr) -> list[Piece]:
        uses = _uses(rhs)
        short: dict[int, Basic] = {}
        for node in nodes_of(rhs):
            made = self.rebuilt(node, [short[id(arg)] for arg in node.args])
            short[id(node)] = self.named(made, uses.get(id(node), 0)) if node is not rhs else made
        return [*self.made, Piece(self.target, short[id(rhs)], self.number)]

    def rebuilt(self, node: Basic, args: list[Basic]) -> Basic:
        """A node with shorter arguments, its levels and its size noted."""
        if all(new is old for new, old in zip(args, node.args, strict=True)):
            made = node
        elif isinstance(node, CONDITIONS):
            made = node.func(*args, evaluate=False)
        else:
            made = node.func(*args)
        self.measure(made)
        return made

    def measure(self, made: Basic) -> None:
        is_new = any(arg not in self.levels for arg in made.args)
        for node in nodes_of(made) if is_new else (made,):
            self.levels[node] = 1 + max((self.levels[arg] for arg in node.args), default=0)
            self.sizes[node] = 1 + sum(self.sizes[arg] for arg in node.args)

    def named(self, made: Basic, uses: int) -> Basic:
        """A value in place of what has many levels, or of an expression that stands in many places."""
        apt = isinstance(made, APT) and not isinstance(made, concatenate)
        many = self.levels[made] >= (LEVELS if apt else LEVELS + SLACK)
        copied = uses > 1 and apt and self.sizes[made] >= COPY
        if not isinstance(made, Expr) or not (many or copied):
            return made
        if made not in self.values:
            value = self.values[made] = Value(self.fresh())
            self.made.append(Piece(value, made, self.number))
            self.measure(value)
        return self.values[made]

    def fresh(self) -> str:
        """A name that the author has not given."""
        while True:
            self.count += 1
            name = f"{self.base}_part_{self.count}"
            if name not in self.taken:
                self.taken.add(name)
                return name
