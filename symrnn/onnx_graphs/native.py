"""The operators of ONNX that are cells: which cell is one of them, and their nodes.

Source: the operators LSTM, GRU and RNN of https://onnx.ai/onnx/operators, version 14. onnxruntime has them in
float32 alone, and gives zeros as the final state of a sample without steps, which is its initial state here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, S, preorder_traversal

from symrnn import zoo
from symrnn.comparison.forms import TRANSPOSE, Form, form_of
from symrnn.comparison.pairing import Pairing, pairings
from symrnn.comparison.specialisation import specialise
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import Contract
from symrnn.declaration.quantities import Index, Quantity
from symrnn.layouts.reading import write
from symrnn.layouts.records import Sizes
from symrnn.onnx_graphs.arrays import Array, Recorder
from symrnn.onnx_graphs.operations import Operations
from symrnn.vocabulary.functions import NamedFunction

REMEMBERED = 64
"""So many cells' operators are kept."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator by its name in ONNX; `states` are those of the shipped cell that it is, in its order."""

    name: str
    states: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


OPERATORS = {
    "lstm": Operator("LSTM", ("h", "c")),
    "gru": Operator("GRU", ("c",), {"linear_before_reset": 0}),
    "gru_reset_after": Operator("GRU", ("h",), {"linear_before_reset": 1}),
    "elman": Operator("RNN", ("s",)),
    "elman_relu": Operator("RNN", ("s",), {"activations": ["Relu"]}),
}
"""By the shipped cell that each is."""

Choices = tuple[tuple[Quantity, Expr], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """How a cell is the shipped cell of an operator.

    `way` pairs states and inputs of the cell with those of the shipped one, `choices` gives every parameter
    of that, a divided matrix as its blocks, in the parameters of the cell.
    """

    shipped: str
    way: Pairing
    cell: Form
    other: Form
    choices: Choices

    def parameters(self, given: Mapping[str, NDArray[Any]], sizes: Sizes) -> dict[str, NDArray[Any]]:
        """The parameters of the shipped cell, of those of the cell."""
        known: dict[Expr, NDArray[Any]] = {q: given[q.name] for q in self.cell.cell.parameters}
        for block in self.cell.blocks:
            start, stop = (int(size.xreplace(dict(sizes))) for size in (block.start, block.stop))
            known[block.symbol] = known[block.matrix][:, start:stop]
        axes: dict[Expr, Expr] = {theirs: ours.xreplace(dict(sizes)) for ours, theirs in self.way.axes}
        parts = {
            quantity: _linear(expr, known, [int(size.xreplace(axes)) for size in quantity.shape])
            for quantity, expr in self.choices
        }
        made = {}
        for parameter in self.other.cell.parameters:
            blocks = self.other.blocks_of(parameter)
            made[parameter.name] = (
                np.concatenate([parts[block.symbol] for block in blocks], 1) if blocks else parts[parameter]
            )
        return made


def _terms(expr: Expr) -> list[tuple[Expr, Expr]] | None:
    """What a sum of multiples of parameters, or of their transposes, adds up; None if it is none."""
    terms = list(expr.as_coefficients_dict().items())
    plain = all(term is S.One or isinstance(_untransposed(term), Quantity) for term, _ in terms)
    return terms if plain else None


def _untransposed(term: Expr) -> Expr:
    turned = isinstance(term, Contract) and term.spec == TRANSPOSE
    return term.operands[0] if turned else term


def _linear(expr: Expr, known: Mapping[Expr, NDArray[Any]], shape: list[int]) -> NDArray[Any]:
    """A sum of multiples of known arrays."""
    made = np.zeros(shape, next(iter(known.values())).dtype)
    for term, factor in _terms(expr) or ():
        array = known.get(_untransposed(term), np.ones((), made.dtype))
        made = made + made.dtype.type(float(factor)) * (array if _untransposed(term) is term else array.T)
    return made


def _calls(cell: Cell) -> Counter[type]:
    """The functions that a cell calls, with their numbers."""
    parts = (part for made in cell.definitions for part in preorder_traversal(made.expr))
    return Counter(type(part) for part in parts if isinstance(part, NamedFunction))


@lru_cache(maxsize=REMEMBERED)
def match_of(cell: Cell) -> Match | None:
    """The operator that computes a cell, if there is one: proved in the symbols, whatever the names are."""
    if len(cell.inputs) != 1 or isinstance(cell.inputs[0], Index) or cell.constants or not cell.parameters:
        return None
    for name, operator in OPERATORS.items():
        shipped = zoo.cell(name)
        if len(cell.states) == len(operator.states) and _calls(cell) == _calls(shipped):
            ours, theirs = form_of(cell), form_of(shipped)
            for way in pairings(cell, shipped).ways:
                found = specialise(ours, theirs, way, limits=False).found if way.whole else None
                if found and not found.held and all(_terms(expr) is not None for _, expr in found.choices):
                    return Match(name, way, ours, theirs, found.choices)
    return None


class NativeLayer:
    """A cell as a node of its operator."""

    def __init__(
        self, match: Match, given: Mapping[str, NDArray[Any]], sizes: Sizes, recorder: Recorder
    ) -> None:
        """Put the weights into a recorder's graph, in the order of the operator."""
        self.operator, self.recorder = OPERATORS[match.shipped], recorder
        names = {theirs.name: ours.name for ours, theirs in match.way.states}
        self.states = [names[state] for state in self.operator.states]
        arrays = write(match.parameters(given, sizes), "onnx", match.shipped)
        self.weights = [
            recorder.constant(array, recorder.dtype, name=recorder.prefix + name)
            for name, array in arrays.items()
        ]

    def forward(
        self,
        inputs: Mapping[str, Array],
        state: Mapping[str, Array],
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, dict[str, Array]]:
        """Outputs (T, B, ...) and final states by name; with `reverse` steps are taken from the last on."""
        (x,) = inputs.values()
        T, B = x.shape[:2]
        numpy = Operations(self.recorder).numpy
        if lengths is None:  # without them, onnxruntime's GRU of no step ends the process
            lengths = numpy.broadcast_to(self.recorder.array(T, np.int64), (B,))
        outputs, after = self.node(x, state, lengths.astype(np.int32), "reverse" if reverse else "forward")
        some = (lengths > 0)[:, None]
        return outputs, {name: numpy.where(some, after[name], start) for name, start in state.items()}

    def step(self, inputs: Mapping[str, Array], state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The output (B, ...) and the next states by name: a sequence of one step."""
        (x,) = inputs.values()
        outputs, after = self.node(x.unsqueeze(0), state, None, "forward")
        return outputs.squeeze(0), {name: after[name] for name in state}

    def node(
        self, x: Array, state: Mapping[str, Array], ends: Array | None, direction: str
    ) -> tuple[Array, dict[str, Array]]:
        """What the operator gives, without its axis of directions: outputs, and final states by name."""
        before = [state[name] for name in self.states]
        (T, B), m = x.shape[:2], before[0].shape[1]
        y, *after = self.recorder.nodes(
            self.operator.name,
            [x, *self.weights, ends, *(array.unsqueeze(0) for array in before)],
            [(x.dtype, (T, 1, B, m)), *[(x.dtype, (1, B, m)) for _ in before]],
            hidden_size=m,
            direction=direction,
            **self.operator.attributes,
        )
        return y.squeeze(1), {name: end.squeeze(0) for name, end in zip(self.states, after, strict=True)}
