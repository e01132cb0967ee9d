"""Printing pointwise expressions as Python text, in reading order.

One printer walks the expression; a target gives the texts of its leaves, numbers and functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sympy import Add, Expr, Mul, Not, Number, NumberSymbol, Pow, Symbol
from sympy.core.relational import Relational

from symrnn.declaration.axes import Axis
from symrnn.declaration.conditions import JOINED
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import PointwiseFunction, where
from symrnn.declaration.reading_order import Roles, is_number, ordered_factors, ordered_terms
from symrnn.errors import EmissionError
from symrnn.vocabulary.families import EQUIVALENTS, POINTWISE

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # binding strength, weakest first

NUMBER_FUNCTIONS = {called: function.facts.spelling.number for called, function in EQUIVALENTS.items()}

FORMULAS = {f: f.facts.formula for f in POINTWISE if f.facts.formula is not None}
"""What stands for a function in a target that has no spelling of it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a target writes the pieces of an expression.

    `array` gives the text of an array symbol, `number` that of a number already written in Python,
    `functions` the callee of each pointwise function, `choose` the text of a `where`, `logic` the words
    for and, or, not, `axis` the variable that holds an axis's length.
    """

    array: Callable[[str], str]
    number: Callable[[str], str]
    functions: Mapping[type[PointwiseFunction], str]
    choose: str
    logic: tuple[str, str, str]
    axis: Callable[[str], str]


class ExpressionPrinter:
    """Prints expressions in a dialect."""

    def __init__(self, dialect: Dialect, roles: Roles) -> None:
        self.dialect = dialect
        self.roles = roles

    def text(self, expr: Expr, within: int = SUM) -> str:
        """The text of `expr`, in brackets if it binds weaker than its surroundings `within`."""
        text, strength = self.print(expr)
        return f"({text})" if strength < within else text

    def print(self, expr: Expr) -> tuple[str, int]:
        """The text of `expr` and how strongly its outermost operation binds."""
        if is_number(expr):
            return self.number(expr)
        form = entry(FORMS, expr)
        if form is None:
            raise EmissionError(f"No printer knows {type(expr).__name__}: {expr}.")
        return form(self, expr)

    def choice(self, expr: where) -> tuple[str, int]:
        """One branch or the other."""
        branches = map(self.text, expr.operands)
        return self.dialect.choose.format(self.condition(expr.condition), *branches), ATOM

    def call(self, expr: PointwiseFunction) -> str:
        """A function call, the operator that the dialect writes for it, or its formula."""
        callee = self.dialect.functions.get(type(expr))
        if not callee and type(expr) in FORMULAS:
            return self.text(FORMULAS[type(expr)](*expr.args), ATOM)
        if not callee:
            raise EmissionError(f"The target has no function for {expr.name}.")
        if "{}" in callee:  # an operator form, which brings its own brackets
            return callee.format(*(self.text(arg, ATOM) for arg in expr.args))
        return f"{callee}({', '.join(self.text(arg) for arg in expr.args)})"

    def number(self, expr: Expr) -> tuple[str, int]:
        """A number, perhaps made of axes, computed in Python's own precision."""
        text, strength = self.python_number(expr)
        written = self.dialect.number(text)
        return written, strength if written == text else ATOM

    def python_number(self, expr: Expr) -> tuple[str, int]:
        """A number as Python text, before the dialect types it."""
        form = entry(NUMBERS, expr)
        if form is None:
            raise EmissionError(f"No printer knows the number {expr}.")
        return form(self, expr)

    def number_function(self, expr: Expr) -> tuple[str, int]:
        """A function of numbers as Python text."""
        args = ", ".join(self.bracketed(arg, SUM) for arg in expr.args)
        return f"{NUMBER_FUNCTIONS[type(expr)]}({args})", ATOM

    def python_power(self, expr: Pow) -> tuple[str, int]:
        """A power of numbers as Python text."""
        base, exponent = expr.args
        if exponent == -1:
            return f"1 / {self.bracketed(base, POWER)}", PRODUCT
        if base.is_integer and (exponent.is_integer or not exponent.is_number):
            # Compiled code computes a whole power of a whole number in 64 bits, and 2 ** -3 is 0 there.
            real = f"{base}.0" if base.is_Integer else f"float({self.python_number(base)[0]})"
            return f"{real} ** {self.bracketed(exponent, ATOM)}", POWER
        return f"{self.bracketed(base, ATOM)} ** {self.bracketed(exponent, ATOM)}", POWER

    def bracketed(self, expr: Expr, within: int) -> str:
        """A number's text, in brackets if it binds weaker than its surroundings."""
        text, strength = self.python_number(expr)
        return f"({text})" if strength < within else text

    def sum(self, expr: Add) -> str:
        """A sum, its terms in reading order."""
        text = ""
        for term in ordered_terms(expr, self.roles):
            negative = term.as_coeff_Mul()[0].is_negative
            if not text:
                text = self.text(term, PRODUCT if not negative else SUM)
            elif negative:
                text += f" - {self.text(-term, PRODUCT)}"
            else:
                text += f" + {self.text(term, PRODUCT)}"
        return text

    def product(self, expr: Mul) -> tuple[str, int]:
        """A product, its factors in reading order, reciprocals as divisions."""
        coefficient, rest = expr.as_coeff_Mul()
        if coefficient.is_negative:
            positive = Mul(-coefficient, rest)
            return f"-{self.text(positive, POWER if not isinstance(positive, Mul) else PRODUCT)}", SIGN
        above: list[str] = []
        below: list[str] = []
        for factor in ordered_factors(expr, self.roles):
            if isinstance(factor, Pow) and factor.args[1].is_Integer and factor.args[1] < 0:
                below.append(self.text(1 / factor, POWER))
            else:
                above.append(self.text(factor, POWER))
        top = " * ".join(above) or self.dialect.number("1")
        return " / ".join([top, *below]), PRODUCT

    def power(self, expr: Pow) -> tuple[str, int]:
        """A whole power."""
        base, exponent = expr.args
        if exponent.is_Integer and exponent < 0:
            return f"{self.dialect.number('1')} / {self.text(1 / expr, POWER)}", PRODUCT
        # Multiplied out: a whole exponent would promote float32 to float64 in compiled code.
        return " * ".join([self.text(base, ATOM)] * int(exponent)), PRODUCT

    def condition(self, expr: Expr) -> str:
        """A comparison, or comparisons joined by and, or, not; always fit to stand in brackets."""
        if isinstance(expr, Relational):
            left, right = (self.text(side, PRODUCT) for side in expr.args)
            return f"({left} {expr.rel_op} {right})"
        word = dict(zip(JOINED, self.dialect.logic, strict=True)).get(type(expr))
        if word is None:
            raise EmissionError(f"No printer knows the condition {expr}.")
        parts = [self.condition(arg) for arg in sorted(expr.args, key=str)]
        return f"({word}{parts[0]})" if isinstance(expr, Not) else f"({f' {word} '.join(parts)})"


Form: TypeAlias = Callable[[ExpressionPrinter, Any], tuple[str, int]]

FORMS: Mapping[type, Form] = {
    Symbol: lambda printer, expr: (printer.dialect.array(expr.name), ATOM),
    Add: lambda printer, expr: (printer.sum(expr), SUM),
    Mul: ExpressionPrinter.product,
    Pow: ExpressionPrinter.power,
    where: ExpressionPrinter.choice,
    PointwiseFunction: lambda printer, expr: (printer.call(expr), ATOM),
}
"""The text of what is no number, by its kind."""

NUMBERS: Mapping[type, Form] = {
    Axis: lambda printer, expr: (printer.dialect.axis(expr.name), ATOM),
    Number: lambda printer, expr: _plain_number(expr),
    NumberSymbol: lambda printer, expr: _plain_number(expr),
    Add: lambda printer, expr: (" + ".join(printer.bracketed(arg, SUM) for arg in expr.args), SUM),
    Mul: lambda printer, expr: (" * ".join(printer.bracketed(arg, POWER) for arg in expr.args), PRODUCT),
    Pow: ExpressionPrinter.python_power,
    **dict.fromkeys(NUMBER_FUNCTIONS, ExpressionPrinter.number_function),
}
"""The Python text of a number, by its kind."""


def _plain_number(expr: Expr) -> tuple[str, int]:
    text = str(expr) if expr.is_Integer else f"{expr.p} / {expr.q}" if expr.is_Rational else repr(float(expr))
    return text, SIGN if text.startswith("-") else PRODUCT if "/" in text else ATOM
