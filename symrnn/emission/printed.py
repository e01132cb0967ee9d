"""A derivation ready to be shown anywhere: its printer, its equations' numbers, its gradients as LaTeX."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.quantities import NextState, Part, Quantity
from symrnn.declaration.reading_order import reading_roles
from symrnn.derivation.derivation import Derivation
from symrnn.emission.latex_layout import is_sum
from symrnn.emission.latex_marks import bracketed
from symrnn.emission.latex_printer import Notation, Printer, joined
from symrnn.emission.latex_reading import Contribution, PrintedAdjoint, Reading, read


@dataclass(frozen=True, slots=True)
class Printed:
    """What terminal and notebook show of a derivation; formulas are LaTeX.

    `numbers` are those of the author's equations and, after them, of what print gives a name.
    """

    derivation: Derivation
    reading: Reading
    printer: Printer
    numbers: Mapping[Quantity, int]

    @property
    def cell(self) -> Cell:
        """The cell."""
        return self.derivation.cell

    @property
    def step(self) -> tuple[PrintedAdjoint, ...]:
        """The adjoints of one step, in order."""
        return tuple(adjoint for adjoint in self.reading.adjoints if not adjoint.equation.static)

    @property
    def fixed(self) -> tuple[PrintedAdjoint, ...]:
        """Those of parameters, and of what parameters alone determine."""
        return tuple(adjoint for adjoint in self.reading.adjoints if adjoint.equation.static)

    def reason(self, adjoint: PrintedAdjoint) -> str:
        """Where a quantity goes, in words that follow its name; nothing where it goes nowhere."""
        entered = {item.through for item in adjoint.moving}
        found = {number for quantity, number in self.numbers.items() if quantity in entered}
        made = []
        if found:
            listed = [f"({number})" for number in sorted(found)]
            enters = " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
            made.append(f"enters {enters}{' only' if len(found) == 1 else ''}")
        if adjoint.of == self.cell.output:
            made.append("is the output")
        if isinstance(adjoint.of, NextState):
            made.append("is read by the next step")
        return " and ".join(made)

    def sum_text(self, contributions: Iterable[Contribution]) -> str:
        """A sum of contributions."""
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

    def block_rows(self) -> tuple[tuple[str, str], ...]:
        """Every divided matrix and its column blocks."""
        whole: dict[Quantity, list[Part]] = {}
        for block in self.reading.blocks:
            whole.setdefault(block.matrix, []).append(block.symbol)
        symbol = self.printer.symbol
        return tuple(
            (symbol(matrix), rf"\begin{{bmatrix}} {' & '.join(map(symbol, parts))} \end{{bmatrix}}")
            for matrix, parts in whole.items()
        )


def printed(derivation: Derivation) -> Printed:
    """A derivation with all that it takes to print it."""
    cell = derivation.cell
    quantities = (*cell.inputs, *cell.states, *cell.values, *cell.parameters, *cell.constants)
    used = {symbol_latex(quantity).lstrip("\\").partition("_")[0] for quantity in quantities}
    used |= {symbol_latex(quantity)[:1] for quantity in quantities}
    reading = read(derivation, next((c for c in "azsegl" if c not in used), "a"), used)
    static = frozenset(d.symbol for d in cell.definitions if d.static)
    notation = Notation(
        shapes=dict(cell.shapes),
        static=static | {block.symbol for block in reading.blocks},
        names=dict(reading.names),
        roles=reading_roles(cell),
        delta=r"\delta" if "delta" not in used else r"\nabla",
        sigma=r"\sigma" if "sigma" not in used else r"\operatorname{sigmoid}",
    )
    targets = [equation.target for equation in cell.equations]
    numbers = {quantity: n for n, quantity in enumerate([*targets, *(part for part, _ in reading.named)], 1)}
    return Printed(derivation, reading, Printer(notation), numbers)
