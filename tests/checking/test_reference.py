"""The reference against values worked out by hand, the check against kernels with planted mistakes."""

import functools
import math
import sys
import types

import numpy as np
import pytest
from sympy import And, Eq, Or

from symrnn import (
    Cell,
    Constant,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    einsum,
    identity,
    log,
    maximum,
    minimum,
    ones,
    outer,
    relu,
    sigmoid,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    total,
    where,
)
from symrnn.checking import reference
from symrnn.checking.check import check_module, dtype_name
from symrnn.checking.problem import draw_problem
from symrnn.checking.reference import (
    AUTODIFF,
    DIFFERENCES,
    autodiff_gradients,
    bind_sizes,
    difference_gradients,
    reference_gradients,
    reference_run,
)
from symrnn.checking.report import DIFFERS, NOT_A_NUMBER, UNDEFINED, WRONG_DTYPE, WRONG_SHAPE
from symrnn.errors import CheckError, DeclarationError, RequestError
from symrnn.running.loading import load_source
from symrnn.zoo import CELLS

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W, a, b = Parameter("W", m, n), Parameter("a"), Parameter("b", m)

LEAKY = Cell("leaky", Eq(h.next, tanh(W @ x + a * h)))

KERNEL = """
from typing import NamedTuple
import numpy as np
class Inputs(NamedTuple): x: object
class State(NamedTuple): h: object
class Parameters(NamedTuple):
    W: object
    a: object
class Gradients(NamedTuple):
    parameters: object
    inputs: object
    state: object
def forward(parameters, inputs, state):
    h, saved = state.h, [state.h]
    for x in inputs.x:
        h = np.tanh(x @ parameters.W.T + parameters.a * h)
        saved.append(h)
    outputs = np.array(saved[1:], h.dtype).reshape(len(inputs.x), *h.shape)
    return outputs, State(h), (parameters, inputs, saved)
def predict(parameters, inputs, state):
    outputs, last, _ = forward(parameters, inputs, state)
    return outputs, last
def backward(parameters, tape, d_outputs, d_state):
    parameters, inputs, saved = tape
    d_h, d_W, d_a, d_x = d_state.h, np.zeros_like(parameters.W), np.zeros_like(parameters.a), []
    for t in reversed(range(len(d_outputs))):
        d_z = (d_h + d_outputs[t]) * (1 - saved[t + 1] ** 2)
        d_W = d_W + d_z.T @ inputs.x[t]
        d_a = d_a + np.sum(d_z * saved[t])
        d_x.insert(0, d_z @ parameters.W)
        d_h = parameters.a * d_z
    d_x = np.array(d_x, d_h.dtype).reshape(inputs.x.shape)
    return Gradients(Parameters(d_W, np.asarray(d_a)), Inputs(d_x), State(d_h))
"""


def both_gradients(cell, problem):
    given = (problem.parameters, problem.inputs, problem.state)
    adjoints = {"d_outputs": problem.d_outputs, "d_state": problem.d_state}
    return autodiff_gradients(cell, *given, **adjoints), difference_gradients(cell, *given, **adjoints)


def assert_methods_agree(cell, **conditions):
    problem = draw_problem(cell, **conditions)
    assert problem.finite
    autodiff, differences = both_gradients(cell, problem)
    assert (autodiff.method, differences.method) == (AUTODIFF, DIFFERENCES)
    for group in ("parameters", "inputs", "state", "final_state"):
        one, other = getattr(autodiff, group), getattr(differences, group)
        assert one.keys() == other.keys()
        for name, array in one.items():
            assert array.dtype == other[name].dtype == np.float64
            np.testing.assert_allclose(other[name], array, rtol=1e-6, atol=1e-7, err_msg=f"{group} {name}")
    np.testing.assert_allclose(differences.outputs, autodiff.outputs, rtol=1e-13, atol=1e-14)


def test_scalar_cell_by_hand():
    u, s, w = Input("u"), State("s"), Parameter("w")
    cell = Cell("scalar", Eq(s.next, w * s + u**2))
    gradients = reference_gradients(
        cell,
        {"w": 0.5},
        {"u": [[2.0], [3.0]]},
        {"s": [1.0]},
        d_outputs=[[1.0], [10.0]],
        d_state={"s": [100.0]},
    )
    # s1 = 0.5 + 4 = 4.5, s2 = 2.25 + 9 = 11.25; ds2 = 110, ds1 = 1 + 0.5 * 110 = 56
    np.testing.assert_array_equal(gradients.outputs, [[4.5], [11.25]])
    np.testing.assert_array_equal(gradients.final_state["s"], [11.25])
    np.testing.assert_allclose(gradients.parameters["w"], 110 * 4.5 + 56 * 1.0, rtol=1e-14)
    np.testing.assert_allclose(gradients.inputs["u"], [[56 * 4.0], [110 * 6.0]], rtol=1e-14)
    np.testing.assert_allclose(gradients.state["s"], [28.0], rtol=1e-14)


def test_missing_state_and_cotangent_are_zero():
    gradients = reference_gradients(
        LEAKY,
        {"W": np.ones((2, 1)), "a": 1.0},
        {"x": np.ones((1, 3, 1))},
        {},
        d_outputs=np.ones((1, 3, 2)),
        d_state={},
    )
    np.testing.assert_allclose(gradients.outputs, np.tanh(np.ones((1, 3, 2))))
    np.testing.assert_allclose(gradients.state["h"], 1 - np.tanh(np.ones((3, 2))) ** 2)


@pytest.mark.parametrize("name", CELLS)
def test_autodiff_agrees_with_differences_on_shipped_cells(name):
    assert_methods_agree(CELLS[name], T=3, B=2, sizes={"n": 2, "m": 3})


def test_autodiff_agrees_with_differences_on_the_vocabulary():
    C, k, q, v = State("C", m, m), Constant("k", value=2.0), Value("q"), Value("v")
    cell = Cell(
        "wide",
        Eq(
            h.next, C.next @ v / 10 + softplus(total(q)) + where(And(h > 0, Or(v > 0, h < 9)), q * abs(h), -v)
        ),
        Eq(v, maximum(W @ x, b) - minimum(b, 0.3) + relu(h) * a),
        Eq(q, stop_gradient(h) * v + sqrt(h**2 + 1) + 2 ** tanh(h)),
        Eq(
            C.next,
            sigmoid(a) * C + outer(v, q) / k + identity(m) + einsum("ij,jk->ki", C, C) / (3 + a**2) + C.T,
        ),
        output=q,
    )
    assert_methods_agree(cell, T=3, B=2)


def test_autodiff_agrees_with_differences_on_stacks_and_powers():
    y = Value("y")
    U = Parameter("U", m, m + n)
    cell = Cell(
        "stacks",
        Eq(y, total(concatenate(x, ones(1) * a, h)) * (U @ [h, x])),
        Eq(h.next, (1.5 + y**2) ** 0.3 / (2 + h**4) + y**3 * 0.1),
        output=h,
    )
    assert_methods_agree(cell, T=3, B=2)


def test_layer_without_state():
    y = Value("y")
    assert_methods_agree(Cell("layer", Eq(y, W @ x + b), output=y), T=2, B=2)


def test_static_output_is_given_for_every_sample_and_time():
    y = Value("y")
    cell = Cell("fixed", Eq(y, 2 * b), Eq(h.next, W @ x), output=y)
    run = reference_run(cell, {"W": np.ones((2, 3)), "b": [1.0, 2.0]}, {"x": np.ones((4, 5, 3))}, {})
    np.testing.assert_array_equal(run.outputs, np.broadcast_to([2.0, 4.0], (4, 5, 2)))


def test_scalar_right_side_fills_the_state():
    y = Value("y")
    cell = Cell("reset", Eq(h.next, h - h + 3), Eq(y, W @ x + h), output=h.next)
    run = reference_run(cell, {"W": np.ones((2, 1))}, {"x": np.ones((2, 4, 1))}, {"h": np.ones((4, 2))})
    np.testing.assert_array_equal(run.outputs, np.full((2, 4, 2), 3.0))


@pytest.mark.parametrize("method", [autodiff_gradients, difference_gradients])
def test_no_steps(method):
    problem = draw_problem(LEAKY, T=0, B=2)
    gradients = method(
        LEAKY,
        problem.parameters,
        problem.inputs,
        problem.state,
        d_outputs=problem.d_outputs,
        d_state=problem.d_state,
    )
    assert gradients.outputs.shape == (0, 2, 5)
    np.testing.assert_array_equal(gradients.state["h"], problem.d_state["h"])
    np.testing.assert_array_equal(gradients.parameters["W"], 0)


# Ties, NaN and the branch not taken


U, S = Input("u"), State("s")


def slopes(rhs, at):
    """The value and the slope of a scalar cell's right side at s = `at` and u = 1, by autodiff."""
    gradients = autodiff_gradients(
        Cell("probe", Eq(S.next, rhs)), {}, {"u": [[1.0]]}, {"s": [at]}, d_outputs=[[1.0]], d_state={}
    )
    return float(gradients.outputs[0, 0]), float(gradients.state["s"][0])


@pytest.mark.parametrize(
    ("rhs", "at", "value", "slope"),
    [
        (relu(S) * U, 0.0, 0.0, 0.0),
        (abs(S) * U, 0.0, 0.0, 0.0),
        (maximum(S, 0) * U, 0.0, 0.0, 0.5),
        (minimum(S, 0) * U, 0.0, 0.0, 0.5),
        (maximum(S, S**2) * U, 1.0, 1.0, 1.5),
        (sigmoid(S) * U, 0.0, 0.5, 0.25),
        (softplus(S) * U, 0.0, math.log(2), 0.5),
        (where(S > 0, sqrt(S), S) * U, -1.0, -1.0, 1.0),
        (where(S > 0, S * log(S), 0) * U, -1.0, 0.0, 0.0),
        (where(S > 0, S * log(S), 0) * U, 1.0, 0.0, 1.0),
        (where(S < 0, 3 * S, 1 / S) * U, 0.0, math.inf, -math.inf),
        (where(S > 0, 1 / S, 2 * S) * U, 0.0, 0.0, 2.0),
        (stop_gradient(S) * S * U, 3.0, 9.0, 3.0),
        (sigmoid(S) * U, -800.0, 0.0, 0.0),
        (softplus(S) * U, 800.0, 800.0, 1.0),
    ],
)
def test_value_and_slope_at_a_point(rhs, at, value, slope):
    assert slopes(rhs, at) == (pytest.approx(value), pytest.approx(slope))


@pytest.mark.parametrize(
    "function", [relu, abs, lambda s: maximum(s, 0), lambda s: minimum(1, s), sigmoid, softplus]
)
def test_nan_comes_out(function):
    assert math.isnan(slopes(function(S) * U, math.nan)[0])


def test_jax_keeps_its_precision_setting():
    import jax.numpy as jnp

    before = jnp.ones(1).dtype
    draw_problem(LEAKY, T=1)
    assert jnp.ones(1).dtype == before


def test_differences_without_jax(monkeypatch):
    monkeypatch.setattr(reference, "jax_is_installed", lambda: False)
    problem = draw_problem(LEAKY, T=3)
    assert problem.answer.method == DIFFERENCES
    report = check_module(problem, load_source(KERNEL, "leaky"), target="by hand").raise_if_failed()
    assert report.reference == "central differences"
    assert {row.tolerance for row in report.rows if "gradient" in row.role} == {1e-6}
    assert {row.tolerance for row in report.rows if "gradient" not in row.role} == {1e-10}


# Sizes


def test_sizes_of_sums_are_bound():
    V = Parameter("V", m + n, m)
    cell = Cell("sums", Eq(h.next, (V @ h) @ V + total(x)))
    assert bind_sizes(cell, {"V": np.ones((7, 3)), "x": np.ones((1, 1, 4))}) == {n: 4, m: 3}


def test_contradicting_sizes():
    with pytest.raises(RequestError, match=r"The array W of cell 'leaky' has a length 3 .* \(m, n\) means 2"):
        bind_sizes(LEAKY, {"x": np.ones((1, 1, 2)), "W": np.ones((5, 3))})


def test_axis_in_no_shape():
    k = axes("k")
    y = Value("y")
    with pytest.raises(DeclarationError, match="the size k can be told from no shape"):
        Cell("unbound", Eq(y, x * total(ones(k))), output=y)
    cell = Cell("bound", Eq(y, x * total(Parameter("p", k))), output=y)
    with pytest.raises(RequestError, match="do not tell the size of k"):
        bind_sizes(cell, {"x": np.ones((1, 1, 2))})


# Problems


def test_problem_is_nonzero_exact_in_float32_and_repeatable():
    problem, again = draw_problem(CELLS["lstm"], seed=3), draw_problem(CELLS["lstm"], seed=3)
    for group in ("parameters", "inputs", "state", "d_state"):
        for name, array in getattr(problem, group).items():
            assert np.all(array != 0)
            np.testing.assert_array_equal(array.astype(np.float32), array)
            np.testing.assert_array_equal(array, getattr(again, group)[name])
    other = draw_problem(CELLS["lstm"], seed=4)
    assert not np.array_equal(other.inputs["x"], problem.inputs["x"])
    assert dict(problem.sizes) == {"n": 3, "m": 5}


def test_zero_state_on_request():
    problem = draw_problem(LEAKY, zero_state=True)
    assert not problem.state["h"].any()


def test_constants_have_their_value_and_zero_gradient():
    problem = draw_problem(Cell("kept", Eq(h.next, W @ x * Constant("k", value=0.25))))
    assert problem.parameters["k"] == 0.25
    assert problem.answer.parameters["k"] == 0


def test_smaller_numbers_are_drawn_for_explosive_cells():
    V = Parameter("V", m, m, m)
    cell = Cell("square", Eq(h.next, einsum("ijk,j,k->i", V, h, h) * 2 + W @ x))
    problem = draw_problem(cell)
    assert problem.largest < 1e6
    assert np.max(np.abs(problem.inputs["x"])) < 0.4


def test_positive_numbers_are_drawn_for_logarithms():
    problem = draw_problem(Cell("logs", Eq(h.next, log(W @ x) + a * h)))
    assert problem.finite
    assert all((array > 0).all() for array in problem.inputs.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": {"k": 3}}, "The cell 'leaky' has no axis 'k'. Its axes: n, m."),
        ({"sizes": {"n": 0}}, "The size n=0 is no positive integer"),
        ({"sizes": {"n": 2.0}}, "The size n=2.0 is no positive integer"),
        ({"T": -1}, "T is -1. Give a whole number from 0 on"),
    ],
)
def test_wrong_problem(arguments, message):
    with pytest.raises(RequestError, match=message):
        draw_problem(LEAKY, **arguments)


# Verdicts


@functools.cache
def leaky_problem(**conditions):
    sizes = {axis: conditions.pop(axis) for axis in "nm" if axis in conditions}
    return draw_problem(LEAKY, sizes=sizes, **conditions)


def report_with(old="", new="", *, dtype=np.float64, **conditions):
    assert old in KERNEL
    module = load_source(KERNEL.replace(old, new) if old else KERNEL, "leaky")
    return check_module(leaky_problem(**conditions), module, dtype=dtype, target="by hand")


@pytest.mark.parametrize("dtype", ["float32", np.float64])
@pytest.mark.parametrize(
    ("T", "B", "sizes"), [(5, 3, {}), (0, 2, {}), (1, 1, {"n": 1, "m": 1}), (17, 5, {"m": 64})]
)
def test_right_kernel_passes(dtype, T, B, sizes):
    report = report_with(dtype=dtype, T=T, B=B, **sizes).raise_if_failed()
    assert report.passed
    assert report.reference == AUTODIFF
    assert [(row.role, row.quantity) for row in report.rows] == [
        ("output", "h.next"),
        ("final state", "h"),
        ("predicted output", "h.next"),
        ("predicted state", "h"),
        ("parameter gradient", "W"),
        ("parameter gradient", "a"),
        ("input gradient", "x"),
        ("state gradient", "h"),
    ]
    assert "All 8 quantities agree" in str(report)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("old", "new", "verdicts"),
    [
        ("(1 - saved", "(1 + saved", {"W": DIFFERS, "a": DIFFERS, "x": DIFFERS, "h": DIFFERS}),
        ("d_h = parameters.a * d_z", "d_h = d_h", {"W": DIFFERS, "a": DIFFERS, "x": DIFFERS, "h": DIFFERS}),
        ("np.asarray(d_a)", "np.asarray(-d_a)", {"a": DIFFERS}),
        ("np.asarray(d_a)", "np.asarray(d_a * 1.001)", {"a": DIFFERS}),
        ("np.asarray(d_a)", "np.asarray(d_a * np.nan)", {"a": NOT_A_NUMBER}),
        ("np.asarray(d_a)", "np.asarray(d_a)[None]", {"a": WRONG_SHAPE}),
        ("np.asarray(d_a)", "None", {"a": WRONG_SHAPE}),
        ("np.asarray(d_a)", "np.asarray(d_a, np.longdouble)", {"a": WRONG_DTYPE}),
        ("np.array(d_x, d_h.dtype)", "np.zeros_like(inputs.x)", {"x": DIFFERS}),
    ],
)
def test_planted_mistakes_are_found(old, new, verdicts, dtype):
    report = report_with(old, new, dtype=dtype)
    found = {row.quantity: row.verdict for row in report.rows if not row.passed}
    assert found == verdicts
    assert not report.passed
    with pytest.raises(CheckError, match=r"FAILED: .*gradient"):
        report.raise_if_failed()


def test_wrong_value_is_found():
    report = report_with("np.tanh(x @ parameters.W.T", "np.tanh(x @ parameters.W.T * 1.01")
    assert {row.role for row in report.rows if not row.passed} >= {
        "output",
        "final state",
        "predicted output",
    }


def test_changed_argument_is_found():
    report = report_with("    outputs, last, _ =", "    inputs.x[0] = 1.0\n    outputs, last, _ =")
    assert [(row.quantity, row.role) for row in report.rows if row.verdict == "argument written to"] == [
        ("x", "input")
    ]
    assert not report.passed


def test_zero_gradient_must_be_zero():
    cell = Cell("shift", Eq(h.next, W @ x + 0 * a + stop_gradient(a) * h))
    source = KERNEL.replace("np.tanh(", "(").replace("(1 - saved[t + 1] ** 2)", "1")
    report = check_module(draw_problem(cell), load_source(source, "shift"))
    assert [row.quantity for row in report.rows if not row.passed] == ["a"]
    module = load_source(source.replace("np.asarray(d_a)", "np.asarray(d_a * 1e-17)"), "shift")
    assert check_module(draw_problem(cell), module).passed


def test_nowhere_finite_is_not_a_pass():
    cell = Cell("never", Eq(h.next, log(-abs(W @ x) - 1) + a * h))
    report = check_module(draw_problem(cell), load_source(KERNEL, "leaky"))
    assert {row.verdict for row in report.rows} == {UNDEFINED}
    assert not report.passed
    assert math.isnan(report.largest_error)
    with pytest.raises(CheckError, match="NaN or infinity for every draw"):
        report.raise_if_failed()


def test_infinite_gradient_is_not_a_pass():
    cell = Cell("edge", Eq(h.next, sqrt(relu(-abs(W @ x))) + a * h))
    report = check_module(draw_problem(cell), load_source(KERNEL, "leaky"))
    assert not report.passed


def test_dtype_names():
    assert dtype_name(np.float32) == dtype_name("f4") == "float32"
    with pytest.raises(RequestError, match="Kernels run in float32 or float64, not in int64"):
        dtype_name("int64")
    with pytest.raises(RequestError, match="not in half-float"):
        dtype_name("half-float")


# Loading


def test_loaded_source_is_a_real_file_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path / "cache"))
    source = f"VALUE = {tmp_path.name!r}\n"
    module = load_source(source, "probe")
    assert isinstance(module, types.ModuleType)
    assert tmp_path.name == module.VALUE
    (path,) = (tmp_path / "cache").glob("*.py")
    assert path.read_text() == source
    assert sys.modules[module.__name__] is module is load_source(source, "probe")
    assert load_source(source + "# other\n", "probe") is not module


def test_source_that_raises_is_not_registered(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path))
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        load_source("1 / 0\n", "broken")
    assert not [name for name in set(sys.modules) - before if "broken" in name]


def test_damaged_cache_file_is_rewritten(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path))
    source = f"VALUE = {str(tmp_path)!r}\n"
    module = load_source(source, "damaged")
    (path,) = tmp_path.glob("*.py")
    path.write_text("VALUE = 'half a fi")
    monkeypatch.delitem(sys.modules, module.__name__)
    assert str(tmp_path) == load_source(source, "damaged").VALUE


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(RequestError, match="Set the environment variable SYMRNN_CACHE"):
        load_source("VALUE = 2\n", "nowhere")
