"""Numba: the loop over time compiled, the batch cut across threads."""

from symrnn.kernels.arrays import ArrayPrinter
from symrnn.kernels.contract import FULL
from symrnn.kernels.numba.module import NAMES, PRIVATE, THREADS, numba_context, numba_prepared
from symrnn.kernels.numba.proving import numba_surroundings
from symrnn.kernels.target import Offer, Target

PRINTER = ArrayPrinter(
    "numba",
    "Numba",
    FULL,
    NAMES,
    PRIVATE,
    numba_prepared,
    numba_context,
    lambda home: {"home": home},
    THREADS,
)

TARGET = Target(
    "numba",
    "Numba",
    NAMES,
    (Offer(FULL, PRINTER.text),),
    compiled=True,
    model=PRINTER,
    surroundings=numba_surroundings,
)
