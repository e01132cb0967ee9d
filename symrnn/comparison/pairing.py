"""Which states, inputs and axes of one cell could stand for those of another: by number, role and shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import TypeAlias, TypeVar

from sympy import Expr

from symrnn.comparison.forms import Form, normal
from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Constant, Index, Input, Part, Quantity, State, Value

MOST = 120
"""How many ways of pairing states and inputs are looked at."""

MOST_AXES = 720
"""How many ways of pairing their axes are looked at."""

Named = TypeVar("Named", Axis, Quantity)
Group: TypeAlias = tuple[Quantity, ...]
Pairs: TypeAlias = tuple[tuple[Quantity, Quantity], ...]
AxisPairs: TypeAlias = tuple[tuple[Axis, Axis], ...]


@dataclass(frozen=True, slots=True)
class Pairing:
    """States, inputs and axes of a left cell, each with its partner of a right cell.

    `whole` tells that no state and no input of either is left without a partner.
    """

    states: tuple[tuple[State, State], ...]
    inputs: tuple[tuple[Input, Input], ...]
    axes: tuple[tuple[Axis, Axis], ...]
    whole: bool

    @property
    def renaming(self) -> dict[Expr, Expr]:
        """What the left cell calls the right cell's states (before and after the step), inputs and axes."""
        made: dict[Expr, Expr] = {right: left for left, right in (*self.states, *self.inputs, *self.axes)}
        return made | {right.next: left.next for left, right in self.states}

    def reversed(self) -> "Pairing":
        """The same with left and right exchanged."""

        def swapped(pairs: tuple[tuple[Quantity, Quantity], ...]) -> tuple[tuple[Quantity, Quantity], ...]:
            return tuple((right, left) for left, right in pairs)

        return Pairing(swapped(self.states), swapped(self.inputs), swapped(self.axes), self.whole)


@dataclass(frozen=True, slots=True)
class Pairings:
    """The ways to pair states and inputs that are looked at, best names first.

    `complete` tells that there are no others. `apart` tells that no way leaves nothing without a partner:
    that is known, not only not found.
    """

    ways: tuple[Pairing, ...]
    complete: bool
    apart: bool


def pairings(left: Cell, right: Cell) -> Pairings:
    """The ways to pair as many states and inputs as fit in role and shape, equal names and orders first."""
    counts = [len(cell.states) + len(cell.inputs) for cell in (left, right)]
    maps = list(islice(_injections(_carried_axes(left), _carried_axes(right)), MOST_AXES + 1))
    tried = [(axes, _classes(left, right, axes)) for axes in maps[:MOST_AXES]]
    reached = max(_size(classes) for _, classes in tried)
    found = [(axes, classes) for axes, classes in tried if _size(classes) == reached]
    whole = counts == [reached, reached]
    every = (
        _pairing(left, right, pairs, axes, whole)
        for axes, classes in found
        for pairs in _matchings(tuple(classes))
    )
    made = list(islice(every, MOST + 1))

    def strangers(pairing: Pairing) -> int:
        return sum(one.name != other.name for one, other in (*pairing.states, *pairing.inputs))

    all_maps = len(maps) <= MOST_AXES
    numbers = len(left.states) == len(right.states) and len(left.inputs) == len(right.inputs)
    apart = not whole and (all_maps or not numbers)
    return Pairings(tuple(sorted(made[:MOST], key=strangers)), all_maps and len(made) <= MOST, apart)


def _carried_axes(cell: Cell) -> tuple[Axis, ...]:
    """The axes of states and inputs."""
    carried = (*cell.states, *cell.inputs)
    used = {atom for quantity in carried for size in _sizes(quantity) for atom in size.atoms(Axis)}
    return tuple(axis for axis in cell.axes if axis in used)


def _sizes(quantity: Quantity) -> Shape:
    return (quantity.classes,) if isinstance(quantity, Index) else quantity.shape


def _classes(left: Cell, right: Cell, axes: AxisPairs) -> list[tuple[Group, Group]]:
    """States and inputs that may stand for each other, given which axes are which."""
    known: dict[Expr, Expr] = {other: one for one, other in axes}
    groups: dict[tuple[type[Quantity], Shape], tuple[list[Quantity], list[Quantity]]] = {}
    for quantity in (*left.states, *left.inputs):
        groups.setdefault((type(quantity), _sizes(quantity)), ([], []))[0].append(quantity)
    for quantity in (*right.states, *right.inputs):
        if all(axis in known for size in _sizes(quantity) for axis in size.atoms(Axis)):
            here = tuple(size.xreplace(known) for size in _sizes(quantity))
            groups.setdefault((type(quantity), here), ([], []))[1].append(quantity)
    return [(tuple(mine), tuple(theirs)) for mine, theirs in groups.values() if mine and theirs]


def _size(classes: list[tuple[Group, Group]]) -> int:
    return sum(min(len(mine), len(theirs)) for mine, theirs in classes)


def _matchings(classes: tuple[tuple[Group, Group], ...]) -> Iterator[Pairs]:
    """Every pairing within the classes. Those with strange names take turns first."""
    if not classes:
        yield ()
        return
    first, *rest = sorted(classes, key=_has_strangers)
    for pairs in _injections(*first):
        for others in _matchings(tuple(rest)):
            yield (*pairs, *others)


def _has_strangers(group: tuple[Group, Group]) -> bool:
    mine, theirs = ({quantity.name for quantity in side} for side in group)
    return not (mine <= theirs or theirs <= mine)


def _injections(left: Sequence[Named], right: Sequence[Named]) -> Iterator[tuple[tuple[Named, Named], ...]]:
    """Every pairing of the shorter group with members of the longer; in the first, equal names are pairs."""
    if len(right) < len(left):
        for pairs in _injections(right, left):
            yield tuple((one, other) for other, one in pairs)
        return
    partners: dict[str, Named] = {other.name: other for other in right}
    named: list[Named] = [one for one in left if one.name in partners]
    mine = [*named, *(one for one in left if one.name not in partners)]  # the last take turns first
    theirs = [partners[one.name] for one in named]
    theirs += [other for other in right if other not in theirs]
    for chosen in permutations(theirs, len(mine)):
        yield tuple(zip(mine, chosen, strict=True))


def _pairing(left: Cell, right: Cell, pairs: Pairs, axes: AxisPairs, whole: bool) -> Pairing:
    """The pairing with these partners, in the left cell's order."""
    partner = dict(pairs)
    known: dict[Axis, Axis] = {other: one for one, other in axes}
    _pair_leftover_axes(left, right, known)
    return Pairing(
        tuple((state, partner[state]) for state in left.states if state in partner),
        tuple((given, partner[given]) for given in left.inputs if given in partner),
        tuple((one, other) for other, one in known.items()),
        whole,
    )


def _pair_leftover_axes(left: Cell, right: Cell, known: dict[Axis, Axis]) -> None:
    """Axes of parameters alone, in their order."""
    mine = [axis for axis in left.axes if axis not in known.values()]
    theirs = [axis for axis in right.axes if axis not in known]
    known.update(zip(theirs, mine, strict=False))
    taken = {axis.name for axis in left.axes}
    for axis in theirs[len(mine) :]:
        name = axis.name
        while name in taken:
            name += "_"
        known[axis] = Axis(name)


@dataclass(frozen=True, slots=True)
class World:
    """The right cell's functions in the left cell's terms.

    `values` pairs what a value is with it. The parameters are `symbols`, pairs of a symbol of the right form
    and the part that stands for it here: what a parameter of the right is called must not be taken for the
    left's of the same name.
    """

    states: tuple[tuple[State, Expr], ...]
    output: Expr
    values: tuple[tuple[Expr, Value], ...]
    symbols: tuple[tuple[Quantity, Part], ...]
    renaming: Mapping[Expr, Expr]

    @property
    def unknowns(self) -> tuple[Part, ...]:
        """What stands for the parameters, in order."""
        return tuple(part for _, part in self.symbols)


def translated(left: Form, right: Form, pairing: Pairing) -> World:
    """The form of the right cell with the left cell's states, inputs and axes."""
    axes = {other: one for one, other in pairing.axes}
    symbols = tuple(
        (
            symbol,
            Part(f"{symbol.name}'", *(size.xreplace(axes) for size in symbol.shape), latex=symbol.latex_name),
        )
        for symbol in right.symbols
    )
    renaming: dict[Expr, Expr] = {**pairing.renaming, **dict(symbols)}
    for constant in right.cell.constants:
        renaming[constant] = _same_constant(constant, left.cell, axes)
    partners = {other: one for one, other in pairing.states}
    states = tuple(
        (partners[state], expr.xreplace(renaming)) for state, expr in right.states if state in partners
    )
    values = tuple((normal(expr.xreplace(renaming), {}), value) for value, expr in right.values)
    return World(states, right.output.xreplace(renaming), values, symbols, renaming)


def _same_constant(constant: Constant, left: Cell, axes: dict[Axis, Axis]) -> Quantity:
    """The left cell's constant of the same value and shape; else a symbol of its own."""
    shape = tuple(size.xreplace(axes) for size in constant.shape)
    equal = [c for c in left.constants if c.value == constant.value and c.shape == shape]
    named = [c for c in equal if c.name == constant.name]
    return next(iter(named or equal), Part(f"{constant.name}'", *shape, latex=constant.latex_name))
