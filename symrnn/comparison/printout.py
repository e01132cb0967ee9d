"""A comparison as text: partners, aligned equations with what differs marked, and the verdict in words.

Everything is ASCII, so that it can be read in any terminal, file or pipe. Lines know which of their
characters are marked: a terminal may colour them, `plain` writes a line of signs below.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sympy import Expr

from symrnn.comparison.alignment import AlignedEquation, Partner
from symrnn.comparison.comparison import Comparison
from symrnn.comparison.wording import PlainWords, sentences
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Equation
from symrnn.declaration.plain_text import MARK, UNMARK, plain_text

NARROWEST = 40
SIGN = "^"
GLUE = "\ue002"
GROUPS = (
    ("inputs", ("input", "index")),
    ("states", ("state",)),
    ("values", ("value",)),
    ("parameters", ("parameter", "part")),
    ("constants", ("constant",)),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; `marks` are the stretches of it (start, stop) that differ from the other cell."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()

    @property
    def signs(self) -> str:
        """What to write below the line where there is no colour: signs under its marks, or nothing."""
        under = [" "] * len(self.text)
        for start, stop in self.marks:
            under[start:stop] = SIGN * (stop - start)
        return "".join(under).rstrip()


def plain(lines: Iterable[Line]) -> str:
    """Lines as text, each with marks followed by a line of signs."""
    return "\n".join(f"{line.text}\n{line.signs}" if line.marks else line.text for line in lines)


def comparison_text(comparison: Comparison) -> str:
    """The whole comparison as text of 80 columns."""
    return plain(comparison_lines(comparison, 80))


def comparison_lines(comparison: Comparison, width: int) -> tuple[Line, ...]:
    """The whole comparison in lines of at most `width` columns."""
    width = max(width, NARROWEST)
    left, right = comparison.names
    heading = f"{left} and {right}"
    lines = [Line(heading), Line("=" * len(heading)), Line("")]
    lines += [Line(text) for text in _partner_lines(comparison.partners, left, right, width)]
    lines += [Line(""), Line(f"equations (- {left}, + {right}; {SIGN} marks what the other does not have)")]
    if len(lines[-1].text) > width:
        lines[-1:] = [Line(text) for text in textwrap.wrap(lines[-1].text, width)]
    for aligned in comparison.equations:
        lines += [Line(""), *_equation_lines(aligned, comparison, width)]
    lines += [Line(""), Line("verdict")]
    for sentence in sentences(comparison, PlainWords()):
        lines += [Line(text) for text in _paragraph(sentence, width)]
    return tuple(lines)


def _paragraph(sentence: str, width: int) -> list[str]:
    indent = "  " + sentence[: len(sentence) - len(sentence.lstrip())]
    return textwrap.wrap(
        sentence.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  " * (indent != "  "),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _partner_lines(partners: Iterable[Partner], left: str, right: str, width: int) -> Iterator[str]:
    found = list(partners)
    yield from textwrap.wrap(f"what corresponds ({left} ~ {right})", width)
    for heading, roles in GROUPS:
        texts = [partner_text(partner) for partner in found if _role(partner) in roles]
        if texts:
            listed = ", ".join(texts).replace(" ", GLUE).replace(f",{GLUE}", ", ")  # a pair stays on one line
            made = textwrap.wrap(
                f"  {heading:<11}{listed}",
                width,
                subsequent_indent=" " * 13,
                break_long_words=False,
                break_on_hyphens=False,
            )
            yield from (text.replace(GLUE, " ") for text in made)


def _role(partner: Partner) -> str:
    quantity = partner.left if partner.left is not None else partner.right
    return quantity.role if quantity is not None else ""


def partner_text(partner: Partner) -> str:
    """A pair of partners, such as `u ~ 1 - z`; a lone one has a minus or a plus before it.

    Constants that differ have their values behind them, such as `a (0.5) ~ a (0.25)`.
    """
    one, other = (f" ({value})" if value else "" for value in partner.values)
    adds = f" (adds to {partner.adds_to})" if partner.adds_to is not None else ""
    if partner.right is None:
        return f"- {partner.left}{one}{adds}"
    if partner.left is None:
        return f"+ {partner.right}{other}{adds}"
    sign = "1 - " if partner.complement else "-" if partner.negative else ""
    return f"{partner.left}{one} ~ {sign}{partner.right}{other}"


def _equation_lines(aligned: AlignedEquation, comparison: Comparison, width: int) -> Iterator[Line]:
    sides = (
        ("-", aligned.left, aligned.left_marks, comparison.left.cell),
        ("+", aligned.right, aligned.right_marks, comparison.right.cell),
    )
    for sign, equation, marks, cell in sides:
        if equation is not None:
            yield from _marked_lines(f"  {' ' if aligned.same else sign} ", equation, marks, cell, width)


def _marked_lines(
    before: str, equation: Equation, marks: frozenset[Expr], cell: Cell, width: int
) -> Iterator[Line]:
    """An equation, broken at spaces to the width, with its marks where they came to stand."""
    words = _written(equation, marks, cell).split(" ")
    row, indent, marked = before, before + "  ", 0
    for position, word in enumerate(words):
        gap = " " if position else ""
        if len(_bare(row + gap + word)) > width and position:
            yield _line(row, marked)
            marked += row.count(MARK) - row.count(UNMARK)
            row, gap = indent.replace("-", " ").replace("+", " "), ""
        row += gap + word
    yield _line(row, marked)


def marked_terms(equation: Equation, marks: frozenset[Expr], cell: Cell) -> tuple[str, ...]:
    """What is marked in an equation, in reading order."""
    line = _line(_written(equation, marks, cell), 0)
    return tuple(line.text[start:stop] for start, stop in line.marks)


def _written(equation: Equation, marks: frozenset[Expr], cell: Cell) -> str:
    return f"{equation.target} = {plain_text(equation.rhs, cell.roles, marks)}"


def _bare(text: str) -> str:
    return re.sub(f"[{MARK}{UNMARK}]", "", text)


def _line(row: str, open_marks: int) -> Line:
    """A line from text with signs for marks, of which some may be open from lines before."""
    text, marks, depth = "", [], open_marks
    begun = len(row) - len(row.lstrip(" ")) if open_marks else 0
    for character in row:
        if character == MARK:
            begun = len(text) if depth == 0 else begun
            depth += 1
        elif character == UNMARK:
            depth -= 1
            if depth == 0:
                marks.append((begun, len(text)))
        else:
            text += character
    if depth:
        marks.append((begun, len(text)))
    return Line(text, tuple(mark for mark in marks if mark[0] < mark[1]))
