"""The command `symrnn sample`: text that a trained language model writes."""

from pathlib import Path
from typing import Annotated

import typer

from symrnn.commands import rooms
from symrnn.commands.options import ONE_RUNNABLE, Seed, complete_runnable


def sample_text(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="What `symrnn train-text` wrote.")],
    prompt: Annotated[str, typer.Option(help="How the text begins.")] = "",
    length: Annotated[int, typer.Option(help="How many characters follow.")] = 500,
    temperature: Annotated[float, typer.Option(help="1: as learnt; lower: likelier; 0: likeliest.")] = 1.0,
    seed: Seed = 0,
    cell: Annotated[
        str | None, typer.Option(help="file.py:name of the checkpoint's cell, if it is not a shipped one.")
    ] = None,
    target: Annotated[str, typer.Option(help=ONE_RUNNABLE, autocompletion=complete_runnable)] = "numpy",
) -> None:
    """Write text with a trained language model."""
    rooms.require_array_target(target, "sample")
    stream = typer.get_text_stream("stdout", errors="replace")
    for text in rooms.sampled(
        checkpoint, cell=cell, prompt=prompt, length=length, temperature=temperature, seed=seed, target=target
    ):
        stream.write(text)
        stream.flush()
    stream.write("\n")
    stream.flush()
