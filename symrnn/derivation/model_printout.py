"""A model's derivation as text for a person: what its layers take, and the adjoints of what joins them."""

from collections.abc import Iterator

from symrnn.declaration.quantities import NextState
from symrnn.derivation.model_derivation import (
    At,
    Held,
    ModelDerivation,
    ParameterAdjoint,
    Rule,
    Wire,
    WireAdjoint,
    WireTerm,
    mirrored,
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
    taker, source = wire.taker, wire.source
    left = _at(taker, "0" if taker.at == At.START else "t")
    if isinstance(source, Feed):
        step = "" if source.over == ONCE else f"[{_step(taker, source)}]"
        return f"{left} = {source.name}{step}"
    return f"{left} = {_at(source, _step(taker, source) if source.at == At.EVERY else _last(source))}"


def _adjoint(adjoint: WireAdjoint) -> str:
    of = adjoint.of
    terms = " + ".join(_term(term, of) for term in adjoint.terms)
    rules = ", ".join(dict.fromkeys(term.rule.value for term in adjoint.terms))
    return f"d_{_at(of, _last(of) if of.at == At.END else 't')} = {terms}    ({rules})"


def _term(term: WireTerm, of: Held) -> str:
    taker = term.taker
    if taker is None:
        return "1/N"
    if term.rule != Rule.READ:
        return f"d_{_at(taker, _step(taker, of))}"
    read = f"d_{_at(taker, '0' if taker.at == At.START else '1')}"
    return read if of.at == At.END else f"(t = {_last(of)}) {read}"


def _shared(adjoint: ParameterAdjoint) -> str:
    return f"d_{adjoint.name} = {' + '.join(f'd_{label}.{q.name}' for label, q in adjoint.terms)}"


def _at(held: Held, step: str) -> str:
    """A layer's quantity at a step."""
    quantity = held.quantity
    name = quantity.state.name if isinstance(quantity, NextState) else quantity.name
    return f"{held.layer}.{name}[{step}]"


def _last(held: Held) -> str:
    """The last step of a layer."""
    return "1" if held.time == ONCE else held.time


def _step(taker: Held, source: Held | Feed) -> str:
    """The step of one end of a wire at step t of the other."""
    return f"{taker.time} + 1 - t" if mirrored(taker, source) else "t"
