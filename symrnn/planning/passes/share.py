"""Share memory: a gate overwrites its pre-activation, an adjoint the one that it continues."""

from dataclasses import replace

from symrnn.planning.ir import Buffer, Carry, Pointwise, Window
from symrnn.planning.passes.draft import REGIONS, Draft, Line
from symrnn.planning.plan import Plan


def share_memory(plan: Plan) -> Plan:
    """Let a result lie where an operand lay that nothing reads any more."""
    draft = Draft(plan)
    for region in REGIONS:
        for position, line in enumerate(draft.regions[region]):
            statement = line.statement
            if isinstance(statement, Pointwise) and not statement.update:
                _reuse(draft, region, position, statement)
    for carry in plan.backward.loop.carries:
        _continue_in_place(draft, carry)
    return draft.finished("memory shared")


def _own_memory(draft: Draft, buffer: Buffer, carried: set[str]) -> bool:
    named = {draft.plan.output, draft.plan.output_cotangent, *(g for _, g in draft.plan.gradients)}
    return (
        buffer.window is None
        and buffer.name not in carried | named
        and buffer.kind in ("value", "recomputed", "adjoint")
        and not _has_windows(draft, buffer.name)
    )


def _has_windows(draft: Draft, name: str) -> bool:
    return any(b.window is not None and b.window.base == name for b in draft.buffers.values())


def _carried(draft: Draft) -> set[str]:
    loops = (draft.plan.forward.loop, draft.plan.backward.loop)
    return {name for loop in loops for c in loop.carries for name in (c.here, c.there, c.initial)}


def _reuse(draft: Draft, region: str, position: int, statement: Pointwise) -> None:
    """Give the statement's result the memory of one of its operands, where that is safe."""
    carried = _carried(draft)
    out = draft.buffers[statement.out]
    first = not any(line.statement.out == out.name for line in draft.regions[region][:position])
    if not (first and _own_memory(draft, out, carried)):
        return
    for name in statement.reads:
        operand = draft.buffers[name]
        fits = (operand.lead, operand.shape, operand.kind) == (out.lead, out.shape, out.kind)
        free = name not in carried and name != draft.plan.output and not operand.extended
        if fits and free and not _read_later(draft, region, position, name):
            window = operand.window if operand.window is not None else Window(name)
            draft.buffers[out.name] = replace(out, window=window)
            return


def _read_later(draft: Draft, region: str, position: int, name: str) -> bool:
    """Whether anything reads the memory of `name` after the line at `position` of the region."""
    lines: list[Line] = draft.regions[region][position + 1 :]
    for later in REGIONS[REGIONS.index(region) + 1 :]:
        lines = lines + draft.regions[later]
    touched = {n for line in lines for n in (*line.statement.reads, line.statement.out)}
    return any(draft.overlap(name, other) for other in touched)


def _continue_in_place(draft: Draft, carry: Carry) -> None:
    """Let a state's adjoint at t-1 overwrite the one at t, once that has been read."""
    lines = draft.regions["backward loop"]
    writes = [i for i, line in enumerate(lines) if line.statement.out == carry.there]
    reads = [i for i, line in enumerate(lines) if carry.here in line.statement.reads]
    there = draft.buffers[carry.there]
    if not writes or there.window is not None or _has_windows(draft, carry.there):
        return
    first = min(writes)
    pointwise = isinstance(lines[first].statement, Pointwise)
    last_read = max(reads, default=-1)
    if last_read < first or (last_read == first and pointwise):
        draft.buffers[carry.there] = replace(there, window=Window(carry.here))
