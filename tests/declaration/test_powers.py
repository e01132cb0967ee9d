"""Powers where floating point is hard: at zero, with exponents that are numbers, parameters or arrays."""

import math
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Expr, Rational

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes
from symrnn.checking.problem import draw_problem
from symrnn.checking.reference import reference_gradients
from symrnn.declaration.operations import power
from symrnn.derivation import rules
from symrnn.derivation.rules import POINTWISE_RULES
from symrnn.errors import ValidationError
from symrnn.pipeline import forget

n, m = axes("n m")
d, w, p, v = Input("d", m), Parameter("w"), Parameter("p"), Value("v")
DTYPES = (np.float64, np.float32)


def layer(right: Expr) -> Cell:
    return Cell("layer", Eq(v, right), output=v)


def gradients(cell: Cell, target: str, dtype: Any, parameters: dict[str, Any], x: list[float]) -> Any:
    """The outputs and the gradients of their sum, T = B = 1."""
    module = sr.load(cell, target=target)
    given = module.Parameters(**{name: np.asarray(value, dtype) for name, value in parameters.items()})
    inputs = np.asarray([[x]], dtype)
    ran = module.forward(given, inputs)
    return ran.outputs, module.backward(given, ran.tape, np.ones_like(ran.outputs))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("exponent", "slope"),
    [
        (Rational(3, 2), 3.0),
        (Rational(5, 2), 20.0),
        (1.5, 3.0),
        (1.75, 1.75 * 4**0.75),
        (Rational(7, 3), None),
    ],
)
def test_the_slope_of_a_power_above_one_is_zero_at_zero(
    exponent: Any, slope: float | None, dtype: Any
) -> None:
    slope = slope or float(exponent) * 4 ** (float(exponent) - 1)
    outputs, found = gradients(layer((w * d) ** exponent), "numpy", dtype, {"w": 1}, [0, 4])
    assert found.parameters.w == pytest.approx(4 * slope, rel=1e-6)
    np.testing.assert_allclose(found.inputs.d.ravel(), [0, slope], rtol=1e-6)
    np.testing.assert_allclose(outputs.ravel(), [0, 4 ** float(exponent)], rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.25, 0.5, Rational(1, 3), -0.5, -1.5, Rational(-1, 3)])
def test_the_slope_of_a_power_below_one_is_infinite_at_zero(exponent: Any) -> None:
    _, found = gradients(layer((w * d) ** exponent), "numpy", np.float64, {"w": 1}, [0, 4])
    number = float(exponent)
    assert found.inputs.d.ravel().tolist()[0] == math.copysign(np.inf, number)
    assert found.inputs.d.ravel().tolist()[1] == pytest.approx(number * 4 ** (number - 1), rel=1e-13)


TIES: dict[float, tuple[list[float], list[float]]] = {
    2.0: ([0, 16, 4], [0, 8, -4]),
    3.0: ([0, 64, 8], [0, 48, -12]),
    1.5: ([0, 8, 2**1.5], [0, 3, -1.5 * 2**0.5]),
    1.0: ([0, 4, 2], [0, 1, -1]),
    0.0: ([1, 1, 1], [0, 0, 0]),
}
"""The powers of 0, 4 and |-2| by exponent, and their slopes."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", TIES)
def test_a_parameter_as_exponent(exponent: float, dtype: Any) -> None:
    outputs, found = gradients(layer(abs(d) ** p), "numpy", dtype, {"p": exponent}, [0, 4, -2])
    values, slopes = TIES[exponent]
    np.testing.assert_allclose(outputs.ravel(), values, rtol=1e-6)
    np.testing.assert_allclose(found.inputs.d.ravel(), slopes, rtol=1e-6)
    by_exponent = 4**exponent * math.log(4) + 2**exponent * math.log(2)  # what is 0 does not change with p
    assert found.parameters.p == pytest.approx(by_exponent, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_compiled_kernel_has_the_same_slopes(dtype: Any) -> None:
    q = Parameter("q", m)
    cell = layer((w * d) ** Rational(3, 2) + 2 * (w * d) ** Rational(5, 2) + abs(d) ** p + (w * d) ** q)
    given = {"w": 1, "p": 2, "q": [1, 2, 2.5]}
    _, found = gradients(cell, "numba", dtype, given, [0, 4, 4])
    assert found.parameters.p == pytest.approx(32 * math.log(4), rel=1e-5)
    np.testing.assert_allclose(found.parameters.q, [0, 16 * math.log(4), 32 * math.log(4)], rtol=1e-5)
    slopes = [1, 3 + 40 + 8 + 8, 3 + 40 + 8 + 20]
    np.testing.assert_allclose(found.inputs.d.ravel(), slopes, rtol=1e-5)
    assert found.parameters.w == pytest.approx(4 * (3 + 40 + 8 + 3 + 40 + 20), rel=1e-5)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_row_that_is_zero_does_not_spoil_the_others(target: str) -> None:
    x, h = Input("x", n), State("h", m)
    W, U, b = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m)
    cell = Cell("powered", Eq(h.next, sr.tanh(abs(W @ x) ** Rational(3, 2) + U @ h + b)))
    given = {"W": [[0, 0], [0.3, 0.2]], "U": np.zeros((2, 2)), "b": [0, 0]}
    outputs, found = gradients(cell, target, np.float64, given, [1, 1])
    a = 0.5**1.5
    np.testing.assert_allclose(outputs.ravel(), [0, np.tanh(a)], rtol=1e-14)
    slope = (1 - np.tanh(a) ** 2) * 1.5 * 0.5**0.5
    np.testing.assert_allclose(found.parameters.W, [[0, 0], [slope, slope]], rtol=1e-14)


def test_a_negative_base_has_whole_powers_only() -> None:
    outputs, found = gradients(layer(d**p), "numpy", np.float64, {"p": 2}, [-3, 2])
    assert outputs.ravel().tolist() == [9, 4]
    assert found.inputs.d.ravel().tolist() == [-6, 4]
    assert np.isnan(found.parameters.p)  # no real power near 2 is defined
    for exponent in (1.5, 0.3):
        for cell, given in ((layer(d**p), {"p": exponent}), (layer(w * d**exponent), {"w": 1})):
            outputs, found = gradients(cell, "numpy", np.float64, given, [-3, 2])
            assert np.isnan(outputs.ravel()).tolist() == [True, False]
            assert np.isnan(found.inputs.d.ravel()).tolist() == [True, False]


@pytest.mark.parametrize("exponent", [1.7, 1.5, p])
def test_nan_stays_in_its_element(exponent: Any) -> None:
    given = {"p": 1.7, "w": 1}
    cell = layer((w * d) ** exponent)
    named = {q.name: given[q.name] for q in cell.parameters}
    _, found = gradients(cell, "numpy", np.float64, named, [np.nan, 4])
    assert np.isnan(found.inputs.d.ravel()).tolist() == [True, False]


@pytest.mark.parametrize("exponent", [1.5, 2.5, -1.5])
def test_a_half_power_is_right_far_below_one(exponent: float) -> None:
    """Where the power itself is no float any more, its slope may be one."""
    tiny = 1e-130 if exponent > 0 else 1e100
    _, found = gradients(layer((w * d) ** exponent), "numpy", np.float64, {"w": 1}, [tiny, 1])
    assert found.inputs.d.ravel()[0] == pytest.approx(exponent * tiny ** (exponent - 1), rel=1e-14)


@pytest.mark.parametrize(
    "right",
    [
        abs(d) ** Rational(3, 2) * w,
        abs(d) ** p,
        abs(d) ** 1.7 * w,
        (1 + d**2) ** p,
        (1 + d**2) ** (p * d),
        abs(w * d) ** (2 + p**2),
    ],
)
@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5, 2.0])
def test_the_reference_says_the_same_at_ties(right: Expr, exponent: float) -> None:
    cell = layer(right)
    problem = draw_problem(cell, T=2, B=2, sizes={"m": 3})
    problem.inputs["d"][0, :, 0] = 0
    problem.inputs["d"][1] = 0
    for name in ("p", "w"):
        if name in problem.parameters:
            problem.parameters[name][...] = exponent
    ones = np.ones_like(problem.d_outputs)
    expected = reference_gradients(
        cell, problem.parameters, problem.inputs, problem.state, d_outputs=ones, d_state={}
    )
    module = sr.load(cell, target="numpy")
    given = module.Parameters(**problem.parameters)
    ran = module.forward(given, problem.inputs["d"])
    found = module.backward(given, ran.tape, ones)
    assert np.all(np.isfinite(expected.inputs["d"]))
    np.testing.assert_allclose(ran.outputs, expected.outputs, rtol=1e-13)
    np.testing.assert_allclose(found.inputs.d, expected.inputs["d"], rtol=1e-12, atol=1e-14)
    for name, array in found.parameters._asdict().items():
        np.testing.assert_allclose(array, expected.parameters[name], rtol=1e-12, atol=1e-14)


def test_a_branch_that_was_not_taken_is_not_seen() -> None:
    for right in (d**p, d**1.7, (d + 1) ** p * w):
        _, found = gradients(
            layer(sr.where(d > 0, right, w * p * d)), "numpy", np.float64, {"p": 0.5, "w": 2}, [-1, -3]
        )
        assert found.inputs.d.ravel().tolist() == [1, 1]
        assert found.parameters.p == -8


def test_a_half_power_is_computed_by_a_root() -> None:
    source = sr.emit(layer((w * d) ** Rational(5, 2)), target="numpy")
    assert "np.sqrt(" in source
    assert not [line for line in source.splitlines() if "**" in line and "#" not in line and "    v" in line]
    assert "_power(" not in sr.emit(layer((w * d) ** Rational(5, 2))).partition("def _forward")[2]


def test_a_wrong_sign_by_the_exponent_turns_red(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = layer((1 + d**2) ** p)
    assert sr.check(cell).passed
    by_base, by_exponent = POINTWISE_RULES[power]
    assert by_exponent is not None
    wrong = (by_base, lambda *arguments: -by_exponent(*arguments))
    monkeypatch.setitem(rules.POINTWISE_RULES, power, wrong)
    forget()
    with pytest.raises(
        ValidationError, match=r"what v = power\(a_v, p\) hands back .* is not its derivative"
    ):
        sr.check(cell)


def test_the_tangent_of_a_power_is_right_at_zero() -> None:
    """Its reverse is the product with the Hessian: the second derivative of d**(5/2) is 0 at 0."""
    cell = sr.tangent(layer((w * d) ** Rational(5, 2)))
    module = sr.load(cell, target="numpy")
    given = module.Parameters(**{q.name: np.asarray(float(q.name == "w")) for q in cell.parameters})
    inputs = module.Inputs(d=np.array([[[0.0, 4.0]]]), d_dot=np.ones((1, 1, 2)))
    ran = module.forward(given, inputs)
    assert ran.outputs.ravel().tolist() == [0, 20]
    found = module.backward(given, ran.tape, np.ones_like(ran.outputs))
    assert found.inputs.d.ravel().tolist() == [0, 7.5]


@pytest.mark.parametrize("right", [abs(sr.relu(w * d)) ** p, sr.relu(w * d) ** Rational(7, 3)])
def test_plans_of_powers_of_zero_are_proved(right: Expr) -> None:
    """Half of what relu gives is 0: both slopes there are those of the rules."""
    sr.emit(layer(right * d), target="numpy")
