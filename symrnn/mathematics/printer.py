r"""From SymPy expressions of a cell to trees of mathematics, as a textbook sets it.

Time stands above, c^{\langle t-1\rangle} for a state, c^{\langle t\rangle} for its next value, inputs and
values, or below, as the style says; what does not change with time has none. Vectors are columns or rows.
Elementwise products of arrays are written with \odot, products with scalars by juxtaposition, contractions as
matrix products where they are such and with indices where they are not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sympy import Add, Expr, Float, Mul, Pow, Rational, S, pi
from sympy import log as log_of_number

from symrnn.declaration.axes import Axis
from symrnn.declaration.latex_names import name_latex
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import (
    Contract,
    NamedFunction,
    PointwiseFunction,
    Slice,
    VectorFunction,
    concatenate,
    expm1,
    identity,
    one_hot,
    ones,
    reciprocal,
    where,
)
from symrnn.declaration.quantities import Quantity, Value
from symrnn.declaration.reading_order import ordered_factors, ordered_terms
from symrnn.declaration.resolution import is_coefficient
from symrnn.errors import EmissionError
from symrnn.mathematics.choices import ChoicePrinter
from symrnn.mathematics.contractions import ContractionPrinter
from symrnn.mathematics.naming import Naming
from symrnn.notation.breaking import points
from symrnn.notation.building import (
    HADAMARD,
    JUXTAPOSED,
    ONE,
    between,
    bracketed,
    decimal,
    function,
    is_sum,
    joined,
    negative,
    quotient,
    row,
    superscript,
    whole,
)
from symrnn.notation.nodes import (
    Face,
    Fence,
    Fraction,
    Node,
    Number,
    Root,
    Script,
    Stack,
    Word,
    walk,
)
from symrnn.notation.parsing import parsed
from symrnn.vocabulary.families import EQUIVALENTS, NAMED

FUNCTIONS: dict[str, Node] = {
    name: parsed(f.facts.spelling.latex) for name, f in NAMED.items() if f.facts.spelling.latex
}
"""Functions that are written name(arguments); the others have a notation of their own."""

NUMERATOR = 200.0
"""How long a numerator may be, in points."""

SUM, PRODUCT, POWER, ATOM = range(4)
"""How closely a tree binds."""


@dataclass(frozen=True, slots=True)
class Printer(Naming, ContractionPrinter, ChoicePrinter):
    """Prints resolved expressions and what the derivation makes of them."""

    def tree(self, expr: Expr, needed: int = SUM) -> Node:
        """The tree of `expr`, in brackets where its operator binds less closely than `needed`."""
        made, binding = self.printed(expr)
        return made if binding >= needed else bracketed(made)

    def rank(self, expr: Expr) -> int:
        """The number of axes of an expression."""
        known = entry(RANKS, expr)
        return known(self, expr) if known else max(map(self.rank, expr.args), default=0)

    def printed(self, expr: Expr) -> tuple[Node, int]:
        """The tree of `expr`, which knows what it stands for, and how closely it binds."""
        made, binding = self._made(expr)
        return (replace(made, of=expr) if made.of is None else made), binding

    def _made(self, expr: Expr) -> tuple[Node, int]:
        make = entry(MAKERS, expr)
        if make is not None:
            return make(self, expr)
        if is_coefficient(expr):
            return self._number(expr)
        raise EmissionError(f"{type(expr).__name__} has no form in print: {expr}. Add one to printer.py.")

    def pulled(self, expr: Contract) -> tuple[Expr, Contract]:
        """The scalar factors of a contraction's operands, and the contraction without them."""
        scalars: Expr = S.One
        operands = []
        for operand in expr.operands:
            factors = Mul.make_args(operand)
            scalars *= Mul(*(factor for factor in factors if not self.rank(factor)))
            operands.append(Mul(*(factor for factor in factors if self.rank(factor))))
        return scalars, Contract(expr.spec, *operands)

    # kinds of expressions

    def _contract(self, expr: Contract) -> tuple[Node, int]:
        scalars, product = self.pulled(expr)
        return self.contraction(product) if scalars == 1 else self._product(scalars * product)

    def _stack(self, expr: concatenate) -> tuple[Node, int]:
        parts = tuple(self.tree(part) for part in expr.args)
        lies = self.rows and self.rank(expr) == 1
        return Stack((parts,) if lies else tuple((part,) for part in parts)), ATOM

    def _slice(self, expr: Slice) -> tuple[Node, int]:
        of, start, stop = expr.args
        return Script(bracketed(self.tree(of)), below=self.span(start, stop)), ATOM

    def unit_matrix(self, size: Expr) -> Node:
        """The identity matrix of a size."""
        return Script(Word("I"), below=self.size(size))

    # algebra

    def _number(self, expr: Expr) -> tuple[Node, int]:
        """A number that is neither written in digits nor made by algebra."""
        if expr is pi and self.notation.pi is not None:
            return self.notation.pi, ATOM
        if expr.free_symbols and type(expr) in EQUIVALENTS:
            return self._function(EQUIVALENTS[type(expr)].name, expr.args)
        if expr.free_symbols:
            raise EmissionError(f"{expr} has no form in print: it is neither a quantity nor a number.")
        return decimal(float(expr)), PRODUCT

    def _sum(self, expr: Expr) -> tuple[Node, int]:
        return joined(self._term(term) for term in ordered_terms(expr, self.notation.roles)), SUM

    def _term(self, term: Expr) -> Node:
        tree, binding = self.printed(term)
        return bracketed(tree) if isinstance(term, Add | where) and binding == SUM else tree

    def _product(self, expr: Expr) -> tuple[Node, int]:
        expr = Mul(*(Mul(*self.pulled(f)) if isinstance(f, Contract) else f for f in Mul.make_args(expr)))
        sign, over, under = _fraction_parts(expr)
        if sign < 0:
            for position, factor in enumerate(over):
                if isinstance(factor, expm1):  # -(exp(-y) - 1) reads better as 1 - exp(-y)
                    over[position] = S.One - _Exponential(factor.args[0])
                    sign = 1
                    break
        made = self._factors(over)
        if under:
            made = self._over(made, self._factors(under), self._are_arrays(over) and self._are_arrays(under))
        return (negative(made), SUM) if sign < 0 else (made, PRODUCT)

    def _over(self, above: Node, below: Node, elementwise: bool) -> Node:
        """A quotient; a long numerator stands beside it: a line may end in a bracket, not in a fraction."""
        if points(above) <= NUMERATOR:
            return Fraction(above, below)
        long = bracketed(above) if is_sum(above) else above
        return row(Fraction(ONE, below), HADAMARD if elementwise else JUXTAPOSED, long)

    def _are_arrays(self, factors: list[Expr]) -> bool:
        return any(self.rank(factor) for factor in factors)

    def _factors(self, factors: list[Expr]) -> Node:
        """Scalars first, side by side; then arrays, elementwise."""
        if not factors:
            return ONE
        shown = [factor for factor in factors if not isinstance(factor, ones)]
        if any(self.rank(factor) for factor in shown):
            factors = shown
        if len(factors) == 1:
            return self.tree(factors[0])
        order = sorted(factors, key=lambda f: self._position(f, factors))
        scalars = [self.tree(factor, PRODUCT) for factor in order if not self.rank(factor)]
        arrays = [self.tree(factor, POWER) for factor in order if self.rank(factor)]
        if len(arrays) == 1:
            only = next(factor for factor in order if self.rank(factor))
            arrays = [self.tree(only, PRODUCT)] if not isinstance(only, Add) else arrays
        elementwise = [between(HADAMARD, arrays)] if arrays else []
        return between(JUXTAPOSED, [*scalars, *elementwise])

    def _position(self, factor: Expr, factors: list[Expr]) -> int:
        ordered = ordered_factors(Mul(*factors, evaluate=False), self.notation.roles)
        return next((i for i, other in enumerate(ordered) if other == factor), 0)

    def _power(self, expr: Expr) -> tuple[Node, int]:
        base, exponent = expr.args
        if is_coefficient(expr) and abs(exponent) == S.Half:
            root = Root(self.tree(base))
            return (root, ATOM) if exponent == S.Half else (Fraction(ONE, root), PRODUCT)
        if exponent.is_negative:
            return Fraction(ONE, self.tree(base if exponent == -1 else base ** (-exponent))), PRODUCT
        if isinstance(base, reciprocal):
            return Fraction(ONE, self.tree(base.args[0] ** exponent)), PRODUCT
        raised = self.tree(exponent)
        if isinstance(base, PointwiseFunction) and base.name in ("tanh", "sigmoid"):
            return function(superscript(self.sign(base.name), raised), self.tree(base.args[0])), ATOM
        inner = self.tree(base, ATOM)
        return Script(bracketed(inner) if self._is_scripted(inner) else inner, above=raised), ATOM

    def _is_scripted(self, base: Node) -> bool:
        """Whether a power of a base would be taken for another script of it."""
        if isinstance(base, Fence | Stack):
            return False
        below = self.notation.style.time == "subscript"
        scripts = [node for node in walk(base) if isinstance(node, Script)]
        return any(s.above is not None or (below and (s.below is not None or s.primes)) for s in scripts)

    # functions

    def sign(self, name: str) -> Node:
        """How a function is written that stands before its arguments."""
        sign = self.notation.sigma if name == "sigmoid" else FUNCTIONS.get(name)
        if sign is None:
            raise EmissionError(f"{name} has no form in print. Add one to its facts in the vocabulary.")
        return sign

    def _function(self, name: str, args: tuple[Expr, ...]) -> tuple[Node, int]:
        special: dict[str, Callable[..., tuple[Node, int]]] = {
            "sqrt": lambda inside: (Root(inside), ATOM),
            "abs": lambda inside: (Fence(inside, "|", "|"), ATOM),
            "reciprocal": lambda inside: (Fraction(ONE, inside), PRODUCT),
            "power": lambda base, exponent: (Script(bracketed(base), above=exponent), ATOM),
            "expm1": lambda exponent: (joined([self.exponential(exponent), negative(ONE)]), SUM),
            "e": lambda exponent: (self.exponential(exponent), ATOM),
        }
        inside = [self.tree(arg) for arg in args]
        return special[name](*inside) if name in special else (function(self.sign(name), *inside), ATOM)

    def exponential(self, exponent: Node) -> Node:
        """A power of the number e."""
        return superscript(self.notation.e, exponent)


RANKS: Mapping[type, Callable[[Printer, Any], int]] = {
    Value: lambda printer, value: len(printer.notation.shapes[value]),
    Quantity: lambda printer, quantity: len(quantity.shape),
    Contract: lambda printer, product: len(product.output),
    Slice: lambda printer, part: printer.rank(part.args[0]),
    concatenate: lambda printer, stack: printer.rank(stack.args[0]),
    ones: lambda printer, array: len(array.args),
    one_hot: lambda printer, array: 1,
    identity: lambda printer, array: 2,
    VectorFunction: lambda printer, call: int(call.gives_vector),
}
"""The number of axes by kind; all others have those of their arguments."""

MAKERS: Mapping[type, Callable[[Printer, Any], tuple[Node, int]]] = {
    Quantity: lambda printer, quantity: (printer.symbol(quantity), ATOM),
    Axis: lambda printer, axis: (parsed(name_latex(axis.name)), ATOM),
    Rational: lambda printer, number: _constant(number),
    Float: lambda printer, number: _constant(number),
    log_of_number: lambda printer, call: printer._function("log", call.args),
    Add: Printer._sum,
    Mul: Printer._product,
    Pow: Printer._power,
    NamedFunction: lambda printer, call: printer._function(call.name, call.args),
    where: Printer.choice,
    Contract: Printer._contract,
    concatenate: Printer._stack,
    Slice: Printer._slice,
    ones: lambda printer, array: (Script(Word("1", Face.BOLD), below=printer.sizes(array.args)), ATOM),
    one_hot: lambda printer, unit: (Script(Word("e", Face.BOLD), below=printer.symbol(unit.index)), ATOM),
    identity: lambda printer, array: (printer.unit_matrix(array.args[0]), ATOM),
}
"""What makes the tree of an expression, by its kind."""


class _Exponential(PointwiseFunction):
    """exp(x) in the notation e^x; the printer's own."""

    __slots__ = ()
    name = "e"


def _fraction_parts(expr: Expr) -> tuple[int, list[Expr], list[Expr]]:
    """The sign, the factors above and those below the line of a product."""
    coefficient, rest = expr.as_coeff_Mul()
    sign = -1 if coefficient.is_negative else 1
    over: list[Expr] = []
    under: list[Expr] = []
    size = abs(coefficient)
    if isinstance(size, Rational):
        over += [S(size.p)] if size.p != 1 else []
        under += [S(size.q)] if size.q != 1 else []
    elif size != 1:
        over.append(size)
    for factor in Mul.make_args(rest):
        base, exponent = factor.args if isinstance(factor, Pow) else (factor, S.One)
        if isinstance(base, reciprocal) and exponent.is_positive:
            under.append(base.args[0] ** exponent)
        elif exponent.is_negative:
            under.append(base ** (-exponent))
        elif factor != 1:
            over.append(factor)
    return sign, over, under


def _constant(number: Rational | Float) -> tuple[Node, int]:
    """A number in digits or as a fraction."""
    if number.is_Integer:
        return whole(int(number)), ATOM if number >= 0 else SUM
    if isinstance(number, Rational):
        made = quotient(whole(abs(number.p)), whole(number.q), minus=number < 0)
    else:
        made = decimal(float(number))
    return made, SUM if number < 0 else ATOM if isinstance(made, Number) else PRODUCT
