"""What examining one cell or model of a run gave: plain data that goes from process to process."""

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.source_text import cell_source
from symrnn.workbench.fuzz.cells import scheduled_cell
from symrnn.workbench.fuzz.constructs import Pair, pairs_of, stack_depth
from symrnn.workbench.fuzz.examination import Fault, examine_cell
from symrnn.workbench.fuzz.shrinking import SECONDS, shrunk

CELL, MODEL = "cell", "model"


@dataclass(frozen=True, slots=True)
class Task:
    """One cell or model of a run: the same seed and number make the same again."""

    what: str
    seed: int
    number: int
    target: str

    def __str__(self) -> str:
        return f"{self.what} {self.number} of seed {self.seed}, {self.target}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task; `finding` is empty if all is well."""

    task: Task
    kind: str
    finding: str
    pairs: frozenset[Pair]
    stacked: int
    emitting: float
    finite: bool


def planned_tasks(cells: int, models: int, seed: int, first: int, compiled: float) -> list[Task]:
    """The tasks of a run, models among the cells; a share is compiled by Numba."""

    def target(what: str, number: int) -> str:
        return "numba" if random.Random(f"{seed} {what} {number} target").random() < compiled else "numpy"

    tasks = [
        (number / max(count, 1), Task(what, seed, first + number, target(what, first + number)))
        for what, count in ((CELL, cells), (MODEL, models))
        for number in range(count)
    ]
    return [task for _, task in sorted(tasks, key=lambda pair: pair[0])]


def perform(task: Task, seconds: float = SECONDS) -> Outcome:
    """A task done: made, examined, and shrunk for so many seconds if it has a fault."""
    return cell_outcome(task, seconds)


def cell_outcome(task: Task, seconds: float) -> Outcome:
    """The examination of a random cell."""
    try:
        cell = scheduled_cell(task.seed, task.number)
    except Exception:  # what the generator declares is valid: any refusal is a fault
        script = (
            "from symrnn.workbench.fuzz.cells import scheduled_cell\n\n"
            f"print(scheduled_cell({task.seed}, {task.number}))\n"
        )
        text = f"{task}: the declaration is refused\n{traceback.format_exc()}\n{script}"
        return Outcome(task, "declare", text, frozenset(), 0, 0.0, True)
    found = examine_cell(cell, task.target, task.number)
    fault = found.fault
    text = ""
    if fault is not None:
        text = finding_text(
            task, cell, fault, lambda smaller: examine_cell(smaller, task.target, task.number).fault, seconds
        )
    kind = f"{fault.stage}: {fault.kind}" if fault else ""
    return Outcome(
        task, kind, text, frozenset(pairs_of(cell)), stack_depth(cell), found.emitting, found.finite
    )


def finding_text(
    task: Task, cell: Cell, fault: Fault, examine: Callable[[Cell], Fault | None], seconds: float
) -> str:
    """A fault, and a script with a small cell that shows it."""
    small = shrunk(cell, lambda smaller: fault.like(examine(smaller)), seconds)
    shown = examine(small) or fault
    script = f"{cell_source(small)}\nimport symrnn\n\n{shown.call}\n"
    return f"{task}: {shown.stage}: {shown.kind}: {shown.message}\n\n{script}"
