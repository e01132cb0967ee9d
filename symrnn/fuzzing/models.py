"""Random models: layers of shipped and of random cells, joined in every way that there is."""

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sympy import Eq

from symrnn.declaration.axes import Shape
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import concatenate, sigmoid, tanh
from symrnn.errors import SymrnnWarning
from symrnn.fuzzing.composing import Composer, Given
from symrnn.fuzzing.quantities import NAMES, Pick, m, n
from symrnn.fuzzing.terms import NoTermError, Term
from symrnn.models.closed_loop import closed_loop
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model
from symrnn.zoo import (
    CELLS,
    dense,
    dropout,
    embedding,
    joined,
    layer_norm,
    output_error,
    softmax_cross_entropy,
    squared_error,
)
from symrnn.zoo import class_cross_entropy as class_loss
from symrnn.zoo.heads import binary_cross_entropy

LAYER_NAMES = ("first", "second", "upper", "lower", "e", "gru", "h", "layer_2", "V", "x", "encoder", "T1")
LOSSES: tuple[Cell, ...] = (
    squared_error,
    class_loss,
    softmax_cross_entropy,
    binary_cross_entropy,
    output_error,
)
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu", "softmax")


def scheduled_model(seed: int, number: int) -> Model:
    """Model `number` of a fuzzing run."""
    return build_model(random.Random(f"{seed} model {number}").randrange)


def build_model(pick: Pick) -> Model:
    """The model that the choices of `pick` describe."""
    with warnings.catch_warnings(category=SymrnnWarning, action="ignore"):
        return _Builder(pick).model()


def vector_cell(pick: Pick, name: str) -> Cell:
    """A random recurrent cell that takes a vector and gives one; its states are vectors."""
    made = _VectorCell(pick)
    return made.cell(name)


class _VectorCell(Composer):
    """Terms of one input and of the states alone, so that a layer can say what each input takes."""

    def __init__(self, pick: Pick) -> None:
        super().__init__(pick, positive=False)
        self.x = self.quantities.input((n,))
        self.states = [self.quantities.state((m,)) for _ in range(1 + pick(2))]

    def equated(self, kind: str, shape: Shape, low: float) -> Term:
        """A state, or a parameter in place of what would need an equation."""
        found = [term for term in self.states if term.shape == shape and term.low >= low]
        return found[self.pick(len(found))] if found else self.lifted(self.quantities.parameter(shape), low)

    def named(self, kind: str, shape: Shape, low: float) -> Term:
        """A leaf; a parameter in place of other inputs."""
        if kind == "one hot" or (kind == "input" and shape != (n,)):
            kind = "parameter"
        return self.x if kind == "input" and self.x.low >= low else super().named(kind, shape, low)

    def contraction(self, name: str, shape: Shape, given: Given, depth: int, low: float) -> Term:
        """A contraction, not one that needs a class."""
        if name in ("row", "element"):
            raise NoTermError
        return super().contraction(name, shape, given, depth, low)

    def cell(self, name: str) -> Cell:
        """The cell: each state follows its term, and the input and all states."""
        equations = []
        for state in self.states:
            W = self.quantities.parameter((m, m + n))
            other = self.states[self.pick(len(self.states))]
            inside = W.expr @ concatenate(other.expr, self.x.expr) + self.term((m,), 1).expr
            if self.pick(2):
                gate = sigmoid(self.term((m,), 1).expr)
                equations.append(Eq(state.expr.next, gate * tanh(inside) + (1 - gate) * state.expr))
            else:
                equations.append(Eq(state.expr.next, tanh(inside)))
        return Cell(name, *equations, output=self.states[0].expr.next)


@dataclass(slots=True)
class _Builder:
    pick: Pick
    names: list[str] = field(default_factory=lambda: list(LAYER_NAMES))
    feeds: list[str] = field(default_factory=lambda: [name for name in NAMES if len(name) > 1])
    cells: int = 0

    def model(self) -> Model:
        """The model."""
        shape: Callable[[], Sequence] = self.choose(
            (
                self.deep,
                self.both_ways,
                self.reading,
                self.encoder_decoder,
                self.grown,
                self.shared,
                self.used_twice,
            )
        )
        return self.headed(shape())

    # -- parts --------------------------------------------------------------------------------

    def choose(self, alternatives: Any) -> Any:
        """One of some alternatives."""
        return alternatives[self.pick(len(alternatives))]

    def name(self) -> str:
        """A name for a layer."""
        return self.names.pop(self.pick(len(self.names)))

    def feed(self, over: str = "T") -> Feed:
        """Something that a batch brings."""
        return Feed(self.feeds.pop(self.pick(len(self.feeds))), over=over)

    def source(self, over: str = "T") -> Sequence:
        """What a batch brings: vectors, or classes that are embedded."""
        if self.pick(3) == 2:
            return Layer(embedding, self.feed(over), name=self.name())
        return self.feed(over)

    def cell(self) -> Cell:
        """A recurrent cell, shipped or random."""
        if self.pick(2):
            self.cells += 1
            return vector_cell(self.pick, f"random_{self.cells}")
        return list(CELLS.values())[self.pick(len(CELLS))]

    def layer(self, source: Sequence, reverse: bool = False) -> Layer:
        """A recurrent layer over a sequence of vectors."""
        cell = self.cell()
        return Layer(cell, {cell.inputs[0].name: source}, name=self.name(), reverse=reverse)

    def between(self, source: Sequence) -> Sequence:
        """Something without state on top of a sequence, or nothing."""
        kind = self.pick(5)
        if kind == 1:
            return Layer(layer_norm, {"a": source}, name=self.name())
        if kind == 2:
            return Layer(dropout, {"a": source, "mask": self.feed(source.time)})
        if kind == 3:
            return Layer(dense(self.choose(ACTIVATIONS)), {"a": source}, name=self.name())
        return source

    def read(self, layer: Layer) -> Reading:
        """What a layer has at the end."""
        states = layer.cell.states
        return layer.last if self.pick(2) or not states else layer.final(self.choose(states).name)

    # -- shapes -------------------------------------------------------------------------------

    def deep(self) -> Sequence:
        """One to three layers."""
        top: Sequence = self.source()
        for _ in range(1 + self.pick(3)):
            top = self.between(self.layer(top, reverse=self.pick(4) == 3))
        return top

    def both_ways(self) -> Sequence:
        """Right and left, joined step by step or at their ends."""
        source = self.source()
        right, left = self.layer(source), self.layer(source, reverse=True)
        if self.pick(2):
            return Layer(joined, {"first": self.read(right), "second": self.read(left)}, name=self.name())
        return self.between(Layer(joined, {"first": right, "second": left}, name=self.name()))

    def reading(self) -> Sequence:
        """Many to one."""
        return self.read(self.layer(self.between(self.layer(self.source()))))

    def started(self, source: Sequence, before: Callable[[], Reading]) -> Layer:
        """A layer whose states start from readings."""
        cell = self.cell()
        starts = {state.name: before() for state in cell.states}
        return Layer(cell, {cell.inputs[0].name: source}, name=self.name(), initial=starts)

    def encoder_decoder(self) -> Sequence:
        """Two time axes; the decoder starts from the encoder's end."""
        encoder = self.layer(self.source("S"), reverse=self.pick(3) == 2)
        return self.between(self.started(self.source(), lambda: self.read(encoder)))

    def grown(self) -> Sequence:
        """A closed loop that starts from what the batch tells once."""
        cell = closed_loop(self.choose((CELLS["elman"], CELLS["gru"])), dense(self.choose(ACTIVATIONS[:3])))
        told = self.feed(ONCE)
        starts = {
            state.name: Layer(dense(self.choose(ACTIVATIONS[:3])), told, name=self.name()).last
            for state in cell.states
        }
        return Layer(cell, initial=starts if self.pick(3) else None, name=self.name())

    def shared(self) -> Sequence:
        """One cell twice with the same parameters, on top of itself."""
        cell = CELLS["elman"]
        name = self.name()
        first = Layer(cell, self.layer(self.source()), name=name)
        return Layer(cell, self.between_same(first), name=name)

    def between_same(self, source: Sequence) -> Sequence:
        """Dropout, which keeps the size, or nothing."""
        return Layer(dropout, {"a": source, "mask": self.feed()}) if self.pick(2) else source

    def used_twice(self) -> Sequence:
        """A layer's outputs go to two others, one of which starts from its end."""
        first = self.layer(self.source())
        second = self.started(first, lambda: self.read(first))
        return Layer(joined, {"first": first, "second": second}, name=self.name())

    # -- heads --------------------------------------------------------------------------------

    def headed(self, top: Sequence) -> Model:
        """The model of a loss on top; what `predict` gives may share parameters with it."""
        cell = self.choose(LOSSES)
        taken, wanted = ("y_hat", "y") if cell is output_error else ("a", "k" if cell is class_loss else "y")
        loss = Layer(cell, {taken: top, wanted: self.feed(top.time)})
        name = self.choose(("model", "net", "tagger"))
        output: Layer | None = None
        if not isinstance(top, Layer) or self.pick(3) == 2:
            output = Layer(
                dense(self.choose(ACTIVATIONS)), {"a": top}, name="" if taken == "a" else self.name()
            )
        return Model(name, loss, output=output)
