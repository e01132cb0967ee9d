"""The command `symrnn diff`: two cells side by side in the terminal, as LaTeX, or as a web page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from symrnn.comparison.comparison import Comparison
from symrnn.comparison.printout import Line, comparison_lines
from symrnn.console import plain_console
from symrnn.errors import RequestError
from symrnn.files import require_writable, write
from symrnn.papers.web.difference import difference_page
from symrnn.pipeline import diff, latex
from symrnn.running.cells import find_cell

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {"-": "red", "+": "green"}


def show_difference(
    left: Annotated[str, typer.Argument(metavar="A", help="A shipped name or path/to/file.py:name.")],
    right: Annotated[str, typer.Argument(metavar="B", help="The cell to compare it with.")],
    as_latex: Annotated[bool, typer.Option("--latex", help="A LaTeX document instead.")] = False,
    as_page: Annotated[bool, typer.Option("--page", help="A web page instead, written to a file.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The file to write: the .tex file with --latex, the .html file with --page.",
            show_default="A_B.html with --page",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")
    ] = False,
) -> None:
    """Show how two cells differ, and whether one is a special case of the other."""
    if as_latex and as_page:
        raise RequestError("--latex and --page are two forms of the difference. Give one of them.")
    if output is not None and not (as_latex or as_page):
        raise RequestError("-o names the file of the LaTeX document or the page. Give --latex or --page too.")
    one, other = find_cell(left), find_cell(right)
    path = Path(f"{one.name}_{other.name}.html") if as_page and output is None else output
    if path is not None:
        require_writable([path], force=force)
    comparison = diff(one, other)
    if as_page and path is not None:
        write(path, difference_page(comparison), force=force)
        typer.echo(path)
    elif path is not None:
        write(path, latex(comparison), force=force)
    elif as_latex:
        typer.echo(latex(comparison), nl=False)
    else:
        print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison in the width of the terminal, in colour where there is colour."""
    console = plain_console()
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
