"""The result of a model's derivation: what layers take and what flows back, as equations with reasons."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from symrnn.declaration.quantities import Input, NextState, Parameter, Quantity, State, Value
from symrnn.derivation.derivation import Derivation
from symrnn.models.layers import ONCE, Feed
from symrnn.models.model import Model, Run
from symrnn.printing import Printed

Told = TypeVar("Told")


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
class Step:
    """A step of a layer as a sum: the number of steps on the axis `time`, so many times `t`, and a number."""

    time: str = ""
    t: int = 0
    number: int = 0

    def terms(
        self, steps: Callable[[str], Told], now: Told, number: Callable[[int], Told]
    ) -> list[tuple[bool, Told]]:
        """What is added (True) or taken away, in the order in which it is read."""
        made = [(True, steps(self.time))] if self.time else []
        if self.t > 0:
            made.append((True, now))
        if self.number or self == START:
            made.append((self.number >= 0, number(abs(self.number))))
        return [*made, (False, now)] if self.t < 0 else made


START, FIRST, NOW = Step(), Step(number=1), Step(t=1)


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

    @property
    def end(self) -> Step:
        """The last step of its layer."""
        return FIRST if self.time == ONCE else Step(self.time)

    def seen(self, step: Step) -> Step:
        """The step to which it belongs at a step of its layer: a bare state as output is one behind."""
        behind = isinstance(self.quantity, State) and self.at in (At.EVERY, At.LAST)
        return replace(step, number=step.number - 1) if behind else step


def held_by(run: Run, quantity: Quantity, at: At = At.EVERY) -> Held:
    """A quantity of the layer of a run."""
    return Held(run.label, quantity, at, run.layer.time, run.layer.reverse)


def step_of(one: Held | Feed, other: Held | Feed) -> Step:
    """The step of one end of a wire at step t of the other; what is fed counts forwards."""
    reverse = {isinstance(held, Held) and held.reverse for held in (one, other)}
    step = Step(one.time, -1, 1) if len(reverse) > 1 and one.time != ONCE else NOW
    return one.seen(step) if isinstance(one, Held) else step


@dataclass(frozen=True, slots=True)
class Wire:
    """What a layer takes: `taker`, an input or the start of a state, is what `source` is at the same time.

    What is taken from the last step or the end of a source is a sequence of one step.
    """

    taker: Held
    source: Held | Feed

    @property
    def steps(self) -> tuple[Step, Step]:
        """The step of the taker, and that of the source."""
        source, step = self.source, START if self.taker.at == At.START else NOW
        if isinstance(source, Held) and source.at != At.EVERY:
            return step, source.seen(source.end)
        return step, step_of(source, self.taker)


@dataclass(frozen=True, slots=True)
class WireTerm:
    """One summand of an adjoint: the adjoint of `taker`; None is the derivative of the mean, 1/N.

    With the rule "read at the end" it counts at the last step alone.
    """

    taker: Held | None
    rule: Rule

    def step(self, of: Held) -> Step:
        """The step of its taker at step t of what the taker takes."""
        assert self.taker is not None
        if self.rule == Rule.READ:
            return START if self.taker.at == At.START else FIRST
        return step_of(self.taker, of)

    def is_last(self, of: Held) -> bool:
        """Whether it counts at the last step alone of those at which `of` is looked at."""
        return self.rule == Rule.READ and of.at != At.END


@dataclass(frozen=True, slots=True)
class WireAdjoint:
    """The adjoint of what a layer hands on, its output or a state at the end, is the sum of `terms`."""

    of: Held
    terms: tuple[WireTerm, ...]

    @property
    def step(self) -> Step:
        """The step of what the layer hands on: the last one, or that at every step t."""
        return self.of.seen(self.of.end if self.of.at == At.END else NOW)


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
