"""Tasks done by processes of their own, so that a crash or a hang is a finding and memory comes back."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from symrnn.fuzzing.findings import Outcome, Task, perform
from symrnn.fuzzing.memory import is_full, make_room
from symrnn.running.loading import CACHE_VARIABLE

LIMIT = 900.0
"""Seconds after which a task is given up, its shrinking included."""


def _serve(tasks: Connection, seconds: float) -> None:
    """Do tasks as they come; leave after one that filled the memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that reports
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        os.environ["NUMBA_CACHE_DIR"] = folder
        while True:
            try:
                task = tasks.recv()
            except EOFError:
                return
            outcome = perform(task, seconds)
            make_room()
            full = is_full()
            try:
                tasks.send((outcome, full))
            except BrokenPipeError:  # the process that reports has ended
                return
            if full:
                return


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    tasks: Connection
    task: Task
    since: float


class Crew:
    """Some processes; `outcomes` come as they are ready. Leaving the context ends the processes."""

    def __init__(self, count: int, seconds: float, limit: float = LIMIT) -> None:
        """So many processes, each of which shrinks a fault for so many seconds."""
        self.count, self.seconds, self.limit = count, seconds, limit
        self.workers: list[_Worker] = []
        self.context = get_context("spawn")

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
            worker.tasks.close()

    def start(self, task: Task) -> _Worker:
        """A fresh process that begins with a task."""
        mine, others = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(others, self.seconds), daemon=True)
        process.start()
        others.close()
        mine.send(task)
        self.workers.append(_Worker(process, mine, task, time.monotonic()))
        return self.workers[-1]

    def outcomes(self, tasks: Iterator[Task]) -> Iterator[Outcome]:
        """The outcomes of tasks, in the order in which they are ready."""
        for _, task in zip(range(self.count), tasks, strict=False):
            self.start(task)
        while self.workers:
            ready = wait([worker.tasks for worker in self.workers], timeout=1.0)
            for worker in list(self.workers):
                if worker.tasks in ready:
                    yield self.received(worker, tasks)
                elif time.monotonic() - worker.since > self.limit:
                    said = f"it did not end within {self.limit:.0f} s"
                    yield self.given_up(worker, tasks, "hangs", said)

    def received(self, worker: _Worker, tasks: Iterator[Task]) -> Outcome:
        """What a worker sends, or that it crashed; it goes on with the next task."""
        try:
            outcome, full = worker.tasks.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            said = f"the process ended with exit code {worker.process.exitcode}"
            return self.given_up(worker, tasks, "crashes", said)
        assert isinstance(outcome, Outcome)
        task = next(tasks, None)
        if full or task is None:
            self.dismiss(worker)
            if task is not None:
                self.start(task)
        else:
            worker.tasks.send(task)
            worker.task, worker.since = task, time.monotonic()
        return outcome

    def given_up(self, worker: _Worker, tasks: Iterator[Task], kind: str, said: str) -> Outcome:
        """The outcome of a task that took its process with it."""
        self.dismiss(worker)
        task = next(tasks, None)
        if task is not None:
            self.start(task)
        script = f"from symrnn.fuzzing.findings import Task, perform\n\nprint(perform({worker.task!r}))\n"
        return Outcome(worker.task, kind, f"{worker.task}: {said}\n\n{script}", frozenset(), 0, 0.0, True)

    def dismiss(self, worker: _Worker) -> None:
        """End a process."""
        self.workers.remove(worker)
        worker.tasks.close()
        worker.process.join(5.0)
        worker.process.kill()
        worker.process.join()
