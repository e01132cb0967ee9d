"""A kernel's values and gradients against the reference, within `TOLERANCES`.

A kernel runs on a `Problem`, which has the reference's answer. The numbers of a problem are exact in float32,
so one serves both dtypes and every target.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from symrnn.checking.problem import Doubles, Problem, draw_problem, largest_magnitude
from symrnn.checking.reference import DIFFERENCES, ReferenceGradients, indices_of
from symrnn.checking.report import (
    AGREES,
    CHANGED,
    DIFFERS,
    NOT_A_NUMBER,
    UNDEFINED,
    WRONG_DTYPE,
    WRONG_SHAPE,
    CheckReport,
    CheckRow,
)
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.kernels.targets import require_array_target
from symrnn.planning.passes import require_save
from symrnn.running.loading import load

TOLERANCES = {"float32": 2e-5, "float64": 1e-10}
"""The largest relative error that passes, by dtype.

float32: 170 units of rounding (1.2e-7): sums of a few dozen rounded terms over a few steps stay below 20.
float64: the reference has the same precision as the kernel; both stay below 1e-13 on well-conditioned
cells, and 1e-10 leaves room for cells that amplify rounding. A wrong sign or a lost term is above 1e-3.
"""

DIFFERENCE_TOLERANCE = 1e-6
"""What central differences in float64 can hold; see `difference_gradients` of `reference`."""

ROUNDINGS = 32
"""Units of rounding of the largest gradient that are no evidence against a smaller one."""


class KernelModule(Protocol):
    """What a check uses of an emitted module."""

    Inputs: Any
    State: Any
    Parameters: Any
    forward: Any
    predict: Any
    backward: Any


def check_cell(
    cell: Cell,
    target: str = "numpy",
    *,
    sizes: Mapping[str, int] | None = None,
    dtype: DTypeLike = np.float64,
    seed: int = 0,
    T: int = 5,
    B: int = 3,
    save: str = "all",
) -> CheckReport:
    """The report on a freshly emitted kernel of `cell` for `target`, at a random problem.

    The reference works in float64 whatever `dtype` the kernel runs in; `save` is what the kernel's forward
    pass keeps (see `symrnn.plan`). Call `raise_if_failed()` on the report to make a failure an error.

    Raises:
        RequestError: `target`, `dtype`, `save`, T, B or a name in `sizes` does not exist or cannot be used.

    """
    named = dtype_name(dtype)
    require_save(save)
    problem = draw_problem(cell, sizes=sizes, T=T, B=B, seed=seed)
    return check_module(
        problem, load(cell, require_array_target(target, "check"), save), dtype=named, target=target
    )


def dtype_name(dtype: DTypeLike) -> str:
    """The name of a dtype that kernels run in.

    Raises:
        RequestError: it is neither float32 nor float64.

    """
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in TOLERANCES:
        raise RequestError(f"Kernels run in {' or '.join(TOLERANCES)}, not in {name}. Choose one of these.")
    return name


def check_module(
    problem: Problem, module: ModuleType | KernelModule, *, dtype: DTypeLike = np.float64, target: str = ""
) -> CheckReport:
    """The report on a loaded kernel at `problem`; `target` only names it in the report."""
    named = dtype_name(dtype)
    rows = _compare(problem, module, named) if problem.finite else _undefined_rows(problem)
    method = problem.answer.method
    return CheckReport(
        problem.cell.name,
        target,
        named,
        problem.seed,
        problem.T,
        problem.B,
        problem.sizes,
        method,
        tuple(rows),
    )


def _undefined_rows(problem: Problem) -> list[CheckRow]:
    answer = problem.answer
    groups = {"output": {str(problem.cell.output): answer.outputs}, "final state": answer.final_state}
    if not any(not np.isfinite(a).all() for group in groups.values() for a in group.values()):
        groups = _gradients_by_role(answer)
    return [
        CheckRow(name, role, array.shape, float("nan"), float("nan"), UNDEFINED)
        for role, group in groups.items()
        for name, array in group.items()
        if not np.isfinite(array).all()
    ]


def _gradients_by_role(answer: ReferenceGradients) -> dict[str, Doubles]:
    return {
        "parameter gradient": answer.parameters,
        "input gradient": answer.inputs,
        "state gradient": answer.state,
    }


def _compare(problem: Problem, module: Any, dtype: str) -> list[CheckRow]:
    """All rows: values, then gradients, then whether the arguments are untouched."""
    answer, output = problem.answer, str(problem.cell.output)
    arguments = {
        "parameter": _cast(problem.parameters, dtype),
        "input": _cast(problem.inputs, dtype, indices_of(problem.cell)),
        "state": _cast(problem.state, dtype),
        "cotangent": _cast({output: problem.d_outputs}, dtype),
        "state cotangent": _cast(problem.d_state, dtype),
    }
    parameters = module.Parameters(**arguments["parameter"])
    inputs = module.Inputs(**arguments["input"])
    state = module.State(**arguments["state"])
    outputs, last, tape = module.forward(parameters, inputs, state)
    predicted, predicted_last = module.predict(parameters, inputs, state)
    adjoint = module.State(**arguments["state cotangent"])
    gradients = module.backward(parameters, tape, arguments["cotangent"][output], adjoint)

    judge = Judge(dtype, _tolerance(problem, dtype, by_differences=False))
    rows = judge.rows("output", {output: outputs}, {output: answer.outputs})
    rows += judge.rows("final state", last._asdict(), answer.final_state)
    rows += judge.rows("predicted output", {output: predicted}, {output: answer.outputs})
    rows += judge.rows("predicted state", predicted_last._asdict(), answer.final_state)
    judge = Judge(dtype, _tolerance(problem, dtype, by_differences=answer.method == DIFFERENCES))
    largest = max(
        map(largest_magnitude, (a for group in _gradients_by_role(answer).values() for a in group.values()))
    )
    found = (gradients.parameters, gradients.inputs, gradients.state)
    for (role, expected), got in zip(_gradients_by_role(answer).items(), found, strict=True):
        rows += judge.rows(role, got._asdict(), expected, largest)
    return rows + _changed_rows(problem, arguments)


def _cast(
    arrays: Mapping[str, NDArray[np.float64]], dtype: str, indices: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    return {name: array.astype(np.int64 if name in indices else dtype) for name, array in arrays.items()}


def _tolerance(problem: Problem, dtype: str, *, by_differences: bool) -> float:
    """The tolerance of `dtype`, grown with the root of the longest sum beyond 64 terms."""
    terms = max(problem.T * problem.B, *(size for _, size in problem.sizes), 64)
    tolerance = TOLERANCES[dtype] * float(np.sqrt(terms / 64))
    return max(tolerance, DIFFERENCE_TOLERANCE) if by_differences else tolerance


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares what a module gives with what the reference says, in the module's dtype."""

    dtype: str
    tolerance: float

    def rows(
        self, role: str, found: Mapping[str, Any], expected: Doubles, largest: float = 0.0
    ) -> list[CheckRow]:
        """One row per expected quantity; `largest` is the magnitude of the largest gradient of all."""
        return [self.row(name, role, found.get(name), array, largest) for name, array in expected.items()]

    def row(
        self, name: str, role: str, found: Any, expected: NDArray[np.float64], largest: float
    ) -> CheckRow:
        """The comparison of one quantity."""
        error, verdict = float("inf"), AGREES
        if np.shape(found) != expected.shape or found is None:
            verdict = WRONG_SHAPE
        elif np.asarray(found).dtype != self.dtype:
            verdict = WRONG_DTYPE
        elif not np.isfinite(found).all():
            error, verdict = float("nan"), NOT_A_NUMBER
        else:
            error = self.error(np.asarray(found, np.float64), expected, largest)
            verdict = AGREES if error <= self.tolerance else DIFFERS
        return CheckRow(name, role, expected.shape, error, self.tolerance, verdict)

    def error(self, found: NDArray[np.float64], expected: NDArray[np.float64], largest: float) -> float:
        """max|found - expected| / max|expected|.

        Where the true gradient is zero or nearly so, rounding alone makes any ratio: the scale is at least
        such that `ROUNDINGS` units of rounding of the largest gradient of the cell count as the tolerance.
        """
        floor = ROUNDINGS * float(np.finfo(self.dtype).eps) / self.tolerance * largest
        scale = max(largest_magnitude(expected), floor)
        difference = largest_magnitude(found - expected)
        return difference / scale if scale else difference


def _changed_rows(problem: Problem, arguments: Mapping[str, Mapping[str, NDArray[Any]]]) -> list[CheckRow]:
    """Rows for the arguments that the kernel has written to; none, if it is well."""
    given = (
        problem.parameters,
        problem.inputs,
        problem.state,
        {str(problem.cell.output): problem.d_outputs},
        problem.d_state,
    )
    return [
        CheckRow(name, role, array.shape, float("inf"), 0.0, CHANGED)
        for (role, group), before in zip(arguments.items(), given, strict=True)
        for name, array in group.items()
        if not np.array_equal(array, before[name])
    ]
