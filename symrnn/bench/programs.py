"""A cell's equations as a program of PyTorch or JAX, for autodiff: what a peer of our kernels runs.

The forward part of the plan is printed as three functions, written as a competent user would write them: the
products of the inputs are taken out of the loop, as one product over all T·B rows; gates that share an
operand share a product, and one `split` cuts the result; weights are cut, stacked and transposed once per
call; nothing is written in place.

    prepare(parameters) -> prepared                       what depends on parameters alone
    run(prepared, inputs, state) -> (outputs, state)      inputs (T, B, ...), T > 0; a Python loop or a scan
    step(prepared, inputs, state) -> (output, state)      one step, inputs (B, ...)

All arguments are tuples of float32 arrays in the order of the cell's declaration; `parameters` has the
constants after the parameters. A program is made for one set of sizes, which stand at its top.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from symrnn.bench.libraries import Library, OverTime
from symrnn.bench.statements import StatementWriter, Wishes
from symrnn.bench.values import Held, Values
from symrnn.declaration.normal_form import unique_name
from symrnn.kernels.docstrings import python_docstring
from symrnn.kernels.interface import listed, tuple_text
from symrnn.planning.ir import Block, Statement
from symrnn.planning.plan import Plan

_INDENT = "    "


def program(plan: Plan, library: Library, sizes: Mapping[str, int]) -> str:
    """The source of a module with `prepare`, `run` and `step`; `sizes` gives every axis by name.

    Raises:
        EmissionError: the library lacks something that the plan uses.
    """
    wishes = Wishes()
    _ProgramWriter(
        plan, library, sizes, wishes
    ).functions()  # what is read of what shows only once all is written
    return _ProgramWriter(plan, library, sizes, wishes).text()


class _ProgramWriter(StatementWriter):
    """Writes the three functions."""

    def text(self) -> str:
        """The source of the module."""
        functions = self.functions()
        title = f"{self.plan.header.title or self.plan.name}: its equations in {self.library.title}."
        imports = ["import math"] if any("math." in line for line in functions) else []
        lines = [*python_docstring([title]), "", *imports, *self.library.imports, ""]
        lines += [f"{self.layout.axis_names[axis.name]} = {size}" for axis, size in self.sizes.items()]
        return "\n".join([*lines, *functions]) + "\n"

    def functions(self) -> list[str]:
        """The lines of all three functions; `prepare` does what the other two turn out to need."""
        run, step = self.run(), self.step()
        return [*self.prepare(), *run, *step]

    def prepare(self) -> list[str]:
        """The lines of `prepare`."""
        self.begin("")
        self.unpack([*self.plan.parameters, *self.plan.constants], "parameters")
        self.blocks(
            self.needed(self.plan.prepare, [name for names, _ in self.wishes.shared for name in names])
        )
        for (names, transposed), variable in self.wishes.shared.items():
            parts = [self.read(name) for name in names]
            text = self.library.stack.format(", ".join(parts), 0) if len(parts) > 1 else parts[0]
            text += ".T" * transposed
            self.lines += [f"{variable} = {text}"] * (text != variable)
        self.lines.append(f"return {tuple_text(list(self.wishes.shared.values()))}")
        return _function("prepare(parameters)", "What depends on the parameters alone.", self.lines)

    def needed(self, blocks: Iterable[Block], names: Iterable[str]) -> list[Block]:
        """What leads to the arrays `names`; a plan also makes what only its own backward pass reads."""
        wanted = {self.values.place(name)[0] for name in names}
        kept: list[Block] = []
        for block in reversed(list(blocks)):
            statements: list[Statement] = []
            for statement in reversed(block.statements):
                if self.values.place(statement.out)[0] in wanted:
                    wanted |= {self.values.place(name)[0] for name in statement.reads}
                    statements.insert(0, statement)
            kept.insert(0, replace(block, statements=tuple(statements)))
        return kept

    def regions(self) -> tuple[list[Block], list[Block], list[Block]]:
        """What the outputs and the final state need: before, in and after the loop."""
        through = self.plan.forward
        carried = [carry.there for carry in through.loop.carries]
        kept = self.needed(through.blocks, (self.plan.output, *carried))
        first, last = len(through.before), len(through.before) + len(through.loop.blocks)
        return kept[:first], kept[first:last], kept[last:]

    def run(self) -> list[str]:
        """The lines of `run`."""
        self.begin("TB")
        self.unpack(self.plan.inputs, "inputs")
        before, inside, after = self.regions()
        self.blocks(before)
        if any(block.statements for block in inside) or self.plan.forward.loop.carries:
            self.over_time(inside)
        self.blocks(after)
        self.lines.append(f"return {self.read(self.plan.output)}, state")
        lines = self.opened("T, B = {}.shape[:2]")
        return _function("run(prepared, inputs, state)", "Outputs (T, B, ...) and the final state.", lines)

    def over_time(self, blocks: list[Block]) -> None:
        """The time loop, in which reads find rows at t; after it, they find what was kept of every step."""
        outside, lines = self.values, self.lines
        self.values, self.times, self.lines = Values(self.table, self.sizes), "B", []
        rows: list[tuple[str, Held]] = []
        for held in outside.all():
            self.row_names[held.name] = unique_name(f"{held.variable}_t", self.taken)
            rows.append((held.variable, self.hold(held.name, self.row_names[held.name])))
        self.marked |= {held.key for _, held in rows}
        for carry in self.plan.forward.loop.carries:
            self.hold(carry.here, carry.here)
        self.blocks(blocks)
        carried = [(c.here, self.read(c.there)) for c in self.plan.forward.loop.carries]
        made = [held for held in self.values.all() if held not in [row for _, row in rows]]
        body, self.lines = self.lines, []
        self.values, self.times, self.row_names = outside, "TB", {}
        kept: list[tuple[str, str]] = []
        for held in made:
            name = (
                "outputs"
                if held.name == self.plan.output
                else unique_name(f"{held.variable}_steps", self.taken)
            )
            after = self.hold(held.name, name)
            self.marked.add(after.key)
            kept += [(name, held.variable)] * (after.key in self.wishes.moved)
        used = [(array, held.variable) for array, held in rows if held.key in self.wishes.moved]
        loop = OverTime(tuple(used), tuple(carried), tuple(kept), tuple(body))
        self.lines = [*lines, *self.library.over_time(loop), *self.lines]

    def step(self) -> list[str]:
        """The lines of `step`."""
        self.begin("B")
        self.unpack(self.plan.inputs, "inputs")
        loop = self.plan.forward.loop
        self.unpack([carry.here for carry in loop.carries], "state")
        self.blocks([block for region in self.regions() for block in region])
        state = tuple_text([self.read(carry.there) for carry in loop.carries])
        self.lines.append(f"return {self.read(self.plan.output)}, {state}")
        lines = self.opened("B = {}.shape[0]")
        return _function("step(prepared, inputs, state)", "The output (B, ...) and the next state.", lines)

    def unpack(self, names: Iterable[str], argument: str) -> None:
        """Name what an argument brings."""
        variables = list(names)
        self.lines += [f"{listed(variables)} = {argument}"] * bool(variables)
        for name in variables:
            self.hold(name, name)

    def opened(self, lengths: str) -> list[str]:
        """The lines, under those that unpack what is prepared and tell T and B where they are needed."""
        prepared = list(self.wishes.shared.values())
        above = [f"{listed(prepared)} = prepared"] * bool(prepared)
        if any(re.search(r"(?<![.\w])[TB]\b", line) for line in self.lines):
            after = 1  # the line that unpacks the inputs
            first = self.plan.inputs[0]
            return [*above, *self.lines[:after], lengths.format(first), *self.lines[after:]]
        return [*above, *self.lines]


def _function(head: str, says: str, lines: list[str]) -> list[str]:
    return ["", "", f"def {head}:", f'{_INDENT}"""{says}"""', *((_INDENT + line).rstrip() for line in lines)]
