r"""Formulas for notebooks: LaTeX that MathJax sets without a preamble.

MathJax knows amsmath's aligned, bmatrix and cases. It numbers and labels for the whole page, so that a label
in two cells of a notebook would clash: numbers are written as text, and nothing is labelled.
"""

from collections.abc import Iterable, Iterator

from symrnn.comparison.comparison import Comparison
from symrnn.declaration.cell import Cell
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.jacobian import StepJacobian
from symrnn.derivation.model_derivation import ModelDerivation
from symrnn.derivation.reverse import derive
from symrnn.mathematics.jacobian import jacobian_sides, partial_sides
from symrnn.mathematics.parts import Equation
from symrnn.mathematics.printed import Printed, printed
from symrnn.mathematics.style import DEFAULT
from symrnn.mathematics.words import goes
from symrnn.notation.breaking import indents, lines, points
from symrnn.notation.nodes import Node
from symrnn.notation.prose import Piece
from symrnn.notation.rendering.latex import latex
from symrnn.papers.difference import difference_rows
from symrnn.papers.lines import line_latex
from symrnn.papers.model import WiringText, shared_equations

ROOM = 430.0
"""The room for a formula beside its number, in points."""


def aligned(groups: Iterable[Iterable[str]]) -> str:
    r"""Groups of lines as one display, with space between groups."""
    body = " \\\\[8pt]\n".join(" \\\\\n".join(lines) for lines in groups)
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def equation_lines(left: Node, right: Node, number: int | None = None) -> Iterator[str]:
    """An equation in three columns: number, left side, right side; broken at operators."""
    pieces = lines(right, ROOM - points(left))
    for position, (line, depth) in enumerate(zip(pieces, indents(pieces), strict=True)):
        piece = line_latex(line, first=not position)
        before = rf"\text{{({number})}} \quad" if number is not None and not position else ""
        if position:
            indent = r"\qquad" * (depth + 1)
            yield f"& & & {indent} {{}} {piece}"
        else:
            yield rf"{before} & & {latex(left)} & = {piece}"


def cell_display(cell: Cell) -> str:
    """The equations of a cell, numbered."""
    return aligned([_forward(printed(derive(cell)))])


def derivation_display(derivation: Derivation) -> str:
    """The equations, and the gradients in the order in which they are computed, each with its reason."""
    shown = printed(derivation)
    symbol = shown.printer.symbol
    named = [
        line
        for part, expr in shown.reading.named
        for line in equation_lines(symbol(part), shown.printer.tree(expr), shown.numbers[part])
    ]
    divided = [line for left, right in shown.block_rows() for line in equation_lines(left, right)]
    groups = [list(_forward(shown)), named, divided]
    for adjoint in shown.step:
        why = " ".join(map(_in_display, goes(symbol(adjoint.of), shown.ways(adjoint)).pieces))
        result = equation_lines(symbol(adjoint.equation.symbol), shown.sum_of(adjoint.moving))
        groups.append([f"& & & {why}", *result])
    groups += [
        list(equation_lines(symbol(adjoint.equation.symbol), shown.static_sum(adjoint)))
        for adjoint in shown.fixed
    ]
    return aligned(group for group in groups if group)


def _in_display(piece: Piece) -> str:
    """A piece of prose within mathematics."""
    return latex(piece) if isinstance(piece, Node) else rf"\text{{{piece}}}"


def model_display(derivation: ModelDerivation) -> str:
    """What the layers of a model take, and the adjoints of what joins them, in the order of computation."""
    wiring = WiringText(derivation, DEFAULT)
    backward = map(wiring.handed_on, derivation.adjoints)
    shared = (equation for adjoint in derivation.parameters for equation in shared_equations(adjoint))
    groups = (wiring.forward(), [*backward], [*shared])
    return aligned(map(_in_one_line, group) for group in groups if group)


def _in_one_line(equation: Equation) -> str:
    return f"{latex(equation.left)} &= {latex(equation.rights[0])}"


def _forward(shown: Printed) -> Iterator[str]:
    for equation in shown.cell.equations:
        target = shown.printer.symbol(equation.target)
        yield from equation_lines(target, shown.printer.tree(equation.rhs), equation.number)
        if equation.is_rewritten:
            yield r"& & & \text{computed as}"
            yield from equation_lines(target, shown.printer.tree(equation.computed))


def jacobian_display(jacobian: StepJacobian) -> str:
    """A step Jacobian as an equation."""
    shown = printed(derive(jacobian.cell))
    printer, blocks = shown.printer, shown.reading.blocks
    texts = [*(partial_sides(partial, printer, blocks) for partial in jacobian.through)]
    texts.append(jacobian_sides(jacobian, printer, blocks))
    return aligned(equation_lines(left, right) for left, right in texts)


def comparison_display(comparison: Comparison) -> str:
    """The aligned equations of two cells, what differs in frames."""
    groups = []
    for row in difference_rows(comparison):
        lines = []
        for name, texts in zip(comparison.names, (row.left, row.right), strict=True):
            for position, text in enumerate(texts):
                before = "" if position else rf"\text{{{escaped_text(name)}}}"
                lines.append(f"{before} & & {text}")
        groups.append(lines)
    return aligned(groups)


def escaped_text(text: str) -> str:
    r"""A name for `\text`, in which MathJax reads a few signs of TeX."""
    return text.replace("_", r"\_")
