"""Room for arrays: a request that no machine of this size can serve is refused before memory is touched."""

import math
import os
import sys
from collections.abc import Iterable, Mapping

from symrnn.checking.reference import numeric_shape
from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Quantity
from symrnn.errors import RequestError


def require_room(what: str, numbers: int, itemsize: int, repair: str) -> None:
    """Raise unless so many numbers of `itemsize` bytes fit into this machine's memory.

    Raises:
        RequestError: they do not; the message begins with `what` and ends with `repair`.
    """
    size, memory = numbers * itemsize, machine_memory()
    if size > memory:
        raise RequestError(f"{what} take {size:,} bytes, but this machine has {memory:,}. {repair}")


def machine_memory() -> int:
    """The bytes of this machine's memory; where it does not tell, all that could be addressed."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def numbers_of(cell: Cell, lengths: Mapping[Axis, int], T: int, B: int) -> int:
    """How many numbers a run holds at least: parameters, inputs and outputs over time, and a state."""
    shared = _count(cell, lengths, (*cell.parameters, *cell.constants))
    over_time = _count(cell, lengths, (*cell.inputs, cell.output))
    return shared + T * B * over_time + B * _count(cell, lengths, cell.states)


def _count(cell: Cell, lengths: Mapping[Axis, int], quantities: Iterable[Quantity]) -> int:
    return sum(math.prod(numeric_shape(cell.shape_of(q), lengths)) for q in quantities)
