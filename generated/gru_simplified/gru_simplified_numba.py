"""Simplified gated recurrent unit (update gate only): forward and backward pass over a sequence, in Numba.

made by symrnn 0.1.0 from gru_simplified (8f930e3ef9e7), do not edit.

Source: Cho et al. 2014, arXiv:1406.1078v3, without the reset gate

The step (a bare state is its value at t-1, .next the one at t):

    c_tilde = tanh(W_c @ [c, x] + b_c)
    u = sigmoid(W_u @ [c, x] + b_u)
    c.next = u * c_tilde + (1 - u) * c

The output is c.next. Arrays carry time T first, then the batch B.
"""

import contextlib
import functools
import math
import os
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, njit
from numba import types as nb_types
from numba.core import cgutils
from numba.core.errors import NumbaTypeError
from numba.core.registry import cpu_target
from numba.extending import intrinsic

AXES = ("n", "m")
INPUTS = {"x": ("n",)}
STATES = {"c": ("m",)}
PARAMETERS = {"W_c": ("m", "m + n"), "b_c": ("m",), "W_u": ("m", "m + n"), "b_u": ("m",)}
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

    W_c: Any  # (m, m + n)
    b_c: Any  # (m,)
    W_u: Any  # (m, m + n)
    b_u: Any  # (m,)


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
    W_on_x: np.ndarray  # (2*m, n)
    b_all: np.ndarray  # (2*m)
    W_on_c: np.ndarray  # (2*m, m)
    W_on_x_panels: np.ndarray  # W_on_x, packed
    W_on_c_panels: np.ndarray  # W_on_c, packed


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
    if (2 * n * m + 2 * m * m + 2 * m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", 2 * n * m + 2 * m * m + 2 * m, dtype)
    return Parameters(
        W_c=_glorot(rng, (m, m + n), dtype),
        b_c=np.zeros((m,), dtype),
        W_u=_glorot(rng, (m, m + n), dtype),
        b_u=np.zeros((m,), dtype),
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
    W_c, b_c, W_u, b_u = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_c[:, m:], W_u[:, m:]], out=memory("W_on_x", (2 * m, n), dtype))
    b_all = np.concatenate([b_c, b_u], out=memory("b_all", (2 * m,), dtype))
    W_on_c = np.concatenate([W_c[:, :m], W_u[:, :m]], out=memory("W_on_c", (2 * m, m), dtype))
    W_on_x_panels = _panels(_plain(W_on_x).T, "W_on_x_panels", memory)
    W_on_c_panels = _panels(_plain(W_on_c).T, "W_on_c_panels", memory)
    return Prepared(parameters, sizes, dtype, W_on_x, b_all, W_on_c, W_on_x_panels, W_on_c_panels)


def predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
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
        final = _predict(prepared, sizes, inputs, start, outputs, lengths, threads)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def forward(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _continued(inputs, state, lengths, memory)
        outputs, final, saved = _forward(prepared, inputs, start, lengths, memory, threads)
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
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None, threads=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
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
        _backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory, threads)
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
    final = _predict(prepared, sizes, inputs, _checked_state("state", state, sizes, dtype, B), outputs, None, None)
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
            W_c=(m, m + n), b_c=(m,), W_u=(m, m + n), b_u=(m,),
        ),
        Inputs(x=(T, B, n)),
        State(c=(B, m)),
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
    m = given.W_c.shape[0]
    n = _difference("parameters.W_c", given.W_c, given.W_c.shape[1] - (m))
    dtype = _common_dtype(given)
    return Parameters(
        _checked_array("parameters.W_c", given.W_c, (m, m + n), dtype),
        _checked_array("parameters.b_c", given.b_c, (m,), dtype),
        _checked_array("parameters.W_u", given.W_u, (m, m + n), dtype),
        _checked_array("parameters.b_u", given.b_u, (m,), dtype),
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


# ---- Compiling ---------------------------------------------------------------------------------------
# Numba's disk cache stores, for every compiled function, the name of its module, and imports that name when it
# loads the machine code. This file may be imported under any name or run as a script, so its compiled functions
# belong to a module whose name never changes. It must be in sys.modules before anything is compiled.
_HOME = sys.modules.setdefault("symrnn_gru_simplified_31808a23c4f1", types.ModuleType("symrnn_gru_simplified_31808a23c4f1"))
# NumPy's division (inf and NaN, no exception) is what lets a loop with a division become vector code;
# "contract" allows a * b + c in one rounding and nothing else, so NaN and infinities survive.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
# With NUMBA_DISABLE_JIT=1, as debuggers and coverage need it, all of this file runs as plain Python, slowly.


def _inlined(function):
    """Compile a small function into its callers; it needs the home, but no cache files of its own."""
    function.__module__ = _HOME.__name__
    setattr(_HOME, function.__name__, function)
    return njit(function, **_OPTIONS)


def _compiled(function):
    """Compile a function on its first call, and cache the machine code on disk."""
    dispatcher = _inlined(function)
    if config.DISABLE_JIT:  # NumPy's numbers warn of infinities and NaN, machine code does not
        return np.errstate(all="ignore")(dispatcher)
    with contextlib.suppress(RuntimeError):  # executed from text, or nowhere to write: then there is no cache
        dispatcher.enable_caching()
    return dispatcher


def _plain(array):
    """The array as compiled code takes it: contiguous, aligned and writable; a copy only if it is not."""
    if array.flags.carray:
        return array
    if array.nbytes > _MEMORY:
        raise _no_room(f"a copy in one piece of an array of shape {array.shape}", array.size, array.dtype)
    return np.require(array, requirements="CAW")


# ---- Threads -----------------------------------------------------------------------------------------
# A pass over a sequence is cut along the batch: every thread takes its samples through all time steps, and
# waits for nobody. The threads are Python's, since compiled code runs without the interpreter lock; they
# may be called from several threads at once, and a forked process starts its own.

_WORTHWHILE = 5e6  # operations per thread below which handing work over costs more than it saves
_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_POOL = []


def _bounds(batch, operations, threads):
    """Where the batch is cut: one slice per thread, whole tiles of rows where there are enough."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1):
        raise ValueError(f"threads is {threads!r}; pass an integer of at least 1, or None for one per processor.")
    if operations < 2 * _WORTHWHILE:
        return [0, batch]
    parts = max(1, min(threads or _CPUS, batch, int(operations / _WORTHWHILE)))
    tile = _TILE_ROWS if batch >= 2 * parts * _TILE_ROWS else 1
    cuts = [min(batch, round(batch * part / parts / tile) * tile) for part in range(parts)]
    return [*cuts, batch]


def _steps_together(T, bounds):
    """Number of time steps whose products are made at once: at most _CHUNK rows of a slice, which the cache holds."""
    rows = -(-bounds[-1] // (len(bounds) - 1))
    return max(1, min(T, _CHUNK // max(rows, 1)))


def _in_slices(bounds, function, *arguments):
    """Call function(part, low, high, *arguments) for every slice of the batch, the last one in this thread."""
    if len(bounds) == 2:
        function(0, *bounds, *arguments)
        return
    if not _POOL:
        _POOL.append(ThreadPoolExecutor(_CPUS, thread_name_prefix=_HOME.__name__))
    slices = list(zip(range(len(bounds) - 1), bounds, bounds[1:], strict=False))
    waiting = [_POOL[0].submit(function, *piece, *arguments) for piece in slices[:-1]]
    try:
        function(*slices[-1], *arguments)
    finally:  # nobody writes to the arrays any more when this returns
        for future in waiting:
            future.result()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.clear)


# ---- Products and functions --------------------------------------------------------------------------
# The same text in every kernel that uses it: matrix products on packed panels, and functions of one number.
#
# A matrix (K, N) is packed once into panels (ceil(N / w), K, w) of w columns, w being two vector registers wide. A product
# then walks over tiles of a few rows and w columns of the result; a tile lives in registers while k runs over K.

_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]  # also the key of Numba's cache: they agree by construction
_VECTOR_BYTES = 64 if "+avx512f" in _FEATURES else 32 if "+avx2" in _FEATURES else 16
_TILE_ROWS = 4 if _VECTOR_BYTES == 32 else 8  # two accumulators a row; AVX2 has 16 registers, AVX-512 and NEON have 32
_CHUNK = 256  # rows (steps times samples) of a slice that are worked on together: they stay in the second-level cache


def _intrinsic(plain, *, literal=False):
    """Turn what the decorated function emits into a compiled function; ``plain`` does the same, and defines it."""
    return (lambda _: plain) if config.DISABLE_JIT else intrinsic(prefer_literal=literal)


def _fused(builder, a, b, c):
    """LLVM's ``a * b + c`` for numbers or vectors: one rounding where the machine has it, no library call where not."""
    kind = f"v{a.type.count}{a.type.element.intrinsic_name}" if isinstance(a.type, ir.VectorType) else a.type.intrinsic_name
    signature = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.{kind}"), [a, b, c])


def _masked(builder, name, result, arguments, vector):
    """Call LLVM's masked load or store on ``vector``: lanes whose mask is off do not touch memory."""
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    mangled = f"llvm.masked.{name}.v{vector.count}{vector.element.intrinsic_name}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, mangled), arguments)


def _at(builder, base, offset):
    """The address ``offset`` bytes after ``base``."""
    return builder.gep(base, [offset], source_etype=ir.IntType(8))


def _loop(builder, start, stop, step=1):
    """A counting loop in LLVM, as a context manager that gives (counter, _)."""
    return cgutils.for_range_slice(builder, start, stop, start.type(step), inc=True)


def _shared_function(module, name, signature):
    """A new LLVM function that all callers in a program share, and a builder at its start."""
    function = ir.Function(module, signature, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _fill_function(module, real, itemsize):
    """Return the LLVM function that packs one panel: ``fill(source, k_step, j_step, depth, columns, panel)``, steps in bytes.

    Whole rows are copied as two vectors; else column by column, which is along memory in a transposed matrix, and the
    columns beyond the last one are read from a single zero.
    """
    name = f"symrnn_fill_{real.intrinsic_name}_{_VECTOR_BYTES}"
    if name in module.globals:
        return module.globals[name]
    vector, i64, pointer = ir.VectorType(real, _VECTOR_BYTES // itemsize), ir.IntType(64), ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer, i64, i64, i64, i64, pointer])
    function, builder = _shared_function(module, name, signature)
    source, k_step, j_step, depth, columns, panel = function.args
    width = i64(2 * _VECTOR_BYTES // itemsize)
    zero = cgutils.alloca_once_value(builder, real(0))
    whole = builder.and_(builder.icmp_signed(">=", columns, width), builder.icmp_signed("==", j_step, i64(itemsize)))
    with builder.if_else(whole) as (rows, scattered):
        with rows, _loop(builder, i64(0), depth) as (k, _):
            start = _at(builder, source, builder.mul(k, k_step))
            target = _at(builder, panel, builder.mul(k, i64(2 * _VECTOR_BYTES)))
            for v in (i64(0), i64(_VECTOR_BYTES)):
                row = builder.load(_at(builder, start, v), align=itemsize, typ=vector)
                builder.store(row, _at(builder, target, v), align=itemsize)
        with scattered, _loop(builder, i64(0), width) as (j, _):
            inside = builder.icmp_signed("<", j, columns)
            start = builder.select(inside, _at(builder, source, builder.mul(j, j_step)), builder.bitcast(zero, pointer))
            step = builder.select(inside, k_step, i64(0))
            target = _at(builder, panel, builder.mul(j, i64(itemsize)))
            with _loop(builder, i64(0), depth) as (k, _):
                value = builder.load(_at(builder, start, builder.mul(k, step)), align=itemsize, typ=real)
                builder.store(value, _at(builder, target, builder.mul(k, i64(2 * _VECTOR_BYTES))), align=itemsize)
    builder.ret_void()
    return function


def _tile_function(module, real, itemsize, rows):
    """Return the LLVM function that computes one tile, made once per module, number type and number of rows.

    ``tile(a, a_row, a_k, depth, panel, out, out_row, columns, started, start, start_row)``: all strides are in bytes. The
    products are added to the rows at ``start``, if ``started``, else to zero. A full tile has two accumulators per row. One row alone would wait for its own additions, so ``phases`` consecutive k go to
    accumulators of their own, which are summed at the end.
    """
    name = f"symrnn_tile_{real.intrinsic_name}_{rows}x{_VECTOR_BYTES}"
    if name in module.globals:
        return module.globals[name]
    lanes, phases = _VECTOR_BYTES // itemsize, _TILE_ROWS // rows
    vector, i1, i32, i64 = ir.VectorType(real, lanes), ir.IntType(1), ir.IntType(32), ir.IntType(64)
    pointer = ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer, i64, i64, i64, pointer, pointer, i64, i64, i1, pointer, i64])
    function, builder = _shared_function(module, name, signature)
    a, a_row, a_k, depth, panel, out, out_row, columns, started, start, start_row = function.args

    def spread(value):
        first = builder.insert_element(ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined), value, i32(0))
        return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(i32, lanes), [0] * lanes))

    sums = [[[cgutils.alloca_once_value(builder, vector(None)) for _ in range(2)] for _ in range(rows)] for _ in range(phases)]
    row_starts = [_at(builder, a, builder.mul(a_row, i64(r))) for r in range(rows)]

    def add_products(k, sums):
        here = _at(builder, panel, builder.mul(k, i64(2 * _VECTOR_BYTES)))
        loads = [builder.load(_at(builder, here, i64(v * _VECTOR_BYTES)), align=itemsize, typ=vector) for v in range(2)]
        offset = builder.mul(k, a_k)
        for start, pair in zip(row_starts, sums, strict=True):
            value = spread(builder.load(_at(builder, start, offset), align=itemsize, typ=real))
            for cell, load in zip(pair, loads, strict=True):
                builder.store(_fused(builder, value, load, builder.load(cell)), cell)

    whole = builder.sub(depth, builder.urem(depth, i64(phases)))
    with _loop(builder, i64(0), whole, phases) as (k, _):
        for phase in range(phases):
            add_products(builder.add(k, i64(phase)), sums[phase])
    if phases > 1:
        with _loop(builder, whole, depth) as (k, _):
            add_products(k, sums[0])

    lane_numbers = ir.Constant(ir.VectorType(i64, lanes), list(range(lanes)))
    for r in range(rows):
        for v in range(2):
            target = _at(builder, out, builder.add(builder.mul(out_row, i64(r)), i64(v * _VECTOR_BYTES)))
            source = _at(builder, start, builder.add(builder.mul(start_row, i64(r)), i64(v * _VECTOR_BYTES)))
            inside = builder.icmp_signed("<", lane_numbers, spread(builder.sub(columns, i64(v * lanes))))
            total = builder.load(sums[0][r][v])
            for phase in range(1, phases):
                total = builder.fadd(total, builder.load(sums[phase][r][v]))
            known = builder.and_(inside, spread(started))
            before = _masked(builder, "load", vector, [source, i32(itemsize), known, vector(None)], vector)
            _masked(builder, "store", ir.VoidType(), [builder.fadd(total, before), target, i32(itemsize), inside], vector)
    builder.ret_void()
    return function


def _tiles_function(module, real, itemsize):
    """Return the LLVM function that computes ``count`` rows, tile by tile: as `_tile_function`, with count before depth."""
    name = f"symrnn_tiles_{real.intrinsic_name}_{_VECTOR_BYTES}"
    if name in module.globals:
        return module.globals[name]
    i1, i64, pointer = ir.IntType(1), ir.IntType(64), ir.PointerType()
    signature = ir.FunctionType(ir.VoidType(), [pointer, *[i64] * 4, pointer, pointer, i64, i64, i1, pointer, i64])
    function, builder = _shared_function(module, name, signature)
    a, a_row, a_k, count, depth, panel, out, out_row, columns, started, start, start_row = function.args
    whole = builder.sub(count, builder.urem(count, i64(_TILE_ROWS)))
    for rows, first, last in ((_TILE_ROWS, i64(0), whole), (1, whole, count)):
        tile = _tile_function(module, real, itemsize, rows)
        with _loop(builder, first, last, rows) as (i, _):
            from_a, to_out, begin = (
                _at(builder, base, builder.mul(i, step)) for base, step in ((a, a_row), (out, out_row), (start, start_row))
            )
            builder.call(tile, [from_a, a_row, a_k, depth, panel, to_out, out_row, columns, started, begin, start_row])
    builder.ret_void()
    return function


def _address(context, builder, kind, array):
    """Address, shape and strides (in bytes) of an array argument of an intrinsic."""
    view = context.make_array(kind)(context, builder, array)
    address = builder.bitcast(view.data, ir.PointerType())
    return address, cgutils.unpack_tuple(builder, view.shape), cgutils.unpack_tuple(builder, view.strides)


def _row(array, t, i):
    """Row i of ``array[t]``, counted on into the steps after it, or of ``array``, if that is a matrix."""
    return array[t + i // array.shape[1], i % array.shape[1]] if array.ndim == 3 else array[i]


def _plain_fill(values, t, first, count, q, panels, p, depth):
    """`_fill` in plain Python."""
    width = panels.shape[2]
    for r in range(count):
        columns = _row(values, t, first + r)[q * width : (q + 1) * width]
        panels[p, depth + r] = 0
        panels[p, depth + r, : columns.size] = columns


@_intrinsic(_plain_fill)
def _fill(typing_context, values, t, first, count, q, panels, p, depth):
    """Pack columns q*w to q*w + w of ``values[t, first : first + count]`` into panel p, from its row ``depth`` on.

    ``values`` is (T, B, N) or, with t ignored, a matrix (B, N). (One call with plain numbers: slices would cost compile time.)
    """
    if values.dtype != panels.dtype:
        raise NumbaTypeError(f"packing mixes {values.dtype} and {panels.dtype}")

    def emit(context, builder, signature, arguments):
        i64, real = ir.IntType(64), context.get_value_type(values.dtype)
        source, t, first, count, q, target, p, depth = arguments
        source, (*_, columns), (*t_step, k_step, j_step) = _address(context, builder, values, source)
        target, _, (p_step, _, _) = _address(context, builder, panels, target)
        itemsize = context.get_abi_sizeof(real)
        column = builder.mul(q, i64(2 * _VECTOR_BYTES // itemsize))
        for index, step in zip((column, first, t), (j_step, k_step, *t_step), strict=False):
            source = _at(builder, source, builder.mul(index, step))
        for index, step in zip((p, depth), (p_step, i64(2 * _VECTOR_BYTES)), strict=True):
            target = _at(builder, target, builder.mul(index, step))
        function = _fill_function(builder.module, real, itemsize)
        builder.call(function, [source, k_step, j_step, count, builder.sub(columns, column), target])
        return context.get_dummy_value()

    n = nb_types.intp
    return nb_types.void(values, n, n, n, n, panels, n, n), emit


def _plain_tiles(rows, s, count, panels, p, depth, out, t, first, started, start):
    """`_tiles` in plain Python."""
    for r in range(count):
        columns = slice(p * panels.shape[2], (p + 1) * panels.shape[2])
        target = _row(out, t, first + r)[columns]
        before = (start[columns] if start.ndim == 1 else target) if started else 0
        target[...] = before + _row(rows, s, r)[:depth] @ panels[p, :depth, : target.size]


@_intrinsic(_plain_tiles)
def _tiles(typing_context, rows, s, count, panels, p, depth, out, t, first, started, start):
    """Rows first to first + count of ``out[t]``, in the columns of panel p, from the first ``count`` rows of ``rows[s]``.

    ``rows`` and ``out`` are (T, B, ...) or, with s or t ignored, matrices. If ``started``, the products are added to
    ``start``: to its one row, or, where ``out`` itself is given, to what stands there.
    """
    if not rows.dtype == panels.dtype == out.dtype == start.dtype:
        raise NumbaTypeError(f"a product mixes {rows.dtype}, {panels.dtype}, {out.dtype} and {start.dtype}")

    def emit(context, builder, signature, arguments):
        i64, real = ir.IntType(64), context.get_value_type(rows.dtype)
        a, s, count, b, p, depth, c, t, o, started, z = arguments
        a, _, (*a_step, a_row, a_k) = _address(context, builder, rows, a)
        b, _, (p_step, _, _) = _address(context, builder, panels, b)
        c, (*_, columns), (*c_step, c_row, _) = _address(context, builder, out, c)
        itemsize = context.get_abi_sizeof(real)
        column = builder.mul(p, i64(2 * _VECTOR_BYTES // itemsize))
        for step in a_step:
            a = _at(builder, a, builder.mul(s, step))
        for index, step in zip((p, o, t), (i64(2 * _VECTOR_BYTES), c_row, *c_step), strict=False):
            c = _at(builder, c, builder.mul(index, step))
        z = _at(builder, _address(context, builder, start, z)[0], builder.mul(p, i64(2 * _VECTOR_BYTES)))
        begin, begin_row = (z, i64(0)) if start.ndim == 1 else (c, c_row)
        b = _at(builder, b, builder.mul(p, p_step))
        function = _tiles_function(builder.module, real, itemsize)
        columns = builder.sub(columns, column)
        builder.call(function, [a, a_row, a_k, count, depth, b, c, c_row, columns, started, begin, begin_row])
        return context.get_dummy_value()

    n = nb_types.intp
    return nb_types.void(rows, n, n, panels, n, n, out, n, n, nb_types.boolean, start), emit


def _panel_width(kind):
    """Number of columns in one panel for an array or a dtype."""
    return 2 * _VECTOR_BYTES // kind.itemsize


def _empty_panels(matrix, name="", memory=_new):
    """Uninitialised panels for a matrix (K, N): shape (ceil(N / w), K, w)."""
    width = _panel_width(matrix)
    return memory(name, (-(-matrix.shape[1] // width), matrix.shape[0], width), matrix.dtype)


@_compiled
def _pack(matrix, panels):
    """Copy matrix (K, N), of any strides, into panels (ceil(N / w), K, w); columns beyond N become zero."""
    for p in range(panels.shape[0]):
        _fill(matrix, 0, 0, matrix.shape[0], p, panels, p, 0)


def _panels(matrix, name, memory):
    """A matrix packed for products; transposed ones are packed from the matrix that they transpose."""
    panels = _empty_panels(matrix, name, memory)
    _pack(matrix, panels)
    return panels


@_compiled
def _multiply(rows, panels, out, accumulate):
    """Write rows (M, K) @ matrix (K, N) to out (M, N), or add it.

    ``rows`` may have any strides, ``out`` any row stride but unit stride along a row. The number of columns is that of
    ``out``, the depth that of ``rows``. K = 0 gives zeros, or leaves out as it is.
    """
    for p in range(panels.shape[0]):
        _tiles(rows, 0, rows.shape[0], panels, p, rows.shape[1], out, 0, 0, accumulate, out)


@_compiled
def _multiply_steps(rows, panels, out, started, start):
    """Write rows (T, B, K) @ matrix (K, N) to out (T, B, N), started from one row (N,), or from what stands in ``out``.

    Every panel meets all time steps while it is cached. Where the samples of a step are followed by those of the next one,
    all steps are one matrix, so that B may be small.
    """
    steps, count, depth = rows.shape
    if rows.strides[0] == count * rows.strides[1] and out.strides[0] == count * out.strides[1]:
        steps, count = min(steps, 1), steps * count
    for p in range(panels.shape[0]):
        for t in range(steps):
            _tiles(rows, t, count, panels, p, depth, out, t, 0, started, start)


@_inlined
def _pack_steps(values, first, stop, q, panels, p):
    """Pack the rows first to stop, counted over steps and samples, of ``values`` (T, B, N) in columns q*w to q*w + w."""
    batch = values.shape[1]
    row = first
    while row < stop:
        t = row // batch
        count = min(stop, (t + 1) * batch) - row
        _fill(values, t, row - t * batch, count, q, panels, p, row - first)
        row += count


@_compiled
def _add_outer(a, b, out, scratch):
    """Add to out (M, N) the sum over t and rows of a (T, B, M) times b (T, B, N): the gradient of a weight matrix.

    Both are packed into ``scratch`` (panels of N + 1, rows, w), as many rows at a time as that has, across time steps, so that
    B may be small. Any strides for a and b (slices of the batch), unit stride along a row of out.
    """
    total, height = a.shape[0] * a.shape[1], a.shape[2]
    _, room, width = scratch.shape
    panels = -(-out.shape[1] // width)
    rows = scratch[panels].T
    for first in range(0, total, max(room, 1)):
        stop = min(first + room, total)
        for p in range(panels):
            _pack_steps(b, first, stop, p, scratch, p)
        for q in range(-(-height // width)):
            _pack_steps(a, first, stop, q, scratch, panels)
            for p in range(panels):
                _tiles(rows, 0, min(width, height - q * width), scratch, p, stop - first, out, 0, q * width, True, out)


def _scratch_shape(width, steps, bounds, dtype):
    """Room for what `_add_outer` packs in one slice; width is the largest number of columns."""
    rows = -(-bounds[-1] // (len(bounds) - 1))
    columns = _panel_width(dtype)
    return 1 - (-width // columns), min(steps * rows, _CHUNK), columns


def _summed(parts):
    """The sum of what the threads made, in the memory of the first."""
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


class _Constants(NamedTuple):
    """What the exponential needs in one number type; np.float32 members, because a Python number would promote to float64."""

    one: np.floating
    two: np.floating
    zero: np.floating
    per_log2: np.floating  # 1 / log 2
    log2_high: np.floating  # log 2 in two parts, so that x - n log 2 is exact to the last bit; high times n is exact
    log2_low: np.floating
    shift: np.floating  # adding it rounds to an integer, which then stands in the lowest bits, exponent bias included
    least: np.floating  # exponents of the smallest and the largest power of two
    most: np.floating
    low: np.floating  # where exp is safely 0
    high: np.floating  # where it is infinite, and n is the exponent that stands for infinity
    saturated: np.floating  # where exp(x) and exp(x) + 2 are equal: tanh(x / 2) is 1
    polynomial: tuple  # (exp(r) - 1) / r for |r| <= log(2) / 2, relative minimax (Remez); highest power first


def _typed(number, /, *values, polynomial):
    """Constants whose members are all of the type ``number``."""
    return _Constants(*map(number, values), tuple(map(number, polynomial)))


_CONSTANTS = {
    nb_types.float32: _typed(
        np.float32, 1, 2, 0, 1.4426950408889634, 0.693359375, -2.1219444005469057e-4,
        12582912 + 127, -126, 127, -110, 89, 40,
        polynomial=(0.0013888873, 0.008369104, 0.041667137, 0.16666506, 0.49999997, 1.0),
    ),
    nb_types.float64: _typed(
        np.float64, 1, 2, 0, 1.4426950408889634, 0.6931471805598903, 5.497923018708371e-14,
        6755399441055744 + 1023, -1022, 1023, -760, 710, 44,
        polynomial=(
            2.505209703802347e-08, 2.762633173953442e-07, 2.755741497927627e-06, 2.4801504436739685e-05,
            0.00019841269707067126, 0.0013888888932389013, 0.00833333333339809, 0.04166666666657354,
            0.16666666666666563, 0.5000000000000006, 1.0,
        ),
    ),
}  # fmt: skip


@_intrinsic(lambda x: _CONSTANTS[getattr(nb_types, x.dtype.name)])
def _constants(typing_context, x):
    """The constants of the number type of x, chosen while compiling."""
    chosen = _CONSTANTS[x]
    kind = typing_context.resolve_value_type(chosen)

    def emit(context, builder, signature, arguments):
        return context.get_constant_generic(builder, kind, chosen)

    return kind(x), emit


@_intrinsic(lambda a, b, c: a * b + c)
def _fma(typing_context, a, b, c):
    """``a * b + c`` for three numbers of one type."""

    def emit(context, builder, signature, arguments):
        return _fused(builder, *arguments)

    return a(a, b, c), emit


@_intrinsic(lambda x, coefficients: functools.reduce(lambda value, c: value * x + c, coefficients))
def _polynomial(typing_context, x, coefficients):
    """The polynomial with the given tuple of coefficients, highest power first, by Horner's rule without a loop."""

    def emit(context, builder, signature, arguments):
        x, packed = arguments
        value, *rest = cgutils.unpack_tuple(builder, packed)
        for coefficient in rest:
            value = _fused(builder, value, x, coefficient)
        return value

    return x(x, coefficients), emit


def _plain_two_to(shifted):
    """`_two_to` in plain Python."""
    bits, fraction = (np.int32, 23) if shifted.dtype == np.float32 else (np.int64, 52)
    return (shifted.view(bits) << bits(fraction)).view(shifted.dtype)


@_intrinsic(_plain_two_to)
def _two_to(typing_context, shifted):
    """2**n from ``n + shift``: the lowest bits of that sum are n plus the exponent bias; move them to the exponent's place."""

    def emit(context, builder, signature, arguments):
        bits, fraction = (32, 23) if shifted == nb_types.float32 else (64, 52)
        integer = builder.bitcast(arguments[0], ir.IntType(bits))
        moved = builder.shl(integer, integer.type(fraction))
        return builder.bitcast(moved, arguments[0].type)

    return shifted(shifted), emit


@_inlined
def _split_exp(x):
    """n and exp(r) - 1, where x = n log 2 + r and |r| <= log(2) / 2: exp(x) is 2**n (1 + (exp(r) - 1))."""
    k = _constants(x)
    n = _fma(x, k.per_log2, k.shift) - k.shift
    r = _fma(n, -k.log2_low, _fma(n, -k.log2_high, x))
    return n, _polynomial(r, k.polynomial) * r


@_inlined
def _tanh(x):
    """tanh(x) = e / (e + 2) with e = exp(2|x|) - 1, which is right to the last places near 0 as well; odd, at most 1."""
    k = _constants(x)
    twice = abs(x) * k.two
    twice = k.saturated if twice > k.saturated else twice
    n, tail = _split_exp(twice)
    power = _two_to(n + k.shift)
    e = _fma(power, tail, power - k.one)
    y = e / (e + k.two)
    return -y if x < k.zero else y


@_inlined
def _sigmoid(x):
    """1 / (1 + exp(-x)), within [0, 1], right to the last places in its left tail too; a denormal result becomes 0."""
    k = _constants(x)
    minus = -k.saturated if x > k.saturated else k.high if x < -k.high else -x
    n, tail = _split_exp(minus)
    return k.one / (k.one + (k.one + tail) * _two_to(n + k.shift))


# ---- The passes over time ----------------------------------------------------------------------------

_ALL_STEPS = np.empty(0, np.int64)  # in place of the samples' lengths where all have T steps

@_compiled
def _forward_slice(
    part, lo, hi, steps, lengths, x, n, m, W_on_x_panels, W_on_c_panels, c, c_next, a_all, b_all,
):
    """All time steps for the samples lo to hi."""
    T = x.shape[0] if lo < hi else 0
    real = x.dtype.type
    one, zero = real(1), real(0)
    for first in range(0, T, steps):
        last = min(first + steps, T)
        # a_c_tilde, a_u: the part that x gives
        # a_c_tilde, a_u: the biases
        _multiply_steps(x[first:last, lo:hi], W_on_x_panels, a_all[first:last, lo:hi], True, b_all)
        for t in range(first, last):
            # a_c_tilde, a_u: the part that c gives
            _multiply(c[t, lo:hi], W_on_c_panels, a_all[t, lo:hi], True)
            for b in range(lo, hi):
                a_c_tilde_row = a_all[t, b, :m]
                a_u_row = a_all[t, b, m:]
                c_row = c[t, b]
                c_next_row = c_next[t, b]
                for j in range(m):
                    # (1) c_tilde = tanh(W_c @ [c, x] + b_c)
                    a_c_tilde_j = a_c_tilde_row[j]
                    c_tilde_j = _tanh(a_c_tilde_j)
                    a_c_tilde_row[j] = c_tilde_j
                    # (2) u = sigmoid(W_u @ [c, x] + b_u)
                    a_u_j = a_u_row[j]
                    u_j = _sigmoid(a_u_j)
                    a_u_row[j] = u_j
                    # (3) c.next = u * c_tilde + (1 - u) * c
                    c_j = c_row[j]
                    c_next_j = u_j * c_tilde_j + (one - u_j) * c_j
                    c_next_row[j] = c_next_j
            if lengths.size > 0:
                for b in range(lo, hi):
                    for j in range(m):
                        c[t + 1, b, j] = c[t, b, j] if t + 1 >= lengths[b] else c_next[t, b, j]


@_compiled
def _predict_slice(
    part, lo, hi, steps, lengths, x, n, m, W_on_x_panels, W_on_c_panels, b_all, c_0, outputs,
    c_final,
):
    """All time steps for the samples lo to hi, in memory for a few of them, which is used again and again."""
    T, B = outputs.shape[0] if lo < hi else 0, outputs.shape[1]
    dtype = x.dtype
    c = np.empty((steps + 1, B, m), dtype)
    a_all = np.empty((steps, B, 2 * m), dtype)
    c_next = c[1:] if lengths.size == 0 else np.empty((steps, B, m), dtype)
    for b in range(lo, hi):
        for j in range(m):
            c[0, b, j] = c_final[b, j] = c_0[b, j]
    left = lengths.copy()
    for first in range(0, T, steps):
        count = min(steps, T - first)
        _forward_slice(
            part, lo, hi, steps, left, x[first : first + count], n, m, W_on_x_panels, W_on_c_panels, c,
            c_next, a_all, b_all,
        )
        for t in range(count):
            for b in range(lo, hi):
                for j in range(m):
                    outputs[first + t, b, j] = c_next[t, b, j]
        for b in range(lo, hi):
            if left.size == 0 or left[b] > 0:
                for j in range(m):
                    c_final[b, j] = c_next[(count if left.size == 0 else min(left[b], count)) - 1, b, j]
        for b in range(lo, hi):
            for j in range(m):
                c[0, b, j] = c[count, b, j]
        for b in range(left.size):
            left[b] -= count


@_compiled
def _backward_slice(
    part, lo, hi, steps, lengths, input_gradients, d_c_output, n, m, W_on_x_panels, W_on_c_panels,
    x, c, d_c_later, d_x, a_all, d_a_all, d_W_on_c_parts, d_W_on_x_parts, d_b_all_parts, scratch,
    d_c_later_final,
):
    """All time steps, from the last to the first, for the samples lo to hi; gradients are added up per part."""
    T = d_c_output.shape[0] if lo < hi else 0
    real = d_c_output.dtype.type
    one, zero = real(1), real(0)
    d_W_on_c = d_W_on_c_parts[part]
    d_W_on_x = d_W_on_x_parts[part]
    d_b_all = d_b_all_parts[part]
    d_W_on_c[...] = zero
    d_W_on_x[...] = zero
    d_b_all[...] = zero
    for last in range(T, 0, -steps):
        first = max(last - steps, 0)
        for t in range(last - 1, first - 1, -1):
            slot = t - first
            if lengths.size > 0:
                for b in range(lo, hi):
                    if t == lengths[b] - 1:
                        for j in range(m):
                            d_c_later[b, j] = d_c_later_final[b, j]
            for b in range(lo, hi):
                d_c_later_row = d_c_later[b]
                d_c_output_row = d_c_output[t, b]
                c_row = c[t, b]
                c_tilde_row = a_all[t, b, :m]
                u_row = a_all[t, b, m:]
                d_a_u_row = d_a_all[slot, b, m:]
                d_a_c_tilde_row = d_a_all[slot, b, :m]
                for j in range(m):
                    # d_c_next from what step t + 1 hands back; the output's cotangent
                    d_c_later_j = d_c_later_row[j]
                    d_c_output_j = d_c_output_row[j]
                    d_c_next_j = d_c_later_j + d_c_output_j
                    # d_u from c.next = u * c_tilde + (1 - u) * c
                    c_j = c_row[j]
                    c_tilde_j = c_tilde_row[j]
                    d_u_j = d_c_next_j * (c_tilde_j - c_j)
                    # d_a_u from u = sigmoid(a_u)
                    u_j = u_row[j]
                    d_a_u_j = d_u_j * u_j * (one - u_j)
                    d_a_u_row[j] = d_a_u_j
                    # d_c_tilde from c.next = u * c_tilde + (1 - u) * c
                    d_c_tilde_j = d_c_next_j * u_j
                    # d_a_c_tilde from c_tilde = tanh(a_c_tilde)
                    d_a_c_tilde_j = d_c_tilde_j * (one - c_tilde_j * c_tilde_j)
                    d_a_c_tilde_row[j] = d_a_c_tilde_j
                    # d_c = d_c_next * (1 - u) + d_c_x[0 : m]
                    #     from c.next = u * c_tilde + (1 - u) * c; c_x = [c, x]
                    # d_c_x = d_a_c_tilde @ W_c + d_a_u @ W_u
                    #     from W_u_c_x = W_u @ c_x; W_c_c_x = W_c @ c_x
                    d_c_j = d_c_next_j * (one - u_j)
                    d_c_later_row[j] = d_c_j
            _multiply(d_a_all[slot, lo:hi], W_on_c_panels, d_c_later[lo:hi], True)
        if input_gradients:
            # d_x = d_c_x[m : m + n]
            #     from c_x = [c, x]
            # d_c_x = d_a_c_tilde @ W_c + d_a_u @ W_u
            #     from W_u_c_x = W_u @ c_x; W_c_c_x = W_c @ c_x
            _multiply_steps(d_a_all[: last - first, lo:hi], W_on_x_panels, d_x[first:last, lo:hi], False, d_x[first:last, lo:hi])
        # d_W_c = sum over t of outer(d_a_c_tilde, c_x)
        #     from W_c_c_x = W_c @ c_x
        # d_W_u = sum over t of outer(d_a_u, c_x)
        #     from W_u_c_x = W_u @ c_x
        _add_outer(d_a_all[: last - first, lo:hi], c[first:last, lo:hi], d_W_on_c, scratch[part])
        # d_W_c = sum over t of outer(d_a_c_tilde, c_x)
        #     from W_c_c_x = W_c @ c_x
        # d_W_u = sum over t of outer(d_a_u, c_x)
        #     from W_u_c_x = W_u @ c_x
        _add_outer(d_a_all[: last - first, lo:hi], x[first:last, lo:hi], d_W_on_x, scratch[part])
        for t in range(first, last):
            slot = t - first
            # d_b_c = sum over t of d_a_c_tilde
            #     from a_c_tilde = W_c_c_x + b_c
            # d_b_u = sum over t of d_a_u
            #     from a_u = W_u_c_x + b_u
            for b in range(lo, hi):
                for j in range(2 * m):
                    d_b_all[j] += d_a_all[slot, b, j]


def _forward(prepared, inputs, state, lengths, memory, threads):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    (n, m) = sizes = _sizes(prepared, inputs, state)
    dtype = prepared.dtype
    T, B = inputs[0].shape[:2]
    bounds = _bounds(B, T * B * (4 * n * m + 4 * m * m + 8 * m), threads)
    steps = _steps_together(T, bounds)
    b_all = _plain(prepared.b_all)
    W_on_x_panels = prepared.W_on_x_panels
    W_on_c_panels = prepared.W_on_c_panels
    c_0, = state
    c = memory("c", (T + 1, B, m), dtype)
    a_all = memory("a_all", (T, B, 2 * m), dtype)
    c[0] = c_0
    c_next = c[1:] if lengths is None else memory("c_next", (T, B, m), dtype)
    _in_slices(
        bounds,
        _forward_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_on_x_panels, W_on_c_panels, c, c_next, a_all, b_all,
    )
    final = _final_states(State(c), State(c_next), lengths)
    return c_next, final, (c, a_all)


def _predict(prepared, sizes, inputs, state, outputs, lengths, threads):
    """Fill the outputs and return the final state."""
    (n, m) = sizes
    dtype = prepared.dtype
    T, B = outputs.shape[:2]
    bounds = _bounds(B, T * B * (4 * n * m + 4 * m * m + 8 * m), threads)
    steps = _steps_together(T, bounds)
    b_all = _plain(prepared.b_all)
    W_on_x_panels = prepared.W_on_x_panels
    W_on_c_panels = prepared.W_on_c_panels
    c_0, = state
    final = State(np.empty((B, m), dtype))
    _in_slices(
        bounds,
        _predict_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_on_x_panels, W_on_c_panels, b_all, _plain(c_0), outputs, *final,
    )
    return final


@np.errstate(all="ignore")
def _backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory, threads):
    """Fill `results` with the gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    bounds = _bounds(B, T * B * (8 * n * m + 8 * m * m + 14 * m), threads)
    steps = _steps_together(T, bounds)
    parts = len(bounds) - 1
    W_c, b_c, W_u, b_u = prepared.parameters
    W_on_x = prepared.W_on_x
    W_on_c = prepared.W_on_c
    x, = tape.inputs
    x = _plain(x)
    c, a_all = tape.saved
    d_c_output = _plain(d_outputs)
    d_c_later_final, = d_state
    W_on_x_panels = _panels(_plain(W_on_x), "W_on_x_panels", memory)
    W_on_c_panels = _panels(_plain(W_on_c), "W_on_c_panels", memory)
    d_c_later = results.state.c
    d_x = results.inputs.x if input_gradients else np.empty((0, 0, 0), dtype)
    d_a_all = memory("d_a_all", (steps, B, 2 * m), dtype)
    d_c_later[...] = d_c_later_final if tape.lengths is None else 0
    d_W_on_c_parts = memory("d_W_on_c", (parts, 2 * m, m), dtype)
    d_W_on_x_parts = memory("d_W_on_x", (parts, 2 * m, n), dtype)
    d_b_all_parts = memory("d_b_all", (parts, 2 * m), dtype)
    scratch = memory("scratch", (parts, *_scratch_shape(max(m, n), steps, bounds, dtype)), dtype)
    _in_slices(
        bounds,
        _backward_slice,
        steps,
        _ALL_STEPS if tape.lengths is None else tape.lengths,
        input_gradients, d_c_output, n, m, W_on_x_panels, W_on_c_panels, x, c, d_c_later, d_x, a_all,
        d_a_all, d_W_on_c_parts, d_W_on_x_parts, d_b_all_parts, scratch, _plain(d_c_later_final),
    )
    d_W_on_c = _summed(d_W_on_c_parts)
    d_W_on_x = _summed(d_W_on_x_parts)
    d_b_all = _summed(d_b_all_parts)
    d_W_c = results.parameters.W_c
    d_b_c = results.parameters.b_c
    d_W_u = results.parameters.W_u
    d_b_u = results.parameters.b_u
    d_W_c[:, :m] = d_W_on_c[:m]
    d_W_u[:, :m] = d_W_on_c[m:]
    d_W_c[:, m:] = d_W_on_x[:m]
    d_W_u[:, m:] = d_W_on_x[m:]
    d_b_c[:] = d_b_all[:m]
    d_b_u[:] = d_b_all[m:]
