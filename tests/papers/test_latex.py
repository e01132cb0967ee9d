"""The LaTeX derivation: it compiles without complaint, and what it says is right."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from random_cells import random_cell
from sympy import And, Eq, Expr, Symbol
from unshipped_cells import everything, matrix_memory, minimal_gated_unit, peephole_lstm

import symrnn as sr
from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.declaration.operations import POINTWISE, Contract
from symrnn.declaration.quantities import Input, Parameter, State
from symrnn.declaration.reading_order import ordered_factors, ordered_terms
from symrnn.derivation.reverse import derive
from symrnn.errors import EmissionError
from symrnn.mathematics.naming import Notation
from symrnn.mathematics.printer import Printer
from symrnn.notation.breaking import lines, points
from symrnn.notation.building import is_sum, positive
from symrnn.notation.nodes import Sign
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.latex import latex
from symrnn.papers.document import latex_document
from symrnn.papers.plain_text import latex_text
from symrnn.publishing.pages import page
from symrnn.zoo import CELLS

n, m = sr.axes("n m")
x, h, c, s = Input("x", n), State("h", m), State("c", m), State("s")
A, W, v, w, g = (
    Parameter("A", m, m),
    Parameter("W", m, n),
    Parameter("v", m),
    Parameter("w", m),
    Parameter("g"),
)
NOW, BEFORE = r"^{\langle t\rangle}", r"^{\langle t-1\rangle}"


OTHERS = (minimal_gated_unit(), peephole_lstm(), matrix_memory(), everything())


def compiled(text: str, folder: Path) -> str:
    """The log of the second of two runs of pdflatex, which must succeed."""
    if shutil.which("pdflatex") is None:  # CI installs it and refuses skipped tests
        pytest.skip("pdflatex is missing: install texlive-latex-base and texlive-latex-recommended")
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
        assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "paper.log").read_text(errors="replace")


def complaints(log: str) -> Iterator[str]:
    """Lines of a TeX log about references, fonts, or boxes more than 5 pt too wide."""
    for line in log.splitlines():
        wide = re.match(r"Overfull \\hbox \(([\d.]+)pt", line)
        if (wide and float(wide[1]) > 5) or "undefined" in line or "Warning" in line or line.startswith("!"):
            yield line


@pytest.mark.parametrize("cell", [*CELLS.values(), *OTHERS], ids=lambda cell: cell.name)
def test_pdflatex_compiles_the_document_without_complaint(cell: Cell, tmp_path: Path) -> None:
    assert not list(complaints(compiled(latex_document(derive(cell)), tmp_path)))


@pytest.mark.parametrize("seed", range(9))
def test_documents_of_random_cells_compile_without_complaint(seed: int, tmp_path: Path) -> None:
    assert not list(complaints(compiled(latex_document(derive(random_cell(seed))), tmp_path)))


def test_complaints_are_found(tmp_path: Path) -> None:
    text = r"\documentclass{article}\begin{document}\ref{none}\hbox to 10pt{\rule{30pt}{1pt}}\end{document}"
    found = "\n".join(complaints(compiled(text, tmp_path)))
    assert "undefined" in found
    assert "Overfull" in found


def plain(text: str) -> str:
    """LaTeX with the time marks shortened, for comparison by eye."""
    return text.replace(NOW, "'").replace(BEFORE, "")


def says(cell: Cell, *lines: str) -> None:
    text = plain(latex_document(derive(cell)))
    for line in lines:
        assert line in text, line


def test_gru_reads_as_published() -> None:
    stack = r"\begin{bmatrix} c \\ x' \end{bmatrix}"
    says(
        CELLS["gru"],
        rf"\Gamma_{{r}}' &= \sigma\biggl(W_{{r}} {stack} + b_{{r}}\biggr) \label{{eq:r}} \\",
        r"c' &= \Gamma_{u}' \odot \tilde{c}' + (1 - \Gamma_{u}') \odot c \label{eq:c}",
        r"$\tilde{c}'$ enters \eqref{eq:c} only, so",
        r"By \eqref{eq:u}, $\Gamma_{u}'$ is a function of $a_{u}'$ alone, and $\sigma' =",
        r"$c$ enters \eqref{eq:c}, \eqref{eq:a_r}, \eqref{eq:a_u} and \eqref{eq:a_c_tilde}, so",
        r"&= \delta c' \odot (\tilde{c}' - c)",
        r"&= \delta \Gamma_{u}' \odot \Gamma_{u}' \odot (1 - \Gamma_{u}')",
        r"&= \delta \tilde{c}' \odot \bigl(1 - (\tilde{c}')^{2}\bigr)",
        r"&= \bigl(W_{c}^{(c)\top} \delta a_{\tilde{c}}'\bigr) \odot c",
        r"\delta_{\mathrm{later}} c^{\langle T\rangle} &= \frac{\partial \mathcal{L}_{\mathrm{end}}}",
        rf"\delta W_{{r}} &= \sum_{{t=1}}^{{T}} \delta a_{{r}}' {stack}^{{\top}} \label{{eq:adjoint:W_r}} \\",
        r"\delta b_{c} &= \sum_{t=1}^{T} \delta a_{\tilde{c}}'",
        r"\operatorname{diag}(1 - \Gamma_{u}')",
    )


def test_gru_reset_after_reads_as_published() -> None:
    says(
        CELLS["gru_reset_after"],
        r"r' &= \sigma(W_{r} x' + U_{r} h + b_{r} + d_{r})",
        r"n' &= \tanh\bigl(W_{n} x' + b_{n} + r' \odot (U_{n} h + d_{n})\bigr)",
        r"h' &= (1 - z') \odot n' + z' \odot h",
        r"&= \delta h' \odot (h - n')",
        r"&= \delta a_{n}' \odot (U_{n} h + d_{n})",
        r"U_{n}^{\top} (\delta a_{n}' \odot r')",
        r"\delta U_{n} &= \sum_{t=1}^{T} (\delta a_{n}' \odot r') h^{\langle t-1\rangle\top}",
    )


def test_lstm_reads_as_usual() -> None:
    says(
        CELLS["lstm"],
        r"c' &= f' \odot c + i' \odot g'",
        r"h' &= o' \odot \tanh(c')",
        r"&= \delta h' \odot o' \odot \bigl(1 - \tanh^{2}(c')\bigr) + \delta_{\mathrm{later}} c'",
        r"W_{i}^{(h)\top} \delta a_{i}' + W_{f}^{(h)\top} \delta a_{f}' + W_{o}^{(h)\top} \delta a_{o}'",
        r"\frac{\mathrm{d} c'}{\mathrm{d} c} &= \operatorname{diag}(f')",
    )


def test_the_letter_of_pre_activations_gives_way_to_a_state() -> None:
    says(CELLS["lstm_notes"], r"z_{u}' &= W_{u} \begin{bmatrix} a \\ x' \end{bmatrix} + b_{u}")


def test_matrices_and_scalars_read_as_in_a_textbook() -> None:
    says(
        matrix_memory(),
        r"C' &= i' \, v' k^{\langle t\rangle\top} + f' \, C",
        r"k' &= \frac{W_{k} x'}{\sqrt{m}}",
        r"&= \delta y' q^{\langle t\rangle\top} + \delta_{\mathrm{later}} C'",
        r"&= v^{\langle t\rangle\top} \delta C' k'",
        r"&= \sum_{i,j} \delta C'_{ij} \, C_{ij}",
        r"\bigl[\dot{C}\bigr] &= f' \, \dot{C}",
    )
    says(everything(), r"K &= A - A^{\top} - g \, I_{m}", r"\delta g &= -\operatorname{tr} \delta K")


@pytest.mark.parametrize("name", CELLS)
def test_the_document_is_signed_and_whole(name: str) -> None:
    cell = CELLS[name]
    text = latex_document(derive(cell))
    first = text.splitlines()[0]
    assert first == f"% made by symrnn {sr.__version__} from {name} ({cell_digest(cell)}), do not edit"
    for reference in re.findall(r"\\eqref\{([^}]*)\}", text):
        assert rf"\label{{{reference}}}" in text
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(set(labels)) == len(labels)
    for quantity in (*cell.parameters, *cell.inputs, *cell.states):
        assert rf"\label{{eq:adjoint:{quantity.name}}}" in text


def test_every_function_of_the_vocabulary_has_a_form() -> None:
    printer = Printer(Notation())
    for function in POINTWISE:
        assert printer.tree(function(*[v, w][: function.arity]))
    assert latex(printer.tree(1 - sr.exp(v))) == r"1 - \exp(v)"
    assert latex(printer.tree(-v * sr.declaration.operations.expm1(-w))) == "v \\odot (1 - e^{-w})"
    with pytest.raises(EmissionError, match="no form in print"):
        printer.tree(Symbol("foreign"))


@pytest.mark.parametrize(
    ("spec", "operands", "text"),
    [
        ("ij,j->i", (A, v), "A v"),
        ("i,ij->j", (v, A), r"A^{\top} v"),
        ("ij,jk->ik", (A, A), "A A"),
        ("ji,jk->ik", (A, A), r"A^{\top} A"),
        ("i,i->", (v, w), r"v^{\top} w"),
        ("i,j->ij", (v, w), r"v w^{\top}"),
        ("i,j->ji", (v, w), r"w v^{\top}"),
        ("i,ij,j->", (v, A, w), r"v^{\top} A w"),
        ("ij->ji", (A,), r"A^{\top}"),
        ("i->", (v,), r"\sum_{i} v_{i}"),
        ("ij,j->i", (2 * A, v), r"2 \, A v"),
        ("ij,ij->", (A, sr.identity(m)), r"\operatorname{tr} A"),
        ("ij,ij->i", (A, A), r"\biggl[\sum_{j} A_{ij} \, A_{ij}\biggr]_{i}"),
    ],
)
def test_contractions(spec: str, operands: tuple[Parameter, ...], text: str) -> None:
    assert latex(Printer(Notation()).tree(Contract(spec, *operands))) == text


def test_planted_slips_in_the_printer_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Printer.transposed
    monkeypatch.setattr(Printer, "transposed", lambda self, operand: self.tree(operand))
    with pytest.raises(AssertionError):
        test_gru_reads_as_published()
    monkeypatch.setattr(Printer, "transposed", original)
    test_gru_reads_as_published()
    module = sys.modules["symrnn.mathematics.printer"]
    joined = module.joined
    monkeypatch.setattr(module, "joined", lambda terms: joined(map(positive, terms)))
    with pytest.raises(AssertionError):
        test_gru_reads_as_published()
    monkeypatch.setattr(module, "joined", joined)
    module = sys.modules["symrnn.mathematics.naming"]
    monkeypatch.setattr(module, "BEFORE", module.NOW)
    with pytest.raises(AssertionError):
        test_gru_reads_as_published()


def test_reading_order_on_plain_symbols() -> None:
    a, b = Symbol("a"), Symbol("b")
    assert ordered_terms(b - a) == (b, -a)
    assert ordered_terms(1 - a) == (1, -a)
    assert ordered_terms(a) == (a,)
    assert ordered_factors(2 * b * a) == (2, a, b)


def test_reading_order_of_a_gate_and_what_it_gates() -> None:
    gru = CELLS["gru"]
    roles = gru.roles
    assert roles["u"] == "gate"
    *_, last = gru.equations
    assert [str(term) for term in ordered_terms(last.rhs, roles)] == ["c_tilde*u", "c*(1 - u)"]


def test_long_formulas_break_before_outer_operators() -> None:
    long = parsed(" + ".join(rf"W_{{{k}}} (x_{{{k}}} + y) \odot z" for k in range(12)))
    broken = lines(long, 300.0)
    assert len(broken) > 2
    assert all(points(line) <= 300.0 for line in broken)
    assert all(line.items[0] == Sign("+") for line in broken[1:])
    assert is_sum(long)
    assert not is_sum(parsed("(a + b)"))


def test_text_is_escaped() -> None:
    assert latex_text("50% & a_b #1 {x} é") == r"50\% \& a\_b \#1 \{x\} é"
    assert latex_text("Ω\\") == r"?\textbackslash{}"
    assert latex_text("Trậ̀n e\u0301 ＼input ％") == r"Tran é \textbackslash{}input \%"


@pytest.mark.parametrize("seed", range(30))
def test_random_cells_have_a_document(seed: int) -> None:
    text = latex_document(derive(random_cell(seed)))
    assert text.endswith("\\end{document}\n")
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_the_document_is_the_same_under_any_hash_seed() -> None:
    program = (
        "from symrnn.zoo import CELLS\nfrom symrnn.derivation.reverse import derive\n"
        "from symrnn.papers.document import latex_document\n"
        "print(''.join(latex_document(derive(cell)) for cell in CELLS.values()))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("time", ["superscript", "subscript"])
@pytest.mark.parametrize("vectors", ["column", "row"])
def test_names_that_begin_as_brackets_do(time: str, vectors: str) -> None:
    """`\\beta` begins as `\\bigl` does, and has no bracket around it: nothing gets a second superscript."""
    beta, M = Input("beta", m), State("M", m, m)
    step = Eq(M.next, M * (sr.outer(beta, M @ beta) + sr.outer(beta**2, sr.transpose(M) @ beta)))
    text = latex_document(derive(Cell("named", step)), sr.Style(time, vectors))
    assert r"\beta" in text
    braces = r"\{(?:[^{}]|\{[^{}]*\})*\}"
    assert not re.findall(rf"\^{braces}\^|_{braces}_", text)


d, z = Parameter("d", m), Input("z", m)
LONG_ONES = (
    sr.where(And(z * h + d > 0, h < 1), sr.tanh(h * z + d * h * z), d * h * z + h * h * sr.tanh(z + d)),
    (z * h + d * h * h + z * z * d) / (z**2 + h**2 * d**2 + 1 + sr.exp(h * z)),
)


@pytest.mark.parametrize("inner", LONG_ONES, ids=["cases", "a quotient"])
def test_what_is_kept_is_displayed_where_it_is_long(inner: Expr, tmp_path: Path) -> None:
    cell = Cell("long", Eq(h.next, A @ sr.tanh(inner)), output=h.next)
    text = sr.latex(cell)
    assert not list(complaints(compiled(text, tmp_path)))
    keeps, shown, after = text[text.index("The forward pass keeps $") :].split("{align*}", 2)
    assert keeps.endswith("and the values of\n\\begin")
    assert "\n& \\tanh" in shown
    assert after.lstrip().startswith("What is kept takes")
    html = page(cell)
    assert html.index("The forward pass keeps") < html.index("What is kept takes")
