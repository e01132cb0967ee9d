"""What the NumPy target puts into its template."""

from symrnn.kernels.arrays import array_names
from symrnn.kernels.contract import FULL, FUNCTIONAL
from symrnn.kernels.interface import Field, listed
from symrnn.kernels.layout import Layout
from symrnn.kernels.numpy.code import NumpyWriter
from symrnn.planning.ir import Buffer

CONTRACTS = FULL.without("threads"), FUNCTIONAL.without("threads")
NAMES = array_names()
PRIVATE = ("_kept_arrays", "_forward_steps", "_backward_steps")
"""The functions of a kernel that are its own, beside those of all array targets."""


def prepared_arrays(layout: Layout) -> list[Buffer]:
    """The arrays that depend on parameters alone."""
    return layout.kinds("prepared")


def unpack(names: list[str], of: str) -> list[str]:
    """A line that binds the fields of a NamedTuple to variables."""
    if not names:
        return []
    return [f"{listed(names)} = {of}"]


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
    """A line that names the sizes that are known where parameters are prepared."""
    return unpack([layout.axis_names[axis.name] for axis in layout.prepared_axes()], "sizes")


SOME_STEPS = ("array[start:stop]", "array if array is None else array[start:stop]")
"""The part of an input's gradient that some steps fill; class indices have none."""

NO_THREADS = {
    "threads_parameter": "",
    "threads_argument": "",
    "threads_note": "",
    "predict_means": ", memory",
    "step_means": ", _new",
}
"""What the contract says of threads where a target has none; its `predict` uses the workspace."""


def kept_arrays(layout: Layout) -> list[Buffer]:
    """The arrays over all time steps that the forward pass fills: states, the output, and what is saved."""
    carried = {layout.root(carry.here).name for carry in layout.plan.forward.loop.carries}
    return [b for b in layout.kinds("value") if b.name in layout.kept | carried]


def numpy_context(layout: Layout) -> dict[str, object]:
    """The values of the names that only the NumPy template has."""
    plan = layout.plan
    writer = NumpyWriter(layout)
    shared = [*plan.parameters, *plan.constants]
    carries = plan.forward.loop.carries
    kept = kept_arrays(layout)
    kept_names = [*(b.name for b in kept), *(carry.there for carry in carries)]
    head = [
        *unpack(shared, "prepared.parameters"),
        *[f"{b.name} = prepared.{b.name}" for b in prepared_arrays(layout)],
        *unpack(list(plan.inputs), "inputs"),
    ]
    saved = [b.name for b in layout.saved_memory()]
    return {
        "prepare_lines": prepare_lines(layout),
        "kept_lines": (
            *unpack([layout.initial_of(state) for state in plan.states], "state"),
            *(layout.allocation(buffer) for buffer in kept),
            *(f"{carry.here}[0] = {carry.initial}" for carry in carries),
            *layout.next_states("lengths is None", layout.memory),
        ),
        "kept_names": listed(kept_names),
        "output_name": writer.part_of_output(),
        "state_names": ", ".join(plan.states),
        "next_names": ", ".join(carry.there for carry in carries),
        "saved_names": listed(saved),
        "forward_head": (*head, *unpack(kept_names, "kept")),
        "forward_lines": tuple(writer.forward({b.name for b in kept})),
        "backward_head": (
            *head,
            *unpack(saved, "saved"),
            *writer.saved_parts(),
            f"{plan.output_cotangent} = d_outputs",
            *unpack([carry.here for carry in plan.backward.loop.carries], "results.state"),
            *unpack([carry.initial for carry in plan.backward.loop.carries], "d_state"),
        ),
        "backward_lines": tuple(writer.backward()),
        "first_input": plan.inputs[0],
        "some_input_results": SOME_STEPS[bool(plan.classes)],
        **NO_THREADS,
    }
