"""Cells of rare shapes: each takes passes and printers where no shipped cell leads them."""

from sympy import Eq, Rational

from symrnn import (
    Cell,
    Input,
    Parameter,
    State,
    Value,
    axes,
    concatenate,
    einsum,
    outer,
    sigmoid,
    tanh,
    total,
)
from symrnn.declaration.operations import transpose

n, m, k = axes("n m k")
x, y = Input("x", n), Input("y", k)
h, g = State("h", m), State("g", m)
C, D = State("C", m, k), State("D", n, k)
W, U, V = Parameter("W", m, n), Parameter("U", m, m), Parameter("V", m, m)
b, p = Parameter("b", m), Parameter("p")


def stacked_matrices() -> Cell:
    """A stack of matrices that are states, whose adjoints are read range by range, elements and products."""
    S, Z, q = Value("S"), Value("Z"), Value("q")
    A, e = Parameter("A", k, m + n), Input("e", m + n)
    return Cell(
        "stacked_matrices",
        Eq(S, concatenate(C, D)),
        Eq(Z, tanh(S) * S),
        Eq(q, tanh(A @ (Z @ y)) + einsum("ij,i->j", S, e)),
        Eq(C.next, C / 2 + tanh(outer(h, q)) * tanh(C)),
        Eq(D.next, sigmoid(D) + outer(x, q)),
        Eq(h.next, tanh(U @ h + C.next @ q)),
        output=h.next,
    )


def weighed_matrices() -> Cell:
    """A stack of matrices in a product with an input alone, which is not cut up for its adjoint."""
    q, e = Value("q"), Input("e", m + n)
    return Cell(
        "weighed_matrices",
        Eq(q, einsum("ij,i->j", concatenate(C, D), e)),
        Eq(C.next, C / 2 + tanh(outer(h, q))),
        Eq(D.next, sigmoid(D) + outer(x, q)),
        Eq(h.next, tanh(U @ h + C @ q)),
        output=h.next,
    )


def cut_state() -> Cell:
    """Ranges of a state in products with matrices of a sample, whose gradients are made over all steps."""
    s, M, N, out = State("s", m + n), Input("M", m, m), Input("N", n, m), Value("out")
    return Cell("cut_state", Eq(s.next, s), Eq(out, s @ concatenate(M, N)), output=out)


def copied() -> Cell:
    """States that hold what the inputs give, and nothing of the past; an output of the states before."""
    out = Value("out")
    return Cell(
        "copied",
        Eq(h.next, tanh(W @ x)),
        Eq(g.next, h),
        Eq(out, U @ h + V @ g + b),
        output=out,
    )


def powers() -> Cell:
    """Exponents that are halves, thirds, numbers and parameters."""
    base = 1 + tanh(W @ x + U @ h) ** 2
    return Cell(
        "powers",
        Eq(
            h.next,
            base ** Rational(3, 2) / 9 - base ** Rational(4, 3) / 7 + base ** Rational(-1, 2) + base**p / 5,
        ),
    )


def turned() -> Cell:
    """Transposes that are added up, read and written in ranges; a product with one of a sample's matrices."""
    Q, R = State("Q", m, m), Value("R")
    return Cell(
        "turned",
        Eq(R, transpose(Q) + outer(h, W @ x)),
        Eq(Q.next, Q / 2 + tanh(transpose(R) + transpose(U)) / 4),
        Eq(h.next, tanh(transpose(R) @ h + total(x) * b)),
        output=h.next,
    )


ODD = {
    cell.name: cell
    for cell in (stacked_matrices(), weighed_matrices(), cut_state(), copied(), powers(), turned())
}
