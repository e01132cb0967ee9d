"""Equations as plain text, in the order in which a reader expects the terms.

This is what cells, derivations and plans print, and what stands as comments in kernels.
"""

from sympy import Add, And, Expr, Mul, Not, Or, Pow, Symbol
from sympy.core.relational import Relational

from symrnn.declaration.axes import size_text
from symrnn.declaration.operations import (
    Contract,
    PointwiseFunction,
    Slice,
    VectorFunction,
    concatenate,
    identity,
    one_hot,
    ones,
    where,
)
from symrnn.declaration.reading_order import NO_ROLES, Roles, ordered_factors, ordered_terms

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # binding strength, weakest first
PICKING_SPECS = ("i,i->", "i,ij->j")
PRODUCT_SPECS = ("ij,j->i", "i,ij->j", "ij,jk->ik", "i,i->")


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
        if isinstance(expr, Symbol):
            return str(expr), ATOM
        if isinstance(expr, Add):
            return self.sum(expr), SUM
        if isinstance(expr, Mul):
            return self.product(expr)
        if isinstance(expr, Pow) and expr.args[1].is_Integer:
            return self.power(*expr.args)
        if isinstance(expr, Contract):
            return self.contraction(expr)
        if isinstance(expr, concatenate):
            return f"[{', '.join(self.text(part) for part in expr.args)}]", ATOM
        if isinstance(expr, Slice):
            of, start, stop = expr.args
            return f"{self.text(of, ATOM)}[{size_text(start)} : {size_text(stop)}]", ATOM
        if isinstance(expr, where):
            condition, *branches = expr.args
            inside = ", ".join([self.condition(condition), *(self.text(b) for b in branches)])
            return f"where({inside})", ATOM
        if isinstance(expr, PointwiseFunction | VectorFunction | ones | identity | one_hot):
            return f"{expr.name}({', '.join(self.text(arg) for arg in expr.args)})", ATOM
        text = repr(float(expr)) if expr.is_Float else str(expr)
        return text, SIGN if text.startswith("-") else PRODUCT if "/" in text else ATOM

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

    def power(self, base: Expr, exponent: Expr) -> tuple[str, int]:
        if exponent < 0:
            return f"1 / {self.text(base**-exponent, POWER)}", PRODUCT
        return f"{self.text(base, ATOM)}**{exponent}", POWER

    def contraction(self, expr: Contract) -> tuple[str, int]:
        if isinstance(expr.operands[0], one_hot) and expr.spec in PICKING_SPECS:
            return f"{self.text(expr.operands[1], ATOM)}[{expr.operands[0].index}]", ATOM
        texts = [self.text(operand, POWER) for operand in expr.operands]
        if expr.spec in PRODUCT_SPECS:
            return " @ ".join(texts), PRODUCT
        plain = [self.text(operand) for operand in expr.operands]
        if expr.spec == "i,j->ij":
            return f"outer({', '.join(plain)})", ATOM
        if expr.spec == "i,j->ji":
            return f"outer({plain[1]}, {plain[0]})", ATOM
        if expr.spec == "ij->ji":
            return f"transpose({plain[0]})", ATOM
        if not expr.output and len(texts) == 1:
            return f"total({plain[0]})", ATOM
        return f'einsum("{expr.spec}", {", ".join(plain)})', ATOM

    def condition(self, expr: Expr) -> str:
        if isinstance(expr, Relational):
            left, right = (self.text(side, PRODUCT) for side in expr.args)
            return f"{left} {expr.rel_op} {right}"
        if isinstance(expr, Not):
            return f"not ({self.condition(expr.args[0])})"
        if isinstance(expr, And | Or):
            word = " and " if isinstance(expr, And) else " or "
            return word.join(f"({self.condition(arg)})" for arg in sorted(expr.args, key=str))
        return str(expr)
