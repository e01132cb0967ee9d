"""Many to one over a long lag: the adding problem of Hochreiter and Schmidhuber 1997.

A sequence of numbers between 0 and 1 comes with marks at two of its steps, one in its first tenth, one in its
first half; at the end, the network shall say the sum of the two marked numbers. Whoever remembers nothing
says 1 and has a mean squared error of 1/6 = 0.167.

The gates of `lstm` start with memories of all lengths up to that of the sequence (Tallec and Ollivier 2018,
arXiv:1804.11188); `symrnn gradients lstm --set b_f=3` shows what an open forget gate does to gradients.

    python -m symrnn.examples.adding
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

import symrnn
from symrnn import Cell, Feed, Layer, Model, zoo
from symrnn.training.optimisers import Adam
from symrnn.training.trainer import Batch, Position, Trainer


def adding_model(cell: Cell) -> Model:
    """The last output of a cell, a dense layer, and the squared error of the sum."""
    last = Layer(cell, Feed("x")).last
    loss = Layer(zoo.squared_error, {"a": last, "y": Feed("sum", over="once")})
    return Model(f"adding_{cell.name}", loss, output=Layer(zoo.dense(), last))


@dataclass(frozen=True, slots=True)
class Adding:
    """Fresh problems without end; `position` is the seed of a batch."""

    module: Any
    steps: int = 100
    samples: int = 50

    def first(self, rng: np.random.Generator) -> Position:
        """A seed."""
        return (int(rng.integers(2**32)),)

    def following(self, position: Position, rng: np.random.Generator) -> Position:
        """Another seed."""
        return self.first(rng)

    def batch(self, position: Position) -> Batch:
        """The problems of a seed."""
        rng = np.random.default_rng(position)
        T, B = self.steps, self.samples
        numbers, marks, sample = rng.random((T, B)), np.zeros((T, B)), np.arange(B)
        early, late = rng.integers(0, T // 10, B), rng.integers(T // 10, T // 2, B)
        marks[early, sample] = marks[late, sample] = 1
        x = np.stack([numbers, marks], axis=-1).astype(np.float32)
        y = (numbers * marks).sum(0)[:, None].astype(np.float32)
        return Batch(self.module.Inputs(x=x, sum=y), tokens=T * B)


def train_adding(
    cell: Cell,
    steps: int,
    *,
    hidden: int = 64,
    length: int = 100,
    learning_rate: float = 2e-3,
    target: str = "numba",
) -> float:
    """The mean squared error on a thousand fresh problems after training on `steps` batches."""
    module = symrnn.load(adding_model(cell), target)
    data, rng = Adding(module, length), np.random.default_rng(0)
    trainer = Trainer(module, data, Adam(learning_rate), clip_norm=1.0)
    sizes = dict(zip(module.AXES, (2, hidden, 1), strict=True))  # of x, the state and the sum
    fresh = module.init(rng, **sizes)
    if "b_f" in fresh._fields:
        open_gate = np.log(rng.uniform(1, length - 1, hidden)).astype(np.float32)
        fresh = fresh._replace(b_f=open_gate, b_i=-open_gate)
    training = trainer.begin(fresh, rng)
    workspace = module.Workspaces()
    for step in range(1, steps + 1):
        training, taken = trainer.step(training, workspace)
        if step % 500 == 0:
            print(f"{cell.name}: step {step}, mean squared error {2 * taken.loss:.4f}", file=sys.stderr)
    unseen = Adding(module, length, 1000).batch((1,))
    return 2 * float(module.loss(training.parameters, unseen.inputs))


if __name__ == "__main__":
    for name in ("elman", "gru", "lstm"):
        print(f"{name}: {train_adding(zoo.cell(name), 4000):.4f}")
