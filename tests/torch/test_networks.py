"""Whole models as modules: the losses and gradients of the emitted modules."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from model_problems import MODELS, SIZES, Batch, drawn, module
from torch_problems import uncompiled

import symrnn.torch as st
from symrnn import zoo
from symrnn.errors import RequestError


@pytest.fixture(scope="module", autouse=True)
def as_plain_python() -> Iterator[None]:
    with uncompiled():
        yield


def network(name: str, batch: Batch) -> st.Network:
    """A model with the parameters of a batch."""
    model = MODELS[name]
    made = st.module(model, *SIZES[: len(model.axes)], dtype=torch.float64)
    names = {own: given for given, own in made._attributes.items()}
    made.load_state_dict({own: torch.tensor(batch.parameters[names[own]]) for own in made.state_dict()})
    return made


def tensors(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array) for name, array in arrays.items()}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_those_of_the_emitted_module(name: str, padded: bool) -> None:
    batch = drawn(MODELS[name], padded=padded, empty=padded)
    emitted = module(name, "numpy")
    lengths = None
    if padded:
        several = hasattr(emitted, "Lengths")
        lengths = emitted.Lengths(**batch.lengths) if several else next(iter(batch.lengths.values()), None)
    given = batch.given(emitted)
    wanted = emitted.loss_and_gradients(*given, lengths=lengths)
    made = network(name, batch)
    ends = None if not padded else tensors(batch.lengths)
    loss, state = made(tensors(batch.inputs), tensors(batch.state), lengths=ends)
    loss.backward()
    assert loss.item() == pytest.approx(wanted.loss, rel=1e-12)
    for field, array in wanted.gradients._asdict().items():
        found = getattr(made, made._attributes[field]).grad
        np.testing.assert_allclose(0 * array if found is None else found, array, rtol=1e-9, atol=1e-11)
    for one, array in zip(state.values(), wanted.state, strict=True):
        np.testing.assert_allclose(one.detach(), array, rtol=1e-11, atol=1e-12)
    outputs, after = made.predict(tensors(batch.inputs), tensors(batch.state), lengths=ends)
    expected, final = emitted.predict(*given, lengths=lengths)
    np.testing.assert_allclose(outputs.detach(), expected, rtol=1e-11, atol=1e-12)
    for one, array in zip(after.values(), final, strict=True):
        np.testing.assert_allclose(one.detach(), array, rtol=1e-11, atol=1e-12)


def test_copies_compile_and_train() -> None:
    batch = drawn(MODELS["many_to_one"])
    made = network("many_to_one", batch).float()
    made._dtype = torch.float32
    inputs = {name: tensor.float() for name, tensor in tensors(batch.inputs).items()}
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        torch.testing.assert_close(other(inputs)[0], made(inputs)[0], rtol=0, atol=0)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(inputs)[0], made(inputs)[0])
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss, _ = made(inputs)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


def test_refusals() -> None:
    with pytest.raises(RequestError, match=r"module\(\) takes a Model, and got"):
        st.module(zoo.cell("gru"), 3, 4)
    with pytest.raises(RequestError, match=r"takes the sizes .* in this order or by name, and got 3\."):
        st.module(MODELS["plain"], 3)
    made = st.module(MODELS["plain"], 3, 5, 4)
    with pytest.raises(RequestError, match=r"give a dict of tensors: x, target"):
        made({"x": torch.ones(1, 1, 3)})
    given = {"x": torch.ones(1, 1, 3), "target": torch.ones(1, 1, 4)}
    with pytest.raises(RequestError, match=r"^inputs is .*; give a dict of tensors: x, target"):
        made({**given, "x": [[[1.0, 1.0, 1.0]]]})
    with pytest.raises(RequestError, match=r"^inputs x has shape \(1, 3\); it should have \(T, B, n\)"):
        made({**given, "x": torch.ones(1, 3)})
    for state in (torch.ones(1, 5), {"none": torch.ones(1, 5)}):
        with pytest.raises(RequestError, match=r"^state is .*; give a dict of tensors: c, h\."):
            made(given, state)
    with pytest.raises(RequestError, match=r"lengths are given over S; the model's time axes: T"):
        made(given, lengths={"S": [1]})
