"""One to many: from a frequency and a phase to the sine sequence that they name, in a closed loop.

A wave is told once, by two numbers: its frequency in cycles per step, and its phase in turns. They set the
first state of a gated recurrent unit, which then grows the sequence on its own: what it gives at a step is
all it takes at the next. It is trained that way too, so gradients flow through everything it fed back.

    python -m symrnn.examples.sine
"""

import sys
from typing import Any

import numpy as np

import symrnn
from symrnn import Feed, Layer, Model, closed_loop, zoo
from symrnn.training.optimisers import Adam, clip_by_norm

SLOWEST, FASTEST = 0.02, 0.1  # cycles per step


def sine_model() -> Model:
    """A dense layer makes the first state of a closed loop; the loss compares with the wave."""
    wave = Feed("wave", over="once")
    starts = {
        "c": Layer(zoo.dense("tanh"), wave, name="state").last,
        "x_back": Layer(zoo.dense(), wave, name="value").last,
    }
    grown = Layer(closed_loop(zoo.cell("gru"), zoo.dense()), initial=starts)
    loss = Layer(zoo.output_error, {"y_hat": grown, "y": Feed("y")})
    return Model("sine", loss, title="Sine sequences in a closed loop")


def batch(module: Any, rng: np.random.Generator, T: int, B: int) -> Any:
    """B waves of T steps, nothing forced."""
    frequency, phase = rng.uniform(SLOWEST, FASTEST, B), rng.uniform(0, 1, B)
    y = np.sin(2 * np.pi * (frequency * np.arange(T)[:, None] + phase))[..., None].astype(np.float32)
    told = [frequency / FASTEST, phase]
    nothing = np.zeros((T, B), np.float32)
    wave = np.stack(told, axis=-1).astype(np.float32)
    return module.Inputs(wave=wave, x_given=nothing[..., None], forced=nothing, y=y)


def train_sine(steps: int, *, hidden: int = 64, length: int = 50, target: str = "numba") -> float:
    """The mean squared error on a thousand waves never seen, grown in a closed loop, after training."""
    module, rng = symrnn.load(sine_model(), target), np.random.default_rng(0)
    parameters = module.init(rng, n=2, m=hidden, p=1)
    workspace, moments = module.Workspaces(), Adam().start(parameters)
    for step in range(1, steps + 1):
        optimiser = Adam(5e-3 * (1 - step / (steps + 1)))  # smaller and smaller steps
        made = module.loss_and_gradients(parameters, batch(module, rng, length, 64), workspace=workspace)
        gradients, _ = clip_by_norm(made.gradients, 1.0)
        parameters, moments = optimiser.step(parameters, gradients, moments)
        if step % 500 == 0:
            print(f"step {step}, mean squared error {2 * made.loss:.5f}", file=sys.stderr)
    return 2 * float(module.loss(parameters, batch(module, np.random.default_rng(1), length, 1000)))


if __name__ == "__main__":
    print(f"mean squared error on waves never seen: {train_sine(8000):.5f}")
