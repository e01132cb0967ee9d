"""The expressions that the paper is rendered from give the gradients of autodiff, and the text says them."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from latex_proofs import CELLS, close, derivation_of, problem_of, prove
from latex_reader import Document
from printed_objects import answer_of, document_with_reading, random_problem
from random_cells import random_cell, sizes_for
from sympy import And, Eq, Not

from symrnn import Cell, Input, Parameter, State, axes, sqrt, tanh, where
from symrnn.derivation.reverse import derive
from symrnn.mathematics.printed import printed
from symrnn.notation.rendering.latex import latex
from symrnn.notation.rendering.mathml import inline_math
from symrnn.notation.rendering.unicode import inline
from symrnn.papers.document import latex_document
from symrnn.zoo import SHIPPED

SEEDS = range(200, 216)


@pytest.mark.parametrize("name", [*SHIPPED, *(name for name in CELLS if name not in SHIPPED)])
def test_the_printed_expressions_give_the_gradients_of_autodiff(name: str) -> None:
    problem = problem_of(name)
    _, reading = document_with_reading(derivation_of(name))
    found, expected = answer_of(reading, problem), problem.answer
    close(found.outputs, expected.outputs, "the outputs")
    for group in ("final_state", "parameters", "inputs", "state"):
        for quantity, array in getattr(found, group).items():
            close(array, getattr(expected, group)[quantity], f"{quantity} among the {group}")
    assert found.parameters.keys() == {q.name for q in CELLS[name].parameters}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_text_about_a_random_cell_says_what_the_expressions_say(seed: int) -> None:
    """The reader knows every construct that random cells bring into print: none of them is left out."""
    cell = random_cell(seed)
    text, reading = document_with_reading(derive(cell))
    problem = random_problem(cell, sizes_for(cell), seed)
    problem = replace(problem, answer=answer_of(reading, problem))
    for part in ("body", "results"):
        prove(Document(text), problem, part)


n, m = axes("n m")
x, h, U = Input("x", n), State("h", m), Parameter("U", m, m)
WIDE = sum(
    Parameter(f"W_{name}", m, n) @ x * tanh(U @ h)
    for name in ("one", "two", "three", "four", "five", "six", "seven")
)
TOO_WIDE = {
    "quotient": tanh(U @ h) / (1 + WIDE**2),
    "root": tanh(sqrt(1 + WIDE**2)),
}
"""Right sides with a part that no line can hold and where none can end."""


@pytest.mark.parametrize("name", TOO_WIDE)
def test_formulas_in_smaller_type_are_read_as_well(name: str) -> None:
    cell = Cell(name, Eq(h.next, TOO_WIDE[name]))
    derivation = derive(cell)
    text, reading = document_with_reading(derivation)
    fragment = latex_document(derivation, fragment=True)
    assert r"$\displaystyle" in fragment
    problem = random_problem(cell, sizes_for(cell), 1)
    problem = replace(problem, answer=answer_of(reading, problem))
    prove(Document(fragment), problem, "body", Document(text))


def test_what_is_not_so_stands_in_brackets() -> None:
    n = axes("n")
    x, h = Input("x", n), State("h", n)
    cell = Cell("neither", Eq(h.next, where(Not(And(x > 0, h < 1)), tanh(x), 0)), output=h.next)
    right = printed(derive(cell)).printer.tree(cell.equations[0].rhs)
    above, below = r"(x^{\langle t\rangle} > 0)", r"(h^{\langle t-1\rangle} < 1)"
    assert rf"\text{{not }} \bigl({above} \text{{ and }} {below}\bigr)" in latex(right)
    spoken = "".join(ElementTree.fromstring(inline_math(right)).itertext())
    assert "not ((x⟨t⟩>0) and (h⟨t−1⟩<1))" in spoken.replace("\u00a0", " ")
    assert "not ((" in inline(right)
    assert "not ((h < 1) and (x > 0))" in str(cell)
