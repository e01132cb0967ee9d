"""PyTorch and JAX as emitted modules see them while they are proved: what their texts call, on elements."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from symrnn.validation.elements import elements, residues
from symrnn.validation.execution import Surroundings
from symrnn.validation.field_numpy import FieldNumpy, of_arrays
from symrnn.vocabulary.activations import softplus
from symrnn.vocabulary.families import POINTWISE
from symrnn.vocabulary.functions import Spelling


def _one_hot(index: Any, size: int, **like: Any) -> Any:
    """The unit vectors that indices name."""
    del like
    return elements(index[..., None] == np.arange(size))


def _stacked(arrays: Sequence[Any]) -> Any:
    """Arrays one after the other along a new first axis."""
    return elements(np.stack([residues(array) for array in arrays]))


def _cut(array: Any, places: Sequence[int], axis: int) -> list[Any]:
    """The parts of an array between places along an axis."""
    ends = [0, *places, array.shape[axis]]
    return [array[(slice(None),) * axis + (slice(*pair),)] for pair in pairwise(ends)]


def _repeated(array: Any, shape: tuple[int, ...]) -> Any:
    """An array repeated along new axes."""
    return elements(np.broadcast_to(residues(array), shape))


def _picked(array: Any, index: Any, axis: int) -> Any:
    """What indices pick along an axis, which goes."""
    return elements(np.take_along_axis(residues(array), index, axis).squeeze(axis))


def _scan(at: Callable[..., Any], carried: Any, rows: Sequence[Any], length: int) -> tuple[Any, Any]:
    """What a scan ends with, and what it makes at every step."""
    made = []
    for t in range(length):
        carried, made_here = at(carried, tuple(None if array is None else array[t] for array in rows))
        made.append(made_here)
    return carried, tuple(map(_stacked, zip(*made, strict=True)))


def _functions(spelled: Callable[[Spelling], str]) -> dict[str, Any]:
    """The functions of the vocabulary by their names in a framework."""
    named = {spelled(function.facts.spelling): of_arrays(function) for function in POINTWISE}
    return {name: made for name, made in named.items() if name and "{" not in name}


def _own(functions: dict[str, Any]) -> dict[str, Any]:
    """Those that a module defines."""
    return {name: made for name, made in functions.items() if name.startswith("_")}


def _under(functions: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Those of one module, by their names in it."""
    return {
        name.removeprefix(prefix): f
        for name, f in functions.items()
        if name.rpartition(".")[0] == prefix[:-1]
    }


class _Library(FieldNumpy):
    """Functions of a framework, and NumPy's where they have the same name and meaning."""

    def __init__(self, **own: Any) -> None:
        super().__init__(0)
        vars(self).update(own)


def torch_surroundings() -> Surroundings:
    """A PyTorch that neither differentiates nor knows devices."""
    functions = _functions(lambda spelling: spelling.torch)
    numbers = FieldNumpy(0)
    torch = _Library(
        **_under(functions, "torch."),
        Tensor=np.ndarray,
        float32=np.float32,
        nn=SimpleNamespace(
            functional=SimpleNamespace(
                linear=lambda x, weights, bias: x @ weights.T + bias,
                logsigmoid=lambda x: -of_arrays(softplus)(-x),
            )
        ),
        addmm=lambda added, one, other: added + one @ other,
        amax=lambda array, axis: array.max(axis=axis),
        arange=lambda size, device=None: np.arange(size),
        as_tensor=lambda array, device=None: np.asarray(array),
        broadcast_to=_repeated,
        cat=np.concatenate,
        clamp=np.maximum,
        eye=lambda size, **_: numbers.eye(size),
        full=lambda shape, value, **_: numbers.full(shape, value, np.float64),
        split=lambda array, sizes, axis: _cut(array, [*accumulate(sizes)][:-1], axis),
        stack=_stacked,
        tensor=lambda number, **_: numbers.asarray(number, np.float64),
        unbind=list,
        zeros=lambda shape, **_: numbers.zeros(shape),
    )
    return Surroundings({"torch": torch}, {**_own(functions), "_one_hot": _one_hot, "_picked": _picked})


def jax_surroundings() -> Surroundings:
    """A JAX that neither traces nor differentiates."""
    functions = _functions(lambda spelling: spelling.jax)
    jnp = _Library(split=_cut, broadcast_to=_repeated)
    jax = SimpleNamespace(
        numpy=jnp,
        Array=np.ndarray,
        nn=SimpleNamespace(**_under(functions, "jax.nn."), one_hot=_one_hot),
        lax=SimpleNamespace(**_under(functions, "jax.lax."), scan=_scan),
        scipy=SimpleNamespace(special=SimpleNamespace(**_under(functions, "jax.scipy.special."))),
    )
    return Surroundings({"jax": jax, "jax.numpy": jax}, {**_own(functions), "_picked": _picked})
