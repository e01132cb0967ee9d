"""The answer of a cell's equations to a problem: the run, and all gradients by the adjoint equations."""

from dataclasses import dataclass

import numpy as np
from sympy import Expr

from symrnn.declaration.axes import Shape
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.quantities import NextState, Quantity
from symrnn.derivation.derivation import AdjointEquation, Derivation
from symrnn.validation.duals import Dual
from symrnn.validation.equations import Values
from symrnn.validation.prime import PRIME, Residues
from symrnn.validation.problem import SAMPLES, STEPS, Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run gives, with tangents, and what the derivation says its gradients are.

    `steps` has the values of every quantity at each step, with its adjoints in `adjoints`; `shared` what
    parameters alone determine. `gradients` is by input and parameter, `state_gradients` by state.
    """

    problem: Problem
    outputs: Residues
    final_states: dict[Quantity, Residues]
    gradients: dict[Quantity, Residues]
    state_gradients: dict[Quantity, Residues]
    moved_outputs: Residues
    moved_states: dict[Quantity, Residues]
    shared: Values
    steps: tuple[Values, ...]
    adjoints: tuple[Values, ...]


def answer(derivation: Derivation, problem: Problem) -> Answer:
    """Run a cell forwards with tangents, and its adjoint equations backwards."""
    return _Evaluation(derivation, problem).answer()


class _Evaluation:
    def __init__(self, derivation: Derivation, problem: Problem) -> None:
        self.derivation, self.cell = derivation, derivation.cell
        self.problem, self.evaluator = problem, problem.evaluator
        self.value = problem.evaluator.value
        self.symbols = {equation.of: equation.symbol for equation in derivation.step}
        self.definitions = [d for d in self.cell.definitions if not d.static]
        self.shared: Values = {
            q: self.given(q, problem.given[q][None], problem.direction.get(q))
            for q in (*self.cell.parameters, *self.cell.constants)
        }
        for definition in self.cell.definitions:
            if definition.static:
                self.define(definition, self.shared)

    @staticmethod
    def given(quantity: Quantity, value: Residues, direction: Residues | None) -> Dual:
        del quantity
        return Dual(value, None if direction is None else direction.reshape(value.shape))

    def define(self, definition: Definition, values: Values) -> None:
        """Add the value of a definition, in its shape."""
        dual = self.value(definition.expr, values)
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

    def answer(self) -> Answer:
        steps = self.forward()
        last = steps[-1]
        adjoints, later = self.backward(steps)
        outputs = [self.batch(values[self.cell.output]) for values in steps]
        return Answer(
            self.problem,
            np.stack([dual.value for dual in outputs]),
            {state: self.batch(last[state.next]).value for state in self.cell.states},
            self.gradients(steps, adjoints),
            {state: self.batch(later[state]).value for state in self.cell.states},
            np.stack([_tangent(dual) for dual in outputs]),
            {state: _tangent(self.batch(last[state.next])) for state in self.cell.states},
            self.shared,
            tuple(steps),
            tuple(adjoints),
        )

    def forward(self) -> list[Values]:
        """The values of every step."""
        problem = self.problem
        state = {q: self.given(q, problem.given[q], problem.direction[q]) for q in self.cell.states}
        steps = []
        for t in range(STEPS):
            values: Values = {**self.shared, **state}
            for q in self.cell.inputs:
                direction = problem.direction.get(q)
                values[q] = self.given(q, problem.given[q][t], None if direction is None else direction[t])
            for definition in self.definitions:
                self.define(definition, values)
            state = {q: self.batch(values[q.next]) for q in self.cell.states}
            steps.append(values)
        return steps

    def batch(self, dual: Dual) -> Dual:
        """A value repeated for all samples."""
        shape = (SAMPLES, *dual.shape)
        tangent = None if dual.tangent is None else np.broadcast_to(dual.tangent, shape)
        return Dual(np.broadcast_to(dual.value, shape), tangent)

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
        total = np.zeros((SAMPLES, *self.evaluator.shape(shape)), np.int64)
        for term in terms:
            total = total + self.filled(self.value(term, values), shape).value
        return Dual(total % PRIME)

    def gradients(self, steps: list[Values], adjoints: list[Values]) -> dict[Quantity, Residues]:
        """The gradients of inputs and parameters."""
        found: dict[Quantity, Residues] = {}
        for equation in self.derivation.step:
            if equation.of in self.cell.inputs:
                found[equation.of] = np.stack([values[equation.symbol].value for values in adjoints])
        known = _values_alone(self.shared)
        for equation in self.derivation.static:
            value = self.static(equation, known, steps, adjoints)
            known[equation.symbol] = Dual(value[None])
            if equation.of in self.cell.parameters:
                found[equation.of] = value
        return found

    def static(
        self, equation: AdjointEquation, known: Values, steps: list[Values], adjoints: list[Values]
    ) -> Residues:
        """The adjoint of what all samples share: terms of moving definitions are summed over steps and samples."""
        total = np.zeros(self.evaluator.shape(equation.shape), np.int64)
        for term in equation.terms:
            if term.definition is not None and term.definition.static:
                total = total + self.filled(self.value(term.expr, known), equation.shape).value[0]
                continue
            for values, at_step in zip(steps, adjoints, strict=True):
                everything = {**_values_alone(values), **at_step}
                value = self.filled(self.value(term.expr, everything), equation.shape)
                total = total + self.batch(value).value.sum(axis=0)
        return np.asarray(total % PRIME)


def _tangent(dual: Dual) -> Residues:
    return np.zeros_like(dual.value) if dual.tangent is None else dual.tangent


def _values_alone(values: Values) -> Values:
    """Values without their tangents: adjoint equations do not move."""
    return {quantity: Dual(dual.value) for quantity, dual in values.items()}
