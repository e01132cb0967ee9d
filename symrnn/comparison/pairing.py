"""Which states, inputs and axes of one cell could stand for those of another: by number, role and shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, permutations, product

from sympy import Expr

from symrnn.comparison.forms import Form, normal
from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Constant, Index, Input, Part, Quantity, State, Value

MOST = 120
"""How many ways of pairing states and inputs are looked at."""


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


def pairings(left: Cell, right: Cell) -> tuple[Pairing, ...]:
    """Every way to pair as many states and inputs as there are, equal names and orders first."""
    whole = len(left.states) == len(right.states) and len(left.inputs) == len(right.inputs)
    made = []
    for states, inputs in islice(
        product(_injections(left.states, right.states), _injections(left.inputs, right.inputs)), MOST
    ):
        known: dict[Axis, Axis] = {}
        if all(_fits(one, other, known) for one, other in (*states, *inputs)):
            _pair_leftover_axes(left, right, known)
            axes = tuple((one, other) for other, one in known.items())
            made.append(Pairing(states, inputs, axes, whole))
    if not made:
        made.append(Pairing((), (), (), False))

    def strangers(pairing: Pairing) -> int:
        return sum(one.name != other.name for one, other in (*pairing.states, *pairing.inputs))

    return tuple(sorted(made, key=strangers))


def _injections(
    left: tuple[Quantity, ...], right: tuple[Quantity, ...]
) -> Iterator[tuple[tuple[Quantity, Quantity], ...]]:
    """Every pairing of the shorter group with members of the longer."""
    if len(right) >= len(left):
        for chosen in permutations(right, len(left)):
            yield tuple(zip(left, chosen, strict=True))
    else:
        for chosen in permutations(left, len(right)):
            yield tuple(zip(chosen, right, strict=True))


def _fits(left: Quantity, right: Quantity, known: dict[Axis, Axis]) -> bool:
    """Whether two quantities have one role and one shape, given which axes (of the right) are which."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Index) and not _same_sizes((left.classes,), (right.classes,), known):
        return False
    return _same_sizes(left.shape, right.shape, known)


def _same_sizes(left: Shape, right: Shape, known: dict[Axis, Axis]) -> bool:
    if len(left) != len(right):
        return False
    for one, other in zip(left, right, strict=True):
        if isinstance(one, Axis) and isinstance(other, Axis) and other not in known:
            if one in known.values():
                return False
            known[other] = one
        elif other.xreplace(known) != one:
            return False
    return True


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
