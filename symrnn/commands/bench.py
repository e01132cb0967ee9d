"""The command `symrnn bench`: kernels and other libraries, timed side by side."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.bench.names import GRID, PEERS
from symrnn.commands import rooms
from symrnn.commands.options import CellNames, Force
from symrnn.files import require_writable, write_files


def bench_cells(
    cells: CellNames,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="PEERS", help=f"Of {','.join(PEERS)}, with commas between; those installed, if left out."
        ),
    ] = None,
    grid: Annotated[
        str, typer.Option(metavar="SIZES", help="T,B,D with spaces between; every axis of a cell is D long.")
    ] = GRID,
    rounds: Annotated[int, typer.Option(min=1, help="How often every contender has its turn.")] = 3,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures there.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them: .png or .svg.")] = None,
    force: Force = False,
) -> None:
    """Time a cell's kernels and the same equations in PyTorch, JAX and onnxruntime, on this machine."""
    peers = (
        rooms.installed_peers() if against is None else rooms.require_peers(filter(None, against.split(",")))
    )
    settings = rooms.Settings(rooms.parse_sizes(grid), peers, rounds)
    require_writable([path for path in (json, plot) if path is not None], force=force)
    if plot is not None:
        rooms.require_figure_name(plot)
    found = [rooms.find_cell(request) for request in cells]
    rooms.require_different_names(found)
    for cell in found:
        for size in settings.sizes:
            rooms.require_size(cell, size)
    with console.progress(rooms.announced(len(found), settings)) as tell:
        bench = rooms.run_bench(found, settings, tell=tell)
    rooms.print_bench(bench)
    made: dict[Path, str | bytes] = {} if json is None else {json: bench.json()}
    if plot is not None:
        made[plot] = rooms.bench_figure(bench, plot.suffix)
    write_files(made, force=force)
