"""The sizes of a benchmark, and the arrays that every contender gets: drawn once, handed over in a file."""

import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symrnn.bench.names import GRID
from symrnn.checking.memory import numbers_of, require_room
from symrnn.checking.reference import numeric_shape, numeric_size
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.errors import RequestError
from symrnn.files import write

Arrays: TypeAlias = dict[str, NDArray[Any]]

_GROUPS = ("parameters", "constants", "inputs", "states")


@dataclass(frozen=True, slots=True)
class Size:
    """T steps of B samples; every axis of the cell has the length `H`.

    So the inputs are as wide as the states (D = H), and so is whatever other axis a cell has: the heads of a
    memory, the width of a read-out, both sides of a matrix state.
    """

    T: int
    B: int
    H: int

    def __str__(self) -> str:
        return f"{self.T},{self.B},{self.H}"


def parse_sizes(grid: str) -> tuple[Size, ...]:
    """The sizes in a text such as "50,1,32 100,16,64".

    Raises:
        RequestError: an entry is not three positive whole numbers, or there is none.
    """
    sizes = []
    for entry in grid.split():
        numbers = [int(text) if text.isdecimal() else 0 for text in entry.split(",")]
        if len(numbers) != 3 or min(numbers) < 1:
            raise RequestError(
                f"In --grid, {entry!r} is no size. Write T,B,D with positive whole numbers, D for every axis "
                f'of the cell, and spaces between sizes, as in "{GRID}".'
            )
        sizes.append(Size(*numbers))
    if not sizes:
        raise RequestError(f'--grid names no size. Write T,B,D for each, as in "{GRID}".')
    return tuple(dict.fromkeys(sizes))


def require_size(cell: Cell, size: Size) -> None:
    """Raise unless this machine has room for the arrays of a cell.

    Raises:
        RequestError: it has not.
    """
    numbers = numbers_of(cell, dict.fromkeys(cell.axes, size.H), size.T, size.B)
    itemsize = np.dtype(np.float32).itemsize
    require_room(
        f"In --grid, the arrays of {cell.name!r} at {size}", numbers, itemsize, "Take smaller sizes."
    )


@dataclass(frozen=True, slots=True)
class Data:
    """Arrays by name, float32 or int64: inputs (T, B, ...), states (B, ...), d_outputs (T, B, ...).

    All are in the order of the cell's declaration.
    """

    parameters: Arrays
    constants: Arrays
    inputs: Arrays
    states: Arrays
    d_outputs: NDArray[Any]

    @property
    def batch(self) -> int:
        """The number of samples."""
        return int(self.d_outputs.shape[1])

    @property
    def step_inputs(self) -> Arrays:
        """The inputs of one time step of one sample."""
        return {name: np.ascontiguousarray(array[0, :1]) for name, array in self.inputs.items()}

    @property
    def step_states(self) -> Arrays:
        """The state of one sample."""
        return {name: np.ascontiguousarray(array[:1]) for name, array in self.states.items()}

    def save(self, path: Path) -> None:
        """Write the arrays to a file."""
        named = {f"{group} {name}": a for group in _GROUPS for name, a in getattr(self, group).items()}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, d_outputs=self.d_outputs, **named)
        write(path, file.getvalue(), force=True)

    @classmethod
    def load(cls, path: Path) -> "Data":
        """The arrays from a file."""
        groups: dict[str, Arrays] = {group: {} for group in _GROUPS}
        with np.load(path) as file:
            for key in file.files:
                group, _, name = key.partition(" ")
                if name:
                    groups[group][name] = file[key]
            return cls(**groups, d_outputs=file["d_outputs"])


def draw_data(cell: Cell, kernel: ModuleType, size: Size) -> Data:
    """Random arrays for `cell`: parameters as its `kernel` draws fresh ones, the rest normal."""
    rng = np.random.default_rng(0)
    lengths = dict.fromkeys(cell.axes, size.H)

    def normal(quantity: Quantity, *lead: int) -> NDArray[np.float32]:
        return rng.standard_normal((*lead, *numeric_shape(cell.shape_of(quantity), lengths)), np.float32)

    def given(quantity: Quantity) -> NDArray[Any]:
        if isinstance(quantity, Index):
            return rng.integers(0, numeric_size(quantity.classes, lengths), (size.T, size.B))
        return normal(quantity, size.T, size.B)

    drawn = kernel.init(rng, **{axis.name: size.H for axis in cell.axes})
    return Data(
        parameters={q.name: np.asarray(getattr(drawn, q.name)) for q in cell.parameters},
        constants={q.name: np.asarray(getattr(drawn, q.name)) for q in cell.constants},
        inputs={q.name: given(q) for q in cell.inputs},
        states={q.name: normal(q, size.B) / 2 for q in cell.states},
        d_outputs=normal(cell.output, size.T, size.B),
    )
