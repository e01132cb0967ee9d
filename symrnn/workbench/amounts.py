"""Numbers that a user asks for: whole ones from a least one on, and no more than memory holds."""

import math
import os
from collections.abc import Iterable, Mapping

import numpy as np

from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Quantity
from symrnn.errors import RequestError, shown
from symrnn.workbench.reference import numeric_shape

BYTES = 8
"""Of a number in float64."""


def require_whole(name: str, number: object, least: int = 0) -> None:
    """Raise unless `number`, which the user knows as `name`, is a whole number from `least` on.

    Raises:
        RequestError: it is not.

    """
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or number < least:  # type: ignore[operator]
        raise RequestError(f"{name} is {shown(number)}. Give a whole number from {least} on.")


def require_memory(count: int, what: str, repair: str, size: int = BYTES) -> None:
    """Raise if `what` needs more memory for `count` numbers of `size` bytes than the machine has.

    Raises:
        RequestError: it does; the message ends with `repair`.

    """
    there = physical_memory()
    if there is not None and count * size > there:
        raise RequestError(
            f"{what} needs {count * size / 2**30:,.1f} GiB of memory, and this machine has "
            f"{there / 2**30:,.1f}. {repair}"
        )


def numbers_of(cell: Cell, lengths: Mapping[Axis, int], steps: int) -> int:
    """How many numbers the arrays of `cell` hold, those that move over so many steps of all samples."""

    def count(quantities: Iterable[Quantity]) -> int:
        return sum(math.prod(numeric_shape(cell.shape_of(q), lengths)) for q in quantities)

    moving = count((*cell.inputs, *cell.states, cell.output))
    return count((*cell.parameters, *cell.constants)) + steps * moving


def physical_memory() -> int | None:
    """The bytes of memory that the machine has; None where the system does not tell."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
