"""The command `symrnn`.

Exit codes: 0 done, 1 a check failed or a training diverged, 2 the request or the declaration was wrong (a
message on the error stream, no traceback), 130 a training was interrupted, after it saved its checkpoint.
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from symrnn.declaration.cell import Cell
from symrnn.declaration.model import Model
from symrnn.emission.latex_style import Style
from symrnn.emission.targets import TARGETS
from symrnn.errors import RequestError, SymrnnError
from symrnn.pipeline import derive, emit, latex, plan
from symrnn.planning.passes import require_save
from symrnn.version import __version__
from symrnn.workbench import building, terminal
from symrnn.workbench.bench.data import GRID, parse_sizes
from symrnn.workbench.bench.figure import figure
from symrnn.workbench.bench.machine import PEERS, installed_peers, require_peers
from symrnn.workbench.bench.results import Settings
from symrnn.workbench.bench.session import announced, run_bench
from symrnn.workbench.bench.tables import print_bench
from symrnn.workbench.cells import cells_of, find_cell, find_declared
from symrnn.workbench.check import dtype_name
from symrnn.workbench.differing import show_difference
from symrnn.workbench.files import require_writable, write
from symrnn.workbench.gradients import flows_json, gradient_flows
from symrnn.workbench.gradients_figure import gradients_figure
from symrnn.workbench.gradients_request import GradientRequest, parse_changes
from symrnn.workbench.gradients_tables import print_gradients
from symrnn.workbench.loading import load
from symrnn.workbench.model_text import model_text
from symrnn.workbench.page import require_pages, write_pages
from symrnn.workbench.pictures import require_figure_name
from symrnn.workbench.proof import check_loaded, problem_for
from symrnn.workbench.report import CheckReport
from symrnn.workbench.training import session
from symrnn.workbench.training.display import print_line, training_progress
from symrnn.workbench.training.trainer import DivergenceError, InterruptedTrainingError
from symrnn.workbench.typesetting import NO_TEX, find_pdflatex, typeset
from symrnn.zoo import MODELS, SHIPPED

DONE, CHECK_FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130


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
    epilog="CELL is a shipped name (see `symrnn list`), path/to/file.py:name, or a file.py with one cell. "
    "show, latex, plan, emit, check and build take models too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

CellName = Annotated[str, typer.Argument(metavar="CELL", help="A shipped name or path/to/file.py:name.")]
CellNames = Annotated[list[str], typer.Argument(metavar="CELL...", help="Shipped names or file.py:name.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Time = Annotated[str, typer.Option(help="How time is written: superscript or subscript.")]
Vectors = Annotated[str, typer.Option(help="How vectors are written: column or row.")]
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
    """List the shipped cells and models."""
    terminal.print_shipped(SHIPPED.values(), MODELS.values())


@app.command()
def show(
    cell: CellName,
    plain: Annotated[bool, typer.Option("--plain", help="Equations as one line of ASCII each.")] = False,
) -> None:
    """Show a cell's equations and gradients; of a model, its layers and its cells."""
    found = find_declared(cell)
    width, encoding = shutil.get_terminal_size((80, 24)).columns, sys.stdout.encoding or "ascii"
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
    printed = path.with_suffix(".pdf")
    with_pdf = pdf and find_pdflatex() is not None
    require_writable([path, printed] if with_pdf else [path], force=force)
    document = building.signed(text, found, "%")
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
    """Write a kernel, or a model's module, that runs alone, to a file or to the standard output."""
    found = find_declared(cell)
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
    """Show what a kernel computes, block by block; of a model, the kernels of its cells."""
    require_save(save)
    typer.echo("\n\n".join(str(plan(part, save=save)) for part in cells_of(find_declared(cell))))


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
        _require_target(target)
    named = dtype_name(dtype)
    require_save(save)
    for report in (reports := _reports(found, [target] if target else list(TARGETS), named, seed, save)):
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
    with terminal.progress(len(found) * building.STEPS_PER_CELL) as tell:
        for cell in found:
            builds.append(building.build(cell, output, force=force, seed=seed, tell=tell))  # noqa: PERF401
    terminal.print_builds(builds)
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
    with terminal.progress(len(found)) as tell:
        paths = write_pages(found, output, style, force=force, tell=tell)
    for path in paths:
        typer.echo(path)


@app.command("bench")
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
    with terminal.progress(announced(len(found), settings)) as tell:
        bench = run_bench(found, settings, tell=tell)
    print_bench(bench)
    if json is not None:
        write(json, bench.json(), force=force)
    if plot is not None:
        write(plot, figure(bench, plot.suffix), force=force)


app.command("diff")(show_difference)


@app.command("gradients")
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
    changes = parse_changes(sets or (), scales or ())
    request = GradientRequest(steps, hidden, inputs, samples, seed, changes)
    require_writable([path for path in (json, plot) if path is not None], force=force)
    if plot is not None:
        require_figure_name(plot)
    found = [find_cell(cell) for cell in cells]
    with terminal.progress(len(found) * samples) as tell:
        flows = gradient_flows(found, request, tell)
    print_gradients(flows, request)
    if json is not None:
        write(json, flows_json(flows, request), force=force)
    if plot is not None:
        write(plot, gradients_figure(flows, plot.suffix), force=force)


@app.command("train-text")
def train_text(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Text in UTF-8.")],
    cell: Annotated[
        str | None, typer.Option(help="A shipped name or file.py:name.", show_default="lstm")
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Units per layer.", show_default="128")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers of the cell.", show_default="1")] = None,
    steps: Annotated[int, typer.Option(min=0, help="Steps, from the training's beginning.")] = 2000,
    time: Annotated[
        int | None, typer.Option(help="Characters per step and sample.", show_default="64")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples per step.", show_default="32")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam.", show_default="0.002")] = None,
    clip: Annotated[
        float | None, typer.Option(help="Limit of the gradients' global norm.", show_default="1.0")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the random numbers.", show_default="0")] = None,
    target: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(TARGETS)}.", show_default="numba")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Steps from report to report; each saves.")] = 100,
    output: Annotated[Path, typer.Option("-o", "--output", help="The checkpoint.")] = Path(
        "checkpoint.safetensors"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint; options left out are as in it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the checkpoint.")] = False,
) -> None:
    """Train a language model of characters on a text; Ctrl-C saves it."""
    if target is not None:
        _require_target(target)
    asked: dict[str, Any] = {
        "hidden": hidden,
        "layers": layers,
        "time": time,
        "batch": batch,
        "learning_rate": learning_rate,
    }
    asked |= {"clip": clip, "seed": seed, "target": target}
    given = {name: value for name, value in asked.items() if value is not None}
    training = session.prepare(files, output, cell=cell, given=given, resume=resume, force=force)
    typer.echo(training.heading)
    try:
        with training_progress(training.snapshot.step, steps) as tell:
            training.run(steps, every, print_line, tell)
    except InterruptedTrainingError as stop:
        typer.echo(f"{stop} The training is saved in {output}; continue it with --resume.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except DivergenceError as error:
        typer.echo(f"symrnn: {error} The checkpoint {output} is as it was last saved.", err=True)
        raise typer.Exit(CHECK_FAILED) from None


@app.command("sample")
def sample_text(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="What `symrnn train-text` wrote.")],
    prompt: Annotated[str, typer.Option(help="How the text begins.")] = "",
    length: Annotated[int, typer.Option(help="How many characters follow.")] = 500,
    temperature: Annotated[float, typer.Option(help="1: as learnt; lower: likelier; 0: likeliest.")] = 1.0,
    seed: Seed = 0,
    cell: Annotated[
        str | None, typer.Option(help="file.py:name of the checkpoint's cell, if it is not a shipped one.")
    ] = None,
    target: Annotated[str, typer.Option(help=f"One of: {', '.join(TARGETS)}.")] = "numpy",
) -> None:
    """Write text with a trained language model."""
    _require_target(target)
    stream = typer.get_text_stream("stdout", errors="replace")
    for text in session.sampled(
        checkpoint, cell=cell, prompt=prompt, length=length, temperature=temperature, seed=seed, target=target
    ):
        stream.write(text)
        stream.flush()
    stream.write("\n")
    stream.flush()


def _require_target(target: str) -> None:
    if target not in TARGETS:
        raise RequestError(f"There is no target {target!r}. Targets: {', '.join(TARGETS)}.")


def main() -> None:
    """Run the command line and exit."""
    app(prog_name="symrnn")
