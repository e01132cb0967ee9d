"""The reference of a model: its layers evaluated sample by sample, and the gradients of its loss.

Every sample runs alone, cut to its own number of steps, so there is no padding that could leak. Cells are
evaluated by their reference, so that nothing is shared with derivation, planning and emission.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.checking.central_differences import HeldValues, slopes
from symrnn.checking.formulas import (
    Array,
    ArrayLibrary,
    double_precision,
    jax_is_installed,
    jax_library,
    numpy_library,
)
from symrnn.checking.reference import (
    AUTODIFF,
    DIFFERENCES,
    ReferenceRun,
    reference_run,
)
from symrnn.checking.uncompiled import uncompiled
from symrnn.declaration.quantities import Constant
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model

Arrays = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceEvaluation:
    """The loss of a batch, its gradients by the parameters, float64, and where these come from."""

    loss: float
    gradients: dict[str, NDArray[np.float64]]
    method: str


def reference_loss(
    model: Model,
    parameters: Arrays,
    inputs: Arrays,
    *,
    state: Arrays | None = None,
    lengths: Mapping[str, Any] | None = None,
    library: ArrayLibrary | None = None,
) -> Array:
    """The mean of the losses of all steps of all samples; 0 if there is none.

    `inputs` are (T, B, ...) by name, (B, ...) for what has no time; `lengths` are (B,) by the name of the
    time axis, and what is absent has all steps; `state` holds the carried states (B, ...), else zero.
    """
    chosen = library or numpy_library()
    total, count = 0.0, 0
    for b in range(_batch(model, inputs)):
        sample = _Sample(model, parameters, inputs, state or {}, lengths or {}, b, chosen)
        losses = sample.run(model.loss).outputs
        total, count = total + losses.sum(), count + len(losses)
    return total / max(count, 1)


def reference_outputs(
    model: Model,
    parameters: Arrays,
    inputs: Arrays,
    *,
    state: Arrays | None = None,
    lengths: Mapping[str, Any] | None = None,
) -> list[Array]:
    """The outputs of the model for every sample, over its own steps: (steps, ...).

    The arguments are those of `reference_loss`.
    """
    found = []
    for b in range(_batch(model, inputs)):
        sample = _Sample(model, parameters, inputs, state or {}, lengths or {}, b, numpy_library())
        found.append(sample.turned(sample.run(model.output).outputs, model.output)[:, 0])
    return found


def reference_evaluation(
    model: Model,
    parameters: Arrays,
    inputs: Arrays,
    *,
    state: Arrays | None = None,
    lengths: Mapping[str, Any] | None = None,
    eager: bool = False,
) -> ReferenceEvaluation:
    """The loss and its gradients by JAX's autodiff, or by central differences where JAX is not installed.

    The arguments are those of `reference_loss`, and `eager` is that of `jax_library`. The gradient of a
    constant is zero, as that of what is not trained.
    """
    whole = {name: np.array(array, np.float64) for name, array in parameters.items()}
    constants = {name for name, q, _ in model.parameters if isinstance(q, Constant)}
    given = {name: array for name, array in whole.items() if name not in constants}

    def loss(trained: Arrays, library: ArrayLibrary) -> Array:
        return reference_loss(
            model, {**whole, **trained}, inputs, state=state, lengths=lengths, library=library
        )

    autodiff = jax_is_installed()
    value, gradients = _by_autodiff(loss, given, eager) if autodiff else _by_differences(loss, given)
    gradients |= {name: np.zeros_like(whole[name]) for name in constants}
    return ReferenceEvaluation(value, gradients, AUTODIFF if autodiff else DIFFERENCES)


def _by_autodiff(
    loss: Callable[[Arrays, ArrayLibrary], Array], given: dict[str, NDArray[np.float64]], eager: bool
) -> tuple[float, dict[str, NDArray[np.float64]]]:
    with double_precision():
        import jax

        differentiated = jax.value_and_grad(lambda trained: loss(trained, jax_library(eager)))
        value, gradients = (uncompiled if eager else jax.jit)(differentiated)(given)
        return float(value), {name: np.asarray(array, np.float64) for name, array in gradients.items()}


def _by_differences(
    loss: Callable[[Arrays, ArrayLibrary], Array], given: dict[str, NDArray[np.float64]]
) -> tuple[float, dict[str, NDArray[np.float64]]]:
    stops = HeldValues()
    value = float(loss(given, numpy_library(stops)))  # what stop_gradient sees in all later runs

    def run() -> dict[str, Array]:
        stops.rewind()
        return {"": loss(given, numpy_library(stops))}

    return value, {name: slopes(array, run, {"": 1.0}) for name, array in given.items()}


def _batch(model: Model, inputs: Arrays) -> int:
    feed = model.feeds[0][0]
    return int(np.shape(inputs[feed.name])[0 if feed.over == ONCE else 1])


class _Sample:
    """One sample of a batch; every layer runs when it is first asked for."""

    def __init__(
        self,
        model: Model,
        parameters: Arrays,
        inputs: Arrays,
        state: Arrays,
        lengths: Mapping[str, Any],
        b: int,
        library: ArrayLibrary,
    ) -> None:
        self.model = model
        self.parameters = parameters
        self.inputs = inputs
        self.state = state
        self.lengths = lengths
        self.rows = slice(b, b + 1)
        self.library = library
        self.done: dict[Layer, ReferenceRun] = {}

    def run(self, layer: Layer) -> ReferenceRun:
        """The run of a layer; its outputs (steps, 1, ...) are in the order in which it runs."""
        if layer not in self.done:
            run = self.model.run_of(layer)
            parameters = {q.name: self.parameters[name] for q, name in run.parameters}
            inputs = {q.name: self.turned(self.sequence(source), layer) for q, source in layer.inputs}
            state = {q.name: self.state[name][self.rows] for q, name in run.carried if name in self.state}
            state |= {q.name: self.reading(reading) for q, reading in layer.initial}
            self.done[layer] = reference_run(layer.cell, parameters, inputs, state, library=self.library)
        return self.done[layer]

    def sequence(self, source: Sequence) -> Array:
        """What a source gives: (steps, 1, ...)."""
        if isinstance(source, Feed):
            array = self.inputs[source.name]
            if source.over == ONCE:
                return array[None, self.rows]
            steps = self.lengths[source.over][self.rows.start] if source.over in self.lengths else len(array)
            return array[: int(steps), self.rows]
        if isinstance(source, Reading):
            return self.reading(source)[None]
        assert isinstance(source, Layer)
        return self.turned(self.run(source).outputs, source)

    def reading(self, reading: Reading) -> Array:
        """What a layer has at the end: (1, ...); after no step, its initial state and an output of zero."""
        run = self.run(reading.layer)
        if reading.state is not None:
            return run.state[reading.state.name]
        return run.outputs[-1] if len(run.outputs) else self.library.xp.zeros(run.outputs.shape[1:])

    @staticmethod
    def turned(array: Array, layer: Layer) -> Array:
        return array[::-1] if layer.reverse else array
