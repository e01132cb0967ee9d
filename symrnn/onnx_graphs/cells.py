"""The graphs of a cell: its whole sequence, and one step."""

from symrnn.declaration.cell import Cell
from symrnn.onnx_graphs.arrays import Recorder
from symrnn.onnx_graphs.interface import Interface, Parameters
from symrnn.onnx_graphs.texts import run_text
import numpy as np


def cell_parameters(cell: Cell, given: object) -> Parameters:
    """What a caller gave as the parameters of a cell.

    Raises:
        RequestError: they do not fit.

    """
    return Parameters(cell.name, [(q.name, q, q.shape) for q in (*cell.parameters, *cell.constants)], given)


def sequence_graph(cell: Cell, parameters: Parameters, lengths: bool) -> Recorder:
    """A graph of inputs (T, B, ...) and states (B, ...), with the samples' numbers of steps if asked for."""
    recorder = Recorder(parameters.dtype)
    face = Interface(recorder, parameters.sizes)
    inputs = {q.name: face.quantity(q.name, q, ("T", "B"), q.shape) for q in cell.inputs}
    state = {q.name: face.quantity(q.name, q, ("B",), q.shape) for q in cell.states}
    ends = face.input("lengths", np.int64, ("B",)) if lengths else None
    outputs, final = run_text(cell, parameters, recorder).forward(inputs, state, ends)
    face.output("outputs", outputs)
    for name, array in final.items():
        face.output(f"{name}_final", array)
    return recorder


def step_graph(cell: Cell, parameters: Parameters) -> Recorder:
    """A graph of one step: inputs and states (B, ...)."""
    recorder = Recorder(parameters.dtype)
    face = Interface(recorder, parameters.sizes)
    inputs = {q.name: face.quantity(q.name, q, ("B",), q.shape) for q in cell.inputs}
    state = {q.name: face.quantity(q.name, q, ("B",), q.shape) for q in cell.states}
    output, after = run_text(cell, parameters, recorder).step(inputs, state)
    face.output("output", output)
    for name, array in after.items():
        face.output(f"{name}_next", array)
    return recorder
