"""Two-dimensional mathematics in the terminal: pictures, the width they keep to, and the fallback."""

import os
import subprocess
import sys
import unicodedata

import pytest
from random_cells import random_cell
from sympy import Eq, Max
from typer.testing import CliRunner

import symrnn
from symrnn import Cell, Input, Parameter, State, Value, axes, outer, sqrt, tanh, total, where, zoo
from symrnn.commands import command_line, terminal
from symrnn.notation.building import named
from symrnn.notation.nodes import Cases, Fence, Row, Sign, Stack, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.unicode import BELOW, columns, inline, picture_lines
from symrnn.papers.terminal import derivation_picture
from symrnn.zoo import CELLS, SHIPPED

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
W, U, b, g = Parameter("W", m, n), Parameter("U", m, m), Parameter("b", m), Parameter("g")

T_NOW = r"^{\langle t\rangle}"


def shown(formula, room=200, before=""):
    lines = picture_lines(parsed(formula) if isinstance(formula, str) else formula, room, before)
    assert lines is not None
    return "\n".join(lines)


def display_width(line):
    """Columns, counted by Unicode's own tables and not by the code under test."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return sum(not unicodedata.combining(c) for c in line) + wide


# Pictures


def applied(parts, more="b"):
    """f of a matrix times a stack, and more."""
    product = (Word("W"), Stack(tuple((Word(part),) for part in parts)))
    return Row((named("f"), Fence(Row((*product, Sign("+"), parsed(more))))))


@pytest.mark.parametrize(
    ("latex", "picture"),
    [
        (rf"\Gamma_r{T_NOW} \odot \tilde{{c}}{T_NOW}", "Γᵣ⟨t⟩ ⊙ c\u0303⟨t⟩"),
        (r"W_c^{(c)\top} \delta_{\mathrm{out}} c^{\langle t-1\rangle}", "W_c⁽ᶜ⁾ᵀ δₒᵤₜ c⟨t-1⟩"),
        (r"(c^{\langle t\rangle})^{2}", "(c⟨t⟩)²"),
        (r"-x + y - z", "-x + y - z"),
        (r"\operatorname{relu}(x) \le 1", "relu(x) ≤ 1"),
        (r"x_{t-1} + c_{t}", "xₜ₋₁ + cₜ"),
        (r"\mathbf{1}_{m}", "1ₘ"),
        (r"\sqrt{x}", "√x"),
        (r"\frac{a}{b + c}", "  a\n─────\nb + c"),
        (r"\sum_{t=1}^{T} x", " T\n ∑  x\nt=1"),
        (r"e^{-x + y}", "e⁻ˣ⁺ʸ"),
        (r"e^{\Gamma + y}", " Γ + y\ne"),
        (
            applied("hxy"),
            " ⎛  ⎡h⎤    ⎞\nf⎜W ⎢x⎥ + b⎟\n ⎝  ⎣y⎦    ⎠",
        ),
        (
            Cases(((Word("a"), parsed(r"\text{if } a > 0")), (Word("b"), parsed(r"\text{otherwise}")))),
            "⎧a,  if a > 0\n⎩b,  otherwise",
        ),
    ],
)
def test_picture(latex, picture):
    assert shown(latex) == picture


def test_a_line_ends_before_the_outermost_operator_that_fits():
    assert shown(r"a + (b + c) + d", 12).splitlines() == ["a + (b + c)", " + d"]
    assert shown(r"\max(a + b \odot c + d)", 10).splitlines() == ["max(a", " + b ⊙ c", " + d)"]
    assert shown(r"a + \alpha + b", 12, "q = ").splitlines() == ["q = a + α", "     + b"]


def test_brackets_that_span_lines_are_as_tall_as_what_is_on_their_line():
    assert shown(applied("hx", r"\alpha + \beta"), 13).splitlines() == ["f⎛W ⎡h⎤ + α", " ⎝  ⎣x⎦", " + β)"]


def test_what_cannot_be_broken_is_told():
    assert picture_lines(parsed(r"\operatorname{abcdefghijklmnopq}"), 10) is None


def test_small_letters_are_single_characters():
    assert all(len(small) == 1 for small in BELOW.values())
    assert inline(parsed(r"\Gamma_f")) == "Γ_f"  # Unicode has no small f below the line


# Cells


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", SHIPPED)
def test_no_line_is_wider_than_the_terminal(name, width):
    lines = terminal.cell_text(symrnn.derive(SHIPPED[name]), width).splitlines()
    assert max(map(display_width, lines)) <= width
    assert all(columns(line) == display_width(line) for line in lines)


@pytest.mark.parametrize("name", CELLS)
def test_pictures_are_used_and_say_everything(name):
    cell = CELLS[name]
    derivation = symrnn.derive(cell)
    text = terminal.cell_text(derivation, 80)
    assert all(f"({equation.number})" in text for equation in cell.equations)
    assert "⎡" in text or name == "gru_reset_after"
    assert text.startswith(f"{cell.title} ({name})\n{cell.variant}\n")
    assert text.count(" so\n") == len([line for line in text.splitlines() if line.endswith(", so")])
    for parameter in cell.parameters:
        assert f"{parameter.name} (" in text
    assert sum(line.lstrip().startswith("δ") and " = " in line for line in text.splitlines()) >= len(
        cell.parameters
    )


def test_reasons_name_the_equations():
    text = terminal.cell_text(symrnn.derive(zoo.gru), 80)
    assert "Γᵤ⟨t⟩ enters (4) only, so" in text
    assert "c⟨t⟩ is the output and is read by the next step, so" in text
    assert "c⟨t-1⟩ enters (4), (5), (6) and (7), so" in text
    assert "r (m,) as Γᵣ" in text


def test_terminal_notebook_and_paper_take_the_same_free_letters():
    t, q, delta = (Parameter(name, m) for name in ("t", "q", "delta"))
    cell = Cell("taken", Eq(h.next, tanh(W @ x + U @ h + delta) * t + q))
    derivation = symrnn.derive(cell)
    text = terminal.cell_text(derivation, 80)
    assert "h⟨τ-1⟩ enters (1) only, so" in text
    assert "gradients, at every step τ = T ... 1" in text
    assert "∇p: the derivative of the loss by p" in text
    assert "what step τ+1 hands back to h⟨τ⟩" in text
    assert not any(sign in text for sign in ("⟨t⟩", "∑t", "t=1"))
    for latex in (derivation._repr_latex_(), symrnn.latex(derivation)):
        assert r"\sum_{\tau=1}^{T}" in latex
        assert r"\nabla h" in latex


def test_what_has_no_part_in_the_loss_is_told_as_in_the_paper():
    derivation = symrnn.derive(Cell("unused", Eq(h.next, tanh(W @ x))))
    assert "Nothing depends on h⟨t-1⟩:" in terminal.cell_text(derivation, 80)
    before = r"\text{Nothing depends on } h^{\langle t-1\rangle} \text{:}"
    assert before in derivation._repr_latex_()


def test_brackets_match_on_every_line_of_every_cell():
    tall = {"⎛": "⎝", "⎡": "⎣", "⎞": "⎠", "⎤": "⎦"}
    for name in CELLS:
        text = "\n".join(derivation_picture(symrnn.derive(CELLS[name]), 60))
        for top, foot in tall.items():
            assert text.count(top) == text.count(foot)


def test_the_whole_vocabulary_has_pictures():
    y, p = Value("y"), Parameter("p", m)
    cell = Cell(
        "everything",
        Eq(y, sqrt(abs(h) + 1) / (1 + symrnn.exp(-h)) + where(h > 0, h, g * h) + symrnn.softmax(U @ h)),
        Eq(h.next, Max(y, W @ x) + outer(h, p) @ y + total(h) / 3 * b + U.T @ h * symrnn.log(1 + h**2)),
        output=y,
    )
    lines = derivation_picture(symrnn.derive(cell), 80)
    assert max(map(display_width, lines)) <= 80


@pytest.mark.parametrize("seed", range(6))
def test_random_cells_keep_to_the_width(seed):
    lines = derivation_picture(symrnn.derive(random_cell(seed)), 100)
    assert max(map(display_width, lines)) <= 100


# The command


@pytest.fixture
def run(monkeypatch):
    def run_command(*arguments, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        result = CliRunner().invoke(command_line.app, ["show", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run_command


@pytest.mark.parametrize("width", [60, 80, 120])
def test_command_keeps_to_the_width(run, width):
    assert max(map(display_width, run("lstm", width=width).splitlines())) <= width


def test_plain_is_ascii(run):
    text = run("gru", "--plain")
    assert text.isascii()
    assert "u = sigmoid(W_u @ [c, x] + b_u)" in text


def test_a_terminal_without_the_signs_gets_plain_text():
    derivation = symrnn.derive(zoo.gru)
    assert terminal.cell_text(derivation, 80, encoding="ascii") == terminal.cell_text(
        derivation, 80, plain=True
    )
    assert terminal.cell_text(derivation, 80, encoding="latin-1").isascii()


def test_a_real_process_with_an_ascii_terminal():
    done = subprocess.run(
        [sys.executable, "-c", "from symrnn.commands.command_line import main; main()", "show", "elman"],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.isascii()
    assert b"tanh(W_s @ [x, s] + b_s)" in done.stdout
