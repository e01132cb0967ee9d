"""Every notation and form of the paper: TeX takes them without a warning, and they say what they should."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import sympy
from sympy import Eq, Expr
from test_latex import compiled, complaints
from unshipped_cells import matrix_memory, peephole_lstm

import symrnn as sr
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import Contract, Slice, concatenate
from symrnn.declaration.quantities import Input, Parameter, State, Value
from symrnn.derivation.cost import StepCost
from symrnn.derivation.reverse import derive
from symrnn.errors import RequestError
from symrnn.mathematics.contractions import ATOM
from symrnn.mathematics.naming import Notation
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.sections import derivation_parts
from symrnn.mathematics.style import TIMES, VECTORS, Style
from symrnn.notation.breaking import lines
from symrnn.notation.building import JUXTAPOSED, between, subscript
from symrnn.notation.nodes import Word
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import latex_document
from symrnn.papers.lines import line_latex, prose_latex
from symrnn.pipeline import cost
from symrnn.zoo import CELLS, SHIPPED

STYLES = tuple(Style(time, vectors) for time in TIMES for vectors in VECTORS)
CHOICES = ("all", "results")
MORE = (peephole_lstm(), matrix_memory())
n, m = sr.axes("n m")
x, h = Input("x", n), State("h", m)
A, W, v, w = Parameter("A", m, m), Parameter("W", m, n), Parameter("v", m), Parameter("w", m)
u = Parameter("u", m)
ROWS = Printer(Notation(style=Style(vectors="row")))


@cache
def costs(name: str) -> StepCost:
    return cost(SHIPPED[name])


def style_name(style: Style) -> str:
    return f"{style.time}-{style.vectors}"


def strict(log: str) -> list[str]:
    """What a TeX log complains about, boxes included that are too wide or too empty by any width."""
    boxes = [line for line in log.splitlines() if re.match(r"(Over|Under)full \\[hv]box", line)]
    return [*complaints(log), *boxes]


@pytest.mark.parametrize("style", STYLES, ids=style_name)
def test_fragments_go_into_a_paper_that_loads_amsmath_alone(style: Style, tmp_path: Path) -> None:
    lines = [
        r"\documentclass{article}\usepackage{amsmath}\begin{document}\section{Ours}",
        r"\begin{equation}e=mc^2\label{eq:r}\end{equation}\begin{align}a&=b\label{eq:c}\\c&=d\end{align}",
    ]
    for cell in (*SHIPPED.values(), *MORE):
        figures = costs(cell.name) if cell.name in SHIPPED else None
        for only in CHOICES:
            text = latex_document(derive(cell), style, figures, fragment=True, only=only)
            (tmp_path / f"{cell.name}_{only}.tex").write_text(text)
            lines += [rf"\input{{{cell.name}_{only}}}", r"Then \begin{equation}a^2+b^2=c^2\end{equation}"]
    lines += [
        r"\ifdefined\mathbb\errmessage{a font leaks}\fi",
        r"\ifnum\interdisplaylinepenalty=10000 \else\errmessage{breaks leak}\fi",
        r"See \eqref{eq:r}, \eqref{symrnn:gru:r} and Section \ref{symrnn:lstm:results}.\end{document}",
    ]
    assert strict(compiled("\n".join(lines), tmp_path)) == []


def test_documents_in_the_other_notations_compile_without_complaint(tmp_path: Path) -> None:
    """The bodies of all documents after their common preamble; only labels are made different."""
    preambles, bodies = set(), []
    for cell in SHIPPED.values():
        for style in STYLES if cell.name in CELLS else STYLES[-1:]:
            for only in CHOICES:
                text = latex_document(derive(cell), style, costs(cell.name), only=only)
                before, _, body = text.partition(r"\begin{document}")
                preambles.add(before.partition("\n")[2])
                mark = f"{{{cell.name}:{style_name(style)}:{only}:"
                bodies.append(body.replace("{eq:", mark).replace(r"\end{document}", r"\clearpage"))
    assert len(preambles) == 1
    whole = f"{preambles.pop()}\\begin{{document}}{''.join(bodies)}\\end{{document}}"
    assert strict(compiled(whole, tmp_path)) == []


def test_a_diagram_wider_than_the_line_fits_it(tmp_path: Path) -> None:
    """TeX rounds decimal factors, by more than a point in so wide a diagram."""
    text = latex_document(derive(sr.closed_loop(CELLS["gru"], CELLS["gru"])))
    assert strict(compiled(text, tmp_path)) == []


def says(text: str, *lines: str) -> None:
    for line in lines:
        assert line in text, line


def test_time_as_subscripts() -> None:
    says(
        latex_document(derive(CELLS["gru"]), Style(time="subscript")),
        "A subscript $t$ is the time step",
        r"c_{t} &= \Gamma_{u,t} \odot \tilde{c}_{t} + (1 - \Gamma_{u,t}) \odot c_{t-1}",
        r"&= \delta \tilde{c}_{t} \odot \bigl(1 - (\tilde{c}_{t})^{2}\bigr)",
        r"\delta_{\mathrm{later}} c_{t-1} &=",
        r"\delta_{\mathrm{later}} c_{T} &= \frac{\partial \mathcal{L}_{\mathrm{end}}}{\partial c_{T}}",
        r"\delta b_{c} &= \sum_{t=1}^{T} \delta a_{\tilde{c},t}",
    )


def test_vectors_as_rows() -> None:
    stack = r"\begin{bmatrix} c_{t-1} & x_{t} \end{bmatrix}"
    says(
        latex_document(derive(CELLS["gru"]), Style("subscript", "row")),
        "Vectors are rows; matrices keep the shapes in which they are declared",
        rf"\Gamma_{{r,t}} &= \sigma({stack} W_{{r}}^{{\top}} + b_{{r}})",
        rf"{stack} W_{{r}}^{{\top}} &= c_{{t-1}} W_{{r}}^{{(c)\top}} + x_{{t}} W_{{r}}^{{(x)\top}}",
        r"\delta a_{r,t} \, \frac{\partial a_{r,t}}{\partial c_{t-1}}",
        r"&= \bigl(\delta a_{\tilde{c},t} W_{c}^{(c)}\bigr) \odot c_{t-1}",
        r"\delta x_{t} &= \delta a_{r,t} W_{r}^{(x)} + \delta a_{u,t} W_{u}^{(x)}",
        rf"\delta W_{{r}} &= \sum_{{t=1}}^{{T}} \delta a_{{r,t}}^{{\top}} {stack}",
    )
    says(
        latex_document(derive(matrix_memory()), Style("subscript", "row")),
        r"C_{t} &= i_{t} \, v_{t}^{\top} k_{t} + f_{t} \, C_{t-1}",
        r"y_{t} &= q_{t} C_{t}^{\top}",
        r"\bigl(\delta C_{t}\bigr)_{ij} \, \bigl(C_{t-1}\bigr)_{ij}",
    )


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Contract("ij,j->i", A, v), r"v A^{\top}"),
        (Contract("i,ij->j", v, A), "v A"),
        (Contract("ij,jk,k->i", A, A, v), r"v A^{\top} A^{\top}"),
        (Contract("ij,jk->ik", A, A), "A A"),
        (Contract("ji,jk->ik", A, A), r"A^{\top} A"),
        (Contract("i,i->", v, w), r"v w^{\top}"),
        (Contract("i,j->ij", v, w), r"v^{\top} w"),
        (Contract("i,ij,j->", v, A, w), r"v A w^{\top}"),
        (Contract("ij->ji", A), r"A^{\top}"),
        (concatenate(v, w), r"\begin{bmatrix} v & w \end{bmatrix}"),
        (concatenate(A, W), r"\begin{bmatrix} A \\ W \end{bmatrix}"),
    ],
)
def test_products_of_rows(expr: Expr, text: str) -> None:
    assert latex(ROWS.tree(expr)) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("h", "h_{t}"),
        ("W_r", "W_{r,t}"),
        (r"\Gamma_{r}", r"\Gamma_{r,t}"),
        (r"\tilde{c}", r"\tilde{c}_{t}"),
        ("h'", "h_{t}'"),
        ("h^{(1)}", "h_{t}^{(1)}"),
        ("h_a^{(1)}", "h_{a,t}^{(1)}"),
        ("h^{(1)}_a", "h_{a,t}^{(1)}"),
        (r"a_{b_c}", r"a_{b_{c},t}"),
        (r"x_\mathrm{in}", r"x_{\mathrm{in},t}"),
        (r"\Delta h", r"\Delta h_{t}"),
        (r"a_b h", r"a_{b} h_{t}"),
        (r"\mathrm{left}", r"\mathrm{left}_{t}"),
    ],
)
def test_subscripts_join_those_that_a_name_has(name: str, text: str) -> None:
    assert latex(subscript(parsed(name), Word("t"))) == text


def test_general_letters_are_none_of_the_cells() -> None:
    q, y, k, a = Value("q"), Value("y"), Value("k"), Parameter("a", m)
    cell = Cell(
        "busy",
        Eq(q, sr.softmax(A @ h + W @ x)),
        Eq(y, sr.exp(a * h)),
        Eq(k, sr.sigmoid(q + y)),
        Eq(h.next, k * h),
    )
    text = latex_document(derive(cell))
    assert "The adjoint of a quantity $p$" in text
    assert r"\partial w/\partial p" in text
    assert r"\operatorname{softmax}(z)_{i}" in text


def test_results_alone_have_the_equations_and_no_way_to_them() -> None:
    whole, results = (latex_document(derive(CELLS["lstm"]), only=only) for only in CHOICES)
    heading, _, boxed = whole.partition(r"\begin{framedresults}")[2].partition("\n")
    assert heading == r"{\section{Results}}"
    assert boxed
    assert results.partition(r"\begin{framedresults}{}" + "\n")[2] == boxed
    assert r"\delta q" in results
    assert "enters" not in results
    assert "The recursion over time" not in results
    with pytest.raises(RequestError, match="Choose all or results"):
        latex_document(derive(CELLS["lstm"]), only="forward")


def test_a_style_is_one_of_those_there_are() -> None:
    with pytest.raises(RequestError, match="Choose superscript or subscript"):
        Style(time="above")
    with pytest.raises(RequestError, match="Choose column or row"):
        Style(vectors="rows")


def test_the_diagram_stands_in_documents_and_fragments_but_not_among_results() -> None:
    derivation = derive(CELLS["elman"])
    says(latex_document(derivation), r"\begin{picture}", r"$s^{\langle t-1\rangle}$")
    says(latex_document(derivation, Style("subscript"), fragment=True), r"\begin{picture}", "$s_{t-1}$")
    assert "picture" not in latex_document(derivation, only="results")


def labels(text: str) -> Mapping[str, int]:
    found = re.findall(r"\\label\{([^}]*)\}", text)
    return {label: found.count(label) for label in found}


@pytest.mark.parametrize("name", SHIPPED)
def test_labels_of_a_fragment_are_its_own(name: str) -> None:
    text = latex_document(derive(SHIPPED[name]), fragment=True)
    assert set(labels(text).values()) == {1}
    assert all(label == f"symrnn:{name}" or label.startswith(f"symrnn:{name}:") for label in labels(text))
    assert set(re.findall(r"\\eqref\{([^}]*)\}", text)) <= set(labels(text))


def test_parts_are_what_the_document_says() -> None:
    """Whoever makes something else of the parts makes it of the same equations and words."""
    derivation = derive(CELLS["gru_simplified"])
    parts = derivation_parts(derivation, cost=costs("gru_simplified"))
    text = latex_document(derivation, cost=costs("gru_simplified"))
    names = [section.name for section in parts.sections]
    assert names == ["forward", "backward", "recursion", "parameters", "jacobian", "cost"]
    for section in (*parts.sections, parts.results):
        for passage in section.passages:
            assert prose_latex(passage.text) in text
            assert prose_latex(passage.after) in text
            for equation in passage.equations:
                assert latex(equation.left) in text
                assert not equation.label or rf"\label{{{equation.label}}}" in text
    equation = parts.results.passages[0].equations[1]
    assert latex(equation.left) == r"\tilde{c}^{\langle t\rangle}"
    assert [latex(right) for right in equation.rights] == [r"\tanh(a_{\tilde{c}}^{\langle t\rangle})"]


def test_a_long_equation_may_break_over_pages_inside() -> None:
    states = [State(f"h_{k}", m) for k in range(20)]
    weights = [Parameter(f"W_{k}", m, n) for k in range(20)]
    gates = [Eq(state.next, sr.tanh(W @ x + state)) for state, W in zip(states, weights, strict=True)]
    cell = Cell("wide", *gates, output=states[0].next)
    text = latex_document(derive(cell))
    block = text.partition(r"$x^{\langle t\rangle}$ enters")[2].partition(r"\end{align}")[0].splitlines()
    lines = [line for line in block if line.startswith(("&", r"\delta"))]
    ends = [line.rpartition(r"\\")[2] for line in lines[:-1]]
    assert len(lines) > 6
    assert ends[0] == ends[-1] == "*"
    assert set(ends[1:-1]) == {""}


def test_cases_have_what_they_share_in_front() -> None:
    printer = Printer(Notation())
    halves = sr.where(v > w, u * v, sr.where(Eq(v, w), u * v / 2, 0))
    assert latex(printer.tree(halves)) == (
        r"u \odot v \odot \Biggl(\begin{cases} 1, & \text{if } v > w \\ \frac{1}{2}, & \text{if } v = w \\ "
        r"0, & \text{otherwise} \end{cases}\Biggr)"
    )
    assert latex(printer.tree(sr.where(v > w, u, v))) == (
        r"\begin{cases} u, & \text{if } v > w \\ v, & \text{otherwise} \end{cases}"
    )


def test_a_long_numerator_stands_beside_its_fraction() -> None:
    printer = Printer(Notation())
    long = sr.tanh(sum(Parameter(f"v_{k}", m) for k in range(12)))
    assert latex(printer.tree(v / 2)) == r"\frac{v}{2}"
    assert latex(printer.tree(long / 2)).startswith(r"\frac{1}{2} \, \tanh(")
    assert latex(printer.tree(long / (1 + w**2))).startswith(r"\frac{1}{1 + w^{2}} \odot \tanh(")
    assert latex(printer.tree(sum(long.args[0].args) / (1 + w**2))).startswith(
        r"\frac{1}{1 + w^{2}} \odot (v_{0} + "
    )


def test_a_transpose_binds_as_closely_as_its_matrix() -> None:
    printer = Printer(Notation())
    assert latex(printer.tree(Contract("ij->ji", Parameter("A", m, m)), ATOM)) == r"A^{\top}"
    assert latex(printer.tree(Contract("i,i->", v, w), ATOM)) == r"(v^{\top} w)"


def test_pieces_have_as_many_axes_as_what_they_are_pieces_of() -> None:
    printer, A = Printer(Notation()), Parameter("A", 2 * m, m)
    assert [printer.rank(Slice(whole, m, 2 * m)) for whole in (A, concatenate(v, w))] == [2, 1]
    assert latex(printer.tree(u * Slice(concatenate(v, w), m, 2 * m))).count(r"\odot") == 1


def test_a_product_may_break_with_a_dot() -> None:
    product = between(JUXTAPOSED, (parsed(rf"\tanh(x_{{{k}}})") for k in range(12)))
    first, *others = lines(product, 250.0)
    parts = [latex(first), *(line_latex(line, first=False) for line in others)]
    assert len(parts) > 1
    assert all(part.startswith(r"\cdot \tanh") for part in parts[1:])
    assert sum(part.count("tanh") for part in parts) == 12


@pytest.mark.parametrize(("names", "letter"), [(("t",), r"\tau"), (("t", "tau"), "a")])
def test_the_letter_of_time_is_none_of_the_cells(names: tuple[str, ...], letter: str) -> None:
    """A time gate may be called t."""
    gates = [Value(name) for name in names]
    equations = [Eq(gate, sr.sigmoid(W @ x + Parameter(f"b_{gate}", m))) for gate in gates]
    cell = Cell("phased", *equations, Eq(h.next, gates[0] * h + (1 - gates[-1]) * sr.tanh(A @ h)))
    time = letter if letter != "a" else re.findall(r"A subscript \$(.)\$", subscripted(cell))[0]
    assert time not in names
    for text in (latex_document(derive(cell)), subscripted(cell)):
        marks = re.findall(r"\\sum_\{(.*?)=1\}\^\{T\}", text)
        assert set(marks) == {time}
        assert rf"for ${time} = 1, \dots, T$" in text
        assert not re.findall(r"\\langle t|step \$t|\$t = |\$t [+-]|,t\}", text)
    assert f"h_{{{time}-1}}" in subscripted(cell)


def subscripted(cell: Cell) -> str:
    return latex_document(derive(cell), Style(time="subscript"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (sympy.exp(-m), r"\exp(-m)"),
        (sympy.tanh(m / 3), r"\tanh\Bigl(\frac{m}{3}\Bigr)"),
        (sympy.Abs(m - n), r"\lvert-n + m\rvert"),
        (sympy.Max(m, n), r"\max(m,\,n)"),
        (sympy.Max(m, n, 3), r"\max(3,\,m,\,n)"),
        (sympy.pi / m, r"\frac{\pi}{m}"),
        (1 / sympy.sqrt(sympy.pi), r"\frac{1}{\sqrt{\pi}}"),
    ],
    ids=str,
)
def test_numbers_of_functions_and_pi_are_written_as_mathematics(number: Expr, text: str) -> None:
    assert text in sr.latex(Cell("numbered", Eq(h.next, sr.tanh(v * (W @ x) + number * (A @ h)))))


def test_pi_is_written_in_digits_where_it_is_a_name() -> None:
    named = Parameter("pi", m)
    text = sr.latex(Cell("named", Eq(h.next, sr.tanh(named * (W @ x) + sympy.pi * (A @ h)))))
    assert "3.14159" in text


def test_the_number_e_is_upright_where_its_letter_is_a_name() -> None:
    named = Parameter("e", m)
    right = sr.softplus(named * (W @ x) + A @ h) * sr.softmax(A @ h)
    text = sr.latex(Cell("named", Eq(h.next, right)))
    assert r"\log(1 + \mathrm{e}^{" in text
    assert r"1 - \mathrm{e}^{-\operatorname{softplus}" in text
    assert not re.search(r"(?<![{a-z])e\^", text)
