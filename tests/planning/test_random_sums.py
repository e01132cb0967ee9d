"""Sums of products and stacks, whatever they are called: every plan and kernel against the equations.

More of them: SYMRNN_RANDOM_SUMS=400 examines four hundred other cells (`-k 10-targets`), each under ten
namings, every tenth with NumPy and twenty with Numba.
"""

import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from interpretation import stages
from random_sums import random_sum
from sum_checks import check_cell, check_sum
from sympy import Eq, Expr

import symrnn as sr
from symrnn import (
    Cell,
    Constant,
    Input,
    Parameter,
    State,
    Value,
    axes,
    check,
    concatenate,
    mean,
    outer,
    sigmoid,
    tanh,
    total,
)
from symrnn.planning.ir import Contraction
from symrnn.running.loading import load_source

MORE = int(os.environ.get("SYMRNN_RANDOM_SUMS", "0"))
FIRST_MORE = 10_000

n, m, k, q = axes("n m k q")
x, y, h, c = Input("x", n), Input("y", n), State("h", m), State("c", m)
W, U, V, Q = Parameter("W", m, n), Parameter("U", m, m), Parameter("V", m, n), Parameter("Q", m, n)
b, g = Parameter("b", m), Parameter("g", m)
a, mu, s, z = Value("a"), Value("mu"), Value("s"), Value("z")
TARGETS = ("numpy", "numba")


JOBS = [
    *((seed, 2, ("numpy",) * (seed % 8 == 0)) for seed in range(18)),
    *(
        (FIRST_MORE + i, 10, ("numpy",) * (i % 10 == 0) + ("numba",) * (i % max(1, MORE // 20) == 0))
        for i in range(MORE)
    ),
]
"""Seeds with the number of namings, and the targets besides the interpreter."""


@pytest.mark.parametrize(("seed", "namings", "targets"), JOBS)
def test_a_random_sum_is_right_under_every_naming(seed: int, namings: int, targets: tuple[str, ...]) -> None:
    check_sum(seed, namings, targets)


def test_random_sums_have_what_they_are_for() -> None:
    cells = [random_sum(seed).cell for seed in range(100)]
    texts = [str(cell) for cell in cells]
    assert sum("[[" in text or ", [" in text for text in texts) > 40  # stacks in stacks
    assert sum(".next," in text or ".next]" in text for text in texts) > 20  # next states in stacks
    assert any(len(cell.inputs) == 3 for cell in cells)
    assert any(len(cell.states) == 3 for cell in cells)
    assert any(definition.static for cell in cells for definition in cell.definitions)
    names = [tuple(q.name for q in random_sum(1, naming).cell.parameters) for naming in range(5)]
    assert len(set(names)) == 5


# -- products of inputs around one of the state ----------------------------------------------------------


def renamed_sum(names: tuple[str, ...]) -> Cell:
    on_y, on_h, on_x = (Parameter(name, 1, 1) for name in names)
    state, first, second = State("h", 1), Input("y", 1), Input("x", 1)
    return Cell("sums", Eq(state.next, on_y @ first + on_h @ state + on_x @ second))


@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("names", list(permutations("AUW")))
def test_each_product_of_a_sum_counts_once(names: tuple[str, ...], save: str) -> None:
    check_exact_sum(names, "numpy", save)


def test_each_product_of_a_sum_counts_once_when_compiled() -> None:
    check_exact_sum(("A", "U", "W"), "numba", "all")


def check_exact_sum(names: tuple[str, ...], target: str, save: str) -> None:
    module = load_source(sr.emit(renamed_sum(names), target, save), f"sums_{target}_{save}")
    on_y, on_h, on_x = names
    parameters = module.Parameters(**{on_y: one(1), on_h: one(10), on_x: one(100)})
    ones = np.ones((2, 1, 1))
    run = module.forward(parameters, module.Inputs(x=ones, y=ones), np.zeros((1, 1)))
    np.testing.assert_array_equal(run.outputs.ravel(), [101, 1111])
    gradients = module.backward(parameters, run.tape, ones)
    found = {name: float(array.item()) for name, array in gradients.parameters._asdict().items()}
    assert found == {on_y: 12, on_h: 101, on_x: 12}
    np.testing.assert_array_equal(gradients.inputs.x.ravel(), [1100, 100])
    np.testing.assert_array_equal(gradients.inputs.y.ravel(), [11, 1])
    assert gradients.state.h.item() == 110


def one(value: float) -> np.ndarray:
    return np.full((1, 1), float(value))


# -- stacks ----------------------------------------------------------------------------------------------


def stacked() -> dict[str, Cell]:
    p, M, A = Parameter, State("M", m, k), Value("A")
    R, S = p("R", m, 3 * m), p("S", m, 2 * m + n)
    once, again, other = concatenate(h, g), concatenate(h, g), concatenate(b, h)
    return {
        "in stacks": Cell("c", Eq(h.next, tanh(p("R", m, 2 * m + 2 * n) @ [h, [x, [h, x]]] + V @ x))),
        "shared by products": Cell(
            "c",
            Eq(z, sigmoid(p("R", m, m + n) @ [h, x])),
            Eq(h.next, z * tanh(p("D", m, m + n) @ [h, x] + S @ [z, [h, x]])),
        ),
        "of values and next states": Cell(
            "c",
            Eq(z, tanh(W @ x + U @ h)),
            Eq(c.next, tanh(R @ [z, [c, h]])),
            Eq(h.next, tanh(S @ [[c.next, z], x])),
            output=h.next,
        ),
        "of derived parameters": Cell("c", Eq(a, U @ b), Eq(h.next, tanh(R @ [a, [h, b]] + W @ x))),
        "of the same twice": Cell("c", Eq(h.next, tanh(R @ [h, [h, h]] + W @ x))),
        "as output": Cell(
            "c", Eq(h.next, tanh(W @ x + U @ h)), Eq(z, concatenate(h.next, concatenate(x, h))), output=z
        ),
        "of matrices": Cell(
            "c",
            Eq(A, outer(tanh(W @ x), tanh(p("D", k, m) @ h))),
            Eq(M.next, M / 2 + A),
            Eq(h.next, tanh(R @ (concatenate(M, concatenate(A, M)) @ p("v", k)) + U @ h)),
            output=h.next,
        ),
        "of parameters": Cell(
            "c",
            Eq(A, concatenate(U, concatenate(p("D", n, m), U))),
            Eq(h.next, tanh(S @ (A @ h) + W @ x)),
        ),
        "multiplied by themselves": Cell("c", Eq(h.next, tanh(W @ x * sr.dot(once, again)))),
        "of one shape multiplied": Cell("c", Eq(h.next, tanh(W @ x * sr.dot(once, other)))),
    }


@pytest.mark.parametrize("what", stacked())
def test_stacks(what: str) -> None:
    check_cell(stacked()[what])


def test_the_adjoint_of_a_stack_in_a_stack_is_cut_up_too() -> None:
    """Each part gets its own products: none is made whole to read a range of it."""
    plan = stages(stacked()["in stacks"])[1]
    assert plan.applied[-1] == "stacks split"
    whole = {b.window.base for b in plan.buffers if b.window is not None and b.kind == "adjoint"}
    assert not whole
    products = [s for block in plan.backward.loop.blocks for s in block.statements if s.out == "d_x"]
    assert len([s for s in products if isinstance(s, Contraction)]) == 3  # x stands in two stacks, and alone


def test_a_stack_in_a_stack_is_as_written() -> None:
    state, first, second = State("h", 1), Input("x", 1), Input("y", 1)
    cell = Cell("nested", Eq(state.next, Parameter("R", 1, 4) @ [state, [first, [second, first]]]))
    module = load_source(sr.emit(cell, "numpy"), "nested")
    parameters = module.Parameters(np.array([[1000.0, 100, 10, 1]]))
    ones = np.ones((2, 1, 1))
    run = module.forward(parameters, module.Inputs(x=ones, y=2 * ones), np.zeros((1, 1)))
    np.testing.assert_array_equal(run.outputs.ravel(), [121, 121_121])
    gradients = module.backward(parameters, run.tape, ones)
    np.testing.assert_array_equal(gradients.parameters.R, [[121, 1002, 2004, 1002]])
    np.testing.assert_array_equal(gradients.inputs.x.ravel(), [101 * 1001, 101])
    np.testing.assert_array_equal(gradients.inputs.y.ravel(), [10 * 1001, 10])


# -- the order within a step -----------------------------------------------------------------------------


def normalised(right: Expr, *, scaled: bool, of: Expr) -> Cell:
    centred = g * (a - mu) if scaled else a - mu
    return Cell(
        "normalised",
        Eq(a, of),
        Eq(mu, mean(a)),
        Eq(s, mean((a - mu) ** 2)),
        Eq(h.next, tanh(centred * s + right)),
    )


ORDERS = {
    "a normalised input": normalised(U @ h, scaled=True, of=W @ x),
    "a normalised input without a scale": normalised(U @ h, scaled=False, of=W @ x),
    "a normalised state": normalised(W @ x, scaled=True, of=U @ h),
    "a normalised sum": normalised(h, scaled=True, of=W @ x + U @ h),
    "a sum over an input's product": Cell(
        "summed", Eq(mu, total(W @ x)), Eq(h.next, tanh(mu * sr.ones(m) + U @ h) * tanh(Q @ x * mu))
    ),
    "a state that nothing hands on": Cell(  # its adjoint of one step meets a product that could wait
        "forgetful",
        Eq(c.next, tanh(W @ x + b)),
        Eq(z, g * c.next),
        Eq(s, tanh(U @ z)),
        output=s,
    ),
}


@pytest.mark.parametrize("what", ORDERS)
def test_what_is_early_does_not_matter(what: str) -> None:
    check_cell(ORDERS[what])


def test_a_layer_normalisation_written_out_is_as_written() -> None:
    module = load_source(sr.emit(ORDERS["a normalised input"], "numpy"), "normalised")
    parameters = module.Parameters(W=np.array([[1.0], [3.0]]), g=np.array([0.5, 0.25]), U=np.zeros((2, 2)))
    run = module.forward(parameters, np.ones((1, 1, 1)), np.ones((1, 2)))
    np.testing.assert_allclose(run.outputs[0, 0], np.tanh([-0.5, 0.25]), rtol=1e-15)


def test_a_sum_over_an_inputs_product_is_as_written() -> None:
    module = load_source(sr.emit(ORDERS["a sum over an input's product"], "numpy"), "summed")
    parameters = module.Parameters(W=np.array([[0.5], [0.25]]), U=np.eye(2) / 2, Q=np.array([[1.0], [2.0]]))
    run = module.forward(parameters, np.ones((1, 1, 1)), np.ones((1, 2)))
    np.testing.assert_allclose(run.outputs[0, 0], np.tanh(1.25) * np.tanh([0.75, 1.5]), rtol=1e-15)


def test_a_number_of_parameters_alone_is_added_to_a_gradient() -> None:
    """In the compiled kernel's text a vector's gradient grows by a single number."""
    cell = Cell("summed", Eq(h.next, tanh(W @ x + U @ h + total(g) * b)))
    assert "d_g += " in sr.emit(cell, "numba")


# -- sizes -----------------------------------------------------------------------------------------------


def summed_sizes() -> dict[str, Cell]:
    v, R, S = Input("v", q), Parameter("R", m, m + n + q), Parameter("S", m, m + n + q)
    return {
        "columns": Cell("c", Eq(h.next, tanh(R @ [h, x, v] + b))),
        "a packed product": Cell("c", Eq(h.next, sigmoid(R @ [h, x, v]) * tanh(S @ [h, x, v]))),
        "a derived parameter": Cell("c", Eq(z, 2 * R), Eq(h.next, tanh(z @ [h, x, v]))),
        "a repeated number": Cell(
            "c", Eq(h.next, tanh(Parameter("e") * h + Input("w", m) + Parameter("f") * sr.ones(m)))
        ),
        "a split vector": Cell("c", Eq(h.next, tanh(h * sr.dot(Parameter("p", m + n), concatenate(h, x))))),
    }


@pytest.mark.parametrize("what", summed_sizes())
def test_a_size_that_only_inputs_tell_is_told_at_the_call(what: str) -> None:
    cell = summed_sizes()[what]
    sizes = {"m": 3, "n": 2, "q": 4}
    for save in ("all", "states"):
        sr.check(cell, "numpy", save=save, sizes={a.name: sizes[a.name] for a in cell.axes}).raise_if_failed()
    assert "\\documentclass" in sr.latex(cell)


def test_a_size_that_only_inputs_tell_is_told_at_the_call_of_a_compiled_kernel() -> None:
    cell = summed_sizes()["a packed product"]
    sr.check(cell, "numba", sizes={"m": 3, "n": 2, "q": 4}).raise_if_failed()


def test_prepared_parameters_do_without_the_sizes_of_a_call() -> None:
    cell = summed_sizes()["a packed product"]
    module = load_source(sr.emit(cell, "numpy"), "late")
    rng = np.random.default_rng(0)
    parameters = module.init(rng, n=2, q=4, m=3, dtype=np.float64)
    inputs = module.Inputs(v=rng.standard_normal((5, 2, 4)), x=rng.standard_normal((5, 2, 2)))
    prepared = module.prepare(parameters)
    run = module.forward(parameters, inputs)
    outputs, _ = module.predict(prepared, inputs)
    np.testing.assert_array_equal(outputs, run.outputs)
    output, _ = module.step(prepared, module.Inputs(*(array[0] for array in inputs)), None)
    np.testing.assert_allclose(output, run.outputs[0], rtol=1e-14)
    d_outputs = rng.standard_normal(run.outputs.shape)
    wanted = module.backward(parameters, run.tape, d_outputs).parameters
    for given in (prepared, module.Parameters(*map(np.copy, parameters))):
        again = module.backward(given, run.tape, d_outputs).parameters
        for array, other in zip(again, wanted, strict=True):
            np.testing.assert_array_equal(array, other)
    wrong = parameters._replace(R=np.zeros((3, 8)))
    with pytest.raises(ValueError, match=r"parameters\.R has shape \(3, 8\); it should have \(3, 9\)"):
        module.forward(wrong, inputs)


# -- one text --------------------------------------------------------------------------------------------


def test_every_text_is_the_same_under_any_hash_seed() -> None:
    script = Path(__file__).parents[1] / "tools" / "emitted_texts.py"
    first, second = (
        subprocess.run(
            [sys.executable, script, str(4 + MORE // 20), str(5 + MORE // 10)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    )
    assert len(first.splitlines()) > 50
    assert first == second


def test_a_product_that_a_sum_has_alone_and_times_a_constant_is_there_for_both() -> None:
    given = Constant("given", m, value=0.5)
    cell = Cell("twice", Eq(h.next, tanh(U @ h + given * (U @ h) + W @ x)))
    for target in TARGETS:
        check(cell, target).raise_if_failed()
