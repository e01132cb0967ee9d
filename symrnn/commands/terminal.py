"""What the command line prints: cells, checks and builds as tables, and a cell in the width of a terminal."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from symrnn.checking.report import CheckReport
from symrnn.console import GLUE, NARROWEST, plain_console, table_of, wrapped
from symrnn.declaration.axes import shape_text
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Quantity
from symrnn.derivation.derivation import Derivation
from symrnn.errors import EmissionError
from symrnn.papers.terminal import derivation_picture, written

if TYPE_CHECKING:
    from symrnn.layouts.records import Weights
    from symrnn.publishing.building import Build


def print_report(report: CheckReport) -> None:
    """Print the table and the verdict of a check."""
    table = table_of(("quantity", "role", "shape", "error", "tolerance", "verdict"), title=report.title)
    for row in report.rows:
        table.add_row(*row.texts, style="" if row.passed else "bold red")
    console = plain_console()
    console.print(table)
    console.print(report.verdict, style="green" if report.passed else "bold red", soft_wrap=True)


def print_builds(builds: "Sequence[Build]") -> None:
    """Print what was built: files, verdicts, and the tables of the checks that failed."""
    console = plain_console()
    for made in builds:
        for report in made.reports:
            if not report.passed:
                print_report(report)
    table = table_of(("name", "files", "check", "largest error"))
    for made in builds:
        table.add_row(
            made.cell.name,
            "\n".join(path.name for path in made.files) or "nothing written",
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


def print_weights(weights: "Weights") -> None:
    """Print the parameters of the first layer with their shapes and origins, and the notes."""
    console = plain_console()
    place, parameters = next(iter(weights.layers.items()))
    table = table_of((f"parameter of {place}", "shape", "is"))
    for name, array in parameters.items():
        table.add_row(name, " x ".join(map(str, array.shape)), weights.origins.get(name, ""))
    console.print(table)
    for note in weights.notes:
        console.print(wrapped(note, console.width), soft_wrap=True)


def cell_text(derivation: Derivation, width: int, *, encoding: str = "utf-8", plain: bool = False) -> str:
    """A cell and its gradients for a terminal of `width` columns: origin, quantities, equations, gradients.

    Equations are pictures in Unicode; with `plain`, or where the encoding lacks the signs, lines of text.
    """
    width = max(width, NARROWEST)
    cell = derivation.cell
    heading = [f"{cell.title} ({cell.name})", *(text for text in (cell.variant, cell.source) if text)]
    if not plain:
        with suppress(EmissionError):
            drawn = [*derivation_picture(derivation, width)]
            before = [*heading, "", *_quantity_lines(cell, written), ""]
            text = "\n".join([*(wrapped(line, width) for line in before), *drawn])
            if _can_be_said(text, encoding):
                return text
    size = len(str(len(cell.equations)))
    equations = [f"  ({eq.number:>{size}}) {cell.text(eq)}" for eq in cell.equations]
    lines = [*heading, "", *_quantity_lines(cell, None), "", "equations", *equations, ""]
    return "\n".join(wrapped(line, width) for line in [*lines, *str(derivation).splitlines()])


def _can_be_said(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _quantity_lines(cell: Cell, sign: Callable[[str], str] | None) -> list[str]:
    """The quantities by role, with their shapes; `sign` shows how the ones with LaTeX names are written."""

    def described(quantity: Quantity) -> str:
        text = f"{quantity.name} {shape_text(cell.shape_of(quantity))}"
        text = f"{text} as {sign(quantity.latex_name)}" if sign and quantity.latex_name else text
        return text.replace(" ", GLUE)

    groups = (
        ("inputs", cell.inputs),
        ("states", cell.states),
        ("parameters", cell.parameters),
        ("constants", cell.constants),
        ("values", cell.values),
    )
    rows = [f"  {role:<11}{', '.join(map(described, group))}" for role, group in groups if group]
    return ["quantities", *rows, f"  {'output':<11}{cell.output}"]
