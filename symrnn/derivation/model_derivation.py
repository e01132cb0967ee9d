"""The result of a model's derivation: what layers take and what flows back, as equations with reasons."""

from enum import Enum

from symrnn.declaration.quantities import Input, NextState, Parameter, Quantity, State, Value
from symrnn.derivation.derivation import Derivation
from symrnn.models.layers import Feed
from symrnn.models.model import Model, Run
from symrnn.printing import Printed
from symrnn.records import dataclass


class At(Enum):
    """When a layer's quantity is looked at."""

    EVERY = "every step"
    FIRST = "first step"
    LAST = "last step"
    START = "before the first step"
    END = "after the last step"


class Rule(Enum):
    """Why an adjoint gains a term: losses are averaged, a sequence is taken step by step, an end is read."""

    MEAN = "mean"
    TAKEN = "taken"
    READ = "read at the end"


@dataclass(frozen=True, slots=True)
class Held:
    """A quantity of a layer at its steps: `at` says at which, `time` is the name of their axis.

    Steps are counted as the layer runs: with `reverse`, from a sample's last step to its first.
    """

    layer: str
    quantity: Quantity
    at: At
    time: str
    reverse: bool


def held_by(run: Run, quantity: Quantity, at: At = At.EVERY) -> Held:
    """A quantity of the layer of a run."""
    return Held(run.label, quantity, at, run.layer.time, run.layer.reverse)


def mirrored(one: Held, other: Held | Feed) -> bool:
    """Whether the steps of one are counted from where those of the other end; what is fed counts forwards."""
    return one.reverse != (isinstance(other, Held) and other.reverse)


@dataclass(frozen=True, slots=True)
class Wire:
    """What a layer takes: `taker`, an input or the start of a state, is what `source` is at the same time.

    What is taken from the last step or the end of a source is a sequence of one step.
    """

    taker: Held
    source: Held | Feed


@dataclass(frozen=True, slots=True)
class WireTerm:
    """One summand of an adjoint: the adjoint of `taker`; None is the derivative of the mean, 1/N.

    With the rule "read at the end" it counts at the last step alone.
    """

    taker: Held | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class WireAdjoint:
    """The adjoint of what a layer hands on, its output or a state at the end, is the sum of `terms`."""

    of: Held
    terms: tuple[WireTerm, ...]


@dataclass(frozen=True, slots=True)
class ParameterAdjoint:
    """The adjoint of a parameter of the model: the sum of those that layers have for it, by label."""

    name: str
    terms: tuple[tuple[str, Parameter], ...]


@dataclass(frozen=True, slots=True)
class LayerDerivation:
    """A layer: the derivation of its cell, what it takes, and whether the loss depends on it."""

    run: Run
    derivation: Derivation
    wires: tuple[Wire, ...]
    acts: bool

    @property
    def label(self) -> str:
        """The name of the layer in the model."""
        return self.run.label

    def held(self, quantity: Input | State | Value | NextState, at: At = At.EVERY) -> Held:
        """A quantity of the layer."""
        return held_by(self.run, quantity, at)


@dataclass(frozen=True, slots=True)
class ModelDerivation(Printed):
    """Backpropagation through a model: of every cell through time, and between the layers.

    `layers` are in the order of computation. `adjoints` are those of what layers hand on, in the order in
    which they can be computed, that of the loss first; layers on which the loss does not depend have none.
    `parameters` are the adjoints of what is trained. What no wire takes has an adjoint of zero.
    """

    model: Model
    layers: tuple[LayerDerivation, ...]
    adjoints: tuple[WireAdjoint, ...]
    parameters: tuple[ParameterAdjoint, ...]

    def layer(self, label: str) -> LayerDerivation:
        """The layer of a label."""
        return next(layer for layer in self.layers if layer.label == label)

    @property
    def of_cells(self) -> tuple[Derivation, ...]:
        """The derivations of the cells, each once."""
        return tuple({layer.derivation.cell: layer.derivation for layer in self.layers}.values())

    def of(self, label: str) -> tuple[WireAdjoint, ...]:
        """The adjoints of what a layer hands on."""
        return tuple(adjoint for adjoint in self.adjoints if adjoint.of.layer == label)
