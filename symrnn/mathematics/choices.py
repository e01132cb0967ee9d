r"""How choices are set: a bracket that is 1 or 0, or cases, with what all cases share in front of them."""

from abc import ABC, abstractmethod

from sympy import And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symrnn.declaration.operations import Contract, where
from symrnn.derivation.derivation import Adjoint
from symrnn.notation.marks import bracketed

COMPARISONS: dict[type, str] = {Lt: "<", Le: r"\le", Gt: ">", Ge: r"\ge", Eq: "=", Ne: r"\ne"}

SUM, PRODUCT, POWER, ATOM = range(4)


class ChoicePrinter(ABC):
    """The part of the printer that knows choices; the rest supplies `text`, `rank` and `printed`."""

    __slots__ = ()

    @abstractmethod
    def text(self, expr: Expr, needed: int = 0) -> str:
        """`expr` in LaTeX, in brackets where it binds less closely than `needed`."""

    @abstractmethod
    def printed(self, expr: Expr) -> tuple[str, int]:
        """`expr` in LaTeX and how closely it binds."""

    @abstractmethod
    def rank(self, expr: Expr) -> int:
        """The number of axes of an expression."""

    def choice(self, expr: where) -> tuple[str, int]:
        """A choice and how closely it binds."""
        condition, chosen, otherwise = expr.args
        if isinstance(condition, Eq) and isinstance(condition.lhs, Adjoint) and chosen == 0:
            return self.printed(
                otherwise
            )  # a guard against 0 times infinity, which mathematics does not need
        if otherwise == 0 or chosen == 0:
            kept = chosen if otherwise == 0 else otherwise
            holds = self.condition(condition if otherwise == 0 else Not(condition))
            if kept == 1:
                return f"[ {holds} ]", ATOM
            sign = r" \odot " if self.rank(condition) and self.rank(kept) else r" \, "
            return rf"{self.beside(kept, sign)}{sign}[ {holds} ]", PRODUCT
        return self.cases(expr)

    def cases(self, expr: where) -> tuple[str, int]:
        """Several values, one for each condition, and one where none holds."""
        values, conditions, otherwise = [], [], expr
        while isinstance(otherwise, where):
            condition, chosen, otherwise = otherwise.args
            values.append(chosen)
            conditions.append(condition)
        shared = _shared([value for value in (*values, otherwise) if value != 0])
        values, otherwise = [_without(value, shared) for value in values], _without(otherwise, shared)
        rows = [
            rf"{self.text(value)}, & \text{{if }} {self.condition(condition)}"
            for value, condition in zip(values, conditions, strict=True)
        ]
        inside = r" \\ ".join([*rows, rf"{self.text(otherwise)}, & \text{{otherwise}}"])
        made = rf"\begin{{cases}} {inside} \end{{cases}}"
        if not shared:
            return made, SUM
        front = Mul(*shared)
        several = any(self.rank(part) for part in (*conditions, *values, otherwise))
        sign = r" \odot " if several and self.rank(front) else r" \, "
        # Brackets, or the last case seems to go on.
        return f"{self.beside(front, sign)}{sign}{bracketed(made)}", PRODUCT

    def beside(self, expr: Expr, sign: str) -> str:
        r"""A factor before a sign; before \odot a matrix product in brackets, or the sign seems inside it."""
        arrays = [factor for factor in Mul.make_args(expr) if self.rank(factor)]
        closely = sign == r" \odot " and len(arrays) == 1 and isinstance(arrays[0], Contract)
        return self.text(expr, POWER if closely else PRODUCT)

    def condition(self, condition: Boolean) -> str:
        """A comparison, or several joined in words."""
        if isinstance(condition, Relational):
            return f"{self.text(condition.lhs)} {COMPARISONS[type(condition)]} {self.text(condition.rhs)}"
        if isinstance(condition, Not):
            return rf"\text{{not }} {self.condition(condition.args[0])}"
        word = r" \text{ and } " if isinstance(condition, And) else r" \text{ or } "
        return word.join(f"({self.condition(arg)})" for arg in condition.args)


def _shared(values: list[Expr]) -> list[Expr]:
    """The factors that several values have in common, numbers left out."""
    first, *others = values
    return [
        factor
        for factor in (Mul.make_args(first) if others else ())
        if not factor.is_number and all(factor in Mul.make_args(other) for other in others)
    ]


def _without(value: Expr, shared: list[Expr]) -> Expr:
    return Mul(*(factor for factor in Mul.make_args(value) if factor not in shared))
