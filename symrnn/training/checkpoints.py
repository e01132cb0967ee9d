"""Checkpoints: a whole training in one safetensors file.

The arrays are tensors named by what they belong to, `parameters.W_f` or `moments.first.W_f`; everything else
is one JSON text in the file's metadata. The format holds data and nothing that could be run.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symrnn.errors import RequestError
from symrnn.files import SIGNATURE
from symrnn.layouts.tensors import read_tensors, require_safetensors, write_tensors
from symrnn.training.optimisers import Bundle, Moments, Optimiser
from symrnn.training.trainer import Snapshot, generator_from
from symrnn.version import __version__

FORMAT = 1
WROTE = "Name a file that a training wrote."


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a file holds: its kind, the settings of the training, its numbers, and its arrays by name."""

    path: Path
    kind: str
    settings: Mapping[str, Any]
    record: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def require_checkpoints() -> None:
    """Raise unless checkpoints can be written and read.

    Raises:
        RequestError: the package safetensors is not installed.

    """
    require_safetensors("Checkpoints", "train")


def write_checkpoint(
    path: Path,
    kind: str,
    settings: Mapping[str, Any],
    snapshot: Snapshot,
    more: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a training to `path`: afterwards the file is whole, or as it was.

    `more` are arrays that belong to the settings.

    Raises:
        RequestError: safetensors is not installed, or the file cannot be written.

    """
    require_checkpoints()
    arrays = {f"settings.{name}": array for name, array in (more or {}).items()}
    write_tensors(path, arrays | arrays_of(snapshot), record_of(kind, settings, snapshot), force=True)


def arrays_of(snapshot: Snapshot) -> dict[str, Any]:
    """The arrays of a training by the names that they have in a checkpoint."""
    arrays = _arrays("parameters", snapshot.parameters)
    for name, bundle in snapshot.moments.means.items():
        arrays |= _arrays(f"moments.{name}", bundle)
    return arrays if snapshot.carried is None else arrays | _arrays("state", snapshot.carried)


def record_of(kind: str, settings: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """All else of a training, ready for JSON."""
    return {
        "made": f"{SIGNATURE} {__version__}",
        "format": FORMAT,
        "kind": kind,
        "settings": dict(settings),
        "step": snapshot.step,
        "optimiser_steps": snapshot.moments.steps,
        "carried": snapshot.carried is not None,
        "position": list(snapshot.position),
        "generator": snapshot.generator,
        "losses": [snapshot.loss_sum, snapshot.loss_count],
        "first_loss": snapshot.first_loss,
    }


def _arrays(prefix: str, bundle: Bundle) -> dict[str, Any]:
    pairs = zip(bundle._fields, bundle, strict=True)
    return {f"{prefix}.{name}": array for name, array in pairs}


def read_checkpoint(path: Path, kind: str) -> Checkpoint:
    """What the checkpoint at `path`, of this kind, holds.

    Raises:
        RequestError: there is no such file, it is cut off or not ours, or it is of another kind or format.

    """
    require_checkpoints()
    arrays, text = read_tensors(path, "checkpoint", WROTE)
    if text is None:
        raise RequestError(
            f"The file {path} was not written by symrnn. Name a checkpoint that a training wrote."
        )
    return checkpoint_of(path, kind, text, arrays)


def checkpoint_of(path: Path, kind: str, text: str, arrays: Mapping[str, np.ndarray]) -> Checkpoint:
    """The checkpoint of which `path` holds a record, in JSON, and arrays.

    Raises:
        RequestError: the record is damaged, or of another kind or format.

    """
    with damage_told(path):
        record = json.loads(text)
        found, made = record["format"], record["made"]
        if found != FORMAT:
            raise RequestError(
                f"The checkpoint {path} has format {found} ({made}), and this is symrnn {__version__}, which "
                f"reads format {FORMAT}. Use the version that wrote it."
            )
        if record["kind"] != kind:
            raise RequestError(f"The checkpoint {path} holds a {record['kind']}, where a {kind} is wanted.")
        return Checkpoint(path, kind, dict(record["settings"]), record, arrays)


def restored(
    checkpoint: Checkpoint,
    module: Any,
    optimiser: Optimiser,
    shapes: Mapping[str, tuple[int, ...]],
    states: Mapping[str, tuple[int, ...]],
) -> Snapshot:
    """The training that a checkpoint holds, for a module whose parameters and states have these shapes.

    Raises:
        RequestError: names, shapes or dtypes are not those of the module, or the file is damaged.

    """
    record = checkpoint.record
    with damage_told(checkpoint.path):
        parameters = parameters_of(checkpoint, module, shapes)
        dtype = next((array.dtype for array in parameters), None)
        means = {
            name: _bundle(checkpoint, f"moments.{name}", module.Parameters, shapes, dtype)
            for name in optimiser.start(parameters).means
        }
        carried = _bundle(checkpoint, "state", module.State, states, dtype) if record["carried"] else None
    return snapshot_of(checkpoint, parameters, means, carried)


def snapshot_of(
    checkpoint: Checkpoint, parameters: Bundle, means: Mapping[str, Bundle], carried: Any
) -> Snapshot:
    """The training of a checkpoint whose arrays are read.

    Raises:
        RequestError: the record is damaged.

    """
    record = checkpoint.record
    with damage_told(checkpoint.path):
        loss_sum, loss_count = record["losses"]
        first = record.get("first_loss")  # None before the first step, or written by an earlier version
        generator_from(record["generator"])
        return Snapshot(
            int(record["step"]),
            parameters,
            Moments(int(record["optimiser_steps"]), means),
            carried,
            tuple(map(int, record["position"])),
            record["generator"],
            float(loss_sum),
            int(loss_count),
            None if first is None else float(first),
        )


def parameters_of(checkpoint: Checkpoint, module: Any, shapes: Mapping[str, tuple[int, ...]]) -> Bundle:
    """The parameters alone.

    Raises:
        RequestError: names, shapes or dtypes are not those of the module, or the file is damaged.

    """
    with damage_told(checkpoint.path):
        return _bundle(checkpoint, "parameters", module.Parameters, shapes)


def _bundle(
    checkpoint: Checkpoint, prefix: str, kind: Any, shapes: Mapping[str, tuple[int, ...]], dtype: Any = None
) -> Bundle:
    """A NamedTuple of a checkpoint's arrays, all of one dtype of floats."""
    arrays = {
        name.removeprefix(f"{prefix}."): array
        for name, array in checkpoint.arrays.items()
        if name.startswith(f"{prefix}.")
    }
    if set(arrays) != set(shapes):
        raise RequestError(
            f"The checkpoint {checkpoint.path} has {prefix} {', '.join(sorted(arrays)) or 'without arrays'}, "
            f"and the model has {', '.join(sorted(shapes))}. It belongs to another model."
        )
    for name, array in arrays.items():
        dtype = array.dtype if dtype is None else dtype
        if array.shape != shapes[name]:
            raise RequestError(
                f"The checkpoint {checkpoint.path} has {prefix}.{name} of shape {array.shape}, and the "
                f"model's has {shapes[name]}. It belongs to another model."
            )
        if array.dtype != dtype or array.dtype not in (np.float32, np.float64):
            raise ValueError(f"{prefix}.{name} is of dtype {array.dtype}")
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{prefix}.{name} has elements that are not finite")
    return kind(**arrays)


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """What is missing or of a wrong kind in a checkpoint becomes a `RequestError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        fact = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise RequestError(f"The checkpoint {path} is damaged: {fact}. Take another one.") from None
