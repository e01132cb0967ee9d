"""The target in plain Python: the numbers of the NumPy kernels, with a bare interpreter too."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, pipeline, zoo
from symrnn.checking.problem import Problem, draw_problem
from symrnn.errors import EmissionError, RequestError, ValidationError
from symrnn.kernels.python.target import TARGET
from symrnn.kernels.targets import TARGETS
from symrnn.running.loading import load

CELLS = ("elman", "gru_simplified", "gru", "gru_reset_after", "lstm_notes", "lstm")
each_cell = pytest.mark.parametrize("name", CELLS)
n, m = axes("n m")
x, h = Input("x", n), State("h", m)


def results(module: Any, problem: Problem, given: Any = lambda array: array) -> list[Any]:
    """What the four functions of a kernel return, once from a state and once from zeros."""

    def record(name: str, arrays: dict[str, Any]) -> Any:
        return getattr(module, name)(**{key: given(array) for key, array in arrays.items()})

    parameters, inputs = record("Parameters", problem.parameters), record("Inputs", problem.inputs)
    state, d_state = record("State", problem.state), record("State", problem.d_state)
    first = record("Inputs", {key: array[0] for key, array in problem.inputs.items()})
    run = module.forward(parameters, inputs, state)
    fresh = module.forward(parameters, inputs)
    found = [run.outputs, *run.state, fresh.outputs, *fresh.state]
    for made in (
        module.backward(parameters, run.tape, given(problem.d_outputs), d_state),
        module.backward(parameters, run.tape, given(problem.d_outputs), d_state),  # again, on one tape
        module.backward(parameters, fresh.tape, given(problem.d_outputs)),
    ):
        found += [*made.parameters, *made.inputs, *made.state]
    outputs, after = module.predict(parameters, inputs, state)
    output, following = module.step(parameters, first, state)
    return [*found, outputs, *after, output, *following]


def assert_close(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.array(one), other, rtol=1e-12, atol=1e-12)


@each_cell
def test_it_computes_what_the_arrays_do(name: str) -> None:
    cell = zoo.cell(name)
    problem = draw_problem(cell, T=4, B=3)
    expected = results(load(cell, "numpy"), problem)
    assert_close(results(load(cell, "python"), problem, np.ndarray.tolist), expected)


SCRIPT = """
import importlib.util, json, sys

spec = importlib.util.spec_from_file_location("kernel", sys.argv[1])
kernel = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernel)
given = json.load(sys.stdin)
parameters, inputs = kernel.Parameters(**given["parameters"]), kernel.Inputs(**given["inputs"])
run = kernel.forward(parameters, inputs)
made = kernel.backward(parameters, run.tape, given["d_outputs"])
assert "site" not in sys.modules and "numpy" not in sys.modules
json.dump([run.outputs, *run.state, *made.parameters, *made.inputs, *made.state], sys.stdout)
"""


@each_cell
def test_a_bare_interpreter_runs_it(name: str, tmp_path: Path) -> None:
    cell = zoo.cell(name)
    text = sr.emit(cell, "python")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import math", "from typing import NamedTuple"]
    path = tmp_path / "kernel.py"
    path.write_text(text)
    problem = draw_problem(cell, T=3, B=2, zero_state=True)
    numbers = {
        "parameters": {key: array.tolist() for key, array in problem.parameters.items()},
        "inputs": {key: array.tolist() for key, array in problem.inputs.items()},
        "d_outputs": problem.d_outputs.tolist(),
    }
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, str(path)]
    found = subprocess.run(
        command, input=json.dumps(numbers), capture_output=True, text=True, check=False, env={}
    )
    assert found.returncode == 0, found.stderr
    module = load(cell, "numpy")
    run = module.forward(parameters := module.Parameters(**problem.parameters), problem.inputs["x"])
    made = module.backward(parameters, run.tape, problem.d_outputs)
    expected = [run.outputs, *run.state, *made.parameters, *made.inputs, *made.state]
    assert_close(json.loads(found.stdout), expected)


def test_a_cell_without_state_and_names_that_the_text_uses() -> None:
    sums, made, saved = Input("sums", n), Value("math"), Parameter("saved", m, n)
    cell = Cell("named", Eq(made, sr.tanh(saved @ sums)), output=made)
    problem = draw_problem(cell, T=2, B=2)
    expected = results(load(cell, "numpy"), problem)
    assert_close(results(load(cell, "python"), problem, np.ndarray.tolist), expected)


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(RequestError, match=r"in plain Python, with save='all', and not for save='states'"):
        sr.emit(zoo.cell("gru"), "python", save="states")
    with pytest.raises(RequestError, match=r"in plain Python, with save='all', and not for a model"):
        sr.emit(zoo.MODELS["classifier"], "python")
    with pytest.raises(RequestError, match=r"in plain Python, with save='all', and not for a plan"):
        sr.emit(sr.plan(zoo.cell("gru")), "python")
    with pytest.raises(RequestError, match=r"in NumPy, with save='all', and not for target 'python'"):
        sr.emit(zoo.cell("gru"), "python", contract="minimal")
    with pytest.raises(RequestError, match=r"check runs kernels on arrays, and the target 'python' has none"):
        sr.check(zoo.cell("gru"), "python")
    with pytest.raises(EmissionError, match="cannot write Gather"):
        sr.emit(zoo.cell("embedding"), "python")
    with pytest.raises(EmissionError, match="no function for softplus"):
        sr.emit(Cell("soft", Eq(h.next, sr.softplus(Parameter("W", m, n) @ x + h))), "python")


def test_a_wrong_text_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    [offer] = TARGET.offers
    for line, wrong in (
        ("return run.outputs[0], run.state", "return run.outputs[0], state"),
        ("d_b_r[i] + d_a_r[i]", "d_b_r[i] - d_a_r[i]"),
        ("return run.outputs, run.state", "return run.outputs, State(*run.outputs[:1])"),
    ):

        def spoilt(plan: Any, version: str, a: str = line, b: str = wrong) -> str:
            assert a in offer.text(plan, version)
            return offer.text(plan, version).replace(a, b)

        monkeypatch.setitem(TARGETS, "python", replace(TARGET, offers=(replace(offer, text=spoilt),)))
        pipeline.forget()
        with pytest.raises(ValidationError, match="fault of symrnn"):
            sr.emit(zoo.cell("gru"), "python")
