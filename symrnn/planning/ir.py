"""The loop IR between mathematics and text.

What it can say: arrays with explicit time and batch axes; einsum contractions, pointwise expressions,
largest elements, rows picked by class indices, stacks and fills, each defining or updating one array; blocks
of these with a title; one loop over time in either direction, with what it carries from step to step. Windows
of arrays: a range along one axis, a shift in time, another name for the same memory.

What it cannot say: conditions, indices that it computes itself, loops other than over time, calls.

Conventions. The leading axes of an array are written "" (shared), "B" (per sample) or "TB" (per step and
sample). Inside a loop a "TB" array stands for its slice at t, so T never occurs in a spec there. Letters of
specs: T, B, and i, j, k, ... for the axes of one sample. Expressions are SymPy expressions whose symbols are
array names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self, TypeAlias

from sympy import Expr, Integer, Symbol

from symrnn.declaration.axes import Shape, Size, shape_text

KINDS = (
    "input",
    "parameter",
    "constant",
    "initial state",
    "prepared",
    "value",
    "output cotangent",
    "final cotangent",
    "recomputed",
    "adjoint",
    "gradient",
)
"""Who owns an array's memory: the caller, `prepare`, the forward pass (value) or the backward pass.

A recomputed array holds again what an array of the forward pass held; it is memory of the backward pass.
"""


FORWARD = ("ij,Bj->Bi", "ij,TBj->TBi")  # weights @ operand, inside the loop and over all rows
BACKWARD = ("Bi,ij->Bj", "TBi,ij->TBj")  # adjoint @ weights


@dataclass(frozen=True, slots=True)
class Window:
    """A range of another array's memory: rows `start` to `stop` of a sample's axis, `shift` steps later."""

    base: str
    axis: int = 0
    start: Size | None = None
    stop: Size | None = None
    shift: int = 0

    @property
    def whole(self) -> bool:
        """Whether the window covers all of its base (shifted or not)."""
        return self.start is None

    @property
    def rows(self) -> tuple[Size, Size] | None:
        """The range that it covers, from its start to before its stop; None for all of its base."""
        return None if self.start is None or self.stop is None else (self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array: name, leading axes, shape per sample, owner; `window` if it lies in another's memory.

    `extended` arrays have one time step more than T: a state's initial value comes first.
    """

    name: str
    lead: str
    shape: Shape
    kind: str
    window: Window | None = None
    extended: bool = False

    @property
    def symbol(self) -> Symbol:
        """The symbol that stands for the array in pointwise expressions."""
        return array_symbol(self.name)

    def __str__(self) -> str:
        axes = [*self.lead, *(str(size) for size in self.shape)]
        if self.extended:
            axes[0] = "T + 1"
        return f"{self.name} ({', '.join(axes)})" if axes else f"{self.name} ()"


@lru_cache(maxsize=1 << 16)
def array_symbol(name: str) -> Symbol:
    """The SymPy symbol of the array `name`; the one place where plans make symbols."""
    return Symbol(name, real=True)


class _Statement:
    """What writes one array: it defines `out`, or adds to it with `update`."""

    __slots__ = ()
    out: str
    update: bool

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read; nothing, unless a kind of statement says so."""
        return ()

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the array written and of those read."""
        return (self.out, *self.reads)

    def over_time(self, table: Mapping[str, Buffer]) -> Self:
        """The statement outside of the loop; `table` has the arrays."""
        del table
        return self


@dataclass(frozen=True, slots=True)
class Contraction(_Statement):
    """`out` = (or +=) einsum(`spec`, *operands)."""

    out: str
    spec: str
    operands: tuple[str, ...]
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return self.operands

    @property
    def inputs(self) -> tuple[str, ...]:
        """The letters of each operand."""
        return tuple(self.spec.partition("->")[0].split(","))

    @property
    def output(self) -> str:
        """The letters of the result."""
        return self.spec.partition("->")[2]

    def renamed(self, table: Mapping[str, str]) -> "Contraction":
        """The statement with arrays renamed."""
        operands = tuple(table.get(name, name) for name in self.operands)
        return replace(self, out=table.get(self.out, self.out), operands=operands)

    def over_time(self, table: Mapping[str, Buffer]) -> "Contraction":
        """The statement outside of the loop: T joins B wherever an array has a time axis."""
        out, *inputs = (
            part.replace("B", "TB") if "T" in table[name].lead else part
            for name, part in zip(self.arrays, (self.output, *self.inputs), strict=True)
        )
        return replace(self, spec=f"{','.join(inputs)}->{out}")


@dataclass(frozen=True, slots=True)
class Pointwise(_Statement):
    """`out` = (or +=) `expr`, element by element; scalars go with any shape."""

    out: str
    expr: Expr
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read, sorted."""
        return arrays_in(self.expr)

    def renamed(self, table: Mapping[str, str]) -> "Pointwise":
        """The statement with arrays renamed."""
        symbols = {array_symbol(old): array_symbol(table[old]) for old in self.reads if old in table}
        return replace(self, out=table.get(self.out, self.out), expr=self.expr.xreplace(symbols))


@lru_cache(maxsize=1 << 14)
def arrays_in(expr: Expr) -> tuple[str, ...]:
    """The names of the arrays in an expression, sorted; passes ask for those of one statement very often."""
    return tuple(sorted(symbol.name for symbol in expr.free_symbols if _is_array(symbol)))


def _is_array(symbol: Symbol) -> bool:
    return type(symbol) is Symbol


@dataclass(frozen=True, slots=True)
class Largest(_Statement):
    """`out` = the largest element of the vector `operand`; NaN if one is, minus infinity if there is none."""

    out: str
    operand: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The name of the array read."""
        return (self.operand,)

    def renamed(self, table: Mapping[str, str]) -> "Largest":
        """The statement with arrays renamed."""
        out, operand = (table.get(name, name) for name in self.arrays)
        return replace(self, out=out, operand=operand)


@dataclass(frozen=True, slots=True)
class _Picking(_Statement):
    """What handles the row, or the element, that a sample's `index` picks."""

    out: str
    operand: str
    index: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return (self.operand, self.index)

    def renamed(self, table: Mapping[str, str]) -> Self:
        """The statement with arrays renamed."""
        out, operand, index = (table.get(name, name) for name in self.arrays)
        return replace(self, out=out, operand=operand, index=index)


@dataclass(frozen=True, slots=True)
class Gather(_Picking):
    """`out` = (or +=) the row of `operand`, or the element, that a sample's `index` picks."""


@dataclass(frozen=True, slots=True)
class Scatter(_Picking):
    """`out` = zeros, or what it holds, plus `operand` in the row or place that a sample's `index` picks.

    If all samples share `out`, what they put into a row is summed.
    """


@dataclass(frozen=True, slots=True)
class Stack(_Statement):
    """`out` = `parts` one after the other along the first sample axis."""

    out: str
    parts: tuple[str, ...]
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return self.parts

    def renamed(self, table: Mapping[str, str]) -> "Stack":
        """The statement with arrays renamed."""
        parts = tuple(table.get(name, name) for name in self.parts)
        return replace(self, out=table.get(self.out, self.out), parts=parts)


@dataclass(frozen=True, slots=True)
class Fill(_Statement):
    """`out` = zeros, ones or the identity matrix."""

    out: str
    what: str
    update: bool = False

    def renamed(self, table: Mapping[str, str]) -> "Fill":
        """The statement with arrays renamed."""
        return replace(self, out=table.get(self.out, self.out))


Statement: TypeAlias = Contraction | Pointwise | Largest | Gather | Scatter | Stack | Fill


@dataclass(frozen=True, slots=True)
class Block:
    """Statements that belong together: a title and the equations that they compute."""

    title: str
    statements: tuple[Statement, ...]
    sources: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """What the block needs from outside, in order."""
        made: set[str] = set()
        found: dict[str, None] = {}
        for statement in self.statements:
            found.update(dict.fromkeys(name for name in statement.reads if name not in made))
            if statement.update and statement.out not in made:
                found[statement.out] = None
            made.add(statement.out)
        return tuple(found)

    @property
    def writes(self) -> tuple[str, ...]:
        """What the block defines or updates, in order."""
        return tuple(dict.fromkeys(statement.out for statement in self.statements))


@dataclass(frozen=True, slots=True)
class Carry:
    """From step to step: `here` is `initial` at the first step, then what `there` was a step before."""

    here: str
    there: str
    initial: str

    @property
    def arrays(self) -> tuple[str, str, str]:
        """All three."""
        return (self.here, self.there, self.initial)


@dataclass(frozen=True, slots=True)
class AffineRecurrence:
    """What a step hands on is `gain` * `state` + `offset`, element by element; a scan can compute that.

    `state` is a carry's `here`; its `there` is what the formula gives. `gain` and `offset` are expressions
    over arrays that no carried array reaches. In them, an array that the loop updates stands for what it
    holds before the loop.
    """

    state: str
    gain: Expr
    offset: Expr


@dataclass(frozen=True, slots=True)
class Loop:
    """The time loop: `blocks` at every step, from t = 0 up or from t = T - 1 down.

    `affine` has one entry per carry if every one of them is an affine and diagonal recurrence, else none.
    """

    blocks: tuple[Block, ...]
    carries: tuple[Carry, ...]
    backwards: bool = False
    affine: tuple[AffineRecurrence, ...] = ()


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over time: blocks before the loop, the loop, blocks after it.

    What stands before the loop holds row by row in time: step t is made from steps t alone, and from the
    saved states at t - 1 and t. So it can be done for a part of the steps at a time.
    """

    before: tuple[Block, ...]
    loop: Loop
    after: tuple[Block, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, in order of execution."""
        return (*self.before, *self.loop.blocks, *self.after)

    @property
    def statements(self) -> list[Statement]:
        """All statements, in order of execution."""
        return [statement for block in self.blocks for statement in block.statements]


def size_of(shape: Shape) -> Size:
    """The number of elements per sample."""
    total: Size = Integer(1)
    for size in shape:
        total = total * size
    return total


def describe(buffer: Buffer) -> str:
    """A buffer's shape for messages."""
    return f"{buffer.name} [{buffer.lead}] {shape_text(buffer.shape)}"
