"""The backward pass of the GRU, written by hand in plain NumPy from the PDF alone, against the kernel.

The numbers in the comments are those of the PDF's equations; a test holds them against its labels.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from kernel_problems import Call, kernel
from test_latex import compiled

import symrnn as sr
from symrnn.checking.problem import draw_problem
from symrnn.zoo import CELLS

Array = np.ndarray


def sigma(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def gru_gradients(
    parameters: dict[str, Array], x: Array, c_0: Array, d_out: Array, d_end: Array
) -> dict[str, Array]:
    """The gradients of one sample: x is (T, n), c_0 (m,), d_out (T, m), d_end (m,)."""
    W_r, b_r, W_u, b_u, W_c, b_c = (parameters[name] for name in ("W_r", "b_r", "W_u", "b_u", "W_c", "b_c"))
    T, m = d_out.shape
    W_r_c, W_r_x = W_r[:, :m], W_r[:, m:]  # a row of column blocks, one for each part of the stack [c, x]
    W_u_c, W_u_x = W_u[:, :m], W_u[:, m:]
    W_c_c, W_c_x = W_c[:, :m], W_c[:, m:]

    steps, c = [], c_0
    for t in range(T):  # one step computes, for t = 1, ..., T
        before = c
        r = sigma(W_r @ np.concatenate([before, x[t]]) + b_r)  # (1)
        u = sigma(W_u @ np.concatenate([before, x[t]]) + b_u)  # (2)
        c_tilde = np.tanh(W_c @ np.concatenate([r * before, x[t]]) + b_c)  # (3)
        c = u * c_tilde + (1 - u) * before  # (4)
        steps.append((before, r, u, c_tilde))

    d = {name: np.zeros_like(array) for name, array in parameters.items()}
    d["x"] = np.zeros_like(x)
    d_later = d_end  # the recursion starts at t = T
    for t in range(T)[::-1]:  # for each t = T, T - 1, ..., 1, in this order
        before, r, u, c_tilde = steps[t]
        d_c = d_out[t] + d_later  # (8)
        d_c_tilde = d_c * u  # (9)
        d_a_c = d_c_tilde * (1 - c_tilde**2)  # (10)
        d_u = d_c * (c_tilde - before)  # (11)
        d_a_u = d_u * u * (1 - u)  # (12)
        d_r = (W_c_c.T @ d_a_c) * before  # (13)
        d_a_r = d_r * r * (1 - r)  # (14)
        d_later = d_c * (1 - u) + W_r_c.T @ d_a_r + W_u_c.T @ d_a_u + (W_c_c.T @ d_a_c) * r  # (15)
        d["x"][t] = W_r_x.T @ d_a_r + W_u_x.T @ d_a_u + W_c_x.T @ d_a_c  # (16)
        d["W_r"] += np.outer(d_a_r, np.concatenate([before, x[t]]))  # (17)
        d["b_r"] += d_a_r  # (18)
        d["W_u"] += np.outer(d_a_u, np.concatenate([before, x[t]]))  # (19)
        d["b_u"] += d_a_u  # (20)
        d["W_c"] += np.outer(d_a_c, np.concatenate([r * before, x[t]]))  # (21)
        d["b_c"] += d_a_c  # (22)
    d["c"] = d_later  # what step 1 hands back is the gradient of the initial state
    return d


NUMBERS = {
    1: "r",
    2: "u",
    3: "c_tilde",
    4: "c",
    5: "a_r",
    6: "a_u",
    7: "a_c_tilde",
    8: "adjoint:c.next",
    9: "adjoint:c_tilde",
    10: "adjoint:a_c_tilde",
    11: "adjoint:u",
    12: "adjoint:a_u",
    13: "adjoint:r",
    14: "adjoint:a_r",
    15: "adjoint:c",
    16: "adjoint:x",
    17: "adjoint:W_r",
    18: "adjoint:b_r",
    19: "adjoint:W_u",
    20: "adjoint:b_u",
    21: "adjoint:W_c",
    22: "adjoint:b_c",
}


@pytest.mark.parametrize(("T", "B"), [(6, 2), (1, 1)])
def test_what_a_reader_writes_from_the_pdf_is_what_the_kernel_computes(T: int, B: int) -> None:
    problem = draw_problem(CELLS["gru"], T=T, B=B, seed=3)
    call = Call(kernel("gru", "numpy"), problem, "float64")
    gradients = call.module.backward(call.parameters, call.forward().tape, call.d_outputs, call.d_state)
    by_hand = [
        gru_gradients(
            problem.parameters,
            problem.inputs["x"][:, b],
            problem.state["c"][b],
            problem.d_outputs[:, b],
            problem.d_state["c"][b],
        )
        for b in range(B)
    ]
    for name, array in gradients.parameters._asdict().items():  # the terms of the samples are summed as well
        np.testing.assert_allclose(sum(d[name] for d in by_hand), array, rtol=1e-12, atol=1e-13)
    for b, d in enumerate(by_hand):
        np.testing.assert_allclose(d["x"], gradients.inputs.x[:, b], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(d["c"], gradients.state.c[b], rtol=1e-12, atol=1e-13)


def test_the_numbers_are_those_of_the_pdf(tmp_path: Path) -> None:
    compiled(sr.latex(CELLS["gru"]), tmp_path)
    labels = re.findall(r"\\newlabel\{eq:([^}]*)\}\{\{(\d+)\}", (tmp_path / "paper.aux").read_text())
    assert {int(number): label for label, number in labels} == NUMBERS
