"""A model's derivation evaluated with NumPy, sample by sample: its equations, and those of its cells."""

from functools import cache
from typing import Any

import numpy as np

from symrnn.checking.model_check import ModelProblem
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.model_derivation import (
    At,
    Held,
    LayerDerivation,
    ModelDerivation,
    Rule,
    WireTerm,
)
from symrnn.models.layers import ONCE, Feed
from symrnn.planning.interpreter import Result, interpret
from symrnn.planning.lowering import lower
from symrnn.planning.plan import Plan

Arrays = dict[str, np.ndarray[Any, Any]]


@cache
def lowered(derivation: Derivation) -> Plan:
    return lower(derivation)


def gradients(derivation: ModelDerivation, problem: ModelProblem) -> Arrays:
    """The gradients of what is trained, zero where the derivation has none."""
    samples = [Sample(derivation, problem, b) for b in range(problem.B)]
    count = sum(sample.steps(derivation.adjoints[0].of.time) for sample in samples)
    total = {name: np.zeros_like(array) for name, array in problem.parameters.items()}
    for sample in samples:
        sample.backwards(1 / count)
        for adjoint in derivation.parameters:
            for label, quantity in adjoint.terms:
                total[adjoint.name] += sample.handed[label, quantity.name]
    return total


class Sample:
    """One sample, cut to its own numbers of steps; every layer's arrays are (steps, 1, ...) as it runs."""

    def __init__(self, derivation: ModelDerivation, problem: ModelProblem, b: int) -> None:
        self.derivation, self.problem, self.b = derivation, problem, b
        self.taken: dict[str, Arrays] = {}
        self.starts: dict[str, Arrays] = {}
        self.results: dict[str, Result] = {}
        self.handed: Arrays = {}  # by layer and quantity
        for layer in derivation.layers:
            if layer.acts:
                self.forwards(layer)

    def steps(self, time: str) -> int:
        return 1 if time == ONCE else int(self.problem.lengths[time][self.b])

    def forwards(self, layer: LayerDerivation) -> None:
        given = {name: self.problem.state[key][None, self.b] for name, key in self.carried(layer)}
        taken = {}
        for wire in layer.wires:
            value = self.source(wire.taker, wire.source)
            (given if wire.taker.at == At.START else taken)[wire.taker.quantity.name] = value
        self.taken[layer.label], self.starts[layer.label] = taken, given
        self.results[layer.label] = self.run(layer, None, {})

    @staticmethod
    def carried(layer: LayerDerivation) -> list[tuple[str, str]]:
        return [(state.name, name) for state, name in layer.run.carried]

    def source(self, taker: Held, source: Held | Feed) -> Any:
        """What a wire brings: over the taker's steps, or (1, ...) to start a state."""
        if isinstance(source, Feed):
            array = self.problem.inputs[source.name]
            if source.over == ONCE:
                return array[None, self.b : self.b + 1]
            cut = array[: self.steps(source.over), self.b : self.b + 1]
            return cut[::-1] if taker.reverse else cut
        result, cell = self.results[source.layer], self.derivation.layer(source.layer).run.layer.cell
        if source.at == At.EVERY:
            return result.outputs[::-1] if taker.reverse != source.reverse else result.outputs
        ends = source.at == At.END
        read = result.final_states[cell.states.index(source.quantity)] if ends else result.outputs[-1]
        return read if taker.at == At.START else read[None]

    def run(self, layer: LayerDerivation, d_outputs: Any, d_states: Arrays) -> Result:
        """The cell of a layer, by the equations of its derivation."""
        cell, plan = layer.run.layer.cell, lowered(layer.derivation)
        own = {q.name: self.problem.parameters[name] for q, name in layer.run.parameters}
        values = {**own, **self.taken[layer.label]}
        names = zip(
            (*plan.inputs, *plan.parameters, *plan.constants),
            (*cell.inputs, *cell.parameters, *cell.constants),
            strict=True,
        )
        sizes = {axis: int(size.subs(self.problem.numbers)) for axis, size in layer.run.sizes}

        def zeros(shape: Any) -> Any:
            return np.zeros((1, *(int(size.subs(sizes)) for size in shape)))

        starts = tuple(self.starts[layer.label].get(q.name, zeros(q.shape)) for q in cell.states)
        ends = tuple(d_states.get(q.name, zeros(q.shape)) for q in cell.states)
        if d_outputs is None:
            d_outputs = np.zeros((self.steps(layer.run.layer.time), *zeros(cell.output_shape).shape))
        return interpret(plan, {name: values[q.name] for name, q in names}, starts, d_outputs, ends)

    # -- backwards ----------------------------------------------------------------------------

    def backwards(self, share: float) -> None:
        for layer in reversed(self.derivation.layers):
            if not layer.acts:
                continue
            d_outputs, d_states = None, {}
            for adjoint in self.derivation.of(layer.label):
                total = sum(self.term(term, adjoint.of, share) for term in adjoint.terms)
                if adjoint.of.at == At.END:
                    d_states[adjoint.of.quantity.name] = total
                else:
                    d_outputs = total
            result, cell, plan = (
                self.run(layer, d_outputs, d_states),
                layer.run.layer.cell,
                lowered(layer.derivation),
            )
            shared = zip((*plan.inputs, *plan.parameters), (*cell.inputs, *cell.parameters), strict=True)
            self.handed |= {
                (layer.label, q.name): result.gradients[name]
                for name, q in shared
                if name in result.gradients
            }
            self.handed |= {
                (layer.label, q.name, "start"): array
                for q, array in zip(cell.states, result.state_gradients, strict=True)
            }

    def term(self, term: WireTerm, of: Held, share: float) -> Any:
        """What a term adds: over the steps of the layer that hands on, or (1, ...) at its end."""
        taker = term.taker
        outputs = self.results[of.layer].outputs
        if taker is None:
            return np.full_like(outputs, share)
        if term.rule != Rule.READ:
            array = self.handed[taker.layer, taker.quantity.name]
            return array[::-1] if taker.reverse != of.reverse else array
        name = taker.quantity.name
        read = (
            self.handed[taker.layer, name, "start"]
            if taker.at == At.START
            else self.handed[taker.layer, name][0]
        )
        if of.at == At.END:
            return read
        placed = np.zeros_like(outputs)
        placed[-1] = read
        return placed
