"""Long short-term memory, as in PyTorch."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import sigmoid, tanh
from symrnn.declaration.quantities import Input, Parameter, State, Value

n, m = axes("n m")  # input features, hidden units
x, c = Input("x", n), State("c", m)

h = State("h", m)
i, f, o, g = (Value(name) for name in "ifog")
W_i, W_f, W_o, W_g = (Parameter(f"W_{gate}", m, m + n) for gate in "ifog")
b_i, b_f, b_o, b_g = (Parameter(f"b_{gate}", m) for gate in "ifog")

lstm = Cell(
    "lstm",
    Eq(i, sigmoid(W_i @ [h, x] + b_i)),
    Eq(f, sigmoid(W_f @ [h, x] + b_f)),
    Eq(o, sigmoid(W_o @ [h, x] + b_o)),
    Eq(g, tanh(W_g @ [h, x] + b_g)),
    Eq(c.next, f * c + i * g),
    Eq(h.next, o * tanh(c.next)),
    output=h.next,
    title="Long short-term memory",
    variant="forget gate, no peepholes, as in PyTorch",
    source="Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Gers et al. 2000; torch.nn.LSTM",
)
