"""A contender's process, seen from outside."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MODULE = "symrnn.bench.worker"


class ContenderFailure(Exception):  # noqa: N818  (no error of a request: it becomes a row of the report)
    """A contender's process has ended before its time; the text is the reason."""


class Worker:
    """A process that runs one contender and answers requests, one at a time.

    `folder` holds the compiled code of the whole benchmark, so that nothing older is found.
    """

    def __init__(self, folder: Path) -> None:
        home = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH", ""))))
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(folder), "JAX_PLATFORMS": "cpu"},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            ContenderFailure: the process ended instead.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ContenderFailure(self.reason())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def reason(self) -> str:
        """Why the process has ended: the last line of its traceback, or the signal that killed it."""
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        if code < 0:
            return f"its process was killed by signal {-code} (9 may mean: out of memory)"
        return lines[-1].strip() if lines else f"its process ended with exit code {code}"

    def close(self) -> None:
        """End the process; what it still runs is cut off."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
