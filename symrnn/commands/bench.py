"""The command `symrnn bench`: kernels and other libraries, timed side by side."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.bench.data import GRID, parse_sizes, require_size
from symrnn.bench.figure import figure
from symrnn.bench.machine import PEERS, installed_peers, require_peers
from symrnn.bench.results import Settings
from symrnn.bench.session import announced, run_bench
from symrnn.bench.tables import print_bench
from symrnn.commands.options import CellNames, Force
from symrnn.files import require_writable, write_files
from symrnn.publishing import building
from symrnn.publishing.pictures import require_figure_name
from symrnn.running.cells import find_cell


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
    peers = installed_peers() if against is None else require_peers(filter(None, against.split(",")))
    settings = Settings(parse_sizes(grid), peers, rounds)
    require_writable([path for path in (json, plot) if path is not None], force=force)
    if plot is not None:
        require_figure_name(plot)
    found = [find_cell(request) for request in cells]
    building.require_different_names(found)
    for cell in found:
        for size in settings.sizes:
            require_size(cell, size)
    with console.progress(announced(len(found), settings)) as tell:
        bench = run_bench(found, settings, tell=tell)
    print_bench(bench)
    made: dict[Path, str | bytes] = {} if json is None else {json: bench.json()}
    if plot is not None:
        made[plot] = figure(bench, plot.suffix)
    write_files(made, force=force)
