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
from symrnn.mathematics.jacobian import operator
from symrnn.mathematics.letters import Letters
from symrnn.mathematics.parts import Passage
from symrnn.mathematics.printer import Printer
from symrnn.mathematics.reading import ColumnBlock
from symrnn.notation.breaking import points
from symrnn.notation.building import JUXTAPOSED, between, decimal, joined, ratio, subscript, whole
from symrnn.notation.nodes import Fence, Node
from symrnn.notation.prose import NOTHING, Prose, listed, say, together
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
        self.called: dict[tuple[GradientPath, bool], tuple[Node, ...]] = {}

    def passages(self) -> tuple[Passage, ...]:
        if not self.paths:
            return (Passage(say("No state depends on the state before it, so no gradient goes back.")),)
        first = (
            "A gradient goes back over several steps through the product of their Jacobians, and vanishes or "
            "explodes as this product does."
        )
        if self.is_identity():
            through = "A gradient goes back over several steps through the product of their Jacobians."
            return (Passage(say(f"{through} {self.the_jacobian()} the identity: gradients pass unchanged.")),)
        if all(path.is_steady for path in self.paths):
            return (Passage(say(f"{first} {self.steady()}")),)
        own = [self.direct(state) for state in self.cell.states]
        ways = [*(own if any(own) else [self.across()]), self.weighted()]
        gates = [self.gate(effect) for effect in gate_effects(self.cell, self.paths)]
        closed = [say("A way is closed where its term is near $0$.")] if any(gates) else []
        texts = [together([first, *ways]), together([*closed, *gates])]
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

    def direct(self, state: State) -> Prose:
        """What happens where no weight lies between a state and its next value."""
        found = self.own(state)
        if not found:
            return NOTHING
        span = sum((path.span for path in found), Interval(0.0, 0.0))
        factor: Expr = Add(*(path.factor for path in found))
        way = say("The {}, on which no matrix lies,", self.path(state, state))
        if factor == 1:
            return say("{} passes the gradient on unchanged.", way)
        shown = joined(self.printer.tree(path.factor) for path in found)
        by = shown if points(shown) <= INLINE else "the terms that have no matrix"
        each = " element by element" if self.printer.rank(factor) else ""
        steady = all(path.is_steady for path in found)
        return say("{} multiplies the gradient{} by {}{}", way, each, by, carried(span, steady=steady))

    def path(self, wrt: State, of: State) -> Prose:
        """A direct path by its ends."""
        return say("direct path from {} to {}", self.math(wrt), self.math(of.next))

    def across(self) -> Prose:
        """Where no state has a direct path to itself: the paths without weights between different ones."""
        ends = dict.fromkeys((path.wrt, path.of) for path in self.paths if path.is_direct)
        ways = [say("from {} to {}", self.math(wrt), self.math(of.next)) for wrt, of in ends]
        many = "direct paths" if len(ways) > 1 else "direct path"
        return say(f"No matrix lies on the {many} {{}}.", listed(ways)) if ways else NOTHING

    # the ways through weights

    def weighted(self) -> Prose:
        """What happens on the ways through matrices and other weights."""
        found = [path for path in self.paths if not path.is_direct]
        if not found:
            return NOTHING
        lively = [path for path in found if path.derivatives]
        plain = [path for path in found if not path.derivatives]
        texts = [self.lively(lively, len(found))] if lively else []
        if plain:
            more = "Further" if lively else "The other" if len(found) < len(self.paths) else "The only"
            many = len(plain) > 1 or more == "Further"
            texts.append(say(f"{more} {'terms lead' if many else 'term leads'} {{}}.", self.through(plain)))
        return together([*texts, self.norms(found)])

    def lively(self, paths: list[GradientPath], count: int) -> Prose:
        """Of the ways on which a derivative lies: what bounds it, and that it can vanish."""
        others, many = count < len(self.paths), len(paths) > 1
        if many:
            subject, each = ("The other terms lead" if others else "All terms lead"), "Each of them carries"
        else:
            subject, each = ("The other term leads" if others else "The only term leads"), "It carries"
        names = sorted({name for path in paths for name in path.derivatives}, key=list(BOUNDS).index)
        limits = self.printer.said(self.letters.say(", ".join(BOUNDS[name] for name in names)))
        ends = (
            "vanishes where the derivative is $0$"
            if "relu" in names
            else "vanishes where the function saturates"
        )
        return say(f"{subject} {{}}. {each} a derivative ({{}}) and {ends}.", self.through(paths), limits)

    def through(self, paths: list[GradientPath]) -> Prose:
        """Through which weights paths lead, of those that have a name."""
        names, unnamed = self.weights(paths), [path for path in paths if not self.names(path)]
        sums = "sums over elements"
        if not names:
            return say(f"through {sums} alone")
        return say("through {}{}", listed(names), f", or through {sums} alone" if unnamed else "")

    def norms(self, found: list[GradientPath]) -> Prose:
        """On what the size of the weighted terms depends; a bound by norms where all factors have one."""
        bounded = all(is_bounded(path.span) for path in found)
        if bounded and len(found) == len(self.paths) and len(self.cell.states) == 1 and not self.maps():
            return self.bound(found)
        values = dict.fromkeys(self.math(q) for path in found for q in (*path.unbounded, *path.moving))
        names = self.weights(found, growing=True)
        if not names and not values:
            return NOTHING
        beside = say("{}{}", listed(values), " beside them" if names else "") if values else ""
        with_ = together([listed(names) if names else "", beside], ", and with ")
        subject = "What they add" if len(found) > 1 else "What it adds"
        explodes = "where it is large enough, the product can explode."
        return say(f"{subject} grows with {{}}; {explodes}", with_)

    def bound(self, found: list[GradientPath]) -> Prose:
        """The bound of a Jacobian and of a product of them by the norms of weights."""
        terms = []
        for path in found:
            scale = [] if path.span.size == 1.0 else [number(path.span.size)]
            terms.append(between(JUXTAPOSED, [*scale, *map(self.norm, path.weights)]))
        weights = [weight for path in found for weight in path.weights]
        norm = "largest singular value"
        if any(isinstance(weight, Quantity) for weight in weights):
            norm += "; of a vector, the largest magnitude"
        if any(isinstance(weight, Column | Row) for weight in weights):
            norm += "; with the index $2$, the Euclidean norm of a vector"
        power = self.letters.position
        moves = any(path.has_moving_weights for path in found)
        this, it = ("its largest value over the steps", "that value") if moves else ("this", "it")
        return say(
            f"So the norm of a Jacobian ({norm}) is at most {{}}, and that of the product of "
            f"${power}$ Jacobians at most the ${power}$-th power of {this}: the gradient vanishes where "
            f"{it} is less than $1$, and can explode only where it is greater.",
            joined(terms),
        )

    def norm(self, weight: Expr) -> Node:
        """The norm of a weight: a vector that is a matrix of one row or column has the norm of a vector."""
        if isinstance(weight, Column | Row):
            return subscript(_norm(self.printer.tree(weight.args[0])), whole(2))
        return _norm(
            self.printer.tree(weight.args[0]) if isinstance(weight, MatrixOf) else self.weight(weight)
        )

    def maps(self) -> bool:
        """Whether a weight is a linear map that is no product of matrices."""
        weights = [weight for path in self.paths for weight in path.weights]
        return any(not isinstance(weight, Operator | Quantity) for weight in weights)

    def weights(self, paths: Iterable[GradientPath], *, growing: bool = False) -> tuple[Node, ...]:
        """The weights on some paths, each once; those that have no bound only, if `growing`."""
        return tuple(dict.fromkeys(name for path in paths for name in self.names(path, growing=growing)))

    def names(self, path: GradientPath, *, growing: bool = False) -> tuple[Node, ...]:
        """What the weights of a path are called; ones, identities and what is made of them are not named."""
        key = (path, growing)
        if key not in self.called:
            found = (name for weight in path.weights for name in self.named(weight, growing))
            self.called[key] = tuple(dict.fromkeys(found))
        return self.called[key]

    def named(self, weight: Expr, growing: bool) -> tuple[Node, ...]:
        if isinstance(weight, Partial):
            return (self.weight(weight),)
        content = weight.args[0] if isinstance(weight, Operator) else weight
        quantities = sorted(content.atoms(Quantity), key=str)
        kept = [q for q in quantities if isinstance(q, Parameter)]
        if isinstance(content, Quantity):
            return () if growing and is_bounded(self.bounds(content)) else (self.weight(weight),)
        if isinstance(weight, Block) or (isinstance(weight, Operator) and kept and kept == quantities):
            return (self.weight(weight),)
        free = [q for q in quantities if self.known(q) and not is_bounded(self.bounds(q))]
        return tuple(self.printer.symbol(q) for q in kept or free)

    def known(self, quantity: Quantity) -> bool:
        return quantity in (*self.cell.states, *self.cell.inputs, *self.cell.values)

    def weight(self, weight: Expr) -> Node:
        if isinstance(weight, Operator):
            return operator(weight, self.printer, self.blocks)
        return self.printer.tree(weight)

    # gates

    def gate(self, effect: Effect) -> Prose:
        """What a gate closes, and what it leaves open, near either end."""
        clauses: list[Prose] = []
        for end, closed in ((0, effect.at_zero), (1, effect.at_one)):
            said = self.ending(effect.gate, end, closed)
            if said:
                where, subject = ("where", "it") if clauses else ("Where", self.math(effect.gate))
                clauses.append(say(f"{where} {{}} is near ${end}$, {{}}", subject, said))
        return say("{}.", together(clauses, "; ")) if clauses else NOTHING

    def ending(self, gate: Quantity, end: int, closed: tuple[GradientPath, ...]) -> Prose:
        """What is closed and what is unchanged where a gate is near one end."""
        said: list[Prose] = []
        rest = list(closed)
        for state in self.cell.states:
            into = [path for path in self.paths if path.of == state]
            still = [path for path in into if path not in closed]
            direct = self.own(state)
            passes = bool(direct) and Add(*(path.factor.xreplace({gate: end}) for path in direct)) == 1
            way = self.path(state, state)
            if into and not still:
                said.append(say("{} does not depend on the state before", self.math(state.next)))
                rest = [path for path in rest if path.of != state]
            elif still == direct and direct and len(into) > len(direct):
                unchanged = " and passes the gradient on unchanged" if passes else ""
                said.append(say(f"only the {{}} is open{unchanged}", way))
                rest = [path for path in rest if path.of != state]
            elif passes and any(gate in path.factor.atoms(Quantity) for path in direct):
                said.append(say("the {} passes the gradient on unchanged", way))
        if rest:
            said.append(self.closed(rest))
        return listed(said)

    def closed(self, paths: list[GradientPath]) -> Prose:
        """That some paths are closed: the direct ones by their ends, the others by their weights."""
        named = [say("the {}", self.path(path.wrt, path.of)) for path in paths if path.is_direct]
        weighted = sorted((path for path in paths if not path.is_direct), key=lambda path: len(path.weights))
        ways = list(dict.fromkeys(self.way(path, paths) for path in weighted))
        if len(ways) > WAYS or not all(map(self.is_told_apart, weighted)):
            count, all_of = len(weighted), sum(not path.is_direct for path in self.paths)
            named.append(say(f"{count} of the {all_of} terms that lead through weights"))
            many = len(named) + count > 2
        else:
            if ways:
                named.append(say(f"the {'ways' if len(ways) > 1 else 'way'} through {{}}", listed(ways)))
            many = len(named) + len(ways) > 2 or len(named) > 1
        return say(f"{{}} {'are' if many else 'is'} closed", listed(named))

    def way(self, path: GradientPath, group: list[GradientPath]) -> Prose:
        """A path by its weights, with its end if another path outside the group has the same weights."""
        twins = any(self.names(other) == self.names(path) and other not in group for other in self.paths)
        first, *more = self.names(path)
        way = say("{} with {}", first, listed(more)) if more else say("{}", first)
        return say("{} to {}", way, self.math(path.of.next)) if twins else way

    def is_told_apart(self, path: GradientPath) -> bool:
        """Whether the names of a path's weights tell it from others into the same state."""
        alike = [other for other in self.paths if other.of == path.of and other.wrt == path.wrt]
        twins = [other for other in alike if self.names(other) == self.names(path)]
        return bool(self.names(path)) and all(other.weights == path.weights for other in twins)

    def math(self, quantity: Quantity) -> Node:
        return self.printer.symbol(quantity)


def carried(span: Interval, *, steady: bool) -> Prose:
    """What becomes of a gradient that is multiplied by something between two bounds at every step."""
    if span.size > 1.0:
        if steady:
            return say(
                " at every step, so that what it carries vanishes where this is less than $1$ in magnitude, "
                "and explodes where it is greater."
            )
        return say(
            ": what it carries vanishes while this stays below $1$ in magnitude, and explodes while it stays "
            "above."
        )
    lies = say(", which lies between {} and {}", number(span.low), number(span.high))
    if span.size < 1.0:
        shrinks = "{}: what it carries shrinks at every step, to at most {} of its magnitude."
        return say(shrinks, lies, number(span.size))
    if steady:
        return say(
            "{}, the same at every step: what it carries vanishes where this is less than $1$ in magnitude, "
            "and is never amplified.",
            lies,
        )
    near = "near $1$" if span.low >= 0.0 else "near $1$ in magnitude"
    return say(
        f"{{}}: what it carries is kept while this stays {near}, is lost where it is near $0$, and is never "
        "amplified.",
        lies,
    )


def _norm(inside: Node) -> Fence:
    return Fence(inside, "‖", "‖")


def number(value: float) -> Node:
    """A bound as a whole number, a fraction of small numbers, or in decimals."""
    exact = Fraction(value).limit_denominator(100)
    if float(exact) != value:
        return decimal(value)
    return whole(exact.numerator) if exact.denominator == 1 else ratio(exact)
