"""symrnn turns the equations of a recurrent cell into the paper, the kernel and the proof."""

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import (
    concatenate,
    dot,
    einsum,
    exp,
    identity,
    log,
    matmul,
    maximum,
    minimum,
    ones,
    outer,
    relu,
    sigmoid,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    total,
    transpose,
    where,
)
from symrnn.declaration.quantities import Constant, Input, Parameter, State, Value
from symrnn.derivation.jacobian import step_jacobian
from symrnn.derivation.tangent import tangent
from symrnn.errors import DeclarationError, SymrnnError
from symrnn.pipeline import derive, emit, latex, plan
from symrnn.version import __version__
from symrnn.workbench.check import check
from symrnn.workbench.loading import load

__all__ = [
    "Cell",
    "Constant",
    "DeclarationError",
    "Input",
    "Parameter",
    "State",
    "SymrnnError",
    "Value",
    "__version__",
    "axes",
    "check",
    "concatenate",
    "derive",
    "dot",
    "einsum",
    "emit",
    "exp",
    "identity",
    "latex",
    "load",
    "log",
    "matmul",
    "maximum",
    "minimum",
    "ones",
    "outer",
    "plan",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "step_jacobian",
    "stop_gradient",
    "tangent",
    "tanh",
    "total",
    "transpose",
    "where",
]
