"""The command `symrnn page`: cells as web pages."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.commands import rooms
from symrnn.commands.options import CellNames, Force, Time, Vectors


def write_web_pages(
    cells: CellNames,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder of the pages.")] = Path(),
    time: Time = "superscript",
    vectors: Vectors = "column",
    force: Force = False,
) -> None:
    """Write a web page per cell, with derivation, plan and kernels, and an index of these pages."""
    style = rooms.Style(time, vectors)
    found = [rooms.find_cell(request) for request in cells]
    rooms.require_pages(found, output, force=force)
    with console.progress(len(found)) as tell:
        paths = rooms.write_pages(found, output, style, force=force, tell=tell)
    for path in paths:
        typer.echo(path)
