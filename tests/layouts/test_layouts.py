"""Weights of other frameworks: the same outputs as at their origin, and the same bits there and back."""

from typing import Any

import foreign_layers
import numpy as np
import pytest
from foreign_layers import LAYERS
from sympy import Integer

import symrnn
from symrnn import layouts, zoo
from symrnn.errors import RequestError
from symrnn.layouts import LAYOUTS
from symrnn.layouts.frameworks import OWN

T, B, N, M, P = 6, 3, 3, 4, 2
WHOLE = ("l0", "l0_reverse", "l1", "l1_reverse")
FLAT = {"n": N, "m": M, "layers": 2, "directions": 2}

TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "torch.RNN": ("RNN", {}),
    "torch.RNN(nonlinearity=relu)": ("RNN", {"nonlinearity": "relu"}),
    "torch.GRU": ("GRU", {}),
    "torch.LSTM": ("LSTM", {}),
    "torch.LSTM(proj_size)": ("LSTM", {"proj_size": P}),
}


def drawn(name: str, places: tuple[str, ...], dtype: Any = np.float64) -> dict[str, dict[str, Any]]:
    """Parameters of a layout's cell, of layers that stack; some elements are zero, of either sign."""
    rng = np.random.default_rng(0)
    cell = zoo.cell(LAYOUTS[name].cell)
    out = P if "p" in map(str, cell.axes) else M
    made: dict[str, dict[str, Any]] = {}
    for place in places:
        n = N if place.startswith("l0") else out * (1 + any(name.endswith("reverse") for name in places))
        sizes = {"n": n, "m": M, "p": P}
        made[place] = {}
        for parameter in cell.parameters:
            numbers = {axis: Integer(sizes[str(axis)]) for axis in cell.axes}
            shape = [int(size.xreplace(numbers)) for size in parameter.shape]
            array = rng.standard_normal(shape).astype(dtype)
            array.flat[0], array.flat[-1] = 0.0, -0.0
            made[place][parameter.name] = array
    return made


def bits(layers: Any) -> dict[str, dict[str, bytes]]:
    return {place: {name: a.tobytes() for name, a in arrays.items()} for place, arrays in layers.items()}


def run(cell: str, layers: Any, x: Any) -> Any:
    """The outputs of stacked layers, both directions side by side."""
    kernel = symrnn.load(zoo.cell(cell), "numpy")
    for layer in range(len({place.split("_")[0] for place in layers})):
        parts = []
        for place, step in ((f"l{layer}", 1), (f"l{layer}_reverse", -1)):
            if place in layers:
                parameters = kernel.Parameters(**layers[place])
                parts.append(kernel.predict(kernel.prepare(parameters), x[::step])[0][::step])
        x = np.ascontiguousarray(np.concatenate(parts, axis=2))
    return x


# PyTorch, run by PyTorch


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("name", TORCH)
def test_outputs_are_those_of_torch_and_it_takes_them_back(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    kind, options = TORCH[name]
    layer = getattr(torch.nn, kind)(N, M, num_layers=2, bidirectional=True, **options)
    weights = layouts.read(layer.state_dict(), name)
    assert tuple(weights.layers) == WHOLE
    x = np.random.default_rng(0).standard_normal((T, B, N), dtype=np.float32)
    found = run(weights.cell.name, weights.layers, x)
    assert found.dtype == np.float32

    def outputs() -> Any:
        with torch.no_grad():
            return layer(torch.tensor(x))[0].numpy()

    expected = outputs()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)

    written = layouts.write(weights, name)
    assert list(written) == list(layer.state_dict())
    layer.load_state_dict({key: torch.tensor(array) for key, array in written.items()})
    np.testing.assert_allclose(outputs(), expected, rtol=0, atol=1e-6)


def test_torch_reads_what_it_wrote_without_a_sum_to_the_bit() -> None:
    torch = pytest.importorskip("torch")
    state = torch.nn.GRU(N, M, num_layers=2, bidirectional=True).state_dict()
    written = layouts.write(layouts.read(state, "torch"), "torch")
    assert {key: a.tobytes() for key, a in written.items()} == {
        k: a.numpy().tobytes() for k, a in state.items()
    }


# The others, by their documented equations


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_those_of_the_documented_equations(name: str) -> None:
    """The foreign arrays are drawn, so that nothing stands on what is written here."""
    rng = np.random.default_rng(1)
    shapes = layouts.write(drawn(name, ("l0",)), name)
    arrays = {key: rng.standard_normal(array.shape) for key, array in shapes.items()}
    x = rng.standard_normal((T, B, N))
    weights = layouts.read(arrays, name, sizes={"n": N, "m": M} if name.startswith("cudnn") else None)
    found = run(weights.cell.name, weights.layers, x)
    one = {key: array[0] for key, array in arrays.items()} if name.startswith("onnx") else arrays
    np.testing.assert_allclose(found, LAYERS[name](one, x), rtol=0, atol=1e-12)


def test_every_layout_is_run() -> None:
    assert {*LAYERS, *TORCH} == {*LAYOUTS}
    assert {layout.cell for layout in LAYOUTS.values()} == {*OWN}


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name.startswith("onnx")])
def test_outputs_are_those_of_onnxruntime(name: str) -> None:
    """Both directions in one node."""
    onnxruntime = pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx").helper
    kind = name.partition(".")[2].partition("(")[0]
    weights = drawn(name, ("l0", "l0_reverse"), np.float32)
    arrays = layouts.write(weights, name)
    options: dict[str, Any] = {"linear_before_reset": int("before" in name)} if kind == "GRU" else {}
    if "Relu" in name:
        options["activations"] = ["Relu", "Relu"]
    node = helper.make_node(kind, ["x", *arrays], ["y"], hidden_size=M, direction="bidirectional", **options)
    described = {"x": (T, B, N), **{key: array.shape for key, array in arrays.items()}}
    inputs = [helper.make_tensor_value_info(key, 1, shape) for key, shape in described.items()]
    output = helper.make_tensor_value_info("y", 1, (T, 2, B, M))
    graph = helper.make_graph([node], "layer", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(2).standard_normal((T, B, N), dtype=np.float32)
    (found,) = session.run(None, {"x": x, **arrays})
    outputs = np.concatenate([found[:, 0], found[:, 1]], axis=2)
    np.testing.assert_allclose(run(LAYOUTS[name].cell, weights, x), outputs, rtol=0, atol=2e-6)


# There and back


@pytest.mark.parametrize("places", [("l0",), ("l0", "l1"), ("l0", "l0_reverse"), WHOLE], ids=len)
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_cell_comes_back_with_the_same_bits(name: str, places: tuple[str, ...]) -> None:
    sizes = {**FLAT, "layers": 1 + ("l1" in places), "directions": 1 + ("l0_reverse" in places)}
    weights = drawn(name, places, np.float32)
    if name == "flax.GRUCell":  # it has one bias for r and for z
        for arrays in weights.values():
            arrays["d_r"][:] = arrays["d_z"][:] = 0
    written = layouts.write(weights, name)
    read = layouts.read(written, name, sizes=sizes if name.startswith("cudnn") else None)
    assert bits(read.layers) == bits(weights)
    assert tuple(read.layers) == places
    again = layouts.write(read, name)
    assert {key: a.tobytes() for key, a in again.items()} == {key: a.tobytes() for key, a in written.items()}


@pytest.mark.parametrize(
    "name", ["keras.SimpleRNN", "keras.GRU", "keras.GRU(reset_after=False)", "keras.LSTM", "flax.GRUCell",
             "flax.LSTMCell", "flax.SimpleCell", "onnx.GRU(linear_before_reset=1)"]
)  # fmt: skip
def test_where_nothing_is_added_a_framework_gets_its_own_bits(name: str) -> None:
    rng = np.random.default_rng(3)
    shapes = layouts.write(drawn(name, WHOLE), name)
    arrays = {key: rng.standard_normal(array.shape) for key, array in shapes.items()}
    written = layouts.write(layouts.read(arrays, name), name)
    assert {key: a.tobytes() for key, a in written.items()} == {key: a.tobytes() for key, a in arrays.items()}


@pytest.mark.parametrize("name", [name for name in LAYOUTS if not name.startswith("cudnn")])
def test_origins_are_what_was_done(name: str) -> None:
    """They are NumPy, but for brackets that stand for `hstack`."""
    rng = np.random.default_rng(4)
    shapes = layouts.write(drawn(name, ("l0",)), name)
    arrays = {key: rng.standard_normal(array.shape) for key, array in shapes.items()}
    weights = layouts.read(arrays, name)
    names = {key.replace("/", "_"): array for key, array in arrays.items()}

    class Stack:
        def __getitem__(self, parts: Any) -> Any:
            return np.hstack(parts)

    for parameter, array in weights.layers["l0"].items():
        text = weights.origins[parameter].replace("/", "_")
        if text.lstrip("-").startswith("["):
            text = text.replace("[", "stack[", 1)
        value = eval(text, {**names, "m": M, "stack": Stack()})
        np.testing.assert_array_equal(array, np.broadcast_to(value, array.shape))


def test_a_negated_gate_is_said() -> None:
    arrays = layouts.write(drawn("onnx.GRU", ("l0",)), "onnx.GRU")
    weights = layouts.read(arrays, "onnx", "gru")
    assert weights.notes == (
        "onnx.GRU is gru: Gated recurrent unit, reset before the product.",
        "1 layer, one direction.",
        "Its gates stand in the order z, r, h.",
        "Its z is 1 - u: the weights and biases of u are negated, as sigmoid(-a) = 1 - sigmoid(a).",
        "Its h is c.",
        "The two biases of a gate are added: gru has one. Written back, the second is zero.",
    )
    assert weights.origins["b_u"] == "-(B[0, :m] + B[0, 3*m:4*m])"


# Sources


def test_a_list_is_a_layer_in_the_order_of_the_framework() -> None:
    arrays = layouts.write(drawn("keras.GRU", WHOLE), "keras.GRU")
    by_place = {place: [a for key, a in arrays.items() if key.split("/")[0] == place] for place in WHOLE}
    assert bits(layouts.read(by_place, "keras").layers) == bits(layouts.read(arrays, "keras.GRU").layers)
    alone = layouts.read(by_place["l0"], "keras.GRU")
    assert bits(alone.layers) == bits(layouts.read({"l0": by_place["l0"]}, "keras.GRU").layers)
    with pytest.raises(RequestError, match=r"A list of 12 arrays is more .* Name each"):
        layouts.read(list(arrays.values()), "keras.GRU")


def test_nested_mappings_and_a_prefix() -> None:
    arrays = layouts.write(drawn("flax.LSTMCell", ("l0",)), "flax.LSTMCell")
    tree: dict[str, Any] = {}
    for key, array in arrays.items():
        layer, kind = key.split("/")
        tree.setdefault(layer, {})[kind] = array
    expected = bits(layouts.read(arrays, "flax.LSTMCell").layers)
    assert bits(layouts.read(tree, "flax.LSTMCell").layers) == expected
    assert bits(layouts.read({"l0": tree}, "flax.LSTMCell").layers) == expected
    params = {"params": {"cell": tree, "head": {"kernel": np.ones((4, 2))}}}
    assert bits(layouts.read(params, "flax.LSTMCell", prefix="params/cell/").layers) == expected


@pytest.mark.parametrize("name", [name for name in LAYOUTS if not name.startswith("cudnn")])
def test_a_layer_without_biases_has_zeros(name: str) -> None:
    arrays = layouts.write(drawn(name, ("l0", "l0_reverse"), np.float32), name)
    weights = layouts.read({key: a for key, a in arrays.items() if "bias" not in key and key != "B"}, name)
    assert weights.notes[-1] == "There are no biases: those of the cell are zero."
    for parameters in weights.layers.values():
        biases = [array for parameter, array in parameters.items() if parameter[0] in "bd"]
        assert biases
        assert not any(np.signbit(a).any() or a.any() for a in biases)


def test_parameters_of_a_kernel_are_a_layer() -> None:
    kernel = symrnn.load(zoo.cell("lstm"), "numpy")
    parameters = kernel.init(np.random.default_rng(0), n=N, m=M)
    written = layouts.write(parameters, "keras.LSTM")
    assert bits(layouts.read(written, "keras.LSTM").layers) == bits({"l0": parameters._asdict()})
    assert bits(layouts.read(layouts.write({"l0": parameters}, "torch", "lstm"), "torch").layers) == bits(
        {"l0": parameters._asdict()}
    )


def test_what_is_read_is_apart_from_the_source() -> None:
    arrays = layouts.write(drawn("torch.GRU", ("l0",)), "torch.GRU")
    weights = layouts.read(arrays, "torch.GRU")
    before = bits(weights.layers)
    for array in arrays.values():
        array[:] = 0
    assert bits(weights.layers) == before


def test_one_vector_is_cut_as_jax_cuts_it() -> None:
    rnn = pytest.importorskip("jax.experimental.rnn")
    vector = np.arange(rnn.get_num_params_in_lstm(N, M, 2, True), dtype=np.float32)
    on_input, on_state, first, second = rnn.unpack_lstm_weights(vector, N, M, 2, True)
    layers = layouts.read(vector, "cudnn.LSTM", sizes=FLAT).layers
    for number, parameters in enumerate(layers.values()):
        for gate, rows in zip("ifgo", np.arange(4 * M).reshape(4, M), strict=True):
            whole = np.hstack([on_state[number][rows], on_input[number][rows]])
            np.testing.assert_array_equal(parameters[f"W_{gate}"], whole)
            np.testing.assert_array_equal(parameters[f"b_{gate}"], first[number][rows] + second[number][rows])


def test_one_vector_is_cut_by_sizes() -> None:
    vector = layouts.write(drawn("cudnn.LSTM", WHOLE), "cudnn.LSTM")["weights"]
    assert vector.shape == (2 * (4 * M * (N + M + 2) + 4 * M * (2 * M + M + 2)),)
    weights = layouts.read(vector, "cudnn.LSTM", sizes=FLAT)
    assert bits(weights.layers) == bits(drawn("cudnn.LSTM", WHOLE))
    every = foreign_layers.cudnn(
        layouts.write({"l0": weights.layers["l0"]}, "cudnn.LSTM")["weights"], np.ones((T, B, N)), "lstm"
    )
    np.testing.assert_allclose(
        run("lstm", {"l0": weights.layers["l0"]}, np.ones((T, B, N))), every, atol=1e-12
    )
