"""The command `symrnn emit`: the source of a kernel or of a model's module, or graphs that carry weights."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import ANY_TARGET, Declared, Force, Save, complete_target
from symrnn.errors import RequestError
from symrnn.files import require_writable, signed, write
from symrnn.kernels.target_list import WITH_WEIGHTS


def emit_kernel(
    cell: Declared,
    target: Annotated[str, typer.Option(help=ANY_TARGET, autocompletion=complete_target)],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="For onnx: a .safetensors file with the parameters.")
    ] = None,
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
    if target in WITH_WEIGHTS:
        if (save, contract) != ("all", "full"):
            raise RequestError(f"--save and --contract are of kernels, and {target} is none. Leave them out.")
        for path in rooms.write_graphs(found, weights, output, force=force):
            typer.echo(path)
        return
    rooms.require_target(target)
    if weights is not None:
        names = ", ".join(WITH_WEIGHTS)
        raise RequestError(
            f"--weights is of targets that carry them: {names}. A kernel takes them when it runs."
        )
    if output is not None:
        require_writable([output], force=force)
    made = rooms.emit(found, target=target, save=save, contract=contract)
    source = signed(made, found.name, "#")
    if output is None:
        typer.echo(source, nl=False)
    else:
        write(output, source, force=force)
