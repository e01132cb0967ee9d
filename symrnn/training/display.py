"""What is seen of a training while it runs: a bar on the error stream, with loss, speed and time left."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from symrnn.console import plain_console
from symrnn.training.trainer import Snapshot, Taken

SPEED_STEPS = 50
"""The speed is the mean over so many steps."""


@contextmanager
def training_progress(done: int, steps: int) -> Iterator[Callable[[Snapshot, Taken], None]]:
    """A progress display, as a function that takes what every step saw."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    display = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=plain_console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # a pipe gets its lines itself
        refresh_per_second=4,
    )
    seen: deque[tuple[float, int]] = deque(maxlen=SPEED_STEPS)
    with display:
        task = display.add_task("", total=steps, completed=done)

        def tell(snapshot: Snapshot, taken: Taken) -> None:
            seen.append((time.perf_counter(), taken.tokens))
            display.update(
                task, completed=snapshot.step, description=f"loss {taken.loss:.3f}{speed_text(list(seen))}"
            )

        yield tell


def print_line(line: str) -> None:
    """Print a line above the bar: while one is shown, it owns `sys.stdout`, which typer.echo goes around."""
    if sys.stdout is not None:  # the user closed it
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def speed_text(seen: list[tuple[float, int]]) -> str:
    """Tokens per second, from when steps ended and their tokens; nothing before the second step."""
    if len(seen) < 2 or seen[-1][0] <= seen[0][0]:
        return ""
    tokens = sum(count for _, count in seen[1:])
    return f", {tokens / (seen[-1][0] - seen[0][0]):,.0f} tokens/s"
