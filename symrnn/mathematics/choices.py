r"""How choices are set: a bracket that is 1 or 0, or cases, with what all cases share in front of them."""

from abc import ABC, abstractmethod

from sympy import And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symrnn.declaration.operations import Contract, where
from symrnn.derivation.derivation import Adjoint
from symrnn.notation.building import HADAMARD, JUXTAPOSED, between, bracketed, row, text
from symrnn.notation.nodes import Cases, Fence, Node, Row, Sign

COMPARISONS: dict[type, str] = {Lt: "<", Le: "≤", Gt: ">", Ge: "≥", Eq: "=", Ne: "≠"}

RELATIONS = frozenset(COMPARISONS.values())
SUM, PRODUCT, POWER, ATOM = range(4)


class ChoicePrinter(ABC):
    """The part of the printer that knows choices; the rest supplies `tree`, `rank` and `printed`."""

    __slots__ = ()

    @abstractmethod
    def tree(self, expr: Expr, needed: int = 0) -> Node:
        """The tree of `expr`, in brackets where it binds less closely than `needed`."""

    @abstractmethod
    def printed(self, expr: Expr) -> tuple[Node, int]:
        """The tree of `expr` and how closely it binds."""

    @abstractmethod
    def rank(self, expr: Expr) -> int:
        """The number of axes of an expression."""

    def choice(self, expr: where) -> tuple[Node, int]:
        """A choice and how closely it binds."""
        condition, chosen, otherwise = expr.args
        if isinstance(condition, Eq) and isinstance(condition.lhs, Adjoint) and chosen == 0:
            return self.printed(
                otherwise
            )  # a guard against 0 times infinity, which mathematics does not need
        if otherwise == 0 or chosen == 0:
            kept = chosen if otherwise == 0 else otherwise
            wanted = condition if otherwise == 0 else Not(condition)
            holds = Fence(self.condition(wanted), "[", "]", of=wanted)
            if kept == 1:
                return holds, ATOM
            sign = HADAMARD if self.rank(condition) and self.rank(kept) else JUXTAPOSED
            return row(self.beside(kept, sign), sign, holds), PRODUCT
        return self.cases(expr)

    def cases(self, expr: where) -> tuple[Node, int]:
        """Several values, one for each condition, and one where none holds."""
        values, conditions, otherwise = [], [], expr
        while isinstance(otherwise, where):
            condition, chosen, otherwise = otherwise.args
            values.append(chosen)
            conditions.append(condition)
        shared = _shared([value for value in (*values, otherwise) if value != 0])
        values, otherwise = [_without(value, shared) for value in values], _without(otherwise, shared)
        rows = [
            (self.tree(value), row(text("if "), self.condition(condition)))
            for value, condition in zip(values, conditions, strict=True)
        ]
        made = Cases((*rows, (self.tree(otherwise), text("otherwise"))))
        if not shared:
            return made, SUM
        front = Mul(*shared)
        several = any(self.rank(part) for part in (*conditions, *values, otherwise))
        sign = HADAMARD if several and self.rank(front) else JUXTAPOSED
        # Brackets, or the last case seems to go on.
        return row(self.beside(front, sign), sign, bracketed(made)), PRODUCT

    def beside(self, expr: Expr, sign: Sign) -> Node:
        r"""A factor before a sign; before \odot a matrix product in brackets, or the sign seems inside it."""
        arrays = [factor for factor in Mul.make_args(expr) if self.rank(factor)]
        closely = sign == HADAMARD and len(arrays) == 1 and isinstance(arrays[0], Contract)
        return self.tree(expr, POWER if closely else PRODUCT)

    def condition(self, condition: Boolean) -> Node:
        """A comparison, or several joined in words."""
        if isinstance(condition, Relational):
            sign = Sign(COMPARISONS[type(condition)])
            return row(self.tree(condition.lhs), sign, self.tree(condition.rhs))
        if isinstance(condition, Not):
            return row(text("not "), bracketed(self.condition(condition.args[0])))
        word = text(" and " if isinstance(condition, And) else " or ")
        return between(word, (bracketed(self.condition(arg)) for arg in condition.args))


def is_condition(node: Node) -> bool:
    """Whether a node is a bracket that counts 1 where its condition holds."""
    if not (isinstance(node, Fence) and node.left == "["):
        return False
    parts = node.inside.items if isinstance(node.inside, Row) else ()
    return isinstance(node.of, Boolean) or any(isinstance(p, Sign) and p.text in RELATIONS for p in parts)


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
