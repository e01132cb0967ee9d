"""Models: loss and gradients against JAX, whatever the shape, the target, the dtype and the lengths."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from kernel_problems import DTYPES, TARGETS
from model_problems import MODELS, Batch, drawn, module

import symrnn as sr
from symrnn import zoo
from symrnn.checking.model_check import ModelProblem, check_model_module
from symrnn.checking.model_reference import ReferenceEvaluation, reference_evaluation, reference_loss
from symrnn.running.loading import load_source

targets = pytest.mark.parametrize("target", TARGETS)
COMPILED = (
    "bidirectional",
    "encoder_decoder",
)  # what joins the kernels is the same text for both
pairs = pytest.mark.parametrize(
    ("name", "target"), [*((name, "numpy") for name in MODELS), *((name, "numba") for name in COMPILED)]
)
TOLERANCE = {"float64": 1e-10, "float32": 2e-5}


def lengths_of(made: Any, batch: Batch) -> Any:
    return made.Lengths(**batch.lengths)


@cache
def reference(name: str, **options: Any) -> ReferenceEvaluation:
    """JAX's answer for a batch, for all targets and dtypes."""
    batch = drawn(MODELS[name], **options)
    return reference_evaluation(
        MODELS[name], batch.parameters, batch.inputs, state=batch.state, lengths=batch.lengths, eager=True
    )


def assert_agrees(found: Any, expected: ReferenceEvaluation, dtype: str) -> None:
    tolerance = TOLERANCE[dtype]
    assert isinstance(found.loss, float)
    assert found.loss == pytest.approx(expected.loss, rel=tolerance)
    scale = max(np.abs(array).max() for array in expected.gradients.values())
    for parameter, gradient in expected.gradients.items():
        array = getattr(found.gradients, parameter)
        assert array.shape == gradient.shape
        assert array.dtype == dtype
        np.testing.assert_allclose(array, gradient, rtol=0, atol=tolerance * scale, err_msg=parameter)


BATCHES: dict[str, dict[str, Any]] = {
    "whole": {},
    "padded": {"padded": True},
    "one sample without a step": {"padded": True, "empty": 1},
    "no sample with a step": {"padded": True, "empty": 4},
}


@pytest.mark.parametrize(
    ("name", "dtype", "kind", "target"),
    [
        *((name, dtype, kind, "numpy") for name in MODELS for dtype in DTYPES for kind in BATCHES),
        *((name, "float64", kind, "numba") for name in COMPILED for kind in BATCHES),
        ("encoder_decoder", "float32", "whole", "numba"),
    ],
)
def test_loss_and_gradients_agree_with_autodiff(name: str, dtype: str, kind: str, target: str) -> None:
    options = BATCHES[kind]
    made, batch = module(name, target), drawn(MODELS[name], **options)
    found = made.loss_and_gradients(*batch.given(made, dtype), lengths=lengths_of(made, batch))
    assert_agrees(found, reference(name, **options), dtype)
    alone = made.loss(*batch.given(made, dtype), lengths=lengths_of(made, batch))
    assert alone == pytest.approx(found.loss, rel=TOLERANCE[dtype])


@pairs
def test_one_step_and_one_sample(name: str, target: str) -> None:
    made, batch = module(name, target), drawn(MODELS[name], T=1, B=1)
    found = made.loss_and_gradients(*batch.given(made))
    assert_agrees(found, reference(name, T=1, B=1), "float64")


@pairs
def test_a_workspace_changes_no_number(name: str, target: str) -> None:
    made, batch = module(name, target), drawn(MODELS[name], padded=True)
    workspace = made.Workspaces()
    expected = made.loss_and_gradients(*batch.given(made), lengths=lengths_of(made, batch))
    for _ in range(3):
        found = made.loss_and_gradients(
            *batch.given(made), lengths=lengths_of(made, batch), workspace=workspace
        )
        assert found.loss == expected.loss
        for one, other in zip(
            (*found.gradients, *found.state), (*expected.gradients, *expected.state), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pairs
def test_gradients_go_to_arrays_of_the_caller(name: str, target: str) -> None:
    made, batch = module(name, target), drawn(MODELS[name], padded=True)
    arguments, lengths = batch.given(made), lengths_of(made, batch)
    expected = made.loss_and_gradients(*arguments, lengths=lengths)
    places = made.Parameters(*(np.full_like(array, np.nan) for array in arguments[0]))
    for _ in range(2):
        found = made.loss_and_gradients(*arguments, lengths=lengths, out=places)
        assert found.loss == expected.loss
        for one, place, other in zip(found.gradients, places, expected.gradients, strict=True):
            assert one is place
            np.testing.assert_array_equal(one, other)


@targets
def test_places_that_cannot_take_gradients(target: str) -> None:
    made, batch = module("plain", target), drawn(MODELS["plain"])
    arguments = batch.given(made)
    places = made.loss_and_gradients(*arguments).gradients
    for wrong, message in (
        (places._replace(W_y=places.W_y.T), r"out\.W_y has shape \(5, 4\); it should have \(4, 5\)"),
        (places._replace(b_i=np.empty(10)[::2]), r"out\.b_i cannot take a result; it should be contiguous"),
        (places._replace(b_i=places.b_i.astype(np.float32)), r"out\.b_i has dtype float32"),
        ([*places], r"out is a list; pass Parameters\(W_i="),
    ):
        with pytest.raises(ValueError, match=message):
            made.loss_and_gradients(*arguments, out=wrong)


@pytest.mark.parametrize("name", COMPILED)
def test_the_number_of_threads_changes_no_number(name: str) -> None:
    made, batch = module(name, "numba"), drawn(MODELS[name], padded=True)
    arguments, lengths = batch.given(made), lengths_of(made, batch)
    one, two = (made.loss_and_gradients(*arguments, lengths=lengths, threads=count) for count in (1, 2))
    assert one.loss == two.loss == made.loss(*arguments, lengths=lengths, threads=2)
    for gradient, other in zip(one.gradients, two.gradients, strict=True):
        np.testing.assert_array_equal(gradient, other)
    made.predict(*arguments, lengths=lengths, threads=2)
    for wrong in (0, "2", True):
        with pytest.raises(ValueError, match=r"threads is .*; pass an integer of at least 1"):
            made.loss(*arguments, lengths=lengths, threads=wrong)


def test_every_call_of_a_kernel_gets_the_number_of_threads() -> None:
    """Small batches run on one thread whatever the number, so the text is looked at."""
    source = sr.emit(MODELS["bidirectional"], "numba").split("# ---- Checks")[0]
    calls = [source.count(f"_{verb}(\n") for verb in ("predict", "forward", "backward")]
    assert calls == [5 + 4, 5, 5]
    assert source.count("threads=threads,\n") == sum(calls)


def test_without_threads_there_is_no_such_keyword() -> None:
    made, batch = module("plain", "numpy"), drawn(MODELS["plain"])
    for function in (made.loss, made.loss_and_gradients, made.predict):
        with pytest.raises(TypeError, match="unexpected keyword argument 'threads'"):
            function(*batch.given(made), threads=1)


@pairs
def test_no_argument_is_written_to(name: str, target: str) -> None:
    made, batch = module(name, target), drawn(MODELS[name], padded=True)
    given, before = batch.given(made), batch.given(made)
    made.loss_and_gradients(*given, lengths=lengths_of(made, batch))
    made.predict(*given, lengths=lengths_of(made, batch))
    for group, same in zip(given, before, strict=True):
        for one, other in zip(group, same, strict=True):
            np.testing.assert_array_equal(one, other)


@targets
def test_the_state_is_carried_from_stretch_to_stretch(target: str) -> None:
    """Truncated backpropagation: the loss is as over the whole sequence, the gradient does not go back."""
    made, batch = module("plain", target), drawn(MODELS["plain"], T=8)
    parameters, inputs, state = batch.given(made)
    whole = made.loss_and_gradients(parameters, inputs, state)
    losses = []
    for start in (0, 4):
        part = type(inputs)(*(array[start : start + 4] for array in inputs))
        found = made.loss_and_gradients(parameters, part, state)
        alone = reference_evaluation(
            MODELS["plain"], batch.parameters, part._asdict(), state=state._asdict(), eager=True
        )
        np.testing.assert_allclose(found.gradients.W_i, alone.gradients["W_i"], rtol=0, atol=1e-12)
        losses.append(found.loss)
        state = found.state
    assert np.mean(losses) == pytest.approx(whole.loss, rel=1e-12)
    for one, other in zip(state, whole.state, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@targets
def test_predict_gives_what_the_loss_sees(target: str) -> None:
    made, batch = module("plain", target), drawn(MODELS["plain"], padded=True)
    parameters, inputs, state = batch.given(made)
    lengths = batch.lengths["T"]
    outputs, _ = made.predict(parameters, inputs._replace(target=None), state, lengths=lengths)
    inside = np.arange(len(outputs))[:, None] < lengths
    squares = ((outputs - inputs.target) ** 2).sum(-1)[inside] / 2
    assert squares.mean() == pytest.approx(made.loss(parameters, inputs, state, lengths=lengths), rel=1e-12)


@targets
def test_no_state_is_zeros(target: str) -> None:
    made, batch = module("plain", target), drawn(MODELS["plain"])
    parameters, inputs, state = batch.given(made)
    zeros = type(state)(*(0 * array for array in state))
    assert made.loss(parameters, inputs) == made.loss(parameters, inputs, zeros)
    expected = reference_loss(MODELS["plain"], batch.parameters, batch.inputs)
    assert made.loss(parameters, inputs) == pytest.approx(float(expected), rel=1e-12)


@pairs
def test_fresh_parameters_fit(name: str, target: str) -> None:
    made = module(name, target)
    sizes = {axis.name: size for axis, size in zip(MODELS[name].axes, (3, 5, 4, 6, 2), strict=False)}
    fresh = made.init(np.random.default_rng(0), **sizes)
    shapes = {parameter: shape for parameter, _, shape in MODELS[name].parameters}
    for parameter, array in fresh._asdict().items():
        assert array.dtype == np.float32
        assert array.shape == tuple(
            int(size.subs({a: sizes[a.name] for a in size.free_symbols})) for size in shapes[parameter]
        )


@pairs
def test_the_check_of_a_model(name: str, target: str) -> None:
    report = sr.check(MODELS[name], target)
    assert report.passed, str(report)
    assert {row.quantity for row in report.rows} == {"loss", *(p for p, _, _ in MODELS[name].parameters)}


@pytest.mark.parametrize("name", zoo.MODELS)
def test_shipped_models_pass_their_check(name: str) -> None:
    """The four shapes: many to many, many to one, one to many, encoder and decoder."""
    sr.check(zoo.MODELS[name], "numpy").raise_if_failed()
    assert zoo.shipped(name) is zoo.MODELS[name]


def test_without_jax_models_are_checked_by_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symrnn.checking.model_reference.jax_is_installed", lambda: False)
    report = sr.check(MODELS["tied"], "numpy")
    assert report.passed, str(report)
    assert report.reference == "central differences"
    source = sr.emit(MODELS["tied"], "numpy")
    line = "np.add(gradients.W_y, mixed_back.parameters.W_y, out=gradients.W_y)"
    spoiled = load_source(source.replace(line, "pass"), "tied_by_differences_spoiled")
    assert not check_model_module(
        ModelProblem(MODELS["tied"], eager=True), spoiled, "float64", "numpy"
    ).passed


SLIPS = [
    (
        "bidirectional",
        "_turned(joined_back.inputs.left, lengths.T)",
        "_turned(joined_back.inputs.left, None)",
    ),
    ("bidirectional", "None else max(int(lengths.sum()), 1)", "None else losses.size"),
    ("bidirectional", "lengths - 1 - t", "lengths - 2 - t"),
    ("deep", "W_u=gradients.first_W_u", "W_u=np.zeros_like(gradients.first_W_u)"),
    ("tied", "np.add(gradients.W_y, mixed_back.parameters.W_y, out=gradients.W_y)", "pass"),
    ("used_twice", "joined_back.inputs.right + upper_back.inputs.x", "joined_back.inputs.right"),
    ("used_twice", "GruState(c=upper_back.state.s)", "None"),
    ("many_to_one", "len(array) - 1 if lengths is None else (lengths - 1, ", "-1 if True else (0, "),
]


@pytest.mark.parametrize(("name", "line", "wrong"), SLIPS)
def test_a_slip_in_the_joining_turns_the_check_red(name: str, line: str, wrong: str) -> None:
    source = sr.emit(MODELS[name], "numpy")
    assert line in source
    spoiled = load_source(source.replace(line, wrong), f"{name}_spoiled")
    report = check_model_module(ModelProblem(MODELS[name], eager=True), spoiled, "float64", "numpy")
    assert not report.passed
