"""PyTorch's own operations in the place of a kernel: the same numbers, and what kernels refuse."""

import copy
import pickle
from typing import Any

import pytest
import torch
from devices import title_of
from model_problems import MODELS, SIZES, drawn
from torch_problems import uncompiled

import symrnn.torch as st
from symrnn import zoo

GRU = zoo.cell("gru")
X = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def made(backend: str, device: str = "cpu", **options: Any) -> st.Layer:
    torch.manual_seed(0)
    return st.layer(GRU, 2, 4, backend=backend, device=device, dtype=torch.float64, **options)


def results(layer: st.Layer, lengths: Any) -> list[torch.Tensor]:
    given = X.to(next(layer.parameters()).device, copy=True).requires_grad_()
    outputs, state = layer(given, lengths=lengths)
    (outputs.sin().sum() + state.square().sum()).backward()
    return [t.cpu() for t in (outputs, state, given.grad, *(p.grad for p in layer.parameters()))]


def test_a_batch_may_be_empty(device: str) -> None:
    for backend, place in (("kernel", "cpu"), ("torch", device)):
        for lengths in (None, []):
            outputs, state = made(backend, place)(X[:, :0].to(place), lengths=lengths)
            assert (outputs.shape, state.shape) == ((5, 0, 4), (1, 0, 4))


@pytest.mark.parametrize("lengths", [None, [3, 5, 0]])
def test_both_backends_give_the_same(lengths: Any, device: str) -> None:
    """And so does the one that is chosen where none is named."""
    options = {"num_layers": 2, "bidirectional": True}
    wanted = results(made("kernel", **options), lengths)
    for backend in ("torch", "auto"):
        found = results(made(backend, device, **options), lengths)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)  # of torch.func's own
def test_it_differentiates_any_number_of_times_and_forwards(device: str) -> None:
    layer, x = made("torch", device), X.to(device)
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


def test_half_precision_copies_and_compilers(device: str) -> None:
    x = X.to(device)
    layer = st.layer(GRU, 2, 4, backend="torch", dtype=torch.bfloat16, device=device)
    assert layer(x.bfloat16())[0].dtype == torch.bfloat16
    whole = made("torch", device)
    for other in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        torch.testing.assert_close(other(x)[0], whole(x)[0])
    compiled = torch.compile(whole, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x)[0], whole(x)[0])
    step = st.step(GRU, 2, 4, backend="torch", dtype=torch.float64, device=device)
    step.load_state_dict(whole.state_dict())
    torch.testing.assert_close(step(x[0])[0], whole(x)[0][0])


def test_models_too(device: str) -> None:
    batch, model = drawn(MODELS["encoder_decoder"], padded=True), MODELS["encoder_decoder"]
    lengths = {name: torch.tensor(array) for name, array in batch.lengths.items()}
    losses = []
    with uncompiled():
        for backend, place in (("kernel", "cpu"), ("torch", device)):
            torch.manual_seed(0)
            options = {"backend": backend, "device": place, "dtype": torch.float64}
            network = st.module(model, *SIZES[: len(model.axes)], **options)
            inputs = {name: torch.tensor(array, device=place) for name, array in batch.inputs.items()}
            loss, _ = network(inputs, lengths=lengths)
            loss.backward()
            losses.append([t.cpu() for t in (loss, *(p.grad for p in network.parameters()))])
    for one, other in zip(*losses, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_device_that_is_not_there_is_told() -> None:
    assert title_of("cpu") == "the processor"
    with pytest.raises(pytest.UsageError, match=r"^There is no device 'xla' here \(.+\)\. PyTorch"):
        title_of("xla")
