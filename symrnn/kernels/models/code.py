"""A model's plan as code: the calls of its layers' kernels, forwards and then backwards.

The kernels of the cells stand in the same module under their cells' names; what is written here runs once per
batch, in plain NumPy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from symrnn.declaration.axes import Shape, size_text
from symrnn.models.layers import ONCE
from symrnn.models.model import Run
from symrnn.planning.model_plan import (
    Array,
    BackwardCall,
    Evaluation,
    How,
    Kind,
    LayerCall,
    ModelPlan,
)

WIDTH = 100
INDENT = "    "
ARRAYS = {
    Kind.INPUT: "inputs.{name}",
    Kind.STATE: "state.{name}",
    Kind.OUTPUTS: "{owner}_outputs",
    Kind.FINAL: "{owner}_final.{name}",
    Kind.LOSS_ADJOINT: "d_losses",
    Kind.INPUT_ADJOINT: "{owner}_back.inputs.{name}",
    Kind.STATE_ADJOINT: "{owner}_back.state.{name}",
    Kind.PARAMETER_ADJOINT: "{owner}_back.parameters.{name}",
    Kind.STEP_INPUT: "inputs_t.{name}",
    Kind.STEP_OUTPUT: "{owner}_output",
    Kind.NEXT: "{owner}_next.{name}",
}
"""The text of an array of each kind."""

CHANGES = {
    How.TURNED: "_turned({array}, {lengths})",
    How.ALONE: "{array}[None]",
    How.ONLY: "{array}[0]",
    How.LAST: "_last({array}, {lengths})",
    How.FIRST: "{array}[0]",
    How.AT_LAST: "_placed({array}, {like}_outputs, _ends({like}_outputs, {lengths}))",
    How.AT_FIRST: "_placed({array}, {like}_outputs, 0)",
}
"""The text of an array after each change."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one layer does: a comment and the lines under it."""

    comment: str
    lines: tuple[str, ...]


def array_text(array: Array) -> str:
    """The text of an array; of the caller's state, without a name, the whole of it."""
    text = ARRAYS[array.kind].format(owner=array.owner, name=array.name).removesuffix(".")
    for change in array.changes:
        text = CHANGES[change.how].format(array=text, lengths=lengths_text(change.over), like=change.like)
    return text


def lengths_text(over: str) -> str:
    """The text of the numbers of steps of the samples of a sequence over a time axis."""
    return "None" if over == ONCE else f"lengths.{over}"


def turned_text(text: str, call: LayerCall | BackwardCall) -> str:
    """An array in the other direction, if the layer runs so."""
    return CHANGES[How.TURNED].format(array=text, lengths=lengths_text(call.over)) if call.reverse else text


def state_texts(states: Iterable[tuple[str, Array]]) -> list[str]:
    """The texts of states that are handed on; those that no call computes are the caller's, if there are."""
    given = {Kind.STATE: "state and "}
    return [f"{name}={given.get(array.kind, '')}{array_text(array)}" for name, array in states]


@dataclass(frozen=True, slots=True)
class ModelWriter:
    """Writes the calls of a model's layers.

    The kernels of the cells have these `names` in the module, by cell and name in the kernel's contract, and
    may take `threads`.
    """

    names: Mapping[str, Mapping[str, str]]
    has_threads: bool = False

    def kernel(self, cell: str, name: str) -> str:
        """The name that something of a cell's kernel has in the module."""
        return self.names[cell][name]

    def options(self, layer: str) -> list[str]:
        """The last arguments of the calls of a layer's kernel."""
        return [f'workspace=_of(workspace, "{layer}")', *(["threads=threads"] if self.has_threads else [])]

    def parameters(self, run: Run) -> list[str]:
        """The lines that take the parameters of a layer from those of the model."""
        given = [f"{q.name}=p.{name}" for q, name in run.parameters]
        *lines, last = called(f"{run.label}={self.kernel(run.layer.cell.name, 'Parameters')}", given)
        return [*lines, f"{last},"]

    def prepared(self, run: Run) -> str:
        """The line that prepares the parameters of a layer."""
        return f"{run.label}={self.kernel(run.layer.cell.name, 'prepare')}(layers.{run.label}),"

    def given(self, call: LayerCall) -> list[str]:
        """The texts of a kernel's first arguments: parameters, inputs, and the state that it starts from."""
        arrays = ", ".join(f"{name}={array_text(array)}" for name, array in call.inputs)
        start = "None"
        if call.start:
            texts = ", ".join(f"{name}={array_text(array)}" for name, array in call.start)
            start = f"{self.kernel(call.cell, 'State')}({texts})"
            start = f"None if {array_text(call.given)} is None else {start}" if call.given else start
        return [f"layers.{call.layer}", f"{self.kernel(call.cell, 'Inputs')}({arrays})", start]

    def forward(self, evaluation: Evaluation, *, training: bool) -> tuple[Call, ...]:
        """The calls that compute a layer; when training they keep what the backward pass needs."""
        return tuple(self.forward_call(call, training) for call in evaluation.calls)

    def forward_call(self, call: LayerCall, training: bool) -> Call:
        """The run of one layer."""
        outputs, final = array_text(Array(Kind.OUTPUTS, call.layer)), f"{call.layer}_final"
        kept = f"{call.layer}_run"
        given = [*self.given(call), f"lengths={lengths_text(call.over)}", *self.options(call.layer)]
        if training:
            lines = called(f"{kept} = {self.kernel(call.cell, 'forward')}", given)
            lines.append(f"{outputs}, {final} = {kept}.outputs, {kept}.state")
        else:
            lines = called(f"{outputs}, {final} = {self.kernel(call.cell, 'predict')}", given)
        if call.reverse:
            lines.append(f"{outputs} = {turned_text(outputs, call)}")
        return Call(f"{call.layer}: {call.words}", tuple(lines))

    def backward_call(self, call: BackwardCall) -> Call:
        """The way back through one layer."""
        label, cell = call.layer, call.cell
        nothing = f"np.zeros_like({array_text(Array(Kind.OUTPUTS, label))})"
        given = [f"layers.{label}", f"{label}_run.tape"]
        given += [turned_text(summed_text(call.arrives) or nothing, call)]
        states = []
        for name, arrays in call.ends:
            final = array_text(Array(Kind.FINAL, label, name))
            states.append(f"{name}={summed_text(arrays) or f'np.zeros_like({final})'}")
        given += [f"{self.kernel(cell, 'State')}({', '.join(states)})" if states else "None"]
        given += [f"input_gradients={call.hands_back}"]
        lines = []
        if call.places:
            places = [f"{name}={f'gradients.{place}' if place else None}" for name, place in call.places]
            lines += called(f"{label}_gradients = {self.kernel(cell, 'Parameters')}", places)
            given.append(f"out={self.kernel(cell, 'Gradients')}({label}_gradients, None, None)")
        given += self.options(label)
        lines += called(f"{label}_back = {self.kernel(cell, 'backward')}", given)
        return Call(f"backwards through {label}", tuple(lines))


def summed_text(arrays: Iterable[Array]) -> str:
    """The text of a sum; empty without summands."""
    return " + ".join(map(array_text, arrays))


def gradient_lines(planned: ModelPlan) -> tuple[str, ...]:
    """The lines that complete the gradients: the first summand of each is in its place."""
    lines: list[str] = []
    for name, arrays in planned.gradients:
        lines += [
            f"np.add(gradients.{name}, {array_text(array)}, out=gradients.{name})" for array in arrays[1:]
        ]
        lines += [] if arrays else [f"gradients.{name}[...] = 0"]
    return tuple(lines)


def called(start: str, arguments: list[str]) -> list[str]:
    """The lines of a call or a construction: one line, or an argument on each if that is too long."""
    line = f"{start}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    return [f"{start}(", *(f"{INDENT}{argument}," for argument in arguments), ")"]


def shape_with(lead: tuple[str, ...], shape: Shape) -> str:
    """The text of a shape with axes before those of a sample."""
    return f"({', '.join([*lead, *map(size_text, shape)])}{',' * (len(lead) + len(shape) == 1)})"
