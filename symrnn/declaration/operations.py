"""The vocabulary of a declaration: what may stand in a cell's equations besides + - * / and powers.

Three kinds of node. *Pointwise* functions work element by element, *vector functions* on a vector as a
whole. *Structural* operations know about axes: products, stacks, sums. The author's products (`@`, `dot`,
`outer`, ...) keep their form until the cell knows every shape and turns them into one node,
`Contract(spec, operands)`, an einsum.
"""

from symrnn.declaration.picking import one_hot, take
from symrnn.vocabulary.activations import sigmoid, softplus, tanh
from symrnn.vocabulary.families import POINTWISE, VECTOR_FUNCTIONS
from symrnn.vocabulary.functions import PointwiseFunction, VectorFunction
from symrnn.vocabulary.piecewise import absolute, maximum, minimum, relu, sign, stop_gradient
from symrnn.vocabulary.powers import exp, expm1, log, power, reciprocal, sqrt
from symrnn.vocabulary.reductions import largest, log_softmax, logsumexp, softmax
from symrnn.vocabulary.structure import (
    AT_SPECS,
    AuthorProduct,
    Contract,
    Operation,
    Slice,
    Tensorial,
    as_operand,
    canonical_spec,
    concatenate,
    dot,
    einsum,
    identity,
    matmul,
    mean,
    ones,
    outer,
    piecewise_as_where,
    total,
    transpose,
    where,
)

__all__ = [
    "AT_SPECS",
    "POINTWISE",
    "VECTOR_FUNCTIONS",
    "AuthorProduct",
    "Contract",
    "Operation",
    "PointwiseFunction",
    "Slice",
    "Tensorial",
    "VectorFunction",
    "absolute",
    "as_operand",
    "canonical_spec",
    "concatenate",
    "dot",
    "einsum",
    "exp",
    "expm1",
    "identity",
    "largest",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "one_hot",
    "ones",
    "outer",
    "piecewise_as_where",
    "power",
    "reciprocal",
    "relu",
    "sigmoid",
    "sign",
    "softmax",
    "softplus",
    "sqrt",
    "stop_gradient",
    "take",
    "tanh",
    "total",
    "transpose",
    "where",
]
