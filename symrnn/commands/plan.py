"""The command `symrnn plan`: what a kernel computes."""

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Declared, Save


def show_plan(cell: Declared, save: Save = "all") -> None:
    """Show what a kernel computes, block by block; of a model, its calls and the kernels of its cells."""
    rooms.require_save(save)
    found = rooms.find_declared(cell)
    parts = dict.fromkeys((found, *rooms.cells_of(found)))
    typer.echo("\n\n".join(str(rooms.plan(part, save=save)) for part in parts))
