"""A plan as a table, for a person."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symrnn.planning.plan import Plan


def plan_text(plan: "Plan") -> str:
    """The plan as text."""
    lines = [f"plan of {plan.name}: {', '.join(plan.applied)}"]
    for title, blocks in (
        ("prepare", plan.prepare),
        ("forward, before the loop", plan.forward.before),
        ("forward, at every t", plan.forward.loop.blocks),
        ("forward, after", plan.forward.after),
        ("backward, before the loop", plan.backward.before),
        ("backward, at every t", plan.backward.loop.blocks),
        ("backward, after the loop", plan.backward.after),
        ("finish", plan.finish),
    ):
        if not blocks:
            continue
        lines.append(f"{title}")
        for block in blocks:
            lines.append(f"  [{block.title}]")
            lines += [f"      {s}" for s in block.statements]
    return "\n".join(lines)
