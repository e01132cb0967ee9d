"""Titles, variants and sources are words in every output, whatever an author writes in them."""

import ast
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest
from command_runs import invoked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sympy import Eq
from test_latex import compiled, complaints

import symrnn as sr
from symrnn import Cell, DeclarationError, Feed, Input, Layer, Model, Parameter, State, Value
from symrnn.commands.list import print_entries
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.notebook import plan_html
from symrnn.publishing.pages import pages
from symrnn.zoo.shelf import Entry

n, m = sr.axes("n m")
x, h, W, w = Input("x", n), State("h", m), Parameter("W", m, m + n), Parameter("w", n)
error = Value("error")

NASTY = (
    'a"""\nimport os\nos.abort()\n"""',
    '"""',
    '\\"""',
    '""" + open("x") + """',
    "ends in a backslash \\",
    '"quoted"',
    "C:\\new\\table\\x41\\N{DIGIT ONE}\\u0041",
    "# no comment\r\nimport os",
    "{{ name }} {% raw %} {# gone #} << title >> <% if %> <# x #>",
    "[red]bold[/red] [/] [link=file:///etc]x[/link] :smile: \\[x]",
    "\\input{secret} \\end{document} $ % & # _ ^ ~ { } < > \\\\",
    "＼input｛secret｝ ％ ＄ ＃ ＿ ＾ ～ ＆",
    "]]> </title></script><script>alert(1)</script><!-- &amp; -->",
    "Gołębiowski, Đoković, Þór, Ŋ, “1997–2002”, «Trần», ½ ﬁ … 𝔘 漢",
)
NASTY_PARTS = st.sampled_from(['"', '"""', "\\", "'", "\n", "\r", "\t", "#", "{", "}", "{{", "%}", "]", "\0"])
NASTY_TEXT = st.sampled_from(NASTY) | st.lists(NASTY_PARTS | st.characters()).map("".join)

fuzzed = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def cell(**texts: str) -> Cell:
    return Cell("worded", Eq(h.next, sr.tanh(W @ [h, x])), **texts)


def model(**texts: str) -> Model:
    squared = Cell("squared", Eq(error, sr.dot(w, x) ** 2), output=error)
    return Model("worded", Layer(squared, Layer(cell(), Feed("x"))), **texts)


def one_line(text: str) -> str:
    return " ".join(text.split())


def rest(source: str) -> list[str]:
    """The lines behind a module's docstring, which has no other statements in it."""
    return source.split("\n")[ast.parse(source).body[0].end_lineno :]


def assert_says(source: str, texts: Iterable[str]) -> None:
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    assert docstring is not None
    for text in texts:
        assert one_line(text) in docstring


PLAN = sr.plan(cell())
PLAIN = {target: rest(sr.emit(PLAN, target)) for target in TARGETS}
PLAIN_MODEL = {target: rest(sr.emit(model(), target)) for target in TARGETS}


def declared(kind: type[Cell] | type[Model], texts: dict[str, str]) -> Cell | Model | None:
    """A cell or a model with these texts; None if they are refused, which only unseen characters are."""
    unseen = [text for text in texts.values() if not one_line(text).isprintable()]
    make = cell if kind is Cell else model
    if unseen:
        with pytest.raises(DeclarationError, match=r"which is not printed"):
            make(**texts)
        return None
    return make(**texts)


@fuzzed
@given(title=NASTY_TEXT, variant=NASTY_TEXT, source=NASTY_TEXT)
def test_a_kernel_says_the_words_and_does_what_it_did(title: str, variant: str, source: str) -> None:
    made = declared(Cell, {"title": title, "variant": variant, "source": source})
    for target in TARGETS if made else ():
        header = replace(PLAN.header, title=made.title, variant=made.variant, source=made.source)
        text = sr.emit(replace(PLAN, header=header), target)
        assert rest(text) == PLAIN[target]
        assert_says(text, (title, variant, source))


@settings(fuzzed, max_examples=5)
@given(title=NASTY_TEXT, source=NASTY_TEXT)
def test_a_module_of_a_model_says_the_words_and_does_what_it_did(title: str, source: str) -> None:
    made = declared(Model, {"title": title, "source": source})
    if made:
        text = sr.emit(made, "numpy")
        assert rest(text) == PLAIN_MODEL["numpy"]
        assert_says(text, (title, source))


@pytest.mark.parametrize("target", TARGETS)
def test_words_of_layers_do_nothing(target: str) -> None:
    text = " ".join(map(one_line, NASTY))
    layer = Layer(cell(title=text, variant=text, source=text), Feed("x"))
    made = Model("worded", Layer(model().loss.cell, layer), title=text, source=text)
    source = sr.emit(made, target)
    assert [line for line in rest(source) if "symrnn_worded_" not in line] == (
        [line for line in PLAIN_MODEL[target] if "symrnn_worded_" not in line]  # a digest of all kernels
    )
    assert_says(source, (text,))


@pytest.mark.parametrize("bad", [None, 3, b"bytes", ["title"]])
def test_words_are_strings(bad: object) -> None:
    for what in ("title", "variant", "source"):
        with pytest.raises(DeclarationError, match=f"The {what} of 'worded' is .*Give a string"):
            cell(**{what: bad})
    with pytest.raises(DeclarationError, match=r"The title of 'worded' is .*Give a string"):
        model(title=bad)


@pytest.mark.parametrize(
    ("character", "called"),
    [
        ("\0", "0000"),
        ("\x1b", "001B"),
        ("\x7f", "007F"),
        ("\u202e", "202E"),
        ("\ud800", "D800"),
        ("\ue000", "E000"),
    ],
)
def test_characters_that_are_not_printed_are_refused(character: str, called: str) -> None:
    for what in ("title", "variant", "source"):
        with pytest.raises(DeclarationError, match=rf"The {what} of 'worded' has the character U\+{called}"):
            cell(**{what: f"a{character}b"})
    with pytest.raises(DeclarationError, match=rf"The source of 'worded' has the character U\+{called}"):
        model(source=f"a{character}b")


def test_line_ends_become_spaces() -> None:
    made = cell(title=" one\ntwo\u2028three\t four\r\n", variant="\n")
    assert (made.title, made.variant) == ("one two three four", "")
    assert cell(title=" \n").title == "worded"


# ---- Documents ---------------------------------------------------------------------------------------


def test_documents_compile(tmp_path: Path) -> None:
    text = " ".join(map(one_line, NASTY))
    for document in (
        sr.latex(cell(title=text, variant=text, source=text)),
        sr.latex(model(title=text, source=text)),
        ARTICLE % sr.latex(cell(title=text, variant=text, source=text), fragment=True),
    ):
        assert not list(complaints(compiled(document, tmp_path)))


ARTICLE = r"\documentclass{article}\usepackage{amsmath}\begin{document}%s\end{document}"


def structure(element: Element) -> object:
    """Elements with the names of their attributes; texts and what colours code do not count."""
    inside = [] if element.tag == "code" else [structure(child) for child in element]
    return element.tag, sorted(element.attrib), inside


def test_web_pages_have_the_same_elements() -> None:
    def trees(**texts: str) -> dict[str, Element]:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        return {name: parser.parse(text) for name, text in pages([cell(**texts)]).items()}

    text = " ".join(map(one_line, NASTY))
    plain, nasty = trees(title="t", variant="v", source="s"), trees(title=text, variant=text, source=text)
    assert {name: structure(tree) for name, tree in nasty.items()} == {
        name: structure(tree) for name, tree in plain.items()
    }
    assert all(text in "".join(tree.itertext()) for tree in nasty.values())


def test_notebooks_show_the_words() -> None:
    text = " ".join(map(one_line, NASTY))
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    shown = parser.parseFragment(plan_html(sr.plan(cell(title=text))))
    assert text in one_line("".join(shown.itertext()))


# ---- Terminals ---------------------------------------------------------------------------------------


def test_the_command_line_shows_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in brackets or between colons is markup, in a folder whose name looks like markup."""
    monkeypatch.setenv("COLUMNS", "1000")
    folder = tmp_path / "[red]"
    folder.mkdir()
    text = " ".join(map(one_line, NASTY))
    lines = [
        "from sympy import Eq",
        "import symrnn as sr",
        "n, m = sr.axes('n m')",
        "x, h, W = sr.Input('x', n), sr.State('h', m), sr.Parameter('W', m, m + n)",
        f"worded = sr.Cell('worded', Eq(h.next, sr.tanh(W @ [h, x])), title={text!r}, variant={text!r})",
    ]
    (folder / "cells.py").write_text("\n".join(lines), encoding="utf-8")
    for command in (["show"], ["show", "--plain"], ["plan"]):
        assert text in one_line(invoked(*command, folder / "cells.py").output)
    invoked("check", folder / "cells.py", "--target", "numpy")
    assert "[red]" in invoked("show", folder / "none.py", code=2).output


def test_the_table_of_cells_shows_the_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    for text in NASTY[:-2]:  # wide letters change the widths
        print_entries(
            ("cell", "title", "variant"),
            {"worded": Entry("", cell(title=text).title, cell(variant=text).variant)},
        )
        assert one_line(capsys.readouterr().out).count(one_line(text)) == 2


# ---- Programs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["python", "torch", "jax"])
def test_modules_of_cells_alone_say_the_words(target: str) -> None:
    plain = sr.emit(cell(), target)
    for text in NASTY:
        source = sr.emit(cell(title=text), target)
        assert rest(source) == rest(plain)
        assert_says(source, (text,))
