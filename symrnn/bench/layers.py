"""The ready-made layers of PyTorch and onnxruntime that compute what a shipped cell computes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn import layouts
from symrnn.bench.contenders import Contender, Task, choose_threads, forget_gradients, torch_tensors
from symrnn.bench.data import Arrays, Data
from symrnn.bench.names import FORWARD, STEP, TRAIN, TRAIN_FIXED

ONNX_OPSET, ONNX_IR = 14, 8  # the first with the nodes as they are today; every runtime reads it


@dataclass(frozen=True, slots=True)
class Layer:
    """How a cell is called elsewhere.

    `kind` is the name in ONNX and, with `torch_kind`, in `torch.nn` ("" where it has none). `states` are the
    cell's states in their order.
    """

    kind: str
    torch_kind: str
    states: tuple[str, ...]
    onnx_options: tuple[tuple[str, Any], ...] = ()


LAYERS = {
    "lstm": Layer("LSTM", "LSTM", ("h", "c")),
    "gru_reset_after": Layer("GRU", "GRU", ("h",), (("linear_before_reset", 1),)),
    "gru": Layer("GRU", "", ("c",), (("linear_before_reset", 0),)),
    "elman": Layer("RNN", "RNN", ("s",)),
}
"""By the name of the shipped cell."""


def open_torch_layer(data: Data, cell: str) -> Contender:
    """`torch.nn.LSTM`, `GRU` or `RNN`, and `LSTMCell`, `GRUCell` or `RNNCell` for a step."""
    import torch

    choose_threads(data)
    layer = LAYERS[cell]
    weights = layouts.write(data.parameters, "torch", cell)
    n, m = (weights[f"weight_{of}_l0"].shape[1] for of in ("ih", "hh"))

    def loaded(module: Any, suffix: str) -> Any:
        module.load_state_dict({k.removesuffix(suffix): torch.tensor(a) for k, a in weights.items()})
        return module

    network = loaded(getattr(torch.nn, layer.torch_kind)(n, m), "")
    one_step = loaded(getattr(torch.nn, f"{layer.torch_kind}Cell")(n, m), "_l0")
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
    constants = layouts.write(data.parameters, "onnx", cell)
    n, m = (constants[name].shape[2] for name in "WR")
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
        [described("x", "T", "B", n), *(described(s, 1, "B", m) for s in states)],
        [
            described("outputs", "T", 1, "B", m),
            *(described(f"{name}_last", 1, "B", m) for name in layer.states),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
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
