"""Statements about the rows of samples in Numba code: stacks, largest elements, and what an index picks."""

from collections.abc import Callable, Mapping
from typing import Any

from sympy import Expr, Integer

from symrnn.kernels.numba.access import INDENT, NumbaAccess
from symrnn.planning.ir import Gather, Largest, Scatter, Stack


def stack_lines(writer: NumbaAccess, s: Stack) -> list[str]:
    """Copies of the parts into their rows."""
    layout, table = writer.layout, writer.layout.table
    lines = [f"for {writer.b} in range(lo, hi):"]
    out = table[s.out]
    start: Expr = Integer(0)
    lead = ", ".join([*writer.at(out), writer.b])
    base = layout.held_in(s.out).name
    writer.arguments[base] = None
    for part in s.parts:
        buffer = table[part]
        stop = start + buffer.shape[0]
        source = writer.view(part, [*writer.at(buffer), writer.b] if buffer.lead else [])
        rows = layout.rows(start, stop, out.shape[0])
        lines.append(f"{INDENT}{writer.argument(base)}[{lead}, {rows}] = {source}")
        start = stop
    return lines


def largest_lines(writer: NumbaAccess, s: Largest) -> list[str]:
    """The largest element of every sample's vector."""
    operand = writer.layout.table[s.operand]
    vector = writer.view(s.operand, [*writer.at(operand), writer.b])
    loop = f"for {writer.b} in range(lo, hi):"
    return [loop, f"{INDENT}{writer.element_at(s.out, [])} = _largest({vector})"]


def picking_lines(writer: NumbaAccess, s: Gather | Scatter) -> list[str]:
    """Copies out of, or additions to, the rows that the samples' index picks."""
    row = writer.layout.fresh("row")
    lines = [f"for {writer.b} in range(lo, hi):"]
    if isinstance(s, Scatter) and not s.update:
        index, pad = _loops(writer, s.out, lines)
        lines.append(f"{pad}{writer.element_at(s.out, index)} = zero")
    lines.append(f"{INDENT}{row} = {writer.element_at(s.index, [])}")
    index, pad = _loops(writer, s.operand if isinstance(s, Scatter) else s.out, lines)
    if isinstance(s, Gather):
        target, source = writer.element_at(s.out, index), writer.element_at(s.operand, [row, *index])
        return [*lines, f"{pad}{target} {'+=' if s.update else '='} {source}"]
    target, source = writer.element_at(s.out, [row, *index]), writer.element_at(s.operand, index)
    return [*lines, f"{pad}{target} += {source}"]


def _loops(writer: NumbaAccess, name: str, lines: list[str]) -> tuple[list[str], str]:
    """Open loops over the elements of an array of a sample; the variables and the indent inside."""
    shape = writer.layout.table[name].shape
    index = writer.indices[: len(shape)]
    for depth, (variable, size) in enumerate(zip(index, shape, strict=True), 1):
        lines.append(f"{INDENT * depth}for {variable} in range({writer.layout.size(size)}):")
    return index, INDENT * (len(shape) + 1)


ROW_LINES: Mapping[type, Callable[[NumbaAccess, Any], list[str]]] = {
    Stack: stack_lines,
    Gather: picking_lines,
    Scatter: picking_lines,
    Largest: largest_lines,
}
"""The lines of a statement by its kind."""
