"""Cells that are not shipped: published ones and one of everything, as declarations and as users' files."""

from pathlib import Path

from sympy import Eq, Expr, sqrt

import symrnn as sr
from symrnn import Cell, Constant, Input, Parameter, State, Value

n, m = sr.axes("n m")
x, h, c, s = Input("x", n), State("h", m), State("c", m), State("s")
A, W, v, w, g = (
    Parameter("A", m, m),
    Parameter("W", m, n),
    Parameter("v", m),
    Parameter("w", m),
    Parameter("g"),
)
EPSILON = 1e-5
EXAMPLES = Path(__file__).parents[2] / "symrnn" / "examples"

PEEPHOLE = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh

n, m = axes("n m")
x, h, c = Input("x", n), State("h", m), State("c", m)
i, f, o, g = (Value(name) for name in "ifog")
W_i, W_f, W_o, W_g = (Parameter(f"W_{name}", m, m + n) for name in "ifog")
b_i, b_f, b_o, b_g = (Parameter(f"b_{name}", m) for name in "ifog")
p_i, p_f, p_o = (Parameter(f"p_{name}", m) for name in "ifo")

peephole = Cell(
    "peephole_lstm",
    Eq(i, sigmoid(W_i @ [h, x] + p_i * c + b_i)),
    Eq(f, sigmoid(W_f @ [h, x] + p_f * c + b_f)),
    Eq(g, tanh(W_g @ [h, x] + b_g)),
    Eq(c.next, f * c + i * g),
    Eq(o, sigmoid(W_o @ [h, x] + p_o * c.next + b_o)),
    Eq(h.next, o * tanh(c.next)),
    output=h.next,
    title="Long short-term memory with peepholes",
    source="Gers and Schmidhuber 2000, doi:10.1109/IJCNN.2000.861302",
)
"""

SHARPENED = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh

n, m = axes("n m")
x, h = Input("x", n), State("h", m)
r, u, h_tilde = (Value(name) for name in ("r", "u", "h_tilde"))
W_r, W_u, W_h = (Parameter(f"W_{name}", m, m + n) for name in "ruh")
b_r, b_u, b_h = (Parameter(f"b_{name}", m) for name in "ruh")

sharpened = Cell(
    "sharpened",
    Eq(r, sigmoid(2 * (W_r @ [h, x]) + b_r)),
    Eq(u, sigmoid(W_u @ [h, x] + b_u)),
    Eq(h_tilde, tanh(W_h @ [r * h, x] + b_h)),
    Eq(h.next, u * h_tilde + (1 - u) * h),
)
"""

MATRIX = """
from sympy import Eq
from symrnn import Cell, Input, Parameter, State, Value, axes, outer, sigmoid, sqrt

n, m = axes("n m")
x, C = Input("x", n), State("C", m, m)
q, k, v, i, f, y = (Value(name) for name in "qkvify")
W_q, W_k, W_v = (Parameter(f"W_{name}", m, n) for name in "qkv")
w_i, w_f = Parameter("w_i", n), Parameter("w_f", n)

matrix_memory = Cell(
    "matrix_memory",
    Eq(q, W_q @ x),
    Eq(k, W_k @ x / sqrt(m)),
    Eq(v, W_v @ x),
    Eq(i, sigmoid(w_i @ x)),
    Eq(f, sigmoid(w_f @ x)),
    Eq(C.next, f * C + i * outer(v, k)),
    Eq(y, C.next @ q),
    output=y,
    title="Matrix memory",
)
"""


def minimal_gated_unit() -> Cell:
    W_f, W_h = (Parameter(f"W_{gate}", m, m + n) for gate in "fh")
    f, candidate = Value("f"), Value("h_tilde")
    return Cell(
        "mgu",
        Eq(f, sr.sigmoid(W_f @ [h, x])),
        Eq(candidate, sr.tanh(W_h @ [f * h, x])),
        Eq(h.next, (1 - f) * h + f * candidate),
        source="Zhou et al. 2016, arXiv:1603.09420",
    )


def peephole_lstm() -> Cell:
    i, f, o = (Value(gate) for gate in "ifo")
    W_i, W_f, W_o, W_c = (Parameter(f"W_{gate}", m, n) for gate in "ifoc")
    U_i, U_f, U_o, U_c = (Parameter(f"U_{gate}", m, m) for gate in "ifoc")
    p_i, p_f, p_o = (Parameter(f"p_{gate}", m) for gate in "ifo")
    return Cell(
        "peephole",
        Eq(i, sr.sigmoid(W_i @ x + U_i @ h + p_i * c)),
        Eq(f, sr.sigmoid(W_f @ x + U_f @ h + p_f * c)),
        Eq(c.next, f * c + i * sr.tanh(W_c @ x + U_c @ h)),
        Eq(o, sr.sigmoid(W_o @ x + U_o @ h + p_o * c.next)),
        Eq(h.next, o * sr.tanh(c.next)),
        output=h.next,
        title="50% peepholes & more_",
    )


def matrix_memory() -> Cell:
    C, f, i = State("C", m, m), Value("f"), Value("i")
    q, key, value, y = Value("q"), Value("k"), Value("v"), Value("y")
    W_q, W_k, W_v = (Parameter(f"W_{name}", m, n) for name in "qkv")
    w_f, w_i = (Parameter(f"w_{name}", n) for name in "fi")
    return Cell(
        "matrix_memory",
        Eq(q, W_q @ x),
        Eq(key, W_k @ x / sqrt(m)),
        Eq(value, W_v @ x),
        Eq(f, sr.sigmoid(sr.dot(w_f, x))),
        Eq(i, sr.exp(sr.dot(w_i, x))),
        Eq(C.next, f * C + i * sr.outer(value, key)),
        Eq(y, C.next @ q),
        output=y,
    )


def everything() -> Cell:
    K, y = Value("K"), Value("y")
    small, V = Constant("epsilon", value=0.01), Parameter("V", 3, m, m)
    kinks = sr.where(h > 0, sr.softplus(h), abs(h) / (1 + h**2))
    return Cell(
        "everything",
        Eq(K, A - sr.transpose(A) - g * sr.identity(m)),
        Eq(y, sr.maximum(sr.dot(h, v), s)),
        Eq(h.next, h + small * sr.tanh(K @ h + W @ x) + kinks + sr.relu(sr.einsum("aij,j->i", V, h))),
        Eq(s.next, s / 2 + sr.total(h * c) + sr.minimum(s, y) + sr.sqrt(1 + s**2)),
        Eq(c.next, sr.stop_gradient(c) * s + sr.exp(-c) + sr.log(1 + c**2) + (1 + c**2) ** 0.3),
        output=y,
    )


def layer_normalised_lstm() -> Cell:
    """As Ba, Kiros and Hinton 2016 have it: the sums of every gate are normalised, and so is c."""
    n, m = sr.axes("n m")
    x, c, h = Input("x", n), State("c", m), State("h", m)
    epsilon = Constant("epsilon", value=EPSILON)

    def normal(z: Expr, name: str) -> Expr:
        gain, bias = Parameter(f"alpha_{name}", m, init="ones"), Parameter(f"beta_{name}", m)
        return gain * (z - sr.mean(z)) / sr.sqrt(sr.mean((z - sr.mean(z)) ** 2) + epsilon) + bias

    sums = {gate: normal(Parameter(f"W_{gate}", m, m + n) @ [h, x], gate) for gate in "fiog"}
    f, i, o, g = (Value(gate) for gate in "fiog")
    return Cell(
        "layer_normalised_lstm",
        *(Eq(gate, sr.sigmoid(sums[gate.name])) for gate in (f, i, o)),
        Eq(g, sr.tanh(sums["g"])),
        Eq(c.next, f * c + i * g),
        Eq(h.next, o * sr.tanh(normal(c.next, "c"))),
        output=h.next,
        title="Long short-term memory with layer normalisation",
        source="Ba, Kiros and Hinton 2016, arXiv:1607.06450",
    )
