"""The rules that every plan keeps, checked between passes."""

from collections import Counter
from collections.abc import Iterable, Iterator

from sympy import Integer

from symrnn.declaration.axes import Size, shape_text
from symrnn.errors import PlanError
from symrnn.planning.ir import Block, Buffer, Loop, Statement, describe
from symrnn.planning.memory import at_most, contains, overlap, root_of, shift_of
from symrnn.planning.plan import Plan
from symrnn.planning.shape_rules import Seen, shape_faults

GIVEN = ("input", "parameter", "constant", "initial state", "output cotangent", "final cotangent")


def check(plan: Plan) -> Plan:
    """`plan`, if it keeps all rules.

    Names are unique and known; windows lie in arrays of equal leading axes and have the size of their
    range; specs agree with leading axes, ranks and sizes; what all samples share is not made from one
    sample's data, except by a sum; nothing is read or updated before all of it is defined, nothing is
    defined twice or written once it has been read, nothing given from outside is written; before a loop every
    step is computed on its own; what the backward pass recomputes is made there before its loop; a
    recurrence that is marked as affine is made of known arrays.

    Raises:
        PlanError: the plan breaks a rule; the message names the block and the statement.
    """
    names = [buffer.name for buffer in plan.buffers]
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubles:
        raise PlanError(f"In the plan of {plan.name} several arrays are called {', '.join(doubles)}.")
    checker = _Checker(plan)
    for buffer in plan.buffers:
        checker.window(buffer)
    checker.arrange()
    checker.run()
    return plan


class _Checker:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.table = plan.table()
        self.defined = {b.name for b in plan.buffers if b.kind in GIVEN}
        self.kin: dict[str, list[Buffer]] = {}  # arrays by the memory in which they lie, once that is known
        self.looping = False
        self.region = ""
        self.made: set[str] = set()  # what some statement has written so far
        self.read: dict[str, dict[str, None]] = {}  # what some statement has read so far, by its memory
        self.shared = "memory shared" in plan.applied
        self.own_definition = {s.out for block in plan.blocks for s in block.statements if not s.update}

    def window(self, buffer: Buffer) -> None:
        if buffer.window is None:
            return
        base = self.table.get(buffer.window.base)
        if base is None:
            raise PlanError(
                f"{describe(buffer)} is a window of {buffer.window.base!r}, which does not exist."
            )
        if base.lead != buffer.lead:
            raise PlanError(f"{describe(buffer)} is a window of {describe(base)}: leading axes differ.")
        shape = list(base.shape)
        if buffer.window.rows is not None:
            start, stop = buffer.window.rows
            shape[buffer.window.axis] = (stop - start).expand()
        if tuple(shape) != buffer.shape:
            raise PlanError(
                f"{describe(buffer)} is a window of {describe(base)}, but its range has the shape "
                f"{shape_text(tuple(shape))}."
            )

    def arrange(self) -> None:
        """Put arrays of one memory together; windows are known to lie in arrays that exist."""
        for buffer in self.plan.buffers:
            self.kin.setdefault(root_of(buffer.name, self.table), []).append(buffer)

    def related(self, name: str) -> list[Buffer]:
        """The arrays in the memory in which `name` lies."""
        return self.kin[root_of(name, self.table)]

    def run(self) -> None:
        plan = self.plan
        self.blocks(plan.prepare, "prepare")
        for direction, through in (("forward", plan.forward), ("backward", plan.backward)):
            self.blocks(through.before, f"{direction} before")
            for carry in through.loop.carries:
                self.define(carry.here)
            self.looping = True
            self.blocks(through.loop.blocks, f"{direction} loop")
            self.looping = False
            for carry in through.loop.carries:
                if carry.there not in self.defined:
                    raise PlanError(f"In the plan of {plan.name} the loop never defines {carry.there!r}.")
            self.affine(through.loop)
            self.blocks(through.after, f"{direction} after")
        self.blocks(plan.finish, "finish")

    def affine(self, loop: Loop) -> None:
        """Recurrences marked as affine belong to the carries and use no carried array."""
        if not loop.affine:
            return
        carried = {carry.here for carry in loop.carries}
        known = {buffer.symbol for buffer in self.table.values() if buffer.name not in carried}
        for recurrence in loop.affine:
            symbols = recurrence.gain.free_symbols | recurrence.offset.free_symbols
            if recurrence.state not in carried or not symbols <= known | {*self.plan.axes}:
                raise PlanError(
                    f"In the plan of {self.plan.name} a loop is marked as an affine recurrence in "
                    f"{recurrence.state!r}: gain and offset must be made of arrays that it does not carry."
                )

    def blocks(self, blocks: Iterable[Block], region: str) -> None:
        self.region = region
        for block in blocks:
            for statement in block.statements:
                for fault in self.faults(statement):
                    raise PlanError(
                        f"In the plan of {self.plan.name}, block [{block.title}], {statement}: {fault}."
                    )
                self.done(statement)

    def faults(self, statement: Statement) -> Iterator[str]:
        """What is wrong with a statement at its place, first what the rest needs to be right."""
        out = statement.out
        yield from (f"there is no array {n!r}" for n in (*statement.reads, out) if n not in self.table)
        for name in statement.reads:
            if not self.is_defined(name):
                yield f"{name!r} is read before it is defined"
        if statement.update and not self.is_defined(out):
            yield f"{out!r} is updated before it is defined"
        if not statement.update and self.is_made(out):
            yield f"{out!r} is defined twice, and its first value is lost"
        if self.table[out].kind in GIVEN:
            yield f"{out!r} is given from outside and must not change"
        if (late := self.read_before(out)) is not None:
            yield f"{out!r} is written after {late!r} has been read"
        yield from self.misplaced(statement)
        yield from shape_faults(statement, Seen(self.table, self.looping))

    def done(self, statement: Statement) -> None:
        """Remember what a statement has written and read."""
        self.made.add(statement.out)
        for name in statement.reads:
            self.read.setdefault(root_of(name, self.table), {})[name] = None
        self.define(statement.out)

    def is_made(self, name: str) -> bool:
        """Whether a statement has written an array, or one that contains it and no other in its place."""
        if name in self.made:
            return True
        window = self.table[name].window
        twins = [b for b in self.related(name) if b.window == window and b.name != name]
        if window is None or window.whole or twins:
            return False
        return any(b.name in self.made and contains(b.name, name, self.table) for b in self.related(name))

    def read_before(self, name: str) -> str | None:
        """An array read so far that holds what `name` holds; once memory is shared, that is `name` alone."""
        for other in self.read.get(root_of(name, self.table), ()):
            shifted = self.looping and shift_of(name, self.table) != shift_of(other, self.table)
            apart = self.shared or shifted
            if other == name or (not apart and overlap(other, name, self.table)):
                return other
        return None

    def misplaced(self, statement: Statement) -> Iterator[str]:
        """What is done before a loop can be done for a part of the steps; there all recomputing is done."""
        out = self.table[statement.out]
        early = self.region.endswith("before")
        steps = any("T" in self.table[name].lead for name in statement.reads)
        if early and steps and "T" not in out.lead:
            yield f"{out.name!r} sums over time before the loop"
        if out.kind == "recomputed" and self.region != "backward before":
            yield f"{out.name!r} is to be recomputed before the backward loop"

    def is_defined(self, name: str) -> bool:
        """Whether a value has been written: to the array itself, to what contains it, or to all its parts."""
        if name in self.defined:
            return True
        window = self.table[name].window
        if window is not None and name not in self.own_definition and self.is_defined(window.base):
            return True
        return any(self.is_covered(name, axis) for axis in range(len(self.table[name].shape)))

    def is_covered(self, name: str, axis: int) -> bool:
        """Whether ranges of one axis that have been written make up an array."""
        buffer = self.table[name]
        window, base, start = buffer.window, name, Integer(0)
        stop: Size = buffer.shape[axis]
        if window is not None and window.rows is not None:
            if window.axis != axis:
                return False
            base, (start, stop) = window.base, window.rows
        windows = [b.window for b in self.related(name) if b.name in self.defined and b.window is not None]
        ranges = [w.rows for w in windows if w.base == base and w.axis == axis and w.rows is not None]
        following_at: dict[Size, Size] = dict(ranges)
        end: Size | None = start
        for _ in ranges:  # most ranges begin where another one ends
            end = following_at.get(end)
            if end is None or end == stop:
                break
        if end == stop:
            return True
        reached = [start]
        for position in reached:  # it grows
            following = [end for begin, end in ranges if at_most(begin, position)]
            reached += [end for end in following if (end - position).is_positive and end not in reached]
        return any(at_most(stop, position) for position in reached)

    def define(self, name: str) -> None:
        """Mark `name` as written, and what lay in exactly the same place as overwritten."""
        window = self.table[name].window
        for other in self.related(name):
            same_place = other.window is not None and other.window == window and not other.window.shift
            continued = window is not None and window.whole and window.base == other.name and not window.shift
            if other.name != name and (same_place or continued) and other.kind not in GIVEN:
                self.defined.discard(other.name)
        self.defined.add(name)
