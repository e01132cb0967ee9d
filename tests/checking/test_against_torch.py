"""PyTorch's recurrent layers with the same weights: outputs and all gradients in float64, packed too."""

from typing import Any

import numpy as np
import pytest
from kernel_problems import TARGETS, kernel

torch = pytest.importorskip("torch")  # an extra; CI installs it and refuses skipped tests

T, B, N, M = 7, 4, 3, 6
TOLERANCE = 1e-10

targets = pytest.mark.parametrize("target", TARGETS)
lengths = pytest.mark.parametrize("lengths", [None, (3, 7, 1, 5)], ids=["whole", "packed"])


class Comparison:
    """Random arrays that both sides take, and torch's answer for one of its layers."""

    def __init__(self, layer: Any, states: str, lengths: tuple[int, ...] | None) -> None:
        rng = np.random.default_rng(0)
        self.layer = layer.double()
        self.lengths = None if lengths is None else np.array(lengths)
        self.x = rng.standard_normal((T, B, N))
        self.initial = {name: rng.standard_normal((B, M)) for name in states}
        self.d_outputs = rng.standard_normal((T, B, M))
        self.d_final = {name: rng.standard_normal((B, M)) for name in states}
        self.torch_x = torch.tensor(self.x, requires_grad=True)
        self.torch_initial = {
            name: torch.tensor(array[None], requires_grad=True) for name, array in self.initial.items()
        }
        given = tuple(self.torch_initial.values())
        outputs, final = self.run(given if len(given) > 1 else given[0])
        final = dict(zip(states, final if isinstance(final, tuple) else (final,), strict=True))
        loss = (outputs * torch.tensor(self.d_outputs)).sum()
        for name, array in final.items():
            loss = loss + (array[0] * torch.tensor(self.d_final[name])).sum()
        loss.backward()
        self.outputs = outputs.detach().numpy()
        self.final = {name: array[0].detach().numpy() for name, array in final.items()}

    def run(self, initial: Any) -> tuple[Any, Any]:
        """Outputs (T, B, M), zero beyond the samples' ends, and the final state."""
        if self.lengths is None:
            return self.layer(self.torch_x, initial)
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(self.torch_x, torch.tensor(self.lengths), enforce_sorted=False)
        outputs, final = self.layer(packed, initial)
        return rnn.pad_packed_sequence(outputs, total_length=T)[0], final

    def weight(self, kind: str, gate: int) -> np.ndarray:
        """The rows of one gate of `weight_ih`, `weight_hh`, `bias_ih` or `bias_hh`."""
        return getattr(self.layer, f"{kind}_l0").detach().numpy()[gate * M : (gate + 1) * M].copy()

    def gradient(self, kind: str, gate: int) -> np.ndarray:
        return getattr(self.layer, f"{kind}_l0").grad.numpy()[gate * M : (gate + 1) * M]

    def compare(self, module: Any, parameters: Any) -> Any:
        """The kernel's gradients of parameters; everything else is compared here."""
        state = module.State(**self.initial)
        run = module.forward(parameters, self.x, state, lengths=self.lengths)
        gradients = module.backward(parameters, run.tape, self.d_outputs, module.State(**self.d_final))
        close(run.outputs, self.outputs)
        close(module.predict(parameters, self.x, state, lengths=self.lengths)[0], self.outputs)
        close(gradients.inputs.x, self.torch_x.grad.numpy())
        for name in self.initial:
            close(getattr(run.state, name), self.final[name])
            close(getattr(gradients.state, name), self.torch_initial[name].grad.numpy()[0])
        return gradients.parameters


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def layer(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return getattr(torch.nn, kind)(N, M, **options)


@targets
@lengths
@pytest.mark.parametrize(("cell", "activation"), [("elman", "tanh"), ("elman_relu", "relu")])
def test_rnn(cell: str, activation: str, lengths: Any, target: str) -> None:
    both = Comparison(layer("RNN", nonlinearity=activation), "s", lengths)
    module = kernel(cell, target)
    weights = np.hstack([both.weight("weight_ih", 0), both.weight("weight_hh", 0)])
    bias = both.weight("bias_ih", 0) + both.weight("bias_hh", 0)
    found = both.compare(module, module.Parameters(W_s=weights, b_s=bias))
    close(found.W_s, np.hstack([both.gradient("weight_ih", 0), both.gradient("weight_hh", 0)]))
    close(found.b_s, both.gradient("bias_ih", 0))
    close(found.b_s, both.gradient("bias_hh", 0))


@targets
@lengths
def test_gru(lengths: Any, target: str) -> None:
    both = Comparison(layer("GRU"), "h", lengths)
    module = kernel("gru_reset_after", target)
    kinds = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}
    places = {
        f"{letter}_{gate}": (kind, number)
        for letter, kind in kinds.items()
        for number, gate in enumerate("rzn")
    }
    parameters = module.Parameters(**{name: both.weight(*place) for name, place in places.items()})
    found = both.compare(module, parameters)
    for name, place in places.items():
        close(getattr(found, name), both.gradient(*place))


@targets
@lengths
def test_lstm(lengths: Any, target: str) -> None:
    both = Comparison(layer("LSTM"), "hc", lengths)
    module = kernel("lstm", target)
    gates = {gate: number for number, gate in enumerate("ifgo")}
    parameters = module.Parameters(
        **{
            f"W_{gate}": np.hstack([both.weight("weight_hh", number), both.weight("weight_ih", number)])
            for gate, number in gates.items()
        },
        **{
            f"b_{gate}": both.weight("bias_ih", number) + both.weight("bias_hh", number)
            for gate, number in gates.items()
        },
    )
    found = both.compare(module, parameters)
    for gate, number in gates.items():
        expected = np.hstack([both.gradient("weight_hh", number), both.gradient("weight_ih", number)])
        close(getattr(found, f"W_{gate}"), expected)
        close(getattr(found, f"b_{gate}"), both.gradient("bias_ih", number))
        close(getattr(found, f"b_{gate}"), both.gradient("bias_hh", number))
