"""What an emitted JAX module meets in JAX's place: while it is proved, nothing is traced."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.kernels.autodiff.proving import Arrays, own, spelled
from symrnn.kernels.target import Field, Own, Surroundings
from symrnn.vocabulary.functions import Spelling


def spelling(of: Spelling) -> str:
    """How JAX writes a function."""
    return of.jax


def in_place_of_jax(
    of_arrays: Callable[[Any], Any],
    numpy: Any,
    scan: Callable[..., Any],
    one_hot: Callable[..., Any],
    picked: Callable[..., Any],
) -> Surroundings:
    """What stands for JAX: functions of the vocabulary as `of_arrays` makes them, and the others as given."""
    jax = SimpleNamespace(
        numpy=numpy,
        Array=np.ndarray,
        nn=SimpleNamespace(**spelled(of_arrays, spelling, "jax.nn."), one_hot=one_hot),
        lax=SimpleNamespace(**spelled(of_arrays, spelling, "jax.lax."), scan=scan),
        scipy=SimpleNamespace(special=SimpleNamespace(**spelled(of_arrays, spelling, "jax.scipy.special."))),
    )
    return Surroundings({"jax": jax, "jax.numpy": jax}, {**own(of_arrays, spelling), "_picked": picked})


def jax_surroundings(field: Field) -> Surroundings:
    """JAX's functions of arrays of elements."""
    arrays = Arrays(field)

    def scan(at: Callable[..., Any], carried: Any, rows: Sequence[Any], length: int) -> tuple[Any, Any]:
        kept = []
        for t in range(length):
            carried, made = at(carried, tuple(None if array is None else array[t] for array in rows))
            kept.append(made)
        return carried, tuple(map(arrays.stacked, zip(*kept, strict=True)))

    numpy = Own(field.numpy, split=arrays.cut, broadcast_to=arrays.repeated)
    return in_place_of_jax(field.of_arrays, numpy, scan, arrays.one_hot, arrays.picked)
