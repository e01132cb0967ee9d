"""A plan as a table, for a person: what is computed where, what it costs, what is kept and why.

Costs are per sample and, inside a pass over time, per step; a function call counts as one operation. Bytes
are those of float32 arrays that have a batch axis, read and written once per statement.
"""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sympy import Expr

from symrnn.declaration.axes import size_text
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.reading_order import Roles
from symrnn.planning.cost import (
    moving_operations,
    operations,
    recomputed_elements,
    saved_elements,
    saved_output_elements,
    traffic,
)
from symrnn.planning.ir import (
    Block,
    Buffer,
    Contraction,
    Fill,
    Gather,
    Largest,
    Loop,
    Pointwise,
    Scatter,
    Stack,
    Statement,
    size_of,
)
from symrnn.planning.memory import in_one_place
from symrnn.planning.plan import Plan

WIDTH = 80
HELD = "\0"
"""Stands for a space at which a line is not to be broken."""
NAMED_SPECS = {
    "ij,Bj->Bi": "{1} @ {0}.T",
    "ij,TBj->TBi": "{1} @ {0}.T",
    "Bi,ij->Bj": "{0} @ {1}",
    "TBi,ij->TBj": "{0} @ {1}",
    "TBi,TBj->ij": "sum over T, B of outer({0}, {1})",
    "TBi->i": "sum over T, B of {0}",
    "ij->ji": "{0}.T",
}


def plan_text(plan: Plan) -> str:
    """The plan as text of at most 80 columns where names allow."""
    roles, table = dict(plan.roles), plan.table()
    lines = _summary(plan)
    forward, backward = plan.forward, plan.backward
    for title, blocks, loop in (
        ("prepare (parameters alone, once)", plan.prepare, None),
        ("forward, before the loop (all T * B rows at once)", forward.before, None),
        ("forward, at every t = 1 ... T", forward.loop.blocks, forward.loop),
        ("forward, after the loop (all T * B rows at once)", forward.after, None),
        ("backward, before the loop (all T * B rows at once)", backward.before, None),
        ("backward, at every t = T ... 1", backward.loop.blocks, backward.loop),
        ("backward, after the loop (all T * B rows at once)", backward.after, None),
        ("finish (parameters alone, once)", plan.finish, None),
    ):
        if blocks:
            lines += ["", *columns(title, f"{'operations':>12}{'bytes':>12}")]
            lines += _recurrences(loop, roles) if loop is not None else []
            lines += [line for block in blocks for line in _block(block, table, roles)]
    lines += ["", *_saved(plan), *_recomputed(plan), "", *_memory(plan)]
    return "\n".join(line.rstrip() for line in lines)


def _summary(plan: Plan) -> list[str]:
    header, table = plan.header, plan.table()
    variant = f" ({header.variant})" if header.variant else ""
    forward, backward = (
        cost_text(moving_operations(p.statements, table)) for p in (plan.forward, plan.backward)
    )
    of_outputs, again = saved_output_elements(plan), recomputed_elements(plan)
    return [
        *wrapped(f"plan of {plan.name}: {header.title}{variant}", 8),
        *(line for told in header.rewritten for line in wrapped(f"  rewritten   {told}", 14)),
        *wrapped(f"  passes      {', '.join(plan.applied)}", 14),
        *wrapped(f"  operations  per sample and step: forward {forward},", 14),
        *wrapped(f"              backward {backward}", 14),
        *wrapped(f"  saved       per sample and step: {_memory_cost(saved_elements(plan))}", 14),
        f"              (of these the outputs: {cost_text(of_outputs) if of_outputs != 0 else 'none'})",
        *(wrapped(f"  recomputed  per sample and step: {_memory_cost(again)}", 14) if again != 0 else []),
    ]


def _memory_cost(numbers: Expr) -> str:
    return f"{cost_text(numbers)} numbers, {cost_text((4 * numbers).expand())} bytes in float32"


def wrapped(text: str, indent: int, width: int = WIDTH) -> list[str]:
    """Lines of at most `width` columns, broken outside of parentheses and of a stack's parts if possible."""
    inner = text.lstrip()
    for shown in (_held_together(inner), inner):
        lines = textwrap.wrap(
            shown,
            width,
            initial_indent=" " * (len(text) - len(inner)),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if all(len(line) <= width for line in lines):
            break
    return [line.replace(HELD, " ") for line in lines]


def _held_together(text: str) -> str:
    """The text with its spaces replaced where a line should not break."""
    made, round_, square = "", 0, 0
    for letter in text:
        round_ += (letter == "(") - (letter == ")")
        square += (letter == "[") - (letter == "]")
        made += HELD if letter == " " and (round_ or square > 1) else letter
    return made


def columns(left: str, right: str) -> list[str]:
    """`left` with `right` at the end of its first line; the rest of `left` goes below."""
    right = right.lstrip()
    room = WIDTH - len(right) - 2 * bool(right)
    first, *more = wrapped(left, 8, room) if len(left) > room else [left]
    gap = WIDTH - len(first) if len(first) <= room else len(right) + 2
    return [f"{first}{right.rjust(gap)}", *more]


def _block(block: Block, table: dict[str, Buffer], roles: Roles) -> list[str]:
    reads = ", ".join(block.reads)
    writes = ", ".join(block.writes)
    title = f"  {block.title}"
    if len(block.statements) > 1 and len(reads) + len(writes) < 60:
        title += f"    ({reads} -> {writes})"
    lines = columns(title, "")
    for statement in block.statements:
        cost, moved = operations(statement, table), (4 * traffic(statement, table)).expand()
        figures = "".join(f"{cost_text(number) if number != 0 else '':>12}" for number in (cost, moved))
        lines += columns(f"    {statement_text(statement, table, roles)}", figures)
    return lines


def _recurrences(loop: Loop, roles: Roles) -> list[str]:
    """What a loop is that a scan may replace."""
    lines = []
    updated = {s.out for block in loop.blocks for s in block.statements if s.update}
    for carry, recurrence in zip(loop.carries if loop.affine else (), loop.affine, strict=True):
        if recurrence.gain == 0:  # nothing recurs
            continue
        lines.append(f"  recurrence affine and diagonal in {carry.here}, a scan may replace it:")
        lines.append(f"    {carry.there} = gain * {carry.here} + offset")
        for name, part in (("gain", recurrence.gain), ("offset", recurrence.offset)):
            started = sorted(updated & {symbol.name for symbol in part.free_symbols})
            note = f" (with {', '.join(started)} as it is before the loop)" if started else ""
            lines += wrapped(f"    {name} = {plain_text(part, roles)}{note}", 8)
    return lines


def statement_text(statement: Statement, table: Mapping[str, Buffer], roles: Roles) -> str:
    """A statement as a line: the result with its shape, then what it is made of."""
    out = table[statement.out]
    target, sign = (out.name, "+=") if statement.update else (str(out), "=")
    return f"{target} {sign} {RIGHT_SIDES[type(statement)](statement, table, roles)}"


Teller: TypeAlias = Callable[[Any, Mapping[str, Buffer], Roles], str]

RIGHT_SIDES: Mapping[type, Teller] = {
    Contraction: lambda s, table, roles: NAMED_SPECS.get(
        s.spec, f"einsum({s.spec}, {', '.join(s.operands)})"
    ).format(*s.operands),
    Pointwise: lambda s, table, roles: plain_text(s.expr, roles),
    Gather: lambda s, table, roles: f"{s.operand}[{s.index}]",
    Scatter: lambda s, table, roles: f"{s.operand} {_place(s, table[s.out])}",
    Largest: lambda s, table, roles: f"largest({s.operand})",
    Stack: lambda s, table, roles: f"[{', '.join(_part_text(table[part]) for part in s.parts)}]",
    Fill: lambda s, table, roles: s.what,
}
"""What statements of each kind compute."""


def _place(statement: Scatter, out: Buffer) -> str:
    """Where in an array something goes."""
    place = f"in row {statement.index}" if out.shape[1:] else f"at {statement.index}"
    return place if out.lead else f"{place}, summed over T, B"


def _part_text(buffer: Buffer) -> str:
    """A range of a parameter as the author would index it."""
    window = buffer.window
    if window is None or window.start is None or window.stop is None or buffer.lead:
        return buffer.name
    rows = f"{size_text(window.start)} : {size_text(window.stop)}"
    return f"{window.base}[{', '.join([':'] * window.axis + [rows])}]"


def cost_text(expr: Expr) -> str:
    """A number of operations or of numbers, a polynomial in the axes."""
    return str(expr).replace("**2", "²").replace("**3", "³").replace("*", " ")


def _saved(plan: Plan) -> list[str]:
    """What the forward pass keeps for the backward pass, and why."""
    lines = columns("saved for the backward pass", "numbers per sample and step")
    for name, reason in plan.saved:
        lines += _kept(plan, plan.buffer(name), reason)
    return lines


def _recomputed(plan: Plan) -> list[str]:
    """What the backward pass makes again instead, and why."""
    lines = []
    users: dict[str, dict[str, None]] = {}
    for statement in plan.backward.statements:
        if plan.buffer(statement.out).kind != "recomputed":
            for name in statement.reads:
                users.setdefault(name, {})[statement.out] = None
    for buffer in plan.buffers:
        if buffer.kind == "recomputed" and buffer.name in users:
            lines += _kept(plan, buffer, f"read for {listed(list(users[buffer.name]))}")
    if not lines:
        return []
    return ["", *columns("recomputed in the backward pass", "numbers per sample and step"), *lines]


def _kept(plan: Plan, buffer: Buffer, reason: str) -> list[str]:
    place = f" (in {plan.root(buffer.name).name})" if buffer.window is not None else ""
    return columns(f"  {buffer.name}{place}: {reason}", cost_text(size_of(buffer.shape)))


def listed(names: list[str]) -> str:
    """A few names as text."""
    shown = names[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _memory(plan: Plan) -> list[str]:
    """Arrays that lie where another one lay."""
    lines, places = ["memory shared"], in_one_place(plan.buffers)
    position = {buffer.name: i for i, buffer in enumerate(plan.buffers)}
    for buffer in plan.buffers:
        window = buffer.window
        if window is None or window.shift:
            continue
        twins = [name for name in places[window] if name != buffer.name]
        if window.whole:
            lines += wrapped(f"  {buffer.name} lies where {window.base} lay", 8)
        elif twins and position[twins[0]] < position[buffer.name]:
            text = f"  {buffer.name} and {', '.join(twins)} lie in one place of {window.base}"
            lines += wrapped(text, 8)
    return lines if len(lines) > 1 else ["memory shared: none"]
