"""The vocabulary of a declaration: what may stand in a cell's equations besides + - * / and powers.

Three kinds of node. *Pointwise* functions work element by element, *vector functions* on a vector as a
whole. *Structural* operations know about axes: products, stacks, sums. The author's products (`@`, `dot`,
`outer`, ...) keep their form until the cell knows every shape and turns them into one node,
`Contract(spec, operands)`, an einsum.
"""

from symrnn.declaration.picking import one_hot, take
from symrnn.vocabulary import activations, piecewise, powers, reductions, trigonometric
from symrnn.vocabulary.activations import *  # noqa: F403  (a function is named in its family alone)
from symrnn.vocabulary.contraction import AT_SPECS, Contract, Slice, canonical_spec
from symrnn.vocabulary.families import POINTWISE, VECTOR_FUNCTIONS
from symrnn.vocabulary.functions import NamedFunction, PointwiseFunction, VectorFunction
from symrnn.vocabulary.piecewise import *  # noqa: F403
from symrnn.vocabulary.powers import *  # noqa: F403
from symrnn.vocabulary.reductions import *  # noqa: F403
from symrnn.vocabulary.structure import (
    LETTERS,
    AuthorProduct,
    ConstantArray,
    Leaf,
    Operation,
    Tensorial,
    as_operand,
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
from symrnn.vocabulary.trigonometric import *  # noqa: F403

__all__ = [
    "AT_SPECS",
    "LETTERS",
    "POINTWISE",
    "VECTOR_FUNCTIONS",
    "AuthorProduct",
    "ConstantArray",
    "Contract",
    "Leaf",
    "NamedFunction",
    "Operation",
    "PointwiseFunction",
    "Slice",
    "Tensorial",
    "VectorFunction",
    "as_operand",
    "canonical_spec",
    "concatenate",
    "dot",
    "einsum",
    "identity",
    "matmul",
    "mean",
    "one_hot",
    "ones",
    "outer",
    "piecewise_as_where",
    "take",
    "total",
    "transpose",
    "where",
]
__all__ += activations.__all__
__all__ += piecewise.__all__
__all__ += powers.__all__
__all__ += reductions.__all__
__all__ += trigonometric.__all__
