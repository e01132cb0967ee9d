"""The result of a derivation: the adjoint of every quantity, as equations that know their origin."""

from collections.abc import Sequence
from dataclasses import dataclass

from sympy import Add, Expr, Mul

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.normal_form import Definition
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.quantities import Quantity, State
from symrnn.declaration.reading_order import NO_ROLES, Roles
from symrnn.printing import Printed


class Adjoint(Quantity):
    """The derivative of the loss with respect to a quantity, in that quantity's shape."""

    __slots__ = ("of",)
    role = "adjoint"
    of: Quantity

    def __new__(cls, name: str, of: Quantity, shape: Shape) -> "Adjoint":
        """Make the adjoint `name` of the quantity `of`."""
        made: Adjoint = cls._make(name, shape, None)
        made.of = of
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[object, ...], dict[str, object]]:
        return (self.name, self.of, self.shape), {}

    def _hashable_content(self) -> tuple[str, ...]:
        # With `of` in it: SymPy's cache must not hand one cell an equally named adjoint of another.
        return (*super()._hashable_content(), *self.of._hashable_content())


class LaterAdjoint(Adjoint):
    """The adjoint of a state's next value as far as step t+1 hands it back."""

    __slots__ = ()
    role = "later adjoint"


class OutputAdjoint(Adjoint):
    """The cotangent of the output at time t, which the caller gives."""

    __slots__ = ()
    role = "output adjoint"


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an adjoint and where it came from.

    `definition` is the forward line whose result hands `expr` back; None for the two terms that come
    from outside the step: "later" (step t+1) and "output" (the caller's cotangent). `rule` names the
    rule: "algebraic", "contraction", "stack", "where", a function's name, "later" or "output".
    """

    expr: Expr
    rule: str
    definition: Definition | None = None

    def __str__(self) -> str:
        origin = f" in {self.definition}" if self.definition is not None else ""
        return f"{self.expr}    ({self.rule}{origin})"


@dataclass(frozen=True, slots=True)
class AdjointEquation:
    """The adjoint of `of` is the sum of `terms`.

    For a quantity that every step shares (a parameter, or a value made of parameters alone) the terms
    of moving definitions are summed over time and batch as well; `static` tells such quantities.
    """

    of: Quantity
    symbol: Adjoint
    terms: tuple[Term, ...]
    shape: Shape
    static: bool

    @property
    def expr(self) -> Expr:
        """The sum of the terms; zero where nothing depends on the quantity."""
        return sum_of([term.expr for term in self.terms])

    def text(self, roles: Roles) -> str:
        """The equation as a line of text, its terms in reading order."""
        moving = [term for term in self.terms if term.definition is None or not term.definition.static]
        if not self.static or not moving:
            return f"{self.symbol} = {plain_text(self.expr, roles)}"
        fixed = Add(*(term.expr for term in self.terms if term not in moving))
        summed = f"sum over t of {plain_text(Add(*(term.expr for term in moving)), roles)}"
        return f"{self.symbol} = {summed}" + (f" + {plain_text(fixed, roles)}" if fixed != 0 else "")

    def __str__(self) -> str:
        return self.text(NO_ROLES)


def sum_of(terms: Sequence[Expr]) -> Expr:
    """The sum of derived terms, with an adjoint that all of them share taken out: (y_hat - y) * d_loss."""
    if len(terms) < 2:
        return Add(*terms)
    shared = [f for f in Mul.make_args(terms[0]) if isinstance(f, Adjoint)]
    if len(shared) != 1 or not all(shared[0] in Mul.make_args(term) for term in terms[1:]):
        return Add(*terms)
    rests = (Mul(*(factor for factor in Mul.make_args(term) if factor != shared[0])) for term in terms)
    return Mul(Add(*rests), *shared)


@dataclass(frozen=True, slots=True)
class Derivation(Printed):
    """Backpropagation through time of a cell.

    `step` holds the adjoints of one time step in the order in which they can be computed, ending with
    the states at t-1 and the inputs; `static` those of derived parameters and parameters. `later` pairs
    every state with the symbol for what step t+1 hands back; at t = T it is the final state's cotangent.
    """

    cell: Cell
    output: OutputAdjoint
    later: tuple[tuple[State, LaterAdjoint], ...]
    step: tuple[AdjointEquation, ...]
    static: tuple[AdjointEquation, ...]

    @property
    def equations(self) -> tuple[AdjointEquation, ...]:
        """All derived equations, in order."""
        return self.step + self.static

    def of(self, quantity: Quantity) -> AdjointEquation:
        """The adjoint equation of a quantity.

        Raises:
            KeyError: the derivation has no equation of its own for it (its adjoint equals another's).
        """
        for equation in self.equations:
            if equation.of == quantity:
                return equation
        raise KeyError(str(quantity))

    def __str__(self) -> str:
        roles = self.cell.roles
        lines = [f"backpropagation through time of {self.cell.name}", "  at every step, t = T ... 1:"]
        lines += [f"    {equation.text(roles)}" for equation in self.step]
        lines += ["  for the parameters:", *(f"    {equation.text(roles)}" for equation in self.static)]
        return "\n".join(lines)
