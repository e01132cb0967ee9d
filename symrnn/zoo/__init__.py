"""The shipped cells, layers, losses and models: pure declarations, each with its source and variant."""

from typing import TYPE_CHECKING

from symrnn.errors import RequestError, shown
from symrnn.places import attributes
from symrnn.zoo.shelf import Entry, Shelf

if TYPE_CHECKING:
    from symrnn.declaration.cell import Cell
    from symrnn.models.model import Model
    from symrnn.zoo.elsewhere import elman_relu, lstm_projected
    from symrnn.zoo.gated import gru, gru_reset_after, gru_simplified
    from symrnn.zoo.heads import (
        binary_cross_entropy,
        class_cross_entropy,
        dense,
        embedding,
        output_error,
        softmax_cross_entropy,
        squared_error,
    )
    from symrnn.zoo.joining import dropout, joined
    from symrnn.zoo.lecture_notes import lstm_notes
    from symrnn.zoo.memory import lstm
    from symrnn.zoo.normalising import layer_norm
    from symrnn.zoo.simple import elman

__all__ = [
    "CELLS",
    "ELSEWHERE",
    "HEADS",
    "MODELS",
    "SHIPPED",
    "binary_cross_entropy",
    "cell",
    "class_cross_entropy",
    "dense",
    "dropout",
    "elman",
    "elman_relu",
    "embedding",
    "gru",
    "gru_reset_after",
    "gru_simplified",
    "joined",
    "layer_norm",
    "lstm",
    "lstm_notes",
    "lstm_projected",
    "output_error",
    "shipped",
    "softmax_cross_entropy",
    "squared_error",
]

CELLS: "Shelf[Cell]" = Shelf(
    {
        "elman": Entry("symrnn.zoo.simple:elman_tanh", "Simple recurrent network", "tanh activation"),
        "gru_simplified": Entry(
            "symrnn.zoo.gated:gru_simplified", "Simplified gated recurrent unit", "update gate only"
        ),
        "gru": Entry("symrnn.zoo.gated:gru", "Gated recurrent unit", "reset before the product"),
        "gru_reset_after": Entry(
            "symrnn.zoo.gated:gru_reset_after",
            "Gated recurrent unit",
            "reset after the product, as in cuDNN and PyTorch",
        ),
        "lstm_notes": Entry(
            "symrnn.zoo.lecture_notes:lstm_notes",
            "Long short-term memory",
            "as lecture notes give it: the candidate sees c, the output has no tanh",
        ),
        "lstm": Entry(
            "symrnn.zoo.memory:lstm", "Long short-term memory", "forget gate, no peepholes, as in PyTorch"
        ),
    }
)
"""The six shipped recurrent cells by name."""

ELSEWHERE: "Shelf[Cell]" = Shelf(
    {
        "elman_relu": Entry("symrnn.zoo.elsewhere:elman_relu", "Simple recurrent network", "relu activation"),
        "lstm_projected": Entry(
            "symrnn.zoo.elsewhere:lstm_projected",
            "Long short-term memory with a projection",
            "the output is projected, no peepholes, as in PyTorch",
        ),
    }
)
"""Recurrent cells whose weights come from other frameworks, beside the six."""

HEADS: "Shelf[Cell]" = Shelf(
    {
        "embedding": Entry(
            "symrnn.zoo.heads:embedding", "Embedding of classes", "one row of a matrix per class"
        ),
        "joined": Entry(
            "symrnn.zoo.joining:joined", "Two sequences side by side", "as in a bidirectional layer"
        ),
        "dropout": Entry(
            "symrnn.zoo.joining:dropout", "Dropout", "by a mask from the batch: 0, or 1 / (1 - rate)"
        ),
        "layer_norm": Entry(
            "symrnn.zoo.normalising:layer_norm",
            "Layer normalisation",
            "gain and bias, epsilon under the root",
        ),
        "dense": Entry("symrnn.zoo.heads:dense_identity", "Dense layer", "identity activation"),
        "softmax_cross_entropy": Entry(
            "symrnn.zoo.heads:softmax_cross_entropy",
            "Dense layer with softmax and cross-entropy",
            "loss of a target distribution, from the logits",
        ),
        "class_cross_entropy": Entry(
            "symrnn.zoo.heads:class_cross_entropy",
            "Dense layer with softmax and cross-entropy",
            "loss of one class, from the logits",
        ),
        "binary_cross_entropy": Entry(
            "symrnn.zoo.heads:binary_cross_entropy",
            "Dense layer with sigmoid and cross-entropy",
            "loss of independent yes-or-no targets, from the logits",
        ),
        "squared_error": Entry(
            "symrnn.zoo.heads:squared_error", "Dense layer with squared error", "half the sum of squares"
        ),
        "output_error": Entry(
            "symrnn.zoo.heads:output_error",
            "Squared error of an output",
            "half the sum of squares, without a layer of its own",
        ),
    }
)
"""The shipped cells without state by name: what stands below or above a recurrent cell."""

SHIPPED: "Shelf[Cell]" = Shelf(CELLS.entries | ELSEWHERE.entries | HEADS.entries)
"""All shipped cells by name."""

MODELS: "Shelf[Model]" = Shelf(
    {
        "language_model": Entry(
            "symrnn.zoo.models:language_model",
            "Language model",
            "embedding, lstm, class_cross_entropy, dense_softmax",
        ),
        "classifier": Entry(
            "symrnn.zoo.models:classifier",
            "Classifier of sequences, read in both directions",
            "embedding, right, left, joined, class_cross_entropy, dense_softmax",
        ),
        "generator": Entry(
            "symrnn.zoo.models:generator",
            "Generator of a sequence from one input, in a closed loop",
            "state, value, gru_closed_loop, output_error",
        ),
        "translator": Entry(
            "symrnn.zoo.models:translator",
            "Encoder and decoder",
            "given, source, encoder, decoder, class_cross_entropy, dense",
        ),
    }
)
"""The shipped models by name: many to many, many to one, one to many, and an encoder with its decoder."""

_PLACES = {name: entry.place for name, entry in SHIPPED.entries.items()}
_PLACES |= {"dense": "symrnn.zoo.heads:dense", "elman": "symrnn.zoo.simple:elman"}
"""The shipped cells, but for two names the functions that make their cells."""

if not TYPE_CHECKING:  # type checkers see what is imported above, and nothing else
    __getattr__ = attributes(__name__, _PLACES)


def cell(name: str) -> "Cell":
    """The shipped cell `name`.

    Raises:
        RequestError: no shipped cell has this name; the message lists those that exist.

    """
    if not isinstance(name, str) or name not in SHIPPED:
        raise RequestError(
            f"There is no shipped cell {shown(name)}. Shipped cells: {', '.join(SHIPPED)}; shipped models: "
            f"{', '.join(MODELS)}. "
            "A cell of your own is named as path/to/file.py:name."
        )
    return SHIPPED[name]


def shipped(name: str) -> "Cell | Model":
    """The shipped cell or model `name`.

    Raises:
        RequestError: nothing shipped has this name; the message lists what there is.

    """
    return MODELS[name] if isinstance(name, str) and name in MODELS else cell(name)
