"""Trainings by several processes: torchrun as a user calls it, and one process that is all of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_problems import uncompiled

from symrnn.distributed.processes import Place, joined
from symrnn.training.session import Subject, subject_of, training_of

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent
TEXT = "der schnelle Fuchs läuft über den faulen Hund; 今日は。\n" * 60
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TOOLS))),
    "CUDA_VISIBLE_DEVICES": "",
    "NUMBA_DISABLE_JIT": "1",  # at these sizes every process would compile for longer than it runs
}
SIZES = {"hidden": 6, "time": 5, "batch": 8}


@dataclass(frozen=True, slots=True)
class Runs:
    """A folder with a text, in which trainings run."""

    folder: Path

    def torchrun(self, processes: int, *arguments: Any, code: int = 0, **more: str) -> str:
        """What torchrun and its processes print; a script's path or `-m module` comes first."""
        start = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
        ]
        done = subprocess.run(
            [*start, *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | ENVIRONMENT | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == (code != 0), done.stdout
        return done.stdout

    def losses(self, name: str) -> dict[int, list[float]]:
        """The losses of every step that a file has, once for each time that it was taken."""
        found: dict[int, list[float]] = {}
        for line in (self.folder / name).read_text(encoding="utf-8").splitlines():
            step, loss = json.loads(line)
            found.setdefault(step, []).append(loss)
        return found

    def subject(self, checkpoint: Any = None) -> Subject:
        """What the trainings here are about."""
        given = {} if checkpoint else SIZES | {"target": "numpy"}
        return subject_of([self.folder / "text.txt"], checkpoint, "lstm", given)

    def alone(self, steps: int, checkpoint: Any = None) -> list[float]:
        """The losses that symrnn's own trainer sees in one process, from a checkpoint on."""
        trainer, snapshot = training_of(self.subject(checkpoint), checkpoint, np.float64)
        losses = []
        while snapshot.step < steps:
            snapshot, taken = trainer.step(snapshot)
            losses.append(taken.loss)
        return losses


def sizes() -> list[str]:
    """The sizes as options of the example and the command."""
    return [f"--{name}={size}" for name, size in SIZES.items()]


@contextmanager
def one_process(device: str) -> Iterator[Place]:
    """This process as the only one, on a device, with kernels that are not compiled."""
    place = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    with pytest.MonkeyPatch.context() as patch, uncompiled():
        for name, value in (place | {"MASTER_ADDR": "localhost", "MASTER_PORT": "0"}).items():
            patch.setenv(name, value)
        if device == "cpu":
            patch.setattr(torch.cuda, "is_available", lambda: False)
        with joined("a.program") as made:
            yield made
