"""Gated recurrent units: simplified, as published, and with the reset gate after the product."""

from sympy import Eq

from symrnn.declaration.axes import axes
from symrnn.declaration.cell import Cell
from symrnn.declaration.operations import sigmoid, tanh
from symrnn.declaration.quantities import Input, Parameter, State, Value

n, m = axes("n m")  # input features, hidden units
x, c, h = Input("x", n), State("c", m), State("h", m)
W_r, W_u, W_c = (Parameter(f"W_{g}", m, m + n) for g in "ruc")
b_r, b_u, b_c = (Parameter(f"b_{g}", m) for g in "ruc")
r, u = Value("r", latex=r"\Gamma_r"), Value("u", latex=r"\Gamma_u")
c_tilde = Value("c_tilde")

gru_simplified = Cell(
    "gru_simplified",
    Eq(c_tilde, tanh(W_c @ [c, x] + b_c)),
    Eq(u, sigmoid(W_u @ [c, x] + b_u)),
    Eq(c.next, u * c_tilde + (1 - u) * c),
    title="Simplified gated recurrent unit",
    variant="update gate only",
    source="Cho et al. 2014, arXiv:1406.1078v3, without the reset gate",
)

gru = Cell(
    "gru",
    Eq(r, sigmoid(W_r @ [c, x] + b_r)),
    Eq(u, sigmoid(W_u @ [c, x] + b_u)),
    Eq(c_tilde, tanh(W_c @ [r * c, x] + b_c)),
    Eq(c.next, u * c_tilde + (1 - u) * c),
    title="Gated recurrent unit",
    variant="reset before the product",
    source="Cho et al. 2014, arXiv:1406.1078v3",
)

R, Z, N = Value("r"), Value("z"), Value("n")
V_r, V_z, V_n = (Parameter(f"W_{g}", m, n) for g in "rzn")
U_r, U_z, U_n = (Parameter(f"U_{g}", m, m) for g in "rzn")
p_r, p_z, p_n = (Parameter(f"b_{g}", m) for g in "rzn")
d_r, d_z, d_n = (Parameter(f"d_{g}", m) for g in "rzn")

gru_reset_after = Cell(
    "gru_reset_after",
    Eq(R, sigmoid(V_r @ x + U_r @ h + p_r + d_r)),
    Eq(Z, sigmoid(V_z @ x + U_z @ h + p_z + d_z)),
    Eq(N, tanh(V_n @ x + p_n + R * (U_n @ h + d_n))),
    Eq(h.next, (1 - Z) * N + Z * h),
    title="Gated recurrent unit",
    variant="reset after the product, as in cuDNN and PyTorch",
    source="Cho et al. 2014, arXiv:1406.1078v1; torch.nn.GRU",
)
