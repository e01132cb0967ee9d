"""NumPy: readable statements, one line each, and a Python loop over time."""

from symrnn.kernels.arrays import ArrayPrinter
from symrnn.kernels.contract import MINIMAL
from symrnn.kernels.numpy.minimal import emit_minimal
from symrnn.kernels.numpy.module import (
    CONTRACTS,
    NAMES,
    NO_THREADS,
    PRIVATE,
    numpy_context,
    numpy_prepared,
)
from symrnn.kernels.target import Field, Offer, Surroundings, Target
from symrnn.planning.passes import AS_WRITTEN

PRINTERS = tuple(
    ArrayPrinter(
        "numpy",
        "NumPy",
        contract,
        NAMES,
        PRIVATE,
        numpy_prepared,
        numpy_context,
        lambda _: {},
        NO_THREADS,
    )
    for contract in CONTRACTS
)


def numpy_surroundings(field: Field) -> Surroundings:
    """Small pieces of time: two steps of two samples, and one."""
    return Surroundings(functions={"_ROWS": 4, **field.approximations})


TARGET = Target(
    "numpy",
    "NumPy",
    NAMES,
    (
        *(printer.offer for printer in PRINTERS),
        Offer(MINIMAL, emit_minimal, saves=("all",), passes=AS_WRITTEN),
    ),
    model=PRINTERS[0],
    surroundings=numpy_surroundings,
)
