"""A tagger of words in plain PyTorch, whose GRU becomes a kernel by one line, and which leaves as ONNX.

Sentences come from a small grammar in which many words are of two kinds: "the light man can light the can".
What a word is follows from its neighbours on both sides, so the layer is bidirectional. Everything but
`accelerated` and `exported` is a program as any other that uses `torch.nn.GRU` on padded batches. Trained, it
is a graph that onnxruntime serves without PyTorch.

    pip install "symrnn[torch,onnx]" onnxruntime
    python -m symrnn.examples.tagger
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

import symrnn
from symrnn import Feed, Layer, Model, zoo
from symrnn.torch import from_torch

WORDS = {
    "determiner": "the a this that no every",
    "adjective": "light fast cold light still open clean fast low",
    "noun": "man can light fish saw cold watch duck fly open play",
    "auxiliary": "can will may must",
    "verb": "can light fish saw watch duck fly open play man clean still",
    "adverb": "fast still low often",
    "preposition": "over under with near",
}
TAGS = tuple(WORDS)
PADDING = len(TAGS)  # the tag of what stands behind a sentence's end
VOCABULARY = ("", *sorted({word for words in WORDS.values() for word in words.split()}))
"""The first one stands behind a sentence's end."""


def sentence(rng: np.random.Generator) -> list[str]:
    """The tags of a sentence."""

    def group() -> list[str]:
        made = ["determiner", *["adjective"] * int(rng.integers(0, 3)), "noun"]
        return [*made, "preposition", *group()] if rng.random() < 0.25 else made

    verb = [*["auxiliary"] * int(rng.integers(0, 2)), "verb"]
    return [*group(), *verb, *(group() if rng.random() < 0.7 else []), *["adverb"] * int(rng.integers(0, 2))]


def batches(seed: int, samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Words and tags (T, B), without end."""
    rng = np.random.default_rng(seed)
    choices = {tag: words.split() for tag, words in WORDS.items()}
    while True:
        tags = [sentence(rng) for _ in range(samples)]
        words = [[VOCABULARY.index(str(rng.choice(choices[tag]))) for tag in line] for line in tags]
        numbers = [[TAGS.index(tag) for tag in line] for line in tags]
        yield (
            pad_sequence([torch.tensor(line) for line in words]),
            pad_sequence([torch.tensor(line) for line in numbers], padding_value=PADDING),
        )


class Tagger(nn.Module):
    """Scores of the tags of every word, from the words before and after it."""

    def __init__(self, hidden: int) -> None:
        """Make fresh parameters."""
        super().__init__()
        self.embedding = nn.Embedding(len(VOCABULARY), hidden)
        self.recurrent: nn.Module = nn.GRU(hidden, hidden, bidirectional=True)
        self.scores = nn.Linear(2 * hidden, len(TAGS))

    def forward(self, words: Tensor) -> Tensor:
        """Scores (T, B, tags)."""
        outputs, _ = self.recurrent(self.embedding(words))
        scores: Tensor = self.scores(outputs)
        return scores


def accelerated(tagger: Tagger) -> Tagger:
    """The tagger after the one line that changes."""
    tagger.recurrent = from_torch(tagger.recurrent)
    return tagger


def tagger_model() -> Model:
    """The same tagger as symrnn declares it."""
    words = Layer(zoo.embedding, Feed("words"))
    ahead = Layer(zoo.gru_reset_after, words, name="ahead")
    back = Layer(zoo.gru_reset_after, words, name="back", reverse=True)
    both = Layer(zoo.joined, {"first": ahead, "second": back})
    loss = Layer(zoo.class_cross_entropy, {"a": both, "k": Feed("tags")}, name="scores")
    return Model("tagger", loss, output=Layer(zoo.dense(), both, name="scores"))


def exported(tagger: Tagger) -> Any:
    """The tagger after `accelerated` as graphs of ONNX (see `symrnn.onnx`)."""
    names = {"embedding.weight": "E", "scores.weight": "scores_W_y", "scores.bias": "scores_b_y"}
    arrays = {}
    for name, parameter in tagger.named_parameters():
        symbol, _, way = name.removeprefix("recurrent.").partition("_l0")
        own = names.get(name, f"{'back' if way else 'ahead'}_{symbol}")
        arrays[own] = parameter.detach().numpy()
    return symrnn.onnx(tagger_model(), arrays, lengths=False)


def served(tagger: Tagger, words: Tensor) -> np.ndarray[Any, Any]:
    """The scores (T, B, tags) that onnxruntime gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported(tagger).model.SerializeToString())
    start = np.zeros((words.shape[1], tagger.embedding.embedding_dim), np.float32)
    given = {"words": words.numpy(), "ahead_h": start}
    scores: np.ndarray[Any, Any] = session.run(["outputs"], given)[0]
    return scores


def apart(tagger: Tagger) -> float:
    """By how much onnxruntime's scores differ from PyTorch's on new sentences, as part of the largest one."""
    words, _ = next(batches(1, 32))
    with torch.inference_mode():
        own = tagger(words).numpy()
    return float(np.abs(served(tagger, words) - own).max() / np.abs(own).max())


@dataclass(frozen=True, slots=True)
class Run:
    """What a training was: the loss of every step, and how long a step took, in milliseconds (median)."""

    losses: tuple[float, ...]
    milliseconds: float


def train_tagger(tagger: Tagger, steps: int, samples: int = 32) -> Run:
    """Train with Adam on fresh sentences, the same ones in every run."""
    optimiser = torch.optim.Adam(tagger.parameters(), lr=1e-2)
    measure = nn.CrossEntropyLoss(ignore_index=PADDING)
    losses, times = [], []
    for _, (words, tags) in zip(range(steps), batches(0, samples), strict=False):
        began = time.perf_counter()
        optimiser.zero_grad()
        loss = measure(tagger(words).flatten(0, 1), tags.flatten())
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - began)
        losses.append(loss.item())
    return Run(tuple(losses), 1e3 * float(np.median(times)))


def fresh(hidden: int) -> Tagger:
    """A tagger with the parameters of a fixed seed."""
    torch.manual_seed(0)
    return Tagger(hidden)


def main() -> None:
    """Train the tagger as it is, and with the line changed."""
    steps, hidden = 150, 128
    plain, tagger = train_tagger(fresh(hidden), steps), accelerated(fresh(hidden))
    made = train_tagger(tagger, steps)
    furthest = max(abs(one - other) for one, other in zip(plain.losses, made.losses, strict=True))
    print("step   torch.nn.GRU   symrnn")
    for step in range(0, steps, steps // 6):
        print(f"{step:4}   {plain.losses[step]:12.6f}   {made.losses[step]:.6f}")
    print(f"losses differ by at most {furthest:.1e}")
    print(f"a step takes {plain.milliseconds:.1f} ms with torch.nn.GRU, {made.milliseconds:.1f} with symrnn")
    print(f"onnxruntime's scores differ from PyTorch's by {apart(tagger):.1e} of the largest")


if __name__ == "__main__":
    main()
