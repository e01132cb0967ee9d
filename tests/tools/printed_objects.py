"""The expressions that the paper's printer gets, evaluated as they are: one sample, forward and backward."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from latex_values import Array

from symrnn.checking.problem import Problem
from symrnn.checking.reference import ReferenceGradients
from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.numeric import evaluate, evaluate_cell, size_value
from symrnn.mathematics import printed as printed_texts
from symrnn.mathematics.reading import Contribution, PrintedAdjoint, Reading, read
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.papers.document import latex_document

Values = dict[str, Array]


@dataclass(frozen=True)
class Printed:
    """The reading of a derivation at one sample of a problem."""

    reading: Reading
    problem: Problem
    sample: int

    @property
    def derivation(self) -> Derivation:
        """The derivation that was read."""
        return self.reading.derivation

    @property
    def sizes(self) -> dict[str, int]:
        """The lengths of axes."""
        return dict(self.problem.sizes)

    def step(self, t: int, state: Values) -> Values:
        """All forward values of a step, the named parts as their printed definitions, the column blocks."""
        cell = self.derivation.cell
        inputs = {q.name: self.problem.inputs[q.name][t, self.sample] for q in cell.inputs}
        values = evaluate_cell(cell, {**self.problem.parameters, **inputs, **state}, self.sizes)
        for part, expr in self.reading.named:
            values[part.name] = self.shaped(evaluate(expr, values, self.sizes), values[part.name])
        for block in self.reading.blocks:
            start, stop = (size_value(size, self.sizes) for size in (block.start, block.stop))
            values[block.symbol.name] = values[block.matrix.name][:, start:stop]
        return values

    @staticmethod
    def shaped(value: Array, like: Array) -> Array:
        """A value in the shape of another; numbers stand for arrays of equal numbers."""
        return np.broadcast_to(value, np.shape(like)).astype(float)

    def total(self, contributions: tuple[Contribution, ...], values: Values, like: Array) -> Array:
        """The sum of printed terms."""
        terms = (self.shaped(evaluate(item.expr, values, self.sizes), like) for item in contributions)
        return sum(terms, np.zeros(np.shape(like)))

    def adjoints(self) -> tuple[list[Values], Values, Values]:
        """The adjoints of every step, of what all steps share, and of the first state by its name."""
        cell = self.derivation.cell
        state = {q.name: self.problem.state[q.name][self.sample] for q in cell.states}
        steps = []
        for t in range(self.problem.T):
            steps.append(self.step(t, state))
            state = {q.name: steps[-1][q.next.name] for q in cell.states}
        moving = [a for a in self.reading.adjoints if not a.equation.static]
        later = {q.name: self.problem.d_state[q.name][self.sample] for q in cell.states}
        for t in range(self.problem.T)[::-1]:
            values = steps[t]
            values[self.derivation.output.name] = self.problem.d_outputs[t, self.sample]
            values |= {symbol.name: later[q.name] for q, symbol in self.derivation.later}
            for adjoint in moving:
                symbol = adjoint.equation.symbol
                values[symbol.name] = self.total(adjoint.moving, values, values[adjoint.of.name])
            later = {a.of.name: values[a.equation.symbol.name] for a in moving if a.of in cell.states}
        return steps, self.shared(steps), later

    def shared(self, steps: list[Values]) -> Values:
        """The adjoints of parameters, and of what they alone determine."""
        values = dict(steps[-1]) if steps else {}
        for adjoint in self.reading.adjoints:
            if adjoint.equation.static:
                values[adjoint.equation.symbol.name] = self.over_time(adjoint, steps, values)
        return values

    def over_time(self, adjoint: PrintedAdjoint, steps: list[Values], values: Values) -> Array:
        like = values[adjoint.of.name]
        moved = (self.total(adjoint.moving, {**values, **step}, like) for step in steps)
        return sum(moved, self.total(adjoint.fixed, values, like))


def document_with_reading(derivation: Derivation, style: Style = DEFAULT) -> tuple[str, Reading]:
    """The document, and the very object that it was rendered from."""
    kept: list[Reading] = []

    def keeping(*arguments: Any) -> Reading:
        kept.append(read(*arguments))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printed_texts, "read", keeping)
        text = latex_document(derivation, style)
    return text, kept[0]  # others are read for the names in the diagram


def random_problem(cell: Cell, sizes: Mapping[str, int], seed: int, T: int = 3, B: int = 2) -> Problem:
    """Arrays for a cell, and what its printed expressions make of them: quick, for there is no autodiff."""
    rng = np.random.default_rng(seed)

    def array(shape: Shape, *lead: int) -> Array:
        return rng.uniform(-0.8, 0.8, (*lead, *(size_value(size, sizes) for size in shape)))

    def given(q: Quantity) -> Array:
        if isinstance(q, Index):
            return rng.integers(0, size_value(q.classes, sizes), (T, B)).astype(float)
        return array(q.shape, T, B)

    none = ReferenceGradients(np.zeros(0), {}, {}, {}, {}, "the printed expressions")
    return Problem(
        cell,
        seed,
        T,
        B,
        tuple(sizes.items()),
        {q.name: array(q.shape) for q in (*cell.parameters, *cell.constants)},
        {q.name: given(q) for q in cell.inputs},
        {q.name: array(q.shape, B) for q in cell.states},
        array(cell.shape_of(cell.output), T, B),
        {q.name: array(q.shape, B) for q in cell.states},
        none,
    )


def answer_of(reading: Reading, problem: Problem) -> ReferenceGradients:
    """What the printed expressions give, in the form of the reference's answer."""
    cell = problem.cell
    with np.errstate(all="ignore"):  # branches that are not taken may be no numbers
        found = [Printed(reading, problem, sample).adjoints() for sample in range(problem.B)]
    symbols = {adjoint.of: adjoint.equation.symbol.name for adjoint in reading.adjoints}

    def over_time(name: str) -> Array:
        return np.stack([np.stack([step[name] for step in steps]) for steps, _, _ in found], axis=1)

    last = {q.name: np.stack([steps[-1][q.next.name] for steps, _, _ in found]) for q in cell.states}
    return ReferenceGradients(
        over_time(cell.output.name),
        last,
        {q.name: np.sum([shared[symbols[q]] for _, shared, _ in found], axis=0) for q in cell.parameters},
        {q.name: over_time(symbols[q]) for q in cell.inputs if q in symbols},  # classes have no adjoint
        {q.name: np.stack([first[q.name] for _, _, first in found]) for q in cell.states},
        "the printed expressions",
    )
