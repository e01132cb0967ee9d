"""Memory: a workspace for repeated calls, results in given arrays, and how much a pass over time holds."""

import re
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_problems import (
    DTYPES,
    EXTRA,
    TARGETS,
    Call,
    assert_close,
    assert_same,
    drawn,
    flat,
    importable,
    kernel,
    run_python,
    spoiled,
)
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State

targets = pytest.mark.parametrize("target", TARGETS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
names = pytest.mark.parametrize("name", ["lstm", "gru", *EXTRA])


def verbs(made: Call, workspace: Any) -> list[Callable[[], Any]]:
    """Calls of predict, forward and backward with a workspace; the tape of the last one lies elsewhere."""
    tape = made.forward().tape
    module = made.module
    return [
        lambda: module.predict(made.parameters, made.inputs, made.state, workspace=workspace),
        lambda: module.forward(made.parameters, made.inputs, made.state, workspace=workspace),
        lambda: module.backward(made.parameters, tape, made.d_outputs, made.d_state, workspace=workspace),
    ]


def all_results(made: Call, workspace: Any) -> list[Any]:
    """Copies of everything that the three verbs return with a workspace, or with None."""
    module = made.module
    predicted, after = module.predict(made.parameters, made.inputs, made.state, workspace=workspace)
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, workspace=workspace)
    return [array.copy() for array in (predicted, *after, run.outputs, *run.state, *flat(gradients))]


def spoil(workspace: Any) -> None:
    """Make all numbers in a workspace NaN: whatever is read before it is written shows."""
    assert workspace._arrays
    for array in workspace._arrays.values():
        array[...] = np.nan


# ---- Workspaces --------------------------------------------------------------------------------------

SHAPES = [(4, 3), (4, 3), (0, 3), (9, 2), (70, 1), (1, 1), (4, 0), (4, 3)]


@targets
@names
def test_a_workspace_changes_no_result(name: str, target: str) -> None:
    """Whatever the sizes of the calls before."""
    workspace = kernel(name, target).Workspace()
    for T, B in SHAPES:
        made = drawn(name, target, T, B)
        assert_close(all_results(made, workspace), all_results(made, None))
        spoil(workspace)


@targets
def test_a_workspace_serves_both_dtypes_and_other_sizes(target: str) -> None:
    workspace = kernel("lstm", target).Workspace()
    for dtype, m in (("float64", 5), ("float32", 5), ("float32", 9), ("float64", 5)):
        made = drawn("lstm", target, 4, 3, dtype, m=m)
        assert_close(all_results(made, workspace), all_results(made, None), dtype)
        spoil(workspace)


@targets
@pytest.mark.parametrize("name", ["lstm", "several"])
def test_a_workspace_serves_kernels_that_save_states(name: str, target: str) -> None:
    workspace = kernel(name, target, "states").Workspace()
    for T, B in SHAPES:
        made = drawn(name, target, T, B, save="states")
        assert_close(all_results(made, workspace), all_results(made, None))
        spoil(workspace)


@targets
def test_a_workspace_serves_prepared_parameters(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    expected = all_results(made, None)
    workspace = made.module.Workspace()
    made.parameters = made.module.prepare(made.parameters)
    for _ in range(2):
        assert_same(all_results(made, workspace), expected)
        spoil(workspace)


@targets
@names
def test_nothing_is_read_before_it_is_written(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a workspace too; fresh memory often is zero, which hides such a slip."""
    made = drawn(name, target, 5, 3)
    expected = all_results(made, None)
    monkeypatch.setattr(made.module, "_new", lambda _, shape, dtype: np.full(shape, np.nan, dtype))
    assert_same(all_results(made, None), expected)


def addresses(run: Any) -> list[int]:
    """Where the outputs of a run lie, and what is saved for the backward pass."""
    return [array.__array_interface__["data"][0] for array in (run.outputs, *run.tape.saved)]


@targets
@names
def test_runs_of_one_size_lie_in_the_same_memory(name: str, target: str) -> None:
    made = drawn(name, target, 9, 3)
    workspace = made.module.Workspace()
    found = set()
    for _ in range(3):
        run = made.module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
        found.add((*addresses(run), len(workspace._arrays)))
    assert len(found) == 1


def memory_of_calls(made: Call, times: int) -> list[int]:
    """The most bytes that the calls of each round take besides what there was; all share their memory."""
    module, workspace = made.module, made.module.Workspace()
    run = made.forward()
    outputs = np.empty_like(run.outputs)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs)
    module.predict(made.parameters, made.inputs, made.state)  # all is compiled before memory is measured
    found = []
    tracemalloc.start()
    try:
        for _ in range(times):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
            module.backward(
                made.parameters, run.tape, made.d_outputs, made.d_state, out=gradients, workspace=workspace
            )
            module.predict(made.parameters, made.inputs, made.state, out=outputs, workspace=workspace)
            found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return found


@targets
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_repeated_calls_take_no_fresh_memory_for_sequences(name: str, target: str) -> None:
    """What they still take is for a few steps or of the size of the parameters, whatever the length."""
    B, steps = 8, 1100  # more than both targets work on at once
    short, long = (drawn(name, target, T, B) for T in (steps, 2 * steps))
    one_array = long.d_outputs.nbytes - short.d_outputs.nbytes  # over the difference of the lengths
    (first, *later), (first_long, *later_long) = (memory_of_calls(made, 3) for made in (short, long))
    assert first_long - first > 5 * one_array
    assert max(later_long) - max(later) < 0.1 * one_array


@targets
def test_an_older_tape_is_refused(target: str) -> None:
    made, other = drawn("lstm", target, 4, 3), drawn("lstm", target, 6, 2)
    module, workspace = made.module, made.module.Workspace()
    message = "^tape lies in a workspace that a later forward.. has used again; call backward.. before that"
    for later in (made, other):
        old = module.forward(made.parameters, made.inputs, workspace=workspace)
        new = module.forward(later.parameters, later.inputs, workspace=workspace)
        for used in (None, workspace, module.Workspace()):
            with pytest.raises(ValueError, match=message):
                module.backward(made.parameters, old.tape, made.d_outputs, workspace=used)
            module.backward(later.parameters, new.tape, later.d_outputs, workspace=used)


@targets
def test_a_tape_older_than_a_forward_that_failed_is_refused(target: str) -> None:
    """That call may have come far enough to write."""
    made, other = drawn("lstm", target, 4, 3), drawn("lstm", target, 4, 2)
    module, workspace = made.module, made.module.Workspace()
    old = module.forward(made.parameters, made.inputs, workspace=workspace)
    with pytest.raises(ValueError, match=r"state\.c has shape"):
        module.forward(other.parameters, other.inputs, made.state, workspace=workspace)
    with pytest.raises(ValueError, match="tape lies in a workspace"):
        module.backward(made.parameters, old.tape, made.d_outputs)


@targets
@names
def test_a_tape_without_workspace_outlives_runs_with_one(name: str, target: str) -> None:
    made, other = drawn(name, target, 4, 3), drawn(name, target, 4, 3)
    module, workspace = made.module, made.module.Workspace()
    expected = made.results()
    run = made.forward()
    other = other.replaced(lambda array: 2 * array)
    for _ in range(2):
        tape = module.forward(other.parameters, other.inputs, other.state, workspace=workspace).tape
        module.backward(other.parameters, tape, other.d_outputs, other.d_state, workspace=workspace)
        spoil(workspace)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, workspace=workspace)
    assert_same([run.outputs, *run.state, *flat(gradients)], expected)


@targets
@names
def test_a_tape_in_a_workspace_serves_until_the_next_forward(name: str, target: str) -> None:
    """Predictions and backward passes of other problems may use the workspace, and calls that fail."""
    made, other = drawn(name, target, 4, 3), drawn(name, target, 6, 2)
    module, workspace = made.module, made.module.Workspace()
    expected = made.results()
    others = [(call, call.forward().tape) for call in (other, made.replaced(lambda array: 2 * array))]
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    for used in (workspace, None, module.Workspace(), workspace):
        gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, workspace=used)
        assert_same([run.outputs, *run.state, *flat(gradients)], expected)
        for call, tape in others:
            module.predict(call.parameters, call.inputs, call.state, workspace=workspace)
            module.backward(call.parameters, tape, call.d_outputs, workspace=workspace)
        with pytest.raises(ValueError, match="d_outputs has shape"):
            module.backward(made.parameters, run.tape, other.d_outputs, workspace=workspace)


@targets
def test_equal_parameters_serve_a_tape_in_a_workspace(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, workspace = made.module, made.module.Workspace()
    expected = made.results()
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    for given in (made.replaced(np.copy).parameters, module.prepare(made.parameters)):
        gradients = module.backward(given, run.tape, made.d_outputs, made.d_state, workspace=workspace)
        assert_same([run.outputs, *run.state, *flat(gradients)], expected)


@targets
@names
def test_results_besides_outputs_and_tape_are_the_callers(name: str, target: str) -> None:
    made = drawn(name, target, 4, 3)
    module, workspace = made.module, made.module.Workspace()
    predicted, after = module.predict(made.parameters, made.inputs, made.state, workspace=workspace)
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, workspace=workspace)
    results = [predicted, *after, *run.state, *flat(gradients)]
    before = [array.copy() for array in results]
    for array in (*results, *made.arrays):
        assert not any(np.shares_memory(array, held) for held in workspace._arrays.values())
    spoil(workspace)
    assert_same(results, before)


@targets
def test_outputs_in_a_workspace_cannot_be_written_to(target: str) -> None:
    for name in ("lstm", "several", "layer"):
        made = drawn(name, target, 4, 3)
        workspace = made.module.Workspace()
        for _ in range(2):
            run = made.module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
            with pytest.raises(ValueError, match="read-only"):
                run.outputs[0] = 0


@targets
def test_workspaces_that_are_none(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    for wrong in (made.module.Workspace, {}, (), True, 0, np.empty(3), kernel("gru", target).Workspace()):
        message = rf"^workspace is a {type(wrong).__name__}; pass a Workspace\(\) of this module\.$"
        for verb in verbs(made, wrong):
            with pytest.raises(ValueError, match=message):
                verb()


@targets
def test_a_workspace_in_use_is_refused(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    workspace = made.module.Workspace()
    message = r"^workspace is in use by another call; give every thread a Workspace\(\) of its own\.$"
    for verb in verbs(made, workspace):
        with workspace._free, pytest.raises(ValueError, match=message):
            verb()
        verb()


@targets
def test_a_refused_call_leaves_a_tape_in_the_workspace_alone(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, workspace = made.module, made.module.Workspace()
    expected = made.results()
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    with workspace._free, pytest.raises(ValueError, match="in use"):
        module.forward(made.parameters, made.inputs, workspace=workspace)
    gradients = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    assert_same([run.outputs, *run.state, *flat(gradients)], expected)


@targets
def test_a_failing_call_gives_the_workspace_back(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, workspace = made.module, made.module.Workspace()
    tape = made.forward().tape
    for call in (
        lambda: module.predict(made.parameters, None, workspace=workspace),
        lambda: module.forward(made.parameters, None, workspace=workspace),
        lambda: module.backward(made.parameters, tape, None, workspace=workspace),
    ):
        with pytest.raises(ValueError, match=r"is a NoneType"):
            call()
        assert workspace._free.acquire(blocking=False)
        workspace._free.release()


@targets
def test_threads_with_workspaces_of_their_own(target: str) -> None:
    calls = [drawn("lstm", target, T, B) for T, B in ((4, 3), (6, 2), (4, 3))]
    expected = [all_results(made, None) for made in calls]

    def work(made: Call) -> list[Any]:
        workspace = made.module.Workspace()
        found = [all_results(made, workspace) for _ in range(10)]
        for again in found[1:]:
            assert_same(again, found[0])
        return found[0]

    with ThreadPoolExecutor(6) as pool:
        for position, found in enumerate(pool.map(work, calls * 4)):
            assert_same(found, expected[position % len(calls)])


@targets
def test_threads_on_one_workspace_get_the_answer_or_the_error(target: str) -> None:
    made = drawn("lstm", target, 40, 3)
    workspace = made.module.Workspace()
    expected, _ = made.module.predict(made.parameters, made.inputs, made.state)

    def work(_: int) -> Any:
        try:
            return made.module.predict(made.parameters, made.inputs, made.state, workspace=workspace)[0]
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(work, range(200)))
    for answer in found:
        if isinstance(answer, str):
            assert "in use by another call" in answer
        else:
            np.testing.assert_array_equal(answer, expected)
    assert any(not isinstance(answer, str) for answer in found)


# ---- Results in given arrays -------------------------------------------------------------------------


@targets
@names
def test_outputs_of_predict_land_in_out(name: str, target: str) -> None:
    for T, B in ((4, 3), (0, 3), (70, 1)):
        made = drawn(name, target, T, B)
        expected, state = made.module.predict(made.parameters, made.inputs, made.state)
        out = spoiled(expected)
        found, after = made.module.predict(made.parameters, made.inputs, made.state, out=out)
        assert found is out
        assert_same([out, *after], [expected, *state])
        assert out.flags.writeable


@targets
@names
@pytest.mark.parametrize(("T", "B"), [(4, 3), (0, 3), (4, 0)])
def test_gradients_land_in_out(name: str, T: int, B: int, target: str) -> None:
    """Zeros too: those of constants and of what a short sequence does not reach."""
    made = drawn(name, target, T, B)
    tape = made.forward().tape
    expected = made.module.backward(made.parameters, tape, made.d_outputs, made.d_state)
    out = spoiled(expected)
    for _ in range(2):
        found = made.module.backward(made.parameters, tape, made.d_outputs, made.d_state, out=out)
        assert isinstance(found, made.module.Gradients)
        assert isinstance(found.parameters, made.module.Parameters)
        assert all(one is other for one, other in zip(flat(found), flat(out), strict=True))
        assert_same(flat(found), flat(expected))


def unmoved() -> Cell:
    """A cell whose parameter, input and state all have derivatives of zero: nothing adds to them."""
    n, m = sr.axes("n m")
    x, h, c, still = Input("x", n), State("h", m), State("c", m), Input("still", m)
    W, b = Parameter("W", m, n), Parameter("b", m)
    return Cell(
        "unmoved",
        Eq(h.next, sr.tanh(W @ x) + sr.stop_gradient(b * h + still)),
        Eq(c.next, sr.stop_gradient(c)),
        output=h.next,
    )


@targets
def test_gradients_of_zero_land_in_out(target: str) -> None:
    module = sr.load(unmoved(), target)
    rng = np.random.default_rng(0)
    parameters = module.Parameters(W=rng.standard_normal((5, 3)), b=rng.standard_normal(5))
    inputs = module.Inputs(x=rng.standard_normal((4, 2, 3)), still=rng.standard_normal((4, 2, 5)))
    state = module.State(*(rng.standard_normal((2, 5)) for _ in module.STATES))
    run = module.forward(parameters, inputs, state)
    found = module.backward(parameters, run.tape, np.ones_like(run.outputs), state)
    out = module.backward(parameters, run.tape, np.ones_like(run.outputs), state, out=spoiled(found))
    assert_same(flat(out), flat(found))
    assert found.parameters.W.any()
    for zero in (found.parameters.b, found.inputs.still, *found.state):
        assert not zero.any()


@targets
@names
def test_input_gradients_left_out_are_none_and_their_arrays_untouched(name: str, target: str) -> None:
    made = drawn(name, target, 4, 3)
    module, tape = made.module, made.forward().tape
    expected = module.backward(made.parameters, tape, made.d_outputs, made.d_state)
    out = spoiled(expected)
    found = module.backward(
        made.parameters, tape, made.d_outputs, made.d_state, input_gradients=False, out=out
    )
    assert found.inputs is None
    assert_same([*found.parameters, *found.state], [*expected.parameters, *expected.state])
    assert all(a is b for a, b in zip(found.parameters, out.parameters, strict=True))
    assert all(np.isnan(array).all() for array in out.inputs)
    again = module.backward(
        made.parameters, tape, made.d_outputs, made.d_state, input_gradients=False, out=found
    )
    assert again.inputs is None


@targets
def test_parts_of_out_may_be_missing(target: str) -> None:
    """Such as the inputs of a result that left them out; these come in arrays of their own."""
    made = drawn("lstm", target, 4, 3)
    module, tape = made.module, made.forward().tape
    expected = module.backward(made.parameters, tape, made.d_outputs)
    full = spoiled(expected)
    for missing in ("parameters", "inputs", "state"):
        out = full._replace(**{missing: None})
        found = module.backward(made.parameters, tape, made.d_outputs, out=out)
        assert_same(flat(found), flat(expected))
        for part in {"parameters", "inputs", "state"} - {missing}:
            assert all(a is b for a, b in zip(getattr(found, part), getattr(out, part), strict=True))
    out = full._replace(parameters=full.parameters._replace(W_f=None))
    found = module.backward(made.parameters, tape, made.d_outputs, out=out)
    assert_same(flat(found), flat(expected))
    assert found.parameters.W_i is out.parameters.W_i


@targets
@names
@pytest.mark.parametrize("shared", [False, True], ids=["no workspace", "workspace"])
def test_out_may_hold_the_d_state_of_the_call(name: str, shared: bool, target: str) -> None:
    """As when a long sequence is gone through in pieces, the last one first, with one set of arrays."""
    made = drawn(name, target, 9, 3)
    module, p = made.module, made.parameters
    early = module.Inputs(*(array[:4] for array in made.inputs))
    late = module.Inputs(*(array[4:8] for array in made.inputs))
    first = module.forward(p, early, made.state)
    second = module.forward(p, late, first.state)
    later = module.backward(p, second.tape, made.d_outputs[4:8], made.d_state)
    expected = module.backward(p, first.tape, made.d_outputs[:4], later.state)
    given = {"workspace": module.Workspace() if shared else None}
    g = module.backward(p, second.tape, made.d_outputs[4:8], made.d_state, **given)
    g = module.backward(p, first.tape, made.d_outputs[:4], g.state, out=g, **given)
    assert_same(flat(g), flat(expected))


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def misaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    return memory[1:].view(array.dtype).reshape(array.shape)


SHAPED = r"has shape \(.*\); it should have \(.*\)"
LAID_OUT = "cannot take a result; it should be contiguous, aligned and writable"
WRONG_PLACES: dict[str, tuple[Callable[[np.ndarray], Any], str]] = {
    "longer": (lambda a: np.concatenate([a, a]), SHAPED),
    "more axes": (lambda a: a[None], SHAPED),
    "rank": (lambda a: np.asarray(a[0]), SHAPED),
    "dtype": (lambda a: a.astype(np.float32), "has dtype float32; it should have float64"),
    "byte order": (lambda a: a.astype(">f8"), "has dtype >f8; it should have float64"),
    "read-only": (read_only, LAID_OUT),
    "strided": (lambda a: np.repeat(a, 2, axis=-1)[..., ::2], LAID_OUT),
    "backwards": (lambda a: a[::-1], LAID_OUT),
    "misaligned": (misaligned, LAID_OUT),
    "list": (lambda a: a.tolist(), "is a list; pass a NumPy array"),
    "number": (lambda a: 1.0, "is a float; pass a NumPy array"),
    "masked": (np.ma.masked_array, "is a MaskedArray; pass a NumPy array"),
    "type": (type, "is a type; pass a NumPy array"),
}
PLACES = ["parameters.W_i", "parameters.b_g", "inputs.x", "state.c", "state.h"]
wrong_places = pytest.mark.parametrize("wrong", WRONG_PLACES)


@targets
@wrong_places
@pytest.mark.parametrize("place", PLACES)
def test_arrays_that_cannot_take_a_gradient(place: str, wrong: str, target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, tape = made.module, made.forward().tape
    change, message = WRONG_PLACES[wrong]
    out = module.backward(made.parameters, tape, made.d_outputs)
    part, field = place.split(".")
    group = getattr(out, part)
    out = out._replace(**{part: group._replace(**{field: change(getattr(group, field))})})
    workspace = module.Workspace()
    for used in (None, workspace):
        with pytest.raises(ValueError, match=rf"^out\.{re.escape(place)} {message}"):
            module.backward(made.parameters, tape, made.d_outputs, out=out, workspace=used)


@targets
@wrong_places
def test_arrays_that_cannot_take_outputs(wrong: str, target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    change, message = WRONG_PLACES[wrong]
    out = change(np.empty_like(made.d_outputs))
    with pytest.raises(ValueError, match=f"^out {message}"):
        made.module.predict(made.parameters, made.inputs, made.state, out=out)


@targets
def test_outputs_of_forward_take_no_result(target: str) -> None:
    """The tape shares their memory."""
    made = drawn("lstm", target, 4, 3)
    with pytest.raises(ValueError, match=f"^out {LAID_OUT}"):
        made.module.predict(made.parameters, made.inputs, made.state, out=made.forward().outputs)


@targets
def test_scalar_gradients_land_in_arrays_without_axes(target: str) -> None:
    made = drawn("constants", target, 4, 3)
    module, tape = made.module, made.forward().tape
    out = module.backward(made.parameters, tape, made.d_outputs)
    assert out.parameters.scale.shape == ()
    for wrong, message in ((1.0, "is a float"), (np.float64(1), "is a float64"), (np.ones(1), "has shape")):
        given = out._replace(parameters=out.parameters._replace(scale=wrong))
        with pytest.raises(ValueError, match=rf"^out\.parameters\.scale {message}"):
            module.backward(made.parameters, tape, made.d_outputs, out=given)


@targets
def test_outs_that_are_no_gradients(target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, run = made.module, made.forward()
    gradients = module.backward(made.parameters, run.tape, made.d_outputs)
    for wrong in (tuple(gradients), list(gradients), gradients.parameters, run, {}, made.d_outputs, True):
        message = rf"^out is a {type(wrong).__name__}; pass the Gradients of an earlier backward\(\)"
        with pytest.raises(ValueError, match=message):
            module.backward(made.parameters, run.tape, made.d_outputs, out=wrong)


@targets
@pytest.mark.parametrize("part", ["parameters", "inputs", "state"])
def test_parts_of_out_of_another_kind(part: str, target: str) -> None:
    made = drawn("lstm", target, 4, 3)
    module, tape = made.module, made.forward().tape
    out = module.backward(made.parameters, tape, made.d_outputs)
    given = getattr(out, part)
    other = out.state if part == "parameters" else out.parameters
    wrong_kinds = [other, (), given[:-1]]
    if len(given) > 1:  # a single field may be passed bare, or in any tuple of one
        wrong_kinds += [tuple(given), given[0], 5, {}]
    for wrong in wrong_kinds:
        with pytest.raises(ValueError, match=rf"^out\.{part} is a {type(wrong).__name__}; pass "):
            module.backward(made.parameters, tape, made.d_outputs, out=out._replace(**{part: wrong}))


# ---- How much memory a pass over time holds ----------------------------------------------------------


@targets
def test_the_tape_of_an_lstm_is_seven_numbers_per_step_and_unit(target: str) -> None:
    """Four gates, the state c, its tanh, and the state h, of which the outputs are a part."""
    T, B, m = 200, 32, 64
    made = drawn("lstm", target, T, B, "float32", n=m, m=m)
    for workspace in (None, made.module.Workspace()):
        run = made.module.forward(made.parameters, made.inputs, workspace=workspace)
        held = [array if array.base is None else array.base for array in run.tape.saved]
        assert sum(array.nbytes for array in held) <= 7.1 * T * B * m * 4
        assert any(np.shares_memory(run.outputs, array) for array in held)


@targets
@dtypes
def test_ten_thousand_steps(target: str, dtype: str) -> None:
    """In one go and in pieces, which forget nothing: the same sums, but for rounding."""
    T, B = 10_000, 2
    made = drawn("lstm", target, T, B, dtype, n=16, m=16)
    module, workspace = made.module, made.module.Workspace()
    run = module.forward(made.parameters, made.inputs, made.state, workspace=workspace)
    g = module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, workspace=workspace)
    predicted, after = module.predict(made.parameters, made.inputs, made.state, workspace=workspace)
    assert_close([predicted, *after], [run.outputs, *run.state], dtype)
    d_state, total = made.d_state, [np.zeros_like(array) for array in made.parameters]
    starts, state = [], made.state
    for first in range(0, T, 2500):
        starts.append((first, state))
        piece = module.Inputs(made.inputs.x[first : first + 2500])
        _, state = module.predict(made.parameters, piece, state)
    for first, state in reversed(starts):
        piece = module.Inputs(made.inputs.x[first : first + 2500])
        tape = module.forward(made.parameters, piece, state).tape
        part = module.backward(made.parameters, tape, made.d_outputs[first : first + 2500], d_state)
        assert_close([part.inputs.x], [g.inputs.x[first : first + 2500]], dtype)
        d_state, total = part.state, [*map(np.add, total, part.parameters)]
    assert_close([*total, *d_state], [*g.parameters, *g.state], dtype)


GROWTH = '''
import resource
import sys

import numpy as np

sys.path.insert(0, ".")
import lstm_numba as module

UNIT = 1 if sys.platform == "darwin" else 1024
MEGABYTE = 1e6


def peak():
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def problem(T, B, m):
    rng = np.random.default_rng(0)
    parameters = module.init(rng, n=m, m=m)
    x, d_outputs = (rng.standard_normal((T, B, m), dtype=np.float32) for _ in range(2))
    return parameters, x, d_outputs


def passes(parameters, x, d_outputs, workspace, out=None):
    run = module.forward(parameters, x, workspace=workspace, threads=1)
    g = module.backward(parameters, run.tape, d_outputs, out=out, workspace=workspace, threads=1)
    return run, g


held = []


def fill_up():
    """Hold memory up to the peak so far, such as that of compiling: from here on, whatever is taken shows."""
    start = peak()
    while peak() < start + MEGABYTE:
        held.append(np.ones(2**16))


T, B, m = 2000, 32, 64
arguments = problem(T, B, m)
small = problem(2, 3, 4)
for workspace in (module.Workspace(), None):  # compile, or load what is compiled
    run, _ = passes(*small, workspace)
    module.predict(small[0], small[1], threads=1)
outputs = np.ones((T, B, m), np.float32)
'''


def growth(script: str, folder: Path) -> list[float]:
    """Numbers that a script prints after the start above, in a process that no large one has started.

    A process inherits the peak of the one that starts it: here that would be pytest's, so there is
    another in between.
    """
    name, found_by = importable("lstm")
    (folder / "growth.py").write_text(GROWTH.replace("lstm_numba", name) + script)
    between = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, 'growth.py']).returncode)"
    return [float(number) for number in run_python(between, folder, **found_by).split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the scripts."""
    return tmp_path_factory.mktemp("memory")


def test_the_memory_of_a_run_is_that_of_its_tape_and_results(folder: Path) -> None:
    script = """
fill_up()
before = peak()
workspace = module.Workspace()
run, g = passes(*arguments, workspace)
first = peak() - before
for _ in range(3):
    passes(*arguments, workspace, out=g)
again = peak() - before - first
print(first, again, sum(array.nbytes for array in run.tape.saved), g.inputs.x.nbytes)
"""
    first, again, tape, results = growth(script, folder)
    chunk = 4 * 256 * 4 * 64  # bytes of the gates' gradients over the steps of one chunk; and packed weights
    weights = 4 * (4 * 64 * 128) * 6
    expected = tape + results + 3 * chunk + weights
    assert expected < 1.1 * (tape + results)  # so that an array too many would show
    assert 0.75 * expected < first < 1.25 * expected
    assert again < 0.02 * expected


def test_the_memory_of_a_prediction_is_that_of_a_few_steps(folder: Path) -> None:
    script = """
fill_up()
before = peak()
module.predict(arguments[0], arguments[1], out=outputs, threads=1)
first = peak() - before
workspace = module.Workspace()
for _ in range(3):
    module.predict(arguments[0], arguments[1], out=outputs, workspace=workspace, threads=1)
print(first, peak() - before - first, outputs.nbytes)
"""
    first, again, outputs = growth(script, folder)
    assert first < 0.2 * outputs
    assert again < 0.2 * outputs
