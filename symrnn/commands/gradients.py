"""The command `symrnn gradients`: how gradients vanish or explode over time."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.commands import rooms
from symrnn.commands.options import CellNames, Force, Seed
from symrnn.files import require_writable, write_files


def show_gradients(
    cells: CellNames,
    steps: Annotated[int, typer.Option(help="Length of the sequence, and so the largest k.")] = 100,
    hidden: Annotated[int, typer.Option(help="Length of every axis that a state has.")] = 64,
    inputs: Annotated[
        int | None, typer.Option("--input", help="Length of every other axis; as --hidden, if left out.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Draws of parameters and inputs.")] = 5,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER", help="Fill a parameter, as in b_f=1; repeatable."),
    ] = None,
    scales: Annotated[
        list[str] | None,
        typer.Option("--scale", metavar="NAME=NUMBER", help="Multiply a drawn parameter; repeatable."),
    ] = None,
    seed: Seed = 0,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures there.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them: .png or .svg.")] = None,
    force: Force = False,
) -> None:
    """Show how gradients vanish or explode over time: the norm of the state's derivative k steps back."""
    changes = rooms.parse_changes(sets or (), scales or ())
    request = rooms.GradientRequest(steps, hidden, inputs, samples, seed, changes)
    require_writable([path for path in (json, plot) if path is not None], force=force)
    if plot is not None:
        rooms.require_figure_name(plot)
    found = [rooms.find_cell(cell) for cell in cells]
    with console.progress(len(found) * samples) as tell:
        flows = rooms.gradient_flows(found, request, tell)
    rooms.print_gradients(flows, request)
    made: dict[Path, str | bytes] = {} if json is None else {json: rooms.flows_json(flows, request)}
    if plot is not None:
        made[plot] = rooms.gradients_figure(flows, plot.suffix)
    write_files(made, force=force)
