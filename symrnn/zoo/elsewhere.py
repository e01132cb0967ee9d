"""Recurrent cells that other frameworks have beside the six: their weights need equations, too."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import sigmoid, tanh
from symrnn.declaration.quantities import Input, Parameter, State, Value
from symrnn.zoo.simple import elman

elman_relu = elman("relu")

n, m, p = axes("n m p")  # input features, memory cells, projected units
x, c, h = Input("x", n), State("c", m), State("h", p)
i, f, o, g = (Value(name) for name in "ifog")
W_i, W_f, W_o, W_g = (Parameter(f"W_{gate}", m, p + n) for gate in "ifog")
b_i, b_f, b_o, b_g = (Parameter(f"b_{gate}", m) for gate in "ifog")
W_h = Parameter("W_h", p, m)

lstm_projected = Cell(
    "lstm_projected",
    Eq(i, sigmoid(W_i @ [h, x] + b_i)),
    Eq(f, sigmoid(W_f @ [h, x] + b_f)),
    Eq(o, sigmoid(W_o @ [h, x] + b_o)),
    Eq(g, tanh(W_g @ [h, x] + b_g)),
    Eq(c.next, f * c + i * g),
    Eq(h.next, W_h @ (o * tanh(c.next))),
    output=h.next,
    title="Long short-term memory with a projection",
    variant="the output is projected, no peepholes, as in PyTorch",
    source="Sak, Senior and Beaufays 2014, arXiv:1402.1128; torch.nn.LSTM with proj_size",
)
