"""The shipped cells and models: pure declarations, each with its source and variant."""

from typing import TYPE_CHECKING, Any

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.models.model import Model
from symrnn.zoo.shelf import Shelf

if TYPE_CHECKING:
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
    from symrnn.zoo.memory import lstm, lstm_notes
    from symrnn.zoo.normalising import layer_norm
    from symrnn.zoo.simple import elman

__all__ = [
    "CELLS",
    "HEADS",
    "MODELS",
    "SHIPPED",
    "binary_cross_entropy",
    "cell",
    "class_cross_entropy",
    "dense",
    "dropout",
    "elman",
    "embedding",
    "gru",
    "gru_reset_after",
    "gru_simplified",
    "joined",
    "layer_norm",
    "lstm",
    "lstm_notes",
    "output_error",
    "shipped",
    "softmax_cross_entropy",
    "squared_error",
]

CELLS: Shelf[Cell] = Shelf(
    {
        "elman": "simple:elman_tanh",
        "gru_simplified": "gated:gru_simplified",
        "gru": "gated:gru",
        "gru_reset_after": "gated:gru_reset_after",
        "lstm_notes": "memory:lstm_notes",
        "lstm": "memory:lstm",
    }
)
"""The six shipped recurrent cells by name."""

HEADS: Shelf[Cell] = Shelf(
    {
        "embedding": "heads:embedding",
        "joined": "joining:joined",
        "dropout": "joining:dropout",
        "layer_norm": "normalising:layer_norm",
        "dense": "heads:dense_identity",
        "softmax_cross_entropy": "heads:softmax_cross_entropy",
        "class_cross_entropy": "heads:class_cross_entropy",
        "binary_cross_entropy": "heads:binary_cross_entropy",
        "squared_error": "heads:squared_error",
        "output_error": "heads:output_error",
    }
)
"""The shipped cells without state by name: what stands below or above a recurrent cell."""

SHIPPED: Shelf[Cell] = Shelf(CELLS.places | HEADS.places)
"""All shipped cells by name."""

MODELS: Shelf[Model] = Shelf(
    {name: f"models:{name}" for name in ("language_model", "classifier", "generator", "translator")}
)
"""The shipped models by name: many to many, many to one, one to many, and an encoder with its decoder."""

_ATTRIBUTES: Shelf[Any] = Shelf(SHIPPED.places | {"dense": "heads:dense", "elman": "simple:elman"})
"""The shipped cells, but for two names the functions that make their cells."""


def __getattr__(name: str) -> Any:
    """A shipped cell, or a function that makes one, when it is first asked for."""
    if name not in _ATTRIBUTES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _ATTRIBUTES[name]


def cell(name: str) -> Cell:
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


def shipped(name: str) -> Cell | Model:
    """The shipped cell or model `name`.

    Raises:
        RequestError: nothing shipped has this name; the message lists what there is.

    """
    return MODELS[name] if isinstance(name, str) and name in MODELS else cell(name)
