"""What makes the product of step Jacobians vanish or explode, and what each gate does to it, in words."""

from collections.abc import Iterable
from fractions import Fraction

from sympy import Add, Expr, S

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Parameter, Quantity, State
from symrnn.derivation.bounds import Bounds, Interval, is_bounded
from symrnn.derivation.gradient_paths import Effect, GradientPath, gate_effects, gradient_paths
from symrnn.derivation.jacobian import StepJacobian
from symrnn.derivation.operators import Block, Column, MatrixOf, Operator, Partial, Row
from symrnn.mathematics.jacobian import operator_text
from symrnn.mathematics.letters import Letters
from symrnn.mathematics.parts import Passage
from symrnn.mathematics.printer import Printer, joined
from symrnn.mathematics.reading import ColumnBlock
from symrnn.mathematics.words import sentence_list
from symrnn.notation.layout import width
from symrnn.notation.marks import decimal
from symrnn.vocabulary.families import NAMED

BOUNDS = {name: f.facts.words.bound for name, f in NAMED.items() if f.facts.words.bound}
"""What bounds the derivatives of functions."""

WAYS = 6
"""How many ways a sentence names; of more it says how many there are."""

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
        self.bounds = Bounds(cell)
        self.printer = printer
        self.blocks = blocks
        self.letters = letters
        self.called: dict[tuple[GradientPath, bool], tuple[str, ...]] = {}

    def passages(self) -> tuple[Passage, ...]:
        if not self.paths:
            return (Passage("No state depends on the state before it, so no gradient goes back."),)
        first = (
            "A gradient goes back over several steps through the product of their Jacobians, and vanishes or "
            "explodes as this product does."
        )
        if self.is_identity():
            through = "A gradient goes back over several steps through the product of their Jacobians."
            return (Passage(f"{through} {self.the_jacobian()} the identity: gradients pass unchanged."),)
        if all(path.is_steady for path in self.paths):
            return (Passage(f"{first} {self.steady()}"),)
        own = [self.direct(state) for state in self.cell.states]
        ways = [*(own if any(own) else [self.across()]), self.weighted()]
        gates = [self.gate(effect) for effect in gate_effects(self.cell, self.paths)]
        closed = ["A way is closed where its term is near $0$."] if any(gates) else []
        texts = [" ".join([first, *filter(None, ways)]), " ".join([*closed, *filter(None, gates)])]
        return tuple(Passage(text) for text in texts if text)

    def is_identity(self) -> bool:
        """Whether every state is handed on as it is, and to itself alone."""
        factors = [Add(*(path.factor for path in self.own(state))) for state in self.cell.states]
        return all(path.is_direct and path.of == path.wrt for path in self.paths) and set(factors) == {S.One}

    def the_jacobian(self) -> str:
        """The subject of a sentence about all step Jacobians."""
        one = len(self.cell.states) == 1
        return "The Jacobian is" if one else "The matrix that the Jacobians form together is"

    def steady(self) -> str:
        """Of a linear recurrence: the same factor at every step."""
        return (
            f"{self.the_jacobian()} the same at every step, so that the product is its power: it vanishes "
            "where all eigenvalues are less than $1$ in magnitude, and explodes where one is greater."
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
        steady = all(path.is_steady for path in found)
        if span.size > 1.0:
            if steady:
                return (
                    f"{multiplies} at every step, so that what it carries vanishes where this is less than "
                    "$1$ in magnitude, and explodes where it is greater."
                )
            return (
                f"{multiplies}: what it carries vanishes while this stays below $1$ in magnitude, and "
                "explodes while it stays above."
            )
        multiplies += f", which lies between ${number(span.low)}$ and ${number(span.high)}$"
        if span.size < 1.0:
            return (
                f"{multiplies}: what it carries shrinks at every step, to at most ${number(span.size)}$ of "
                "its magnitude."
            )
        if steady:
            return (
                f"{multiplies}, the same at every step: what it carries vanishes where this is less than $1$ "
                "in magnitude, and is never amplified."
            )
        near = "near $1$" if span.low >= 0.0 else "near $1$ in magnitude"
        return (
            f"{multiplies}: what it carries is kept while this stays {near}, is lost where it is near $0$, "
            "and is never amplified."
        )

    def across(self) -> str:
        """Where no state has a direct path to itself: the paths without weights between different ones."""
        ends = dict.fromkeys((path.wrt, path.of) for path in self.paths if path.is_direct)
        ways = [f"from {self.math(wrt)} to {self.math(of.next)}" for wrt, of in ends]
        many = "direct paths" if len(ways) > 1 else "direct path"
        return f"No matrix lies on the {many} {sentence_list(ways)}." if ways else ""

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
            texts.append(f"{more} {'terms lead' if many else 'term leads'} {self.through(plain)}.")
        return " ".join([*texts, self.norms(found)])

    def lively(self, paths: list[GradientPath], count: int) -> str:
        """Of the ways on which a derivative lies: what bounds it, and that it can vanish."""
        others, many = count < len(self.paths), len(paths) > 1
        if many:
            subject, each = ("The other terms lead" if others else "All terms lead"), "Each of them carries"
        else:
            subject, each = ("The other term leads" if others else "The only term leads"), "It carries"
        names = sorted({name for path in paths for name in path.derivatives}, key=list(BOUNDS).index)
        limits = self.printer.said(", ".join(BOUNDS[name] for name in names))
        ends = (
            "vanishes where the derivative is $0$"
            if "relu" in names
            else "vanishes where the function saturates"
        )
        return f"{subject} {self.through(paths)}. {each} a derivative ({limits}) and {ends}."

    def through(self, paths: list[GradientPath]) -> str:
        """Through which weights paths lead, of those that have a name."""
        names, unnamed = self.weights(paths), [path for path in paths if not self.names(path)]
        sums = "sums over elements"
        if not names:
            return f"through {sums} alone"
        return f"through {names}" + (f", or through {sums} alone" if unnamed else "")

    def norms(self, found: list[GradientPath]) -> str:
        """On what the size of the weighted terms depends; a bound by norms where all factors have one."""
        bounded = all(is_bounded(path.span) for path in found)
        if bounded and len(found) == len(self.paths) and len(self.cell.states) == 1 and not self.maps():
            return self.bound(found)
        values = dict.fromkeys(self.math(q) for path in found for q in (*path.unbounded, *path.moving))
        names = self.weights(found, growing=True)
        grows = f"{names}{', and with' if names and values else ''}"
        beside = f" {sentence_list(values)}{' beside them' if names else ''}" if values else ""
        if not grows + beside:
            return ""
        subject = "What they add" if len(found) > 1 else "What it adds"
        return (
            f"{subject} grows with {f'{grows}{beside}'.strip()}; where it is large enough, the product "
            "can explode."
        )

    def bound(self, found: list[GradientPath]) -> str:
        """The bound of a Jacobian and of a product of them by the norms of weights."""
        terms = []
        for path in found:
            product = r" \, ".join(map(self.norm, path.weights))
            scale = "" if path.span.size == 1.0 else rf"{number(path.span.size)} \, "
            terms.append(scale + product)
        weights = [weight for path in found for weight in path.weights]
        norm = "largest singular value"
        if any(isinstance(weight, Quantity) for weight in weights):
            norm += "; of a vector, the largest magnitude"
        if any(isinstance(weight, Column | Row) for weight in weights):
            norm += "; with the index $2$, the Euclidean norm of a vector"
        power = self.letters.position
        moves = any(path.has_moving_weights for path in found)
        this, it = ("its largest value over the steps", "that value") if moves else ("this", "it")
        return (
            f"So the norm of a Jacobian ({norm}) is at most ${joined(terms)}$, and that of the product of "
            f"${power}$ Jacobians at most the ${power}$-th power of {this}: the gradient vanishes where "
            f"{it} is less than $1$, and can explode only where it is greater."
        )

    def norm(self, weight: Expr) -> str:
        """The norm of a weight: a vector that is a matrix of one row or column has the norm of a vector."""
        if isinstance(weight, Column | Row):
            return rf"\lVert {self.printer.text(weight.args[0])} \rVert_{{2}}"
        inside = self.printer.text(weight.args[0]) if isinstance(weight, MatrixOf) else self.weight(weight)
        return rf"\lVert {inside} \rVert"

    def maps(self) -> bool:
        """Whether a weight is a linear map that is no product of matrices."""
        weights = [weight for path in self.paths for weight in path.weights]
        return any(not isinstance(weight, Operator | Quantity) for weight in weights)

    def weights(self, paths: Iterable[GradientPath], *, growing: bool = False) -> str:
        """The weights on some paths, each once; those that have no bound only, if `growing`."""
        names = dict.fromkeys(name for path in paths for name in self.names(path, growing=growing))
        return sentence_list(f"${name}$" for name in names)

    def names(self, path: GradientPath, *, growing: bool = False) -> tuple[str, ...]:
        """What the weights of a path are called; ones, identities and what is made of them are not named."""
        key = (path, growing)
        if key not in self.called:
            found = (name for weight in path.weights for name in self.named(weight, growing))
            self.called[key] = tuple(dict.fromkeys(found))
        return self.called[key]

    def named(self, weight: Expr, growing: bool) -> tuple[str, ...]:
        if isinstance(weight, Partial):
            return (self.weight(weight),)
        content = weight.args[0] if isinstance(weight, Operator) else weight
        quantities = sorted(content.atoms(Quantity), key=str)
        kept = [q for q in quantities if isinstance(q, Parameter)]
        if isinstance(weight, Operator | Quantity):
            if isinstance(content, Quantity):
                return () if growing and is_bounded(self.bounds(content)) else (self.weight(weight),)
            if isinstance(weight, Block) or (kept and len(kept) == len(quantities)):
                return (self.weight(weight),)
        free = [q for q in quantities if self.known(q) and not is_bounded(self.bounds(q))]
        return tuple(self.printer.symbol(q) for q in kept or free)

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
        if len(ways) > WAYS or not all(map(self.is_told_apart, weighted)):
            count, all_of = len(weighted), sum(not path.is_direct for path in self.paths)
            named.append(f"{count} of the {all_of} terms that lead through weights")
            return f"{sentence_list(named)} {'are' if len(named) + count > 2 else 'is'} closed"
        if ways:
            named.append(f"the {'ways' if len(ways) > 1 else 'way'} through {sentence_list(ways)}")
        return (
            f"{sentence_list(named)} {'are' if len(named) + len(ways) > 2 or len(named) > 1 else 'is'} closed"
        )

    def way(self, path: GradientPath, group: list[GradientPath]) -> str:
        """A path by its weights, with its end if another path outside the group has the same weights."""
        twins = any(self.names(other) == self.names(path) and other not in group for other in self.paths)
        first, *more = [f"${name}$" for name in self.names(path)]
        together = f"{first} with {sentence_list(more)}" if more else first
        return f"{together} to {self.math(path.of.next)}" if twins else together

    def is_told_apart(self, path: GradientPath) -> bool:
        """Whether the names of a path's weights tell it from others into the same state."""
        alike = [other for other in self.paths if other.of == path.of and other.wrt == path.wrt]
        twins = [other for other in alike if self.names(other) == self.names(path)]
        return bool(self.names(path)) and all(other.weights == path.weights for other in twins)

    def math(self, quantity: Quantity) -> str:
        return f"${self.printer.symbol(quantity)}$"


def number(value: float) -> str:
    """A bound as a whole number, a fraction of small numbers, or in decimals."""
    exact = Fraction(value).limit_denominator(100)
    if float(exact) != value:
        return decimal(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    sign = "-" if exact < 0 else ""
    return rf"{sign}\tfrac{{{abs(exact.numerator)}}}{{{exact.denominator}}}"
