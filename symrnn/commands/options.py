"""What several commands share: their arguments and options, and how these are completed."""

from typing import Annotated

import typer

from symrnn.kernels.target_list import ARRAY_TARGET_NAMES, TARGET_NAMES, WITH_WEIGHTS
from symrnn.zoo import MODELS, SHIPPED


def complete_cell(incomplete: str) -> list[tuple[str, str]]:
    """The shipped cells whose names begin so, with their titles."""
    return [(name, entry.title) for name, entry in SHIPPED.entries.items() if name.startswith(incomplete)]


def complete_declared(incomplete: str) -> list[tuple[str, str]]:
    """The shipped cells and models whose names begin so, with their titles."""
    models = [(name, entry.title) for name, entry in MODELS.entries.items() if name.startswith(incomplete)]
    return complete_cell(incomplete) + models


def complete_target(incomplete: str) -> list[str]:
    """The targets whose names begin so, those that carry weights last."""
    return [name for name in (*TARGET_NAMES, *WITH_WEIGHTS) if name.startswith(incomplete)]


def complete_runnable(incomplete: str) -> list[str]:
    """The targets whose names begin so and whose kernels can be run."""
    return [name for name in ARRAY_TARGET_NAMES if name.startswith(incomplete)]


ONE_NAME, NAMES = "A shipped name or path/to/file.py:name.", "Shipped names or file.py:name."
ONE_RUNNABLE = f"One of: {', '.join(ARRAY_TARGET_NAMES)}."
ANY_TARGET = f"One of: {', '.join(TARGET_NAMES)}; with --weights {', '.join(WITH_WEIGHTS)}."

Declared = Annotated[str, typer.Argument(metavar="CELL", help=ONE_NAME, autocompletion=complete_declared)]
"""A cell or a model."""
SomeDeclared = Annotated[
    list[str], typer.Argument(metavar="CELL...", help=NAMES, autocompletion=complete_declared)
]
CellNames = Annotated[list[str], typer.Argument(metavar="CELL...", help=NAMES, autocompletion=complete_cell)]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Time = Annotated[str, typer.Option(help="How time is written: superscript or subscript.")]
Vectors = Annotated[str, typer.Option(help="How vectors are written: column or row.")]
Save = Annotated[str, typer.Option(help="What the forward pass keeps: all, or states only.")]
