"""The minimal contract: short, proved, and with the numbers of the full one."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL, assert_close, flat
from random_cells import random_cell
from sympy import Eq
from test_kernel_names import CELLS as NAMED_AS_KERNELS

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, axes, pipeline, zoo
from symrnn.checking.problem import Problem, draw_problem
from symrnn.checking.reference import indices_of
from symrnn.errors import EmissionError, RequestError, ValidationError
from symrnn.kernels.targets import TARGETS
from symrnn.planning.plan import Plan
from symrnn.running.loading import load_source

HEADS = ("softmax_cross_entropy", "class_cross_entropy", "embedding", "layer_norm")
CELLS = {**ALL, **{name: zoo.cell(name) for name in HEADS}, **{c.name: c for c in NAMED_AS_KERNELS}}
k, m = axes("k m")


def results(module: ModuleType, problem: Problem, dtype: str) -> list[Any]:
    """What a run and its gradients give, and a run step by step."""

    def cast(record: Any, arrays: Any) -> Any:
        picked = indices_of(problem.cell)
        return record(**{name: a.astype(int if name in picked else dtype) for name, a in arrays.items()})

    parameters, inputs = cast(module.Parameters, problem.parameters), cast(module.Inputs, problem.inputs)
    state = cast(module.State, problem.state)
    run = module.forward(parameters, inputs, state)
    d_state = cast(module.State, problem.d_state)
    gradients = module.backward(parameters, run.tape, problem.d_outputs.astype(dtype), d_state)
    outputs = [run.outputs[:0]]
    for t in range(problem.T):
        output, state = module.step(parameters, module.Inputs(*(array[t] for array in inputs)), state)
        outputs.append(output[None])
    arrays = [run.outputs, *run.state, *flat(gradients), np.concatenate(outputs), *state]
    return [array for array in arrays if array is not None]  # class indices have no gradient


def minimal(cell: Cell) -> ModuleType:
    return load_source(sr.emit(cell, "numpy", contract="minimal"), f"{cell.name}_minimal")


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "float64") for name in CELLS), *((name, "float32") for name in ALL)]
)
def test_its_numbers_are_those_of_the_full_contract(name: str, dtype: str) -> None:
    cell = CELLS[name]
    for T, B in ((0, 2), (1, 1), (4, 3)):
        problem = draw_problem(cell, T=T, B=B, eager=True)
        found, expected = (
            results(module, problem, dtype) for module in (minimal(cell), sr.load(cell, "numpy"))
        )
        assert_close(found, expected, dtype)


@pytest.mark.parametrize("seed", range(40, 60))
def test_random_cells_too(seed: int) -> None:
    cell = random_cell(seed)
    problem = draw_problem(cell, T=3, B=2, eager=True)
    found, expected = (
        results(module, problem, "float64") for module in (minimal(cell), sr.load(cell, "numpy"))
    )
    scale = max(np.abs(array).max(initial=1.0) for array in expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * scale)


def test_it_is_read_on_three_screens() -> None:
    text = sr.emit(zoo.cell("gru"), "numpy", contract="minimal")
    assert text.count("\n") < 150
    assert max(map(len, text.splitlines())) <= 120
    for left_out in ("workspace", "threads", "lengths", "raise"):
        assert left_out not in text.replace("reuses memory", "")


def test_no_state_is_zeros_and_a_single_input_may_be_bare() -> None:
    cell = zoo.cell("gru")
    problem = draw_problem(cell, T=3, B=2, zero_state=True)
    module = minimal(cell)
    parameters = module.Parameters(**problem.parameters)
    [x] = problem.inputs.values()
    run = module.forward(parameters, x)
    np.testing.assert_allclose(run.outputs, problem.answer.outputs, rtol=1e-12)
    given = module.backward(
        parameters, run.tape, problem.d_outputs, module.State(np.zeros((2, run.outputs.shape[2])))
    )
    alone = module.backward(parameters, run.tape, problem.d_outputs)
    for one, other in zip(flat(alone), flat(given), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(module.step(parameters, x[0])[0], run.outputs[0])


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (zoo.cell("gru"), {"target": "numba"}),
        (zoo.cell("gru"), {"target": "numpy", "save": "states"}),
        (sr.plan(zoo.cell("gru")), {"target": "numpy"}),
        (zoo.MODELS["classifier"], {"target": "numpy"}),
    ],
)
def test_what_it_is_not_written_for(source: Any, options: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"minimal contract is written for cells, in NumPy"):
        sr.emit(source, contract="minimal", **options)


def test_unknown_contracts_and_sizes() -> None:
    with pytest.raises(RequestError, match=r"no contract 'short'\. Contracts: full, functional, minimal"):
        sr.emit(zoo.cell("gru"), "numpy", contract="short")
    only_state = Cell("only_state", Eq(State("h", k).next, State("h", k) * Parameter("a") * Input("x")))
    with pytest.raises(EmissionError, match=r"cannot tell the sizes \(k,\) from parameters and inputs"):
        sr.emit(only_state, "numpy", contract="minimal")


def test_wrong_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    target = TARGETS["numpy"]
    *others, minimal_offer = target.offers
    right = minimal_offer.text
    for line, wrong in (
        ("d_c_later = d_c\n", "d_c_later = 2 * d_c\n"),
        ("d_b_r += d_a_r", "d_b_r -= d_a_r"),
        ("run.outputs[0], run.state", "run.outputs[-1], state"),
    ):

        def spoilt(plan: Plan, version: str, a: str = line, b: str = wrong) -> str:
            return right(plan, version).replace(a, b)

        offers = (*others, replace(minimal_offer, text=spoilt))
        monkeypatch.setitem(TARGETS, "numpy", replace(target, offers=offers))
        assert line in right(pipeline._proved_plan(sr.derive(zoo.cell("gru")), minimal_offer.passes), "")
        pipeline.forget()
        with pytest.raises(ValidationError, match=r"fault of symrnn"):
            sr.emit(zoo.cell("gru"), "numpy", contract="minimal")
