"""The reverse sweep over a model: from what layers take to the adjoints of what they hand on."""

from collections.abc import Iterator

from symrnn.declaration.quantities import Constant, Parameter
from symrnn.derivation.model_derivation import (
    At,
    Held,
    LayerDerivation,
    ModelDerivation,
    ParameterAdjoint,
    Rule,
    Wire,
    WireAdjoint,
    WireTerm,
    held_by,
)
from symrnn.derivation.reverse import derive
from symrnn.models.layers import Feed, Layer, Reading, Sequence
from symrnn.models.model import Model, Run
from symrnn.models.stepping import layer_of, layers_below


def derive_model(model: Model) -> ModelDerivation:
    """Backpropagation through `model`: of its cells through time, and the adjoint of all that joins them.

    Raises:
        DerivationError: an operation of a cell has no vector-Jacobian rule.
    """
    acting = layers_below(model.loss)
    runs = {run.layer: run for run in model.runs}
    layers = tuple(
        LayerDerivation(run, derive(run.layer.cell), tuple(_wires(run, runs)), run.layer in acting)
        for run in model.runs
    )
    return ModelDerivation(model, layers, tuple(_adjoints(model, layers)), tuple(_parameters(layers)))


def _wires(run: Run, runs: dict[Layer, Run]) -> Iterator[Wire]:
    """What a layer takes: its inputs, then what its states start from."""
    layer = run.layer
    for quantity, source in layer.inputs:
        at = At.FIRST if isinstance(source, Reading) else At.EVERY
        yield Wire(held_by(run, quantity, at), _source(source, runs))
    for state, reading in layer.initial:
        yield Wire(held_by(run, state, At.START), _source(reading, runs))


def _source(source: Sequence, runs: dict[Layer, Run]) -> Held | Feed:
    """What stands for a source in the equations: a feed, or what a layer hands on."""
    if isinstance(source, Feed):
        return source
    layer = layer_of(source)
    assert layer is not None
    quantity, at = layer.cell.output, At.EVERY
    if isinstance(source, Reading):
        quantity, at = (source.state, At.END) if source.state else (quantity, At.LAST)
    return held_by(runs[layer], quantity, at)


def _adjoints(model: Model, layers: tuple[LayerDerivation, ...]) -> Iterator[WireAdjoint]:
    """The adjoints of what acting layers hand on, the loss first."""
    loss = layers[[layer.run.layer for layer in layers].index(model.loss)]
    yield WireAdjoint(loss.held(loss.run.layer.cell.output), (WireTerm(None, Rule.MEAN),))
    wires = [wire for layer in layers if layer.acts for wire in layer.wires]
    for layer in reversed([layer for layer in layers if layer.acts]):
        cell = layer.run.layer.cell
        output, end = layer.held(cell.output), layer.held(cell.output, At.LAST)
        taken = [WireTerm(wire.taker, Rule.TAKEN) for wire in wires if wire.source == output]
        read = [WireTerm(wire.taker, Rule.READ) for wire in wires if wire.source == end]
        if taken or read:
            yield WireAdjoint(output, (*taken, *read))
        for final in (layer.held(state, At.END) for state in cell.states):
            if terms := tuple(WireTerm(wire.taker, Rule.READ) for wire in wires if wire.source == final):
                yield WireAdjoint(final, terms)


def _parameters(layers: tuple[LayerDerivation, ...]) -> Iterator[ParameterAdjoint]:
    """The adjoints of what acting layers train, in the order of the layers."""
    users: dict[str, list[tuple[str, Parameter]]] = {}
    for layer in layers:
        for quantity, name in layer.run.parameters if layer.acts else ():
            if not isinstance(quantity, Constant):
                users.setdefault(name, []).append((layer.label, quantity))
    yield from (ParameterAdjoint(name, tuple(terms)) for name, terms in users.items())
