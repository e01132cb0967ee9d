"""A plan as NumPy statements: readable expressions, one line each, a Python loop over time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from symrnn.declaration.operations import POINTWISE, PointwiseFunction, stop_gradient
from symrnn.errors import EmissionError
from symrnn.kernels.expressions import Dialect, ExpressionPrinter
from symrnn.kernels.layout import Layout
from symrnn.planning.ir import (
    BACKWARD,
    FORWARD,
    Block,
    Buffer,
    Contraction,
    Fill,
    Gather,
    Largest,
    Pass,
    Pointwise,
    Scatter,
    Stack,
    Statement,
)

FUNCTIONS: dict[type[PointwiseFunction], str] = {f: f.facts.spelling.numpy for f in POINTWISE}
PLAIN = {f: f.facts.spelling.numpy_once for f in POINTWISE if f.facts.spelling.numpy_once}
"""For what parameters alone determine: NumPy computes that whatever the target, without its functions."""
PRODUCTS = {
    **dict.fromkeys(FORWARD, "{1} @ {0}.T"),
    **dict.fromkeys(BACKWARD, "{0} @ {1}"),
    "Bi,Bj->ij": "{0}.T @ {1}",
    "TBi,TBj->ij": "np.tensordot({0}, {1}, ((0, 1), (0, 1)))",
    "Bi->i": "{0}.sum(axis=0)",
    "TBi->i": "{0}.sum(axis=(0, 1))",
    "ij,j->i": "{0} @ {1}",
    "ij->ji": "{0}.T",
}
"""How NumPy says contractions for which it has more than `einsum`, by their specs."""
INDENT = "    "


def only_looks(statement: Statement) -> bool:
    """Whether NumPy makes no new array for a right side, but another look at an old one.

    What is added to such an array later would be added to the old one too, be it a user's.
    """
    if isinstance(statement, Contraction):
        (first, *others), output = statement.inputs, statement.output
        return not others and sorted(first) == sorted(output)
    if not isinstance(statement, Pointwise):
        return False
    expr = statement.expr
    while isinstance(expr, stop_gradient):
        expr = expr.args[0]
    return bool(expr.is_Symbol)


class NumpyWriter:
    """Writes the statements of a plan; every method gives lines without a base indent."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.plan = layout.plan
        self.makers: dict[str, list[Statement]] = {}  # by array the statements that write it
        for statement in (s for block in self.plan.blocks for s in block.statements):
            self.makers.setdefault(statement.out, []).append(statement)
        self.writes = Counter(layout.root(s.out).name for block in self.plan.blocks for s in block.statements)
        self.t = layout.fresh("t")

    # -- names of arrays ------------------------------------------------------------------------

    def is_local(self, buffer: Buffer) -> bool:
        """Whether the array lives for one step, as a local variable."""
        root = self.layout.root(buffer.name)
        return (
            root.lead == "B"
            and not self.layout.is_base(root.name)
            and root.kind in ("value", "recomputed", "adjoint")
        )

    def access(self, name: str, looping: bool) -> str:
        """The text that reads or writes the array `name`."""
        buffer = self.layout.table[name]
        if self.is_local(buffer):
            return name
        if "T" not in buffer.lead:
            return self.static_text(buffer)
        if looping:
            return f"{name}[{self.t}]"
        return (
            f"{name}[:-1]" if self.layout.held_in(name).extended else name
        )  # without the last step's result

    def static_text(self, buffer: Buffer) -> str:
        """The text of a shared array: its name, or the range of another one that it is."""
        window = buffer.window
        if window is None or buffer.lead:
            return buffer.name
        assert window.start is not None
        assert window.stop is not None
        base = self.layout.table[window.base]
        rows = self.layout.rows(window.start, window.stop, base.shape[window.axis])
        return f"{self.static_text(base)}[{', '.join([':'] * window.axis + [rows])}]"

    # -- expressions ------------------------------------------------------------------------------

    def expression(self, statement: Pointwise, looping: bool) -> str:
        """The right side of a pointwise statement."""
        out = self.layout.table[statement.out]

        def array(name: str) -> str:
            buffer = self.layout.table[name]
            text = self.access(name, looping)
            if out.shape and not buffer.shape and buffer.lead:
                lead = len(buffer.lead) - (looping and "T" in buffer.lead)
                return f"{text}[{', '.join([':'] * lead + ['None'] * len(out.shape))}]"
            return text

        dialect = Dialect(
            array,
            number=str,
            functions=FUNCTIONS if out.lead else FUNCTIONS | PLAIN,
            choose="np.where({}, {}, {})",
            logic=("&", "|", "~"),
            axis=lambda name: self.layout.axis_names[name],
        )
        return ExpressionPrinter(dialect, dict(self.plan.roles)).text(statement.expr)

    def covers(self, statement: Pointwise) -> bool:
        """Whether the expression has the shape of the result without being repeated."""
        out = self.layout.table[statement.out]
        reads = [self.layout.table[name] for name in statement.reads]
        shape = not out.shape or any(b.shape for b in reads)
        return shape and (not out.lead or any(b.lead for b in reads))

    # -- statements -------------------------------------------------------------------------------

    def contraction(self, s: Contraction, looping: bool) -> str:
        """The right side of a contraction."""
        texts = [self.access(name, looping) for name in s.operands]
        if s.spec in PRODUCTS:
            return PRODUCTS[s.spec].format(*texts)
        return f'np.einsum("{s.spec}", {", ".join(texts)})'

    def over_all_rows(self, s: Contraction) -> bool:
        """Whether a statement fills an array with one product over all steps and samples."""
        if s.update or s.spec not in (FORWARD[1], BACKWARD[1]):
            return False
        matrix = s.operands[0 if s.spec in FORWARD else 1]
        return not self.layout.table[matrix].lead and not self.binds(self.layout.table[s.out])

    def product(self, s: Contraction) -> str:
        """The line of such a product."""
        one, other = (self.access(name, looping=False) for name in s.operands)
        rows, matrix = (other, f"{one}.T") if s.spec in FORWARD else (one, other)
        return f"_multiply({rows}, {matrix}, {self.access(s.out, looping=False)})"

    def right_side(self, statement: Statement, looping: bool) -> str:
        """What a statement computes."""
        writers: dict[type[Statement], Callable[[Any, bool], str]] = {
            Contraction: self.contraction,
            Pointwise: self.expression,
            Gather: lambda s, looping: self.picked(s.operand, s.index, looping),
            Largest: lambda s, looping: f"{self.access(s.operand, looping)}.max(axis=-1, initial=-np.inf)",
            Stack: self.stacked,
            Fill: self.filled,
        }
        writer = writers.get(type(statement))
        if writer is None:
            raise EmissionError(f"The NumPy target cannot write {type(statement).__name__}.")
        return writer(statement, looping)

    def stacked(self, s: Stack, looping: bool) -> str:
        """The right side of a stack."""
        buffer = self.layout.table[s.out]
        lead = len(buffer.lead) - (looping and "T" in buffer.lead)
        parts = ", ".join(self.access(part, looping) for part in s.parts)
        if buffer.kind == "prepared":
            memory = f'memory("{buffer.name}", {self.layout.shape(buffer)}, dtype)'
            return f"np.concatenate([{parts}], out={memory})"
        return f"np.concatenate([{parts}], axis={lead})" if lead else f"np.concatenate([{parts}])"

    def filled(self, s: Fill, looping: bool) -> str:
        """The right side of a fill."""
        buffer = self.layout.table[s.out]
        if s.what == "identity":
            return f"np.eye({self.layout.size(buffer.shape[0])}, dtype=dtype)"
        axes = buffer.lead.replace("T", "") if looping else buffer.lead
        return f"np.{s.what}({self.layout.shape(replace(buffer, lead=axes))}, dtype)"

    def binds(self, buffer: Buffer) -> bool:
        """Whether the first statement of an array makes a new variable instead of filling memory."""
        if buffer.lead:
            return self.is_local(buffer)
        return buffer.window is None and not self.filled_by_parts(buffer) and not self.copied_result(buffer)

    def copied_result(self, buffer: Buffer) -> bool:
        """Whether an array is a gradient made by copying, which can go straight to the caller."""
        made = self.makers.get(buffer.name, [])
        copied = len(made) == 1 and isinstance(made[0], Pointwise) and made[0].expr.is_Symbol
        return copied and bool(buffer.shape) and buffer.name in self.layout.results

    def needs_memory(self, statement: Statement) -> bool:
        """Whether what a new variable looks at, or the variable itself, is written to by other statements."""
        if isinstance(statement, Pointwise) and statement.expr.is_Symbol:
            return True
        roots = {self.layout.root(name).name for name in (statement.out, *statement.reads)}
        return only_looks(statement) and any(self.writes[root] > 1 for root in roots)

    def statement(self, statement: Statement, looping: bool) -> list[str]:
        """The lines of one statement."""
        buffer = self.layout.table[statement.out]
        if not looping and isinstance(statement, Contraction) and self.over_all_rows(statement):
            return [self.product(statement)]
        if isinstance(statement, Scatter):
            return self.scatter(statement, looping)
        right = self.right_side(statement, looping)
        target = self.access(statement.out, looping)
        if statement.update:
            if buffer.shape or buffer.lead:
                return [f"{target} += {right}"]
            return [f"{target} = {target} + {right}"]  # a scalar: NumPy's are immutable
        return self.defined(statement, target, right, looping)

    def defined(self, statement: Statement, target: str, right: str, looping: bool) -> list[str]:
        """The lines that give an array its first contents."""
        buffer = self.layout.table[statement.out]
        if not self.binds(buffer):
            ranked = len(buffer.shape) + len(buffer.lead) - (looping and "T" in buffer.lead)
            whole = target if target.endswith("]") else f"{target}[{'...' if ranked != 1 else ':'}]"
            return [f"{whole} = {right}"]
        if isinstance(statement, Pointwise) and not self.covers(statement):
            shape = self.layout.shape(buffer)
            return [f"{target} = np.empty({shape}, dtype)", f"{target}[...] = {right}"]
        if self.needs_memory(statement):
            right = f"{right}.copy()"
        return [f"{target} = {right}"]

    def picked(self, rows: str, index: str, looping: bool) -> str:
        """The text of the rows, or elements, of an array that the samples' index picks."""
        text, at = self.access(rows, looping), self.access(index, looping)
        if not self.layout.table[rows].lead:
            return f"{text}[{at}]"
        return f"{text}[(*np.indices({at}.shape, sparse=True), {at})]"

    def scatter(self, s: Scatter, looping: bool) -> list[str]:
        """The lines that add to the rows that the samples' index picks."""
        lines = [] if s.update else self.statement(Fill(s.out, "zeros"), looping)
        operand = self.access(s.operand, looping)
        if self.layout.table[s.out].lead:
            return [*lines, f"{self.picked(s.out, s.index, looping)} += {operand}"]
        target, at = self.access(s.out, looping), self.access(s.index, looping)
        return [*lines, f"np.add.at({target}, {at}, {operand})"]

    def blocks(self, blocks: tuple[Block, ...], looping: bool) -> list[str]:
        """The lines of blocks, each under its equations."""
        lines: list[str] = []
        for block in blocks:
            needed = [s for s in block.statements if s not in self.layout.optional]
            extra = [s for s in block.statements if s in self.layout.optional]
            comments = [f"# {source}" for source in block.sources]
            body = [line for s in needed for line in self.statement(s, looping)]
            if body:
                lines += [*comments, *body]
            if extra:
                lines += ["if input_gradients:"]
                lines += [f"{INDENT}{line}" for line in comments if not body]
                lines += [f"{INDENT}{line}" for s in extra for line in self.statement(s, looping)]
        return lines

    # -- memory -----------------------------------------------------------------------------------

    def allocations(self, kinds: tuple[str, ...], given: set[str]) -> list[str]:
        """Lines that allocate what must exist before it is filled, but for `given`, and name its parts."""
        lines = []
        lines += [
            self.layout.allocation(buffer)
            for buffer in self.layout.kinds(*kinds)
            if not self.is_local(buffer) and not self.binds(buffer) and buffer.name not in given
        ]
        for buffer in self.plan.buffers:
            window = buffer.window
            if window is None or not buffer.lead or window.shift or buffer.kind not in kinds:
                continue
            if self.is_local(buffer):
                continue
            lines.append(self.part(buffer))
        return lines

    def filled_by_parts(self, buffer: Buffer) -> bool:
        """Whether statements write ranges of an array and never the whole."""
        return buffer.name not in self.makers and self.layout.is_base(buffer.name)

    def part(self, buffer: Buffer) -> str:
        """A line that names a range of another array."""
        window = buffer.window
        assert window is not None
        if window.start is None or window.stop is None:
            return f"{buffer.name} = {window.base}  # in its place"
        base = self.layout.table[window.base]
        rows = self.layout.rows(window.start, window.stop, base.shape[window.axis])
        index = ", ".join([":"] * (len(buffer.lead) + window.axis) + [rows])
        return f"{buffer.name} = {window.base}[{index}]"

    def saved_parts(self) -> list[str]:
        """Lines that name the ranges of saved memory that the backward pass reads."""
        lines = []
        for name, _ in self.plan.saved:
            buffer = self.layout.table[name]
            if buffer.window is not None and not buffer.window.shift:
                lines.append(self.part(buffer).partition("  #")[0])
        return lines

    def part_of_output(self) -> str:
        """The output (T, B, ...) as a view of the memory that holds it."""
        buffer = self.layout.table[self.plan.output]
        if buffer.window is None or buffer.window.shift:
            return self.access(buffer.name, looping=False)
        if buffer.window.whole:
            return buffer.window.base
        return self.part(buffer).partition(" = ")[2]

    def once_after_loop(self, made: set[str]) -> list[str]:
        """Lines after the backward loop that touch no sample: cutting up packed gradients, finishing.

        `made` are the gradients that compiled code has made already.
        """
        through, lines = self.plan.backward, []
        lines += [
            self.layout.allocation(buffer)
            for buffer in self.layout.kinds("gradient")
            if not buffer.lead and buffer.name not in made and not self.binds(buffer)
        ]
        blocks = []
        for block in (*through.before, *through.after, *self.plan.finish):
            kept = tuple(
                s
                for s in block.statements
                if not any(self.layout.table[n].lead for n in (s.out, *s.reads)) and not self.refill(s, made)
            )
            blocks.append(Block(block.title, kept, block.sources if block in self.plan.finish else ()))
        return lines + self.blocks(tuple(blocks), looping=False)

    def refill(self, statement: Statement, made: set[str]) -> bool:
        """Whether a statement sets to zero what compiled code has added up from zero."""
        return isinstance(statement, Fill) and statement.out in made

    # -- passes -----------------------------------------------------------------------------------

    def forward(self, given: set[str]) -> list[str]:
        """The body of the forward pass; memory for the arrays `given` is there already."""
        go_on: list[str] = []
        for carry in self.plan.forward.loop.carries:
            now, later = f"{carry.here}[{self.t}]", f"{carry.here}[{self.t} + 1]"
            go_on += [f"    {later} = {carry.there}[{self.t}]", f"    {later}[ended] = {now}[ended]"]
        if go_on:
            go_on = ["if lengths is not None:", f"    ended = {self.t} + 1 >= lengths", *go_on]
        return [*self.allocations(("value",), given), *self.over_time(self.plan.forward, [], go_on)]

    def backward(self) -> list[str]:
        """The body of the backward pass, up to the gradients."""
        lines = self.allocations(("recomputed", "adjoint", "gradient"), set())
        carries = self.plan.backward.loop.carries
        lines += [f"{carry.here} = {carry.here}.copy()" for carry in carries]
        hand_back = [f"{carry.here} = {carry.there}" for carry in carries]
        begin = [f"    {carry.here}[ending] = {carry.initial}[ending]" for carry in carries]
        if begin:
            begin = ["if lengths is not None:", f"    ending = {self.t} == lengths - 1", *begin]
        lines += self.over_time(self.plan.backward, begin, hand_back)
        finish = self.blocks(self.plan.finish, looping=False)
        in_place = {b.name for b in self.layout.kinds("gradient") if not self.binds(b)}
        return [*lines, *finish, *self.layout.result_lines(in_place)]

    def over_time(self, through: Pass, begin: list[str], end: list[str]) -> list[str]:
        """The lines of a pass; `begin` and `end` stand at the ends of every step."""
        lines = self.blocks(through.before, looping=False)
        inside = [*begin, *self.blocks(through.loop.blocks, looping=True), *end]
        steps = "reversed(range(T))" if through.loop.backwards else "range(T)"
        if inside:
            lines += [f"for {self.t} in {steps}:", *(f"{INDENT}{line}" for line in inside)]
        return lines + self.blocks(through.after, looping=False)
