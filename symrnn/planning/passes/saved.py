"""Choose what the forward pass saves: what the backward pass reads, and nothing else."""

from dataclasses import replace

from symrnn.planning.passes.draft import Draft
from symrnn.planning.plan import BACKWARD, Plan
from symrnn.planning.printout import listed


def choose_saved(plan: Plan) -> Plan:
    """Keep over time what is read later; everything else lives for one step."""
    draft = Draft(plan)
    readers: dict[str, dict[str, None]] = {}
    for region in (*BACKWARD, "finish"):
        for line in draft.regions[region]:
            for name in line.statement.reads:
                if draft.buffers[name].kind == "value":
                    readers.setdefault(name, {})[line.statement.out] = None
    outside = _used_outside_loops(draft) | {draft.root(name) for name in readers}
    outside |= {draft.root(plan.output), draft.root(plan.output_cotangent)}
    outside |= {draft.root(carry.here) for carry in plan.forward.loop.carries}
    for name, buffer in list(draft.buffers.items()):
        passing = buffer.kind in ("value", "adjoint") and buffer.lead == "TB"
        if passing and draft.root(name) not in outside:
            draft.buffers[name] = replace(buffer, lead="B")
    saved = [(name, f"read for {listed(list(users))}") for name, users in readers.items()]
    order = {name: i for i, name in enumerate(draft.buffers)}
    finished = draft.finished("saved values chosen")
    return replace(finished, saved=tuple(sorted(saved, key=lambda pair: order[pair[0]])))


def _used_outside_loops(draft: Draft) -> set[str]:
    """Memory that statements before or after a loop touch."""
    found: set[str] = set()
    for region, lines in draft.regions.items():
        if not region.endswith("loop"):
            for line in lines:
                found |= {draft.root(name) for name in line.statement.arrays}
    return found
