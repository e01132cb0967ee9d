"""A model as code: which layer's kernel is called with what, forwards and then backwards.

The kernels of the cells stand in the same module under their cells' names; what is written here runs once per
batch, in plain NumPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from symrnn.declaration.axes import Shape, size_text
from symrnn.declaration.quantities import State
from symrnn.models.layers import ONCE, Feed, Layer, Reading, Sequence
from symrnn.models.model import Model, Run
from symrnn.models.stepping import layers_below

WIDTH = 100
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """What one layer does: a comment and the lines under it."""

    comment: str
    lines: tuple[str, ...]


class ModelWriter:
    """Writes the calls of a model's layers."""

    def __init__(
        self, model: Model, names: Mapping[str, Mapping[str, str]], *, has_threads: bool = False
    ) -> None:
        """Write for a model, whose cells' kernels have these names in the module, and may take `threads`."""
        self.model = model
        self.names = names
        self.threads = ["threads=threads"] if has_threads else []
        self.runs = {run.layer: run for run in model.runs}

    # -- texts --------------------------------------------------------------------------------

    def kernel(self, run: Run, name: str) -> str:
        """The name that something of the layer's kernel has in the module."""
        return self.names[run.layer.cell.name][name]

    def lengths(self, layer: Sequence) -> str:
        """The text of the numbers of steps of a sequence's samples."""
        return "None" if layer.time == ONCE else f"lengths.{layer.time}"

    def source(self, source: Sequence) -> str:
        """The text of a source's array (T, B, ...)."""
        if isinstance(source, Feed):
            return f"inputs.{source.name}" + ("[None]" if source.over == ONCE else "")
        if isinstance(source, Reading):
            return f"{self.reading(source)}[None]"
        assert isinstance(source, Layer)
        return f"{self.runs[source].label}_outputs"

    def reading(self, reading: Reading) -> str:
        """The text of what a layer has at the end: (B, ...)."""
        label = self.runs[reading.layer].label
        if reading.state is not None:
            return f"{label}_final.{reading.state.name}"
        first = reading.layer.reverse  # a sample's last output in the order in which it is run
        return f"{label}_outputs[0]" if first else f"_last({label}_outputs, {self.lengths(reading.layer)})"

    def parameters(self, run: Run) -> list[str]:
        """The lines that take the parameters of a layer from those of the model."""
        given = [f"{q.name}=p.{name}" for q, name in run.parameters]
        *lines, last = called(f"{run.label}={self.kernel(run, 'Parameters')}", given)
        return [*lines, f"{last},"]

    def prepared(self, run: Run) -> str:
        """The line that prepares the parameters of a layer."""
        return f"{run.label}={self.kernel(run, 'prepare')}(layers.{run.label}),"

    def state(self, run: Run) -> str:
        """The text of the state that a layer starts from."""
        kind = self.kernel(run, "State")
        if run.layer.initial:
            texts = [f"{state.name}={self.reading(reading)}" for state, reading in run.layer.initial]
            return f"{kind}({', '.join(texts)})"
        if run.carried:
            texts = [f"{state.name}=state.{name}" for state, name in run.carried]
            return f"None if state is None else {kind}({', '.join(texts)})"
        return "None"

    # -- forwards -----------------------------------------------------------------------------

    def needed(self, *wanted: Layer) -> list[Run]:
        """The runs that some layers need, in order, themselves included."""
        found = layers_below(*wanted)
        return [run for run in self.model.runs if run.layer in found]

    def forward(self, *wanted: Layer, training: bool) -> tuple[Call, ...]:
        """The calls that compute some layers; when training they keep what the backward pass needs."""
        return tuple(self.forward_call(run, training) for run in self.needed(*wanted))

    def forward_call(self, run: Run, training: bool) -> Call:
        """The run of one layer."""
        layer, label = run.layer, run.label
        arrays = []
        for quantity, source in layer.inputs:
            text = self.source(source)
            arrays.append(f"{quantity.name}={self.turned(text, layer)}")
        inputs = f"{self.kernel(run, 'Inputs')}({', '.join(arrays)})"
        given = [f"layers.{label}", inputs, self.state(run), f"lengths={self.lengths(layer)}"]
        given += [f'workspace=_of(workspace, "{label}")', *self.threads]
        lines = []
        if training:
            lines += called(f"{label}_run = {self.kernel(run, 'forward')}", given)
            lines.append(f"{label}_outputs, {label}_final = {label}_run.outputs, {label}_run.state")
        else:
            lines += called(f"{label}_outputs, {label}_final = {self.kernel(run, 'predict')}", given)
        if layer.reverse:
            lines.append(f"{label}_outputs = {self.turned(f'{label}_outputs', layer)}")
        return Call(self.forward_comment(run), tuple(lines))

    def forward_comment(self, run: Run) -> str:
        """What a layer does, in a line."""
        takes = ", ".join(f"{q} = {source}" for q, source in run.layer.inputs)
        turned = ", from the last step to the first" if run.layer.reverse else ""
        starts = ", ".join(f"{state} = {reading}" for state, reading in run.layer.initial)
        starts = f", started from {starts}" if starts else ""
        return f"{run.label}: {run.layer.cell.name} of {takes}{starts}{turned}"

    def turned(self, text: str, layer: Layer) -> str:
        """An array in the direction in which a layer runs."""
        return f"_turned({text}, {self.lengths(layer)})" if layer.reverse else text

    def final_states(self, wanted: Layer) -> str:
        """The text of the states that are carried to the next call."""
        run_now = {run.layer for run in self.needed(wanted)}
        texts = [
            f"{name}={run.label}_final.{state.name}"
            if run.layer in run_now
            else f"{name}=state and state.{name}"
            for run in self.model.runs
            for state, name in run.carried
        ]
        return f"State({', '.join(texts)})"

    # -- backwards ----------------------------------------------------------------------------

    def backward(self) -> tuple[tuple[Call, ...], tuple[str, ...]]:
        """The backward calls of all layers that the loss needs, and the lines that complete the gradients.

        A layer writes its gradients to their places, unless one before it does: what several have is added.
        """
        outputs: dict[Layer, list[str]] = {self.model.loss: ["d_losses"]}
        finals: dict[tuple[Layer, State], list[str]] = {}
        gradients: dict[str, list[str]] = {name: [] for name, _, _ in self.model.parameters}
        calls = []
        for run in reversed(self.needed(self.model.loss)):
            own = {q.name: "None" if gradients[name] else f"gradients.{name}" for q, name in run.parameters}
            calls.append(self.backward_call(run, outputs, finals, own))
            for source, text in self.handed_back(run):
                self.collect(source, text, outputs, finals)
            for quantity, name in run.parameters:
                gradients[name].append(f"{run.label}_back.parameters.{quantity.name}")
        lines = [
            line
            for name, texts in gradients.items()
            for line in (
                [f"np.add(gradients.{name}, {text}, out=gradients.{name})" for text in texts[1:]]
                if texts
                else [f"gradients.{name}[...] = 0"]
            )
        ]
        return tuple(calls), tuple(lines)

    def backward_call(
        self,
        run: Run,
        outputs: dict[Layer, list[str]],
        finals: dict[tuple[Layer, State], list[str]],
        places: Mapping[str, str],
    ) -> Call:
        """The way back through one layer, given the texts of what its outputs and final states got.

        `places` are the texts of where the gradients of the kernel's parameters go.
        """
        layer, label = run.layer, run.label
        texts = outputs.get(layer, [])
        arrived = " + ".join(texts) if texts else f"np.zeros_like({label}_outputs)"
        cotangent = self.turned(arrived, layer)
        states = [
            f"{state.name}={' + '.join(finals[layer, state])}"
            if (layer, state) in finals
            else f"{state.name}=np.zeros_like({label}_final.{state.name})"
            for state in layer.cell.states
        ]
        ends = any((layer, state) in finals for state in layer.cell.states)
        d_state = f"{self.kernel(run, 'State')}({', '.join(states)})" if ends else "None"
        wanted = any(not isinstance(source, Feed) for _, source in layer.inputs)
        given = [f"layers.{label}", f"{label}_run.tape", cotangent, d_state]
        given += [f"input_gradients={wanted}"]
        lines = []
        if places:
            start = f"{label}_gradients = {self.kernel(run, 'Parameters')}"
            lines += called(start, [f"{name}={place}" for name, place in places.items()])
            given.append(f"out={self.kernel(run, 'Gradients')}({label}_gradients, None, None)")
        given += [f'workspace=_of(workspace, "{label}")', *self.threads]
        lines += called(f"{label}_back = {self.kernel(run, 'backward')}", given)
        return Call(f"backwards through {label}", tuple(lines))

    def handed_back(self, run: Run) -> list[tuple[Sequence, str]]:
        """What a layer's backward pass hands to its sources."""
        layer, label = run.layer, run.label
        made: list[tuple[Sequence, str]] = []
        for quantity, source in layer.inputs:
            if not isinstance(source, Feed):
                made.append((source, self.turned(f"{label}_back.inputs.{quantity.name}", layer)))
        made += [(reading, f"{label}_back.state.{state.name}[None]") for state, reading in layer.initial]
        return made

    def collect(
        self,
        source: Sequence,
        text: str,
        outputs: dict[Layer, list[str]],
        finals: dict[tuple[Layer, State], list[str]],
    ) -> None:
        """Note that `text` (T, B, ...) is a summand of what a source's layer gets back."""
        if isinstance(source, Layer):
            outputs.setdefault(source, []).append(text)
            return
        assert isinstance(source, Reading)
        layer, once = source.layer, f"{text}[0]".replace("[None][0]", "")
        if source.state is not None:
            finals.setdefault((layer, source.state), []).append(once)
            return
        label = self.runs[layer].label
        end = "0" if layer.reverse else f"_ends({label}_outputs, {self.lengths(layer)})"
        outputs.setdefault(layer, []).append(f"_placed({once}, {label}_outputs, {end})")


def called(start: str, arguments: list[str]) -> list[str]:
    """The lines of a call or a construction: one line, or an argument on each if that is too long."""
    line = f"{start}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    return [f"{start}(", *(f"{INDENT}{argument}," for argument in arguments), ")"]


def shape_with(lead: tuple[str, ...], shape: Shape) -> str:
    """The text of a shape with axes before those of a sample."""
    return f"({', '.join([*lead, *map(size_text, shape)])}{',' * (len(lead) + len(shape) == 1)})"
