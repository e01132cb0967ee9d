"""The command `symrnn diff`: two cells side by side in the terminal, as LaTeX, or as a web page."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Force, complete_cell
from symrnn.errors import RequestError
from symrnn.files import require_writable, write


def show_difference(
    left: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A shipped name or path/to/file.py:name.", autocompletion=complete_cell
        ),
    ],
    right: Annotated[
        str, typer.Argument(metavar="B", help="The cell to compare it with.", autocompletion=complete_cell)
    ],
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
    force: Force = False,
) -> None:
    """Show how two cells differ, and whether one is a special case of the other."""
    if as_latex and as_page:
        raise RequestError("--latex and --page are two forms of the difference. Give one of them.")
    if output is not None and not (as_latex or as_page):
        raise RequestError("-o names the file of the LaTeX document or the page. Give --latex or --page too.")
    one, other = rooms.find_cell(left), rooms.find_cell(right)
    path = Path(f"{one.name}_{other.name}.html") if as_page and output is None else output
    if path is not None:
        require_writable([path], force=force)
    comparison = rooms.diff(one, other)
    if as_page and path is not None:
        write(path, rooms.difference_page(comparison), force=force)
        typer.echo(path)
    elif path is not None:
        write(path, rooms.latex(comparison), force=force)
    elif as_latex:
        typer.echo(rooms.latex(comparison), nl=False)
    else:
        rooms.print_comparison(comparison)
