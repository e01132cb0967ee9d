"""Long short-term memory: as in PyTorch, and as lecture notes give it."""

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

a = State("a", m)
c_tilde = Value("c_tilde")
u_gate, f_gate, o_gate = (Value(gate, latex=rf"\Gamma_{gate}") for gate in "ufo")
V_c, V_u, V_f, V_o = (Parameter(f"W_{gate}", m, m + n) for gate in "cufo")
p_c, p_u, p_f, p_o = (Parameter(f"b_{gate}", m) for gate in "cufo")

lstm_notes = Cell(
    "lstm_notes",
    Eq(c_tilde, tanh(V_c @ [c, x] + p_c)),
    Eq(u_gate, sigmoid(V_u @ [a, x] + p_u)),
    Eq(f_gate, sigmoid(V_f @ [a, x] + p_f)),
    Eq(o_gate, sigmoid(V_o @ [a, x] + p_o)),
    Eq(c.next, u_gate * c_tilde + f_gate * c),
    Eq(a.next, o_gate * c.next),
    output=a.next,
    title="Long short-term memory",
    variant="as lecture notes give it: the candidate sees c, the output has no tanh",
    source="Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735, in lecture notation",
)
