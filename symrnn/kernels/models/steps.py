"""A model in use: one time step after the other, and sequences that it continues on its own."""

from dataclasses import dataclass, replace

from symrnn.kernels.interface import Field, shape_data, table_text, tuple_text
from symrnn.kernels.models.code import Call, ModelWriter, array_text, called, shape_with, state_texts
from symrnn.planning.model_plan import (
    Array,
    Kind,
    LayerCall,
    ModelPlan,
    StepPlan,
)


@dataclass(frozen=True, slots=True)
class StepText:
    """What a template says of `step`, `begin` and `generate`."""

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


def step_text(planned: ModelPlan, writer: ModelWriter) -> StepText:
    """The steps of a model, for its module."""
    step = planned.step
    if step is None:
        return StepText()
    kind = "State" if step.begin is None else "Memory"
    output = array_text(Array(Kind.STEP_OUTPUT, planned.output.layer))
    text = StepText(
        exists=True,
        kind=kind,
        calls=tuple(_call(call, writer) for call in step.calls),
        feeds=tuple_text(f'"{name}"' for name in step.reads),
        read=", ".join(step.reads),
        lines=tuple(called(f"return {output}, {kind}", state_texts(step.states))),
        generates=bool(step.feedback),
        feedback=step.feedback,
        draws=bool(step.feedback) and step.scores,
        draws_one_hot=bool(step.feedback) and step.scores and not step.feeds_classes,
        from_probabilities=bool(step.feedback) and step.probabilities,
    )
    return text if step.begin is None else _begun(text, step, writer)


def _begun(text: StepText, step: StepPlan, writer: ModelWriter) -> StepText:
    """The text with what comes before the first step."""
    assert step.begin is not None
    given = {Kind.STATE: f"None if {array_text(Array(Kind.STATE))} is None else "}
    starts = [f"{name}={given.get(array.kind, '')}{array_text(array)}" for name, array in step.starts]
    return replace(
        text,
        begins=True,
        memory=tuple(Field(m.name, shape_with(("B",), m.shape)) for m in step.memory),
        memory_table=table_text({m.name: shape_data(m.shape) for m in step.memory}),
        begin_calls=writer.forward(step.begin, training=False),
        begin_feeds=tuple_text(f'"{name}"' for name in step.begin.reads),
        begin_read=", ".join(step.begin.reads),
        begin_lines=tuple(called("return Memory", starts)),
    )


def _call(call: LayerCall, writer: ModelWriter) -> Call:
    """One step of a layer."""
    after = f"{call.layer}_next" if call.start else "_"
    output = array_text(Array(Kind.STEP_OUTPUT, call.layer))
    lines = called(f"{output}, {after} = {writer.kernel(call.cell, 'step')}", writer.given(call))
    return Call(f"{call.layer}: {call.words}", tuple(lines))
