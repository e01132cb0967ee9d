"""JAX programs evaluated by NumPy: JAX traces and differentiates, and nothing is compiled.

To compile a program of a few steps takes far longer than to run it. What the reference's programs consist of
has a meaning here; anything else, such as a function that NumPy has not, is left to JAX.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, traced by JAX and evaluated by NumPy."""
    import jax

    def evaluated(*arguments: Any) -> Any:
        program, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _evaluated(program.jaxpr, program.consts, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return evaluated


def _evaluated(program: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Array]:
    known: dict[Any, Array] = {}

    def read(variable: Any) -> Array:
        return np.asarray(variable.val) if hasattr(variable, "val") else known[variable]

    for variable, value in zip((*program.constvars, *program.invars), (*constants, *arguments), strict=True):
        known[variable] = np.asarray(value)
    for equation in program.eqns:
        values = list(map(read, equation.invars))
        name, parameters = equation.primitive.name, equation.params
        inner = next((parameters[key] for key in INNER if key in parameters), None)
        if inner is not None:
            constants_inside = getattr(inner, "consts", ())
            results = _evaluated(getattr(inner, "jaxpr", inner), constants_inside, values)
        elif name in PRIMITIVES:
            made = PRIMITIVES[name](parameters, *values)
            results = made if isinstance(made, list) else [np.asarray(made)]
        else:
            bound = equation.primitive.bind(*values, **parameters)
            results = list(map(np.asarray, bound if equation.primitive.multiple_results else [bound]))
        known.update(zip(equation.outvars, results, strict=True))
    return list(map(read, program.outvars))


INNER = ("jaxpr", "call_jaxpr")
"""The parameters of an operation that is a program of its own."""


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _, *arrays: function(*arrays)


def _selected(_: Any, which: Array, *cases: Array) -> Array:
    if which.dtype == bool:
        return np.where(which, cases[1], cases[0])
    return np.choose(which, cases)


def _broadcast(parameters: Any, array: Array) -> Array:
    shape, places = parameters["shape"], parameters["broadcast_dimensions"]
    aligned = [1] * len(shape)
    for place, length in zip(places, array.shape, strict=True):
        aligned[place] = length
    return np.broadcast_to(array.reshape(aligned), shape)


def _contracted(parameters: Any, left: Array, right: Array) -> Array:
    (summed_left, summed_right), (shared_left, shared_right) = parameters["dimension_numbers"]
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left_names, right_names = [""] * left.ndim, [""] * right.ndim
    for pairs in (zip(shared_left, shared_right, strict=True), zip(summed_left, summed_right, strict=True)):
        for one, other in pairs:
            left_names[one] = right_names[other] = next(letters)
    shared = "".join(left_names[place] for place in shared_left)
    left_free = [place for place in range(left.ndim) if not left_names[place]]
    right_free = [place for place in range(right.ndim) if not right_names[place]]
    for names, free in ((left_names, left_free), (right_names, right_free)):
        for place in free:
            names[place] = next(letters)
    kept = shared + "".join(left_names[p] for p in left_free) + "".join(right_names[p] for p in right_free)
    return np.asarray(np.einsum(f"{''.join(left_names)},{''.join(right_names)}->{kept}", left, right))


def _sliced(parameters: Any, array: Array) -> Array:
    strides = parameters["strides"] or (1,) * array.ndim
    bounds = zip(parameters["start_indices"], parameters["limit_indices"], strides, strict=True)
    return array[tuple(slice(*bound) for bound in bounds)]


def _padded(parameters: Any, array: Array, value: Array) -> Array:
    shape = [
        low + length + high
        for length, (low, high, _) in zip(array.shape, parameters["padding_config"], strict=True)
    ]
    made = np.full(shape, value)
    places = zip(array.shape, parameters["padding_config"], strict=True)
    made[tuple(slice(low, low + length) for length, (low, _, _) in places)] = array
    return made


def _cut(parameters: Any, array: Array, *starts: Array) -> Array:
    sizes = parameters["slice_sizes"]
    return array[
        tuple(slice(int(start), int(start) + size) for start, size in zip(starts, sizes, strict=True))
    ]


def _replaced(_: Any, array: Array, update: Array, *starts: Array) -> Array:
    made = np.array(array)
    bounds = zip(starts, update.shape, strict=True)
    made[tuple(slice(int(start), int(start) + size) for start, size in bounds)] = update
    return made


def _counted(parameters: Any) -> Array:
    shape, axis = parameters["shape"], parameters["dimension"]
    aligned = [1] * len(shape)
    aligned[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis], dtype=parameters["dtype"]).reshape(aligned), shape)


def _expanded(parameters: Any, array: Array) -> Array:
    return np.expand_dims(array, parameters["dimensions"])


PRIMITIVES: dict[str, Callable[..., Any]] = {
    **{name: _plain(np.add) for name in ("add", "add_any")},
    **{name: _plain(lambda x: x) for name in ("copy", "copy_p", "stop_gradient")},
    "sub": _plain(np.subtract),
    "mul": _plain(np.multiply),
    "div": _plain(np.divide),
    "neg": _plain(np.negative),
    "max": _plain(np.maximum),
    "min": _plain(np.minimum),
    "pow": _plain(np.power),
    "integer_pow": lambda parameters, x: (
        x ** parameters["y"] if parameters["y"] >= 0 else 1 / x ** -parameters["y"]
    ),
    "square": _plain(np.square),
    "sqrt": _plain(np.sqrt),
    "rsqrt": _plain(lambda x: 1 / np.sqrt(x)),
    "exp": _plain(np.exp),
    "expm1": _plain(np.expm1),
    "log": _plain(np.log),
    "log1p": _plain(np.log1p),
    "tanh": _plain(np.tanh),
    "sign": _plain(np.sign),
    "abs": _plain(np.abs),
    "is_finite": _plain(np.isfinite),
    "lt": _plain(np.less),
    "le": _plain(np.less_equal),
    "gt": _plain(np.greater),
    "ge": _plain(np.greater_equal),
    "eq": _plain(np.equal),
    "ne": _plain(np.not_equal),
    "and": _plain(np.bitwise_and),
    "or": _plain(np.bitwise_or),
    "not": _plain(np.bitwise_not),
    "select_n": _selected,
    "convert_element_type": lambda parameters, x: x.astype(parameters["new_dtype"]),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda parameters, x: x.reshape(parameters["new_sizes"]),
    "squeeze": lambda parameters, x: np.squeeze(x, parameters["dimensions"]),
    "expand_dims": _expanded,
    "transpose": lambda parameters, x: np.transpose(x, parameters["permutation"]),
    "unstack": lambda parameters, x: list(np.moveaxis(x, parameters["axis"], 0)),
    "split": lambda parameters, x: np.split(x, np.cumsum(parameters["sizes"])[:-1], parameters["axis"]),
    "stack": lambda parameters, *x: np.stack(x, parameters["axis"]),
    "concatenate": lambda parameters, *x: np.concatenate(x, parameters["dimension"]),
    "slice": _sliced,
    "dynamic_slice": _cut,
    "dynamic_update_slice": _replaced,
    "pad": _padded,
    "rev": lambda parameters, x: np.flip(x, parameters["dimensions"]),
    "iota": _counted,
    "reduce_sum": lambda parameters, x: np.sum(x, axis=tuple(parameters["axes"])),
    "reduce_max": lambda parameters, x: np.max(x, axis=tuple(parameters["axes"])),
    "reduce_min": lambda parameters, x: np.min(x, axis=tuple(parameters["axes"])),
    "dot_general": _contracted,
}
"""What JAX's operations mean; the first argument has their parameters."""
