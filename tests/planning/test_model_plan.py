"""Models' plans: what they say reads as a table, and is what derivation, modules and costs say."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from model_problems import MODELS

import symrnn as sr
from symrnn import Model, pipeline, zoo
from symrnn.errors import RequestError, ValidationError
from symrnn.fuzzing.models import scheduled_model
from symrnn.models.stepping import layers_below
from symrnn.planning.model_cost import layer_costs
from symrnn.planning.model_plan import (
    BackwardCall,
    Change,
    How,
    Kind,
    ModelPlan,
)
from symrnn.validation.wiring import prove_calls

ALL = {**MODELS, **{f"shipped {name}": zoo.MODELS[name] for name in zoo.MODELS}}
everywhere = pytest.mark.parametrize("model", ALL.values(), ids=ALL)


@everywhere
def test_the_table_fits_in_80_columns_and_names_every_layer_and_cell(model: Model) -> None:
    planned = sr.plan(model)
    text = str(planned)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"plan of the model {model.name}: ")
    for run in model.runs:
        cell = run.layer.cell.name
        named = run.label if run.label == cell else f"{run.label}: {cell}"
        assert f"\n  {named} " in text
    for feed, _, _ in model.feeds:
        assert f"inputs.{feed.name}" in text


@pytest.mark.parametrize("number", range(12))
def test_plans_of_random_models_are_proved_and_fit_in_100_columns(number: int) -> None:
    """Their cells have long names and odd polynomials, which no line can break."""
    planned = sr.plan(scheduled_model(7, number))
    assert max(map(len, str(planned).splitlines())) <= 100


def test_the_table_tells_what_is_computed_in_which_order() -> None:
    lines = [" ".join(line.split()) for line in str(sr.plan(MODELS["used_twice"])).splitlines()]
    told = [
        "forward, in this order operations per sample and step",
        "gru 6 m² + 6 m n + 11 m",
        "c starts from state.c, or zero",
        "upper: elman 4 m² + 2 m",
        "x = gru",
        "s starts from gru.final(c)",
        "backward, in this order operations per sample and step",
        "d_outputs = 1/N",
        "d_outputs = d_joined.right + d_upper.x",
        "d_c at the end = d_upper.s at the start",
        "no gradient of the inputs",
        "of upper: W_s, b_s",
        "the tape of gru 5 m",
        "step by step: no, because a layer starts from what gru has at the end",
    ]
    positions = [lines.index(line) for line in told]
    assert positions == sorted(positions)


@everywhere
def test_costs_are_those_of_the_cells(model: Model) -> None:
    planned = sr.plan(model)
    costs = {cost.layer: cost for cost in layer_costs(planned)}
    assert list(costs) == [call.layer for call in planned.loss.calls]
    of_cells = pipeline.cost(model)
    for run in model.runs:
        if run.label in costs:
            cell, mine = of_cells[run.layer.cell], costs[run.label]
            sizes = dict(run.sizes)
            for one, other in zip(
                (cell.forward, cell.backward, cell.saved),
                (mine.forward, mine.backward, mine.saved),
                strict=True,
            ):
                assert (one.xreplace(sizes) - other).expand() == 0


def test_the_plans_of_the_cells_save_what_is_asked_for() -> None:
    planned = sr.plan(MODELS["plain"], "states")
    assert {of_cell.save for of_cell in planned.cells} == {planned.save} == {"states"}
    assert "a plan of its own that saves states" in " ".join(str(planned).split())
    assert sr.emit(planned, "numpy") == sr.emit(MODELS["plain"], "numpy", "states")


def test_all_verbs_take_all_that_is_made_of_a_model() -> None:
    model = MODELS["many_to_one"]
    derivation = sr.derive(model)
    planned = sr.plan(derivation)
    assert planned is sr.plan(model)
    sources = (model, derivation, planned)
    assert len({sr.emit(source, "numpy") for source in sources}) == 1
    assert len({sr.load(source, "numpy") for source in sources}) == 1
    assert sr.latex(derivation) == sr.latex(model)
    assert pipeline.cost(derivation) == pipeline.cost(model)
    with pytest.raises(RequestError, match=r"This plan of many_to_one is made with save='all'. Plan it with"):
        sr.emit(planned, "numpy", "states")
    for source in sources:
        with pytest.raises(RequestError, match="The minimal contract is written for cells"):
            sr.emit(source, "numpy", contract="minimal")


# -- what the module does is what the plan says ----------------------------------------------------------


def calls_in(text: str, function: str) -> Iterator[str]:
    """The layers whose kernels a function of a module calls, by their parameters, in order."""
    tree = ast.parse(text)
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    for node in ast.walk(body):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args:
            first = ast.unparse(node.value.args[0])
            if first.startswith("layers."):
                yield first.removeprefix("layers.")


@everywhere
def test_nothing_is_computed_that_is_not_needed(model: Model) -> None:
    planned = sr.plan(model)
    for evaluation, layer in ((planned.loss, model.loss), (planned.output, model.output)):
        needed = {model.run_of(below).label for below in layers_below(layer)}
        assert {call.layer for call in evaluation.calls} == needed
        assert evaluation.layer == model.run_of(layer).label


@everywhere
def test_the_module_makes_the_calls_of_the_plan(model: Model) -> None:
    planned, text = sr.plan(model), sr.emit(model, "numpy")
    forward = [call.layer for call in planned.loss.calls]
    assert [*calls_in(text, "loss")] == forward
    assert [*calls_in(text, "loss_and_gradients")] == [*forward, *(call.layer for call in planned.backward)]
    assert [*calls_in(text, "predict")] == [call.layer for call in planned.output.calls]
    if planned.step is None:
        assert f"There is no `step`, because {planned.no_step}." in text
    else:
        assert [*calls_in(text, "step")] == [call.layer for call in planned.step.calls]


# -- slips -----------------------------------------------------------------------------------------------


def in_backward(changed: Callable[[BackwardCall], BackwardCall]) -> Callable[[ModelPlan], ModelPlan]:
    return lambda planned: replace(planned, backward=tuple(map(changed, planned.backward)))


def other_end(call: BackwardCall) -> BackwardCall:
    def moved(change: Change) -> Change:
        return replace(change, how=How.AT_FIRST) if change.how == How.AT_LAST else change

    arrives = tuple(replace(a, changes=tuple(map(moved, a.changes))) for a in call.arrives)
    return replace(call, arrives=arrives)


def too_early(planned: ModelPlan) -> ModelPlan:
    *others, last = planned.backward
    return replace(planned, backward=(last, *others))


def two_in_one_place(planned: ModelPlan) -> ModelPlan:
    def placed(call: BackwardCall) -> BackwardCall:
        return replace(call, places=tuple((q, place or "W_y") for q, place in call.places))

    return in_backward(placed)(planned)


def swapped_inputs(planned: ModelPlan) -> ModelPlan:
    feeds = {"source": "given", "given": "source"}
    layers = tuple(
        replace(
            call,
            inputs=tuple((q, replace(a, name=feeds.get(a.name, a.name))) for q, a in call.inputs),
        )
        for call in planned.layers
    )
    return replace(planned, layers=layers)


SLIPS: dict[str, tuple[str, Callable[[ModelPlan], ModelPlan], str]] = {
    "a lost summand": (
        "used_twice",
        in_backward(lambda call: replace(call, arrives=call.arrives[:1])),
        "the adjoint of gru.outputs at step 1 is joined.right at step 1; it should be",
    ),
    "the other direction": (
        "bidirectional",
        in_backward(lambda call: replace(call, reverse=not call.reverse)),
        "the adjoint of backwards.outputs at step 3 is joined.left at step 3; it should be",
    ),
    "the other end": (
        "many_to_one",
        in_backward(other_end),
        "the adjoint of gru.outputs at step 3 is nothing",
    ),
    "a lost end": (
        "encoder_decoder",
        in_backward(lambda call: replace(call, ends=call.ends[:1])),
        "the adjoint of encoder.h after the last step is nothing; it should be decoder.h before the first",
    ),
    "a call too early": ("plain", too_early, "the adjoint of lstm.outputs at step 1 is nothing"),
    "a place taken twice": (
        "tied",
        two_in_one_place,
        "the place of the gradient of layer.W_s is W_y; it should be nothing",
    ),
    "a lost gradient": (
        "tied",
        lambda planned: replace(planned, gradients=planned.gradients[1:]),
        "the adjoint of the parameter W_y is nothing; it should be mixed.W_y",
    ),
    "swapped inputs": (
        "encoder_decoder",
        swapped_inputs,
        "what encoder.x at step 1 takes is given at step 1",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_calls_is_refused(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, slipped, message = SLIPS[slip]
    right = pipeline.lower_model
    monkeypatch.setattr(pipeline, "lower_model", lambda *given: slipped(right(*given)))
    with pytest.raises(ValidationError, match=f"In the plan of the model {name}, {message}"):
        sr.emit(MODELS[name], "numpy")


@everywhere
def test_right_calls_are_proved(model: Model) -> None:
    prove_calls(sr.plan(model))


def test_states_that_nothing_computes_are_the_callers() -> None:
    """The encoder of a translator does not run in a step; `predict` of a tagger leaves the loss's states."""
    planned = sr.plan(zoo.MODELS["translator"])
    assert planned.step is not None
    assert planned.step.begin is not None
    assert [m.name for m in planned.step.memory] == ["decoder_c", "decoder_h"]
    used = sr.Layer(zoo.cell("elman"), sr.Feed("x"), name="used")
    judge = sr.Layer(zoo.cell("elman"), used, name="judge")
    model = Model("judged", sr.Layer(zoo.squared_error, {"a": judge, "y": sr.Feed("y")}), output=used)
    kinds = {name: array.kind for name, array in sr.plan(model).output.states}
    assert kinds["judge_s"] == Kind.STATE != kinds["used_s"]
