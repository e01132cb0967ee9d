"""Structural operations of the vocabulary: products, stacks, choices and constant arrays.

The nodes are unevaluated SymPy expressions: SymPy's own simplification of sums and products applies
around them, never inside.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from sympy import (
    Expr,
    Piecewise,
    S,
    Symbol,
    sympify,
)
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean, BooleanAtom
from sympy.printing.precedence import PRECEDENCE

from symrnn.errors import DeclarationError


def as_operand(value: object, operation: str) -> Expr:
    """`value` as an expression, a list as a stack; an error names `operation`."""
    if isinstance(value, list | tuple):
        return concatenate(*value)
    if isinstance(value, bool) or not isinstance(value, int | float | Expr):
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
    """Base of all nodes of the vocabulary; subclasses say how they print."""

    __slots__ = ()
    name: ClassVar[str] = ""
    is_commutative = True
    is_number = False  # SymPy takes ones(2), which has no symbol, for a number to be evaluated
    is_extended_real = True

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer._print(arg) for arg in self.args)})"


class where(Operation):  # noqa: N801
    """`where(condition, a, b)`: a where the comparison holds, else b; the other branch is not seen."""

    __slots__ = ()
    name = "where"

    def __new__(cls, condition: Any, chosen: Any, otherwise: Any) -> Any:
        """Choose by a comparison of expressions, such as `h > 0`."""
        if isinstance(condition, bool):
            raise DeclarationError(
                f"where() got the condition {condition}. Python's == compares expressions as objects: "
                "write Eq(a, b), or a comparison such as h > 0."
            )
        if isinstance(condition, BooleanAtom):  # SymPy knew the answer, as in h**2 >= 0
            return as_operand(chosen if condition is S.true else otherwise, "where")
        if not isinstance(condition, Boolean) or isinstance(condition, Symbol):
            raise DeclarationError(
                f"where() got the condition {condition!r}. Give a comparison of expressions, such as h > 0."
            )
        return Expr.__new__(cls, condition, as_operand(chosen, "where"), as_operand(otherwise, "where"))


AT_SPECS = ("ij,j->i", "i,ij->j", "ij,jk->ik", "i,i->")
"""The contractions that print as `a @ b`."""


class AuthorProduct(Operation):
    """Base of products as the author wrote them, before shapes are known."""

    __slots__ = ()


class matmul(AuthorProduct):  # noqa: N801
    """`a @ b`: contracts the last axis of a with the first of b."""

    __slots__ = ()
    name = "matmul"
    precedence = PRECEDENCE["Mul"]

    def __new__(cls, left: Any, right: Any) -> "matmul":
        """Make the product of two expressions, or of an expression and a stack."""
        made: matmul = Expr.__new__(cls, as_operand(left, "@"), as_operand(right, "@"))
        return made

    def _sympystr(self, printer: Any) -> str:
        return _product_text(self.args, printer)


def _product_text(factors: Iterable[Any], printer: Any) -> str:
    """`a @ b`, with brackets round every factor that is a sum or itself a product."""
    return " @ ".join(printer.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors)


class dot(AuthorProduct):  # noqa: N801
    """The sum of the elementwise product of two vectors."""

    __slots__ = ()
    name = "dot"

    def __new__(cls, left: Any, right: Any) -> "dot":
        """Make the dot product of two vectors of equal shape."""
        made: dot = Expr.__new__(cls, as_operand(left, "dot"), as_operand(right, "dot"))
        return made


class outer(AuthorProduct):  # noqa: N801
    """The matrix of all products of the elements of two vectors."""

    __slots__ = ()
    name = "outer"

    def __new__(cls, left: Any, right: Any) -> "outer":
        """Make the outer product of two vectors."""
        made: outer = Expr.__new__(cls, as_operand(left, "outer"), as_operand(right, "outer"))
        return made


class total(AuthorProduct):  # noqa: N801
    """The sum over all elements."""

    __slots__ = ()
    name = "total"

    def __new__(cls, operand: Any) -> "total":
        """Sum a vector or a matrix of any rank."""
        made: total = Expr.__new__(cls, as_operand(operand, "total"))
        return made


class mean(AuthorProduct):  # noqa: N801
    """The sum over all elements, divided by their number."""

    __slots__ = ()
    name = "mean"

    def __new__(cls, operand: Any) -> "mean":
        """Average a vector or a matrix of any rank."""
        made: mean = Expr.__new__(cls, as_operand(operand, "mean"))
        return made


class transpose(AuthorProduct):  # noqa: N801
    """The transpose of a matrix."""

    __slots__ = ()
    name = "transpose"

    def __new__(cls, operand: Any) -> "transpose":
        """Transpose a matrix."""
        made: transpose = Expr.__new__(cls, as_operand(operand, "transpose"))
        return made


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
        made: einsum = Expr.__new__(cls, Str(text), *(as_operand(op, "einsum") for op in operands))
        return made

    def _sympystr(self, printer: Any) -> str:
        spec, *operands = self.args
        return f"einsum({', '.join([repr(str(spec)), *(printer._print(op) for op in operands)])})"


class concatenate(Operation):  # noqa: N801
    """A stack along the first axis; right of `@` a list does the same."""

    __slots__ = ()
    name = "concatenate"

    def __new__(cls, *parts: Any) -> "concatenate":
        """Stack expressions of rank 1 or more."""
        if len(parts) < 2:
            raise DeclarationError(
                f"A stack needs at least two parts, not {list(parts)!r}. Write the one part alone."
            )
        made: concatenate = Expr.__new__(cls, *(as_operand(part, "concatenate") for part in parts))
        return made

    def _sympystr(self, printer: Any) -> str:
        return f"[{', '.join(printer._print(arg) for arg in self.args)}]"


class ones(Operation):  # noqa: N801
    """`ones(m)` or `ones(m, n)`: an array of ones."""

    __slots__ = ()
    name = "ones"

    def __new__(cls, *shape: Any) -> "ones":
        """Make an array of ones with the given sizes."""
        if not shape:
            raise DeclarationError("ones() needs at least one size, for example ones(m).")
        made: ones = Expr.__new__(cls, *(as_operand(size, "ones") for size in shape))
        return made


class identity(Operation):  # noqa: N801
    """`identity(m)`: the identity matrix with m rows."""

    __slots__ = ()
    name = "identity"

    def __new__(cls, size: Any) -> "identity":
        """Make the identity matrix of the given size."""
        made: identity = Expr.__new__(cls, as_operand(size, "identity"))
        return made


class Contract(Operation):
    """A resolved product: an einsum over operands whose shapes are known.

    Letters are i, j, k, ... in order of appearance; no letter repeats within an operand.
    """

    __slots__ = ()
    name = "einsum"

    def __new__(cls, spec: str | Str, *operands: Expr) -> "Contract":
        """Make the contraction `spec` of `operands`, its letters brought into canonical order."""
        made: Contract = Expr.__new__(cls, Str(canonical_spec(str(spec))), *operands)
        return made

    @property
    def spec(self) -> str:
        """The einsum spec."""
        return str(self.args[0])

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What is multiplied."""
        return self.args[1:]

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of each operand."""
        return tuple(self.spec.partition("->")[0].split(","))

    @property
    def output(self) -> str:
        """The letters of the result."""
        return self.spec.partition("->")[2]

    @property
    def precedence(self) -> int:
        """How tightly the printed form binds."""
        return int(PRECEDENCE["Mul" if self.spec in AT_SPECS else "Atom"])

    def _sympystr(self, printer: Any) -> str:
        if self.spec in AT_SPECS:
            return _product_text(self.operands, printer)
        texts = [printer._print(operand) for operand in self.operands]
        if self.spec == "i,j->ij":
            return f"outer({', '.join(texts)})"
        if self.spec == "ij->ji":
            return f"transpose({texts[0]})"
        if not self.output and len(texts) == 1:
            return f"total({texts[0]})"
        return f"einsum({', '.join([repr(self.spec), *texts])})"


class Slice(Operation):
    """A resolved piece of a stack: rows start to stop of the first axis. It arises in derivatives."""

    __slots__ = ()
    name = "slice"

    def __new__(cls, of: Expr, start: Expr, stop: Expr) -> "Slice":
        """Make rows `start` to `stop` (sizes) of `of`."""
        made: Slice = Expr.__new__(cls, of, sympify(start), sympify(stop))
        return made

    def _sympystr(self, printer: Any) -> str:
        of, start, stop = (printer._print(arg) for arg in self.args)
        return f"{of}[{start}:{stop}]"


def canonical_spec(spec: str) -> str:
    """`spec` with its letters renamed i, j, k, ..., z, a, ... in order of appearance."""
    order = "ijklmnopqrstuvwxyzabcdefgh"
    renamed: dict[str, str] = {}
    for letter in spec:
        if letter.isalpha() and letter not in renamed:
            renamed[letter] = order[len(renamed)]
    return "".join(renamed.get(letter, letter) for letter in spec)


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
