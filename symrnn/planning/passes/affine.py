"""Loops whose recurrences are affine and diagonal: leave in them what goes from step to step, and say so.

Such a loop is short, and a scan may replace it. All else is done over many rows at once, before it or after
it. Other loops keep what is fused with their products.
"""

from dataclasses import replace

from symrnn.planning.affine import affine_recurrences
from symrnn.planning.ir import AffineRecurrence, Loop, Statement
from symrnn.planning.passes.draft import Draft, over_time_line
from symrnn.planning.passes.hoist import gains, move_before
from symrnn.planning.plan import Plan


def shorten_affine_loops(plan: Plan) -> Plan:
    """Leave in affine and diagonal loops only what the recurrence needs of the step before.

    What no carried array reaches moves before the loop, what the next step does not wait for moves after it.
    Matrices of a sample stay: over all steps at once they would be large.
    """
    draft = Draft(plan)
    shorter = False
    for direction, loop in (("forward", plan.forward.loop), ("backward", plan.backward.loop)):
        if _recurrences(draft, direction, loop):
            length = len(draft.regions[f"{direction} loop"])
            move_before(draft, direction, stays=_is_large)
            _move_after(draft, direction, loop)
            shorter = shorter or len(draft.regions[f"{direction} loop"]) < length
    return draft.finished("affine loops shortened") if shorter else plan


def mark_affine(plan: Plan) -> Plan:
    """Note on each loop that is affine and diagonal what its recurrences are."""
    draft = Draft(plan)
    found = []
    for direction, loop in (("forward", plan.forward.loop), ("backward", plan.backward.loop)):
        known = {array.symbol for array in plan.buffers} | {*plan.axes}
        affine = _recurrences(draft, direction, loop)
        told = all(part.free_symbols <= known for each in affine for part in (each.gain, each.offset))
        found.append(affine if told else ())
    if not any(found):
        return plan
    forward, backward = (
        replace(through, loop=replace(through.loop, affine=affine))
        for through, affine in zip((plan.forward, plan.backward), found, strict=True)
    )
    return replace(plan, forward=forward, backward=backward, applied=(*plan.applied, "affine loops marked"))


def _recurrences(draft: Draft, direction: str, loop: Loop) -> tuple[AffineRecurrence, ...]:
    statements = [line.statement for line in draft.regions[f"{direction} loop"]]
    return affine_recurrences(statements, loop.carries, draft.buffers)


def _is_large(statement: Statement, draft: Draft) -> bool:
    """Whether a statement handles matrices of a sample, and not to multiply them by a shared array."""
    arrays = [draft.buffers[name] for name in statement.arrays]
    return not gains(statement, draft) and any(b.lead and len(b.shape) > 1 for b in arrays)


def _move_after(draft: Draft, direction: str, loop: Loop) -> None:
    """Move after the loop the arrays that no step hands on, with all their statements."""
    region = f"{direction} loop"
    lines = draft.regions[region]
    carried = [name for carry in loop.carries for name in (carry.here, carry.there)]
    held = {draft.root(name) for name in carried}
    held |= {draft.root(line.statement.out) for line in lines if _stays(line.statement, draft)}
    for line in reversed(lines):  # what an array that stays is made of stays
        if draft.root(line.statement.out) in held:
            held |= {draft.root(name) for name in line.statement.reads}
    after = [line for line in lines if draft.root(line.statement.out) not in held]
    draft.regions[region] = [line for line in lines if draft.root(line.statement.out) in held]
    draft.regions[f"{direction} after"] = [
        *(over_time_line(line, draft) for line in after),
        *draft.regions[f"{direction} after"],
    ]


def _stays(statement: Statement, draft: Draft) -> bool:
    """Whether a statement has no meaning or too much memory over all steps at once."""
    arrays = [draft.buffers[name] for name in statement.arrays]
    per_step = any(buffer.lead == "B" for buffer in arrays)
    return per_step or draft.buffers[statement.out].kind == "gradient" or _is_large(statement, draft)
