r"""From SymPy expressions of a cell to LaTeX mathematics, as a textbook sets it.

Time stands above, c^{\langle t-1\rangle} for a state, c^{\langle t\rangle} for its next value, inputs and
values, or below, as the style says; what does not change with time has none. Vectors are columns or rows.
Elementwise products of arrays are written with \odot, products with scalars by juxtaposition, contractions as
matrix products where they are such and with indices where they are not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sympy import Add, Expr, Mul, Pow, Rational, S, pi
from sympy import log as log_of_number
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.latex_names import name_latex, symbol_latex
from symrnn.declaration.operations import (
    Contract,
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
from symrnn.declaration.quantities import Constant, Parameter, Quantity, State, Value
from symrnn.declaration.reading_order import Roles, ordered_factors, ordered_terms
from symrnn.declaration.resolution import is_coefficient
from symrnn.derivation.derivation import Adjoint, LaterAdjoint, OutputAdjoint
from symrnn.errors import EmissionError
from symrnn.mathematics.choices import ChoicePrinter
from symrnn.mathematics.contractions import ContractionPrinter
from symrnn.mathematics.style import DEFAULT, Style
from symrnn.notation.layout import is_sum, width
from symrnn.notation.marks import bracketed, decimal, in_brackets, subscript, superscript
from symrnn.vocabulary.families import EQUIVALENTS, NAMED

NOW, BEFORE = r"\langle t\rangle", r"\langle t-1\rangle"
FIRST, LAST = r"\langle 0\rangle", r"\langle T\rangle"

FUNCTIONS: dict[str, str] = {
    name: f.facts.spelling.latex for name, f in NAMED.items() if f.facts.spelling.latex
}
"""Functions that are written name(arguments); the others have a notation of their own."""

NUMERATOR = 200.0
"""How long a numerator may be, in points."""

SUM, PRODUCT, POWER, ATOM = range(4)
"""How closely a piece of text binds."""


@dataclass(frozen=True, slots=True)
class Notation:
    """What the printer must know besides the expression.

    `shapes` are those of computed values, `static` the values that parameters alone determine, `names`
    the LaTeX names of parts and of anything that is not called as it was declared, `delta` and `sigma`
    the signs for adjoints and for the logistic function, `pi` and `e` those of the numbers (no `pi` where it
    is a name: its digits are written), `style` the notation of time and vectors,
    `time` the letter of a step.
    """

    shapes: Mapping[Quantity, Shape] = field(default_factory=dict)
    static: frozenset[Quantity] = frozenset()
    names: Mapping[Quantity, str] = field(default_factory=dict)
    roles: Roles = field(default_factory=dict)
    delta: str = r"\delta"
    sigma: str = r"\sigma"
    pi: str = r"\pi"
    e: str = "e"
    style: Style = DEFAULT
    time: str = "t"


@dataclass(frozen=True, slots=True)
class Printer(ContractionPrinter, ChoicePrinter):
    """Prints resolved expressions and what the derivation makes of them."""

    notation: Notation = field(default_factory=Notation)

    def said(self, words: str) -> str:
        """Words about functions in the signs of this notation."""
        return words.replace("e^{", f"{self.notation.e}^{{").replace(r"\sigma", self.notation.sigma)

    def text(self, expr: Expr, needed: int = SUM) -> str:
        """`expr` in LaTeX, in brackets where its operator binds less closely than `needed`."""
        made, binding = self.printed(expr)
        return made if binding >= needed else bracketed(made)

    def rank(self, expr: Expr) -> int:
        """The number of axes of an expression."""
        if isinstance(expr, Quantity):
            return len(self.notation.shapes[expr] if isinstance(expr, Value) else expr.shape)
        if isinstance(expr, Contract):
            return len(expr.output)
        if isinstance(expr, Slice | concatenate):
            return self.rank(expr.args[0])
        if isinstance(expr, ones | one_hot | identity):
            return 2 if isinstance(expr, identity) else len(expr.args)
        if isinstance(expr, VectorFunction):
            return int(expr.gives_vector)
        if is_coefficient(expr) or not isinstance(expr, Expr | Boolean):
            return 0
        return max((self.rank(arg) for arg in expr.args), default=0)

    def printed(self, expr: Expr) -> tuple[str, int]:
        """`expr` in LaTeX and how closely it binds."""
        if isinstance(expr, Quantity):
            return self.symbol(expr), ATOM
        if is_coefficient(expr):
            return self._number(expr)
        if isinstance(expr, Add):
            return self._sum(expr), SUM
        if isinstance(expr, Mul):
            return self._product(expr)
        if isinstance(expr, Pow):
            return self._power(expr)
        if isinstance(expr, PointwiseFunction | VectorFunction):
            return self._function(expr.name, expr.args)
        if isinstance(expr, where):
            return self.choice(expr)
        if isinstance(expr, Contract):
            scalars, product = self.pulled(expr)
            return self.contraction(product) if scalars == 1 else self._product(scalars * product)
        if isinstance(expr, concatenate):
            between = " & " if self.rows and self.rank(expr) == 1 else r" \\ "
            parts = between.join(self.text(part) for part in expr.args)
            return rf"\begin{{bmatrix}} {parts} \end{{bmatrix}}", ATOM
        if isinstance(expr, Slice):
            of, start, stop = expr.args
            first = self.size(start + 1)
            return rf"{bracketed(self.text(of))}_{{{first}:{self.size(stop)}}}", ATOM
        if isinstance(expr, ones):
            return rf"\mathbf{{1}}_{{{self.sizes(expr.args)}}}", ATOM
        if isinstance(expr, one_hot):
            return rf"\mathbf{{e}}_{{{self.symbol(expr.index)}}}", ATOM
        if isinstance(expr, identity):
            return rf"I_{{{self.size(expr.args[0])}}}", ATOM
        raise EmissionError(f"{type(expr).__name__} has no LaTeX form: {expr}. Add one to latex_printer.py.")

    def pulled(self, expr: Contract) -> tuple[Expr, Contract]:
        """The scalar factors of a contraction's operands, and the contraction without them."""
        scalars: Expr = S.One
        operands = []
        for operand in expr.operands:
            factors = Mul.make_args(operand)
            scalars *= Mul(*(factor for factor in factors if not self.rank(factor)))
            operands.append(Mul(*(factor for factor in factors if self.rank(factor))))
        return scalars, Contract(expr.spec, *operands)

    # names

    @property
    def rows(self) -> bool:
        """Whether vectors are rows."""
        return self.notation.style.rows

    def symbol(self, quantity: Quantity, time: str = "") -> str:
        """A quantity with its time; `time`, such as LAST, is that of the step unless given."""
        delta = self.notation.delta
        if isinstance(quantity, OutputAdjoint):
            return rf"{delta}_{{\mathrm{{out}}}} {self.symbol(quantity.of, time)}"
        if isinstance(quantity, LaterAdjoint):
            return rf"{delta}_{{\mathrm{{later}}}} {self.symbol(quantity.of, time)}"
        if isinstance(quantity, Adjoint):
            later = r"_{\mathrm{later}}" if isinstance(quantity.of, State) else ""
            return f"{delta}{later} {self.symbol(quantity.of, time)}"
        name = self.name(quantity)
        if isinstance(quantity, Parameter | Constant) or quantity in self.notation.static:
            return name
        time = (time or (BEFORE if isinstance(quantity, State) else NOW)).replace("t", self.notation.time)
        if self.notation.style.time == "subscript":
            return subscript(name, time.removeprefix(r"\langle ").removesuffix(r"\rangle"))
        return superscript(name, time)

    def name(self, quantity: Quantity) -> str:
        """A quantity's name without its time."""
        return self.notation.names.get(quantity) or symbol_latex(quantity)

    def size(self, size: Expr) -> str:
        """A size: axes by their names, numbers last."""
        terms = sorted(Add.make_args(size), key=lambda term: (term.is_number, str(term)))
        return "+".join(self._size_term(term) for term in terms).replace("+-", "-")

    def _size_term(self, term: Expr) -> str:
        if isinstance(term, Axis):
            return name_latex(term.name)
        return "".join(
            self._size_term(arg) if isinstance(arg, Axis) else str(arg) for arg in Mul.make_args(term)
        )

    def sizes(self, shape: Shape) -> str:
        r"""A shape as m \times (m+n)."""
        texts = [self.size(size) for size in shape]
        if len(texts) == 1:
            return texts[0]
        return r" \times ".join(f"({text})" if "+" in text else text for text in texts)

    # algebra

    def _number(self, expr: Expr) -> tuple[str, int]:
        if expr.is_Integer:
            return str(expr), ATOM if expr >= 0 else SUM
        if isinstance(expr, Rational):
            sign = "-" if expr < 0 else ""
            return rf"{sign}\frac{{{abs(expr.p)}}}{{{expr.q}}}", SUM if sign else PRODUCT
        if expr.is_Float:
            text = decimal(float(expr))
            return text, SUM if expr < 0 else PRODUCT if "\\" in text else ATOM
        if isinstance(expr, Axis):
            return name_latex(expr.name), ATOM
        if expr is pi and self.notation.pi:
            return self.notation.pi, ATOM
        if isinstance(expr, Pow) and expr.args[1] in (S.Half, -S.Half):
            root = rf"\sqrt{{{self.text(expr.args[0])}}}"
            return (root, ATOM) if expr.args[1] == S.Half else (rf"\frac{{1}}{{{root}}}", PRODUCT)
        if isinstance(expr, Add):
            return self._sum(expr), SUM
        if isinstance(expr, Mul):
            return self._product(expr)
        if isinstance(expr, Pow):
            return self._power(expr)
        if isinstance(expr, log_of_number):
            return rf"\log{bracketed(self.text(expr.args[0]))}", ATOM
        if expr.free_symbols and type(expr) in EQUIVALENTS:
            return self._function(EQUIVALENTS[type(expr)].name, expr.args)
        if expr.free_symbols:
            raise EmissionError(f"{expr} has no LaTeX form: it is neither a quantity nor a number.")
        return decimal(float(expr)), PRODUCT

    def _sum(self, expr: Expr) -> str:
        return joined(self._term(term) for term in ordered_terms(expr, self.notation.roles))

    def _term(self, term: Expr) -> str:
        text, binding = self.printed(term)
        if isinstance(term, Add | where) and binding == SUM:
            return bracketed(text)
        return text

    def _product(self, expr: Expr) -> tuple[str, int]:
        expr = Mul(*(Mul(*self.pulled(f)) if isinstance(f, Contract) else f for f in Mul.make_args(expr)))
        sign, over, under = _fraction_parts(expr)
        if sign < 0:
            for position, factor in enumerate(over):
                if isinstance(factor, expm1):  # -(exp(-y) - 1) reads better as 1 - exp(-y)
                    over[position] = S.One - _Exponential(factor.args[0])
                    sign = 1
                    break
        above = self._factors(over)
        if under:
            below = self._factors(under)
            if width(above) <= NUMERATOR:
                above = rf"\frac{{{above}}}{{{below}}}"
            else:  # a line may end in a bracket, not in a fraction
                sign_between = r" \odot " if self._are_arrays(over) and self._are_arrays(under) else r" \, "
                long = bracketed(above) if is_sum(above) else above
                above = rf"\frac{{1}}{{{below}}}{sign_between}{long}"
        return ("-" + above, SUM) if sign < 0 else (above, PRODUCT)

    def _are_arrays(self, factors: list[Expr]) -> bool:
        return any(self.rank(factor) for factor in factors)

    def _factors(self, factors: list[Expr]) -> str:
        """Scalars first, side by side; then arrays, elementwise."""
        if not factors:
            return "1"
        shown = [factor for factor in factors if not isinstance(factor, ones)]
        if any(self.rank(factor) for factor in shown):
            factors = shown
        if len(factors) == 1:
            return self.text(factors[0])
        order = sorted(factors, key=lambda f: self._position(f, factors))
        scalars = [self.text(factor, PRODUCT) for factor in order if not self.rank(factor)]
        arrays = [self.text(factor, POWER) for factor in order if self.rank(factor)]
        if len(arrays) == 1:
            only = next(factor for factor in order if self.rank(factor))
            arrays = [self.text(only, PRODUCT)] if not isinstance(only, Add) else arrays
        elementwise = [r" \odot ".join(arrays)] if arrays else []
        return r" \, ".join([*scalars, *elementwise])

    def _position(self, factor: Expr, factors: list[Expr]) -> int:
        ordered = ordered_factors(Mul(*factors, evaluate=False), self.notation.roles)
        return next((i for i, other in enumerate(ordered) if other == factor), 0)

    def _power(self, expr: Expr) -> tuple[str, int]:
        base, exponent = expr.args
        if exponent.is_negative:
            below = self.text(base) if exponent == -1 else self.text(base ** (-exponent))
            return rf"\frac{{1}}{{{below}}}", PRODUCT
        if isinstance(base, reciprocal):
            return rf"\frac{{1}}{{{self.text(base.args[0] ** exponent)}}}", PRODUCT
        raised = self.text(exponent)
        if isinstance(base, PointwiseFunction) and base.name in ("tanh", "sigmoid"):
            name = FUNCTIONS.get(base.name, self.notation.sigma)
            return rf"{name}^{{{raised}}}{bracketed(self.text(base.args[0]))}", ATOM
        inner = self.text(base, ATOM)
        marked = "^" in inner or (self.notation.style.time == "subscript" and ("_" in inner or "'" in inner))
        if marked and not in_brackets(inner):
            inner = bracketed(inner)
        return rf"{inner}^{{{raised}}}", ATOM

    # functions

    def _function(self, name: str, args: tuple[Expr, ...]) -> tuple[str, int]:
        special: dict[str, Callable[[], tuple[str, int]]] = {
            "sqrt": lambda: (rf"\sqrt{{{self.text(args[0])}}}", ATOM),
            "abs": lambda: (rf"\lvert {self.text(args[0])} \rvert", ATOM),
            "reciprocal": lambda: (rf"\frac{{1}}{{{self.text(args[0])}}}", PRODUCT),
            "power": lambda: (rf"{bracketed(self.text(args[0]))}^{{{self.text(args[1])}}}", ATOM),
            "expm1": lambda: (rf"{self.notation.e}^{{{self.text(args[0])}}} - 1", SUM),
            "e": lambda: (rf"{self.notation.e}^{{{self.text(args[0])}}}", ATOM),
        }
        if name in special:
            return special[name]()
        if name == "sigmoid":
            sign = self.notation.sigma
        elif name in FUNCTIONS:
            sign = FUNCTIONS[name]
        else:
            raise EmissionError(f"{name} has no LaTeX form. Add one to latex_printer.py.")
        inside = r",\, ".join(self.text(arg) for arg in args)
        return sign + bracketed(inside), ATOM


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


def joined(terms: Iterable[str]) -> str:
    """Terms with plus signs between them, or the minus sign that a term brings."""
    text = ""
    for term in terms:
        if not text:
            text = term
        elif term.startswith("-"):
            text += f" - {term[1:]}"
        else:
            text += f" + {term}"
    return text or "0"
