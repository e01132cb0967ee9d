"""PyTorch's own operations in the place of a kernel: the same numbers, and what kernels refuse."""

import copy
import pickle
from typing import Any

import pytest
import torch
from model_problems import MODELS, SIZES, drawn
from torch_problems import uncompiled

import symrnn.torch as st
from symrnn import zoo

GRU = zoo.cell("gru")
x = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def made(backend: str, **options: Any) -> st.Layer:
    torch.manual_seed(0)
    return st.layer(GRU, 2, 4, backend=backend, dtype=torch.float64, **options)


def results(layer: st.Layer, lengths: Any) -> list[torch.Tensor]:
    given = x.clone().requires_grad_()
    outputs, state = layer(given, lengths=lengths)
    (outputs.sin().sum() + state.square().sum()).backward()
    return [outputs, state, given.grad, *(p.grad for p in layer.parameters())]


def test_a_batch_may_be_empty() -> None:
    for backend in ("kernel", "torch"):
        for lengths in (None, []):
            outputs, state = made(backend)(x[:, :0], lengths=lengths)
            assert (outputs.shape, state.shape) == ((5, 0, 4), (1, 0, 4))


@pytest.mark.parametrize("lengths", [None, [3, 5, 0]])
def test_both_backends_give_the_same(lengths: Any) -> None:
    options = {"num_layers": 2, "bidirectional": True}
    pairs = zip(
        results(made("kernel", **options), lengths), results(made("torch", **options), lengths), strict=True
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)  # of torch.func's own
def test_it_differentiates_any_number_of_times_and_forwards() -> None:
    layer = made("torch")
    given = x.clone().requires_grad_()
    [slope] = torch.autograd.grad(layer(given)[0].sum(), given, create_graph=True)
    slope.square().sum().backward()
    assert layer.W_r.grad.abs().max() > 0
    assert torch.autograd.gradgradcheck(
        lambda x: layer(x)[0], (x[:2, :1].clone().requires_grad_(),), fast_mode=True
    )
    _, moved = torch.func.jvp(lambda x: layer(x)[0], (x,), (x,))
    width = 1e-6
    differences = (layer(x * (1 + width))[0] - layer(x * (1 - width))[0]) / (2 * width)
    torch.testing.assert_close(moved, differences, rtol=1e-6, atol=1e-8)
    each = torch.func.vmap(lambda x: layer(x)[0], in_dims=1, out_dims=1)(x)
    torch.testing.assert_close(each, layer(x)[0])


def test_half_precision_copies_and_compilers() -> None:
    layer = st.layer(GRU, 2, 4, backend="torch", dtype=torch.bfloat16)
    assert layer(x.bfloat16())[0].dtype == torch.bfloat16
    whole = made("torch")
    for other in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        torch.testing.assert_close(other(x)[0], whole(x)[0])
    compiled = torch.compile(whole, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x)[0], whole(x)[0])
    step = st.step(GRU, 2, 4, backend="torch", dtype=torch.float64)
    step.load_state_dict(whole.state_dict())
    torch.testing.assert_close(step(x[0])[0], whole(x)[0][0])


def test_models_too() -> None:
    batch, model = drawn(MODELS["encoder_decoder"], padded=True), MODELS["encoder_decoder"]
    inputs = {name: torch.tensor(array) for name, array in batch.inputs.items()}
    lengths = {name: torch.tensor(array) for name, array in batch.lengths.items()}
    losses = []
    with uncompiled():
        for backend in ("kernel", "torch"):
            torch.manual_seed(0)
            network = st.module(model, *SIZES[: len(model.axes)], backend=backend, dtype=torch.float64)
            loss, _ = network(inputs, lengths=lengths)
            loss.backward()
            losses.append([loss, *(p.grad for p in network.parameters())])
    for one, other in zip(*losses, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
