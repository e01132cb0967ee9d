"""The ready-made layers of PyTorch and onnxruntime that compute what a shipped cell computes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from symrnn import layouts, zoo
from symrnn.bench.contenders import Contender, Task, choose_threads, forget_gradients, torch_tensors
from symrnn.bench.data import Arrays, Data
from symrnn.bench.names import FORWARD, STEP, TRAIN, TRAIN_FIXED
from symrnn.onnx_graphs.export import onnx


@dataclass(frozen=True, slots=True)
class Layer:
    """What a cell is called in `torch.nn` ("" where it has none), and its states in the order there."""

    torch_kind: str
    states: tuple[str, ...]


LAYERS = {
    "lstm": Layer("LSTM", ("h", "c")),
    "gru_reset_after": Layer("GRU", ("h",)),
    "gru": Layer("", ("c",)),
    "elman": Layer("RNN", ("s",)),
}
"""By the name of the shipped cell; all of them are operators of ONNX."""


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


def open_onnx(data: Data, cell: str) -> Contender:
    """An operator in onnxruntime; inference alone. The streaming step reads and writes bound arrays."""
    import onnxruntime

    graphs = onnx(zoo.cell(cell), data.parameters, lengths=False, native=True)

    def session(model: Any, batch: int) -> Any:
        options = onnxruntime.SessionOptions()
        if batch == 1:
            options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)

    given = {**data.inputs, **data.states}

    def inference() -> Task:
        whole = session(graphs.model, data.batch)  # which keeps its memory from call to call
        return Task(lambda: whole.run(None, given))

    def streaming() -> Task:
        single = session(graphs.step, 1)
        binding = single.io_binding()
        arrays = {**data.step_inputs, **data.step_states}
        made = {"output": np.empty_like(data.step_states[LAYERS[cell].states[0]])}
        made |= {f"{name}_next": np.empty_like(state) for name, state in data.step_states.items()}
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
        return {"outputs": session(graphs.model, data.batch).run(None, given)[0]}

    return Contender({FORWARD: inference, STEP: streaming}, results)
