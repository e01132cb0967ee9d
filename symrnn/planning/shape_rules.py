"""What the arrays of a statement must be to each other: one rule for each kind of statement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch

from symrnn.declaration.axes import shape_text
from symrnn.planning.ir import (
    Buffer,
    Contraction,
    Gather,
    Largest,
    Pointwise,
    Scatter,
    Stack,
    Statement,
    describe,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Arrays as statements see them at their place: a loop takes T away."""

    table: Mapping[str, Buffer]
    looping: bool

    def __getitem__(self, name: str) -> Buffer:
        return self.table[name]

    def lead(self, name: str) -> str:
        """The leading axes of an array."""
        lead = self.table[name].lead
        return lead.replace("T", "") if self.looping else lead


@singledispatch
def shape_faults(statement: Statement, seen: Seen) -> Iterator[str]:
    """What does not fit in a statement; any array can be filled."""
    del statement, seen
    yield from ()


@shape_faults.register
def _(statement: Contraction, seen: Seen) -> Iterator[str]:
    sizes: dict[str, object] = {}
    arrays = zip((*statement.operands, statement.out), (*statement.inputs, statement.output), strict=True)
    for name, letters in arrays:
        sample = letters.replace("T", "").replace("B", "")
        if letters.removesuffix(sample) != seen.lead(name):
            yield f"{letters!r} has not the leading axes of {name!r}"
        if len(sample) != len(seen[name].shape):
            yield f"{letters!r} does not fit {describe(seen[name])}"
        for letter, size in zip(sample, seen[name].shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                yield f"{letter!r} is {size} and {sizes[letter]}"


@shape_faults.register
def _(statement: Pointwise, seen: Seen) -> Iterator[str]:
    yield from _shared(statement, seen)
    out = seen[statement.out].shape
    for name in statement.reads:
        shape = seen[name].shape
        if shape not in ((), out):
            yield f"{name!r} has shape {shape_text(shape)}, the result {shape_text(out)}"


@shape_faults.register
def _(statement: Stack, seen: Seen) -> Iterator[str]:
    total = sum(seen[part].shape[0] for part in statement.parts)
    if total != seen[statement.out].shape[0]:
        yield f"the parts have {total} rows together"
    yield from _shared(statement, seen)


@shape_faults.register
def _(statement: Largest, seen: Seen) -> Iterator[str]:
    operand, out = seen[statement.operand], seen[statement.out]
    if len(operand.shape) != 1 or out.shape or seen.lead(operand.name) != seen.lead(out.name):
        yield f"{describe(out)} is no number for each vector of {describe(operand)}"


@shape_faults.register
def _(statement: Gather, seen: Seen) -> Iterator[str]:
    yield from _picked(statement, seen, rows=statement.operand, row=statement.out)


@shape_faults.register
def _(statement: Scatter, seen: Seen) -> Iterator[str]:
    repeats = bool(seen[statement.out].lead) and not seen[statement.operand].lead
    yield from _picked(statement, seen, rows=statement.out, row=statement.operand, repeats=repeats)


def _picked(
    statement: Gather | Scatter, seen: Seen, *, rows: str, row: str, repeats: bool = False
) -> Iterator[str]:
    """The index is a number per sample; what goes in or comes out is a row of the other array.

    With `repeats` a row that all samples share goes into an array of each.
    """
    index, whole, part, lead = seen[statement.index], seen[rows], seen[row], seen.lead(statement.index)
    if index.kind != "input" or index.shape or not whole.shape or whole.shape[1:] != part.shape:
        yield f"{describe(part)} is no row that {describe(index)} picks of {describe(whole)}"
    if (seen.lead(row) != lead and not repeats) or seen.lead(rows) not in ("", lead):
        yield f"{row!r} and {rows!r} are not of one sample"


def _shared(statement: Pointwise | Stack, seen: Seen) -> Iterator[str]:
    """Each element of the result is made from elements of the same sample."""
    for name in statement.reads:
        if seen.lead(name) and not seen.lead(statement.out):
            yield f"{statement.out!r} is shared by all samples, {name!r} is not"
