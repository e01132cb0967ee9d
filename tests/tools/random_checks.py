"""Random cells run through every stage and compared with JAX.

`SYMRNN_RANDOM_CELLS=1000 pytest tests/kernels/test_random_cells.py` examines a thousand other cells besides.
"""

import random
import warnings
from collections.abc import Callable

from compiled_programs import make_room
from interpretation import arguments_of, assert_same, expected, run, stages
from random_cells import build_cell, sizes_for

from symrnn import Cell, emit
from symrnn.checking.check import check_module
from symrnn.checking.problem import draw_problem
from symrnn.running.loading import load_source

TRIES = 150
"""Smaller cells that are tried once a cell has failed."""


def check_plans(cell: Cell, seed: int = 0) -> None:
    """Raise unless every plan of `cell`, after each pass, agrees with autodiff."""
    make_room()
    problem = draw_problem(cell, sizes=sizes_for(cell), T=3, B=2, seed=seed, eager=True)
    assert problem.finite, f"The reference is not finite on {cell}"
    for plan in stages(cell):
        try:
            assert_same(run(plan, arguments_of(problem, plan)), expected(problem, plan))
        except AssertionError as error:
            raise AssertionError(f"after {plan.applied[-1]!r}: {error}") from None


def check_kernel(cell: Cell, target: str, dtypes: tuple[str, ...], seed: int = 0) -> None:
    """Raise unless the emitted kernel of `cell` agrees with autodiff."""
    problem = draw_problem(cell, sizes=sizes_for(cell), T=3, B=2, seed=seed, eager=True)
    module = load_source(emit(stages(cell)[-1], target), f"random_{target}")
    for dtype in dtypes:
        check_module(problem, module, dtype=dtype, target=target).raise_if_failed()


def check_numpy(cell: Cell, seed: int = 0) -> None:
    """Raise unless the interpreter and the NumPy kernel agree with autodiff."""
    check_plans(cell, seed)
    check_kernel(cell, "numpy", ("float64",), seed)


def check_numba(cell: Cell, seed: int = 0) -> None:
    """Raise unless the compiled kernel agrees with autodiff."""
    check_kernel(cell, "numba", ("float64",), seed)


def check_numba_single(cell: Cell, seed: int = 0) -> None:
    """Raise unless the compiled kernel agrees with autodiff in float32."""
    check_kernel(cell, "numba", ("float32",), seed)


class Choices:
    """The choices that make a random cell: those of a seed, or given ones, replayed."""

    def __init__(self, source: Callable[[int], int]) -> None:
        self.source = source
        self.made: list[int] = []

    def __call__(self, count: int) -> int:
        self.made.append(self.source(count))
        return self.made[-1]


def replayed(choices: list[int]) -> Callable[[int], int]:
    """Given choices one after the other, the simplest alternative when they run out."""
    left = iter(choices)
    return lambda count: min(next(left, 0), count - 1)


def failure(check: Callable[[Cell, int], None], cell: Cell, seed: int) -> str:
    """What a check says against a cell; empty if nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check(cell, seed)
    except Exception as error:  # whatever goes wrong in any stage is a finding
        return f"{type(error).__name__}: {error}"
    return ""


def examine(check: Callable[[Cell, int], None], seed: int) -> str:
    """What a check says against the random cell of a seed, with a smaller cell of the same fault."""
    record = Choices(random.Random(seed).randrange)
    cell = build_cell(record)
    said = failure(check, cell, seed)
    if not said:
        return ""
    choices, smaller, reason = shrunk(check, record.made, cell, said, seed)
    return f"seed {seed}\n{cell}\n{said}\n\na smaller one, choices {choices}\n{smaller}\n{reason}"


def shrunk(
    check: Callable[[Cell, int], None], choices: list[int], cell: Cell, said: str, seed: int
) -> tuple[list[int], Cell, str]:
    """A smaller cell that fails: choices left out or set to the simplest, one after the other."""
    kind = said.partition(":")[0]
    position, tries = 0, 0
    while position < len(choices) and tries < TRIES:
        for candidate in (
            choices[:position],
            choices[:position] + choices[position + 1 :],
            [*choices[:position], 0, *choices[position + 1 :]],
        ):
            if candidate == choices:
                continue
            tries += 1
            try:
                smaller = build_cell(replayed(candidate))
            except Exception:
                continue
            reason = failure(check, smaller, seed)
            if reason.partition(":")[0] == kind and len(str(smaller)) <= len(str(cell)):
                choices, cell, said = candidate, smaller, reason
                break
        else:
            position += 1
    return choices, cell, said
