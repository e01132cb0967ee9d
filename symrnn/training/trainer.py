"""Steps of gradient descent over batches, for any emitted model.

A `Snapshot` is all that the rest of a training depends on. A step makes a new one and leaves the old one as
it is, so at any moment, an interrupt's included, there is a whole one to save; continued from it, a training
gives the same numbers as one that was never interrupted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from symrnn.errors import RequestError, SymrnnError
from symrnn.training.optimisers import (
    Bundle,
    Moments,
    Optimiser,
    clip_by_norm,
    clip_by_value,
    global_norm,
)

Position: TypeAlias = tuple[int, ...]
"""Which batch of the data is next."""


FAR = 1000.0
"""A mean loss that lies so many times the first loss above it tells that a training diverges."""

PATIENCE = 100
"""Steps in which a loss above its bound may come down again, as after a bad start."""


class DivergenceError(SymrnnError):
    """The loss grows instead of shrinking, or is no finite number any more."""


class InterruptedTrainingError(SymrnnError):
    """The user stopped the training; `saved` tells whether it was fit to be saved."""

    def __init__(self, message: str, saved: bool) -> None:
        super().__init__(message)
        self.saved = saved


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step is taken on: the module's `Inputs`, and how many tokens they hold.

    A `fresh` batch starts from the zero state, another one from the state after the batch before it.
    """

    inputs: Any
    tokens: int
    fresh: bool = True
    lengths: Any = None


class Batches(Protocol):
    """Where batches come from, in an order that depends on nothing but the generator."""

    def first(self, rng: np.random.Generator) -> Position:
        """Where the training begins."""
        ...

    def batch(self, position: Position) -> Batch:
        """The batch at a position."""
        ...

    def following(self, position: Position, rng: np.random.Generator) -> Position:
        """The position after a position; the data have no end."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A training after `step` steps.

    `carried` is the state after the last batch (None before the first), `generator` the state of the random
    generator, `loss_sum` and `loss_count` add up the losses since the last report, `first_loss` is the one
    of the first step (None before it).
    """

    step: int
    parameters: Bundle
    moments: Moments
    carried: Any
    position: Position
    generator: Mapping[str, Any]
    loss_sum: float = 0.0
    loss_count: int = 0
    first_loss: float | None = None

    @property
    def mean_loss(self) -> float:
        """The mean loss since the last report; NaN if there was no step."""
        return self.loss_sum / self.loss_count if self.loss_count else math.nan


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step saw: its loss, the norm of its gradients before clipping, and how many tokens."""

    loss: float
    norm: float
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Trainer:
    """How a model is trained: its emitted module, the data, the optimiser, and limits of the gradients.

    Both limits may be None; `clip_value` bounds every element, and then `clip_norm` the global norm.
    """

    module: Any
    batches: Batches
    optimiser: Optimiser
    clip_norm: float | None = None
    clip_value: float | None = None

    def begin(self, parameters: Bundle, rng: np.random.Generator) -> Snapshot:
        """The training before its first step."""
        position = self.batches.first(rng)
        state = rng.bit_generator.state
        return Snapshot(0, parameters, self.optimiser.start(parameters), None, position, state)

    def step(self, before: Snapshot, workspace: Any = None) -> tuple[Snapshot, Taken]:
        """The training one step later, and what the step saw.

        Raises:
            DivergenceError: the loss, the norm of its gradients or a parameter is NaN or infinite; the
                message names the step.

        """
        batch = self.batches.batch(before.position)
        evaluation = self.module.loss_and_gradients(
            before.parameters,
            batch.inputs,
            None if batch.fresh else before.carried,
            lengths=batch.lengths,
            workspace=workspace,
        )
        gradients, norm = self.clipped(evaluation.gradients)
        require_finite(before.step + 1, evaluation.loss, norm)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused in the next line
            parameters, moments = self.optimiser.step(before.parameters, gradients, before.moments)
        _require_finite_parameters(before.step + 1, parameters)
        rng = generator_from(before.generator)
        after = Snapshot(
            before.step + 1,
            parameters,
            moments,
            # What the module returns may lie in the workspace, which the next step overwrites.
            evaluation.state._make(np.array(array) for array in evaluation.state),
            self.batches.following(before.position, rng),
            rng.bit_generator.state,
            before.loss_sum + evaluation.loss,
            before.loss_count + 1,
            evaluation.loss if before.first_loss is None else before.first_loss,
        )
        return after, Taken(evaluation.loss, norm, batch.tokens)

    def clipped(self, gradients: Bundle) -> tuple[Bundle, float]:
        """The gradients within their limits, and the norm that they had before."""
        if self.clip_value is None and self.clip_norm is not None:
            return clip_by_norm(gradients, self.clip_norm)
        norm = global_norm(gradients)
        if self.clip_value is not None and math.isfinite(norm):
            gradients = clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients, _ = clip_by_norm(gradients, self.clip_norm)
        return gradients, norm


class Steps(Protocol):
    """What takes the steps of a training: a `Trainer`, or several processes together."""

    @property
    def module(self) -> Any:
        """The emitted module of the model."""
        ...

    def step(self, before: Snapshot, workspace: Any = None) -> tuple[Snapshot, Taken]:
        """The training one step later, and what the step saw; `KeyboardInterrupt` leaves it as before."""
        ...


def train(
    trainer: Steps,
    snapshot: Snapshot,
    steps: int,
    *,
    every: int,
    save: Callable[[Snapshot], None],
    report: Callable[[Snapshot], float | None],
    tell: Callable[[Snapshot, Taken], None],
    bound: Callable[[Snapshot], float] = lambda snapshot: far_above(snapshot.first_loss),
) -> Snapshot:
    """The training after `steps` steps, counted from its very beginning.

    Every `every` steps, and after the last one, it is reported and saved. `report` may return the loss on
    other data, which then counts instead of the mean loss since the last report: a training whose loss is
    above its `bound` is not saved, and stops if that lasts for `PATIENCE` steps or to the end. `tell` hears
    of every step.

    Raises:
        DivergenceError: the loss or its gradients are not finite, or the loss stays above its bound; the last
            save stays.
        InterruptedTrainingError: the user pressed Ctrl-C; the training is saved as after its last step,
            unless its loss is above the bound.

    """
    if every < 1:
        raise RequestError(f"A report every {every} steps cannot be given. Give a positive number.")
    workspace, good, fit = trainer.module.Workspaces(), snapshot.step, True
    try:
        while True:
            done = snapshot.step >= steps
            if snapshot.loss_count and (done or snapshot.step % every == 0):
                told, limit = report(snapshot), bound(snapshot)
                loss = snapshot.mean_loss if told is None else told
                snapshot, fit = replace(snapshot, loss_sum=0.0, loss_count=0), loss <= limit
                if fit:
                    save(snapshot)
                    good = snapshot.step
                elif done or snapshot.step - good >= PATIENCE:
                    raise _diverged(snapshot.step, _too_large(snapshot, loss, limit))
            if done:
                return snapshot
            snapshot, taken = trainer.step(snapshot, workspace)
            tell(snapshot, taken)
    except KeyboardInterrupt:
        raise _interrupted(snapshot, bound(snapshot), fit, save) from None


def far_above(loss: float | None) -> float:
    """The bound of a training's loss that is known by its first loss alone."""
    return math.inf if loss is None else loss + FAR * max(1.0, abs(loss))


def _too_large(snapshot: Snapshot, loss: float, limit: float) -> str:
    return f"the loss is {loss:.3g}, above {limit:.3g}; in the first step it was {snapshot.first_loss:.3g}"


def _interrupted(
    snapshot: Snapshot, limit: float, fit: bool, save: Callable[[Snapshot], None]
) -> InterruptedTrainingError:
    """What tells that the user stopped a training; it is saved unless its loss is above the limit.

    `fit` is what the last report said, which counts where no step came after it.
    """
    fact = f"Interrupted after step {snapshot.step}"
    if snapshot.mean_loss > limit:
        told = _too_large(snapshot, snapshot.mean_loss, limit)
        return InterruptedTrainingError(f"{fact}, and not saved: {told}.", saved=False)
    if not (fit or snapshot.loss_count):
        return InterruptedTrainingError(f"{fact}, and not saved: it is worse than at its start.", saved=False)
    save(snapshot)
    return InterruptedTrainingError(f"{fact}.", saved=True)


def generator_from(state: Mapping[str, Any]) -> np.random.Generator:
    """A random generator that continues from the state of another one.

    Raises:
        ValueError: this is no state of NumPy's PCG64.

    """
    generator = np.random.PCG64()
    generator.state = cast(Any, dict(state))
    return np.random.Generator(generator)


def require_finite(step: int, loss: float, norm: float) -> None:
    """Raise unless what a step saw is finite.

    Raises:
        DivergenceError: it is not.

    """
    for what, number in (("loss", loss), ("norm of the gradients", norm)):
        if not math.isfinite(number):
            raise _diverged(step, f"the {what} is {number}")


def _require_finite_parameters(step: int, parameters: Bundle) -> None:
    for name, array in zip(parameters._fields, parameters, strict=True):
        if not np.all(np.isfinite(array)):
            raise _diverged(step, f"the parameter {name} is not finite any more")


def _diverged(step: int, fact: str) -> DivergenceError:
    return DivergenceError(
        f"The training stopped at step {step}: {fact}. Take a smaller learning rate or a smaller limit of "
        "the gradients' norm."
    )
