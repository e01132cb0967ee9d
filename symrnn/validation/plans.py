"""The proof of a derivation and of a plan: on random elements they say what the equations say."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symrnn.declaration import operations as op
from symrnn.declaration.cell import Cell
from symrnn.derivation.derivation import Derivation
from symrnn.errors import ValidationError
from symrnn.planning.interpreter import Numbers, Result, interpret
from symrnn.planning.plan import Plan
from symrnn.validation.answer import Answer, answer
from symrnn.validation.elements import elements, residues
from symrnn.validation.equations import number
from symrnn.validation.faults import BlockWatcher, inner, unequal, wrong_share
from symrnn.validation.field_numpy import of_arrays
from symrnn.validation.maps import identities
from symrnn.validation.prime import PRIME, Draws, Residues
from symrnn.validation.problem import draw

KINKED = (op.relu, op.absolute, op.maximum, op.minimum, op.where, op.largest, op.power, op.sign)


def seeds_for(cell: Cell) -> range:
    """The draws that a proof makes: one, and more where a comparison decides what is computed."""
    kinked = [d for d in cell.definitions if d.expr.atoms(*KINKED)]
    scalars = any(not d.shape for d in kinked)
    return range(3 if scalars else 2 if kinked else 1)


def field_numbers(seed: int) -> Numbers:
    """Elements of the field as the numbers of an interpreter; what nothing has written is random."""
    rng = Draws(seed, 7)

    def unwritten(shape: tuple[int, ...]) -> Any:
        return elements(rng.integers(0, PRIME, shape))

    return Numbers(
        array=lambda given: elements(residues(given)),
        unwritten=unwritten,
        number=number,
        function=of_arrays,
    )


def prove_plan(plan: Plan, derivation: Derivation, earlier: Callable[[], Iterable[Plan]]) -> None:
    """Raise unless the plan computes what the derivation's equations say, and these are the derivatives.

    `earlier` makes again the plans that the passes made, in their order; it is asked only where the proof
    fails, to tell the pass.

    Raises:
        ValidationError: symrnn is at fault; the message names pass, block, equation and both values.
    """
    for seed in seeds_for(derivation.cell):
        with identities():
            truth = answer(derivation, draw(derivation.cell, seed))
            prove_derivation(derivation, truth)
            if difference(plan, result_of(plan, truth, seed), truth):
                raise ValidationError(_located(plan, truth, seed, derivation, earlier()))


# -- derivations -------------------------------------------------------------------------------------


def prove_derivation(derivation: Derivation, truth: Answer) -> None:
    """Raise unless the gradients tell how the loss moves along the problem's direction."""
    problem = truth.problem
    moved = inner(problem.d_outputs, truth.moved_outputs)
    moved += sum(inner(d, truth.moved_states[state]) for state, d in problem.d_states.items())
    told = sum(inner(problem.direction[q], gradient) for q, gradient in truth.gradients.items())
    told += sum(inner(problem.direction[q], gradient) for q, gradient in truth.state_gradients.items())
    if (moved - told) % PRIME:
        raise ValidationError(
            wrong_share(derivation, truth)
            or f"The gradients derived for {derivation.cell.name} are not those of its equations: along a "
            f"random direction they say {told % PRIME}, and the loss moves by {moved % PRIME} "
            f"(modulo {PRIME})."
        )


# -- plans -------------------------------------------------------------------------------------------


def result_of(plan: Plan, truth: Answer, seed: int, watch: Any = None) -> Result:
    """What the plan computes on a problem."""
    problem = truth.problem
    cell = problem.cell
    given = [
        *zip(plan.inputs, cell.inputs, strict=True),
        *zip(plan.parameters, cell.parameters, strict=True),
        *zip(plan.constants, cell.constants, strict=True),
    ]
    return interpret(
        plan,
        {name: elements(problem.given[q]) for name, q in given},
        tuple(elements(problem.given[state]) for state in cell.states),
        elements(problem.d_outputs),
        tuple(elements(problem.d_states[state]) for state in cell.states),
        numbers=field_numbers(seed),
        watch=watch,
    )


def difference(plan: Plan, found: Result, truth: Answer) -> str:
    """What a result has that the equations do not say; empty if nothing."""
    cell = truth.problem.cell
    names = dict(zip((*plan.inputs, *plan.parameters), (*cell.inputs, *cell.parameters), strict=True))
    pairs: list[tuple[str, Any, Residues | None]] = [("the output", found.outputs, truth.outputs)]
    for state, array in zip(cell.states, found.final_states, strict=True):
        pairs.append((f"the final {state}", array, truth.final_states[state]))
    for state, array in zip(cell.states, found.state_gradients, strict=True):
        pairs.append((f"the gradient of the initial {state}", array, truth.state_gradients[state]))
    for name, array in found.gradients.items():
        pairs.append((f"the gradient of {names[name]}", array, truth.gradients.get(names[name])))
    for what, array, wanted in pairs:
        if said := unequal(what, array, np.zeros(array.shape) if wanted is None else wanted):
            return said
    return ""


def _located(plan: Plan, truth: Answer, seed: int, derivation: Derivation, earlier: Iterable[Plan]) -> str:
    """What is wrong with a plan: the first pass after which it is, and the first block whose result is."""
    for wrong in (*earlier, plan):
        said = difference(wrong, result_of(wrong, truth, seed), truth)
        if said:
            watcher = BlockWatcher(wrong, derivation, truth)
            result_of(wrong, truth, seed, watcher)
            blamed = f", {watcher.said}; so" if watcher.said else ","
            return f"In the plan of {plan.name} after {wrong.applied[-1]!r}{blamed} {said}."
    raise AssertionError("unreachable: the plan itself is the last one")
