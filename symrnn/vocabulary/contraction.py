"""What products are once shapes are known, and what they are differentiated into: contractions and slices."""

from collections.abc import Iterable
from typing import Any

from sympy import Expr
from sympy.core.symbol import Str
from sympy.printing.precedence import PRECEDENCE

from symrnn.vocabulary.structure import Operation, as_operand, product_text

__all__ = ["AT_SPECS", "Contract", "Slice", "canonical_spec"]

AT_SPECS = ("ij,j->i", "i,ij->j", "ij,jk->ik", "i,i->")
"""The contractions that print as `a @ b`."""

NAMED_SPECS = {"i,j->ij": "outer", "ij->ji": "transpose"}
"""Others that have a name."""


class Contract(Operation):
    """A resolved product: an einsum over operands whose shapes are known.

    Letters are i, j, k, ... in order of appearance; no letter repeats within an operand.
    """

    __slots__ = ()
    name = "einsum"

    def __new__(cls, spec: str | Str, *operands: Expr) -> "Contract":
        """Make the contraction `spec` of `operands`, its letters brought into canonical order."""
        return Expr.__new__(cls, Str(canonical_spec(str(spec))), *operands)

    @property
    def spec(self) -> str:
        """The einsum spec."""
        return self.args[0].name

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
    def noun(self) -> str:
        """What its result is called where it has no name."""
        return "product" if len(self.operands) > 1 else "total"

    @property
    def written_as(self) -> str:
        """What an author writes for it: "@", "outer", "transpose", "total" or "einsum"."""
        if self.spec in AT_SPECS:
            return "@"
        summed = len(self.operands) == 1 and not self.output
        return "total" if summed else NAMED_SPECS.get(self.spec, "einsum")

    @property
    def precedence(self) -> int:
        """How tightly the printed form binds."""
        return int(PRECEDENCE["Mul" if self.spec in AT_SPECS else "Atom"])

    def _sympystr(self, printer: Any) -> str:
        if self.written_as == "@":
            return product_text(self.operands, printer)
        texts = [printer._print(operand) for operand in self.operands]
        spec = [repr(self.spec)] if self.written_as == "einsum" else []
        return f"{self.written_as}({', '.join([*spec, *texts])})"


class Slice(Operation):
    """A resolved piece of a stack: rows start to stop of the first axis. It arises in derivatives."""

    __slots__ = ()
    name = "slice"

    def __new__(cls, of: Expr, start: Expr, stop: Expr) -> "Slice":
        """Make rows `start` to `stop` (sizes) of `of`."""
        return Expr.__new__(cls, of, as_operand(start, cls.name), as_operand(stop, cls.name))

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What it is a piece of."""
        return self.args[:1]

    def over(self, operands: Iterable[Expr]) -> "Slice":
        """The same rows of another stack."""
        return Slice(*operands, *self.args[1:])

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
