"""A model's derivation as text for a person: what its layers take, and the adjoints of what joins them."""

from collections.abc import Iterator

from symrnn.declaration.quantities import NextState
from symrnn.derivation.model_derivation import (
    Held,
    ModelDerivation,
    ParameterAdjoint,
    Step,
    Wire,
    WireAdjoint,
    WireTerm,
)
from symrnn.models.layers import ONCE, Feed


def model_derivation_text(derivation: ModelDerivation) -> str:
    """The derivation as text: a line for every equation, with the reason of every adjoint."""
    return "\n".join(_lines(derivation))


def _lines(derivation: ModelDerivation) -> Iterator[str]:
    loss, *others = derivation.adjoints
    yield f"backpropagation through the model {derivation.model.name}"
    yield "  what the layers take, steps counted as a layer runs:"
    yield from (f"    {_wire(wire)}" for layer in derivation.layers for wire in layer.wires)
    yield f"  the loss, the mean of {loss.of.layer} over all N steps of all samples:"
    yield f"    {_adjoint(loss)}"
    yield "  what flows back between the layers, in this order:"
    yield from (f"    {_adjoint(adjoint)}" for adjoint in others)
    yield "  for the parameters, beside what each layer's cell derives:"
    shared = [adjoint for adjoint in derivation.parameters if len(adjoint.terms) > 1]
    yield from (f"    {_shared(adjoint)}" for adjoint in shared)
    if not shared:
        yield "    nothing: no two layers share one"


def _wire(wire: Wire) -> str:
    source, (step, source_step) = wire.source, wire.steps
    left = _at(wire.taker, step)
    if isinstance(source, Feed):
        return f"{left} = {source.name}{'' if source.over == ONCE else f'[{_step(source_step)}]'}"
    return f"{left} = {_at(source, source_step)}"


def _adjoint(adjoint: WireAdjoint) -> str:
    terms = " + ".join(_term(term, adjoint.of) for term in adjoint.terms)
    rules = ", ".join(dict.fromkeys(term.rule.value for term in adjoint.terms))
    return f"d_{_at(adjoint.of, adjoint.step)} = {terms}    ({rules})"


def _term(term: WireTerm, of: Held) -> str:
    if term.taker is None:
        return "1/N"
    taken = f"d_{_at(term.taker, term.step(of))}"
    return f"(t = {_step(of.end)}) {taken}" if term.is_last(of) else taken


def _shared(adjoint: ParameterAdjoint) -> str:
    return f"d_{adjoint.name} = {' + '.join(f'd_{label}.{q.name}' for label, q in adjoint.terms)}"


def _at(held: Held, step: Step) -> str:
    """A layer's quantity at a step."""
    quantity = held.quantity
    name = quantity.state.name if isinstance(quantity, NextState) else quantity.name
    return f"{held.layer}.{name}[{_step(step)}]"


def _step(step: Step) -> str:
    (_, first), *others = step.terms(str, "t", str)
    return first + "".join(f" {'+' if added else '-'} {term}" for added, term in others)
