"""What an emitted Numba module meets while it is proved: no compiler, and maps for functions of a number.

Its products on packed panels are executed as its text defines them for plain Python. Its approximations of
tanh, exp and the like are not: they are right to some digits, and tests of their own hold them to that.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.kernels.target import Field, Own, Surroundings
from symrnn.vocabulary.families import POINTWISE
from symrnn.vocabulary.reductions import largest


def numba_surroundings(field: Field) -> Surroundings:
    """A Numba that compiles nothing, and a process that nothing can be registered in."""
    compiler = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: ("", "", "")))
    modules = {
        "numba": SimpleNamespace(
            njit=lambda function, **_: function,
            config=SimpleNamespace(DISABLE_JIT=True),
            types=SimpleNamespace(float32="float32", float64="float64"),
        ),
        "numba.core": SimpleNamespace(cgutils=None),
        "numba.core.errors": SimpleNamespace(NumbaTypeError=TypeError),
        "numba.core.registry": SimpleNamespace(
            cpu_target=SimpleNamespace(target_context=compiler),
        ),
        "numba.extending": SimpleNamespace(intrinsic=None),
        "llvmlite": SimpleNamespace(ir=None),
        "concurrent.futures": SimpleNamespace(ThreadPoolExecutor=None),
        "sys": Own(sys, modules={}),
        "os": SimpleNamespace(cpu_count=lambda: 2),
    }
    functions = {
        name: field.of_numbers(function)
        for function in POINTWISE
        if (name := function.facts.spelling.numba).startswith("_")
    }
    largest_of = field.of_arrays(largest)
    own = {
        "_largest": lambda row: largest_of(row[None])[0],
        "_power_of": lambda base, exponent: _compiled_power(field, base, exponent),
    }
    return Surroundings(modules, {**functions, **field.approximations, **own, **PIECES})


def _tiles(*arguments: Any) -> None:
    """The rows of a product that one panel gives, a step at a time; a kernel makes them tile by tile."""
    rows, s, count, panels, p, depth, out, t, first, started, start = arguments
    columns = slice(p * panels.shape[2], min((p + 1) * panels.shape[2], out.shape[-1]))
    batches = [array.shape[1] for array in (rows, out) if array.ndim == 3]
    together = min(batches, default=count)
    for done in range(0, count, max(together, 1)):
        size = min(together, count - done)
        target = _rows_from(out, t, first + done, size)[:, columns]
        factors = _rows_from(rows, s, done, size)[:, :depth]
        product = np.matmul(factors, panels[p, :depth, : target.shape[1]])
        if started:
            product = product + (start[columns] if start.ndim == 1 else target)
        target[...] = product


def _rows_from(array: Any, t: int, i: int, count: int) -> Any:
    """Rows i to i + count of ``array[t]``, counted on into the steps after it, or of a matrix."""
    if array.ndim == 2:
        return array[i : i + count]
    t, i = t + i // array.shape[1], i % array.shape[1]
    return array[t, i : i + count]


def _in_slices(bounds: list[int], function: Callable[..., None], *arguments: Any) -> None:
    """Every slice of the batch, one after the other."""
    for part, (low, high) in enumerate(pairwise(bounds)):
        function(part, low, high, *arguments)


def _compiled_power(field: Field, base: Any, exponent: Any) -> Any:
    """A power as compiled code computes it: whole numbers stay whole, and of 2 ** -3 nothing is left."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent < 0:
        return int(abs(base) == 1) * base ** (-exponent)
    return field.power(base, exponent)


PIECES: dict[str, object] = {
    "_tiles": _tiles,
    "_in_slices": _in_slices,
    "_WORTHWHILE": 0.5,
    "_CHUNK": 2,
}
"""What stands in the place of names of a kernel; small problems, too, are cut along the batch, and along time
into pieces of two steps and one."""
