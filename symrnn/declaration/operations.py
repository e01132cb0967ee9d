"""The vocabulary of a declaration: what may stand in a cell's equations besides + - * / and powers.

Three kinds of node. *Pointwise* functions work element by element, *vector functions* on a vector as a
whole. *Structural* operations know about axes: products, stacks, sums. The author's products (`@`, `dot`,
`outer`, ...) keep their form until the cell knows every shape and turns them into one node,
`Contract(spec, operands)`, an einsum.
"""

from symrnn.declaration.picking import one_hot, take
from symrnn.vocabulary import (
    activations,
    contraction,
    piecewise,
    powers,
    reductions,
    structure,
    trigonometric,
)
from symrnn.vocabulary.activations import *  # noqa: F403  (a function is named in its family alone)
from symrnn.vocabulary.contraction import *  # noqa: F403
from symrnn.vocabulary.families import POINTWISE, VECTOR_FUNCTIONS
from symrnn.vocabulary.functions import NamedFunction, PointwiseFunction, VectorFunction
from symrnn.vocabulary.piecewise import *  # noqa: F403
from symrnn.vocabulary.powers import *  # noqa: F403
from symrnn.vocabulary.reductions import *  # noqa: F403
from symrnn.vocabulary.structure import *  # noqa: F403
from symrnn.vocabulary.trigonometric import *  # noqa: F403

__all__ = ["POINTWISE", "VECTOR_FUNCTIONS", "NamedFunction", "PointwiseFunction", "VectorFunction"]
__all__ += ["one_hot", "take"]
__all__ += structure.__all__
__all__ += contraction.__all__
__all__ += activations.__all__
__all__ += piecewise.__all__
__all__ += powers.__all__
__all__ += reductions.__all__
__all__ += trigonometric.__all__
