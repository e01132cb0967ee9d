"""The graphs of a cell: its whole sequence, and one step."""

import numpy as np

from symrnn.declaration.cell import Cell
from symrnn.declaration.digest import cell_digest
from symrnn.onnx_graphs.arrays import Array, Recorder
from symrnn.onnx_graphs.interface import Interface, Origin, parameters_of
from symrnn.onnx_graphs.layers import Runner, operator_of, runner
from symrnn.onnx_graphs.native import Match


class CellGraphs:
    """Makes the graphs of a cell."""

    no_step = ""

    def __init__(self, cell: Cell, parameters: object, native: object) -> None:
        """Take the parameters, and choose what runs the cell.

        Raises:
            RequestError: the parameters do not fit, or an operator is asked for and none can run the cell.

        """
        wanted = [(q.name, q, q.shape) for q in (*cell.parameters, *cell.constants)]
        self.cell, self.parameters = cell, parameters_of(cell.name, wanted, parameters)
        self.match = operator_of(cell, native, self.parameters.dtype)

    @property
    def matches(self) -> tuple[Match | None, ...]:
        """The operators of its layers."""
        return (self.match,)

    @property
    def origin(self) -> Origin:
        """What the graphs are made from."""
        return Origin(
            "cell", self.cell.name, self.cell.title, self.cell.source, cell_digest(self.cell), str(self.cell)
        )

    def sequence(self, *, lengths: bool) -> Recorder:
        """A graph of inputs (T, B, ...) and states (B, ...), with the samples' lengths if asked for."""
        face, inputs, state = self.opened(("T", "B"))
        ends = face.input("lengths", np.int64, ("B",)) if lengths else None
        outputs, final = self.runner(face).forward(inputs, state, ends)
        face.give("outputs", outputs, final, "_final")
        return face.recorder

    def step(self) -> Recorder:
        """A graph of one step, of inputs and states (B, ...)."""
        face, inputs, state = self.opened(("B",))
        output, after = self.runner(face).step(inputs, state)
        face.give("output", output, after, "_next")
        return face.recorder

    def begin(self, *, lengths: bool) -> None:
        """No graph: whoever calls gives the states before the first step."""

    def opened(self, lead: tuple[str, ...]) -> tuple[Interface, dict[str, Array], dict[str, Array]]:
        """A new graph, and its inputs and states."""
        face = Interface(Recorder(self.parameters.dtype), self.parameters.sizes)
        inputs = {q.name: face.quantity(q.name, q, lead, q.shape) for q in self.cell.inputs}
        state = {q.name: face.quantity(q.name, q, ("B",), q.shape) for q in self.cell.states}
        return face, inputs, state

    def runner(self, face: Interface) -> Runner:
        """What runs the cell in a graph."""
        given = self.parameters
        return runner(self.cell, given.arrays, given.sizes, face.recorder, self.match)
