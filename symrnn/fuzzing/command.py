"""The command `python -m symrnn.fuzzing`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from symrnn.commands.outermost import reported
from symrnn.files import require_writable
from symrnn.fuzzing.findings import planned_tasks
from symrnn.fuzzing.session import pairs_table, run, summary
from symrnn.fuzzing.shrinking import SECONDS


def fuzz(
    cells: Annotated[int, typer.Option(min=0, help="How many random cells.")] = 100,
    models: Annotated[int, typer.Option(min=0, help="How many random models.")] = 0,
    seed: Annotated[int, typer.Option(help="What is random is drawn from it.")] = 0,
    first: Annotated[
        int, typer.Option(min=0, help="The number of the first cell and model, to go on with a run.")
    ] = 0,
    minutes: Annotated[float, typer.Option(help="No task begins after so many minutes.")] = 10_000.0,
    numba: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="The share that is compiled by Numba; the rest is in NumPy."),
    ] = 0.06,
    processes: Annotated[int, typer.Option(min=1, help="How many processes.")] = 1,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Show which pairs of constructs were reached.")
    ] = False,
    shrink: Annotated[float, typer.Option(help="Seconds for which a cell with a fault is shrunk.")] = SECONDS,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to whose end findings are written.")
    ] = None,
) -> None:
    """Examine random cells and models of the whole vocabulary, and show what is wrong with them.

    Each is declared, planned, emitted, run and compared with automatic differentiation. The same seed makes
    the same cells. The exit code is 1 if something was found.
    """
    if output is not None:
        require_writable([output], force=True)
    console = Console()
    tasks = planned_tasks(cells, models, seed, first, numba)
    tally = run(tasks, console, processes=processes, minutes=minutes, shrinking=shrink, output=output)
    console.print(summary(tally))
    if pairs:
        console.print(pairs_table(tally))
    raise typer.Exit(1 if tally.findings else 0)


def main() -> None:
    """Run the command and exit."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(fuzz)
    with reported(debug=False):
        app(prog_name="python -m symrnn.fuzzing")
