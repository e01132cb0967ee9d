"""Views for notebooks: what IPython is handed, that MathJax can set it, and the tour that is executed."""

import copy
import os
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sympy import Eq

import symrnn
from symrnn import Cell, Feed, Input, Layer, Model, Parameter, State, axes, tanh, zoo
from symrnn.checking.report import CheckReport, CheckRow
from symrnn.zoo import SHIPPED

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "symrnn" / "examples" / "tour.ipynb"

MATHJAX = frozenset(
    re.findall(
        r"\w+",
        "begin end text quad qquad langle rangle odot tanh exp log max min sigma tilde hat bar delta mathrm "
        "mathbf top sum frac sqrt operatorname bigl bigr Bigl Bigr biggl biggr Biggl Biggr lvert rvert boxed "
        "cdot le ge ne mathcal nabla Gamma alpha beta gamma epsilon mu tau ell partial infty",
    )
)
"""Commands of TeX and amsmath that MathJax knows, of those that the printer may write."""

ENVIRONMENTS = frozenset(["aligned", "bmatrix", "cases"])


def problems(latex):
    """What in a display MathJax would not set."""
    found = [c for c in re.findall(r"\\([a-zA-Z]+)", latex) if c not in MATHJAX]
    found += [e for e in re.findall(r"\\(?:begin|end)\{([^}]*)\}", latex) if e not in ENVIRONMENTS]
    found += (
        []
        if latex.startswith("$$\n\\begin{aligned}\n") and latex.endswith("\n\\end{aligned}\n$$")
        else ["no display"]
    )
    depth = 0
    for token in re.findall(r"\\.|[{}]", latex):
        depth += (token == "{") - (token == "}")
        if depth < 0:
            found.append("braces")
    for environment in ENVIRONMENTS:
        opened = latex.count(rf"\begin{{{environment}}}")
        found += [] if opened == latex.count(rf"\end{{{environment}}}") else [environment]
    return found + ["braces"] * (depth != 0)


class Balance(HTMLParser):
    """Raises where elements do not nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(html):
    parser = Balance()
    parser.feed(html)
    assert not parser.open
    return parser.tags


def model():
    return Model("sums", Layer(zoo.squared_error, {"a": Layer(zoo.gru, Feed("x")), "y": Feed("y")}))


def report(verdict="agrees"):
    row = CheckRow("W<s>", "parameter gradient", (5, 8), 0.5, 1e-10, verdict)
    return CheckReport("elman", "numpy", "float64", 0, 5, 3, (("n", 3),), "JAX autodiff", (row,))


# Views


@pytest.mark.parametrize("name", SHIPPED)
def test_mathjax_can_set_every_cell_and_derivation(name):
    cell = SHIPPED[name]
    assert problems(cell._repr_latex_()) == []
    assert problems(symrnn.derive(cell)._repr_latex_()) == []
    for jacobian in symrnn.step_jacobian(cell):
        assert problems(jacobian._repr_latex_()) == []


def test_mathjax_can_set_a_comparison():
    compared = symrnn.diff(zoo.gru_simplified, zoo.gru)
    latex = compared._repr_latex_()
    assert problems(latex) == []
    assert latex.count(r"\boxed{") == 3
    html = compared._repr_html_()
    assert "table" in parsed(html)
    assert "special case" in html


def test_the_checker_of_these_tests_can_fail():
    assert problems("$$\n\\begin{aligned}\n\\fitted{x} \\label{eq:1}\n\\end{aligned}\n$$") == [
        "fitted",
        "label",
    ]
    assert "no display" in problems("x")
    assert "braces" in problems("$$\n\\begin{aligned}\nx_{1\n\\end{aligned}\n$$")


def test_a_cell_shows_its_equations_with_their_numbers():
    latex = zoo.gru._repr_latex_()
    assert [int(n) for n in re.findall(r"\\text\{\((\d)\)\}", latex)] == [1, 2, 3, 4]
    assert r"\Gamma_{r}^{\langle t\rangle} & = \sigma" in latex


def test_a_derivation_gives_its_reasons():
    latex = symrnn.derive(zoo.gru)._repr_latex_()
    assert r"\Gamma_{u}^{\langle t\rangle} \text{ enters (4) only, so}" in latex
    for parameter in ("W_{r}", "b_{r}", "W_{c}"):
        assert rf"\delta {parameter} & = \sum" in latex


def test_nothing_depends_on_it():
    n, m = axes("n m")
    unused = Cell("unused", Eq(State("h", m).next, tanh(Parameter("W", m, n) @ Input("x", n))))
    assert problems(symrnn.derive(unused)._repr_latex_()) == []


@pytest.mark.parametrize("name", ["elman", "gru", "softmax_cross_entropy"])
def test_a_plan_shows_its_blocks(name):
    plan = symrnn.plan(SHIPPED[name])
    html = plan._repr_html_()
    assert {"table", "details", "pre"} <= set(parsed(html))
    assert all(block.title.split(" ")[0] in html for block in plan.blocks)


def test_a_report_shows_its_verdict_and_escapes():
    html = report()._repr_html_()
    parsed(html)
    assert "W&lt;s&gt;" in html
    assert "<strong>" not in html
    assert "<strong>FAILED" in report("differs")._repr_html_()


def test_a_models_derivation_is_a_display_of_what_joins_its_layers():
    shown = symrnn.derive(model())._repr_latex_()
    assert not problems(shown)
    assert r"\delta c^{(\mathrm{gru})\langle t\rangle} &= \delta a^{" in shown
    assert r"&= \frac{1}{N}" in shown


def test_a_models_plan_shows_its_calls():
    planned = symrnn.plan(model())
    html = planned._repr_html_()
    Balance().feed(html)
    assert '">squared_error</td><td style="text-align:left">a = gru, y = inputs.y</td>' in html
    assert '">d_outputs = d_squared_error.a</td>' in html
    assert "<summary>the whole plan</summary>" in html


def test_a_model_shows_its_layers_and_feeds():
    html = model()._repr_html_()
    parsed(html)
    for text in ("squared_error", "gru", "W_r", "x", "y"):
        assert text in html


def test_views_change_nothing_else():
    assert pickle.loads(pickle.dumps(zoo.gru)) == zoo.gru
    assert copy.deepcopy(zoo.gru) == zoo.gru


# The tour


@pytest.fixture(scope="module")
def tour():
    """The notebook, executed as a reader would."""
    book = nbformat.read(TOUR, as_version=4)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    client = NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute(env=environment)
    return book


def rich(book):
    """The kinds of output of the code cells, in order."""
    return [
        {kind for output in cell.outputs for kind in output.get("data", {})}
        for cell in book.cells
        if cell.cell_type == "code"
    ]


def test_the_tour_runs_and_every_type_is_rich(tour):
    kinds = rich(tour)
    assert sum("text/latex" in found for found in kinds) == 4  # cell, derivation, Jacobian, comparison
    assert sum("text/html" in found for found in kinds) == 4  # plan, report, model, comparison
    outputs = [output for cell in tour.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_the_tour_learns(tour):
    text = "".join(
        output.text
        for cell in tour.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    )
    first, last = map(float, re.findall(r"\d\.\d+", text))
    assert last < 0.3 * first


def test_the_tour_is_kept_without_outputs():
    book = nbformat.read(TOUR, as_version=4)
    nbformat.validate(book)
    assert all(
        not cell.outputs and cell.execution_count is None for cell in book.cells if cell.cell_type == "code"
    )
