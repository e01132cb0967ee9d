"""Plain Python: what the target is called, offers and can do."""

from typing import Any

import numpy as np

from symrnn.kernels.contract import RUN, Contract, Function
from symrnn.kernels.python.printer import NAMES, emit
from symrnn.kernels.target import Offer, Target
from symrnn.planning.passes import AS_WRITTEN

ARGUMENTS = ("parameters", "inputs", "state=None")
CONTRACT = Contract(
    "full",
    "all steps, all steps back, and single ones, on nested lists",
    (
        Function("forward", "outputs, the final state and the tape for `backward`", ARGUMENTS),
        Function("predict", "outputs and the final state", ARGUMENTS),
        Function("step", "one time step", ARGUMENTS),
        Function("backward", "all gradients", ("parameters", "tape", "d_outputs", "d_state=None")),
    ),
    RUN,
)


def nested(array: Any) -> Any:
    """An array as nested lists of its numbers."""
    return [nested(array[i]) for i in range(len(array))] if array.ndim else array


def stacked(numbers: Any) -> Any:
    """Nested lists of numbers as an array."""
    if not isinstance(numbers, list):
        return np.asanyarray(numbers)
    return np.concatenate([stacked(part)[None] for part in numbers])


TARGET = Target(
    "python",
    "plain Python",
    NAMES,
    (Offer(CONTRACT, emit, saves=("all",), passes=AS_WRITTEN),),
    dtypes=("float64",),
    given=nested,
    taken=stacked,
)
