"""NumPy as an emitted module sees it while it is proved: arrays of floats hold elements of the field."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.validation.elements import Element, Elements, chosen_where, computed, elements, residues
from symrnn.validation.functions import value_of
from symrnn.validation.maps import MAPS, number_exp
from symrnn.validation.prime import PRIME, Draws, Residues
from symrnn.vocabulary.families import POINTWISE
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction


class _ArrayType(type):
    """`np.ndarray`: every array is one, and a new one holds elements."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, np.ndarray)


class _Array(np.ndarray, metaclass=_ArrayType):
    def __new__(cls, shape: Any, dtype: Any = float, buffer: Any = None) -> Any:
        return np.ndarray.__new__(Elements if _is_real(dtype) else np.ndarray, shape, dtype, buffer)


class _Masked:
    """`np.ma.MaskedArray`: no array that a proof gives is one, and NumPy's own takes long to load."""


def _is_real(dtype: Any) -> bool:
    return bool(np.dtype(dtype).kind == "f")


class FieldNumpy:
    """The functions of NumPy that make arrays, for elements; all others are NumPy's own.

    Memory that nothing has written holds random elements.
    """

    ndarray = _Array
    ma = SimpleNamespace(MaskedArray=_Masked)

    def __init__(self, seed: int) -> None:
        """Draw the contents of unwritten memory by `seed`."""
        self.rng = Draws(seed, 11)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def where(self, condition: Any, chosen: Any, otherwise: Any) -> Any:
        """One of two numbers for each place; single elements, which NumPy would take for objects, too."""
        if any(isinstance(value, Element) for value in (chosen, otherwise)):
            return chosen_where(condition, chosen, otherwise)
        return np.where(condition, chosen, otherwise)

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        """Unwritten memory."""
        if not _is_real(dtype):
            return np.empty(shape, dtype)
        return elements(self.rng.integers(0, PRIME, shape)).astype(dtype)

    def empty_like(self, array: Any, dtype: Any = None) -> Any:
        """Unwritten memory of the shape of an array."""
        return self.empty(array.shape, array.dtype if dtype is None else dtype)

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        """Zeros."""
        return self.asarray(np.zeros(shape, dtype))

    def ones(self, shape: Any, dtype: Any = float) -> Any:
        """Ones."""
        return self.asarray(np.ones(shape, dtype))

    def full(self, shape: Any, value: Any, dtype: Any = None) -> Any:
        """One number everywhere."""
        return self.asarray(np.full(shape, value, dtype))

    def eye(self, size: Any, dtype: Any = float) -> Any:
        """The identity matrix."""
        return self.asarray(np.eye(size, dtype=dtype))

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        """An array of elements, if it is one of floats."""
        if isinstance(value, Elements):
            return value
        if isinstance(value, Element):
            return elements(value.residue)
        array = np.asarray(value, dtype)
        return elements(residues(array)) if array.dtype.kind == "f" else array

    def array(self, value: Any, dtype: Any = None) -> Any:
        """A new array of elements, if it is one of floats."""
        return self.asarray(value, dtype).copy()

    def ascontiguousarray(self, value: Any) -> Any:
        """The array itself or a contiguous copy, which has an axis at least."""
        value = self.asarray(value)
        value = value if value.ndim else value.reshape(1)
        return value if value.flags.c_contiguous else value.copy()

    def require(self, array: Any, dtype: Any = None, requirements: Any = None) -> Any:
        """A contiguous, writable array: the array itself where it is one."""
        del dtype, requirements
        array = self.asarray(array)
        return array if array.flags.c_contiguous and array.flags.writeable else array.copy()


class FieldMath:
    """The standard library's `math`, whose functions give elements."""

    def __getattr__(self, name: str) -> Any:
        rule = MATH.get(name)
        return getattr(math, name) if rule is None else lambda *numbers: _single(rule, numbers)


def _single(rule: Callable[..., Residues], numbers: Sequence[Any]) -> Element:
    """A function of single numbers."""
    return Element(int(rule(*(np.atleast_1d(residues(number)) for number in numbers))[0]))


def of_numbers(function: type[PointwiseFunction]) -> Callable[..., Element]:
    """A function of the vocabulary on single elements; a kernel asks it of the same ones many times."""
    rule = value_of(function)

    @cache
    def value(*numbers: int) -> Element:
        return Element(int(rule(*(np.asarray([number]) for number in numbers))[0]))

    return lambda *numbers: value(*(int(residues(number)) for number in numbers))


def of_arrays(function: type[PointwiseFunction | VectorFunction]) -> Callable[..., Any]:
    """A function of the vocabulary on elements, as NumPy would compute it."""
    rule = value_of(function)
    return lambda *arrays: computed(rule(*map(residues, arrays)))


APPROXIMATIONS = {f.facts.spelling.numpy: of_arrays(f) for f in POINTWISE if f.facts.support}
"""Functions that a kernel approximates: right to some digits, to which tests of their own hold them."""

MATH: Mapping[str, Callable[..., Residues]] = {
    **{function.facts.spelling.number.removeprefix("math."): value_of(function) for function in POINTWISE},
    **MAPS,
    "exp": number_exp,
    "pow": MAPS["power"],
}
"""By the names that `math` has for them; exponentials are met in numbers alone."""
