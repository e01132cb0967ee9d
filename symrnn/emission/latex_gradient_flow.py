"""What makes the product of step Jacobians vanish or explode, and what each gate does to it, in words."""

from collections.abc import Iterable
from fractions import Fraction

from sympy import Add, Expr

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Constant, Parameter, Quantity, State
from symrnn.derivation.bounds import Interval, is_bounded
from symrnn.derivation.gradient_paths import Effect, GradientPath, gate_effects, gradient_paths
from symrnn.derivation.jacobian import Operator, StepJacobian
from symrnn.emission.latex_jacobian import operator_text
from symrnn.emission.latex_layout import width
from symrnn.emission.latex_letters import Letters
from symrnn.emission.latex_parts import Passage
from symrnn.emission.latex_printer import Printer, joined
from symrnn.emission.latex_reading import ColumnBlock
from symrnn.emission.latex_words import sentence_list

LIMITS: dict[str, str] = {
    "sigmoid": r"$\sigma' = \sigma\,(1-\sigma) \le \tfrac{1}{4}$",
    "tanh": r"$\tanh' = 1 - \tanh^{2} \le 1$",
    "relu": r"$\operatorname{relu}'$ is $0$ or $1$",
}
"""What bounds the derivatives of functions."""

INLINE = 150.0
"""The width of a factor that a line of text still takes, in points."""


def flow_words(
    cell: Cell,
    jacobians: Iterable[StepJacobian],
    printer: Printer,
    blocks: Iterable[ColumnBlock],
    letters: Letters,
) -> tuple[Passage, ...]:
    """What the Jacobians of a cell do to a gradient over many steps."""
    return _Narrator(cell, gradient_paths(cell, jacobians), printer, tuple(blocks), letters).passages()


class _Narrator:
    def __init__(
        self,
        cell: Cell,
        paths: tuple[GradientPath, ...],
        printer: Printer,
        blocks: tuple[ColumnBlock, ...],
        letters: Letters,
    ) -> None:
        self.cell = cell
        self.paths = paths
        self.printer = printer
        self.blocks = blocks
        self.letters = letters

    def passages(self) -> tuple[Passage, ...]:
        if not self.paths:
            return (Passage("No state depends on the state before it, so no gradient goes back."),)
        first = (
            "A gradient goes back over several steps through the product of their Jacobians, and vanishes or "
            "explodes as this product does."
        )
        if all(path.is_steady for path in self.paths):
            return (Passage(f"{first} {self.steady()}"),)
        ways = [self.direct(state) for state in self.cell.states] + [self.weighted()]
        gates = [self.gate(effect) for effect in gate_effects(self.cell, self.paths)]
        closed = ["A way is closed where its term is near $0$."] if any(gates) else []
        texts = [" ".join([first, *filter(None, ways)]), " ".join([*closed, *filter(None, gates)])]
        return tuple(Passage(text) for text in texts if text)

    def steady(self) -> str:
        """Of a linear recurrence: the same factor at every step."""
        one = len(self.cell.states) == 1
        subject = "The Jacobian is" if one else "The matrix that the Jacobians form together is"
        return (
            f"{subject} the same at every step, so that the product is its power: it vanishes where all "
            "eigenvalues are less than $1$ in magnitude, and explodes where one is greater."
        )

    # the direct path

    def own(self, state: State) -> list[GradientPath]:
        return [path for path in self.paths if path.is_direct and path.of == path.wrt == state]

    def direct(self, state: State) -> str:
        """What happens where no weight lies between a state and its next value."""
        found = self.own(state)
        if not found:
            return ""
        span = sum((path.span for path in found), Interval(0.0, 0.0))
        factor: Expr = Add(*(path.factor for path in found))
        way = f"The direct path from {self.math(state)} to {self.math(state.next)}, on which no matrix lies,"
        if factor == 1:
            return f"{way} passes the gradient on unchanged."
        shown = joined(self.printer.text(path.factor) for path in found)
        by = f"${shown}$" if width(shown) <= INLINE else "the terms that have no matrix"
        each = " element by element" if self.printer.rank(factor) else ""
        multiplies = f"{way} multiplies the gradient{each} by {by}"
        if all(path.is_steady for path in found):
            return (
                f"{multiplies} at every step, so that what it carries vanishes where this is less than $1$ "
                "in magnitude, and explodes where it is greater."
            )
        if span.size > 1.0:
            return (
                f"{multiplies}: what it carries vanishes while this stays below $1$ in magnitude, and "
                "explodes while it stays above."
            )
        near = "near $1$" if span.low >= 0.0 else "near $1$ in magnitude"
        return (
            f"{multiplies}, which lies between ${number(span.low)}$ and ${number(span.high)}$: what it "
            f"carries is kept while this stays {near}, is lost where it is near $0$, and is never amplified."
        )

    # the ways through weights

    def weighted(self) -> str:
        """What happens on the ways through matrices and other weights."""
        found = [path for path in self.paths if not path.is_direct]
        if not found:
            return ""
        lively = [path for path in found if path.derivatives]
        plain = [path for path in found if not path.derivatives]
        texts = [self.lively(lively, len(found))] if lively else []
        if plain:
            more = "Further" if lively else "The other" if len(found) < len(self.paths) else "The only"
            many = len(plain) > 1 or more == "Further"
            texts.append(f"{more} {'terms lead' if many else 'term leads'} through {self.weights(plain)}.")
        return " ".join([*texts, self.norms(found)])

    def lively(self, paths: list[GradientPath], count: int) -> str:
        """Of the ways on which a derivative lies: what bounds it, and that it can vanish."""
        others, many = count < len(self.paths), len(paths) > 1
        if many:
            subject, each = ("The other terms lead" if others else "All terms lead"), "Each of them carries"
        else:
            subject, each = ("The other term leads" if others else "The only term leads"), "It carries"
        names = sorted({name for path in paths for name in path.derivatives}, key=list(LIMITS).index)
        limits = ", ".join(LIMITS[name] for name in names).replace(r"\sigma", self.printer.notation.sigma)
        ends = (
            "vanishes where the derivative is $0$"
            if "relu" in names
            else "vanishes where the function saturates"
        )
        return f"{subject} through {self.weights(paths)}. {each} a derivative ({limits}) and {ends}."

    def norms(self, found: list[GradientPath]) -> str:
        """On what the size of the weighted terms depends; a bound by norms where all factors have one."""
        bounded = all(is_bounded(path.span) for path in found)
        if not (bounded and len(found) == len(self.paths) and len(self.cell.states) == 1) or self.maps():
            values = dict.fromkeys(q for path in found for q in path.unbounded)
            beside = f", and with {sentence_list(map(self.math, values))} beside them" if values else ""
            subject = "What they add" if len(found) > 1 else "What it adds"
            return (
                f"{subject} grows with {self.weights(found)}{beside}; where it is large enough, the product "
                "can explode."
            )
        terms = []
        for path in found:
            product = r" \, ".join(rf"\lVert {self.weight(weight)} \rVert" for weight in path.weights)
            scale = "" if path.span.size == 1.0 else rf"{number(path.span.size)} \, "
            terms.append(scale + product)
        vectors = any(isinstance(weight, Quantity) for path in found for weight in path.weights)
        norm = "largest singular value" + ("; of a vector, the largest magnitude" if vectors else "")
        power = self.letters.position
        return (
            f"So the norm of a Jacobian ({norm}) is at most ${joined(terms)}$, and that of the product of "
            f"${power}$ Jacobians at most the ${power}$-th power of this: the gradient vanishes where it is "
            "less than $1$, and can explode only where it is greater."
        )

    def maps(self) -> bool:
        """Whether a weight is a linear map that is no product of matrices."""
        weights = [weight for path in self.paths for weight in path.weights]
        return any(not isinstance(weight, Operator | Quantity) for weight in weights)

    def weights(self, paths: Iterable[GradientPath]) -> str:
        """The weights on some paths, each once."""
        names = dict.fromkeys(
            name for path in paths for weight in path.weights for name in self.names(weight)
        )
        return sentence_list(f"${name}$" for name in names)

    def names(self, weight: Expr) -> tuple[str, ...]:
        if isinstance(weight, Operator | Quantity):
            return (self.weight(weight),)
        kept = [q for q in weight.atoms(Quantity) if isinstance(q, Parameter | Constant)]
        found = kept or [q for q in weight.atoms(Quantity) if self.known(q)]
        return tuple(self.printer.symbol(q) for q in sorted(found, key=str))

    def known(self, quantity: Quantity) -> bool:
        return quantity in (*self.cell.states, *self.cell.inputs, *self.cell.values)

    def weight(self, weight: Expr) -> str:
        if isinstance(weight, Operator):
            return operator_text(weight, self.printer, self.blocks)
        return self.printer.text(weight)

    # gates

    def gate(self, effect: Effect) -> str:
        """What a gate closes, and what it leaves open, near either end."""
        name = self.math(effect.gate)
        clauses: list[str] = []
        for end, closed in ((0, effect.at_zero), (1, effect.at_one)):
            said = self.ending(effect.gate, end, closed)
            if said:
                subject = "it" if clauses else name
                clauses.append(f"where {subject} is near ${end}$, {said}")
        text = "; ".join(clauses)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    def ending(self, gate: Quantity, end: int, closed: tuple[GradientPath, ...]) -> str:
        """What is closed and what is unchanged where a gate is near one end."""
        said, rest = [], list(closed)
        for state in self.cell.states:
            into = [path for path in self.paths if path.of == state]
            still = [path for path in into if path not in closed]
            direct = self.own(state)
            passes = bool(direct) and Add(*(path.factor.xreplace({gate: end}) for path in direct)) == 1
            way = f"the direct path from {self.math(state)} to {self.math(state.next)}"
            if into and not still:
                said.append(f"{self.math(state.next)} does not depend on the state before")
                rest = [path for path in rest if path.of != state]
            elif still == direct and direct and len(into) > len(direct):
                said.append(
                    f"only {way} is open" + (" and passes the gradient on unchanged" if passes else "")
                )
                rest = [path for path in rest if path.of != state]
            elif passes and any(gate in path.factor.atoms(Quantity) for path in direct):
                said.append(f"{way} passes the gradient on unchanged")
        if rest:
            said.append(self.closed(rest))
        return sentence_list(said)

    def closed(self, paths: list[GradientPath]) -> str:
        """That some paths are closed: the direct ones by their ends, the others by their weights."""
        named = [
            f"the direct path from {self.math(path.wrt)} to {self.math(path.of.next)}"
            for path in paths
            if path.is_direct
        ]
        weighted = sorted((path for path in paths if not path.is_direct), key=lambda path: len(path.weights))
        ways = list(dict.fromkeys(self.way(path, paths) for path in weighted))
        if ways:
            named.append(f"the {'ways' if len(ways) > 1 else 'way'} through {sentence_list(ways)}")
        return (
            f"{sentence_list(named)} {'are' if len(named) + len(ways) > 2 or len(named) > 1 else 'is'} closed"
        )

    def way(self, path: GradientPath, group: list[GradientPath]) -> str:
        """A path by its weights, with its end if another path outside the group has the same weights."""
        twins = any(other.weights == path.weights and other not in group for other in self.paths)
        first, *more = [f"${self.weight(weight)}$" for weight in path.weights]
        together = f"{first} with {sentence_list(more)}" if more else first
        return f"{together} to {self.math(path.of.next)}" if twins else together

    def math(self, quantity: Quantity) -> str:
        return f"${self.printer.symbol(quantity)}$"


def number(value: float) -> str:
    """A bound as a whole number or a fraction."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    sign = "-" if exact < 0 else ""
    return rf"{sign}\tfrac{{{abs(exact.numerator)}}}{{{exact.denominator}}}"
