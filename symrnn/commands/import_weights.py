"""The command `symrnn import`: weights of another framework as parameters of a shipped cell."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Force, complete_cell
from symrnn.files import require_writable


def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors file.")],
    layout: Annotated[
        str,
        typer.Option("--from", metavar="LAYOUT", help="torch, keras, onnx, cudnn or flax; or torch.GRU."),
    ],
    cell: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="CELL", help="The shipped cell that it is.", autocompletion=complete_cell
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Take entries whose names begin so, without it.")] = "",
    sizes: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            metavar="NAME=NUMBER",
            help="n, m, layers or directions, where one vector is all; repeatable.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .safetensors file to write.")
    ] = None,
    force: Force = False,
) -> None:
    """Read another framework's weights as parameters of a shipped cell, and say what was done to them."""
    if output is not None:
        require_writable([output], force=force)
    asked = rooms.parse_sizes_of_layers(sizes or ())
    weights = rooms.read(file, layout, cell, prefix=prefix, sizes=asked)
    rooms.print_weights(weights)
    if output is not None:
        rooms.save(output, weights.cell, weights, force=force)
        typer.echo(output)
