"""JAX programs evaluated by NumPy give what compiled ones give."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import ALL
from random_cells import random_cell

from symrnn import zoo
from symrnn.checking.model_check import ModelProblem
from symrnn.checking.problem import Problem, draw_problem
from symrnn.checking.uncompiled import uncompiled
from symrnn.fuzzing.models import scheduled_model

CELLS = [zoo.cell("lstm"), zoo.cell("class_cross_entropy"), ALL["several"], *map(random_cell, (1, 2, 5))]


def answers(problem: Problem) -> dict[str, Any]:
    answer = problem.answer
    named = {"outputs": answer.outputs, **{f"final {name}": a for name, a in answer.final_state.items()}}
    for group in (answer.parameters, answer.inputs, answer.state):
        named |= group
    return named


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_reference_of_a_cell(cell: Any) -> None:
    eager, compiled = (answers(draw_problem(cell, T=3, B=2, seed=1, eager=eager)) for eager in (True, False))
    assert eager.keys() == compiled.keys()
    scale = max(np.abs(array).max(initial=0.0) for array in compiled.values())
    for name, array in compiled.items():
        np.testing.assert_allclose(eager[name], array, rtol=0, atol=1e-13 * scale, err_msg=name, strict=True)


@pytest.mark.parametrize("number", [0, 3])
def test_the_reference_of_a_model(number: int) -> None:
    model = scheduled_model(0, number)
    eager, compiled = (ModelProblem(model, 0, 3, 2, eager=eager).answer for eager in (True, False))
    assert eager.loss == pytest.approx(compiled.loss, rel=1e-13)
    scale = max(np.abs(array).max() for array in compiled.gradients.values())
    for name, array in compiled.gradients.items():
        np.testing.assert_allclose(eager.gradients[name], array, rtol=0, atol=1e-13 * scale, err_msg=name)


def test_an_operation_without_a_meaning_is_left_to_jax() -> None:
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(uncompiled(jnp.cumsum)(np.ones(3)), [1, 2, 3])
