"""Cells whose input is a class index."""

from sympy import Eq

import symrnn as sr
from symrnn import Cell, Index, Input, Parameter, State, Value, axes

v, m, n = axes("v m n")
k, j = Index("k", v), Index("j", 3)
x, h, y = Input("x", n), State("h", m), Value("y")
E, W, U = Parameter("E", v, m), Parameter("W", m, n), Parameter("U", m, m + m)
P, A, s = Parameter("P", 3), Value("A"), Value("s")


def everything() -> Cell:
    """Rows of parameters, of what is made of them, of a sample's matrix; elements; unit vectors."""
    return Cell(
        "everything",
        Eq(A, sr.tanh(E)),
        Eq(
            h.next,
            sr.tanh(
                U @ [h, sr.take(A, k)] + sr.take(E, k) * sr.take(P, j) + sr.take(sr.outer(P, h), j) + W @ x
            ),
        ),
        Eq(s, sr.total(sr.one_hot(j) * P) + sr.take(E @ h.next, k)),
        Eq(y, s * h.next + sr.take(sr.softmax(P), j) * sr.ones(m)),
        output=y,
    )


def words() -> Cell:
    """The simplest model of a language: a row per class in, a recurrent step."""
    return Cell("words", Eq(h.next, sr.tanh(U @ [h, sr.take(E, k)])))
