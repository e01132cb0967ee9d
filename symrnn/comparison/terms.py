"""Which parts of two aligned expressions differ, given what each symbol of the right stands for on the left.

Terms that multiply different parameters by the same moving factors are the same term: a matrix is a matrix.
What differs is told as subexpressions of what the authors wrote, as small as they go.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sympy import Add, Expr, Mul, S
from sympy.logic.boolalg import Boolean

from symrnn.comparison.forms import MATRIX_VECTOR, Block, Shapes, is_given, normal
from symrnn.comparison.slots import slots_of
from symrnn.declaration.operations import Contract, PointwiseFunction, VectorFunction, concatenate
from symrnn.declaration.quantities import Parameter, Quantity


@dataclass(frozen=True, slots=True)
class Side:
    """What it takes to read one cell's expressions in the left cell's terms."""

    blocks: tuple[Block, ...]
    shapes: Shapes
    renaming: Mapping[Expr, Expr]


@dataclass(frozen=True, slots=True)
class Atom:
    """A term that cannot be divided: what the author wrote for it, in which term, and its meaning."""

    shown: Expr
    within: Expr
    moving: Expr
    given: tuple[Expr, ...]
    number: Expr


@dataclass(frozen=True, slots=True)
class Difference:
    """What two expressions do not share, how many terms they do, and which parameters stand for which.

    `merged` pairs a parameter without a partner with one of its own cell to which it is only added.
    """

    left: frozenset[Expr] = frozenset()
    right: frozenset[Expr] = frozenset()
    shared: int = 0
    parameters: tuple[tuple[Quantity, Quantity, int], ...] = ()
    merged: tuple[tuple[Quantity, Quantity], ...] = ()

    @property
    def score(self) -> float:
        """How alike they are: shared terms count for them, others against."""
        return self.shared - 0.5 * (len(self.left) + len(self.right))


def _joined(parts: Iterable[Difference]) -> Difference:
    found = list(parts)
    return Difference(
        frozenset().union(*(part.left for part in found)),
        frozenset().union(*(part.right for part in found)),
        sum(part.shared for part in found),
        tuple(pair for part in found for pair in part.parameters),
        tuple(pair for part in found for pair in part.merged),
    )


def difference(left: Expr, right: Expr, mine: Side, theirs: Side) -> Difference:
    """How the left expression and the right one differ."""
    ours, others = _atoms(left, mine), _atoms(right, theirs)
    made: list[Difference] = []
    met: list[tuple[Atom, Atom]] = []
    for atom in list(ours):
        partners = [other for other in others if _same(atom, other) and not _opens(atom)]
        if partners:
            partner = min(
                partners, key=lambda other: [str(g) for g in other.given] != [str(g) for g in atom.given]
            )
            ours.remove(atom)
            others.remove(partner)
            met.append((atom, partner))
            made.append(Difference(shared=1, parameters=_parameters(atom, partner)))
    for atom in list(ours):
        for other in list(others):
            refined = _refined(atom, other, mine, theirs)
            if refined is not None:
                made.append(refined)
                ours.remove(atom)
                others.remove(other)
                break
    merged = (*_merged(ours, [a for a, _ in met]), *_merged(others, [b for _, b in met]))
    made.append(Difference(parameters=tuple(_leftovers(ours, others)), merged=merged))
    made.append(Difference(_shown(ours, _atoms(left, mine)), _shown(others, _atoms(right, theirs))))
    return _joined(made)


def _opens(atom: Atom) -> bool:
    """Whether parameters are inside a function, so that a look inside tells which they are."""
    return not atom.given and bool(atom.shown.atoms(Parameter))


def _same(left: Atom, right: Atom) -> bool:
    if left.moving != right.moving or bool(left.given) != bool(right.given):
        return False
    return bool(left.given) or left.number == right.number


def _parameters(left: Atom, right: Atom) -> tuple[tuple[Quantity, Quantity, int], ...]:
    sign = -1 if (left.number < 0) != (right.number < 0) else 1
    pairs = zip(left.given, right.given, strict=False)
    return tuple((a, b, sign) for a, b in pairs if isinstance(a, Quantity) and isinstance(b, Quantity))


def _merged(extra: list[Atom], met: list[Atom]) -> Iterator[tuple[Quantity, Quantity]]:
    """Parameters that multiply what another of the same cell multiplies in the same sum."""
    for atom in extra:
        twins = [other for other in met if other.moving == atom.moving and len(other.given) == 1]
        if twins and len(atom.given) == 1:
            one, other = atom.given[0], twins[0].given[0]
            if isinstance(one, Quantity) and isinstance(other, Quantity):
                yield one, other


def _leftovers(ours: list[Atom], others: list[Atom]) -> Iterator[tuple[Quantity, Quantity, int]]:
    """Parameters of one shape that multiply different things in one place: they are each other's nearest."""
    spare = [atom.given[0] for atom in others if len(atom.given) == 1]
    for atom in ours:
        if len(atom.given) != 1:
            continue
        near = [given for given in spare if _shaped(given) == _shaped(atom.given[0])]
        if near and isinstance(atom.given[0], Quantity) and isinstance(near[0], Quantity):
            spare.remove(near[0])
            yield atom.given[0], near[0], 1


def _shaped(given: Expr) -> int | None:
    return len(given.shape) if isinstance(given, Quantity) else None


def _shown(different: list[Atom], everything: list[Atom]) -> frozenset[Expr]:
    """What to mark: the parts that differ, or the author's whole term where nothing of it is shared."""
    marked: set[Expr] = set()
    for atom in different:
        whole = all(other in different for other in everything if other.within == atom.within)
        marked.add(atom.within if whole else atom.shown)
    return frozenset(marked)


def _atoms(expr: Expr, side: Side) -> list[Atom]:
    made = []
    for term in Add.make_args(expr):
        for shown, meaning in _spread(term, side):
            read = normal(meaning.xreplace(dict(side.renaming)), side.shapes)
            slots = slots_of(read)
            given = tuple(expr for slot in slots for expr in slot.given)
            moving = Add(*(slot.moving if slot.given else slot.number * slot.moving for slot in slots))
            made.append(Atom(shown, term, moving, given, slots[0].number if len(slots) == 1 else S.One))
    return made


def _spread(term: Expr, side: Side) -> list[tuple[Expr, Expr]]:
    """A term multiplied out as far as parameters are in it: what was written, and what it means."""
    if (
        isinstance(term, Contract)
        and term.spec == MATRIX_VECTOR
        and isinstance(term.operands[1], concatenate)
    ):
        own = [block for block in side.blocks if block.matrix == term.operands[0]]
        parts = term.operands[1].args
        if len(own) == len(parts):
            return [
                (part, Contract(MATRIX_VECTOR, block.symbol, part))
                for block, part in zip(own, parts, strict=True)
            ]
    if isinstance(term, Mul):
        sums = [factor for factor in term.args if isinstance(factor, Add) and _has_parameters(factor)]
        if len(sums) == 1:
            rest = Mul(*(factor for factor in term.args if factor != sums[0]))
            return [
                (shown, rest * meaning) for inner in sums[0].args for shown, meaning in _spread(inner, side)
            ]
    return [(term, term)]


def _has_parameters(expr: Expr) -> bool:
    """Whether parameters are in an expression, other than inside functions."""
    if is_given(expr) and expr.atoms(Quantity):
        return True
    return isinstance(expr, Add | Mul | Contract) and any(
        _has_parameters(arg) for arg in expr.args if isinstance(arg, Expr)
    )


def _refined(left: Atom, right: Atom, mine: Side, theirs: Side) -> Difference | None:
    """Two terms that are products or functions of the same kind: the factors or arguments that differ."""
    if left.shown != left.within or right.shown != right.within:
        return None
    ours, others = list(Mul.make_args(left.shown)), list(Mul.make_args(right.shown))
    count = len(ours)
    for factor in [factor for factor in ours if not factor.atoms(Parameter)]:
        read = normal(factor.xreplace(dict(mine.renaming)), mine.shapes)
        same = [o for o in others if normal(o.xreplace(dict(theirs.renaming)), theirs.shapes) == read]
        if same:
            ours.remove(factor)
            others.remove(same[0])
    made = [Difference(shared=count - len(ours))]
    for factor in list(ours):
        alike = [other for other in others if _one_kind(factor, other)]
        if alike:
            ours.remove(factor)
            others.remove(alike[0])
            pairs = zip(factor.args, alike[0].args, strict=True)
            made += [
                difference(a, b, mine, theirs)
                for a, b in pairs
                if not isinstance(a, Boolean) and not isinstance(b, Boolean)
            ]
    if len(made) == 1 and not made[0].shared:
        return None
    return _joined([*made, Difference(frozenset(ours), frozenset(others))])


def _one_kind(left: Expr, right: Expr) -> bool:
    functions = PointwiseFunction | VectorFunction
    return isinstance(left, functions) and type(left) is type(right) and len(left.args) == len(right.args)
