"""The process in which one contender runs: JSON lines in, JSON lines out.

`python -m symrnn.bench.worker` reads requests from its standard input until that ends. What goes
wrong is not caught: the traceback goes to the error stream and the process ends, which is the answer.
"""

import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.bench.contenders import Contender, Task, open_jax, open_kernel, open_products, open_torch
from symrnn.bench.data import Data
from symrnn.bench.layers import open_onnx, open_torch_layer
from symrnn.bench.names import JAX, NUMBA, NUMPY, ONNX, PRODUCTS, TORCH, TORCH_NN

SOURCED: dict[str, Callable[[Data, Path], Contender]] = {
    NUMPY: open_kernel,
    NUMBA: open_kernel,
    TORCH: open_torch,
    JAX: open_jax,
}
LAYERED = {TORCH_NN: open_torch_layer, ONNX: open_onnx}

SHORTEST = 250e-6
"""Seconds that a clock reading should span: shorter calls are timed several at a time."""


class Session:
    """A contender and its tasks, which keep what they make from one request to the next."""

    def __init__(self) -> None:
        self.contender = Contender({}, dict)
        self.tasks: dict[str, Task] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request gives: its "do" names one of the methods below, the rest are arguments."""
        arguments = dict(request)
        methods: dict[str, Callable[..., dict[str, Any]]] = {
            "open": self.open,
            "first": self.first,
            "memory": self.memory,
            "results": self.results,
            "measure": self.measure,
        }
        return methods[arguments.pop("do")](**arguments)

    def open(self, contender: str, data: str = "", source: str = "", cell: str = "") -> dict[str, Any]:
        """Import what the contender needs; the seconds that took, and what it can do."""
        if contender == PRODUCTS:
            self.contender = open_products()
            return {"quantities": list(self.contender.tasks)}
        arrays = Data.load(Path(data))
        begin = time.perf_counter()
        if contender in SOURCED:
            self.contender = SOURCED[contender](arrays, Path(source))
        else:
            self.contender = LAYERED[contender](arrays, cell)
        return {"seconds": time.perf_counter() - begin, "quantities": list(self.contender.tasks)}

    def first(self, quantity: str) -> dict[str, float]:
        """The seconds of a first call, of which nothing is kept."""
        task = self.contender.tasks[quantity]()
        return {"seconds": _timed(task, 1)}

    def memory(self, quantity: str) -> dict[str, int | None]:
        """The bytes by which the resident memory rises, at its peak, in the calls of a new task.

        Imports, arguments and a first call, whose results were dropped, come before that: what it cost to
        compile is not counted, what the task keeps (a workspace) is. What an allocator could not give back
        after the first call is used again unseen, which matters below some megabytes.
        """
        gc.collect()
        _give_back_free_memory()
        before = _start_of_peak()
        task = self.tasks[quantity] = self.contender.tasks[quantity]()
        for _ in range(2):
            _timed(task, 1)
        peak = _peak()
        return {"bytes": None if before is None or peak is None else peak - before}

    def results(self) -> dict[str, list[float]]:
        """Two numbers for every result: its norm, and a sum in which no two elements weigh the same."""
        made = {}
        for name, array in self.contender.results().items():
            flat = np.asarray(array, np.float64).ravel()
            weights = np.cos(np.arange(flat.size))
            made[name] = [float(np.sqrt(np.sum(flat**2))), float(flat @ weights)]
        return made

    def measure(self, quantity: str, seconds: float, at_least: int) -> dict[str, list[float]]:
        """The seconds of calls, `at_least` so many and for at least so long, after two to warm up."""
        if quantity not in self.tasks:
            self.tasks[quantity] = self.contender.tasks[quantity]()
        task = self.tasks[quantity]
        samples: list[float] = []
        with task.around():
            _timed_inside(task, 1)
            lasting = _timed_inside(task, 1)
            calls = 1 if task.reset else max(1, int(SHORTEST / max(lasting, 1e-9)))
            end = time.perf_counter() + seconds
            while len(samples) < at_least or time.perf_counter() < end:
                samples.append(_timed_inside(task, calls))
        return {"seconds": samples}


def _timed(task: Task, calls: int) -> float:
    with task.around():
        return _timed_inside(task, calls)


def _timed_inside(task: Task, calls: int) -> float:
    """The seconds of one call, as the mean of `calls` of them."""
    call = task.call
    if task.reset:
        task.reset()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def _give_back_free_memory() -> None:
    """Return freed memory to the system where the C library (glibc) can."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _start_of_peak() -> int | None:
    """The resident bytes now, from where a peak counts.

    Linux forgets earlier peaks if asked to. Elsewhere the peak so far is all there is.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int | None:
    """The largest number of bytes that were resident; None where the system does not tell."""
    peak = _status("VmHWM")
    if peak is None and os.name == "posix":
        import resource

        kilobytes = sys.platform != "darwin"
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if kilobytes else 1)
    return peak


def _status(field: str) -> int | None:
    """A number of bytes from the process's own record, which Linux keeps."""
    record = Path("/proc/self/status")
    if not record.exists():
        return None
    lines = [line for line in record.read_text(encoding="ascii").splitlines() if line.startswith(field)]
    return int(lines[0].split()[1]) * 1024 if lines else None


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    session = Session()
    for line in sys.stdin:
        answers.write(json.dumps(session.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
