"""Warnings of roots, logarithms and quotients that are taken at 0 while all states are 0."""

import warnings

import numpy as np
import pytest
from sympy import Eq, Expr, Rational

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, SymrnnWarning, Value, axes, dot, exp, log, sqrt, tanh, total

n, m = axes("n m")
x, h, v, s = Input("x", n), State("h", m), Value("v"), Value("s")
W, U, b, p = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m), Parameter("p")
NEXT = Eq(h.next, tanh(W @ x + U @ h + b))


def cell(right: Expr, *before: Eq) -> Cell:
    return Cell("normed", *before, Eq(v, right), NEXT, output=v)


SINGULAR: dict[str, tuple[Expr, str]] = {
    "a norm": (sqrt(dot(h, h)), r"sqrt\(h @ h \+ eps\)"),
    "a unit vector": (h / sqrt(total(h**2)), r"sqrt\(total\(h\*\*2\) \+ eps\)"),
    "a norm of a product": (sqrt(total((U @ h) ** 2)), r"sqrt\(total\(\(U @ h\)\*\*2\) \+ eps\)"),
    "a logarithm": (log(abs(h)), r"log\(abs\(h\) \+ eps\)"),
    "a logarithm of a function": (log(tanh(h) ** 2), r"log\(tanh\(h\)\*\*2 \+ eps\)"),
    "a quotient": (h / total(abs(h)), r"1 / \(total\(abs\(h\)\) \+ eps\)"),
    "a quotient by what inputs scale": (1 / dot(U @ h, W @ x), r"1 / \(\(U @ h\) @ \(W @ x\) \+ eps\)"),
    "a small power": (abs(h) ** 0.3, r"\(abs\(h\) \+ eps\)\*\*0.3"),
    "a root of what cancels": (sqrt(exp(h) - 1), r"sqrt\(exp\(h\) - 1 \+ eps\)"),
}


@pytest.mark.parametrize("what", SINGULAR)
def test_a_function_that_is_taken_at_zero_is_told(what: str) -> None:
    right, repair = SINGULAR[what]
    place = (
        r"In cell 'normed', equation 1 \(v = ...\): .* is 0 while all states are 0, as at the first step\. "
    )
    with pytest.warns(SymrnnWarning, match=f"{place}.* is infinite then, .*Write {repair}") as told:
        cell(right)
    assert len(told) == 1
    assert told[0].filename == __file__


HARMLESS: dict[str, Expr] = {
    "eps": sqrt(dot(h, h) + 1e-12),
    "a choice": sr.where(dot(h, h) > 0, sqrt(dot(h, h)), 0),
    "no gradient": sr.stop_gradient(sqrt(dot(h, h))),
    "inputs": sqrt(total((W @ x) ** 2)),
    "a bias": sqrt(total((U @ h + b) ** 2)),
    "one and more": log(1 + abs(h)) / (1 + total(h**2)),
    "a power above one": abs(h) ** Rational(3, 2),
    "a power of a parameter": abs(h) ** p,
    "an exponential": log(exp(h)) + 1 / exp(h) + sqrt(exp(h)),
    "a softmax": log(sr.softmax(h)) + 1 / sr.logsumexp(h),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_cells_are_declared_without_a_word(what: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cell(HARMLESS[what])


def test_the_cause_alone_is_told() -> None:
    with pytest.warns(SymrnnWarning, match=r"equation 1 \(s = ...\): h @ h is 0") as told:
        cell(h / s, Eq(s, sqrt(dot(h, h))))
    assert len(told) == 1


def test_a_value_that_a_choice_guards_is_harmless() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = cell(sr.where(total(h**2) > 0, s, 0) * h, Eq(s, sqrt(total(h**2))))
    with pytest.warns(SymrnnWarning, match="equation 1"):
        cell(sr.where(total(h**2) > 0, s, 0) * h + s, Eq(s, sqrt(total(h**2))))
    module = sr.load(made, target="numpy")
    given = module.init(np.random.default_rng(0), n=2, m=3)
    ran = module.forward(given, np.ones((4, 1, 2), np.float32))
    found = module.backward(given, ran.tape, np.ones_like(ran.outputs))
    assert all(np.all(np.isfinite(array)) for array in found.parameters)


def test_what_is_written_instead_has_gradients() -> None:
    with pytest.warns(SymrnnWarning):
        wrong = cell(sqrt(dot(h, h)))
    for made, fine in ((wrong, False), (cell(sqrt(dot(h, h) + 1e-6)), True)):
        module = sr.load(made, target="numpy")
        given = module.init(np.random.default_rng(0), n=2, m=3)
        ran = module.forward(given, np.ones((4, 1, 2), np.float32))
        found = module.backward(given, ran.tape, np.ones_like(ran.outputs))
        assert bool(np.all(np.isfinite(found.state))) is fine


def test_what_is_made_from_a_cell_does_not_warn_again() -> None:
    with pytest.warns(SymrnnWarning):
        made = Cell("normed", Eq(h.next, tanh(W @ x + U @ h) * sqrt(dot(h, h))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sr.derive(made)
        sr.tangent(made)
        sr.step_jacobian(made)
        sr.latex(made)
