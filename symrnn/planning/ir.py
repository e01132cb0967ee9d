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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

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


@dataclass(frozen=True, slots=True)
class Contraction:
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


@dataclass(frozen=True, slots=True)
class Pointwise:
    """`out` = (or +=) `expr`, element by element; scalars go with any shape."""

    out: str
    expr: Expr
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read, sorted."""
        return arrays_in(self.expr)


@lru_cache(maxsize=1 << 14)
def arrays_in(expr: Expr) -> tuple[str, ...]:
    """The names of the arrays in an expression, sorted; passes ask for those of one statement very often."""
    return tuple(sorted(symbol.name for symbol in expr.free_symbols if _is_array(symbol)))


def _is_array(symbol: Symbol) -> bool:
    return type(symbol) is Symbol


@dataclass(frozen=True, slots=True)
class Largest:
    """`out` = the largest element of the vector `operand`; NaN if one is, minus infinity if there is none."""

    out: str
    operand: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The name of the array read."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Gather:
    """`out` = (or +=) the row of `operand`, or the element, that a sample's `index` picks."""

    out: str
    operand: str
    index: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return (self.operand, self.index)


@dataclass(frozen=True, slots=True)
class Scatter:
    """`out` = zeros, or what it holds, plus `operand` in the row or place that a sample's `index` picks.

    If all samples share `out`, what they put into a row is summed.
    """

    out: str
    operand: str
    index: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return (self.operand, self.index)


@dataclass(frozen=True, slots=True)
class Stack:
    """`out` = `parts` one after the other along the first sample axis."""

    out: str
    parts: tuple[str, ...]
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the arrays read."""
        return self.parts


@dataclass(frozen=True, slots=True)
class Fill:
    """`out` = zeros, ones or the identity matrix."""

    out: str
    what: str
    update: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Nothing is read."""
        return ()


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


def size_of(shape: Shape) -> Size:
    """The number of elements per sample."""
    total: Size = Integer(1)
    for size in shape:
        total = total * size
    return total


def describe(buffer: Buffer) -> str:
    """A buffer's shape for messages."""
    return f"{buffer.name} [{buffer.lead}] {shape_text(buffer.shape)}"


def root_of(name: str, table: Mapping[str, Buffer]) -> str:
    """The array in whose memory `name` lies; itself, if it has its own."""
    window = table[name].window
    return root_of(window.base, table) if window is not None else name


def in_one_place(buffers: Iterable[Buffer]) -> dict[Window, list[str]]:
    """By window the arrays that are this range of memory, in order."""
    found: dict[Window, list[str]] = {}
    for buffer in buffers:
        if buffer.window is not None:
            found.setdefault(buffer.window, []).append(buffer.name)
    return found


def shift_of(name: str, table: Mapping[str, Buffer]) -> int:
    """By how many steps an array is later than the memory in which it lies."""
    window = table[name].window
    return 0 if window is None else window.shift + shift_of(window.base, table)


def overlap(one: str, other: str, table: Mapping[str, Buffer]) -> bool:
    """Whether two arrays may share an element."""
    if root_of(one, table) != root_of(other, table):
        return False
    first, second = table[one].window, table[other].window
    if first is None or second is None or first.base != second.base or first.axis != second.axis:
        return True
    if first.start is None or second.start is None or first.stop is None or second.stop is None:
        return True
    apart = (first.stop - second.start).is_nonpositive or (second.stop - first.start).is_nonpositive
    return not apart
