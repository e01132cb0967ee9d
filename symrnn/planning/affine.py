"""Recurrences that are affine and diagonal in what they carry: next = gain * state + offset."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sympy import Add, Expr, Integer, Mul, Symbol, preorder_traversal

from symrnn.declaration.nodes import depth_of
from symrnn.planning.ir import (
    AffineRecurrence,
    Buffer,
    Carry,
    Pointwise,
    Statement,
    array_symbol,
)
from symrnn.planning.memory import overlap, root_of

LONGEST = 1000
"""How many nodes what an array holds may have, in terms of what a loop carries."""

DEEPEST = 60
"""How many levels it may have."""


def affine_recurrences(
    statements: Sequence[Statement], carries: Sequence[Carry], table: Mapping[str, Buffer]
) -> tuple[AffineRecurrence, ...]:
    """The recurrences of a loop's statements, one per carry; none if one of them is not affine and diagonal.

    A sum with a product that no carried array reaches is affine too. No array holds such a product: in the
    offset a symbol stands for it whose name is no array's.
    """
    loop = _Substitution(statements, carries, table)
    found = []
    for carry in carries:
        following = loop.values.get(carry.there, array_symbol(carry.there))
        split = None if following is None else affine_parts(following, array_symbol(carry.here))
        if split is None or any(part.free_symbols & loop.carried for part in split):
            return ()
        found.append(AffineRecurrence(carry.here, *split))
    return tuple(found)


def affine_parts(expr: Expr, symbol: Symbol) -> tuple[Expr, Expr] | None:
    """Gain and offset of an expression that is affine in `symbol`; None if its form does not show it.

    A choice is none, even between affine branches: a branch that is not taken may be infinite, and zero
    times that is not zero.
    """
    if symbol not in expr.free_symbols:
        return Integer(0), expr
    if expr == symbol:
        return Integer(1), Integer(0)
    moving = [part for part in expr.args if symbol in part.free_symbols]
    split = [parts for part in moving if (parts := affine_parts(part, symbol)) is not None]
    rest = [part for part in expr.args if part not in moving]
    if isinstance(expr, Add) and len(split) == len(moving):
        return Add(*(gain for gain, _ in split)), Add(*rest, *(offset for _, offset in split))
    if isinstance(expr, Mul) and len(split) == len(moving) == 1:
        return Mul(*rest, split[0][0]), Mul(*rest, split[0][1])
    return None


class _Substitution:
    """What a loop's arrays hold, in terms of what it carries and of arrays that no carried one reaches."""

    def __init__(
        self, statements: Sequence[Statement], carries: Sequence[Carry], table: Mapping[str, Buffer]
    ) -> None:
        self.table = table
        self.unheld = 0
        self.measures: dict[Expr, tuple[int, int]] = {}
        self.carried = {array_symbol(carry.here) for carry in carries}
        self.values: dict[str, Expr | None] = {}  # None: not pointwise in what the loop carries
        self.written = [statement.out for statement in statements]
        self.times_written = Counter(self.written)
        self.writes_in: dict[str, dict[str, None]] = {}  # by memory the arrays that are written in it
        for out in self.written:
            self.writes_in.setdefault(root_of(out, table), {})[out] = None
        for statement in statements:
            self.values[statement.out] = self.result(statement)

    def value(self, name: str) -> Expr | None:
        """What an array holds here; None for a part of something that the loop writes under another name."""
        symbol = array_symbol(name)
        if name in self.values or symbol in self.carried:
            return self.values.get(name, symbol)
        near = self.writes_in.get(root_of(name, self.table), ())
        partly = any(overlap(name, out, self.table) for out in near if out != name)
        return None if partly else symbol

    def substituted(self, expr: Expr, known: dict[Symbol, Expr]) -> Expr | None:
        """An expression in terms of what its arrays hold; None where that would be too long or too deep."""
        size = levels = 0
        for node in preorder_traversal(expr):
            value = known.get(node, node)
            size += 1 if value is node else self.measure(value)[0]
            levels = max(levels, self.measure(value)[1])
        if size > LONGEST or levels + depth_of(expr) > DEEPEST:
            return None
        made = expr.xreplace(known)
        self.measures[made] = size, depth_of(made)
        return made

    def measure(self, value: Expr) -> tuple[int, int]:
        """How many nodes and how many levels what an array holds has, counted when it was made."""
        return self.measures.get(value, (1, 1))

    def result(self, statement: Statement) -> Expr | None:
        """What the statement leaves in its array."""
        reads = {name: self.value(name) for name in statement.reads}
        known = {array_symbol(name): value for name, value in reads.items() if value is not None}
        if len(known) < len(reads):
            return None
        if isinstance(statement, Pointwise):
            made = self.substituted(statement.expr, known)
            if made is None:
                return None
        elif any(value.free_symbols & self.carried for value in known.values()):
            return None
        elif self.times_written[statement.out] == 1 and not statement.update:
            return array_symbol(statement.out)
        else:
            self.unheld += 1
            made = array_symbol(f"product {self.unheld}")
        if not statement.update:
            return made
        started = self.values.get(statement.out, array_symbol(statement.out))
        return None if started is None else started + made
