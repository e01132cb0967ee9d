"""The web page about the difference of two cells: what is marked and told on it, and where it is written."""

import re
from xml.etree.ElementTree import Element

import html5lib
import pytest
from test_page import MODEL, each, local, of_class, small, text_of
from typer.testing import CliRunner

import symrnn as sr
from symrnn.commands import command_line
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.printout import comparison_lines
from symrnn.notation.nodes import Node, Row, Sign, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.rendering.latex import latex
from symrnn.notation.rendering.mathml import FRAMED, inline_math
from symrnn.papers.difference import difference_rows, equation_sides
from symrnn.papers.web.difference import difference_page
from symrnn.papers.web.equation import equation_html
from symrnn.version import __version__
from symrnn.zoo import CELLS

PAIRS = (
    ("gru", "gru_reset_after"),
    ("lstm", "lstm_notes"),
    ("elman", "gru"),
    ("gru_simplified", "gru"),
    ("gru", "gru"),
)


@pytest.fixture(scope="module", params=PAIRS, ids="_".join)
def compared(request: pytest.FixtureRequest) -> tuple[Comparison, Element]:
    """A comparison, and its page as a parser reads it that refuses what is not valid."""
    comparison = sr.diff(*(CELLS[name] for name in request.param))
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return comparison, parser.parse(difference_page(comparison))


def words(text: str) -> str:
    return " ".join(text.split())


def mathematics(node: Node) -> str:
    return text_of(html5lib.parseFragment(inline_math(node)))


def marked(pair: Element) -> list[str]:
    return [text_of(mark) for mark in of_class(pair, FRAMED)]


def test_every_equation_stands_in_its_pair_with_its_marks(compared: tuple[Comparison, Element]) -> None:
    comparison, tree = compared
    shown = of_class(tree, "pair")
    rows = difference_rows(comparison)
    assert len(shown) == len(rows)
    for pair, row, aligned in zip(shown, rows, comparison.equations, strict=True):
        sides = [
            (aligned.left, comparison.left, aligned.left_marks),
            (aligned.right, comparison.right, aligned.right_marks),
        ]
        told = [equation_sides(equation, form, marks) for equation, form, marks in sides if equation]
        formulas = [text_of(formula) for formula in of_class(pair, "formula")]
        assert formulas == [mathematics(Row((left, Sign("="), right))) for left, right in told]
        frames = [right for _, rights in told for right in re.findall(r"\\boxed\{", latex(rights))]
        lines = "".join((*row.left, *row.right))
        assert len(marked(pair)) == lines.count(r"\boxed{") == len(frames)
        owners = [text_of(owner) for owner in of_class(pair, "owner")]
        present = [name for name, text in zip(comparison.names, (row.left, row.right), strict=True) if text]
        assert owners == present
        [relation] = [text_of(line) for line in of_class(pair, "relation")]
        if len(present) == 1:
            assert relation == f"In {present[0]} alone"
        else:
            assert relation.startswith("The same") == row.same == (not frames)


def test_marks_are_told_in_words_as_in_the_terminal(compared: tuple[Comparison, Element]) -> None:
    comparison, tree = compared
    lines = [line for line in comparison_lines(comparison, 10_000) if line.marks]
    told = [
        words(text_of(spoken)).partition(": ")
        for equation in of_class(tree, "equation")
        for spoken in of_class(equation, "spoken")
    ]
    assert [text for _, _, text in told] == [
        "; ".join(line.text[start:stop] for start, stop in line.marks) for line in lines
    ]
    names = dict(zip("-+", comparison.names, strict=True))
    assert [owner for owner, _, _ in told] == [f"Only in {names[line.text[2]]}" for line in lines]


def test_the_table_has_all_partners(compared: tuple[Comparison, Element]) -> None:
    comparison, tree = compared
    [table] = each(tree, "table")
    rows = [[text_of(cell) for cell in each(row, "td")] for row in each(table, "tr")]
    found = [row for row in rows if row]
    assert len(found) == len(comparison.partners)
    alone = sum(partner.left is None or partner.right is None for partner in comparison.partners)
    assert sum(any(text.endswith("none") for text in row) for row in found) == alone
    assert all(len(row) == 2 for row in found)
    assert [text_of(cell) for cell in each(table, "th") if cell.get("scope") == "col"] == [*comparison.names]


def test_the_verdict_stands_there_with_its_numbers(compared: tuple[Comparison, Element]) -> None:
    comparison, tree = compared
    [verdict] = [element for element in each(tree, "section") if element.get("id") == "verdict"]
    shown = words(text_of(verdict))
    if comparison.verdict.evidence is not None:
        assert f"differ by up to {comparison.verdict.evidence}. " in shown
    begins = {
        "undecided": "No choice of parameters was found",
        "limit": f"{comparison.names[0]} is the limit",
        "special case": f"{comparison.names[0]} is a special case of {comparison.names[1]}",
        "identical": "gru (first) and gru (second) are the same cell",
    }
    assert shown.removeprefix("Verdict ").startswith(begins[comparison.verdict.kind])
    assert not set(shown) & set("\\$^{}")
    choices = [text_of(item) for item in each(verdict, "li")]
    assert bool(choices) == (comparison.verdict.kind in ("limit", "special case"))


def test_the_reset_gate_is_marked_where_it_acts() -> None:
    tree = html5lib.parse(difference_page(sr.diff(CELLS["gru"], CELLS["gru_reset_after"])))
    pairs = of_class(tree, "pair")
    assert [marked(pair) for pair in pairs[:3]] == [
        [mathematics(parsed(r"d_{r}"))],
        [mathematics(parsed(r"d_{z}"))],
        [
            mathematics(parsed(r"\Gamma_r^{\langle t\rangle} \odot c^{\langle t-1\rangle}")),
            mathematics(parsed(r"r^{\langle t\rangle} \odot (U_{n} h^{\langle t-1\rangle} + d_{n})")),
        ],
    ]


def test_a_marked_sum_keeps_its_brackets() -> None:
    """A tint is no bracket: without brackets (1 - u) * c would read 1 - u * c."""
    tree = html5lib.parse(difference_page(sr.diff(CELLS["gru_simplified"], CELLS["lstm_notes"])))
    [formula] = [text_of(f) for f in of_class(tree, "formula") if "1−" in text_of(f)]
    assert "(1−" in formula


def test_a_cell_without_texts_is_its_name_alone() -> None:
    titled = small("one", title="One", source="a book")
    tree = html5lib.parse(difference_page(sr.diff(titled, small("two"))), namespaceHTMLElements=False)
    assert [text_of(told) for told in each(tree, "dt")] == ["one", "two"]
    assert [text_of(told) for told in each(tree, "dd")] == ["One", "Source: a book"]


def test_long_marks_are_cut_inside_and_lose_nothing() -> None:
    inside = r"\tanh(W_{1} x_{1} + U_{1} h_{1} + W_{2} x_{2} + U_{2} h_{2} + b)"
    right = parsed(rf"a + \boxed{{{inside}}} \odot c")
    tree = html5lib.parseFragment(equation_html(Word("h"), (right,)))
    assert text_of(tree) == mathematics(Row((Word("h"), Sign("="), right)))
    [frame] = of_class(tree, FRAMED)
    assert local(frame) == "span"
    assert len(list(each(frame, "math"))) == 5
    raised = parsed(rf"a + \boxed{{{inside}}}^{{2}} \odot c")
    [power] = of_class(html5lib.parseFragment(equation_html(Word("h"), (raised,))), FRAMED)
    assert local(power) == "mrow"  # the exponent belongs to the whole


# what is written


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments, code=0):
        result = CliRunner().invoke(command_line.app, ["diff", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run_command


def test_command_writes_a_signed_page(run, tmp_path):
    assert run("elman", "gru", "--page").stdout == "elman_gru.html\n"
    [path] = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert text == difference_page(sr.diff(CELLS["elman"], CELLS["gru"]))
    assert text.startswith(f"<!DOCTYPE html>\n<!-- made by symrnn {__version__} from elman and gru (diff)")
    run("elman", "gru", "--page")  # its own file may be replaced
    assert run("elman", "gru", "--page", "-o", "other.html").stdout == "other.html\n"
    assert (tmp_path / "other.html").read_text(encoding="utf-8") == text


def test_command_keeps_a_foreign_file(run, tmp_path):
    (tmp_path / "elman_gru.html").write_text("<title>a home page</title>")
    told = run("elman", "gru", "--page", code=2).stderr
    assert "The file elman_gru.html exists and symrnn did not write it" in told
    assert (tmp_path / "elman_gru.html").read_text() == "<title>a home page</title>"
    run("elman", "gru", "--page", "--force")
    assert "made by symrnn" in (tmp_path / "elman_gru.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["elman", "gru", "--page", "--latex"], "--latex and --page are two forms of the difference."),
        (["elman", "gru", "-o", "x.html"], "-o names the file of the LaTeX document or the page."),
        (["elman", "grue", "--page"], "There is no shipped cell 'grue'."),
        (["elman", "models.py:tagger", "--page"], "models.py:tagger is a model"),
        (["elman", "gru", "--page", "-o", "no/x.html"], "The file no/x.html cannot be written: there is no"),
    ],
)
def test_wrong_request(run, tmp_path, arguments, message):
    (tmp_path / "models.py").write_text(MODEL)
    result = run(*arguments, code=2)
    assert result.stderr.startswith(f"symrnn: {message}")
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["models.py"]
