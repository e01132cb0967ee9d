"""NumPy: readable statements, one line each, and a Python loop over time."""

from symrnn.kernels.arrays import ArrayPrinter
from symrnn.kernels.contract import MINIMAL
from symrnn.kernels.numpy.minimal import emit_minimal
from symrnn.kernels.numpy.module import (
    CONTRACT,
    NAMES,
    NO_THREADS,
    PRIVATE,
    numpy_context,
    numpy_prepared,
)
from symrnn.kernels.target import Field, Offer, Surroundings, Target

PRINTER = ArrayPrinter(
    "numpy",
    "NumPy",
    CONTRACT,
    NAMES,
    PRIVATE,
    numpy_prepared,
    numpy_context,
    lambda _: {},
    NO_THREADS,
)


def numpy_surroundings(field: Field) -> Surroundings:
    """Small pieces of time: two steps of two samples, and one."""
    return Surroundings(functions={"_ROWS": 4, **field.approximations})


TARGET = Target(
    "numpy",
    "NumPy",
    NAMES,
    (Offer(CONTRACT, PRINTER.text), Offer(MINIMAL, emit_minimal, saves=("all",), as_written=True)),
    model=PRINTER,
    surroundings=numpy_surroundings,
)
