"""Whether arrays are what they should be: names, shapes and dtypes, and the sizes that follow from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from sympy import Integer

from symrnn.declaration.axes import Axis, Shape, Size, axes_of, shape_text
from symrnn.layouts.packing import numbers
from symrnn.layouts.records import Arrays, Shapes, Sizes

DTYPES = np.float32, np.float64
NAMED = 6
"""So many names a message lists."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The sizes that arrays tell, what is wrong with them in sentences, and with how many of them."""

    sizes: Sizes
    faults: tuple[str, ...]
    wrong: int


def told(pairs: Iterable[tuple[Size, int]], known: Sizes) -> dict[Axis, Integer]:
    """The axes' sizes that lengths tell, each the one that most of them say."""
    pairs, found = list(pairs), dict(known)
    while True:
        votes: dict[Axis, Counter[int]] = {}
        for size, length in pairs:
            left = size.xreplace(found)
            for axis in axes_of((left,)):
                factor, rest = left.coeff(axis), left.coeff(axis, 0)
                if left == factor * axis + rest and factor.is_Integer and rest.is_Integer:
                    share, remainder = divmod(length - int(rest), int(factor))
                    if not remainder and share > 0:
                        votes.setdefault(axis, Counter())[share] += 1
        if not votes:
            return found
        found |= {axis: Integer(count.most_common(1)[0][0]) for axis, count in votes.items()}


def fit(wholes: Shapes, given: Arrays, known: Sizes | None = None) -> Fit:
    """How arrays fit the names and shapes that they should have."""
    common = {key: (shape, given[key].shape) for key, shape in wholes.items() if key in given}
    alike = [zip(*pair, strict=True) for pair in common.values() if len(pair[0]) == len(pair[1])]
    sizes = told((pair for pairs in alike for pair in pairs), known or {})
    missing = [key for key in wholes if key not in given]
    surplus = [key for key in given if key not in wholes]
    for number, key in enumerate(surplus[:NAMED]):
        surplus[number] += "".join(f" ({near}?)" for near in get_close_matches(key, missing or wholes, 1))
    misshapen = [
        f"{key} has shape {found}; it should have {_shape_text(shape, expected)}"
        for key, (shape, found) in common.items()
        if found != (expected := numbers(shape, sizes))
    ]
    odd = [f"{key} is of dtype {array.dtype}" for key, array in given.items() if array.dtype not in DTYPES]
    firsts = {array.dtype: f"{key} is of dtype {array.dtype}" for key, array in reversed([*given.items()])}
    faults = (
        f"Missing: {listed(missing)}." if missing else "",
        f"Not part of it: {listed(surplus)}." if surplus else "",
        f"{listed(misshapen, '; ')}." if misshapen else "",
        f"{listed(odd)}; weights are float32 or float64: convert them." if odd else "",
        f"{listed([*firsts.values()])}; give all one dtype." if len(firsts) > 1 and not odd else "",
    )
    return Fit(sizes, tuple(filter(None, faults)), len((*missing, *surplus, *misshapen, *odd)))


def _shape_text(shape: Shape, expected: tuple[int, ...]) -> str:
    text = shape_text(shape)
    return text if text == str(expected) or 0 in expected else f"{text} = {expected}"


def listed(names: Sequence[str], comma: str = ", ") -> str:
    """Names with commas between, the first of many."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return comma.join(names[:NAMED]) + more
