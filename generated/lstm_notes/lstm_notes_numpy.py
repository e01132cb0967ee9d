"""Long short-term memory (as lecture notes give it: the candidate sees c, the output has no tanh): forward and backward pass over a sequence, in NumPy.

made by symrnn 0.1.0 from lstm_notes (9cd887908ced), do not edit.

Source: Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, in lecture notation

The step (a bare state is its value at t-1, .next the one at t):

    c_tilde = tanh(W_c @ [c, x] + b_c)
    u = sigmoid(W_u @ [a, x] + b_u)
    f = sigmoid(W_f @ [a, x] + b_f)
    o = sigmoid(W_o @ [a, x] + b_o)
    c.next = u * c_tilde + f * c
    a.next = o * c.next

The output is a.next. Arrays carry time T first, then the batch B.
"""

import contextlib
import functools
import math
import os
import sys
import threading
from typing import Any, NamedTuple

import numpy as np

AXES = ("n", "m")
INPUTS = {"x": ("n",)}
STATES = {"c": ("m",), "a": ("m",)}
PARAMETERS = {
    "W_c": ("m", "m + n"),
    "b_c": ("m",),
    "W_u": ("m", "m + n"),
    "b_u": ("m",),
    "W_f": ("m", "m + n"),
    "b_f": ("m",),
    "W_o": ("m", "m + n"),
    "b_o": ("m",),
}
CONSTANTS = {}
OUTPUT = ("m",)


class Inputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    x: Any  # (T, B, n)


class State(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""

    c: Any  # (B, m)
    a: Any  # (B, m)


class Parameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_c: Any  # (m, m + n)
    b_c: Any  # (m,)
    W_u: Any  # (m, m + n)
    b_u: Any  # (m,)
    W_f: Any  # (m, m + n)
    b_f: Any  # (m,)
    W_o: Any  # (m, m + n)
    b_o: Any  # (m,)


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
    W_on_a: np.ndarray  # (3*m, m)


class Tape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: Prepared
    inputs: Inputs
    state: State
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


class Workspace:
    """Memory for repeated calls: pass the same one as `workspace=`, and no call needs fresh memory from the system.

    It grows to what the calls need. The outputs and the tape of `forward` lie in it until the next `forward` with it, after
    which `backward` refuses the older tape; all other results are the caller's. One call at a time; what lies in it cannot
    be the input of a `forward` with it.
    """

    def __init__(self):
        self._memory = {}  # flat arrays by purpose and name
        self._arrays = {}  # those last made of them
        self._uses = 0
        self._free = threading.Lock()

    def __getstate__(self):
        return {"_uses": self._uses}  # a copy has memory of its own, and serves the tapes that are copied with it

    def __setstate__(self, state):
        self.__init__()
        self.__dict__.update(state)

    def _array(self, purpose, name, shape, dtype):
        """An uninitialised array, in the memory of an earlier call if that is large enough."""
        key = purpose, name
        array = self._arrays.get(key)
        if array is None or array.shape != shape or array.dtype != dtype:
            flat = self._memory.get(key)
            if flat is None or flat.size < math.prod(shape) or flat.dtype != dtype:
                flat = self._memory[key] = _new(name, (math.prod(shape),), dtype)
            array = self._arrays[key] = np.ndarray(shape, dtype, flat)
        return array

    def _refuse_own(self, arguments):
        """Raise if an argument lies in this memory, which a forward pass would overwrite while it reads or needs it later."""
        owners = _owners(array for _, arrays in arguments for array in arrays)
        if 0 in owners or not {*map(id, self._memory.values())}.isdisjoint(owners):
            _refuse_overlap([("workspace", self._memory.values())], arguments, "use a Workspace() for each layer")


class _Use:
    """One call's use of a workspace: a context that gives the function (name, shape, dtype) -> array."""

    __slots__ = ("purpose", "workspace")

    def __init__(self, workspace, purpose):
        self.workspace, self.purpose = workspace, purpose

    def __enter__(self):
        if not self.workspace._free.acquire(blocking=False):
            raise ValueError("workspace is in use by another call; give every thread a Workspace() of its own.")
        self.workspace._uses += self.purpose == "forward"
        return functools.partial(self.workspace._array, self.purpose)

    def __exit__(self, *_):
        self.workspace._free.release()


def init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = _float_dtype(dtype)
    n, m = _checked_sizes(n=n, m=m)
    if (4 * n * m + 4 * m * m + 4 * m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", 4 * n * m + 4 * m * m + 4 * m, dtype)
    return Parameters(
        W_c=_glorot(rng, (m, m + n), dtype),
        b_c=np.zeros((m,), dtype),
        W_u=_glorot(rng, (m, m + n), dtype),
        b_u=np.zeros((m,), dtype),
        W_f=_glorot(rng, (m, m + n), dtype),
        b_f=np.zeros((m,), dtype),
        W_o=_glorot(rng, (m, m + n), dtype),
        b_o=np.zeros((m,), dtype),
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
    W_c, b_c, W_u, b_u, W_f, b_f, W_o, b_o = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_c[:, m:], W_u[:, m:], W_f[:, m:], W_o[:, m:]], out=memory("W_on_x", (4 * m, n), dtype))
    b_all = np.concatenate([b_c, b_u, b_f, b_o], out=memory("b_all", (4 * m,), dtype))
    W_on_a = np.concatenate([W_u[:, :m], W_f[:, :m], W_o[:, :m]], out=memory("W_on_a", (3 * m, m), dtype))
    return Prepared(parameters, sizes, dtype, W_on_x, b_all, W_on_a)


def predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`.
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _checked_call(parameters, inputs, state, lengths, memory, out)
        (n, m) = sizes = _sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B, m), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = State(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _continued(inputs, state, lengths, memory)
        final = _predict(prepared, sizes, inputs, start, outputs, lengths, memory)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def forward(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie.
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _continued(inputs, state, lengths, memory)
        outputs, final, saved = _forward(prepared, inputs, start, lengths, memory)
        final = State(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = Tape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return Run(outputs, final, tape)


def backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`.
    """
    if not isinstance(tape, Tape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _require_same(parameters, given)
        _require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = State(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in results.inputs or ():
                array[_padding(tape.lengths, len(array))] = 0
        return results


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


_NO_WORKSPACE = contextlib.nullcontext(_new)


def _memory(workspace, purpose):
    """A context that gives the function (name, shape, dtype) -> uninitialised array for one call."""
    if workspace is None:
        return _NO_WORKSPACE
    if not isinstance(workspace, Workspace):
        raise ValueError(f"workspace is a {type(workspace).__name__}; pass a Workspace() of this module.")
    return _Use(workspace, purpose)


def _takes(array, shape, dtype):
    """Whether an array can take a result of this shape and dtype."""
    return type(array) is np.ndarray and array.shape == shape and array.dtype == dtype and array.flags.carray


def _place(what, array, shape, dtype):
    """The caller's array for a result, checked; a new one if there is none."""
    if array is None:
        return _new(what, shape, dtype)
    array = _checked_array(what, array, shape, dtype)
    if not array.flags.carray:
        raise ValueError(f"{what} cannot take a result; it should be contiguous, aligned and writable.")
    return array


def _owners(arrays):
    """The ids of the arrays that own the memory of some; 0 where that is not known, as with memory of another library."""
    found = []
    for array in arrays:
        while type(array.base) is np.ndarray:
            array = array.base
        found.append(id(array) if array.base is None and array.flags.owndata else 0)
    return found


def _refuse_overlap(results, arguments, repair):
    """Raise if an array that a call writes to shares memory with another one or with an argument.

    `results` and `arguments` are pairs of a name and arrays, in a NamedTuple where the name is that of several.
    """
    written = [array for _, arrays in results for array in arrays if array is not None]
    read = [array for _, arrays in arguments for array in arrays if array is not None]
    owners, others = _owners(written), _owners(read)
    if 0 not in owners and 0 not in others and len({*owners}) == len(owners) and {*owners}.isdisjoint(others):
        return
    names = [
        what if field is None else f"{what}.{field}"
        for what, group in (*results, *arguments)
        for field, array in zip(getattr(group, "_fields", [None] * len(group)), group, strict=True)
        if array is not None
    ]
    arrays = [*zip(names, (*written, *read), (*owners, *others), strict=True)]
    for position, (what, result, owner) in enumerate(arrays[: len(written)]):
        for name, array, other in arrays[position + 1 :]:
            if (owner == other or 0 in (owner, other)) and np.may_share_memory(result, array):
                raise ValueError(f"{what} shares memory with {name}; {repair}.")


def _results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (n, m) = sizes
    shapes = Gradients(
        Parameters(
            W_c=(m, m + n), b_c=(m,), W_u=(m, m + n), b_u=(m,), W_f=(m, m + n), b_f=(m,), W_o=(m, m + n),
            b_o=(m,),
        ),
        Inputs(x=(T, B, n)),
        State(c=(B, m), a=(B, m)),
    )
    if out is not None and not isinstance(out, Gradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(_place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", Inputs) if input_gradients else None
    return Gradients(places("parameters", Parameters), inputs, places("state", State))


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
    """`value` as a NamedTuple of the given kind; a single field may be passed bare.

    A plain tuple of several arrays is refused: nothing in it tells which is which.
    """
    if isinstance(value, kind):
        return value
    fields = kind._fields
    if len(fields) == 1 and isinstance(value, np.ndarray):
        return kind(value)
    if getattr(value, "_fields", None) == fields:  # the same kernel, from another module
        return kind(*value)
    if len(fields) == 1 and not isinstance(value, (tuple, list)):
        return kind(value)
    if type(value) in (tuple, list) and len(value) == len(fields) <= 1:
        return kind(*value)
    named = ", ".join(f"{field}=..." for field in fields)
    raise ValueError(f"{what} is a {type(value).__name__}; pass {kind.__name__}({named}).")


def _rank(what, value, rank):
    """The shape of an array whose sizes are still unknown."""
    _require_array(what, value)
    if value.ndim != rank:
        raise ValueError(f"{what} has shape {value.shape}; it should have {rank} axes.")
    return value.shape


def _checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, Parameters)
    _rank("parameters.W_c", given.W_c, 2)
    _rank("parameters.b_c", given.b_c, 1)
    _rank("parameters.W_u", given.W_u, 2)
    _rank("parameters.b_u", given.b_u, 1)
    _rank("parameters.W_f", given.W_f, 2)
    _rank("parameters.b_f", given.b_f, 1)
    _rank("parameters.W_o", given.W_o, 2)
    _rank("parameters.b_o", given.b_o, 1)
    m = given.W_c.shape[0]
    n = _difference("parameters.W_c", given.W_c, given.W_c.shape[1] - (m))
    dtype = _common_dtype(given)
    return Parameters(
        _checked_array("parameters.W_c", given.W_c, (m, m + n), dtype),
        _checked_array("parameters.b_c", given.b_c, (m,), dtype),
        _checked_array("parameters.W_u", given.W_u, (m, m + n), dtype),
        _checked_array("parameters.b_u", given.b_u, (m,), dtype),
        _checked_array("parameters.W_f", given.W_f, (m, m + n), dtype),
        _checked_array("parameters.b_f", given.b_f, (m,), dtype),
        _checked_array("parameters.W_o", given.W_o, (m, m + n), dtype),
        _checked_array("parameters.b_o", given.b_o, (m,), dtype),
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
        return State(np.zeros((B, m), dtype), np.zeros((B, m), dtype))
    state = _bundle(what, state, State)
    return State(
        _checked_array(f"{what}.c", state.c, (B, m), dtype),
        _checked_array(f"{what}.a", state.a, (B, m), dtype),
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


def _marks(parameters, inputs):
    """A number of every parameter and a step of every input, which tell whether the arrays were changed."""
    middle = [array.size and array.item(array.size // 2) for array in parameters]
    return middle + [array[len(array) // 2].tobytes() if array.size else b"" for array in inputs]


def _require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in Parameters._fields), *(f"inputs.{name}" for name in Inputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, Prepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(Parameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


def _same_sizes(sizes, dtype, prepared):
    """Raise unless parameters of some sizes and dtype fit those that a tape was made with."""
    if sizes != prepared.sizes or dtype != prepared.dtype:
        raise ValueError(f"The tape was made with sizes {prepared.sizes} in {prepared.dtype}, the parameters have {sizes} in {dtype}.")


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
    c_0, a_0 = state
    c = memory("c", (T + 1, B, m), dtype)
    a = memory("a", (T + 1, B, m), dtype)
    a_all = memory("a_all", (T, B, 4 * m), dtype)
    c[0] = c_0
    a[0] = a_0
    c_next = c[1:] if lengths is None else memory("c_next", (T, B, m), dtype)
    a_next = a[1:] if lengths is None else memory("a_next", (T, B, m), dtype)
    return (c, a, a_all, c_next, a_next), a_next, State(c, a), State(c_next, a_next), (c, c_next, a, a_all)


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (n, m) = sizes
    dtype = prepared.dtype
    W_c, b_c, W_u, b_u, W_f, b_f, W_o, b_o = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_a = prepared.W_on_a
    x, = inputs
    c, a, a_all, c_next, a_next = kept
    T, B = x.shape[:2]
    a_c_tilde = a_all[:, :, :m]
    c_tilde = a_all[:, :, :m]
    a_u = a_all[:, :, m : 2 * m]
    u = a_all[:, :, m : 2 * m]
    a_f = a_all[:, :, 2 * m : 3 * m]
    f = a_all[:, :, 2 * m : 3 * m]
    a_o = a_all[:, :, 3 * m :]
    o = a_all[:, :, 3 * m :]
    a_u_to_a_o = a_all[:, :, m:]
    # a_c_tilde, a_u, a_f, a_o: the part that x gives
    _multiply(x, W_on_x.T, a_all)
    # a_c_tilde, a_u, a_f, a_o: the biases
    a_all += b_all
    for t in range(T):
        # (1) c_tilde = tanh(W_c @ [c, x] + b_c)
        a_c_tilde[t] += c[t] @ W_c[:, :m].T
        c_tilde[t] = np.tanh(a_c_tilde[t])
        # a_u, a_f, a_o: the part that a gives
        a_u_to_a_o[t] += a[t] @ W_on_a.T
        # (2) u = sigmoid(W_u @ [a, x] + b_u)
        u[t] = _sigmoid(a_u[t])
        # (3) f = sigmoid(W_f @ [a, x] + b_f)
        f[t] = _sigmoid(a_f[t])
        # (4) o = sigmoid(W_o @ [a, x] + b_o)
        o[t] = _sigmoid(a_o[t])
        # (5) c.next = u * c_tilde + f * c
        c_next[t] = u[t] * c_tilde[t] + f[t] * c[t]
        # (6) a.next = o * c.next
        a_next[t] = o[t] * c_next[t]
        if lengths is not None:
            ended = t + 1 >= lengths
            c[t + 1] = c_next[t]
            c[t + 1][ended] = c[t][ended]
            a[t + 1] = a_next[t]
            a[t + 1][ended] = a[t][ended]


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
    W_c, b_c, W_u, b_u, W_f, b_f, W_o, b_o = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_a = prepared.W_on_a
    x, = inputs
    c, c_next, a, a_all = saved
    c_tilde = a_all[:, :, :m]
    u = a_all[:, :, m : 2 * m]
    f = a_all[:, :, 2 * m : 3 * m]
    o = a_all[:, :, 3 * m :]
    d_a_output = d_outputs
    d_c_later, d_a_later = results.state
    d_c_later_final, d_a_later_final = d_state
    T, B = x.shape[:2]
    d_x = results.inputs.x if input_gradients else np.empty((0, 0, 0), dtype)
    d_W_c = results.parameters.W_c
    d_b_c = results.parameters.b_c
    d_W_u = results.parameters.W_u
    d_b_u = results.parameters.b_u
    d_W_f = results.parameters.W_f
    d_b_f = results.parameters.b_f
    d_W_o = results.parameters.W_o
    d_b_o = results.parameters.b_o
    d_a_all = memory("d_a_all", (T, B, 4 * m), dtype)
    d_a_o = d_a_all[:, :, 3 * m :]
    d_a_f = d_a_all[:, :, 2 * m : 3 * m]
    d_a_u = d_a_all[:, :, m : 2 * m]
    d_a_c_tilde = d_a_all[:, :, :m]
    d_a_u_to_d_a_o = d_a_all[:, :, m:]
    d_c_later = d_c_later.copy()
    d_a_later = d_a_later.copy()
    for t in reversed(range(T)):
        if lengths is not None:
            ending = t == lengths - 1
            d_c_later[ending] = d_c_later_final[ending]
            d_a_later[ending] = d_a_later_final[ending]
        # d_a_next from what step t + 1 hands back; the output's cotangent
        d_a_next = d_a_later + d_a_output[t]
        # d_c_next from a.next = o * c.next; what step t + 1 hands back
        d_c_next = d_a_next * o[t] + d_c_later
        # d_o from a.next = o * c.next
        d_o = d_a_next * c_next[t]
        # d_a_o from o = sigmoid(a_o)
        d_a_o[t] = d_o * o[t] * (1 - o[t])
        # d_f from c.next = u * c_tilde + f * c
        d_f = d_c_next * c[t]
        # d_a_f from f = sigmoid(a_f)
        d_a_f[t] = d_f * f[t] * (1 - f[t])
        # d_u from c.next = u * c_tilde + f * c
        d_u = d_c_next * c_tilde[t]
        # d_a_u from u = sigmoid(a_u)
        d_a_u[t] = d_u * u[t] * (1 - u[t])
        # d_c_tilde from c.next = u * c_tilde + f * c
        d_c_tilde = d_c_next * u[t]
        # d_a_c_tilde from c_tilde = tanh(a_c_tilde)
        d_a_c_tilde[t] = d_c_tilde * (1 - c_tilde[t] * c_tilde[t])
        # d_c = d_c_next * f + d_c_x[0 : m]
        #     from c.next = u * c_tilde + f * c; c_x = [c, x]
        # d_c_x = d_a_c_tilde @ W_c
        #     from W_c_c_x = W_c @ c_x
        d_c = d_c_next * f[t]
        d_c += d_a_c_tilde[t] @ W_c[:, :m]
        # d_a = d_a_x[0 : m]
        #     from a_x = [a, x]
        # d_a_x = d_a_f @ W_f + d_a_o @ W_o + d_a_u @ W_u
        #     from W_o_a_x = W_o @ a_x; W_f_a_x = W_f @ a_x; W_u_a_x = W_u @ a_x
        d_a = d_a_u_to_d_a_o[t] @ W_on_a
        d_c_later = d_c
        d_a_later = d_a
    if input_gradients:
        # d_x = d_a_x[m : m + n] + d_c_x[m : m + n]
        #     from a_x = [a, x]; c_x = [c, x]
        # d_c_x = d_a_c_tilde @ W_c
        #     from W_c_c_x = W_c @ c_x
        # d_a_x = d_a_f @ W_f + d_a_o @ W_o + d_a_u @ W_u
        #     from W_o_a_x = W_o @ a_x; W_f_a_x = W_f @ a_x; W_u_a_x = W_u @ a_x
        _multiply(d_a_all, W_on_x, d_x)
    # d_W_c = sum over t of outer(d_a_c_tilde, c_x)
    #     from W_c_c_x = W_c @ c_x
    d_W_c[:, :m] = np.tensordot(d_a_c_tilde, c[:-1], ((0, 1), (0, 1)))
    # d_W_c = sum over t of outer(d_a_c_tilde, c_x)
    #     from W_c_c_x = W_c @ c_x
    # d_W_u = sum over t of outer(d_a_u, a_x)
    #     from W_u_a_x = W_u @ a_x
    # d_W_f = sum over t of outer(d_a_f, a_x)
    #     from W_f_a_x = W_f @ a_x
    # d_W_o = sum over t of outer(d_a_o, a_x)
    #     from W_o_a_x = W_o @ a_x
    d_W_on_x = np.tensordot(d_a_all, x, ((0, 1), (0, 1)))
    d_W_c[:, m:] = d_W_on_x[:m]
    d_W_u[:, m:] = d_W_on_x[m : 2 * m]
    d_W_f[:, m:] = d_W_on_x[2 * m : 3 * m]
    d_W_o[:, m:] = d_W_on_x[3 * m :]
    # d_W_u = sum over t of outer(d_a_u, a_x)
    #     from W_u_a_x = W_u @ a_x
    # d_W_f = sum over t of outer(d_a_f, a_x)
    #     from W_f_a_x = W_f @ a_x
    # d_W_o = sum over t of outer(d_a_o, a_x)
    #     from W_o_a_x = W_o @ a_x
    d_W_on_a = np.tensordot(d_a_u_to_d_a_o, a[:-1], ((0, 1), (0, 1)))
    d_W_u[:, :m] = d_W_on_a[:m]
    d_W_f[:, :m] = d_W_on_a[m : 2 * m]
    d_W_o[:, :m] = d_W_on_a[2 * m :]
    # d_b_c = sum over t of d_a_c_tilde
    #     from a_c_tilde = W_c_c_x + b_c
    # d_b_u = sum over t of d_a_u
    #     from a_u = W_u_a_x + b_u
    # d_b_f = sum over t of d_a_f
    #     from a_f = W_f_a_x + b_f
    # d_b_o = sum over t of d_a_o
    #     from a_o = W_o_a_x + b_o
    d_b_all = d_a_all.sum(axis=(0, 1))
    d_b_c[:] = d_b_all[:m]
    d_b_u[:] = d_b_all[m : 2 * m]
    d_b_f[:] = d_b_all[2 * m : 3 * m]
    d_b_o[:] = d_b_all[3 * m :]
    results.state.c[...] = d_c_later
    results.state.a[...] = d_a_later
