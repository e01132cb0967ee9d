"""Optimisers, and the trainer: what a step does, when it stops, and that resuming changes nothing."""

import math
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sympy import Eq

import symrnn
from symrnn import Cell, Constant, Feed, Input, Layer, Model, Parameter, State, axes, tanh
from symrnn.errors import RequestError
from symrnn.training.optimisers import (
    Adam,
    Sgd,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from symrnn.training.trainer import (
    Batch,
    DivergenceError,
    InterruptedTrainingError,
    Snapshot,
    Trainer,
    generator_from,
    train,
)
from symrnn.zoo.heads import squared_error

Bundle = namedtuple("Bundle", "W b s")
SHAPES = ((3, 4), (3,), ())
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def bundle(seed: int, dtype: Any = np.float64) -> Bundle:
    rng = np.random.default_rng(seed)
    return Bundle(*(np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES))


def stepped(optimiser: Any, dtype: Any = np.float64, steps: int = 5) -> Bundle:
    """The parameters after some steps; whatever goes in stays as it was."""
    parameters = bundle(0, dtype)
    moments = optimiser.start(parameters)
    for number in range(1, steps + 1):
        gradients = bundle(number, dtype)
        before = [a.copy() for a in (*parameters, *gradients)]
        after, moments = optimiser.step(parameters, gradients, moments)
        for a, b in zip((*parameters, *gradients), before, strict=True):
            np.testing.assert_array_equal(a, b)
        parameters = after
    assert moments.steps == steps
    for array, shape in zip(parameters, SHAPES, strict=True):
        assert isinstance(array, np.ndarray)
        assert (array.shape, array.dtype) == (shape, dtype)
    return parameters


def test_gradient_descent() -> None:
    expected = [p - 0.1 * sum(gs) for p, *gs in zip(bundle(0), *map(bundle, range(1, 6)), strict=True)]
    for array, wanted in zip(stepped(Sgd(0.1)), expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-14, atol=1e-15)


@dtypes
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Sgd(0.05, momentum=0.9), ("SGD", {"lr": 0.05, "momentum": 0.9})),
        (Adam(0.01), ("Adam", {"lr": 0.01})),
        (
            Adam(0.1, beta_1=0.5, beta_2=0.6, epsilon=1e-3),
            ("Adam", {"lr": 0.1, "betas": (0.5, 0.6), "eps": 1e-3}),
        ),
    ],
    ids=["momentum", "adam", "another adam"],
)
def test_optimisers_are_pytorchs(dtype: Any, ours: Any, theirs: tuple[str, dict[str, Any]]) -> None:
    torch = pytest.importorskip("torch")  # an extra; CI installs it and refuses skipped tests
    tensors = [torch.tensor(array, requires_grad=True) for array in bundle(0, dtype)]
    optimiser = getattr(torch.optim, theirs[0])(tensors, **theirs[1])
    for number in range(1, 6):
        for tensor, gradient in zip(tensors, bundle(number, dtype), strict=True):
            tensor.grad = torch.tensor(gradient)
        optimiser.step()
    for array, tensor in zip(stepped(ours, dtype), tensors, strict=True):
        np.testing.assert_allclose(
            array, tensor.detach().numpy(), rtol=50 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps
        )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Adam(0.0), "The learning rate is 0.0. Give a positive number"),
        (lambda: Sgd(math.nan), "The learning rate is nan"),
        (lambda: Sgd(0.1, momentum=1.0), "The momentum is 1.0. Give a number from 0 to less than 1"),
        (lambda: Adam(beta_2=-0.1), "The beta_2 is -0.1"),
        (lambda: clip_by_norm(bundle(0), 0.0), "The limit of the gradients' norm is 0.0"),
        (lambda: clip_by_value(bundle(0), math.inf), "The limit of the gradients' elements is inf"),
    ],
)
def test_numbers_that_make_no_sense(made: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        made()


@dtypes
def test_clipping(dtype: Any) -> None:
    gradients = bundle(3, dtype)
    norm = float(np.linalg.norm(np.concatenate([a.astype(np.float64).ravel() for a in gradients])))
    clipped, found = clip_by_norm(gradients, norm / 4)
    assert found == pytest.approx(norm, rel=1e-12)
    assert global_norm(clipped) == pytest.approx(norm / 4, rel=1e-6)
    for array, gradient in zip(clipped, gradients, strict=True):
        np.testing.assert_allclose(array, gradient / 4, rtol=1e-6)
        assert array.dtype == dtype
    untouched, found = clip_by_norm(gradients, 2 * norm)
    assert untouched is gradients
    assert found == pytest.approx(norm, rel=1e-12)
    for array, gradient in zip(clip_by_value(gradients, 0.5), gradients, strict=True):
        np.testing.assert_array_equal(array, np.minimum(np.maximum(gradient, -0.5), 0.5))
    assert math.isnan(clip_by_norm(gradients._replace(s=np.array(np.nan, dtype)), 1.0)[1])


# ---- The trainer -------------------------------------------------------------------------------------


def drifting_model() -> Model:
    """A model with a scalar parameter and a constant, of which a batch needs the state before it."""
    n, m = axes("n m")
    x, h = Input("x", n), State("h", m)
    W, rate, keep = Parameter("W", m, n), Parameter("rate", init=0.5), Constant("keep", value=0.8)
    drift = Cell("drift", Eq(h.next, keep * h + rate * tanh(W @ x)))
    return Model("drifting", Layer(squared_error, {"a": Layer(drift), "y": Feed("y")}))


class Waves:
    """Batches of noise and its running sum, five per pass; a position is a seed and a number."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.asked: list[tuple[int, ...]] = []

    def first(self, rng: np.random.Generator) -> tuple[int, int]:
        return int(rng.integers(1000)), 0

    def batch(self, position: tuple[int, ...]) -> Batch:
        self.asked.append(position)
        x = np.random.default_rng(position).standard_normal((4, 3, 2))
        y = np.cumsum(x, axis=0)[..., :1]
        return Batch(self.module.Inputs(x=x, y=y), tokens=12, fresh=position[1] == 0)

    def following(self, position: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
        seed, number = position
        return (seed, number + 1) if number < 4 else self.first(rng)


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    module = symrnn.load(drifting_model(), target="numpy")
    return Trainer(module, Waves(module), Adam(0.02), clip_norm=1.0)


def begin(trainer: Trainer) -> Snapshot:
    rng = np.random.default_rng(0)
    sizes = dict(zip(trainer.module.AXES, (2, 3, 1), strict=True))  # of x, of h, of y
    return trainer.begin(trainer.module.init(rng, **sizes, dtype=np.float64), rng)


def ignore(*_: Any) -> None:
    """Take what one is told."""


def test_a_training_learns_and_constants_stay(trainer: Trainer) -> None:
    start, losses = begin(trainer), []
    end = train(
        trainer,
        start,
        300,
        every=50,
        save=ignore,
        report=lambda snapshot: losses.append(snapshot.mean_loss),
        tell=ignore,
    )
    assert (end.step, len(losses)) == (300, 6)
    assert losses[-1] < 0.8 * losses[0]
    assert end.parameters.keep == start.parameters.keep == 0.8
    assert end.parameters.rate != start.parameters.rate


def test_every_step_is_told_with_its_norm_before_clipping(trainer: Trainer) -> None:
    told = []
    train(
        trainer,
        begin(trainer),
        3,
        every=2,
        save=ignore,
        report=ignore,
        tell=lambda snapshot, taken: told.append((snapshot.step, taken)),
    )
    assert [step for step, _ in told] == [1, 2, 3]
    snapshot = begin(trainer)
    batch = trainer.batches.batch(snapshot.position)
    evaluation = trainer.module.loss_and_gradients(snapshot.parameters, batch.inputs)
    first = told[0][1]
    assert (first.loss, first.tokens) == (evaluation.loss, 12)
    assert first.norm == global_norm(evaluation.gradients)


def test_both_limits(trainer: Trainer) -> None:
    limited = Trainer(trainer.module, trainer.batches, Adam(), clip_norm=0.1, clip_value=0.05)
    big = trainer.module.Parameters(*(100.0 * np.ones_like(p) for p in begin(trainer).parameters))
    clipped, norm = limited.clipped(big)
    assert norm == global_norm(big)
    assert global_norm(clipped) == pytest.approx(0.1)
    assert len({float(np.max(p)) for p in clipped}) == 1


def test_state_is_carried_within_a_pass_and_zero_at_its_start(trainer: Trainer) -> None:
    states = []

    def watched(parameters: Any, inputs: Any, state: Any, **options: Any) -> Any:
        states.append(state)
        return trainer.module.loss_and_gradients(parameters, inputs, state, **options)

    module = SimpleNamespace(loss_and_gradients=watched, Workspaces=trainer.module.Workspaces)
    watching = Trainer(module, Waves(trainer.module), Adam(0.02))
    train(watching, begin(trainer), 11, every=100, save=ignore, report=ignore, tell=ignore)
    assert [state is None for state in states] == [True, *[False] * 4] * 2 + [True]
    passes = {position[0] for position in watching.batches.asked}
    assert len(passes) == 3  # a new one is drawn for every pass


@pytest.mark.parametrize("stop", [1, 4, 5, 7, 12])
def test_from_any_snapshot_a_training_goes_on_to_the_same_bits(trainer: Trainer, stop: int) -> None:
    def run(snapshot: Snapshot, steps: int) -> Snapshot:
        return train(trainer, snapshot, steps, every=4, save=ignore, report=ignore, tell=ignore)

    whole = run(begin(trainer), 13)
    saved = []
    with pytest.raises(InterruptedTrainingError, match=f"after step {stop}"):
        train(trainer, begin(trainer), 13, every=4, save=saved.append, report=ignore, tell=interrupting(stop))
    resumed = run(saved[-1], 13)
    for a, b in zip(
        (*whole.parameters, *whole.carried), (*resumed.parameters, *resumed.carried), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert (whole.step, whole.position, whole.generator, whole.loss_sum) == (
        resumed.step,
        resumed.position,
        resumed.generator,
        resumed.loss_sum,
    )


def interrupting(stop: int) -> Any:
    def tell(snapshot: Snapshot, _: Any) -> None:
        if snapshot.step == stop:
            raise KeyboardInterrupt

    return tell


def test_generator_goes_on() -> None:
    rng = np.random.default_rng(3)
    rng.random(10)
    again = generator_from(rng.bit_generator.state)
    np.testing.assert_array_equal(rng.random(20), again.random(20))


@pytest.mark.parametrize(
    ("field", "fact"),
    [
        ("loss", "stopped at step 6: the loss is nan"),
        ("gradients", "stopped at step 6: the norm of the gradients is inf"),
        ("parameters", "stopped at step 6: the parameter W is not finite"),
    ],
)
def test_what_is_not_finite_stops_the_training(trainer: Trainer, field: str, fact: str) -> None:
    calls = []

    def failing(parameters: Any, inputs: Any, state: Any, **options: Any) -> Any:
        calls.append(None)
        evaluation = trainer.module.loss_and_gradients(parameters, inputs, state, **options)
        if len(calls) < 6 or field == "parameters":
            return evaluation
        if field == "loss":
            return evaluation._replace(loss=math.nan)
        wild = evaluation.gradients._replace(W=np.full_like(evaluation.gradients.W, math.inf))
        return evaluation._replace(gradients=wild)

    module = SimpleNamespace(loss_and_gradients=failing, Workspaces=trainer.module.Workspaces)
    optimiser = Exploding(6) if field == "parameters" else Sgd(1e-6)
    saved: list[Snapshot] = []
    with pytest.raises(DivergenceError, match=fact):
        train(
            Trainer(module, Waves(trainer.module), optimiser),
            begin(trainer),
            20,
            every=2,
            save=saved.append,
            report=ignore,
            tell=ignore,
        )
    assert [snapshot.step for snapshot in saved] == [2, 4]
    assert all(np.all(np.isfinite(p)) for p in saved[-1].parameters)


class Exploding(Sgd):
    """Gradient descent that throws one parameter off at one step."""

    def __init__(self, at: int) -> None:
        super().__init__(1e-6)
        object.__setattr__(self, "at", at)

    def step(self, parameters: Any, gradients: Any, moments: Any) -> Any:
        after, moments = super().step(parameters, gradients, moments)
        return after._replace(W=after.W * math.inf) if moments.steps == self.at else after, moments
