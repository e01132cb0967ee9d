"""Two layers in both directions over packed sequences: PyTorch's layers with the same weights, float64."""

from typing import Any

import numpy as np
import pytest

import symrnn as sr
from symrnn import Feed, Layer, Model, zoo

torch = pytest.importorskip("torch")  # an extra; CI installs it and refuses skipped tests

T, B, N, M, P = 7, 4, 3, 5, 2
LENGTHS = np.array([3, 7, 1, 5])
CELLS = {"GRU": zoo.gru_reset_after, "LSTM": zoo.lstm}
DIRECTIONS = {"right": "", "left": "_reverse"}


def network(kind: str) -> Model:
    below: Any = Feed("x")
    for number in range(2):
        halves = {
            side: Layer(CELLS[kind], below, name=f"{side}_{number}", reverse=side == "left")
            for side in DIRECTIONS
        }
        below = Layer(
            zoo.joined, {"first": halves["right"], "second": halves["left"]}, name=f"joined_{number}"
        )
    return Model(kind.lower(), Layer(zoo.squared_error, {"a": below}), output=below)


def parts(kind: str, weight: Any) -> dict[str, Any]:
    """A cell's parameters, made of `weight(name, gate)`: the rows of a gate in one of PyTorch's arrays."""
    if kind == "GRU":
        names = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}
        return {f"{n}_{g}": weight(name, i) for n, name in names.items() for i, g in enumerate("rzn")}
    made = {
        f"W_{g}": np.hstack([weight("weight_hh", i), weight("weight_ih", i)]) for i, g in enumerate("ifgo")
    }
    # Both of PyTorch's biases have the gradient of the one here; their values add up.
    return made | {f"b_{g}": weight("bias_ih", i) for i, g in enumerate("ifgo")}


def of_torch(kind: str, layer: Any, head: Any, read: Any) -> dict[str, Any]:
    """The model's parameters, or their gradients, from PyTorch's arrays as `read` gives them."""
    found = {"W_y": read(head.weight), "b_y": read(head.bias)}
    for number in range(2):
        for side, suffix in DIRECTIONS.items():

            def weight(name: str, gate: int, ending: str = f"_l{number}{suffix}") -> Any:
                return read(getattr(layer, f"{name}{ending}"))[gate * M : (gate + 1) * M]

            found |= {f"{side}_{number}_{name}": a for name, a in parts(kind, weight).items()}
    return found


@pytest.mark.parametrize(
    ("kind", "target"), [*((kind, "numpy") for kind in CELLS), (next(iter(CELLS)), "numba")]
)
def test_two_layers_in_both_directions(kind: str, target: str) -> None:
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(N, M, num_layers=2, bidirectional=True).double()
    if kind == "LSTM":
        for name, array in layer.named_parameters():
            if name.startswith("bias_hh"):
                torch.nn.init.zeros_(array)
    head = torch.nn.Linear(2 * M, P).double()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((T, B, N)), rng.standard_normal((T, B, P))
    rnn = torch.nn.utils.rnn
    packed = rnn.pack_padded_sequence(torch.tensor(x), torch.tensor(LENGTHS), enforce_sorted=False)
    outputs = rnn.pad_packed_sequence(layer(packed)[0], total_length=T)[0]
    inside = torch.tensor(np.arange(T)[:, None] < LENGTHS)
    loss = (((head(outputs) - torch.tensor(y)) ** 2).sum(-1) / 2)[inside].mean()
    loss.backward()

    module = sr.load(network(kind), target)
    given = of_torch(kind, layer, head, lambda array: array.detach().numpy().copy())
    parameters = module.Parameters(**given)
    batch = module.Inputs(x=x, y=y)
    found = module.loss_and_gradients(parameters, batch, lengths=LENGTHS)
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    predicted, _ = module.predict(parameters, batch, lengths=LENGTHS)
    np.testing.assert_allclose(predicted, outputs.detach().numpy(), rtol=0, atol=1e-12)
    expected = of_torch(kind, layer, head, lambda array: array.grad.numpy())
    scale = max(np.abs(array).max() for array in expected.values())
    assert set(expected) == set(module.Parameters._fields)
    for name, array in expected.items():
        gradient = getattr(found.gradients, name)
        np.testing.assert_allclose(gradient, array, rtol=0, atol=1e-10 * scale, err_msg=name)
