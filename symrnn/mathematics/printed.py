"""A derivation ready to be told anywhere: its letters, its printer, its equations' numbers, its gradients.

Paper, web page, terminal and notebook all begin here, so that they write the same formulas.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.derivation import Derivation
from symrnn.mathematics.letters import Letters, free_letters, free_signs, taken_letters
from symrnn.mathematics.naming import Notation
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.reading import ColumnBlock, Contribution, PrintedAdjoint, Reading, read
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.mathematics.words import ways
from symrnn.notation.building import is_negative, is_sum, joined, matrix, row, superscript
from symrnn.notation.nodes import BIG, BigOperator, Fence, Node, Number, Script, Sign, Word
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Insert, Prose


@dataclass(frozen=True, slots=True)
class Printed:
    """What is told of a derivation, whoever sets it.

    `numbers` are those of the author's equations and, after them, of what print gives a name.
    """

    derivation: Derivation
    reading: Reading
    printer: Printer
    letters: Letters
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

    def ways(self, adjoint: PrintedAdjoint, refer: Callable[[Quantity], Insert] | None = None) -> Prose:
        """Where a quantity goes, in words that follow its name; nothing where it goes nowhere.

        `refer` writes the reference to a quantity's equation; without it that is its number in brackets.
        """
        return ways(self.cell, adjoint, self.numbers, refer or (lambda q: f"({self.numbers[q]})"))

    def sum_of(self, contributions: Iterable[Contribution]) -> Node:
        """A sum of contributions."""
        return joined(self.printer.tree(item.expr) for item in contributions)

    def static_sum(self, adjoint: PrintedAdjoint) -> Node:
        """The gradient of what all steps share: a sum over time, and what does not depend on time."""
        terms = []
        if adjoint.moving:
            body = self.sum_of(adjoint.moving)
            if is_sum(body) or is_negative(body):
                body = Fence(body, least=BIG)
            terms.append(row(self.over_time(), body))
        if adjoint.fixed:
            terms.append(self.sum_of(adjoint.fixed))
        return joined(terms)

    def over_time(self) -> Node:
        """The sign of a sum over all steps."""
        return BigOperator("∑", row(parsed(self.letters.time), Sign("="), Number("1")), Word("T"))

    def divided(self) -> Mapping[Quantity, list[ColumnBlock]]:
        """Every matrix that multiplies a stack, and its column blocks."""
        found: dict[Quantity, list[ColumnBlock]] = {}
        for block in self.reading.blocks:
            found.setdefault(block.matrix, []).append(block)
        return found

    def block_rows(self) -> tuple[tuple[Node, Node], ...]:
        """Every divided matrix, and itself as the row of its column blocks."""
        symbol = self.printer.symbol
        return tuple(
            (symbol(divided), matrix(*(symbol(block.symbol) for block in blocks)))
            for divided, blocks in self.divided().items()
        )


def printed(derivation: Derivation, style: Style = DEFAULT) -> Printed:
    """A derivation with all that it takes to tell it in a style."""
    cell = derivation.cell
    used = taken_letters(cell)
    letters = free_letters(used)
    reading = read(derivation, letters.argument, used | set(dataclasses.astuple(letters)))
    static = frozenset(d.symbol for d in cell.definitions if d.static)
    notation = Notation(
        shapes=dict(cell.shapes),
        static=static | {block.symbol for block in reading.blocks},
        names={**dict(reading.names), **_kept_apart(cell, reading)},
        roles=cell.roles,
        delta=Word("δ" if "delta" not in used else "∇"),
        **free_signs(used),
        style=style,
        time=parsed(letters.time),
    )
    targets = [equation.target for equation in cell.equations]
    numbers = {quantity: n for n, quantity in enumerate([*targets, *(part for part, _ in reading.named)], 1)}
    return Printed(derivation, reading, Printer(notation), letters, numbers)


def _kept_apart(cell: Cell, reading: Reading) -> dict[Quantity, Node]:
    """Upright names for what has no time and is called like a size, which has its own name space."""
    sizes = {name_latex(axis.name) for axis in cell.axes} | {"T"}
    static = {d.symbol for d in cell.definitions if d.static}
    fixed = (*cell.parameters, *cell.constants, *(value for value in cell.values if value in static))
    made = {q: parsed(rf"\mathrm{{{symbol_latex(q)}}}") for q in fixed if symbol_latex(q) in sizes}
    names = dict(reading.names)
    for block in reading.blocks:
        name = names[block.symbol]
        if block.matrix in made and isinstance(name, Script) and name.above is not None:
            made[block.symbol] = superscript(made[block.matrix], name.above)
    return made
