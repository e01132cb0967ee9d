"""A plan as a table, for a person: what is computed where, what it costs, what is kept and why.

Costs are per sample and, inside a pass over time, per step; a function call counts as one operation. Bytes
are those of float32 arrays that have a batch axis, read and written once per statement.
"""

import textwrap
from typing import TYPE_CHECKING

from sympy import Expr

from symrnn.declaration.axes import size_text
from symrnn.declaration.plain_text import plain_text
from symrnn.declaration.reading_order import Roles
from symrnn.planning.cost import moving_operations, operations, saved_elements, traffic
from symrnn.planning.ir import Block, Buffer, Contraction, Fill, Pointwise, Stack, Statement, size_of

if TYPE_CHECKING:  # a plan prints itself with this
    from symrnn.planning.plan import Plan

WIDTH = 80
NAMED_SPECS = {
    "ij,Bj->Bi": "{1} @ {0}.T",
    "ij,TBj->TBi": "{1} @ {0}.T",
    "Bi,ij->Bj": "{0} @ {1}",
    "TBi,ij->TBj": "{0} @ {1}",
    "TBi,TBj->ij": "sum over T, B of outer({0}, {1})",
    "TBi->i": "sum over T, B of {0}",
    "ij->ji": "{0}.T",
}


def plan_text(plan: "Plan") -> str:
    """The plan as text of at most 80 columns where names allow."""
    roles, table = dict(plan.roles), plan.table()
    lines = _summary(plan)
    for title, blocks in (
        ("prepare (parameters alone, once)", plan.prepare),
        ("forward, before the loop (all T * B rows at once)", plan.forward.before),
        ("forward, at every t = 1 ... T", plan.forward.loop.blocks),
        ("forward, after the loop", plan.forward.after),
        ("backward, before the loop", plan.backward.before),
        ("backward, at every t = T ... 1", plan.backward.loop.blocks),
        ("backward, after the loop (all T * B rows at once)", plan.backward.after),
        ("finish (parameters alone, once)", plan.finish),
    ):
        if blocks:
            lines += ["", _columns(title, f"{'operations':>12}{'bytes':>12}")]
            lines += [line for block in blocks for line in _block(block, table, roles)]
    lines += ["", *_saved(plan), "", *_memory(plan)]
    return "\n".join(line.rstrip() for line in lines)


def _summary(plan: "Plan") -> list[str]:
    header, table = plan.header, plan.table()
    variant = f" ({header.variant})" if header.variant else ""
    forward = [s for block in plan.forward.blocks for s in block.statements]
    backward = [s for block in plan.backward.blocks for s in block.statements]
    kept = saved_elements(plan)
    return [
        f"plan of {plan.name}: {header.title}{variant}",
        *textwrap.wrap(
            f"  passes      {', '.join(plan.applied)}",
            WIDTH,
            subsequent_indent=" " * 14,
            break_long_words=False,
        ),
        f"  operations  per sample and step: forward {_cost(moving_operations(forward, table))},",
        f"              backward {_cost(moving_operations(backward, table))}",
        f"  saved       per sample and step: {_cost(kept)} numbers, "
        f"{_cost((4 * kept).expand())} bytes in float32",
    ]


def _columns(left: str, right: str) -> str:
    gap = max(2, WIDTH - len(left) - len(right))
    return f"{left}{' ' * gap}{right}"


def _block(block: Block, table: dict[str, Buffer], roles: Roles) -> list[str]:
    reads = ", ".join(block.reads)
    writes = ", ".join(block.writes)
    lines = [f"  {block.title}"]
    if len(block.statements) > 1:
        lines[0] += f"    ({reads} -> {writes})" if len(reads) + len(writes) < 60 else ""
    for statement in block.statements:
        cost, moved = operations(statement, table), (4 * traffic(statement, table)).expand()
        columns = "".join(f"  {_cost(number) if number != 0 else '':>10}" for number in (cost, moved))
        lines.append(_columns(f"    {statement_text(statement, table, roles)}", columns))
    return lines


def statement_text(statement: Statement, table: dict[str, Buffer], roles: Roles) -> str:
    """A statement as a line: the result with its shape, then what it is made of."""
    out = table[statement.out]
    target = str(out) if not statement.update else out.name
    sign = "+=" if statement.update else "="
    if isinstance(statement, Contraction):
        names = statement.operands
        plain = NAMED_SPECS.get(statement.spec)
        right = plain.format(*names) if plain else f"einsum({statement.spec}, {', '.join(names)})"
    elif isinstance(statement, Pointwise):
        right = plain_text(statement.expr, roles)
    elif isinstance(statement, Stack):
        right = f"[{', '.join(_part_text(table[part]) for part in statement.parts)}]"
    else:
        assert isinstance(statement, Fill)
        right = statement.what
    return f"{target} {sign} {right}"


def _part_text(buffer: Buffer) -> str:
    """A range of a parameter as the author would index it."""
    window = buffer.window
    if window is None or window.start is None or window.stop is None or buffer.lead:
        return buffer.name
    rows = f"{size_text(window.start)} : {size_text(window.stop)}"
    return f"{window.base}[{', '.join([':'] * window.axis + [rows])}]"


def _cost(expr: Expr) -> str:
    return str(expr).replace("**2", "²").replace("**3", "³").replace("*", " ")


def _saved(plan: "Plan") -> list[str]:
    """What the forward pass keeps for the backward pass, and why."""
    lines = [_columns("saved for the backward pass", "numbers per sample and step")]
    for name, reason in plan.saved:
        buffer = plan.buffer(name)
        size = _cost(size_of(buffer.shape))
        place = _place(plan, buffer)
        lines.append(_columns(f"  {name}{place}: {reason}", size))
    return lines


def _place(plan: "Plan", buffer: Buffer) -> str:
    if buffer.window is None:
        return ""
    root = plan.root(buffer.name)
    return f" (in {root.name})"


def _memory(plan: "Plan") -> list[str]:
    """Arrays that lie where another one lay."""
    lines = ["memory shared"]
    for buffer in plan.buffers:
        window = buffer.window
        if window is None or window.shift:
            continue
        twins = [b.name for b in plan.buffers if b.window == window and b.name != buffer.name]
        if window.whole:
            lines.append(f"  {buffer.name} lies where {window.base} lay")
        elif twins and plan.buffers.index(plan.buffer(twins[0])) < plan.buffers.index(buffer):
            lines.append(f"  {buffer.name} and {', '.join(twins)} lie in one place of {window.base}")
    return lines if len(lines) > 1 else ["memory shared: none"]
