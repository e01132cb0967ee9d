"""What several commands share: their arguments and options, and exit codes."""

from typing import Annotated

import typer

DONE, CHECK_FAILED, WRONG_REQUEST, FAULT, INTERRUPTED, UNREAD = 0, 1, 2, 70, 130, 141
"""Exit codes: a fault is symrnn's own; what nobody reads ends as programs do that write to a closed pipe."""

CellName = Annotated[str, typer.Argument(metavar="CELL", help="A shipped name or path/to/file.py:name.")]
CellNames = Annotated[list[str], typer.Argument(metavar="CELL...", help="Shipped names or file.py:name.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that symrnn did not write.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Time = Annotated[str, typer.Option(help="How time is written: superscript or subscript.")]
Vectors = Annotated[str, typer.Option(help="How vectors are written: column or row.")]
Save = Annotated[str, typer.Option(help="What the forward pass keeps: all, or states only.")]
