"""Trade memory for work: the backward pass computes again what it reads, from the saved states.

All states are known when the backward pass begins, so nothing is sequential here: gates, pre-activations and
the like are made before its loop, over many rows at once.
"""

from dataclasses import replace

from symrnn.planning.ir import Window
from symrnn.planning.passes.draft import Draft, Line
from symrnn.planning.plan import BACKWARD, FORWARD, Plan

LATER = (*BACKWARD, "finish")


def recompute_from_states(plan: Plan) -> Plan:
    """Save nothing but states and the output; make all else that the backward pass reads again there."""
    draft = Draft(plan)
    again = _renaming(draft, _wanted(draft))
    lines = [line for region in FORWARD for line in _again(draft, region, again)]
    for region in LATER:
        draft.regions[region] = [
            replace(line, statement=line.statement.renamed(again)) for line in draft.regions[region]
        ]
    draft.regions["backward before"] = [*lines, *draft.regions["backward before"]]
    _drop_unread(draft)
    roles = dict(plan.roles)
    roles |= {new: roles[old] for old, new in again.items() if old in roles}
    finished = draft.finished("values recomputed from states")
    return replace(finished, save="states", roles=tuple(roles.items()))


def _wanted(draft: Draft) -> set[str]:
    """The memory of the forward pass that the backward pass needs and will not find."""
    found = {draft.root(carry.here) for carry in draft.plan.forward.loop.carries}
    found.add(draft.root(draft.plan.output))
    wanted: set[str] = set()

    def want(names: tuple[str, ...]) -> None:
        roots = {draft.root(name) for name in names}
        wanted.update(root for root in roots - found if draft.buffers[root].kind == "value")

    for region in LATER:
        for line in draft.regions[region]:
            want(line.statement.reads)
    for region in reversed(FORWARD):
        for line in reversed(draft.regions[region]):
            if draft.root(line.statement.out) in wanted:
                want(line.statement.reads)
    return wanted


def _renaming(draft: Draft, wanted: set[str]) -> dict[str, str]:
    """The arrays that lie in the memory `wanted`, each with the name of a new one that will hold the same."""
    names = [name for name in draft.buffers if draft.root(name) in wanted]
    again = {name: draft.names.fresh(f"{name}_again") for name in names}
    for old, new in again.items():
        window = draft.buffers[old].window
        inside = replace(window, base=again[window.base]) if isinstance(window, Window) else None
        draft.buffers[new] = replace(draft.buffers[old], name=new, kind="recomputed", window=inside)
    return again


def _again(draft: Draft, region: str, again: dict[str, str]) -> list[Line]:
    """The lines of a region that fill the arrays to be made again, over all steps at once."""
    made = []
    for line in draft.regions[region]:
        statement = line.statement
        if statement.out in again:
            if region.endswith("loop"):
                statement = statement.over_time(draft.buffers)
            whole = line.title in again  # else only a part of the equation is needed
            title = line.title if whole else statement.out
            sources = tuple(
                f"{source}, recomputed" if whole else f"{title}, recomputed from {source}"
                for source in line.sources
            )
            made.append(Line(statement.renamed(again), f"{title}, recomputed", sources))
    return made


def _drop_unread(draft: Draft) -> None:
    """Leave out the forward statements whose results nothing reads any more."""
    kept = {draft.root(carry.here) for carry in draft.plan.forward.loop.carries}
    kept.add(draft.root(draft.plan.output))
    later = [line.statement for region in LATER for line in draft.regions[region]]
    read = kept | {draft.root(name) for statement in later for name in statement.reads}
    for region in reversed(FORWARD):
        draft.drop_unread(region, read, draft.buffers)
