"""The normal form of a cell: one operation per definition, every intermediate named.

`Cell` equations may nest; derivation and planning want a flat list. A definition's expression is one of

- a pointwise function, a function of a vector, or `where` of symbols (a call),
- a `Contract`, `concatenate`, `ones`, `identity` or `one_hot` of symbols,
- an algebraic expression: sums, products and whole powers of symbols and numbers, or one of these alone.

A scalar expression may define a symbol of any shape, which it fills: the state in `Eq(h.next, 0)`, or a part
whose terms with a shape cancelled once equal expressions had one name.

A value that is one call *is* that call, and its argument is the pre-activation `a_<value>`. Other parts are
named by content: `tanh_c`, `U_n_h`, `r_c`. Equal expressions share one part.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import singledispatch

from sympy import Add, Expr, Mul, Pow

from symrnn.declaration.axes import Shape
from symrnn.declaration.conditions import with_sides
from symrnn.declaration.latex_names import symbol_latex
from symrnn.declaration.operations import (
    ConstantArray,
    Contract,
    NamedFunction,
    Operation,
    concatenate,
    where,
)
from symrnn.declaration.quantities import Constant, NextState, Parameter, Part, Quantity, Value
from symrnn.declaration.resolution import Resolver, is_coefficient

LONGEST = 32
"""How long the name of a part may be that tells what it is made of; names made of such names would grow."""


@dataclass(frozen=True, slots=True)
class Equation:
    """One of the author's equations, resolved: `target` = `rhs`, of the given shape per sample.

    `number` counts from 1 in the author's order. `computed` is the stable form of `rhs`, which derivation and
    kernels work with: `rhs` itself unless that would overflow.
    """

    number: int
    target: Value | NextState
    rhs: Expr
    shape: Shape
    computed: Expr

    @property
    def is_rewritten(self) -> bool:
        """Whether what is computed is not what the author wrote."""
        return bool(self.computed != self.rhs)

    def __str__(self) -> str:
        return f"{self.target} = {self.rhs}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One line of the normal form: `symbol` = `expr`.

    `equation` is the number of the equation that it comes from; `static` tells that it depends on
    parameters and constants alone, so that a kernel computes it once per call.
    """

    symbol: Quantity
    expr: Expr
    shape: Shape
    equation: int
    static: bool

    @property
    def reads(self) -> tuple[Quantity, ...]:
        """The symbols in the expression, each once, in the order of their names."""
        return tuple(sorted(self.expr.atoms(Quantity), key=lambda q: (q.name, q.role)))

    def __str__(self) -> str:
        return f"{self.symbol} = {self.expr}"


def unique_name(base: str, taken: Iterable[str]) -> str:
    """`base`, or `base_2`, `base_3`, ... : the first that is not in `taken`."""
    names = taken if isinstance(taken, Set) else set(taken)
    candidate, number = base, 1
    while candidate in names:
        number += 1
        candidate = f"{base}_{number}"
    return candidate


def plain_name(symbol: Expr) -> str:
    """A symbol's name for use inside other names: a state's value at t and at t-1 read alike."""
    return symbol.state.name if isinstance(symbol, NextState) else str(symbol.name)


def is_algebraic(expr: Expr) -> bool:
    """Whether `expr` is a sum, a product or a whole power, to be kept in one definition."""
    return isinstance(expr, Add | Mul) or (isinstance(expr, Pow) and expr.args[1].is_Integer)


def normalize(equations: Iterable[Equation], taken: Iterable[str]) -> tuple[Definition, ...]:
    """The normal form of `equations`, which are in dependency order; `taken` are the author's names."""
    normalizer = _Normalizer(set(taken))
    for equation in equations:
        normalizer.add(equation)
    return tuple(normalizer.definitions)


class _Normalizer:
    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.definitions: list[Definition] = []
        self.symbols: dict[tuple[Expr, Shape], Quantity] = {}
        self.shapes: dict[Value, Shape] = {}
        self.static: set[Quantity] = set()
        self.equation = 0
        self.owner = ""

    def add(self, equation: Equation) -> None:
        self.equation = equation.number
        name = self.owner = plain_name(equation.target)
        expr = self._normal(equation.computed, name, equation.target)
        self._define(equation.target, expr, equation.shape)

    def _define(self, symbol: Quantity, expr: Expr, shape: Shape) -> None:
        fixed = all(
            isinstance(atom, Parameter | Constant) or atom in self.static for atom in expr.atoms(Quantity)
        )
        static = fixed and not isinstance(symbol, NextState)
        if static:
            self.static.add(symbol)
        if isinstance(symbol, Value):
            self.shapes[symbol] = shape
        self.definitions.append(Definition(symbol, expr, shape, self.equation, static))
        if static or not fixed:  # else a static expression would be taken from a state, which moves in time
            self.symbols.setdefault((expr, shape), symbol)

    def _normal(self, expr: Expr, owner: str = "", target: Quantity | None = None) -> Expr:
        """`expr` with every operand of an operation replaced by a symbol."""
        if isinstance(expr, Quantity) or is_coefficient(expr):
            return expr
        if is_algebraic(expr):
            return expr.func(*(self._inline(arg) for arg in expr.args))
        if isinstance(expr, NamedFunction):
            return expr.over(self._atom(arg, owner, target) for arg in expr.args)
        if isinstance(expr, where):
            expr = where(with_sides(expr.condition, self._inline), *expr.operands)
        return expr.over(self._atom(operand) for operand in expr.operands)

    def _inline(self, arg: Expr) -> Expr:
        """An argument of a sum or a product: algebra stays in place, everything else gets a name."""
        if is_algebraic(arg) and not is_coefficient(arg):
            return arg.func(*(self._inline(inner) for inner in arg.args))
        return self._atom(arg)

    def _atom(self, expr: Expr, owner: str = "", target: Quantity | None = None) -> Expr:
        """A symbol that stands for `expr`; `owner` makes it the pre-activation of that value."""
        if isinstance(expr, Quantity) or is_coefficient(expr):
            return expr
        shape = Resolver(self.shapes).resolve(expr).shape
        normal = self._normal(expr)
        if (normal, shape) in self.symbols:
            return self.symbols[normal, shape]
        latex = None
        if owner and target is not None:
            name = f"a_{owner}"
            latex = f"a_{{{symbol_latex(target)}}}"
        else:
            name = _content_name(normal)
            if len(name) > LONGEST:
                name = f"{_kind_name(normal)}_in_{self.owner}"
        part = Part(unique_name(name, self.taken), *shape, latex=latex)
        self.taken.add(part.name)
        self._define(part, normal, shape)
        return part


def _kind_name(expr: Expr) -> str:
    """A name for what kind of operation a part is, where what it is made of would take too many words."""
    return str(expr.noun) if isinstance(expr, Operation) else "factor" if isinstance(expr, Mul) else "sum"


@singledispatch
def _content_name(expr: Expr) -> str:
    """A name that tells what `expr` is made of."""
    atoms = _named_atoms(expr)
    if len(atoms) == 1:
        return f"{'scaled' if isinstance(expr, Mul) else 'term'}_{atoms[0]}"
    if not atoms:
        return "number"
    joined = "_".join(atoms[:3])
    return joined if isinstance(expr, Mul) else f"sum_{joined}"


@_content_name.register
def _(expr: Operation) -> str:
    return "_".join([expr.name, *_named_atoms(expr)[:2]])


@_content_name.register
def _(expr: ConstantArray) -> str:
    return "_".join([expr.name, *("".join(c for c in str(size) if c.isalnum()) for size in expr.args)])


@_content_name.register
def _(expr: concatenate) -> str:
    return "_".join(map(plain_name, expr.args))


@_content_name.register
def _(expr: Contract) -> str:
    names = [plain_name(op) for op in expr.operands]
    if len(names) > 1:
        return "_".join(names)
    return f"{names[0]}_T" if len(expr.output) == len(expr.letters[0]) else f"total_{names[0]}"


def _named_atoms(expr: Expr) -> list[str]:
    """The names of the quantities in an expression, first those of most axes."""
    return [plain_name(q) for q in sorted(expr.atoms(Quantity), key=lambda q: (-len(q.shape), q.name))]
