"""A cell or a model with its parameters as ONNX graphs."""

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.files import SIGNATURE, write_files
from symrnn.models.model import Model
from symrnn.onnx_graphs.arrays import Recorder
from symrnn.onnx_graphs.cells import CellGraphs
from symrnn.onnx_graphs.native import OPERATORS
from symrnn.onnx_graphs.networks import ModelGraphs
from symrnn.onnx_graphs.protos import LEAST_OPSET, model_of, require_onnx
from symrnn.version import __version__

KINDS: dict[type, Any] = {Cell: CellGraphs, Model: ModelGraphs}
"""What makes the graphs of what."""

LARGEST = 2**31 - 2**20
"""So many bytes of parameters fit into a model, which Protocol Buffers keep below 2 GiB."""


def require_name(path: str | PathLike[str]) -> Path:
    """A path for a graph.

    Raises:
        RequestError: its name does not say what it is.

    """
    place = Path(path)
    if place.suffix != ".onnx":
        raise RequestError(
            f"{place} does not end in .onnx, by which other programs know what it is. Add that."
        )
    return place


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraphs:
    """A cell or a model with its parameters, as models of the package onnx (`onnx.ModelProto`).

    Attributes:
        model: whole sequences. It takes the inputs by name, (T, B, ...), the states by name, (B, ...), and
            `lengths` (B,), int64, if they were asked for; class numbers are int64. It gives `outputs`
            (T, B, ...) and every final state, `NAME_final` (B, ...).
        step: one step, for streaming: inputs (B, ...) and states; `output` (B, ...) and every `NAME_next`.
            None where the output cannot be computed step by step.
        begin: the states before the first step, where layers that run before tell them, as an encoder does;
            else None.
        no_step: why there is no step; empty if there is one.
        operators: the operators of ONNX that are layers, as ("GRU",); empty where all is equations.

    """

    model: Any
    step: Any
    begin: Any
    no_step: str
    operators: tuple[str, ...]

    def save(self, path: str | PathLike[str], *, force: bool = False) -> tuple[Path, ...]:
        """The files written, all or none: `f.onnx`, and where there are such graphs `f_step`, `f_begin`.

        Raises:
            RequestError: `path` does not end in .onnx, or a file may not be written (`force` overwrites one
                that symrnn did not write).

        """
        place = require_name(path)
        graphs = {"": self.model, "_step": self.step, "_begin": self.begin}
        files: dict[Path, str | bytes] = {
            place.with_name(f"{place.stem}{suffix}.onnx"): graph.SerializeToString(deterministic=True)
            for suffix, graph in graphs.items()
            if graph is not None
        }
        write_files(files, force=force)
        return tuple(files)


def onnx(
    source: Cell | Model,
    parameters: object,
    lengths: bool = True,
    native: bool | str = "auto",
    *,
    opset: int = LEAST_OPSET,
) -> OnnxGraphs:
    """A cell, or what a model needs for its output, with its parameters, as graphs of ONNX.

    `parameters` are arrays by the equations' names, float32 or float64: a mapping, a kernel's `Parameters`,
    or `symrnn.layouts.Weights` of one layer. With `lengths` the graph takes the samples' numbers of steps,
    from 0 to T, as `lengths`, or `lengths_T` and so on where there are several time axes: beyond its end a
    sample's outputs are zero, its states stand still, and what inputs hold does not matter. T and B may
    differ from call to call; T may be 0. With `native="auto"` a cell that is a GRU, an LSTM or an RNN of ONNX
    is that operator, if it computes in float32, in which alone onnxruntime has it; `True` insists on it, for
    every layer that has states, `False` writes equations. Of operators, `onnx.reference` passes over lengths,
    and onnxruntime's lose NaN and end the process where B is 0.

    A graph says in its metadata what it was made from, under `symrnn.cell` (or `model`), `symrnn.digest`,
    `symrnn.source` and others.

    Raises:
        RequestError: `source` is neither, parameters are missing, surplus, misshapen or of half precision,
            an operator is insisted on that does not exist, the opset is too old or too new, the parameters
            are too large for a file, or the package onnx is not installed.

    """
    require_onnx(opset)
    if not isinstance(lengths, bool):
        raise RequestError(f"lengths is {shown(lengths)}. Give True, for a graph that takes them, or False.")
    kind = next((made for of, made in KINDS.items() if isinstance(source, of)), None)
    if kind is None:
        raise RequestError(
            f"onnx() takes a Cell or a Model, and got {shown(source)}. Take one, as symrnn.zoo.cell('gru')."
        )
    graphs = kind(source, parameters, native)
    size = sum(array.nbytes for array in graphs.parameters.arrays.values())
    if size > LARGEST:
        raise RequestError(
            f"The parameters have {size} bytes, and a file of ONNX holds less than 2 GiB. Give float32, or "
            "make graphs of parts of the model."
        )
    operators = tuple(OPERATORS[match.shipped].name for match in graphs.matches if match)

    def made(recorder: Recorder | None) -> Any:
        return None if recorder is None else model_of(recorder, opset, *_words(graphs, operators))

    return OnnxGraphs(
        made(graphs.sequence(lengths=lengths)),
        made(graphs.step()),
        made(graphs.begin(lengths=lengths)),
        graphs.no_step,
        operators,
    )


def _words(graphs: CellGraphs | ModelGraphs, operators: tuple[str, ...]) -> tuple[str, str, dict[str, str]]:
    """The name of a graph, what explains it, and its metadata."""
    origin = graphs.origin
    lines = [f"{SIGNATURE} {__version__} from {origin.name} ({origin.digest})", "", origin.title]
    lines += [f"Source: {origin.source}"] * bool(origin.source)
    sizes = {str(axis): int(size) for axis, size in graphs.parameters.sizes.items()}
    record = {
        "version": __version__,
        origin.kind: origin.name,
        "title": origin.title,
        "source": origin.source,
        "digest": origin.digest,
        "sizes": json.dumps(sizes),
        "operators": ", ".join(operators),
    }
    return origin.name, "\n".join([*lines, "", origin.text]), record
