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
from symrnn.errors import DeclarationError

from symrnn.version import __version__
