"""The shipped cells and models: pure declarations, each with its source and variant."""

from symrnn.declaration.cell import Cell
from symrnn.declaration.model import Model
from symrnn.errors import RequestError, shown
from symrnn.zoo.elman import elman
from symrnn.zoo.gru import gru, gru_reset_after, gru_simplified
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
from symrnn.zoo.lstm import lstm, lstm_notes
from symrnn.zoo.models import MODELS
from symrnn.zoo.normalising import layer_norm

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

CELLS: dict[str, Cell] = {
    cell.name: cell for cell in (elman("tanh"), gru_simplified, gru, gru_reset_after, lstm_notes, lstm)
}
"""The six shipped recurrent cells by name."""

HEADS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        embedding,
        joined,
        dropout,
        layer_norm,
        dense(),
        softmax_cross_entropy,
        class_cross_entropy,
        binary_cross_entropy,
        squared_error,
        output_error,
    )
}
"""The shipped cells without state by name: what stands below or above a recurrent cell."""

SHIPPED: dict[str, Cell] = {**CELLS, **HEADS}
"""All shipped cells by name."""


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
