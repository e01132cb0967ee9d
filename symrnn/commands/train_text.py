"""The command `symrnn train-text`: a language model of characters, trained on a text."""

from pathlib import Path
from typing import Annotated, Any

import typer

from symrnn.commands import rooms
from symrnn.commands.options import ONE_RUNNABLE, complete_runnable
from symrnn.commands.outermost import CHECK_FAILED, INTERRUPTED


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
        str | None,
        typer.Option(help=ONE_RUNNABLE, show_default="numba", autocompletion=complete_runnable),
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
        rooms.require_array_target(target, "train-text")
    asked: dict[str, Any] = {
        "hidden": hidden,
        "layers": layers,
        "time": time,
        "batch": batch,
        "learning_rate": learning_rate,
    }
    asked |= {"clip": clip, "seed": seed, "target": target}
    given = {name: value for name, value in asked.items() if value is not None}
    training = rooms.prepare_training(files, output, cell=cell, given=given, resume=resume, force=force)
    typer.echo(training.heading)
    try:
        with rooms.training_progress(training.snapshot.step, steps) as tell:
            training.run(steps, every, rooms.print_line, tell)
    except rooms.InterruptedTrainingError as stop:
        kept = f"The training is saved in {output}" if stop.saved else _as_it_was(output)
        typer.echo(f"{stop} {kept}; continue it with --resume.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except rooms.DivergenceError as error:
        repair = "Continue it with --resume and a smaller --learning-rate."
        typer.echo(f"symrnn: {error} {_as_it_was(output)}. {repair}", err=True)
        raise typer.Exit(CHECK_FAILED) from None


def _as_it_was(checkpoint: Path) -> str:
    return f"The checkpoint {checkpoint} is as it was last saved"
