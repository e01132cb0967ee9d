"""The minimal contract in NumPy: `forward`, `backward` and `step`, to be read, taught and pasted.

Nothing is checked, packed or kept for later calls: the lines are the equations, one step at a time.
"""

import re

from sympy import Integer

from symrnn.errors import EmissionError
from symrnn.kernels.arrays import FUNCTIONS
from symrnn.kernels.docstrings import module_docstring
from symrnn.kernels.interface import (
    listed,
    record_fields,
    state_shape,
    tuple_text,
)
from symrnn.kernels.layout import Layout
from symrnn.kernels.names import Namer
from symrnn.kernels.numpy.code import NumpyWriter
from symrnn.kernels.numpy.module import NAMES, prepared_arrays, unpack
from symrnn.kernels.support import Support
from symrnn.planning.ir import Block, Buffer, Stack
from symrnn.planning.plan import Plan
from symrnn.templates import render

IMPORTS = "import functools\nimport math\nfrom typing import NamedTuple\n\nimport numpy as np\n"
NOTE = "The minimal contract: arrays are not checked. The full one checks, pads, streams and reuses memory."
FROM = re.compile(r"^\(\d+\)|^\w+ from ")
"""What a line tells that its own text does not: the number of an equation, or where an adjoint comes from."""


class MinimalLayout(Layout):
    """Every array has memory of its own, and every gradient is made."""

    def __init__(self, plan: Plan, namer: Namer) -> None:
        super().__init__(plan, namer)
        self.results = {}
        self.optional = frozenset()

    def memory(self, buffer: Buffer, steps: str = "T") -> str:
        """The text that makes an array."""
        del steps
        return f"np.empty({self.shape(buffer)}, dtype)"


class MinimalWriter(NumpyWriter):
    """Statements under the equations that they come from."""

    def blocks(self, blocks: tuple[Block, ...], looping: bool) -> list[str]:
        """The lines of blocks, under what the lines themselves do not say."""
        return super().blocks(
            tuple(
                Block(block.title, block.statements, tuple(filter(FROM.search, block.sources[:1])))
                for block in blocks
            ),
            looping,
        )

    def stacked(self, s: Stack, looping: bool) -> str:
        """The right side of a stack."""
        if self.layout.table[s.out].kind == "prepared":
            return f"np.concatenate([{', '.join(self.access(part, looping) for part in s.parts)}])"
        return super().stacked(s, looping)


def emit_minimal(plan: Plan, version: str) -> str:
    """The source of a module with the minimal contract; `plan` is one that no pass has rearranged.

    Raises:
        EmissionError: a size can be told by no parameter and no input.
    """
    layout = MinimalLayout(plan, NAMES)
    writer = MinimalWriter(layout)
    lines = module_docstring(layout, "NumPy", version, NOTE)
    context = {
        "docstring": lines,
        **record_fields(layout),
        "no_states": not plan.states,
        "no_parameters": not (plan.parameters or plan.constants),
        **_forward(layout, writer),
        **_backward(layout, writer),
    }
    pieces = {"functions": FUNCTIONS, "support": render("numpy_support.py.jinja", {})}
    return Support(pieces, IMPORTS).rendered("numpy_minimal.py.jinja", context)


def _named(layout: Layout) -> list[str]:
    """Lines that name the parameters and inputs."""
    plan = layout.plan
    return [
        *unpack([*plan.parameters, *plan.constants], "parameters"),
        *unpack(list(plan.inputs), _given(plan)),
    ]


def _given(plan: Plan) -> str:
    """The text of the inputs as a tuple: a single one may be given bare."""
    return "inputs if isinstance(inputs, Inputs) else (inputs,)" if len(plan.inputs) == 1 else "inputs"


def _taped(layout: Layout) -> list[str]:
    """What the backward pass takes from the forward pass, by name."""
    sizes = [layout.axis_names[axis.name] for axis in layout.plan.axes]
    saved = [buffer.name for buffer in (*prepared_arrays(layout), *layout.saved_memory())]
    return [*sizes, "dtype", *dict.fromkeys([*layout.plan.inputs, *saved])]


def _forward(layout: Layout, writer: MinimalWriter) -> dict[str, object]:
    plan = layout.plan
    carries = plan.forward.loop.carries
    lines = [
        *_named(layout),
        f"T, B = {plan.inputs[0]}.shape[:2]",
        *_sizes(layout),
        f"dtype = {_dtype(layout)}",
        *writer.blocks(plan.prepare, looping=False),
        *writer.allocations(("value",), set()),
    ]
    if carries:
        zeros = f"({listed('0' for _ in carries)})"
        lines += [
            f"{listed(f'{carry.here}[0]' for carry in carries)} = {zeros} if state is None else state",
            *(f"{carry.there} = {carry.here}[1:]" for carry in carries),
        ]
    return {
        "forward_lines": (*lines, *writer.over_time(plan.forward, [], [])),
        "outputs": writer.part_of_output(),
        "final_states": ", ".join(f"{carry.here}[-1]" for carry in carries),
        "tape": listed(_taped(layout)),
        "input_names": listed(plan.inputs),
        "given_inputs": _given(plan),
        "single_steps": ", ".join(f"{name}[None]" for name in plan.inputs),
    }


def _backward(layout: Layout, writer: MinimalWriter) -> dict[str, object]:
    plan, gradients = layout.plan, dict(layout.plan.gradients)
    carries = plan.backward.loop.carries
    names = [*plan.parameters, *plan.constants]
    lines = [
        *unpack(names, "parameters"),
        *unpack(_taped(layout), "tape"),
        *writer.saved_parts(),
        f"T, B = {plan.inputs[0]}.shape[:2]",
        f"{plan.output_cotangent} = d_outputs",
    ]
    if carries:
        shapes = (state_shape(layout, layout.table[state]) for state in plan.states)
        zeros = tuple_text(f"np.zeros({shape}, dtype)" for shape in shapes)
        given = "(array.copy() for array in d_state)"
        lines.append(f"{listed(carry.here for carry in carries)} = {zeros} if d_state is None else {given}")
    lines += writer.allocations(("recomputed", "adjoint", "gradient"), set())
    lines += writer.over_time(plan.backward, [], [f"{carry.here} = {carry.there}" for carry in carries])
    made = [
        writer.static_text(layout.table[gradients[name]]) if name in gradients else f"np.zeros_like({name})"
        for name in names
    ]
    return {
        "backward_lines": (*lines, *writer.blocks(plan.finish, looping=False)),
        "parameter_gradients": ", ".join(made),
        "input_gradients": ", ".join(
            writer.access(gradients[name], looping=False) if name in gradients else "None"
            for name in plan.inputs
        ),
        "state_gradients": ", ".join(carry.here for carry in carries),
    }


def _dtype(layout: Layout) -> str:
    """The text of the kernel's number type: that of the first array of numbers."""
    plan = layout.plan
    shared = [name for name in (*plan.parameters, *plan.constants) if layout.table[name].shape]
    return f"{next(iter([*shared, *(n for n in plan.inputs if n not in layout.classes)]))}.dtype"


def _sizes(layout: Layout) -> list[str]:
    """Lines that name the lengths of the axes."""
    plan = layout.plan
    arrays = [(name, layout.table[name].shape) for name in (*plan.parameters, *plan.constants)]
    arrays += [(name, (*[Integer(0)] * 2, *layout.table[name].shape)) for name in plan.inputs]
    lines, missing = layout.size_lines(arrays, plan.axes)
    if missing:
        raise EmissionError(
            f"The minimal contract of {plan.name} cannot tell the sizes "
            f"{tuple_text(axis.name for axis in missing)} from parameters and inputs. Leave the contract out."
        )
    return lines
