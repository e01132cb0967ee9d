"""Move work out of the time loop, where it becomes one product over all T·B rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from sympy import Add, Integer

from symrnn.declaration.axes import Size
from symrnn.planning.ir import Contraction, Fill, Pointwise, Scatter, Statement
from symrnn.planning.passes.draft import Draft, Line, over_time_line
from symrnn.planning.plan import Plan

Stays: TypeAlias = Callable[[Statement, Draft], bool]
"""Whether a statement is to stay in its loop all the same."""


def hoist_inputs(plan: Plan) -> Plan:
    """Compute before the loop what does not depend on the state."""
    draft = Draft(plan)
    move_before(draft, "forward", stays=_is_product_of_samples)
    return draft.finished("inputs hoisted")


def move_before(draft: Draft, direction: str, stays: Stays) -> None:
    """Move before a loop what nothing that it carries reaches, but for arrays with a statement that `stays`.

    An array all of whose statements qualify moves whole. Of a sum with a product that qualifies, the
    qualifying terms move and the loop adds the rest: nothing reads a sum before all its terms are there, so
    that they may come in any order. What a line that moves reads has moved whole before it.
    """
    before, loop = f"{direction} before", f"{direction} loop"
    early = _early_arrays(draft, direction, stays)
    lines = _split_sums(draft.regions[loop], early, draft)
    moving = early | {line.statement.out for line in draft.regions[before]}
    moving |= {line.statement.out for line in lines if _is_early_product(line.statement, early, draft)}
    moved, inside = list[Line](), list[Line]()
    for line in lines:
        moves = line.statement.out in moving and _is_early(line.statement, early, draft)
        (moved if moves else inside).append(line)
    draft.regions[before] += [over_time_line(line, draft) for line in moved]
    draft.regions[loop] = inside
    draft.settle()


def _is_product_of_samples(statement: Statement, draft: Draft) -> bool:
    return isinstance(statement, Contraction) and not gains(statement, draft)


def _over_time(name: str, draft: Draft) -> bool:
    """Whether an array may be made over all steps at once: neither shared nor carried on its own."""
    buffer = draft.buffers[name]
    return "T" in buffer.lead and buffer.kind != "gradient"


def gains(statement: Statement, draft: Draft) -> bool:
    """Whether a statement is a product with a shared array, which gains from many rows at once.

    A product of two arrays of a sample gains nothing, and its result may be large: it stays in the loop.
    """
    if isinstance(statement, Scatter):  # a sum over samples, too
        return draft.is_static(statement.out)
    return isinstance(statement, Contraction) and any(map(draft.is_static, statement.arrays))


def _early_arrays(draft: Draft, direction: str, stays: Stays) -> set[str]:
    """Arrays that depend on inputs, parameters and, in the backward pass, on the forward pass alone."""
    loop = draft.plan.forward.loop if direction == "forward" else draft.plan.backward.loop
    carried = {name for c in loop.carries for name in (c.here, c.there)}
    given = ("input",) if direction == "forward" else ("input", "value", "output cotangent")
    early = {b.name for b in draft.buffers.values() if b.kind in given}
    early |= {b.name for b in draft.buffers.values() if not b.lead and b.kind != "gradient"}
    written = {line.statement.out for line in draft.regions[f"{direction} loop"]}
    before = {line.statement.out for line in draft.regions[f"{direction} before"]}
    early |= {out for out in before - written if _over_time(out, draft)}
    writers: dict[str, set[str]] = {}
    for line in draft.regions[f"{direction} loop"]:
        statement = line.statement
        held = stays(statement, draft) or not _over_time(statement.out, draft)
        reads = {*statement.reads, *(carried if held else ())}
        writers.setdefault(statement.out, set()).update(reads)
    changed = True
    while changed:
        changed = False
        for out, reads in writers.items():
            if out not in early and out not in carried and reads - {out} <= early:
                early.add(out)
                changed = True
    return early


def _is_early(statement: Statement, early: set[str], draft: Draft) -> bool:
    """Whether all that a statement reads is early, and its result may be made over all steps at once."""
    return set(statement.reads) <= early and _over_time(statement.out, draft)


def _is_early_product(statement: Statement, early: set[str], draft: Draft) -> bool:
    return _is_early(statement, early, draft) and gains(statement, draft)


def _split_sums(lines: list[Line], early: set[str], draft: Draft) -> list[Line]:
    """Separate the early terms of pointwise sums into arrays that an early product starts."""
    starts = {line.statement.out for line in lines if _is_early_product(line.statement, early, draft)}
    made: list[Line] = []
    for line in lines:
        statement = line.statement
        if not (isinstance(statement, Pointwise) and statement.out in starts - early):
            made.append(line)
            continue
        groups = ([], [])  # type: tuple[list[object], list[object]]
        for term in Add.make_args(statement.expr):
            reads = set(replace(statement, expr=term).reads)
            groups[0 if reads <= early else 1].append(term)
        made += [replace(line, statement=replace(statement, expr=Add(*group))) for group in groups if group]
    return made


def delay_gradients(plan: Plan) -> Plan:
    """Compute after the loop what the recursion does not wait for: gradients of weights and inputs.

    A term of a sum moves by itself: whoever reads the sum then waits, too.
    """
    draft = Draft(plan)
    lines = draft.regions["backward loop"]
    needed = _needed_in_loop(draft)
    inputs = {draft.root(gradient) for name, gradient in plan.gradients if name in plan.inputs}
    late: set[str] = set()
    inside: list[Line] = []
    after: list[Line] = []
    for line in lines:
        statement, root = line.statement, draft.root(line.statement.out)
        waits = any(draft.root(name) in late for name in statement.reads)
        goes = waits or gains(statement, draft) or root in inputs
        if root in needed or not goes or _is_of_one_step(statement, draft):
            inside.append(line)
            continue
        late.add(root)
        after.append(over_time_line(line, draft))
    draft.regions["backward loop"] = inside
    draft.regions["backward after"] = [*after, *draft.regions["backward after"]]
    _drop_zero_fills(draft)
    draft.settle()
    return draft.finished("gradients delayed")


def _needed_in_loop(draft: Draft) -> set[str]:
    """The memory that the backward loop hands on, or makes it of; all of its statements stay."""
    loop = draft.plan.backward.loop
    needed = {draft.root(name) for carry in loop.carries for name in (carry.there, carry.here)}
    for line in reversed(draft.regions["backward loop"]):
        if draft.root(line.statement.out) in needed or _is_of_one_step(line.statement, draft):
            needed |= {draft.root(name) for name in line.statement.reads}
    return needed


def _is_of_one_step(statement: Statement, draft: Draft) -> bool:
    """Whether a statement handles what no step but its own finds in memory."""
    return any(draft.buffers[name].lead == "B" for name in statement.arrays)


def _drop_zero_fills(draft: Draft) -> None:
    """Let the first product define a gradient instead of adding to zeros, where it covers all of it."""
    in_loop = {draft.root(line.statement.out) for line in draft.regions["backward loop"]}
    after: dict[str, list[int]] = {}  # by memory the lines after the loop that write to it
    for position, line in enumerate(draft.regions["backward after"]):
        after.setdefault(draft.root(line.statement.out), []).append(position)
    draft.regions["backward before"] = [
        line
        for line in draft.regions["backward before"]
        if not (isinstance(line.statement, Fill) and line.statement.what == "zeros")
        or line.statement.out in in_loop
        or not _covered(draft, line.statement, after.get(line.statement.out, []))
    ]


def _covered(draft: Draft, fill: Statement, writes: list[int]) -> bool:
    """Whether the statements after the loop that write to the filled array's memory write all of it."""
    statements = [draft.regions["backward after"][position].statement for position in writes]
    outs = {statement.out for statement in statements}
    if any(isinstance(statement, Scatter) for statement in statements):
        return False  # it adds to some rows alone
    if fill.out in outs:
        return outs == {fill.out}
    windows = [draft.buffers[out].window for out in outs]
    ranges = [
        (w.axis, w.rows) for w in windows if w is not None and w.base == fill.out and w.rows is not None
    ]
    axes = {axis for axis, _ in ranges}
    if len(ranges) != len(outs) or len(axes) != 1:
        return False
    stops = dict(rows for _, rows in ranges)
    position: Size = Integer(0)
    while position in stops:
        position = stops.pop(position)
    return not stops and position == draft.buffers[fill.out].shape[axes.pop()]
