"""What a model is made of: sequences, and cells that run over them.

A `Feed` is a sequence that the batch brings; a `Layer` is a cell run over sequences, and stands for the
sequence of its outputs; a `Reading` is what a layer has at the end, an array without time, which counts as a
sequence of one step. All are values: two that are made alike are one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Input, Quantity, State, check_name
from symrnn.errors import DeclarationError, shown

TIME, ONCE = "T", "once"
"""The usual time axis, and that of what has one step only."""


class Sequence:
    """Something with a value at every step: (T, B, ...)."""

    __slots__ = ()

    @property
    def time(self) -> str:
        """The name of the time axis; sequences over one axis have equal lengths."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Feed(Sequence):
    """What the batch brings: an array (T, B, ...); its shape per sample is that of the input which takes it.

    `over` names its time axis, for models in which not all sequences have the same number of steps.
    """

    name: str
    over: str = TIME

    def __post_init__(self) -> None:
        check_name(self.name, "feed")
        if self.over != TIME:
            check_name(self.over, "time axis")

    @property
    def time(self) -> str:
        """The name of the time axis."""
        return self.over

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, init=False)
class Layer(Sequence):
    """A cell run over sequences; stands for the sequence of its outputs.

    `inputs` pairs every input of the cell with its source, `initial` some states with where they start.
    """

    cell: Cell
    inputs: tuple[tuple[Input, Sequence], ...]
    name: str
    reverse: bool
    initial: tuple[tuple[State, "Reading"], ...]

    def __init__(
        self,
        cell: Cell,
        inputs: "Sequence | Mapping[str, Sequence] | None" = None,
        *,
        name: str = "",
        reverse: bool = False,
        initial: "Reading | Mapping[str, Reading] | None" = None,
    ) -> None:
        """Run `cell` over `inputs`: one sequence, or several by the names of the cell's inputs.

        An input that gets none becomes a `Feed` of its own name. `name` is put before the names of the
        cell's parameters; layers without one leave them as they are, and equal parameters are one parameter.
        `reverse` runs from every sample's last step to its first. `initial` is what states start from.

        Raises:
            DeclarationError: the cell has no such input or state, a source is no sequence, or the sources
                have different time axes.
        """
        if not isinstance(cell, Cell):
            raise DeclarationError(
                f"Layer() got {called(cell)}, which is no Cell. Write Layer(cell, inputs)."
            )
        if name != "":
            check_name(name, "layer")
        if not isinstance(reverse, bool):
            raise DeclarationError(
                f"A layer of {cell.name!r} got reverse={shown(reverse)}. Give reverse=True or leave it out."
            )
        self._set("cell", cell)
        self._set("name", name)
        self._set("reverse", reverse)
        sources = _named(self, "input", cell.inputs, inputs, Sequence)
        over = _one_time(self, sources)
        self._set("inputs", tuple((q, sources.get(q, Feed(q.name, over))) for q in cell.inputs))
        starts = _named(self, "state", cell.states, initial, Reading)
        if starts and len(starts) < len(cell.states):
            missing = ", ".join(q.name for q in cell.states if q not in starts)
            raise DeclarationError(
                f"A layer of {cell.name!r} starts some of its states from readings, but not {missing}. "
                "Give initial= all states or none."
            )
        self._set("initial", tuple((q, starts[q]) for q in cell.states if q in starts))

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)

    @property
    def time(self) -> str:
        """The name of the time axis."""
        return self.inputs[0][1].time

    @property
    def last(self) -> "Reading":
        """The output at every sample's last step, the last in which the layer runs: (B, ...)."""
        return Reading(self, None)

    def final(self, state: str = "") -> "Reading":
        """A state after the last step: (B, ...); its name may be left out if the cell has one state.

        Raises:
            DeclarationError: the cell has no such state.
        """
        found = [q for q in self.cell.states if q.name == state or (not state and len(self.cell.states) == 1)]
        if not found:
            raise DeclarationError(
                f"The cell {self.cell.name!r} has no state {state!r}. {_choices(self.cell.states)}"
            )
        return Reading(self, found[0])

    def __str__(self) -> str:
        return self.name or self.cell.name


@dataclass(frozen=True, slots=True)
class Reading(Sequence):
    """What a layer has at the end of every sample: its output (`state` None) or a state; (B, ...)."""

    layer: Layer
    state: State | None

    @property
    def time(self) -> str:
        """One step: it has no time axis of the batch."""
        return ONCE

    def __str__(self) -> str:
        return f"{self.layer}.{'last' if self.state is None else f'final({self.state.name!r})'}"


def called(value: object) -> str:
    """What a message calls something that should have been something else."""
    if isinstance(value, Cell):
        return f"the cell {value.name!r}"
    return f"the {type(value).__name__} {value}" if isinstance(value, Sequence) else shown(value)


Source = TypeVar("Source", bound=Sequence)


def _named(
    layer: Layer,
    role: str,
    quantities: tuple[Input, ...] | tuple[State, ...],
    given: Any,
    kind: type[Source],
) -> dict[Quantity, Source]:
    """The sources of a layer's inputs or states, by quantity."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(quantities) != 1:
            raise DeclarationError(
                f"The cell {layer.cell.name!r} has {len(quantities)} {role}s, so sources go by name. "
                f"{_choices(quantities)}"
            )
        given = {quantities[0].name: given}
    known: dict[str, Quantity] = {q.name: q for q in quantities}
    for name, source in given.items():
        if name not in known:
            raise DeclarationError(
                f"The cell {layer.cell.name!r} has no {role} {name!r}. {_choices(quantities)}"
            )
        if not isinstance(source, kind):
            wanted = "layer.final(...) or layer.last" if kind is Reading else "a Feed or a Layer"
            raise DeclarationError(
                f"The {role} {name} of a layer of {layer.cell.name!r} gets {called(source)}. Give {wanted}."
            )
    return {known[name]: source for name, source in given.items()}


def _one_time(layer: Layer, sources: Mapping[Quantity, Sequence]) -> str:
    """The time axis that all sources share."""
    times = {source.time: (q, source) for q, source in sources.items()}
    if len(times) > 1:
        told = ", ".join(f"{q} gets {source} over {time}" for time, (q, source) in times.items())
        raise DeclarationError(
            f"The inputs of a layer of {layer.cell.name!r} have different time axes: {told}. "
            "Sequences of different lengths meet in readings: layer.last, layer.final(...)."
        )
    return next(iter(times), TIME)


def _choices(quantities: tuple[Input, ...] | tuple[State, ...]) -> str:
    names = ", ".join(q.name for q in quantities)
    return f"It has {names}." if names else "It has none."
