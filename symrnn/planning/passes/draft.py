"""A plan taken apart for editing: every statement on a line of its own, with its block's title."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace

from sympy import Expr

from symrnn.declaration.axes import Shape, Size, ranges
from symrnn.planning.ir import Block, Buffer, Pass, Statement, Window
from symrnn.planning.memory import overlap, root_of, shift_of, with_bases
from symrnn.planning.names import Names
from symrnn.planning.plan import BACKWARD, FORWARD, REGIONS, Plan


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
        self.regions = {region: _lines(blocks) for region, blocks in plan.regions.items()}

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

    def rows(self, parts: Iterable[str]) -> list[tuple[Size, Size]]:
        """The ranges of arrays that lie one after the other along their first axes."""
        return ranges(self.buffers[part].shape[0] for part in parts)

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

    def drop_unread(self, region: str, read: set[str], names: Container[str]) -> None:
        """Leave out what fills one of the arrays `names` without need; memory that is needed is in `read`."""
        kept: list[Line] = []
        for line in reversed(self.regions[region]):
            if line.statement.out not in names or self.root(line.statement.out) in read:
                kept.append(line)
                read |= {self.root(name) for name in line.statement.reads}
        self.regions[region] = kept[::-1]

    def is_static(self, name: str) -> bool:
        """Whether the array is the same for all samples and steps."""
        return not self.buffers[name].lead

    def finished(self, applied: str) -> Plan:
        """The edited plan, without the arrays that nothing uses any more."""
        plan = self.plan
        blocks = {region: _blocks(lines) for region, lines in self.regions.items()}
        forward, backward = (
            Pass(blocks[before], replace(through.loop, blocks=blocks[loop]), blocks[after])
            for through, (before, loop, after) in ((plan.forward, FORWARD), (plan.backward, BACKWARD))
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
        names |= {gradient for _, gradient in plan.gradients} | plan.carried
        for line in self.lines():
            names |= set(line.statement.arrays)
        kept = with_bases(names, self.buffers)
        return tuple(buffer for buffer in self.buffers.values() if buffer.name in kept)


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


def over_time_line(line: Line, draft: Draft) -> Line:
    """The line outside of the loop."""
    return replace(line, statement=line.statement.over_time(draft.buffers))


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
