"""What the paper says, read from its text by somebody who knows only the text, is what autodiff says."""

from itertools import product
from pathlib import Path

import pytest
from latex_chain import prove_chain
from latex_proofs import (
    CELLS,
    PARTS,
    derivation_of,
    document_of,
    given_for,
    problem_of,
    prove,
    random_problem,
)
from latex_reader import Document
from latex_step_jacobian import prove_jacobians
from random_cells import random_cell

from symrnn import zoo
from symrnn.checking.problem import draw_problem
from symrnn.derivation.reverse import derive
from symrnn.mathematics.style import Style
from symrnn.papers.document import latex_document
from symrnn.zoo import SHIPPED

STYLES = {
    "time below": Style("subscript", "column"),
    "rows": Style("superscript", "row"),
    "rows, time below": Style("subscript", "row"),
}
GENERATED = Path(__file__).parents[2] / "generated"
GOLDEN_FRAGMENT = STYLES["rows, time below"]
RECURRENT = [name for name in SHIPPED if SHIPPED[name].states]
PROVED = range(1, 4)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", CELLS)
def test_a_document_says_what_autodiff_says(name: str, part: str) -> None:
    prove(document_of(name), problem_of(name), part)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "name", ["gru", "lstm", "matrix_memory", "class_cross_entropy", "collisions", "by_hand"]
)
def test_every_notation_says_what_autodiff_says(name: str, style: str) -> None:
    document = document_of(name, STYLES[style])
    for part in PARTS:
        prove(document, problem_of(name), part)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        *product(["gru", "lstm_notes", "peephole"], [Style(), *STYLES.values()]),
        ("everything", Style()),
    ],
    ids=str,
)
def test_fragments_and_results_alone_say_what_autodiff_says(name: str, style: Style) -> None:
    derivation = derivation_of(name)
    whole = document_of(name, style)
    fragment = Document(latex_document(derivation, style, fragment=True))
    assert {(e.name, e.space) for e in fragment.symbols} == {(e.name, e.space) for e in whole.symbols}
    for part in PARTS:
        prove(fragment, problem_of(name), part, whole)
    for alone in (True, False):
        text = latex_document(derivation, style, fragment=alone, only="results")
        prove(Document(text, whole.symbols), problem_of(name), "results", whole)


@pytest.mark.parametrize("seed", PROVED)
def test_the_document_of_a_random_cell_says_what_autodiff_says(seed: int) -> None:
    document = Document(latex_document(derive(random_cell(seed))))
    for part in PARTS:
        prove(document, random_problem(seed), part)


@pytest.mark.parametrize("style", [Style(), STYLES["rows, time below"]], ids=["columns", "rows"])
@pytest.mark.parametrize("name", [*RECURRENT, "matrix_memory"])
def test_every_line_of_the_chain_rule_holds(name: str, style: Style) -> None:
    document = document_of(name, style)
    assert prove_chain(document, given_for(document, problem_of(name), 0)) > len(CELLS[name].equations)


@pytest.mark.parametrize("style", [Style(), STYLES["rows, time below"]], ids=["columns", "rows"])
@pytest.mark.parametrize("name", [*RECURRENT, "matrix_memory"])
def test_the_step_jacobians_are_those_of_the_backward_pass(name: str, style: Style) -> None:
    document = document_of(name, style)
    assert prove_jacobians(document, given_for(document, problem_of(name), 0))


CHECKED_IN = [path for name in zoo.CELLS for path in sorted((GENERATED / name).glob("*.tex"))]


@pytest.mark.parametrize("path", CHECKED_IN, ids=lambda path: path.stem)
def test_what_is_checked_in_says_what_autodiff_says(path: Path) -> None:
    """The files as they are shipped, with cost and figures in them."""
    name, style = path.parent.name, GOLDEN_FRAGMENT if "fragment" in path.stem else Style()
    document = Document(path.read_text(encoding="utf-8"))
    for part in PARTS:
        prove(document, problem_of(name), part, document_of(name, style))


def test_ties_are_shared_as_the_paper_says() -> None:
    """From zero states: both sides of a maximum are equal at step 1, and arguments of kinks are zero."""
    problem = draw_problem(CELLS["everything"], T=2, B=1, seed=5, zero_state=True)
    for part in PARTS:
        prove(document_of("everything"), problem, part)
