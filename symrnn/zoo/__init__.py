"""The shipped cells: pure declarations, each with its source and variant."""

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.zoo.elman import elman
from symrnn.zoo.gru import gru, gru_reset_after, gru_simplified
from symrnn.zoo.lstm import lstm, lstm_notes

CELLS: dict[str, Cell] = {
    cell.name: cell for cell in (elman("tanh"), gru_simplified, gru, gru_reset_after, lstm_notes, lstm)
}
"""The six shipped cells by name."""


def cell(name: str) -> Cell:
    """The shipped cell `name`.

    Raises:
        RequestError: no shipped cell has this name; the message lists those that exist.

    """
    if name not in CELLS:
        raise RequestError(
            f"There is no shipped cell {name!r}. Shipped cells: {', '.join(CELLS)}. "
            "A cell of your own is named as path/to/file.py:name."
        )
    return CELLS[name]
