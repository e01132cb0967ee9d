"""A run of the fuzzer: tasks in processes, findings written as they come, and a table at the end."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from symrnn.fuzzing.constructs import POSSIBLE, Pair, all_pairs, impossible
from symrnn.fuzzing.findings import CELL, MODEL, Outcome, Task
from symrnn.fuzzing.processes import Crew

RULE = "-" * 80
TOLD_EVERY = 100
"""After so many cells and models a line is printed where there is no terminal for a bar."""


class Tally:
    """What a run found so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.done: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.pairs: set[Pair] = set()
        self.stacked = self.findings = self.infinite = 0
        self.slowest = 0.0
        self.slowest_task: Task | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.done[outcome.task.what, outcome.task.target] += 1
        self.pairs |= outcome.pairs
        self.stacked = max(self.stacked, outcome.stacked)
        self.infinite += not outcome.finite
        if outcome.finding:
            self.findings += 1
            self.kinds[outcome.kind] += 1
        if outcome.emitting > self.slowest:
            self.slowest, self.slowest_task = outcome.emitting, outcome.task

    def count(self, what: str) -> int:
        """How many cells or models are done."""
        return sum(count for (kind, _), count in self.done.items() if kind == what)


def run(
    tasks: list[Task],
    console: Console,
    *,
    processes: int,
    minutes: float,
    shrinking: float,
    output: Path | None,
) -> Tally:
    """Do the tasks, for so many minutes at most; findings go to the console and to a file as they come.

    Ctrl-C ends it early, with what was found so far.
    """
    tally, end = Tally(), time.monotonic() + 60 * minutes
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, Crew(processes, shrinking) as crew:
        bar = progress.add_task("examining", total=len(tasks))
        try:
            for outcome in crew.outcomes(_until(end, tasks)):
                tally.add(outcome)
                progress.update(bar, advance=1, description=f"{tally.findings} findings")
                if outcome.finding:
                    tell(outcome, console, output)
                done = tally.done.total()
                if not console.is_terminal and done % TOLD_EVERY == 0:
                    console.print(f"{done:,} of {len(tasks):,} examined, {tally.findings} findings")
        except KeyboardInterrupt:
            console.print("Interrupted: this is what was found so far.")
    return tally


def _until(end: float, tasks: list[Task]) -> Iterator[Task]:
    return itertools.takewhile(lambda _: time.monotonic() < end, iter(tasks))


def tell(outcome: Outcome, console: Console, output: Path | None) -> None:
    """A finding on the console and at the end of a file."""
    text = f"{RULE}\n{outcome.finding.rstrip()}\n"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if output is not None:
        with output.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def summary(tally: Tally) -> Table:
    """The table at the end of a run."""
    table = Table(title="Examined", show_header=False, title_justify="left")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("more")
    for what in (CELL, MODEL):
        compiled = tally.done[what, "numba"]
        table.add_row(f"{what}s", f"{tally.count(what):,}", f"{compiled:,} of them in Numba")
    reached = len(tally.pairs & set(POSSIBLE))
    table.add_row("pairs reached", f"{reached:,}", f"of {len(POSSIBLE):,} that there can be")
    for reason, count in unreachable().items():
        table.add_row("", f"{count:,}", f"more cannot be: {reason}")
    table.add_row("stacks nested", f"{tally.stacked}", "deep at most")
    table.add_row("no finite reference", f"{tally.infinite:,}", "not compared with it")
    table.add_row("slowest to emit", f"{tally.slowest:.2f} s", str(tally.slowest_task or ""))
    table.add_row("findings", f"{tally.findings:,}", "")
    for kind, count in tally.kinds.most_common():
        table.add_row("", f"{count:,}", kind)
    return table


def unreachable() -> Counter[str]:
    """Why pairs whose ranks go together cannot be, with their number."""
    return Counter(reason for pair in all_pairs() if (reason := impossible(pair)))


def pairs_table(tally: Tally) -> Table:
    """How many pairs every place reached, and which it did not."""
    table = Table(title="Pairs by place", title_justify="left")
    table.add_column("in")
    table.add_column("reached", justify="right")
    table.add_column("not reached")
    places = dict.fromkeys((pair.outer, pair.place) for pair in POSSIBLE)
    for outer, place in places:
        here = [pair for pair in POSSIBLE if (pair.outer, pair.place) == (outer, place)]
        missing = [f"{pair.inner} ({pair.rank})" for pair in here if pair not in tally.pairs]
        named = ", ".join(missing[:12]) + (f", {len(missing) - 12} more" if len(missing) > 12 else "")
        table.add_row(f"{outer}, {place}", f"{len(here) - len(missing)} of {len(here)}", named)
    return table
