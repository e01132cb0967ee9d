"""The command `symrnn check`: kernels against the reference."""

from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import Declared, Save, Seed, complete_runnable
from symrnn.commands.outermost import CHECK_FAILED, DONE


def check_cell(
    cell: Declared,
    target: Annotated[
        str | None, typer.Option(help="One target; all, if left out.", autocompletion=complete_runnable)
    ] = None,
    seed: Seed = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    save: Save = "all",
) -> None:
    """Compare the values and gradients of a kernel, or of a model, with the reference."""
    found = rooms.find_declared(cell)
    if target is not None:
        rooms.require_array_target(target, "check")
    named = rooms.dtype_name(dtype)
    rooms.require_save(save)
    problem = rooms.problem_for(found, seed)  # one for all targets
    reports = [
        rooms.check_loaded(problem, rooms.load(found, name, save), dtype=named, target=name)
        for name in ([target] if target else rooms.ARRAY_TARGETS)
    ]
    for report in reports:
        rooms.print_report(report)
    raise typer.Exit(DONE if all(report.passed for report in reports) else CHECK_FAILED)
