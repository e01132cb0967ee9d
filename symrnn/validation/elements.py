"""Arrays of elements of a prime field that NumPy code computes with as if they were floats.

`Elements` is a NumPy array of float64 whose numbers are residues, so that it passes every check of a dtype.
NumPy hands each of its functions to the rules below; what has no rule raises, and nothing is rounded. A
single number taken out of such an array is an `Element`, for code that works number by number.
"""

import operator
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symrnn.validation.contractions import contracted, product
from symrnn.validation.functions import value_of
from symrnn.validation.maps import MAPS
from symrnn.validation.prime import PRIME, Residues, centred, inverse, power, residue_of_float
from symrnn.vocabulary.activations import softplus
from symrnn.vocabulary.families import POINTWISE

Array: TypeAlias = NDArray[Any]


class NoRuleError(TypeError):
    """A function of NumPy that has no meaning on elements of a field."""


def residues(value: Any) -> Residues:
    """What numbers or arrays of them are in the field."""
    if isinstance(value, Elements):
        return value.view(np.ndarray).astype(np.int64)
    if isinstance(value, Element):
        return np.asarray(value.residue)
    return _residues(value)


@singledispatch
def _residues(value: Any) -> Residues:
    """The same of numbers that are no elements yet."""
    raise NoRuleError(f"{type(value).__name__} is no number of the field.")


@_residues.register
def _(value: int) -> Residues:
    return np.asarray(value % PRIME)


@_residues.register
def _(value: float) -> Residues:
    return np.asarray(residue_of_float(value))


@_residues.register
def _(value: np.ndarray | np.generic) -> Residues:
    if value.dtype.kind in "iub":
        return np.asarray(value, np.int64) % PRIME
    if value.dtype.kind != "f":
        raise NoRuleError(f"{type(value).__name__} is no number of the field.")
    numbers = [residue_of_float(float(number)) for number in value.ravel()]
    return np.array(numbers, np.int64).reshape(value.shape)


def elements(found: Any) -> "Elements":
    """Residues as an array of elements."""
    return np.asarray(found, np.float64).view(Elements)


def computed(found: Any) -> Any:
    """Residues as what NumPy's functions give: an array of elements, or a single one."""
    return elements(found) if np.ndim(found) else Element(int(found))


def _arithmetic(numbers: Callable[[int, int], int], arrays: np.ufunc) -> Callable[["Element", Any], Any]:
    """A sum or product of two elements, or of an element and an array."""

    def operation(one: "Element", other: Any) -> Any:
        if isinstance(other, np.ndarray) and other.ndim:
            return arrays(elements(one.residue), other)
        return Element(numbers(one.residue, _single(other).residue) % PRIME)

    return operation


def _comparison(numbers: Callable[[int, int], bool], arrays: np.ufunc) -> Callable[["Element", Any], Any]:
    """A comparison of two elements, or of an element and an array."""

    def operation(one: "Element", other: Any) -> Any:
        if isinstance(other, np.ndarray) and other.ndim:
            return arrays(elements(one.residue), other)
        return numbers(one.centred, _single(other).centred)

    return operation


class Element:
    """One element of the field, for arithmetic of single numbers; as NumPy's, nothing writes to it."""

    __slots__ = ("residue",)
    ndim, shape, size, nbytes, dtype, flags = 0, (), 1, 8, np.dtype(np.float64), np.float64(0).flags

    def __init__(self, value: int) -> None:
        """The element that a residue is."""
        self.residue = value

    def __repr__(self) -> str:
        return str(self.residue)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc in SINGLE and not options and all(np.ndim(value) == 0 for value in inputs):
            return SINGLE[ufunc](*map(_single, inputs))
        arrays = [elements(value.residue) if isinstance(value, Element) else value for value in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> "Elements":
        del dtype, copy
        return elements(self.residue)

    __add__ = _arithmetic(operator.add, np.add)
    __sub__ = _arithmetic(operator.sub, np.subtract)
    __mul__ = _arithmetic(operator.mul, np.multiply)
    __truediv__ = _arithmetic(lambda a, b: a * pow(b, PRIME - 2, PRIME), np.true_divide)
    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __rtruediv__(self, other: Any) -> Any:
        return Element(int(residues(other))) / self

    def __pow__(self, other: Any) -> Any:
        return elements(self.residue) ** other

    def __rpow__(self, other: Any) -> Any:
        return elements(residues(other)) ** self

    def __neg__(self) -> "Element":
        return Element(-self.residue % PRIME)

    def __pos__(self) -> "Element":
        return self

    def __abs__(self) -> "Element":
        return -self if self.centred < 0 else self

    @property
    def T(self) -> "Element":
        """The number itself."""
        return self

    def copy(self) -> "Element":
        """The number itself, which nothing changes."""
        return self

    def __getattr__(self, name: str) -> Any:
        """What NumPy's numbers have besides, they have as arrays without axes."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(elements(self.residue), name)

    def tobytes(self) -> bytes:
        """What NumPy's numbers call their bytes: equal ones for equal elements."""
        return self.residue.to_bytes(8, "little")

    @property
    def centred(self) -> int:
        """The representative nearest to zero, which gives an order."""
        return self.residue - PRIME if self.residue > PRIME // 2 else self.residue

    __lt__ = _comparison(operator.lt, np.less)
    __le__ = _comparison(operator.le, np.less_equal)
    __gt__ = _comparison(operator.gt, np.greater)
    __ge__ = _comparison(operator.ge, np.greater_equal)
    __eq__ = _comparison(operator.eq, np.equal)

    def __hash__(self) -> int:
        return hash(self.residue)

    def __bool__(self) -> bool:
        return self.residue != 0


def _single(value: Any) -> Element:
    return value if isinstance(value, Element) else Element(int(residues(value)))


class Elements(np.ndarray):
    """An array of elements of the field."""

    def __getitem__(self, index: Any) -> Any:
        taken = super().__getitem__(index)
        return taken if isinstance(taken, np.ndarray) else Element(int(taken))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, Element):
            super().__setitem__(index, value.residue)
        else:
            super().__setitem__(index, value if isinstance(value, Elements) else elements(residues(value)))

    def __iadd__(self, other: Any) -> "Elements":  # type: ignore[misc]
        self[...] = self + other  # also of a single element, which NumPy's own would refuse
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", (None,))[0]
        options.pop("dtype", None)
        if options.get("where") is True:
            del options["where"]
        if method == "at":
            _add_at(ufunc, *inputs)
            return None
        value = _ufunc(ufunc, method, inputs, options)
        if out is None:
            return value[()] if value.dtype == bool else computed(value)
        if not isinstance(out, Elements):
            raise NoRuleError(f"np.{ufunc.__name__} writes elements into memory of {type(out).__name__}.")
        out[...] = elements(value)
        return out

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = FUNCTIONS.get(function)
        if rule is not None:
            return rule(*args, **kwargs)
        if function in SHAPES:
            return super().__array_function__(function, types, args, kwargs)
        raise NoRuleError(f"np.{function.__name__} has no rule for elements of a field.")


def _add_at(ufunc: np.ufunc, target: Any, index: Any, value: Any) -> None:
    """`np.add.at`: sums into places that may be named several times."""
    if ufunc is not np.add or not isinstance(target, Elements):
        raise NoRuleError(f"np.{ufunc.__name__}.at has no rule for elements of a field.")
    sums = residues(target)
    np.add.at(sums, index, residues(value))
    target[...] = elements(sums % PRIME)


def _ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Array:
    """The value of a universal function: residues, or truth values."""
    if method == "reduce" and ufunc in REDUCTIONS:
        return REDUCTIONS[ufunc](residues(inputs[0]), **options)
    if method != "__call__" or options or ufunc not in UFUNCS:
        raise NoRuleError(
            f"np.{ufunc.__name__}.{method} with {sorted(options)} has no rule for elements of a field."
        )
    return np.asarray(UFUNCS[ufunc](*(residues(value) for value in inputs)))


def _sum(array: Residues, axis: Any = 0, keepdims: bool = False, initial: Any = None) -> Array:
    del initial  # zero, which a sum starts with anyway
    return np.asarray(array.sum(axis=axis, keepdims=keepdims) % PRIME)


def _largest(array: Residues, axis: Any = 0, keepdims: bool = False, initial: Any = None) -> Array:
    del initial  # minus infinity: no element is smaller
    return np.asarray(centred(array).max(axis=axis, keepdims=keepdims) % PRIME)


def _logaddexp(one: Residues, other: Residues) -> Array:
    """log(exp(a) + exp(b)), which is only met as the softplus of a, with b = 0."""
    if np.any(other):
        raise NoRuleError("np.logaddexp has a meaning here with a second argument of 0 alone.")
    return value_of(softplus)(one)


def _power(base: Residues, exponent: Residues) -> Array:
    """Whole powers exactly, all others by the map of `power`."""
    numbers = {*centred(exponent).ravel().tolist()}
    if len(numbers) == 1 and abs(whole := numbers.pop()) <= 64:
        raised = power(base, abs(whole))
        return np.broadcast_to(
            raised if whole >= 0 else inverse(raised), np.broadcast_shapes(base.shape, exponent.shape)
        )
    return MAPS["power"](base, exponent)


SINGLE: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
}
"""Arithmetic of NumPy's numbers with an element, which Python hands to NumPy."""

UFUNCS: dict[Any, Callable[..., Any]] = {
    **{
        vars(np)[name]: value_of(function)
        for function in POINTWISE
        if (name := function.facts.spelling.numpy.removeprefix("np.")) in vars(np)
    },
    **{getattr(np, name): made for name, made in MAPS.items()},
    np.add: lambda a, b: (a + b) % PRIME,
    np.subtract: lambda a, b: (a - b) % PRIME,
    np.multiply: lambda a, b: a * b % PRIME,
    np.true_divide: lambda a, b: a * inverse(b) % PRIME,
    np.negative: lambda a: -a % PRIME,
    np.positive: lambda a: a,
    np.square: lambda a: a * a % PRIME,
    np.reciprocal: inverse,
    np.power: _power,
    np.matmul: product,
    np.absolute: lambda a: abs(centred(a)),
    np.sign: lambda a: np.sign(centred(a)) % PRIME,
    np.maximum: lambda a, b: np.maximum(centred(a), centred(b)) % PRIME,
    np.minimum: lambda a, b: np.minimum(centred(a), centred(b)) % PRIME,
    np.greater: lambda a, b: centred(a) > centred(b),
    np.less: lambda a, b: centred(a) < centred(b),
    np.greater_equal: lambda a, b: centred(a) >= centred(b),
    np.less_equal: lambda a, b: centred(a) <= centred(b),
    np.equal: lambda a, b: a == b,
    np.not_equal: lambda a, b: a != b,
    np.isfinite: lambda a: np.ones(a.shape, bool),
    np.isnan: lambda a: np.zeros(a.shape, bool),
    np.logaddexp: _logaddexp,
}
"""Functions of the vocabulary that NumPy has, the maps, and arithmetic."""
REDUCTIONS: dict[Any, Callable[..., Array]] = {np.add: _sum, np.maximum: _largest}
SHAPES = {
    np.transpose,
    np.reshape,
    np.broadcast_to,
    np.broadcast_arrays,
    np.shape,
    np.ndim,
    np.empty_like,
    np.copy,
    np.may_share_memory,
    np.shares_memory,
    np.expand_dims,
    np.squeeze,
    np.moveaxis,
    np.swapaxes,
    np.array_equal,
}
"""Functions that move numbers and compute none."""


def _concatenate(parts: Sequence[Any], axis: int = 0, out: Any = None) -> Any:
    joined = elements(np.concatenate([residues(part) for part in parts], axis=axis))
    if out is None:
        return joined
    out[...] = joined
    return out


def _einsum(spec: str, *operands: Any) -> Any:
    inputs, _, output = spec.partition("->")
    if len(operands) == 1 and sorted(inputs) == sorted(output):  # as in NumPy, another look at the operand
        looked: Elements = operands[0].transpose([inputs.index(letter) for letter in output])
        return looked
    return computed(contracted(spec, *(residues(operand) for operand in operands)))


def _tensordot(one: Any, other: Any, axes: Any) -> Any:
    letters, others = "abcdefgh"[: one.ndim], list("ijklmnop"[: other.ndim])
    for i, j in zip(*axes, strict=True):
        others[j] = letters[i]
    shared = {letters[i] for i in axes[0]}
    kept = "".join(x for x in (*letters, *others) if x not in shared)
    return _einsum(f"{letters},{''.join(others)}->{kept}", one, other)


def chosen_where(condition: Any, chosen: Any, otherwise: Any) -> Elements:
    """`np.where` of numbers, arrays or single ones."""
    return elements(np.where(condition, residues(chosen), residues(otherwise)))


def _zeros_like(array: Any, dtype: Any = None, shape: Any = None) -> Elements:
    del dtype
    return elements(np.zeros(array.shape if shape is None else shape))


def _max(array: Any, axis: Any = None, initial: Any = None, keepdims: bool = False) -> Any:
    del initial
    return array.max(axis=axis, keepdims=keepdims)


def _total(array: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    del dtype
    return array.sum(axis=axis, keepdims=keepdims)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.concatenate: _concatenate,
    np.einsum: _einsum,
    np.tensordot: _tensordot,
    np.dot: np.matmul,
    np.where: chosen_where,
    np.zeros_like: _zeros_like,
    np.max: _max,
    np.sum: _total,
}
