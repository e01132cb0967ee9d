"""A cell taken through every stage, and the first fault that shows."""

import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from symrnn.checking.problem import Problem, draw_problem
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import log, power, reciprocal, sqrt
from symrnn.errors import SymrnnError
from symrnn.fuzzing.comparing import (
    Kernel,
    compare,
    require_lengths,
    require_no_steps,
    require_streaming,
    require_workspace,
)
from symrnn.kernels.targets import TARGETS
from symrnn.papers.document import latex_document
from symrnn.pipeline import derive, emit, plan
from symrnn.planning.cost import step_cost
from symrnn.running.loading import load_source

SLOW = 10.0
"""Seconds of this process that it may take to emit a kernel."""
AGAIN = "from symrnn.fuzzing.examination import examine_cell\n\n"
SAVES = ("all", "states")
DTYPES = ("float64", "float32")
STEPS, BATCH = 3, 2


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong: in which stage, the kind of error, what it says, and the call that shows it."""

    stage: str
    kind: str
    message: str
    call: str

    def like(self, other: "Fault | None") -> bool:
        """Whether another fault seems to have the same cause."""
        if other is None or (self.stage, self.kind) != (other.stage, other.kind):
            return False
        return self.kind in NUMERIC or _gist(self.message) == _gist(other.message)


NUMERIC = ("CheckError", "ValidationError")
"""Kinds of error whose messages are full of names and numbers."""


def _gist(message: str) -> list[str]:
    """The words of a message without what it quotes."""
    return re.findall(r"\b[a-z]{3,}\b", re.sub(r"'[^']*'|\[[^]]*\]|\([^)]*\)|[A-Za-z]*_\w*", "", message))


class Course:
    """Where an examination stands."""

    def __init__(self) -> None:
        """Begin with the declaration."""
        self.stage, self.call = "declare", ""
        self.emitting = 0.0
        self.finite = True

    def at(self, stage: str, call: str) -> None:
        """Enter a stage, of which a call shows what it does."""
        self.stage, self.call = stage, call

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure how long a text takes to make."""
        start = time.process_time()
        yield
        self.emitting = max(self.emitting, time.process_time() - start)

    def require_speed(self) -> None:
        """Raise if a text took too long."""
        if self.emitting > SLOW:
            raise SlowError(f"It took {self.emitting:.1f} s to make a text.")


@dataclass(frozen=True, slots=True)
class Examined:
    """The first fault of a cell or a model, if any, and how long the slowest of its texts took to make."""

    fault: Fault | None
    emitting: float
    finite: bool


def examine_cell(cell: Cell, target: str = "numpy", seed: int = 0) -> Examined:
    """The examination of a cell: declared, planned and emitted both ways, run, and compared.

    Values and gradients must be those of the reference; workspaces, lengths, streaming and empty sequences
    must change nothing. Whatever is raised on the way is a fault. In NumPy both plans run, and both dtypes;
    of what Numba takes seconds to compile, `seed` chooses one plan and one dtype.
    """
    course = Course()
    fault = fault_of(course, lambda: _cell(cell, target, seed, course))
    return Examined(fault, course.emitting, course.finite)


def fault_of(course: Course, run: Callable[[], None]) -> Fault | None:
    """What a run raises, as the fault of the stage that it had reached."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run()
    except Exception as error:  # any exception in any stage is what this looks for
        raw = "" if isinstance(error, SymrnnError) else "raw "
        return Fault(course.stage, f"{raw}{type(error).__name__}", str(error), course.call)
    return None


def _cell(cell: Cell, target: str, seed: int, course: Course) -> None:
    course.at("derive", "print(symrnn.derive(cell))")
    derivation = derive(cell)
    plans, sources = {}, {}
    for save in SAVES:
        with course.timed():
            course.at(f"plan {save}", f'print(symrnn.plan(cell, save="{save}"))')
            plans[save] = plan(derivation, save)
            course.at(f"emit {target} {save}", f'print(symrnn.emit(cell, target="{target}", save="{save}"))')
            sources[save] = emit(plans[save], target)
    course.at("latex", "print(symrnn.latex(cell))")
    latex_document(derivation, cost=step_cost(plans["all"], plans["states"]))
    course.at("speed", f'print(symrnn.emit(cell, target="{target}"))')
    course.require_speed()
    _run(cell, target, seed, sources, course)


class SlowError(SymrnnError):
    """A text took too long to make."""


def _run(cell: Cell, target: str, seed: int, sources: dict[str, str], course: Course) -> None:
    """The kernels of both plans at a problem."""
    again = f"{AGAIN}print(examine_cell(cell, {target!r}, {seed}))"
    course.at("reference", again)
    problem = problem_for(cell, seed)
    course.finite = problem.finite
    rng = np.random.default_rng(seed)
    single, chosen = SAVES[int(rng.integers(2))], DTYPES[int(rng.integers(2))]
    compiled = TARGETS[target].compiled
    for save in (single,) if compiled else SAVES:
        with loaded(sources[save], target) as module:
            for dtype in (chosen,) if compiled else DTYPES if save == single else DTYPES[:1]:
                course.at(f"compare {target} {save} {dtype}", again)
                if problem.finite:
                    compare(problem, module, dtype, target)
            dtype = chosen if compiled else DTYPES[int(rng.integers(2))]
            course.at(f"run {target} {save} {dtype}", again)
            kernel = Kernel(module, problem, dtype)
            require_workspace(kernel)
            require_lengths(kernel, rng.permutation(np.array([int(rng.integers(0, STEPS)), STEPS])))
            require_streaming(kernel)
            if rng.integers(4) == 0:
                require_no_steps(kernel)


def problem_for(cell: Cell, seed: int) -> Problem:
    """A problem of few steps; of positive numbers where the cell has functions that need them."""
    partial = any(eq.rhs.has(log, power, reciprocal, sqrt) for eq in cell.equations)
    zero_state = bool(np.random.default_rng(seed).integers(5) == 0) and not partial
    return draw_problem(
        cell, T=STEPS, B=BATCH, seed=seed, zero_state=zero_state, positive=partial, eager=True
    )


@contextmanager
def loaded(source: str, target: str) -> Iterator[ModuleType]:
    """The module of a source, which is forgotten afterwards; a compiled one has a file, which is removed."""
    if TARGETS[target].compiled:
        module = load_source(source, "fuzzed")
        yield module
        assert module.__file__ is not None
        Path(module.__file__).unlink(missing_ok=True)
        return
    module = ModuleType("fuzzed_kernel")
    exec(compile(source, "<emitted kernel>", "exec"), module.__dict__)
    yield module
