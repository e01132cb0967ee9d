"""Layers of `torch.nn` as layers that run as kernels."""

from typing import Any

from torch import nn

from symrnn import layouts
from symrnn.declaration.axes import size_text
from symrnn.errors import RequestError, shown
from symrnn.torch.layers import Layer
from symrnn.torch.operators import axis_sizes


def from_torch(module: nn.RNNBase, *, save: str = "all", backend: str = "auto") -> Layer:
    """The layer with the equations, weights and options of an `nn.RNN`, `nn.GRU` or `nn.LSTM`.

    It gives the same outputs and states, those of an LSTM by name. Parameters are copies, under the names of
    the cell's equations (`layer.cell`, see `symrnn.layouts`); `save` and `backend` are those of `layer`.

    Raises:
        RequestError: `module` is no such layer.
    """
    if not isinstance(module, nn.RNNBase):
        raise RequestError(f"from_torch() takes an nn.RNN, nn.GRU or nn.LSTM, and got {shown(module)}.")
    weights = layouts.read(module.state_dict(), _layout(module))
    cell, first = weights.cell, weights.layers["l0"]
    shapes = [tuple(map(size_text, cell.shape_of(q))) for q in cell.parameters]
    like = next(module.parameters())
    made = Layer(
        cell,
        axis_sizes(shapes, [first[q.name].shape for q in cell.parameters]),
        num_layers=module.num_layers,
        batch_first=module.batch_first,
        bidirectional=module.bidirectional,
        dropout=module.dropout,
        save=save,
        backend=backend,
        device=like.device,
        dtype=like.dtype,
    )
    made.take(list(weights.layers.values()))
    return made.train(module.training)


def _layout(module: Any) -> str:
    """The name of the layout of a layer's weights."""
    if module.mode.startswith("RNN"):
        return {"RNN_TANH": "torch.RNN", "RNN_RELU": "torch.RNN(nonlinearity=relu)"}[module.mode]
    return f"torch.{module.mode}(proj_size)" if module.proj_size else f"torch.{module.mode}"
