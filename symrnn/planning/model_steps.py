"""A model in use, as calls: one time step after the other, and sequences that it continues on its own."""

from collections.abc import Callable, Mapping

from symrnn.declaration.normal_form import unique_name
from symrnn.declaration.operations import softmax
from symrnn.declaration.quantities import Index
from symrnn.models.layers import Feed, Layer
from symrnn.models.model import Model, Run
from symrnn.models.stepping import starting_layers, stepped_feeds, stepped_layers, why_no_step
from symrnn.planning.model_plan import (
    Array,
    Evaluation,
    Kind,
    LayerCall,
    Memory,
    StepPlan,
)


def step_plan(
    model: Model,
    calls: Mapping[Layer, LayerCall],
    evaluated: Callable[[tuple[Layer, ...]], Evaluation],
) -> tuple[StepPlan | None, str]:
    """What a model does in one step; none, and why, if its output cannot be computed step by step.

    `calls` are the runs of its layers over whole sequences, `evaluated` gives those that some layers need.
    """
    if why_not := why_no_step(model.output):
        return None, why_not
    stepped = [run for run in model.runs if run.layer in stepped_layers(model.output)]
    before = starting_layers(model.output)
    memory = _whole_memory(stepped) if before else _carried(stepped)
    left = {m.name: Array(Kind.NEXT, m.layer, m.state) for m in memory}
    names = tuple(left) if before else tuple(name for name, _ in model.states)
    starts = {(call.layer, state): array for call in calls.values() for state, array in call.start}
    scores, probabilities = _scores(model)
    return StepPlan(
        tuple(_step(run, calls, memory, bool(before)) for run in stepped),
        tuple(feed.name for feed in stepped_feeds(model.output)),
        memory,
        tuple((name, left.get(name, Array(Kind.STATE, name=name))) for name in names),
        evaluated(before) if before else None,
        tuple((m.name, starts[m.layer, m.state]) for m in memory) if before else (),
        model.feedback.name if model.feedback is not None else "",
        scores,
        probabilities,
        _feeds_classes(model),
    ), ""


def _carried(stepped: list[Run]) -> tuple[Memory, ...]:
    """The states that are carried between calls, as they are."""
    return tuple(
        Memory(name, run.label, state.name, run.shape(state))
        for run in stepped
        for state, name in run.carried
    )


def _whole_memory(stepped: list[Run]) -> tuple[Memory, ...]:
    """All states of the stepped layers, those included that start from what other layers have."""
    found: dict[str, Memory] = {}
    for run in stepped:
        for state in run.layer.cell.states:
            name = unique_name(f"{run.label}_{state.name}", found)
            found[name] = Memory(name, run.label, state.name, run.shape(state))
    return tuple(found.values())


def _step(run: Run, calls: Mapping[Layer, LayerCall], memory: tuple[Memory, ...], begun: bool) -> LayerCall:
    """One step of a layer; `begun` if memory is there from the first step on."""
    inputs = []
    for quantity, source in run.layer.inputs:
        if isinstance(source, Feed):
            inputs.append((quantity.name, Array(Kind.STEP_INPUT, name=source.name)))
        else:
            assert isinstance(source, Layer)
            inputs.append((quantity.name, Array(Kind.STEP_OUTPUT, calls[source].layer)))
    own = [m for m in memory if m.layer == run.label]
    given = Array(Kind.STATE, name=own[0].name if begun else "") if own else None
    takes = ", ".join(f"{quantity} = {source}" for quantity, source in run.layer.inputs)
    return LayerCall(
        run.label,
        run.layer.cell.name,
        f"{run.layer.cell.name} of {takes}",
        run.layer.time,
        False,
        tuple(inputs),
        tuple((m.state, Array(Kind.STATE, name=m.name)) for m in own),
        None if begun and run.layer.initial else given,
    )


def _scores(model: Model) -> tuple[bool, bool]:
    """Whether the output scores classes, one of which is drawn, and whether by probabilities."""
    output = model.output.cell
    made = {d.symbol: d.expr for d in output.definitions}.get(output.output)
    return isinstance(made, softmax) or _feeds_classes(model), isinstance(made, softmax)


def _feeds_classes(model: Model) -> bool:
    """Whether class numbers are fed back, not arrays."""
    feedback = model.feedback
    return feedback is not None and isinstance(stepped_feeds(model.output)[feedback], Index)
