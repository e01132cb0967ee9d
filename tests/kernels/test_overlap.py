"""Memory that a call writes to: arrays that overlap give the right numbers, or an error that names both."""

import re
from collections.abc import Callable
from typing import Any

import model_problems
import numpy as np
import pytest
from kernel_problems import TARGETS, Call, assert_same, drawn, flat, spoiled

targets = pytest.mark.parametrize("target", TARGETS)


def square(target: str, T: int = 4, B: int = 3) -> Call:
    """An LSTM whose inputs are as wide as its outputs, so that either can stand in the other's place."""
    return drawn("lstm", target, T, B, n=5, m=5)


def foreign(array: np.ndarray) -> np.ndarray:
    """A view of an array's memory that does not say whose it is, as arrays of other libraries."""
    writable = array.view()
    writable.flags.writeable = True
    return np.frombuffer(memoryview(writable).cast("B"), array.dtype).reshape(array.shape)


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "itself": lambda array: array,
    "view": lambda array: array[:],
    "view of another library": foreign,
}
views = pytest.mark.parametrize("view", VIEWS)


def joined(one: np.ndarray, other: np.ndarray, shared: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays like these, one behind the other, which share so many numbers; the first has its own."""
    memory = np.zeros(one.size + other.size - shared, one.dtype)
    first, second = memory[: one.size].reshape(one.shape), memory[one.size - shared :].reshape(other.shape)
    first[...] = one
    return first, second


def array_at(place: str, given: Any) -> np.ndarray:
    for part in place.split("."):
        given = getattr(given, part)
    return given


def with_array(place: str, given: Any, array: np.ndarray) -> Any:
    part, field = place.split(".")
    return given._replace(**{part: getattr(given, part)._replace(**{field: array})})


def message(result: str, other: str) -> str:
    return f"^{re.escape(result)} shares memory with {re.escape(other)}; "


def gradients(made: Call, out: Any, **options: Any) -> Any:
    tape = made.forward().tape
    return made.module.backward(made.parameters, tape, made.d_outputs, made.d_state, out=out, **options)


# ---- Gradients ---------------------------------------------------------------------------------------


@targets
@views
@pytest.mark.parametrize(
    ("place", "other"),
    [
        ("parameters.W_i", "parameters.W_i"),
        ("parameters.W_i", "parameters.W_g"),
        ("parameters.b_i", "parameters.b_f"),
        ("inputs.x", "inputs.x"),
        ("inputs.x", "d_outputs"),
        ("parameters.W_i", "out.parameters.W_o"),
        ("state.c", "out.state.h"),
    ],
)
def test_gradients_in_the_place_of_what_is_needed(place: str, other: str, view: str, target: str) -> None:
    made = square(target)
    out = gradients(made, None)
    read = array_at(other.removeprefix("out."), out if other.startswith("out.") else made)
    before = [array.copy() for array in made.arrays]
    for workspace in (None, made.module.Workspace()):
        with pytest.raises(ValueError, match=message(f"out.{place}", other)):
            gradients(made, with_array(place, out, VIEWS[view](read)), workspace=workspace)
    assert_same(made.arrays, before)


@targets
@pytest.mark.parametrize("place", ["parameters.W_f", "inputs.x"])
@pytest.mark.parametrize("other", ["parameters.W_f", "inputs.x", "d_outputs"])
def test_gradients_that_share_one_number_or_none(place: str, other: str, target: str) -> None:
    made = square(target)
    expected = gradients(made, None)
    for shared in (0, 1):
        first, second = joined(array_at(other, made), array_at(place, expected), shared)
        out = with_array(place, spoiled(expected), second)
        changed = made.replaced(np.copy)
        if other == "d_outputs":
            changed.d_outputs = first
        else:
            group, field = other.split(".")
            setattr(changed, group, getattr(changed, group)._replace(**{field: first}))
        if not shared:
            assert_same(flat(gradients(changed, out)), flat(expected))
            continue
        with pytest.raises(ValueError, match=message(f"out.{place}", other)):
            gradients(changed, out)


def in_one_piece(arrays: Any) -> Any:
    """The same arrays, side by side in one memory."""
    memory = np.concatenate([array.ravel() for array in arrays])
    parts = np.split(memory, np.cumsum([array.size for array in arrays])[:-1])
    return type(arrays)(*(part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)))


@targets
def test_parameters_and_gradients_may_be_parts_of_one_array_each(target: str) -> None:
    made = square(target)
    expected = gradients(made, None)
    made.parameters = in_one_piece(made.parameters)
    out = spoiled(expected)._replace(parameters=in_one_piece(spoiled(expected.parameters)))
    assert_same(flat(gradients(made, out)), flat(expected))


@targets
def test_gradients_may_take_the_place_of_the_states_cotangents_in_any_order(target: str) -> None:
    made = square(target)
    expected = gradients(made, None)
    for view in VIEWS.values():
        changed = made.replaced(np.copy)
        c, h = changed.d_state
        out = spoiled(expected)._replace(state=made.module.State(c=view(h), h=view(c)))
        assert_same(flat(gradients(changed, out)), flat(expected))
    changed = made.replaced(np.copy)
    out = spoiled(expected)
    h = out.parameters.W_i.reshape(-1)[: changed.d_state.h.size].reshape(changed.d_state.h.shape)
    h[...] = changed.d_state.h
    changed.d_state = changed.d_state._replace(h=h)
    assert_same(flat(gradients(changed, out)), flat(expected))


@targets
def test_gradients_in_the_place_of_prepared_parameters(target: str) -> None:
    made = square(target)
    out = gradients(made, None)
    made.parameters = made.module.prepare(made.parameters)
    given = with_array("parameters.W_i", out, made.parameters.parameters.W_o)
    with pytest.raises(ValueError, match=message("out.parameters.W_i", "parameters.W_o")):
        gradients(made, given)


@targets
@pytest.mark.parametrize("lengths", [None, np.array([4, 0, 2])], ids=["whole", "padded"])
def test_outputs_may_be_their_own_cotangents(lengths: Any, target: str) -> None:
    """Though they lie in the workspace of the backward pass."""
    made = square(target)
    module, workspace = made.module, made.module.Workspace()
    run = module.forward(made.parameters, made.inputs, made.state, lengths=lengths, workspace=workspace)
    state = module.State(c=run.outputs[-1], h=run.outputs[0])
    expected = module.backward(
        made.parameters, run.tape, run.outputs.copy(), module.State(*map(np.copy, state))
    )
    for _ in range(2):
        found = module.backward(made.parameters, run.tape, run.outputs, state, workspace=workspace)
        assert_same(flat(found), flat(expected))


# ---- Outputs -----------------------------------------------------------------------------------------


@targets
@views
def test_outputs_in_the_place_of_inputs(view: str, target: str) -> None:
    made = square(target)
    x = made.inputs.x.copy()
    for workspace in (None, made.module.Workspace()):
        for lengths in (None, np.array([4, 0, 2])):
            with pytest.raises(ValueError, match=message("out", "inputs.x")):
                made.module.predict(
                    made.parameters,
                    made.inputs,
                    lengths=lengths,
                    out=VIEWS[view](made.inputs.x),
                    workspace=workspace,
                )
    assert_same([made.inputs.x], [x])


@targets
@pytest.mark.parametrize("prepared", [False, True], ids=["parameters", "prepared"])
def test_outputs_in_the_place_of_parameters(prepared: bool, target: str) -> None:
    made = square(target)
    given = made.module.prepare(made.parameters) if prepared else made.parameters
    W = given.parameters.W_f if prepared else given.W_f
    out = W.reshape(-1)[:30].reshape(3, 2, 5)
    with pytest.raises(ValueError, match=message("out", "parameters.W_f")):
        made.module.predict(given, made.inputs.x[:3, :2], out=out)


@targets
def test_the_state_may_lie_where_the_outputs_go(target: str) -> None:
    """As that of an earlier call does whose outputs had the same place."""
    made = square(target)
    for lengths in (None, np.array([4, 0, 2])):
        options = {"lengths": lengths}
        expected, after = made.module.predict(made.parameters, made.inputs, made.state, **options)
        for view in VIEWS.values():
            out = spoiled(expected)
            out[1], out[-1] = made.state
            state = made.module.State(c=view(out[1]), h=view(out[-1]))
            found, final = made.module.predict(made.parameters, made.inputs, state, out=out, **options)
            assert_same([found, *final], [expected, *after])


# ---- Workspaces --------------------------------------------------------------------------------------


@targets
@views
@pytest.mark.parametrize("argument", ["inputs.x", "state.h", "parameters.W_g"])
def test_arguments_of_forward_that_lie_in_its_workspace(argument: str, view: str, target: str) -> None:
    made = square(target)
    module, workspace = made.module, made.module.Workspace()
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    shape = array_at(argument, made).shape
    own = VIEWS[view](run.outputs.reshape(-1)[: np.prod(shape)]).reshape(shape)
    group, field = argument.split(".")
    changed = made.replaced(lambda array: array)
    setattr(changed, group, getattr(changed, group)._replace(**{field: own}))
    arguments = changed.parameters, changed.inputs, changed.state
    expected = module.forward(*arguments, workspace=module.Workspace()).outputs
    with pytest.raises(ValueError, match=message("workspace", argument) + r"use a Workspace\(\) for each"):
        module.forward(*arguments, workspace=workspace)
    own = own.copy()
    setattr(changed, group, getattr(changed, group)._replace(**{field: own}))
    found = module.forward(changed.parameters, changed.inputs, changed.state, workspace=workspace)
    assert_same([found.outputs], [expected])


@targets
def test_prepared_parameters_that_lie_in_the_workspace(target: str) -> None:
    made = square(target)
    module, workspace = made.module, made.module.Workspace()
    prepared = module.forward(made.parameters, made.inputs, workspace=workspace).tape.prepared
    with pytest.raises(ValueError, match=message("workspace", "parameters")):
        module.forward(prepared, made.inputs, workspace=workspace)


# ---- Models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["numpy"])
@views
def test_gradients_of_a_model_in_the_place_of_what_is_needed(view: str, target: str) -> None:
    model = model_problems.MODELS["plain"]
    made, batch = model_problems.module("plain", target), model_problems.drawn(model)
    parameters, inputs, state = batch.given(made)
    expected = made.loss_and_gradients(parameters, inputs, state)
    places = spoiled(expected.gradients)
    size = parameters.b_y.size
    others = {
        "parameters.b_y": parameters.b_y,
        "parameters.W_i": parameters.W_i.reshape(-1)[:size],
        "inputs.target": inputs.target.reshape(-1)[:size],
        f"state.{state._fields[0]}": state[0].reshape(-1)[:size],
    }
    for other, array in others.items():
        out = places._replace(b_y=VIEWS[view](array))
        for workspace in (None, made.Workspaces()):
            with pytest.raises(ValueError, match=message("out.b_y", other)):
                made.loss_and_gradients(parameters, inputs, state, out=out, workspace=workspace)
    with pytest.raises(ValueError, match=message("out.b_i", "out.b_f")):
        made.loss_and_gradients(parameters, inputs, state, out=places._replace(b_i=VIEWS[view](places.b_f)))
    found = made.loss_and_gradients(parameters, inputs, state, out=in_one_piece(places))
    assert_same([*found.gradients], [*expected.gradients])
