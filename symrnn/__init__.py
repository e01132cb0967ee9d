"""symrnn turns the equations of a recurrent cell into the paper, the kernel and the proof."""

from symrnn import zoo
from symrnn.checking.proof import check
from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import (
    concatenate,
    dot,
    einsum,
    identity,
    matmul,
    mean,
    one_hot,
    ones,
    outer,
    take,
    total,
    transpose,
    where,
)
from symrnn.declaration.quantities import Constant, Index, Input, Parameter, State, Value
from symrnn.derivation.jacobian import step_jacobian
from symrnn.derivation.tangent import tangent
from symrnn.errors import DeclarationError, SymrnnError, SymrnnWarning
from symrnn.mathematics.style import Style
from symrnn.models.closed_loop import closed_loop
from symrnn.models.layers import Feed, Layer
from symrnn.models.model import Model
from symrnn.notebook import register
from symrnn.pipeline import derive, diff, emit, latex, plan
from symrnn.running.loading import load
from symrnn.version import __version__
from symrnn.vocabulary import activations, piecewise, powers, reductions, trigonometric
from symrnn.vocabulary.activations import *  # noqa: F403  (a function is named in its family alone)
from symrnn.vocabulary.piecewise import *  # noqa: F403
from symrnn.vocabulary.powers import *  # noqa: F403
from symrnn.vocabulary.reductions import *  # noqa: F403
from symrnn.vocabulary.trigonometric import *  # noqa: F403

register()  # how cells, derivations, plans and reports show themselves in notebooks

__all__ = [
    "Cell",
    "Constant",
    "DeclarationError",
    "Feed",
    "Index",
    "Input",
    "Layer",
    "Model",
    "Parameter",
    "State",
    "Style",
    "SymrnnError",
    "SymrnnWarning",
    "Value",
    "__version__",
    "axes",
    "check",
    "closed_loop",
    "concatenate",
    "derive",
    "diff",
    "dot",
    "einsum",
    "emit",
    "identity",
    "latex",
    "load",
    "matmul",
    "mean",
    "one_hot",
    "ones",
    "outer",
    "plan",
    "step_jacobian",
    "take",
    "tangent",
    "total",
    "transpose",
    "where",
    "zoo",
]
__all__ += activations.__all__
__all__ += piecewise.__all__
__all__ += powers.__all__
__all__ += reductions.__all__
__all__ += trigonometric.__all__
