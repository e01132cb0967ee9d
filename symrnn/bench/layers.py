"""The ready-made layers of PyTorch and onnxruntime that compute what a shipped cell computes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.bench.contenders import Contender, Task, choose_threads, forget_gradients, torch_tensors
from symrnn.bench.data import Arrays, Data
from symrnn.bench.names import FORWARD, STEP, TRAIN, TRAIN_FIXED
from symrnn.records import dataclass

ONNX_OPSET, ONNX_IR = 14, 8  # the first with the nodes as they are today; every runtime reads it


@dataclass(frozen=True, slots=True)
class Gate:
    """The weights of one gate: on the input (m, n), on the state (m, m), and two biases (m)."""

    on_input: NDArray[Any]
    on_state: NDArray[Any]
    input_bias: NDArray[Any]
    state_bias: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """How a cell is called elsewhere.

    `kind` is the name in ONNX and, with `torch_kind`, in `torch.nn` ("" where it has none). `states` are the
    cell's states in their order; the gates come in the orders of `torch_gates` and `onnx_gates`.
    """

    kind: str
    torch_kind: str
    states: tuple[str, ...]
    torch_gates: str
    onnx_gates: str
    gates: Callable[[Arrays], Mapping[str, Gate]]
    onnx_options: tuple[tuple[str, Any], ...] = ()


def _stacked(parameters: Arrays, letters: str, *, input_first: bool = False) -> dict[str, Gate]:
    """The gates of a cell whose weights are stacked as W_g @ [state, x], or as W_g @ [x, state]."""
    made = {}
    for letter in letters:
        weights, bias = parameters[f"W_{letter}"], parameters[f"b_{letter}"]
        n, m = weights.shape[1] - len(bias), len(bias)
        on_input, on_state = (
            (weights[:, :n], weights[:, n:]) if input_first else (weights[:, m:], weights[:, :m])
        )
        made[letter] = Gate(on_input, on_state, bias, np.zeros_like(bias))
    return made


def _separate(parameters: Arrays, letters: str) -> dict[str, Gate]:
    """The gates of a cell with W_g @ x + b_g and U_g @ h + d_g."""
    return {g: Gate(*(parameters[f"{kind}_{g}"] for kind in "WUbd")) for g in letters}


def _update_turned(parameters: Arrays) -> dict[str, Gate]:
    """ONNX keeps the share z = 1 - u of the state: the weights of u with the other sign."""
    made = _stacked(parameters, "ruc")
    u = made.pop("u")
    return {**made, "z": Gate(-u.on_input, -u.on_state, -u.input_bias, -u.state_bias)}


LAYERS = {
    "lstm": Layer("LSTM", "LSTM", ("h", "c"), "ifgo", "iofg", partial(_stacked, letters="ifog")),
    "gru_reset_after": Layer(
        "GRU", "GRU", ("h",), "rzn", "zrn", partial(_separate, letters="rzn"), (("linear_before_reset", 1),)
    ),
    "gru": Layer("GRU", "", ("c",), "", "zrc", _update_turned, (("linear_before_reset", 0),)),
    "elman": Layer("RNN", "RNN", ("s",), "s", "s", partial(_stacked, letters="s", input_first=True)),
}
"""By the name of the shipped cell."""


def open_torch_layer(data: Data, cell: str) -> Contender:
    """`torch.nn.LSTM`, `GRU` or `RNN`, and `LSTMCell`, `GRUCell` or `RNNCell` for a step."""
    import torch

    choose_threads(data)
    layer = LAYERS[cell]
    gates = layer.gates(data.parameters)
    n, m = (gates[layer.torch_gates[0]].on_input.shape[1], gates[layer.torch_gates[0]].on_input.shape[0])

    def loaded(module: Any, suffix: str = "") -> Any:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        fields = ("on_input", "on_state", "input_bias", "state_bias")
        with torch.no_grad():
            for name, field in zip(names, fields, strict=True):
                whole = np.concatenate([getattr(gates[g], field) for g in layer.torch_gates])
                getattr(module, name + suffix).copy_(torch.tensor(whole))
        return module

    network = loaded(getattr(torch.nn, layer.torch_kind)(n, m), "_l0")
    one_step = loaded(getattr(torch.nn, f"{layer.torch_kind}Cell")(n, m))
    d_outputs = torch.tensor(data.d_outputs)

    def given(states: Arrays, *, gradients: bool = False, layers: bool = True) -> Any:
        ordered = {s: states[s][None] if layers else states[s] for s in layer.states}
        tensors = torch_tensors(ordered, gradients=gradients)
        return tensors if len(tensors) > 1 else tensors[0]

    def training(input_gradients: bool) -> Task:
        (x,) = torch_tensors(data.inputs, gradients=input_gradients)
        state = given(data.states, gradients=True)
        leaves = (*network.parameters(), x, *(state if isinstance(state, tuple) else (state,)))
        return Task(lambda: network(x, state)[0].backward(d_outputs), reset=lambda: forget_gradients(leaves))

    def inference() -> Task:
        (x,), state = torch_tensors(data.inputs), given(data.states)
        return Task(lambda: network(x, state), around=torch.inference_mode)

    def streaming() -> Task:
        (x,), state = torch_tensors(data.step_inputs), given(data.step_states, layers=False)
        return Task(lambda: one_step(x, state), around=torch.inference_mode)

    def results() -> Arrays:
        (x,) = torch_tensors(data.inputs, gradients=True)
        outputs = network(x, given(data.states))[0]
        outputs.backward(d_outputs)
        forget_gradients(network.parameters())
        return {"outputs": outputs.detach().numpy(), f"d_{next(iter(data.inputs))}": x.grad.numpy()}

    tasks = {TRAIN: partial(training, True), TRAIN_FIXED: partial(training, False)}
    return Contender({**tasks, FORWARD: inference, STEP: streaming}, results)


def onnx_model(data: Data, cell: str) -> bytes:
    """A model with one recurrent node, the parameters inside it as constants."""
    from onnx import TensorProto, helper, numpy_helper

    layer = LAYERS[cell]
    gates = layer.gates(data.parameters)
    ordered = [gates[g] for g in layer.onnx_gates]
    biases = [gate.input_bias for gate in ordered] + [gate.state_bias for gate in ordered]
    constants = {
        "W": np.concatenate([gate.on_input for gate in ordered])[None],
        "R": np.concatenate([gate.on_state for gate in ordered])[None],
        "B": np.concatenate(biases)[None],
    }
    m = len(ordered[0].input_bias)
    states = [f"{name}_0" for name in layer.states]
    node = helper.make_node(
        layer.kind,
        ["x", "W", "R", "B", "", *states],
        ["outputs", *(f"{name}_last" for name in layer.states)],
        hidden_size=m,
        **dict(layer.onnx_options),
    )

    def described(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [node],
        cell,
        [described("x", "T", "B", ordered[0].on_input.shape[1]), *(described(s, 1, "B", m) for s in states)],
        [
            described("outputs", "T", 1, "B", m),
            *(described(f"{name}_last", 1, "B", m) for name in layer.states),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", ONNX_OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=ONNX_IR)
    return bytes(model.SerializeToString())


def open_onnx(data: Data, cell: str) -> Contender:
    """A recurrent node in onnxruntime; inference alone. The streaming step reads and writes bound arrays."""
    import onnxruntime

    layer, model = LAYERS[cell], onnx_model(data, cell)

    def session(batch: int) -> Any:
        options = onnxruntime.SessionOptions()
        if batch == 1:
            options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def feeds(x: NDArray[Any], states: Arrays) -> dict[str, NDArray[Any]]:
        return {"x": x, **{f"{name}_0": states[name][None] for name in layer.states}}

    (inputs,), (first,) = data.inputs.values(), data.step_inputs.values()
    given = feeds(inputs, data.states)

    def inference() -> Task:
        whole = session(data.batch)  # which keeps its memory from call to call
        return Task(lambda: whole.run(None, given))

    def streaming() -> Task:
        single = session(1)
        binding = single.io_binding()
        arrays = feeds(first[None], data.step_states)
        state = arrays[f"{layer.states[0]}_0"]
        made = {"outputs": np.empty_like(state[None])}
        made |= {f"{name}_last": np.empty_like(state) for name in layer.states}
        for name, array in arrays.items():
            binding.bind_cpu_input(name, array)
        for name, array in made.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        bound = (*made.values(), *arrays.values())  # they must live as long as the binding

        def call() -> Any:
            single.run_with_iobinding(binding)
            return bound

        return Task(call)

    def results() -> Arrays:
        return {"outputs": session(data.batch).run(None, given)[0][:, 0]}

    return Contender({FORWARD: inference, STEP: streaming}, results)
