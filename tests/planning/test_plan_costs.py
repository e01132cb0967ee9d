"""Plans cost what they did: a pass that gets lazier makes no wrong number, and no other test would tell.

PYTHONPATH=tests/tools python tests/planning/test_plan_costs.py
writes plan_costs.json anew, after a change that is meant.
"""

import json
from pathlib import Path

import pytest
from interpretation import stages
from kernel_problems import ALL
from odd_cells import ODD
from random_cells import random_cell
from random_sums import random_sum

from symrnn import Cell
from symrnn.kernels.layout import Layout
from symrnn.kernels.numpy.module import NAMES
from symrnn.planning.cost import moving_operations, recomputed_elements, saved_elements, traffic
from symrnn.planning.ir import Pass, size_of
from symrnn.planning.passes import PASSES
from symrnn.planning.plan import Plan

RECORD = Path(__file__).with_name("plan_costs.json")
SIZES = (5, 7, 3, 2, 11, 4)
"""Of the axes, in the order in which a cell meets them."""

SOME: dict[str, Cell] = {
    **ALL,
    **ODD,
    **{f"random cell {seed}": random_cell(seed) for seed in range(400, 412)},
    **{f"random sum {seed}": random_sum(seed).cell for seed in range(100, 112)},
}


def costs_of(plan: Plan) -> dict[str, list[int]]:
    """Operations, numbers moved and statements before, in and after each loop; then memory, and counts."""
    sizes, table = dict(zip(plan.axes, SIZES, strict=False)), plan.table()

    def of(through: Pass) -> list[int]:
        found = []
        for blocks in (through.before, through.loop.blocks, through.after):
            statements = [s for block in blocks for s in block.statements]
            found.append(int(moving_operations(statements, table).subs(sizes)))
            found.append(sum(int(traffic(s, table).subs(sizes)) for s in statements))
            found.append(len(statements))
        return found

    held = [size_of(b.shape) for b in plan.buffers if b.window is None and "T" in b.lead]
    shared = [s for blocks in (plan.prepare, plan.finish) for block in blocks for s in block.statements]
    memory = [saved_elements(plan), recomputed_elements(plan), sum(held)]
    return {
        "forward": of(plan.forward),
        "backward": of(plan.backward),
        "saved, recomputed, held over time": [int(expr.subs(sizes)) for expr in memory],
        "statements: shared, for inputs' gradients alone": [len(shared), len(Layout(plan, NAMES).optional)],
        "arrays": [len(plan.buffers)],
    }


def record() -> dict[str, dict[str, list[int]]]:
    return {
        f"{name}, {save}": costs_of(stages(cell, save)[-1]) for name, cell in SOME.items() for save in PASSES
    }


@pytest.mark.parametrize("name", SOME)
def test_a_plan_costs_what_it_did(name: str) -> None:
    known = json.loads(RECORD.read_text(encoding="utf-8"))
    for save in PASSES:
        assert costs_of(stages(SOME[name], save)[-1]) == known[f"{name}, {save}"]


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(costs)}" for name, costs in record().items())
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
