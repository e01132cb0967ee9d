"""The web page that shows two cells side by side: ready text for the template, which only places it.

What the other cell does not have is marked for the eye by the page's style, and told in words beside every
equation for those who listen to the page.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from sympy import Expr

from symrnn.comparison.alignment import AlignedEquation
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.forms import Form
from symrnn.comparison.printout import GROUPS, marked_terms
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Equation
from symrnn.notation.nodes import Node
from symrnn.notation.rendering.mathml import inline_math
from symrnn.papers.difference import Sentence, equation_sides, partner_rows, verdict_sentences
from symrnn.papers.document import signature
from symrnn.papers.web.equation import equation_html
from symrnn.papers.web.prose import prose_html
from symrnn.templates import Markup, render


@dataclass(frozen=True, slots=True)
class PageCell:
    """One of the two cells: what to call it, and what its author tells."""

    name: str
    title: str
    variant: str
    source: str
    has_title: bool
    has_variant: bool
    has_source: bool


@dataclass(frozen=True, slots=True)
class PagePartner:
    """A line of the table of partners; `has_left` and `has_right` tell which of them there are."""

    left: Markup
    right: Markup
    has_left: bool
    has_right: bool


@dataclass(frozen=True, slots=True)
class PartnerGroup:
    """The partners of one role."""

    heading: str
    rows: tuple[PagePartner, ...]


@dataclass(frozen=True, slots=True)
class MarkedEquation:
    """An equation, whose it is, and what is marked in it, in words."""

    owner: str
    html: Markup
    marked: str
    has_marks: bool


@dataclass(frozen=True, slots=True)
class PagePair:
    """Aligned equations, one or two, and how they are related; `anchor` is the id of these words."""

    anchor: str
    relation: Markup
    equations: tuple[MarkedEquation, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of the verdict, or the lines of a list in it."""

    text: Markup
    lines: tuple[Markup, ...]
    is_list: bool


def difference_page(comparison: Comparison) -> str:
    """The HTML page that shows a comparison."""
    left, right = comparison.names
    pairs = tuple(
        _pair(aligned, comparison, number) for number, aligned in enumerate(comparison.equations, 1)
    )
    return render(
        "page_difference.html.jinja",
        {
            "signature": signature(f"{left} and {right}", "diff"),
            "left": left,
            "right": right,
            "cells": (_cell(left, comparison.left.cell), _cell(right, comparison.right.cell)),
            "groups": tuple(_groups(comparison)),
            "pairs": pairs,
            "verdict": tuple(_paragraphs(verdict_sentences(comparison))),
        },
    )


def _cell(name: str, cell: Cell) -> PageCell:
    has_title = cell.title not in ("", cell.name)
    return PageCell(
        name, cell.title, cell.variant, cell.source, has_title, bool(cell.variant), bool(cell.source)
    )


def _groups(comparison: Comparison) -> Iterator[PartnerGroup]:
    rows = partner_rows(comparison)
    for heading, roles in GROUPS:
        found = tuple(
            PagePartner(_math(row.left), _math(row.right), row.left is not None, row.right is not None)
            for row in rows
            if row.role in roles
        )
        if found:
            yield PartnerGroup(heading.capitalize(), found)


def _math(node: Node | None) -> Markup:
    return Markup(inline_math(node) if node is not None else "")


def _pair(aligned: AlignedEquation, comparison: Comparison, number: int) -> PagePair:
    sides = (
        (comparison.names[0], aligned.left, aligned.left_marks, comparison.left),
        (comparison.names[1], aligned.right, aligned.right_marks, comparison.right),
    )
    equations = [
        _equation(name, equation, marks, form)
        for name, equation, marks, form in sides
        if equation is not None
    ]
    if len(equations) == 1:
        relation = f"In <code>{escape(equations[0].owner)}</code> alone"
    else:
        relation = _relation(equations, aligned)
    return PagePair(f"pair-{number}", Markup(relation), tuple(equations))


def _relation(equations: list[MarkedEquation], aligned: AlignedEquation) -> str:
    if not aligned.same:
        return "Different"
    return "The same" if equations[0].html == equations[1].html else "The same but for names"


def _equation(name: str, equation: Equation, marks: frozenset[Expr], form: Form) -> MarkedEquation:
    left, right = equation_sides(equation, form, marks)
    told = "; ".join(marked_terms(equation, marks, form.cell))
    return MarkedEquation(name, Markup(equation_html(left, (right,))), told, bool(told))


def _paragraphs(sentences: Iterable[Sentence]) -> Iterator[Paragraph]:
    """The verdict's paragraphs, with items that follow one another as one list."""
    items: list[Markup] = []
    for sentence in sentences:
        html = Markup(prose_html(sentence.text, {}))
        if sentence.item:
            items.append(html)
            continue
        if items:
            yield Paragraph(Markup(""), tuple(items), is_list=True)
        items = []
        yield Paragraph(html, (), is_list=False)
    if items:
        yield Paragraph(Markup(""), tuple(items), is_list=True)
