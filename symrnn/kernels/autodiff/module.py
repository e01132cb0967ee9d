"""A cell's forward pass as a module of a framework that differentiates it.

The forward part of a plan is printed as a competent user would write it: the products of the inputs are taken
out of the loop, as one product over all T·B rows; gates that share an operand share a product, and one split
cuts the result; weights are cut, stacked and transposed once; nothing is written in place.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sympy import Add, Integer

from symrnn.declaration.axes import Shape, size_text
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.operations import stop_gradient
from symrnn.errors import EmissionError
from symrnn.kernels.autodiff.library import Library, OverTime
from symrnn.kernels.autodiff.statements import StatementWriter, Wishes
from symrnn.kernels.autodiff.values import Held, Values
from symrnn.kernels.contract import FULL, Contract, Function
from symrnn.kernels.docstrings import module_docstring
from symrnn.kernels.interface import Field, axis_note, listed, record_fields, state_shape, tables, tuple_text
from symrnn.kernels.names import PYTHON, Namer
from symrnn.kernels.support import Support
from symrnn.kernels.target import Offer
from symrnn.planning.ir import Block, Statement
from symrnn.planning.passes import FOR_AUTODIFF
from symrnn.planning.plan import Plan
from symrnn.templates import render

VARIABLES = frozenset(
    ("T", "B", "like", "prepared", "outputs", "first", "after", "final", "rows", "states", "ended", "keys")
)


DOES = "forward pass over a sequence"


def contract(*of_init: str) -> Contract:
    """What modules offer whose gradients a framework takes; `of_init` are keywords of `init` there."""
    init, prepare, _, forward, _, step = FULL.functions
    return Contract(
        "full",
        "all steps and single ones, for the framework to differentiate",
        (
            replace(init, keywords=("*", *of_init)),
            prepare,
            Function("forward", "outputs and the final state", forward.arguments, ("lengths=None",)),
            step,
        ),
        ("Inputs", "State", "Parameters", "Prepared"),
        FULL.tables,
    )


@dataclass(frozen=True, slots=True)
class AutodiffPrinter:
    """Prints modules in a framework's words, from NAME.py.jinja, NAME_support and NAME_imports."""

    library: Library
    contract: Contract
    own_names: tuple[str, ...]

    @property
    def offer(self) -> Offer:
        """What it prints of a cell."""
        return Offer(self.contract, self.text, saves=("all",), passes=FOR_AUTODIFF)

    @property
    def namer(self) -> Namer:
        """The names that modules use themselves."""
        return Namer(PYTHON | self.contract.words | VARIABLES | {*self.own_names, "math", "NamedTuple"})

    def text(self, plan: Plan, version: str) -> str:
        """The source of a standalone module.

        Raises:
            EmissionError: the framework lacks a function that the plan uses, or no shape tells a size.
        """
        self.require_axes(plan)
        wishes = Wishes()
        _Writer(plan, self.library, self.namer, wishes).context()  # what is read shows once all is written
        writer = _Writer(plan, self.library, self.namer, wishes)
        name, title = self.library.name, self.library.title
        context = {
            **writer.context(),
            "docstring": module_docstring(writer.layout, title, version, does=DOES),
        }
        pieces = {"support": render(f"{name}_support.py.jinja", {})}
        support = Support(pieces, render(f"{name}_imports.py.jinja", {}))
        lines = support.rendered(f"{name}.py.jinja", context).split("\n")
        return "\n".join(line.rstrip() for line in lines)

    def require_axes(self, plan: Plan) -> None:
        """Raise where `init` would have two keywords of one name.

        Raises:
            EmissionError: an axis is called as one of its own.
        """
        init = self.contract.functions[0]
        for axis in plan.axes:
            if init.takes(axis.name):
                raise EmissionError(
                    f"The axis name {axis.name!r} is taken: in {self.library.title}, init() has one keyword "
                    "per axis and uses this name itself. Choose another name."
                )


class _Writer(StatementWriter):
    """Writes the functions of a module."""

    def context(self) -> dict[str, object]:
        """The values of the template; `prepare` does what the other two functions turn out to need."""
        layout, plan = self.layout, self.plan
        forward, step = self.forward(), self.step()
        return {
            **tables(layout),
            **record_fields(layout),
            "array_type": self.library.array,
            "prepared_fields": self.prepared_fields(),
            "init_axes": "".join(f"{axis.name}, " for axis in plan.axes),
            "init_note": axis_note(plan),
            "init_lines": self.fresh(),
            "prepare_lines": self.prepare(),
            "forward_lines": forward,
            "step_lines": step,
        }

    @property
    def prepared(self) -> list[str]:
        """The fields of `Prepared`: the parameters themselves where inputs alone tell a size."""
        return self.given if self.layout.prepares_late else list(self.wishes.shared.values())

    @property
    def given(self) -> list[str]:
        """The parameters and constants."""
        return [*self.plan.parameters, *self.plan.constants]

    # -- parameters -----------------------------------------------------------------------------------

    def fresh(self) -> tuple[str, ...]:
        """The lines that draw parameters."""
        library, lines = self.library, []
        for name, how in self.plan.header.fresh:
            shape = shape_text(self.table[name].shape)
            known = {"zeros": library.zeros.format(shape), "ones": library.full.format(shape, "1.0")}
            if isinstance(how, float):
                text = library.full.format(shape, repr(how))
            else:
                text = known.get(how, f"_{how}({library.drawn}, {shape}, **like)")
            lines.append(f"{self.layout.field(name)}={text},".replace("**like", library.like_asked))
        return tuple(lines)

    def prepared_fields(self) -> tuple[Field, ...]:
        """The fields of `Prepared`, and the shapes of their arrays."""
        if self.layout.prepares_late:
            return tuple(Field(name, shape_text(self.table[name].shape)) for name in self.given)
        return tuple(Field(variable, shape_text(shape)) for variable, shape in self.shared_shapes())

    def shared_shapes(self) -> list[tuple[str, Shape]]:
        """The variables of what is prepared, with their shapes."""
        found = []
        for (names, transposed), variable in self.wishes.shared.items():
            first, *rest = self.table[names[0]].shape or (Integer(0),)
            shape = (Add(first, *(self.table[name].shape[0] for name in names[1:])), *rest)
            shape = shape if self.table[names[0]].shape else ()
            found.append((variable, shape[::-1] if transposed else shape))
        return found

    def prepare(self) -> tuple[str, ...]:
        """The lines of `prepare`."""
        if self.layout.prepares_late:
            return (f"return Prepared(*{bundle('Parameters', 'parameters')})",)
        body = self.making()
        head = [f"{bound(self.given)} = {bundle('Parameters', 'parameters')}"] * bool(self.given)
        head += self.constants_lines()
        places = [(name, self.table[name].shape) for name in self.given]
        made = f"return Prepared({', '.join(self.prepared)})"
        return (*head, *self.opened([*body, made], places), *body, made)

    def constants_lines(self) -> list[str]:
        """The lines that keep gradients from constants."""
        held = self.library.functions[stop_gradient]
        return [f"{name} = {held}({name})" for name in self.plan.constants]

    def making(self) -> list[str]:
        """The lines that make what parameters alone determine, as far as it is needed."""
        self.begin("")
        for name in self.given:
            self.hold(name, name)
        self.blocks(self.needed(self.plan.prepare, [n for names, _ in self.wishes.shared for n in names]))
        for (names, transposed), variable in self.wishes.shared.items():
            parts = [self.read(name) for name in names]
            text = self.library.stack.format(", ".join(parts), 0) if len(parts) > 1 else parts[0]
            text += ".T" * transposed
            self.lines += [f"{variable} = {text}"] * (text != variable)
        return self.lines

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

    # -- steps ----------------------------------------------------------------------------------------

    def forward(self) -> tuple[str, ...]:
        """The lines of `forward`."""
        self.begin("TB")
        for name in self.plan.inputs:
            self.hold(name, name)
        before, inside, after = self.regions()
        self.blocks(before)
        if any(block.statements for block in inside) or self.plan.forward.loop.carries:
            self.over_time(inside)
        self.blocks(after)
        output = self.read(self.plan.output)
        body = [f"{bound(self.plan.inputs)} = inputs", *self.lines]
        body += [f"outputs = {output}"] * (output != "outputs")
        fields = [(self.layout.field(name), name) for name in self.plan.states]
        zeros = [
            f"        {field}={self.library.zeros.format(state_shape(self.layout, self.table[name]))},"
            for field, name in fields
        ]
        zeros = ["if state is None:", "    state = State(", *zeros, "    )"] if zeros else []
        start = [
            *zeros,
            f"first = state = final = {bundle('State', 'state') if zeros else 'State()'}",
            "if lengths is not None:",
            f"    lengths = {self.library.counts}",
            "    inputs, state = _continued(inputs, first, lengths)",
        ]
        made = self.made_late()
        places = [(f"inputs.{self.layout.field(name)}", name, 2) for name in self.plan.inputs]
        last = [(f"state.{field}", name, 1) for field, name in fields]
        return (
            *self.with_prepared(),
            f"inputs = {bundle('Inputs', 'inputs')}",
            "T, B = inputs[0].shape[:2]",
            *self.opened([*made, *start, *body], self.placed(places), self.placed(last)),
            *made,
            *start,
            *body,
        )

    def over_time(self, blocks: list[Block]) -> None:
        """The time loop, in which reads find rows at t; after it, they find what was kept of every step."""
        outside, lines = self.values, self.lines
        self.values, self.times, self.lines = Values(self.table, self.number), "B", []
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
        kept: list[tuple[str, str, str]] = []
        for held in made:
            is_output = held.name == self.plan.output
            name = "outputs" if is_output else unique_name(f"{held.variable}_steps", self.taken)
            after = self.hold(held.name, name)
            self.marked.add(after.key)
            if after.key in self.wishes.moved:
                kept.append((name, held.variable, state_shape(self.layout, self.table[held.name])))
        used = [(array, held.variable) for array, held in rows if held.key in self.wishes.moved]
        loop = OverTime(tuple(used), tuple(carried), tuple(kept), tuple(body))
        self.lines = [*lines, *self.library.over_time(loop), *self.lines]

    def step(self) -> tuple[str, ...]:
        """The lines of `step`."""
        self.begin("B")
        carries = self.plan.forward.loop.carries
        for name in (*self.plan.inputs, *(carry.here for carry in carries)):
            self.hold(name, name)
        self.blocks([block for region in self.regions() for block in region])
        after = ", ".join(self.read(carry.there) for carry in carries)
        body = [*self.lines, f"return {self.read(self.plan.output)}, State({after})"]
        made = self.made_late()
        states = [carry.here for carry in carries]
        places = [(name, name, 1) for name in (*self.plan.inputs, *states)]
        return (
            *self.with_prepared(),
            f"{bound(self.plan.inputs)} = {bundle('Inputs', 'inputs_t')}",
            *[f"{bound(states)} = {bundle('State', 'state')}"] * bool(states),
            *[f"B = {self.plan.inputs[0]}.shape[0]"]
            * any(re.search(r"(?<![.\w])B\b", line) for line in body),
            *self.opened([*made, *body], self.placed(places), ()),
            *made,
            *body,
        )

    def with_prepared(self) -> list[str]:
        """The line that unpacks what is prepared."""
        return [f"{bound(self.prepared)} = prepare(parameters)"] * bool(self.prepared)

    def made_late(self) -> list[str]:
        """The lines in which every call makes what is prepared elsewhere."""
        return [*self.constants_lines(), *self.making()] if self.layout.prepares_late else []

    def placed(self, arrays: list[tuple[str, str, int]]) -> list[tuple[str, Shape]]:
        """The texts of arrays with as many leading axes, and their shapes; those are sizes of no axis."""
        return [(text, (*[Integer(0)] * lead, *self.table[name].shape)) for text, name, lead in arrays]

    def opened(
        self,
        lines: list[str],
        places: list[tuple[str, Shape]],
        last: Iterable[tuple[str, Shape]] | None = None,
    ) -> list[str]:
        """Lines that bind what other lines use: sizes, and the type of arrays that they make.

        Sizes are told by the shapes of arrays at `places`; outside of `prepare` by those of what is prepared
        too, and by the `last` ones where no other tells them.
        """
        used = set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", "\n".join(lines)))
        axes = [axis for axis in self.plan.axes if self.layout.axis_names[axis.name] in used]
        at_hand = places if last is None else [*places, *self.prepared_places()]
        found, missing = self.layout.size_lines(at_hand, axes)
        if missing and last is not None and not self.layout.prepares_late:
            for name in self.given:
                if any(axis in size.free_symbols for size in self.table[name].shape for axis in missing):
                    at_hand.append((self.shared(name), self.table[name].shape))
            found, missing = self.layout.size_lines(at_hand, axes)
        if missing and last:
            told = ", ".join(axis.name for axis in missing)
            found, missing = self.layout.size_lines([*at_hand, *last], axes)
            found[:0] = [
                "if state is None:",
                f'    raise ValueError("state is needed: only it tells the size {told}.")',
                f"state = {bundle('State', 'state')}",
            ]
        if missing:
            raise EmissionError(f"The shapes of the arrays of {self.plan.name} do not tell all sizes.")
        if "like" in used:
            numbers = [text for text, _ in at_hand if text.rpartition(".")[2] not in self.layout.classes]
            found.append(f"like = {self.library.like_of.format(numbers[0]) if numbers else '{}'}")
        return found

    def prepared_places(self) -> list[tuple[str, Shape]]:
        """The variables of what is prepared, with their shapes."""
        if self.layout.prepares_late:
            return [(name, self.table[name].shape) for name in self.given]
        return self.shared_shapes()


def bound(names: Iterable[str]) -> str:
    """Variables that are bound at once."""
    text = listed(names)
    return f"({text})" if text.endswith(",") else text


def bundle(kind: str, given: str) -> str:
    """The text of a record of what is given."""
    return f"_bundle({kind}, {given})"


def shape_text(shape: Shape) -> str:
    """A shape in the author's names of the axes: `(m, m + n)`."""
    return tuple_text(map(size_text, shape)) if shape else "()"
