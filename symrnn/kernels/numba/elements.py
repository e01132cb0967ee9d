"""Fused pointwise loops in Numba code: one loop over the elements of a sample for a group of statements."""

from sympy import Integer

from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.operations import POINTWISE, PointwiseFunction
from symrnn.kernels.expressions import Dialect, ExpressionPrinter
from symrnn.kernels.layout import Sourced
from symrnn.kernels.numba.access import INDENT, NumbaAccess, indented
from symrnn.planning.ir import Buffer, Pointwise

FUNCTIONS: dict[type[PointwiseFunction], str] = {f: f.facts.spelling.numba for f in POINTWISE}


class Elements:
    """The loop of one group of pointwise statements."""

    def __init__(self, writer: NumbaAccess, group: tuple[Sourced, ...]) -> None:
        self.writer = writer
        self.layout = writer.layout
        self.group = group
        self.shape = self.layout.table[group[0].statement.out].shape
        self.index = writer.indices[: len(self.shape)]
        self.before: list[str] = []  # once per sample: rows and scalars
        self.inside: list[str] = []  # once per element
        self.rows: dict[tuple[object, ...], str] = {}
        self.known: dict[str, str] = {}  # array -> local variable with its element
        self.taken = set(self.layout.taken)

    def lines(self) -> list[str]:
        """The lines of the loop."""
        for sourced in self.group:
            assert isinstance(sourced.statement, Pointwise)
            self.inside += [f"# {source}" for source in sourced.sources]
            self.statement(sourced.statement)
        depth = 1
        lines = [f"for {self.writer.b} in range(lo, hi):"]
        if len(self.shape) <= 1:
            lines += indented(self.before)
            for index, size in zip(self.index, self.shape, strict=True):
                lines.append(f"{INDENT * depth}for {index} in range({self.layout.size(size)}):")
                depth += 1
        else:
            for index, size in zip(self.index[:-1], self.shape[:-1], strict=True):
                lines.append(f"{INDENT * depth}for {index} in range({self.layout.size(size)}):")
                depth += 1
            lines += indented(self.before, depth)
            lines.append(
                f"{INDENT * depth}for {self.index[-1]} in range({self.layout.size(self.shape[-1])}):"
            )
            depth += 1
        return lines + indented(self.inside, depth)

    def fresh(self, name: str) -> str:
        """A variable name that is not taken in this loop."""
        made = unique_name(name, self.taken)
        self.taken.add(made)
        return made

    def statement(self, s: Pointwise) -> None:
        """Write one statement, the elements that it reads loaded first."""
        for name in s.reads:
            self.load(name)
        if s.update and s.out not in self.known:
            self.load(s.out)
        dialect = Dialect(
            lambda name: self.known[name],
            number=_typed,
            functions=FUNCTIONS,
            choose="({1} if {0} else {2})",
            logic=("and", "or", "not "),
            axis=lambda name: self.layout.axis_names[name],
        )
        right = ExpressionPrinter(dialect, self.writer.roles).text(s.expr)
        buffer = self.layout.table[s.out]
        if s.update:
            self.inside.append(f"{self.known[s.out]} += {right}")
        else:
            if s.out not in self.known:
                self.known[s.out] = self.fresh(f"{s.out}_{''.join(self.index) or 'b'}")
            self.inside.append(f"{self.known[s.out]} = {right}")
        if s.out not in self.writer.elements:
            self.inside.append(f"{self.target(buffer)} = {self.known[s.out]}")

    def load(self, name: str) -> None:
        """Make the element of an array a local variable."""
        if name in self.known:
            return
        buffer = self.layout.table[name]
        suffix = "".join(self.index) if buffer.shape else "b" if buffer.lead else "0"
        local = self.fresh(f"{name}_{suffix}")
        self.known[name] = local
        if buffer.shape:
            self.inside.append(f"{local} = {self.target(buffer)}")
        else:
            self.before.append(f"{local} = {self.writer.element_at(name, [])}")

    def target(self, buffer: Buffer) -> str:
        """The text of the current element in memory."""
        if not buffer.shape:
            return self.writer.element_at(buffer.name, [])
        base, ranges = self.writer.place(buffer)
        key = (base, tuple(ranges))
        if key not in self.rows:
            row = self.fresh(f"{buffer.name}_row")
            lead = [*self.writer.at(buffer), *([self.writer.b] if "B" in buffer.lead else [])]
            self.writer.arguments[base] = None
            outer = self.index[:-1]
            offsets = dict.fromkeys(range(len(self.shape)), Integer(0))
            for axis, start, _ in ranges:
                offsets[axis] += start
            outer_text = [
                f"{self.layout.size(offsets[i])} + {text}" if offsets[i] != 0 else text
                for i, text in enumerate(outer)
            ]
            slices = self.writer.sample_slices(buffer)
            last = [slices[-1]] if slices and slices[-1] != ":" else []
            index = [*lead, *outer_text, *last]
            array = self.writer.argument(base)
            self.before.append(f"{row} = {array}[{', '.join(index)}]" if index else f"{row} = {array}")
            self.rows[key] = row
        return f"{self.rows[key]}[{self.index[-1]}]"


def _typed(text: str) -> str:
    """A number in the kernel's own type."""
    if text == "1":
        return "one"
    if text == "0":
        return "zero"
    return f"real({text})"
