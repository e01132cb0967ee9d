"""The one door to Jinja: keys are checked both ways, and templates place lines without thinking."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jinja2 import nodes

from symrnn.errors import EmissionError
from symrnn.templates import parse, render, template_folder

TARGETS = ("numpy", "numba", "jax", "torch", "cuda", "latex", "python")
PLACING = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.For,
    nodes.If,
    nodes.Block,
    nodes.Extends,
    nodes.Include,
    nodes.Macro,
    nodes.Call,
    nodes.Import,
    nodes.FromImport,
)
"""All that a template may be made of; a constant may only be the name of another template."""


def violations(tree: nodes.Template) -> list[str]:
    """What in a template is more than placing lines."""
    macros = {macro.name for macro in tree.find_all(nodes.Macro)}
    imported = [name for node in tree.find_all(nodes.FromImport) for name in node.names]
    macros |= {name if isinstance(name, str) else name[1] for name in imported}
    return [text for node in descendants(tree) for text in faults(node, macros)]


def descendants(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        names_another = isinstance(node, nodes.Extends | nodes.Include | nodes.Import | nodes.FromImport)
        indents = isinstance(node, nodes.Filter) and node.name == "indent"
        if isinstance(child, nodes.Const) and (names_another or indents):
            continue
        yield from descendants(child)


def faults(node: nodes.Node, macros: set[str]) -> Iterator[str]:
    where = f"line {node.lineno}: "
    yield from (f"{where}{said}" for said in (*thoughts(node, macros), *of_the_name(node)))


def thoughts(node: nodes.Node, macros: set[str]) -> Iterator[str]:
    """What is more than placing lines."""
    ready = nodes.Name | nodes.Getattr
    match node:
        case nodes.Filter() if node.name != "indent":
            yield f"the filter {node.name}"
        case nodes.For():
            if node.test is not None or node.recursive or node.else_:
                yield "a loop that filters, recurs or has an else"
            if not isinstance(node.iter, ready):
                yield "a loop over something that is not ready"
        case nodes.If() if not isinstance(node.test, ready):
            yield "a condition that is not ready"
        case nodes.Call() if not (isinstance(node.node, nodes.Name) and node.node.name in macros):
            yield "a call of something that is no macro"
        case nodes.Macro() if node.defaults or len(node.body) > 12:
            yield "a macro that is not small"


def of_the_name(node: nodes.Node) -> Iterator[str]:
    """What is wrong with the kind of a node, or with the name in it."""
    if not isinstance(node, (nodes.Filter, *PLACING)):
        yield type(node).__name__
    name = node.name if isinstance(node, nodes.Name) else node.attr if isinstance(node, nodes.Getattr) else ""
    if name == "loop":
        yield "the engine's own variable loop"
    if any(target in name.lower() for target in TARGETS):
        yield f"the target's name {name}"


def test_every_template_only_places_lines() -> None:
    names = sorted(str(path.relative_to(template_folder())) for path in template_folder().rglob("*.jinja"))
    assert names
    found = {name: violations(parse(name)) for name in names}
    assert not {name: texts for name, texts in found.items() if texts}


def test_every_file_among_the_templates_is_a_template() -> None:
    others = [
        path.name for path in template_folder().rglob("*") if path.is_file() and path.suffix != ".jinja"
    ]
    assert not others


def test_templates_know_one_style_each() -> None:
    for path in template_folder().rglob("*.jinja"):
        if not path.name.endswith(".tex.jinja"):
            assert not re.search(r"<%|%>", path.read_text())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ a + 1 }}", "Add"),
        ("{{ a * b }}", "Mul"),
        ("{{ a ~ b }}", "Concat"),
        ("{{ -a }}", "Neg"),
        ("{% set a = b %}", "Assign"),
        ("{% set a %}x{% endset %}", "AssignBlock"),
        ("{% with a = b %}{{ a }}{% endwith %}", "With"),
        ("{{ 'text' }}", "Const"),
        ("{{ a[0] }}", "Getitem"),
        ("{{ a | join(b) }}", "filter join"),
        ("{{ a | upper }}", "filter upper"),
        ("{% filter upper %}x{% endfilter %}", "FilterBlock"),
        ("{% if a is string %}x{% endif %}", "Test"),
        ("{% if a == b %}x{% endif %}", "Compare"),
        ("{% if a in b %}x{% endif %}", "Compare"),
        ("{% if not a %}x{% endif %}", "Not"),
        ("{% if a and b %}x{% endif %}", "And"),
        ("{{ a if b else c }}", "CondExpr"),
        ("{{ f(a) }}", "no macro"),
        ("{{ a.upper() }}", "no macro"),
        ("{% for x in (a, b) %}{{ x }}{% endfor %}", "not ready"),
        ("{% for x in a if x %}{{ x }}{% endfor %}", "filters"),
        ("{% for x in a %}{{ loop.index }}{% endfor %}", "loop"),
        ("{% for x in a | sort %}{{ x }}{% endfor %}", "filter sort"),
        ("{% if numba %}x{% endif %}", "target's name numba"),
        ("{% if target.is_numpy %}x{% endif %}", "target's name is_numpy"),
        ("{% macro m(a, b=1) %}{{ a }}{% endmacro %}", "Const"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "planted.py.jinja").write_text(text)
    assert any(fault in found for found in violations(parse("planted.py.jinja", tmp_path)))


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "fine.py.jinja").write_text(
        "{% extends 'base.py.jinja' %}{% from 'm.py.jinja' import other %}"
        "{% macro line(text) %}# {{ text }}{% endmacro %}"
        "{% block body %}{% for row in rows %}{{ line(row.text) }}{{ other(row.text) }}"
        "{% if row.last %}{{ row.end | indent(4) }}{% else %}x{% endif %}{% endfor %}"
        "{% include 'part.py.jinja' %}{% endblock %}"
    )
    assert violations(parse("fine.py.jinja", tmp_path)) == []


@dataclass(frozen=True)
class Row:
    name: str
    last: bool = False


@dataclass
class Loose:
    name: str


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.py.jinja").write_text(text)
        return tmp_path

    return write


def test_render_places_records_and_keeps_lines(folder: Callable[..., Path]) -> None:
    where = folder(
        page="# {{ title }}\n{% for row in rows %}\n  {% if row.last %}\n- {{ row.name }}\n"
        "  {% endif %}\n{% endfor %}\n"
    )
    rows = (Row("a"), Row("b", last=True))
    assert render("page.py.jinja", {"title": "T", "rows": rows}, folder=where) == "# T\n- b\n"


def test_tex_templates_have_delimiters_that_tex_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "a.tex.jinja").write_text(
        "\\frac{{#1}}{{%}}<# gone #><< name >>\n<% if yes %>\n{{x}}\n<% endif %>\n"
    )
    text = render("a.tex.jinja", {"name": "q", "yes": True}, folder=tmp_path)
    assert text == "\\frac{{#1}}{{%}}q\n{{x}}\n"


def test_a_missing_key_raises(folder: Callable[..., Path]) -> None:
    with pytest.raises(EmissionError, match=r"'page.py.jinja' needs body, title, which"):
        render("page.py.jinja", {}, folder=folder(page="{{ title }}{{ body }}"))


def test_a_surplus_key_raises(folder: Callable[..., Path]) -> None:
    with pytest.raises(EmissionError, match="does not use extra"):
        render("page.py.jinja", {"a": "x", "extra": "y"}, folder=folder(page="{{ a }}"))


def test_keys_of_parents_and_includes_count_and_loop_variables_do_not(folder: Callable[..., Path]) -> None:
    where = folder(
        page="{% extends 'base.py.jinja' %}{% block body %}{% for row in rows %}"
        "{% include 'part.py.jinja' %}{% endfor %}{% endblock %}",
        base="{{ title }}:{% block body %}{% endblock %}",
        part="{{ row.name }}{{ end }}",
    )
    context = {"title": "T", "rows": (Row("a"), Row("b")), "end": ";"}
    assert render("page.py.jinja", context, folder=where) == "T:a;b;"
    with pytest.raises(EmissionError, match="needs end, title"):
        render("page.py.jinja", {"rows": ()}, folder=where)


def test_a_missing_field_raises(folder: Callable[..., Path]) -> None:
    with pytest.raises(EmissionError, match="has no attribute 'nothing'"):
        render("page.py.jinja", {"row": Row("a")}, folder=folder(page="{{ row.nothing }}"))


def test_a_missing_or_broken_template_raises(folder: Callable[..., Path]) -> None:
    with pytest.raises(EmissionError, match=r"no template 'absent.py.jinja'"):
        render("absent.py.jinja", {}, folder=folder())
    with pytest.raises(EmissionError, match=r"no template 'absent.py.jinja' \(needed for 'page.py.jinja'\)"):
        render("page.py.jinja", {}, folder=folder(page="{% include 'absent.py.jinja' %}"))
    with pytest.raises(EmissionError, match="cannot be rendered"):
        render("page.py.jinja", {}, folder=folder(page="{% if %}"))


@pytest.mark.parametrize("value", [1, 1.5, None, ["a"], {"a": "b"}, Loose("a"), (Row("a"), 2), Row(name=3)])
def test_only_text_booleans_tuples_and_frozen_records_pass(
    folder: Callable[..., Path], value: object
) -> None:
    with pytest.raises(EmissionError, match="is given a"):
        render("page.py.jinja", {"a": value}, folder=folder(page="{{ a }}"))
