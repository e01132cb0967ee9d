"""Language model: a model of 4 layers, its loss and its gradients, in Numba.

made by symrnn 0.1.0 from language_model (fb3f3db3390b), do not edit.

Source: Mikolov et al. 2010, Recurrent neural network based language model, with LSTM

The layers, each a cell run over sequences:

    embedding: embedding of k = k
    lstm: lstm of x = embedding
    class_cross_entropy: class_cross_entropy of a = lstm, k = following
    dense_softmax: dense_softmax of a = lstm

Arrays carry time T first, then the batch B. The loss is the mean over all steps of all samples.
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

AXES = ("v", "m", "n")
INPUTS = {"k": (), "following": ()}
STATES = {"c": ("n",), "h": ("n",)}
PARAMETERS = {
    "E": ("v", "m"),
    "W_i": ("n", "m + n"),
    "b_i": ("n",),
    "W_f": ("n", "m + n"),
    "b_f": ("n",),
    "W_o": ("n", "m + n"),
    "b_o": ("n",),
    "W_g": ("n", "m + n"),
    "b_g": ("n",),
    "W_y": ("v", "n"),
    "b_y": ("v",),
}


class Inputs(NamedTuple):
    """What a batch brings."""

    k: Any  # (T, B)
    following: Any  # (T, B)


class State(NamedTuple):
    """What is carried from one batch to the next, if the caller hands it on; arrays (B, ...)."""

    c: Any  # (B, n)
    h: Any  # (B, n)


class Lengths(NamedTuple):
    """The numbers of steps of the samples, integers (B,), for every time axis; None: all steps."""

    T: Any = None


class Parameters(NamedTuple):
    """What is trained."""

    E: Any  # (v, m)
    W_i: Any  # (n, m + n)
    b_i: Any  # (n,)
    W_f: Any  # (n, m + n)
    b_f: Any  # (n,)
    W_o: Any  # (n, m + n)
    b_o: Any  # (n,)
    W_g: Any  # (n, m + n)
    b_g: Any  # (n,)
    W_y: Any  # (v, n)
    b_y: Any  # (v,)


class Evaluation(NamedTuple):
    """What `loss_and_gradients` returns."""

    loss: float
    gradients: Parameters
    state: State


class Layers(NamedTuple):
    """The parameters of every layer, as its kernel takes them."""

    embedding: Any
    lstm: Any
    class_cross_entropy: Any
    dense_softmax: Any


class Prepared(NamedTuple):
    """What `prepare` returns: checked parameters, those of every layer, and the lengths of the axes."""

    parameters: Parameters
    layers: Layers
    sizes: dict[str, int]


class Workspaces:
    """Memory for repeated calls: pass the same one as `workspace=`, and no call needs fresh memory from the system.

    One call at a time.
    """

    def __init__(self):
        self._of_layers = {}


def init(rng, *, v, m, n, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, v, m, n are sizes."""
    dtype = _float_dtype(dtype)
    v, m, n = _checked_sizes(v=v, m=m, n=n)
    if (v * m + v * n + v + 4 * m * n + 4 * n * n + 4 * n) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with v = {v}, m = {m}, n = {n}", v * m + v * n + v + 4 * m * n + 4 * n * n + 4 * n, dtype)
    embedding_parameters = embedding_init(rng, v=v, m=m, dtype=dtype)
    lstm_parameters = lstm_init(rng, n=m, m=n, dtype=dtype)
    class_cross_entropy_parameters = class_cross_entropy_init(rng, n=n, v=v, dtype=dtype)
    return Parameters(
        E=embedding_parameters.E,
        W_i=lstm_parameters.W_i,
        b_i=lstm_parameters.b_i,
        W_f=lstm_parameters.W_f,
        b_f=lstm_parameters.b_f,
        W_o=lstm_parameters.W_o,
        b_o=lstm_parameters.b_o,
        W_g=lstm_parameters.W_g,
        b_g=lstm_parameters.b_g,
        W_y=class_cross_entropy_parameters.W_y,
        b_y=class_cross_entropy_parameters.b_y,
    )


def prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters, except to train.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, Prepared):
        return parameters
    (p, layers, sizes), _, _ = _checked_arrays(parameters, {})
    layers = Layers(
        embedding=embedding_prepare(layers.embedding),
        lstm=lstm_prepare(layers.lstm),
        class_cross_entropy=class_cross_entropy_prepare(layers.class_cross_entropy),
        dense_softmax=dense_softmax_prepare(layers.dense_softmax),
    )
    return Prepared(Parameters(*(np.array(value) for value in p)), layers, sizes)


def loss(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """The mean of the losses of all steps of all samples; 0 if there is none.

    `state` is a `State` to start from (None: zeros), `lengths` integers (B,), or `Lengths` where there are several time
    axes; what lies beyond a sample's end does not matter.
    `workspace` is a `Workspaces`; `threads` the largest number of threads (None: one per processor).
    """
    _, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths)
    # embedding: embedding of k = k
    embedding_outputs, embedding_final = embedding_predict(
        layers.embedding,
        EmbeddingInputs(k=inputs.k),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "embedding"),
        threads=threads,
    )
    # lstm: lstm of x = embedding
    lstm_outputs, lstm_final = lstm_predict(
        layers.lstm,
        LstmInputs(x=embedding_outputs),
        None if state is None else LstmState(c=state.c, h=state.h),
        lengths=lengths.T,
        workspace=_of(workspace, "lstm"),
        threads=threads,
    )
    # class_cross_entropy: class_cross_entropy of a = lstm, k = following
    class_cross_entropy_outputs, class_cross_entropy_final = class_cross_entropy_predict(
        layers.class_cross_entropy,
        ClassCrossEntropyInputs(a=lstm_outputs, k=inputs.following),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "class_cross_entropy"),
        threads=threads,
    )
    return _mean(class_cross_entropy_outputs, lengths.T)[0]


def loss_and_gradients(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """An `Evaluation`: the loss, its gradients by the parameters, and the state after the last step.

    The arguments are those of `loss`, and `out`: `Parameters` whose arrays take the gradients, such as those of an earlier
    call, and overlap with no argument. Handing `state` on from batch to batch is truncated backpropagation: no gradient
    flows into an earlier batch.
    """
    parameters = _bundle("parameters", parameters, Parameters)
    p, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths)
    # embedding: embedding of k = k
    embedding_run = embedding_forward(
        layers.embedding,
        EmbeddingInputs(k=inputs.k),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "embedding"),
        threads=threads,
    )
    embedding_outputs, embedding_final = embedding_run.outputs, embedding_run.state
    # lstm: lstm of x = embedding
    lstm_run = lstm_forward(
        layers.lstm,
        LstmInputs(x=embedding_outputs),
        None if state is None else LstmState(c=state.c, h=state.h),
        lengths=lengths.T,
        workspace=_of(workspace, "lstm"),
        threads=threads,
    )
    lstm_outputs, lstm_final = lstm_run.outputs, lstm_run.state
    # class_cross_entropy: class_cross_entropy of a = lstm, k = following
    class_cross_entropy_run = class_cross_entropy_forward(
        layers.class_cross_entropy,
        ClassCrossEntropyInputs(a=lstm_outputs, k=inputs.following),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "class_cross_entropy"),
        threads=threads,
    )
    class_cross_entropy_outputs, class_cross_entropy_final = class_cross_entropy_run.outputs, class_cross_entropy_run.state
    value, d_losses = _mean(class_cross_entropy_outputs, lengths.T)
    gradients = _places(out, p, inputs, state)
    # backwards through class_cross_entropy
    class_cross_entropy_gradients = ClassCrossEntropyParameters(W_y=gradients.W_y, b_y=gradients.b_y)
    class_cross_entropy_back = class_cross_entropy_backward(
        layers.class_cross_entropy,
        class_cross_entropy_run.tape,
        d_losses,
        None,
        input_gradients=True,
        out=ClassCrossEntropyGradients(class_cross_entropy_gradients, None, None),
        workspace=_of(workspace, "class_cross_entropy"),
        threads=threads,
    )
    # backwards through lstm
    lstm_gradients = LstmParameters(
        W_i=gradients.W_i,
        b_i=gradients.b_i,
        W_f=gradients.W_f,
        b_f=gradients.b_f,
        W_o=gradients.W_o,
        b_o=gradients.b_o,
        W_g=gradients.W_g,
        b_g=gradients.b_g,
    )
    lstm_back = lstm_backward(
        layers.lstm,
        lstm_run.tape,
        class_cross_entropy_back.inputs.a,
        None,
        input_gradients=True,
        out=LstmGradients(lstm_gradients, None, None),
        workspace=_of(workspace, "lstm"),
        threads=threads,
    )
    # backwards through embedding
    embedding_gradients = EmbeddingParameters(E=gradients.E)
    embedding_back = embedding_backward(
        layers.embedding,
        embedding_run.tape,
        lstm_back.inputs.x,
        None,
        input_gradients=False,
        out=EmbeddingGradients(embedding_gradients, None, None),
        workspace=_of(workspace, "embedding"),
        threads=threads,
    )
    return Evaluation(value, gradients, State(c=lstm_final.c, h=lstm_final.h))


def predict(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """The outputs of dense_softmax and the state after the last step; it does not read following."""
    _, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths, ("k",))
    # embedding: embedding of k = k
    embedding_outputs, embedding_final = embedding_predict(
        layers.embedding,
        EmbeddingInputs(k=inputs.k),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "embedding"),
        threads=threads,
    )
    # lstm: lstm of x = embedding
    lstm_outputs, lstm_final = lstm_predict(
        layers.lstm,
        LstmInputs(x=embedding_outputs),
        None if state is None else LstmState(c=state.c, h=state.h),
        lengths=lengths.T,
        workspace=_of(workspace, "lstm"),
        threads=threads,
    )
    # dense_softmax: dense_softmax of a = lstm
    dense_softmax_outputs, dense_softmax_final = dense_softmax_predict(
        layers.dense_softmax,
        DenseSoftmaxInputs(a=lstm_outputs),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "dense_softmax"),
        threads=threads,
    )
    return dense_softmax_outputs, State(c=lstm_final.c, h=lstm_final.h)


def step(parameters, inputs_t, state=None):
    """One time step: the output of dense_softmax (B, ...) and the next `State`; a `state` of None is zeros.

    `inputs_t` are `Inputs` of arrays (B, ...), of which it reads k; a single one may be passed bare.
    """
    layers, inputs_t, state = _checked_step(parameters, inputs_t, state)
    # embedding: embedding of k = k
    embedding_output, _ = embedding_step(layers.embedding, EmbeddingInputs(k=inputs_t.k), None)
    # lstm: lstm of x = embedding
    lstm_output, lstm_next = lstm_step(
        layers.lstm,
        LstmInputs(x=embedding_output),
        None if state is None else LstmState(c=state.c, h=state.h),
    )
    # dense_softmax: dense_softmax of a = lstm
    dense_softmax_output, _ = dense_softmax_step(
        layers.dense_softmax,
        DenseSoftmaxInputs(a=lstm_output),
        None,
    )
    return dense_softmax_output, State(c=lstm_next.c, h=lstm_next.h)


def generate(parameters, start, n, rng=None, temperature=1.0, *, state=None):
    """The n classes (n, B) that follow `start`, each drawn and fed back as k, and the `State` after them.

    `start` are the classes (B,) that come first.
    `rng` is a numpy.random.Generator; a class is drawn with probability softmax(scores / temperature), and temperature 0
    takes the likeliest and needs no `rng`. To go on, start from the last classes and the returned state.
    """
    start = _checked_start(start, n)
    prepared, made = prepare(parameters), np.empty((n, len(start)), np.int64)
    for t in range(n):
        scores, state = step(prepared, start, state)
        with np.errstate(divide="ignore"):
            scores = np.log(scores)
        made[t] = _drawn(scores, rng, temperature)
        start = made[t]
    return made, state


# ---- Checks ------------------------------------------------------------------------------------------
# An axis is as long as most arrays say, so that a message names the array that is wrong.

_LEADING = {"k": "T", "following": "T"}  # the time axis of every input; None: it has no time
_SIZES = {
    "B": (("B",),),
    "T": (("T",),),
    "v": (("v",),),
    "m": (("m",),),
    "n": (("n",),),
    "m + n": (("m",), ("n",)),
}  # every size as a sum of products
_CLASSES = {"inputs.k": "v", "inputs.following": "v"}  # the numbers of classes
_STEPPED = ("k",)  # the inputs that a step reads
_CLASSES |= {f"inputs_t.{name}": _CLASSES[f"inputs.{name}"] for name in _STEPPED if f"inputs.{name}" in _CLASSES}
_DECLARED = {
    **{f"parameters.{name}": shape for name, shape in PARAMETERS.items()},
    **{f"inputs.{name}": ("B", *s) if _LEADING[name] is None else (_LEADING[name], "B", *s) for name, s in INPUTS.items()},
    **{f"state.{name}": ("B", *shape) for name, shape in STATES.items()},
    **{f"inputs_t.{name}": ("B", *INPUTS[name]) for name in _STEPPED},
}


def _checked(parameters, inputs, state, lengths, read=Inputs._fields):
    """The arguments of a call, as all layers take them; `read` names the inputs that it reads."""
    inputs = _bundle("inputs", inputs, Inputs)
    state = None if state is None else _bundle("state", state, State)
    others = {f"inputs.{name}": getattr(inputs, name) for name in read} | _named_states(state)
    prepared, arrays, sizes = _checked_arrays(parameters, others)
    lengths = _all_lengths(lengths, sizes)
    _check_classes(arrays, sizes, lengths)
    inputs = Inputs(*(arrays.get(f"inputs.{name}") for name in Inputs._fields))
    state = None if state is None else State(*(arrays[f"state.{name}"] for name in State._fields))
    return prepared.parameters, prepared.layers, inputs, state, lengths


def _named_states(state):
    """The arrays of a state by what messages call them."""
    return {} if state is None else {f"state.{name}": a for name, a in state._asdict().items() if a is not None}


def _checked_arrays(parameters, others):
    """The parameters, checked as by `prepare`; the other arrays of a call, checked; and the lengths of the axes."""
    prepared = parameters if isinstance(parameters, Prepared) else None
    p = _bundle("parameters", parameters, Parameters) if prepared is None else prepared.parameters
    arrays = {f"parameters.{name}": getattr(p, name) for name in Parameters._fields if PARAMETERS[name] and prepared is None}
    arrays |= others
    for what, array in arrays.items():
        _require_axes(what, array)
    sizes = _checked_shapes(arrays, {} if prepared is None else prepared.sizes)
    dtype, owner = _usual_dtype(arrays, p)
    arrays = {what: a if what in _CLASSES else _of_dtype(what, a, dtype, owner) for what, a in arrays.items()}
    if prepared is None:
        p = Parameters(*(arrays[f"parameters.{name}"] for name in Parameters._fields))
        prepared = Prepared(p, _layers(p), {axis: sizes[axis] for axis in AXES if axis in sizes})
    return prepared, arrays, sizes


def _layers(p):
    """The parameters of every layer."""
    return Layers(
        embedding=EmbeddingParameters(E=p.E),
        lstm=LstmParameters(
            W_i=p.W_i,
            b_i=p.b_i,
            W_f=p.W_f,
            b_f=p.b_f,
            W_o=p.W_o,
            b_o=p.b_o,
            W_g=p.W_g,
            b_g=p.b_g,
        ),
        class_cross_entropy=ClassCrossEntropyParameters(W_y=p.W_y, b_y=p.b_y),
        dense_softmax=DenseSoftmaxParameters(W_y=p.W_y, b_y=p.b_y),
    )


def _check_classes(arrays, sizes, lengths):
    """Put checked class numbers in the place of those that are given; what lies beyond an end is not looked at."""
    for what in (what for what in arrays if what in _CLASSES):
        classes, ends = _length(_CLASSES[what], sizes), getattr(lengths, _DECLARED[what][0], None)
        arrays[what] = _checked_index(what, arrays[what], arrays[what].shape, classes, ends)


def _require_axes(what, array):
    """Raise unless `array` is one, of as many axes as it should have."""
    _require_array(what, array)
    declared = _DECLARED[what]
    if array.ndim != len(declared):
        count = f"{len(declared)} axes" if len(declared) > 1 else "one axis"
        raise ValueError(f"{what} has shape {array.shape}; it should have {count}, {_tuple_text(declared)}.")
    if 0 in array.shape:
        note = ": a batch needs at least one sample and one step" if what.startswith("inputs.") else ""
        raise ValueError(f"{what} has shape {array.shape}; all of {_tuple_text(declared)} are at least 1{note}.")


def _checked_shapes(arrays, known):
    """The lengths of the axes, some of them known, if all arrays have the shapes that follow from them."""
    sizes, fit = dict(known), True
    for what, array in arrays.items():
        for size, length in zip(_DECLARED[what], array.shape, strict=True):
            fit &= sizes.setdefault(size, length) == length
    if fit and all(_length(size, sizes) == length for size, length in sizes.items()):
        return sizes
    sizes = _agreed(arrays, known)
    wanted = {what: tuple(_length(size, sizes) for size in _DECLARED[what]) for what in arrays}
    wrong = [what for what, array in arrays.items() if None not in wanted[what] and array.shape != wanted[what]]
    for what in wrong:
        declared, shape, others = _DECLARED[what], arrays[what].shape, [other for other in arrays if other not in wrong]
        axes = _axes(*(size for size, one, other in zip(declared, shape, wanted[what], strict=True) if one != other))
        told = ", ".join(filter(None, (_reason(axis, sizes[axis], others) for axis in axes)))
        told = f", with {told}" if told else ""
        rest = _agreed({other: arrays[other] for other in others}, known)  # what this array alone tells stays open
        numbers = _tuple_text([str(_length(size, rest) or size) for size in declared])
        raise ValueError(f"{what} has shape {shape}; it should have {_tuple_text(declared)} = {numbers}{told}.")
    return sizes


def _reason(axis, length, arrays):
    """Which of some arrays tells how long an axis is, best one whose shape names it alone."""
    telling = [what for what in arrays if axis in _axes(*_DECLARED[what])]
    telling.sort(key=lambda what: axis not in _DECLARED[what])
    return f"{axis} = {length} by {telling[0]}" if telling else ""


def _axes(*sizes):
    """The axes in some sizes, in their order."""
    return dict.fromkeys(axis for size in sizes for product in _SIZES[size] for axis in product if isinstance(axis, str))


def _agreed(arrays, known):
    """The length of every axis that is known or that most arrays agree on, at a tie the first."""
    sizes = dict(known)
    while True:
        votes = {}
        for what, array in arrays.items():
            found = {_told(size, length, sizes): None for size, length in zip(_DECLARED[what], array.shape, strict=True)}
            for axis, length in filter(None, found):
                votes.setdefault(axis, []).append(length)
        if not votes:
            return sizes
        chosen = {axis: max(lengths, key=lengths.count) for axis, lengths in votes.items()}
        axis = max(votes, key=lambda axis: votes[axis].count(chosen[axis]))
        sizes[axis] = chosen[axis]


def _told(size, length, sizes):
    """The axis that a length tells, and how long it is, if it is the only one in the size that is not known."""
    unknown = [axis for axis in _axes(size) if axis not in sizes]
    if len(unknown) != 1:
        return None
    rest, first = (_length(size, {**sizes, unknown[0]: number}) for number in (0, 1))
    value, left = divmod(length - rest, first - rest)
    return (unknown[0], value) if not left and value > 0 and _length(size, {**sizes, unknown[0]: value}) == length else None


def _length(size, sizes):
    """The length of a size; None while it has an axis that is not known."""
    try:
        return sum(math.prod(f if isinstance(f, int) else sizes[f] for f in product) for product in _SIZES[size])
    except KeyError:
        return None


def _tuple_text(names):
    return f"({', '.join(names)}{',' * (len(names) == 1)})"


def _usual_dtype(arrays, p):
    """The dtype that most parameters have (without any, the first input of numbers), and which has it."""
    dtypes = {what: array.dtype for what, array in arrays.items() if what.startswith("parameters.")}
    if not dtypes:
        dtypes = {f"parameters.{name}": a.dtype for name, a in p._asdict().items() if isinstance(a, (np.ndarray, np.generic))}
    if not dtypes:
        dtypes = {what: array.dtype for what, array in arrays.items() if what not in _CLASSES}
    found = list(dtypes.values()) or [np.dtype(np.float64)]
    usual = found[0] if len(set(found)) == 1 else max(found, key=found.count)
    owner = next((what for what, dtype in dtypes.items() if dtype == usual), "")
    if usual not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"{owner} has dtype {usual}; it should have float32 or float64.")
    return usual, owner


def _of_dtype(what, array, dtype, owner):
    """`array` as a plain one, if it has the dtype that `owner` has."""
    if array.dtype != dtype:
        raise ValueError(f"{what} has dtype {array.dtype}; it should have {dtype}, that of {owner}.")
    return np.asarray(array)


def _all_lengths(lengths, sizes):
    """The samples' numbers of steps for every time axis, checked."""
    if not isinstance(lengths, Lengths):
        if lengths is not None and len(Lengths._fields) != 1:
            raise ValueError(f"lengths is a {type(lengths).__name__}; pass Lengths({', '.join(f'{t}=...' for t in Lengths._fields)}).")
        lengths = Lengths(*[lengths] * len(Lengths._fields))
    names = [f"lengths.{time}" if len(Lengths._fields) > 1 else "lengths" for time in Lengths._fields]
    return Lengths(*(
        None if given is None or time not in sizes else _checked_lengths(given, sizes[time], sizes["B"], what)
        for what, time, given in zip(names, Lengths._fields, lengths, strict=True)
    ))


def _places(out, p, inputs, state):
    """Arrays for the gradients: those of `out`, which overlap with no argument, or new ones."""
    given = Parameters(*[None] * len(p)) if out is None else _bundle("out", out, Parameters)
    named = zip(Parameters._fields, given, p, strict=True)
    places = Parameters(*(_place(f"out.{name}", given, array.shape, array.dtype) for name, given, array in named))
    if out is not None:
        arguments = ("parameters", p), ("inputs", inputs), ("state", state or ())
        _refuse_overlap([("out", places)], arguments, "give every gradient an array of its own")
    return places


def _checked_step(parameters, inputs_t, state):
    """The arguments of one step."""
    if len(_STEPPED) == 1 and isinstance(inputs_t, np.ndarray):
        inputs_t = Inputs(**{name: inputs_t if name in _STEPPED else None for name in Inputs._fields})
    inputs_t = _bundle("inputs_t", inputs_t, Inputs)
    state = None if state is None else _bundle("state", state, State)
    others = {f"inputs_t.{name}": getattr(inputs_t, name) for name in _STEPPED} | _named_states(state)
    prepared, arrays, sizes = _checked_arrays(parameters, others)
    _check_classes(arrays, sizes, None)
    state = None if state is None else state._make(arrays.get(f"state.{name}") for name in state._fields)
    return prepared.layers, Inputs(*(arrays.get(f"inputs_t.{name}") for name in Inputs._fields)), state


def _checked_start(start, n):
    """What a sequence of n steps grows from."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"n is {n!r}; it should be a whole number of steps, 0 or more.")
    _require_array("start", start)
    rank = len(INPUTS["k"]) + 1
    if start.ndim != rank:
        raise ValueError(f"start has shape {start.shape}; it should have {rank} axes: those of k at one step.")
    return start


def _drawn(scores, rng, temperature):
    """Classes (B,), drawn from softmax(scores / temperature); at temperature 0 those with the highest score."""
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature is {temperature}; it should be 0 or a positive number; 1 is usual.")
    largest = scores.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise ValueError("The scores of a step are not finite, so no class can be drawn; look at the parameters.")
    if temperature == 0:
        return scores.argmax(axis=-1)
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is a {type(rng).__name__}; pass a numpy.random.Generator, or temperature=0.")
    with np.errstate(over="ignore"):  # far below the largest: the probability is zero
        bounds = np.exp((scores.astype(np.float64) - largest) / temperature).cumsum(axis=-1)
    return (bounds <= rng.random((len(bounds), 1)) * bounds[:, -1:]).sum(axis=-1)




# ---- Memory and sequences ----------------------------------------------------------------------------


def _of(workspace, layer):
    """The memory of one layer."""
    if workspace is None:
        return None
    if not isinstance(workspace, Workspaces):
        raise ValueError(f"workspace is a {type(workspace).__name__}; pass a Workspaces() of this module.")
    return workspace._of_layers.setdefault(layer, Workspace())


def _mean(losses, lengths):
    """The mean of losses (T, B) over all steps of all samples, and its derivative by every one of them."""
    count = losses.size if lengths is None else max(int(lengths.sum()), 1)
    # Beyond a sample's end, losses are zero and a derivative is not looked at.
    return float(np.sum(losses, dtype=np.float64)) / count, np.full(losses.shape, 1 / count, losses.dtype)


# ---- Kernels -----------------------------------------------------------------------------------------
# What the kernels of all cells share, and then every kernel under the name of its cell.


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


def _checked_index(what, value, shape, classes, lengths=None):
    """Class indices as an array of int64, or a ValueError that names them; beyond a sample's end they may be anything."""
    _require_array(what, value)
    if value.shape != shape:
        raise ValueError(f"{what} has shape {value.shape}; it should have {shape}.")
    if value.dtype.kind not in "iu":
        raise ValueError(f"{what} has dtype {value.dtype}; pass an array of integers, the numbers of the classes.")
    if 8 * math.prod(shape) > _MEMORY:
        raise _no_room(f"{what} of shape {shape}", math.prod(shape), np.dtype(np.int64))
    outside = (value < 0) | (value >= classes)
    if lengths is not None:
        outside &= ~_padding(lengths, len(value))
    for wrong in value[outside][:1]:
        raise ValueError(f"{what} has the class {wrong}; it should be from 0 to {classes - 1}, for {classes} classes.")
    return np.asarray(value, np.int64)


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


def _difference(what, value, size):
    """A size that is left of a longer one, which must not be too short for it."""
    if size < 0:
        raise ValueError(f"{what} has shape {value.shape}, which is too short for the other parameters.")
    return size


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


def _same_sizes(sizes, dtype, prepared):
    """Raise unless parameters of some sizes and dtype fit those that a tape was made with."""
    if sizes != prepared.sizes or dtype != prepared.dtype:
        raise ValueError(f"The tape was made with sizes {prepared.sizes} in {prepared.dtype}, the parameters have {sizes} in {dtype}.")


def _glorot(rng, shape, dtype):
    """Uniform within sqrt(6 / (rows + columns)): Glorot and Bengio 2010."""
    rows, columns = (shape[0], shape[-1]) if len(shape) > 1 else (math.prod(shape), 1)
    limit = math.sqrt(6 / max(rows + columns, 1))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def _normal(rng, shape, dtype):
    """Standard deviation 1 / sqrt(columns)."""
    columns = shape[-1] if len(shape) > 1 else 1
    return np.asarray(rng.standard_normal(shape) / math.sqrt(max(columns, 1)), dtype)


# ---- Compiling ---------------------------------------------------------------------------------------
# Numba's disk cache stores, for every compiled function, the name of its module, and imports that name when it
# loads the machine code. This file may be imported under any name or run as a script, so its compiled functions
# belong to a module whose name never changes. It must be in sys.modules before anything is compiled.
_HOME = sys.modules.setdefault("symrnn_language_model_2586971eddf1", types.ModuleType("symrnn_language_model_2586971eddf1"))
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
def _exp(x):
    """exp(x), to 2 units in the last place; infinite or 0 beyond the range. (A NaN fails every comparison and stays.)"""
    k = _constants(x)
    x = k.low if x < k.low else k.high if x > k.high else x
    n, tail = _split_exp(x)
    near = k.least if n < k.least else k.most if n > k.most else n  # two factors: 2**n itself may be out of range
    return (k.one + tail) * _two_to(near + k.shift) * _two_to(n - near + k.shift)


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


def _inlined_or(plain):
    """`_inlined`, or where nothing is compiled ``plain``: Python's math raises where there is no finite result."""
    return (lambda _: plain) if config.DISABLE_JIT else _inlined


@_inlined_or(np.log)
def _log(x):
    """log(x): -inf at 0, NaN below."""
    return math.log(x)


@_inlined
def _maximum(a, b):
    """The larger; NaN if either is."""
    return a if a >= b or a != a else b


@_inlined
def _largest(row):
    """The largest element of a vector; NaN if one is, -inf if there is none."""
    best = row.dtype.type(-np.inf)
    for j in range(row.shape[0]):
        best = _maximum(best, row[j])
    return best


# ---- The passes over time ----------------------------------------------------------------------------

_ALL_STEPS = np.empty(0, np.int64)  # in place of the samples' lengths where all have T steps


# ---- embedding ---------------------------------------------------------------------------------------

EMBEDDING_AXES = ("v", "m")
EMBEDDING_INPUTS = {"k": ()}
EMBEDDING_STATES = {}
EMBEDDING_PARAMETERS = {"E": ("v", "m")}
EMBEDDING_CONSTANTS = {}
EMBEDDING_OUTPUT = ("m",)


class EmbeddingInputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    k: Any  # (T, B), whole numbers from 0 up to, not including, v


class EmbeddingState(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""



class EmbeddingParameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    E: Any  # (v, m)


class EmbeddingRun(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: EmbeddingState
    tape: "EmbeddingTape"


class EmbeddingGradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: EmbeddingParameters
    inputs: EmbeddingInputs | None
    state: EmbeddingState


class EmbeddingPrepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: EmbeddingParameters
    sizes: tuple
    dtype: np.dtype


class EmbeddingTape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: EmbeddingPrepared
    inputs: EmbeddingInputs
    state: EmbeddingState
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


def embedding_init(rng, *, v, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, v, m are sizes."""
    dtype = _float_dtype(dtype)
    v, m = _checked_sizes(v=v, m=m)
    if (v * m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with v = {v}, m = {m}", v * m, dtype)
    return EmbeddingParameters(
        E=_normal(rng, (v, m), dtype),
    )


def embedding_prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, EmbeddingPrepared):
        return parameters
    checked, _, _ = _embedding_checked_parameters(parameters)
    return _embedding_prepared(EmbeddingParameters(*(array.copy() for array in checked)), _new)


def _embedding_prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, EmbeddingPrepared):
        return parameters
    parameters, sizes, dtype = _embedding_checked_parameters(parameters)
    return EmbeddingPrepared(parameters, sizes, dtype)


def embedding_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _embedding_checked_call(parameters, inputs, state, lengths, memory, out)
        (v, m) = sizes = _embedding_sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B, m), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = EmbeddingState(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _embedding_continued(inputs, state, lengths, memory)
        final = _embedding_predict(prepared, sizes, inputs, start, outputs, lengths, threads)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def embedding_forward(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _embedding_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _embedding_continued(inputs, state, lengths, memory)
        outputs, final, saved = _embedding_forward(prepared, inputs, start, lengths, memory, threads)
        final = EmbeddingState(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = EmbeddingTape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return EmbeddingRun(outputs, final, tape)


def embedding_backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None, threads=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    if not isinstance(tape, EmbeddingTape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _embedding_require_same(parameters, given)
        _embedding_require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _embedding_sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _embedding_checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _embedding_results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = EmbeddingState(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _embedding_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory, threads)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in (array for array in results.inputs or () if array is not None):
                array[_padding(tape.lengths, len(array))] = 0
        return results


def embedding_step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _embedding_prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, EmbeddingInputs)
    _rank("inputs_t.k", inputs_t.k, 1)
    inputs = EmbeddingInputs(inputs_t.k[None])
    B = inputs_t.k.shape[0]
    (v, m) = _embedding_sizes(prepared, inputs, state)
    inputs = inputs._replace(k=_checked_index("inputs_t.k", inputs_t.k, (B,), v)[None])
    dtype = prepared.dtype
    sizes = (v, m)
    T = 1
    if B * m * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", B * m, dtype)
    outputs = np.empty((T, B, m), dtype)
    final = _embedding_predict(prepared, sizes, inputs, _embedding_checked_state("state", state, sizes, dtype, B), outputs, None, None)
    return outputs[0], final


def _embedding_results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (v, m) = sizes
    shapes = EmbeddingGradients(
        EmbeddingParameters(
            E=(v, m),
        ),
        EmbeddingInputs(k=None),
        EmbeddingState(),
    )
    if out is not None and not isinstance(out, EmbeddingGradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(None if shape is None else _place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", EmbeddingInputs) if input_gradients else None
    return EmbeddingGradients(places("parameters", EmbeddingParameters), inputs, places("state", EmbeddingState))


def _embedding_checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, EmbeddingParameters)
    _rank("parameters.E", given.E, 2)
    v = given.E.shape[0]
    m = given.E.shape[1]
    dtype = _embedding_common_dtype(given)
    return EmbeddingParameters(
        _checked_array("parameters.E", given.E, (v, m), dtype),
    ), (v, m), dtype


def _embedding_common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(EmbeddingParameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _embedding_checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _embedding_prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, EmbeddingInputs)
    _rank("inputs.k", inputs.k, 2)
    T, B = inputs.k.shape[:2]
    (v, m) = _embedding_sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B * m) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = EmbeddingInputs(
        _checked_index("inputs.k", inputs.k, (T, B), v, lengths),
    )
    sizes = _embedding_sizes(prepared, inputs, state)
    return prepared, inputs, _embedding_checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _embedding_sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (v, m) = prepared.sizes
    return (v, m)


def _embedding_checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (v, m) = sizes
    if state is None:
        return EmbeddingState()
    state = _bundle(what, state, EmbeddingState)
    return EmbeddingState(
    )


def _embedding_continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(EmbeddingInputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return EmbeddingInputs(*made), EmbeddingState(*(array[samples] for array in state))


def _embedding_final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return EmbeddingState(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return EmbeddingState(*(array[last] for array in later))


def _embedding_require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in EmbeddingParameters._fields), *(f"inputs.{name}" for name in EmbeddingInputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _embedding_require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, EmbeddingPrepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _embedding_checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(EmbeddingParameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


@_compiled
def _embedding_forward_slice(
    part, lo, hi, steps, lengths, k, v, m, E, x,
):
    """All time steps for the samples lo to hi."""
    T = k.shape[0] if lo < hi else 0
    real = x.dtype.type
    one, zero = real(1), real(0)
    for first in range(0, T, steps):
        last = min(first + steps, T)
        for t in range(first, last):
            # (1) x = E[k]
            for b in range(lo, hi):
                row = k[t, b]
                for j in range(m):
                    x[t, b, j] = E[row, j]


@_compiled
def _embedding_predict_slice(
    part, lo, hi, steps, lengths, k, v, m, E, outputs,
):
    """All time steps for the samples lo to hi, in memory for a few of them, which is used again and again."""
    T, B = outputs.shape[0] if lo < hi else 0, outputs.shape[1]
    dtype = outputs.dtype
    x = np.empty((steps, B, m), dtype)
    left = lengths.copy()
    for first in range(0, T, steps):
        count = min(steps, T - first)
        _embedding_forward_slice(
            part, lo, hi, steps, left, k[first : first + count], v, m, E, x,
        )
        for t in range(count):
            for b in range(lo, hi):
                for j in range(m):
                    outputs[first + t, b, j] = x[t, b, j]
        for b in range(left.size):
            left[b] -= count


@_compiled
def _embedding_backward_slice(
    part, lo, hi, steps, lengths, input_gradients, d_x_output, v, m, k, d_x, d_E_parts,
):
    """All time steps, from the last to the first, for the samples lo to hi; gradients are added up per part."""
    T = d_x_output.shape[0] if lo < hi else 0
    real = d_x_output.dtype.type
    one, zero = real(1), real(0)
    d_E = d_E_parts[part]
    d_E[...] = zero
    for last in range(T, 0, -steps):
        first = max(last - steps, 0)
        for t in range(last - 1, first - 1, -1):
            slot = t - first
            for b in range(lo, hi):
                d_x_output_row = d_x_output[t, b]
                d_x_row = d_x[slot, b]
                for j in range(m):
                    # d_x from the output's cotangent
                    d_x_output_j = d_x_output_row[j]
                    d_x_j = d_x_output_j
                    d_x_row[j] = d_x_j
        for t in range(first, last):
            slot = t - first
            # d_E = sum over t of outer(one_hot_k, d_x)
            #     from x = one_hot_k @ E
            for b in range(lo, hi):
                row = k[t, b]
                for j in range(m):
                    d_E[row, j] += d_x[slot, b, j]


def _embedding_forward(prepared, inputs, state, lengths, memory, threads):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    (v, m) = sizes = _embedding_sizes(prepared, inputs, state)
    dtype = prepared.dtype
    T, B = inputs[0].shape[:2]
    bounds = _bounds(B, T * B * (0), threads)
    steps = _steps_together(T, bounds)
    E, = prepared.parameters
    E = _plain(E)
    x = memory("x", (T, B, m), dtype)
    _in_slices(
        bounds,
        _embedding_forward_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        v, m, E, x,
    )
    final = _embedding_final_states(EmbeddingState(), EmbeddingState(), lengths)
    return x, final, ()


def _embedding_predict(prepared, sizes, inputs, state, outputs, lengths, threads):
    """Fill the outputs and return the final state."""
    (v, m) = sizes
    dtype = prepared.dtype
    T, B = outputs.shape[:2]
    bounds = _bounds(B, T * B * (0), threads)
    steps = _steps_together(T, bounds)
    E, = prepared.parameters
    E = _plain(E)
    final = EmbeddingState()
    _in_slices(
        bounds,
        _embedding_predict_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        v, m, E, outputs, *final,
    )
    return final


@np.errstate(all="ignore")
def _embedding_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory, threads):
    """Fill `results` with the gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (v, m) = _embedding_sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    bounds = _bounds(B, T * B * (m), threads)
    steps = _steps_together(T, bounds)
    parts = len(bounds) - 1
    k, = tape.inputs
    k = _plain(k)
    d_x_output = _plain(d_outputs)
    d_x = memory("d_x", (steps, B, m), dtype)
    d_E_parts = memory("d_E", (parts, v, m), dtype)
    _in_slices(
        bounds,
        _embedding_backward_slice,
        steps,
        _ALL_STEPS if tape.lengths is None else tape.lengths,
        input_gradients, d_x_output, v, m, k, d_x, d_E_parts,
    )
    d_E = _summed(d_E_parts)
    results.parameters.E[...] = d_E


# ---- lstm --------------------------------------------------------------------------------------------

LSTM_AXES = ("n", "m")
LSTM_INPUTS = {"x": ("n",)}
LSTM_STATES = {"c": ("m",), "h": ("m",)}
LSTM_PARAMETERS = {
    "W_i": ("m", "m + n"),
    "b_i": ("m",),
    "W_f": ("m", "m + n"),
    "b_f": ("m",),
    "W_o": ("m", "m + n"),
    "b_o": ("m",),
    "W_g": ("m", "m + n"),
    "b_g": ("m",),
}
LSTM_CONSTANTS = {}
LSTM_OUTPUT = ("m",)


class LstmInputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    x: Any  # (T, B, n)


class LstmState(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""

    c: Any  # (B, m)
    h: Any  # (B, m)


class LstmParameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_i: Any  # (m, m + n)
    b_i: Any  # (m,)
    W_f: Any  # (m, m + n)
    b_f: Any  # (m,)
    W_o: Any  # (m, m + n)
    b_o: Any  # (m,)
    W_g: Any  # (m, m + n)
    b_g: Any  # (m,)


class LstmRun(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: LstmState
    tape: "LstmTape"


class LstmGradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: LstmParameters
    inputs: LstmInputs | None
    state: LstmState


class LstmPrepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: LstmParameters
    sizes: tuple
    dtype: np.dtype
    W_on_x: np.ndarray  # (4*m, n)
    b_all: np.ndarray  # (4*m)
    W_on_h: np.ndarray  # (4*m, m)
    W_on_x_panels: np.ndarray  # W_on_x, packed
    W_on_h_panels: np.ndarray  # W_on_h, packed


class LstmTape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: LstmPrepared
    inputs: LstmInputs
    state: LstmState
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


def lstm_init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = _float_dtype(dtype)
    n, m = _checked_sizes(n=n, m=m)
    if (4 * n * m + 4 * m * m + 4 * m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", 4 * n * m + 4 * m * m + 4 * m, dtype)
    return LstmParameters(
        W_i=_glorot(rng, (m, m + n), dtype),
        b_i=np.zeros((m,), dtype),
        W_f=_glorot(rng, (m, m + n), dtype),
        b_f=np.zeros((m,), dtype),
        W_o=_glorot(rng, (m, m + n), dtype),
        b_o=np.zeros((m,), dtype),
        W_g=_glorot(rng, (m, m + n), dtype),
        b_g=np.zeros((m,), dtype),
    )


def lstm_prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, LstmPrepared):
        return parameters
    checked, _, _ = _lstm_checked_parameters(parameters)
    return _lstm_prepared(LstmParameters(*(array.copy() for array in checked)), _new)


def _lstm_prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, LstmPrepared):
        return parameters
    parameters, sizes, dtype = _lstm_checked_parameters(parameters)
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = parameters
    n, m = sizes
    W_on_x = np.concatenate([W_i[:, m:], W_f[:, m:], W_o[:, m:], W_g[:, m:]], out=memory("W_on_x", (4 * m, n), dtype))
    b_all = np.concatenate([b_i, b_f, b_o, b_g], out=memory("b_all", (4 * m,), dtype))
    W_on_h = np.concatenate([W_i[:, :m], W_f[:, :m], W_o[:, :m], W_g[:, :m]], out=memory("W_on_h", (4 * m, m), dtype))
    W_on_x_panels = _panels(_plain(W_on_x).T, "W_on_x_panels", memory)
    W_on_h_panels = _panels(_plain(W_on_h).T, "W_on_h_panels", memory)
    return LstmPrepared(parameters, sizes, dtype, W_on_x, b_all, W_on_h, W_on_x_panels, W_on_h_panels)


def lstm_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _lstm_checked_call(parameters, inputs, state, lengths, memory, out)
        (n, m) = sizes = _lstm_sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B, m), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = LstmState(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _lstm_continued(inputs, state, lengths, memory)
        final = _lstm_predict(prepared, sizes, inputs, start, outputs, lengths, threads)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def lstm_forward(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _lstm_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _lstm_continued(inputs, state, lengths, memory)
        outputs, final, saved = _lstm_forward(prepared, inputs, start, lengths, memory, threads)
        final = LstmState(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = LstmTape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return LstmRun(outputs, final, tape)


def lstm_backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None, threads=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    if not isinstance(tape, LstmTape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _lstm_require_same(parameters, given)
        _lstm_require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _lstm_sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _lstm_checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _lstm_results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = LstmState(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _lstm_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory, threads)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in results.inputs or ():
                array[_padding(tape.lengths, len(array))] = 0
        return results


def lstm_step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _lstm_prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, LstmInputs)
    _rank("inputs_t.x", inputs_t.x, 2)
    inputs = LstmInputs(inputs_t.x[None])
    B = inputs_t.x.shape[0]
    (n, m) = _lstm_sizes(prepared, inputs, state)
    _checked_array("inputs_t.x", inputs_t.x, (B, n), prepared.dtype)
    dtype = prepared.dtype
    sizes = (n, m)
    T = 1
    if B * m * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", B * m, dtype)
    outputs = np.empty((T, B, m), dtype)
    final = _lstm_predict(prepared, sizes, inputs, _lstm_checked_state("state", state, sizes, dtype, B), outputs, None, None)
    return outputs[0], final


def _lstm_results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (n, m) = sizes
    shapes = LstmGradients(
        LstmParameters(
            W_i=(m, m + n), b_i=(m,), W_f=(m, m + n), b_f=(m,), W_o=(m, m + n), b_o=(m,), W_g=(m, m + n),
            b_g=(m,),
        ),
        LstmInputs(x=(T, B, n)),
        LstmState(c=(B, m), h=(B, m)),
    )
    if out is not None and not isinstance(out, LstmGradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(_place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", LstmInputs) if input_gradients else None
    return LstmGradients(places("parameters", LstmParameters), inputs, places("state", LstmState))


def _lstm_checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, LstmParameters)
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
    dtype = _lstm_common_dtype(given)
    return LstmParameters(
        _checked_array("parameters.W_i", given.W_i, (m, m + n), dtype),
        _checked_array("parameters.b_i", given.b_i, (m,), dtype),
        _checked_array("parameters.W_f", given.W_f, (m, m + n), dtype),
        _checked_array("parameters.b_f", given.b_f, (m,), dtype),
        _checked_array("parameters.W_o", given.W_o, (m, m + n), dtype),
        _checked_array("parameters.b_o", given.b_o, (m,), dtype),
        _checked_array("parameters.W_g", given.W_g, (m, m + n), dtype),
        _checked_array("parameters.b_g", given.b_g, (m,), dtype),
    ), (n, m), dtype


def _lstm_common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(LstmParameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _lstm_checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _lstm_prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, LstmInputs)
    _rank("inputs.x", inputs.x, 3)
    T, B = inputs.x.shape[:2]
    (n, m) = _lstm_sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B * m) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = LstmInputs(
        _checked_array("inputs.x", inputs.x, (T, B, n), prepared.dtype),
    )
    sizes = _lstm_sizes(prepared, inputs, state)
    return prepared, inputs, _lstm_checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _lstm_sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (n, m) = prepared.sizes
    return (n, m)


def _lstm_checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (n, m) = sizes
    if state is None:
        return LstmState(np.zeros((B, m), dtype), np.zeros((B, m), dtype))
    state = _bundle(what, state, LstmState)
    return LstmState(
        _checked_array(f"{what}.c", state.c, (B, m), dtype),
        _checked_array(f"{what}.h", state.h, (B, m), dtype),
    )


def _lstm_continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(LstmInputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return LstmInputs(*made), LstmState(*(array[samples] for array in state))


def _lstm_final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return LstmState(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return LstmState(*(array[last] for array in later))


def _lstm_require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in LstmParameters._fields), *(f"inputs.{name}" for name in LstmInputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _lstm_require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, LstmPrepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _lstm_checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(LstmParameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


@_compiled
def _lstm_forward_slice(
    part, lo, hi, steps, lengths, x, n, m, W_on_x_panels, W_on_h_panels, c, c_next, h, h_next,
    tanh_c, a_all, b_all,
):
    """All time steps for the samples lo to hi."""
    T = x.shape[0] if lo < hi else 0
    real = x.dtype.type
    one, zero = real(1), real(0)
    for first in range(0, T, steps):
        last = min(first + steps, T)
        # a_i, a_f, a_o, a_g: the part that x gives
        # a_i, a_f, a_o, a_g: the biases
        _multiply_steps(x[first:last, lo:hi], W_on_x_panels, a_all[first:last, lo:hi], True, b_all)
        for t in range(first, last):
            # a_i, a_f, a_o, a_g: the part that h gives
            _multiply(h[t, lo:hi], W_on_h_panels, a_all[t, lo:hi], True)
            for b in range(lo, hi):
                a_i_row = a_all[t, b, :m]
                a_f_row = a_all[t, b, m : 2 * m]
                a_o_row = a_all[t, b, 2 * m : 3 * m]
                a_g_row = a_all[t, b, 3 * m :]
                c_row = c[t, b]
                c_next_row = c_next[t, b]
                tanh_c_row = tanh_c[t, b]
                h_next_row = h_next[t, b]
                for j in range(m):
                    # (1) i = sigmoid(W_i @ [h, x] + b_i)
                    a_i_j = a_i_row[j]
                    i_j = _sigmoid(a_i_j)
                    a_i_row[j] = i_j
                    # (2) f = sigmoid(W_f @ [h, x] + b_f)
                    a_f_j = a_f_row[j]
                    f_j = _sigmoid(a_f_j)
                    a_f_row[j] = f_j
                    # (3) o = sigmoid(W_o @ [h, x] + b_o)
                    a_o_j = a_o_row[j]
                    o_j = _sigmoid(a_o_j)
                    a_o_row[j] = o_j
                    # (4) g = tanh(W_g @ [h, x] + b_g)
                    a_g_j = a_g_row[j]
                    g_j = _tanh(a_g_j)
                    a_g_row[j] = g_j
                    # (5) c.next = f * c + i * g
                    c_j = c_row[j]
                    c_next_j = f_j * c_j + i_j * g_j
                    c_next_row[j] = c_next_j
                    # (6) h.next = o * tanh(c.next)
                    tanh_c_j = _tanh(c_next_j)
                    tanh_c_row[j] = tanh_c_j
                    h_next_j = o_j * tanh_c_j
                    h_next_row[j] = h_next_j
            if lengths.size > 0:
                for b in range(lo, hi):
                    for j in range(m):
                        c[t + 1, b, j] = c[t, b, j] if t + 1 >= lengths[b] else c_next[t, b, j]
                        h[t + 1, b, j] = h[t, b, j] if t + 1 >= lengths[b] else h_next[t, b, j]


@_compiled
def _lstm_predict_slice(
    part, lo, hi, steps, lengths, x, n, m, W_on_x_panels, W_on_h_panels, b_all, c_0, h_0, outputs,
    c_final, h_final,
):
    """All time steps for the samples lo to hi, in memory for a few of them, which is used again and again."""
    T, B = outputs.shape[0] if lo < hi else 0, outputs.shape[1]
    dtype = x.dtype
    c = np.empty((steps + 1, B, m), dtype)
    h = np.empty((steps + 1, B, m), dtype)
    tanh_c = np.empty((steps, B, m), dtype)
    a_all = np.empty((steps, B, 4 * m), dtype)
    c_next = c[1:] if lengths.size == 0 else np.empty((steps, B, m), dtype)
    h_next = h[1:] if lengths.size == 0 else np.empty((steps, B, m), dtype)
    for b in range(lo, hi):
        for j in range(m):
            c[0, b, j] = c_final[b, j] = c_0[b, j]
            h[0, b, j] = h_final[b, j] = h_0[b, j]
    left = lengths.copy()
    for first in range(0, T, steps):
        count = min(steps, T - first)
        _lstm_forward_slice(
            part, lo, hi, steps, left, x[first : first + count], n, m, W_on_x_panels, W_on_h_panels, c,
            c_next, h, h_next, tanh_c, a_all, b_all,
        )
        for t in range(count):
            for b in range(lo, hi):
                for j in range(m):
                    outputs[first + t, b, j] = h_next[t, b, j]
        for b in range(lo, hi):
            if left.size == 0 or left[b] > 0:
                for j in range(m):
                    c_final[b, j] = c_next[(count if left.size == 0 else min(left[b], count)) - 1, b, j]
                    h_final[b, j] = h_next[(count if left.size == 0 else min(left[b], count)) - 1, b, j]
        for b in range(lo, hi):
            for j in range(m):
                c[0, b, j] = c[count, b, j]
                h[0, b, j] = h[count, b, j]
        for b in range(left.size):
            left[b] -= count


@_compiled
def _lstm_backward_slice(
    part, lo, hi, steps, lengths, input_gradients, d_h_output, n, m, W_on_x_panels, W_on_h_panels,
    x, c, h, tanh_c, d_c_later, d_h_later, d_x, a_all, d_a_all, d_W_on_h_parts, d_W_on_x_parts,
    d_b_all_parts, scratch, d_c_later_final, d_h_later_final,
):
    """All time steps, from the last to the first, for the samples lo to hi; gradients are added up per part."""
    T = d_h_output.shape[0] if lo < hi else 0
    real = d_h_output.dtype.type
    one, zero = real(1), real(0)
    d_W_on_h = d_W_on_h_parts[part]
    d_W_on_x = d_W_on_x_parts[part]
    d_b_all = d_b_all_parts[part]
    d_W_on_h[...] = zero
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
                            d_h_later[b, j] = d_h_later_final[b, j]
            for b in range(lo, hi):
                d_h_later_row = d_h_later[b]
                d_h_output_row = d_h_output[t, b]
                o_row = a_all[t, b, 2 * m : 3 * m]
                d_c_later_row = d_c_later[b]
                tanh_c_row = tanh_c[t, b]
                i_row = a_all[t, b, :m]
                g_row = a_all[t, b, 3 * m :]
                d_a_g_row = d_a_all[slot, b, 3 * m :]
                d_a_o_row = d_a_all[slot, b, 2 * m : 3 * m]
                c_row = c[t, b]
                f_row = a_all[t, b, m : 2 * m]
                d_a_f_row = d_a_all[slot, b, m : 2 * m]
                d_a_i_row = d_a_all[slot, b, :m]
                for j in range(m):
                    # d_h_next from what step t + 1 hands back; the output's cotangent
                    d_h_later_j = d_h_later_row[j]
                    d_h_output_j = d_h_output_row[j]
                    d_h_next_j = d_h_later_j + d_h_output_j
                    # d_tanh_c from h.next = o * tanh_c
                    o_j = o_row[j]
                    d_tanh_c_j = d_h_next_j * o_j
                    # d_c_next from tanh_c = tanh(c.next); what step t + 1 hands back
                    d_c_later_j = d_c_later_row[j]
                    tanh_c_j = tanh_c_row[j]
                    d_c_next_j = d_c_later_j + d_tanh_c_j * (one - tanh_c_j * tanh_c_j)
                    # d_g from c.next = f * c + i * g
                    i_j = i_row[j]
                    d_g_j = d_c_next_j * i_j
                    # d_a_g from g = tanh(a_g)
                    g_j = g_row[j]
                    d_a_g_j = d_g_j * (one - g_j * g_j)
                    d_a_g_row[j] = d_a_g_j
                    # d_o from h.next = o * tanh_c
                    d_o_j = d_h_next_j * tanh_c_j
                    # d_a_o from o = sigmoid(a_o)
                    d_a_o_j = d_o_j * o_j * (one - o_j)
                    d_a_o_row[j] = d_a_o_j
                    # d_f from c.next = f * c + i * g
                    c_j = c_row[j]
                    d_f_j = d_c_next_j * c_j
                    # d_a_f from f = sigmoid(a_f)
                    f_j = f_row[j]
                    d_a_f_j = d_f_j * f_j * (one - f_j)
                    d_a_f_row[j] = d_a_f_j
                    # d_i from c.next = f * c + i * g
                    d_i_j = d_c_next_j * g_j
                    # d_a_i from i = sigmoid(a_i)
                    d_a_i_j = d_i_j * i_j * (one - i_j)
                    d_a_i_row[j] = d_a_i_j
                    # d_c from c.next = f * c + i * g
                    d_c_j = d_c_next_j * f_j
                    d_c_later_row[j] = d_c_j
            # d_h = d_h_x[0 : m]
            #     from h_x = [h, x]
            # d_h_x = d_a_f @ W_f + d_a_g @ W_g + d_a_i @ W_i + d_a_o @ W_o
            #     from W_g_h_x = W_g @ h_x; W_o_h_x = W_o @ h_x; W_f_h_x = W_f @ h_x; W_i_h_x = W_i @ h_x
            _multiply(d_a_all[slot, lo:hi], W_on_h_panels, d_h_later[lo:hi], False)
        if input_gradients:
            # d_x = d_h_x[m : m + n]
            #     from h_x = [h, x]
            # d_h_x = d_a_f @ W_f + d_a_g @ W_g + d_a_i @ W_i + d_a_o @ W_o
            #     from W_g_h_x = W_g @ h_x; W_o_h_x = W_o @ h_x; W_f_h_x = W_f @ h_x; W_i_h_x = W_i @ h_x
            _multiply_steps(d_a_all[: last - first, lo:hi], W_on_x_panels, d_x[first:last, lo:hi], False, d_x[first:last, lo:hi])
        # d_W_i = sum over t of outer(d_a_i, h_x)
        #     from W_i_h_x = W_i @ h_x
        # d_W_f = sum over t of outer(d_a_f, h_x)
        #     from W_f_h_x = W_f @ h_x
        # d_W_o = sum over t of outer(d_a_o, h_x)
        #     from W_o_h_x = W_o @ h_x
        # d_W_g = sum over t of outer(d_a_g, h_x)
        #     from W_g_h_x = W_g @ h_x
        _add_outer(d_a_all[: last - first, lo:hi], h[first:last, lo:hi], d_W_on_h, scratch[part])
        # d_W_i = sum over t of outer(d_a_i, h_x)
        #     from W_i_h_x = W_i @ h_x
        # d_W_f = sum over t of outer(d_a_f, h_x)
        #     from W_f_h_x = W_f @ h_x
        # d_W_o = sum over t of outer(d_a_o, h_x)
        #     from W_o_h_x = W_o @ h_x
        # d_W_g = sum over t of outer(d_a_g, h_x)
        #     from W_g_h_x = W_g @ h_x
        _add_outer(d_a_all[: last - first, lo:hi], x[first:last, lo:hi], d_W_on_x, scratch[part])
        for t in range(first, last):
            slot = t - first
            # d_b_i = sum over t of d_a_i
            #     from a_i = W_i_h_x + b_i
            # d_b_f = sum over t of d_a_f
            #     from a_f = W_f_h_x + b_f
            # d_b_o = sum over t of d_a_o
            #     from a_o = W_o_h_x + b_o
            # d_b_g = sum over t of d_a_g
            #     from a_g = W_g_h_x + b_g
            for b in range(lo, hi):
                for j in range(4 * m):
                    d_b_all[j] += d_a_all[slot, b, j]


def _lstm_forward(prepared, inputs, state, lengths, memory, threads):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    (n, m) = sizes = _lstm_sizes(prepared, inputs, state)
    dtype = prepared.dtype
    T, B = inputs[0].shape[:2]
    bounds = _bounds(B, T * B * (8 * n * m + 8 * m * m + 13 * m), threads)
    steps = _steps_together(T, bounds)
    b_all = _plain(prepared.b_all)
    W_on_x_panels = prepared.W_on_x_panels
    W_on_h_panels = prepared.W_on_h_panels
    c_0, h_0 = state
    c = memory("c", (T + 1, B, m), dtype)
    h = memory("h", (T + 1, B, m), dtype)
    tanh_c = memory("tanh_c", (T, B, m), dtype)
    a_all = memory("a_all", (T, B, 4 * m), dtype)
    c[0] = c_0
    h[0] = h_0
    c_next = c[1:] if lengths is None else memory("c_next", (T, B, m), dtype)
    h_next = h[1:] if lengths is None else memory("h_next", (T, B, m), dtype)
    _in_slices(
        bounds,
        _lstm_forward_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_on_x_panels, W_on_h_panels, c, c_next, h, h_next, tanh_c, a_all, b_all,
    )
    final = _lstm_final_states(LstmState(c, h), LstmState(c_next, h_next), lengths)
    return h_next, final, (c, h, tanh_c, a_all)


def _lstm_predict(prepared, sizes, inputs, state, outputs, lengths, threads):
    """Fill the outputs and return the final state."""
    (n, m) = sizes
    dtype = prepared.dtype
    T, B = outputs.shape[:2]
    bounds = _bounds(B, T * B * (8 * n * m + 8 * m * m + 13 * m), threads)
    steps = _steps_together(T, bounds)
    b_all = _plain(prepared.b_all)
    W_on_x_panels = prepared.W_on_x_panels
    W_on_h_panels = prepared.W_on_h_panels
    c_0, h_0 = state
    final = LstmState(np.empty((B, m), dtype), np.empty((B, m), dtype))
    _in_slices(
        bounds,
        _lstm_predict_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_on_x_panels, W_on_h_panels, b_all, _plain(c_0), _plain(h_0), outputs, *final,
    )
    return final


@np.errstate(all="ignore")
def _lstm_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory, threads):
    """Fill `results` with the gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _lstm_sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    bounds = _bounds(B, T * B * (16 * n * m + 16 * m * m + 27 * m), threads)
    steps = _steps_together(T, bounds)
    parts = len(bounds) - 1
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = prepared.parameters
    W_on_x = prepared.W_on_x
    W_on_h = prepared.W_on_h
    x, = tape.inputs
    x = _plain(x)
    c, h, tanh_c, a_all = tape.saved
    d_h_output = _plain(d_outputs)
    d_c_later_final, d_h_later_final = d_state
    W_on_x_panels = _panels(_plain(W_on_x), "W_on_x_panels", memory)
    W_on_h_panels = _panels(_plain(W_on_h), "W_on_h_panels", memory)
    d_c_later = results.state.c
    d_h_later = results.state.h
    d_x = results.inputs.x if input_gradients else np.empty((0, 0, 0), dtype)
    d_a_all = memory("d_a_all", (steps, B, 4 * m), dtype)
    d_c_later[...] = d_c_later_final if tape.lengths is None else 0
    d_h_later[...] = d_h_later_final if tape.lengths is None else 0
    d_W_on_h_parts = memory("d_W_on_h", (parts, 4 * m, m), dtype)
    d_W_on_x_parts = memory("d_W_on_x", (parts, 4 * m, n), dtype)
    d_b_all_parts = memory("d_b_all", (parts, 4 * m), dtype)
    scratch = memory("scratch", (parts, *_scratch_shape(max(m, n), steps, bounds, dtype)), dtype)
    _in_slices(
        bounds,
        _lstm_backward_slice,
        steps,
        _ALL_STEPS if tape.lengths is None else tape.lengths,
        input_gradients, d_h_output, n, m, W_on_x_panels, W_on_h_panels, x, c, h, tanh_c, d_c_later,
        d_h_later, d_x, a_all, d_a_all, d_W_on_h_parts, d_W_on_x_parts, d_b_all_parts, scratch,
        _plain(d_c_later_final), _plain(d_h_later_final),
    )
    d_W_on_h = _summed(d_W_on_h_parts)
    d_W_on_x = _summed(d_W_on_x_parts)
    d_b_all = _summed(d_b_all_parts)
    d_W_i = results.parameters.W_i
    d_b_i = results.parameters.b_i
    d_W_f = results.parameters.W_f
    d_b_f = results.parameters.b_f
    d_W_o = results.parameters.W_o
    d_b_o = results.parameters.b_o
    d_W_g = results.parameters.W_g
    d_b_g = results.parameters.b_g
    d_W_i[:, :m] = d_W_on_h[:m]
    d_W_f[:, :m] = d_W_on_h[m : 2 * m]
    d_W_o[:, :m] = d_W_on_h[2 * m : 3 * m]
    d_W_g[:, :m] = d_W_on_h[3 * m :]
    d_W_i[:, m:] = d_W_on_x[:m]
    d_W_f[:, m:] = d_W_on_x[m : 2 * m]
    d_W_o[:, m:] = d_W_on_x[2 * m : 3 * m]
    d_W_g[:, m:] = d_W_on_x[3 * m :]
    d_b_i[:] = d_b_all[:m]
    d_b_f[:] = d_b_all[m : 2 * m]
    d_b_o[:] = d_b_all[2 * m : 3 * m]
    d_b_g[:] = d_b_all[3 * m :]


# ---- class_cross_entropy -----------------------------------------------------------------------------

CLASS_CROSS_ENTROPY_AXES = ("n", "v")
CLASS_CROSS_ENTROPY_INPUTS = {"a": ("n",), "k": ()}
CLASS_CROSS_ENTROPY_STATES = {}
CLASS_CROSS_ENTROPY_PARAMETERS = {"W_y": ("v", "n"), "b_y": ("v",)}
CLASS_CROSS_ENTROPY_CONSTANTS = {}
CLASS_CROSS_ENTROPY_OUTPUT = ()


class ClassCrossEntropyInputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    a: Any  # (T, B, n)
    k: Any  # (T, B), whole numbers from 0 up to, not including, v


class ClassCrossEntropyState(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""



class ClassCrossEntropyParameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_y: Any  # (v, n)
    b_y: Any  # (v,)


class ClassCrossEntropyRun(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: ClassCrossEntropyState
    tape: "ClassCrossEntropyTape"


class ClassCrossEntropyGradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: ClassCrossEntropyParameters
    inputs: ClassCrossEntropyInputs | None
    state: ClassCrossEntropyState


class ClassCrossEntropyPrepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: ClassCrossEntropyParameters
    sizes: tuple
    dtype: np.dtype
    W_y_panels: np.ndarray  # W_y, packed


class ClassCrossEntropyTape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: ClassCrossEntropyPrepared
    inputs: ClassCrossEntropyInputs
    state: ClassCrossEntropyState
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


def class_cross_entropy_init(rng, *, n, v, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, v are sizes."""
    dtype = _float_dtype(dtype)
    n, v = _checked_sizes(n=n, v=v)
    if (n * v + v) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, v = {v}", n * v + v, dtype)
    return ClassCrossEntropyParameters(
        W_y=_glorot(rng, (v, n), dtype),
        b_y=np.zeros((v,), dtype),
    )


def class_cross_entropy_prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, ClassCrossEntropyPrepared):
        return parameters
    checked, _, _ = _class_cross_entropy_checked_parameters(parameters)
    return _class_cross_entropy_prepared(ClassCrossEntropyParameters(*(array.copy() for array in checked)), _new)


def _class_cross_entropy_prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, ClassCrossEntropyPrepared):
        return parameters
    parameters, sizes, dtype = _class_cross_entropy_checked_parameters(parameters)
    W_y, b_y = parameters
    n, v = sizes
    W_y_panels = _panels(_plain(W_y).T, "W_y_panels", memory)
    return ClassCrossEntropyPrepared(parameters, sizes, dtype, W_y_panels)


def class_cross_entropy_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _class_cross_entropy_checked_call(parameters, inputs, state, lengths, memory, out)
        (n, v) = sizes = _class_cross_entropy_sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = ClassCrossEntropyState(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _class_cross_entropy_continued(inputs, state, lengths, memory)
        final = _class_cross_entropy_predict(prepared, sizes, inputs, start, outputs, lengths, threads)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def class_cross_entropy_forward(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _class_cross_entropy_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _class_cross_entropy_continued(inputs, state, lengths, memory)
        outputs, final, saved = _class_cross_entropy_forward(prepared, inputs, start, lengths, memory, threads)
        final = ClassCrossEntropyState(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = ClassCrossEntropyTape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return ClassCrossEntropyRun(outputs, final, tape)


def class_cross_entropy_backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None, threads=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    if not isinstance(tape, ClassCrossEntropyTape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _class_cross_entropy_require_same(parameters, given)
        _class_cross_entropy_require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _class_cross_entropy_sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _class_cross_entropy_checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _class_cross_entropy_results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = ClassCrossEntropyState(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _class_cross_entropy_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory, threads)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in (array for array in results.inputs or () if array is not None):
                array[_padding(tape.lengths, len(array))] = 0
        return results


def class_cross_entropy_step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _class_cross_entropy_prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, ClassCrossEntropyInputs)
    _rank("inputs_t.a", inputs_t.a, 2)
    _rank("inputs_t.k", inputs_t.k, 1)
    inputs = ClassCrossEntropyInputs(inputs_t.a[None], inputs_t.k[None])
    B = inputs_t.a.shape[0]
    (n, v) = _class_cross_entropy_sizes(prepared, inputs, state)
    _checked_array("inputs_t.a", inputs_t.a, (B, n), prepared.dtype)
    inputs = inputs._replace(k=_checked_index("inputs_t.k", inputs_t.k, (B,), v)[None])
    dtype = prepared.dtype
    sizes = (n, v)
    T = 1
    if B * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B)}", B, dtype)
    outputs = np.empty((T, B), dtype)
    final = _class_cross_entropy_predict(prepared, sizes, inputs, _class_cross_entropy_checked_state("state", state, sizes, dtype, B), outputs, None, None)
    return outputs[0], final


def _class_cross_entropy_results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (n, v) = sizes
    shapes = ClassCrossEntropyGradients(
        ClassCrossEntropyParameters(
            W_y=(v, n), b_y=(v,),
        ),
        ClassCrossEntropyInputs(a=(T, B, n), k=None),
        ClassCrossEntropyState(),
    )
    if out is not None and not isinstance(out, ClassCrossEntropyGradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(None if shape is None else _place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", ClassCrossEntropyInputs) if input_gradients else None
    return ClassCrossEntropyGradients(places("parameters", ClassCrossEntropyParameters), inputs, places("state", ClassCrossEntropyState))


def _class_cross_entropy_checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, ClassCrossEntropyParameters)
    _rank("parameters.W_y", given.W_y, 2)
    _rank("parameters.b_y", given.b_y, 1)
    v = given.W_y.shape[0]
    n = given.W_y.shape[1]
    dtype = _class_cross_entropy_common_dtype(given)
    return ClassCrossEntropyParameters(
        _checked_array("parameters.W_y", given.W_y, (v, n), dtype),
        _checked_array("parameters.b_y", given.b_y, (v,), dtype),
    ), (n, v), dtype


def _class_cross_entropy_common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(ClassCrossEntropyParameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _class_cross_entropy_checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _class_cross_entropy_prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, ClassCrossEntropyInputs)
    _rank("inputs.a", inputs.a, 3)
    _rank("inputs.k", inputs.k, 2)
    T, B = inputs.a.shape[:2]
    (n, v) = _class_cross_entropy_sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = ClassCrossEntropyInputs(
        _checked_array("inputs.a", inputs.a, (T, B, n), prepared.dtype),
        _checked_index("inputs.k", inputs.k, (T, B), v, lengths),
    )
    sizes = _class_cross_entropy_sizes(prepared, inputs, state)
    return prepared, inputs, _class_cross_entropy_checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _class_cross_entropy_sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (n, v) = prepared.sizes
    return (n, v)


def _class_cross_entropy_checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (n, v) = sizes
    if state is None:
        return ClassCrossEntropyState()
    state = _bundle(what, state, ClassCrossEntropyState)
    return ClassCrossEntropyState(
    )


def _class_cross_entropy_continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(ClassCrossEntropyInputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return ClassCrossEntropyInputs(*made), ClassCrossEntropyState(*(array[samples] for array in state))


def _class_cross_entropy_final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return ClassCrossEntropyState(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return ClassCrossEntropyState(*(array[last] for array in later))


def _class_cross_entropy_require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in ClassCrossEntropyParameters._fields), *(f"inputs.{name}" for name in ClassCrossEntropyInputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _class_cross_entropy_require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, ClassCrossEntropyPrepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _class_cross_entropy_checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(ClassCrossEntropyParameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


@_compiled
def _class_cross_entropy_forward_slice(
    part, lo, hi, steps, lengths, a, k, n, v, W_y_panels, b_y, z, one_hot_k_z, loss, largest_z,
    total_exp_z, exp_z,
):
    """All time steps for the samples lo to hi."""
    T = a.shape[0] if lo < hi else 0
    real = a.dtype.type
    one, zero = real(1), real(0)
    for first in range(0, T, steps):
        last = min(first + steps, T)
        # (1) z = W_y @ a + b_y
        _multiply_steps(a[first:last, lo:hi], W_y_panels, z[: last - first, lo:hi], True, b_y)
        for t in range(first, last):
            slot = t - first
            # (2) y_hat = softmax(z)
            for b in range(lo, hi):
                largest_z[slot, b] = _largest(z[slot, b])
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                largest_z_b = largest_z[slot, b]
                z_row = z[slot, b]
                exp_z_row = exp_z[t, b]
                for j in range(v):
                    z_j = z_row[j]
                    exp_z_j = _exp(z_j - largest_z_b)
                    exp_z_row[j] = exp_z_j
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                total = zero
                for j in range(v):
                    total += exp_z[t, b, j]
                total_exp_z[slot, b] = total
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                exp_z_row = exp_z[t, b]
                total_exp_z_b = total_exp_z[slot, b]
                for j in range(v):
                    exp_z_j = exp_z_row[j]
                    y_hat_j = exp_z_j / total_exp_z_b
                    exp_z_row[j] = y_hat_j
        for t in range(first, last):
            slot = t - first
            # (3) loss = logsumexp(z) - z[k]
            for b in range(lo, hi):
                row = k[t, b]
                one_hot_k_z[slot, b] = z[slot, b, row]
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                largest_z_b = largest_z[slot, b]
                total_exp_z_b = total_exp_z[slot, b]
                one_hot_k_z_b = one_hot_k_z[slot, b]
                logsumexp_z_b = (largest_z_b + _log(total_exp_z_b) if (total_exp_z_b > zero) else largest_z_b)
                loss_b = logsumexp_z_b - one_hot_k_z_b
                loss[t, b] = loss_b


@_compiled
def _class_cross_entropy_predict_slice(
    part, lo, hi, steps, lengths, a, k, n, v, W_y_panels, b_y, outputs,
):
    """All time steps for the samples lo to hi, in memory for a few of them, which is used again and again."""
    T, B = outputs.shape[0] if lo < hi else 0, outputs.shape[1]
    dtype = a.dtype
    z = np.empty((steps, B, v), dtype)
    one_hot_k_z = np.empty((steps, B), dtype)
    loss = np.empty((steps, B), dtype)
    largest_z = np.empty((steps, B), dtype)
    total_exp_z = np.empty((steps, B), dtype)
    exp_z = np.empty((steps, B, v), dtype)
    left = lengths.copy()
    for first in range(0, T, steps):
        count = min(steps, T - first)
        _class_cross_entropy_forward_slice(
            part, lo, hi, steps, left, a[first : first + count], k[first : first + count], n, v, W_y_panels,
            b_y, z, one_hot_k_z, loss, largest_z, total_exp_z, exp_z,
        )
        for t in range(count):
            for b in range(lo, hi):
                outputs[first + t, b] = loss[t, b]
        for b in range(left.size):
            left[b] -= count


@_compiled
def _class_cross_entropy_backward_slice(
    part, lo, hi, steps, lengths, input_gradients, d_loss_output, n, v, W_y_panels, a, k, exp_z,
    d_loss, d_z, d_a, d_W_y_parts, d_b_y_parts, d_z_at_k, scratch,
):
    """All time steps, from the last to the first, for the samples lo to hi; gradients are added up per part."""
    T = d_loss_output.shape[0] if lo < hi else 0
    real = d_loss_output.dtype.type
    one, zero = real(1), real(0)
    d_W_y = d_W_y_parts[part]
    d_b_y = d_b_y_parts[part]
    d_W_y[...] = zero
    d_b_y[...] = zero
    for last in range(T, 0, -steps):
        first = max(last - steps, 0)
        for t in range(last - 1, first - 1, -1):
            slot = t - first
            for b in range(lo, hi):
                d_loss_output_b = d_loss_output[t, b]
                # d_loss from the output's cotangent
                d_loss_b = d_loss_output_b
                d_loss[b] = d_loss_b
                # d_z from logsumexp_z = logsumexp(z); one_hot_k_z = one_hot_k @ z
                d_z_at_k_b = -d_loss_b
                d_z_at_k[b] = d_z_at_k_b
            for b in range(lo, hi):
                d_loss_b = d_loss[b]
                y_hat_row = exp_z[t, b]
                d_z_row = d_z[slot, b]
                for j in range(v):
                    y_hat_j = y_hat_row[j]
                    d_z_j = d_loss_b * y_hat_j
                    d_z_row[j] = d_z_j
            for b in range(lo, hi):
                row = k[t, b]
                d_z[slot, b, row] += d_z_at_k[b]
        if input_gradients:
            # d_a = d_z @ W_y
            #     from W_y_a = W_y @ a
            _multiply_steps(d_z[: last - first, lo:hi], W_y_panels, d_a[first:last, lo:hi], False, d_a[first:last, lo:hi])
        # d_W_y = sum over t of outer(d_z, a)
        #     from W_y_a = W_y @ a
        _add_outer(d_z[: last - first, lo:hi], a[first:last, lo:hi], d_W_y, scratch[part])
        for t in range(first, last):
            slot = t - first
            # d_b_y = sum over t of d_z
            #     from z = W_y_a + b_y
            for b in range(lo, hi):
                for j in range(v):
                    d_b_y[j] += d_z[slot, b, j]


def _class_cross_entropy_forward(prepared, inputs, state, lengths, memory, threads):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    (n, v) = sizes = _class_cross_entropy_sizes(prepared, inputs, state)
    dtype = prepared.dtype
    T, B = inputs[0].shape[:2]
    bounds = _bounds(B, T * B * (2 * n * v + 6 * v + 4), threads)
    steps = _steps_together(T, bounds)
    W_y, b_y = prepared.parameters
    b_y = _plain(b_y)
    W_y_panels = prepared.W_y_panels
    z = memory("z", (steps, B, v), dtype)
    one_hot_k_z = memory("one_hot_k_z", (steps, B), dtype)
    loss = memory("loss", (T, B), dtype)
    largest_z = memory("largest_z", (steps, B), dtype)
    total_exp_z = memory("total_exp_z", (steps, B), dtype)
    exp_z = memory("exp_z", (T, B, v), dtype)
    _in_slices(
        bounds,
        _class_cross_entropy_forward_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, v, W_y_panels, b_y, z, one_hot_k_z, loss, largest_z, total_exp_z, exp_z,
    )
    final = _class_cross_entropy_final_states(ClassCrossEntropyState(), ClassCrossEntropyState(), lengths)
    return loss, final, (exp_z,)


def _class_cross_entropy_predict(prepared, sizes, inputs, state, outputs, lengths, threads):
    """Fill the outputs and return the final state."""
    (n, v) = sizes
    dtype = prepared.dtype
    T, B = outputs.shape[:2]
    bounds = _bounds(B, T * B * (2 * n * v + 6 * v + 4), threads)
    steps = _steps_together(T, bounds)
    W_y, b_y = prepared.parameters
    b_y = _plain(b_y)
    W_y_panels = prepared.W_y_panels
    final = ClassCrossEntropyState()
    _in_slices(
        bounds,
        _class_cross_entropy_predict_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, v, W_y_panels, b_y, outputs, *final,
    )
    return final


@np.errstate(all="ignore")
def _class_cross_entropy_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory, threads):
    """Fill `results` with the gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, v) = _class_cross_entropy_sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    bounds = _bounds(B, T * B * (4 * n * v + 2 * v + 2), threads)
    steps = _steps_together(T, bounds)
    parts = len(bounds) - 1
    W_y, b_y = prepared.parameters
    a, k = tape.inputs
    a = _plain(a)
    k = _plain(k)
    exp_z, = tape.saved
    d_loss_output = _plain(d_outputs)
    W_y_panels = _panels(_plain(W_y), "W_y_panels", memory)
    d_loss = memory("d_loss", (B,), dtype)
    d_z = memory("d_z", (steps, B, v), dtype)
    d_a = results.inputs.a if input_gradients else np.empty((0, 0, 0), dtype)
    d_z_at_k = memory("d_z_at_k", (B,), dtype)
    d_W_y_parts = memory("d_W_y", (parts, v, n), dtype)
    d_b_y_parts = memory("d_b_y", (parts, v), dtype)
    scratch = memory("scratch", (parts, *_scratch_shape(n, steps, bounds, dtype)), dtype)
    _in_slices(
        bounds,
        _class_cross_entropy_backward_slice,
        steps,
        _ALL_STEPS if tape.lengths is None else tape.lengths,
        input_gradients, d_loss_output, n, v, W_y_panels, a, k, exp_z, d_loss, d_z, d_a, d_W_y_parts,
        d_b_y_parts, d_z_at_k, scratch,
    )
    d_W_y = _summed(d_W_y_parts)
    d_b_y = _summed(d_b_y_parts)
    results.parameters.W_y[...] = d_W_y
    results.parameters.b_y[...] = d_b_y


# ---- dense_softmax -----------------------------------------------------------------------------------

DENSE_SOFTMAX_AXES = ("n", "m")
DENSE_SOFTMAX_INPUTS = {"a": ("n",)}
DENSE_SOFTMAX_STATES = {}
DENSE_SOFTMAX_PARAMETERS = {"W_y": ("m", "n"), "b_y": ("m",)}
DENSE_SOFTMAX_CONSTANTS = {}
DENSE_SOFTMAX_OUTPUT = ("m",)


class DenseSoftmaxInputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    a: Any  # (T, B, n)


class DenseSoftmaxState(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""



class DenseSoftmaxParameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_y: Any  # (m, n)
    b_y: Any  # (m,)


class DenseSoftmaxRun(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: DenseSoftmaxState
    tape: "DenseSoftmaxTape"


class DenseSoftmaxGradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: DenseSoftmaxParameters
    inputs: DenseSoftmaxInputs | None
    state: DenseSoftmaxState


class DenseSoftmaxPrepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: DenseSoftmaxParameters
    sizes: tuple
    dtype: np.dtype
    W_y_panels: np.ndarray  # W_y, packed


class DenseSoftmaxTape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: DenseSoftmaxPrepared
    inputs: DenseSoftmaxInputs
    state: DenseSoftmaxState
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


def dense_softmax_init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = _float_dtype(dtype)
    n, m = _checked_sizes(n=n, m=m)
    if (n * m + m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", n * m + m, dtype)
    return DenseSoftmaxParameters(
        W_y=_glorot(rng, (m, n), dtype),
        b_y=np.zeros((m,), dtype),
    )


def dense_softmax_prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, DenseSoftmaxPrepared):
        return parameters
    checked, _, _ = _dense_softmax_checked_parameters(parameters)
    return _dense_softmax_prepared(DenseSoftmaxParameters(*(array.copy() for array in checked)), _new)


def _dense_softmax_prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, DenseSoftmaxPrepared):
        return parameters
    parameters, sizes, dtype = _dense_softmax_checked_parameters(parameters)
    W_y, b_y = parameters
    n, m = sizes
    W_y_panels = _panels(_plain(W_y).T, "W_y_panels", memory)
    return DenseSoftmaxPrepared(parameters, sizes, dtype, W_y_panels)


def dense_softmax_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None, threads=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _dense_softmax_checked_call(parameters, inputs, state, lengths, memory, out)
        (n, m) = sizes = _dense_softmax_sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B, m), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = DenseSoftmaxState(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _dense_softmax_continued(inputs, state, lengths, memory)
        final = _dense_softmax_predict(prepared, sizes, inputs, start, outputs, lengths, threads)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def dense_softmax_forward(parameters, inputs, state=None, *, lengths=None, workspace=None, threads=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie; `threads` the largest number of threads (None: one per processor).
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _dense_softmax_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _dense_softmax_continued(inputs, state, lengths, memory)
        outputs, final, saved = _dense_softmax_forward(prepared, inputs, start, lengths, memory, threads)
        final = DenseSoftmaxState(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = DenseSoftmaxTape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return DenseSoftmaxRun(outputs, final, tape)


def dense_softmax_backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None, threads=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`; `threads` the largest number of threads (None: one per processor).
    """
    if not isinstance(tape, DenseSoftmaxTape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _dense_softmax_require_same(parameters, given)
        _dense_softmax_require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _dense_softmax_sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _dense_softmax_checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _dense_softmax_results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = DenseSoftmaxState(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _dense_softmax_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory, threads)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in results.inputs or ():
                array[_padding(tape.lengths, len(array))] = 0
        return results


def dense_softmax_step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _dense_softmax_prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, DenseSoftmaxInputs)
    _rank("inputs_t.a", inputs_t.a, 2)
    inputs = DenseSoftmaxInputs(inputs_t.a[None])
    B = inputs_t.a.shape[0]
    (n, m) = _dense_softmax_sizes(prepared, inputs, state)
    _checked_array("inputs_t.a", inputs_t.a, (B, n), prepared.dtype)
    dtype = prepared.dtype
    sizes = (n, m)
    T = 1
    if B * m * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", B * m, dtype)
    outputs = np.empty((T, B, m), dtype)
    final = _dense_softmax_predict(prepared, sizes, inputs, _dense_softmax_checked_state("state", state, sizes, dtype, B), outputs, None, None)
    return outputs[0], final


def _dense_softmax_results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (n, m) = sizes
    shapes = DenseSoftmaxGradients(
        DenseSoftmaxParameters(
            W_y=(m, n), b_y=(m,),
        ),
        DenseSoftmaxInputs(a=(T, B, n)),
        DenseSoftmaxState(),
    )
    if out is not None and not isinstance(out, DenseSoftmaxGradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(_place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", DenseSoftmaxInputs) if input_gradients else None
    return DenseSoftmaxGradients(places("parameters", DenseSoftmaxParameters), inputs, places("state", DenseSoftmaxState))


def _dense_softmax_checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, DenseSoftmaxParameters)
    _rank("parameters.W_y", given.W_y, 2)
    _rank("parameters.b_y", given.b_y, 1)
    m = given.W_y.shape[0]
    n = given.W_y.shape[1]
    dtype = _dense_softmax_common_dtype(given)
    return DenseSoftmaxParameters(
        _checked_array("parameters.W_y", given.W_y, (m, n), dtype),
        _checked_array("parameters.b_y", given.b_y, (m,), dtype),
    ), (n, m), dtype


def _dense_softmax_common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(DenseSoftmaxParameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _dense_softmax_checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _dense_softmax_prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, DenseSoftmaxInputs)
    _rank("inputs.a", inputs.a, 3)
    T, B = inputs.a.shape[:2]
    (n, m) = _dense_softmax_sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B * m) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = DenseSoftmaxInputs(
        _checked_array("inputs.a", inputs.a, (T, B, n), prepared.dtype),
    )
    sizes = _dense_softmax_sizes(prepared, inputs, state)
    return prepared, inputs, _dense_softmax_checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _dense_softmax_sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (n, m) = prepared.sizes
    return (n, m)


def _dense_softmax_checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (n, m) = sizes
    if state is None:
        return DenseSoftmaxState()
    state = _bundle(what, state, DenseSoftmaxState)
    return DenseSoftmaxState(
    )


def _dense_softmax_continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(DenseSoftmaxInputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return DenseSoftmaxInputs(*made), DenseSoftmaxState(*(array[samples] for array in state))


def _dense_softmax_final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return DenseSoftmaxState(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return DenseSoftmaxState(*(array[last] for array in later))


def _dense_softmax_require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in DenseSoftmaxParameters._fields), *(f"inputs.{name}" for name in DenseSoftmaxInputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _dense_softmax_require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, DenseSoftmaxPrepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _dense_softmax_checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(DenseSoftmaxParameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


@_compiled
def _dense_softmax_forward_slice(
    part, lo, hi, steps, lengths, a, n, m, W_y_panels, b_y, a_y_hat, y_hat, largest_a_y_hat,
    total_exp_a_y_hat,
):
    """All time steps for the samples lo to hi."""
    T = a.shape[0] if lo < hi else 0
    real = a.dtype.type
    one, zero = real(1), real(0)
    for first in range(0, T, steps):
        last = min(first + steps, T)
        # (1) y_hat = softmax(W_y @ a + b_y)
        _multiply_steps(a[first:last, lo:hi], W_y_panels, a_y_hat[: last - first, lo:hi], True, b_y)
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                largest_a_y_hat[slot, b] = _largest(a_y_hat[slot, b])
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                a_y_hat_row = a_y_hat[slot, b]
                largest_a_y_hat_b = largest_a_y_hat[slot, b]
                for j in range(m):
                    a_y_hat_j = a_y_hat_row[j]
                    exp_a_y_hat_j = _exp(a_y_hat_j - largest_a_y_hat_b)
                    a_y_hat_row[j] = exp_a_y_hat_j
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                total = zero
                for j in range(m):
                    total += a_y_hat[slot, b, j]
                total_exp_a_y_hat[slot, b] = total
        for t in range(first, last):
            slot = t - first
            for b in range(lo, hi):
                exp_a_y_hat_row = a_y_hat[slot, b]
                total_exp_a_y_hat_b = total_exp_a_y_hat[slot, b]
                y_hat_row = y_hat[t, b]
                for j in range(m):
                    exp_a_y_hat_j = exp_a_y_hat_row[j]
                    y_hat_j = exp_a_y_hat_j / total_exp_a_y_hat_b
                    y_hat_row[j] = y_hat_j


@_compiled
def _dense_softmax_predict_slice(
    part, lo, hi, steps, lengths, a, n, m, W_y_panels, b_y, outputs,
):
    """All time steps for the samples lo to hi, in memory for a few of them, which is used again and again."""
    T, B = outputs.shape[0] if lo < hi else 0, outputs.shape[1]
    dtype = a.dtype
    a_y_hat = np.empty((steps, B, m), dtype)
    y_hat = np.empty((steps, B, m), dtype)
    largest_a_y_hat = np.empty((steps, B), dtype)
    total_exp_a_y_hat = np.empty((steps, B), dtype)
    left = lengths.copy()
    for first in range(0, T, steps):
        count = min(steps, T - first)
        _dense_softmax_forward_slice(
            part, lo, hi, steps, left, a[first : first + count], n, m, W_y_panels, b_y, a_y_hat, y_hat,
            largest_a_y_hat, total_exp_a_y_hat,
        )
        for t in range(count):
            for b in range(lo, hi):
                for j in range(m):
                    outputs[first + t, b, j] = y_hat[t, b, j]
        for b in range(left.size):
            left[b] -= count


@_compiled
def _dense_softmax_backward_slice(
    part, lo, hi, steps, lengths, input_gradients, d_y_hat_output, n, m, W_y_panels, a, y_hat,
    d_y_hat, d_a_y_hat, d_a, d_W_y_parts, d_b_y_parts, d_a_y_hat_product, scratch,
):
    """All time steps, from the last to the first, for the samples lo to hi; gradients are added up per part."""
    T = d_y_hat_output.shape[0] if lo < hi else 0
    real = d_y_hat_output.dtype.type
    one, zero = real(1), real(0)
    d_W_y = d_W_y_parts[part]
    d_b_y = d_b_y_parts[part]
    d_W_y[...] = zero
    d_b_y[...] = zero
    for last in range(T, 0, -steps):
        first = max(last - steps, 0)
        for t in range(last - 1, first - 1, -1):
            slot = t - first
            for b in range(lo, hi):
                d_y_hat_output_row = d_y_hat_output[t, b]
                d_y_hat_row = d_y_hat[b]
                for j in range(m):
                    # d_y_hat from the output's cotangent
                    d_y_hat_output_j = d_y_hat_output_row[j]
                    d_y_hat_j = d_y_hat_output_j
                    d_y_hat_row[j] = d_y_hat_j
            # d_a_y_hat = y_hat * (d_y_hat - d_y_hat @ y_hat)
            #     from y_hat = softmax(a_y_hat)
            for b in range(lo, hi):
                total = zero
                for j in range(m):
                    total += d_y_hat[b, j] * y_hat[t, b, j]
                d_a_y_hat_product[b] = total
            for b in range(lo, hi):
                d_a_y_hat_product_b = d_a_y_hat_product[b]
                d_y_hat_row = d_y_hat[b]
                y_hat_row = y_hat[t, b]
                d_a_y_hat_row = d_a_y_hat[slot, b]
                for j in range(m):
                    d_y_hat_j = d_y_hat_row[j]
                    y_hat_j = y_hat_row[j]
                    d_a_y_hat_j = y_hat_j * (d_y_hat_j - d_a_y_hat_product_b)
                    d_a_y_hat_row[j] = d_a_y_hat_j
        if input_gradients:
            # d_a = d_a_y_hat @ W_y
            #     from W_y_a = W_y @ a
            _multiply_steps(d_a_y_hat[: last - first, lo:hi], W_y_panels, d_a[first:last, lo:hi], False, d_a[first:last, lo:hi])
        # d_W_y = sum over t of outer(d_a_y_hat, a)
        #     from W_y_a = W_y @ a
        _add_outer(d_a_y_hat[: last - first, lo:hi], a[first:last, lo:hi], d_W_y, scratch[part])
        for t in range(first, last):
            slot = t - first
            # d_b_y = sum over t of d_a_y_hat
            #     from a_y_hat = W_y_a + b_y
            for b in range(lo, hi):
                for j in range(m):
                    d_b_y[j] += d_a_y_hat[slot, b, j]


def _dense_softmax_forward(prepared, inputs, state, lengths, memory, threads):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    (n, m) = sizes = _dense_softmax_sizes(prepared, inputs, state)
    dtype = prepared.dtype
    T, B = inputs[0].shape[:2]
    bounds = _bounds(B, T * B * (2 * n * m + 6 * m), threads)
    steps = _steps_together(T, bounds)
    W_y, b_y = prepared.parameters
    b_y = _plain(b_y)
    W_y_panels = prepared.W_y_panels
    a_y_hat = memory("a_y_hat", (steps, B, m), dtype)
    y_hat = memory("y_hat", (T, B, m), dtype)
    largest_a_y_hat = memory("largest_a_y_hat", (steps, B), dtype)
    total_exp_a_y_hat = memory("total_exp_a_y_hat", (steps, B), dtype)
    _in_slices(
        bounds,
        _dense_softmax_forward_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_y_panels, b_y, a_y_hat, y_hat, largest_a_y_hat, total_exp_a_y_hat,
    )
    final = _dense_softmax_final_states(DenseSoftmaxState(), DenseSoftmaxState(), lengths)
    return y_hat, final, (y_hat,)


def _dense_softmax_predict(prepared, sizes, inputs, state, outputs, lengths, threads):
    """Fill the outputs and return the final state."""
    (n, m) = sizes
    dtype = prepared.dtype
    T, B = outputs.shape[:2]
    bounds = _bounds(B, T * B * (2 * n * m + 6 * m), threads)
    steps = _steps_together(T, bounds)
    W_y, b_y = prepared.parameters
    b_y = _plain(b_y)
    W_y_panels = prepared.W_y_panels
    final = DenseSoftmaxState()
    _in_slices(
        bounds,
        _dense_softmax_predict_slice,
        steps,
        _ALL_STEPS if lengths is None else lengths,
        *map(_plain, inputs),
        n, m, W_y_panels, b_y, outputs, *final,
    )
    return final


@np.errstate(all="ignore")
def _dense_softmax_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory, threads):
    """Fill `results` with the gradients of one run, from the last step to the first."""
    dtype = prepared.dtype
    (n, m) = _dense_softmax_sizes(prepared, tape.inputs, tape.state)
    T, B = d_outputs.shape[:2]
    bounds = _bounds(B, T * B * (4 * n * m + 5 * m), threads)
    steps = _steps_together(T, bounds)
    parts = len(bounds) - 1
    W_y, b_y = prepared.parameters
    a, = tape.inputs
    a = _plain(a)
    y_hat, = tape.saved
    d_y_hat_output = _plain(d_outputs)
    W_y_panels = _panels(_plain(W_y), "W_y_panels", memory)
    d_y_hat = memory("d_y_hat", (B, m), dtype)
    d_a_y_hat = memory("d_a_y_hat", (steps, B, m), dtype)
    d_a = results.inputs.a if input_gradients else np.empty((0, 0, 0), dtype)
    d_a_y_hat_product = memory("d_a_y_hat_product", (B,), dtype)
    d_W_y_parts = memory("d_W_y", (parts, m, n), dtype)
    d_b_y_parts = memory("d_b_y", (parts, m), dtype)
    scratch = memory("scratch", (parts, *_scratch_shape(n, steps, bounds, dtype)), dtype)
    _in_slices(
        bounds,
        _dense_softmax_backward_slice,
        steps,
        _ALL_STEPS if tape.lengths is None else tape.lengths,
        input_gradients, d_y_hat_output, n, m, W_y_panels, a, y_hat, d_y_hat, d_a_y_hat, d_a,
        d_W_y_parts, d_b_y_parts, d_a_y_hat_product, scratch,
    )
    d_W_y = _summed(d_W_y_parts)
    d_b_y = _summed(d_b_y_parts)
    results.parameters.W_y[...] = d_W_y
    results.parameters.b_y[...] = d_b_y
