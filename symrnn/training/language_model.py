"""A language model of characters: layers of a recurrent cell, and a softmax over the characters.

x (one-hot) -> layer_1 -> ... -> layer_L -> head: logits of the next character, and its cross-entropy with y
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symrnn import zoo
from symrnn.declaration.axes import shape_text
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.models.layers import Feed, Layer
from symrnn.models.model import Model
from symrnn.running.loading import load
from symrnn.training.optimisers import Bundle
from symrnn.training.text import Vocabulary, one_hot, validation_stretches

MOST_LAYERS = 100
"""A model's text has lines for each layer: with many more it would take minutes to write and to compile."""


def character_model(cell: Cell, layers: int) -> Model:
    """The model: its output is the logits, its parameters are `layer_1_...` and `head_...`.

    Raises:
        RequestError: the cell has another input than one vector, or its output is no vector.

    """
    if not 1 <= layers <= MOST_LAYERS:
        raise RequestError(
            f"A model of {layers} layers cannot be made. Give --layers a number from 1 to {MOST_LAYERS}."
        )
    shapes = [shape_text(cell.shape_of(q)) for q in cell.inputs]
    if len(shapes) != 1 or len(cell.shape_of(cell.inputs[0])) != 1 or len(cell.output_shape) != 1:
        raise RequestError(
            f"The cell {cell.name!r} has inputs of shape {', '.join(shapes)} and an output of shape "
            f"{shape_text(cell.output_shape)}. A language model takes a cell with one vector as "
            "input and a vector as output."
        )
    below: Feed | Layer = Feed("x")
    for number in range(1, layers + 1):
        below = Layer(cell, below, name=f"layer_{number}")
    loss = Layer(zoo.softmax_cross_entropy, {"a": below, "y": Feed("y")}, name="head")
    logits = Layer(zoo.dense(), below, name="head")
    return Model(
        "characters", loss, output=logits, title=f"A language model of characters: {cell.title or cell.name}"
    )


def axis_sizes(model: Model, vocabulary: int, hidden: int) -> dict[str, int]:
    """The sizes of a model's axes by name: those of characters, and `hidden` for all others.

    Raises:
        RequestError: the cell's input has no axis of its own.

    """
    sizes = dict.fromkeys(model.axes, hidden)
    for _, _, shape in model.feeds:
        if shape[0] not in sizes:
            raise RequestError(
                f"The input of the cell has shape {shape_text(shape)}, and characters need an axis of their "
                "own. Declare the input as Input('x', n)."
            )
        sizes[shape[0]] = vocabulary
    taken = {axis for _, _, shape in model.feeds for axis in shape}
    if taken == set(model.axes) and hidden != vocabulary:
        raise RequestError(
            f"The cell's output is as long as its input, so its size is the number of characters, "
            f"{vocabulary}. Give --hidden {vocabulary}, or declare the input with an axis of its own."
        )
    return {axis.name: size for axis, size in sizes.items()}


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """An emitted model of characters, and the sizes of its axes."""

    model: Model
    module: Any
    sizes: Mapping[str, int]
    vocabulary: Vocabulary

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters by name."""
        return {name: self._numbers(shape) for name, _, shape in self.model.parameters}

    @property
    def size(self) -> int:
        """How many numbers the parameters hold."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def states(self, B: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the states of B samples by name."""
        return {name: (B, *self._numbers(shape)) for name, shape in self.model.states}

    def _numbers(self, shape: tuple[Any, ...]) -> tuple[int, ...]:
        numbers = {axis: self.sizes[axis.name] for axis in self.model.axes}
        return tuple(int(size.xreplace(numbers)) for size in shape)

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> Bundle:
        """Fresh parameters."""
        return self.module.init(rng, **self.sizes, dtype=dtype)

    def bits_per_character(self, parameters: Bundle, codes: np.ndarray, T: int, B: int) -> float:
        """The cross-entropy of a text (N,), read from left to right as B rows, in bits per character."""
        workspace, state = self.module.Workspaces(), None
        nats, count = 0.0, 0
        for stretch in validation_stretches(codes, T, B):
            x = one_hot(stretch[:-1], len(self.vocabulary), parameters[0].dtype)
            logits, state = self.module.predict(parameters, self._inputs(x), state, workspace=workspace)
            state = state._make(np.array(array) for array in state)
            largest = np.max(logits, axis=-1, keepdims=True)
            logs = (largest + np.log(np.sum(np.exp(logits - largest), axis=-1, keepdims=True)))[..., 0]
            taken = np.take_along_axis(logits, stretch[1:, :, None], axis=-1)[..., 0]
            nats += float(np.sum(logs - taken, dtype=np.float64))
            count += taken.size
        return nats / count / math.log(2)

    def sample(
        self, parameters: Bundle, prompt: str, length: int, temperature: float, rng: np.random.Generator
    ) -> Iterator[str]:
        """Characters that follow a prompt, one at a time, each drawn from softmax(logits / temperature).

        At temperature 0 the likeliest is taken. Without a prompt the model starts as if after a line's end,
        or after a random character if there is none in its text.

        Raises:
            RequestError: the prompt has an unknown character, the length or the temperature is negative, or
                the model gives NaN.

        """
        if length < 0:
            raise RequestError(f"A text of {length} characters cannot be written. Give --length 0 or more.")
        if not (math.isfinite(temperature) and temperature >= 0):
            raise RequestError(f"The temperature is {temperature}. Give 0 or a positive number; 1 is usual.")
        codes = self._start(prompt, rng)
        prepared, dtype = self.module.prepare(parameters), parameters[0].dtype
        x = one_hot(codes[:, None], len(self.vocabulary), dtype)
        outputs, state = self.module.predict(prepared, self._inputs(x))
        logits = outputs[-1]
        for _ in range(length):
            code = _draw(logits[0].astype(np.float64), temperature, rng)
            yield self.vocabulary.character(code)
            logits, state = self.module.step(
                prepared, one_hot(np.array([code]), len(self.vocabulary), dtype), state
            )

    def _start(self, prompt: str, rng: np.random.Generator) -> np.ndarray:
        if prompt:
            return self.vocabulary.encode(prompt)
        if ord("\n") in self.vocabulary.points:
            return self.vocabulary.encode("\n")
        return rng.integers(len(self.vocabulary), size=1)

    def _inputs(self, x: np.ndarray) -> Any:
        return self.module.Inputs(x=x, y=None)  # `predict` does not read the targets


def language_model(
    cell: Cell, layers: int, hidden: int, vocabulary: Vocabulary, target: str
) -> LanguageModel:
    """The language model of a cell, emitted for `target` and loaded.

    Raises:
        RequestError: the cell does not fit, or a size is not positive.

    """
    if hidden < 1:
        raise RequestError(f"A hidden size of {hidden} cannot be used. Give --hidden a positive number.")
    model = character_model(cell, layers)
    sizes = axis_sizes(model, len(vocabulary), hidden)
    return LanguageModel(model, load(model, target), sizes, vocabulary)


def _draw(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    if not np.all(np.isfinite(logits)):
        raise RequestError("The model gives numbers that are not finite. Take another checkpoint.")
    if temperature == 0:
        return int(np.argmax(logits))
    with np.errstate(over="ignore"):  # far below the largest: the probability is zero
        weights = np.exp((logits - np.max(logits)) / temperature)
    bounds = np.cumsum(weights)
    return int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))
