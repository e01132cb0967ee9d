"""Encoder and decoder of different lengths: dates as people write them, in ten languages, to ISO dates.

"Tuesday, 10 October 2017" and "3 de mayo de 1979" become 2017-10-10 and 1979-05-03. The encoder reads all
characters, whose number differs from date to date; its final state starts the decoder, which is trained on
the right characters before each one (teacher forcing) and then writes on its own (closed loop). A tenth of
all dates is never seen in training.

    pip install "symrnn[examples]"
    python -m symrnn.examples.dates
"""

import datetime
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from babel.dates import format_date
from numpy.typing import NDArray

import symrnn
from symrnn import Feed, Layer, Model, zoo
from symrnn.training.optimisers import Adam
from symrnn.training.trainer import Batch, Position, Trainer

LOCALES = ("en", "en_GB", "de", "fr", "es", "it", "nl", "pt", "sv", "pl")
FORMATS = ("full", "long", "medium")
FIRST, LAST = datetime.date(1900, 1, 1).toordinal(), datetime.date(2099, 12, 31).toordinal()
WRITTEN = "0123456789-"
START = len(WRITTEN)  # what stands before the first character
UNSEEN = 10  # dates whose number is a multiple of this are for the test


def dates_model() -> Model:
    """An LSTM reads the characters, another one writes the date."""
    encoder = Layer(zoo.lstm, Layer(zoo.embedding, Feed("source", over="S"), name="source"), name="encoder")
    starts = {"c": encoder.final("c"), "h": encoder.final("h")}
    given = Layer(zoo.embedding, Feed("given"), name="given")
    decoder = Layer(zoo.lstm, given, name="decoder", initial=starts)
    loss = Layer(zoo.class_cross_entropy, {"a": decoder, "k": Feed("target")})
    return Model("dates", loss, output=Layer(zoo.dense(), decoder), title="Dates to ISO dates")


@cache
def written(ordinal: int, locale: str, form: str) -> str:
    """A date as people write it."""
    return str(format_date(datetime.date.fromordinal(ordinal), form, locale=locale))


def alphabet() -> str:
    """All characters that occur, from the written forms of every month and weekday."""
    days = [datetime.date(2017, month, day).toordinal() for month in range(1, 13) for day in range(10, 17)]
    texts = {written(day, locale, form) for day in days for locale in LOCALES for form in FORMATS}
    return "".join(sorted(set("".join(texts)) | set("0123456789")))


@dataclass(frozen=True, slots=True)
class Dates:
    """Fresh batches without end; `position` is a batch's seed. `unseen` ones are the test's."""

    module: Any
    samples: int = 64
    unseen: bool = False
    characters: str = field(default_factory=alphabet)

    def first(self, rng: np.random.Generator) -> Position:
        """A seed."""
        return (int(rng.integers(2**32)),)

    def following(self, position: Position, rng: np.random.Generator) -> Position:
        """Another seed."""
        return self.first(rng)

    def batch(self, position: Position) -> Batch:
        """The dates of a seed, shorter ones padded."""
        rng = np.random.default_rng(position)
        ordinals = rng.integers(FIRST, LAST + 1, 2 * UNSEEN * self.samples)
        ordinals = ordinals[(ordinals % UNSEEN == 0) == self.unseen][: self.samples]
        texts = [written(int(day), str(rng.choice(LOCALES)), str(rng.choice(FORMATS))) for day in ordinals]
        lengths = np.array([len(text) for text in texts])
        source = np.zeros((lengths.max(), len(texts)), np.int64)
        for b, text in enumerate(texts):
            source[: len(text), b] = [self.characters.index(character) for character in text]
        dates = [datetime.date.fromordinal(int(day)).isoformat() for day in ordinals]
        target = np.array([[WRITTEN.index(character) for character in date] for date in dates]).T
        given = np.vstack([np.full((1, len(texts)), START), target[:-1]])
        inputs = self.module.Inputs(source=source, given=given, target=target)
        return Batch(inputs, tokens=target.size, lengths=self.module.Lengths(S=lengths))


def decoded(module: Any, parameters: Any, batch: Batch) -> NDArray[np.int64]:
    """The dates that the model writes on its own, the likeliest character after the other: (10, B)."""
    prepared = module.prepare(parameters)
    read = module.begin(prepared, batch.inputs, lengths=batch.lengths)
    start = np.full(batch.inputs.source.shape[1], START)
    made, _ = module.generate(prepared, start, len(batch.inputs.target), temperature=0, state=read)
    return np.asarray(made, np.int64)


def train_dates(steps: int, *, hidden: int = 128, target: str = "numba", test: int = 1000) -> float:
    """The share of unseen dates that are written without a mistake, after training on `steps` batches."""
    module = symrnn.load(dates_model(), target)
    data, rng = Dates(module), np.random.default_rng(0)
    sizes = {"source_v": len(data.characters), "n": 32, "v": len(WRITTEN) + 1, "m": 16}
    sizes |= {"encoder_m": hidden, "target_v": len(WRITTEN)}
    trainer = Trainer(module, data, Adam(3e-3), clip_norm=1.0)
    training = trainer.begin(module.init(rng, **sizes), rng)
    workspace = module.Workspaces()
    for step in range(1, steps + 1):
        training, taken = trainer.step(training, workspace)
        if step % 500 == 0:
            print(f"step {step}, loss {taken.loss:.4f}", file=sys.stderr)
    batch = Dates(module, test, unseen=True, characters=data.characters).batch((1,))
    right = decoded(module, training.parameters, batch) == batch.inputs.target
    return float(right.all(0).mean())


if __name__ == "__main__":
    print(f"without a mistake, of dates never seen: {train_dates(6000):.1%}")
