"""The vocabulary in numbers: every function as one formula for NumPy and for JAX.

This is one half of the reference. It shares nothing with derivation, planning and emission. JAX
differentiates these formulas by itself; they are written with `where` such that its answer is the rule of
the declaration, not JAX's own convention: relu' and abs' are 0 at 0, maximum and minimum share a tie
equally, and all of them hand on NaN.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Any, TypeAlias

import numpy as np
from sympy import And, Eq, Ge, Gt, Le, Lt, Ne, Or

from symrnn.declaration import operations as op

Array: TypeAlias = Any
"""An array of NumPy or of JAX."""


@dataclass(frozen=True, slots=True)
class ArrayLibrary:
    """What the reference needs of an array library.

    `elementwise(function, *arrays)` applies a function of `xp` to arrays of equal shape.
    `own(function)` is its own form of a function of the vocabulary that has no formula.
    `traced(step)` is a function that is called at every step: the same, or one that is looked into once.
    `scan(step, state, inputs, steps)` returns the last state and the stacked outputs of
    `state, output = step(state, inputs[t])`; `inputs` and `state` are dicts of arrays by name.
    """

    xp: Any
    elementwise: Callable[..., Array]
    stop_gradient: Callable[[Array], Array]
    own: Callable[[type[op.PointwiseFunction]], Callable[..., Array]]
    traced: Callable[[Callable[..., Any]], Callable[..., Any]]
    scan: Callable[..., tuple[dict[str, Array], Array]]


def formula(function: type[op.PointwiseFunction], library: ArrayLibrary) -> Callable[..., Array]:
    """A pointwise function of arrays of equal shape."""
    if function is op.stop_gradient:
        return library.stop_gradient
    reference = function.facts.reference
    return library.own(function) if reference is None else partial(reference, library.xp)


VECTOR_FORMULAS: dict[type[op.VectorFunction], Callable[..., Array]] = {
    function: made for function in op.VECTOR_FUNCTIONS if (made := function.facts.reference) is not None
}
"""Every function of a vector, applied along the last axis."""

COMPARISONS: dict[type, str] = {
    Gt: "greater",
    Ge: "greater_equal",
    Lt: "less",
    Le: "less_equal",
    Eq: "equal",
    Ne: "not_equal",
}
"""The function of an array library for every comparison."""

CONNECTIVES: dict[type, str] = {And: "logical_and", Or: "logical_or"}
"""The function of an array library that joins two conditions."""


def _loop(
    xp: Any, step: Callable[..., Any], state: dict[str, Array], inputs: dict[str, Array], steps: int
) -> tuple[dict[str, Array], Array]:
    outputs, rows = [], {name: list(array) for name, array in inputs.items()}
    for t in range(steps):
        state, output = step(state, {name: arrays[t] for name, arrays in rows.items()})
        outputs.append(output)
    return state, xp.stack(outputs) if outputs else None


def numpy_library(stop_gradient: Callable[[Array], Array] = lambda x: x) -> ArrayLibrary:
    """NumPy; `stop_gradient` may record the values that pass, to hold them fixed later."""
    return ArrayLibrary(
        np, _applied, stop_gradient, lambda function: function.facts.value, _as_it_is, partial(_loop, np)
    )


def _as_it_is(step: Callable[..., Any]) -> Callable[..., Any]:
    return step


def _applied(function: Callable[..., Array], *arrays: Array) -> Array:
    return function(*arrays)


def jax_is_installed() -> bool:
    """Whether JAX can be imported."""
    return bool(importlib.util.find_spec("jax"))


def jax_library(eager: bool = False) -> ArrayLibrary:
    """JAX, with the rule that an adjoint of exactly zero contributes nothing.

    With `eager` nothing is compiled and there is no such rule: that is quicker for a few steps, and the same
    where no branch that is not taken has an infinite derivative.
    """
    import jax
    import jax.numpy as jnp

    stop = jax.lax.stop_gradient
    if eager:
        return ArrayLibrary(jnp, _applied, stop, _own_of_jax, jax.jit, partial(_loop, jnp))

    def scan(
        step: Callable[..., Any], state: dict[str, Array], inputs: dict[str, Array], steps: int
    ) -> tuple[dict[str, Array], Array]:
        last, outputs = jax.lax.scan(step, state, inputs, length=steps)
        return last, outputs

    return ArrayLibrary(jnp, partial(_guarded, jax), stop, _own_of_jax, jax.jit, scan)


def _own_of_jax(function: type[op.PointwiseFunction]) -> Callable[..., Array]:
    found: Callable[..., Array] = resolve_name(function.facts.spelling.jax)
    return found


def _guarded(jax: Any, function: Callable[..., Array], *arrays: Array) -> Array:
    """`function(*arrays)`, whose derivative is not looked at where the adjoint is exactly zero.

    `where` "takes the branch taken and does not see the other". Plain autodiff multiplies the zero
    adjoint of the other branch by its local derivative, and 0 * inf is NaN.
    """
    guarded = jax.custom_vjp(function)

    def forward(*primals: Array) -> tuple[Array, Any]:
        result, pull = jax.vjp(function, *primals)
        return result, pull

    def backward(pull: Any, adjoint: Array) -> tuple[Array, ...]:
        return tuple(jax.numpy.where(adjoint == 0, 0.0, term) for term in pull(adjoint))

    guarded.defvjp(forward, backward)
    return guarded(*jax.numpy.broadcast_arrays(*arrays))


@contextmanager
def double_precision() -> Iterator[None]:
    """A context in which JAX computes in float64; its setting is as before afterwards."""
    import jax

    if hasattr(jax, "enable_x64"):
        with jax.enable_x64(True):
            yield
    else:
        from jax.experimental import enable_x64

        with enable_x64(True):
            yield
