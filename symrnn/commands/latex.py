"""The command `symrnn latex`: the derivation as a LaTeX document or a fragment, and its PDF."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Declared, Force, Time, Vectors
from symrnn.errors import RequestError
from symrnn.files import is_stream, require_writable, signed, write_files


def write_latex(
    cell: Declared,
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
    style = rooms.Style(time, vectors)
    if pdf and fragment:
        raise RequestError("A fragment is a part of a paper and has no PDF of its own. Leave --pdf out.")
    found = rooms.find_declared(cell)
    text = rooms.latex(found, style, fragment=fragment, only=only)
    path = Path(f"{found.name}.tex") if pdf and output is None else output
    if path is None:
        typer.echo(text, nl=False)
        return
    if path.suffix == ".pdf":
        raise RequestError(f"-o names the .tex file, not {path}. With --pdf the PDF is made beside it.")
    if pdf and is_stream(path):
        raise RequestError(f"--pdf makes the PDF beside the .tex file, and {path} is none. Name a file.")
    require_writable([path], force=force)
    document = signed(text, found.name, "%")
    made: dict[Path, str | bytes] = {path: document}
    if pdf and rooms.find_pdflatex() is not None:
        printed = path.with_suffix(".pdf")
        require_writable([printed], force=force)
        made[printed] = rooms.typeset(document, found.name)
    elif pdf:
        typer.echo(rooms.NO_TEX, err=True)
    write_files(made, force=force)
