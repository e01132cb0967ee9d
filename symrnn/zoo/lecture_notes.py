"""Long short-term memory as lecture notes give it."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import sigmoid, tanh
from symrnn.declaration.quantities import Input, Parameter, State, Value

n, m = axes("n m")  # input features, hidden units
x, c, a = Input("x", n), State("c", m), State("a", m)
c_tilde = Value("c_tilde")
u_gate, f_gate, o_gate = (Value(gate, latex=rf"\Gamma_{gate}") for gate in "ufo")
W_c, W_u, W_f, W_o = (Parameter(f"W_{gate}", m, m + n) for gate in "cufo")
b_c, b_u, b_f, b_o = (Parameter(f"b_{gate}", m) for gate in "cufo")

lstm_notes = Cell(
    "lstm_notes",
    Eq(c_tilde, tanh(W_c @ [c, x] + b_c)),
    Eq(u_gate, sigmoid(W_u @ [a, x] + b_u)),
    Eq(f_gate, sigmoid(W_f @ [a, x] + b_f)),
    Eq(o_gate, sigmoid(W_o @ [a, x] + b_o)),
    Eq(c.next, u_gate * c_tilde + f_gate * c),
    Eq(a.next, o_gate * c.next),
    output=a.next,
    title="Long short-term memory",
    variant="as lecture notes give it: the candidate sees c, the output has no tanh",
    source="Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, in lecture notation",
)
