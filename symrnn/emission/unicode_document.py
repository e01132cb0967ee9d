"""A cell and its gradients for a terminal: equations as pictures, with their numbers and their reasons."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState, Part, Quantity
from symrnn.declaration.reading_order import reading_roles
from symrnn.derivation.derivation import Derivation
from symrnn.emission.latex_layout import is_sum
from symrnn.emission.latex_printer import Notation, Printer, bracketed, joined
from symrnn.emission.latex_reading import Contribution, PrintedAdjoint, Reading, read
from symrnn.emission.unicode_picture import columns, inline, picture_lines
from symrnn.errors import EmissionError

GAP = "  "


def derivation_picture(derivation: Derivation, width: int) -> tuple[str, ...]:
    """Forward equations, gradients and reasons in lines of at most `width` columns.

    Raises:
        EmissionError: a formula cannot be shown in this width, or has a sign that has no picture.
    """
    return tuple(_Picture(derivation, width).lines())


@dataclass(slots=True)
class _Picture:
    derivation: Derivation
    width: int
    cell: Cell = field(init=False)
    reading: Reading = field(init=False)
    printer: Printer = field(init=False)
    numbers: dict[Quantity, int] = field(init=False)

    def __post_init__(self) -> None:
        cell = self.cell = self.derivation.cell
        quantities = (*cell.inputs, *cell.states, *cell.values, *cell.parameters, *cell.constants)
        used = {symbol_latex(quantity).lstrip("\\").partition("_")[0] for quantity in quantities}
        used |= {symbol_latex(quantity)[:1] for quantity in quantities}
        letter = next((c for c in "azsegl" if c not in used), "a")
        self.reading = read(self.derivation, letter, used)
        self.printer = Printer(
            Notation(
                shapes=dict(cell.shapes),
                static=frozenset(d.symbol for d in cell.definitions if d.static)
                | {block.symbol for block in self.reading.blocks},
                names=dict(self.reading.names),
                roles=reading_roles(cell),
                delta=r"\delta" if "delta" not in used else r"\nabla",
                sigma=r"\sigma" if "sigma" not in used else r"\operatorname{sigmoid}",
            )
        )
        defined = [
            *(equation.target for equation in cell.equations),
            *(part for part, _ in self.reading.named),
        ]
        self.numbers = {quantity: number for number, quantity in enumerate(defined, 1)}

    def lines(self) -> Iterator[str]:
        step = [adjoint for adjoint in self.reading.adjoints if not adjoint.equation.static]
        fixed = [adjoint for adjoint in self.reading.adjoints if adjoint.equation.static]
        yield "equations"
        for equation in self.cell.equations:
            yield from self.numbered(equation.target, self.printer.text(equation.rhs))
        if self.reading.named:
            yield ""
            yield from self.wrapped("arguments of functions, which the gradients need names for", "")
            for part, expr in self.reading.named:
                yield from self.numbered(part, self.printer.text(expr))
        if self.reading.blocks:
            yield ""
            yield from self.wrapped("column blocks, one for each part of a stack", "")
            yield from self.blocks()
        yield from ("", *self.wrapped(self.heading(), ""))
        for adjoint in step:
            yield from self.adjoint(adjoint, self.sum_text(adjoint.moving))
        if fixed:
            yield ""
            yield from self.wrapped("gradients of the parameters, summed over the samples of a batch too", "")
            for adjoint in fixed:
                yield ""
                yield from self.equation(
                    GAP, self.printer.symbol(adjoint.equation.symbol), self.static_text(adjoint)
                )

    def numbered(self, target: Quantity, right: str) -> Iterator[str]:
        """An equation with its number, after an empty line."""
        size = len(str(max(self.numbers.values())))
        yield ""
        number = f"({self.numbers[target]})".rjust(size + 2)
        yield from self.equation(f"{GAP}{number} ", self.printer.symbol(target), right)

    def equation(self, before: str, left: str, right: str) -> Iterator[str]:
        """An equation, broken at operators; its continued lines stand under its right side."""
        lines = picture_lines(right, self.width, f"{before}{inline(left)} = ")
        if lines is None:  # too wide beside its left side: below it
            lines = picture_lines(right, self.width, GAP * 3)
            if lines is None:
                raise EmissionError(f"{left} = {right} does not fit into {self.width} columns.")
            yield f"{before}{inline(left)} ="
        yield from lines

    def heading(self) -> str:
        cell, symbol = self.cell, self.printer.symbol
        delta = inline(self.printer.notation.delta)
        words = f"gradients, {delta}q for the derivative of the loss by q, at every step t = T ... 1"
        given = (
            f"{inline(symbol(self.derivation.output))}: by the output {inline(symbol(cell.output))} directly"
        )
        back = [
            f"{inline(symbol(later))}: what step t+1 hands back to {inline(symbol(state.next))}"
            for state, later in self.derivation.later
        ]
        return "; ".join([words, given, *back])

    def adjoint(self, adjoint: PrintedAdjoint, right: str) -> Iterator[str]:
        yield ""
        yield from self.wrapped(self.reason(adjoint), GAP)
        yield from self.equation(GAP * 3, self.printer.symbol(adjoint.equation.symbol), right)

    def reason(self, adjoint: PrintedAdjoint) -> str:
        """Where a quantity goes, so that its gradient is what the next lines say."""
        name = inline(self.printer.symbol(adjoint.of))
        found = {self.numbers[item.through] for item in adjoint.moving if item.through in self.numbers}
        made = []
        if found:
            listed = [f"({number})" for number in sorted(found)]
            enters = " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
            made.append(f"enters {enters}{' only' if len(found) == 1 else ''}")
        if adjoint.of == self.cell.output:
            made.append("is the output")
        if isinstance(adjoint.of, NextState):
            made.append("is read by the next step")
        return f"{name} {' and '.join(made)}, so" if made else f"nothing depends on {name}:"

    def sum_text(self, contributions: Iterable[Contribution]) -> str:
        return joined(self.printer.text(item.expr) for item in contributions)

    def static_text(self, adjoint: PrintedAdjoint) -> str:
        """The gradient of what all steps share: a sum over time, and what does not depend on time."""
        terms = []
        if adjoint.moving:
            body = self.sum_text(adjoint.moving)
            body = bracketed(body) if is_sum(body) or body.startswith("-") else body
            terms.append(rf"\sum_{{t=1}}^{{T}} {body}")
        if adjoint.fixed:
            terms.append(self.sum_text(adjoint.fixed))
        return joined(terms)

    def blocks(self) -> Iterator[str]:
        """What every column block multiplies."""
        whole: dict[Quantity, list[Part]] = {}
        for block in self.reading.blocks:
            whole.setdefault(block.matrix, []).append(block.symbol)
        for matrix, parts in whole.items():
            inside = r" & ".join(self.printer.symbol(part) for part in parts)
            yield from self.equation(
                GAP, self.printer.symbol(matrix), rf"\begin{{bmatrix}} {inside} \end{{bmatrix}}"
            )

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
