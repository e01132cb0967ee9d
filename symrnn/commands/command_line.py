"""The command `symrnn`: most of the commands, and what they share.

Exit codes: 0 done, 1 a check failed or a training diverged, 2 the request or the declaration was wrong, 70 a
fault of symrnn, 130 interrupted (a training after it saved its checkpoint).
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from symrnn import console
from symrnn.checking.check import dtype_name
from symrnn.checking.proof import check_loaded, problem_for
from symrnn.checking.report import CheckReport
from symrnn.commands import terminal
from symrnn.commands.bench import bench_cells
from symrnn.commands.diff import show_difference
from symrnn.commands.gradients import show_gradients
from symrnn.commands.model_text import model_text
from symrnn.commands.options import (
    CHECK_FAILED,
    DONE,
    CellName,
    CellNames,
    Force,
    Save,
    Seed,
    Time,
    Vectors,
)
from symrnn.commands.outermost import DEBUG, ReportingGroup, interrupt_when_ended
from symrnn.commands.train import sample_text, train_text
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.files import is_stream, require_writable, write, write_files
from symrnn.kernels.targets import ARRAY_TARGETS, TARGETS, require_array_target, require_target
from symrnn.mathematics.style import Style
from symrnn.models.model import Model
from symrnn.pipeline import derive, emit, latex, plan
from symrnn.planning.passes import require_save
from symrnn.publishing import building
from symrnn.publishing.pages import require_pages, write_pages
from symrnn.publishing.typesetting import NO_TEX, find_pdflatex, typeset
from symrnn.running.cells import cells_of, find_cell, find_declared
from symrnn.running.loading import load
from symrnn.version import __version__
from symrnn.zoo import MODELS, SHIPPED

app = typer.Typer(
    name="symrnn",
    cls=ReportingGroup,
    help="From the equations of a recurrent cell to the paper, the kernel and the proof.",
    epilog="CELL is a shipped name (see `symrnn list`), path/to/file.py:name, or a file.py with one cell. "
    "show, latex, plan, emit, check and build take models too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"symrnn {__version__}")
        raise typer.Exit


@app.callback()
def _symrnn(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error, too.")] = False,
) -> None:
    """Hold the options that come before a command."""


@app.command("list")
def list_cells() -> None:
    """List the shipped cells and models."""
    terminal.print_shipped(SHIPPED.values(), MODELS.values())


@app.command()
def show(
    cell: CellName,
    plain: Annotated[bool, typer.Option("--plain", help="Equations as one line of ASCII each.")] = False,
) -> None:
    """Show a cell's equations and gradients; of a model, its layers and its cells."""
    found = find_declared(cell)
    width = shutil.get_terminal_size((80, 24)).columns
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"  # no stream where the output is closed
    texts = [model_text(found, width)] if isinstance(found, Model) else []
    texts += [
        terminal.cell_text(derive(part), width, encoding=encoding, plain=plain) for part in cells_of(found)
    ]
    typer.echo(f"\n\n{'-' * min(width, 80)}\n\n".join(texts))


@app.command("latex")
def write_latex(
    cell: CellName,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The .tex file to write.")] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Make the PDF beside it too (in this folder if there is no -o).")
    ] = False,
    time: Time = "superscript",
    vectors: Vectors = "column",
    fragment: Annotated[
        bool, typer.Option("--fragment", help=r"Text for \input into a paper that loads amsmath.")
    ] = False,
    only: Annotated[str, typer.Option(help="all, or results: the equations and gradients alone.")] = "all",
    force: Force = False,
) -> None:
    """Write the derivation of backpropagation through time as LaTeX."""
    style = Style(time, vectors)
    if pdf and fragment:
        raise RequestError("A fragment is a part of a paper and has no PDF of its own. Leave --pdf out.")
    found = find_declared(cell)
    text = latex(found, style, fragment=fragment, only=only)
    path = Path(f"{found.name}.tex") if pdf and output is None else output
    if path is None:
        typer.echo(text, nl=False)
        return
    if path.suffix == ".pdf":
        raise RequestError(f"-o names the .tex file, not {path}. With --pdf the PDF is made beside it.")
    if pdf and is_stream(path):
        raise RequestError(f"--pdf makes the PDF beside the .tex file, and {path} is none. Name a file.")
    require_writable([path], force=force)
    document = building.signed(text, found, "%")
    made: dict[Path, str | bytes] = {path: document}
    if pdf and find_pdflatex() is not None:
        printed = path.with_suffix(".pdf")
        require_writable([printed], force=force)
        made[printed] = typeset(document, found.name)
    elif pdf:
        typer.echo(NO_TEX, err=True)
    write_files(made, force=force)


@app.command("emit")
def emit_kernel(
    cell: CellName,
    target: Annotated[str, typer.Option(help=f"One of: {', '.join(TARGETS)}.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
    force: Force = False,
    save: Save = "all",
    contract: Annotated[
        str, typer.Option(help="full, or minimal: forward, backward and step in NumPy, to read.")
    ] = "full",
) -> None:
    """Write a kernel, or a model's module, that runs alone, to a file or to the standard output."""
    found = find_declared(cell)
    require_target(target)
    if output is not None:
        require_writable([output], force=force)
    source = building.signed(emit(found, target=target, save=save, contract=contract), found, "#")
    if output is None:
        typer.echo(source, nl=False)
    else:
        write(output, source, force=force)


@app.command("plan")
def show_plan(cell: CellName, save: Save = "all") -> None:
    """Show what a kernel computes, block by block; of a model, its calls and the kernels of its cells."""
    require_save(save)
    found = find_declared(cell)
    parts = dict.fromkeys((found, *cells_of(found)))
    typer.echo("\n\n".join(str(plan(part, save=save)) for part in parts))


@app.command("check")
def check_cell(
    cell: CellName,
    target: Annotated[str | None, typer.Option(help="One target; all, if left out.")] = None,
    seed: Seed = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    save: Save = "all",
) -> None:
    """Compare the values and gradients of a kernel, or of a model, with the reference."""
    found = find_declared(cell)
    if target is not None:
        require_array_target(target, "check")
    named = dtype_name(dtype)
    require_save(save)
    for report in (
        reports := _reports(found, [target] if target else list(ARRAY_TARGETS), named, seed, save)
    ):
        terminal.print_report(report)
    raise typer.Exit(DONE if all(report.passed for report in reports) else CHECK_FAILED)


def _reports(found: Cell | Model, targets: list[str], dtype: str, seed: int, save: str) -> list[CheckReport]:
    """The checks of all targets, all at one problem."""
    problem = problem_for(found, seed)
    return [check_loaded(problem, load(found, name, save), dtype=dtype, target=name) for name in targets]


@app.command("build")
def build_cells(
    cells: CellNames,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder in which every cell gets its own.")
    ] = Path(),
    force: Force = False,
    seed: Seed = 0,
) -> None:
    """Make everything of a cell or a model: LaTeX, PDF, plans and kernels, and check the kernels."""
    found = [find_declared(request) for request in cells]
    building.require_different_names(found)
    builds = []
    with console.progress(len(found) * building.STEPS_PER_CELL) as tell:
        for cell in found:
            builds.append(building.build(cell, output, force=force, seed=seed, tell=tell))  # noqa: PERF401
    terminal.print_builds(builds)
    for request, made in zip(cells, builds, strict=True):
        if not made.passed:
            typer.echo(building.unwritten(made, request, seed), err=True)
    raise typer.Exit(DONE if all(made.passed for made in builds) else CHECK_FAILED)


@app.command("page")
def write_web_pages(
    cells: CellNames,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder of the pages.")] = Path(),
    time: Time = "superscript",
    vectors: Vectors = "column",
    force: Force = False,
) -> None:
    """Write a web page per cell, with derivation, plan and kernels, and an index of these pages."""
    style = Style(time, vectors)
    found = [find_cell(request) for request in cells]
    require_pages(found, output, force=force)
    with console.progress(len(found)) as tell:
        paths = write_pages(found, output, style, force=force, tell=tell)
    for path in paths:
        typer.echo(path)


app.command("bench")(bench_cells)
app.command("diff")(show_difference)
app.command("gradients")(show_gradients)
app.command("train-text")(train_text)
app.command("sample")(sample_text)


def main() -> None:
    """Run the command line and exit."""
    interrupt_when_ended()
    app(prog_name="symrnn")
