r"""Equations as lines of amsmath's aligned environments, and prose, in LaTeX."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from symrnn.mathematics.parts import ALONE
from symrnn.notation.breaking import indents, lines, points
from symrnn.notation.nodes import Node, Row
from symrnn.notation.prose import Code, Prose, Reference
from symrnn.notation.rendering.latex import latex
from symrnn.papers.plain_text import latex_text

Fit: TypeAlias = Callable[[str, float, float], str]
"""Makes a piece of a formula smaller, given its width and the room that it has, in points."""

EQUALS, INDENT = 16.0, 22.0
"""The widths of an equals sign and of an indent, in points."""
SLACK = 10.0
"""A piece that is wider than its line by less than this is left as it is."""


def equation_lines(
    left: Node, rights: Iterable[Node], room: float, fit: Fit, column: float = 0.0
) -> list[str]:
    """An equation as lines aligned at its signs; `fit` makes smaller what cannot be broken.

    `column` is the width of the widest left side that it is aligned with, and where smaller formulas begin.
    """
    width = points(left)
    rest, sign = room - width - EQUALS, "&" if left == ALONE else "&="
    made: list[str] = []
    for right in rights:
        pieces = lines(right, rest)
        for position, (piece, depth) in enumerate(zip(pieces, indents(pieces), strict=True)):
            indent = (depth + 1) * INDENT if position else 0.0
            beside = room - max(column, width) - EQUALS - indent
            text, wide = line_latex(piece, first=not position), points(piece)
            fitted = fit(text, wide, beside) if wide > rest + SLACK else text
            made.append("&" + r"\qquad" * (depth + 1) + f" {{}}{fitted}" if position else f"{sign} {fitted}")
    return [f"{latex(left)} {made[0]}".lstrip(), *made[1:]]


def line_latex(line: Row, *, first: bool) -> str:
    """A line of a formula; one that goes on begins with its operator."""
    if first:
        return latex(line)
    operator, *rest = line.items
    return f"{latex(operator)} {latex(Row(tuple(rest)))}"


def prose_latex(prose: Prose) -> str:
    r"""Prose with its formulas in `$...$` and references by `\eqref`."""
    return "".join(map(_piece, prose.pieces))


def _piece(piece: str | Node | Reference | Code) -> str:
    match piece:
        case str():
            return piece
        case Reference():
            return rf"\eqref{{{piece.label}}}"
        case Code():
            return rf"\texttt{{{latex_text(piece.text)}}}"
    return f"${latex(piece)}$"
