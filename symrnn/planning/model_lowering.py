"""Lowering of a model: its derivation becomes calls of the kernels of its cells."""

from collections.abc import Iterable, Iterator, Mapping

from symrnn.derivation.model_derivation import (
    At,
    Held,
    LayerDerivation,
    ModelDerivation,
    Rule,
    Wire,
    WireTerm,
)
from symrnn.models.layers import ONCE, Feed, Layer
from symrnn.models.stepping import layers_below
from symrnn.planning.model_plan import (
    Array,
    BackwardCall,
    Evaluation,
    How,
    Kind,
    LayerCall,
    ModelPlan,
)
from symrnn.planning.model_steps import step_plan
from symrnn.planning.plan import Plan


def lower_model(derivation: ModelDerivation, cells: tuple[Plan, ...], save: str) -> ModelPlan:
    """The plan of a model, whose cells have these plans, made with `save`."""
    model = derivation.model
    calls = {layer.run.layer: layer_call(layer) for layer in derivation.layers}
    step, no_step = step_plan(model, calls, lambda wanted: evaluation(derivation, calls, wanted))
    return ModelPlan(
        model,
        save,
        cells,
        tuple(calls.values()),
        evaluation(derivation, calls, (model.loss,)),
        tuple(_backward(derivation)),
        tuple(_gradients(derivation)),
        evaluation(derivation, calls, (model.output,)),
        step,
        no_step,
    )


# ---- Forwards ----------------------------------------------------------------------------------------


def layer_call(layer: LayerDerivation) -> LayerCall:
    """The run of a layer over its sequences."""
    run = layer.run
    inputs = [(w.taker.quantity.name, _taken(w)) for w in layer.wires if w.taker.at != At.START]
    start = [(w.taker.quantity.name, source_array(w.source)) for w in layer.wires if w.taker.at == At.START]
    carried = [(state.name, _given(name)) for state, name in run.carried]
    return LayerCall(
        run.label,
        run.layer.cell.name,
        _words(run.layer),
        run.layer.time,
        run.layer.reverse,
        tuple(inputs),
        tuple(start or carried),
        None if start or not carried else Array(Kind.STATE),
    )


def _words(layer: Layer) -> str:
    """What a layer does, in words."""
    takes = ", ".join(f"{q} = {source}" for q, source in layer.inputs)
    turned = ", from the last step to the first" if layer.reverse else ""
    starts = ", ".join(f"{state} = {reading}" for state, reading in layer.initial)
    starts = f", started from {starts}" if starts else ""
    return f"{layer.cell.name} of {takes}{starts}{turned}"


def _taken(wire: Wire) -> Array:
    """The sequence that an input takes, in the direction in which its layer runs."""
    source, taker = wire.source, wire.taker
    array = source_array(source)
    if source.over == ONCE if isinstance(source, Feed) else source.at != At.EVERY:
        array = array.changed(How.ALONE)
    return _turned(array, taker)


def source_array(source: Held | Feed) -> Array:
    """What a source is, as the sample's steps go; what is read at an end has no time."""
    if isinstance(source, Feed):
        return Array(Kind.INPUT, name=source.name)
    if source.at == At.END:
        return Array(Kind.FINAL, source.layer, source.quantity.name)
    outputs = Array(Kind.OUTPUTS, source.layer)
    if source.at == At.EVERY:
        return outputs
    return outputs.changed(How.FIRST if source.reverse else How.LAST, source.time)


def _given(name: str) -> Array:
    """A state of the caller's."""
    return Array(Kind.STATE, name=name)


def _turned(array: Array, held: Held) -> Array:
    """An array in the direction in which a layer runs, or back in that of the samples."""
    return array.changed(How.TURNED, held.time) if held.reverse else array


def evaluation(
    derivation: ModelDerivation, calls: Mapping[Layer, LayerCall], wanted: Iterable[Layer]
) -> Evaluation:
    """What computes the outputs of the last of some layers, and of the others before."""
    model, layers = derivation.model, tuple(wanted)
    needed = set(layers_below(*layers))
    fed = {source for layer in needed for _, source in layer.inputs}
    return Evaluation(
        calls[layers[-1]].layer,
        layers[-1].time,
        tuple(call for layer, call in calls.items() if layer in needed),
        tuple(feed.name for feed, _, _ in model.feeds if feed in fed),
        tuple(
            (name, Array(Kind.FINAL, run.label, state.name) if run.layer in needed else _given(name))
            for run in model.runs
            for state, name in run.carried
        ),
    )


# ---- Backwards ---------------------------------------------------------------------------------------


def _backward(derivation: ModelDerivation) -> Iterator[BackwardCall]:
    """The ways back through the layers on which the loss depends; what arrives is added as it is made."""
    acting = [layer for layer in reversed(derivation.layers) if layer.acts]
    takers = [wire.taker for layer in acting for wire in layer.wires]
    handed = {term.taker for adjoint in derivation.adjoints for term in adjoint.terms}
    first = {name: arrays[0] for name, arrays in _gradients(derivation) if arrays}

    def when(term: WireTerm) -> int:
        return takers.index(term.taker) if term.taker is not None else -1

    for layer in acting:
        run, cell = layer.run, layer.run.layer.cell
        arriving = {
            adjoint.of: tuple(_handed_back(term, adjoint.of) for term in sorted(adjoint.terms, key=when))
            for adjoint in derivation.of(layer.label)
        }
        ends = [(state.name, arriving.get(layer.held(state, At.END), ())) for state in cell.states]
        placed = [
            (q.name, name if first.get(name) == Array(Kind.PARAMETER_ADJOINT, run.label, q.name) else None)
            for q, name in run.parameters
        ]
        yield BackwardCall(
            run.label,
            cell.name,
            run.layer.time,
            run.layer.reverse,
            arriving.get(layer.held(cell.output), ()),
            tuple(ends) if any(arrays for _, arrays in ends) else (),
            any(wire.taker in handed and wire.taker.at != At.START for wire in layer.wires),
            tuple(placed),
        )


def _handed_back(term: WireTerm, of: Held) -> Array:
    """What a term adds to the adjoint of what a layer hands on, as the sample's steps go."""
    taker = term.taker
    if taker is None:
        assert term.rule == Rule.MEAN
        return Array(Kind.LOSS_ADJOINT)
    if taker.at == At.START:
        array = Array(Kind.STATE_ADJOINT, taker.layer, taker.quantity.name)
    else:
        array = _turned(Array(Kind.INPUT_ADJOINT, taker.layer, taker.quantity.name), taker)
        array = array.changed(How.ONLY) if term.rule == Rule.READ else array
    if term.rule != Rule.READ or of.at == At.END:
        return array
    return array.changed(How.AT_FIRST if of.reverse else How.AT_LAST, of.time, of.layer)


def _gradients(derivation: ModelDerivation) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """The summands of the gradient of all that layers share, in the order in which they are made."""
    labels = [layer.label for layer in reversed(derivation.layers)]
    known = {adjoint.name: adjoint.terms for adjoint in derivation.parameters}
    for name, _, _ in derivation.model.parameters:
        terms = sorted(known.get(name, ()), key=lambda term: labels.index(term[0]))
        yield name, tuple(Array(Kind.PARAMETER_ADJOINT, label, q.name) for label, q in terms)
