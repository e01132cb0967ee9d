"""Gated recurrent unit (reset before the product): forward and backward pass over a sequence, in NumPy.

made by symrnn 0.1.0 from gru (61086bfe354b), do not edit.

Source: Cho et al. 2014, arXiv:1406.1078v3

The step (a bare state is its value at t-1, .next the one at t):

    r = sigmoid(W_r @ [c, x] + b_r)
    u = sigmoid(W_u @ [c, x] + b_u)
    c_tilde = tanh(W_c @ [r * c, x] + b_c)
    c.next = u * c_tilde + (1 - u) * c

The output is c.next. Arrays carry time T first, then the batch B.
"""

import math
import os
import sys
from typing import Any, NamedTuple

import numpy as np

AXES = ("n", "m")
INPUTS = {"x": ("n",)}
STATES = {"c": ("m",)}
PARAMETERS = {
    "W_r": ("m", "m + n"),
    "b_r": ("m",),
    "W_u": ("m", "m + n"),
    "b_u": ("m",),
    "W_c": ("m", "m + n"),
    "b_c": ("m",),
}
CONSTANTS = {}
OUTPUT = ("m",)
SAVED = {"c": ("T + 1", "B", "m"), "c_r": ("T", "B", "m"), "a_all": ("T", "B", "3*m")}  # what `forward` keeps


class Inputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    x: Any  # (T, B, n)


class State(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""

    c: Any  # (B, m)


class Parameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_r: Any  # (m, m + n)
    b_r: Any  # (m,)
    W_u: Any  # (m, m + n)
    b_u: Any  # (m,)
    W_c: Any  # (m, m + n)
    b_c: Any  # (m,)


class Gradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: Parameters
    inputs: Inputs | None
    state: State


class Prepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: Parameters
    sizes: tuple
    dtype: np.dtype
    W_on_x: np.ndarray  # (3*m, n)
    b_all: np.ndarray  # (3*m)
    W_on_c: np.ndarray  # (2*m, m)


class _Pass(NamedTuple):
    """A forward pass, as it is given to `backward`."""

    inputs: Inputs
    state: State
    saved: tuple
    lengths: Any  # (B,), or None where every sample has all T steps


def init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = _float_dtype(dtype)
    n, m = _checked_sizes(n=n, m=m)
    if (3 * n * m + 3 * m * m + 3 * m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", 3 * n * m + 3 * m * m + 3 * m, dtype)
    return Parameters(
        W_r=_glorot(rng, (m, m + n), dtype),
        b_r=np.zeros((m,), dtype),
        W_u=_glorot(rng, (m, m + n), dtype),
        b_u=np.zeros((m,), dtype),
        W_c=_glorot(rng, (m, m + n), dtype),
        b_c=np.zeros((m,), dtype),
    )


def prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, Prepared):
        return parameters
    checked, _, _ = _checked_parameters(parameters)
    return _prepared(Parameters(*(array.copy() for array in checked)), _new)


def _prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, Prepared):
        return parameters
    parameters, sizes, dtype = _checked_parameters(parameters)
    W_r, b_r, W_u, b_u, W_c, b_c = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_r[:, m:], W_u[:, m:], W_c[:, m:]], out=memory("W_on_x", (3 * m, n), dtype))
    b_all = np.concatenate([b_r, b_u, b_c], out=memory("b_all", (3 * m,), dtype))
    W_on_c = np.concatenate([W_r[:, :m], W_u[:, :m]], out=memory("W_on_c", (2 * m, m), dtype))
    return Prepared(parameters, sizes, dtype, W_on_x, b_all, W_on_c)


def predict(parameters, inputs, state=None, *, lengths=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`.
    """
    memory = _new
    prepared, inputs, state, lengths, T, B = _checked_call(parameters, inputs, state, lengths, memory, None)
    (n, m) = sizes = _sizes(prepared, inputs, state)
    outputs = memory("outputs", (T, B, m), prepared.dtype)
    start = state
    if lengths is not None:
        inputs, start = _continued(inputs, state, lengths, memory)
    final = _predict(prepared, sizes, inputs, start, outputs, lengths, memory)
    if lengths is not None:
        outputs[_padding(lengths, T)] = 0
        _stand_still(final, state, lengths)
    return outputs, final


def forward(parameters, inputs, state=None, *, lengths=None):
    """Outputs (T, B, ...), the final state, and after these the arrays of SAVED: `outputs, state, *saved = forward(...)`.

    All are new and the caller's. `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps):
    beyond its end a sample's state stands still, its outputs are zero, no gradient flows, and what its inputs hold there
    does not matter.
    """
    prepared, inputs, state, lengths, _, _ = _checked_call(parameters, inputs, state, lengths, _new, None)
    given, start = (*prepared.parameters, *inputs, *state), state
    if lengths is not None:
        inputs, start = _continued(inputs, state, lengths, _new)
    outputs, final, saved = _forward(prepared, inputs, start, lengths, _new)
    final = State(*(array.copy() for array in final))
    if lengths is not None:
        outputs = _without_padding("outputs", outputs, lengths, _new)
        _stand_still(final, state, lengths)
    *saved, outputs = _apart([*saved, outputs], given)
    return outputs, final, *saved


def backward(
    parameters, inputs, state, saved, d_outputs, d_state=None, *, lengths=None, input_gradients=True
):
    """Gradients of parameters, inputs and initial state.

    The arguments up to `saved`, and `lengths`, are those of a `forward` and what it gave; `d_outputs` (T, B, ...) and `d_state`
    (None is zeros) are the loss's derivatives by the outputs and the final state. `input_gradients=False` leaves the inputs'
    gradients out.
    """
    prepared, inputs, state, lengths, T, B = _checked_call(parameters, inputs, state, lengths, _new, None)
    (n, m) = sizes = _sizes(prepared, inputs, state)
    dtype = prepared.dtype
    if not isinstance(saved, (tuple, list)):
        raise ValueError(f"saved is a {type(saved).__name__}; pass the {len(SAVED)} arrays {', '.join(SAVED)} that forward gave, as a list.")
    if len(saved) != len(SAVED):
        raise ValueError(f"saved has {len(saved)} arrays; it should have {len(SAVED)}: {', '.join(SAVED)}.")
    saved = (
        _whole("saved.c", saved[0], (T + 1, B, m), dtype),
        _whole("saved.c_r", saved[1], (T, B, m), dtype),
        _whole("saved.a_all", saved[2], (T, B, 3 * m), dtype),
    )
    d_outputs = _checked_array("d_outputs", d_outputs, (T, B, m), dtype)
    d_state = _checked_state("d_state", d_state, sizes, dtype, B)
    results = Gradients(
        Parameters(
            W_r=_new("d_W_r", (m, m + n), dtype),
            b_r=_new("d_b_r", (m,), dtype),
            W_u=_new("d_W_u", (m, m + n), dtype),
            b_u=_new("d_b_u", (m,), dtype),
            W_c=_new("d_W_c", (m, m + n), dtype),
            b_c=_new("d_b_c", (m,), dtype),
        ),
        Inputs(x=_new("d_x", (T, B, n), dtype)) if input_gradients else None,
        State(c=_new("d_c", (B, m), dtype)),
    )
    if lengths is not None:
        inputs, _ = _continued(inputs, state, lengths, _new)
        d_outputs = _without_padding("d_outputs", d_outputs, lengths, _new)
    passed = _Pass(inputs, state, saved, lengths)
    _backward(prepared, passed, d_outputs, d_state, results, bool(input_gradients), _new)
    if lengths is not None:
        _stand_still(results.state, d_state, lengths)
        if not lengths.any():
            for array in results.parameters:
                array[...] = 0
        for array in results.inputs or ():
            array[_padding(lengths, T)] = 0
    return results


def _whole(what, value, shape, dtype):
    """A checked array as compiled code takes it: in one piece, aligned and writable; a copy only if it is not."""
    return np.require(_checked_array(what, value, shape, dtype), requirements="CAW")


def _apart(arrays, given):
    """Arrays in one piece, none in the memory of another one or of a given one: copies of those that are not so."""
    owners, made = {0, *_owners(given)}, []
    for array in arrays:
        if not owners.isdisjoint(_owners([array])) or not array.flags.carray:
            array = array.copy()
        owners.update(_owners([array]))
        made.append(array)
    return made


def step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, Inputs)
    _rank("inputs_t.x", inputs_t.x, 2)
    inputs = Inputs(inputs_t.x[None])
    B = inputs_t.x.shape[0]
    (n, m) = _sizes(prepared, inputs, state)
    _checked_array("inputs_t.x", inputs_t.x, (B, n), prepared.dtype)
    dtype = prepared.dtype
    sizes = (n, m)
    T = 1
    if B * m * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", B * m, dtype)
    outputs = np.empty((T, B, m), dtype)
    final = _predict(prepared, sizes, inputs, _checked_state("state", state, sizes, dtype, B), outputs, None, _new)
    return outputs[0], final


# ---- Memory ------------------------------------------------------------------------------------------


_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else sys.maxsize


def _no_room(what, numbers, dtype):
    """The error that so many numbers are more than this machine can hold."""
    size = numbers * dtype.itemsize
    return ValueError(f"There is no room for {what}: {size:,} bytes; this machine has {_MEMORY:,}.")


def _new(name, shape, dtype):
    """An uninitialised array; a workspace would look for it by its name."""
    try:
        array = np.empty(shape, dtype)
    except (MemoryError, ValueError):  # the system has not got it, or nobody could
        array = None
    if array is None or array.nbytes > _MEMORY:
        raise _no_room(f"the array {name} of shape {shape}", math.prod(shape), dtype)
    return array


def _owners(arrays):
    """The ids of the arrays that own the memory of some; 0 where that is not known, as with memory of another library."""
    found = []
    for array in arrays:
        while type(array.base) is np.ndarray:
            array = array.base
        found.append(id(array) if array.base is None and array.flags.owndata else 0)
    return found


# ---- Checks ------------------------------------------------------------------------------------------


def _float_dtype(dtype):
    """The dtype of fresh parameters."""
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype}; it should be float32 or float64.")
    return dtype


def _checked_sizes(**sizes):
    """The sizes of the axes, as Python's integers."""
    for axis, size in sizes.items():
        if isinstance(size, (bool, np.bool_)) or not isinstance(size, (int, np.integer)):
            raise ValueError(f"{axis} is {size!r}; a size is a whole number.")
        if size < 1:
            raise ValueError(f"{axis} is {size}; a size is at least 1.")
    return tuple(map(int, sizes.values()))


def _require_array(what, value):
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{what} is a {type(value).__name__}; pass a NumPy array.")


def _checked_array(what, value, shape, dtype):
    """`value` as a plain array of the given shape and dtype, or a ValueError that names it."""
    if type(value) is np.ndarray and value.shape == shape and value.dtype == dtype:
        return value
    _require_array(what, value)
    if value.shape != shape:
        raise ValueError(f"{what} has shape {value.shape}; it should have {shape}.")
    if value.dtype != dtype:
        raise ValueError(f"{what} has dtype {value.dtype}; it should have {dtype}, that of the parameters.")
    return np.asarray(value)


def _bundle(what, value, kind):
    """`value` as a NamedTuple of the given kind; a plain tuple has its fields in their order, a single field may be bare."""
    if isinstance(value, kind):
        return value
    fields = kind._fields
    if not isinstance(value, (tuple, list)) and len(fields) == 1:
        return kind(value)
    if not isinstance(value, (tuple, list)) or len(value) != len(fields):
        count = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ValueError(f"{what} is a {type(value).__name__}{count}; pass the {len(fields)} arrays {', '.join(fields) or '()'}.")
    return kind(*value)


def _rank(what, value, rank):
    """The shape of an array whose sizes are still unknown."""
    _require_array(what, value)
    if value.ndim != rank:
        raise ValueError(f"{what} has shape {value.shape}; it should have {rank} axes.")
    return value.shape


def _checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, Parameters)
    _rank("parameters.W_r", given.W_r, 2)
    _rank("parameters.b_r", given.b_r, 1)
    _rank("parameters.W_u", given.W_u, 2)
    _rank("parameters.b_u", given.b_u, 1)
    _rank("parameters.W_c", given.W_c, 2)
    _rank("parameters.b_c", given.b_c, 1)
    m = given.W_r.shape[0]
    n = _difference("parameters.W_r", given.W_r, given.W_r.shape[1] - (m))
    dtype = _common_dtype(given)
    return Parameters(
        _checked_array("parameters.W_r", given.W_r, (m, m + n), dtype),
        _checked_array("parameters.b_r", given.b_r, (m,), dtype),
        _checked_array("parameters.W_u", given.W_u, (m, m + n), dtype),
        _checked_array("parameters.b_u", given.b_u, (m,), dtype),
        _checked_array("parameters.W_c", given.W_c, (m, m + n), dtype),
        _checked_array("parameters.b_c", given.b_c, (m,), dtype),
    ), (n, m), dtype


def _common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(Parameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _difference(what, value, size):
    """A size that is left of a longer one, which must not be too short for it."""
    if size < 0:
        raise ValueError(f"{what} has shape {value.shape}, which is too short for the other parameters.")
    return size


def _checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, Inputs)
    _rank("inputs.x", inputs.x, 3)
    T, B = inputs.x.shape[:2]
    (n, m) = _sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B * m) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = Inputs(
        _checked_array("inputs.x", inputs.x, (T, B, n), prepared.dtype),
    )
    sizes = _sizes(prepared, inputs, state)
    return prepared, inputs, _checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (n, m) = prepared.sizes
    return (n, m)


def _checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (n, m) = sizes
    if state is None:
        return State(np.zeros((B, m), dtype))
    state = _bundle(what, state, State)
    return State(
        _checked_array(f"{what}.c", state.c, (B, m), dtype),
    )


def _checked_lengths(lengths, T, B, what="lengths"):
    """The numbers of steps of the samples, as an array of its own; None where all have all steps."""
    _require_array(what, lengths)
    if lengths.shape != (B,):
        raise ValueError(f"{what} has shape {lengths.shape}; it should have {(B,)}, one number for every sample.")
    if lengths.dtype.kind not in "iu":
        raise ValueError(f"{what} has dtype {lengths.dtype}; pass an array of integers.")
    for b in np.flatnonzero((lengths < 0) | (lengths > T))[:1]:
        raise ValueError(f"{what}[{b}] is {lengths[b]}; it should be from 0 to {T}, the number of time steps.")
    return None if (lengths == T).all() else lengths.astype(np.int64)


def _padding(lengths, T):
    """Whether a step (T, B) lies beyond its sample's end."""
    return np.arange(T)[:, None] >= lengths


def _continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(Inputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return Inputs(*made), State(*(array[samples] for array in state))


def _final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return State(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return State(*(array[last] for array in later))


def _stand_still(later, earlier, lengths):
    """Let samples without a step end where they start; both are arrays (B, ...)."""
    for array, same in zip(later, earlier, strict=True):
        array[lengths == 0] = same[lengths == 0]


def _without_padding(name, array, lengths, memory):
    """A copy of an array (T, B, ...) that is zero beyond the samples' ends."""
    copy = memory(f"{name} without padding", array.shape, array.dtype)
    copy[...] = array
    copy[_padding(lengths, len(array))] = 0
    return copy


def _glorot(rng, shape, dtype):
    """Uniform within sqrt(6 / (rows + columns)): Glorot and Bengio 2010."""
    rows, columns = (shape[0], shape[-1]) if len(shape) > 1 else (math.prod(shape), 1)
    limit = math.sqrt(6 / max(rows + columns, 1))
    return rng.uniform(-limit, limit, shape).astype(dtype)


# ---- The passes over time ----------------------------------------------------------------------------


def _sigmoid(x):
    """The logistic function, without overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _multiply(rows, matrix, out):
    """Write rows (T, B, K) @ matrix (K, N) to out (T, B, N): one product over all steps and samples, not one per step."""
    (T, B, depth), width = rows.shape, matrix.shape[1]
    rows = rows.reshape(T * B, depth)
    if out.flags.c_contiguous:
        np.matmul(rows, matrix, out=out.reshape(T * B, width))
    else:
        out[...] = (rows @ matrix).reshape(out.shape)


_ROWS = 4096  # number of rows (steps times samples) that a pass works on at once, so that memory stays bounded


def _steps_together(B):
    """Number of time steps that a pass works on at once."""
    return max(1, _ROWS // max(B, 1))


def _kept_arrays(prepared, sizes, state, T, B, lengths, memory):
    """What a pass over T steps fills: all of it, outputs, states (initial values in place) before and after, and what is saved."""
    (n, m) = sizes
    dtype = prepared.dtype
    c_0, = state
    c = memory("c", (T + 1, B, m), dtype)
    c_r = memory("c_r", (T, B, m), dtype)
    a_all = memory("a_all", (T, B, 3 * m), dtype)
    c[0] = c_0
    c_next = c[1:] if lengths is None else memory("c_next", (T, B, m), dtype)
    return (c, c_r, a_all, c_next), c_next, State(c), State(c_next), (c, c_r, a_all)


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (n, m) = sizes
    dtype = prepared.dtype
    W_r, b_r, W_u, b_u, W_c, b_c = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_c = prepared.W_on_c
    x, = inputs
    c, c_r, a_all, c_next = kept
    T, B = x.shape[:2]
    a_r = a_all[:, :, :m]
    r = a_all[:, :, :m]
    a_u = a_all[:, :, m : 2 * m]
    u = a_all[:, :, m : 2 * m]
    a_c_tilde = a_all[:, :, 2 * m :]
    c_tilde = a_all[:, :, 2 * m :]
    a_r_to_a_u = a_all[:, :, : 2 * m]
    # a_r, a_u, a_c_tilde: the part that x gives
    _multiply(x, W_on_x.T, a_all)
    # a_r, a_u, a_c_tilde: the biases
    a_all += b_all
    for t in range(T):
        # a_r, a_u: the part that c gives
        a_r_to_a_u[t] += c[t] @ W_on_c.T
        # (1) r = sigmoid(W_r @ [c, x] + b_r)
        r[t] = _sigmoid(a_r[t])
        # (2) u = sigmoid(W_u @ [c, x] + b_u)
        u[t] = _sigmoid(a_u[t])
        # (3) c_tilde = tanh(W_c @ [r * c, x] + b_c)
        c_r[t] = r[t] * c[t]
        a_c_tilde[t] += c_r[t] @ W_c[:, :m].T
        c_tilde[t] = np.tanh(a_c_tilde[t])
        # (4) c.next = u * c_tilde + (1 - u) * c
        c_next[t] = u[t] * c_tilde[t] + (1 - u[t]) * c[t]
        if lengths is not None:
            ended = t + 1 >= lengths
            c[t + 1] = c_next[t]
            c[t + 1][ended] = c[t][ended]


def _forward(prepared, inputs, state, lengths, memory):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    sizes = _sizes(prepared, inputs, state)
    T, B = inputs[0].shape[:2]
    kept, outputs, states, later, saved = _kept_arrays(prepared, sizes, state, T, B, lengths, memory)
    steps = _steps_together(B)
    for start in range(0, T if B else 0, steps):
        stop = min(start + steps, T)
        some = Inputs(*(array[start:stop] for array in inputs))
        left = None if lengths is None else lengths - start
        _forward_steps(prepared, sizes, some, [array[start : stop + len(array) - T] for array in kept], left, memory)
    return outputs, _final_states(states, later, lengths), saved


def _predict(prepared, sizes, inputs, state, outputs, lengths, memory):
    """Fill the outputs and return the final state; memory holds a few time steps and is used again and again."""
    T, B = outputs.shape[:2]
    steps = min(_steps_together(B), max(T, 1))
    kept, held, states, later, _ = _kept_arrays(prepared, sizes, state, steps, B, lengths, memory)
    final = State(*(array.copy() for array in state))
    for start in range(0, T if B else 0, steps):
        count = min(steps, T - start)
        some = Inputs(*(array[start : start + count] for array in inputs))
        left = None if lengths is None else lengths - start
        _forward_steps(prepared, sizes, some, [array[: count + len(array) - steps] for array in kept], left, memory)
        outputs[start : start + count] = held[:count]
        going = slice(None) if left is None else np.flatnonzero(left > 0)
        last = count - 1 if left is None else np.minimum(left[going], count) - 1
        for part, array, after in zip(final, states, later, strict=True):
            part[going] = after[last, going]
            array[0] = array[count]
    return final


def _backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory):
    """Fill `results` with the gradients of one run, some time steps at a time, from the last to the first."""
    sizes = _sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    steps = _steps_together(B)
    for array, final in zip(results.state, d_state, strict=True):
        array[...] = final if tape.lengths is None else 0
    for array in results.parameters:
        array[...] = 0
    part = results
    for stop in range(T if B else 0, 0, -steps):
        start = max(stop - steps, 0)
        if T > steps:
            some = (memory(f"part of {name}", array.shape, array.dtype) for name, array in results.parameters._asdict().items())
            d_inputs = Inputs(*(array[start:stop] for array in results.inputs)) if input_gradients else None
            part = Gradients(Parameters(*some), d_inputs, results.state)
        inputs = Inputs(*(array[start:stop] for array in tape.inputs))
        saved = [array[start : stop + len(array) - T] for array in tape.saved]
        left = None if tape.lengths is None else tape.lengths - start
        _backward_steps(prepared, sizes, inputs, saved, d_outputs[start:stop], d_state, left, part, input_gradients, memory)
        if T > steps:
            for array, added in zip(results.parameters, part.parameters, strict=True):
                array += added


@np.errstate(all="ignore")
def _backward_steps(prepared, sizes, inputs, saved, d_outputs, d_state, lengths, results, input_gradients, memory):
    """Fill `results` with the gradients of some time steps; its state holds the gradient after them, and then before them.

    The samples' lengths, if given, count from the first of the steps; `d_state` comes in where a sample ends.
    """
    (n, m) = sizes
    dtype = prepared.dtype
    W_r, b_r, W_u, b_u, W_c, b_c = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_c = prepared.W_on_c
    x, = inputs
    c, c_r, a_all = saved
    r = a_all[:, :, :m]
    u = a_all[:, :, m : 2 * m]
    c_tilde = a_all[:, :, 2 * m :]
    d_c_output = d_outputs
    d_c_later, = results.state
    d_c_later_final, = d_state
    T, B = x.shape[:2]
    d_x = results.inputs.x if input_gradients else np.empty((0, 0, 0), dtype)
    d_W_r = results.parameters.W_r
    d_b_r = results.parameters.b_r
    d_W_u = results.parameters.W_u
    d_b_u = results.parameters.b_u
    d_W_c = results.parameters.W_c
    d_b_c = results.parameters.b_c
    d_a_all = memory("d_a_all", (T, B, 3 * m), dtype)
    d_a_c_tilde = d_a_all[:, :, 2 * m :]
    d_a_u = d_a_all[:, :, m : 2 * m]
    d_a_r = d_a_all[:, :, :m]
    d_a_r_to_d_a_u = d_a_all[:, :, : 2 * m]
    d_c_later = d_c_later.copy()
    for t in reversed(range(T)):
        if lengths is not None:
            ending = t == lengths - 1
            d_c_later[ending] = d_c_later_final[ending]
        # d_c_next from what step t + 1 hands back; the output's cotangent
        d_c_next = d_c_later + d_c_output[t]
        # d_c_tilde from c.next = u * c_tilde + (1 - u) * c
        d_c_tilde = d_c_next * u[t]
        # d_a_c_tilde from c_tilde = tanh(a_c_tilde)
        d_a_c_tilde[t] = d_c_tilde * (1 - c_tilde[t] * c_tilde[t])
        # d_c_r = d_c_r_x[0 : m]
        #     from c_r_x = [c_r, x]
        # d_c_r_x = d_a_c_tilde @ W_c
        #     from W_c_c_r_x = W_c @ c_r_x
        d_c_r = d_a_c_tilde[t] @ W_c[:, :m]
        # d_u from c.next = u * c_tilde + (1 - u) * c
        d_u = d_c_next * (c_tilde[t] - c[t])
        # d_a_u from u = sigmoid(a_u)
        d_a_u[t] = d_u * u[t] * (1 - u[t])
        # d_r from c_r = r * c
        d_r = d_c_r * c[t]
        # d_a_r from r = sigmoid(a_r)
        d_a_r[t] = d_r * r[t] * (1 - r[t])
        # d_c = d_c_next * (1 - u) + d_c_r * r + d_c_x[0 : m]
        #     from c.next = u * c_tilde + (1 - u) * c; c_r = r * c; c_x = [c, x]
        # d_c_x = d_a_r @ W_r + d_a_u @ W_u
        #     from W_u_c_x = W_u @ c_x; W_r_c_x = W_r @ c_x
        d_c = d_c_r * r[t] + d_c_next * (1 - u[t])
        d_c += d_a_r_to_d_a_u[t] @ W_on_c
        d_c_later = d_c
    if input_gradients:
        # d_x = d_c_r_x[m : m + n] + d_c_x[m : m + n]
        #     from c_r_x = [c_r, x]; c_x = [c, x]
        # d_c_x = d_a_r @ W_r + d_a_u @ W_u
        #     from W_u_c_x = W_u @ c_x; W_r_c_x = W_r @ c_x
        # d_c_r_x = d_a_c_tilde @ W_c
        #     from W_c_c_r_x = W_c @ c_r_x
        _multiply(d_a_all, W_on_x, d_x)
    # d_W_r = sum over t of outer(d_a_r, c_x)
    #     from W_r_c_x = W_r @ c_x
    # d_W_u = sum over t of outer(d_a_u, c_x)
    #     from W_u_c_x = W_u @ c_x
    d_W_on_c = np.tensordot(d_a_r_to_d_a_u, c[:-1], ((0, 1), (0, 1)))
    d_W_r[:, :m] = d_W_on_c[:m]
    d_W_u[:, :m] = d_W_on_c[m:]
    # d_W_r = sum over t of outer(d_a_r, c_x)
    #     from W_r_c_x = W_r @ c_x
    # d_W_u = sum over t of outer(d_a_u, c_x)
    #     from W_u_c_x = W_u @ c_x
    # d_W_c = sum over t of outer(d_a_c_tilde, c_r_x)
    #     from W_c_c_r_x = W_c @ c_r_x
    d_W_on_x = np.tensordot(d_a_all, x, ((0, 1), (0, 1)))
    d_W_r[:, m:] = d_W_on_x[:m]
    d_W_u[:, m:] = d_W_on_x[m : 2 * m]
    d_W_c[:, m:] = d_W_on_x[2 * m :]
    # d_W_c = sum over t of outer(d_a_c_tilde, c_r_x)
    #     from W_c_c_r_x = W_c @ c_r_x
    d_W_c[:, :m] = np.tensordot(d_a_c_tilde, c_r, ((0, 1), (0, 1)))
    # d_b_r = sum over t of d_a_r
    #     from a_r = W_r_c_x + b_r
    # d_b_u = sum over t of d_a_u
    #     from a_u = W_u_c_x + b_u
    # d_b_c = sum over t of d_a_c_tilde
    #     from a_c_tilde = W_c_c_r_x + b_c
    d_b_all = d_a_all.sum(axis=(0, 1))
    d_b_r[:] = d_b_all[:m]
    d_b_u[:] = d_b_all[m : 2 * m]
    d_b_c[:] = d_b_all[2 * m :]
    results.state.c[...] = d_c_later
