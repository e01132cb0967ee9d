"""The one way by which weights are moved: views of the pieces of some arrays, filled from those of others."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from symrnn.layouts.fitting import Sizes, numbers
from symrnn.layouts.packing import Arrays
from symrnn.layouts.records import BIASES, Array, spans

Views = Mapping[tuple[str, str], tuple[np.ndarray[Any, Any], int]]
"""Views of pieces, with their signs, by kind and gate."""


def views(arrays: Iterable[Array], stored: Arrays, sizes: Sizes) -> Views:
    """The pieces of arrays as matrices that are views of these; a vector is a row."""
    made = {}
    for array in arrays:
        block = stored[array.name].T if array.transposed else np.atleast_2d(stored[array.name])
        for piece, rows, columns in spans(array):
            (top, bottom), (left, right) = numbers(rows, sizes), numbers(columns, sizes)
            made[piece.kind, piece.gate] = block[top:bottom, left:right], piece.sign
    return made


def move(source: Views, target: Views) -> None:
    """Fill all pieces of the target.

    Where it has one bias per gate and the source two, that is their sum; where it has two and the source one,
    that is the first, and the second is zero.
    """
    for (kind, gate), (place, sign) in target.items():
        kinds = BIASES if kind == "b" and ("d", gate) not in target else kind
        found = [source[k, gate] for k in kinds if (k, gate) in source]
        place[...] = _sum([view if sign == other else -view for view, other in found])


def _sum(parts: list[np.ndarray[Any, Any]]) -> Any:
    """The sum of arrays; what is added to zero keeps its bits, minus zero included."""
    total: Any = 0.0
    for number, part in enumerate(parts):
        total = np.where(part == 0, total, total + part) if number else part
    return total
