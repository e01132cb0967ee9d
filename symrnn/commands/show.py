"""The command `symrnn show`: a cell or a model in the terminal."""

import shutil
import sys
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Declared


def show(
    cell: Declared,
    plain: Annotated[bool, typer.Option("--plain", help="Equations as one line of ASCII each.")] = False,
) -> None:
    """Show a cell's equations and gradients; of a model, its layers and its cells."""
    found = rooms.find_declared(cell)
    width = shutil.get_terminal_size((80, 24)).columns
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"  # no stream where the output is closed
    texts = [rooms.model_text(found, width)] if isinstance(found, rooms.Model) else []
    for part in rooms.cells_of(found):
        derivation = rooms.derive(part)
        texts.append(rooms.cell_text(derivation, width, encoding=encoding, plain=plain))
    typer.echo(f"\n\n{'-' * min(width, 80)}\n\n".join(texts))
