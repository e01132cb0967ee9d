"""Numba: the loop over time compiled, the batch cut across threads."""

from symrnn.kernels.arrays import ArrayPrinter
from symrnn.kernels.contract import FULL, FUNCTIONAL
from symrnn.kernels.numba.module import NAMES, PRIVATE, THREADS, numba_context, numba_prepared
from symrnn.kernels.numba.proving import numba_surroundings
from symrnn.kernels.target import Target

PRINTERS = tuple(
    ArrayPrinter(
        "numba",
        "Numba",
        contract,
        NAMES,
        PRIVATE,
        numba_prepared,
        numba_context,
        lambda home: {"home": home},
        THREADS,
    )
    for contract in (FULL, FUNCTIONAL)
)

TARGET = Target(
    "numba",
    "Numba",
    NAMES,
    tuple(printer.offer for printer in PRINTERS),
    compiled=True,
    model=PRINTERS[0],
    surroundings=numba_surroundings,
)
