"""The command `symrnn emit`: the source of a kernel or of a model's module."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import ONE_TARGET, Declared, Force, Save, complete_target
from symrnn.files import require_writable, signed, write


def emit_kernel(
    cell: Declared,
    target: Annotated[str, typer.Option(help=ONE_TARGET, autocompletion=complete_target)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
    force: Force = False,
    save: Save = "all",
    contract: Annotated[
        str,
        typer.Option(
            help="full; functional: no tape, for hosts that differentiate; minimal: NumPy, to read."
        ),
    ] = "full",
) -> None:
    """Write a kernel, or a model's module, that runs alone, to a file or to the standard output."""
    found = rooms.find_declared(cell)
    rooms.require_target(target)
    if output is not None:
        require_writable([output], force=force)
    made = rooms.emit(found, target=target, save=save, contract=contract)
    source = signed(made, found.name, "#")
    if output is None:
        typer.echo(source, nl=False)
    else:
        write(output, source, force=force)
