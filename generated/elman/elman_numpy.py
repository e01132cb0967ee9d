"""Simple recurrent network (tanh activation): forward and backward pass over a sequence, in NumPy.

made by symrnn 0.1.0 from elman (297f6ac31fb0), do not edit.

Source: Elman 1990, Finding Structure in Time, doi:10.1207/s15516709cog1402_1

The step (a bare state is its value at t-1, .next the one at t):

    s.next = tanh(W_s @ [x, s] + b_s)

The output is s.next. Arrays carry time T first, then the batch B.
"""

import math
from typing import Any, NamedTuple

import numpy as np

AXES = ("n", "m")
INPUTS = {"x": ("n",)}
STATES = {"s": ("m",)}
PARAMETERS = {"W_s": ("m", "m + n"), "b_s": ("m",)}
CONSTANTS = {}
OUTPUT = ("m",)


class Inputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    x: Any  # (T, B, n)


class State(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""

    s: Any  # (B, m)


class Parameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_s: Any  # (m, m + n)
    b_s: Any  # (m,)


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
        W_s=_glorot(rng, (m, m + n), dtype),
        b_s=np.zeros((m,), dtype),
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
    return Prepared(parameters, sizes, dtype)


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
    _rank("parameters.W_s", given.W_s, 2)
    _rank("parameters.b_s", given.b_s, 1)
    m = given.W_s.shape[0]
    n = _difference("parameters.W_s", given.W_s, given.W_s.shape[1] - (m))
    dtype = _common_dtype(given)
    return Parameters(
        _checked_array("parameters.W_s", given.W_s, (m, m + n), dtype),
        _checked_array("parameters.b_s", given.b_s, (m,), dtype),
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
        _checked_array(f"{what}.s", state.s, (B, m), dtype),
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
    W_s, b_s = prepared.parameters
    x, = inputs
    s_0, = state
    T, B = x.shape[:2]
    s = np.empty((T + 1, B, m), dtype)
    a_s = np.empty((T, B, m), dtype)
    s[0] = s_0
    # (1) s.next = tanh(W_s @ [x, s] + b_s)
    a_s[...] = x @ W_s[:, :n].T
    a_s += b_s
    for t in range(T):
        # (1) s.next = tanh(W_s @ [x, s] + b_s)
        a_s[t] += s[t] @ W_s[:, n:].T
        s[t + 1] = np.tanh(a_s[t])
    return s[1:], State(s[T]), (s,)


@np.errstate(all="ignore")
def _backward(prepared, tape, d_outputs, d_state, input_gradients):
    """The gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _sizes(prepared, tape.inputs, tape.state)
    W_s, b_s = prepared.parameters
    x, = tape.inputs
    s, = tape.saved
    d_s_output = d_outputs
    d_s_later_final, = d_state
    T, B = x.shape[:2]
    d_a_s = np.empty((T, B, m), dtype)
    d_x = np.empty((T, B, n) if input_gradients else (0, 0, 0), dtype)
    d_W_s = np.empty((m, m + n), dtype)
    d_s_later = d_s_later_final.copy()
    for t in reversed(range(T)):
        # d_s_next from what step t + 1 hands back; the output's cotangent
        d_s_next = d_s_later + d_s_output[t]
        # d_a_s from s.next = tanh(a_s)
        d_a_s[t] = d_s_next * (1 - s[t + 1] * s[t + 1])
        # d_s = d_x_s[n : m + n]
        #     from x_s = [x, s]
        # d_x_s = d_a_s @ W_s
        #     from W_s_x_s = W_s @ x_s
        d_s = d_a_s[t] @ W_s[:, n:]
        d_s_later = d_s
    if input_gradients:
        # d_x = d_x_s[0 : n]
        #     from x_s = [x, s]
        # d_x_s = d_a_s @ W_s
        #     from W_s_x_s = W_s @ x_s
        d_x[...] = d_a_s @ W_s[:, :n]
    # d_W_s = sum over t of outer(d_a_s, x_s)
    #     from W_s_x_s = W_s @ x_s
    d_W_s[:, :n] = np.tensordot(d_a_s, x, ((0, 1), (0, 1)))
    d_W_s[:, n:] = np.tensordot(d_a_s, s[:-1], ((0, 1), (0, 1)))
    # d_b_s = sum over t of d_a_s
    #     from a_s = W_s_x_s + b_s
    d_b_s = d_a_s.sum(axis=(0, 1))
    return Gradients(
        Parameters(
            W_s=d_W_s, b_s=d_b_s,
        ),
        Inputs(x=d_x) if input_gradients else None,
        State(s=d_s_later),
    )
