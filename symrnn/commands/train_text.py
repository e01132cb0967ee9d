"""The command `symrnn train-text`: a language model of characters, trained on a text."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from symrnn.commands import rooms
from symrnn.commands.options import ONE_RUNNABLE, complete_runnable
from symrnn.commands.outermost import CHECK_FAILED, INTERRUPTED
from symrnn.errors import RequestError


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
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Train in the processes that torchrun started.")
    ] = False,
    shard: Annotated[
        bool, typer.Option("--shard", help="Parameters are cut among them (FSDP2), not copied (DDP).")
    ] = False,
    accumulate: Annotated[int, typer.Option(min=1, help="Parts in which a process takes its samples.")] = 1,
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
    begin: dict[str, Any] = {"cell": cell, "given": given, "resume": resume, "force": force}
    if distributed:
        _train_together(files, output, steps, every, shard, begin | {"accumulate": accumulate})
        return
    if shard or accumulate > 1:
        option = "--shard" if shard else "--accumulate"
        raise RequestError(f"{option} is for several processes. Give --distributed as well.")
    training = rooms.prepare_training(files, output, **begin)
    typer.echo(training.heading)
    with _ends_told(output), rooms.training_progress(training.snapshot.step, steps) as tell:
        training.run(steps, every, rooms.print_line, tell)


def _train_together(
    files: list[Path], output: Path, steps: int, every: int, shard: bool, begin: dict[str, Any]
) -> None:
    """Train as one of several processes; the first one speaks for all."""
    with rooms.joined(f"symrnn {shlex.join(sys.argv[1:])}") as place:
        engine = rooms.SHARDS if shard else rooms.COPIES
        training = rooms.prepare_distributed(files, output, place, engine, **begin)
        training.trainer.stop_when_asked()
        if not place.first:
            training.work(steps, every)
            return
        typer.echo(training.heading)
        begun = training.snapshot.step
        with _ends_told(rooms.shards_of(output)), rooms.training_progress(begun, steps) as tell:
            training.run(steps, every, rooms.print_line, tell)
        training.finish()


@contextmanager
def _ends_told(output: Path) -> Iterator[None]:
    """A training that is stopped or diverges ends the command, and the user hears what is kept."""
    try:
        yield
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
