"""What the command line prints: tables, progress, and a cell in the width of a terminal."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from symrnn.declaration.axes import shape_text
from symrnn.declaration.cell import Cell
from symrnn.declaration.model import Model
from symrnn.workbench.report import CheckReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from symrnn.workbench.building import Build

NARROWEST = 40


def _console(*, stderr: bool = False) -> "Console":
    """A console that prints names such as [c, x] as they are, not as markup."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, stderr=stderr)


def _table(headings: Sequence[str], *, title: str = "") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", title_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_shipped(cells: Iterable[Cell], models: Iterable[Model]) -> None:
    """Print a table of cells, and one of models."""
    table = _table(("cell", "title", "variant"))
    for cell in cells:
        table.add_row(cell.name, cell.title, cell.variant)
    _console().print(table)
    table = _table(("model", "title", "layers"))
    for model in models:
        table.add_row(model.name, model.title, ", ".join(run.label for run in model.runs))
    _console().print(table)


def print_report(report: CheckReport) -> None:
    """Print the table and the verdict of a check."""
    table = _table(("quantity", "role", "shape", "error", "tolerance", "verdict"), title=report.title)
    for row in report.rows:
        table.add_row(*row.texts, style="" if row.passed else "bold red")
    console = _console()
    console.print(table)
    console.print(report.verdict, style="green" if report.passed else "bold red", soft_wrap=True)


def print_builds(builds: "Sequence[Build]") -> None:
    """Print what was built: files, verdicts, and the tables of the checks that failed."""
    console = _console()
    for made in builds:
        for report in made.reports:
            if not report.passed:
                print_report(report)
    table = _table(("name", "files", "check", "largest error"))
    for made in builds:
        table.add_row(
            made.cell.name,
            "\n".join(path.name for path in made.files),
            "\n".join(f"{r.target}: {'agrees' if r.passed else 'FAILED'}" for r in made.reports),
            "\n".join(f"{report.largest_error:.1e}" for report in made.reports),
            style="" if made.passed else "bold red",
            end_section=True,
        )
    console.print(table)
    for folder in dict.fromkeys(str(path.parent) for made in builds for path in made.files):
        console.print(f"in {folder}", soft_wrap=True)
    methods = ", ".join(dict.fromkeys(report.reference for made in builds for report in made.reports))
    console.print(f"Gradients checked against {methods}, float64.", soft_wrap=True)
    for note in dict.fromkeys(made.note for made in builds if made.note):
        console.print(note, soft_wrap=True)


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A progress display on the error stream, as a function that takes what comes next."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_console(stderr=True), transient=True) as display:
        task = display.add_task("", total=steps)
        begun = 0

        def tell(what: str) -> None:
            nonlocal begun
            display.update(task, description=what, completed=begun)
            begun += 1

        yield tell


def cell_text(cell: Cell, gradients: str, width: int) -> str:
    """`cell` for a terminal of `width` columns: its origin, its quantities, its equations, `gradients`."""
    heading = [f"{cell.title} ({cell.name})", *(text for text in (cell.variant, cell.source) if text)]
    quantities = [
        f"  {role:<11}{', '.join(f'{q.name} {shape_text(cell.shape_of(q))}' for q in group)}"
        for role, group in (
            ("inputs", cell.inputs),
            ("states", cell.states),
            ("parameters", cell.parameters),
            ("constants", cell.constants),
            ("values", cell.values),
        )
        if group
    ]
    number_width = len(str(len(cell.equations)))
    equations = [f"  ({eq.number:>{number_width}}) {eq}" for eq in cell.equations]
    lines = [*heading, "", "quantities", *quantities, f"  {'output':<11}{cell.output}", ""]
    lines += ["equations", *equations, "", *gradients.splitlines()]
    return "\n".join(wrapped(line, width) for line in lines)


def wrapped(line: str, width: int) -> str:
    """`line` broken at spaces to `width` columns, its continuation indented by four more."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        max(width, NARROWEST),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
