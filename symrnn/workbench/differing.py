"""The command `symrnn diff`: two cells side by side in the terminal, or as LaTeX."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symrnn.comparison.comparison import Comparison
from symrnn.comparison.printout import Line, comparison_lines
from symrnn.errors import RequestError
from symrnn.pipeline import diff, latex
from symrnn.workbench.cells import find_cell
from symrnn.workbench.files import require_writable, write

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {"-": "red", "+": "green"}


def show_difference(
    left: Annotated[str, typer.Argument(metavar="A", help="A shipped name or path/to/file.py:name.")],
    right: Annotated[str, typer.Argument(metavar="B", help="The cell to compare it with.")],
    as_latex: Annotated[bool, typer.Option("--latex", help="A LaTeX document instead.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .tex file to write, with --latex.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")
    ] = False,
) -> None:
    """Show how two cells differ, and whether one is a special case of the other."""
    if output is not None and not as_latex:
        raise RequestError("-o names the file of the LaTeX document. Give --latex too.")
    if output is not None:
        require_writable([output], force=force)
    comparison = diff(find_cell(left), find_cell(right))
    if output is not None:
        write(output, latex(comparison), force=force)
    elif as_latex:
        typer.echo(latex(comparison), nl=False)
    else:
        print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison in the width of the terminal, in colour where there is colour."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    for line in comparison_lines(comparison, console.width):
        console.print(styled(line), soft_wrap=True)
        if line.marks:
            console.print(line.signs, soft_wrap=True, style="bold")


def styled(line: Line) -> "Text":
    """A line in colour: whose it is, and what is marked."""
    from rich.text import Text

    text = Text(line.text)
    sign = line.text[2:3] if line.text.startswith("  ") else ""
    for start, stop in line.marks:
        text.stylize(f"bold reverse {STYLES.get(sign, '')}".strip(), start, stop)
    if sign in STYLES and line.text[3:4] == " ":
        text.stylize(STYLES[sign], 2, 3)
    return text
