"""What a benchmark found, as data: every table, figure and file is made of this."""

import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from symrnn.bench.data import Size
from symrnn.bench.names import NUMBA, NUMPY
from symrnn.files import SIGNATURE
from symrnn.version import __version__

QUIET = 0.1
"""Cores that other processes may keep busy in a turn that counts.

A contender's threads wait for each other, so a core that is taken away now and then can cost far more than
its share: eager PyTorch was seen to take ten times as long.
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """What one turn measured: seconds per call.

    `others` is how many cores other processes kept busy during the turn; None where the system does not tell.
    """

    count: int
    least: float
    lower_quartile: float
    median: float
    upper_quartile: float
    most: float
    others: float | None

    @classmethod
    def of(cls, samples: Sequence[float], others: float | None = None) -> Self:
        """The spread of some samples."""
        ordered = sorted(samples)
        least, lower, upper, most = (ordered[round(s * (len(ordered) - 1))] for s in (0, 0.25, 0.75, 1))
        return cls(len(ordered), least, lower, statistics.median(ordered), upper, most, others)


@dataclass(frozen=True, slots=True)
class Timing:
    """The seconds that a contender takes for a quantity: the median over all calls of all turns."""

    cell: str
    contender: str
    quantity: str
    size: Size
    median: float
    turns: tuple[Spread, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """The bytes by which the resident memory of a contender's process rises in a quantity's calls."""

    cell: str
    contender: str
    quantity: str
    size: Size
    bytes: int


@dataclass(frozen=True, slots=True)
class Start:
    """The seconds until a contender has done its first training step (its first pass, if it cannot train).

    `opening` is the import of its packages and of the cell, `first` the first call, which compiles;
    `cached` tells whether a process before it had left compiled code on disk.
    """

    cell: str
    contender: str
    size: Size
    opening: float
    first: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a contender was not measured; `size` is None if it concerns all sizes."""

    cell: str
    contender: str
    size: Size | None
    reason: str


@dataclass(frozen=True, slots=True)
class Work:
    """The floating-point operations of a training step that touch samples, by the plan's own count."""

    cell: str
    size: Size
    operations: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for: sizes, peers, and how long to measure.

    In each of `rounds` turns a contender is called `calls` times at least, and for `seconds`; before every
    turn nothing happens for `pause` seconds, so that the threads of the one before have gone to sleep. If
    other processes are busy, a turn waits for `patience` seconds at most, and one that was disturbed is taken
    again, `attempts` times in all; the least disturbed one counts.
    """

    sizes: tuple[Size, ...]
    peers: tuple[str, ...]
    rounds: int = 3
    seconds: float = 0.5
    calls: int = 7
    pause: float = 0.3
    patience: float = 5.0
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that one run of the benchmark found.

    `peak` is the rate of NumPy's square products, in floating-point operations per second: the best that a
    general library reaches here, no bound for a kernel that packs its weights once. `machine` and
    `versions` pair names with texts.
    """

    cells: tuple[str, ...]
    settings: Settings
    machine: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    peak: float
    timings: tuple[Timing, ...]
    memories: tuple[Memory, ...]
    starts: tuple[Start, ...]
    work: tuple[Work, ...]
    failures: tuple[Failure, ...]

    def sizes(self, cell: str, quantity: str) -> list[Size]:
        """The sizes at which a quantity was measured, in order."""
        return list(dict.fromkeys(t.size for t in self.timings if (t.cell, t.quantity) == (cell, quantity)))

    def contenders(self, cell: str, quantity: str) -> list[str]:
        """The contenders of a quantity, in order."""
        return list(
            dict.fromkeys(t.contender for t in self.timings if (t.cell, t.quantity) == (cell, quantity))
        )

    def seconds(self, cell: str, contender: str, quantity: str, size: Size) -> float | None:
        """A median; None if that was not measured."""
        key = (cell, contender, quantity, size)
        found = [t.median for t in self.timings if (t.cell, t.contender, t.quantity, t.size) == key]
        return found[0] if found else None

    def ours(self, cell: str, quantity: str, size: Size) -> str:
        """The kernel that others are compared with: Numba's, or NumPy's where that is missing."""
        return NUMPY if self.seconds(cell, NUMBA, quantity, size) is None else NUMBA

    def ratio(self, cell: str, contender: str, quantity: str, size: Size) -> float | None:
        """A contender's time over that of our kernel: above 1, the kernel is faster."""
        theirs = self.seconds(cell, contender, quantity, size)
        ours = self.seconds(cell, self.ours(cell, quantity, size), quantity, size)
        return theirs / ours if theirs is not None and ours is not None else None

    def mean_ratio(self, cell: str, contender: str, quantity: str) -> float | None:
        """The geometric mean of the ratios over all sizes; None unless there is one at every size."""
        found = [self.ratio(cell, contender, quantity, size) for size in self.sizes(cell, quantity)]
        ratios = [ratio for ratio in found if ratio is not None]
        if not ratios or len(ratios) < len(found):
            return None
        return math.exp(statistics.fmean(map(math.log, ratios)))

    def rate(self, cell: str, contender: str, quantity: str, size: Size) -> float | None:
        """Floating-point operations per second of a training step."""
        seconds = self.seconds(cell, contender, quantity, size)
        work = [w.operations for w in self.work if (w.cell, w.size) == (cell, size)]
        return work[0] / seconds if work and seconds is not None else None

    def others(self) -> float | None:
        """How many cores other processes kept busy during the turns, on average; None if that is unknown."""
        found = [turn.others for timing in self.timings for turn in timing.turns if turn.others is not None]
        return statistics.fmean(found) if found else None

    def json(self) -> str:
        """All of it as JSON text."""
        record = {"about": f"{SIGNATURE} {__version__}, symrnn bench; times in seconds, memory in bytes"}
        return json.dumps(record | dataclasses.asdict(self), indent=1) + "\n"
