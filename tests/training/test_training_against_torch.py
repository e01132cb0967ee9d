"""The same training in PyTorch: nn.LSTM, a linear layer, cross_entropy and Adam, from the same weights."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from symrnn.training.language_model import language_model
from symrnn.training.optimisers import Adam
from symrnn.training.text import Stretches, corpus
from symrnn.training.trainer import Taken, Trainer
from symrnn.zoo import lstm

torch = pytest.importorskip("torch")  # an extra; CI installs it and refuses skipped tests

GATES = "ifgo"  # the order of PyTorch's rows
CLIP = 0.3  # low enough to be reached


def topics() -> str:
    """English text that comes with Python."""
    from pydoc_data.topics import topics as texts

    return "\n\n".join(texts.values())


class Peer:
    """The language model in PyTorch, started from given parameters."""

    def __init__(self, parameters: Any, size: int, dtype: Any, rate: float) -> None:
        p = {name: torch.tensor(array) for name, array in parameters._asdict().items()}
        m = len(p["layer_1_b_i"])
        self.lstm, self.linear = torch.nn.LSTM(size, m).to(dtype), torch.nn.Linear(m, size).to(dtype)
        with torch.no_grad():
            for number, gate in enumerate(GATES):
                rows = slice(number * m, (number + 1) * m)
                W = p[f"layer_1_W_{gate}"]  # of [h, x]
                self.lstm.weight_hh_l0[rows] = W[:, :m]
                self.lstm.weight_ih_l0[rows] = W[:, m:]
                self.lstm.bias_ih_l0[rows] = p[f"layer_1_b_{gate}"]
            self.lstm.bias_hh_l0.zero_()
            self.linear.weight.copy_(p["head_W_y"])
            self.linear.bias.copy_(p["head_b_y"])
        self.lstm.bias_hh_l0.requires_grad_(False)  # the equations have one bias
        every = [*self.lstm.parameters(), *self.linear.parameters()]
        self.trained = [tensor for tensor in every if tensor.requires_grad]
        self.optimiser = torch.optim.Adam(self.trained, lr=rate)
        self.state: Any = None

    def step(self, x: Any, y: Any, fresh: bool) -> tuple[float, float]:
        """Loss and norm of one step on one-hot x (T, B, V) and class indices y (T, B)."""
        outputs, state = self.lstm(x, None if fresh else self.state)
        self.state = tuple(array.detach() for array in state)
        logits = self.linear(outputs)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.sqrt(sum((tensor.grad.double() ** 2).sum() for tensor in self.trained)).item()
        if norm > CLIP:  # clip_grad_norm_ adds 1e-6 to the norm, which Pascanu et al. do not
            for tensor in self.trained:
                tensor.grad *= CLIP / norm
        self.optimiser.step()
        return loss.item(), norm


def trainings(
    text: str, hidden: int, T: int, B: int, target: str, dtype: Any, rate: float
) -> Iterator[tuple[Taken, tuple[float, float]]]:
    """Step by step what our training saw, and what PyTorch's saw."""
    data = corpus(text, T, B)
    language = language_model(lstm, 1, hidden, data.vocabulary, target)
    stretches = Stretches(language.module, data.training, len(data.vocabulary), T, B, dtype)
    trainer = Trainer(language.module, stretches, Adam(rate), clip_norm=CLIP)
    rng = np.random.default_rng(0)
    snapshot = trainer.begin(language.init(rng, dtype), rng)
    peer = Peer(snapshot.parameters, len(data.vocabulary), getattr(torch, np.dtype(dtype).name), rate)
    workspace = language.module.Workspaces()
    while True:
        batch = stretches.batch(snapshot.position)
        x, y = torch.tensor(batch.inputs.x), torch.tensor(batch.inputs.y.argmax(-1))
        theirs = peer.step(x, y, batch.fresh)
        snapshot, ours = trainer.step(snapshot, workspace)
        yield ours, theirs


def largest_differences(steps: int, **options: Any) -> tuple[float, float, int]:
    """The largest relative differences of losses and norms, and how often the norm was clipped."""
    pairs = list(itertools.islice(trainings(**options), steps))
    losses = max(abs(ours.loss - loss) / loss for ours, (loss, _) in pairs)
    norms = max(abs(ours.norm - norm) / norm for ours, (_, norm) in pairs)
    return losses, norms, sum(ours.norm > CLIP for ours, _ in pairs)


@pytest.mark.parametrize(
    ("target", "dtype", "tolerance"),
    [("numpy", np.float32, 1e-3), ("numpy", np.float64, 1e-8), ("numba", np.float64, 1e-8)],
)
def test_losses_are_pytorchs_step_by_step(target: str, dtype: Any, tolerance: float) -> None:
    losses, norms, clipped = largest_differences(
        30, text=topics()[:6000], hidden=24, T=12, B=16, target=target, dtype=dtype, rate=0.01
    )
    assert losses < tolerance
    assert norms < 10 * tolerance
    assert 0 < clipped < 30  # both sides of the limit occur
