"""What a failed proof tells its reader: whose fault it is, and a script that shows it again."""

from collections.abc import Iterator
from contextlib import contextmanager

from symrnn.declaration.cell import Cell
from symrnn.declaration.source_text import cell_source
from symrnn.errors import ValidationError


@contextmanager
def told_of(cell: Cell, call: str) -> Iterator[None]:
    """A context whose failed proofs say that symrnn is at fault, with a script that ends in `call`."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError(
            f"{error}\nThis is a fault of symrnn, not of the cell, and nothing was written. Please report it with "
            f"this script, which shows it again:\n\nimport symrnn\n\n{cell_source(cell).strip()}\n\n{call}\n"
        ) from None
