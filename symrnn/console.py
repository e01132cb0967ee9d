"""The terminal as a place to print: a console, tables, progress, and lines broken to a width."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROWEST = 40

GLUE = "\ue002"
"""A space at which no line ends, until it is printed."""


def plain_console(*, stderr: bool = False) -> "Console":
    """A console that prints names such as [c, x] as they are, not as markup.

    Printing to a pipe that nobody reads any more raises `BrokenPipeError`, as writing to it does.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return PlainConsole(markup=False, highlight=False, emoji=False, stderr=stderr)


def table_of(headings: Sequence[str], *, title: str = "") -> "Table":
    """A table with these headings, in which long words are folded."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", title_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A progress display on the error stream, as a function that takes what comes next."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=plain_console(stderr=True), transient=True) as display:
        task = display.add_task("", total=steps)
        begun = 0

        def tell(what: str) -> None:
            nonlocal begun
            display.update(task, description=what, completed=begun)
            begun += 1

        yield tell


def wrapped(line: str, width: int) -> str:
    """`line` broken at spaces to `width` columns, its continuation indented by four more."""
    indent = line[: len(line) - len(line.lstrip())]
    filled = textwrap.fill(
        line.strip(),
        max(width, NARROWEST),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(GLUE, " ")
