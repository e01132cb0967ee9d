"""The proof of a model: an emitted module's loss and gradients against autodiff, or differences."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.check import DIFFERENCE_TOLERANCE, TOLERANCES, Judge
from symrnn.checking.model_reference import ReferenceEvaluation, reference_evaluation
from symrnn.checking.problem import SIZES, largest_magnitude
from symrnn.checking.reference import DIFFERENCES, numeric_shape, numeric_size
from symrnn.checking.report import CheckReport
from symrnn.declaration.axes import Axis, Shape
from symrnn.declaration.quantities import Constant, Index
from symrnn.models.layers import ONCE, Feed
from symrnn.models.model import Model, Shared
from symrnn.running.amounts import require_whole


class ModelProblem:
    """A random batch for a model, samples of different lengths, and the reference's answer.

    All arrays are float64 and exact in float32, by name: inputs (T, B, ...), or (B, ...) without time, NaN (a
    class: -1) beyond a sample's end.
    """

    def __init__(self, model: Model, seed: int = 0, T: int = 5, B: int = 3, eager: bool = False) -> None:
        """Draw the batch and evaluate the reference; `eager` is that of `jax_library`.

        Raises:
            RequestError: T or B is no whole number from 1 on, or the seed none from 0 on.

        """
        for name, number, least in (("T", T, 1), ("B", B, 1), ("seed", seed, 0)):
            require_whole(name, number, least)
        self.model, self.seed, self.T, self.B = model, seed, T, B
        self.rng = np.random.default_rng(seed)
        self.numbers = {axis: SIZES[i % len(SIZES)] for i, axis in enumerate(model.axes)}
        steps = {time: T + number for number, time in enumerate(model.times) if time != ONCE}
        self.lengths = {time: self.rng.integers(1, count + 1, B) for time, count in steps.items()}
        self.parameters = {name: self.draw_shared(q, shape) for name, q, shape in model.parameters}
        self.state = {name: self.draw(shape, B) for name, shape in model.states}
        self.inputs: dict[str, NDArray[Any]] = {}
        for feed, quantity, shape in model.feeds:
            lead = (B,) if feed.over == ONCE else (steps[feed.over], B)
            classes = isinstance(quantity, Index)
            array = self.draw_classes(feed, lead) if classes else self.draw(shape, *lead)
            if feed.over in self.lengths:
                beyond = np.arange(len(array))[:, None] >= self.lengths[feed.over]
                array[beyond] = -1 if classes else np.nan
            self.inputs[feed.name] = array
        self.answer: ReferenceEvaluation = reference_evaluation(
            model, self.parameters, self.inputs, state=self.state, lengths=self.lengths, eager=eager
        )

    def draw(self, shape: Shape, *lead: int) -> NDArray[np.float64]:
        """Standard normal numbers that float32 holds exactly."""
        drawn = self.rng.standard_normal((*lead, *numeric_shape(shape, self.numbers)))
        return drawn.astype(np.float32).astype(np.float64)

    def draw_shared(self, quantity: Shared, shape: Shape) -> NDArray[np.float64]:
        """A parameter, or a constant with the value that it is declared with."""
        if isinstance(quantity, Constant):
            return np.full(numeric_shape(shape, self.numbers), quantity.value, np.float32).astype(np.float64)
        return self.draw(shape) * 0.5

    def draw_classes(self, feed: Feed, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Class numbers for a feed."""
        return self.rng.integers(0, numeric_size(self.model.classes[feed], self.numbers), shape)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """The number of every axis by name."""
        named: dict[Axis, int] = self.numbers
        return tuple((axis.name, size) for axis, size in named.items())


def check_model_module(problem: ModelProblem, module: ModuleType, dtype: str, target: str) -> CheckReport:
    """The report on a loaded module at `problem`; `target` only names it in the report."""

    def cast(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {n: a.astype(dtype) if a.dtype.kind == "f" else a.copy() for n, a in arrays.items()}

    parameters = module.Parameters(**cast(problem.parameters))
    inputs, state = module.Inputs(**cast(problem.inputs)), module.State(**cast(problem.state))
    lengths = module.Lengths(**problem.lengths)
    found = module.loss_and_gradients(parameters, inputs, state, lengths=lengths)
    alone = module.loss(parameters, inputs, state, lengths=lengths)
    answer = problem.answer
    by_differences = answer.method == DIFFERENCES
    judge = Judge(dtype, max(TOLERANCES[dtype], DIFFERENCE_TOLERANCE if by_differences else 0.0))
    value = np.asarray(answer.loss)
    rows = [
        judge.row("loss", "value", np.asarray(found.loss, dtype), value, 0.0),
        judge.row("loss", "without gradients", np.asarray(alone, dtype), value, 0.0),
    ]
    largest = max(map(largest_magnitude, answer.gradients.values()))
    rows += [
        judge.row(name, "gradient", getattr(found.gradients, name), answer.gradients[name], largest)
        for name, _, _ in problem.model.parameters
    ]
    name, sizes = problem.model.name, problem.sizes
    return CheckReport(
        name, target, dtype, problem.seed, problem.T, problem.B, sizes, answer.method, tuple(rows)
    )
