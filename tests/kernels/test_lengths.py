"""`lengths=`: a padded batch gives what its samples give alone, each with its own number of steps."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_problems import (
    ALL,
    DTYPES,
    TARGETS,
    Call,
    assert_close,
    assert_same,
    drawn,
    flat,
    spoiled,
)
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value

targets = pytest.mark.parametrize("target", TARGETS)
SOME = np.array([1, 7, 3, 0, 6])


def padded(made: Call, lengths: Any, filler: float = np.nan) -> Call:
    """The same call with `filler` in the inputs and output cotangents beyond the samples' ends."""
    beyond = np.arange(len(made.d_outputs))[:, None] >= lengths

    def fill(array: Any) -> Any:
        if array.shape[:2] != beyond.shape:
            return array
        array = array.copy()
        array[beyond] = filler
        return array

    made = made.replaced(lambda array: array)
    made.inputs = type(made.inputs)(*map(fill, made.inputs))
    made.d_outputs = fill(made.d_outputs)
    return made


def results(made: Call, lengths: Any, **options: Any) -> list[Any]:
    """Everything that forward and backward return."""
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=lengths, **options)
    gradients = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, **options)
    return [run.outputs, *run.state, *flat(gradients)]


def one_by_one(made: Call, lengths: Any) -> list[Any]:
    """The same, from calls for every sample alone; zeros beyond its end, gradients of parameters added up."""
    B = made.d_outputs.shape[1]
    outputs = np.zeros_like(made.d_outputs)
    final = spoiled(made.state)
    d_parameters = [np.zeros_like(array) for array in made.parameters]
    d_inputs = [np.zeros_like(array) for array in made.inputs]
    d_state = spoiled(made.state)
    for b in range(B):
        stop, sample = int(lengths[b]), slice(b, b + 1)

        def cut(array: Any, stop: int = stop, sample: slice = sample) -> Any:
            return array[:stop, sample]

        def own(state: Any, sample: slice = sample) -> Any:
            return type(state)(*(array[sample] for array in state))

        inputs = type(made.inputs)(*map(cut, made.inputs))
        run = made.module.forward(made.parameters, inputs, own(made.state))
        gradients = made.module.backward(made.parameters, run.tape, cut(made.d_outputs), own(made.d_state))
        outputs[:stop, sample] = run.outputs
        for array, found in zip((*final, *d_state), (*run.state, *gradients.state), strict=True):
            array[sample] = found
        for array, found in zip(d_inputs, gradients.inputs, strict=True):
            array[:stop, sample] = found
        d_parameters = [
            array + found for array, found in zip(d_parameters, gradients.parameters, strict=True)
        ]
    return [outputs, *final, *d_parameters, *d_inputs, *d_state]


@pytest.mark.parametrize(
    ("name", "save", "target"),
    [
        *((name, save, "numpy") for name in ALL for save in ("all", "states")),
        *((name, "all", "numba") for name in ALL),
        ("gru_reset_after", "states", "numba"),
        ("several", "states", "numba"),
    ],
)
def test_a_padded_batch_gives_what_its_samples_give_alone(name: str, save: str, target: str) -> None:
    made = drawn(name, target, 7, 5, save=save)
    assert_close(results(padded(made, SOME), SOME), one_by_one(made, SOME))


@targets
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["lstm", "gru", "several"])
def test_long_sequences_and_their_chunks(name: str, target: str, dtype: str) -> None:
    lengths = np.array([1, 5000, 4097, 255, 256, 257, 3000, 0], np.int32)
    made = drawn(name, target, 5000, 8, dtype, n=2, m=3)
    expected = one_by_one(made, lengths)
    assert_close(results(padded(made, lengths), lengths), expected, dtype)


n, m = sr.axes("n m")
x, p, h, top = Input("x", m), Parameter("p", m), State("h", m), Value("top")
SINGULAR = {
    "largest of a state after the step": (h + p * x, sr.largest(h.next)),
    "quotient by a state less 2, which ends at 2": (x, sr.total(p / (h - 2))),
    "power of a state that ends large": (p * x, sr.dot(p, sr.exp(h))),
}
"""A state's next value, and an output with an infinite derivative, or none, at a sample's final state."""


def singular(name: str, target: str, save: str = "all") -> tuple[Cell, Call, Any]:
    """One of these cells, a call of its kernel, and lengths at whose ends the state is singular."""
    after, output = SINGULAR[name]
    cell = Cell("singular", Eq(h.next, after), Eq(top, output), output=top)
    module, rng = sr.load(cell, target, save), np.random.default_rng(3)
    lengths, last = np.array([2, 5, 0, 1]), 2000.0 if "large" in name else 2.0
    parameters = module.Parameters(p=rng.random(3) + 0.5)
    inputs, state = rng.random((5, 4, 3)) + 0.1, module.State(h=rng.random((4, 3)) + 0.1)
    for b in (0, 1, 3):
        inputs[lengths[b] - 1, b] = last
    d_outputs, d_state = rng.random((5, 4)), module.State(h=rng.random((4, 3)))
    made = SimpleNamespace(
        parameters=parameters._asdict(),
        inputs={"x": inputs},
        state=state._asdict(),
        d_outputs=d_outputs,
        d_state=d_state._asdict(),
    )
    return cell, Call(module, made, "float64"), lengths


@targets
@pytest.mark.parametrize("save", ["all", "states"])
@pytest.mark.parametrize("name", SINGULAR)
def test_what_is_infinite_beyond_the_end_reaches_nothing(name: str, save: str, target: str) -> None:
    _, call, lengths = singular(name, target, save)
    expected = one_by_one(call, lengths)
    assert all(np.isfinite(array).all() for array in expected)
    made = padded(call, lengths)
    assert_close(results(made, lengths), expected)
    outputs, final = made.module.predict(made.parameters, made.inputs, made.state, lengths=lengths)
    assert_close([outputs, *final], expected[:2])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_slice_of_the_batch_finds_its_lengths(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn("lstm", "numba", 7, 5)
    monkeypatch.setattr(made.module, "_WORTHWHILE", 1)
    assert_close(results(padded(made, SOME), SOME, threads=threads), one_by_one(made, SOME))


@targets
@pytest.mark.parametrize("name", ALL)
def test_full_lengths_change_nothing(name: str, target: str) -> None:
    made = drawn(name, target, 4, 3)
    assert_same(results(made, np.full(3, 4)), made.results())


@targets
@pytest.mark.parametrize("T", [7, 5000])
@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "several", "layer", "delayed", "affine"])
def test_predict_agrees_with_forward(name: str, T: int, target: str) -> None:
    lengths = np.minimum(SOME * T // 7, T)
    made = padded(drawn(name, target, T, 5, n=2, m=3), lengths)
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=lengths)
    outputs, final = made.module.predict(made.parameters, made.inputs, made.state, lengths=lengths)
    assert_close([outputs, *final], [run.outputs, *run.state])


@targets
def test_no_argument_is_written_to(target: str) -> None:
    made = padded(drawn("lstm", target, 7, 5), SOME)
    before, lengths = [array.copy() for array in made.arrays], SOME.copy()
    results(made, lengths)
    assert_same(made.arrays, before)
    assert_same([lengths], [SOME])


@targets
def test_the_tape_keeps_the_lengths(target: str) -> None:
    made, lengths = drawn("gru", target, 7, 5), SOME.copy()
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=lengths)
    lengths[:] = 7
    gradients = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    assert_same(flat(gradients), results(made, SOME)[2:])


@targets
def test_a_workspace_serves_calls_with_and_without_lengths(target: str) -> None:
    made = padded(drawn("lstm", target, 7, 5), SOME, filler=0)
    workspace = made.module.Workspace()
    expected = {True: results(made, SOME), False: made.results()}
    for given in (True, False, True, True, False):
        found = results(made, SOME if given else None, workspace=workspace)
        assert_same(found, expected[given])


@targets
def test_gradients_may_take_the_place_of_the_cotangents_of_the_state(target: str) -> None:
    made = drawn("lstm", target, 7, 5)
    expected = results(made, SOME)[3:]
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=SOME)
    given = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    given = given._replace(state=made.d_state)
    found = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state, out=given)
    assert_same(flat(found), expected)


@targets
@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2, 3], r"lengths is a list; pass a NumPy array\."),
        (np.array([1, 2]), r"lengths has shape \(2,\); it should have \(3,\), one number for every sample\."),
        (np.array([1.0, 2.0, 3.0]), r"lengths has dtype float64; pass an array of integers\."),
        (np.array([True, True, True]), r"lengths has dtype bool; pass an array of integers\."),
        (np.array([1, 0, -3]), r"lengths\[2\] is -3; it should be from 0 to 4, the number of time steps\."),
        (np.array([5, 2, 9], np.uint64), r"lengths\[0\] is 5; it should be from 0 to 4"),
    ],
)
def test_lengths_that_cannot_be(target: str, lengths: Any, message: str) -> None:
    made = drawn("gru", target, 4, 3)
    for verb in (made.module.forward, made.module.predict):
        with pytest.raises(ValueError, match=message):
            verb(made.parameters, made.inputs, made.state, lengths=lengths)


@targets
def test_an_empty_batch_and_a_sequence_of_nothing(target: str) -> None:
    made = drawn("gru", target, 4, 0)
    assert_same(results(made, np.zeros(0, np.int64)), made.results())
    nothing = drawn("gru", target, 0, 2)
    assert_same(results(nothing, np.zeros(2, np.int64)), nothing.results())
    with pytest.raises(ValueError, match=r"lengths\[0\] is 1; it should be from 0 to 0"):
        results(nothing, np.ones(2, np.int64))


@pytest.mark.parametrize(
    ("name", "save", "target"),
    [
        *((name, save, "numpy") for name in ("lstm", "gru", "several") for save in ("all", "states")),
        *((name, "all", "numba") for name in ("lstm", "gru", "several")),
    ],
)
def test_samples_without_a_step(name: str, save: str, target: str) -> None:
    """Nothing is computed of them, whatever they hold: they end where they start."""
    made = drawn(name, target, 7, 3, save=save)
    for array in made.state:
        array[...] = np.nan
    lengths = np.zeros(3, np.int64)
    outputs, *others = results(padded(made, lengths), lengths)
    zeros = [np.zeros_like(array) for array in (*made.parameters, *made.inputs)]
    assert_same([outputs, *others], [0 * made.d_outputs, *made.state, *zeros, *made.d_state])
    predicted, final = made.module.predict(made.parameters, made.inputs, made.state, lengths=lengths)
    assert_same([predicted, *final], [0 * made.d_outputs, *made.state])


@targets
def test_what_a_sample_without_a_step_holds_reaches_no_other(target: str) -> None:
    made = padded(drawn("lstm", target, 7, 5), SOME)
    expected = results(made, SOME)
    for array in (*made.state, *made.d_state):
        array[SOME == 0] = np.nan
    run = made.module.forward(made.parameters, made.inputs, made.state, lengths=SOME)
    gradients = made.module.backward(made.parameters, run.tape, made.d_outputs, made.d_state)
    assert_same([*gradients.parameters, *gradients.inputs], [*expected[3:11], expected[11]])
    for array in (*run.state, *gradients.state):
        assert np.isnan(array[SOME == 0]).all()
        assert np.isfinite(array[SOME > 0]).all()


@targets
def test_classes_of_a_sample_without_a_step_are_not_looked_at(target: str) -> None:
    module = sr.load(sr.zoo.embedding, target)
    parameters = module.init(np.random.default_rng(0), v=5, m=3)
    wrong = 10**12
    for k, lengths in (
        (np.array([[1, wrong, 4], [2, -1, wrong]]), [2, 0, 1]),
        (np.array([[wrong, -1, wrong], [wrong, 2, 3]]), [0, 0, 0]),
    ):
        ends = np.array(lengths)
        run = module.forward(parameters, k, lengths=ends)
        gradients = module.backward(parameters, run.tape, np.ones_like(run.outputs))
        counts = np.zeros(5)
        for b, length in enumerate(lengths):
            np.testing.assert_array_equal(run.outputs[:length, b], parameters.E[k[:length, b]])
            assert not run.outputs[length:, b].any()
            np.add.at(counts, k[:length, b], 1)
        np.testing.assert_array_equal(gradients.parameters.E, np.tile(counts[:, None], 3))
