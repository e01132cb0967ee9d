"""`Plan`: what a kernel computes, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from symrnn.declaration.axes import Axis, Size
from symrnn.planning.ir import Block, Buffer, Pass
from symrnn.printing import Printed

FORWARD = ("forward before", "forward loop", "forward after")
BACKWARD = ("backward before", "backward loop", "backward after")
REGIONS = ("prepare", *FORWARD, *BACKWARD, "finish")
"""The places of statements, in order of execution."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a document about the plan says of the cell that it came from.

    `fresh` pairs every parameter with how a fresh one is drawn, and every constant with its value.
    `rewritten` are those of the equations that are computed in another form than the author's.
    `fields` pairs arrays whose variables had to get other names with the names that the author gave them.
    """

    title: str = ""
    variant: str = ""
    source: str = ""
    digest: str = ""
    equations: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    output: str = ""
    fresh: tuple[tuple[str, str | float], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan(Printed):
    """What a kernel computes and in which order.

    `prepare` depends on parameters alone; `forward` and `backward` go over time; `finish` turns the adjoints
    of derived and packed parameters into gradients. `output` names the output's array, `gradients` pairs each
    input and parameter with its gradient's array, `saved` what the forward pass keeps for the backward pass,
    with the reason. `save` is "all" if that is all it reads, "states" if it recomputes the rest from states
    and output. `roles` tells what reading order goes by, `applied` which passes made the plan.
    `classes` pairs inputs that are class indices, which have no gradient, with the numbers of their classes,
    `quantities` arrays with the quantities that they hold.
    """

    name: str
    buffers: tuple[Buffer, ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    constants: tuple[str, ...]
    output: str
    output_cotangent: str
    gradients: tuple[tuple[str, str], ...]
    prepare: tuple[Block, ...]
    forward: Pass
    backward: Pass
    finish: tuple[Block, ...]
    roles: tuple[tuple[str, str], ...] = ()
    axes: tuple[Axis, ...] = ()
    header: Header = Header()
    saved: tuple[tuple[str, str], ...] = ()
    save: str = "all"
    classes: tuple[tuple[str, Size], ...] = ()
    applied: tuple[str, ...] = ()
    quantities: tuple[tuple[str, str], ...] = ()
    _by_name: dict[str, Buffer] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", self.table())

    def buffer(self, name: str) -> Buffer:
        """The array `name`."""
        return self._by_name[name]

    def table(self) -> dict[str, Buffer]:
        """All arrays by name."""
        return {buffer.name: buffer for buffer in self.buffers}

    def root(self, name: str) -> Buffer:
        """The array in whose memory `name` lies; itself, if it has its own."""
        buffer = self.buffer(name)
        return self.root(buffer.window.base) if buffer.window is not None else buffer

    @property
    def regions(self) -> dict[str, tuple[Block, ...]]:
        """The blocks by their places, in order of execution."""
        passes = ((p.before, p.loop.blocks, p.after) for p in (self.forward, self.backward))
        return dict(zip(REGIONS, (self.prepare, *chain(*passes), self.finish), strict=True))

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks of all passes, in order of execution."""
        return chain(*self.regions.values())

    @property
    def carried(self) -> set[str]:
        """The arrays that go from step to step, and those that they come from at first."""
        carries = (*self.forward.loop.carries, *self.backward.loop.carries)
        return {name for carry in carries for name in carry.arrays}
