"""A plan taken apart for editing: every statement on a line of its own, with its block's title."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sympy import Expr

from symrnn.declaration.axes import Shape
from symrnn.planning.ir import (
    Block,
    Buffer,
    Contraction,
    Pass,
    Statement,
    Window,
    overlap,
    root_of,
    shift_of,
)
from symrnn.planning.names import Names
from symrnn.planning.plan import Plan

REGIONS = (
    "prepare",
    "forward before",
    "forward loop",
    "forward after",
    "backward before",
    "backward loop",
    "backward after",
    "finish",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A statement with the title and the source equations of its block."""

    statement: Statement
    title: str
    sources: tuple[str, ...] = ()


class Draft:
    """An editable copy of a plan; `finished` gives a plan again."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.names = Names()
        self.names.taken |= {buffer.name for buffer in plan.buffers}
        self.buffers: dict[str, Buffer] = plan.table()
        blocks = {
            "prepare": plan.prepare,
            "forward before": plan.forward.before,
            "forward loop": plan.forward.loop.blocks,
            "forward after": plan.forward.after,
            "backward before": plan.backward.before,
            "backward loop": plan.backward.loop.blocks,
            "backward after": plan.backward.after,
            "finish": plan.finish,
        }
        self.regions: dict[str, list[Line]] = {region: _lines(blocks[region]) for region in REGIONS}

    def new(self, name: str, lead: str, shape: Shape, kind: str, window: Window | None = None) -> str:
        """The name of a new array."""
        made = self.names.fresh(name)
        self.buffers[made] = Buffer(made, lead, shape, kind, window)
        return made

    def part(self, base: str, axis: int, start: Expr, stop: Expr, hint: str) -> str:
        """The array that is rows `start` to `stop` of axis `axis` of `base`."""
        outer = self.buffers[base].window
        if outer is not None and outer.start is not None and outer.axis == axis and not outer.shift:
            window = Window(outer.base, axis, outer.start + start, outer.start + stop)
        else:
            window = Window(base, axis, start, stop)
        for buffer in self.buffers.values():
            if buffer.window == window:
                return buffer.name
        parent = self.buffers[base]
        shape = tuple(stop - start if i == axis else size for i, size in enumerate(parent.shape))
        return self.new(hint, parent.lead, shape, parent.kind, window)

    def lines(self) -> Iterator[Line]:
        """All lines, in order of execution."""
        for region in REGIONS:
            yield from self.regions[region]

    def root(self, name: str) -> str:
        """The array in whose memory `name` lies."""
        return root_of(name, self.buffers)

    def overlap(self, one: str, other: str) -> bool:
        """Whether two arrays may share an element."""
        return overlap(one, other, self.buffers)

    def may_swap(self, one: Statement, other: Statement, region: str) -> bool:
        """Whether two statements of a region give the same in either order.

        Neither may read what the other one writes, and what both write must be a sum that is begun before.
        """
        if any(self._meet(one.out, name, region) for name in other.reads):
            return False
        if any(self._meet(other.out, name, region) for name in one.reads):
            return False
        return (one.update and other.update) or not self._meet(one.out, other.out, region)

    def _meet(self, one: str, other: str, region: str) -> bool:
        """Whether two arrays may share an element, in a loop at one step: there t and t + 1 are apart."""
        apart = region.endswith("loop") and shift_of(one, self.buffers) != shift_of(other, self.buffers)
        return not apart and self.overlap(one, other)

    def settle(self) -> None:
        """Decide which lines define: of all that write to one place, the first; the others update it.

        So a pass may move the terms of a sum as it likes, as long as what they read is made before them and
        whoever reads the sum comes after them. What a loop sums up over its steps starts before it.
        """
        written: dict[str, list[str]] = {}
        for region in REGIONS:
            for i, line in enumerate(self.regions[region]):
                statement = line.statement
                before = written.setdefault(self.root(statement.out), [])
                update = any(self.overlap(statement.out, other) for other in before)
                if update != statement.update:
                    statement = replace(statement, update=update)
                    self.regions[region][i] = replace(line, statement=statement)
                if statement.out not in before:
                    before.append(statement.out)

    def is_static(self, name: str) -> bool:
        """Whether the array is the same for all samples and steps."""
        return not self.buffers[name].lead

    def finished(self, applied: str) -> Plan:
        """The edited plan, without the arrays that nothing uses any more."""
        plan = self.plan
        blocks = {region: _blocks(lines) for region, lines in self.regions.items()}
        forward = Pass(
            blocks["forward before"],
            replace(plan.forward.loop, blocks=blocks["forward loop"]),
            blocks["forward after"],
        )
        backward = Pass(
            blocks["backward before"],
            replace(plan.backward.loop, blocks=blocks["backward loop"]),
            blocks["backward after"],
        )
        return replace(
            plan,
            buffers=self._used_buffers(),
            prepare=blocks["prepare"],
            forward=forward,
            backward=backward,
            finish=blocks["finish"],
            applied=(*plan.applied, applied),
        )

    def _used_buffers(self) -> tuple[Buffer, ...]:
        plan = self.plan
        names = {plan.output, plan.output_cotangent, *plan.inputs, *plan.parameters, *plan.constants}
        names |= {gradient for _, gradient in plan.gradients}
        for carry in (*plan.forward.loop.carries, *plan.backward.loop.carries):
            names |= {carry.here, carry.there, carry.initial}
        for line in self.lines():
            names |= {line.statement.out, *line.statement.reads}
        queue = list(names)
        while queue:
            window = self.buffers[queue.pop()].window
            if window is not None and window.base not in names:
                names.add(window.base)
                queue.append(window.base)
        return tuple(buffer for buffer in self.buffers.values() if buffer.name in names)


def _lines(blocks: Iterable[Block]) -> list[Line]:
    return [Line(statement, block.title, block.sources) for block in blocks for statement in block.statements]


def _blocks(lines: Iterable[Line]) -> tuple[Block, ...]:
    """Lines put back into blocks: neighbours with one title share a block."""
    made: list[tuple[str, list[Statement], dict[str, None]]] = []
    for line in lines:
        if not made or made[-1][0] != line.title:
            made.append((line.title, [], {}))
        made[-1][1].append(line.statement)
        made[-1][2].update(dict.fromkeys(line.sources))
    return tuple(Block(title, tuple(statements), tuple(sources)) for title, statements, sources in made)


def over_time(contraction: Contraction, draft: Draft) -> Contraction:
    """The contraction outside of the loop: T joins B wherever an array has a time axis."""
    letters = [
        part.replace("B", "TB") if "T" in draft.buffers[name].lead else part
        for name, part in zip(contraction.operands, contraction.inputs, strict=True)
    ]
    out = contraction.output
    if "T" in draft.buffers[contraction.out].lead:
        out = out.replace("B", "TB")
    return replace(contraction, spec=f"{','.join(letters)}->{out}")


def over_time_line(line: Line, draft: Draft) -> Line:
    """The line outside of the loop."""
    if not isinstance(line.statement, Contraction):
        return line
    return replace(line, statement=over_time(line.statement, draft))


def first_defines(lines: Iterable[Line], defined: set[str]) -> list[Line]:
    """The lines, of which the first for each of the arrays `defined` defines it and the others update it."""
    seen: set[str] = set()
    made = []
    for line in lines:
        out = line.statement.out
        update = out in seen if out in defined else line.statement.update
        made.append(replace(line, statement=replace(line.statement, update=update)))
        seen.add(out)
    return made
