"""The command `symrnn build`: everything of a cell or a model, in a folder of its own."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.commands import rooms
from symrnn.commands.options import Force, Seed, SomeDeclared
from symrnn.commands.outermost import CHECK_FAILED, DONE


def build_cells(
    cells: SomeDeclared,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder in which every cell gets its own.")
    ] = Path(),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Make everything of a cell or a model: LaTeX, PDF, plans and kernels, and check the kernels."""
    found = [rooms.find_declared(request) for request in cells]
    rooms.require_different_names(found)
    with console.progress(len(found) * rooms.STEPS_PER_CELL) as tell:
        builds = [rooms.build(cell, output, force=force, seed=seed, tell=tell) for cell in found]
    rooms.print_builds(builds)
    for request, made in zip(cells, builds, strict=True):
        if not made.passed:
            typer.echo(rooms.unwritten(made, request, seed), err=True)
    raise typer.Exit(DONE if all(made.passed for made in builds) else CHECK_FAILED)
