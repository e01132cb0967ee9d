"""Layers and steps: the calling convention of torch.nn.GRU, its numbers, and all that modules go through."""

import copy
import io
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, Dataset
from torch_problems import uncompiled

import symrnn.torch as st
from symrnn import zoo
from symrnn.errors import RequestError, SymrnnWarning
from symrnn.zoo import elman

GRU, LSTM = zoo.cell("gru"), zoo.cell("lstm_notes")
x = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(1))


def seeded(make: Any) -> Any:
    torch.manual_seed(0)
    return make()


@pytest.fixture(scope="module")
def deep() -> st.Layer:
    return seeded(lambda: st.layer(GRU, 2, 4, num_layers=2, bidirectional=True))


def require_equal(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_shapes_are_those_of_torch(deep: st.Layer) -> None:
    first = seeded(lambda: st.layer(GRU, n=2, m=4, num_layers=2, bidirectional=True, batch_first=True))
    for own, batch_first in ((deep, False), (first, True)):
        other = nn.GRU(2, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
        for given in (x, x[:, 0], x[:1], x[:, :1]):
            found, wanted = own(given), other(given)
            assert [t.shape for t in found] == [t.shape for t in wanted]
            again = own(given, found[1])
            assert [t.shape for t in again] == [t.shape for t in wanted]
            assert not torch.equal(again[0], found[0])
    require_equal(first(x.transpose(0, 1))[0], deep(x)[0].transpose(0, 1))
    torch.testing.assert_close(deep(x[:, 1])[0], deep(x)[0][:, 1])


def test_its_numbers_and_gradients_are_those_of_torch() -> None:
    """An Elman cell has the equations of nn.RNN, in one matrix and one bias."""
    own, other = st.layer(elman("tanh"), 2, 4, bidirectional=True), nn.RNN(2, 4, bidirectional=True)
    names = dict(own.named_parameters())
    with torch.no_grad():
        for suffix in ("_l0", "_l0_reverse"):
            of_input, of_state = (getattr(other, f"weight_{kind}{suffix}") for kind in ("ih", "hh"))
            names[f"W_s{suffix}"].copy_(torch.cat([of_input, of_state], 1))
            names[f"b_s{suffix}"].copy_(
                getattr(other, f"bias_ih{suffix}") + getattr(other, f"bias_hh{suffix}")
            )
    given = [x.clone().requires_grad_() for _ in range(2)]
    results = [module(g, torch.ones(2, 3, 4)) for module, g in zip((own, other), given, strict=True)]
    for (y, h), _ in zip(results, given, strict=True):
        (y.sin().sum() + h.square().sum()).backward()
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two)
    torch.testing.assert_close(given[0].grad, given[1].grad)
    torch.testing.assert_close(names["W_s_l0_reverse"].grad[:, 2:], other.weight_hh_l0_reverse.grad)


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # slow in torch
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.GRU(2, 4, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5),
        lambda: nn.LSTM(2, 4, bidirectional=True, num_layers=2, proj_size=3),
        lambda: nn.LSTM(2, 4, bias=False),
        lambda: nn.RNN(2, 4, nonlinearity="relu"),
        lambda: nn.RNN(2, 4, dtype=torch.float64),
    ],
)
def test_layers_of_torch_become_layers(make: Any) -> None:
    """Outputs, final states and gradients are those of the layer of torch."""
    other = seeded(make).eval()
    with uncompiled():
        own = st.from_torch(other)
        given = [x.to(next(other.parameters()).dtype, copy=True).requires_grad_() for _ in range(2)]
        (y, state), (z, final) = own(given[0]), other(given[1])
        y.sin().sum().backward()
    z.sin().sum().backward()
    torch.testing.assert_close(y, z)
    torch.testing.assert_close(given[0].grad, given[1].grad)
    by_name = state._asdict() if isinstance(state, tuple) else {"h": state}
    for name, tensor in zip("hc", final if isinstance(final, tuple) else (final,), strict=False):
        torch.testing.assert_close(by_name[name], tensor)
    assert not own.training
    with pytest.raises(RequestError, match=r"^from_torch\(\) takes an nn.RNN, nn.GRU or nn.LSTM, and got"):
        st.from_torch(nn.Linear(2, 3))


def test_samples_that_end_early(deep: st.Layer) -> None:
    lengths = [3, 5, 1]
    y, h = deep(x, lengths=lengths)
    for b, length in enumerate(lengths):
        alone, final = deep(x[:length, b])
        torch.testing.assert_close(y[:length, b], alone)
        torch.testing.assert_close(h[:, b], final)
        require_equal(y[length:, b], torch.zeros_like(y[length:, b]))
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    z, k = deep(packed)
    assert isinstance(z, PackedSequence)
    padded, told = pad_packed_sequence(z)
    require_equal(told, torch.tensor(lengths))
    require_equal((padded, k), (y, h))
    in_order = pack_padded_sequence(x[:, [1, 0, 2]], torch.tensor([5, 3, 1]))
    require_equal(pad_packed_sequence(deep(in_order)[0])[0], y[:, [1, 0, 2]])


def test_several_states_have_names() -> None:
    own = seeded(lambda: st.layer(LSTM, 2, 4))
    y, state = own(x)
    assert state._fields == tuple(q.name for q in LSTM.states)
    assert {t.shape for t in state} == {(1, 3, 4)}
    for given in (state, tuple(state), state._asdict()):
        require_equal(own(x, given)[0], own(x, state)[0])
    step = seeded(lambda: st.step(LSTM, 2, 4))
    output, after = step(x[0])
    for t in range(1, len(x)):
        output, after = step(x[t], after)
    torch.testing.assert_close(output, y[-1])
    torch.testing.assert_close(tuple(after), tuple(s[0] for s in state))
    single, _ = step(x[0, 1])
    torch.testing.assert_close(single, y[0, 1])


def test_names_order_and_seed() -> None:
    own = seeded(lambda: st.layer(GRU, 2, 4))
    assert list(own.state_dict()) == [q.name for q in GRU.parameters]
    require_equal(own.state_dict(), seeded(lambda: st.layer(GRU, 2, 4)).state_dict())
    before = copy.deepcopy(own.state_dict())
    own.reset_parameters()
    assert not torch.equal(own.W_r, before["W_r"])
    limit = math.sqrt(6 / (4 + 4 + 2))  # as `init` of the kernel draws
    assert own.W_r.abs().max() <= limit
    assert seeded(lambda: st.layer(GRU, 2, 4, num_layers=2)).W_r_l1.shape == (4, 8)
    assert "gru, n=2, m=4, num_layers=2" in repr(st.layer(GRU, 2, 4, num_layers=2))
    assert own.cell == GRU
    assert st.step(GRU, 2, 4, dtype=torch.float64)(x[0].double())[0].dtype == torch.float64


def test_drawn_anew_under_a_parametrization() -> None:
    own = seeded(lambda: st.layer(GRU, 2, 4))
    nn.utils.parametrizations.weight_norm(own, "W_u")
    before = own.W_u.clone()
    own.reset_parameters()
    assert not torch.allclose(own.W_u, before)


def test_sizes_of_numpy_are_whole_numbers() -> None:
    assert st.layer(GRU, np.int64(2), 4).sizes == {"n": 2, "m": 4}


def test_results_can_be_changed_in_place() -> None:
    """As those of nn.GRU: by activations and residual connections, say."""
    own = seeded(lambda: st.layer(GRU, 2, 4))
    found = []
    for change in (lambda t: t.mul_(2), lambda t: t.mul(2)):
        y, h = own(x)
        loss = change(y).square().sum() + change(h).sum()
        found.append(torch.autograd.grad(loss, list(own.parameters())))
    require_equal(*found)


def test_memory_of_parameters_can_be_given_back() -> None:
    """As FSDP does between steps; NumPy's own way to a tensor's memory would forbid it."""
    own = seeded(lambda: st.layer(GRU, 2, 4))
    for parameter in own.parameters():
        parameter.data = parameter.data.clone()  # memory of PyTorch's own
    own(x)[0].sum().backward()
    for parameter in own.parameters():
        parameter.untyped_storage().resize_(0)
        assert parameter.untyped_storage().nbytes() == 0


def test_dropout_falls_between_layers_in_training() -> None:
    own = seeded(lambda: st.layer(GRU, 2, 4, num_layers=2, dropout=0.5))
    assert not torch.equal(own(x)[0], own(x)[0])
    own.eval()
    require_equal(own(x)[0], own(x)[0])
    with pytest.warns(SymrnnWarning, match=r"^dropout falls between layers, and there is one"):
        st.layer(GRU, 2, 4, dropout=0.5)


def test_copies_and_files(deep: st.Layer) -> None:
    file = io.BytesIO()
    torch.save(deep, file)
    file.seek(0)
    copies = [copy.deepcopy(deep), pickle.loads(pickle.dumps(deep)), torch.load(file, weights_only=False)]
    for made in copies:
        require_equal(made(x), deep(x))
    fresh = st.layer(GRU, 2, 4, num_layers=2, bidirectional=True)
    fresh.load_state_dict(deep.state_dict())
    require_equal(fresh(x), deep(x))


class Doubled(nn.Module):
    def forward(self, W: torch.Tensor) -> torch.Tensor:
        return 2 * W


def test_a_parametrization_takes_the_place_of_a_parameter() -> None:
    own = seeded(lambda: st.layer(GRU, 2, 4))
    other = copy.deepcopy(own)
    parametrize.register_parametrization(own, "W_u", Doubled())
    with torch.no_grad():
        other.W_u.mul_(2)
    require_equal(own(x), other(x))
    own(x)[0].sum().backward()
    other(x)[0].sum().backward()
    torch.testing.assert_close(own.parametrizations.W_u.original.grad, 2 * other.W_u.grad)


def test_compiled_and_exported(deep: st.Layer) -> None:
    compiled = torch.compile(deep, fullgraph=True, backend="aot_eager")
    given = x.clone().requires_grad_()
    compiled(given)[0].sum().backward()
    plain = x.clone().requires_grad_()
    deep(plain)[0].sum().backward()
    torch.testing.assert_close(given.grad, plain.grad)
    B, T = torch.export.Dim("B"), torch.export.Dim("T")
    program = torch.export.export(deep, (x,), dynamic_shapes=({0: T, 1: B},))
    longer = torch.randn(9, 7, 2)
    torch.testing.assert_close(program.module()(longer), deep(longer))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    torch.testing.assert_close(torch.export.load(file).module()(longer), deep(longer))


def test_half_precision_is_computed_in_float32(deep: st.Layer) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, h = deep(x.bfloat16())
        y.sum().backward()
    assert (y.dtype, h.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(y, deep(x.bfloat16().float())[0])


class Outputs(Dataset):
    """What a layer gives, computed where the data are loaded."""

    def __init__(self, layer: st.Layer) -> None:
        self.layer = layer

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        with torch.no_grad():
            return self.layer(x[:, index])[0]


@pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")  # by JAX, which other tests load
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_that_load_data_run_it(context: str) -> None:
    own = seeded(lambda: st.layer(GRU, 2, 4))
    wanted = torch.stack([own(x[:, b])[0] for b in range(2)])
    loader = DataLoader(Outputs(own), batch_size=2, num_workers=1, multiprocessing_context=context)
    [found] = list(loader)
    torch.testing.assert_close(found, wanted)


def test_classes_and_several_inputs() -> None:
    embedding = st.layer(zoo.cell("embedding"), **{a.name: 4 for a in zoo.cell("embedding").axes})
    y, state = embedding(torch.tensor([[0, 3], [1, 2]]))
    assert y.shape == (2, 2, 4)
    assert state == ()
    y.sum().backward()
    loss = st.layer(zoo.cell("squared_error"), **{a.name: 3 for a in zoo.cell("squared_error").axes})
    given = {q.name: torch.randn(5, 2, 3) for q in loss.cell.inputs}
    require_equal(loss(given)[0], loss(tuple(given.values()))[0])
    with pytest.raises(RequestError, match=r"(?s)^input is .*; give tensors: a tuple or a dict of"):
        loss(x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: st.layer("gru", 2, 4), r"layer\(\) takes a Cell, and got 'gru'"),
        (lambda: st.layer(GRU, 2), r"takes the sizes n, m, .* got 2\. Write layer\(gru, n=8, m=16\)"),
        (lambda: st.layer(GRU, 2, 4, k=1), r"takes the sizes n, m"),
        (lambda: st.layer(GRU, 2, 0), r"positive whole numbers"),
        (lambda: st.layer(GRU, True, 4), r"positive whole numbers"),
        (lambda: st.layer(GRU, 2, 4, num_layers=0), r"num_layers is 0; give a whole number from 1 on"),
        (lambda: st.layer(GRU, 2, 4, dropout=1.0), r"dropout is 1\.0; give a probability"),
        (
            lambda: st.layer(GRU, 2, 4, dtype=torch.float16),
            r"compute in float32 and float64, and not in torch.float16",
        ),
        (
            lambda: st.layer(GRU, 2, 4, device="cuda", backend="kernel"),
            r"run on the processor, and not on cuda",
        ),
        (lambda: st.layer(GRU, 2, 4, backend="none"), r"There is no backend 'none'"),
        (
            lambda: st.layer(GRU, 2, 4)(x[0, 0]),
            r"^input x has shape \(2,\); it should have \(T, B, n\), or without B",
        ),
        (
            lambda: st.layer(GRU, 2, 4)(x, torch.ones(3, 4)),
            r"^hx c has shape \(3, 4\); it should have \(1, 3, 4\)",
        ),
        (
            lambda: st.layer(GRU, 2, 4)(x[:, 0], torch.ones(4)),
            r"^hx c has shape \(4,\); it should have \(1, 4\)",
        ),
        (
            lambda: st.layer(zoo.cell("squared_error"), 3, 4, num_layers=2),
            r"cannot take the outputs of the one below",
        ),
        (lambda: st.step(GRU, 2, 4)(x), r"inputs of a step have shapes \(5, 3, 2\); they should have: x"),
        (lambda: st.step(GRU, 2, 4)(x[0], torch.ones(4)), r"^hx c has shape \(4,\); it should have \(3, 4\)"),
        (
            lambda: st.layer(GRU, 2, 4)(PackedSequence(torch.randn(3, 2), torch.tensor([1, 2]))),
            r"batch_sizes of the packed sequence grow: \[1, 2\]",
        ),
        (
            lambda: st.layer(GRU, 2, 4)(pack_padded_sequence(x, [5, 5, 2]), lengths=[5, 5, 2]),
            r"leave lengths= out",
        ),
        (
            lambda: st.layer(GRU, 2, 4)(x, lengths=[3.5, 5, 1]),
            r"^lengths is \[3\.5, 5, 1\]; give whole numbers",
        ),
        (lambda: st.layer(GRU, 2, 4)(x, lengths=torch.ones(3) > 0), r"^lengths is .*; give whole numbers"),
        (lambda: st.layer(GRU, 2, 4)(x, lengths="all"), r"^lengths is 'all'; give whole numbers"),
        (
            lambda: st.layer(GRU, 2, 4, backend="torch")(x, lengths=5),
            r"^lengths has shape \(1,\); it should have \(3,\), one number for every sample",
        ),
        (
            lambda: st.layer(GRU, 2, 4, backend="torch")(x, lengths=[-1, 5, 6]),
            r"^lengths is \[-1, 5, 6\]; each should be from 0 to 5",
        ),
        (
            lambda: st.layer(GRU, 2, 4, device="meta")(x),
            r"tensors of 'gru' are on several devices: cpu, meta\. Move module",
        ),
        (
            lambda: st.layer(zoo.dense(), 2, 4)(x, x),
            r"(?s)^hx is .*; give tensors: a tuple or a dict of nothing",
        ),
        (
            lambda: torch.func.vmap(st.layer(GRU, 2, 4))(x[None]),
            r'not by the transforms of torch\.func, .* backend="torch"',
        ),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        make()


def test_what_the_kernel_refuses_is_named() -> None:
    own = st.layer(GRU, 2, 4)
    with pytest.raises(ValueError, match=r"^inputs.x has shape \(5, 3, 3\); it should have \(5, 3, 2\)"):
        own(torch.ones(5, 3, 3))
    with pytest.raises(ValueError, match=r"^inputs.x has dtype float64; it should have float32"):
        own(x.double(), torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match=r"^lengths\[0\] is 6; it should be from 0 to 5"):
        own(x, lengths=[6, 1, 1])
