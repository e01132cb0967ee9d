r"""The reader of the paper reads mathematics as a mathematician does, and never guesses."""

import numpy as np
import pytest
from latex_mathematics import Grammar, UnreadableError, tokens_of
from latex_reader import Document, equations_of
from latex_run import Given, run
from latex_values import Meaning, Value

A = np.arange(6.0).reshape(2, 3) + 1
v, w, u = np.array([2.0, -1.0, 0.5]), np.array([1.0, 3.0, -2.0]), np.array([0.5, 4.0])
NAMES = {"A": A, "v": v, "w": w, "u": u, "g": np.array(3.0), "V": np.arange(12.0).reshape(2, 3, 2)}
SIGNS = {"[]", "1", r"\sigma"}


def meaning(rows: bool = False) -> Meaning:
    grammar = Grammar({("a",): "a"})
    sigma = ("a", grammar.expression(tokens_of("1/(1+e^{-a})")))
    values = {name: Value(array, row=rows and array.ndim == 1) for name, array in NAMES.items()}
    values |= {"m": Value(np.array(2.0)), "c ^ { t }": Value(v, row=rows)}
    return Meaning(values, rows, {r"\sigma": sigma})


def grammar(*signs: str) -> Grammar:
    names = {**{(name,): name for name in [*NAMES, "m"]}, tuple("c^{t}"): "c ^ { t }"}
    return Grammar(names, explained={*SIGNS, *signs})


def read(text: str, rows: bool = False) -> Value:
    return meaning(rows).of(grammar().expression(tokens_of(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A v", A @ v),
        (r"g \, A v", 3 * A @ v),
        (r"A^{\top} u", A.T @ u),
        (r"v^{\top} w", v @ w),
        (r"u v^{\top}", np.outer(u, v)),
        (r"v w^{\top} v", np.outer(v, w) @ v),
        (r"c^{t\top} w", v @ w),
        (r"(A v) \odot u - u", (A @ v) * u - u),
        (r"g \, v \odot w", 3 * v * w),
        (r"v \odot (1 - w)", v * (1 - w)),
        (r"-v + 2 \, w", -v + 2 * w),
        (r"\frac{v}{2 \, \sqrt{m}}", v / np.sqrt(8)),
        (r"\tanh^{2}\bigl(v\bigr)", np.tanh(v) ** 2),
        (r"\sigma(v)", 1 / (1 + np.exp(-v))),
        (r"2.5\cdot 10^{-3} \, v", 0.0025 * v),
        (r"v \odot [ w > 0 ]", v * (w > 0)),
        (r"\begin{bmatrix} u \\ v \end{bmatrix}", np.concatenate([u, v])),
        (r"\begin{cases} v, & \text{if } w > 0 \\ 0, & \text{otherwise} \end{cases}", np.where(w > 0, v, 0)),
        (r"[ (g > 1) \text{ and } (\text{not } (g > 2)) ]", 0.0),
        (r"\sum_{i} (v \odot w)_{i}", v @ w),
        (r"\biggl[ \sum_{j} A_{ij} \, v_{j} \biggr]_{i}", A @ v),
        (r"\biggl[ A_{ij} \, u_{i} \biggr]_{ji}", (A * u[:, None]).T),
        (r"\biggl[ \sum_{i,k} V_{ijk} \, u_{k} \biggr]_{j}", np.einsum("ijk,k->j", NAMES["V"], u)),
        (r"(v)_{2:3}", v[1:]),
        (r"\mathbf{1}_{m \times 3}", np.ones((2, 3))),
        (r"I_{m} u", u),
        (r"\operatorname{tr} (A A^{\top})", np.trace(A @ A.T)),
        (r"\max(v,\, w)", np.maximum(v, w)),
        (r"\lvert v \rvert^{2}", v**2),
    ],
)
def test_mathematics_is_read(text: str, expected: np.ndarray) -> None:
    found = read(text)
    assert not found.row
    np.testing.assert_allclose(found.array, expected, rtol=1e-14)


def test_where_vectors_are_rows_they_stand_on_the_left() -> None:
    np.testing.assert_array_equal(read(r"v A^{\top}", rows=True).array, A @ v)
    np.testing.assert_array_equal(read(r"u^{\top} v", rows=True).array, np.outer(u, v))
    assert read(r"\begin{bmatrix} u & v \end{bmatrix}", rows=True).shape == (5,)
    with pytest.raises(UnreadableError):
        read("A v", rows=True)


@pytest.mark.parametrize(
    "text",
    [
        "v w",  # two columns
        "v A",
        r"v^{\top} A",
        r"v + w^{\top}",  # a row and a column
        r"A v \odot u",  # (A v) with u, or A with v times u?
        r"v \odot u",
        r"g \odot v",
        "v + u",
        r"\sum_{i} v_{j}",
        r"\biggl[ v_{j} \biggr]_{i}",
        r"v_{ij}",
        "y",
        r"\delta y",
        r"\operatorname{relu}(v)",  # the document does not say what it is
        r"\operatorname{erf}(v)",
        r"\mathbf{e}_{m}",
        "v + - w",
        "(v",
        "v)",
        r"[ v ]",
        r"\sum_{t=1}^{T} v",
        r"\begin{cases} v, & \text{if } w \end{cases}",
        r"v'",
    ],
)
def test_what_has_no_meaning_or_two_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


def test_lines_go_on_and_right_sides_follow() -> None:
    lines = r"v &= \begin{bmatrix} u \\ w \end{bmatrix} \notag \\* &\qquad {}+ u \label{v} \\ &= w \\ u &= v"
    first, second = equations_of(lines)
    assert first.left == ("v",)
    assert [right[-2:] for right in first.rights] == [("+", "u"), ("w",)]
    assert second.rights == (("v",),)


ONE = r"""
Vectors are columns. A superscript $\langle t\rangle$ is the time step; what has none is the same.
$x^{\langle t\rangle}$ & input & $\mathbb{R}^{n}$ \\
$y^{\langle t\rangle}$ & value and output & $\mathbb{R}^{n}$ \\
$w$ & parameter & $\mathbb{R}^{n}$ \\
$n$ & size & $\mathbb{N}$ \\
\section{Forward pass}
\begin{align} y^{\langle t\rangle} &= w \odot x^{\langle t\rangle} \end{align}
\section{Backward pass}
\begin{align*} \delta q &= \frac{\partial \mathcal{L}}{\partial q} \end{align*}
$\delta_{\mathrm{out}} y^{\langle t\rangle}$ is what the loss takes directly from the output
"""
REST = r"""$y^{\langle t\rangle}$ of step $t$
\begin{align} \delta y^{\langle t\rangle} &= \delta_{\mathrm{out}} y^{\langle t\rangle} \end{align}
\begin{align} \delta x^{\langle t\rangle} &= w \odot \delta y^{\langle t\rangle} \end{align}
\section{Parameters}
\begin{align} \delta w &= \sum_{t=1}^{T} x^{\langle t\rangle} \odot \delta y^{\langle t\rangle} \end{align}
"""


def test_a_document_is_run_and_its_names_and_shapes_are_kept() -> None:
    text = ONE.rstrip() + " " + REST
    x, w, d = np.ones((2, 3)) * 2, np.array([1.0, 2.0, 3.0]), np.ones((2, 3))
    given = Given({"n": 3}, {"w": w}, {r"x ^ { \langle t \rangle }": x}, {}, d, {})
    answer = run(Document(text), given, "body")
    np.testing.assert_array_equal(answer.outputs, w * x)
    np.testing.assert_array_equal(answer.parameters["w"], [4, 4, 4])
    for old, new in (
        ("{R}^{n}$ \\\\\n$n", "{R}$ \\\\\n$n"),
        ("are columns", ""),
        ("$n$ & size", "$w$ & size"),
    ):
        assert old in text
        with pytest.raises((UnreadableError, KeyError)):
            run(Document(text.replace(old, new)), given, "body")
