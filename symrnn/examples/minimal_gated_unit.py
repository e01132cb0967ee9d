"""The minimal gated unit: one gate that both forgets and resets."""

from sympy import Eq

from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh

n, m = axes("n m")  # input features, hidden units
x, h = Input("x", n), State("h", m)
f, h_tilde = Value("f"), Value("h_tilde")
W_f, W_h = Parameter("W_f", m, m + n), Parameter("W_h", m, m + n)
b_f, b_h = Parameter("b_f", m), Parameter("b_h", m)

mgu = Cell(
    "mgu",
    Eq(f, sigmoid(W_f @ [h, x] + b_f)),
    Eq(h_tilde, tanh(W_h @ [f * h, x] + b_h)),
    Eq(h.next, (1 - f) * h + f * h_tilde),
    title="Minimal gated unit",
    source="Zhou et al. 2016, arXiv:1603.09420",
)
