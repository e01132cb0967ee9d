"""The command `symrnn`.

Exit codes: 0 done, 1 a check failed, 2 the request or the declaration was wrong (a message on the error
stream, no traceback).
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from symrnn.emission.targets import TARGETS
from symrnn.errors import RequestError, SymrnnError
from symrnn.pipeline import derive, emit, latex, plan
from symrnn.planning.passes import require_save
from symrnn.version import __version__
from symrnn.workbench import building, terminal
from symrnn.workbench.bench.data import GRID, parse_sizes
from symrnn.workbench.bench.figure import figure, require_figure_name
from symrnn.workbench.bench.machine import PEERS, installed_peers, require_peers
from symrnn.workbench.bench.results import Settings
from symrnn.workbench.bench.session import announced, run_bench
from symrnn.workbench.bench.tables import print_bench
from symrnn.workbench.cells import find_cell
from symrnn.workbench.check import check_module, dtype_name
from symrnn.workbench.files import require_writable, write
from symrnn.workbench.loading import load
from symrnn.workbench.problem import draw_problem
from symrnn.workbench.typesetting import NO_TEX, find_pdflatex, typeset
from symrnn.zoo import CELLS

DONE, CHECK_FAILED, WRONG_REQUEST = 0, 1, 2


class ReportingGroup(TyperGroup):
    """Commands whose `SymrnnError` becomes a message and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SymrnnError as error:
            typer.echo(f"symrnn: {error}", err=True)
            raise typer.Exit(WRONG_REQUEST) from None


app = typer.Typer(
    name="symrnn",
    cls=ReportingGroup,
    help="From the equations of a recurrent cell to the paper, the kernel and the proof.",
    epilog="CELL is a shipped name (see `symrnn list`), path/to/file.py:name, or a file.py with one cell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

CellName = Annotated[str, typer.Argument(metavar="CELL", help="A shipped name or path/to/file.py:name.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Save = Annotated[str, typer.Option(help="What the forward pass keeps: all, or states only.")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"symrnn {__version__}")
        raise typer.Exit


@app.callback()
def _symrnn(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before a command."""


@app.command("list")
def list_cells() -> None:
    """List the shipped cells."""
    terminal.print_cells(CELLS.values())


@app.command()
def show(cell: CellName) -> None:
    """Show a cell's equations and gradients."""
    found = find_cell(cell)
    typer.echo(terminal.cell_text(found, str(derive(found)), shutil.get_terminal_size((80, 24)).columns))


@app.command("latex")
def write_latex(
    cell: CellName,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The .tex file to write.")] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Make the PDF beside it too (in this folder if there is no -o).")
    ] = False,
    force: Force = False,
) -> None:
    """Write the derivation of backpropagation through time as LaTeX."""
    found = find_cell(cell)
    path = Path(f"{found.name}.tex") if pdf and output is None else output
    if path is None:
        typer.echo(latex(found), nl=False)
        return
    if path.suffix == ".pdf":
        raise RequestError(f"-o names the .tex file, not {path}. With --pdf the PDF is made beside it.")
    printed = path.with_suffix(".pdf")
    with_pdf = pdf and find_pdflatex() is not None
    require_writable([path, printed] if with_pdf else [path], force=force)
    document = building.signed(latex(found), found, "%")
    write(path, document, force=force)
    if with_pdf:
        write(printed, typeset(document, found.name), force=True)
    elif pdf:
        typer.echo(NO_TEX, err=True)


@app.command("emit")
def emit_kernel(
    cell: CellName,
    target: Annotated[str, typer.Option(help=f"One of: {', '.join(TARGETS)}.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
    force: Force = False,
    save: Save = "all",
) -> None:
    """Write a kernel that runs alone, to a file or to the standard output."""
    found = find_cell(cell)
    _require_target(target)
    if output is not None:
        require_writable([output], force=force)
    source = building.signed(emit(found, target=target, save=save), found, "#")
    if output is None:
        typer.echo(source, nl=False)
    else:
        write(output, source, force=force)


@app.command("plan")
def show_plan(cell: CellName, save: Save = "all") -> None:
    """Show what a kernel computes, block by block."""
    typer.echo(str(plan(find_cell(cell), save=save)))


@app.command("check")
def check_cell(
    cell: CellName,
    target: Annotated[str | None, typer.Option(help="One target; all, if left out.")] = None,
    seed: Seed = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    save: Save = "all",
) -> None:
    """Compare a kernel's values and gradients with the reference."""
    found = find_cell(cell)
    if target is not None:
        _require_target(target)
    named = dtype_name(dtype)
    require_save(save)
    problem = draw_problem(found, seed=seed)
    reports = [
        check_module(problem, load(found, name, save), dtype=named, target=name)
        for name in ([target] if target else TARGETS)
    ]
    for report in reports:
        terminal.print_report(report)
    raise typer.Exit(DONE if all(report.passed for report in reports) else CHECK_FAILED)


@app.command("build")
def build_cells(
    cells: Annotated[list[str], typer.Argument(metavar="CELL...", help="Shipped names or file.py:name.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder in which every cell gets its own.")
    ] = Path(),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Make everything of a cell: LaTeX, PDF, plan and kernels, and check the kernels."""
    found = [find_cell(request) for request in cells]
    building.require_different_names(found)
    builds = []
    with terminal.progress(len(found) * building.STEPS_PER_CELL) as tell:
        for cell in found:
            builds.append(building.build(cell, output, force=force, seed=seed, tell=tell))  # noqa: PERF401
    terminal.print_builds(builds)
    raise typer.Exit(DONE if all(made.passed for made in builds) else CHECK_FAILED)


@app.command("bench")
def bench_cells(
    cells: Annotated[list[str], typer.Argument(metavar="CELL...", help="Shipped names or file.py:name.")],
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
    with terminal.progress(announced(len(found), settings)) as tell:
        bench = run_bench(found, settings, tell=tell)
    print_bench(bench)
    if json is not None:
        write(json, bench.json(), force=force)
    if plot is not None:
        write(plot, figure(bench, plot.suffix), force=force)


def _require_target(target: str) -> None:
    if target not in TARGETS:
        raise RequestError(f"There is no target {target!r}. Targets: {', '.join(TARGETS)}.")


def main() -> None:
    """Run the command line and exit."""
    app(prog_name="symrnn")
