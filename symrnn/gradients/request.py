"""What `symrnn gradients` is asked for: lengths, draws, and changes to freshly drawn parameters."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.memory import numbers_of, require_room
from symrnn.checking.reference import numeric_shape
from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.running.amounts import require_whole

LARGEST = 1024
"""The most numbers that the states of one sample may hold: a Jacobian has the square of it."""

SET, SCALE = "--set", "--scale"


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a parameter or constant after it is drawn: `option` is "--set" or "--scale"."""

    option: str
    name: str
    number: float

    def applies_to(self, cell: Cell) -> bool:
        """Whether the cell has such a parameter or constant."""
        return self.name in _names(cell)

    def applied(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """The array in place of `drawn`: full of the number, or multiplied by it."""
        return np.full_like(drawn, self.number) if self.option == SET else self.number * drawn

    def __str__(self) -> str:
        sign = "=" if self.option == SET else "times"
        return f"{self.name} {sign} {self.number:g}"


@dataclass(frozen=True, slots=True)
class GradientRequest:
    """The length T of the sequence, the sizes of axes, and what is drawn how often.

    Every axis of a state is `hidden` long, every other one `inputs`, which is None for as long as the states.
    """

    steps: int = 100
    hidden: int = 64
    inputs: int | None = None
    samples: int = 5
    seed: int = 0
    changes: tuple[Change, ...] = ()

    @property
    def sizes(self) -> str:
        """The options that say how large arrays are, as a user writes them."""
        given = "" if self.inputs is None else f" --input {self.inputs}"
        return f"--steps {self.steps} --hidden {self.hidden}{given}"

    def __post_init__(self) -> None:
        options = {"steps": self.steps, "hidden": self.hidden, "input": self.inputs, "samples": self.samples}
        for option, number in options.items():
            if number is not None:
                require_whole(f"--{option}", number, 1)


def parse_changes(sets: Iterable[str], scales: Iterable[str]) -> tuple[Change, ...]:
    """The changes in texts such as "b_f=1", those that set before those that scale.

    Raises:
        RequestError: a text is not NAME=NUMBER with a finite number, or a name comes twice.
    """
    changes = (*(_parsed(SET, text) for text in sets), *(_parsed(SCALE, text) for text in scales))
    names = [change.name for change in changes]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{SET} and {SCALE} name {name!r} {names.count(name)} times. Name it once.")
    return changes


def _parsed(option: str, text: str) -> Change:
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or not math.isfinite(number):
        raise RequestError(
            f"In {option}, {text!r} is no NAME=NUMBER. Give a parameter's name and a finite number, such as "
            f"{option} b_f=1."
        )
    return Change(option, name, number)


def axis_lengths(cell: Cell, request: GradientRequest) -> dict[Axis, int]:
    """The length of every axis of `cell`."""
    own, inputs = _state_axes(cell), request.inputs or request.hidden
    return {axis: request.hidden if axis in own else inputs for axis in cell.axes}


def require_measurable(cells: Sequence[Cell], request: GradientRequest) -> None:
    """Raise unless gradients flow through every one of `cells` as requested.

    Raises:
        RequestError: a cell has no state or states that are too large, two cells have one name, none of
            the cells has a parameter that is to be changed or an axis that `inputs` gives a length to, or
            this machine has no room for parameters or sequences.
    """
    names = [cell.name for cell in cells]
    for cell in cells:
        if names.count(cell.name) > 1:
            raise RequestError(
                f"Two of the cells are named {cell.name}, so their figures could not be told apart. Name "
                "each cell once, and cells of one name in different commands."
            )
        if not cell.states:
            raise RequestError(
                f"The cell {cell.name!r} has no state, so no gradient flows through time in it. Name a cell "
                "with a state."
            )
        _require_width(cell, request.hidden)
        require_room(
            f"The parameters and sequences of {cell.name!r} with {request.sizes}",
            numbers_of(cell, axis_lengths(cell, request), request.steps, 1),
            np.dtype(np.float64).itemsize,
            "Take fewer --steps or a smaller --input.",
        )
    if request.inputs is not None and all(set(cell.axes) <= _state_axes(cell) for cell in cells):
        raise RequestError(
            f"--input is {request.inputs}, but every axis of {', '.join(cell.name for cell in cells)} is one "
            "of a state. Leave it out; --hidden gives their length."
        )
    for change in request.changes:
        if not any(change.applies_to(cell) for cell in cells):
            known = "; ".join(f"{cell.name} has {', '.join(_names(cell)) or 'none'}" for cell in cells)
            raise RequestError(
                f"{change.option} names {change.name!r}, but no such parameter exists. Parameters: {known}."
            )


def _require_width(cell: Cell, hidden: int) -> None:
    def width(length: int) -> int:
        lengths = dict.fromkeys(_state_axes(cell), length)
        return sum(math.prod(numeric_shape(state.shape, lengths)) for state in cell.states)

    if width(hidden) <= LARGEST:
        return
    fitting = bisect_right(range(1, min(hidden, LARGEST + 1)), LARGEST, key=width)
    repair = f"Take at most --hidden {fitting}." if fitting else "They are too large at any --hidden."
    raise RequestError(
        f"The states of {cell.name!r} hold {width(hidden)} numbers at --hidden {hidden}; Jacobians of more "
        f"than {LARGEST} rows take too long. {repair}"
    )


def _state_axes(cell: Cell) -> set[Axis]:
    return {axis for state in cell.states for size in state.shape for axis in size.atoms(Axis)}


def _names(cell: Cell) -> tuple[str, ...]:
    return tuple(q.name for q in (*cell.parameters, *cell.constants))
