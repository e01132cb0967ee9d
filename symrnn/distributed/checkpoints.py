"""Checkpoints that many processes write together: a folder of steps, each a folder of PyTorch's shards.

`step_00000100/` has the arrays as `torch.distributed.checkpoint` writes them, under the names that they have
in symrnn's own checkpoints, and `training.json`, the rest, with the sizes of the files. It is written aside,
as `step_00000100.part`, and renamed when it is whole. Any number of processes reads it, one alone too.
"""

import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from symrnn.distributed.processes import agreed
from symrnn.errors import RequestError
from symrnn.files import write
from symrnn.layouts.tensors import write_tensors
from symrnn.torch import torch
from symrnn.training.checkpoints import Checkpoint, checkpoint_of, require_checkpoints

RECORD = "training.json"
KEPT = 2
"""So many checkpoints are kept, the last ones: where one is damaged there is the one before."""

OF_FOLDERS = ("arrays", "files", "run")
"""What the record of a folder has, and that of a file does not."""

WHOLE, PART = re.compile(r"step_\d{8,}(\.part)?$"), ".part"


@dataclass(frozen=True, slots=True)
class Found:
    """The newest whole checkpoint of a folder, if there is one, and what is to be said of newer ones."""

    path: Path | None
    notes: tuple[str, ...]


def newest(folder: Path) -> Found:
    """The newest checkpoint in a folder that is whole; one that is cut off or damaged is passed over."""
    notes: list[str] = []
    names = os.listdir(folder) if folder.is_dir() else []
    for name in sorted(filter(WHOLE.match, names), key=_step, reverse=True):
        fault = "it was not written to its end" if name.endswith(PART) else _fault(folder / name)
        if fault is None:
            return Found(folder / name, tuple(notes))
        notes.append(f"The checkpoint {folder / name} is passed over: {fault}.")
    return Found(None, tuple(notes))


def _step(name: str) -> tuple[int, bool]:
    """By which names of checkpoints are ordered."""
    return int(name.removeprefix("step_").removesuffix(PART)), not name.endswith(PART)


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint, if its files tell."""
    try:
        sizes = json.loads((path / RECORD).read_text(encoding="utf-8"))["files"]
        for name, size in sizes.items():
            found = (path / name).stat().st_size
            if found != size:
                return f"its file {name} has {found} bytes of {size}"
    except FileNotFoundError as error:
        return f"it has no file {Path(error.filename).name}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its {RECORD} cannot be read ({error})"
    return None


def save(
    folder: Path, tensors: Mapping[str, Any], record: Mapping[str, Any], vocabulary: Mapping[str, np.ndarray]
) -> Path:
    """The checkpoint that all processes write together into `folder`: afterwards it is whole, or not there.

    Raises:
        RequestError: the system refuses.

    """
    path = folder / f"step_{record['step']:08d}"
    part = path.with_name(path.name + PART)
    if dist.get_rank() == 0:
        shutil.rmtree(part, ignore_errors=True)
    dist.barrier()
    try:
        dcp.save(dict(tensors), checkpoint_id=part)
    except dcp.CheckpointException as error:
        raise RequestError(f"The checkpoint {path} cannot be written: {_said(error)}.") from None
    if dist.get_rank() == 0:
        files = {file.name: file.stat().st_size for file in sorted(part.iterdir())}
        arrays = {name: array.tolist() for name, array in vocabulary.items()}
        text = json.dumps({**record, "arrays": arrays, "files": files})
        write(part / RECORD, text, force=True)
        shutil.rmtree(path, ignore_errors=True)  # the same step, taken again
        os.rename(part, path)
        _forget_old(folder)
    dist.barrier()
    return path


def _forget_old(folder: Path) -> None:
    """Remove all but the last few checkpoints, and what was not written to its end before them."""
    names = sorted(filter(WHOLE.match, os.listdir(folder)), key=_step)
    whole = [name for name in names if not name.endswith(PART)]
    for name in set(names) - set(whole[-KEPT:]):
        shutil.rmtree(folder / name, ignore_errors=True)


def forget_all(folder: Path) -> None:
    """Remove all checkpoints of a folder."""
    for name in filter(WHOLE.match, os.listdir(folder) if folder.is_dir() else ()):
        shutil.rmtree(folder / name)


def record_at(path: Path, kind: str) -> Checkpoint:
    """A checkpoint without its arrays of numbers, which `load` or `whole` bring.

    Raises:
        RequestError: its record is damaged or of another kind or format.

    """
    text = (path / RECORD).read_text(encoding="utf-8")
    made = checkpoint_of(path, kind, text, {})
    arrays = {name: np.array(values, np.uint32) for name, values in made.record["arrays"].items()}
    return replace(made, arrays=arrays)


def load(checkpoint: Checkpoint, tensors: Mapping[str, Any]) -> None:
    """Fill tensors, parts of arrays too, with those of a checkpoint; each process reads what it holds.

    Raises:
        RequestError: the arrays are damaged or of another model.

    """
    _filled(checkpoint.path, dict(tensors), alone=False)


def whole(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint with all arrays of numbers, as one process without others reads it.

    Raises:
        RequestError: the arrays are damaged.

    """
    described = dcp.FileSystemReader(checkpoint.path).read_metadata().state_dict_metadata
    tensors = {name: torch.empty(kind.size, dtype=kind.properties.dtype) for name, kind in described.items()}
    _filled(checkpoint.path, tensors, alone=True)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return replace(checkpoint, arrays={**checkpoint.arrays, **arrays})


def _filled(path: Path, tensors: dict[str, Any], *, alone: bool) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # that is what `alone` means
            dcp.load(tensors, checkpoint_id=path, no_dist=alone)
    except dcp.CheckpointException as error:
        raise RequestError(
            f"The checkpoint {path} cannot be read: {_said(error)}. Remove that folder: the one "
            "before it counts then."
        ) from None


def _said(error: Any) -> str:
    """What PyTorch says of the first process that failed."""
    cause, _ = next(iter(error.failures.values()))
    return " ".join(str(cause).split())[:300]


def export(checkpoint: Checkpoint, output: Path) -> None:
    """Write a checkpoint as one safetensors file, which `symrnn train-text --resume` and `sample` read.

    Raises:
        RequestError: safetensors is not installed, the arrays are damaged, or the file cannot be written.

    """
    require_checkpoints()
    made = whole(checkpoint)
    record = {key: value for key, value in made.record.items() if key not in OF_FOLDERS}
    write_tensors(output, made.arrays, record, force=True)


def found_by_all(folder: Path) -> Found:
    """The newest whole checkpoint as the first process sees it: all processes take the same."""
    return agreed(newest(folder))  # type: ignore[no-any-return]
