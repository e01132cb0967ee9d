"""Random problems to check a cell's kernels on, each with the reference's answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.memory import numbers_of, require_room
from symrnn.checking.reference import (
    ReferenceGradients,
    numeric_shape,
    numeric_size,
    reference_gradients,
    reference_run,
)
from symrnn.declaration.axes import Axis
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.errors import RequestError, shown
from symrnn.running.amounts import require_whole

Doubles: TypeAlias = dict[str, NDArray[np.float64]]

SIZES = (3, 5, 4, 7, 2, 6)
"""Default sizes of a cell's axes, in turn: all different, so that a transposed operand shows."""

DRAWS = ((1.0, False), (0.3, False), (1.0, True), (0.3, True))
"""Scale and positivity of the numbers of the first draw and of the next, should it be no good."""

TAME = 1e6
"""Reference values from here on tell of growth over time that amplifies rounding: draw again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Arrays by name to run a cell on, and what should come out.

    `parameters` has the constants too. Inputs and `d_outputs` are (T, B, ...), states and `d_state`
    (B, ...). All are float64 and exact in float32; class indices are whole numbers. `finite`
    tells whether the answer is a number everywhere.
    """

    cell: Cell
    seed: int
    T: int
    B: int
    sizes: tuple[tuple[str, int], ...]
    parameters: Doubles = field(repr=False)
    inputs: Doubles = field(repr=False)
    state: Doubles = field(repr=False)
    d_outputs: NDArray[np.float64] = field(repr=False)
    d_state: Doubles = field(repr=False)
    answer: ReferenceGradients = field(repr=False)

    @property
    def largest(self) -> float:
        """The largest magnitude of a value or a gradient of the reference; infinite if one is NaN."""
        magnitudes = [largest_magnitude(array) for array in _answers(self.answer)]
        return max(magnitudes) if np.isfinite(magnitudes).all() else float("inf")

    @property
    def finite(self) -> bool:
        """Whether values and gradients of the reference are all finite."""
        return bool(np.isfinite(self.largest))


def _answers(answer: ReferenceGradients) -> Iterator[NDArray[np.float64]]:
    yield answer.outputs
    for group in (answer.final_state, answer.parameters, answer.inputs, answer.state):
        yield from group.values()


def draw_problem(
    cell: Cell,
    *,
    sizes: Mapping[str, int] | None = None,
    T: int = 5,
    B: int = 3,
    seed: int = 0,
    zero_state: bool = False,
    positive: bool = False,
    eager: bool = False,
) -> Problem:
    """A random problem for `cell` at which its values and gradients are finite, if one is found.

    Every parameter, input, initial state and cotangent is nonzero (constants have their declared
    value; `zero_state` makes the initial states zero, to put ties on the path). If the reference is not
    finite or very large, smaller and then positive numbers are drawn, for cells that grow over time and
    for cells with logarithms, roots or powers; with `positive`, no others. `eager` is that of `jax_library`.

    `sizes` gives axes by name; axes left out get small sizes, all different.

    Raises:
        RequestError: `sizes` names an axis that the cell does not have, or a size is no positive integer;
            T or B is negative; this machine has no room for the arrays.

    """
    numbers = _numbers_for_axes(cell, {} if sizes is None else sizes)
    for name, number in (("T", T), ("B", B), ("seed", seed)):
        require_whole(name, number)
    itemsize = np.dtype(np.float64).itemsize
    told = ", ".join(f"{name}={size}" for name, size in [*numbers.items(), ("T", T), ("B", B)])
    arrays = f"The arrays of {cell.name!r} with {told}"
    require_room(arrays, numbers_of(cell, numbers, T, B), itemsize, "Take smaller sizes.")
    best: Problem | None = None
    for attempt, (scale, only_positive) in enumerate(DRAWS):
        if positive and not only_positive:
            continue
        draw = _Draw(np.random.default_rng([seed, attempt]), numbers, scale, only_positive)
        problem = draw.problem(cell, seed, T, B, zero_state, eager)
        if best is None or problem.largest < best.largest:
            best = problem
        if problem.largest < TAME:
            break
    assert best is not None
    return best


def _numbers_for_axes(cell: Cell, sizes: Mapping[str, int]) -> dict[Axis, int]:
    if not isinstance(sizes, Mapping):
        raise RequestError(f"sizes= is {shown(sizes)}. Give lengths by axis, such as sizes={{'n': 4}}.")
    known = {axis.name: axis for axis in cell.axes}
    for name, size in sizes.items():
        if name not in known:
            raise RequestError(
                f"The cell {cell.name!r} has no axis {name!r}. Its axes: {', '.join(known) or 'none'}."
            )
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise RequestError(
                f"The size {name}={size!r} is no positive integer. Give one, such as {name}=4."
            )
    return {axis: int(sizes.get(axis.name, SIZES[i % len(SIZES)])) for i, axis in enumerate(cell.axes)}


@dataclass(frozen=True, slots=True)
class _Draw:
    """Random arrays with magnitudes in [0.2, 1.2] * scale, of both signs or all positive."""

    rng: np.random.Generator
    sizes: Mapping[Axis, int]
    scale: float
    positive: bool

    def array(self, *shape: int) -> NDArray[np.float64]:
        values = self.scale * self.rng.uniform(0.2, 1.2, shape)
        if not self.positive:
            values *= self.rng.choice((-1.0, 1.0), shape)
        return np.asarray(values, np.float32).astype(np.float64)

    def input(self, quantity: Quantity, *shape: int) -> NDArray[np.float64]:
        if not isinstance(quantity, Index):
            return self.array(*shape)
        return self.rng.integers(0, numeric_size(quantity.classes, self.sizes), shape).astype(np.float64)

    def parameter(self, quantity: Quantity) -> NDArray[np.float64]:
        shape = numeric_shape(quantity.shape, self.sizes)
        if len(shape) < 2:
            return self.array(*shape)
        return np.asarray(self.array(*shape) / np.sqrt(shape[-1]), np.float32).astype(np.float64)

    def problem(self, cell: Cell, seed: int, T: int, B: int, zero_state: bool, eager: bool) -> Problem:
        def shape(quantity: Quantity) -> tuple[int, ...]:
            return numeric_shape(cell.shape_of(quantity), self.sizes)

        parameters = {q.name: self.parameter(q) for q in cell.parameters}
        parameters |= {
            q.name: np.full(shape(q), q.value, np.float32).astype(np.float64) for q in cell.constants
        }
        inputs = {q.name: self.input(q, T, B, *shape(q)) for q in cell.inputs}
        state = {q.name: self.array(B, *shape(q)) * (not zero_state) for q in cell.states}
        signs = _Draw(self.rng, self.sizes, 1.0, False)
        d_outputs = signs.array(T, B, *shape(cell.output))
        d_state = {q.name: signs.array(B, *shape(q)) for q in cell.states}
        answer = _answer(cell, parameters, inputs, state, d_outputs=d_outputs, d_state=d_state, eager=eager)
        sizes = tuple((axis.name, size) for axis, size in self.sizes.items())
        return Problem(cell, seed, T, B, sizes, parameters, inputs, state, d_outputs, d_state, answer)


def _answer(
    cell: Cell,
    parameters: Doubles,
    inputs: Doubles,
    state: Doubles,
    *,
    d_outputs: NDArray[np.float64],
    d_state: Doubles,
    eager: bool,
) -> ReferenceGradients:
    """The reference; its gradients are not worked out where its values are not finite."""
    run = reference_run(cell, parameters, inputs, state)
    if all(np.isfinite(array).all() for array in (run.outputs, *run.state.values())):
        return reference_gradients(
            cell, parameters, inputs, state, d_outputs=d_outputs, d_state=d_state, eager=eager
        )
    return ReferenceGradients(run.outputs, run.state, parameters, inputs, state, "plain evaluation")


def largest_magnitude(array: NDArray[Any]) -> float:
    """The largest magnitude of the elements of `array`, 0 if it has none."""
    return float(np.max(np.abs(array), initial=0.0))
