"""Functions where numbers are large, small or close together, and at kinks: in kernels of both precisions."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff_modules import RESULTS, autodiff_module
from kernel_problems import Call
from sympy import Eq, Expr

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes
from symrnn.errors import DeclarationError
from symrnn.kernels.targets import ARRAY_TARGETS
from symrnn.running.loading import load_source

n = axes("n")
x, h, g, y = Input("x", n), State("h", n), Parameter("g", n), Value("y")
targets = pytest.mark.parametrize("target", ARRAY_TARGETS)
PRECISIONS = (("float32", 1e-6), ("float64", 1e-13))
KINKED = (sr.elu, sr.leaky_relu, sr.hard_tanh, sr.hard_sigmoid)
SMOOTH = (sr.tan, sr.log_sigmoid)
POINTS = np.array([-1e30, -100, -3, -2.5, -1, -1e-3, -1e-9, -0.0, 0, 1e-9, 0.3, 1, 1.25, 3, 50, 1e30])


def results(function: Any, target: str, rows: np.ndarray) -> tuple[Any, Any]:
    """What a kernel computes of a function of rows, and the gradient of the sum of that."""
    made: Expr = function(g * x)
    made = made * sr.ones(1) if function is sr.norm else made
    module = load_source(sr.emit(Cell("far", Eq(y, made), output=y), target), f"far_{function.name}_{target}")
    parameters = module.Parameters(np.ones(rows.shape[-1], rows.dtype))
    run = module.forward(parameters, rows[None])
    gradients = module.backward(parameters, run.tape, np.ones_like(run.outputs))
    assert run.outputs.dtype == rows.dtype
    return run.outputs[0], gradients.inputs[0][0]


@targets
@pytest.mark.parametrize("function", [*KINKED, *SMOOTH], ids=lambda function: function.name)
def test_elements_of_all_sizes(function: Any, target: str) -> None:
    others = [float(value) for value in function.defaults]
    reference = function.facts.reference
    for dtype, bound in PRECISIONS:
        given = POINTS[abs(POINTS) < 1e3].astype(dtype) if function is sr.tan else POINTS.astype(dtype)
        value, gradient = results(function, target, given[None])
        exact = given.astype(np.float64)
        np.testing.assert_allclose(value[0], function.facts.value(exact, *others), rtol=bound, atol=1e-38)
        with jax.enable_x64(True):
            wanted = jax.vmap(jax.grad(lambda a: reference(jnp, a, *others)))(jnp.asarray(exact))
        np.testing.assert_allclose(gradient[0], wanted, rtol=bound, atol=1e-38)


@targets
def test_what_is_infinite_or_not_a_number(target: str) -> None:
    limits = {sr.elu: (-1, np.inf), sr.leaky_relu: (-np.inf, np.inf), sr.log_sigmoid: (-np.inf, 0)}
    limits |= {sr.hard_tanh: (-1, 1), sr.hard_sigmoid: (0, 1), sr.tan: (np.nan, np.nan)}
    for function, (low, high) in limits.items():
        for dtype, _ in PRECISIONS:
            value, _ = results(function, target, np.array([[-np.inf, np.inf, np.nan]], dtype))
            np.testing.assert_array_equal(value[0], np.array([low, high, np.nan], dtype))


@pytest.mark.parametrize("target", RESULTS)
def test_slopes_at_kinks_are_the_same_in_every_target(target: str) -> None:
    slopes = {-3: (None, 0.01, 0, 0), -1: (None, 0.01, 0, 1 / 6), 0: (1, 0.01, 1, 1 / 6)}
    slopes |= {1: (1, 1, 0, 1 / 6), 3: (1, 1, 0, 0)}
    values = np.array([*slopes], float)
    for function, wanted in zip(KINKED, np.array([*slopes.values()], float).T, strict=True):
        cell = Cell("kinks", Eq(h.next, function(x)))
        call = call_at(cell, values)
        (_, _, found, _) = RESULTS[target](autodiff_module(cell, target), call)
        run = call.module.forward(call.parameters, call.inputs, call.state)
        ours = call.module.backward(call.parameters, run.tape, call.d_outputs, call.d_state).inputs[0]
        known = np.isfinite(wanted)
        np.testing.assert_allclose(np.asarray(found)[0, 0, known], wanted[known], rtol=1e-12)
        np.testing.assert_allclose(ours[0, 0, known], wanted[known], rtol=1e-12)


def call_at(cell: Cell, values: np.ndarray) -> Call:
    """One step of one sample with these inputs, where the loss is the sum of the outputs."""
    zeros = np.zeros((1, values.size))
    made = SimpleNamespace(
        parameters={},
        inputs={"x": values[None, None]},
        state={"h": zeros},
        d_outputs=np.ones((1, 1, values.size)),
        d_state={"h": zeros},
    )
    return Call(sr.load(cell, "numpy"), made, "float64")


ROWS = {
    "float32": (
        (3e30, -4e30, 0),
        (1e38, 1e38, -1e38),
        (3e-30, 4e-30, 0),
        (1e6, 1e6 + 1, 1e6 + 2),
        (0.5, 2, -1),
    ),
    "float64": (
        (3e200, -4e200, 0),
        (1e307, 1e307, -1e307),
        (3e-200, 4e-200, 0),
        (1e12, 1e12 + 1, 1e12 + 2),
        (0.5, 2, -1),
    ),
}
"""Vectors whose squares overflow or vanish, and one whose elements are close together."""


@targets
@pytest.mark.parametrize("function", [sr.norm, sr.rms_norm, sr.layer_norm], ids=lambda f: f.name)
def test_vectors_of_all_sizes(function: Any, target: str) -> None:
    others = [1e-5] * (function is not sr.norm)
    for dtype, bound in PRECISIONS:
        rows = np.array(ROWS[dtype], dtype)
        value, gradient = results(function, target, rows)
        exact = rows.astype(np.longdouble)
        for found, slope, row in zip(value, gradient, exact, strict=True):
            np.testing.assert_allclose(found, wanted_of(function, row, *others), rtol=10 * bound, atol=1e-37)
            assert np.isfinite(slope).all()
        plain, slopes = results(function, target, rows[-1:])
        with jax.enable_x64(True):
            reference = jax.grad(lambda a: function.facts.reference(jnp, a, *others).sum())
            np.testing.assert_allclose(slopes[0], reference(jnp.asarray(exact[-1], float)), rtol=20 * bound)
        assert np.isfinite(plain).all()


def wanted_of(function: Any, row: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """The formula, in numbers whose squares do not overflow."""
    if function is sr.norm:
        return np.sqrt(np.sum(row**2))
    left = row - np.mean(row) * (function is sr.layer_norm)
    return left / np.sqrt(np.mean(left**2) + eps)


@targets
def test_the_gradient_of_a_norm_is_its_direction(target: str) -> None:
    for dtype, bound in PRECISIONS:
        rows = np.array([*ROWS[dtype], (0, 0, 0)], dtype)
        _, gradient = results(sr.norm, target, rows)
        sizes = np.array([wanted_of(sr.norm, row) for row in rows.astype(np.longdouble)])
        wanted = rows / np.where(sizes == 0, 1, sizes)[:, None]
        np.testing.assert_allclose(gradient, wanted, rtol=10 * bound)


@pytest.mark.parametrize("target", RESULTS)
def test_the_gradient_of_a_norm_at_zero_is_zero_in_every_target(target: str) -> None:
    cell = Cell("at_zero", Eq(h.next, x * sr.norm(h) + sr.norm(x)))
    call = call_at(cell, np.zeros(3))
    for found in RESULTS[target](autodiff_module(cell, target), call):
        np.testing.assert_array_equal(found, np.zeros_like(found))


def test_they_are_those_of_pytorch() -> None:
    functional = pytest.importorskip("torch.nn.functional")
    torch = pytest.importorskip("torch")
    theirs = {
        sr.elu: functional.elu,
        sr.leaky_relu: functional.leaky_relu,
        sr.hard_tanh: functional.hardtanh,
        sr.hard_sigmoid: functional.hardsigmoid,
        sr.log_sigmoid: functional.logsigmoid,
        sr.tan: torch.tan,
        sr.rms_norm: lambda a: functional.rms_norm(a, a.shape[-1:], eps=1e-5),
        sr.layer_norm: lambda a: functional.layer_norm(a, a.shape[-1:], eps=1e-5),
        sr.norm: lambda a: torch.linalg.vector_norm(a, dim=-1, keepdim=True),
    }
    rows = np.array([[-4, -3, -1, -0.5, 0, 0.3, 1, 3, 5], [0, 0, 0, 0, 0, 0, 0, 0, 0]], float)
    for function, other in theirs.items():
        given = torch.tensor(rows, requires_grad=True)
        wanted = other(given)
        wanted.sum().backward()
        value, gradient = results(function, "numpy", rows)
        np.testing.assert_allclose(value, wanted.detach(), rtol=1e-13, atol=1e-14)
        bound = 1e-7 if function is sr.hard_sigmoid else 1e-12  # PyTorch's sixth is one in single precision
        np.testing.assert_allclose(gradient, given.grad, rtol=bound, atol=1e-13)


@pytest.mark.parametrize("function", [sr.rms_norm, sr.layer_norm], ids=lambda f: f.name)
@pytest.mark.parametrize("eps", [0, -1, g, "small"])
def test_eps_is_a_positive_number(function: Any, eps: Any) -> None:
    with pytest.raises(DeclarationError, match=rf"{function.name} got "):
        function(h, eps)


def test_what_a_default_stands_for() -> None:
    assert sr.elu(h) == sr.elu(h, 1)
    assert sr.leaky_relu(h) == sr.leaky_relu(h, 0.01)
    assert sr.layer_norm(h) == sr.layer_norm(h, 1e-5)
    assert sr.rms_norm(h) == sr.rms_norm(h, 1e-5) != sr.rms_norm(h, 1e-6)


def test_a_slope_that_is_trained() -> None:
    p = Parameter("p", n)
    for function in (sr.leaky_relu, sr.elu):
        sr.check(Cell("trained", Eq(h.next, function(h + x, p))), "numpy").raise_if_failed()
