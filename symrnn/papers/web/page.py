"""The web page about a cell: ready text for the template, which only places it.

One file that needs nothing else: no network, no fonts to load, no script to be read. Its mathematics is
MathML, its style and its few lines of script stand in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from symrnn.mathematics.parts import Equation, Parts, Passage, Section
from symrnn.notation.rendering.mathml import inline_math
from symrnn.papers.web.equation import equation_html
from symrnn.papers.web.highlight import highlighted
from symrnn.papers.web.prose import anchor, prose_html
from symrnn.templates import Markup, render


@dataclass(frozen=True, slots=True)
class Source:
    """A source file that the page shows: its anchor, what it is, its file name, and its text."""

    anchor: str
    title: str
    file_name: str
    text: str


@dataclass(frozen=True, slots=True)
class PageEquation:
    """An equation, and its number and anchor if it has them."""

    html: Markup
    anchor: str
    number: str
    has_number: bool


@dataclass(frozen=True, slots=True)
class PagePassage:
    """Prose, equations, prose; any of these may be missing."""

    text: Markup
    equations: tuple[PageEquation, ...]
    after: Markup
    has_text: bool
    has_equations: bool
    has_after: bool


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section of the page; `is_part` where it is a part of the one before."""

    anchor: str
    heading: str
    passages: tuple[PagePassage, ...]
    is_part: bool


@dataclass(frozen=True, slots=True)
class PageSymbol:
    """A line of the table of symbols."""

    symbol: Markup
    meaning: Markup
    shape: Markup


@dataclass(frozen=True, slots=True)
class PageSource:
    """A source file on the page."""

    anchor: str
    title: str
    file_name: str
    lines: str
    code: Markup


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the table of contents."""

    anchor: str
    text: str
    is_part: bool


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A cell in the index."""

    file_name: str
    name: str
    title: str
    variant: str
    source: str
    has_variant: bool
    has_source: bool
    equations: tuple[Markup, ...]


def derivation_page(
    parts: Parts, plan: str, sources: Iterable[Source], *, signature: str, diagram: str = ""
) -> str:
    """The HTML page about a cell; `diagram` is SVG, `signature` says who made the page from what."""
    numbers = equation_numbers(parts)
    sections = tuple(_section(section, numbers) for section in parts.sections)
    results = _section(parts.results, numbers)
    shown = tuple(_source(source) for source in sources)
    return render(
        "page.html.jinja",
        {
            "signature": signature,
            "title": parts.title,
            "name": parts.name,
            "variant": parts.variant,
            "has_variant": bool(parts.variant),
            "source": parts.source,
            "has_source": bool(parts.source),
            "contents": _contents(sections, results, shown, with_diagram=bool(diagram)),
            "conventions": Markup(prose_html(parts.conventions, numbers)),
            "symbols": tuple(
                PageSymbol(
                    Markup(inline_math(row.symbol)),
                    Markup(prose_html(row.meaning, numbers)),
                    Markup(inline_math(row.shape)),
                )
                for row in parts.symbols
            ),
            "diagram": Markup(diagram),
            "has_diagram": bool(diagram),
            "sections": sections,
            "results": results,
            "plan": Markup(escape(plan, quote=False)),
            "sources": shown,
        },
    )


def index_page(cells: Iterable[tuple[str, Parts]], *, signature: str) -> str:
    """The HTML page that lists cells: for each the file name of its page, and its parts."""
    entries = tuple(_entry(file_name, parts) for file_name, parts in cells)
    return render("page_index.html.jinja", {"signature": signature, "cells": entries})


def equation_numbers(parts: Parts) -> dict[str, str]:
    """The number of every equation that has one, by its label: in order, as TeX counts."""
    labels = [
        equation.label
        for section in (*parts.sections, parts.results)
        for passage in section.passages
        for equation in passage.equations
        if equation.label
    ]
    return {label: str(number) for number, label in enumerate(labels, 1)}


def _entry(file_name: str, parts: Parts) -> IndexEntry:
    forward = next((s for s in parts.sections if s.name == "forward"), parts.results)
    equations = forward.passages[0].equations
    return IndexEntry(
        file_name,
        parts.name,
        parts.title,
        parts.variant,
        parts.source,
        bool(parts.variant),
        bool(parts.source),
        tuple(Markup(equation_html(equation.left, equation.rights)) for equation in equations),
    )


def _contents(
    sections: Iterable[PageSection],
    results: PageSection,
    sources: Iterable[PageSource],
    *,
    with_diagram: bool,
) -> tuple[Link, ...]:
    made = [Link("symbols", "Symbols", is_part=False)]
    if with_diagram:
        made.append(Link("diagram", "Diagram", is_part=False))
    made += [Link(s.anchor, s.heading, s.is_part) for s in (*sections, results)]
    made += [Link("plan", "Plan", is_part=False), Link("kernels", "Kernels", is_part=False)]
    made += [Link(source.anchor, source.title, is_part=True) for source in sources]
    return tuple(made)


def _section(section: Section, numbers: Mapping[str, str]) -> PageSection:
    return PageSection(
        anchor(section.name),
        section.heading,
        tuple(_passage(passage, numbers) for passage in section.passages),
        section.level > 1,
    )


def _passage(passage: Passage, numbers: Mapping[str, str]) -> PagePassage:
    return PagePassage(
        Markup(prose_html(passage.text, numbers)),
        tuple(_equation(equation, numbers) for equation in passage.equations),
        Markup(prose_html(passage.after, numbers)),
        bool(passage.text),
        bool(passage.equations),
        bool(passage.after),
    )


def _equation(equation: Equation, numbers: Mapping[str, str]) -> PageEquation:
    return PageEquation(
        Markup(equation_html(equation.left, equation.rights)),
        anchor(equation.label),
        numbers.get(equation.label, ""),
        bool(equation.label),
    )


def _source(source: Source) -> PageSource:
    code = Markup(highlighted(source.text, source.anchor))
    count = source.text.count("\n")
    return PageSource(source.anchor, source.title, source.file_name, str(count), code)
