"""What the Numba target puts into its template."""

import re
from collections.abc import Iterable
from functools import partial

from symrnn.kernels.arrays import array_names
from symrnn.kernels.interface import Field, listed, polynomial, state_shape, tuple_text, wrapped
from symrnn.kernels.layout import Layout
from symrnn.kernels.numba.access import indented
from symrnn.kernels.numba.code import NumbaWriter
from symrnn.kernels.numpy.code import NumpyWriter
from symrnn.kernels.numpy.module import (
    known_sizes,
    numpy_prepared,
    prepare_lines,
    prepared_arrays,
    unpack,
)
from symrnn.planning.cost import moving_operations
from symrnn.planning.ir import Buffer, Pass

NAMES = array_names(
    *("types", "ir", "njit", "nb_types", "cgutils", "intrinsic", "lo", "hi", "real", "one", "zero", "total"),
    *("slot", "scratch"),
)
PRIVATE = ("_forward_slice", "_predict_slice", "_backward_slice")
"""The functions of a kernel that are its own, beside those of all array targets."""

THREADS = {
    "threads_parameter": ", threads=None",
    "threads_argument": ", threads",
    "threads_note": "; `threads` the largest number of threads (None: one per processor)",
    "predict_means": ", threads",
    "step_means": ", None",
}
"""What the contract says of threads."""


def forward_writer(layout: Layout) -> tuple[NumbaWriter, list[str]]:
    """The writer of the forward pass, and its lines."""
    writer = NumbaWriter(layout, layout.plan.forward, ("value",))
    return writer, writer.lines()


def numba_prepared(layout: Layout) -> tuple[Field, ...]:
    """The fields of `Prepared`: prepared arrays and the forward pass's panels."""
    writer, _ = forward_writer(layout)
    panels = tuple(Field(name, f"{matrix}, packed") for (matrix, _), name in writer.panels.items())
    return (*numpy_prepared(layout), *panels)


def panel_lines(writer: NumbaWriter, layout: Layout) -> list[str]:
    """Lines that pack the matrices of a pass."""
    text = NumpyWriter(layout)
    lines = []
    for (matrix, transposed), name in writer.panels.items():
        array = text.static_text(layout.table[matrix])
        lines.append(f'{name} = _panels(_plain({array}){".T" if transposed else ""}, "{name}", memory)')
    return lines


def numba_prepare_lines(layout: Layout, writer: NumbaWriter) -> tuple[str, ...]:
    """The lines that compute what depends on parameters alone, panels included."""
    lines = list(prepare_lines(layout))
    packing = panel_lines(writer, layout)
    if packing and not lines:
        names = [*layout.plan.parameters, *layout.plan.constants]
        lines = [*unpack(names, "parameters"), *known_sizes(layout)]
    return (*lines, *packing)


def arguments(writer: NumbaWriter, layout: Layout, first: list[str]) -> tuple[list[str], list[Buffer]]:
    """What a compiled pass takes besides the arrays `first`: sizes and panels by name, and arrays."""
    arrays = [b for b in layout.plan.buffers if b.name in writer.arguments and b.name not in first]
    sizes = [layout.axis_names[axis.name] for axis in layout.plan.axes]
    return [*sizes, *writer.panels.values()], arrays


def is_partial(buffer: Buffer) -> bool:
    """Whether every thread adds to a copy of its own."""
    return buffer.kind == "gradient" and not buffer.lead


def work(through: Pass, layout: Layout) -> str:
    """The number of operations of a pass per time step, as text."""
    statements = [s for block in through.blocks for s in block.statements]
    per_row = moving_operations(statements, layout.table)
    names = {axis: layout.axis_names[axis.name] for axis in layout.plan.axes}
    return f"B * ({polynomial(per_row, names)})"


def shared_head(layout: Layout, names: set[str]) -> list[str]:
    """Lines that bind parameters and prepared arrays."""
    plan = layout.plan
    shared = [*plan.parameters, *plan.constants]
    lines = unpack(shared, "prepared.parameters")
    lines += [f"{name} = _plain({name})" for name in shared if name in names]
    for buffer in prepared_arrays(layout):
        text = f"prepared.{buffer.name}"  # a scalar or a transpose, perhaps
        lines.append(f"{buffer.name} = {f'_plain({text})' if buffer.name in names else text}")
    return lines


def needed(head: list[str], later: Iterable[str]) -> tuple[str, ...]:
    """The lines of `head` that bind a name which a line after them reads."""
    read = set(re.findall(r"\w+", " ".join(later)))
    kept: list[str] = []
    for line in reversed(head):
        bound, _, value = line.partition(" = ")
        if read.intersection(re.findall(r"\w+", bound)):
            kept.insert(0, line)
            read |= set(re.findall(r"\w+", value))
    return tuple(kept)


def numba_context(layout: Layout) -> dict[str, object]:
    """The values of the names that only the Numba template has."""
    forward, forward_lines = forward_writer(layout)
    return {
        **_forward_context(layout, forward, forward_lines),
        **_backward_context(layout),
        **THREADS,
    }


def _top(time_of: str, typed: str) -> list[str]:
    return [
        f"T = {time_of}.shape[0] if lo < hi else 0",
        f"real = {typed}.dtype.type",
        "one, zero = real(1), real(0)",
    ]


def _typed_array(layout: Layout) -> str:
    """An array of the forward pass in the kernel's number type: an input, or the output if there is none."""
    floats = [name for name in layout.plan.inputs if name not in layout.classes]
    return next(iter(floats), layout.root(layout.plan.output).name)


def _forward_context(layout: Layout, writer: NumbaWriter, lines: list[str]) -> dict[str, object]:
    plan = layout.plan
    inputs = list(plan.inputs)
    names, arrays = arguments(writer, layout, inputs)
    memory = writer.memory()
    initial = [layout.initial_of(state) for state in plan.states]
    later = [carry.there for carry in plan.forward.loop.carries]
    shared = [b for b in arrays if b not in memory and b.name not in later]
    head = shared_head(layout, set(writer.arguments))
    head += [f"{name} = prepared.{name}" for name in writer.panels.values()]
    head += unpack(initial, "state")
    text = NumpyWriter(layout)
    saved = [b.name for b in layout.saved_memory()]
    taken = [*names, *(b.name for b in arrays)]
    given = [*names, *(b.name for b in shared)]
    return {
        "prepare_lines": numba_prepare_lines(layout, writer),
        "forward_arguments": wrapped(["part", "lo", "hi", "steps", "lengths", *inputs, *taken]),
        "forward_call": wrapped(taken),
        "forward_lines": (*_top(inputs[0], _typed_array(layout)), *lines),
        "shared_lines": needed(head, (*given, *initial)),
        "forward_head": (
            *(layout.allocation(buffer, "steps") for buffer in memory),
            *(f"{c.here}[0] = {c.initial}" for c in plan.forward.loop.carries),
            *layout.next_states("lengths is None", layout.memory),
        ),
        "forward_work": f"T * {work(plan.forward, layout)}",
        "output_name": text.part_of_output(),
        "state_names": ", ".join(plan.states),
        "next_names": ", ".join(carry.there for carry in plan.forward.loop.carries),
        "saved_names": listed(saved),
        **_predict_context(layout, writer, memory, given, taken),
    }


def _predict_context(
    layout: Layout, writer: NumbaWriter, memory: list[Buffer], given: list[str], taken: list[str]
) -> dict[str, object]:
    """The pass without a tape; `given` is what its caller hands over, `taken` what a forward pass takes."""
    plan = layout.plan
    finals = {state: layout.fresh(f"{state}_final") for state in plan.states}
    later = {carry.here: carry.there for carry in plan.forward.loop.carries}
    initial = {state: layout.initial_of(state) for state in plan.states}
    chunks = [f"{name}[first : first + count]" for name in plan.inputs]
    first = ["part", "lo", "hi", "steps"]
    states = [layout.table[name] for name in plan.states]
    last = f"(count if left.size == 0 else min(left[{writer.b}], count)) - 1"

    few = partial(_few_steps, layout)

    def begin(buffer: Buffer, index: list[str]) -> str:
        first, final = _at(buffer.name, "0", index), _at(finals[buffer.name], None, index)
        return f"{first} = {final} = {_at(initial[buffer.name], None, index)}"

    def advance(buffer: Buffer, index: list[str]) -> str:
        return f"{_at(buffer.name, '0', index)} = {_at(buffer.name, 'count', index)}"

    def finish(buffer: Buffer, index: list[str]) -> str:
        return f"{_at(finals[buffer.name], None, index)} = {_at(later[buffer.name], last, index)}"

    def copied(buffer: Buffer, index: list[str]) -> str:
        return f"{_at('outputs', f'first + {writer.t}', index)} = {writer.element_at(plan.output, index[1:])}"

    shapes = [f"np.empty({state_shape(layout, state)}, dtype)" for state in states]
    results = ["outputs", *finals.values()]
    return {
        "predict_arguments": wrapped([*first, "lengths", *plan.inputs, *given, *initial.values(), *results]),
        "predict_call": wrapped(
            [*given, *(f"_plain({name})" for name in initial.values()), "outputs", "*final"]
        ),
        "empty_states": ", ".join(shapes),
        "predict_head": (
            f"dtype = {next((n for n in plan.inputs if n not in layout.classes), 'outputs')}.dtype",
            *(f"{buffer.name} = {few(buffer)}" for buffer in memory),
            *layout.next_states("lengths.size == 0", few),
            *writer.over_samples(states, begin),
        ),
        "chunk_call": wrapped([*first, "left", *chunks, *taken]),
        "chunk_lines": (
            f"for {writer.t} in range(count):",
            *indented(writer.over_samples([layout.table[plan.output]], copied)),
            *writer.over_samples(states, finish, f"left.size == 0 or left[{writer.b}] > 0"),
            *writer.over_samples(states, advance),
            f"for {writer.b} in range(left.size):",
            f"    left[{writer.b}] -= count",
        ),
    }


def _at(name: str, time: str | None, index: list[str]) -> str:
    return f"{name}[{', '.join([*([time] if time else []), *index])}]"


def _few_steps(layout: Layout, buffer: Buffer) -> str:
    """The text that makes an array for `steps` time steps inside compiled code."""
    return f"np.empty({layout.shape(buffer).replace('(T', '(steps', 1)}, dtype)"


def _backward_context(layout: Layout) -> dict[str, object]:
    plan = layout.plan
    writer = NumbaWriter(layout, plan.backward, ("adjoint", "gradient", "recomputed"))
    lines = writer.lines()
    cotangent = plan.output_cotangent
    names, arrays = arguments(writer, layout, [cotangent])
    memory = [b for b in writer.memory() if not is_partial(b)]
    partial = [b for b in arrays if is_partial(b)]
    saved = [b.name for b in layout.saved_memory()]
    finals = [c.initial for c in plan.backward.loop.carries]
    used = set(writer.arguments)
    of_parts = {b.name: layout.fresh(f"{b.name}_parts") for b in partial}
    head = shared_head(layout, used)
    head += unpack(list(plan.inputs), "tape.inputs")
    head += [f"{name} = _plain({name})" for name in plan.inputs if name in used]
    head += unpack(saved, "tape.saved")
    head += [f"{cotangent} = _plain(d_outputs)", *unpack(finals, "d_state")]
    head += panel_lines(writer, layout)
    head += [layout.allocation(buffer, "steps") for buffer in memory]
    head += [
        f"{c.here}[...] = {c.initial} if tape.lengths is None else 0" for c in plan.backward.loop.carries
    ]
    for b in partial:
        shape = tuple_text(["parts", *(layout.size(size) for size in b.shape)])
        head.append(f'{of_parts[b.name]} = memory("{b.name}", {shape}, dtype)')
    if writer.outer:
        widths = sorted({layout.size(layout.table[s.out].shape[1]) for s in writer.outer})
        widest = widths[0] if len(widths) == 1 else f"max({', '.join(widths)})"
        shape = f"(parts, *_scratch_shape({widest}, steps, bounds, dtype))"
        head.append(f'scratch = memory("scratch", {shape}, dtype)')
    # The gradient of a scalar stays an array, so that it can be added to.
    own = [
        f"{b.name} = {of_parts[b.name]}[{'part]' if b.shape else 'part : part + 1].reshape(())'}"
        for b in partial
    ]
    own += [f"{b.name}[...] = zero" for b in partial]
    taken = [*names, *(of_parts[b.name] if is_partial(b) else b.name for b in arrays)]
    taken += ["scratch"] if writer.outer else []
    text = NumpyWriter(layout)
    made = {b.name for b in partial}
    finish = [f"{b.name} = _summed({of_parts[b.name]})" for b in partial]
    finish += text.once_after_loop(made)
    in_place = {b.name for b in memory}
    in_place |= {b.name for b in layout.kinds("gradient") if b.name not in made and not text.binds(b)}
    first = ["input_gradients", cotangent]
    return {
        "backward_arguments": wrapped(["part", "lo", "hi", "steps", "lengths", *first, *taken, *finals]),
        "backward_call": wrapped([*first, *taken, *(f"_plain({name})" for name in finals)]),
        "backward_lines": (*_top(cotangent, cotangent), *own, *lines),
        "backward_head": needed(head, (cotangent, *taken, *finals, *finish)),
        "backward_work": f"T * {work(plan.backward, layout)}",
        "finish_lines": (*finish, *layout.result_lines(in_place)),
    }
