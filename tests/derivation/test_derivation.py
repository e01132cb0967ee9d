"""Derived equations as exact text, where each term came from, and names that collide."""

import os
import subprocess
import sys

import pytest
from sympy import Eq

from symrnn import Cell, Input, Parameter, State, Value, axes, derive, tanh
from symrnn.derivation.derivation import Derivation
from symrnn.zoo import CELLS

n, m = axes("n m")

ELMAN = """\
backpropagation through time of elman
  at every step, t = T ... 1:
    d_s_next = d_s_output + d_s_later
    d_a_s = d_s_next * (1 - s.next**2)
    d_x_s = d_a_s @ W_s
    d_s = d_x_s[n : m + n]
    d_x = d_x_s[0 : n]
  for the parameters:
    d_W_s = sum over t of outer(d_a_s, x_s)
    d_b_s = sum over t of d_a_s"""

LSTM = """\
backpropagation through time of lstm
  at every step, t = T ... 1:
    d_h_next = d_h_output + d_h_later
    d_tanh_c = d_h_next * o
    d_c_next = d_tanh_c * (1 - tanh_c**2) + d_c_later
    d_g = d_c_next * i
    d_a_g = d_g * (1 - g**2)
    d_o = d_h_next * tanh_c
    d_a_o = d_o * o * (1 - o)
    d_f = d_c_next * c
    d_a_f = d_f * f * (1 - f)
    d_i = d_c_next * g
    d_a_i = d_i * i * (1 - i)
    d_h_x = d_a_f @ W_f + d_a_g @ W_g + d_a_i @ W_i + d_a_o @ W_o
    d_c = d_c_next * f
    d_h = d_h_x[0 : m]
    d_x = d_h_x[m : m + n]
  for the parameters:
    d_W_i = sum over t of outer(d_a_i, h_x)
    d_b_i = sum over t of d_a_i
    d_W_f = sum over t of outer(d_a_f, h_x)
    d_b_f = sum over t of d_a_f
    d_W_o = sum over t of outer(d_a_o, h_x)
    d_b_o = sum over t of d_a_o
    d_W_g = sum over t of outer(d_a_g, h_x)
    d_b_g = sum over t of d_a_g"""


@pytest.mark.parametrize(("name", "text"), [("elman", ELMAN), ("lstm", LSTM)])
def test_derived_equations(name: str, text: str) -> None:
    assert str(derive(CELLS[name])) == text


def origins(derivation: Derivation, name: str) -> list[tuple[str, str]]:
    (equation,) = [e for e in derivation.equations if e.symbol.name == name]
    return [(term.rule, str(term.definition or "")) for term in equation.terms]


def test_every_term_knows_the_forward_equation_and_the_rule() -> None:
    derivation = derive(CELLS["lstm"])
    assert origins(derivation, "d_h_next") == [("later", ""), ("output", "")]
    assert origins(derivation, "d_c_next") == [("later", ""), ("tanh", "tanh_c = tanh(c.next)")]
    assert origins(derivation, "d_a_i") == [("sigmoid", "i = sigmoid(a_i)")]
    assert origins(derivation, "d_c") == [("algebraic", "c.next = c*f + g*i")]
    assert origins(derivation, "d_h") == [("stack", "h_x = [h, x]")]
    assert {rule for rule, _ in origins(derivation, "d_h_x")} == {"contraction"}
    assert {text for _, text in origins(derivation, "d_h_x")} == {f"W_{g}_h_x = W_{g} @ h_x" for g in "ifog"}


@pytest.mark.parametrize("name", CELLS)
def test_every_term_comes_from_a_definition_that_reads_what_it_is_for(name: str) -> None:
    cell = CELLS[name]
    for equation in derive(cell).equations:
        for term in equation.terms:
            if term.definition is None:
                assert term.rule in ("later", "output")
            else:
                assert term.definition in cell.definitions
                assert equation.of in term.definition.reads


@pytest.mark.parametrize("name", CELLS)
def test_adjoints_are_in_an_order_in_which_they_can_be_computed(name: str) -> None:
    derivation = derive(CELLS[name])
    known = {derivation.output, *(later for _, later in derivation.later)}
    for equation in derivation.equations:
        used = equation.expr.atoms(type(equation.symbol))
        assert used <= known
        known.add(equation.symbol)


def test_the_adjoint_comes_first_in_a_product_that_is_summed() -> None:
    A, s, p, h = Input("A", m), Parameter("s"), Parameter("p"), State("h", m)
    assert "d_s = sum over t of d_h_next @ A" in str(derive(Cell("scaled", Eq(h.next, s * A + h))))
    twice = str(derive(Cell("twice", Eq(h.next, s * p * A + h))))
    assert "d_s = sum over t of (d_h_next @ A) * p" in twice
    assert "d_p = sum over t of (d_h_next @ A) * s" in twice


def test_authors_names_win_over_adjoints() -> None:
    """The biases d_r, d_z, d_n are declared: adjoints get another prefix, all of them."""
    derivation = derive(CELLS["gru_reset_after"])
    names = {equation.symbol.name for equation in derivation.equations}
    assert all(name.startswith("grad_") for name in names)
    assert {"grad_r", "grad_d_r", "grad_n"} <= names
    assert derivation.output.name == "grad_h_output"


def test_when_all_prefixes_are_taken_numbers_tell_names_apart() -> None:
    x, h = Input("x", m), State("h", m)
    taken = [Parameter(name, m) for name in ("d_x", "grad_x", "adjoint_x")]
    cell = Cell("crowded", Eq(h.next, tanh(h + x * sum(taken[1:], taken[0]))))
    names = [equation.symbol.name for equation in derive(cell).equations]
    assert len(set(names)) == len(names)
    assert not set(names) & {quantity.name for quantity in taken}


def test_what_nothing_depends_on_has_an_equation_that_says_zero() -> None:
    x, h, v = Input("x", m), State("h", m), Value("v")
    cell = Cell("idle", Eq(v, tanh(x)), Eq(h.next, tanh(h)))
    derivation = derive(cell)
    assert derivation.of(x).expr == 0
    with pytest.raises(KeyError, match="v"):
        derivation.of(v)


PROGRAM = """
import symrnn
from symrnn.zoo import CELLS
for cell in CELLS.values():
    print(symrnn.derive(cell))
    plan = symrnn.plan(cell)
    print(plan)
    for target in ("numpy", "numba"):
        print(symrnn.emit(plan, target=target))
"""


def test_two_hash_seeds_give_the_same_text() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    texts = []
    for process in runs:
        out, error = process.communicate()
        assert process.returncode == 0, error
        texts.append(out)
    assert len(texts[0]) > 50_000
    assert texts[0] == texts[1]
