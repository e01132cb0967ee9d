"""How compiled code reaches the elements of a plan's arrays: names, indices and views."""

from sympy import Expr, Integer

from symrnn.kernels.layout import Layout
from symrnn.planning.ir import Buffer

INDENT = "    "
INDICES = "jklpq"


def indented(lines: list[str], levels: int = 1) -> list[str]:
    """The lines, indented."""
    return [f"{INDENT * levels}{line}" if line else line for line in lines]


class NumbaAccess:
    """The arrays of a plan inside one compiled pass over time."""

    elements: frozenset[str] = frozenset()
    """Arrays whose elements are local variables."""

    def __init__(self, layout: Layout) -> None:
        """Choose names of indices that the plan does not use."""
        self.layout = layout
        self.plan = layout.plan
        self.roles = dict(layout.plan.roles)
        self.t, self.b = layout.fresh("t"), layout.fresh("b")
        self.indices = [layout.fresh(index) for index in (*INDICES, *(f"{i}_" for i in INDICES))]
        self.arguments: dict[str, None] = {}  # arrays that the compiled function takes

    def place(self, buffer: Buffer) -> tuple[str, list[tuple[int, Expr, Expr]]]:
        """The array that holds it, and the ranges along sample axes (axis, start, stop)."""
        window = buffer.window
        if window is None or window.shift:
            return buffer.name, []
        base, ranges = self.place(self.layout.table[window.base])
        if window.start is not None and window.stop is not None:
            ranges = [*ranges, (window.axis, window.start, window.stop)]
        return base, ranges

    def sample_slices(self, buffer: Buffer) -> list[str]:
        """Index texts of the sample axes, none where all are whole."""
        base, ranges = self.place(buffer)
        if not ranges:
            return []
        shape = self.layout.table[base].shape
        spans = {axis: (Integer(0), size) for axis, size in enumerate(shape)}
        for axis, start, stop in ranges:
            offset = spans[axis][0]
            spans[axis] = (offset + start, offset + stop)
        return [self.layout.rows(start, stop, shape[axis]) for axis, (start, stop) in sorted(spans.items())]

    def at(self, buffer: Buffer) -> list[str]:
        """Index texts of the time axis inside a loop over time."""
        if "T" not in buffer.lead:
            return []
        return ["slot" if self.layout.is_brief(buffer) else self.t]

    def view(self, name: str, lead: list[str]) -> str:
        """The text of a view of an array with the given leading indices."""
        buffer = self.layout.table[name]
        base = self.layout.held_in(name).name
        self.arguments[base] = None
        index = [*lead, *self.sample_slices(buffer)]
        return f"{self.argument(base)}[{', '.join(index)}]" if index else self.argument(base)

    def argument(self, name: str) -> str:
        """The variable of an array inside the compiled function; gradients have an axis of parts."""
        return name

    def element_at(self, name: str, index: list[str]) -> str:
        """One element of an array, at sample b and step t where it has these axes."""
        buffer = self.layout.table[name]
        base, ranges = self.place(buffer)
        self.arguments[base] = None
        offset = dict.fromkeys(range(len(index)), Integer(0))
        for axis, start, _ in ranges:
            offset[axis] += start
        places = [
            text if offset[axis] == 0 else f"{self.layout.size(offset[axis])} + {text}"
            for axis, text in enumerate(index)
        ]
        lead = [*self.at(buffer), *([self.b] if "B" in buffer.lead else [])]
        inside = ", ".join([*lead, *places]) or "()"
        return f"{self.argument(base)}[{inside}]"
