"""Structural operations of the vocabulary: products, stacks, choices and constant arrays.

The nodes are unevaluated SymPy expressions: SymPy's own simplification of sums and products applies
around them, never inside.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from sympy import (
    Expr,
    Piecewise,
    S,
    sympify,
)
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean, BooleanAtom
from sympy.printing.precedence import PRECEDENCE

from symrnn.errors import DeclarationError

__all__ = ["LETTERS", "AuthorProduct", "ConstantArray", "Leaf", "Operation", "Tensorial", "as_operand"]
__all__ += ["concatenate", "dot", "einsum", "identity", "matmul", "mean", "ones", "outer"]
__all__ += ["piecewise_as_where", "total", "transpose", "where"]

OPERANDS = (int, float, Expr)


def as_operand(value: object, operation: str) -> Expr:
    """`value` as an expression, a list as a stack; an error names `operation`."""
    if isinstance(value, list | tuple):
        return concatenate(*value)
    if type(value) is bool or not isinstance(value, OPERANDS):
        raise DeclarationError(
            f"{operation} got {value!r}, which is no expression. "
            "Its operands are quantities, numbers and expressions made of them."
        )
    expr = sympify(value)
    if not isinstance(expr, Expr):
        raise DeclarationError(f"{operation} got {value!r}, which is no expression.")
    return expr


class Tensorial:
    """Gives `@`, `.T` and `.transpose()` to quantities and operations."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy leaves `array @ h` to us, and makes no array of expressions

    def __matmul__(self, other: object) -> "Expr":
        return matmul(self, other)

    def __rmatmul__(self, other: object) -> "Expr":
        return matmul(other, self)

    @property
    def T(self) -> "Expr":
        """The transpose of a matrix."""
        return transpose(self)

    def transpose(self) -> "Expr":
        """The transpose of a matrix. SymPy's own would leave a commutative symbol as it is."""
        return transpose(self)

    def _eval_transpose(self) -> "Expr":
        return transpose(self)  # SymPy's own function transpose() means the same

    def _eval_adjoint(self) -> "Expr":
        return transpose(self)


class Operation(Tensorial, Expr):
    """Base of all nodes of the vocabulary; subclasses say how they print.

    `is_elementwise` tells that an element of the result is made of the elements in its place alone.
    """

    __slots__ = ()
    name: ClassVar[str] = ""
    is_elementwise: ClassVar[bool] = False
    is_commutative = True
    is_number = False  # SymPy takes ones(2), which has no symbol, for a number to be evaluated
    is_extended_real = True

    @property
    def noun(self) -> str:
        """What its result is called where it has no name."""
        return self.name

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What the result is made of, but for a condition or a spec, sizes and an index."""
        return tuple(arg for arg in self.args if isinstance(arg, Expr))

    def over(self, operands: Iterable[Expr]) -> Expr:
        """The same operation on other operands; a condition or a spec comes before them."""
        return self.func(*(arg for arg in self.args if not isinstance(arg, Expr)), *operands)

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer._print(arg) for arg in self.args)})"


class Leaf(Operation):
    """Base of arrays that are made of no other: of sizes, or of an index."""

    __slots__ = ()

    @property
    def operands(self) -> tuple[Expr, ...]:
        """Nothing."""
        return ()

    def over(self, operands: Iterable[Expr]) -> Expr:
        """The array itself."""
        return self


class ConstantArray(Leaf):
    """Base of arrays that sizes alone tell."""

    __slots__ = ()


class where(Operation):  # noqa: N801
    """`where(condition, a, b)`: a where the comparison holds, else b; the other branch is not seen."""

    __slots__ = ()
    name = "where"
    is_elementwise = True

    def __new__(cls, condition: Any, chosen: Any, otherwise: Any) -> Any:
        """Choose by a comparison of expressions, such as `h > 0`."""
        if isinstance(condition, bool):
            raise DeclarationError(
                f"where() got the condition {condition}. Python's == compares expressions as objects: "
                "write Eq(a, b), or a comparison such as h > 0."
            )
        if isinstance(condition, BooleanAtom):  # SymPy knew the answer, as in h**2 >= 0
            return as_operand(chosen if condition is S.true else otherwise, "where")
        if not isinstance(condition, Boolean) or condition.is_Symbol:
            raise DeclarationError(
                f"where() got the condition {condition!r}. Give a comparison of expressions, such as h > 0."
            )
        return Expr.__new__(cls, condition, as_operand(chosen, "where"), as_operand(otherwise, "where"))

    @property
    def condition(self) -> Boolean:
        """What decides between the branches."""
        return self.args[0]


LETTERS = "ijklmnopqrstuvwxyz"


class AuthorProduct(Operation):
    """Base of products as the author wrote them, before shapes are known.

    `rule` says what operands must be, `ranks` of which ranks, if that is all; `spec` is the einsum spec that
    it means, where shapes do not matter.
    """

    __slots__ = ()
    rule: ClassVar[str] = ""
    ranks: ClassVar[tuple[int, ...] | None] = None
    spec: ClassVar[str] = ""

    def broken_rule(self, shapes: Sequence[tuple[Expr, ...]]) -> str:
        """What operands of these shapes do not keep to; nothing if they fit."""
        return "" if self.ranks in (None, tuple(map(len, shapes))) else self.rule

    def contraction(self, ranks: Sequence[int]) -> str:
        """The einsum spec that it means for operands of these ranks, which fit: else all axes are summed."""
        return self.spec or f"{LETTERS[: ranks[0]]}->"


class _OfTwo(AuthorProduct):
    """A product of two operands."""

    __slots__ = ()

    def __new__(cls, left: Any, right: Any) -> Any:
        """Make the product of two expressions; a list is a stack."""
        called = "@" if cls is matmul else cls.name
        return Expr.__new__(cls, as_operand(left, called), as_operand(right, called))


class _OfOne(AuthorProduct):
    """What is made of one operand."""

    __slots__ = ()

    def __new__(cls, operand: Any) -> Any:
        """Make it of an expression; a list is a stack."""
        return Expr.__new__(cls, as_operand(operand, cls.name))


class matmul(_OfTwo):  # noqa: N801
    """`a @ b`: contracts the last axis of a with the first of b."""

    __slots__ = ()
    name = "matmul"
    rule = "@ contracts the last axis of its left with the first of its right"
    precedence = PRECEDENCE["Mul"]

    def broken_rule(self, shapes: Sequence[tuple[Expr, ...]]) -> str:
        """What operands of these shapes do not keep to; nothing if they fit."""
        left, right = shapes
        if not left or not right:
            return self.rule
        fits = left[-1] == right[0]
        return "" if fits else "the last size on the left of @ must equal the first on its right"

    def contraction(self, ranks: Sequence[int]) -> str:
        """The einsum spec that it means for operands of these ranks."""
        left, right = LETTERS[: ranks[0]], LETTERS[ranks[0] : sum(ranks) - 1]
        return f"{left},{left[-1]}{right}->{left[:-1]}{right}"

    def _sympystr(self, printer: Any) -> str:
        return product_text(self.args, printer)


def product_text(factors: Iterable[Any], printer: Any) -> str:
    """`a @ b`, with brackets round every factor that is a sum or itself a product."""
    return " @ ".join(printer.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors)


class dot(_OfTwo):  # noqa: N801
    """The sum of the elementwise product of two vectors."""

    __slots__ = ()
    name = "dot"
    rule, ranks, spec = "dot takes two vectors", (1, 1), "i,i->"


class outer(_OfTwo):  # noqa: N801
    """The matrix of all products of the elements of two vectors."""

    __slots__ = ()
    name = "outer"
    rule, ranks, spec = "outer takes two vectors", (1, 1), "i,j->ij"


class total(_OfOne):  # noqa: N801
    """The sum over all elements."""

    __slots__ = ()
    name = "total"


class mean(_OfOne):  # noqa: N801
    """The sum over all elements, divided by their number."""

    __slots__ = ()
    name = "mean"


class transpose(_OfOne):  # noqa: N801
    """The transpose of a matrix."""

    __slots__ = ()
    name = "transpose"
    rule, ranks, spec = "transpose takes a matrix", (2,), "ij->ji"


class einsum(AuthorProduct):  # noqa: N801
    """`einsum("hij,hj->hi", A, v)`: a contraction in Einstein's notation, letters a to z."""

    __slots__ = ()
    name = "einsum"

    def __new__(cls, spec: Any, *operands: Any) -> "einsum":
        """Make the contraction that `spec` names; the right side of -> must be written."""
        text = str(spec).replace(" ", "")
        inputs, arrow, output = text.partition("->")
        letters = inputs.split(",")
        if not arrow or not all(c.isascii() and c.islower() for c in "".join(letters) + output):
            raise DeclarationError(
                f"The einsum spec {text!r} is not of the form 'ij,j->i' with letters a to z. "
                "Write the output after ->."
            )
        if len(letters) != len(operands):
            raise DeclarationError(
                f"The einsum spec {text!r} names {len(letters)} operands, but {len(operands)} are given. "
                "Write one operand for each part before ->."
            )
        for part in [*letters, output]:
            if len(set(part)) != len(part):
                raise DeclarationError(
                    f"The einsum spec {text!r} repeats an index within {part!r}. "
                    "No index may repeat within one operand; use identity(m) for a diagonal."
                )
        unknown = sorted(set(output) - set("".join(letters)))
        if unknown:
            raise DeclarationError(
                f"The einsum spec {text!r} has {', '.join(unknown)} only in its output. "
                "Multiply by ones(m) to repeat along an axis."
            )
        return Expr.__new__(cls, Str(text), *(as_operand(op, "einsum") for op in operands))

    def contraction(self, ranks: Sequence[int]) -> str:
        """What the author wrote."""
        return str(self.args[0])

    def _sympystr(self, printer: Any) -> str:
        spec, *operands = self.args
        return f"einsum({', '.join([repr(str(spec)), *(printer._print(op) for op in operands)])})"


class concatenate(Operation):  # noqa: N801
    """A stack along the first axis; right of `@` a list does the same."""

    __slots__ = ()
    name = "concatenate"
    noun = "stack"

    def __new__(cls, *parts: Any) -> "concatenate":
        """Stack expressions of rank 1 or more."""
        if len(parts) < 2:
            raise DeclarationError(
                f"A stack needs at least two parts, not {list(parts)!r}. Write the one part alone."
            )
        return Expr.__new__(cls, *(as_operand(part, "concatenate") for part in parts))

    def _sympystr(self, printer: Any) -> str:
        return f"[{', '.join(printer._print(arg) for arg in self.args)}]"


class ones(ConstantArray):  # noqa: N801
    """`ones(m)` or `ones(m, n)`: an array of ones."""

    __slots__ = ()
    name = "ones"

    def __new__(cls, *shape: Any) -> "ones":
        """Make an array of ones with the given sizes."""
        if not shape:
            raise DeclarationError("ones() needs at least one size, for example ones(m).")
        return Expr.__new__(cls, *(as_operand(size, "ones") for size in shape))


class identity(ConstantArray):  # noqa: N801
    """`identity(m)`: the identity matrix with m rows."""

    __slots__ = ()
    name = "identity"

    def __new__(cls, size: Any) -> "identity":
        """Make the identity matrix of the given size."""
        return Expr.__new__(cls, as_operand(size, "identity"))


def piecewise_as_where(expr: Piecewise) -> Expr:
    """SymPy's Piecewise as nested `where`; its last condition must be True."""
    *branches, last = expr.args
    value, condition = last.args
    if condition is not S.true:
        raise DeclarationError(
            f"The piecewise expression {expr} has no final branch. End it with (value, True)."
        )
    for branch, when in (pair.args for pair in reversed(branches)):
        value = where(when, branch, value)
    return value
