"""What an emitted JAX module meets while it is proved: nothing is traced."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.kernels.autodiff.proving import Arrays, own, spelled
from symrnn.kernels.target import Field, Own, Surroundings
from symrnn.vocabulary.functions import Spelling


def _spelling(spelling: Spelling) -> str:
    return spelling.jax


def jax_surroundings(field: Field) -> Surroundings:
    """JAX's functions of arrays of elements."""
    arrays = Arrays(field)

    def scan(at: Callable[..., Any], carried: Any, rows: Sequence[Any], length: int) -> tuple[Any, Any]:
        kept = []
        for t in range(length):
            carried, made = at(carried, tuple(None if array is None else array[t] for array in rows))
            kept.append(made)
        return carried, tuple(map(arrays.stacked, zip(*kept, strict=True)))

    jax = SimpleNamespace(
        numpy=Own(field.numpy, split=arrays.cut, broadcast_to=arrays.repeated),
        Array=np.ndarray,
        nn=SimpleNamespace(**spelled(field, _spelling, "jax.nn."), one_hot=arrays.one_hot),
        lax=SimpleNamespace(**spelled(field, _spelling, "jax.lax."), scan=scan),
        scipy=SimpleNamespace(special=SimpleNamespace(**spelled(field, _spelling, "jax.scipy.special."))),
    )
    return Surroundings({"jax": jax, "jax.numpy": jax}, {**own(field, _spelling), "_picked": arrays.picked})
