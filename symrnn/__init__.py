"""symrnn turns the equations of a recurrent cell into the paper, the kernel and the proof."""

from symrnn import zoo
from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.closed_loop import closed_loop
from symrnn.declaration.layers import Feed, Layer
from symrnn.declaration.model import Model
from symrnn.declaration.operations import (
    concatenate,
    dot,
    einsum,
    exp,
    identity,
    largest,
    log,
    log_softmax,
    logsumexp,
    matmul,
    maximum,
    mean,
    minimum,
    one_hot,
    ones,
    outer,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    stop_gradient,
    take,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.declaration.quantities import Constant, Index, Input, Parameter, State, Value
from symrnn.derivation.jacobian import step_jacobian
from symrnn.derivation.tangent import tangent
from symrnn.emission.latex_style import Style
from symrnn.errors import DeclarationError, SymrnnError, SymrnnWarning
from symrnn.pipeline import derive, diff, emit, latex, plan
from symrnn.version import __version__
from symrnn.workbench.loading import load
from symrnn.workbench.notebook import register
from symrnn.workbench.proof import check

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
    "exp",
    "identity",
    "largest",
    "latex",
    "load",
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
    "plan",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "sqrt",
    "step_jacobian",
    "stop_gradient",
    "take",
    "tangent",
    "tanh",
    "total",
    "transpose",
    "where",
    "zoo",
]
