"""What an emitted kernel must do: agree with the reference, and with itself however it is called."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.check import TOLERANCES, check_module
from symrnn.checking.problem import Problem, largest_magnitude
from symrnn.checking.reference import indices_of
from symrnn.checking.report import DIFFERS, CheckReport
from symrnn.errors import CheckError

NOISE = 16
"""Units of rounding by which arguments are moved to see how much a cell amplifies rounding."""
AMPLIFIED = 8
"""What rounding may give, in units of what that noise gives."""

Results = dict[str, NDArray[Any]]


class Kernel:
    """A loaded module and the arguments of a problem in one dtype."""

    def __init__(self, module: ModuleType, problem: Problem, dtype: str, noise: float = 0.0) -> None:
        self.module, self.dtype = module, dtype
        rng = np.random.default_rng(problem.seed)
        indices = indices_of(problem.cell)

        def cast(arrays: Mapping[str, Any], kept: set[str]) -> dict[str, Any]:
            return {
                name: array.astype(np.int64)
                if name in kept
                else (array * (1 + noise * rng.standard_normal(array.shape))).astype(dtype)
                for name, array in arrays.items()
            }

        self.parameters = module.Parameters(**cast(problem.parameters, set()))
        self.inputs = module.Inputs(**cast(problem.inputs, indices))
        self.state = module.State(**cast(problem.state, set()))
        self.d_outputs = problem.d_outputs.astype(dtype)
        self.d_state = module.State(**cast(problem.d_state, set()))

    def results(self, workspace: Any = None, **options: Any) -> Results:
        """All that `forward` and `backward` give, by name; copies."""
        given = (self.parameters, self.inputs, self.state)
        run = self.module.forward(*given, workspace=workspace, **options)
        gradients = self.module.backward(
            self.parameters, run.tape, self.d_outputs, self.d_state, workspace=workspace
        )
        return _named(run.outputs, run.state, gradients)

    def sample(self, b: int, steps: int) -> Results:
        """The results of a sample alone, cut to its steps."""
        alone = object.__new__(Kernel)
        alone.module, alone.dtype, alone.parameters = self.module, self.dtype, self.parameters
        rows = slice(b, b + 1)
        alone.inputs = type(self.inputs)(*(array[:steps, rows] for array in self.inputs))
        alone.state = type(self.state)(*(array[rows] for array in self.state))
        alone.d_outputs = self.d_outputs[:steps, rows]
        alone.d_state = type(self.d_state)(*(array[rows] for array in self.d_state))
        return alone.results()


def _named(outputs: Any, state: Any, gradients: Any) -> Results:
    found = {"outputs": outputs}
    found |= {f"final {name}": array for name, array in state._asdict().items()}
    groups = {"parameter": gradients.parameters, "input": gradients.inputs, "state": gradients.state}
    for role, group in groups.items():
        found |= {f"gradient of {role} {name}": array for name, array in group._asdict().items()}
    return {name: np.array(array) for name, array in found.items() if array is not None}


def compare(problem: Problem, module: ModuleType, dtype: str, target: str) -> None:
    """Raise unless a kernel agrees with the reference, as far as rounding allows at this problem."""
    report = check_module(problem, module, dtype=dtype, target=target)
    if report.passed or all(row.passed or row.verdict != DIFFERS for row in report.rows):
        report.raise_if_failed()
        return
    if not _amplified(report, problem, module):
        report.raise_if_failed()


def _amplified(report: CheckReport, problem: Problem, module: ModuleType) -> bool:
    """Whether what differs is no more than this problem makes of rounded arguments."""
    eps = float(np.finfo(report.dtype).eps)
    exact = Kernel(module, problem, "float64").results()
    moved = Kernel(module, problem, "float64", NOISE * eps).results()
    change = max(
        largest_magnitude(moved[name] - array) / max(largest_magnitude(array), 1e-300)
        for name, array in exact.items()
    )
    worst = max(row.error for row in report.rows if not row.passed)
    return all(row.passed or row.verdict == DIFFERS for row in report.rows) and worst <= AMPLIFIED * change


def require_equal(what: str, found: Results, wanted: Results, dtype: str = "") -> None:
    """Raise unless arrays are equal: bit for bit, or with a dtype within its tolerance."""
    largest = max(map(largest_magnitude, wanted.values()))
    for name, array in wanted.items():
        other = found[name]
        if array.shape != other.shape or array.dtype != other.dtype:
            raise CheckError(
                f"{what}: {name} is {other.dtype} of shape {other.shape}, "
                f"not {array.dtype} of shape {array.shape}."
            )
        if np.array_equal(array, other):
            continue
        difference = largest_magnitude(other - array)
        if not dtype or not difference <= TOLERANCES[dtype] * largest:
            raise CheckError(
                f"{what}: {name} differs by {difference:.2g}, and the largest number is {largest:.2g}."
            )


def require_workspace(kernel: Kernel) -> None:
    """Raise unless repeated calls in one workspace change no bit."""
    wanted, workspace = kernel.results(), kernel.module.Workspace()
    for call in ("first", "second"):
        require_equal(f"the {call} call in a workspace", kernel.results(workspace), wanted)


def require_lengths(kernel: Kernel, lengths: NDArray[np.int64]) -> None:
    """Raise unless samples of different lengths, padded with NaN, give what each gives alone."""
    steps = len(kernel.d_outputs)
    beyond = np.arange(steps)[:, None] >= lengths
    whole = kernel.inputs
    kernel.inputs = type(whole)(*(np.array(array) for array in whole))
    for array in kernel.inputs:
        array[beyond] = np.nan if array.dtype.kind == "f" else -1
    found = kernel.results(lengths=lengths)
    kernel.inputs = whole
    alone = [kernel.sample(b, int(count)) for b, count in enumerate(lengths)]
    wanted: Results = {}
    for name, array in found.items():
        if name.startswith("gradient of parameter"):
            wanted[name] = np.asarray(sum(results[name] for results in alone), array.dtype)
            continue
        wanted[name] = np.zeros_like(array)
        for b, results in enumerate(alone):
            over_time = name == "outputs" or name.startswith("gradient of input")
            place = (slice(int(lengths[b])), slice(b, b + 1)) if over_time else (slice(b, b + 1),)
            wanted[name][place] = results[name]
    require_equal("lengths", found, wanted, kernel.dtype)


def require_streaming(kernel: Kernel) -> None:
    """Raise unless single steps give what `predict` gives over the whole sequence."""
    module = kernel.module
    prepared, state = module.prepare(kernel.parameters), kernel.state
    outputs, last = module.predict(prepared, kernel.inputs, kernel.state)
    steps = []
    for t in range(len(kernel.d_outputs)):
        output, state = module.step(
            prepared, type(kernel.inputs)(*(array[t] for array in kernel.inputs)), state
        )
        steps.append(np.array(output))
    found, wanted = {"outputs": np.stack(steps)}, {"outputs": outputs}
    found |= {f"final {name}": array for name, array in state._asdict().items()}
    wanted |= {f"final {name}": array for name, array in last._asdict().items()}
    require_equal("streaming", found, wanted, kernel.dtype)


def require_no_steps(kernel: Kernel) -> None:
    """Raise unless a sequence of no steps gives back the state, and its gradient."""
    found = kernel.results()
    empty = object.__new__(Kernel)
    empty.module, empty.parameters, empty.state, empty.d_state = (
        kernel.module,
        kernel.parameters,
        kernel.state,
        kernel.d_state,
    )
    empty.dtype, empty.d_outputs = kernel.dtype, kernel.d_outputs[:0]
    empty.inputs = type(kernel.inputs)(*(array[:0] for array in kernel.inputs))
    results = empty.results()
    state = {f"final {name}": array for name, array in kernel.state._asdict().items()}
    state |= {f"gradient of state {name}": array for name, array in kernel.d_state._asdict().items()}
    zeros = {name: np.zeros_like(found[name]) for name in found if name.startswith("gradient of parameter")}
    require_equal("no steps", results, {**state, **zeros, "outputs": found["outputs"][:0]})
