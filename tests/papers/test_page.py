"""Web pages about cells: whole, valid, self-contained, accessible; what is written where, and refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from xml.etree.ElementTree import Element

import html5lib
import pytest
from sympy import Eq
from typer.testing import CliRunner

import symrnn as sr
from symrnn.commands import command_line
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Input, Parameter, State
from symrnn.derivation.reverse import derive
from symrnn.errors import RequestError
from symrnn.kernels.targets import ARRAY_TARGETS as TARGETS
from symrnn.mathematics.parts import Equation, Parts
from symrnn.mathematics.sections import derivation_parts
from symrnn.papers.web.difference import difference_page
from symrnn.pipeline import cost
from symrnn.publishing.pages import page, pages, write_pages
from symrnn.templates import Markup, render
from symrnn.version import __version__
from symrnn.zoo import CELLS

n, m = sr.axes("n m")
HOSTILE = """A & B <i>"x"</i> 'y' <!-- z --> </title></style><script>alert(1)</script> {{ name }}"""


def small(name: str = "mine", **texts: str) -> Cell:
    x, h, W = Input("x", n), State("h", m), Parameter("W", m, m + n)
    return Cell(name, Eq(h.next, sr.tanh(W @ [h, x])), **texts)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """All pages about the shipped cells and two whose texts are full of signs that HTML takes for its own."""
    hostile = small("hostile", title=HOSTILE, variant=HOSTILE, source=HOSTILE)
    compared = difference_page(sr.diff(hostile, CELLS["elman"]))
    return pages([*CELLS.values(), hostile]) | {"hostile_elman.html": compared}


@pytest.fixture(scope="module")
def trees(made: dict[str, str]) -> dict[str, Element]:
    """The pages, as a parser reads them that refuses what is not valid."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return {name: parser.parse(text) for name, text in made.items()}


def text_of(element: Element) -> str:
    return "".join(element.itertext())


def local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def each(tree: Element, *tags: str) -> Iterator[Element]:
    return (element for element in tree.iter() if local(element) in tags)


def of_class(tree: Element, name: str) -> list[Element]:
    return [element for element in tree.iter() if name in element.get("class", "").split()]


def equations(parts: Parts) -> list[Equation]:
    return [e for section in (*parts.sections, parts.results) for p in section.passages for e in p.equations]


# what stands on it


@pytest.mark.parametrize("name", CELLS)
def test_every_equation_stands_on_the_page_with_the_papers_number(
    name: str, trees: Mapping[str, Element]
) -> None:
    told = equations(derivation_parts(derive(CELLS[name]), cost=cost(CELLS[name])))
    shown = of_class(trees[f"{name}.html"], "equation")
    assert len(told) == len(shown)
    number = 0
    for equation, element in zip(told, shown, strict=True):
        assert len(of_class(element, "side")) == len(equation.rights)
        assert all(list(each(side, "math")) for side in of_class(element, "side") + of_class(element, "left"))
        number += bool(equation.label)
        marks = [text_of(mark) for mark in of_class(element, "number")]
        assert marks == ([f"({number})"] if equation.label else [])


@pytest.mark.parametrize("name", CELLS)
def test_no_latex_is_left(name: str, trees: Mapping[str, Element]) -> None:
    tree = trees[f"{name}.html"]
    for math in each(tree, "math"):
        assert not set(text_of(math)) & set("\\$&_^")
        assert text_of(math).strip()
    for element in each(tree, "p", "td", "th", "h1", "h2", "h3", "li"):
        assert not set(text_of(element)) & set("\\$^") - (
            {"^"} if element.find("code") is not None else set()
        )


@pytest.mark.parametrize("name", CELLS)
def test_plan_and_kernels_stand_on_the_page_to_the_letter(name: str, trees: Mapping[str, Element]) -> None:
    tree = trees[f"{name}.html"]
    assert [text_of(code) for code in of_class(tree, "plan")] == [str(sr.plan(CELLS[name]))]
    kernels = [text_of(code) for code in of_class(tree, "numbered")]
    assert kernels == [sr.emit(CELLS[name], target=target) for target in TARGETS]
    summaries = [text_of(summary) for summary in each(tree, "summary")]
    assert [s.partition(",")[0] for s in summaries] == [f"{name}_{target}.py" for target in TARGETS]
    assert all(f"{kernel.count(chr(10))} lines" in s for kernel, s in zip(kernels, summaries, strict=True))


def test_words_of_the_kernel_are_coloured(trees: Mapping[str, Element]) -> None:
    [first, *_] = of_class(trees["gru.html"], "numbered")
    words = {kind: {text_of(word) for word in of_class(first, kind)} for kind in "cskfn"}
    assert "def" in words["k"]
    assert {"forward", "backward", "Parameters"} <= words["f"]
    assert any(comment.startswith("# ") for comment in words["c"])


def test_the_step_is_drawn(trees: Mapping[str, Element]) -> None:
    for name in CELLS:
        [drawing] = each(trees[f"{name}.html"], "svg")
        assert drawing.get("role") == "img"
    x, t, W = Input("x", n), State("t", m), Parameter("W", m, m + n)
    tree = html5lib.parse(page(Cell("c", Eq(t.next, sr.tanh(W @ [t, x])))), namespaceHTMLElements=False)
    [drawing] = each(tree, "svg")
    assert "τ" in text_of(drawing)  # t is a name of the cell, and the drawing's time is that of the equations


def test_the_index_lists_the_cells_in_order(trees: Mapping[str, Element]) -> None:
    cards = of_class(trees["index.html"], "card")
    assert [next(each(card, "a")).get("href") for card in cards] == [
        *(f"{c}.html" for c in CELLS),
        "hostile.html",
    ]
    for card, cell in zip(cards, CELLS.values(), strict=False):
        assert text_of(next(each(card, "h2"))) == cell.title
        assert len(of_class(card, "equation")) == len(cell.equations)


def test_texts_of_a_cell_are_text(trees: Mapping[str, Element]) -> None:
    shown = " ".join(HOSTILE.split())
    tree = trees["hostile.html"]
    [heading] = each(tree, "h1")
    assert text_of(heading) == HOSTILE
    assert text_of(of_class(tree, "variant")[0]) == HOSTILE
    assert text_of(of_class(tree, "origin")[0]) == f"Source: {HOSTILE}"
    assert shown in " ".join(text_of(next(each(tree, "title"))).split())
    assert len(list(each(tree, "script"))) == 1
    assert not list(each(trees["index.html"], "script", "i"))
    compared = trees["hostile_elman.html"]
    assert HOSTILE in [text_of(told) for told in each(compared, "dd")]
    assert not list(each(compared, "script", "i"))


# what it is


@pytest.mark.parametrize("name", [*CELLS, "index", "hostile", "hostile_elman"])
def test_links_and_references_lead_somewhere(name: str, trees: Mapping[str, Element]) -> None:
    tree = trees[f"{name}.html"]
    all_ids = [element.get("id") for element in tree.iter() if element.get("id")]
    ids = set(all_ids)
    assert len(ids) == len(all_ids)
    for element in tree.iter():
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert set((element.get(attribute) or "").split()) <= ids
        link = element.get("href")
        if link is not None:
            assert link.removeprefix("#") in ids if link.startswith("#") else link in trees


@pytest.mark.parametrize("name", CELLS)
def test_reasons_refer_to_equations_by_links(name: str, trees: Mapping[str, Element]) -> None:
    tree = trees[f"{name}.html"]
    numbered = {
        e.get("id"): text_of(of_class(e, "number")[0]) for e in of_class(tree, "equation") if e.get("id")
    }
    references = of_class(tree, "ref")
    assert references
    assert all(text_of(link) == numbered[link.get("href", "")[1:]] for link in references)


def test_pages_have_landmarks_a_language_and_headings_in_order(trees: Mapping[str, Element]) -> None:
    for tree in trees.values():
        assert tree.get("lang") == "en"
        assert (
            len(list(each(tree, "main")))
            == len(list(each(tree, "header")))
            == len(list(each(tree, "footer")))
            == 1
        )
        levels = [int(local(heading)[1]) for heading in each(tree, "h1", "h2", "h3", "h4")]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
        skip = next(each(tree, "a"))
        assert (skip.get("class"), skip.get("href")) == ("skip", "#content")
        assert all(cell.get("scope") for cell in each(tree, "th"))


def test_contents_name_every_section(trees: Mapping[str, Element]) -> None:
    for name in (*CELLS, "hostile_elman"):
        tree = trees[f"{name}.html"]
        [contents] = each(tree, "nav")
        headings = [text_of(h) for h in each(next(each(tree, "main")), "h2", "h3")]
        assert [text_of(link) for link in each(contents, "a")] == headings


def test_nothing_comes_from_elsewhere(made: Mapping[str, str], trees: Mapping[str, Element]) -> None:
    for name, tree in trees.items():
        for element in tree.iter():
            assert not {"src", "srcset", "action", "data"} & set(element.attrib)
        assert not list(each(tree, "link", "iframe", "object", "base"))
        assert "default-src 'none'" in made[name]
        [style] = each(tree, "style")
        assert not re.search(r"url\(|@import|@font-face", text_of(style))


def test_pages_say_who_made_them(made: Mapping[str, str]) -> None:
    for name, text in made.items():
        cell = name.removesuffix(".html").replace("_elman", " and elman")
        source = f" from {cell} (" if name != "index.html" else ", do not edit"
        assert text.startswith(f"<!DOCTYPE html>\n<!-- made by symrnn {__version__}{source}")


def test_the_same_cell_gives_the_same_bytes(made: Mapping[str, str]) -> None:
    code = "import sys; from symrnn.publishing.pages import page; from symrnn.zoo import CELLS;"
    code += " sys.stdout.buffer.write(page(CELLS['gru']).encode())"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == made["gru.html"] == page(CELLS["gru"])


# colours


def colours(style: str) -> tuple[dict[str, str], dict[str, str]]:
    """The colours by name, in light and in dark mode."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{([^}]*)\}", style)
    )
    return light, light | dark


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2: 21 for black on white."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_contrast_is_what_wcag_defines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_every_colour_is_easy_to_read_on_every_ground(mode: int, trees: Mapping[str, Element]) -> None:
    found = colours(text_of(next(each(trees["gru.html"], "style"))))[mode]
    grounds = ("paper", "box", "mark")
    inks = set(found) - {*grounds, "line"}
    assert {"ink", "soft", "link", "comment", "string", "keyword"} <= inks
    for ground in grounds:
        for ink in inks:
            assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)


def test_no_colour_stands_outside_the_table(trees: Mapping[str, Element]) -> None:
    style = re.sub(r":root \{[^}]*\}", "", text_of(next(each(trees["gru.html"], "style"))))
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl", style)


# what is written


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments, code=0):
        result = CliRunner().invoke(command_line.app, ["page", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run_command


def test_page_writes_pages_and_an_index(run, tmp_path, made):
    output = run("elman", "gru", "-o", "site/cells").stdout
    folder = tmp_path / "site" / "cells"
    names = ["elman.html", "gru.html", "index.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert output.splitlines() == [os.path.join("site", "cells", name) for name in names]
    assert (folder / "gru.html").read_text(encoding="utf-8") == made["gru.html"]
    run("gru", "-o", "site/cells")  # its own files may be replaced
    assert "elman" not in (folder / "index.html").read_text(encoding="utf-8")


def test_page_writes_into_the_current_folder_as_build_does(run, tmp_path):
    run("elman")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elman.html", "index.html"]


@pytest.mark.parametrize("name", ["index.html", "elman.html"])
def test_page_keeps_a_foreign_file(run, tmp_path, name):
    (tmp_path / name).write_text("<title>a home page</title>")
    assert f"The file {name} exists and symrnn did not write it" in run("elman", code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "<title>a home page</title>"
    run("elman", "--force")
    assert "made by symrnn" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["elman", "elman"], "Two of the cells are named elman"),
        (["elman", "grue"], "There is no shipped cell 'grue'."),
        (
            ["models.py:tagger"],
            "models.py:tagger is a model, and this command takes one cell. Its cells: elman, squared_error.",
        ),
    ],
)
def test_wrong_request(run, tmp_path, cells, message):
    (tmp_path / "models.py").write_text(MODEL)
    result = run(*cells, "-o", "site", code=2)
    assert result.stderr.startswith(f"symrnn: {message}")
    assert result.stdout == ""
    assert not (tmp_path / "site").exists()


MODEL = """
from symrnn import Feed, Layer, Model, axes
from symrnn.zoo import CELLS, SHIPPED

below = Layer(CELLS["elman"], {"x": Feed("x")})
loss = Layer(SHIPPED["squared_error"], {"a": below, "y": Feed("y")})
tagger = Model("tagger", loss)
"""


def test_a_cell_cannot_take_the_place_of_the_index(tmp_path):
    with pytest.raises(RequestError, match=r"would be Index.html, which is the index. Give the cell another"):
        write_pages([small("Index")], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_page_in_another_notation(run, tmp_path, trees):
    run("elman", "--time", "subscript", "--vectors", "row")
    tree = html5lib.parse((tmp_path / "elman.html").read_text(encoding="utf-8"), namespaceHTMLElements=False)
    shown = text_of(next(each(tree, "main")))
    assert "Vectors are rows" in shown
    assert "⟨t" not in shown
    assert "⟨t" in text_of(next(each(trees["elman.html"], "main")))
    assert "There is no time='above' in LaTeX" in run("elman", "--time", "above", code=2).stderr


# templates


def test_html_templates_escape_text_and_place_markup(tmp_path):
    (tmp_path / "a.html.jinja").write_text("{{ text }}|{{ ready }}")
    (tmp_path / "a.py.jinja").write_text("{{ text }}|{{ ready }}")
    values = {"text": "a < b", "ready": Markup("<b>c</b>")}
    assert render("a.html.jinja", values, folder=tmp_path) == "a &lt; b|<b>c</b>"
    assert render("a.py.jinja", values, folder=tmp_path) == "a < b|<b>c</b>"
