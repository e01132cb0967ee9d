"""Move work out of the time loop, where it becomes one product over all T·B rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from sympy import Add

from symrnn.planning.ir import Contraction, Fill, Pointwise, Scatter, Statement
from symrnn.planning.passes.draft import Draft, Line, over_time
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
    qualifying terms move and the loop adds the rest.
    """
    lines = draft.regions[f"{direction} loop"]
    early = _early_arrays(draft, direction, stays)
    before: list[Line] = []
    inside: list[Line] = []
    started = {line.statement.out for line in draft.regions[f"{direction} before"]}
    for line in _products_first(_split_sums(lines, early, draft), early, draft):
        statement = line.statement
        known = set(statement.reads) <= early and _over_time(statement.out, draft)
        if known and (statement.out in early | started or gains(statement, draft)):
            moved = over_time(statement, draft) if isinstance(statement, Contraction) else statement
            before.append(replace(line, statement=replace(moved, update=statement.out in started)))
            started.add(statement.out)
        else:
            update = statement.update or statement.out in started
            inside.append(replace(line, statement=replace(statement, update=update)))
    draft.regions[f"{direction} before"] += before
    draft.regions[f"{direction} loop"] = _first_defines(inside, started)


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
    arrays = (statement.out, *statement.reads)
    return isinstance(statement, Contraction) and any(draft.is_static(name) for name in arrays)


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


def _is_early_product(statement: Statement, early: set[str], draft: Draft) -> bool:
    known = set(statement.reads) <= early and _over_time(statement.out, draft)
    return known and gains(statement, draft)


def _split_sums(lines: list[Line], early: set[str], draft: Draft) -> list[Line]:
    """Separate the early terms of pointwise sums into arrays that an early product starts."""
    starts = {line.statement.out for line in lines if _is_early_product(line.statement, early, draft)}
    made: list[Line] = []
    for line in lines:
        statement = line.statement
        if not (isinstance(statement, Pointwise) and statement.out in starts - early):
            made.append(line)
            continue
        terms = Add.make_args(statement.expr)
        groups = ([], [])  # type: tuple[list[object], list[object]]
        for term in terms:
            reads = set(replace(statement, expr=term).reads)
            groups[0 if reads <= early else 1].append(term)
        update = statement.update
        for group in groups:
            if group:
                made.append(replace(line, statement=replace(statement, expr=Add(*group), update=update)))
                update = True
    return made


def _products_first(lines: list[Line], early: set[str], draft: Draft) -> list[Line]:
    """Bring what can be hoisted of a sum to its front: the first statement defines, the others update.

    Only sums with a product that gains are touched; the other terms stay where their operands are ready.
    """
    made: list[Line] = []
    done: set[int] = set()
    for i, line in enumerate(lines):
        if i in done:
            continue
        moving = [
            j
            for j in range(i, len(lines))
            if lines[j].statement.out == line.statement.out and set(lines[j].statement.reads) <= early
        ]
        products = [j for j in moving if _is_early_product(lines[j].statement, early, draft)]
        if not products:
            made.append(line)
            continue
        order = list(dict.fromkeys([*products, *moving, i]))
        for position, j in enumerate(order):
            update = line.statement.update or position > 0
            made.append(replace(lines[j], statement=replace(lines[j].statement, update=update)))
        done.update(order)
    return made


def _first_defines(lines: list[Line], started: set[str]) -> list[Line]:
    """Make the first statement of an array that nothing has started a definition."""
    seen = set(started)
    made = []
    for line in lines:
        statement = line.statement
        update = statement.update and statement.out in seen
        seen.add(statement.out)
        made.append(replace(line, statement=replace(statement, update=update)))
    return made


def delay_gradients(plan: Plan) -> Plan:
    """Compute after the loop what the recursion does not wait for: gradients of weights and inputs."""
    draft = Draft(plan)
    lines = draft.regions["backward loop"]
    needed = {name for carry in plan.backward.loop.carries for name in (carry.there, carry.here)}
    for line in reversed(lines):
        if line.statement.out in needed or draft.root(line.statement.out) in needed:
            needed |= set(line.statement.reads)
    inputs = {draft.root(gradient) for name, gradient in plan.gradients if name in plan.inputs}
    late: set[str] = set()
    inside: list[Line] = []
    after: list[Line] = []
    for line in lines:
        statement = line.statement
        waits = any(draft.root(name) in late for name in statement.reads)
        goes = waits or gains(statement, draft) or draft.root(statement.out) in inputs
        if statement.out in needed or not goes:
            inside.append(line)
            continue
        late.add(draft.root(statement.out))
        moved = over_time(statement, draft) if isinstance(statement, Contraction) else statement
        after.append(replace(line, statement=moved))
    draft.regions["backward loop"] = inside
    draft.regions["backward after"] = [*after, *draft.regions["backward after"]]
    _drop_zero_fills(draft)
    return draft.finished("gradients delayed")


def _drop_zero_fills(draft: Draft) -> None:
    """Let the first product define a gradient instead of adding to zeros, where it covers all of it."""
    kept: list[Line] = []
    in_loop = {draft.root(line.statement.out) for line in draft.regions["backward loop"]}
    after: dict[str, list[int]] = {}  # by memory the lines after the loop that write to it
    for position, line in enumerate(draft.regions["backward after"]):
        after.setdefault(draft.root(line.statement.out), []).append(position)
    for line in draft.regions["backward before"]:
        statement = line.statement
        if not (
            isinstance(statement, Fill) and statement.what == "zeros" and statement.out not in in_loop
        ) or not _covered(draft, statement, after.get(statement.out, [])):
            kept.append(line)
        else:
            _define_first(draft, after.get(statement.out, []))
    draft.regions["backward before"] = kept


def _covered(draft: Draft, fill: Statement, writes: list[int]) -> bool:
    """Whether the statements after the loop that write to the filled array's memory write all of it."""
    statements = [draft.regions["backward after"][position].statement for position in writes]
    outs = {statement.out for statement in statements}
    if any(isinstance(statement, Scatter) for statement in statements):
        return False  # it adds to some rows alone
    if fill.out in outs:
        return outs == {fill.out}
    windows = [draft.buffers[out].window for out in outs]
    ranges = [(w.start, w.stop) for w in windows if w is not None and w.base == fill.out]
    if not ranges or len(ranges) != len(outs) or len({w.axis for w in windows if w is not None}) != 1:
        return False
    axis = next(w.axis for w in windows if w is not None)
    position = 0 * draft.buffers[fill.out].shape[axis]
    remaining = list(ranges)
    while remaining:
        following = [r for r in remaining if r[0] == position]
        if len(following) != 1:
            return False
        remaining.remove(following[0])
        position = following[0][1]
    return bool(position == draft.buffers[fill.out].shape[axis])


def _define_first(draft: Draft, writes: list[int]) -> None:
    seen: set[str] = set()
    for i in writes:
        line = draft.regions["backward after"][i]
        out = line.statement.out
        if out not in seen:
            seen.add(out)
            draft.regions["backward after"][i] = replace(
                line, statement=replace(line.statement, update=False)
            )
