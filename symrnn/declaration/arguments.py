"""What verbs that take a cell are called with."""

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown


def require_cell(value: object, call: str) -> Cell:
    """`value`, which `call` was given, if it is a cell.

    Raises:
        RequestError: it is none.

    """
    if not isinstance(value, Cell):
        raise RequestError(
            f"{call} takes a Cell, and got {shown(value)}. A shipped cell is symrnn.zoo.cell('gru'); of a "
            "model, take layer.cell."
        )
    return value
