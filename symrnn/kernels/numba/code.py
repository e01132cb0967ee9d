"""A plan as Numba code: the whole loop over time compiled, one slice of the batch per call.

Pointwise statements of one shape share a loop over elements. Arrays keep their plan names; `<name>_row` is a
contiguous row of one sample, `<name>_j` an element. Arrays that lie in the same memory share one row, because
two views of it would keep the compiler from using vector instructions.
"""

import re
from collections.abc import Callable

from symrnn.declaration.normal_form import unique_name
from symrnn.kernels.layout import Layout, Sourced, fused
from symrnn.kernels.numba.access import INDENT, NumbaAccess, indented
from symrnn.kernels.numba.elements import Elements
from symrnn.kernels.numba.rows import ROW_LINES
from symrnn.planning.ir import (
    BACKWARD,
    FORWARD,
    Buffer,
    Contraction,
    Fill,
    Pass,
    Pointwise,
    Statement,
)

OUTER = "TBi,TBj->ij"
"""The gradient of a weight matrix: one product over all steps and samples."""


def _uses_slot(lines: list[str]) -> bool:
    return any(re.search(r"\bslot\b", line) for line in lines)


class NumbaWriter(NumbaAccess):
    """Writes the body of one compiled pass over time."""

    def __init__(self, layout: Layout, through: Pass, own_kinds: tuple[str, ...]) -> None:
        super().__init__(layout)
        self.through = through
        self.groups = {
            "before": fused(through.before, layout),
            "loop": fused(through.loop.blocks, layout),
            "after": fused(through.after, layout),
        }
        self.own_kinds = own_kinds  # arrays that this pass makes
        self.panels: dict[tuple[str, bool], str] = {}  # (matrix, transposed) -> argument with its panels
        self.outer: list[Contraction] = []  # weight gradients, which need scratch memory
        self.elements = self._elementwise_only()

    # -- what needs memory --------------------------------------------------------------------

    def _elementwise_only(self) -> frozenset[str]:
        """Arrays that live within one fused group: elements of these are local variables."""
        places: dict[str, set[tuple[str, int]]] = {}
        for region, groups in self.groups.items():
            for number, group in enumerate(groups):
                for statement in (sourced.statement for sourced in group):
                    for name in {statement.out, *statement.reads}:
                        tag = (region, number if isinstance(statement, Pointwise) else -number - 1)
                        places.setdefault(name, set()).add(tag)
        carried = {n for c in self.through.loop.carries for n in (c.here, c.there)}
        saved = {name for name, _ in self.plan.saved} | {self.plan.output}
        found = set()
        for name, where in places.items():
            buffer = self.layout.table[name]
            single = len(where) == 1 and next(iter(where))[1] >= 0
            own = (
                buffer.window is None or buffer.window.whole
            )  # a range of another array is read through that
            mine = buffer.kind in self.own_kinds and buffer.kind != "gradient" and buffer.lead and own
            if single and mine and name not in carried | saved and not self.layout.is_base(name):
                found.add(name)
        return frozenset(found)

    def memory(self) -> list[Buffer]:
        """The arrays that the wrapper allocates for this pass, each memory once."""
        roots: dict[str, None] = {}
        for groups in self.groups.values():
            for group in groups:
                for statement in (sourced.statement for sourced in group):
                    for name in (statement.out, *statement.reads):
                        root = self.layout.root(name)
                        if (
                            root.kind in self.own_kinds
                            and name not in self.elements
                            and self.compiled(statement)
                        ):
                            roots[root.name] = None
        for carry in self.through.loop.carries:
            for name in (carry.here, carry.there):
                roots[self.layout.root(name).name] = None
        return [b for b in self.plan.buffers if b.name in roots]

    def compiled(self, statement: Statement) -> bool:
        """Whether the statement moves data of samples; the rest is left to Python, once per call."""
        names = (statement.out, *statement.reads)
        return any(self.layout.table[name].lead for name in names)

    # -- access ---------------------------------------------------------------------------------

    def rows(self, name: str) -> str:
        """All rows of the batch slice at step t: (rows, ...)."""
        return self.view(name, [*self.at(self.layout.table[name]), "lo:hi"])

    # -- statements -----------------------------------------------------------------------------

    def body(self, region: str) -> list[str]:
        """The lines of a region for one step of time."""
        return [line for group in self.moving(region) for line in self.group(group)]

    def moving(self, region: str) -> list[tuple[Sourced, ...]]:
        """The groups of a region without the statements that are left to Python."""
        groups = [tuple(s for s in group if self.compiled(s.statement)) for group in self.groups[region]]
        return [group for group in groups if group]

    def group(self, group: tuple[Sourced, ...]) -> list[str]:
        """The lines of one group, its equations above them."""
        first = group[0].statement
        comments = [f"# {source}" for source in group[0].sources]
        if isinstance(first, Pointwise):
            return Elements(self, group).lines()
        if isinstance(first, Contraction):
            return [*comments, *self.contraction(first)]
        if isinstance(first, Fill):
            return [f"{self.rows(first.out)}[...] = {'one' if first.what == 'ones' else 'zero'}"]
        return [*comments, *ROW_LINES[type(first)](self, first)]

    def contraction(self, s: Contraction) -> list[str]:
        """A product on packed panels where it is one, else nested loops."""
        update = str(s.update)
        if s.spec in FORWARD and not self.layout.table[s.operands[0]].lead:
            panels = self.panels_of(s.operands[0], transposed=True)
            return [f"_multiply({self.rows(s.operands[1])}, {panels}, {self.rows(s.out)}, {update})"]
        if s.spec in BACKWARD and not self.layout.table[s.operands[1]].lead:
            panels = self.panels_of(s.operands[1], transposed=False)
            return [f"_multiply({self.rows(s.operands[0])}, {panels}, {self.rows(s.out)}, {update})"]
        return self.nested(s)

    def panels_of(self, matrix: str, transposed: bool) -> str:
        """The argument that holds the panels of a shared matrix."""
        key = (matrix, transposed)
        if key not in self.panels:
            self.panels[key] = unique_name(f"{matrix}_panels", self.layout.taken | set(self.panels.values()))
        return self.panels[key]

    def over_steps(self, s: Statement, bias: str | None = None) -> list[str] | None:
        """The call that serves the steps first to last together: a product on panels; None if it is none.

        `bias` is an array that the products are added to.
        """
        if not isinstance(s, Contraction):
            return None
        if s.spec == OUTER:
            left, right = (self.some_rows(name) for name in s.operands)
            self.outer.append(s)
            return [f"_add_outer({left}, {right}, {self.view(s.out, [])}, scratch[part])"]
        if s.spec == FORWARD[1]:
            matrix, operand, transposed = *s.operands, True
        elif s.spec == BACKWARD[1]:
            operand, matrix, transposed = *s.operands, False
        else:
            return None
        if self.layout.table[matrix].lead:
            return None
        panels = self.panels_of(matrix, transposed)
        rows, out = self.some_rows(operand), self.some_rows(s.out)
        start = self.view(bias, []) if bias else out
        return [f"_multiply_steps({rows}, {panels}, {out}, {s.update or bias is not None}, {start})"]

    def bias_of(self, s: Statement, group: tuple[Sourced, ...]) -> str | None:
        """The shared array that all of `group` adds to what the product `s` defines; None if it does more."""
        if not isinstance(s, Contraction) or s.update or len(group) != 1:
            return None
        then = group[0].statement
        if not (isinstance(then, Pointwise) and then.update and then.out == s.out and then.expr.is_Symbol):
            return None
        added, out = self.layout.table[then.reads[0]], self.layout.table[s.out]
        return added.name if not added.lead and added.shape == out.shape and len(out.shape) == 1 else None

    def some_rows(self, name: str) -> str:
        """The rows of the batch slice at the steps first to last: (steps, rows, ...)."""
        buffer = self.layout.table[name]
        steps = ": last - first" if self.layout.is_brief(buffer) else "first:last"
        return self.view(name, [steps, "lo:hi"])

    def nested(self, s: Contraction) -> list[str]:
        """Loops over the result's axes, and within them over the summed ones."""
        letters = [letter for letter in s.output if letter not in "TB"]
        summed = [c for c in dict.fromkeys("".join(s.inputs)) if c not in "TB" and c not in s.output]
        variables = dict(zip([*letters, *summed], self.indices, strict=False))
        sizes = self.letter_sizes(s)
        batched = any("B" in part for part in s.inputs)

        def element(name: str, part: str) -> str:
            return self.element_at(name, [variables[c] for c in part if c not in "TB"])

        product = " * ".join(element(n, p) for n, p in zip(s.operands, s.inputs, strict=True))
        target = element(s.out, s.output)
        gradient = "B" not in s.output and batched
        lines: list[str] = []
        depth = 0
        if batched:
            lines.append(f"for {self.b} in range(lo, hi):")
            depth += 1
        for letter in letters:
            lines.append(f"{INDENT * depth}for {variables[letter]} in range({sizes[letter]}):")
            depth += 1
        pad = INDENT * depth
        assign = "+=" if s.update or gradient else "="
        if not summed:
            return [*lines, f"{pad}{target} {assign} {product}"]
        lines.append(f"{pad}total = zero")
        for letter in summed:
            lines.append(f"{INDENT * depth}for {variables[letter]} in range({sizes[letter]}):")
            depth += 1
        return [*lines, f"{INDENT * depth}total += {product}", f"{pad}{target} {assign} total"]

    def letter_sizes(self, s: Contraction) -> dict[str, str]:
        """The text of every letter's length."""
        sizes = {}
        for name, part in zip((*s.operands, s.out), (*s.inputs, s.output), strict=True):
            sample = part.replace("T", "").replace("B", "")
            for letter, size in zip(sample, self.layout.table[name].shape, strict=True):
                sizes[letter] = self.layout.size(size)
        return sizes

    def over_samples(
        self, buffers: list[Buffer], line: Callable[[Buffer, list[str]], str], condition: str = ""
    ) -> list[str]:
        """Loops over the elements of a slice of the batch: `line` writes what happens to one of them.

        `condition` chooses samples.

        Element by element, because assignments between whole arrays take Numba seconds to compile.
        """
        made: list[str] = []
        for shape in dict.fromkeys(buffer.shape for buffer in buffers):
            index = [self.b, *self.indices[: len(shape)]]
            body = [line(buffer, index) for buffer in buffers if buffer.shape == shape]
            for name, size in reversed(list(zip(index[1:], shape, strict=True))):
                body = [f"for {name} in range({self.layout.size(size)}):", *indented(body)]
            body = [f"if {condition}:", *indented(body)] if condition else body
            made += [f"for {self.b} in range(lo, hi):", *indented(body)]
        return made

    # -- passes -----------------------------------------------------------------------------------

    def lines(self) -> list[str]:
        """The body of the compiled function: chunks of time steps, whose arrays stay in the cache."""
        backwards = self.through.loop.backwards
        before, after = self.together("before"), self.together("after")
        inside = [*self.body("loop"), *self.hand_back()]
        inside = [*self.begin_at_ends(), *inside] if backwards else [*inside, *self.go_on()]
        if not before and not after and not _uses_slot(inside):
            return self.time_loop(inside, "range(T - 1, -1, -1)" if backwards else "range(T)")
        steps = "range(last - 1, first - 1, -1)" if backwards else "range(first, last)"
        chunk = [*before, *self.time_loop(inside, steps), *after]
        if backwards:
            return ["for last in range(T, 0, -steps):", *indented(["first = max(last - steps, 0)", *chunk])]
        return ["for first in range(0, T, steps):", *indented(["last = min(first + steps, T)", *chunk])]

    def time_loop(self, body: list[str], steps: str) -> list[str]:
        """A loop over time; ``slot`` is where a step lies in arrays that hold the steps first to last."""
        if not body:
            return []
        place = [f"slot = {self.t} - first"] if _uses_slot(body) else []
        return [f"for {self.t} in {steps}:", *indented([*place, *body])]

    def hand_back(self) -> list[str]:
        """Copies of what the next step takes, where it does not lie in place."""
        if not self.through.loop.backwards:
            return []
        apart = [
            carry
            for carry in self.through.loop.carries
            if self.layout.root(carry.there).name != self.layout.root(carry.here).name
        ]
        return [f"{self.rows(carry.here)}[...] = {self.rows(carry.there)}" for carry in apart]

    def go_on(self) -> list[str]:
        """The states before the next step; beyond its end, a sample computes its last step again."""
        later = {carry.here: carry.there for carry in self.through.loop.carries}
        states = [self.layout.table[name] for name in later]

        def keep(buffer: Buffer, index: list[str]) -> str:
            name, after, inside = buffer.name, later[buffer.name], ", ".join(index)
            self.arguments |= {name: None, after: None}
            again = f"{name}[{self.t}, {inside}] if {self.t} + 1 >= lengths[{self.b}]"
            return f"{name}[{self.t} + 1, {inside}] = {again} else {after}[{self.t}, {inside}]"

        return self.of_samples("", states, keep)

    def begin_at_ends(self) -> list[str]:
        """The final state's cotangent comes in at a sample's last step; after that nothing has."""
        finals = {carry.here: carry.initial for carry in self.through.loop.carries}
        adjoints = [self.layout.table[name] for name in finals]

        def begin(buffer: Buffer, index: list[str]) -> str:
            inside = ", ".join(index)
            return f"{buffer.name}[{inside}] = {finals[buffer.name]}[{inside}]"

        return self.of_samples(f"{self.t} == lengths[{self.b}] - 1", adjoints, begin)

    def of_samples(
        self, condition: str, buffers: list[Buffer], line: Callable[[Buffer, list[str]], str]
    ) -> list[str]:
        """What happens to the elements of those samples for which a condition holds, if lengths are given."""
        if not buffers:
            return []
        return ["if lengths.size > 0:", *indented(self.over_samples(buffers, line, condition))]

    def together(self, region: str) -> list[str]:
        """The lines before or after the loop, for steps first to last: products of all, else one by one."""
        made: list[str] = []
        groups = self.moving(region)
        while groups:
            group, *groups = groups
            first, sources = group[0].statement, group[0].sources
            bias = self.bias_of(first, groups[0]) if groups else None
            call = self.over_steps(first, bias)
            if call is None:
                text = self.time_loop(self.group(group), "range(first, last)")
            else:
                if bias:
                    sources = (*sources, *groups.pop(0)[0].sources)
                text = [*(f"# {source}" for source in dict.fromkeys(sources)), *call]
            made += ["if input_gradients:", *indented(text)] if first in self.layout.optional else text
        return made
