"""One contender's turn, on a machine that is as quiet as can be had."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from symrnn.bench.machine import busy_seconds, used_seconds
from symrnn.bench.processes import Worker
from symrnn.bench.results import QUIET, Settings


@dataclass(frozen=True, slots=True)
class Turn:
    """The seconds of a turn's calls, and how many cores other processes kept busy meanwhile."""

    samples: list[float]
    others: float | None


class Gauge:
    """How busy other processes keep the machine while a worker works, from now on."""

    def __init__(self, worker: Worker) -> None:
        self.process = worker.process.pid
        self.begin = self.now()

    def now(self) -> tuple[float, float] | None:
        """The time, and the processor time of all other processes so far."""
        busy = busy_seconds()
        return None if busy is None else (time.perf_counter(), busy - used_seconds(self.process))

    def others(self) -> float | None:
        """The mean number of cores; None where the system does not tell."""
        end = self.now()
        if self.begin is None or end is None:
            return None
        return max(0.0, (end[1] - self.begin[1]) / (end[0] - self.begin[0]))


def take_turn(worker: Worker, quantities: Iterable[str], settings: Settings) -> dict[str, Turn]:
    """What a contender takes for its quantities; if it is disturbed, the least disturbed of several tries.

    Raises:
        ContenderFailure: its process ended.
    """
    wanted = tuple(quantities)
    taken: list[tuple[float, dict[str, Turn]]] = []
    while not taken or (len(taken) < settings.attempts and taken[-1][0] > QUIET):
        _wait_for_quiet(worker, settings)
        gauge = Gauge(worker)
        found = {
            quantity: worker.ask(
                "measure", quantity=quantity, seconds=settings.seconds, at_least=settings.calls
            )["seconds"]
            for quantity in wanted
        }
        others = gauge.others()
        taken.append((others or 0.0, {name: Turn(samples, others) for name, samples in found.items()}))
    return min(taken, key=lambda pair: pair[0])[1]


def _wait_for_quiet(worker: Worker, settings: Settings) -> None:
    """Let the threads of the contender before go to sleep, and other processes finish, if that is soon."""
    end = time.perf_counter() + settings.patience
    while True:
        gauge = Gauge(worker)
        time.sleep(settings.pause)
        if (gauge.others() or 0.0) <= QUIET or time.perf_counter() >= end:
            return
