"""Gradients by central differences: what the proof rests on where JAX is not installed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.formulas import Array


def slopes(
    array: NDArray[np.float64], run: Callable[[], Mapping[str, Any]], weights: Mapping[str, Any]
) -> NDArray[np.float64]:
    """The gradient by `array` of the weighted sum of what `run()` returns, by central differences.

    `run` reads the array, which is changed element by element and left as it was.
    """
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        centre = float(array[index])
        step = float(np.finfo(np.float64).eps) ** (1 / 3) * max(1.0, abs(centre))
        array[index] = above = centre + step
        high = run()
        array[index] = below = centre - step
        low = run()
        array[index] = centre
        rises = [float(np.sum(weight * (high[key] - low[key]))) for key, weight in weights.items()]
        gradient[index] = sum(rises) / (above - below)
    return gradient


class HeldValues:
    """A stop_gradient for differences: later runs see the values of the first one."""

    def __init__(self) -> None:
        self.held: list[Array] = []
        self.position: int | None = None

    def rewind(self) -> None:
        """Replay from the start."""
        self.position = 0

    def __call__(self, array: Array) -> Array:
        """The array at this place in the run, as the first run had it."""
        if self.position is None:
            self.held.append(np.array(array))  # a copy: the differences change arrays in place
            return array
        self.position += 1
        return self.held[self.position - 1]
