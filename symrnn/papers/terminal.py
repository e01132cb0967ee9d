"""A cell and its gradients for a terminal: equations as pictures, with their numbers and their reasons."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from symrnn.declaration.quantities import Quantity
from symrnn.derivation.derivation import Derivation
from symrnn.errors import EmissionError
from symrnn.mathematics.printed import Printed, printed
from symrnn.mathematics.reading import PrintedAdjoint
from symrnn.mathematics.words import goes
from symrnn.notation.building import row
from symrnn.notation.nodes import Node, Sign
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Prose
from symrnn.notation.rendering.latex import latex
from symrnn.notation.rendering.unicode import columns, inline, picture_lines

GAP = "  "


def derivation_picture(derivation: Derivation, width: int) -> tuple[str, ...]:
    """Forward equations, gradients and reasons in lines of at most `width` columns.

    Raises:
        EmissionError: a formula cannot be shown in this width.
    """
    return tuple(_Picture(printed(derivation), width).lines())


@dataclass(frozen=True, slots=True)
class _Picture:
    shown: Printed
    width: int

    def lines(self) -> Iterator[str]:
        yield "equations"
        yield from self.forward()
        yield from ("", f"gradients, at every step {inline(self.shown.printer.notation.time)} = T ... 1")
        for note in self.notes():
            yield from self.wrapped(note, GAP)
        for adjoint in self.shown.step:
            yield from self.adjoint(adjoint, self.shown.sum_of(adjoint.moving))
        if self.shown.fixed:
            yield ""
            yield from self.wrapped("gradients of the parameters, summed over the samples of a batch too", "")
        for adjoint in self.shown.fixed:
            yield ""
            left, right = self.shown.printer.symbol(adjoint.equation.symbol), self.shown.static_sum(adjoint)
            yield from self.equation(GAP, left, right)

    def forward(self) -> Iterator[str]:
        """The equations of a step, and what print gives a name."""
        printer, reading = self.shown.printer, self.shown.reading
        for equation in self.shown.cell.equations:
            yield from self.numbered(equation.target, printer.tree(equation.rhs))
            if equation.is_rewritten:
                yield f"{GAP * 3}computed as"
                computed = printer.tree(equation.computed)
                yield from self.equation(GAP * 3, printer.symbol(equation.target), computed)
        if reading.named:
            yield ""
            yield from self.wrapped("arguments of functions, which the gradients need names for", "")
        for part, expr in reading.named:
            yield from self.numbered(part, printer.tree(expr))
        if reading.blocks:
            yield ""
            yield from self.wrapped("column blocks, one for each part of a stack", "")
        for left, right in self.shown.block_rows():
            yield from self.equation(GAP, left, right)

    def numbered(self, target: Quantity, right: Node) -> Iterator[str]:
        """An equation with its number, after an empty line."""
        size = len(str(max(self.shown.numbers.values())))
        yield ""
        number = f"({self.shown.numbers[target]})".rjust(size + 2)
        yield from self.equation(f"{GAP}{number} ", self.shown.printer.symbol(target), right)

    def equation(self, before: str, left: Node, right: Node) -> Iterator[str]:
        """An equation, broken at operators; its continued lines stand under its right side."""
        lines = picture_lines(right, self.width, f"{before}{inline(left)} = ")
        if lines is None:  # too wide beside its left side: below it
            lines = picture_lines(right, self.width, GAP * 3)
            if lines is None:
                raise EmissionError(
                    f"{latex(row(left, Sign('='), right))} does not fit into {self.width} columns."
                )
            yield f"{before}{inline(left)} ="
        yield from lines

    def notes(self) -> Iterator[str]:
        """What the signs for gradients mean, and which come from outside the step."""
        symbol, output, letters = self.shown.printer.symbol, self.shown.cell.output, self.shown.letters
        delta, time = inline(self.shown.printer.notation.delta), inline(self.shown.printer.notation.time)
        yield f"{delta}{letters.quantity}: the derivative of the loss by {letters.quantity}"
        given = inline(symbol(self.shown.derivation.output))
        yield f"{given}: what the loss takes directly from the output {inline(symbol(output))}"
        for state, later in self.shown.derivation.later:
            yield f"{inline(symbol(later))}: what step {time}+1 hands back to {inline(symbol(state.next))}"

    def adjoint(self, adjoint: PrintedAdjoint, right: Node) -> Iterator[str]:
        yield ""
        why = goes(self.shown.printer.symbol(adjoint.of), self.shown.ways(adjoint))
        yield from self.wrapped(prose_text(why), GAP)
        yield from self.equation(GAP * 3, self.shown.printer.symbol(adjoint.equation.symbol), right)

    def wrapped(self, text: str, indent: str) -> list[str]:
        """Words in lines of the width, by columns and not by characters."""
        if columns(text) + len(indent) <= self.width:
            return [indent + text]
        spare = len(text) - columns(text)
        return textwrap.wrap(
            text,
            self.width - spare,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
        )


def prose_text(prose: Prose) -> str:
    """Prose in one line."""
    return "".join(inline(piece) if isinstance(piece, Node) else str(piece) for piece in prose.pieces)


def written(name: str) -> str:
    """An author's LaTeX name in one line."""
    return inline(parsed(name))
