"""Weights from a file into graphs in files, as the command line asks for it."""

import json
from pathlib import Path
from typing import Any

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError
from symrnn.files import require_writable
from symrnn.layouts.storing import KIND, load
from symrnn.layouts.tensors import read_tensors, require_safetensors
from symrnn.models.model import Model
from symrnn.onnx_graphs.export import onnx, require_name

FILE = (
    "Name a .safetensors file with the parameters by the equations' names, as symrnn.layouts.save writes it."
)
IN_CHECKPOINTS = "parameters."
"""How the names of parameters begin in a checkpoint of a training."""


def write_graphs(
    source: Cell | Model, weights: Path | None, output: Path | None, *, force: bool = False
) -> tuple[Path, ...]:
    """The files written: the graphs of a cell or a model with the weights of a file.

    That may be what `symrnn.layouts.save` wrote, which knows its cell, a checkpoint of a training, or any
    safetensors file with arrays by the equations' names.

    Raises:
        RequestError: a file is missing, cannot be read or written, or is of another cell; or as for `onnx`.

    """
    if weights is None:
        raise RequestError(f"An ONNX graph carries weights. Give them with --weights FILE. {FILE}")
    if output is None:
        raise RequestError("An ONNX graph is no text to print. Name a file for it, as in -o f.onnx.")
    require_writable([require_name(output)], force=force)
    return onnx(source, _read(weights, source)).save(output, force=force)


def _read(path: Path, source: Cell | Model) -> Any:
    """The parameters in a file."""
    require_safetensors("Files of weights", "weights")
    arrays, text = read_tensors(path, "file", FILE)
    if isinstance(source, Cell) and text is not None and KIND in _kinds(text):
        return load(path, source)
    kept = {
        name.removeprefix(IN_CHECKPOINTS): array
        for name, array in arrays.items()
        if name.startswith(IN_CHECKPOINTS)
    }
    return kept or arrays


def _kinds(text: str) -> list[Any]:
    """What a record of ours in a file says that it holds; nothing if it is none."""
    try:
        return [json.loads(text)["kind"]]
    except (ValueError, TypeError, KeyError):
        return []
