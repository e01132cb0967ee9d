"""Long short-term memory (forget gate, no peepholes, as in PyTorch): forward and backward pass over a sequence, in NumPy.

made by symrnn 0.1.0 from lstm (e6f9babc7ebf), do not edit.

Source: Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Gers et al. 2000; torch.nn.LSTM

The step (a bare state is its value at t-1, .next the one at t):

    i = sigmoid(W_i @ [h, x] + b_i)
    f = sigmoid(W_f @ [h, x] + b_f)
    o = sigmoid(W_o @ [h, x] + b_o)
    g = tanh(W_g @ [h, x] + b_g)
    c.next = f * c + i * g
    h.next = o * tanh(c.next)

The output is h.next. Arrays carry time T first, then the batch B.
"""

import math
from typing import Any, NamedTuple

import numpy as np

AXES = ("n", "m")
INPUTS = {"x": ("n",)}
STATES = {"c": ("m",), "h": ("m",)}
PARAMETERS = {
    "W_i": ("m", "m + n"),
    "b_i": ("m",),
    "W_f": ("m", "m + n"),
    "b_f": ("m",),
    "W_o": ("m", "m + n"),
    "b_o": ("m",),
    "W_g": ("m", "m + n"),
    "b_g": ("m",),
}
CONSTANTS = {}
OUTPUT = ("m",)


class Inputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    x: Any  # (T, B, n)


class State(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""

    c: Any  # (B, m)
    h: Any  # (B, m)


class Parameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_i: Any  # (m, m + n)
    b_i: Any  # (m,)
    W_f: Any  # (m, m + n)
    b_f: Any  # (m,)
    W_o: Any  # (m, m + n)
    b_o: Any  # (m,)
    W_g: Any  # (m, m + n)
    b_g: Any  # (m,)


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
    W_on_x: np.ndarray  # (4*m, n)
    b_all: np.ndarray  # (4*m)
    W_on_h: np.ndarray  # (4*m, m)


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
        W_i=_glorot(rng, (m, m + n), dtype),
        b_i=np.zeros((m,), dtype),
        W_f=_glorot(rng, (m, m + n), dtype),
        b_f=np.zeros((m,), dtype),
        W_o=_glorot(rng, (m, m + n), dtype),
        b_o=np.zeros((m,), dtype),
        W_g=_glorot(rng, (m, m + n), dtype),
        b_g=np.zeros((m,), dtype),
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
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_i[:, m:], W_f[:, m:], W_o[:, m:], W_g[:, m:]])
    b_all = np.concatenate([b_i, b_f, b_o, b_g])
    W_on_h = np.concatenate([W_i[:, :m], W_f[:, :m], W_o[:, :m], W_g[:, :m]])
    return Prepared(parameters, sizes, dtype, W_on_x, b_all, W_on_h)


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
    _rank("parameters.W_i", given.W_i, 2)
    _rank("parameters.b_i", given.b_i, 1)
    _rank("parameters.W_f", given.W_f, 2)
    _rank("parameters.b_f", given.b_f, 1)
    _rank("parameters.W_o", given.W_o, 2)
    _rank("parameters.b_o", given.b_o, 1)
    _rank("parameters.W_g", given.W_g, 2)
    _rank("parameters.b_g", given.b_g, 1)
    m = given.W_i.shape[0]
    n = _difference("parameters.W_i", given.W_i, given.W_i.shape[1] - (m))
    dtype = _common_dtype(given)
    return Parameters(
        _checked_array("parameters.W_i", given.W_i, (m, m + n), dtype),
        _checked_array("parameters.b_i", given.b_i, (m,), dtype),
        _checked_array("parameters.W_f", given.W_f, (m, m + n), dtype),
        _checked_array("parameters.b_f", given.b_f, (m,), dtype),
        _checked_array("parameters.W_o", given.W_o, (m, m + n), dtype),
        _checked_array("parameters.b_o", given.b_o, (m,), dtype),
        _checked_array("parameters.W_g", given.W_g, (m, m + n), dtype),
        _checked_array("parameters.b_g", given.b_g, (m,), dtype),
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
        return State(np.zeros((B, m), dtype), np.zeros((B, m), dtype))
    state = _bundle(what, state, State)
    return State(
        _checked_array(f"{what}.c", state.c, (B, m), dtype),
        _checked_array(f"{what}.h", state.h, (B, m), dtype),
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
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_h = prepared.W_on_h
    x, = inputs
    c_0, h_0 = state
    T, B = x.shape[:2]
    c = np.empty((T + 1, B, m), dtype)
    h = np.empty((T + 1, B, m), dtype)
    tanh_c = np.empty((T, B, m), dtype)
    a_all = np.empty((T, B, 4 * m), dtype)
    a_i = a_all[:, :, :m]
    i = a_all[:, :, :m]
    a_f = a_all[:, :, m : 2 * m]
    f = a_all[:, :, m : 2 * m]
    a_o = a_all[:, :, 2 * m : 3 * m]
    o = a_all[:, :, 2 * m : 3 * m]
    a_g = a_all[:, :, 3 * m :]
    g = a_all[:, :, 3 * m :]
    c[0] = c_0
    h[0] = h_0
    # a_i, a_f, a_o, a_g: the part that x gives
    a_all[...] = x @ W_on_x.T
    # a_i, a_f, a_o, a_g: the biases
    a_all += b_all
    for t in range(T):
        # a_i, a_f, a_o, a_g: the part that h gives
        a_all[t] += h[t] @ W_on_h.T
        # (1) i = sigmoid(W_i @ [h, x] + b_i)
        i[t] = _sigmoid(a_i[t])
        # (2) f = sigmoid(W_f @ [h, x] + b_f)
        f[t] = _sigmoid(a_f[t])
        # (3) o = sigmoid(W_o @ [h, x] + b_o)
        o[t] = _sigmoid(a_o[t])
        # (4) g = tanh(W_g @ [h, x] + b_g)
        g[t] = np.tanh(a_g[t])
        # (5) c.next = f * c + i * g
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        # (6) h.next = o * tanh(c.next)
        tanh_c[t] = np.tanh(c[t + 1])
        h[t + 1] = o[t] * tanh_c[t]
    return h[1:], State(c[T], h[T]), (c, h, tanh_c, a_all)


@np.errstate(all="ignore")
def _backward(prepared, tape, d_outputs, d_state, input_gradients):
    """The gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _sizes(prepared, tape.inputs, tape.state)
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_h = prepared.W_on_h
    x, = tape.inputs
    c, h, tanh_c, a_all = tape.saved
    i = a_all[:, :, :m]
    f = a_all[:, :, m : 2 * m]
    o = a_all[:, :, 2 * m : 3 * m]
    g = a_all[:, :, 3 * m :]
    d_h_output = d_outputs
    d_c_later_final, d_h_later_final = d_state
    T, B = x.shape[:2]
    d_x = np.empty((T, B, n) if input_gradients else (0, 0, 0), dtype)
    d_W_i = np.empty((m, m + n), dtype)
    d_W_f = np.empty((m, m + n), dtype)
    d_W_o = np.empty((m, m + n), dtype)
    d_W_g = np.empty((m, m + n), dtype)
    d_a_all = np.empty((T, B, 4 * m), dtype)
    d_a_g = d_a_all[:, :, 3 * m :]
    d_a_o = d_a_all[:, :, 2 * m : 3 * m]
    d_a_f = d_a_all[:, :, m : 2 * m]
    d_a_i = d_a_all[:, :, :m]
    d_c_later = d_c_later_final.copy()
    d_h_later = d_h_later_final.copy()
    for t in reversed(range(T)):
        # d_h_next from what step t + 1 hands back; the output's cotangent
        d_h_next = d_h_later + d_h_output[t]
        # d_tanh_c from h.next = o * tanh_c
        d_tanh_c = d_h_next * o[t]
        # d_c_next from tanh_c = tanh(c.next); what step t + 1 hands back
        d_c_next = d_c_later + d_tanh_c * (1 - tanh_c[t] * tanh_c[t])
        # d_g from c.next = f * c + i * g
        d_g = d_c_next * i[t]
        # d_a_g from g = tanh(a_g)
        d_a_g[t] = d_g * (1 - g[t] * g[t])
        # d_o from h.next = o * tanh_c
        d_o = d_h_next * tanh_c[t]
        # d_a_o from o = sigmoid(a_o)
        d_a_o[t] = d_o * o[t] * (1 - o[t])
        # d_f from c.next = f * c + i * g
        d_f = d_c_next * c[t]
        # d_a_f from f = sigmoid(a_f)
        d_a_f[t] = d_f * f[t] * (1 - f[t])
        # d_i from c.next = f * c + i * g
        d_i = d_c_next * g[t]
        # d_a_i from i = sigmoid(a_i)
        d_a_i[t] = d_i * i[t] * (1 - i[t])
        # d_c from c.next = f * c + i * g
        d_c = d_c_next * f[t]
        # d_h = d_h_x[0 : m]
        #     from h_x = [h, x]
        # d_h_x = d_a_f @ W_f + d_a_g @ W_g + d_a_i @ W_i + d_a_o @ W_o
        #     from W_g_h_x = W_g @ h_x; W_o_h_x = W_o @ h_x; W_f_h_x = W_f @ h_x; W_i_h_x = W_i @ h_x
        d_h = d_a_all[t] @ W_on_h
        d_c_later = d_c
        d_h_later = d_h
    if input_gradients:
        # d_x = d_h_x[m : m + n]
        #     from h_x = [h, x]
        # d_h_x = d_a_f @ W_f + d_a_g @ W_g + d_a_i @ W_i + d_a_o @ W_o
        #     from W_g_h_x = W_g @ h_x; W_o_h_x = W_o @ h_x; W_f_h_x = W_f @ h_x; W_i_h_x = W_i @ h_x
        d_x[...] = d_a_all @ W_on_x
    # d_W_i = sum over t of outer(d_a_i, h_x)
    #     from W_i_h_x = W_i @ h_x
    # d_W_f = sum over t of outer(d_a_f, h_x)
    #     from W_f_h_x = W_f @ h_x
    # d_W_o = sum over t of outer(d_a_o, h_x)
    #     from W_o_h_x = W_o @ h_x
    # d_W_g = sum over t of outer(d_a_g, h_x)
    #     from W_g_h_x = W_g @ h_x
    d_W_on_h = np.tensordot(d_a_all, h[:-1], ((0, 1), (0, 1)))
    d_W_i[:, :m] = d_W_on_h[:m]
    d_W_f[:, :m] = d_W_on_h[m : 2 * m]
    d_W_o[:, :m] = d_W_on_h[2 * m : 3 * m]
    d_W_g[:, :m] = d_W_on_h[3 * m :]
    # d_W_i = sum over t of outer(d_a_i, h_x)
    #     from W_i_h_x = W_i @ h_x
    # d_W_f = sum over t of outer(d_a_f, h_x)
    #     from W_f_h_x = W_f @ h_x
    # d_W_o = sum over t of outer(d_a_o, h_x)
    #     from W_o_h_x = W_o @ h_x
    # d_W_g = sum over t of outer(d_a_g, h_x)
    #     from W_g_h_x = W_g @ h_x
    d_W_on_x = np.tensordot(d_a_all, x, ((0, 1), (0, 1)))
    d_W_i[:, m:] = d_W_on_x[:m]
    d_W_f[:, m:] = d_W_on_x[m : 2 * m]
    d_W_o[:, m:] = d_W_on_x[2 * m : 3 * m]
    d_W_g[:, m:] = d_W_on_x[3 * m :]
    # d_b_i = sum over t of d_a_i
    #     from a_i = W_i_h_x + b_i
    # d_b_f = sum over t of d_a_f
    #     from a_f = W_f_h_x + b_f
    # d_b_o = sum over t of d_a_o
    #     from a_o = W_o_h_x + b_o
    # d_b_g = sum over t of d_a_g
    #     from a_g = W_g_h_x + b_g
    d_b_all = d_a_all.sum(axis=(0, 1))
    d_b_i = d_b_all[:m].copy()
    d_b_f = d_b_all[m : 2 * m].copy()
    d_b_o = d_b_all[2 * m : 3 * m].copy()
    d_b_g = d_b_all[3 * m :].copy()
    return Gradients(
        Parameters(
            W_i=d_W_i, b_i=d_b_i, W_f=d_W_f, b_f=d_b_f, W_o=d_W_o, b_o=d_b_o, W_g=d_W_g, b_g=d_b_g,
        ),
        Inputs(x=d_x) if input_gradients else None,
        State(c=d_c_later, h=d_h_later),
    )
