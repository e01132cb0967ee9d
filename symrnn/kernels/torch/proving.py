"""What an emitted PyTorch module meets while it is proved: neither autograd nor devices."""

from itertools import accumulate
from types import SimpleNamespace

import numpy as np

from symrnn.kernels.autodiff.proving import Arrays, own, spelled
from symrnn.kernels.target import Field, Own, Surroundings
from symrnn.vocabulary.activations import softplus
from symrnn.vocabulary.functions import Spelling


def _spelling(spelling: Spelling) -> str:
    return spelling.torch


def torch_surroundings(field: Field) -> Surroundings:
    """PyTorch's functions of arrays of elements."""
    arrays, numpy, softened = Arrays(field), field.numpy, field.of_arrays(softplus)
    functional = SimpleNamespace(
        linear=lambda x, weights, bias: x @ weights.T + bias,
        logsigmoid=lambda x: -softened(-x),
    )
    torch = Own(
        numpy,
        **spelled(field.of_arrays, _spelling, "torch."),
        Tensor=np.ndarray,
        float32=np.float32,
        nn=SimpleNamespace(functional=functional),
        addmm=lambda added, one, other: added + one @ other,
        amax=lambda array, axis: array.max(axis=axis),
        arange=lambda size, **_: np.arange(size),
        as_tensor=lambda array, **_: np.asarray(array),
        broadcast_to=arrays.repeated,
        cat=np.concatenate,
        clamp=np.maximum,
        eye=lambda size, **_: numpy.eye(size),
        full=lambda shape, value, **_: numpy.full(shape, value, np.float64),
        split=lambda array, sizes, axis: arrays.cut(array, [*accumulate(sizes)][:-1], axis),
        stack=arrays.stacked,
        tensor=lambda number, **_: numpy.asarray(number, np.float64),
        unbind=list,
        zeros=lambda shape, **_: numpy.zeros(shape),
    )
    names = {"_one_hot": arrays.one_hot, "_picked": arrays.picked}
    return Surroundings({"torch": torch}, {**own(field.of_arrays, _spelling), **names})
