"""Which variable holds what part of which array, at one point of a function.

A plan overwrites ranges of memory; text that autodiff goes through names values instead. So every write
is a new variable for a range of the array that owns the memory, and a read finds the latest writes to its
range.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sympy import Expr, Integer

from symrnn.errors import EmissionError
from symrnn.planning.ir import Buffer

Range = tuple[Expr, Expr]
Ranges = tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A variable that holds the array `name`, a range of its owner's memory, from some line on.

    `key` tells it from all others: a variable may be bound again. `lead` is the number of axes before a
    sample's.
    """

    key: int
    name: str
    variable: str
    ranges: Ranges
    lead: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what a variable holds: `ranges` count from the variable's own start."""

    held: Held
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Seam:
    """Two ranges of an array that lie in different variables, to be put together along `axis`."""

    axis: int
    low: Ranges
    high: Ranges


class Values:
    """Where the current value of every array is.

    Ranges are compared as numbers, for some sizes, and written as text.
    """

    def __init__(self, table: Mapping[str, Buffer], number: Callable[[Expr], int]) -> None:
        self.table = table
        self.number = number
        self.writes: dict[str, list[Held]] = {}

    def place(self, name: str) -> tuple[str, Ranges]:
        """The array that owns the memory of `name`, and the range in it; a later step is another memory."""
        buffer = self.table[name]
        window = buffer.window
        if window is None or window.shift:
            return name, tuple((Integer(0), size) for size in buffer.shape)
        root, outer = self.place(window.base)
        if window.start is None or window.stop is None:
            return root, outer
        ranges = list(outer)
        first = outer[window.axis][0]
        ranges[window.axis] = (first + window.start, first + window.stop)
        return root, tuple(ranges)

    def contains(self, outer: Ranges, inner: Ranges) -> bool:
        """Whether `inner` lies in `outer`."""
        number = self.number
        return all(
            number(a) <= number(b) and number(d) <= number(c)
            for (a, c), (b, d) in zip(outer, inner, strict=True)
        )

    def disjoint(self, one: Ranges, other: Ranges) -> bool:
        """Whether two ranges have no element in common."""
        number = self.number
        return any(
            number(b) <= number(c) or number(d) <= number(a)
            for (a, b), (c, d) in zip(one, other, strict=True)
        )

    def write(self, name: str, variable: str, key: int, lead: int) -> Held:
        """Note that `variable` holds the array `name` from here on."""
        root, ranges = self.place(name)
        made = Held(key, name, variable, ranges, lead)
        self.writes.setdefault(root, []).append(made)
        return made

    def all(self) -> list[Held]:
        """All that was written, array by array."""
        return [held for writes in self.writes.values() for held in writes]

    def cut_axis(self, held: Held, parts: list[Ranges]) -> int | None:
        """The axis along which the parts make up the variable, end to end; None if they do not."""
        if len(parts) < 2:
            return None
        number = self.number
        whole = [number(stop - start) for start, stop in held.ranges]
        for axis, size in enumerate(whole):
            bounds = sorted((number(part[axis][0]), number(part[axis][1])) for part in parts)
            ends = [0, *(stop for _, stop in bounds)]
            joined = [start for start, _ in bounds] == ends[:-1] and ends[-1] == size
            others = all(
                number(stop - start) == whole[i]
                for part in parts
                for i, (start, stop) in enumerate(part)
                if i != axis
            )
            if joined and others:
                return axis
        return None

    def find(self, root: str, ranges: Ranges) -> Piece | Seam:
        """Where a range of the array `root` is: in one variable, or in several."""
        for held in reversed(self.writes.get(root, ())):
            if self.contains(held.ranges, ranges):
                inside = tuple(
                    (start - first, stop - first)
                    for (start, stop), (first, _) in zip(ranges, held.ranges, strict=True)
                )
                return Piece(held, inside)
            if not self.disjoint(held.ranges, ranges):
                return self.seam(ranges, held.ranges)
        raise EmissionError(f"A function reads {root!r} before the plan has given it a value.")

    def seam(self, ranges: Ranges, held: Ranges) -> Seam:
        """`ranges` cut where the range `held`, which overlaps, begins or ends inside it."""
        number = self.number
        for axis, ((start, stop), bounds) in enumerate(zip(ranges, held, strict=True)):
            for bound in bounds:
                if number(start) < number(bound) < number(stop):
                    low, high = (start, bound), (bound, stop)
                    return Seam(axis, *((*ranges[:axis], part, *ranges[axis + 1 :]) for part in (low, high)))
        raise EmissionError("Two ranges that overlap, neither inside the other, have a bound in common.")
