"""Whether arrays are what they should be: names, shapes and dtypes, and the sizes that follow from them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sympy import Integer

from symrnn.declaration.axes import Axis, Shape, Size, axes_of, shape_text
from symrnn.layouts.packing import Arrays

Sizes = Mapping[Axis, Integer]
NAMED = 6
"""So many names a message lists."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The sizes that arrays tell, and what is wrong with them: sentences, none if nothing is."""

    sizes: Sizes
    faults: tuple[str, ...]


def numbers(shape: Shape, sizes: Mapping[Axis, Integer]) -> tuple[int, ...]:
    """A shape in numbers; sizes that are not known are 0, which no array has."""
    known = [size.xreplace(dict(sizes)) for size in shape]
    return tuple(int(size) if size.is_Integer else 0 for size in known)


def told(pairs: Iterable[tuple[Size, int]], known: Mapping[Axis, Integer]) -> dict[Axis, Integer]:
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


def fit(wholes: Mapping[str, Shape], given: Arrays, known: Mapping[Axis, Integer] | None = None) -> Fit:
    """How arrays fit the names and shapes that they should have."""
    common = {key: (shape, given[key].shape) for key, shape in wholes.items() if key in given}
    pairs = [
        pair
        for shape, found in common.values()
        if len(shape) == len(found)
        for pair in zip(shape, found, strict=True)
    ]
    sizes = told(pairs, known or {})
    faults = [*_wrong_names(wholes, given)]
    wrong = [
        f"{key} has shape {found}; it should have {_shape_text(shape, expected)}"
        for key, (shape, found) in common.items()
        if found != (expected := numbers(shape, sizes))
    ]
    faults += [f"{'; '.join(wrong[:NAMED])}{_more(wrong)}."] if wrong else []
    return Fit(sizes, (*faults, *_wrong_dtypes(given)))


def _shape_text(shape: Shape, expected: tuple[int, ...]) -> str:
    text = shape_text(shape)
    return text if text == str(expected) or 0 in expected else f"{text} = {expected}"


def _wrong_names(wholes: Mapping[str, Shape], given: Arrays) -> Iterable[str]:
    missing = [key for key in wholes if key not in given]
    surplus = [key for key in given if key not in wholes]
    if missing:
        yield f"Missing: {listed(missing)}."
    if surplus:
        near = {key: get_close_matches(key, missing or wholes, 1) for key in surplus}
        yield f"Not part of it: {listed([f'{k} ({near[k][0]}?)' if near[k] else k for k in surplus])}."


def _wrong_dtypes(given: Arrays) -> Iterable[str]:
    kinds = {key: array.dtype for key, array in given.items()}
    odd = [f"{key} is of dtype {dtype}" for key, dtype in kinds.items() if dtype.kind != "f"]
    if odd:
        yield f"{listed(odd)}; weights are floating-point numbers."
    elif len(found := {dtype: key for key, dtype in reversed(kinds.items())}) > 1:
        yield f"{listed([f'{key} is of dtype {dtype}' for dtype, key in found.items()])}; give all one dtype."


def listed(names: Iterable[str]) -> str:
    """Names with commas between, the first of many."""
    names = list(names)
    return ", ".join(names[:NAMED]) + _more(names)


def _more(things: Sequence[str]) -> str:
    return f" and {len(things) - NAMED} more" if len(things) > NAMED else ""
