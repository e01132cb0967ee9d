"""The part of an emitted module that is the same for every array target: its contract and its checks."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sympy import Add, Expr, Integer, Poly, prod

from symrnn.declaration.axes import Axis, Shape, axes_of, size_text
from symrnn.kernels.layout import Layout
from symrnn.planning.ir import Buffer
from symrnn.planning.plan import Plan

INPUT_RESULTS = ("results.inputs or ()", "(array for array in results.inputs or () if array is not None)")
"""The inputs' gradients, if asked for, and these where some inputs are class indices, which have none."""


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a NamedTuple: the name and the shape, as text."""

    name: str
    shape: str


def record_fields(layout: Layout) -> dict[str, object]:
    """The fields of `Inputs`, `State` and `Parameters`, and what is said of constants."""
    plan, table = layout.plan, layout.table
    shared = [table[name] for name in (*plan.parameters, *plan.constants)]
    return {
        "input_fields": tuple(_input_field(layout, table[name]) for name in plan.inputs),
        "state_fields": tuple(Field(layout.field(name), f"(B{_tail(table[name])})") for name in plan.states),
        "parameter_fields": tuple(Field(layout.field(b.name), _shape_comment(b)) for b in shared),
        "constants_note": constants_note(bool(plan.constants)),
    }


def tables(layout: Layout) -> dict[str, object]:
    """The tables of a kernel: its quantities and their shapes, as data."""
    plan = layout.plan
    groups = ("inputs", "states", "parameters", "constants")
    return {
        "axes": tuple_text(f'"{axis.name}"' for axis in plan.axes),
        **{f"{group}_table": _table(layout, map(plan.buffer, getattr(plan, group))) for group in groups},
        "output_shape": shape_data(plan.buffer(plan.output).shape),
    }


def interface(layout: Layout, prepared: tuple[Field, ...]) -> dict[str, object]:
    """The values of the template's names that do not depend on the target.

    `prepared` are the arrays that the target keeps in `Prepared` besides the parameters.
    """
    plan = layout.plan
    shared = [plan.buffer(name) for name in (*plan.parameters, *plan.constants)]
    inputs = [plan.buffer(name) for name in plan.inputs]
    states = [plan.buffer(name) for name in plan.states]
    parameter_lines, told = _parameter_sizes(layout, shared), layout.parameter_axes()

    return {
        **tables(layout),
        **record_fields(layout),
        "no_parameters": not shared,
        "prepared_fields": prepared,
        "prepares_late": layout.prepares_late,
        "prepared_arguments": ", ".join(["parameters", "sizes", "dtype", *(f.name for f in prepared)]),
        "begun_arguments": ", ".join(["parameters", "sizes", "dtype", *("None" for _ in prepared)]),
        "completed_arguments": ", ".join(
            f"{name}={name}" for name in ("parameters", *(f.name for f in prepared))
        ),
        "init_axes": "".join(f"{axis.name}, " for axis in plan.axes),
        **checked_sizes(plan.axes, [b.shape for b in shared]),
        "init_note": axis_note(plan),
        "init_lines": tuple(_init_line(layout, b) for b in shared),
        "size_check_lines": tuple(parameter_lines),
        "known_sizes": tuple_text(layout.axis_names[axis.name] for axis in told),
        "parameter_check_lines": tuple(_parameter_check(layout, b, told) for b in shared),
        "completed_check_lines": tuple(_parameter_check(layout, b, list(plan.axes)) for b in shared),
        "input_check_lines": tuple(_input_checks(layout, inputs)),
        "input_array_lines": tuple(f"{_input_check(layout, b, 'inputs', layout.shape(b))}," for b in inputs),
        "step_check_lines": tuple(_step_checks(layout, inputs)),
        "sizes_lines": tuple(_size_lines(layout, inputs, states)),
        "axis_names": tuple_text(layout.axis_names[axis.name] for axis in plan.axes),
        "outputs_shape": _over_time(layout, plan),
        "outputs_text": f"outputs of shape {{{_over_time(layout, plan)}}}",
        "outputs_size": " * ".join(["B", *_factors(layout, plan.buffer(plan.output).shape)]),
        **_array_texts(layout, inputs, states, shared),
    }


def _array_texts(
    layout: Layout, inputs: list[Buffer], states: list[Buffer], shared: list[Buffer]
) -> dict[str, object]:
    """Shapes and checks of the arrays that a caller gives or gets, by their names in the contract."""

    def named(buffers: list[Buffer]) -> list[tuple[Buffer, str]]:
        return [(b, layout.field(b.name)) for b in buffers]

    return {
        "parameter_shapes": wrapped(
            f"{name}={tuple_text(layout.size(size) for size in b.shape) if b.shape else '()'}"
            for b, name in named(shared)
        ),
        "input_shapes": ", ".join(
            f"{name}={None if b.name in layout.classes else layout.shape(b)}" for b, name in named(inputs)
        ),
        "has_indices": bool(layout.classes),
        "input_results": INPUT_RESULTS[bool(layout.classes)],
        "state_shapes": ", ".join(f"{name}={state_shape(layout, b)}" for b, name in named(states)),
        "zero_states": ", ".join(f"np.zeros({state_shape(layout, b)}, dtype)" for b in states),
        "state_array_lines": tuple(
            f'_checked_array(f"{{what}}.{name}", state.{name}, {state_shape(layout, b)}, dtype),'
            for b, name in named(states)
        ),
        **_handed_over(layout, inputs, states, shared),
    }


def _handed_over(
    layout: Layout, inputs: list[Buffer], states: list[Buffer], shared: list[Buffer]
) -> dict[str, object]:
    """What a kernel that keeps nothing gives its caller: what a pass saves, and new arrays for gradients."""
    saved = layout.saved_memory()

    def new(buffer: Buffer, shape: str) -> str:
        name = layout.field(buffer.name)
        return f"{name}=None" if buffer.name in layout.classes else f'{name}=_new("d_{name}", {shape}, dtype)'

    return {
        "saved_table": table_text(
            {
                b.name: tuple_text(f'"{size}"' for size in (*layout.lead(b), *map(size_text, b.shape)))
                for b in saved
            }
        ),
        "saved_check_lines": tuple(
            f'_whole("saved.{b.name}", saved[{i}], {layout.shape(b)}, dtype),' for i, b in enumerate(saved)
        ),
        "parameter_result_lines": tuple(
            f"{new(b, tuple_text(map(layout.size, b.shape)) if b.shape else '()')}," for b in shared
        ),
        "input_result_arrays": ", ".join(new(b, layout.shape(b)) for b in inputs),
        "state_result_arrays": ", ".join(new(b, state_shape(layout, b)) for b in states),
    }


def checked_sizes(axes: Iterable[Axis], shapes: Iterable[Shape]) -> dict[str, object]:
    """What `init` says of the sizes of axes: their names, and how many numbers arrays of some shapes hold."""
    names = {axis: axis.name for axis in axes}
    return {
        "sizes_arguments": ", ".join(f"{name}={name}" for name in names.values()),
        "init_sizes": listed(names.values()),
        "init_numbers": polynomial(sum((prod(shape) for shape in shapes), start=Integer(0)), names),
        "init_text": ", ".join(f"{name} = {{{name}}}" for name in names.values()),
    }


def polynomial(expr: Expr, names: Mapping[Axis, str]) -> str:
    """A polynomial in axes as Python text, given their variables."""
    axes = [axis for axis in names if expr.has(axis)]
    if not axes:
        return str(expr)
    terms = []
    for powers, coefficient in Poly(expr, *axes).terms():
        factors = [str(coefficient)] if coefficient != 1 or not any(powers) else []
        for axis, power in zip(axes, powers, strict=True):
            factors += [names[axis]] * power
        terms.append(" * ".join(factors))
    return " + ".join(terms)


def _over_time(layout: Layout, plan: Plan) -> str:
    """The shape of the outputs: `(T, B, m)`."""
    return f"(T, B{''.join(f', {layout.size(size)}' for size in plan.buffer(plan.output).shape)})"


def _factors(layout: Layout, shape: Shape) -> list[str]:
    """The sizes of a shape as factors of a product."""
    texts = [layout.size(size) for size in shape]
    return [f"({text})" if " + " in text else text for text in texts]


def constants_note(has_constants: bool) -> str:
    """What the docstring of `Parameters` says of constants."""
    return " (and given constants, whose gradient is zero)" if has_constants else ""


def listed(names: Iterable[str]) -> str:
    """Names as the inside of a tuple: a single one keeps its comma."""
    found = list(names)
    return ", ".join(found) + "," * (len(found) == 1)


def tuple_text(names: Iterable[str]) -> str:
    """A tuple as text."""
    return f"({listed(names)})"


def wrapped(names: Iterable[str]) -> tuple[str, ...]:
    """Arguments as lines of about 100 columns, each ending in a comma."""
    text = ", ".join(names)
    return tuple(textwrap.wrap(f"{text},", 96, break_long_words=False)) if text else ()


def shape_data(shape: Shape) -> str:
    """A shape as a tuple of texts: `("m", "m + n")`."""
    return tuple_text(f'"{size_text(size)}"' for size in shape)


def table_text(texts: Mapping[str, str]) -> str:
    """A dict from names to texts, on one line if it is short."""
    entries = [f'"{name}": {text}' for name, text in texts.items()]
    line = "{" + ", ".join(entries) + "}"
    return line if len(line) < 80 else "{\n" + "".join(f"    {entry},\n" for entry in entries) + "}"


def _table(layout: Layout, buffers: Iterable[Buffer]) -> str:
    return table_text({layout.field(b.name): shape_data(b.shape) for b in buffers})


def _tail(buffer: Buffer) -> str:
    return "".join(f", {size_text(size)}" for size in buffer.shape)


def _shape_comment(buffer: Buffer) -> str:
    return tuple_text(size_text(size) for size in buffer.shape) if buffer.shape else "a number"


def state_shape(layout: Layout, buffer: Buffer) -> str:
    """The shape of an array of all samples at one time: `(B, m)`."""
    return tuple_text(["B", *(layout.size(size) for size in buffer.shape)])


def axis_note(plan: Plan) -> str:
    """What the docstring of `init` says of axes."""
    return f", {', '.join(axis.name for axis in plan.axes)} are sizes" if plan.axes else ""


def _plain_shape(buffer: Buffer) -> str:
    return tuple_text(size_text(size) for size in buffer.shape)


def _init_line(layout: Layout, buffer: Buffer) -> str:
    how = dict(layout.plan.header.fresh)[buffer.name]
    name = layout.field(buffer.name)
    shape = _plain_shape(buffer)
    if how == "zeros":
        return f"{name}=np.zeros({shape}, dtype),"
    if how == "ones":
        return f"{name}=np.ones({shape}, dtype),"
    if isinstance(how, float):
        return f"{name}=np.full({shape}, {how!r}, dtype),"
    return f"{name}=_{how}(rng, {shape}, dtype),"


def _parameter_sizes(layout: Layout, shared: list[Buffer]) -> list[str]:
    """Lines that read axis lengths off the parameters' shapes."""
    lines = []
    known: list[Axis] = []
    ranked = [b for b in shared if b.shape]
    names = [layout.field(b.name) for b in ranked]
    lines += [
        f'_rank("parameters.{n}", given.{n}, {len(b.shape)})' for n, b in zip(names, ranked, strict=True)
    ]
    places = [
        (f"parameters.{n}", f"given.{n}", i, size)
        for n, b in zip(names, ranked, strict=True)
        for i, size in enumerate(b.shape)
    ]
    lines += _solve(layout, places, known)
    return lines


def _solve(layout: Layout, places: list[tuple[str, str, int, Expr]], known: list[Axis]) -> list[str]:
    """Lines that work out unknown axes, each from a length that leaves only it open."""
    lines = []
    progress = True
    while progress:
        progress = False
        for what, text, index, size in sorted(places, key=lambda p: len(Add.make_args(p[3]))):
            axis = layout.open_axis(size, known)
            if axis is None:
                continue
            rest = size - axis
            name = layout.axis_names[axis.name]
            value = f"{text}.shape[{index}]"
            if rest == 0:
                lines.append(f"{name} = {value}")
            else:
                lines.append(f'{name} = _difference("{what}", {text}, {value} - ({layout.size(rest)}))')
            known.append(axis)
            progress = True
            break
    return lines


def _parameter_check(layout: Layout, buffer: Buffer, known: list[Axis]) -> str:
    """The call that checks a parameter, but for a shape with an unknown size."""
    name = layout.field(buffer.name)
    if not buffer.shape:
        return f'_scalar("parameters.{name}", given.{name}, dtype),'
    told = set(axes_of(buffer.shape)) <= set(known)
    shape = tuple_text(map(layout.size, buffer.shape)) if told else f"given.{name}.shape"
    return f'_checked_array("parameters.{name}", given.{name}, {shape}, dtype),'


def _input_checks(layout: Layout, inputs: list[Buffer]) -> list[str]:
    names = [layout.field(b.name) for b in inputs]
    lines = [
        f'_rank("inputs.{n}", inputs.{n}, {len(b.shape) + 2})' for n, b in zip(names, inputs, strict=True)
    ]
    lines.append(f"T, B = inputs.{names[0]}.shape[:2]")
    if layout.plan.axes:
        axes = tuple_text(layout.axis_names[axis.name] for axis in layout.plan.axes)
        lines.append(f"{axes} = {layout.own('_sizes')}(prepared, inputs, state)")
    return lines


def _step_checks(layout: Layout, inputs: list[Buffer]) -> list[str]:
    """Lines that check the inputs of one step by their own name, and give them a time axis of one step."""
    named = [(layout.field(b.name), b) for b in inputs]
    lines = [f'_rank("inputs_t.{n}", inputs_t.{n}, {len(b.shape) + 1})' for n, b in named]
    lines.append(f"inputs = {layout.own('Inputs')}({', '.join(f'inputs_t.{n}[None]' for n, _ in named)})")
    lines.append(f"B = inputs_t.{named[0][0]}.shape[0]")
    if layout.plan.axes:
        axes = tuple_text(layout.axis_names[axis.name] for axis in layout.plan.axes)
        lines.append(f"{axes} = {layout.own('_sizes')}(prepared, inputs, state)")
    for n, b in named:
        check = _input_check(layout, b, "inputs_t", state_shape(layout, b))
        lines.append(f"inputs = inputs._replace({n}={check}[None])" if b.name in layout.classes else check)
    return lines


def _input_check(layout: Layout, buffer: Buffer, of: str, shape: str) -> str:
    """The call that checks an input; that of a class index gives it as compiled code takes it."""
    name = f"{of}.{layout.field(buffer.name)}"
    if buffer.name in layout.classes:
        classes = layout.size(layout.classes[buffer.name])
        return f'_checked_index("{name}", {name}, {shape}, {classes}{", lengths" * (of == "inputs")})'
    return f'_checked_array("{name}", {name}, {shape}, prepared.dtype)'


def _input_field(layout: Layout, buffer: Buffer) -> Field:
    note = ""
    if buffer.name in layout.classes:
        note = f", whole numbers from 0 up to, not including, {size_text(layout.classes[buffer.name])}"
    return Field(layout.field(buffer.name), f"(T, B{_tail(buffer)}){note}")


def _size_lines(layout: Layout, inputs: list[Buffer], states: list[Buffer]) -> list[str]:
    """The body of `_sizes`: what parameters tell, then inputs, then states, with parameters again."""
    lines = []
    found = layout.parameter_axes()
    if found:
        lines.append(f"{tuple_text(layout.axis_names[axis.name] for axis in found)} = prepared.sizes")
    places = [
        (f"inputs.{n}", f"inputs.{n}", i + 2, s)
        for n, b in ((layout.field(b.name), b) for b in inputs)
        for i, s in enumerate(b.shape)
    ]
    shared = [b for name in (*layout.plan.parameters, *layout.plan.constants) for b in [layout.table[name]]]
    places += [
        (f"parameters.{n}", f"prepared.parameters.{n}", i, s)
        for n, b in ((layout.field(b.name), b) for b in shared)
        for i, s in enumerate(b.shape)
    ]
    lines += _solve(layout, places, found)
    missing = [axis for axis in layout.plan.axes if axis not in found]
    if missing:
        listed = ", ".join(axis.name for axis in missing)
        lines.append("if state is None:")
        lines.append(f'    raise ValueError("state is needed: only it tells the size {listed}.")')
        lines.append(f'state = _bundle("state", state, {layout.own("State")})')
        known = [(layout.field(b.name), b) for b in states]
        lines += [f'_rank("state.{n}", state.{n}, {len(b.shape) + 1})' for n, b in known]
        places += [(f"state.{n}", f"state.{n}", i + 1, s) for n, b in known for i, s in enumerate(b.shape)]
        lines += _solve(layout, places, found)
    return lines
