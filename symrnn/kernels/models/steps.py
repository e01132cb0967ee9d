"""A model in use: one time step after the other, and sequences that it continues on its own."""

from dataclasses import dataclass, replace

from symrnn.declaration.axes import Shape
from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.operations import softmax
from symrnn.declaration.quantities import Index, State
from symrnn.kernels.interface import Field, shape_data, table_text, tuple_text
from symrnn.kernels.models.code import Call, ModelWriter, called, shape_with
from symrnn.models.layers import Feed, Layer
from symrnn.models.model import Model, Run
from symrnn.models.stepping import starting_layers, stepped_feeds, stepped_layers, why_no_step


@dataclass(frozen=True, slots=True)
class Carried:
    """A state that goes from step to step: its name in the module, and whose it is."""

    name: str
    run: Run
    state: State

    @property
    def shape(self) -> Shape:
        """Its shape per sample in the model's axes."""
        return self.run.shape(self.state)


class StepWriter:
    """Writes what a model does in one step; only for models that can."""

    def __init__(self, model: Model, writer: ModelWriter) -> None:
        """Write for a model whose calls over whole sequences `writer` writes."""
        self.model = model
        self.writer = writer
        self.stepped = [run for run in model.runs if run.layer in stepped_layers(model.output)]
        self.feeds = tuple(stepped_feeds(model.output))
        self.begins = bool(starting_layers(model.output))
        self.carried = self.memory() if self.begins else self.states()

    def states(self) -> tuple[Carried, ...]:
        """The states that are carried between calls, as they are."""
        return tuple(Carried(name, run, state) for run in self.stepped for state, name in run.carried)

    def memory(self) -> tuple[Carried, ...]:
        """All states of the stepped layers, those included that start from what other layers have."""
        found: dict[str, Carried] = {}
        for run in self.stepped:
            for state in run.layer.cell.states:
                name = unique_name(f"{run.label}_{state.name}", found)
                found[name] = Carried(name, run, state)
        return tuple(found.values())

    @property
    def kind(self) -> str:
        """The name of the class of what is carried from step to step."""
        return "Memory" if self.begins else "State"

    def calls(self) -> tuple[Call, ...]:
        """One step of every stepped layer."""
        return tuple(self.call(run) for run in self.stepped)

    def call(self, run: Run) -> Call:
        """One step of a layer."""
        arrays = ", ".join(f"{quantity.name}={self.source(source)}" for quantity, source in run.layer.inputs)
        given = [f"layers.{run.label}", f"{self.writer.kernel(run, 'Inputs')}({arrays})", self.state(run)]
        after = f"{run.label}_next" if run.layer.cell.states else "_"
        lines = called(f"{run.label}_output, {after} = {self.writer.kernel(run, 'step')}", given)
        takes = ", ".join(f"{quantity} = {source}" for quantity, source in run.layer.inputs)
        return Call(f"{run.label}: {run.layer.cell.name} of {takes}", tuple(lines))

    def source(self, source: object) -> str:
        """The text of what a source holds at the step: (B, ...)."""
        if isinstance(source, Feed):
            return f"inputs_t.{source.name}"
        assert isinstance(source, Layer)
        return f"{self.model.run_of(source).label}_output"

    def state(self, run: Run) -> str:
        """The text of the state that a layer's step starts from."""
        own = [carried for carried in self.carried if carried.run == run]
        if not own:
            return "None"
        texts = ", ".join(f"{carried.state.name}=state.{carried.name}" for carried in own)
        made = f"{self.writer.kernel(run, 'State')}({texts})"
        if self.begins and not run.layer.initial:
            return f"None if state.{own[0].name} is None else {made}"
        return made if self.begins else f"None if state is None else {made}"

    def next_state(self) -> tuple[str, ...]:
        """The lines of the state after the step."""
        after = {c.name: f"{c.run.label}_next.{c.state.name}" for c in self.carried}
        names = after if self.begins else [name for name, _ in self.model.states]
        texts = [f"{name}={after.get(name, f'state and state.{name}')}" for name in names]
        return tuple(
            called(f"return {self.model.run_of(self.model.output).label}_output, {self.kind}", texts)
        )

    # -- before the first step ------------------------------------------------------------------

    def starting_calls(self) -> tuple[Call, ...]:
        """The calls of the layers that stepped ones start from, over their whole sequences."""
        return self.writer.forward(*starting_layers(self.model.output), training=False)

    def starting_feeds(self) -> tuple[str, ...]:
        """The names of what those layers take from the batch."""
        layers = starting_layers(self.model.output)
        taken = {source for layer in layers for _, source in layer.inputs}
        return tuple(feed.name for feed, _, _ in self.model.feeds if feed in taken)

    def memory_lines(self) -> tuple[str, ...]:
        """The lines of the states before the first step."""
        return tuple(called("return Memory", [f"{c.name}={self.start(c)}" for c in self.carried]))

    def start(self, carried: Carried) -> str:
        """The text of what a state starts from."""
        for state, reading in carried.run.layer.initial:
            if state == carried.state:
                return self.writer.reading(reading)
        name = dict(carried.run.carried)[carried.state]
        return f"None if state is None else state.{name}"

    # -- generation -----------------------------------------------------------------------------

    def scores(self) -> tuple[bool, bool]:
        """Whether the output scores classes, one of which is drawn, and whether by probabilities."""
        output = self.model.output.cell
        made = {d.symbol: d.expr for d in output.definitions}.get(output.output)
        classes = isinstance(made, softmax) or self.feeds_classes
        return classes, isinstance(made, softmax)

    @property
    def feeds_classes(self) -> bool:
        """Whether class numbers are fed back, not arrays."""
        feedback = self.model.feedback
        return feedback is not None and isinstance(stepped_feeds(self.model.output)[feedback], Index)


@dataclass(frozen=True, slots=True)
class StepText:
    """What a template says of `step`, `begin` and `generate`; `note` says why there is none of them."""

    note: str = ""
    exists: bool = False
    begins: bool = False
    generates: bool = False
    kind: str = ""
    memory: tuple[Field, ...] = ()
    memory_table: str = "{}"
    calls: tuple[Call, ...] = ()
    feeds: str = ""
    read: str = ""
    lines: tuple[str, ...] = ()
    begin_calls: tuple[Call, ...] = ()
    begin_feeds: str = ""
    begin_read: str = ""
    begin_lines: tuple[str, ...] = ()
    feedback: str = ""
    draws: bool = False
    draws_one_hot: bool = False
    from_probabilities: bool = False


def step_text(model: Model, writer: ModelWriter) -> StepText:
    """The steps of a model, for its module."""
    if why_not := why_no_step(model.output):
        return StepText(note=f"There is no `step`, because {why_not}.")
    steps = StepWriter(model, writer)
    read = tuple(feed.name for feed in steps.feeds)
    text = StepText(
        exists=True,
        kind=steps.kind,
        calls=steps.calls(),
        feeds=tuple_text(f'"{name}"' for name in read),
        read=", ".join(read),
        lines=steps.next_state(),
    )
    if steps.begins:
        given = steps.starting_feeds()
        text = replace(
            text,
            begins=True,
            memory=tuple(Field(c.name, shape_with(("B",), c.shape)) for c in steps.carried),
            memory_table=table_text({c.name: shape_data(c.shape) for c in steps.carried}),
            begin_calls=steps.starting_calls(),
            begin_feeds=tuple_text(f'"{name}"' for name in given),
            begin_read=", ".join(given),
            begin_lines=steps.memory_lines(),
        )
    if model.feedback is not None:
        draws, probabilities = steps.scores()
        text = replace(
            text,
            generates=True,
            feedback=model.feedback.name,
            draws=draws,
            draws_one_hot=draws and not steps.feeds_classes,
            from_probabilities=probabilities,
        )
    return text
