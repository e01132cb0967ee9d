"""A cell run over time in the field, by its equations alone, with tangents."""

from collections.abc import Sequence

import numpy as np

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.quantities import State
from symrnn.validation.duals import Dual
from symrnn.validation.equations import Evaluator, Values
from symrnn.validation.prime import Residues


class CellSteps:
    """The values of a cell's quantities, step by step, for given lengths of its axes."""

    def __init__(self, cell: Cell, evaluator: Evaluator) -> None:
        """Evaluate `cell` with an evaluator that knows the lengths."""
        self.cell, self.evaluator = cell, evaluator

    def shared(self, given: Values) -> Values:
        """Parameters and constants, and what they alone determine."""
        values = dict(given)
        for definition in self.cell.definitions:
            if definition.static:
                self.define(definition, values)
        return values

    def steps(self, shared: Values, inputs: Sequence[Values], state: dict[State, Dual]) -> list[Values]:
        """All values at every step, from the initial states (B, ...) on."""
        made = []
        for arriving in inputs:
            values: Values = {**shared, **state, **arriving}
            for definition in self.cell.definitions:
                if not definition.static:
                    self.define(definition, values)
            samples = next(iter(arriving.values())).value.shape[0]
            state = {q: repeated(values[q.next], samples) for q in self.cell.states}
            made.append(values)
        return made

    def define(self, definition: Definition, values: Values) -> None:
        """Add the value of a definition, in its shape."""
        dual = self.evaluator.value(definition.expr, values)
        values[definition.symbol] = self.filled(dual, definition.shape)

    def filled(self, dual: Dual, shape: Shape) -> Dual:
        """A value in a shape per sample: a number stands for an array of equal ones."""
        whole = self.evaluator.shape(shape)
        if dual.shape == whole:
            return dual

        def full(array: Residues) -> Residues:
            lead = array.reshape(array.shape[0], *[1] * (len(whole) - array.ndim + 1), *array.shape[1:])
            return np.broadcast_to(lead, (array.shape[0], *whole))

        return Dual(full(dual.value), None if dual.tangent is None else full(dual.tangent))


def repeated(dual: Dual, samples: int) -> Dual:
    """A value for all samples."""
    shape = (samples, *dual.shape)
    tangent = None if dual.tangent is None else np.broadcast_to(dual.tangent, shape)
    return Dual(np.broadcast_to(dual.value, shape), tangent)


def tangent_of(dual: Dual) -> Residues:
    """How a value moves."""
    return np.zeros_like(dual.value) if dual.tangent is None else dual.tangent
