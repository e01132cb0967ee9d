"""What examining one cell or model of a run gave: plain data that goes from process to process."""

import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.source_text import cell_source
from symrnn.errors import SymrnnError
from symrnn.fuzzing.cells import scheduled_cell
from symrnn.fuzzing.constructs import Pair, pairs_of, stack_depth
from symrnn.fuzzing.examination import Fault, examine_cell
from symrnn.fuzzing.model_examination import examine_model
from symrnn.fuzzing.model_source import model_source
from symrnn.fuzzing.models import build_model
from symrnn.fuzzing.shrinking import SECONDS, shrunk
from symrnn.models.model import Model

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
    return cell_outcome(task, seconds) if task.what == CELL else model_outcome(task, seconds)


def cell_outcome(task: Task, seconds: float) -> Outcome:
    """The examination of a random cell."""
    try:
        cell = scheduled_cell(task.seed, task.number)
    except Exception:  # what the generator declares is valid: any refusal is a fault
        return refused(task, "cells", "scheduled_cell")
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


def refused(task: Task, module: str, function: str) -> Outcome:
    """The outcome of a task whose declaration raised an error just now."""
    script = (
        f"from symrnn.fuzzing.{module} import {function}\n\nprint({function}({task.seed}, {task.number}))\n"
    )
    text = f"{task}: the declaration is refused\n{traceback.format_exc()}\n{script}"
    return Outcome(task, "declare", text, frozenset(), 0, 0.0, True)


def model_outcome(task: Task, seconds: float) -> Outcome:
    """The examination of a random model."""
    choices = Choices(random.Random(f"{task.seed} model {task.number}").randrange)
    try:
        model = build_model(choices)
    except Exception:  # what the generator declares is valid: any refusal is a fault
        return refused(task, "models", "scheduled_model")
    found = examine_model(model, task.target, task.number)
    fault, text = found.fault, ""
    if fault is not None:
        small = shrunk_model(choices.made, model, fault, task, seconds)
        shown = examine_model(small, task.target, task.number).fault or fault
        script = f"{model_source(small)}\nimport symrnn\n\n{shown.call}\n"
        text = f"{task}: {shown.stage}: {shown.kind}: {shown.message}\n\n{script}"
    kind = f"{fault.stage}: {fault.kind}" if fault else ""
    return Outcome(task, kind, text, frozenset(), 0, found.emitting, found.finite)


class Choices:
    """The choices that make a random model: those of a source, which are remembered."""

    def __init__(self, source: Callable[[int], int]) -> None:
        """`source` gives a number below the one that it is called with."""
        self.source = source
        self.made: list[int] = []

    def __call__(self, count: int) -> int:
        """The next choice."""
        self.made.append(self.source(count))
        return self.made[-1]


def replayed(choices: list[int]) -> Callable[[int], int]:
    """Given choices one after the other, the simplest alternative when they run out."""
    left = iter(choices)
    return lambda count: min(next(left, 0), count - 1)


def shrunk_model(choices: list[int], model: Model, fault: Fault, task: Task, seconds: float) -> Model:
    """A smaller model with the fault: choices left out or set to the simplest, one after the other."""
    end, position = time.monotonic() + seconds, 0
    while position < len(choices) and time.monotonic() < end:
        cuts = (
            choices[:position],
            choices[:position] + choices[position + 1 :],
            [*choices[:position], 0, *choices[position + 1 :]],
        )
        for candidate in cuts:
            if candidate == choices:
                continue
            try:
                smaller = build_model(replayed(candidate))
            except SymrnnError:  # other choices may not go together
                continue
            size = len(smaller.runs), len(str(smaller))
            if size <= (len(model.runs), len(str(model))) and fault.like(
                examine_model(smaller, task.target, task.number).fault
            ):
                choices, model = candidate, smaller
                break
        else:
            position += 1
    return model


def finding_text(
    task: Task, cell: Cell, fault: Fault, examine: Callable[[Cell], Fault | None], seconds: float
) -> str:
    """A fault, and a script with a small cell that shows it."""
    small = shrunk(cell, lambda smaller: fault.like(examine(smaller)), seconds)
    shown = examine(small) or fault
    script = f"{cell_source(small)}\nimport symrnn\n\n{shown.call}\n"
    return f"{task}: {shown.stage}: {shown.kind}: {shown.message}\n\n{script}"
