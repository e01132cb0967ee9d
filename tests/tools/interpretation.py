"""Plans run by the interpreter on random arrays or on a problem of the workbench, and results compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn import Cell
from symrnn.checking.problem import Problem
from symrnn.derivation.numeric import size_value
from symrnn.derivation.reverse import derive
from symrnn.planning.checker import check
from symrnn.planning.interpreter import Result, interpret
from symrnn.planning.lowering import lower
from symrnn.planning.passes import PASSES
from symrnn.planning.plan import Plan

Doubles = NDArray[np.float64]

TOLERANCE = 1e-9
"""Of the largest element: sums in another order, over a few steps of a tame cell, stay below 1e-12."""


def stages(cell: Cell, save: str = "all") -> list[Plan]:
    """The lowered plan of a cell and what every pass makes of it, each checked."""
    made = [check(lower(derive(cell)))]
    for improve in PASSES[save]:
        made.append(check(improve(made[-1])))
    return made


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a plan runs on, by its own names and in its own order."""

    arrays: dict[str, Doubles]
    states: tuple[Doubles, ...]
    d_outputs: Doubles
    d_states: tuple[Doubles, ...]


def random_arguments(plan: Plan, sizes: dict[str, int], T: int, B: int, seed: int = 0) -> Arguments:
    """Arrays of magnitude 0.2 to 1 for a plan, and indices."""
    rng = np.random.default_rng(seed)
    table, classes = plan.table(), dict(plan.classes)
    lengths = {**sizes, "T": T, "B": B}

    def drawn(name: str) -> Any:
        buffer = table[name]
        shape = [lengths[axis] for axis in buffer.lead]
        shape += [size_value(size, sizes) for size in buffer.shape]
        if name in classes:
            return rng.integers(0, size_value(classes[name], sizes), shape)
        return rng.uniform(0.2, 1.0, shape) * rng.choice((-1.0, 1.0), shape)

    return Arguments(
        {name: drawn(name) for name in (*plan.inputs, *plan.parameters, *plan.constants)},
        tuple(drawn(carry.initial) for carry in plan.forward.loop.carries),
        drawn(plan.output_cotangent),
        tuple(drawn(carry.initial) for carry in plan.backward.loop.carries),
    )


def arguments_of(problem: Problem, plan: Plan) -> Arguments:
    """The arrays of a problem under the plan's names."""
    cell = problem.cell
    shared = zip((*plan.parameters, *plan.constants), (*cell.parameters, *cell.constants), strict=True)
    arrays = {name: problem.parameters[quantity.name] for name, quantity in shared}
    inputs = zip(plan.inputs, cell.inputs, strict=True)
    arrays |= {name: problem.inputs[quantity.name] for name, quantity in inputs}
    states = tuple(problem.state[state.name] for state in cell.states)
    d_states = tuple(problem.d_state[state.name] for state in cell.states)
    return Arguments(arrays, states, problem.d_outputs, d_states)


def run(plan: Plan, arguments: Arguments) -> Result:
    """What the plan means on these arguments."""
    return interpret(plan, arguments.arrays, arguments.states, arguments.d_outputs, arguments.d_states)


def parts(result: Result) -> dict[str, Doubles]:
    """All arrays of a result by a name for messages."""
    named = {"outputs": result.outputs}
    named |= {f"final state {i}": array for i, array in enumerate(result.final_states)}
    named |= {f"gradient of {name}": array for name, array in result.gradients.items()}
    return named | {f"gradient of state {i}": array for i, array in enumerate(result.state_gradients)}


def expected(problem: Problem, plan: Plan) -> Result:
    """The reference's answer to a problem, under the plan's names."""
    cell, answer = problem.cell, problem.answer
    gradients = {
        name: answer.parameters[q.name] for name, q in zip(plan.parameters, cell.parameters, strict=True)
    }
    gradients |= {
        name: answer.inputs[q.name]
        for name, q in zip(plan.inputs, cell.inputs, strict=True)
        if q.name in answer.inputs
    }
    return Result(
        answer.outputs,
        tuple(answer.final_state[state.name] for state in cell.states),
        gradients,
        tuple(answer.state[state.name] for state in cell.states),
    )


def assert_same(found: Result, wanted: Result) -> None:
    """Raise unless both results have the same arrays; NaN never equals."""
    left, right = parts(found), parts(wanted)
    assert left.keys() == right.keys()
    assert_same_arrays(left, right)


def assert_same_arrays(found: dict[str, Doubles], wanted: dict[str, Doubles]) -> None:
    """Raise unless each array is the wanted one of its name; NaN never equals."""
    for name, array in found.items():
        other = wanted[name]
        scale = max(1.0, float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(
            array, other, rtol=0, atol=TOLERANCE * scale, equal_nan=False, err_msg=name, strict=True
        )
