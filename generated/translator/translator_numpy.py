"""Encoder and decoder: a model of 6 layers, its loss and its gradients, in NumPy.

made by symrnn 0.1.0 from translator (2e8567a6dd7f), do not edit.

Source: Sutskever, Vinyals and Le 2014, arXiv:1409.3215

The layers, each a cell run over sequences:

    given: embedding of k = given
    source: embedding of k = source
    encoder: lstm of x = source
    decoder: lstm of x = given, started from c = encoder.final('c'), h = encoder.final('h')
    class_cross_entropy: class_cross_entropy of a = decoder, k = target
    dense: dense of a = decoder

Arrays carry time T first, then the batch B. The loss is the mean over all steps of all samples.
"""

import contextlib
import functools
import math
import os
import sys
import threading
from typing import Any, NamedTuple

import numpy as np

AXES = ("v", "m", "source_v", "n", "encoder_m", "target_v")
INPUTS = {"given": (), "source": (), "target": ()}
STATES = {"encoder_c": ("encoder_m",), "encoder_h": ("encoder_m",)}
PARAMETERS = {
    "given_E": ("v", "m"),
    "source_E": ("source_v", "n"),
    "encoder_W_i": ("encoder_m", "encoder_m + n"),
    "encoder_b_i": ("encoder_m",),
    "encoder_W_f": ("encoder_m", "encoder_m + n"),
    "encoder_b_f": ("encoder_m",),
    "encoder_W_o": ("encoder_m", "encoder_m + n"),
    "encoder_b_o": ("encoder_m",),
    "encoder_W_g": ("encoder_m", "encoder_m + n"),
    "encoder_b_g": ("encoder_m",),
    "decoder_W_i": ("encoder_m", "encoder_m + m"),
    "decoder_b_i": ("encoder_m",),
    "decoder_W_f": ("encoder_m", "encoder_m + m"),
    "decoder_b_f": ("encoder_m",),
    "decoder_W_o": ("encoder_m", "encoder_m + m"),
    "decoder_b_o": ("encoder_m",),
    "decoder_W_g": ("encoder_m", "encoder_m + m"),
    "decoder_b_g": ("encoder_m",),
    "W_y": ("target_v", "encoder_m"),
    "b_y": ("target_v",),
}


class Inputs(NamedTuple):
    """What a batch brings."""

    given: Any  # (T, B)
    source: Any  # (S, B)
    target: Any  # (T, B)


class State(NamedTuple):
    """What is carried from one batch to the next, if the caller hands it on; arrays (B, ...)."""

    encoder_c: Any  # (B, encoder_m)
    encoder_h: Any  # (B, encoder_m)


class Lengths(NamedTuple):
    """The numbers of steps of the samples, integers (B,), for every time axis; None: all steps."""

    T: Any = None
    S: Any = None


class Parameters(NamedTuple):
    """What is trained."""

    given_E: Any  # (v, m)
    source_E: Any  # (source_v, n)
    encoder_W_i: Any  # (encoder_m, encoder_m + n)
    encoder_b_i: Any  # (encoder_m,)
    encoder_W_f: Any  # (encoder_m, encoder_m + n)
    encoder_b_f: Any  # (encoder_m,)
    encoder_W_o: Any  # (encoder_m, encoder_m + n)
    encoder_b_o: Any  # (encoder_m,)
    encoder_W_g: Any  # (encoder_m, encoder_m + n)
    encoder_b_g: Any  # (encoder_m,)
    decoder_W_i: Any  # (encoder_m, encoder_m + m)
    decoder_b_i: Any  # (encoder_m,)
    decoder_W_f: Any  # (encoder_m, encoder_m + m)
    decoder_b_f: Any  # (encoder_m,)
    decoder_W_o: Any  # (encoder_m, encoder_m + m)
    decoder_b_o: Any  # (encoder_m,)
    decoder_W_g: Any  # (encoder_m, encoder_m + m)
    decoder_b_g: Any  # (encoder_m,)
    W_y: Any  # (target_v, encoder_m)
    b_y: Any  # (target_v,)


class Evaluation(NamedTuple):
    """What `loss_and_gradients` returns."""

    loss: float
    gradients: Parameters
    state: State


class Layers(NamedTuple):
    """The parameters of every layer, as its kernel takes them."""

    given: Any
    source: Any
    encoder: Any
    decoder: Any
    class_cross_entropy: Any
    dense: Any


class Prepared(NamedTuple):
    """What `prepare` returns: checked parameters, those of every layer, and the lengths of the axes."""

    parameters: Parameters
    layers: Layers
    sizes: dict[str, int]


class Memory(NamedTuple):
    """What goes from step to step; arrays (B, ...)."""

    decoder_c: Any  # (B, encoder_m)
    decoder_h: Any  # (B, encoder_m)


class Workspaces:
    """Memory for repeated calls: pass the same one as `workspace=`, and no call needs fresh memory from the system.

    One call at a time.
    """

    def __init__(self):
        self._of_layers = {}


def init(rng, *, v, m, source_v, n, encoder_m, target_v, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, v, m, source_v, n, encoder_m, target_v are sizes."""
    dtype = _float_dtype(dtype)
    v, m, source_v, n, encoder_m, target_v = _checked_sizes(v=v, m=m, source_v=source_v, n=n, encoder_m=encoder_m, target_v=target_v)
    if (v * m + 4 * m * encoder_m + source_v * n + 4 * n * encoder_m + 8 * encoder_m * encoder_m + encoder_m * target_v + 8 * encoder_m + target_v) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with v = {v}, m = {m}, source_v = {source_v}, n = {n}, encoder_m = {encoder_m}, target_v = {target_v}", v * m + 4 * m * encoder_m + source_v * n + 4 * n * encoder_m + 8 * encoder_m * encoder_m + encoder_m * target_v + 8 * encoder_m + target_v, dtype)
    given_parameters = embedding_init(rng, v=v, m=m, dtype=dtype)
    source_parameters = embedding_init(rng, v=source_v, m=n, dtype=dtype)
    encoder_parameters = lstm_init(rng, n=n, m=encoder_m, dtype=dtype)
    decoder_parameters = lstm_init(rng, n=m, m=encoder_m, dtype=dtype)
    class_cross_entropy_parameters = class_cross_entropy_init(rng, n=encoder_m, v=target_v, dtype=dtype)
    return Parameters(
        given_E=given_parameters.E,
        source_E=source_parameters.E,
        encoder_W_i=encoder_parameters.W_i,
        encoder_b_i=encoder_parameters.b_i,
        encoder_W_f=encoder_parameters.W_f,
        encoder_b_f=encoder_parameters.b_f,
        encoder_W_o=encoder_parameters.W_o,
        encoder_b_o=encoder_parameters.b_o,
        encoder_W_g=encoder_parameters.W_g,
        encoder_b_g=encoder_parameters.b_g,
        decoder_W_i=decoder_parameters.W_i,
        decoder_b_i=decoder_parameters.b_i,
        decoder_W_f=decoder_parameters.W_f,
        decoder_b_f=decoder_parameters.b_f,
        decoder_W_o=decoder_parameters.W_o,
        decoder_b_o=decoder_parameters.b_o,
        decoder_W_g=decoder_parameters.W_g,
        decoder_b_g=decoder_parameters.b_g,
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
        given=embedding_prepare(layers.given),
        source=embedding_prepare(layers.source),
        encoder=lstm_prepare(layers.encoder),
        decoder=lstm_prepare(layers.decoder),
        class_cross_entropy=class_cross_entropy_prepare(layers.class_cross_entropy),
        dense=dense_prepare(layers.dense),
    )
    return Prepared(Parameters(*(np.array(value) for value in p)), layers, sizes)


def loss(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """The mean of the losses of all steps of all samples; 0 if there is none.

    `state` is a `State` to start from (None: zeros), `lengths` integers (B,), or `Lengths` where there are several time
    axes; what lies beyond a sample's end does not matter.
    `workspace` is a `Workspaces`.
    """
    _, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths)
    # given: embedding of k = given
    given_outputs, given_final = embedding_predict(
        layers.given,
        EmbeddingInputs(k=inputs.given),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "given"),
    )
    # source: embedding of k = source
    source_outputs, source_final = embedding_predict(
        layers.source,
        EmbeddingInputs(k=inputs.source),
        None,
        lengths=lengths.S,
        workspace=_of(workspace, "source"),
    )
    # encoder: lstm of x = source
    encoder_outputs, encoder_final = lstm_predict(
        layers.encoder,
        LstmInputs(x=source_outputs),
        None if state is None else LstmState(c=state.encoder_c, h=state.encoder_h),
        lengths=lengths.S,
        workspace=_of(workspace, "encoder"),
    )
    # decoder: lstm of x = given, started from c = encoder.final('c'), h = encoder.final('h')
    decoder_outputs, decoder_final = lstm_predict(
        layers.decoder,
        LstmInputs(x=given_outputs),
        LstmState(c=encoder_final.c, h=encoder_final.h),
        lengths=lengths.T,
        workspace=_of(workspace, "decoder"),
    )
    # class_cross_entropy: class_cross_entropy of a = decoder, k = target
    class_cross_entropy_outputs, class_cross_entropy_final = class_cross_entropy_predict(
        layers.class_cross_entropy,
        ClassCrossEntropyInputs(a=decoder_outputs, k=inputs.target),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "class_cross_entropy"),
    )
    return _mean(class_cross_entropy_outputs, lengths.T)[0]


def loss_and_gradients(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """An `Evaluation`: the loss, its gradients by the parameters, and the state after the last step.

    The arguments are those of `loss`, and `out`: `Parameters` whose arrays take the gradients, such as those of an earlier
    call, and overlap with no argument. Handing `state` on from batch to batch is truncated backpropagation: no gradient
    flows into an earlier batch.
    """
    parameters = _bundle("parameters", parameters, Parameters)
    p, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths)
    # given: embedding of k = given
    given_run = embedding_forward(
        layers.given,
        EmbeddingInputs(k=inputs.given),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "given"),
    )
    given_outputs, given_final = given_run.outputs, given_run.state
    # source: embedding of k = source
    source_run = embedding_forward(
        layers.source,
        EmbeddingInputs(k=inputs.source),
        None,
        lengths=lengths.S,
        workspace=_of(workspace, "source"),
    )
    source_outputs, source_final = source_run.outputs, source_run.state
    # encoder: lstm of x = source
    encoder_run = lstm_forward(
        layers.encoder,
        LstmInputs(x=source_outputs),
        None if state is None else LstmState(c=state.encoder_c, h=state.encoder_h),
        lengths=lengths.S,
        workspace=_of(workspace, "encoder"),
    )
    encoder_outputs, encoder_final = encoder_run.outputs, encoder_run.state
    # decoder: lstm of x = given, started from c = encoder.final('c'), h = encoder.final('h')
    decoder_run = lstm_forward(
        layers.decoder,
        LstmInputs(x=given_outputs),
        LstmState(c=encoder_final.c, h=encoder_final.h),
        lengths=lengths.T,
        workspace=_of(workspace, "decoder"),
    )
    decoder_outputs, decoder_final = decoder_run.outputs, decoder_run.state
    # class_cross_entropy: class_cross_entropy of a = decoder, k = target
    class_cross_entropy_run = class_cross_entropy_forward(
        layers.class_cross_entropy,
        ClassCrossEntropyInputs(a=decoder_outputs, k=inputs.target),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "class_cross_entropy"),
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
    )
    # backwards through decoder
    decoder_gradients = LstmParameters(
        W_i=gradients.decoder_W_i,
        b_i=gradients.decoder_b_i,
        W_f=gradients.decoder_W_f,
        b_f=gradients.decoder_b_f,
        W_o=gradients.decoder_W_o,
        b_o=gradients.decoder_b_o,
        W_g=gradients.decoder_W_g,
        b_g=gradients.decoder_b_g,
    )
    decoder_back = lstm_backward(
        layers.decoder,
        decoder_run.tape,
        class_cross_entropy_back.inputs.a,
        None,
        input_gradients=True,
        out=LstmGradients(decoder_gradients, None, None),
        workspace=_of(workspace, "decoder"),
    )
    # backwards through encoder
    encoder_gradients = LstmParameters(
        W_i=gradients.encoder_W_i,
        b_i=gradients.encoder_b_i,
        W_f=gradients.encoder_W_f,
        b_f=gradients.encoder_b_f,
        W_o=gradients.encoder_W_o,
        b_o=gradients.encoder_b_o,
        W_g=gradients.encoder_W_g,
        b_g=gradients.encoder_b_g,
    )
    encoder_back = lstm_backward(
        layers.encoder,
        encoder_run.tape,
        np.zeros_like(encoder_outputs),
        LstmState(c=decoder_back.state.c, h=decoder_back.state.h),
        input_gradients=True,
        out=LstmGradients(encoder_gradients, None, None),
        workspace=_of(workspace, "encoder"),
    )
    # backwards through source
    source_gradients = EmbeddingParameters(E=gradients.source_E)
    source_back = embedding_backward(
        layers.source,
        source_run.tape,
        encoder_back.inputs.x,
        None,
        input_gradients=False,
        out=EmbeddingGradients(source_gradients, None, None),
        workspace=_of(workspace, "source"),
    )
    # backwards through given
    given_gradients = EmbeddingParameters(E=gradients.given_E)
    given_back = embedding_backward(
        layers.given,
        given_run.tape,
        decoder_back.inputs.x,
        None,
        input_gradients=False,
        out=EmbeddingGradients(given_gradients, None, None),
        workspace=_of(workspace, "given"),
    )
    return Evaluation(value, gradients, State(encoder_c=encoder_final.c, encoder_h=encoder_final.h))


def predict(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """The outputs of dense and the state after the last step; it does not read target."""
    _, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths, ("given", "source"))
    # given: embedding of k = given
    given_outputs, given_final = embedding_predict(
        layers.given,
        EmbeddingInputs(k=inputs.given),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "given"),
    )
    # source: embedding of k = source
    source_outputs, source_final = embedding_predict(
        layers.source,
        EmbeddingInputs(k=inputs.source),
        None,
        lengths=lengths.S,
        workspace=_of(workspace, "source"),
    )
    # encoder: lstm of x = source
    encoder_outputs, encoder_final = lstm_predict(
        layers.encoder,
        LstmInputs(x=source_outputs),
        None if state is None else LstmState(c=state.encoder_c, h=state.encoder_h),
        lengths=lengths.S,
        workspace=_of(workspace, "encoder"),
    )
    # decoder: lstm of x = given, started from c = encoder.final('c'), h = encoder.final('h')
    decoder_outputs, decoder_final = lstm_predict(
        layers.decoder,
        LstmInputs(x=given_outputs),
        LstmState(c=encoder_final.c, h=encoder_final.h),
        lengths=lengths.T,
        workspace=_of(workspace, "decoder"),
    )
    # dense: dense of a = decoder
    dense_outputs, dense_final = dense_predict(
        layers.dense,
        DenseInputs(a=decoder_outputs),
        None,
        lengths=lengths.T,
        workspace=_of(workspace, "dense"),
    )
    return dense_outputs, State(encoder_c=encoder_final.c, encoder_h=encoder_final.h)


def begin(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """The `Memory` before the first `step`; of the inputs it reads source."""
    _, layers, inputs, state, lengths = _checked(parameters, inputs, state, lengths, ("source",))
    # source: embedding of k = source
    source_outputs, source_final = embedding_predict(
        layers.source,
        EmbeddingInputs(k=inputs.source),
        None,
        lengths=lengths.S,
        workspace=_of(workspace, "source"),
    )
    # encoder: lstm of x = source
    encoder_outputs, encoder_final = lstm_predict(
        layers.encoder,
        LstmInputs(x=source_outputs),
        None if state is None else LstmState(c=state.encoder_c, h=state.encoder_h),
        lengths=lengths.S,
        workspace=_of(workspace, "encoder"),
    )
    return Memory(decoder_c=encoder_final.c, decoder_h=encoder_final.h)


def step(parameters, inputs_t, state):
    """One time step: the output of dense (B, ...) and the next `Memory`; `state` comes from `begin` or a step.

    `inputs_t` are `Inputs` of arrays (B, ...), of which it reads given; a single one may be passed bare.
    """
    if not isinstance(state, Memory):
        raise ValueError(f"state is a {type(state).__name__}; pass the Memory that begin() or the last step() returned.")
    layers, inputs_t, state = _checked_step(parameters, inputs_t, state)
    # given: embedding of k = given
    given_output, _ = embedding_step(layers.given, EmbeddingInputs(k=inputs_t.given), None)
    # decoder: lstm of x = given
    decoder_output, decoder_next = lstm_step(
        layers.decoder,
        LstmInputs(x=given_output),
        LstmState(c=state.decoder_c, h=state.decoder_h),
    )
    # dense: dense of a = decoder
    dense_output, _ = dense_step(layers.dense, DenseInputs(a=decoder_output), None)
    return dense_output, Memory(decoder_c=decoder_next.c, decoder_h=decoder_next.h)


def generate(parameters, start, n, rng=None, temperature=1.0, *, state=None):
    """The n classes (n, B) that follow `start`, each drawn and fed back as given, and the `Memory` after them.

    `start` are the classes (B,) that come first.
    `rng` is a numpy.random.Generator; a class is drawn with probability softmax(scores / temperature), and temperature 0
    takes the likeliest and needs no `rng`. To go on, start from the last classes and the returned state.
    """
    start = _checked_start(start, n)
    prepared, made = prepare(parameters), np.empty((n, len(start)), np.int64)
    for t in range(n):
        scores, state = step(prepared, start, state)
        made[t] = _drawn(scores, rng, temperature)
        start = made[t]
    return made, state


# ---- Checks ------------------------------------------------------------------------------------------
# An axis is as long as most arrays say, so that a message names the array that is wrong.

_LEADING = {"given": "T", "source": "S", "target": "T"}  # the time axis of every input; None: it has no time
_SIZES = {
    "B": (("B",),),
    "T": (("T",),),
    "S": (("S",),),
    "v": (("v",),),
    "m": (("m",),),
    "source_v": (("source_v",),),
    "n": (("n",),),
    "encoder_m": (("encoder_m",),),
    "encoder_m + n": (("encoder_m",), ("n",)),
    "encoder_m + m": (("encoder_m",), ("m",)),
    "target_v": (("target_v",),),
}  # every size as a sum of products
_CLASSES = {"inputs.given": "v", "inputs.source": "source_v", "inputs.target": "target_v"}  # the numbers of classes
_STEPPED = ("given",)  # the inputs that a step reads
_CLASSES |= {f"inputs_t.{name}": _CLASSES[f"inputs.{name}"] for name in _STEPPED if f"inputs.{name}" in _CLASSES}
_DECLARED = {
    **{f"parameters.{name}": shape for name, shape in PARAMETERS.items()},
    **{f"inputs.{name}": ("B", *s) if _LEADING[name] is None else (_LEADING[name], "B", *s) for name, s in INPUTS.items()},
    **{f"state.{name}": ("B", *shape) for name, shape in STATES.items()},
    **{f"inputs_t.{name}": ("B", *INPUTS[name]) for name in _STEPPED},
    **{f"state.{name}": ("B", *shape) for name, shape in {"decoder_c": ("encoder_m",), "decoder_h": ("encoder_m",)}.items()},
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
        given=EmbeddingParameters(E=p.given_E),
        source=EmbeddingParameters(E=p.source_E),
        encoder=LstmParameters(
            W_i=p.encoder_W_i,
            b_i=p.encoder_b_i,
            W_f=p.encoder_W_f,
            b_f=p.encoder_b_f,
            W_o=p.encoder_W_o,
            b_o=p.encoder_b_o,
            W_g=p.encoder_W_g,
            b_g=p.encoder_b_g,
        ),
        decoder=LstmParameters(
            W_i=p.decoder_W_i,
            b_i=p.decoder_b_i,
            W_f=p.decoder_W_f,
            b_f=p.decoder_b_f,
            W_o=p.decoder_W_o,
            b_o=p.decoder_b_o,
            W_g=p.decoder_W_g,
            b_g=p.decoder_b_g,
        ),
        class_cross_entropy=ClassCrossEntropyParameters(W_y=p.W_y, b_y=p.b_y),
        dense=DenseParameters(W_y=p.W_y, b_y=p.b_y),
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
    state = None if state is None else _bundle("state", state, Memory)
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
    rank = len(INPUTS["given"]) + 1
    if start.ndim != rank:
        raise ValueError(f"start has shape {start.shape}; it should have {rank} axes: those of given at one step.")
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


def embedding_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`.
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
        final = _embedding_predict(prepared, sizes, inputs, start, outputs, lengths, memory)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def embedding_forward(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie.
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _embedding_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _embedding_continued(inputs, state, lengths, memory)
        outputs, final, saved = _embedding_forward(prepared, inputs, start, lengths, memory)
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
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`.
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
        _embedding_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory)
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
    final = _embedding_predict(prepared, sizes, inputs, _embedding_checked_state("state", state, sizes, dtype, B), outputs, None, _new)
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


def _embedding_kept_arrays(prepared, sizes, state, T, B, lengths, memory):
    """What a pass over T steps fills: all of it, outputs, states (initial values in place) before and after, and what is saved."""
    (v, m) = sizes
    dtype = prepared.dtype
    x = memory("x", (T, B, m), dtype)
    return (x,), x, EmbeddingState(), EmbeddingState(), ()


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _embedding_forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (v, m) = sizes
    dtype = prepared.dtype
    E, = prepared.parameters
    k, = inputs
    x, = kept
    T, B = k.shape[:2]
    # (1) x = E[k]
    x[...] = E[k]


def _embedding_forward(prepared, inputs, state, lengths, memory):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    sizes = _embedding_sizes(prepared, inputs, state)
    T, B = inputs[0].shape[:2]
    kept, outputs, states, later, saved = _embedding_kept_arrays(prepared, sizes, state, T, B, lengths, memory)
    steps = _steps_together(B)
    for start in range(0, T if B else 0, steps):
        stop = min(start + steps, T)
        some = EmbeddingInputs(*(array[start:stop] for array in inputs))
        left = None if lengths is None else lengths - start
        _embedding_forward_steps(prepared, sizes, some, [array[start : stop + len(array) - T] for array in kept], left, memory)
    return outputs, _embedding_final_states(states, later, lengths), saved


def _embedding_predict(prepared, sizes, inputs, state, outputs, lengths, memory):
    """Fill the outputs and return the final state; memory holds a few time steps and is used again and again."""
    T, B = outputs.shape[:2]
    steps = min(_steps_together(B), max(T, 1))
    kept, held, states, later, _ = _embedding_kept_arrays(prepared, sizes, state, steps, B, lengths, memory)
    final = EmbeddingState(*(array.copy() for array in state))
    for start in range(0, T if B else 0, steps):
        count = min(steps, T - start)
        some = EmbeddingInputs(*(array[start : start + count] for array in inputs))
        left = None if lengths is None else lengths - start
        _embedding_forward_steps(prepared, sizes, some, [array[: count + len(array) - steps] for array in kept], left, memory)
        outputs[start : start + count] = held[:count]
        going = slice(None) if left is None else np.flatnonzero(left > 0)
        last = count - 1 if left is None else np.minimum(left[going], count) - 1
        for part, array, after in zip(final, states, later, strict=True):
            part[going] = after[last, going]
            array[0] = array[count]
    return final


def _embedding_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory):
    """Fill `results` with the gradients of one run, some time steps at a time, from the last to the first."""
    sizes = _embedding_sizes(prepared, tape.inputs, tape.state)
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
            d_inputs = EmbeddingInputs(*(array if array is None else array[start:stop] for array in results.inputs)) if input_gradients else None
            part = EmbeddingGradients(EmbeddingParameters(*some), d_inputs, results.state)
        inputs = EmbeddingInputs(*(array[start:stop] for array in tape.inputs))
        saved = [array[start : stop + len(array) - T] for array in tape.saved]
        left = None if tape.lengths is None else tape.lengths - start
        _embedding_backward_steps(prepared, sizes, inputs, saved, d_outputs[start:stop], d_state, left, part, input_gradients, memory)
        if T > steps:
            for array, added in zip(results.parameters, part.parameters, strict=True):
                array += added


@np.errstate(all="ignore")
def _embedding_backward_steps(prepared, sizes, inputs, saved, d_outputs, d_state, lengths, results, input_gradients, memory):
    """Fill `results` with the gradients of some time steps; its state holds the gradient after them, and then before them.

    The samples' lengths, if given, count from the first of the steps; `d_state` comes in where a sample ends.
    """
    (v, m) = sizes
    dtype = prepared.dtype
    E, = prepared.parameters
    k, = inputs
    d_x_output = d_outputs
    T, B = k.shape[:2]
    d_x = memory("d_x", (T, B, m), dtype)
    d_E = np.zeros((v, m), dtype)
    for t in reversed(range(T)):
        # d_x from the output's cotangent
        d_x[t] = d_x_output[t]
    # d_E = sum over t of outer(one_hot_k, d_x)
    #     from x = one_hot_k @ E
    np.add.at(d_E, k, d_x)
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
    return LstmPrepared(parameters, sizes, dtype, W_on_x, b_all, W_on_h)


def lstm_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`.
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
        final = _lstm_predict(prepared, sizes, inputs, start, outputs, lengths, memory)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def lstm_forward(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie.
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _lstm_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _lstm_continued(inputs, state, lengths, memory)
        outputs, final, saved = _lstm_forward(prepared, inputs, start, lengths, memory)
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
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`.
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
        _lstm_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory)
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
    final = _lstm_predict(prepared, sizes, inputs, _lstm_checked_state("state", state, sizes, dtype, B), outputs, None, _new)
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


def _lstm_kept_arrays(prepared, sizes, state, T, B, lengths, memory):
    """What a pass over T steps fills: all of it, outputs, states (initial values in place) before and after, and what is saved."""
    (n, m) = sizes
    dtype = prepared.dtype
    c_0, h_0 = state
    c = memory("c", (T + 1, B, m), dtype)
    h = memory("h", (T + 1, B, m), dtype)
    tanh_c = memory("tanh_c", (T, B, m), dtype)
    a_all = memory("a_all", (T, B, 4 * m), dtype)
    c[0] = c_0
    h[0] = h_0
    c_next = c[1:] if lengths is None else memory("c_next", (T, B, m), dtype)
    h_next = h[1:] if lengths is None else memory("h_next", (T, B, m), dtype)
    return (c, h, tanh_c, a_all, c_next, h_next), h_next, LstmState(c, h), LstmState(c_next, h_next), (c, h, tanh_c, a_all)


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _lstm_forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (n, m) = sizes
    dtype = prepared.dtype
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_h = prepared.W_on_h
    x, = inputs
    c, h, tanh_c, a_all, c_next, h_next = kept
    T, B = x.shape[:2]
    a_i = a_all[:, :, :m]
    i = a_all[:, :, :m]
    a_f = a_all[:, :, m : 2 * m]
    f = a_all[:, :, m : 2 * m]
    a_o = a_all[:, :, 2 * m : 3 * m]
    o = a_all[:, :, 2 * m : 3 * m]
    a_g = a_all[:, :, 3 * m :]
    g = a_all[:, :, 3 * m :]
    # a_i, a_f, a_o, a_g: the part that x gives
    _multiply(x, W_on_x.T, a_all)
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
        c_next[t] = f[t] * c[t] + i[t] * g[t]
        # (6) h.next = o * tanh(c.next)
        tanh_c[t] = np.tanh(c_next[t])
        h_next[t] = o[t] * tanh_c[t]
        if lengths is not None:
            ended = t + 1 >= lengths
            c[t + 1] = c_next[t]
            c[t + 1][ended] = c[t][ended]
            h[t + 1] = h_next[t]
            h[t + 1][ended] = h[t][ended]


def _lstm_forward(prepared, inputs, state, lengths, memory):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    sizes = _lstm_sizes(prepared, inputs, state)
    T, B = inputs[0].shape[:2]
    kept, outputs, states, later, saved = _lstm_kept_arrays(prepared, sizes, state, T, B, lengths, memory)
    steps = _steps_together(B)
    for start in range(0, T if B else 0, steps):
        stop = min(start + steps, T)
        some = LstmInputs(*(array[start:stop] for array in inputs))
        left = None if lengths is None else lengths - start
        _lstm_forward_steps(prepared, sizes, some, [array[start : stop + len(array) - T] for array in kept], left, memory)
    return outputs, _lstm_final_states(states, later, lengths), saved


def _lstm_predict(prepared, sizes, inputs, state, outputs, lengths, memory):
    """Fill the outputs and return the final state; memory holds a few time steps and is used again and again."""
    T, B = outputs.shape[:2]
    steps = min(_steps_together(B), max(T, 1))
    kept, held, states, later, _ = _lstm_kept_arrays(prepared, sizes, state, steps, B, lengths, memory)
    final = LstmState(*(array.copy() for array in state))
    for start in range(0, T if B else 0, steps):
        count = min(steps, T - start)
        some = LstmInputs(*(array[start : start + count] for array in inputs))
        left = None if lengths is None else lengths - start
        _lstm_forward_steps(prepared, sizes, some, [array[: count + len(array) - steps] for array in kept], left, memory)
        outputs[start : start + count] = held[:count]
        going = slice(None) if left is None else np.flatnonzero(left > 0)
        last = count - 1 if left is None else np.minimum(left[going], count) - 1
        for part, array, after in zip(final, states, later, strict=True):
            part[going] = after[last, going]
            array[0] = array[count]
    return final


def _lstm_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory):
    """Fill `results` with the gradients of one run, some time steps at a time, from the last to the first."""
    sizes = _lstm_sizes(prepared, tape.inputs, tape.state)
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
            d_inputs = LstmInputs(*(array[start:stop] for array in results.inputs)) if input_gradients else None
            part = LstmGradients(LstmParameters(*some), d_inputs, results.state)
        inputs = LstmInputs(*(array[start:stop] for array in tape.inputs))
        saved = [array[start : stop + len(array) - T] for array in tape.saved]
        left = None if tape.lengths is None else tape.lengths - start
        _lstm_backward_steps(prepared, sizes, inputs, saved, d_outputs[start:stop], d_state, left, part, input_gradients, memory)
        if T > steps:
            for array, added in zip(results.parameters, part.parameters, strict=True):
                array += added


@np.errstate(all="ignore")
def _lstm_backward_steps(prepared, sizes, inputs, saved, d_outputs, d_state, lengths, results, input_gradients, memory):
    """Fill `results` with the gradients of some time steps; its state holds the gradient after them, and then before them.

    The samples' lengths, if given, count from the first of the steps; `d_state` comes in where a sample ends.
    """
    (n, m) = sizes
    dtype = prepared.dtype
    W_i, b_i, W_f, b_f, W_o, b_o, W_g, b_g = prepared.parameters
    W_on_x = prepared.W_on_x
    b_all = prepared.b_all
    W_on_h = prepared.W_on_h
    x, = inputs
    c, h, tanh_c, a_all = saved
    i = a_all[:, :, :m]
    f = a_all[:, :, m : 2 * m]
    o = a_all[:, :, 2 * m : 3 * m]
    g = a_all[:, :, 3 * m :]
    d_h_output = d_outputs
    d_c_later, d_h_later = results.state
    d_c_later_final, d_h_later_final = d_state
    T, B = x.shape[:2]
    d_x = results.inputs.x if input_gradients else np.empty((0, 0, 0), dtype)
    d_W_i = results.parameters.W_i
    d_b_i = results.parameters.b_i
    d_W_f = results.parameters.W_f
    d_b_f = results.parameters.b_f
    d_W_o = results.parameters.W_o
    d_b_o = results.parameters.b_o
    d_W_g = results.parameters.W_g
    d_b_g = results.parameters.b_g
    d_a_all = memory("d_a_all", (T, B, 4 * m), dtype)
    d_a_g = d_a_all[:, :, 3 * m :]
    d_a_o = d_a_all[:, :, 2 * m : 3 * m]
    d_a_f = d_a_all[:, :, m : 2 * m]
    d_a_i = d_a_all[:, :, :m]
    d_c_later = d_c_later.copy()
    d_h_later = d_h_later.copy()
    for t in reversed(range(T)):
        if lengths is not None:
            ending = t == lengths - 1
            d_c_later[ending] = d_c_later_final[ending]
            d_h_later[ending] = d_h_later_final[ending]
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
        _multiply(d_a_all, W_on_x, d_x)
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
    d_b_i[:] = d_b_all[:m]
    d_b_f[:] = d_b_all[m : 2 * m]
    d_b_o[:] = d_b_all[2 * m : 3 * m]
    d_b_g[:] = d_b_all[3 * m :]
    results.state.c[...] = d_c_later
    results.state.h[...] = d_h_later


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
    return ClassCrossEntropyPrepared(parameters, sizes, dtype)


def class_cross_entropy_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`.
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
        final = _class_cross_entropy_predict(prepared, sizes, inputs, start, outputs, lengths, memory)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def class_cross_entropy_forward(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie.
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _class_cross_entropy_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _class_cross_entropy_continued(inputs, state, lengths, memory)
        outputs, final, saved = _class_cross_entropy_forward(prepared, inputs, start, lengths, memory)
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
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`.
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
        _class_cross_entropy_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory)
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
    final = _class_cross_entropy_predict(prepared, sizes, inputs, _class_cross_entropy_checked_state("state", state, sizes, dtype, B), outputs, None, _new)
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


def _class_cross_entropy_kept_arrays(prepared, sizes, state, T, B, lengths, memory):
    """What a pass over T steps fills: all of it, outputs, states (initial values in place) before and after, and what is saved."""
    (n, v) = sizes
    dtype = prepared.dtype
    loss = memory("loss", (T, B), dtype)
    exp_z = memory("exp_z", (T, B, v), dtype)
    return (loss, exp_z), loss, ClassCrossEntropyState(), ClassCrossEntropyState(), (exp_z,)


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _class_cross_entropy_forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (n, v) = sizes
    dtype = prepared.dtype
    W_y, b_y = prepared.parameters
    a, k = inputs
    loss, exp_z = kept
    T, B = a.shape[:2]
    z = memory("z", (T, B, v), dtype)
    one_hot_k_z = memory("one_hot_k_z", (T, B), dtype)
    largest_z = memory("largest_z", (T, B), dtype)
    total_exp_z = memory("total_exp_z", (T, B), dtype)
    y_hat = exp_z  # in its place
    logsumexp_z = largest_z  # in its place
    # (1) z = W_y @ a + b_y
    _multiply(a, W_y.T, z)
    z += b_y
    # (2) y_hat = softmax(z)
    largest_z[...] = z.max(axis=-1, initial=-np.inf)
    exp_z[...] = np.exp(z - largest_z[:, :, None])
    total_exp_z[...] = np.einsum("TBi->TB", exp_z)
    y_hat[...] = exp_z / total_exp_z[:, :, None]
    # (3) loss = logsumexp(z) - z[k]
    one_hot_k_z[...] = z[(*np.indices(k.shape, sparse=True), k)]
    logsumexp_z[...] = np.where((total_exp_z > 0), largest_z + np.log(total_exp_z), largest_z)
    loss[...] = logsumexp_z - one_hot_k_z


def _class_cross_entropy_forward(prepared, inputs, state, lengths, memory):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    sizes = _class_cross_entropy_sizes(prepared, inputs, state)
    T, B = inputs[0].shape[:2]
    kept, outputs, states, later, saved = _class_cross_entropy_kept_arrays(prepared, sizes, state, T, B, lengths, memory)
    steps = _steps_together(B)
    for start in range(0, T if B else 0, steps):
        stop = min(start + steps, T)
        some = ClassCrossEntropyInputs(*(array[start:stop] for array in inputs))
        left = None if lengths is None else lengths - start
        _class_cross_entropy_forward_steps(prepared, sizes, some, [array[start : stop + len(array) - T] for array in kept], left, memory)
    return outputs, _class_cross_entropy_final_states(states, later, lengths), saved


def _class_cross_entropy_predict(prepared, sizes, inputs, state, outputs, lengths, memory):
    """Fill the outputs and return the final state; memory holds a few time steps and is used again and again."""
    T, B = outputs.shape[:2]
    steps = min(_steps_together(B), max(T, 1))
    kept, held, states, later, _ = _class_cross_entropy_kept_arrays(prepared, sizes, state, steps, B, lengths, memory)
    final = ClassCrossEntropyState(*(array.copy() for array in state))
    for start in range(0, T if B else 0, steps):
        count = min(steps, T - start)
        some = ClassCrossEntropyInputs(*(array[start : start + count] for array in inputs))
        left = None if lengths is None else lengths - start
        _class_cross_entropy_forward_steps(prepared, sizes, some, [array[: count + len(array) - steps] for array in kept], left, memory)
        outputs[start : start + count] = held[:count]
        going = slice(None) if left is None else np.flatnonzero(left > 0)
        last = count - 1 if left is None else np.minimum(left[going], count) - 1
        for part, array, after in zip(final, states, later, strict=True):
            part[going] = after[last, going]
            array[0] = array[count]
    return final


def _class_cross_entropy_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory):
    """Fill `results` with the gradients of one run, some time steps at a time, from the last to the first."""
    sizes = _class_cross_entropy_sizes(prepared, tape.inputs, tape.state)
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
            d_inputs = ClassCrossEntropyInputs(*(array if array is None else array[start:stop] for array in results.inputs)) if input_gradients else None
            part = ClassCrossEntropyGradients(ClassCrossEntropyParameters(*some), d_inputs, results.state)
        inputs = ClassCrossEntropyInputs(*(array[start:stop] for array in tape.inputs))
        saved = [array[start : stop + len(array) - T] for array in tape.saved]
        left = None if tape.lengths is None else tape.lengths - start
        _class_cross_entropy_backward_steps(prepared, sizes, inputs, saved, d_outputs[start:stop], d_state, left, part, input_gradients, memory)
        if T > steps:
            for array, added in zip(results.parameters, part.parameters, strict=True):
                array += added


@np.errstate(all="ignore")
def _class_cross_entropy_backward_steps(prepared, sizes, inputs, saved, d_outputs, d_state, lengths, results, input_gradients, memory):
    """Fill `results` with the gradients of some time steps; its state holds the gradient after them, and then before them.

    The samples' lengths, if given, count from the first of the steps; `d_state` comes in where a sample ends.
    """
    (n, v) = sizes
    dtype = prepared.dtype
    W_y, b_y = prepared.parameters
    a, k = inputs
    exp_z, = saved
    y_hat = exp_z
    d_loss_output = d_outputs
    T, B = a.shape[:2]
    d_z = memory("d_z", (T, B, v), dtype)
    d_a = results.inputs.a if input_gradients else np.empty((0, 0, 0), dtype)
    for t in reversed(range(T)):
        # d_loss from the output's cotangent
        d_loss = d_loss_output[t].copy()
        # d_z from logsumexp_z = logsumexp(z); one_hot_k_z = one_hot_k @ z
        d_z_at_k = -d_loss
        d_z[t] = d_loss[:, None] * y_hat[t]
        d_z[t][(*np.indices(k[t].shape, sparse=True), k[t])] += d_z_at_k
    if input_gradients:
        # d_a = d_z @ W_y
        #     from W_y_a = W_y @ a
        _multiply(d_z, W_y, d_a)
    # d_W_y = sum over t of outer(d_z, a)
    #     from W_y_a = W_y @ a
    d_W_y = np.tensordot(d_z, a, ((0, 1), (0, 1)))
    # d_b_y = sum over t of d_z
    #     from z = W_y_a + b_y
    d_b_y = d_z.sum(axis=(0, 1))
    results.parameters.W_y[...] = d_W_y
    results.parameters.b_y[...] = d_b_y


# ---- dense -------------------------------------------------------------------------------------------

DENSE_AXES = ("n", "m")
DENSE_INPUTS = {"a": ("n",)}
DENSE_STATES = {}
DENSE_PARAMETERS = {"W_y": ("m", "n"), "b_y": ("m",)}
DENSE_CONSTANTS = {}
DENSE_OUTPUT = ("m",)


class DenseInputs(NamedTuple):
    """What arrives over time; arrays (T, B, ...)."""

    a: Any  # (T, B, n)


class DenseState(NamedTuple):
    """What is carried from step to step; arrays (B, ...)."""



class DenseParameters(NamedTuple):
    """What is trained; shared by all samples and steps."""

    W_y: Any  # (m, n)
    b_y: Any  # (m,)


class DenseRun(NamedTuple):
    """What `forward` returns: outputs (T, B, ...), read-only; the final state; the tape for `backward`."""

    outputs: np.ndarray
    state: DenseState
    tape: "DenseTape"


class DenseGradients(NamedTuple):
    """What `backward` returns: derivatives of the loss, in the shapes of what they belong to."""

    parameters: DenseParameters
    inputs: DenseInputs | None
    state: DenseState


class DensePrepared(NamedTuple):
    """Parameters and what depends on them alone; accepted wherever parameters are."""

    parameters: DenseParameters
    sizes: tuple
    dtype: np.dtype


class DenseTape(NamedTuple):
    """What `backward` needs of a `forward`: opaque, usable any number of times.

    It refers to the inputs and parameters of the call: change their arrays only when it is done with. (`backward` looks at
    some of their numbers, and refuses a tape whose arrays it finds changed.)
    """

    parameters: Any  # as the caller gave them
    prepared: DensePrepared
    inputs: DenseInputs
    state: DenseState
    outputs: np.ndarray
    saved: tuple
    marks: list  # some numbers of every parameter and input
    lengths: Any  # (B,), or None where every sample has all T steps
    workspace: Any
    use: int  # the workspace's count of forward passes


def dense_init(rng, *, n, m, dtype=np.float32):
    """Fresh parameters; `rng` is a numpy.random.Generator, n, m are sizes."""
    dtype = _float_dtype(dtype)
    n, m = _checked_sizes(n=n, m=m)
    if (n * m + m) * dtype.itemsize > _MEMORY:
        raise _no_room(f"parameters with n = {n}, m = {m}", n * m + m, dtype)
    return DenseParameters(
        W_y=_glorot(rng, (m, n), dtype),
        b_y=np.zeros((m,), dtype),
    )


def dense_prepare(parameters):
    """What depends on the parameters alone, computed once: pass it on instead of the parameters.

    It holds copies: changing the parameters' arrays afterwards does not change it.
    """
    if isinstance(parameters, DensePrepared):
        return parameters
    checked, _, _ = _dense_checked_parameters(parameters)
    return _dense_prepared(DenseParameters(*(array.copy() for array in checked)), _new)


def _dense_prepared(parameters, memory):
    """As `prepare`, but sharing the parameters' arrays, for the length of a call or of a tape."""
    if isinstance(parameters, DensePrepared):
        return parameters
    parameters, sizes, dtype = _dense_checked_parameters(parameters)
    return DensePrepared(parameters, sizes, dtype)


def dense_predict(parameters, inputs, state=None, *, lengths=None, out=None, workspace=None):
    """Outputs (T, B, ...) and the final state, keeping nothing for a backward pass.

    `lengths` are those of the samples, as in `forward`; `out` is an array for the outputs; `workspace` a `Workspace`.
    """
    with _memory(workspace, "predict") as memory:
        prepared, inputs, state, lengths, T, B = _dense_checked_call(parameters, inputs, state, lengths, memory, out)
        (n, m) = sizes = _dense_sizes(prepared, inputs, state)
        outputs = _place("out", out, (T, B, m), prepared.dtype)
        if out is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            _refuse_overlap([("out", [outputs])], (*known, ("inputs", inputs)), "give the outputs an array of their own")
            state = DenseState(*map(np.copy, state))  # it may lie in `out`
        start = state
        if lengths is not None:
            inputs, start = _dense_continued(inputs, state, lengths, memory)
        final = _dense_predict(prepared, sizes, inputs, start, outputs, lengths, memory)
        if lengths is not None:
            outputs[_padding(lengths, T)] = 0
            _stand_still(final, state, lengths)
        return outputs, final


def dense_forward(parameters, inputs, state=None, *, lengths=None, workspace=None):
    """A run over a sequence: outputs (T, B, ...), final state and the tape for `backward`.

    `lengths` are integers (B,) from 0 to T, if samples end earlier (None: all have T steps): beyond its end a sample's
    state stands still, its outputs are zero, no gradient flows, and what its inputs hold there does not matter.
    `workspace` is a `Workspace`, in which outputs and tape then lie.
    """
    with _memory(workspace, "forward") as memory:
        prepared, inputs, state, lengths, _, _ = _dense_checked_call(parameters, inputs, state, lengths, memory, None)
        if workspace is not None:
            known = ("parameters", prepared.parameters), ("parameters", prepared[3:] if prepared is parameters else ())
            workspace._refuse_own((*known, ("inputs", inputs), ("state", state)))
        start = state
        if lengths is not None:
            inputs, start = _dense_continued(inputs, state, lengths, memory)
        outputs, final, saved = _dense_forward(prepared, inputs, start, lengths, memory)
        final = DenseState(*(array.copy() for array in final))
        if lengths is not None:
            outputs = _without_padding("outputs", outputs, lengths, memory)
            _stand_still(final, state, lengths)
        outputs = outputs.view()
        outputs.flags.writeable = False  # the tape may share its memory
        use = 0 if workspace is None else workspace._uses
        marks = _marks(prepared.parameters, inputs)
        tape = DenseTape(parameters, prepared, inputs, state, outputs, saved, marks, lengths, workspace, use)
        return DenseRun(outputs, final, tape)


def dense_backward(
    parameters, tape, d_outputs, d_state=None, *, input_gradients=True, out=None, workspace=None
):
    """Gradients of parameters, inputs and initial state.

    `parameters` and `tape` are those of one `forward`; others are refused, unless they are equal to those.
    `d_outputs` (T, B, ...) and `d_state` (None is zeros) are the loss's derivatives by the outputs and the
    final state. `input_gradients=False` leaves the inputs' gradients out. `out` is a `Gradients` whose arrays take the results,
    such as that of an earlier call, and overlap with no argument but `d_state`; `workspace` a `Workspace`.
    """
    if not isinstance(tape, DenseTape):
        raise ValueError(f"tape is a {type(tape).__name__}; pass the tape of a forward() of this module.")
    other = None if tape.workspace is workspace else tape.workspace
    with _memory(workspace, "backward") as memory, _memory(other, "backward"):
        if tape.workspace is not None and tape.workspace._uses != tape.use:
            raise ValueError("tape lies in a workspace that a later forward() has used again; call backward() before that.")
        given = tape.prepared
        if parameters is not given and parameters is not tape.parameters:
            _dense_require_same(parameters, given)
        _dense_require_unchanged(tape)
        d_outputs = _checked_array("d_outputs", d_outputs, tape.outputs.shape, given.dtype)
        sizes = _dense_sizes(tape.prepared, tape.inputs, tape.state)
        d_state = _dense_checked_state("d_state", d_state, sizes, given.dtype, tape.outputs.shape[1])
        results = _dense_results(out, sizes, *tape.outputs.shape[:2], given.dtype, bool(input_gradients))
        if out is not None:
            made = ("out.parameters", results.parameters), ("out.inputs", results.inputs or ()), ("out.state", results.state)
            known = ("parameters", given.parameters), ("parameters", given[3:] if given is tape.parameters else ())
            read = ("inputs", tape.inputs), ("d_outputs", [d_outputs]), ("tape", [tape.outputs, *tape.saved])
            _refuse_overlap(made, (*known, *read), "give every result an array of its own")
        if out is not None or tape.lengths is not None:
            d_state = DenseState(*map(np.copy, d_state))  # it is read when `out` is written to already
        if tape.lengths is not None:
            d_outputs = _without_padding("d_outputs", d_outputs, tape.lengths, memory)
        _dense_backward(given, tape, d_outputs, d_state, results, bool(input_gradients), memory)
        if tape.lengths is not None:
            _stand_still(results.state, d_state, tape.lengths)
            if not tape.lengths.any():
                for array in results.parameters:
                    array[...] = 0
            for array in results.inputs or ():
                array[_padding(tape.lengths, len(array))] = 0
        return results


def dense_step(parameters, inputs_t, state):
    """One time step: the output (B, ...) and the next state; `inputs_t` are arrays (B, ...)."""
    prepared = _dense_prepared(parameters, _new)
    inputs_t = _bundle("inputs_t", inputs_t, DenseInputs)
    _rank("inputs_t.a", inputs_t.a, 2)
    inputs = DenseInputs(inputs_t.a[None])
    B = inputs_t.a.shape[0]
    (n, m) = _dense_sizes(prepared, inputs, state)
    _checked_array("inputs_t.a", inputs_t.a, (B, n), prepared.dtype)
    dtype = prepared.dtype
    sizes = (n, m)
    T = 1
    if B * m * dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", B * m, dtype)
    outputs = np.empty((T, B, m), dtype)
    final = _dense_predict(prepared, sizes, inputs, _dense_checked_state("state", state, sizes, dtype, B), outputs, None, _new)
    return outputs[0], final


def _dense_results(out, sizes, T, B, dtype, input_gradients):
    """Arrays for the gradients: those of `out`, or new ones."""
    (n, m) = sizes
    shapes = DenseGradients(
        DenseParameters(
            W_y=(m, n), b_y=(m,),
        ),
        DenseInputs(a=(T, B, n)),
        DenseState(),
    )
    if out is not None and not isinstance(out, DenseGradients):
        raise ValueError(f"out is a {type(out).__name__}; pass the Gradients of an earlier backward().")

    def places(part, kind):
        given = None if out is None else getattr(out, part)
        if type(given) is kind and all(map(_takes, given, getattr(shapes, part), (dtype,) * len(given))):
            return given
        given = kind(*[None] * len(kind._fields)) if given is None else _bundle(f"out.{part}", given, kind)
        named = zip(kind._fields, given, getattr(shapes, part), strict=True)
        return kind(*(_place(f"out.{part}.{name}", array, shape, dtype) for name, array, shape in named))

    inputs = places("inputs", DenseInputs) if input_gradients else None
    return DenseGradients(places("parameters", DenseParameters), inputs, places("state", DenseState))


def _dense_checked_parameters(parameters):
    """Parameters as plain arrays of their declared shapes, the sizes of the axes, and the dtype."""
    given = _bundle("parameters", parameters, DenseParameters)
    _rank("parameters.W_y", given.W_y, 2)
    _rank("parameters.b_y", given.b_y, 1)
    m = given.W_y.shape[0]
    n = given.W_y.shape[1]
    dtype = _dense_common_dtype(given)
    return DenseParameters(
        _checked_array("parameters.W_y", given.W_y, (m, n), dtype),
        _checked_array("parameters.b_y", given.b_y, (m,), dtype),
    ), (n, m), dtype


def _dense_common_dtype(p):
    """The dtype of the parameters' arrays: float32 or float64."""
    dtypes = {array.dtype for array in p if isinstance(array, np.ndarray) and array.ndim}
    dtypes = dtypes or {array.dtype for array in p if isinstance(array, (np.ndarray, np.generic))}
    if len(dtypes) > 1:
        found = ", ".join(f"{name} {getattr(a, 'dtype', '')}" for name, a in zip(DenseParameters._fields, p, strict=True))
        raise ValueError(f"The parameters' dtypes differ: {found}. Convert them to one.")
    dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"The parameters' dtype is {dtype}; this kernel computes in float32 or float64.")
    return dtype


def _dense_checked_call(parameters, inputs, state, lengths, memory, out):
    """Everything a pass over time needs, checked; also T and B."""
    prepared = _dense_prepared(parameters, memory)
    inputs = _bundle("inputs", inputs, DenseInputs)
    _rank("inputs.a", inputs.a, 3)
    T, B = inputs.a.shape[:2]
    (n, m) = _dense_sizes(prepared, inputs, state)
    if out is None and (count := max(T, 1) * B * m) * prepared.dtype.itemsize > _MEMORY:
        raise _no_room(f"outputs of shape {(T, B, m)}", count, prepared.dtype)
    lengths = None if lengths is None else _checked_lengths(lengths, T, B)
    inputs = DenseInputs(
        _checked_array("inputs.a", inputs.a, (T, B, n), prepared.dtype),
    )
    sizes = _dense_sizes(prepared, inputs, state)
    return prepared, inputs, _dense_checked_state("state", state, sizes, prepared.dtype, B), lengths, T, B


def _dense_sizes(prepared, inputs, state):
    """The lengths of all axes, in the order of AXES."""
    (n, m) = prepared.sizes
    return (n, m)


def _dense_checked_state(what, state, sizes, dtype, B):
    """A state as plain arrays; None is zeros."""
    (n, m) = sizes
    if state is None:
        return DenseState()
    state = _bundle(what, state, DenseState)
    return DenseState(
    )


def _dense_continued(inputs, state, lengths, memory):
    """Inputs in which a sample's last step goes on to T: there it is computed again and again, from the state before it.

    So nothing infinite turns up beyond the end that was not there before. A sample without steps computes what the longest
    one does in its first step, from that one's state.
    """
    samples = np.where(lengths > 0, np.arange(len(lengths)), lengths.argmax())
    made = []
    for name, array in zip(DenseInputs._fields, inputs, strict=True):
        steps = np.minimum(np.arange(len(array))[:, None], np.maximum(lengths - 1, 0))
        copy = memory(f"{name} to the end", array.shape, array.dtype)
        copy[...] = array[steps, samples] if lengths.any() else 0
        made.append(copy)
    return DenseInputs(*made), DenseState(*(array[samples] for array in state))


def _dense_final_states(states, later, lengths):
    """The states at the samples' ends (views, if all end at T): `states` are those before every step, `later` those after."""
    if lengths is None:
        return DenseState(*(array[-1] for array in states))
    last = np.maximum(lengths - 1, 0), np.arange(len(lengths))
    return DenseState(*(array[last] for array in later))


def _dense_require_unchanged(tape):
    """Raise if the arrays that a tape refers to are seen to have changed since its forward pass."""
    marks = _marks(tape.prepared.parameters, tape.inputs)
    if marks == tape.marks:
        return
    names = [*(f"parameters.{name}" for name in DenseParameters._fields), *(f"inputs.{name}" for name in DenseInputs._fields)]
    for name, one, other in zip(names, marks, tape.marks, strict=True):
        if one != other and repr(one) != repr(other):  # two NaN are not equal, and nothing has changed
            raise ValueError(f"{name} was changed after the forward() that made the tape; call backward() before you change it.")


def _dense_require_same(parameters, prepared):
    """Raise unless parameters are those that a tape was made with, or equal to them."""
    if isinstance(parameters, DensePrepared):
        arrays, sizes, dtype = parameters[:3]
    else:
        arrays, sizes, dtype = _dense_checked_parameters(parameters)
    _same_sizes(sizes, dtype, prepared)
    for name, one, other in zip(DenseParameters._fields, arrays, prepared.parameters, strict=True):
        if one is not other and not np.array_equal(one, other, equal_nan=True):
            raise ValueError(f"parameters.{name} is not that of the forward() that made the tape; pass the parameters of that call.")


def _dense_kept_arrays(prepared, sizes, state, T, B, lengths, memory):
    """What a pass over T steps fills: all of it, outputs, states (initial values in place) before and after, and what is saved."""
    (n, m) = sizes
    dtype = prepared.dtype
    y_hat = memory("y_hat", (T, B, m), dtype)
    return (y_hat,), y_hat, DenseState(), DenseState(), ()


@np.errstate(all="ignore")  # infinities and NaN go through to the results
def _dense_forward_steps(prepared, sizes, inputs, kept, lengths, memory):
    """Fill the kept arrays for some time steps; the samples' lengths, if given, count from the first of them."""
    (n, m) = sizes
    dtype = prepared.dtype
    W_y, b_y = prepared.parameters
    a, = inputs
    y_hat, = kept
    T, B = a.shape[:2]
    # (1) y_hat = W_y @ a + b_y
    _multiply(a, W_y.T, y_hat)
    y_hat += b_y


def _dense_forward(prepared, inputs, state, lengths, memory):
    """Outputs (T, B, ...), the final state (views), and what the backward pass needs."""
    sizes = _dense_sizes(prepared, inputs, state)
    T, B = inputs[0].shape[:2]
    kept, outputs, states, later, saved = _dense_kept_arrays(prepared, sizes, state, T, B, lengths, memory)
    steps = _steps_together(B)
    for start in range(0, T if B else 0, steps):
        stop = min(start + steps, T)
        some = DenseInputs(*(array[start:stop] for array in inputs))
        left = None if lengths is None else lengths - start
        _dense_forward_steps(prepared, sizes, some, [array[start : stop + len(array) - T] for array in kept], left, memory)
    return outputs, _dense_final_states(states, later, lengths), saved


def _dense_predict(prepared, sizes, inputs, state, outputs, lengths, memory):
    """Fill the outputs and return the final state; memory holds a few time steps and is used again and again."""
    T, B = outputs.shape[:2]
    steps = min(_steps_together(B), max(T, 1))
    kept, held, states, later, _ = _dense_kept_arrays(prepared, sizes, state, steps, B, lengths, memory)
    final = DenseState(*(array.copy() for array in state))
    for start in range(0, T if B else 0, steps):
        count = min(steps, T - start)
        some = DenseInputs(*(array[start : start + count] for array in inputs))
        left = None if lengths is None else lengths - start
        _dense_forward_steps(prepared, sizes, some, [array[: count + len(array) - steps] for array in kept], left, memory)
        outputs[start : start + count] = held[:count]
        going = slice(None) if left is None else np.flatnonzero(left > 0)
        last = count - 1 if left is None else np.minimum(left[going], count) - 1
        for part, array, after in zip(final, states, later, strict=True):
            part[going] = after[last, going]
            array[0] = array[count]
    return final


def _dense_backward(prepared, tape, d_outputs, d_state, results, input_gradients, memory):
    """Fill `results` with the gradients of one run, some time steps at a time, from the last to the first."""
    sizes = _dense_sizes(prepared, tape.inputs, tape.state)
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
            d_inputs = DenseInputs(*(array[start:stop] for array in results.inputs)) if input_gradients else None
            part = DenseGradients(DenseParameters(*some), d_inputs, results.state)
        inputs = DenseInputs(*(array[start:stop] for array in tape.inputs))
        saved = [array[start : stop + len(array) - T] for array in tape.saved]
        left = None if tape.lengths is None else tape.lengths - start
        _dense_backward_steps(prepared, sizes, inputs, saved, d_outputs[start:stop], d_state, left, part, input_gradients, memory)
        if T > steps:
            for array, added in zip(results.parameters, part.parameters, strict=True):
                array += added


@np.errstate(all="ignore")
def _dense_backward_steps(prepared, sizes, inputs, saved, d_outputs, d_state, lengths, results, input_gradients, memory):
    """Fill `results` with the gradients of some time steps; its state holds the gradient after them, and then before them.

    The samples' lengths, if given, count from the first of the steps; `d_state` comes in where a sample ends.
    """
    (n, m) = sizes
    dtype = prepared.dtype
    W_y, b_y = prepared.parameters
    a, = inputs
    d_y_hat_output = d_outputs
    T, B = a.shape[:2]
    d_y_hat = memory("d_y_hat", (T, B, m), dtype)
    d_a = results.inputs.a if input_gradients else np.empty((0, 0, 0), dtype)
    for t in reversed(range(T)):
        # d_y_hat from the output's cotangent
        d_y_hat[t] = d_y_hat_output[t]
    if input_gradients:
        # d_a = d_y_hat @ W_y
        #     from W_y_a = W_y @ a
        _multiply(d_y_hat, W_y, d_a)
    # d_W_y = sum over t of outer(d_y_hat, a)
    #     from W_y_a = W_y @ a
    d_W_y = np.tensordot(d_y_hat, a, ((0, 1), (0, 1)))
    # d_b_y = sum over t of d_y_hat
    #     from y_hat = W_y_a + b_y
    d_b_y = d_y_hat.sum(axis=(0, 1))
    results.parameters.W_y[...] = d_W_y
    results.parameters.b_y[...] = d_b_y
