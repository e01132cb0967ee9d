"""The texts of both targets compute on floats what their plans mean; Numba's as plain Python."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from interpretation import Arguments, assert_same_arrays, parts, random_arguments, run
from kernel_problems import EXTRA
from odd_cells import ODD
from random_cells import random_cell
from random_sums import random_sum

import symrnn as sr
from symrnn import Cell
from symrnn.planning.plan import Plan
from symrnn.zoo import CELLS, SHIPPED

LENGTHS = (3, 5, 2, 4, 3, 2)
"""Of the axes, in the order in which a cell meets them."""
T, B = 4, 3

SOME: dict[str, Cell] = {
    **{name: CELLS[name] for name in ("lstm", "gru", "gru_reset_after")},
    **{name: EXTRA[name] for name in ("several", "constants", "layer", "delayed", "affine")},
    **{name: SHIPPED[name] for name in ("embedding", "class_cross_entropy", "layer_norm")},
    **ODD,
    **{f"random cell {seed}": random_cell(seed) for seed in (301, 302, 303, 305)},
    **{f"random sum {seed}": random_sum(seed).cell for seed in (11, 12, 13, 14, 15)},
}


def module_of(plan: Plan, target: str, patch: pytest.MonkeyPatch) -> Any:
    """The kernel of a plan, not compiled."""
    patch.setattr(numba.config, "DISABLE_JIT", True)
    module = ModuleType("printed_kernel")
    exec(compile(sr.emit(plan, target), "<printed kernel>", "exec"), module.__dict__)
    return module


def results_of(module: Any, plan: Plan, given: Arguments, lengths: Any, *, of_inputs: bool) -> dict[str, Any]:
    """All that `forward` and `backward` give, by the names that the interpreter's results have."""
    names = plan.parameters, plan.constants
    parameters = module.Parameters(*(given.arrays[name] for part in names for name in part))
    inputs = module.Inputs(*(given.arrays[name] for name in plan.inputs))
    made = module.forward(parameters, inputs, module.State(*given.states), lengths=lengths)
    d_state = module.State(*given.d_states)
    back = module.backward(parameters, made.tape, given.d_outputs, d_state, input_gradients=of_inputs)
    gradients = dict(zip(plan.parameters, back.parameters, strict=False))
    if of_inputs:
        gradients |= {n: a for n, a in zip(plan.inputs, back.inputs, strict=True) if a is not None}
    else:
        assert back.inputs is None
    found = {"outputs": made.outputs}
    found |= {f"final state {i}": array for i, array in enumerate(made.state)}
    found |= {f"gradient of {name}": array for name, array in gradients.items()}
    return found | {f"gradient of state {i}": array for i, array in enumerate(back.state)}


def alone(plan: Plan, given: Arguments, b: int, length: int) -> dict[str, Any]:
    """What a plan means for one sample that ends early."""
    row = slice(b, b + 1)
    arrays = {
        name: array[:length, row] if name in plan.inputs else array for name, array in given.arrays.items()
    }
    states = tuple(array[row] for array in given.states)
    d_states = tuple(array[row] for array in given.d_states)
    cut = replace(
        given, arrays=arrays, states=states, d_outputs=given.d_outputs[:length, row], d_states=d_states
    )
    return parts(run(plan, cut))


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("name", SOME)
def test_a_text_computes_what_its_plan_means(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save = ("all", "states")[list(SOME).index(name) % 2]
    plan = sr.plan(SOME[name], save)
    sizes = {axis.name: LENGTHS[i] for i, axis in enumerate(plan.axes)}
    given = random_arguments(plan, sizes, T, B)
    module, wanted = module_of(plan, target, monkeypatch), parts(run(plan, given))
    assert_same_arrays(results_of(module, plan, given, None, of_inputs=True), wanted)
    assert_same_arrays(results_of(module, plan, given, None, of_inputs=False), wanted)

    lengths = np.array([2, 4, 1])
    found = results_of(module, plan, given, lengths, of_inputs=True)
    single = [alone(plan, given, b, int(length)) for b, length in enumerate(lengths)]
    for parameter in plan.parameters:
        what = f"gradient of {parameter}"
        assert_same_arrays({what: found.pop(what)}, {what: sum(one[what] for one in single)})
    for b, one in enumerate(single):
        over_time = ("outputs", *(f"gradient of {quantity}" for quantity in plan.inputs))
        own = {
            what: array[: lengths[b], b] if what in over_time else array[b] for what, array in found.items()
        }
        assert_same_arrays(
            own, {what: one[what][:, 0] if what in over_time else one[what][0] for what in own}
        )
