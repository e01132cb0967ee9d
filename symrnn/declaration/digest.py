"""A short fingerprint of a cell's equations, by which emitted files say what they were made from."""

import hashlib

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index


def cell_digest(cell: Cell) -> str:
    """Twelve hexadecimal digits that change with the cell's equations, shapes or output."""
    lines = [str(cell)]
    lines += [f"{quantity.role} {quantity.name} {quantity.shape}" for quantity in cell.given]
    lines += [f"{index.name} < {index.classes}" for index in cell.given if isinstance(index, Index)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
