"""Overflow that an author writes by hand: what is computed instead, its exact values, where it is told."""

import math
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Eq, Expr

import symrnn as sr
from symrnn import (
    Cell,
    Constant,
    Index,
    Input,
    Parameter,
    State,
    Value,
    axes,
    dot,
    exp,
    largest,
    log,
    logsumexp,
    mean,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    take,
    tanh,
    total,
)
from symrnn.declaration import stable_forms
from symrnn.declaration.stable_forms import FORMS
from symrnn.mathematics.sections import derivation_parts
from symrnn.notation.rendering.latex import latex
from symrnn.papers.formulas import derivation_display
from symrnn.papers.lines import prose_latex
from symrnn.papers.terminal import derivation_picture
from symrnn.zoo import SHIPPED

n, m = axes("n m")
a, b, z, k = Input("a", m), Input("b", m), Input("z", m), Index("k", m)
p, w, v, y = Parameter("p"), Parameter("w"), Value("v"), Value("y")
EXAMPLES = [pair for form in FORMS for pair in form.examples.items()]
PUBLIC = {name: getattr(sr, name) for name in sr.__all__}
NAMES = {**PUBLIC, "a": a, "b": b, "z": z, "k": k, "p": p, "Rational": sympy.Rational}
DTYPES = (np.float64, np.float32)


def cell(right: Expr, *before: Eq) -> Cell:
    return Cell("written", *before, Eq(v, right), output=v)


def computed(right: Expr, *before: Eq) -> Expr:
    return cell(right, *before).equations[-1].computed


def run(
    cell: Cell, dtype: Any = np.float64, target: str = "numpy", **arrays: Any
) -> tuple[Any, dict[str, Any]]:
    """The outputs of a step of one sample, and the gradients of their sum by name."""
    module = sr.load(cell, target=target)
    parameters = module.Parameters(**{q.name: np.asarray(arrays[q.name], dtype) for q in cell.parameters})
    kinds = {q.name: np.int64 if isinstance(q, Index) else dtype for q in cell.inputs}
    inputs = module.Inputs(**{name: np.asarray([[arrays[name]]], kind) for name, kind in kinds.items()})
    ran = module.forward(parameters, inputs)
    found = module.backward(parameters, ran.tape, np.ones_like(ran.outputs))
    named = {**found.parameters._asdict(), **found.inputs._asdict()}
    shaped = {
        name: array.reshape(np.shape(arrays[name])) for name, array in named.items() if array is not None
    }
    return ran.outputs[0, 0], shaped


# -- what is found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "stable"), EXAMPLES)
def test_what_the_table_shows_is_what_is_computed(written: str, stable: str) -> None:
    made, wanted = (eval(text, NAMES) for text in (written, stable))
    assert computed(made) == computed(wanted)
    assert cell(made).equations[0].is_rewritten
    assert not cell(wanted).equations[0].is_rewritten


@pytest.mark.parametrize(("written", "stable"), EXAMPLES)
def test_functions_of_sympy_mean_the_same(written: str, stable: str) -> None:
    theirs = NAMES | {"exp": sympy.exp, "log": sympy.log}
    assert computed(eval(written, theirs)) == computed(eval(stable, NAMES))


PLAIN: dict[str, Expr] = {
    "exp(a)": exp(a),
    "a positive number": log(2 + a**2),
    "one over a sum": 1 / (1 + a**2),
    "a weight before the exponential": log(1 + w * exp(a)),
    "a difference": log(1 - exp(-(a**2)) / 2),
    "a guarded logarithm": log(softmax(z) + 1e-6),
    "a power of a gate": sigmoid(a) ** 3,
    "one minus a gate": 1 - sigmoid(a),
    "a power of a number": 2**a,
}


@pytest.mark.parametrize("what", PLAIN)
def test_what_needs_no_other_form_stays(what: str) -> None:
    assert not cell(PLAIN[what]).equations[0].is_rewritten


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_cell_is_rewritten(name: str) -> None:
    assert not any(equation.is_rewritten for equation in SHIPPED[name].equations)


@pytest.mark.parametrize(
    ("right", "stable"),
    [
        (w * a / (1 + exp(-a)), w * a * sigmoid(a)),
        (2 / (1 + exp(-2 * a)) - 1, 2 * sigmoid(2 * a) - 1),
        (3 / (2 + exp(-a)), 3 * sigmoid(sympy.log(2) + a) / 2),
        (exp(-a) / (1 + exp(-a)) ** 2, sigmoid(a) * sigmoid(-a)),
        (log(2 + exp(a)), sympy.log(2) + softplus(a - sympy.log(2))),
        (log(b * sigmoid(a)), log(b) - softplus(-a)),
        (log(exp(a) / total(exp(a))), a - logsumexp(a)),
        (log(1 / (1 + exp(-a))), -softplus(-a)),
        (log(mean(exp(a))), log(1 / m) + logsumexp(a)),
        (exp(a - largest(a)) / total(exp(a - largest(a))), softmax(a)),
        (-take(log(softmax(a)), k) * b, -take(a - logsumexp(a), k) * b),
        (tanh(log(1 + exp(a))), tanh(softplus(a))),
        ((exp(a) - exp(-a)) / 2 / ((exp(a) + exp(-a)) / 2), tanh(a)),
        (sr.where(a > 0, 1 / (1 + exp(-a)), exp(a) / (1 + exp(a))), sr.where(a > 0, sigmoid(a), sigmoid(a))),
    ],
)
def test_a_form_is_found_inside_of_more(right: Expr, stable: Expr) -> None:
    assert computed(right) == computed(stable)


def test_values_are_looked_through() -> None:
    assert computed(log(y), Eq(y, softmax(z))) == z - logsumexp(z)
    assert computed(-take(log(y), k), Eq(y, softmax(z))) == computed(-take(z - logsumexp(z), k))
    assert computed(-log(take(y, k)), Eq(y, softmax(z))) == computed(logsumexp(z) - take(z, k))
    assert computed(log(1 - y), Eq(y, 1 / (1 + exp(-a)))) == -softplus(a)
    assert computed(y / total(y), Eq(y, exp(z))) == softmax(z)
    assert computed(b / y, Eq(y, 1 + exp(-a))) == b * sigmoid(a)
    assert computed(dot(y, b) / total(y), Eq(y, exp(z))) == computed(dot(softmax(z), b))
    assert computed(tanh(y), Eq(y, softmax(z))) == tanh(y)


def test_the_order_of_presentation_does_not_matter() -> None:
    made = Cell("written", Eq(v, log(y)), Eq(y, softmax(z)), output=v)
    assert made.equations[0].computed == z - logsumexp(z)


def test_a_state_that_a_number_fills_keeps_its_shape() -> None:
    h, g = State("h", m), Parameter("g")
    made = Cell("filled", Eq(h.next, exp(g)), Eq(v, log(h.next) + a), output=v)
    assert made.shape_of(v) == (m,)
    assert not made.equations[1].is_rewritten


def test_what_cancels_to_a_number_stays_as_it_is() -> None:
    assert not cell(sigmoid(a) - 1 / (1 + exp(-a))).equations[0].is_rewritten


# -- exact values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "far"), [(np.float64, 1000.0), (np.float32, 95.0)])
@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_logistic_function_by_hand_saturates(dtype: Any, far: float, target: str) -> None:
    written = 1 / (1 + exp(-w * a)) + exp(w * b) / (exp(w * b) + 1) + tanh(z * 0)
    outputs, found = run(cell(written), dtype, target, w=1, a=[-far, far, 0], b=[-far, far, 0], z=[0, 0, 0])
    np.testing.assert_allclose(outputs, [0, 2, 1], atol=1e-38)
    np.testing.assert_allclose(found["a"], [0, 0, 0.25], atol=1e-35)
    np.testing.assert_allclose(found["b"], [0, 0, 0.25], atol=1e-35)
    assert abs(found["w"]) < 1e-35


FAR: dict[str, tuple[Expr, list[float], list[float]]] = {
    "softplus": (log(1 + exp(a)), [0, 1, math.log(2)], [0, 1, 0.5]),
    "log sigmoid": (log(sigmoid(a)), [-1, 0, -math.log(2)], [1, 0, 0.5]),
    "log of one minus sigmoid": (log(1 - sigmoid(a)), [0, -1, -math.log(2)], [0, -1, -0.5]),
    "tanh": ((exp(a) - exp(-a)) / (exp(a) + exp(-a)), [-1, 1, 0], [0, 0, 1]),
    "tanh again": ((1 - exp(-2 * a)) / (1 + exp(-2 * a)), [-1, 1, 0], [0, 0, 1]),
    "one over cosh": (2 / (exp(a) + exp(-a)), [0, 0, 1], [0, 0, 0]),
    "one over exp": (1 / exp(w * abs(a)), [0, 0, 1], [0, 0, 0]),
    "a root": (1 / sqrt(1 + exp(-a)), [0, 1, 0.5**0.5], [0, 0, 0.5**1.5 / 2]),
    "the root of a gate": (sqrt(sigmoid(a)), [0, 1, 0.5**0.5], [0, 0, 0.5**1.5 / 2]),
}
"""Values and slopes at -1000, 1000 and 0; a value whose slope is 1 or -1 counts in thousands."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", FAR)
def test_values_and_slopes_far_out(what: str, dtype: Any) -> None:
    right, values, slopes = FAR[what]
    made = cell(right)
    outputs, found = run(made, dtype, a=[-1000, 1000, 0], **({"w": 1} if made.parameters else {}))
    ends = [1000 if abs(slope) == 1 else 1 for slope in slopes]
    expected = [
        value * end if i < 2 else value for i, (value, end) in enumerate(zip(values, ends, strict=True))
    ]
    np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-200)
    np.testing.assert_allclose(found["a"], slopes, rtol=1e-6, atol=1e-200)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("right", [-take(log(y), k), -log(take(y, k)), -log(take(exp(z) / total(exp(z)), k))])
def test_the_cross_entropy_of_a_softmax(right: Expr, dtype: Any) -> None:
    made = cell(right, Eq(y, softmax(z)))
    outputs, found = run(made, dtype, z=[0, 2000, 0], k=0)
    assert outputs == 2000
    assert found["z"].tolist() == [-1, 1, 0]


@pytest.mark.parametrize("right", [exp(z) / total(exp(z)), y / total(y)])
def test_a_softmax_by_hand(right: Expr) -> None:
    before = [Eq(y, exp(z))] if right.has(y) else []
    outputs, found = run(cell(right * b, *before), z=[0, 2000, 2000], b=[1, 2, 4])
    np.testing.assert_allclose(outputs, [0, 1, 2])
    np.testing.assert_allclose(found["z"], [0, -0.5, 0.5])


def test_a_logarithm_of_a_total() -> None:
    outputs, found = run(cell(log(total(exp(z)))), z=[2000, 2000, 0])
    assert outputs == pytest.approx(2000 + math.log(2))
    np.testing.assert_allclose(found["z"], [0.5, 0.5, 0])


def test_a_power_of_a_root_has_a_slope_at_zero() -> None:
    for right in (sqrt(w * a) ** 3, w * a * sqrt(w * a)):
        _, found = run(cell(right), a=[0, 4], w=1)
        assert found["w"] == 12
        assert found["a"].tolist() == [0, 3]
    outputs, found = run(cell(exp(p * log(a))), a=[0, 4], p=2)
    assert outputs.tolist() == [0, 16]
    assert found["p"] == pytest.approx(16 * math.log(4))
    np.testing.assert_allclose(found["a"], [0, 8])


def test_the_tangent_of_a_form_is_that_of_what_is_computed() -> None:
    made = sr.tangent(cell(1 / (1 + exp(-a))))
    outputs, _ = run(made, a=[-1000, 0], a_dot=[1, 1])
    assert outputs.tolist() == [0, 0.25]


def test_without_the_table_the_gradient_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stable_forms, "FORMS", ())
    _, found = run(cell(1 / (1 + exp(-a))), a=[-1000, 0])
    assert np.isnan(found["a"]).tolist() == [True, False]


# -- agreement, and what is told --------------------------------------------------------------------------

h, x = State("h", m), Input("x", n)
W, U, beta = Parameter("W", m, n), Parameter("U", m, m), Constant("beta", value=0.5)
GATE, SHARE = Value("g"), Value("s")
HAND = Cell(
    "by_hand",
    Eq(GATE, 1 / (1 + exp(-(W @ x + U @ h)))),
    Eq(SHARE, exp(beta * h) / total(exp(beta * h))),
    Eq(v, log(1 - GATE) + log(SHARE)),
    Eq(h.next, GATE * (exp(v) - exp(-v)) / (exp(v) + exp(-v)) + (1 - GATE) * h),
)
PLAINLY = Cell(
    "by_hand",
    Eq(GATE, sigmoid(W @ x + U @ h)),
    Eq(SHARE, softmax(beta * h)),
    Eq(v, beta * h - logsumexp(beta * h) - softplus(W @ x + U @ h)),
    Eq(h.next, GATE * tanh(v) + (1 - GATE) * h),
)


def test_a_cell_by_hand_is_the_cell_of_its_forms() -> None:
    assert HAND.definitions == PLAINLY.definitions


def test_what_is_computed_agrees_with_autodiff_of_what_is_written() -> None:
    assert sr.check(HAND).passed


def test_the_text_of_a_cell_tells_both() -> None:
    first = "g = reciprocal(1 + exp(-W @ x - U @ h)), computed as sigmoid(W @ x + U @ h)"
    assert first in str(HAND)
    assert "computed as" not in str(PLAINLY)


def test_plan_and_kernel_tell_what_is_computed() -> None:
    plan = " ".join(str(sr.plan(HAND)).split())
    assert "rewritten (1) g = reciprocal(1 + exp(-W @ x - U @ h)), computed as sigmoid(W @ x + U @ h)" in plan
    assert "(2) s = exp(beta * h) * reciprocal(total(exp(beta * h))), computed as softmax(beta * h)" in plan
    assert "rewritten" not in str(sr.plan(PLAINLY))
    assert "# (1) g = reciprocal(1 + exp(-W @ x - U @ h)), computed as sigmoid(" in sr.emit(HAND, "numpy")


def test_the_paper_shows_both_right_sides() -> None:
    forward = derivation_parts(sr.derive(HAND)).sections[0].passages[0]
    assert [len(equation.rights) for equation in forward.equations] == [2, 2, 2, 2]
    assert r"\exp" in latex(forward.equations[0].rights[0])
    assert latex(forward.equations[0].rights[1]).startswith(r"\sigma(")
    assert "What is computed are the last right sides of" in prose_latex(forward.after)
    alone = derivation_parts(sr.derive(cell(1 / (1 + exp(-a))))).sections[0].passages[0]
    assert r"What is computed is the last right side of \eqref{eq:v}, which is equal" in prose_latex(
        alone.after
    )
    plainly = derivation_parts(sr.derive(PLAINLY)).sections[0].passages[0]
    assert "computed is" not in prose_latex(plainly.after)


def test_terminal_and_notebook_show_both() -> None:
    shown = [line.strip() for line in derivation_picture(sr.derive(HAND), 80)]
    at = shown.index("computed as")
    assert shown[at + 1] == "g⟨t⟩ = σ(W x⟨t⟩ + U h⟨t-1⟩)"
    assert r"\text{computed as}" in derivation_display(sr.derive(HAND))
    assert r"\text{computed as}" not in derivation_display(sr.derive(PLAINLY))
