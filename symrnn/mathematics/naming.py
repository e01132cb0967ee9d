r"""Names in print: quantities with their time, adjoints, sizes, and the signs that a cell leaves free.

Time stands above, c^{\langle t-1\rangle} for a state, c^{\langle t\rangle} for its next value, inputs and
values, or below, as the style says; what does not change with time has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sympy import Add, Expr, Mul

from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.nodes import entry
from symrnn.declaration.quantities import Constant, Parameter, Quantity, State
from symrnn.declaration.reading_order import Roles
from symrnn.derivation.derivation import Adjoint, LaterAdjoint, OutputAdjoint
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.notation.building import (
    ONE,
    between,
    bracketed,
    decimal,
    is_sum,
    joined,
    named,
    negative,
    row,
    subscript,
    superscript,
    upright,
    whole,
)
from symrnn.notation.characters import MINUS
from symrnn.notation.nodes import Fence, Node, Row, Script, Sign, Word, mapped
from symrnn.notation.parsing import parsed
from symrnn.notation.prose import Prose

NOW, BEFORE, FIRST, LAST = "t", "t-1", "0", "T"
"""Times: the step's letter stands in the place of t."""
TIMES: Mapping[type, str] = {Parameter: "", Constant: "", State: BEFORE, Quantity: NOW}
"""The time of a quantity by its kind, unless it is another; none of what does not change."""

DELTA, SIGMA, PI, E, T = Word("δ"), named("σ"), Word("π"), Word("e"), Word("t")


@dataclass(frozen=True, slots=True)
class Notation:
    """What the printer must know besides the expression.

    `shapes` are those of computed values, `static` the values that parameters alone determine, `names`
    the names of parts and of anything that is not called as it was declared, `delta` and `sigma`
    the signs for adjoints and for the logistic function, `pi` and `e` those of the numbers (no `pi` where it
    is a name: its digits are written), `style` the notation of time and vectors,
    `time` the letter of a step.
    """

    shapes: Mapping[Quantity, Shape] = field(default_factory=dict)
    static: frozenset[Quantity] = frozenset()
    names: Mapping[Quantity, Node] = field(default_factory=dict)
    roles: Roles = field(default_factory=dict)
    delta: Node = DELTA
    sigma: Node = SIGMA
    pi: Node | None = PI
    e: Node = E
    style: Style = DEFAULT
    time: Node = T


@dataclass(frozen=True, slots=True)
class Naming:
    """Writes names in a notation."""

    notation: Notation = field(default_factory=Notation)

    @property
    def rows(self) -> bool:
        """Whether vectors are rows."""
        return self.notation.style.rows

    def symbol(self, quantity: Quantity, time: str = "") -> Node:
        """A quantity with its time; `time`, such as LAST, is that of the step unless given."""
        if isinstance(quantity, Adjoint):
            source = _source(quantity)
            delta = self.notation.delta
            sign = subscript(delta, upright(source)) if source else delta
            return Row((sign, self.symbol(quantity.of, time)), of=quantity)
        name = self.name(quantity)
        own = entry(TIMES, quantity)
        if own and quantity not in self.notation.static:
            mark = superscript if self.notation.style.time == "superscript" else subscript
            name = mark(name, self.time(time or own))
        return replace(name, of=quantity)

    def time(self, time: str) -> Node:
        """A time as it stands at a name: above it in angle brackets, or below it."""
        letter = {NOW: self.notation.time, BEFORE: row(self.notation.time, Sign(MINUS), ONE)}
        made = letter.get(time) or parsed(time)
        return Fence(made, "⟨", "⟩") if self.notation.style.time == "superscript" else made

    def name(self, quantity: Quantity) -> Node:
        """A quantity's name without its time."""
        return self.notation.names.get(quantity) or parsed(symbol_latex(quantity))

    def size(self, size: Expr) -> Node:
        """A size: axes by their names, numbers last."""
        terms = sorted(Add.make_args(size), key=lambda term: (term.is_number, str(term)))
        return joined(map(_size_term, terms))

    def sizes(self, shape: Shape) -> Node:
        r"""A shape as m \times (m+n)."""
        made = [self.size(size) for size in shape]
        if len(made) == 1:
            return made[0]
        return between(Sign("×"), (bracketed(size) if is_sum(size) else size for size in made))

    def span(self, start: Expr, stop: Expr) -> Node:
        """The indices after `start` up to `stop`."""
        return between(Sign(":"), (self.size(start + 1), self.size(stop)))

    def said(self, words: Prose) -> Prose:
        """Words about functions in the signs of this notation."""
        return words.changed(self._in_signs)

    def _in_signs(self, node: Node) -> Node:
        if node == Word("σ"):
            return self.notation.sigma
        if isinstance(node, Script) and node.base == Word("e") and node.above is not None:
            node = replace(node, base=self.notation.e)
        return mapped(node, self._in_signs)


def _source(adjoint: Adjoint) -> str:
    """From where an adjoint comes that stands for not all of a quantity's ways to the loss."""
    if isinstance(adjoint, OutputAdjoint):
        return "out"
    return "later" if isinstance(adjoint, LaterAdjoint) or isinstance(adjoint.of, State) else ""


def _size_term(term: Expr) -> Node:
    """A number or an axis, or the product of both side by side."""
    coefficient, rest = term.as_coeff_Mul()
    factors = [parsed(name_latex(axis.name)) for axis in Mul.make_args(rest) if isinstance(axis, Axis)]
    size = whole(abs(int(coefficient))) if coefficient.is_Integer else decimal(float(abs(coefficient)))
    made = row(*([size] if abs(coefficient) != 1 or not factors else []), *factors)
    return negative(made) if coefficient < 0 else made
