"""Whether two equations differ in names only, and where they differ if not.

Which terms two equations share is told by what their parameters multiply. Here what the parameters are made
into counts too: d and d**2, U and its transpose, a constant and another one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, permutations, product
from typing import TypeAlias

from sympy import Add, Expr, Mul, Pow, S

from symrnn.comparison.forms import divided, normal
from symrnn.comparison.terms import Side
from symrnn.declaration.axes import Shape
from symrnn.declaration.operations import Operation
from symrnn.declaration.quantities import Constant, Parameter, Part, Quantity

MOST = 24
"""How many ways of naming the right equation's parameters are tried."""

Pair: TypeAlias = tuple[Quantity, Quantity, int]
Marks: TypeAlias = tuple[frozenset[Expr], frozenset[Expr]]
NO_MARKS: Marks = (frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Sameness:
    """What of two equations differs beside names, and, if nothing does, which parameters are pairs."""

    marks: Marks
    parameters: tuple[Pair, ...]


def sameness(left: Expr, right: Expr, mine: Side, theirs: Side, met: tuple[Pair, ...], sign: int) -> Sameness:
    """Whether the right equation is the left one in other names, with the parameters in `met` as pairs.

    With `sign` -1 the right one is a gate that must be 1 minus the left one.
    """
    ways = list(islice(_ways(_given(left, mine), _given(right, theirs), met, theirs), MOST))
    for pairs in ways:
        reader = _Reader(mine, theirs, pairs, (left, right))
        if reader.equal(left, right, sign, gate=sign < 0):
            return Sameness(NO_MARKS, pairs)
    inner = (left.args[0], right.args[0]) if sign < 0 else (left, right)
    found = differing(*inner, _Reader(mine, theirs, ways[0], (left, right)), sign)
    whole = (frozenset([left]), frozenset([right]))
    return Sameness(_if_clear(found, whole, (left, right)), ())


def _given(expr: Expr, side: Side) -> list[Quantity]:
    """The parameters and constants of an equation, matrices in blocks."""
    return sorted(divided(expr, side.blocks).atoms(Parameter, Part, Constant), key=str)


def _ways(
    ours: list[Quantity], others: list[Quantity], met: tuple[Pair, ...], theirs: Side
) -> Iterator[tuple[Pair, ...]]:
    """Pairs of all that can be paired: first those met, then by names, then every other way."""

    def alike(left: Quantity, right: Quantity) -> bool:
        if isinstance(left, Constant) or isinstance(right, Constant):
            equal = isinstance(left, Constant) and isinstance(right, Constant) and left.value == right.value
        else:
            equal = True
        return equal and left.shape == _shape(right, theirs)

    first: list[Pair] = []
    for left, right, sign in (*met, *((a, b, 1) for a in ours for b in others if a.name == b.name)):
        fresh = all(left != a and right != b for a, b, _ in first)
        if fresh and left in ours and right in others and alike(left, right):
            first.append((left, right, sign))
    for left in ours:
        free = [b for b in others if alike(left, b) and b not in [r for _, r, _ in first]]
        if free and left not in [a for a, _, _ in first]:
            first.append((left, free[0], 1))
    yield tuple(first)
    if len(first) == len(ours) == len(others):
        signs = {left: sign for left, _, sign in first}
        groups = [[b for _, b, _ in first if alike(left, b)] for left in ours]
        kinds = list(dict.fromkeys(tuple(group) for group in groups))
        members = [
            [left for left, group in zip(ours, groups, strict=True) if tuple(group) == kind] for kind in kinds
        ]
        for chosen in _orders(kinds):
            pairs = [
                (left, right, signs[left])
                for lefts, rights in zip(members, chosen, strict=True)
                for left, right in zip(lefts, rights, strict=True)
            ]
            yield tuple(pairs)


def _orders(kinds: list[tuple[Quantity, ...]]) -> Iterator[tuple[tuple[Quantity, ...], ...]]:
    return product(*(list(islice(permutations(kind), MOST)) for kind in kinds))


def _shape(quantity: Quantity, side: Side) -> Shape:
    return tuple(size.xreplace(dict(side.renaming)) for size in quantity.shape)


class _Reader:
    """What expressions of either side mean, in the left cell's terms."""

    def __init__(self, mine: Side, theirs: Side, pairs: tuple[Pair, ...], roots: tuple[Expr, Expr]) -> None:
        self.mine, self.theirs, self.roots = mine, theirs, roots
        self.named: Mapping[Expr, Expr] = {right: sign * left for left, right, sign in pairs}

    def left(self, expr: Expr) -> Expr:
        return normal(divided(expr, self.mine.blocks).xreplace(dict(self.mine.renaming)), self.mine.shapes)

    def right(self, expr: Expr) -> Expr:
        parts = divided(expr, self.theirs.blocks)
        strange: dict[Expr, Expr] = {
            symbol: Part(f"{symbol.name}'", *_shape(symbol, self.theirs))
            for symbol in parts.atoms(Parameter, Part, Constant)
        }
        return parts.xreplace({**strange, **self.theirs.renaming, **self.named})

    def equal(self, left: Expr, right: Expr, sign: int = 1, *, gate: bool = False) -> bool:
        """Whether both mean the same; with `sign` -1 one is minus the other, or 1 minus it for a `gate`."""
        read = self.right(right)
        wanted = 1 - read if gate else sign * read
        return bool(self.left(left) == normal(wanted, self.mine.shapes))


def differing(left: Expr, right: Expr, reader: _Reader, sign: int = 1) -> Marks:
    """The smallest subexpressions of two expressions that have no equal on the other side."""
    if reader.equal(left, right, sign):
        return NO_MARKS
    whole = (frozenset([left]), frozenset([right]))
    for kind in (Add, Mul):
        if isinstance(left, kind) or isinstance(right, kind):
            ours, others = _left_over(left, right, kind, reader, sign if kind is Add else 1)
            if len(ours) == len(others) == 1:
                return _if_clear(
                    differing(ours[0], others[0], reader, sign if kind is Add else 1), whole, reader.roots
                )
            shared = len(ours) < len(kind.make_args(left))
            return _if_clear((frozenset(ours), frozenset(others)), whole, reader.roots) if shared else whole
    if not isinstance(left, Operation) or type(left) is not type(right) or len(left.args) != len(right.args):
        return whole
    found = NO_MARKS
    for one, other in zip(left.args, right.args, strict=True):
        if isinstance(one, Expr) and isinstance(other, Expr):
            ours_here, others_here = differing(one, other, reader)
            found = (found[0] | ours_here, found[1] | others_here)
        elif one != other:  # conditions, and how contractions are written
            return whole
    return _if_clear(found, whole, reader.roots)


def _left_over(
    left: Expr, right: Expr, kind: type[Add] | type[Mul], reader: _Reader, sign: int
) -> tuple[list[Expr], list[Expr]]:
    """Terms or factors without an equal."""
    ours, others = list(kind.make_args(left)), list(kind.make_args(right))
    for part in list(ours):
        twins = [other for other in others if reader.equal(part, other, sign)]
        if twins:
            ours.remove(part)
            others.remove(twins[0])
    return ours, others


def _if_clear(found: Marks, whole: Marks, roots: tuple[Expr, Expr]) -> Marks:
    """Marks that have one place in the text; else those of the whole that they are in.

    Numbers and divisors have none, and what stands elsewhere in the equation too would be marked there.
    """
    parts = [*found[0], *found[1]]
    hidden = any(
        part.is_number or (isinstance(part, Pow) and part.args[1] == S.NegativeOne) for part in parts
    )
    elsewhere = any(
        root.count(part) > sum(around.count(part) for around in wholes)
        for root, marks, wholes in zip(roots, found, whole, strict=True)
        for part in marks
    )
    return whole if hidden or elsewhere or not parts else found
