"""Graphs of models: several layers, directions, time axes and lengths, beside the module of NumPy kernels."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_runs import checked, far, in_onnxruntime, in_reference

import symrnn as sr
from symrnn import Feed, Layer, Model, zoo
from symrnn.declaration.axes import size_number, size_text
from symrnn.fuzzing.models import scheduled_model
from symrnn.models.layers import ONCE

ENDS = {"T": np.array([5, 0, 2, 1]), "S": np.array([1, 6, 3, 0])}
STEPS, B = {"T": 5, "S": 6}, 4


def last_of_both() -> Model:
    """The last outputs of both directions of layers in two floors, one class of them."""
    lower = Layer(zoo.cell("gru"), {"x": Feed("x")}, name="lower", reverse=True)
    right = Layer(zoo.cell("lstm"), lower, name="right")
    left = Layer(zoo.cell("elman"), lower, name="left", reverse=True)
    both = Layer(zoo.joined, {"first": right.last, "second": left.last})
    loss = Layer(zoo.class_cross_entropy, {"a": both, "k": Feed("label", over=ONCE)})
    return Model("last_of_both", loss, output=Layer(zoo.dense("softmax"), both))


def shared_layers() -> Model:
    """Two layers of one cell with the same parameters, the upper one started from the lower one's end."""
    lower = Layer(zoo.cell("elman"), {"x": Feed("x")}, name="twin")
    upper = Layer(zoo.cell("elman"), lower, name="twin", initial=lower.final("s"))
    loss = Layer(zoo.squared_error, {"a": upper, "y": Feed("y")})
    return Model("shared_layers", loss, output=upper)


MODELS = {
    **{name: zoo.MODELS[name] for name in zoo.MODELS.entries},
    "last_of_both": last_of_both(),
    "shared": shared_layers(),
}


class ModelRun:
    """A model with parameters and a batch that are drawn, and what its NumPy module gives in float64."""

    def __init__(self, model: Model, dtype: str, steps: dict[str, int] = STEPS) -> None:
        self.model, self.dtype = model, np.dtype(dtype)
        self.rng = np.random.default_rng(1)
        self.sizes = {axis.name: 3 + i for i, axis in enumerate(model.axes)}
        self.kernel = sr.load(model, "numpy")
        fresh = self.kernel.init(self.rng, **self.sizes, dtype=np.float64)._asdict()
        self.weights = {
            k: (a + 0.2 * self.rng.standard_normal(a.shape)).astype(dtype) for k, a in fresh.items()
        }
        self.feeds = {}
        for feed, _, shape in model.feeds:
            lead = (B,) if feed.over == ONCE else (steps[feed.over], B)
            classes = model.classes.get(feed)
            self.feeds[feed.name] = (
                self.drawn((*lead, *self.numbers(shape)))
                if classes is None
                else self.rng.integers(0, self.numbers([classes])[0], lead)
            )
        self.state = {name: self.drawn((B, *self.numbers(shape))) for name, shape in model.states}

    def numbers(self, shape: Any) -> list[int]:
        return [size_number(size_text(size), self.sizes) for size in shape]

    def drawn(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def given(self, graph: Any, ends: dict[str, Any]) -> dict[str, Any]:
        """What a graph takes of the batch, the state and lengths."""
        lengths = {f"lengths_{over}": array for over, array in ends.items()} | {"lengths": ends["T"]}
        every = self.feeds | self.state | lengths
        return {value.name: every[value.name] for value in graph.graph.input}

    def record(self, kind: Any, arrays: Any) -> Any:
        return kind(**{k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in arrays.items()})

    def wanted(self, ends: dict[str, Any] | None = None) -> list[NDArray[Any]]:
        kernel, times = self.kernel, [time for time in self.model.times if time != ONCE]
        lengths = ends and (ends["T"] if times == ["T"] else kernel.Lengths(**{t: ends[t] for t in times}))
        outputs, state = kernel.predict(
            self.record(kernel.Parameters, self.weights),
            self.record(kernel.Inputs, self.feeds),
            self.record(kernel.State, self.state) if self.state else None,
            lengths=lengths,
        )
        return [outputs, *(state or ())]


@pytest.mark.parametrize("native", ["auto", False])
@pytest.mark.parametrize("name", MODELS)
def test_models_give_what_their_modules_give(name: str, native: Any) -> None:
    run, bound = (
        (ModelRun(MODELS[name], "float32"), 1e-6) if native else (ModelRun(MODELS[name], "float64"), 1e-12)
    )
    whole = checked(sr.onnx(run.model, run.weights, lengths=False, native=native).model)
    padded = checked(sr.onnx(run.model, run.weights, native=native).model)
    assert far(in_onnxruntime(whole, run.given(whole, ENDS)), run.wanted()) < bound
    assert far(in_onnxruntime(padded, run.given(padded, ENDS)), run.wanted(ENDS)) < bound
    if not native:
        assert far(in_reference(whole, run.given(whole, ENDS)), run.wanted()) < bound
        assert far(in_reference(padded, run.given(padded, ENDS)), run.wanted(ENDS)) < bound


@pytest.mark.parametrize("number", range(8))
def test_random_models(number: int) -> None:
    model = scheduled_model(5, number)
    steps = {time: 5 + i for i, time in enumerate(time for time in model.times if time != ONCE)}
    ends: dict[str, Any] = {"T": None} | {time: np.array([size, 0, 2, 1]) for time, size in steps.items()}
    run = ModelRun(model, "float64", steps)
    whole = checked(sr.onnx(model, run.weights, lengths=False).model)
    padded = checked(sr.onnx(model, run.weights).model)
    assert far(in_onnxruntime(whole, run.given(whole, ends)), run.wanted()) < 1e-12
    assert far(in_onnxruntime(padded, run.given(padded, ends)), run.wanted(ends)) < 1e-12


def test_layers_are_operators_in_both_directions() -> None:
    run = ModelRun(last_of_both(), "float32")
    graphs = sr.onnx(run.model, run.weights, native=True)
    assert graphs.operators == ("GRU", "LSTM", "RNN")
    nodes = [node for node in graphs.model.graph.node if node.op_type in graphs.operators]
    directions = [
        attribute.s for node in nodes for attribute in node.attribute if attribute.name == "direction"
    ]
    assert directions == [b"reverse", b"forward", b"reverse"]


def test_shared_parameters_are_stored_once() -> None:
    run = ModelRun(shared_layers(), "float32")
    graph = sr.onnx(run.model, run.weights, native=False).model.graph
    matrices = [tensor.name for tensor in graph.initializer if len(tensor.dims) == 2]
    assert sorted(matrices) == ["twin_W_s_s_T", "twin_W_s_x_T"]


@pytest.mark.parametrize("name", ["classifier", "last_of_both", "language_model"])
def test_no_step_at_all(name: str) -> None:
    run = ModelRun(MODELS[name], "float32", {"T": 0})
    ends = {"T": np.zeros(B, np.int64)}
    whole = sr.onnx(run.model, run.weights, lengths=False).model
    padded = sr.onnx(run.model, run.weights).model
    found = in_onnxruntime(whole, run.given(whole, ends)), in_onnxruntime(padded, run.given(padded, ends))
    assert far(*found) == 0
    for value, array in zip(whole.graph.output[1:], found[0][1:], strict=True):
        np.testing.assert_array_equal(array, run.state[value.name.removesuffix("_final")])


@pytest.mark.parametrize("native", ["auto", False])
def test_a_language_model_step_by_step(native: Any) -> None:
    run = ModelRun(zoo.MODELS["language_model"], "float32")
    graphs = sr.onnx(run.model, run.weights, lengths=False, native=native)
    state, outputs = run.state, []
    for t in range(STEPS["T"]):
        output, *after = in_onnxruntime(checked(graphs.step), {"k": run.feeds["k"][t]} | state)
        outputs.append(output)
        state = dict(zip(state, after, strict=True))
    assert far([np.stack(outputs), *state.values()], run.wanted()) < 1e-6


@pytest.mark.parametrize("name", ["translator", "generator"])
def test_states_that_other_layers_begin(name: str) -> None:
    run = ModelRun(zoo.MODELS[name], "float32")
    for ends in (ENDS | {"T": np.full(B, STEPS["T"])}, None):
        graphs = sr.onnx(run.model, run.weights, lengths=ends is not None)
        begin = checked(graphs.begin)
        starts = in_onnxruntime(begin, run.given(begin, ends or {"T": None}))
        state = dict(zip([value.name for value in begin.graph.output], starts, strict=True))
        outputs = []
        for t in range(STEPS["T"]):
            taken = {value.name for value in graphs.step.graph.input} - set(state)
            output, *after = in_onnxruntime(graphs.step, {k: run.feeds[k][t] for k in taken} | state)
            outputs.append(output)
            state = dict(zip(state, after, strict=True))
        assert far([np.stack(outputs)], run.wanted(ends)[:1]) < 1e-6


def test_models_that_cannot_stream_say_why() -> None:
    run = ModelRun(zoo.MODELS["classifier"], "float32")
    graphs = sr.onnx(run.model, run.weights)
    assert graphs.step is None
    assert graphs.begin is None
    assert graphs.no_step == "the output dense_softmax has no time: it is read at the end"


def test_metadata_of_a_model() -> None:
    run = ModelRun(zoo.MODELS["translator"], "float32")
    model = sr.onnx(run.model, run.weights).model
    record = {entry.key: entry.value for entry in model.metadata_props}
    assert record["symrnn.model"] == "translator"
    assert len(record["symrnn.digest"]) == 12
    assert record["symrnn.operators"] == "LSTM, LSTM"
    assert "cell lstm" in model.doc_string
    assert [value.name for value in model.graph.input] == [
        *("given", "source", "encoder_c", "encoder_h"),
        *("lengths_T", "lengths_S"),
    ]
    assert onnx.load_from_string(model.SerializeToString()) == model
