"""Which quantity of the right cell stands for which of the left: the matching with the most shared terms.

Candidates are matchings of states, inputs and values that agree in role, shape and function. Each is scored
by the terms that aligned equations share; names decide between equals, and so does the authors' order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations, product
from math import factorial, prod

from sympy import Expr

from symrnn.comparison.forms import Form, Shapes
from symrnn.comparison.pairing import Pairing, pairings
from symrnn.comparison.sameness import sameness
from symrnn.comparison.terms import Difference, Side, difference
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Equation
from symrnn.declaration.operations import sigmoid
from symrnn.declaration.quantities import Constant, Index, Quantity, Value

EXHAUSTIVE = 120
"""Up to how many matchings of values all are looked at; beyond, one is improved step by step."""

NAME = 0.01
"""What an equal name is worth beside a shared term."""

Matching = tuple[tuple[Value, Value, bool], ...]


@dataclass(frozen=True, slots=True)
class Partner:
    """A quantity of the left cell and the one of the right that stands for it; None for no such.

    With `complement` the right one is 1 minus the left one; with `negative` it is minus the left one.
    A parameter without a partner may be one that only `adds_to` another of its cell: their sum is one.
    Constants in one place are partners whatever their values are.
    """

    left: Quantity | None
    right: Quantity | None
    complement: bool = False
    negative: bool = False
    adds_to: Quantity | None = None

    @property
    def values(self) -> tuple[str, str]:
        """The values of constants, "" for others and for constants of one value."""
        left, right = (q.value if isinstance(q, Constant) else None for q in (self.left, self.right))
        if left == right:
            return "", ""
        return "" if left is None else str(left), "" if right is None else str(right)


@dataclass(frozen=True, slots=True)
class AlignedEquation:
    """An equation of the left cell and one of the right; None for no such.

    `left_marks` and `right_marks` are the subexpressions of their right sides that the other does not have.
    """

    left: Equation | None
    right: Equation | None
    left_marks: frozenset[Expr]
    right_marks: frozenset[Expr]

    @property
    def same(self) -> bool:
        """Whether nothing differs but names and parameters."""
        return self.left is not None and self.right is not None and not (self.left_marks | self.right_marks)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two cells side by side."""

    pairing: Pairing
    partners: tuple[Partner, ...]
    equations: tuple[AlignedEquation, ...]
    score: float


def align(left: Form, right: Form) -> Alignment:
    """The best alignment of two cells."""
    best: tuple[float, Pairing, Matching] | None = None
    search = _Aligner(left, right)
    for pairing in pairings(left.cell, right.cell).ways:
        matching, score = search.best(pairing)
        if best is None or score > best[0] + 1e-9:
            best = (score, pairing, matching)
    assert best is not None
    return search.alignment(best[1], best[2], best[0])


@dataclass(slots=True)
class _Aligner:
    left: Form
    right: Form
    known: dict[tuple[Expr, ...], Difference] = field(default_factory=dict)
    axes: dict[Expr, Expr] = field(default_factory=dict)

    def best(self, pairing: Pairing) -> tuple[Matching, float]:
        """The best matching of values for one pairing of states and inputs."""
        groups = self.groups(pairing)
        count = prod(_ways(len(a), len(b)) for a, b in groups)
        first = tuple(pair for a, b in groups for pair in _by_name(a, b))
        if count <= EXHAUSTIVE:
            choices = product(*(list(_matchings(a, b)) for a, b in groups))
            candidates = [tuple(pair for group in choice for pair in group) for choice in choices]
            first = max(candidates, key=lambda matching: self.score(pairing, matching))
        return self.improved(pairing, first)

    def improved(self, pairing: Pairing, matching: Matching) -> tuple[Matching, float]:
        """A matching that no exchange of two partners and no complement improves."""
        score = self.score(pairing, matching)
        while True:
            found = [(self.score(pairing, near), near) for near in self.neighbours(matching)]
            better = max(found, key=lambda item: item[0], default=(score, matching))
            if better[0] <= score + 1e-9:
                return matching, score
            score, matching = better

    def neighbours(self, matching: Matching) -> Iterator[Matching]:
        for i, (left, right, complement) in enumerate(matching):
            if self.is_gate(left, self.left.cell) and self.is_gate(right, self.right.cell):
                yield (*matching[:i], (left, right, not complement), *matching[i + 1 :])
        for i, j in combinations(range(len(matching)), 2):
            one, other = matching[i], matching[j]
            if self.kind(one[1], self.right.cell) == self.kind(other[1], self.right.cell):
                for flags in (
                    product((False, True), repeat=2)
                    if self.is_gate(one[1], self.right.cell)
                    else [(False, False)]
                ):
                    swapped = list(matching)
                    swapped[i], swapped[j] = (one[0], other[1], flags[0]), (other[0], one[1], flags[1])
                    yield tuple(swapped)

    def groups(self, pairing: Pairing) -> list[tuple[list[Value], list[Value]]]:
        """Values that may stand for each other: the same function, then what is left, by shape."""
        axes: dict[Expr, Expr] = {other: one for one, other in pairing.axes}

        def shape(value: Value) -> tuple[Expr, ...]:
            return tuple(size.xreplace(axes) for size in self.right.cell.shape_of(value))

        mine = [
            (v, (self.kind(v, self.left.cell), self.left.cell.shape_of(v))) for v in self.left.cell.values
        ]
        theirs = [(v, (self.kind(v, self.right.cell), shape(v))) for v in self.right.cell.values]
        made = [
            ([v for v, k in mine if k == key], [v for v, k in theirs if k == key])
            for key in dict.fromkeys(key for _, key in mine)
        ]
        return [group for group in (*made, *self.spare(mine, theirs)) if group[0] and group[1]]

    def spare(
        self,
        mine: list[tuple[Value, tuple[str, tuple[Expr, ...]]]],
        theirs: list[tuple[Value, tuple[str, tuple[Expr, ...]]]],
    ) -> list[tuple[list[Value], list[Value]]]:
        keys = {key for _, key in mine} & {key for _, key in theirs}
        left = [(v, k[1]) for v, k in mine if k not in keys]
        right = [(v, k[1]) for v, k in theirs if k not in keys]
        shapes = dict.fromkeys(shape for _, shape in left)
        return [([v for v, s in left if s == shape], [v for v, s in right if s == shape]) for shape in shapes]

    def kind(self, value: Value, cell: Cell) -> str:
        return next(type(e.rhs).__name__ for e in cell.equations if e.target == value)

    def is_gate(self, value: Value, cell: Cell) -> bool:
        return self.kind(value, cell) == str(sigmoid.__name__)

    def sides(self, pairing: Pairing, matching: Matching) -> tuple[Side, Side]:
        renaming: dict[Expr, Expr] = dict(pairing.renaming)
        renaming |= {right: 1 - left if complement else left for left, right, complement in matching}
        shapes: Shapes = {**dict(self.right.cell.shapes), **dict(self.left.cell.shapes)}
        cell = self.right.cell
        for quantity in (*cell.inputs, *cell.states, *cell.values, *(s.next for s in cell.states)):
            if quantity not in renaming and not isinstance(quantity, Index):  # only one may replace another
                renaming[quantity] = _Stranger(f"{quantity.name}'", *cell.shape_of(quantity))
        return Side(self.left.blocks, shapes, {}), Side(self.right.blocks, shapes, renaming)

    def score(self, pairing: Pairing, matching: Matching) -> float:
        aligned = self.pairs(pairing, matching)
        names: int = sum(a.target.name == b.target.name for a, b in aligned)
        names += sum(a.name == b.name for a, b in pairing.inputs)
        complements = sum(complement for *_, complement in matching)
        mine, theirs = self.sides(pairing, matching)
        total: float = sum(self.compared(a, b, mine, theirs).score for a, b in aligned)
        return total + NAME * names - NAME * complements

    def pairs(self, pairing: Pairing, matching: Matching) -> list[tuple[Equation, Equation]]:
        partner: dict[Quantity, Quantity] = {left: right for left, right, _ in matching}
        partner |= {left.next: right.next for left, right in pairing.states}
        theirs = {equation.target: equation for equation in self.right.cell.equations}
        return [(e, theirs[partner[e.target]]) for e in self.left.cell.equations if e.target in partner]

    def compared(self, left: Equation, right: Equation, mine: Side, theirs: Side) -> Difference:
        used = sorted(right.rhs.atoms(Quantity), key=str)
        key = (left.target, right.target, *(theirs.renaming.get(quantity, quantity) for quantity in used))
        if key not in self.known:
            self.known[key] = difference(left.rhs, right.rhs, mine, theirs)
        return self.known[key]

    def alignment(self, pairing: Pairing, matching: Matching, score: float) -> Alignment:
        self.axes = {other: one for one, other in pairing.axes}
        pairs = self.pairs(pairing, matching)
        mine, theirs = self.sides(pairing, matching)
        turned = {left for left, _, complement in matching if complement}
        differences = [
            _examined(
                a, b, self.compared(a, b, mine, theirs), (mine, theirs), -1 if a.target in turned else 1
            )
            for a, b in pairs
        ]
        by_left = {a.target: (b, found) for (a, b), found in zip(pairs, differences, strict=True)}
        aligned = []
        for equation in self.left.cell.equations:
            other, found = by_left.get(equation.target, (None, None))
            if found is None:
                aligned.append(AlignedEquation(equation, None, frozenset([equation.rhs]), frozenset()))
            else:
                aligned.append(AlignedEquation(equation, other, found.left, found.right))
        met = {b.target for _, b in pairs}
        aligned += [
            AlignedEquation(None, equation, frozenset(), frozenset([equation.rhs]))
            for equation in self.right.cell.equations
            if equation.target not in met
        ]
        merged = {a: b for d in differences for a, b in d.merged if self.once(a) and self.once(b)}
        parameters = [((a, b), sign) for d in differences for a, b, sign in d.parameters]
        partners = (
            *self.carried(pairing),
            *self.computed(matching),
            *self.given(parameters, merged),
            *self.fixed(parameters),
        )
        return Alignment(pairing, partners, tuple(aligned), score)

    def shape_here(self, right: Quantity) -> tuple[Expr, ...]:
        return tuple(size.xreplace(self.axes) for size in right.shape)

    def carried(self, pairing: Pairing) -> list[Partner]:
        made = []
        for pairs, mine, theirs in (
            (pairing.inputs, self.left.cell.inputs, self.right.cell.inputs),
            (pairing.states, self.left.cell.states, self.right.cell.states),
        ):
            made += [Partner(a, b) for a, b in pairs]
            made += [Partner(q, None) for q in mine if q not in [a for a, _ in pairs]]
            made += [Partner(None, q) for q in theirs if q not in [b for _, b in pairs]]
        return made

    def computed(self, matching: Matching) -> list[Partner]:
        ordered = sorted(matching, key=lambda item: self.left.cell.values.index(item[0]))
        made = [Partner(a, b, complement) for a, b, complement in ordered]
        made += [Partner(v, None) for v in self.left.cell.values if v not in [a for a, *_ in matching]]
        made += [Partner(None, v) for v in self.right.cell.values if v not in [b for _, b, _ in matching]]
        return made

    def once(self, symbol: Quantity) -> bool:
        """Whether a parameter stands in one place of its cell only."""
        forms = [form for form in (self.left, self.right) if symbol in form.symbols]
        blocks = [form.owner(symbol) for form in forms]
        names = [symbol if block is None else block.matrix for block in blocks]
        rights = [equation.rhs for form in forms for equation in form.cell.equations]
        return all(sum(rhs.count(name) for rhs in rights) == len(forms) for name in names)

    def given(
        self, found: list[tuple[tuple[Quantity, Quantity], int]], merged: dict[Quantity, Quantity]
    ) -> list[Partner]:
        pairs: dict[Quantity, tuple[Quantity, int]] = {}
        for (left, right), sign in found:
            alike = self.shape_here(right) == left.shape
            alike = alike and left in self.left.symbols and right in self.right.symbols
            if alike and left not in pairs and right not in [b for b, _ in pairs.values()]:
                pairs[left] = (right, sign)
        made = [Partner(a, pairs[a][0], negative=pairs[a][1] < 0) for a in self.left.symbols if a in pairs]
        made += [Partner(a, None, adds_to=merged.get(a)) for a in self.left.symbols if a not in pairs]
        met = [b for b, _ in pairs.values()]
        return made + [Partner(None, b, adds_to=merged.get(b)) for b in self.right.symbols if b not in met]

    def fixed(self, found: list[tuple[tuple[Quantity, Quantity], int]]) -> list[Partner]:
        """Constants: those in the same place, then those of one name."""
        mine, theirs = self.left.cell.constants, self.right.cell.constants
        placed = [pair for pair, _ in found if pair[0] in mine and pair[1] in theirs]
        named = [(a, b) for a in mine for b in theirs if a.name == b.name]
        pairs: dict[Quantity, Quantity] = {}
        for left, right in (*placed, *named):
            if left not in pairs and right not in pairs.values() and self.shape_here(right) == left.shape:
                pairs[left] = right
        made = [Partner(a, pairs.get(a)) for a in mine]
        return made + [Partner(None, b) for b in theirs if b not in pairs.values()]


def _examined(
    left: Equation, right: Equation, found: Difference, sides: tuple[Side, Side], sign: int
) -> Difference:
    """The difference of two equations, examined once more if nothing is marked.

    With `sign` -1 the right one is 1 minus the left one, and its parameters are minus the left's.
    """
    met = tuple((a, b, sign * of) for a, b, of in found.parameters)
    if found.left or found.right:
        return replace(found, parameters=met)
    seen = sameness(left.rhs, right.rhs, *sides, met, sign)
    return replace(found, left=seen.marks[0], right=seen.marks[1], parameters=(*met, *seen.parameters))


class _Stranger(Quantity):
    """A value, a state or an input of the right cell that stands for nothing of the left."""

    __slots__ = ()
    role = "stranger"

    def __new__(cls, name: str, *shape: Expr) -> "_Stranger":
        """Make the stranger `name`."""
        made: _Stranger = cls._make(name, shape, None)
        return made


def _ways(left: int, right: int) -> int:
    small, large = sorted((left, right))
    return factorial(large) // factorial(large - small)


def _matchings(left: list[Value], right: list[Value]) -> Iterator[Matching]:
    if len(left) <= len(right):
        for chosen in permutations(right, len(left)):
            yield tuple((a, b, False) for a, b in zip(left, chosen, strict=True))
    else:
        for chosen in permutations(left, len(right)):
            yield tuple((a, b, False) for a, b in zip(chosen, right, strict=True))


def _by_name(left: list[Value], right: list[Value]) -> Matching:
    """Equal names first, the rest in order."""
    names = {value.name: value for value in right}
    made = [(value, names[value.name], False) for value in left if value.name in names]
    mine = [value for value in left if value.name not in names]
    theirs = [value for value in right if value not in [b for _, b, _ in made]]
    return (*made, *((a, b, False) for a, b in zip(mine, theirs, strict=False)))
