"""The quantities of a random cell: made where a term asks for one, under random names, and drawn again."""

from collections.abc import Callable

from sympy import Expr, Integer

from symrnn.declaration.axes import Axis, Shape, axes
from symrnn.declaration.operations import identity, one_hot, ones
from symrnn.declaration.quantities import Constant, Index, Input, Parameter, State, Value
from symrnn.fuzzing.terms import Term, number_of

Pick = Callable[[int], int]

n, m, k = axes("n m k")
SIZES: dict[Axis, int] = {m: 3, n: 2, k: 5}
"""Distinct small primes, so that mixed-up axes cannot fit by accident."""
INNER_SIZES: Shape = (m, n, k, Integer(2))

# fmt: off
NAMES = (
    "h", "c", "s", "x", "y", "z", "a", "b", "d", "e", "f", "g", "i", "j", "o", "p", "q", "r", "u", "v",
    "w", "W", "U", "V", "R", "P", "Q", "E", "alpha", "beta", "gamma", "mu", "sigma", "theta", "phi",
    "zeta", "Zeta", "A", "B_", "C", "D", "K", "memory", "key", "value", "query", "gate", "hidden",
    "cell", "carry", "x_t", "W_r", "W_u", "W_hx", "b_r", "b_u", "d_q", "q_next", "a_r", "x_2", "h_next",
    "a_h", "total_x", "out", "state", "inputs", "outputs", "rng", "tape", "run", "T_", "index_",
    "count_", "n_1", "m_2", "e_1", "lo", "hi", "t", "step", "scratch", "rows", "data", "np", "math",
    "zeros", "left",
)
# fmt: on
"""Some meet an axis, or a name that the machinery makes for itself. SymPy orders by names."""
FREE = (-1.2, 1.2)
POSITIVE = (0.2, 1.2)


class Quantities:
    """The quantities of one cell so far."""

    def __init__(self, pick: Pick, positive: bool) -> None:
        self.pick = pick
        self.positive = positive
        self.leaf_bounds = POSITIVE if positive else FREE
        self.names = list(NAMES)
        self.taken = 0
        self.inputs: list[Term] = []
        self.indices: list[Index] = []
        self.states: list[Term] = []
        self.shared: list[Term] = []  # parameters and constants

    def name(self) -> str:
        """A name that is not taken; the next of the list, where `pick` has no say."""
        if self.names:
            return self.names.pop(self.pick(len(self.names)))
        self.taken += 1
        return f"p_{self.taken}"

    def parameter(self, shape: Shape) -> Term:
        """A fresh parameter."""
        high = self.leaf_bounds[1]
        if len(shape) >= 2:  # problems draw matrices so
            high /= number_of(shape[-1], SIZES) ** 0.5
        low = 0.2 / 3 if self.positive else -high
        init = (None, None, 0.5, "normal", "ones", "zeros")[self.pick(6)]
        self.shared.append(Term(Parameter(self.name(), *shape, init=init), shape, low, high))
        return self.shared[-1]

    def constant(self, shape: Shape) -> Term:
        """A fresh constant; a caller may replace its value."""
        self.shared.append(Term(Constant(self.name(), *shape, value=0.75), shape, *self.leaf_bounds))
        return self.shared[-1]

    def input(self, shape: Shape) -> Term:
        """An input of a shape, a fresh one if there is none."""
        found = [term for term in self.inputs if term.shape == shape]
        if found and (len(self.inputs) > 2 or self.pick(2)):
            return found[self.pick(len(found))]
        self.inputs.append(Term(Input(self.name(), *shape), shape, *self.leaf_bounds))
        return self.inputs[-1]

    def index(self, classes: Expr) -> Index:
        """A class index, a fresh one if there is none with so many classes."""
        found = [index for index in self.indices if index.classes == classes]
        if not found or self.pick(4) == 3:
            self.indices.append(Index(self.name(), classes))
            return self.indices[-1]
        return found[self.pick(len(found))]

    def state(self, shape: Shape) -> Term:
        """A fresh state; its equation is the caller's task."""
        self.states.append(Term(State(self.name(), *shape), shape, *self.leaf_bounds))
        return self.states[-1]

    def value(self) -> Value:
        """A fresh value."""
        return Value(self.name())

    def array(self, kind: str, shape: Shape) -> Term | None:
        """A constant array of a shape, where there is one."""
        if kind == "ones" and shape:
            return Term(ones(*shape), shape, 1.0, 1.0)
        if kind == "identity" and len(shape) == 2 and shape[0] == shape[1]:
            return Term(identity(shape[0]), shape, 0.0, 1.0)
        if kind == "one hot" and len(shape) == 1:
            return Term(one_hot(self.index(shape[0])), shape, 0.0, 1.0)
        return None
