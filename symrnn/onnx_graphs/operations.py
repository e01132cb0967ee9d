"""What programs in JAX do to arrays, done to those of a graph; where all numbers are known, NumPy does it."""

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.kernels.autodiff.proving import spelled
from symrnn.kernels.jax.proving import spelling
from symrnn.onnx_graphs.arrays import Array, Recorder, Size, broadcast
from symrnn.vocabulary.activations import erf
from symrnn.vocabulary.functions import PointwiseFunction, Spelling

HALF_PI_FROM = 1e300
"""The arc tangent of what is larger is pi / 2 in every type of floats."""

Function = Callable[..., Any]

IN_NUMPY = (
    *("arange", "broadcast_to", "concatenate", "einsum", "expm1", "eye"),
    *("full", "log1p", "max", "split", "where", "zeros"),
)
"""Functions that NumPy has under the same names."""


def _in_numpy(of: Spelling) -> str:
    return of.numpy


def _unknown(values: Any) -> bool:
    """Whether an array of the graph is among some values."""
    if isinstance(values, list | tuple):
        return any(map(_unknown, values))
    return isinstance(values, Array)


def _either(known: Function, noted: Function) -> Function:
    """A function of known arrays, and what it is of an array of the graph."""

    def function(*given: Any, **options: Any) -> Any:
        return (noted if _unknown(given) else known)(*given, **options)

    return function


class Operations:
    """JAX's functions of a recorder's arrays: those of `jax.numpy` are in `numpy`."""

    def __init__(self, recorder: Recorder) -> None:
        """Note what is done on a recorder."""
        self.recorder = recorder
        shared = {name: _either(getattr(np, name), getattr(self, name)) for name in IN_NUMPY}
        own = {"asarray": self.asarray, "copysign": self.copysign, "float32": np.float32}
        named = spelled(self.of_arrays, _in_numpy, "np.") | spelled(self.of_arrays, spelling, "jnp.")
        self.numpy = SimpleNamespace(**named | shared | own)

    # -- the vocabulary -------------------------------------------------------------------------------

    def of_arrays(self, function: type[PointwiseFunction]) -> Function:
        """A function of the vocabulary: its operator in ONNX, or the formula of its record."""
        facts = function.facts

        def known(*given: Any) -> Any:
            floats = [np.asarray(value) for value in given]
            return np.asarray(facts.value(*floats)).astype(floats[0].dtype)

        def noted(*given: Any) -> Array:
            like = next(value for value in given if isinstance(value, Array))
            arrays = [self.recorder.array(value, like.dtype).astype(like.dtype) for value in given]
            operator = facts.spelling.onnx
            if operator in IN_SINGLE and like.dtype == np.float64:
                return IN_SINGLE[operator](self, *arrays)
            if operator:
                shape = broadcast(*(array.shape for array in arrays))
                return self.recorder.node(operator, arrays, like.dtype, shape)
            assert facts.reference is not None, function.name
            made: Array = facts.reference(self.numpy, *arrays)
            return made

        return _either(known, noted)

    def atan(self, x: Array) -> Array:
        """The arc tangent in double precision: y, that in single precision, and the tangent of what is left.

        That is tan(atan(x) - y) = (x - tan y) / (1 + x tan y), so small that it is its own arc tangent.
        """
        x = self.numpy.minimum(self.numpy.maximum(x, -HALF_PI_FROM), HALF_PI_FROM)
        y = self.recorder.node("Atan", [x.astype(np.float32)], np.float32, x.shape).astype(x.dtype)
        sine, cosine = self.numpy.sin(y), self.numpy.cos(y)
        made: Array = y + (x * cosine - sine) / (cosine + x * sine)
        return made

    def erf(self, x: Array) -> Array:
        """The error function in double precision, as NumPy kernels compute it."""
        scope: dict[str, Any] = {"np": self.numpy, "functools": functools}
        exec(erf.facts.support, scope)
        made: Array = scope["_erf"](x)
        return made

    # -- functions of NumPy ---------------------------------------------------------------------------

    def arange(self, start: Size, stop: Size = None) -> Array:
        """Whole numbers from a start, or from 0, up to a stop."""
        first, last = (0, start) if stop is None else (start, stop)
        bounds = [self.recorder.array(bound, np.int64) for bound in (first, last, 1)]
        length = last if first == 0 else last - first
        return self.recorder.node("Range", bounds, np.int64, (length,))

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        """An array of the graph or of NumPy, perhaps of another type."""
        if isinstance(value, Array):
            return value if dtype is None else value.astype(dtype)
        return np.asarray(value, dtype)

    def broadcast_to(self, value: Any, shape: Sequence[Size]) -> Array:
        """An array repeated along axes."""
        array = self.recorder.array(value)
        return self.recorder.node("Expand", [array, self.recorder.sized(shape)], array.dtype, shape)

    def concatenate(self, parts: Sequence[Any], axis: int) -> Array:
        """Arrays one after the other along an axis."""
        arrays = [self.recorder.array(part) for part in parts]
        first = arrays[0]
        length = sum((array.shape[axis] for array in arrays[1:]), first.shape[axis])
        shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
        return self.recorder.node("Concat", arrays, first.dtype, shape, axis=axis)

    def copysign(self, size: Any, sign: Any) -> Any:
        """What is not negative, with the sign of something else."""
        return self.where(sign < 0, -size, size)

    def einsum(self, spec: str, *operands: Any) -> Array:
        """A sum of products."""
        arrays = [self.recorder.array(operand) for operand in operands]
        given, _, result = spec.partition("->")
        sizes = {
            letter: size
            for letters, array in zip(given.split(","), arrays, strict=True)
            for letter, size in zip(letters, array.shape, strict=True)
        }
        shape = [sizes[letter] for letter in result]
        return self.recorder.node("Einsum", arrays, arrays[0].dtype, shape, equation=spec)

    def expm1(self, x: Array) -> Array:
        """exp(x) - 1 without cancellation: tanh(x / 2) = (exp(x) - 1) / (exp(x) + 1)."""
        made: Array = self.numpy.tanh(x / 2.0) * (self.numpy.exp(x) + 1.0)
        return made

    def eye(self, size: Size, dtype: Any = None) -> Array:
        """The identity matrix."""
        numbers = self.arange(size)
        return (numbers[:, None] == numbers).astype(dtype or self.recorder.dtype)

    def full(self, shape: Sequence[Size], value: Any, dtype: Any = None) -> Array:
        """An array of one number."""
        return self.broadcast_to(self.recorder.array(value, dtype), shape)

    def log1p(self, x: Array) -> Array:
        """log(1 + x) without cancellation, for x > -1: log(u) x / (u - 1) for u = 1 + x as rounded.

        Source: W. Kahan, the program LN1P of the HP-15C Advanced Functions Handbook, 1982.
        """
        u = x + 1.0
        rounded = u == 1.0
        return self.where(rounded, x, self.numpy.log(u) * (x / self.where(rounded, 1.0, u - 1.0)))

    def max(self, x: Array, axis: int) -> Array:
        """The largest element along an axis, NaN where there is one, which onnxruntime may pass over."""
        unordered = self.recorder.node("IsNaN", [x], bool, x.shape).astype(x.dtype).sum(axis) > 0.0
        return self.where(unordered, np.nan, x.reduced("ReduceMax", [axis]))

    def one_hot(self, index: Any, size: Size, dtype: Any = None) -> Any:
        """The unit vectors that indices name."""
        return self.asarray(index[..., None] == self.numpy.arange(size), None).astype(
            dtype or self.recorder.dtype
        )

    def picked(self, array: Any, index: Any, axis: int) -> Array:
        """What indices pick along an axis, one for each element before it; the axis goes."""
        array, index = self.recorder.array(array), self.recorder.array(index)
        lead = array.ndim + axis
        index = index.squeeze(*range(lead + 1, index.ndim))
        shape = (*array.shape[:lead], *array.shape[lead + 1 :])
        return self.recorder.node("GatherND", [array, index], array.dtype, shape, batch_dims=lead)

    def split(self, array: Array, places: Sequence[Size], axis: int) -> tuple[Array, ...]:
        """The parts of an array between places along an axis."""
        ends = [0, *places, array.shape[axis]]
        sizes = [
            end if isinstance(start, int) and start == 0 else end - start for start, end in pairwise(ends)
        ]
        results = [(array.dtype, (*array.shape[:axis], size, *array.shape[axis + 1 :])) for size in sizes]
        return self.recorder.nodes("Split", [array, self.recorder.sized(sizes)], results, axis=axis)

    def where(self, condition: Any, one: Any, other: Any) -> Array:
        """The elements of one array where a condition holds, else those of another."""
        like = next((a for a in (one, other) if hasattr(a, "dtype")), np.zeros((), self.recorder.dtype))
        arrays = [self.recorder.array(value, like.dtype) for value in (one, other)]
        arrays = [self.recorder.array(condition, bool), *(array.astype(like.dtype) for array in arrays)]
        shape = broadcast(*(array.shape for array in arrays))
        return self.recorder.node("Where", arrays, like.dtype, shape)

    def zeros(self, shape: Sequence[Size], dtype: Any = None) -> Array:
        """An array of zeros."""
        return self.full(shape, 0.0, dtype)


IN_SINGLE: dict[str, Callable[[Operations, Array], Array]] = {"Atan": Operations.atan, "Erf": Operations.erf}
"""Operators that onnxruntime has in single precision alone, and what is computed in their place in double."""
