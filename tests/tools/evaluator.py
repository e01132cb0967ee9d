"""The meaning of resolved expressions, for one sample, in plain NumPy: nothing of planning or emission."""

from collections.abc import Mapping
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
}
RELATIONS: dict[type, Any] = {
    Gt: np.greater,
    Ge: np.greater_equal,
    Lt: np.less,
    Le: np.less_equal,
    Eq: np.equal,
    Ne: np.not_equal,
}


def evaluate(expr: Expr, arrays: Mapping[Quantity, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """`expr` for the given arrays; `sizes` gives every axis a number."""

    def value(part: Any) -> Any:
        if isinstance(part, Quantity):
            return arrays[part]
        if type(part) in FUNCTIONS:
            return FUNCTIONS[type(part)](*map(value, part.args))
        if isinstance(part, op.Contract):
            return np.einsum(part.spec, *map(value, part.operands))
        if isinstance(part, op.concatenate):
            return np.concatenate([value(arg) for arg in part.args])
        if isinstance(part, op.one_hot):
            return np.eye(int(size(part.index.classes)))[int(arrays[part.index])]
        if isinstance(part, op.ones):
            return np.ones([int(size(arg)) for arg in part.args])
        if isinstance(part, op.identity):
            return np.eye(int(size(part.args[0])))
        if isinstance(part, op.where):
            return np.where(*map(value, part.args))
        if type(part) in RELATIONS:
            return RELATIONS[type(part)](*map(value, part.args))
        if isinstance(part, And | Or | Not):
            logic = {And: np.logical_and.reduce, Or: np.logical_or.reduce}.get(type(part))
            sides = [value(arg) for arg in part.args]
            return logic(np.broadcast_arrays(*sides)) if logic else np.logical_not(*sides)
        if not part.atoms(Quantity, op.Operation):
            return size(part)
        if isinstance(part, Add):
            return sum(map(value, part.args))
        if isinstance(part, Mul):
            return np.prod(np.broadcast_arrays(*map(value, part.args)), axis=0)
        if isinstance(part, Pow) and part.exp.is_Integer and part.exp > 0:
            return value(part.base) ** int(part.exp)
        raise AssertionError(f"{part} is no resolved expression")

    def size(number: Expr) -> float:
        return float(number.subs({symbol: sizes[symbol.name] for symbol in number.free_symbols}))

    return np.asarray(value(expr), dtype=float)


def shape_numbers(shape: tuple[Expr, ...], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A symbolic shape as numbers."""
    return tuple(int(s.subs({a: sizes[a.name] for a in s.free_symbols})) for s in map(sympify, shape))
