"""Equations as plain text, in the order in which a reader expects the terms.

This is what cells, derivations and plans print, and what stands as comments in kernels.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sympy import Add, And, Expr, Mul, Not, Or, Pow, Symbol
from sympy.core.relational import Relational

from symrnn.declaration.axes import size_text
from symrnn.declaration.conditions import JOINED
from symrnn.declaration.nodes import entry
from symrnn.declaration.operations import (
    Contract,
    Operation,
    Slice,
    concatenate,
    one_hot,
    where,
)
from symrnn.declaration.reading_order import NO_ROLES, Roles, ordered_factors, ordered_terms

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # binding strength, weakest first
PICKING_SPECS = ("i,i->", "i,ij->j")


MARK, UNMARK = "\ue000", "\ue001"
"""What stands before and after a marked subexpression: characters that no equation has."""


def plain_text(expr: Expr, roles: Roles = NO_ROLES, marked: frozenset[Expr] = frozenset()) -> str:
    """The text of a resolved or derived expression; `roles` as in `reading_roles`.

    Subexpressions in `marked` stand between `MARK` and `UNMARK`.
    """
    return _Writer(roles, marked | {-part for part in marked}).text(expr)


class _Writer:
    def __init__(self, roles: Roles, marked: frozenset[Expr]) -> None:
        self.roles, self.marked = roles, marked

    def text(self, expr: Expr, within: int = SUM) -> str:
        text, strength = self.written(expr)
        text = f"({text})" if strength < within else text
        return f"{MARK}{text}{UNMARK}" if expr in self.marked else text

    def written(self, expr: Expr) -> tuple[str, int]:
        """The text of an expression, and how tightly it binds."""
        form = entry(FORMS, expr)
        return _bare(repr(float(expr)) if expr.is_Float else str(expr)) if form is None else form(self, expr)

    def call(self, name: str, args: Iterable[Expr]) -> tuple[str, int]:
        return f"{name}({', '.join(map(self.text, args))})", ATOM

    def piece(self, expr: Slice) -> tuple[str, int]:
        of, start, stop = expr.args
        return f"{self.text(of, ATOM)}[{size_text(start)} : {size_text(stop)}]", ATOM

    def choice(self, expr: where) -> tuple[str, int]:
        return f"where({', '.join([self.condition(expr.condition), *map(self.text, expr.operands)])})", ATOM

    def sum(self, expr: Add) -> str:
        text = ""
        for term in ordered_terms(expr, self.roles):
            if not text:
                text = self.text(term, PRODUCT if not term.as_coeff_Mul()[0].is_negative else SUM)
            elif term.as_coeff_Mul()[0].is_negative:
                text += f" - {self.text(-term, PRODUCT)}"
            else:
                text += f" + {self.text(term, PRODUCT)}"
        return text

    def product(self, expr: Mul) -> tuple[str, int]:
        coefficient, rest = expr.as_coeff_Mul()
        if coefficient.is_negative:
            return f"-{self.text(Mul(-coefficient, rest), PRODUCT)}", SIGN
        above, below = [], []
        for factor in ordered_factors(expr, self.roles):
            if isinstance(factor, Pow) and factor.args[1].is_Integer and factor.args[1] < 0:
                below.append(self.text(1 / factor, POWER))
            else:
                above.append(self.text(factor, POWER))
        return " / ".join([" * ".join(above) or "1", *below]), PRODUCT

    def power(self, expr: Pow) -> tuple[str, int]:
        base, exponent = expr.args
        if not exponent.is_Integer:
            return _bare(str(expr))
        if exponent < 0:
            return f"1 / {self.text(base**-exponent, POWER)}", PRODUCT
        return f"{self.text(base, ATOM)}**{exponent}", POWER

    def contraction(self, expr: Contract) -> tuple[str, int]:
        first, *rest = expr.operands
        if isinstance(first, one_hot) and expr.spec in PICKING_SPECS:
            return f"{self.text(rest[0], ATOM)}[{first.index}]", ATOM
        if expr.written_as == "@":
            return " @ ".join(self.text(operand, POWER) for operand in expr.operands), PRODUCT
        if expr.spec == "i,j->ji":
            return self.call("outer", (rest[0], first))
        if expr.written_as != "einsum":
            return self.call(expr.written_as, expr.operands)
        return f'einsum("{expr.spec}", {", ".join(map(self.text, expr.operands))})', ATOM

    def condition(self, expr: Expr) -> str:
        if isinstance(expr, Relational):
            left, right = (self.text(side, PRODUCT) for side in expr.args)
            return f"{left} {expr.rel_op} {right}"
        if isinstance(expr, Not):
            return f"not ({self.condition(expr.args[0])})"
        if not isinstance(expr, JOINED):
            return str(expr)
        word = {And: " and ", Or: " or "}[type(expr)]
        return word.join(f"({self.condition(arg)})" for arg in sorted(expr.args, key=str))


FORMS: Mapping[type, Callable[[_Writer, Any], tuple[str, int]]] = {
    Symbol: lambda writer, e: (str(e), ATOM),
    Add: lambda writer, e: (writer.sum(e), SUM),
    Mul: _Writer.product,
    Pow: _Writer.power,
    Contract: _Writer.contraction,
    concatenate: lambda writer, e: (f"[{', '.join(map(writer.text, e.args))}]", ATOM),
    Slice: _Writer.piece,
    where: _Writer.choice,
    Operation: lambda writer, e: writer.call(e.name, e.args),
}
"""How expressions are written, by their kinds; all others are numbers."""


def _bare(text: str) -> tuple[str, int]:
    """A number's text, and how tightly it binds."""
    return text, SIGN if text.startswith("-") else PRODUCT if "/" in text else ATOM
