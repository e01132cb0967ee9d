"""How gradients flow back through time: the norm of d h_T / d h_(T-k) as a function of k.

h_t is the whole state of a cell after step t: all its states, flattened and joined to one vector of N
numbers. With the step Jacobians J_t = d h_t / d h_(t-1), N by N matrices at the points of a trajectory,

    d h_T / d h_(T-k) = J_T J_(T-1) ... J_(T-k+1)

takes a loss's gradient by the last state k steps back (Bengio, Simard and Frasconi 1994,
doi:10.1109/72.279181; Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063). Its spectral norm, the largest
singular value, is the largest factor by which any gradient grows on this way: if it tends to zero, no
gradient arrives.

The trajectory is T steps long, starts in the zero state and is driven by standard normal inputs. Rows of
unit vectors are the cotangents of the last state: the emitted kernel's `backward` takes all N rows through
one step at a time, in float64, so this holds for every cell, whatever the ranks of its states. What
`stop_gradient` holds back does not count.
"""

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.reference import numeric_shape, numeric_size
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.derivation.jacobian import jacobian_lines, step_jacobian
from symrnn.errors import RequestError
from symrnn.files import SIGNATURE
from symrnn.gradients.request import GradientRequest, axis_lengths, require_measurable
from symrnn.running.loading import load
from symrnn.version import __version__

Matrix: TypeAlias = NDArray[np.float64]

KEPT = 100.0
"""A norm in [1/KEPT, KEPT] after all steps counts as kept."""

VANISHES, KEEPS, EXPLODES = "vanishes", "keeps", "explodes"


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A run of a cell's NumPy kernel in float64: `states` are those before each step, for one sample.

    `parameters` are prepared, `inputs` (T, 1, ...).
    """

    cell: Cell
    kernel: ModuleType
    parameters: Any
    inputs: Any
    states: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A product of step Jacobians: `matrix` (N, N), at most 1 in magnitude, times 10**`exponent`."""

    matrix: Matrix
    exponent: float

    @property
    def log10_norm(self) -> float:
        """The decimal logarithm of the largest singular value; -inf for zero."""
        return _log10(float(np.linalg.norm(self.matrix, 2))) + self.exponent

    @property
    def log10_rms(self) -> float:
        """The same of the Frobenius norm over sqrt(N): the root mean square factor over all directions."""
        rows = self.matrix.shape[0]
        return _log10(float(np.linalg.norm(self.matrix)) / math.sqrt(rows)) + self.exponent


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """What was found for one cell.

    `log10_norms` and `log10_rms` hold one tuple per draw of parameters and inputs, with the decimal
    logarithms for k = 1, 2, ..., T; -inf where the product is zero. `jacobian` is the step Jacobian in
    symbols, `sizes` the length of every axis, `width` the N numbers of the states, `changes` what was
    done to the parameters drawn by `init`.
    """

    cell: str
    states: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    width: int
    changes: tuple[str, ...]
    jacobian: tuple[str, ...]
    log10_norms: tuple[tuple[float, ...], ...]
    log10_rms: tuple[tuple[float, ...], ...]

    @property
    def steps(self) -> int:
        """The largest k, which is T."""
        return len(self.log10_norms[0])

    def log10_norm(self, k: int) -> float:
        """The median over the draws of the logarithm of the norm at k."""
        return statistics.median(norms[k - 1] for norms in self.log10_norms)

    def log10_range(self, k: int) -> tuple[float, float]:
        """The least and the largest logarithm of the norm at k."""
        found = [norms[k - 1] for norms in self.log10_norms]
        return min(found), max(found)

    @property
    def factor(self) -> float:
        """The factor per step: the norm at k = T to the power 1/T, the geometric mean over the steps.

        Infinite where a float cannot hold it.
        """
        exponent = self.log10_norm(self.steps) / self.steps
        return float(10.0**exponent) if exponent < sys.float_info.max_10_exp else math.inf

    @property
    def verdict(self) -> str:
        """Whether the norm at k = T is below 1/KEPT (vanishes), above KEPT (explodes), or keeps between."""
        last, bound = self.log10_norm(self.steps), math.log10(KEPT)
        if abs(last) <= bound:
            return KEEPS
        return VANISHES if last < 0 else EXPLODES


def flows_json(flows: Sequence[GradientFlow], request: GradientRequest) -> str:
    """All numbers as JSON text; a product that is zero has the logarithm null."""
    cells = [
        {
            **asdict(flow),
            "sizes": dict(flow.sizes),
            "log10_norms": [[_finite(number) for number in norms] for norms in flow.log10_norms],
            "log10_rms": [[_finite(number) for number in rms] for rms in flow.log10_rms],
            "log10_median": [_finite(flow.log10_norm(k)) for k in range(1, flow.steps + 1)],
            "factor": _finite(flow.factor),
            "verdict": flow.verdict,
        }
        for flow in flows
    ]
    about = (
        f"{SIGNATURE} {__version__}, symrnn gradients; decimal logarithms for k = 1, 2, ... of the spectral "
        "norm of d h_T / d h_(T-k): per draw, and the median; rms: of the Frobenius norm / sqrt(width)"
    )
    return json.dumps({"about": about, "request": asdict(request), "cells": cells}, indent=1) + "\n"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _log10(number: float) -> float:
    return math.log10(number) if number > 0 else -math.inf


def gradient_flows(
    cells: Sequence[Cell], request: GradientRequest, tell: Callable[[str], None] = lambda _: None
) -> tuple[GradientFlow, ...]:
    """The gradient flow of every cell; `tell` hears what comes next, `request.samples` times per cell.

    Raises:
        RequestError: a cell has no state or too large ones, a parameter to change does not exist, or a
            trajectory or a Jacobian is not finite.
        DerivationError: an operation of a cell has no rule.
    """
    require_measurable(cells, request)
    return tuple(_flow(cell, request, tell) for cell in cells)


def _flow(cell: Cell, request: GradientRequest, tell: Callable[[str], None]) -> GradientFlow:
    kernel = load(cell, "numpy")
    lengths = axis_lengths(cell, request)
    norms, rms = [], []
    for sample in range(request.samples):
        tell(f"{cell.name}, draw {sample + 1}")
        products = jacobian_products(_drawn(cell, kernel, request, sample))
        found = [(product.log10_norm, product.log10_rms) for product in products]
        norms.append(tuple(norm for norm, _ in found))
        rms.append(tuple(root for _, root in found))
    return GradientFlow(
        cell.name,
        tuple(state.name for state in cell.states),
        tuple((axis.name, length) for axis, length in lengths.items()),
        sum(math.prod(numeric_shape(state.shape, lengths)) for state in cell.states),
        tuple(str(change) for change in request.changes if change.applies_to(cell)),
        jacobian_lines(step_jacobian(cell)),
        tuple(norms),
        tuple(rms),
    )


def _drawn(cell: Cell, kernel: ModuleType, request: GradientRequest, sample: int) -> Trajectory:
    """A trajectory from the zero state, with fresh parameters and standard normal inputs."""
    rng = np.random.default_rng([request.seed, sample])
    lengths = axis_lengths(cell, request)
    drawn = kernel.init(rng, **{axis.name: n for axis, n in lengths.items()}, dtype=np.float64)._asdict()
    for change in request.changes:
        if change.applies_to(cell):
            drawn[change.name] = change.applied(drawn[change.name])

    def driven(quantity: Quantity) -> NDArray[Any]:
        if isinstance(quantity, Index):
            return rng.integers(0, numeric_size(quantity.classes, lengths), (request.steps, 1))
        return rng.standard_normal((request.steps, 1, *numeric_shape(quantity.shape, lengths)))

    inputs = {quantity.name: driven(quantity) for quantity in cell.inputs}
    state = {q.name: np.zeros((1, *numeric_shape(q.shape, lengths))) for q in cell.states}
    return follow(cell, kernel, kernel.Parameters(**drawn), kernel.Inputs(**inputs), kernel.State(**state))


def follow(cell: Cell, kernel: ModuleType, parameters: Any, inputs: Any, state: Any) -> Trajectory:
    """The trajectory from `state`, (1, ...), under `inputs`, (T, 1, ...); all arrays are float64.

    Raises:
        RequestError: a state is not finite.
    """
    prepared, states = kernel.prepare(parameters), []
    for t in range(len(inputs[0])):
        states.append(state)
        with np.errstate(all="ignore"):
            _, state = kernel.step(prepared, kernel.Inputs(*(array[t] for array in inputs)), state)
        if not all(np.isfinite(array).all() for array in state):
            fewer = f"at most --steps {t}, or " if t else ""
            raise RequestError(
                f"The states of {cell.name!r} are not finite after step {t + 1}, so their Jacobian is not "
                f"defined. Take {fewer}other parameters with --set and --scale."
            )
    return Trajectory(cell, kernel, prepared, inputs, tuple(states))


def jacobian_products(trajectory: Trajectory) -> Iterator[Product]:
    """The matrices d h_T / d h_(T-k) for k = 1, 2, ..., T; rows and columns in the order of the states.

    Raises:
        RequestError: a Jacobian is not finite.
    """
    matrix = np.eye(sum(array.size for array in trajectory.states[0]))
    workspace, exponent = trajectory.kernel.Workspace(), 0.0
    for t in reversed(range(len(trajectory.states))):
        with np.errstate(all="ignore"):
            matrix = _pulled_back(trajectory, t, matrix, workspace)
            largest = float(np.max(np.abs(matrix)))
        if not math.isfinite(largest):
            raise RequestError(
                f"The Jacobian of {trajectory.cell.name!r} is not finite in step {t + 1} (step 1 starts at "
                "zero states). Check its logarithms, roots, powers and quotients there."
            )
        if largest > 0:
            matrix = matrix / largest
            exponent += math.log10(largest)
        yield Product(matrix, exponent)


def _pulled_back(trajectory: Trajectory, t: int, matrix: Matrix, workspace: Any) -> Matrix:
    """`matrix` times the Jacobian of step `t`: its rows, as cotangents of the state, before the step."""
    kernel, before, rows = trajectory.kernel, trajectory.states[t], len(matrix)
    repeated = kernel.State(*(np.broadcast_to(array, (rows, *array.shape[1:])) for array in before))
    inputs = kernel.Inputs(
        *(np.broadcast_to(array[t], (1, rows, *array.shape[2:])) for array in trajectory.inputs)
    )
    run = kernel.forward(trajectory.parameters, inputs, repeated, workspace=workspace)
    parts = np.split(matrix, np.cumsum([array.size for array in before])[:-1], axis=1)
    cotangent = kernel.State(
        *(part.reshape(rows, *array.shape[1:]) for part, array in zip(parts, before, strict=True))
    )
    pulled = kernel.backward(
        trajectory.parameters,
        run.tape,
        np.zeros(run.outputs.shape),
        cotangent,
        input_gradients=False,
        workspace=workspace,
    )
    return np.concatenate([array.reshape(rows, -1) for array in pulled.state], axis=1)
