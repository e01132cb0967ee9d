"""From a derivation to the parts of its document: what is told, in which order, with which equations."""

from collections.abc import Callable, Iterable

from symrnn.declaration.normal_form import Equation as CellEquation
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.cost import StepCost
from symrnn.derivation.derivation import Derivation
from symrnn.derivation.jacobian import step_jacobian
from symrnn.mathematics.choices import is_condition
from symrnn.mathematics.cost import cost_section
from symrnn.mathematics.gradient_flow import flow_words
from symrnn.mathematics.jacobian import jacobian_sides, partial_sides
from symrnn.mathematics.naming import FIRST, LAST
from symrnn.mathematics.parts import Equation, Parts, Passage, Section
from symrnn.mathematics.printed import Printed, printed
from symrnn.mathematics.printer import POWER
from symrnn.mathematics.reading import ColumnBlock, Contribution, PrintedAdjoint
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.mathematics.words import (
    adjoint_words,
    conventions,
    premise,
    reason,
    symbol_rows,
)
from symrnn.notation.building import JUXTAPOSED, TOP, bracketed, joined, row, subscript, superscript, upright
from symrnn.notation.nodes import Face, Fraction, Node, Row, Sign, Space, Word, walk
from symrnn.notation.prose import NOTHING, Prose, Reference, listed, say

LOSS, PARTIAL = Word("L", Face.CALLIGRAPHIC), Word("∂")

LABELS = "eq:"
"""What the labels of a document begin with."""


def derivation_parts(
    derivation: Derivation, style: Style = DEFAULT, cost: StepCost | None = None, labels: str = LABELS
) -> Parts:
    """The parts of the document about a derivation; all labels of equations begin with `labels`.

    Without `cost` nothing is said of it.
    """
    return _Teller(printed(derivation, style), labels).parts(cost)


def document_symbol(derivation: Derivation, style: Style = DEFAULT) -> Callable[[Quantity], Node]:
    """How the document writes a quantity with its time, for what stands beside it, such as a diagram."""
    return printed(derivation, style).printer.symbol


def has_condition(section: Section) -> bool:
    """Whether a condition in square brackets stands somewhere in a section."""
    formulas = (formula for passage in section.passages for formula in passage.formulas)
    return any(is_condition(node) for formula in formulas for node in walk(formula))


class _Teller:
    def __init__(self, shown: Printed, labels: str) -> None:
        self.shown = shown
        self.labels = labels
        self.cell, self.derivation = shown.cell, shown.derivation
        self.reading, self.printer, self.letters = shown.reading, shown.printer, shown.letters
        self.slopes = step_jacobian(self.cell) if self.cell.states else ()

    def parts(self, cost: StepCost | None) -> Parts:
        cell = self.cell
        sections = [self.forward(), self.backward()]
        if cell.states:
            sections.append(self.recursion())
        if self.shown.fixed:
            sections.append(self.parameters())
        if cell.states:
            sections.append(self.jacobians())
        if cost is not None:
            sections.append(cost_section(cost, self.array))
        results = self.results()
        brackets = any(map(has_condition, (*sections, results)))
        return Parts(
            cell.name,
            cell.title,
            cell.variant,
            cell.source,
            conventions(
                cell,
                self.reading,
                (expr for j in self.slopes for expr in (*(p.expr for p in j.through), j.expr)),
                self.printer,
                self.letters,
                brackets=brackets,
            ),
            symbol_rows(cell, self.reading, self.printer, self.letters),
            tuple(sections),
            results,
            self.premises(),
        )

    def label(self, quantity: Quantity) -> str:
        """The label of a quantity's defining equation."""
        return f"{self.labels}{quantity.name.replace('.next', '')}"

    def adjoint_label(self, adjoint: PrintedAdjoint) -> str:
        return f"{self.labels}adjoint:{adjoint.of.name}"

    # forward

    def forward_equations(self) -> tuple[Equation, ...]:
        return tuple(self.definition(e.target, *self.right_sides(e)) for e in self.cell.equations)

    def right_sides(self, equation: CellEquation) -> tuple[Node, ...]:
        """What the author wrote, and what is computed if that is another form."""
        sides = (equation.rhs, equation.computed) if equation.is_rewritten else (equation.rhs,)
        return tuple(self.printer.tree(side) for side in sides)

    def computed_words(self) -> Prose:
        """Which equations are computed in another form than the author's."""
        labels = [self.label(e.target) for e in self.cell.equations if e.is_rewritten]
        if not labels:
            return NOTHING
        named = listed(map(Reference, labels))
        if len(labels) == 1:
            return say(
                " What is computed is the last right side of {}, which is equal, but overflows neither "
                "in its value nor in its gradient.",
                named,
            )
        return say(
            " What is computed are the last right sides of {}, which are equal, but overflow neither "
            "in their values nor in their gradients.",
            named,
        )

    def activation_equations(self) -> tuple[Equation, ...]:
        return tuple(self.definition(part, self.printer.tree(expr)) for part, expr in self.reading.named)

    def definition(self, left: Quantity, *rights: Node) -> Equation:
        return Equation(self.printer.symbol(left), rights, self.label(left))

    def forward(self) -> Section:
        output = say("and its output is {}.{}", self.printer.symbol(self.cell.output), self.computed_words())
        passages = [Passage(self.start_words(), self.forward_equations(), output)]
        activations = self.activation_equations()
        if activations:
            needs = "The backward pass needs names for the arguments of the functions above:"
            passages.append(Passage(say(needs), activations))
        return Section("forward", "Forward pass", (*passages, *self.block_passages()))

    def start_words(self) -> Prose:
        first = [self.printer.symbol(state, FIRST) for state in self.cell.states]
        given = say("From the given {}, one", listed(first)) if first else "One"
        return self.letters.say(r"{} step computes, for $<t> = 1, \dots, T$,", given)

    def block_passages(self) -> tuple[Passage, ...]:
        return (Passage(self.block_words(), self.block_equations()),) if self.reading.blocks else ()

    def block_words(self) -> Prose:
        return say(
            "A matrix that multiplies a stack is a row of column blocks, one for each part of the stack. "
            "With {},",
            listed(row(matrix, Sign("="), blocks) for matrix, blocks in self.shown.block_rows()),
        )

    def block_equations(self) -> tuple[Equation, ...]:
        made = []
        for matrix, blocks in self.shown.divided().items():
            left = self.product(matrix, self.printer.tree(blocks[0].stack))
            made.append(Equation(left, (joined(map(self.block_product, blocks)),)))
        return tuple(made)

    def block_product(self, block: ColumnBlock) -> Node:
        return self.product(block.symbol, self.printer.tree(block.stack.args[block.position], POWER))

    def product(self, matrix: Quantity, vector: Node) -> Node:
        """A matrix times a vector, as vectors are written."""
        if self.printer.rows:
            return row(vector, self.printer.transposed(matrix))
        return row(self.printer.symbol(matrix), vector)

    # backward

    def premises(self) -> tuple[Passage, ...]:
        """What is presumed where results stand alone."""
        told = premise(self.printer, self.letters, self.sources(), bool(self.cell.states))
        return (told, *self.block_passages())

    def backward(self) -> Section:
        ahead = adjoint_words(self.printer, self.letters, self.sources())
        told = (self.passage(adjoint) for adjoint in self.shown.step)
        return Section("backward", "Backward pass", (*ahead, *told))

    def sources(self) -> list[Prose]:
        """Where the adjoints come from that come from outside the step."""
        told, symbol = self.letters.say, self.printer.symbol
        direct = "{} is what the loss takes directly from the output {} of step $<t>$"
        handed = "{} is what step $<t>+1$ hands back to {}"
        return [
            told(direct, symbol(self.derivation.output), symbol(self.cell.output)),
            *(told(handed, symbol(later), symbol(state.next)) for state, later in self.derivation.later),
        ]

    def passage(self, adjoint: PrintedAdjoint) -> Passage:
        """One step of the backward pass: why, and the equation that answers."""
        why = reason(self.cell, adjoint, self.printer, self.reading, self.label, self.letters)
        rights = [self.shown.sum_of(adjoint.moving)]
        if any(item.through is not None for item in adjoint.moving):
            rights.insert(0, self.chain(adjoint.moving, adjoint.of))
        left = self.printer.symbol(adjoint.equation.symbol)
        return Passage(why, (Equation(left, tuple(rights), self.adjoint_label(adjoint)),))

    def chain(self, contributions: Iterable[Contribution], of: Quantity) -> Node:
        """The chain rule before its derivatives are worked out."""
        delta, terms = self.printer.notation.delta, []
        below = self.printer.symbol(of)
        for item in contributions:
            if item.through is None:
                terms.append(self.printer.tree(item.expr))
                continue
            above = self.printer.symbol(item.through)
            derivative = Fraction(row(PARTIAL, above), row(PARTIAL, below))
            adjoint = row(delta, above)
            if self.printer.rows:
                terms.append(row(adjoint, JUXTAPOSED, derivative))
            else:
                turned = superscript(bracketed(derivative), Row((Space(-3), TOP)))
                terms.append(row(turned, adjoint))
        return joined(terms)

    def recursion(self) -> Section:
        r"""The recursion's start: what is handed back at t = T."""
        made = []
        for _, later in self.derivation.later:
            name = self.printer.symbol(later.of, LAST)
            right = Fraction(row(PARTIAL, subscript(LOSS, upright("end"))), row(PARTIAL, name))
            made.append(Equation(self.printer.symbol(later, LAST), (right,)))
        text = (
            r"The recursion starts at $<t> = T$, where no later step hands anything back. If "
            r"$\mathcal{L}_{\mathrm{end}}$ is the part of the loss that takes the final state directly (zero "
            "if there is none), then"
        )
        after = (
            "What step $<t>$ hands back is used at step $<t>-1$; what step $1$ hands back is the gradient "
            "of the initial state."
        )
        return Section(
            "recursion",
            "The recursion over time",
            (Passage(self.letters.say(text), tuple(made), self.letters.say(after)),),
            2,
        )

    def parameters(self) -> Section:
        text = (
            "A parameter takes part in every step, so its gradient is a sum over $<t>$; for a batch, the "
            "terms of its $<B>$ samples are summed as well."
        )
        made = [
            Equation(
                self.printer.symbol(a.equation.symbol), (self.shown.static_sum(a),), self.adjoint_label(a)
            )
            for a in self.shown.fixed
        ]
        return Section("parameters", "Parameters", (Passage(self.letters.say(text), tuple(made)),))

    def jacobians(self) -> Section:
        found = self.slopes
        made = [
            Equation(left, (right,))
            for left, right in (jacobian_sides(j, self.printer, self.reading.blocks) for j in found)
        ]
        text = "How the state after a step depends on the state before it, through all equations of the step"
        if any(not jacobian.is_matrix for jacobian in found):
            text += (
                "; where no product of matrices expresses it, square brackets hold a direction, marked by a "
                "dot, in which the state before the step changes, and the right side is how the state after "
                "it changes"
            )
        text += ":"
        words = flow_words(self.cell, found, self.printer, self.reading.blocks, self.letters)
        return Section(
            "jacobian", "Step Jacobian", (*self.partials(), Passage(say(text), tuple(made)), *words)
        )

    def partials(self) -> tuple[Passage, ...]:
        """The derivatives of values through which several ways lead, each after those that it is made of."""
        through = dict.fromkeys(p for jacobian in self.slopes for p in jacobian.through)
        if not through:
            return ()
        text = (
            "Many ways lead through the values of a step. So its Jacobians are told in terms of those of "
            "values, each of which counts all ways from the state before the step to the value"
        )
        if any(not partial.is_matrix for partial in through):
            text += "; a dot marks a direction in which that state changes, and how a value changes then"
        equations = (partial_sides(p, self.printer, self.reading.blocks) for p in through)
        made = dict.fromkeys(Equation(left, (right,)) for left, right in equations)
        return (Passage(say(f"{text}:"), tuple(made)),)

    def array(self, name: str) -> Node | None:
        """The mathematics that an array of this name holds: a quantity, or what a part stands for."""
        if name.endswith("_next") and not any(d.symbol.name == name for d in self.cell.definitions):
            name = name.removesuffix("_next") + ".next"
        known = (*self.cell.inputs, *self.cell.states, *(d.symbol for d in self.cell.definitions))
        found = next((quantity for quantity in known if quantity.name == name), None)
        return self.printer.tree(self.reading.in_print(found)) if found is not None else None

    def results(self) -> Section:
        made = [
            Equation(self.printer.symbol(a.equation.symbol), (self.shown.sum_of(a.moving),))
            for a in self.shown.step
        ]
        made += [
            Equation(self.printer.symbol(a.equation.symbol), (self.shown.static_sum(a),))
            for a in self.shown.fixed
        ]
        text = self.letters.say(
            r"All adjoints of a step, for $<t> = T, \dots, 1$, and the gradients of the parameters:"
        )
        forward = Passage(self.letters.say(r"A step, for $<t> = 1, \dots, T$:"), self.in_turn())
        passages = (forward, Passage(text, tuple(made)))
        return Section("results", "Results", passages)

    def in_turn(self) -> tuple[Equation, ...]:
        """All forward equations in the order of computation, functions applied to pre-activations."""
        named, written = dict(self.reading.named), {e.target: e.computed for e in self.cell.equations}
        applied = {target for target, _ in self.reading.activations}
        made = []
        for definition in self.cell.definitions:
            target = definition.symbol
            if target in written:
                right = definition.expr if target in applied else written[target]
            elif target in named:
                right = named[target]
            else:
                continue
            made.append(Equation(self.printer.symbol(target), (self.printer.tree(right),)))
        return tuple(made)
