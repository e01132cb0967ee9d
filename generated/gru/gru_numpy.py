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


class Run(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: State
    tape: "Tape"


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


class Tape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with.
    """

    parameters: Any  # as the caller gave them
    prepared: Prepared
    inputs: Inputs
    state: State
    outputs: np.ndarray
    saved: tuple


def init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype is {dtype}; this kernel computes in float32 or float64.")
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
    return _prepared(Parameters(*(array.copy() for array in checked)))


def _prepared(parameters):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, Prepared):
        return parameters
    parameters, sizes, dtype = _checked_parameters(parameters)
    W_r, b_r, W_u, b_u, W_c, b_c = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_r[:, m:], W_u[:, m:], W_c[:, m:]])
    b_all = np.concatenate([b_r, b_u, b_c])
    W_on_c = np.concatenate([W_r[:, :m], W_u[:, :m]])
    return Prepared(parameters, sizes, dtype, W_on_x, b_all, W_on_c)


def predict(parameters, inputs, state=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass."""
    prepared, inputs, state, T, B = _checked_call(parameters, inputs, state)
    (n, m) = _sizes(prepared, inputs, state)
    outputs = np.empty((T, B, m), prepared.dtype)
    for start in range(0, T, _PREDICT_STEPS):
        some = slice(start, start + _PREDICT_STEPS)
        outputs[some], state, _ = _forward(prepared, Inputs(*(array[some] for array in inputs)), state)
    return outputs, State(*(array.copy() for array in state))


def forward(parameters, inputs, state=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`."""
    prepared, inputs, state, _, _ = _checked_call(parameters, inputs, state)
    outputs, final, saved = _forward(prepared, inputs, state)
    outputs.flags.writeable = False  # the tape may share its memory
    tape = Tape(parameters, prepared, inputs, state, outputs, saved)
    return Run(outputs, State(*(array.copy() for array in final)), tape)


def backward(parameters, tape, d_outputs, d_state=None, *, input_gradients=True):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out.
    """
    if not isinstance(tape, Tape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    given = tape.prepared
    if parameters is not given and parameters is not tape.parameters:
        given = _prepared(parameters)
        _same_sizes(given, tape.prepared)
    d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
    sizes = _sizes(tape.prepared, tape.inputs, tape.state)
    d_state = _checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
    return _backward(given, tape, d_outputs, d_state, bool(input_gradients))


def step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = prepare(parameters)
    inputs_t = _bundle("inputs_t", inputs_t, Inputs)
    _rank("inputs_t.x", inputs_t.x, 2)
    inputs = Inputs(*(array[None] for array in inputs_t))
    B = inputs_t.x.shape[0]
    (n, m) = _sizes(prepared, inputs, state)
    _checked_array("inputs_t.x", inputs_t.x, (B, n), prepared.dtype)
    outputs, state = predict(prepared, inputs, state)
    return outputs[0], state


# ---- Checks ------------------------------------------------------------------------------------------

_PREDICT_STEPS = 64  # time steps that predict() holds in memory at once


def _require_array(what, value):
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{what} is a {type(value).__name__}; pass a NumPy array.")


def _checked_array(what, value, shape, dtype):
    """`value` as a plain array of the given shape and dtype, or a ValueError that names it."""
    _require_array(what, value)
    if value.shape != shape:
        raise ValueError(f"{what} has shape {value.shape}; it should have {shape}.")
    if value.dtype != dtype:
        raise ValueError(f"{what} has dtype {value.dtype}; it should have {dtype}, that of the parameters.")
    return np.asarray(value)


def _bundle(what, value, kind):
    """`value` as a NamedTuple of the given kind; a single field may be passed bare.

    A plain tuple of several arrays is refused: nothing in it tells which is which.
    """
    if isinstance(value, kind):
        return value
    fields = kind._fields
    if getattr(value, "_fields", None) == fields:  # the same kernel, from another module
        return kind(*value)
    if len(fields) == 1 and not isinstance(value, (tuple, list)):
        return kind(value)
    if type(value) in (tuple, list) and len(value) == len(fields) <= 1:
        return kind(*value)
    named = ", ".join(f"{field}=..." for field in fields)
    raise ValueError(f"{what} is a {type(value).__name__}; pass {kind.__name__}({named}).")


def _difference(what, value, size):
    """A size that is left of a longer one, which must not be too short for it."""
    if size < 0:
        raise ValueError(f"{what} has shape {value.shape}, which is too short for the other parameters.")
    return size


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


def _scalar(what, value, dtype):
    """A scalar parameter: a Python or NumPy number, or an array without axes."""
    if isinstance(value, np.ndarray):
        return _checked_array(what, value, (), dtype)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{what} is a {type(value).__name__}; pass a number or an array without axes.")
    return np.asarray(value, dtype)


def _checked_call(parameters, inputs, state):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _prepared(parameters)
    inputs = _bundle("inputs", inputs, Inputs)
    _rank("inputs.x", inputs.x, 3)
    T, B = inputs.x.shape[:2]
    (n, m) = _sizes(prepared, inputs, state)
    inputs = Inputs(
        _checked_array("inputs.x", inputs.x, (T, B, n), prepared.dtype),
    )
    sizes = _sizes(prepared, inputs, state)
    return prepared, inputs, _checked_state("state", state, sizes, prepared.dtype, B), T, B


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


def _same_sizes(one, other):
    """Raise unless two sets of parameters fit the same tape."""
    if one.sizes != other.sizes or one.dtype != other.dtype:
        raise ValueError(f"The tape was made with sizes {other.sizes} in {other.dtype}, the parameters have {one.sizes} in {one.dtype}.")


def _glorot(rng, shape, dtype):
    """Uniform within sqrt(6 / (rows + columns)): Glorot and Bengio 2010."""
    rows, columns = (shape[0], shape[-1]) if len(shape) > 1 else (math.prod(shape), 1)
    limit = math.sqrt(6 / max(rows + columns, 1))
    return rng.uniform(-limit, limit, shape).astype(dtype)


# ---- The passes over time ----------------------------------------------------------------------------


def _sigmoid(x):
    """The logistic function, without overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


def _softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _forward(prepared, inputs, state):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    dtype = prepared.dtype
    (n, m) = _sizes(prepared, inputs, state)
    W_r, b_r, W_u, b_u, W_c, b_c = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_c = prepared.W_on_c
    x, = inputs
    c_0, = state
    T, B = x.shape[:2]
    c = np.empty((T + 1, B, m), dtype)
    c_r = np.empty((T, B, m), dtype)
    a_all = np.empty((T, B, 3 * m), dtype)
    a_r = a_all[:, :, :m]
    r = a_all[:, :, :m]
    a_u = a_all[:, :, m : 2 * m]
    u = a_all[:, :, m : 2 * m]
    a_c_tilde = a_all[:, :, 2 * m :]
    c_tilde = a_all[:, :, 2 * m :]
    a_r_to_a_u = a_all[:, :, : 2 * m]
    c[0] = c_0
    # a_r, a_u, a_c_tilde: the part that x gives
    a_all[...] = x @ W_on_x.T
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
        c[t + 1] = u[t] * c_tilde[t] + (1 - u[t]) * c[t]
    return c[1:], State(c[T]), (c, c_r, a_all)


@np.errstate(all="ignore")
def _backward(prepared, tape, d_outputs, d_state, input_gradients):
    """The gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _sizes(prepared, tape.inputs, tape.state)
    W_r, b_r, W_u, b_u, W_c, b_c = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_c = prepared.W_on_c
    x, = tape.inputs
    c, c_r, a_all = tape.saved
    r = a_all[:, :, :m]
    u = a_all[:, :, m : 2 * m]
    c_tilde = a_all[:, :, 2 * m :]
    d_c_output = d_outputs
    d_c_later_final, = d_state
    T, B = x.shape[:2]
    d_x = np.empty((T, B, n) if input_gradients else (0, 0, 0), dtype)
    d_W_r = np.empty((m, m + n), dtype)
    d_W_u = np.empty((m, m + n), dtype)
    d_W_c = np.empty((m, m + n), dtype)
    d_a_all = np.empty((T, B, 3 * m), dtype)
    d_a_c_tilde = d_a_all[:, :, 2 * m :]
    d_a_u = d_a_all[:, :, m : 2 * m]
    d_a_r = d_a_all[:, :, :m]
    d_a_r_to_d_a_u = d_a_all[:, :, : 2 * m]
    d_c_later = d_c_later_final.copy()
    for t in reversed(range(T)):
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
        d_x[...] = d_a_all @ W_on_x
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
    d_b_r = d_b_all[:m].copy()
    d_b_u = d_b_all[m : 2 * m].copy()
    d_b_c = d_b_all[2 * m :].copy()
    return Gradients(
        Parameters(
            W_r=d_W_r, b_r=d_b_r, W_u=d_W_u, b_u=d_b_u, W_c=d_W_c, b_c=d_b_c,
        ),
        Inputs(x=d_x) if input_gradients else None,
        State(c=d_c_later),
    )
