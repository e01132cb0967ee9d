"""Emitted kernels against the reference, over shapes, memory layouts and uncommon values."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import (
    ALL,
    DTYPES,
    EXTRA,
    TARGETS,
    Call,
    assert_close,
    assert_same,
    call,
    flat,
    kernel,
    problem,
)

from symrnn.checking.check import check_module
from symrnn.zoo import CELLS

SHAPES = (  # T, B, n, m: every awkward value of each, and rows beyond one chunk of a weight gradient
    (0, 3, 5, 5),
    (1, 1, 1, 1),
    (2, 3, 5, 17),
    (5, 1, 17, 5),
    (3, 2, 1, 64),
    (3, 5, 64, 1),
    (2, 129, 3, 5),
)
PICKS = {  # each shape meets several cells; the two smallest and a middling one meet all
    "elman": (0, 1, 2, 3, 4, 5, 6),
    "elman_relu": (0, 1, 2, 3),
    "gru_simplified": (0, 1, 2, 4),
    "gru": (0, 1, 2, 3, 6),
    "gru_reset_after": (0, 1, 2, 5),
    "lstm_notes": (0, 1, 2, 3),
    "lstm": (0, 1, 2, 3, 4, 6),
}
CASES = [
    (name, dict(zip(("T", "B", "n", "m"), SHAPES[pick], strict=True)))
    for name in PICKS
    for pick in PICKS[name]
]

targets = pytest.mark.parametrize("target", TARGETS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def shape_id(value: Any) -> str | None:
    return "-".join(f"{name}{size}" for name, size in value.items()) if isinstance(value, dict) else None


def test_every_shipped_cell_is_tried() -> None:
    assert set(PICKS) == {*CELLS, "elman_relu"}


@targets
@dtypes
@pytest.mark.parametrize(("name", "shape"), CASES, ids=shape_id)
def test_shipped_cells_agree_with_the_reference(
    name: str, shape: dict[str, int], target: str, dtype: str
) -> None:
    check_module(problem(name, **shape), kernel(name, target), dtype=dtype, target=target).raise_if_failed()


@targets
@pytest.mark.parametrize("shape", [{}, {"T": 0}, {"T": 1, "B": 1, "m": 1}], ids=shape_id)
@pytest.mark.parametrize("name", EXTRA)
def test_other_cells_agree_with_the_reference(name: str, target: str, shape: dict[str, int]) -> None:
    check_module(problem(name, **shape), kernel(name, target), target=target).raise_if_failed()


@targets
@pytest.mark.parametrize("name", ["ties", "elman_relu", "several"])
def test_zero_initial_states_put_ties_on_the_path(name: str, target: str) -> None:
    made = problem(name, zero_state=True)
    check_module(made, kernel(name, target), target=target).raise_if_failed()


@targets
def test_relu_has_slope_zero_at_zero(target: str) -> None:
    made = call("elman_relu", target)
    still = made.module.Parameters(made.parameters.W_s, np.zeros_like(made.parameters.b_s))
    run = made.module.forward(still, np.zeros_like(made.inputs.x))
    gradients = made.module.backward(still, run.tape, made.d_outputs)
    assert not any(array.any() for array in (run.outputs, *flat(gradients)))


# ---- Memory ------------------------------------------------------------------------------------------


def every_second(array: np.ndarray) -> np.ndarray:
    """The same numbers in every second place of every axis of larger memory full of NaN."""
    wide = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    view = wide[(..., *(slice(None, None, 2) for _ in array.shape))]
    view[...] = array
    return view


def backwards(array: np.ndarray) -> np.ndarray:
    everywhere = (slice(None, None, -1),) * array.ndim
    return array[(..., *everywhere)].copy()[(..., *everywhere)]


def misaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def time_last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0) if array.ndim else array


def fortran(array: np.ndarray) -> np.ndarray:
    return np.array(array, order="F")


LAYOUTS = [every_second, backwards, misaligned, read_only, time_last, fortran]


@targets
@pytest.mark.parametrize("change", LAYOUTS, ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ("lstm", "gru_reset_after") for dtype in DTYPES]
    + [(name, "float64") for name in EXTRA],
)
def test_memory_layout_does_not_matter(name: str, change: Any, target: str, dtype: str) -> None:
    made = call(name, target, dtype)
    changed = made.replaced(change)
    for array, plain in zip(changed.arrays, made.arrays, strict=True):
        np.testing.assert_array_equal(array, plain)
    assert_close(changed.results(), made.results(), dtype)


@targets
def test_repeated_rows_without_memory_of_their_own(target: str) -> None:
    made = call("lstm", target)
    whole = made.replaced(np.copy)
    one = np.broadcast_to(made.inputs.x[:1, :1], made.inputs.x.shape)
    made.inputs = made.module.Inputs(one)
    whole.inputs = made.module.Inputs(one.copy())
    made.d_outputs = np.broadcast_to(made.d_outputs[:, :1], made.d_outputs.shape)
    whole.d_outputs = made.d_outputs.copy()
    assert_close(made.results(), whole.results())


@targets
@pytest.mark.parametrize("name", ALL)
def test_arguments_are_never_written_to(name: str, target: str) -> None:
    made = call(name, target)
    before = [array.copy() for array in made.arrays]
    made.results()
    made.module.predict(made.parameters, made.inputs, made.state)
    made.module.step(made.parameters, type(made.inputs)(*(array[0] for array in made.inputs)), made.state)
    assert_same(made.arrays, before)


@targets
@pytest.mark.parametrize("name", ["lstm", "several", "constants", "delayed", "layer"])
def test_results_share_no_memory_with_arguments_or_the_tape(name: str, target: str) -> None:
    made = call(name, target)
    run = made.forward()
    kept = run.outputs.copy()
    for state in run.state:
        state[...] = np.nan
    np.testing.assert_array_equal(run.outputs, kept)
    first = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    before = [array.copy() for array in flat(first)]
    for array in flat(first):
        array[...] = np.nan
    second = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    assert_same(flat(second), before)
    predicted, last = made.module.predict(made.parameters, made.inputs, made.state)
    before = [array.copy() for array in made.arrays]
    predicted[...] = np.nan
    for state in last:
        state[...] = np.nan
    assert_same(made.arrays, before)


@targets
def test_outputs_that_the_tape_refers_to_cannot_be_written_to(target: str) -> None:
    run = call("lstm", target).forward()
    with pytest.raises(ValueError, match="read-only"):
        run.outputs[0] = 0


@targets
def test_no_time_steps_give_the_initial_state_back_as_a_copy(target: str) -> None:
    made = call("lstm", target, T=0)
    outputs, last, _ = made.forward()
    assert outputs.shape == (0, 3, made.state.h.shape[1])
    for given, found in zip(made.state, last, strict=True):
        np.testing.assert_array_equal(found, given)
        assert not np.shares_memory(found, given)


@targets
def test_an_empty_batch(target: str) -> None:
    made = call("lstm", target).replaced(np.copy)
    made.inputs = made.module.Inputs(made.inputs.x[:, :0])
    made.state = made.module.State(*(array[:0] for array in made.state))
    made.d_state = made.module.State(*(array[:0] for array in made.d_state))
    made.d_outputs = made.d_outputs[:, :0]
    outputs, *others = made.results()
    assert outputs.shape[1] == 0
    assert not any(array.any() for array in others)


# ---- Verbs -------------------------------------------------------------------------------------------

VERBS = ["lstm", "several", "constants", "delayed", "layer"]


@targets
@pytest.mark.parametrize("name", VERBS)
def test_left_out_arguments_are_zeros(name: str, target: str) -> None:
    made = call(name, target)
    module = made.module
    zeros = module.State(*(np.zeros_like(array) for array in made.state))
    run = module.forward(made.parameters, made.inputs)
    whole = module.forward(made.parameters, made.inputs, zeros)
    assert_same([run.outputs, *run.state], [whole.outputs, *whole.state])
    left_out = module.backward(made.parameters, run.tape, made.d_outputs)
    given = module.backward(made.parameters, whole.tape, made.d_outputs, zeros)
    assert_same(flat(left_out), flat(given))


@targets
@pytest.mark.parametrize("name", VERBS)
def test_without_input_gradients_the_others_are_the_same(name: str, target: str) -> None:
    made = call(name, target)
    tape = made.forward().tape
    whole = made.module.backward(made.parameters, tape, made.d_outputs, made.d_state)
    less = made.module.backward(made.parameters, tape, made.d_outputs, made.d_state, input_gradients=False)
    assert less.inputs is None
    assert_same([*less.parameters, *less.state], [*whole.parameters, *whole.state])


@targets
@dtypes
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_tape_serves_any_number_of_times(name: str, target: str, dtype: str) -> None:
    made = call(name, target, dtype)
    tape = made.forward().tape
    first = flat(made.module.backward(made.parameters, tape, made.d_outputs, made.d_state))
    kept = [array.copy() for array in first]
    other = call(name, target, dtype, T=2, B=5)
    other.results()
    made.module.forward(made.parameters, type(made.inputs)(*(2 * array for array in made.inputs)), made.state)
    again = flat(made.module.backward(made.parameters, tape, made.d_outputs, made.d_state))
    assert_same(again, kept)
    assert_same(first, kept)


@targets
@dtypes
@pytest.mark.parametrize("T", [1, 63, 64, 65, 150])
def test_predict_gives_the_outputs_of_forward(T: int, target: str, dtype: str) -> None:
    made = long_call("lstm", target, dtype, T)
    run = made.forward()
    outputs, state = made.module.predict(made.parameters, made.inputs, made.state)
    assert_close([outputs, *state], [run.outputs, *run.state], dtype)


def long_call(name: str, target: str, dtype: str, T: int) -> Call:
    """A call with T steps: the problem's inputs, over and over."""
    made = call(name, target, dtype)
    made.inputs = type(made.inputs)(*(np.resize(array, (T, *array.shape[1:])) for array in made.inputs))
    return made


@targets
@pytest.mark.parametrize("name", VERBS)
def test_predict_of_other_cells_gives_the_outputs_of_forward(name: str, target: str) -> None:
    made = long_call(name, target, "float64", 67)
    run = made.forward()
    outputs, state = made.module.predict(made.parameters, made.inputs, made.state)
    assert_close([outputs, *state], [run.outputs, *run.state])


@targets
@pytest.mark.parametrize("name", VERBS)
def test_steps_one_by_one_give_the_outputs_of_forward(name: str, target: str) -> None:
    made = call(name, target)
    run = made.forward()
    state, outputs = made.state, []
    for t in range(run.outputs.shape[0]):
        now = type(made.inputs)(*(array[t] for array in made.inputs))
        output, state = made.module.step(made.parameters, now, state)
        outputs.append(output)
    assert isinstance(state, made.module.State)
    assert_close([np.stack(outputs), *state], [run.outputs, *run.state])


@targets
@pytest.mark.parametrize("name", VERBS)
def test_prepared_parameters_serve_everywhere(name: str, target: str) -> None:
    made = call(name, target)
    module, parameters = made.module, made.parameters
    prepared = module.prepare(parameters)
    assert module.prepare(prepared) is prepared
    run, other = made.forward(), module.forward(prepared, made.inputs, made.state)
    assert_same([other.outputs, *other.state], [run.outputs, *run.state])
    expected = flat(module.backward(parameters, run.tape, made.d_outputs, made.d_state))
    for given, tape in ((prepared, other.tape), (prepared, run.tape), (parameters, other.tape)):
        assert_same(flat(module.backward(given, tape, made.d_outputs, made.d_state)), expected)
    outputs, state = module.predict(parameters, made.inputs, made.state)
    others, other_state = module.predict(prepared, made.inputs, made.state)
    assert_same([others, *other_state], [outputs, *state])
    now = type(made.inputs)(*(array[0] for array in made.inputs))
    output, state = module.step(parameters, now, made.state)
    another, other_state = module.step(prepared, now, made.state)
    assert_same([another, *other_state], [output, *state])


@targets
def test_a_single_input_and_a_single_state_may_be_passed_bare(target: str) -> None:
    made = call("elman", target)
    module, x, s = made.module, made.inputs.x, made.state.s
    run, bare = made.forward(), module.forward(made.parameters, x, s)
    assert_same([bare.outputs, *bare.state], [run.outputs, *run.state])
    expected = flat(module.backward(made.parameters, run.tape, made.d_outputs, made.d_state))
    found = flat(module.backward(made.parameters, bare.tape, made.d_outputs, made.d_state.s))
    assert_same(found, expected)
    output, _ = module.step(made.parameters, x[0], s)
    np.testing.assert_allclose(output, run.outputs[0], atol=1e-14)


@targets
@dtypes
def test_constants_ride_along_with_zero_gradient(target: str, dtype: str) -> None:
    made = call("constants", target, dtype)
    module = made.module
    gradients = module.backward(made.parameters, made.forward().tape, made.d_outputs, made.d_state).parameters
    for name in ("decay", "floor"):
        assert not getattr(gradients, name).any()
        assert getattr(gradients, name).shape == getattr(made.parameters, name).shape
        assert getattr(gradients, name).dtype == dtype
    other = made.replaced(np.copy)
    other.parameters = made.parameters._replace(decay=2 * made.parameters.decay)
    assert np.abs(other.forward().outputs - made.forward().outputs).max() > 0.1


@targets
@dtypes
@pytest.mark.parametrize("number", [1, 1.5, np.float32(1.5), np.float64(1.5), np.int64(2)], ids=repr)
def test_scalar_parameters_may_be_numbers(number: Any, target: str, dtype: str) -> None:
    made = call("constants", target, dtype)
    array = made.replaced(np.copy)
    made.parameters = made.parameters._replace(scale=number)
    array.parameters = array.parameters._replace(scale=np.asarray(number, dtype))
    found = made.results()
    assert_same(found, array.results())
    assert all(isinstance(result, np.ndarray) for result in found)


# ---- Uncommon values ---------------------------------------------------------------------------------


@targets
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ("lstm", "gru", "gru_reset_after", "elman", "elman_relu") for dtype in DTYPES]
    + [(name, "float64") for name in ("several", "layer")],
)
def test_nan_stays_in_its_own_sample(name: str, target: str, dtype: str) -> None:
    made = call(name, target, dtype, T=4, B=6)
    outputs = made.forward().outputs
    gradients = made.module.backward(made.parameters, made.forward().tape, made.d_outputs, made.d_state)
    for array in made.inputs:
        array[1, 2] = np.nan
    run = made.forward()
    others = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(run.outputs[:, others], outputs[:, others])
    np.testing.assert_array_equal(run.outputs[0], outputs[0])
    last = 2 if name == "layer" else None
    assert np.isnan(run.outputs[1:last, 2]).all()
    found = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    for one, other in zip(found.inputs, gradients.inputs, strict=True):
        np.testing.assert_array_equal(one[:, others], other[:, others])
    for one, other in zip(found.state, gradients.state, strict=True):
        np.testing.assert_array_equal(one[others], other[others])
    if name != "elman_relu":  # there the slope at NaN is 0
        assert all(np.isnan(array[1, 2]).all() for array in found.inputs)
    assert any(np.isnan(array).any() for array in found.parameters)


@targets
@dtypes
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30, -1e30], ids=repr)
@pytest.mark.parametrize("name", ["lstm", "gru_reset_after"])
def test_gates_saturate(name: str, value: float, target: str, dtype: str) -> None:
    made = call(name, target, dtype, n=1)
    made.inputs.x[0, 1] = value
    outputs = made.forward().outputs
    assert np.isfinite(outputs).all()
    assert np.abs(outputs).max() <= 4
    expected = call(name, "numpy", "float64", n=1)
    expected.inputs.x[0, 1] = value
    np.testing.assert_allclose(outputs, expected.forward().outputs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "elman_relu", "several", "layer", "constants"])
def test_targets_agree_on_infinities(name: str) -> None:
    found = []
    for target in TARGETS:
        made = call(name, target)
        for array in made.inputs:
            array[1, 0], array[2, 2] = np.inf, -np.inf
        found.append(made.results())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
