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
from symrnn.kernels.target import Offer, Target
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

TARGET = Target(
    "numpy",
    "NumPy",
    NAMES,
    (
        *(printer.offer for printer in PRINTERS),
        Offer(MINIMAL, emit_minimal, saves=("all",), passes=AS_WRITTEN),
    ),
    model=PRINTERS[0],
)
