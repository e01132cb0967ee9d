"""Share memory: a gate overwrites its pre-activation, an adjoint the one that it continues."""

from dataclasses import replace

from symrnn.planning.ir import Buffer, Carry, Pointwise, Window
from symrnn.planning.passes.draft import Draft
from symrnn.planning.plan import REGIONS, Plan


def share_memory(plan: Plan) -> Plan:
    """Let a result lie where an operand lay that nothing reads any more."""
    draft = Draft(plan)
    sharer = _Sharer(draft)
    position = 0
    for region in REGIONS:
        for line in draft.regions[region]:
            statement = line.statement
            if isinstance(statement, Pointwise) and not statement.update:
                sharer.reuse(region, position, statement)
            position += 1
    for carry in plan.backward.loop.carries:
        _continue_in_place(draft, carry)
    return draft.finished("memory shared")


class _Sharer:
    """Gives results the memory of operands, from tables of what is touched when and what lies where.

    Positions count the lines of all regions in order of execution.
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        plan = draft.plan
        self.carried = plan.carried
        self.named = {plan.output, plan.output_cotangent, *(gradient for _, gradient in plan.gradients)}
        self.bases = {b.window.base for b in draft.buffers.values() if b.window is not None}
        self.in_memory: dict[str, list[str]] = {}
        for name in draft.buffers:
            self.in_memory.setdefault(draft.root(name), []).append(name)
        self.last_touch: dict[str, int] = {}
        self.first_write: dict[tuple[str, str], int] = {}  # by region and array
        lines = ((region, line.statement) for region in REGIONS for line in draft.regions[region])
        for position, (region, statement) in enumerate(lines):
            self.last_touch |= dict.fromkeys(statement.arrays, position)
            self.first_write.setdefault((region, statement.out), position)

    def reuse(self, region: str, position: int, statement: Pointwise) -> None:
        """Give the statement's result the memory of one of its operands, where that is safe."""
        draft = self.draft
        out = draft.buffers[statement.out]
        if self.first_write[region, out.name] < position or not self.owns_memory(out):
            return
        for name in statement.reads:
            operand = draft.buffers[name]
            fits = (operand.lead, operand.shape, operand.kind) == (out.lead, out.shape, out.kind)
            free = name not in self.carried and name != draft.plan.output and not operand.extended
            if fits and free and not self.is_read_later(position, name):
                window = operand.window if operand.window is not None else Window(name)
                draft.buffers[out.name] = replace(out, window=window)
                self.bases.add(window.base)
                self.in_memory[draft.root(name)] += self.in_memory.pop(out.name)
                return

    def owns_memory(self, buffer: Buffer) -> bool:
        return (
            buffer.window is None
            and buffer.name not in self.carried
            and buffer.name not in self.named
            and buffer.kind in ("value", "recomputed", "adjoint")
            and buffer.name not in self.bases
        )

    def is_read_later(self, position: int, name: str) -> bool:
        """Whether anything touches the memory of `name` after the line at `position`."""
        later = (n for n in self.in_memory[self.draft.root(name)] if self.last_touch.get(n, -1) > position)
        return any(self.draft.overlap(name, other) for other in later)


def _has_windows(draft: Draft, name: str) -> bool:
    return any(b.window is not None and b.window.base == name for b in draft.buffers.values())


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
