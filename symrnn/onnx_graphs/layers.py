"""What runs a cell in a graph: the operator that it is, or its equations."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.layouts.records import Sizes
from symrnn.onnx_graphs.arrays import Array, Recorder
from symrnn.onnx_graphs.native import OPERATORS, Match, NativeLayer, match_of
from symrnn.onnx_graphs.texts import run_text


class Runner(Protocol):
    """What computes a cell on arrays of a graph."""

    def forward(
        self,
        inputs: Mapping[str, Array],
        state: Mapping[str, Array],
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, dict[str, Array]]:
        """Outputs (T, B, ...) and the final states by name, of inputs (T, B, ...) and states (B, ...).

        With `reverse` a sample's steps are taken from the last to the first; the outputs go as the inputs do.
        """

    def step(self, inputs: Mapping[str, Array], state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The output (B, ...) and the next states by name, of inputs and states (B, ...)."""


def operator_of(cell: Cell, native: object, dtype: np.dtype[Any]) -> Match | None:
    """The operator that is to run a cell; None: its equations.

    Raises:
        RequestError: `native` is no such choice, or it is True and no operator can run the cell.

    """
    if native is not True and native is not False and native != "auto":
        raise RequestError(
            f"native is {shown(native)}. Give 'auto' (the operators GRU, LSTM and RNN where a cell is one), "
            "True (refuse what is none) or False (equations)."
        )
    match = match_of(cell) if native else None
    single = dtype == np.float32
    if native is True and not (match and single):
        names = ", ".join(OPERATORS)
        fact = (
            f"onnxruntime has the operator of {cell.name} in float32 alone, and these parameters are {dtype}"
            if match
            else f"{cell.name} is no operator of ONNX, which are, by the shipped cells that they are, {names}"
        )
        raise RequestError(f"{fact}. Write native='auto' or native=False, for equations.")
    return match if single else None


def runner(
    cell: Cell, parameters: Mapping[str, NDArray[Any]], sizes: Sizes, recorder: Recorder, match: Match | None
) -> Runner:
    """What runs a cell, with parameters by its quantities' names, on a recorder; its prefix names nodes."""
    if match is not None:
        return NativeLayer(match, parameters, sizes, recorder)
    return run_text(cell, parameters, recorder)
