"""A cell as the Python code that declares it: a script that stands by itself and defines `cell`.

The code says what the resolved equations say, node by node, so that running it gives an equal cell, however
the author first wrote it.
"""

from collections.abc import Callable, Iterable, Mapping
from textwrap import fill
from typing import Any

from sympy import Add, Expr, Function, Mul, Not, Number, NumberSymbol, Pow, Rational
from sympy.core.relational import Eq, Relational
from sympy.logic.boolalg import Boolean

from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.normal_form import Equation, unique_name
from symrnn.declaration.operations import (
    Contract,
    Leaf,
    NamedFunction,
    Operation,
    concatenate,
    one_hot,
    where,
)
from symrnn.declaration.quantities import Constant, Index, NextState, Parameter, Quantity
from symrnn.declaration.reading_order import ordered_factors, ordered_terms
from symrnn.declaration.resolution import Resolver, is_coefficient
from symrnn.errors import DeclarationError
from symrnn.field_names import KEYWORDS
from symrnn.vocabulary.structure import Tensorial

SUM, PRODUCT, POWER, ATOM = range(4)  # binding strength, weakest first
AUTHORS_NAMES = ("Eq", "axes", "Cell", "Input", "Index", "State", "Parameter", "Constant", "Value")
ORDERS = ("<", "<=", ">", ">=")
INNER_NAMES = ("Contract",)
"""What an author writes otherwise, as `@`; a script imports it from where it is."""

WIDTH = 100  # of imports


def cell_source(cell: Cell) -> str:
    """A script that declares `cell` and names it `cell`; to run it gives an equal cell.

    Raises:
        DeclarationError: an expression of the cell is outside the vocabulary.
    """
    return _Script(cell).text()


class _Script:
    """Declarations and equations under names that do not meet, and the imports that they need."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.roles = cell.roles
        self.inner: set[str] = set()  # imported from the package of declarations
        self.outer = {"Cell"}  # imported from symrnn
        self.sympy = False
        names = {*KEYWORDS, "sympy", "cell", *AUTHORS_NAMES, *INNER_NAMES}
        for equation in cell.equations:
            names |= _function_names(equation.rhs)
        self.given: dict[Expr, str] = {}
        self.quantities = (*cell.given, *cell.values)
        symbols: tuple[Axis | Quantity, ...] = (*cell.axes, *self.quantities)
        for symbol in symbols:
            self.given[symbol] = unique_name(symbol.name, names)
            names.add(self.given[symbol])
        self.resolver = Resolver(dict(cell.shapes))

    def text(self) -> str:
        """The whole script."""
        declarations = [*self.axes(), *map(self.declaration, self.quantities)]
        arguments = [_literal(self.cell.name), *map(self.equation, self.cell.equations), *self.keywords()]
        body = ["cell = Cell(", *(f"    {argument}," for argument in arguments), ")"]
        return "\n".join([*self.imports(), "", *declarations, "", *body, ""])

    def imports(self) -> list[str]:
        lines = [*["import sympy"] * self.sympy, "from sympy import Eq", "", _import("symrnn", self.outer)]
        return [*lines, *[_import("symrnn.declaration.operations", self.inner)] * bool(self.inner)]

    def axes(self) -> list[str]:
        axes = self.cell.axes
        if not axes:
            return []
        self.outer.add("axes")
        names = " ".join(axis.name for axis in axes)
        return [f'{", ".join(self.given[axis] for axis in axes)} = axes("{names}")']

    def declaration(self, quantity: Quantity) -> str:
        kind = type(quantity).__name__
        self.outer.add(kind)
        arguments = [_literal(quantity.name)]
        if isinstance(quantity, Index):
            arguments.append(self.expression(quantity.classes))
        arguments += [self.expression(size) for size in quantity.shape]
        if isinstance(quantity, Constant):
            arguments.append(f"value={quantity.value!r}")
        if isinstance(quantity, Parameter) and quantity.init != Parameter("W", *quantity.shape).init:
            init = quantity.init
            arguments.append(f"init={_literal(init) if isinstance(init, str) else repr(init)}")
        if quantity.latex_name is not None:
            arguments.append(f"latex={_literal(quantity.latex_name)}")
        return f"{self.given[quantity]} = {kind}({', '.join(arguments)})"

    def equation(self, equation: Equation) -> str:
        left, right = equation.target, equation.rhs
        kept = Eq(left, right).args == (left, right)
        more = "" if kept else ", evaluate=False"
        return f"Eq({self.expression(left)}, {self.expression(right)}{more})"

    def keywords(self) -> list[str]:
        cell = self.cell
        usual = {"title": cell.name, "variant": "", "source": ""}
        needed = len(cell.states) != 1 or cell.output != cell.states[0].next
        texts = [f"output={self.expression(cell.output)}"] if needed else []
        told = {name: getattr(cell, name) for name in usual if getattr(cell, name) != usual[name]}
        return texts + [f"{name}={_literal(text)}" for name, text in told.items()]

    # -- expressions --------------------------------------------------------------------------

    def expression(self, expr: Expr, within: int = SUM) -> str:
        """The code of an expression, in brackets if it binds less tightly than `within`."""
        text, strength = self.written(expr)
        return f"({text})" if strength < within else text

    def written(self, expr: Expr) -> tuple[str, int]:
        """The code of an expression, and how tightly it binds."""
        form = entry(FORMS, expr)
        if form is None:
            raise DeclarationError(
                f"The cell {self.cell.name!r} contains {expr}, which no declaration can contain."
            )
        return form(self, expr)

    def choice(self, expr: where) -> tuple[str, int]:
        return self.call("where", [self.condition(expr.condition), *map(self.expression, expr.operands)])

    def known(self, expr: Expr) -> tuple[str, int]:
        return self.call(type(expr).__name__, map(self.expression, expr.args))

    def of_numbers(self, expr: Expr) -> tuple[str, int]:
        return self.of_sympy(type(expr).__name__, map(self.expression, expr.args))

    def call(self, name: str, arguments: Iterable[str]) -> tuple[str, int]:
        (self.inner if name in INNER_NAMES else self.outer).add(name)
        return f"{name}({', '.join(arguments)})", ATOM

    def of_sympy(self, name: str, arguments: Iterable[str]) -> tuple[str, int]:
        self.sympy = True
        return f"sympy.{name}({', '.join(arguments)})", ATOM

    def number(self, expr: Expr) -> tuple[str, int]:
        if expr.is_Integer:
            return str(expr), SUM if expr.is_negative else ATOM
        if expr.is_Float:
            return repr(float(expr)), SUM if expr.is_negative else ATOM
        if isinstance(expr, Rational):
            return self.of_sympy("Rational", [str(expr.p), str(expr.q)])
        self.sympy = True
        return f"sympy.{expr}", ATOM  # pi, E

    def sum(self, expr: Add) -> str:
        text = ""
        for term in ordered_terms(expr, self.roles):
            if text and term.as_coeff_Mul()[0].is_negative:
                text += f" - {self.expression(-term, PRODUCT)}"
            else:
                text += f" + {self.expression(term, PRODUCT)}" if text else self.expression(term, PRODUCT)
        return text

    def product(self, expr: Mul) -> str:
        """The factors such that no number meets a sum alone: SymPy would multiply it out."""
        coefficient, _ = expr.as_coeff_Mul()
        above: list[Expr] = []
        below: list[Expr] = []
        for factor in ordered_factors(expr, self.roles):
            if factor == coefficient:
                continue
            inverse = isinstance(factor, Pow) and factor.exp.is_Rational and factor.exp.is_negative
            (below if inverse else above).append(1 / factor if inverse else factor)
        sums = [factor for factor in above if isinstance(factor, Add)]
        others = [factor for factor in above if not isinstance(factor, Add)]
        parts = [self.expression(factor, POWER) for factor in (*others, *sums)]
        if coefficient.is_Rational:
            number, divisor = str(coefficient.p), [str(coefficient.q)] * (coefficient.q != 1)
        else:
            number, divisor = self.expression(coefficient), []
        if number != "1" or not parts:
            parts.insert(0 if others or not sums else len(parts), number)
        if number == "-1" and parts[0] == "-1" and len(parts) > 1:
            parts[:2] = [f"-{parts[1]}"]
        divisors = [*(self.expression(factor, POWER) for factor in below), *divisor]
        return " / ".join([" * ".join(parts), *divisors])

    def power(self, expr: Pow) -> tuple[str, int]:
        base, exponent = expr.args
        if exponent.is_Rational and exponent.is_negative:
            return f"1 / {self.expression(1 / expr, POWER)}", PRODUCT
        if exponent == Rational(1, 2):
            return self.of_sympy("sqrt", [self.expression(base)])
        return f"{self.expression(base, ATOM)}**{self.expression(exponent, ATOM)}", POWER

    def contraction(self, expr: Contract) -> tuple[str, int]:
        first, *rest = expr.operands
        letters = expr.letters
        if isinstance(first, one_hot) and len(rest) == 1 and letters[1] == letters[0] + expr.output:
            return self.call("take", [self.expression(rest[0]), self.given[first.index]])
        operands = list(map(self.expression, expr.operands))
        if any(map(self.has_scalar_factor, expr.operands)):
            return self.call("Contract", [_literal(expr.spec), *operands])
        if expr.written_as == "@" and not any(isinstance(op, Tensorial) for op in expr.operands):
            return self.call("matmul", operands)  # SymPy's own sums and products know no @
        if expr.written_as == "@":
            return " @ ".join(self.expression(operand, POWER) for operand in expr.operands), PRODUCT
        spec = [_literal(expr.spec)] if expr.written_as == "einsum" else []
        return self.call(expr.written_as, [*spec, *operands])

    def has_scalar_factor(self, operand: Expr) -> bool:
        """Whether a declaration would take a factor out of an operand, which has stayed in it here."""
        return isinstance(operand, Mul) and any(not self.resolver.resolve(arg).shape for arg in operand.args)

    def condition(self, expr: Boolean) -> str:
        """The code of a condition; SymPy is kept from deciding or turning it round."""
        name, args = type(expr).__name__, list(expr.args)
        if isinstance(expr, Relational):
            texts = [self.expression(arg, PRODUCT) for arg in args]
            kept = type(expr)(*args) == expr
            if kept and expr.rel_op in ORDERS and not is_coefficient(args[0]):
                return f"{texts[0]} {expr.rel_op} {texts[1]}"
        else:
            args.sort(key=str)
            texts = [self.condition(arg) for arg in args]
            kept = not isinstance(expr, Not) and type(expr)(*args) == expr
        return self.of_sympy(name, [*texts, *([] if kept else ["evaluate=False"])])[0]


FORMS: Mapping[type, Callable[[_Script, Any], tuple[str, int]]] = {
    **dict.fromkeys((Quantity, Axis), lambda script, e: (script.given[e], ATOM)),
    NextState: lambda script, e: (f"{script.given[e.state]}.next", ATOM),
    **dict.fromkeys((Number, NumberSymbol), _Script.number),
    Add: lambda script, e: (script.sum(e), SUM),
    Mul: lambda script, e: (script.product(e), PRODUCT),
    Pow: _Script.power,
    Contract: _Script.contraction,
    where: _Script.choice,
    **dict.fromkeys((NamedFunction, concatenate, Leaf), _Script.known),
    Function: _Script.of_numbers,
}
"""How expressions are written, by their kinds."""


def _literal(text: str) -> str:
    """A string as code, raw where it has backslashes."""
    if '"' in text or text.endswith("\\") or not text.isprintable():
        return repr(text)
    return f'{"r" * (chr(92) in text)}"{text}"'


def _import(module: str, names: Iterable[str]) -> str:
    """An import, in brackets where the line would be long."""
    listed = ", ".join(sorted(names, key=lambda name: (not name[0].isupper(), name)))
    line = f"from {module} import {listed}"
    if len(line) <= WIDTH:
        return line
    inside = fill(listed, WIDTH - 4, initial_indent="    ", subsequent_indent="    ")
    return f"from {module} import (\n{inside},\n)"


def _function_names(expr: Expr) -> set[str]:
    """The names of the functions in an expression, and of those that contractions are written with."""
    found = {type(node).__name__ for node in expr.atoms(Operation)}
    return found | (
        {"matmul", "take", "outer", "transpose", "total", "einsum"} if "Contract" in found else set()
    )
