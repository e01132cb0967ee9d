"""Weights that are not what they are called: what is wrong is named, and what would fit."""

from typing import Any

import numpy as np
import pytest

import symrnn
from symrnn import layouts, zoo
from symrnn.errors import RequestError
from symrnn.layouts import LAYOUTS

PLACES = {"one": ("l0",), "all": ("l0", "l0_reverse", "l1", "l1_reverse")}


def arrays(name: str, places: str = "one") -> dict[str, Any]:
    """The arrays of a layout, all ones, for n = 3 and m = 4."""
    kernel = symrnn.load(zoo.cell(LAYOUTS[name].cell), "numpy")
    rng = np.random.default_rng(0)
    projected = {"p": 2} if "p" in kernel.AXES else {}
    layers = {}
    for place in PLACES[places]:
        n = 3 if place.startswith("l0") else 2 * projected.get("p", 4)
        layers[place] = kernel.init(rng, n=n, m=4, **projected)
    return layouts.write(layers, name)


def without(given: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: array for key, array in given.items() if key not in keys}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: layouts.read(without(arrays("torch.GRU"), "weight_hh_l0"), "torch.GRU"),
            r"^These weights are no torch\.GRU\. Missing: weight_hh_l0\. Give all arrays of the layer, under",
        ),
        (
            lambda: layouts.read(without(arrays("torch.GRU"), "bias_hh_l0"), "torch.GRU"),
            r"Missing: bias_hh_l0\.",
        ),
        (
            lambda: layouts.read(without(arrays("torch.GRU", "all"), "weight_hh_l1_reverse"), "torch.GRU"),
            r"Missing: weight_hh_l1_reverse\.",
        ),
        (
            lambda: layouts.read(
                {k: a for k, a in arrays("torch.LSTM", "all").items() if "l1_rev" not in k}, "torch"
            ),
            r"no layer of torch; torch\.LSTM is nearest\. Missing: weight_ih_l1_reverse, weight_hh_l1_rev",
        ),
        (
            lambda: layouts.read({**arrays("torch.GRU"), "weight_hr_l0": np.ones((2, 4))}, "torch.GRU"),
            r"Not part of it: weight_hr_l0 \(weight_\w+_l0\?\)\.",
        ),
        (
            lambda: layouts.read({**arrays("torch.GRU"), "weight_ih_l5000": np.ones((2, 4))}, "torch.GRU"),
            r"Not part of it: weight_ih_l5000",
        ),
        (
            lambda: layouts.read({**arrays("torch.GRU"), "weight_ih_l0": np.ones((12, 3, 1))}, "torch.GRU"),
            r"weight_ih_l0 has shape \(12, 3, 1\); it should have \(3\*m, n\)\.",
        ),
        (
            lambda: layouts.read({**arrays("torch.GRU"), "bias_ih_l0": np.ones(13)}, "torch.GRU"),
            r"bias_ih_l0 has shape \(13,\); it should have \(3\*m,\) = \(12,\)\.",
        ),
        (
            lambda: layouts.read(
                {**arrays("torch.GRU", "all"), "weight_ih_l1": np.ones((12, 4))}, "torch.GRU"
            ),
            r"weight_ih_l1 has shape \(12, 4\); it should have \(3\*m, 2\*m\) = \(12, 8\)\.",
        ),
        (
            lambda: layouts.read(arrays("torch.GRU"), "torch.LSTM"),
            r"weight_hh_l0 has shape \(12, 4\); it should have \(4\*m, m\) = \(12, 3\)\. They fit torch\.GRU",
        ),
        (
            lambda: layouts.read(arrays("torch.LSTM(proj_size)"), "torch.LSTM"),
            r"They fit torch\.LSTM\(proj_size\)\.",
        ),
        (
            lambda: layouts.read(arrays("keras.GRU(reset_after=False)"), "keras.GRU"),
            r"bias has shape \(12,\); it should have \(2, 3\*m\) = \(2, 12\)\. They fit "
            r"keras\.GRU\(reset_after=False\)\. Name that",
        ),
        (
            lambda: layouts.read(arrays("keras.GRU"), "keras.GRU(reset_after=False)"),
            r"bias has shape \(2, 12\); it should have \(3\*m,\) = \(12,\)\. They fit keras\.GRU\. Name that",
        ),
        (
            lambda: layouts.read(arrays("keras.LSTM"), "keras", "gru"),
            r"These weights are no keras\.GRU\(reset_after=False\)\. .* They fit keras\.LSTM\.",
        ),
        (
            lambda: layouts.read({**arrays("onnx.LSTM"), "P": np.ones((1, 12))}, "onnx.LSTM"),
            r"Not part of it: P",
        ),
        (
            lambda: layouts.read({f"rnn.{k}": a for k, a in arrays("torch.LSTM").items()}, "torch"),
            r"Those that begin with 'rnn\.' fit torch\.LSTM\. Give that as prefix\.$",
        ),
        (
            lambda: layouts.read(arrays("torch.RNN"), "torch"),
            r"fit several layouts: torch\.RNN \(elman\), torch",
        ),
        (
            lambda: layouts.read(arrays("onnx.GRU"), "onnx"),
            r"several layouts: onnx\.GRU \(gru\), onnx\.GRU\(line",
        ),
        (
            lambda: layouts.read(arrays("torch.GRU"), "torch.Gru"),
            r"no layout 'torch\.Gru'\. Do you mean torch\.GRU",
        ),
        (lambda: layouts.read(arrays("torch.GRU"), "tensorflow.keras"), r"no layout 'tensorflow\.keras'\. "),
        (lambda: layouts.read(arrays("torch.GRU"), 3), r"no layout 3\. Choose one of torch, keras"),
        (
            lambda: layouts.read(arrays("torch.GRU"), "torch", "gru"),
            r"no layout of a cell 'gru'\. Do you mean gru_",
        ),
        (
            lambda: layouts.read({k: a.astype(int) for k, a in arrays("torch.GRU").items()}, "torch"),
            "dtype int64",
        ),
        (
            lambda: layouts.read({**arrays("torch.GRU"), "bias_ih_l0": np.ones(12)}, "torch.GRU"),
            r"weight_ih_l0 is of dtype float32.*bias_ih_l0 is of dtype float64.*give all one dtype",
        ),
        (
            lambda: layouts.read({"weight_ih_l0": "text"}, "torch"),
            r"weight_ih_l0 is 'text', which is no array of num",
        ),
        (
            lambda: layouts.read({"weight_ih_l0": [[1, 2], [3]]}, "torch.GRU"),
            r"Missing|cannot be made an array",
        ),
        (lambda: layouts.read({}, "torch"), r"The source has no arrays\. Give a mapping"),
        (lambda: layouts.read(3, "torch"), r"Weights cannot be read from 3\. Give a mapping"),
        (
            lambda: layouts.read(arrays("torch.GRU"), "torch", prefix="rnn."),
            r"no name that begins with 'rnn\.'\. Names in it: weight_ih_l0, weight_hh_l0, bias_ih_l0\.",
        ),
        (
            lambda: layouts.read(np.ones(90), "cudnn.LSTM"),
            r"One vector does not tell how it is cut\. Give sizes",
        ),
        (
            lambda: layouts.read(np.ones(9), "cudnn.RNN", sizes={"n": 3, "m": 4}),
            r"weights has shape \(9,\); it should have .* = \(36,\)",
        ),
        (
            lambda: layouts.read(np.ones(9), "cudnn.RNN", sizes={"n": 0}),
            r"sizes is \{'n': 0\}\. Give a mapping of",
        ),
        (lambda: layouts.read(np.ones(9), "cudnn.RNN", sizes=[3]), r"sizes is \[3\]\. Give a mapping of"),
        (
            lambda: layouts.read(np.ones(9), "cudnn.RNN", sizes={"directions": 3}),
            r"Give 1 or 2 directions, and at most",
        ),
        (
            lambda: layouts.read(np.ones(9), "cudnn.RNN", sizes={"n": True, "m": 4}),
            r"sizes is \{'n': True, .* to positive",
        ),
        (
            lambda: layouts.read(arrays("torch.GRU"), "torch", sizes={"layers": 3}),
            r"sizes is \{'layers': 3\}, and these arrays tell their sizes\. Leave it \(--size\) out\.$",
        ),
        *(
            (
                lambda dtype=dtype: layouts.read(
                    {key: a.astype(dtype) for key, a in arrays("torch.RNN").items()}, "torch.RNN"
                ),
                rf"weight_ih_l0 is of dtype {name}, .*; weights are float32 or float64: convert them\.",
            )
            for dtype, name in (
                ("e", "float16"),
                ("F", "complex64"),
                ("O", "object"),
                ("g", r"float\d+"),
                (">f4", ">f4"),
            )
        ),
    ],
)
def test_what_does_not_fit_is_named(call: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        call()
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: layouts.write(without(p, "W_r"), "torch.GRU"),
            r"no parameters of gru_reset_after\. Missing: W_r\.",
        ),
        (lambda p: layouts.write({**p, "W_q": p["W_r"]}, "torch.GRU"), r"Not part of it: W_q \(W_"),
        (
            lambda p: layouts.write({**p, "b_r": np.ones(5)}, "torch.GRU"),
            r"b_r has shape \(5,\); it should have \(m,\)",
        ),
        (
            lambda p: layouts.write({"l0": p, "l1": p}, "torch.GRU"),
            r"W_r_l1 has shape \(4, 3\); it should have \(m, m\)",
        ),
        (lambda p: layouts.write({"l0": p, "l1_reverse": p}, "torch.GRU"), r"Missing: U_r_l0_reverse, "),
        (lambda p: layouts.write({"l0": 3}, "torch.GRU"), r"3 has no parameters\. Give each parameter"),
        (lambda p: layouts.write(3, "torch.GRU"), r"3 has no parameters\. Give each parameter"),
        (lambda p: layouts.write({}, "torch.GRU"), r"\{\} has no parameters\. Give each parameter"),
        (lambda p: layouts.write(p, "torch"), r"torch has several layouts: torch\.RNN \(elman\), .*Name one"),
        (
            lambda p: layouts.write(layouts.Weights(zoo.gru_reset_after, {"l0": p}), "onnx.GRU"),
            r"^These are weights of gru_reset_after, and onnx\.GRU is gru\. Choose one of torch\.GRU, "
            r"keras\.GRU, onnx\.GRU\(linear_before_reset=1\), cudnn\.GRU, flax\.GRUCell\.$",
        ),
        (
            lambda p: layouts.write(layouts.Weights(zoo.gru_reset_after, {"l0": p}), "torch.GRU", "lstm"),
            r"^These are weights of gru_reset_after, and 'lstm' is asked for\. Choose one of torch\.GRU, ",
        ),
        (
            lambda p: layouts.write(layouts.Weights(zoo.lstm_notes, {"l0": p}), "torch"),
            r"^These are weights of lstm_notes, and no layout is of it\. Use save\(\) to write them",
        ),
    ],
)
def test_what_is_no_layer_is_not_written(call: Any, message: str) -> None:
    kernel = symrnn.load(zoo.cell("gru_reset_after"), "numpy")
    parameters = kernel.init(np.random.default_rng(0), n=3, m=4)._asdict()
    with pytest.raises(RequestError, match=message):
        call(parameters)


def test_numbers_that_numpy_lacks() -> None:
    torch = pytest.importorskip("torch")
    state = torch.nn.GRU(3, 4, device="meta").state_dict()
    with pytest.raises(RequestError, match=r"^weight_ih_l0 cannot be made an array .* meta tensor"):
        layouts.read(state, "torch")
    state = torch.nn.GRU(3, 4).bfloat16().state_dict()
    with pytest.raises(RequestError, match=r"^weight_ih_l0 cannot be made an array .* to float32\.$"):
        layouts.read(state, "torch.GRU")


def test_a_whole_model_with_other_layers_has_the_prefix_named() -> None:
    given = {f"net.rnn.{key}": a for key, a in arrays("torch.GRU", "all").items()} | {"net.head": np.ones(3)}
    with pytest.raises(
        RequestError,
        match=r"^These weights are no layer of torch; .* Those that begin with 'net\.rnn\.' fit torch\.GRU",
    ):
        layouts.read(given, "torch")
    assert layouts.read(given, "torch", prefix="net.rnn.").cell is zoo.gru_reset_after


def test_of_many_the_first_are_named() -> None:
    given = {**arrays("torch.GRU"), **{f"other_{i}": np.ones(3) for i in range(20)}}
    with pytest.raises(RequestError, match=r"Not part of it: other_0, .*other_5 and 14 more\."):
        layouts.read(given, "torch.GRU")
