"""The meaning of resolved expressions, for one sample, in plain NumPy: nothing of planning or emission."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sympy import Add, And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not, Or, Pow, sympify

from symrnn.declaration import operations as op
from symrnn.declaration.quantities import Quantity

FUNCTIONS: dict[type, Any] = {
    **{function: function.facts.value for function in op.POINTWISE},
    op.sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    op.tanh: np.tanh,
    op.relu: lambda x: np.maximum(x, 0),
    op.exp: np.exp,
    op.log: np.log,
    op.softplus: lambda x: np.logaddexp(x, 0),
    op.sqrt: np.sqrt,
    op.absolute: np.abs,
    op.reciprocal: lambda x: 1 / x,
    op.power: np.power,
    op.maximum: np.maximum,
    op.minimum: np.minimum,
    op.stop_gradient: lambda x: x,
    op.logsumexp: lambda x: np.log(np.sum(np.exp(x))),
    op.largest: np.max,
    op.softmax: lambda x: np.exp(x) / np.sum(np.exp(x)),
    op.norm: lambda x: np.sqrt(np.sum(x**2)),
    op.rms_norm: lambda x, eps: x / np.sqrt(np.mean(x**2) + eps),
    op.layer_norm: lambda x, eps: (x - np.mean(x)) / np.sqrt(np.var(x) + eps),
}
RELATIONS: dict[type, Any] = {
    Gt: np.greater,
    Ge: np.greater_equal,
    Lt: np.less,
    Le: np.less_equal,
    Eq: np.equal,
    Ne: np.not_equal,
}


class _Evaluation:
    """The values of expressions for given arrays and lengths of axes."""

    def __init__(self, arrays: Mapping[Quantity, np.ndarray], sizes: Mapping[str, int]) -> None:
        self.arrays, self.sizes = arrays, sizes

    def value(self, part: Any) -> Any:
        if isinstance(part, Quantity):
            return self.arrays[part]
        for table in (FUNCTIONS, RELATIONS):
            if type(part) in table:
                return table[type(part)](*self.values(part))
        if type(part) in STRUCTURES:
            return STRUCTURES[type(part)](self, part)
        if not part.atoms(Quantity, op.Operation):
            return self.size(part)
        assert type(part) in ARITHMETIC, f"{part} is no resolved expression"
        return ARITHMETIC[type(part)](self, part)

    def values(self, part: Any) -> list[Any]:
        return [self.value(arg) for arg in part.args]

    def size(self, number: Expr) -> float:
        return float(number.subs({symbol: self.sizes[symbol.name] for symbol in number.free_symbols}))

    def sizes_of(self, numbers: Iterable[Expr]) -> list[int]:
        return [int(self.size(number)) for number in numbers]

    def unit(self, part: Any) -> np.ndarray:
        (classes,) = self.sizes_of([part.index.classes])
        return np.eye(classes)[int(self.arrays[part.index])]

    def power(self, part: Any) -> Any:
        assert part.exp.is_Integer, part
        assert part.exp > 0, part
        return self.value(part.base) ** int(part.exp)


STRUCTURES: dict[type, Any] = {
    op.Contract: lambda e, part: np.einsum(part.spec, *map(e.value, part.operands)),
    op.concatenate: lambda e, part: np.concatenate(e.values(part)),
    op.one_hot: _Evaluation.unit,
    op.ones: lambda e, part: np.ones(e.sizes_of(part.args)),
    op.identity: lambda e, part: np.eye(*e.sizes_of(part.args)),
    op.where: lambda e, part: np.where(*e.values(part)),
    And: lambda e, part: np.logical_and.reduce(np.broadcast_arrays(*e.values(part))),
    Or: lambda e, part: np.logical_or.reduce(np.broadcast_arrays(*e.values(part))),
    Not: lambda e, part: np.logical_not(*e.values(part)),
}
ARITHMETIC: dict[type, Any] = {
    Add: lambda e, part: sum(e.values(part)),
    Mul: lambda e, part: np.prod(np.broadcast_arrays(*e.values(part)), axis=0),
    Pow: _Evaluation.power,
}
"""Where there is more in it than numbers and sizes."""


def evaluate(expr: Expr, arrays: Mapping[Quantity, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """`expr` for the given arrays; `sizes` gives every axis a number."""
    return np.asarray(_Evaluation(arrays, sizes).value(expr), dtype=float)


def shape_numbers(shape: tuple[Expr, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape as numbers."""
    return tuple(int(s.subs({a: sizes[a.name] for a in s.free_symbols})) for s in map(sympify, shape))
