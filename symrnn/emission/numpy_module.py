"""What the NumPy target puts into its template."""

from symrnn.emission.interface import Field, wrapped
from symrnn.emission.layout import Layout
from symrnn.emission.numpy_code import NumpyWriter
from symrnn.planning.ir import Buffer


def prepared_arrays(layout: Layout) -> list[Buffer]:
    """The arrays that depend on parameters alone."""
    return layout.kinds("prepared")


def unpack(names: list[str], of: str) -> list[str]:
    """A line that binds the fields of a NamedTuple to variables."""
    if not names:
        return []
    return [f"{', '.join(names)}{',' if len(names) == 1 else ''} = {of}"]


def numpy_prepared(layout: Layout) -> tuple[Field, ...]:
    """The fields of `Prepared`."""
    return tuple(Field(b.name, str(b).partition(" ")[2]) for b in prepared_arrays(layout))


def prepare_lines(layout: Layout) -> tuple[str, ...]:
    """The lines that compute what depends on parameters alone."""
    writer, plan = NumpyWriter(layout), layout.plan
    body = writer.blocks(plan.prepare, looping=False)
    if not body:
        return ()
    names = [*plan.parameters, *plan.constants]
    return (*unpack(names, "parameters"), *known_sizes(layout), *body)


def known_sizes(layout: Layout) -> list[str]:
    """A line that names the sizes that parameters tell."""
    from_interface = layout.parameter_axes()
    return unpack([layout.axis_names[axis.name] for axis in from_interface], "sizes")


def gradient_results(layout: Layout) -> dict[str, object]:
    """The parts of `Gradients`, as text."""
    plan = layout.plan
    table = dict(plan.gradients)
    parameters = [
        f"{layout.field(name)}={table[name]}"
        if layout.table[name].shape
        else f"{layout.field(name)}=np.asarray({table[name]}, dtype)"
        for name in plan.parameters
    ]
    parameters += [f"{layout.field(name)}=np.zeros_like({name})" for name in plan.constants]
    states = [
        f"{layout.field(state)}={c.here}"
        for state, c in zip(plan.states, plan.backward.loop.carries, strict=True)
    ]
    return {
        "parameter_gradients": wrapped(parameters),
        "input_gradient_fields": ", ".join(f"{layout.field(name)}={table[name]}" for name in plan.inputs),
        "state_gradients": ", ".join(states),
    }


def final_states(layout: Layout) -> str:
    """The final values of the states, as arguments."""
    return ", ".join(f"{state}[T]" for state in layout.plan.states)


def _axis_tuple(layout: Layout) -> str:
    names = [layout.axis_names[axis.name] for axis in layout.plan.axes]
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def numpy_context(layout: Layout) -> dict[str, object]:
    """The values of the names that only the NumPy template has."""
    plan = layout.plan
    forward, backward = NumpyWriter(layout), NumpyWriter(layout)
    shared = [*plan.parameters, *plan.constants]
    prepared = [b.name for b in prepared_arrays(layout)]
    initial = [layout.initial_of(state) for state in plan.states]
    saved = [b.name for b in layout.saved_memory()]
    head = [
        f"{_axis_tuple(layout)} = _sizes(prepared, inputs, state)",
        *unpack(shared, "prepared.parameters"),
        *[f"{name} = prepared.{name}" for name in prepared],
    ]
    finals = [c.initial for c in plan.backward.loop.carries]
    return {
        "prepare_lines": prepare_lines(layout),
        "forward_head": (*head, *unpack(list(plan.inputs), "inputs"), *unpack(initial, "state")),
        "forward_lines": tuple(forward.forward()),
        "output_name": forward.access(plan.output, looping=False),
        "final_states": final_states(layout),
        "saved_names": f"{saved[0]}," if len(saved) == 1 else ", ".join(saved),
        "backward_head": (
            head[0].replace("inputs, state", "tape.inputs, tape.state"),
            *head[1:],
            *unpack(list(plan.inputs), "tape.inputs"),
            *unpack(saved, "tape.saved"),
            *forward.saved_parts(),
            f"{plan.output_cotangent} = d_outputs",
            *unpack(finals, "d_state"),
        ),
        "backward_lines": tuple(backward.backward()),
        "first_input": plan.inputs[0],
        **gradient_results(layout),
    }
