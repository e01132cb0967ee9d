"""What a step costs: the plan's figures, as polynomials in print."""

import pytest
from sympy import Integer

import symrnn as sr
from symrnn.declaration.axes import axes
from symrnn.mathematics.cost import leading_ratio, polynomial
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import latex_document
from symrnn.pipeline import cost, derive, plan
from symrnn.planning.cost import saved_elements
from symrnn.zoo import CELLS, SHIPPED

n, m, k = axes("n m k")


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Integer(0), "0"),
        (Integer(7), "7"),
        (1 * m, "m"),
        (6 * m**2 + 6 * m * n + 11 * m, r"6 \, m \, (m + n) + 11 \, m"),
        (2 * m * n + m, r"2 \, m \, n + m"),
        (m**2 + n**2 + 3, r"(m^{2} + n^{2}) + 3"),
        (4 * m**2 + 2 * m * n, r"2 \, m \, (2 \, m + n)"),
        (2 * m**3 + m + n, r"2 \, m^{3} + (m + n)"),
    ],
)
def test_polynomials(expr: object, text: str) -> None:
    assert latex(polynomial(expr)) == text


def test_the_leading_ratio_is_told_where_there_is_one() -> None:
    assert leading_ratio(4 * m**2 + 4 * m * n + m, 2 * m**2 + 2 * m * n + 9) == 2
    assert leading_ratio(3 * m**2, 2 * m**2) is None
    assert leading_ratio(4 * m**2 + 2 * m * n, 2 * m**2 + 2 * m * n) is None
    assert leading_ratio(4 * m**2, 2 * n**2) is None
    assert leading_ratio(2 * m, 1 * m) is None
    assert leading_ratio(Integer(4), Integer(2)) is None


@pytest.mark.parametrize("name", CELLS)
def test_the_figures_are_those_of_the_plan(name: str) -> None:
    made, printed = cost(CELLS[name]), str(plan(CELLS[name]))
    for what, figure in (("forward", made.forward), ("backward", made.backward)):
        plain = str(figure).replace("**2", "²").replace("*", " ")
        assert f"{what} {plain}" in printed.replace("\n              ", " ")
    assert made.saved == saved_elements(plan(CELLS[name]))
    assert made.saved_states == saved_elements(plan(CELLS[name], "states"))


def test_the_document_tells_them() -> None:
    text = sr.latex(CELLS["gru"])
    for words in (
        r"\text{operations of the forward pass} &= 6 \, m \, (m + n) + 11 \, m",
        r"\text{numbers kept} &= 5 \, m",
        "the backward pass does twice the operations of the forward pass",
        r"takes $20 \, m$ bytes in single and $40 \, m$ in double precision; outputs make up $m$ of the",
        r"\Gamma_{r}^{\langle t\rangle} \odot c^{\langle t-1\rangle}$",
        "Keeping states and outputs alone, $m$ numbers",
    ):
        assert words in text, words
    assert "Cost of a step" not in latex_document(derive(CELLS["gru"]))
    assert "kept, $" not in sr.latex(SHIPPED["embedding"])
