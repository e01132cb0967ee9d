"""Cells that are not shipped, each in a small file of its own, go the whole way by the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from symrnn.workbench.command_line import app

EXAMPLES = Path(__file__).parents[1] / "symrnn" / "examples"

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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("matrix_memory", MATRIX),
    ],
)
def test_build_of_a_cell_in_its_own_file(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMRNN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "own.py"
    path.write_text(text)
    result = CliRunner().invoke(app, ["build", str(path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "numpy: agrees" in result.output
    assert "numba: agrees" in result.output
    made = {p.name for p in (tmp_path / "out" / name).iterdir()}
    expected = {f"{name}.tex", f"{name}_plan.txt", f"{name}_numpy.py", f"{name}_numba.py"}
    assert expected <= made
