"""The answer of a cell's equations to a problem: the run, and all gradients by the adjoint equations."""

from dataclasses import dataclass

import numpy as np
from sympy import Expr

from symrnn.declaration.axes import Shape
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.derivation import AdjointEquation, Derivation
from symrnn.validation.duals import Dual
from symrnn.validation.equations import Values
from symrnn.validation.prime import PRIME, Residues
from symrnn.validation.problem import SAMPLES, STEPS, Problem
from symrnn.validation.steps import CellSteps, repeated, tangent_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run gives, with tangents, and what the derivation says its gradients are.

    `steps` has the values of every quantity at each step, `adjoints` the adjoints; `gradients` is by input
    and parameter, `state_gradients` by state.
    """

    problem: Problem
    outputs: Residues
    final_states: dict[Quantity, Residues]
    gradients: dict[Quantity, Residues]
    state_gradients: dict[Quantity, Residues]
    moved_outputs: Residues
    moved_states: dict[Quantity, Residues]
    steps: tuple[Values, ...]
    adjoints: tuple[Values, ...]


def answer(derivation: Derivation, problem: Problem) -> Answer:
    """Run a cell forwards with tangents, and its adjoint equations backwards."""
    return _Evaluation(derivation, problem).answer()


class _Evaluation:
    def __init__(self, derivation: Derivation, problem: Problem) -> None:
        self.derivation, self.cell, self.problem = derivation, derivation.cell, problem
        self.runner = CellSteps(self.cell, problem.evaluator)
        self.value, self.filled = problem.evaluator.value, self.runner.filled
        self.shape = problem.evaluator.shape
        self.symbols = {equation.of: equation.symbol for equation in derivation.step}

    def answer(self) -> Answer:
        shared, steps = self.forward()
        last = steps[-1]
        adjoints, later = self.backward(steps)
        outputs = [repeated(values[self.cell.output], SAMPLES) for values in steps]
        final = {state: repeated(last[state.next], SAMPLES) for state in self.cell.states}
        return Answer(
            self.problem,
            np.stack([dual.value for dual in outputs]),
            {state: dual.value for state, dual in final.items()},
            self.gradients(shared, steps, adjoints),
            {state: repeated(dual, SAMPLES).value for state, dual in later.items()},
            np.stack([tangent_of(dual) for dual in outputs]),
            {state: tangent_of(dual) for state, dual in final.items()},
            tuple(steps),
            tuple(adjoints),
        )

    def forward(self) -> tuple[Values, list[Values]]:
        """What parameters alone determine, and the values of every step."""
        given, direction = self.problem.given, self.problem.direction

        def moving(q: Quantity, *at: int) -> Dual:
            return Dual(given[q][at], direction[q][at] if q in direction else None)

        parameters: Values = {}
        for q in (*self.cell.parameters, *self.cell.constants):
            dual = moving(q)
            parameters[q] = Dual(dual.value[None], None if dual.tangent is None else dual.tangent[None])
        shared = self.runner.shared(parameters)
        inputs: list[Values] = [{q: moving(q, t) for q in self.cell.inputs} for t in range(STEPS)]
        return shared, self.runner.steps(shared, inputs, {q: moving(q) for q in self.cell.states})

    def backward(self, steps: list[Values]) -> tuple[list[Values], Values]:
        """The adjoints of every step, and what the first step hands back."""
        derivation = self.derivation
        later: Values = {state: Dual(self.problem.d_states[state]) for state in self.cell.states}
        made: list[Values] = []
        for t in reversed(range(STEPS)):
            adjoints: Values = {derivation.output: Dual(self.problem.d_outputs[t])}
            adjoints |= {symbol: later[state] for state, symbol in derivation.later}
            known = {**_values_alone(steps[t]), **adjoints}
            for equation in derivation.step:
                value = self.total([term.expr for term in equation.terms], known, equation.shape)
                adjoints[equation.symbol] = known[equation.symbol] = value
            later = {state: adjoints[self.symbols[state]] for state in self.cell.states}
            made.insert(0, adjoints)
        return made, later

    def total(self, terms: list[Expr], values: Values, shape: Shape) -> Dual:
        """The sum of terms in a shape, for all samples."""
        total = np.zeros((SAMPLES, *self.shape(shape)), np.int64)
        for term in terms:
            total = total + self.filled(self.value(term, values), shape).value
        return Dual(total % PRIME)

    def gradients(
        self, shared: Values, steps: list[Values], adjoints: list[Values]
    ) -> dict[Quantity, Residues]:
        """The gradients of inputs and parameters."""
        found: dict[Quantity, Residues] = {}
        for equation in self.derivation.step:
            if equation.of in self.cell.inputs:
                found[equation.of] = np.stack([values[equation.symbol].value for values in adjoints])
        known = _values_alone(shared)
        moments = [{**_values_alone(values), **at} for values, at in zip(steps, adjoints, strict=True)]
        for equation in self.derivation.static:
            value = self.static(equation, known, moments)
            known[equation.symbol] = Dual(value[None])
            if equation.of in self.cell.parameters:
                found[equation.of] = value
        return found

    def static(self, equation: AdjointEquation, known: Values, moments: list[Values]) -> Residues:
        """The adjoint of what all samples share: moving terms are summed over steps and samples."""
        total = np.zeros(self.shape(equation.shape), np.int64)
        for term in equation.terms:
            if term.definition is not None and term.definition.static:
                total = total + self.filled(self.value(term.expr, known), equation.shape).value[0]
                continue
            for moment in moments:
                value = self.filled(self.value(term.expr, moment), equation.shape)
                total = total + repeated(value, SAMPLES).value.sum(axis=0)
        return np.asarray(total % PRIME)


def _values_alone(values: Values) -> Values:
    """Values without their tangents: adjoint equations do not move."""
    return {quantity: Dual(dual.value) for quantity, dual in values.items()}
