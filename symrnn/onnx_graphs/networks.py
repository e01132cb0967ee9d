"""The graphs of a model: what computes its output over whole sequences, and what does so step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from symrnn.declaration.axes import Shape
from symrnn.models.layers import ONCE
from symrnn.models.model import Model, model_digest
from symrnn.onnx_graphs.arrays import Array, Recorder
from symrnn.onnx_graphs.interface import Interface, Origin, parameters_of
from symrnn.onnx_graphs.layers import Runner, operator_of, runner
from symrnn.onnx_graphs.native import Match
from symrnn.onnx_graphs.operations import Operations
from symrnn.onnx_graphs.sequences import first, last, turned
from symrnn.pipeline import plan
from symrnn.planning.model_plan import Array as Planned
from symrnn.planning.model_plan import Change, Evaluation, How, Kind, LayerCall, ModelPlan, StepPlan


@dataclass(frozen=True, slots=True)
class Pass:
    """What has been computed in a graph: what the caller gives, and by layer outputs and states after it."""

    inputs: Mapping[str, Array]
    state: Mapping[str, Array]
    lengths: Mapping[str, Array | None]
    outputs: dict[str, Array] = field(default_factory=dict)
    after: dict[str, dict[str, Array]] = field(default_factory=dict)

    def array(self, wanted: Planned) -> Array:
        """An array of the plan."""
        found = {
            Kind.INPUT: lambda: self.inputs[wanted.name],
            Kind.STEP_INPUT: lambda: self.inputs[wanted.name],
            Kind.STATE: lambda: self.state[wanted.name],
            Kind.OUTPUTS: lambda: self.outputs[wanted.owner],
            Kind.STEP_OUTPUT: lambda: self.outputs[wanted.owner],
            Kind.FINAL: lambda: self.after[wanted.owner][wanted.name],
            Kind.NEXT: lambda: self.after[wanted.owner][wanted.name],
        }[wanted.kind]()
        for change in wanted.changes:
            found = self.changed(found, change)
        return found

    def changed(self, array: Array, change: Change) -> Array:
        """An array after what is done to it on its way from layer to layer."""
        lengths = self.lengths.get(change.over)
        return {
            How.TURNED: lambda: turned(array, lengths),
            How.ALONE: lambda: array.unsqueeze(0),
            How.LAST: lambda: last(array, lengths),
            How.FIRST: lambda: first(array),
        }[change.how]()


class ModelGraphs:
    """Makes the graphs of a model."""

    def __init__(self, model: Model, parameters: object, native: object) -> None:
        """Take the parameters, plan the model, and choose what runs its layers.

        Raises:
            RequestError: parameters do not fit, or operators are asked for, and none can run a layer that has
                states.

        """
        planned = plan(model)
        assert isinstance(planned, ModelPlan)
        self.model, self.plan = model, planned
        self.parameters = parameters_of(model.name, model.parameters, parameters)
        self.operators = {
            run.label: operator_of(
                run.layer.cell, native if run.layer.cell.states else False, self.parameters.dtype
            )
            for run in model.runs
        }

    @property
    def matches(self) -> tuple[Match | None, ...]:
        """The operators of its layers."""
        return tuple(self.operators.values())

    @property
    def no_step(self) -> str:
        """Why there is no graph of one step."""
        return self.plan.no_step

    @property
    def origin(self) -> Origin:
        """What the graphs are made from."""
        model = self.model
        cells = dict.fromkeys(str(run.layer.cell) for run in model.runs)
        text = "\n\n".join([str(model), *cells])
        return Origin("model", model.name, model.title, model.source, model_digest(model), text)

    def sequence(self, *, lengths: bool) -> Recorder:
        """A graph of what the output needs of a batch, and of states (B, ...), with lengths if asked for."""
        return self.evaluated(self.plan.output, lengths=lengths, before_steps=())

    def begin(self, *, lengths: bool) -> Recorder | None:
        """A graph of the states before the first step, if what layers have at the end tells them."""
        step = self.plan.step
        if step is None or step.begin is None:
            return None
        return self.evaluated(step.begin, lengths=lengths, before_steps=step.starts)

    def evaluated(
        self, evaluation: Evaluation, *, lengths: bool, before_steps: Sequence[tuple[str, Planned]]
    ) -> Recorder:
        """A graph of the outputs of a layer, or of states before steps, if there are any."""
        face = Interface(Recorder(self.parameters.dtype), self.parameters.sizes)
        inputs = self.inputs(face, evaluation.reads)
        carried = {
            array.name for call in evaluation.calls for _, array in call.start if array.kind is Kind.STATE
        }
        state = self.state(face, [pair for pair in self.model.states if pair[0] in carried])
        times = dict.fromkeys(call.over for call in evaluation.calls if lengths and call.over != ONCE)
        ends = {over: face.input(self.lengths_name(over), np.int64, ("B",)) for over in times}
        made = Pass(inputs, state, ends)
        runners = Runners(self, face.recorder)
        for call in evaluation.calls:
            runners.run(call, made)
        if before_steps:
            for name, array in before_steps:
                face.output(name, made.array(array))
            return face.recorder
        outputs = made.outputs[evaluation.layer]
        after = {name: made.array(a) for name, a in evaluation.states if a.kind is not Kind.STATE}
        face.give("outputs", outputs.squeeze(0) if evaluation.over == ONCE else outputs, after, "_final")
        return face.recorder

    def step(self) -> Recorder | None:
        """A graph of one step; none if the output cannot be computed step by step."""
        step: StepPlan | None = self.plan.step
        if step is None:
            return None
        face = Interface(Recorder(self.parameters.dtype), self.parameters.sizes)
        inputs = self.inputs(face, step.reads, step=True)
        made = Pass(inputs, self.state(face, [(m.name, m.shape) for m in step.memory]), {})
        runners = Runners(self, face.recorder)
        for call in step.calls:
            runners.step(call, made)
        after = {name: made.array(array) for name, array in step.states if array.kind is not Kind.STATE}
        face.give("output", made.outputs[self.plan.output.layer], after, "_next")
        return face.recorder

    def lengths_name(self, over: str) -> str:
        """The name of the samples' numbers of steps over a time axis: if there are several, it is told."""
        return "lengths" if {*self.model.times} <= {over, ONCE} else f"lengths_{over}"

    def inputs(self, face: Interface, reads: Sequence[str], *, step: bool = False) -> dict[str, Array]:
        """What a batch, or a step, brings."""
        return {
            feed.name: face.quantity(
                feed.name, quantity, ("B",) if step or feed.over == ONCE else (feed.over, "B"), shape
            )
            for feed, quantity, shape in self.model.feeds
            if feed.name in reads
        }

    def state(self, face: Interface, states: Sequence[tuple[str, Shape]]) -> dict[str, Array]:
        """States (B, ...) that the caller gives."""
        return {name: face.input(name, face.recorder.dtype, ("B",), shape) for name, shape in states}


class Runners:
    """What runs the layers of a model in one graph."""

    def __init__(self, graphs: ModelGraphs, recorder: Recorder) -> None:
        """Run layers on a recorder."""
        self.graphs, self.recorder = graphs, recorder
        self.runs = {run.label: run for run in graphs.model.runs}
        self.made: dict[object, Runner] = {}

    def of(self, call: LayerCall) -> Runner:
        """What runs a layer; layers that share cell and parameters share it."""
        run = self.runs[call.layer]
        self.recorder.prefix = f"{call.layer}_"
        key = run.layer.cell, run.parameters
        if key not in self.made:
            given = self.graphs.parameters
            sizes = {axis: size.xreplace(dict(given.sizes)) for axis, size in run.sizes}
            arrays = {quantity.name: given.arrays[name] for quantity, name in run.parameters}
            match = self.graphs.operators[call.layer]
            self.made[key] = runner(run.layer.cell, arrays, sizes, self.recorder, match)
        return self.made[key]

    def given(self, call: LayerCall, made: Pass) -> tuple[dict[str, Array], dict[str, Array]]:
        """The inputs and the states of a call; a state starts from zeros where nothing else is said."""
        run, starts = self.runs[call.layer], dict(call.start)
        planned = {name: unturned(array) if call.reverse else array for name, array in call.inputs}
        inputs = {name: made.array(array) for name, array in planned.items()}
        state = {}
        for q in run.layer.cell.states:
            if q.name in starts:
                state[q.name] = made.array(starts[q.name])
            else:
                shape = [size.xreplace(dict(self.graphs.parameters.sizes)) for size in run.shape(q)]
                B = next(iter(inputs.values())).shape[1]
                state[q.name] = Operations(self.recorder).numpy.zeros((B, *map(int, shape)))
        return inputs, state

    def run(self, call: LayerCall, made: Pass) -> None:
        """Run a layer over its sequences."""
        running, (inputs, state) = self.of(call), self.given(call, made)
        lengths = made.lengths.get(call.over)
        outputs, final = running.forward(inputs, state, lengths, reverse=call.reverse)
        made.outputs[call.layer], made.after[call.layer] = outputs, final

    def step(self, call: LayerCall, made: Pass) -> None:
        """Let a layer take a step."""
        running, (inputs, state) = self.of(call), self.given(call, made)
        made.outputs[call.layer], made.after[call.layer] = running.step(inputs, state)


def unturned(array: Planned) -> Planned:
    """What a layer in reverse takes, as the samples' steps go: the layer turns it round itself."""
    *changes, turned_round = array.changes
    assert turned_round.how is How.TURNED
    return replace(array, changes=tuple(changes))
