"""What frameworks' functions do to the elements with which their texts are proved."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from symrnn.kernels.target import Field
from symrnn.vocabulary.families import POINTWISE
from symrnn.vocabulary.functions import Spelling


class Arrays:
    """Functions that NumPy has under other names, or not at all."""

    def __init__(self, field: Field) -> None:
        """Make arrays of a field's elements."""
        self.numpy = field.numpy

    def stacked(self, arrays: Sequence[Any]) -> Any:
        """Arrays one after the other along a new first axis."""
        made = self.numpy.empty((len(arrays), *arrays[0].shape))
        for place, array in enumerate(arrays):
            made[place] = array
        return made

    def repeated(self, array: Any, shape: tuple[int, ...]) -> Any:
        """An array repeated along new axes."""
        return self.numpy.zeros(shape) + array

    def one_hot(self, index: Any, size: int, **_: Any) -> Any:
        """The unit vectors that indices name."""
        return self.numpy.eye(size)[index]

    def cut(self, array: Any, places: Sequence[int], axis: int) -> list[Any]:
        """The parts of an array between places along an axis."""
        ends = [0, *places, array.shape[axis]]
        return [array[(slice(None),) * axis + (slice(*pair),)] for pair in pairwise(ends)]

    def picked(self, array: Any, index: Any, axis: int) -> Any:
        """What indices pick along an axis, which goes."""
        samples = index.reshape(index.shape[:axis])
        return array[(*np.indices(samples.shape, sparse=True), samples)]


def spelled(
    of_arrays: Callable[[Any], Any], spelling: Callable[[Spelling], str], prefix: str
) -> dict[str, Any]:
    """What `of_arrays` makes of functions that a framework has under a prefix, by the rest of their names."""
    names = {spelling(function.facts.spelling): function for function in POINTWISE}
    return {
        name.removeprefix(prefix): of_arrays(function)
        for name, function in names.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isidentifier()
    }


def own(of_arrays: Callable[[Any], Any], spelling: Callable[[Spelling], str]) -> dict[str, Any]:
    """Those that a module defines, by their names."""
    functions = spelled(of_arrays, spelling, "_")
    return {f"_{name}": function for name, function in functions.items()}
