"""Cells that are operators of ONNX: found whatever their names are, and right in onnxruntime."""

import numpy as np
import pytest
from onnx_runs import Run, errors_of, far, in_onnxruntime, in_reference
from sympy import Eq

import symrnn as sr
from symrnn import Cell, Input, Parameter, State, Value, axes, sigmoid, tanh, zoo
from symrnn.errors import RequestError
from symrnn.onnx_graphs.native import OPERATORS, match_of

n, m = axes("features units")
x, h, c = Input("given", n), State("h", m), State("c", m)
KINDS = {"lstm": "LSTM", "gru": "GRU", "gru_reset_after": "GRU", "elman": "RNN", "elman_relu": "RNN"}


def matrices(gates: str) -> list[Parameter]:
    return [Parameter(f"{letter}_{gate}", m, size) for gate in gates for letter, size in (("A", n), ("B", m))]


def renamed_gru() -> Cell:
    """The shipped one in other names and another order; matrices are divided, a gate is one minus its own."""
    A_z, B_z, A_k, B_k, A_g, B_g = matrices("zkg")
    p, q, s = (Parameter(f"p_{gate}", m) for gate in "zkg")
    keep, kept, fresh = Value("keep"), Value("k"), Value("fresh")
    return Cell(
        "mine",
        Eq(keep, sigmoid(A_z @ x + B_z @ h + p)),
        Eq(kept, sigmoid(B_k @ h + q + A_k @ x)),
        Eq(fresh, tanh(A_g @ x + B_g @ (kept * h) + s)),
        Eq(h.next, keep * h + (1 - keep) * fresh),
    )


def lstm_without_biases() -> Cell:
    """States and the output in an order of their own, a row times a matrix, no biases."""
    A_i, B_i, A_f, B_f, A_o, B_o, A_g, B_g = matrices("ifog")
    c_named, h_named = State("a", m), State("b", m)
    return Cell(
        "unbiased",
        Eq(
            c_named.next,
            sigmoid(A_f @ x + h_named @ B_f) * c_named
            + sigmoid(A_i @ x + B_i @ h_named) * tanh(A_g @ x + B_g @ h_named),
        ),
        Eq(h_named.next, sigmoid(A_o @ x + B_o @ h_named) * tanh(c_named.next)),
        output=h_named.next,
    )


def two_biases() -> Cell:
    A, B = matrices("s")
    return Cell("biased", Eq(h.next, tanh(A @ x + Parameter("p", m) + 2 * B @ h - Parameter("q", m))))


@pytest.mark.parametrize("name", OPERATORS)
def test_shipped_cells_are_operators(name: str) -> None:
    run = Run(zoo.cell(name), 5, 4)
    graphs = run.graphs()
    assert graphs.operators == (KINDS[name],)
    assert KINDS[name] in [node.op_type for node in graphs.model.graph.node]
    assert "Loop" not in [node.op_type for node in graphs.model.graph.node]
    found = errors_of(run, native=True)
    assert max(found.values()) < 1e-6, found
    both = [
        in_onnxruntime(run.graphs(native=native).model, run.feeds([5, 0, 2, 1])) for native in (True, False)
    ]
    assert far(*both) < 1e-6


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "elman"])
def test_without_lengths_the_reference_agrees(name: str) -> None:
    run = Run(zoo.cell(name), 5, 4)
    assert far(in_reference(run.graphs(lengths=False).model, run.feeds()), run.wanted()) < 1e-6


@pytest.mark.parametrize(
    ("make", "name"), [(renamed_gru, "gru"), (lstm_without_biases, "lstm"), (two_biases, "elman")]
)
def test_other_names_and_forms_are_found(make, name) -> None:
    cell = make()
    match = match_of(cell)
    assert match is not None
    assert match.shipped == name
    found = errors_of(Run(cell, 4, 3, sizes={"features": 3, "units": 5}), native=True)
    assert max(found.values()) < 1e-6, found


def test_what_is_none_is_found_to_be_none() -> None:
    others = ("gru_simplified", "lstm_notes", "lstm_projected", "dense", "embedding", "layer_norm")
    A, B = matrices("s")
    nearly = [
        Cell("half", Eq(h.next, tanh(A @ x + B @ h) / 2)),
        Cell("before", Eq(h.next, tanh(A @ x + B @ h)), output=h),
        Cell("squared", Eq(h.next, tanh(A @ x + B @ (h * h)))),
    ]
    for cell in (*map(zoo.shipped, others), *nearly):
        assert match_of(cell) is None, cell.name


def test_double_precision_is_written_as_equations() -> None:
    run = Run(zoo.cell("gru"), 4, 3, "float64")
    assert run.graphs().operators == ()
    assert max(errors_of(run, native="auto").values()) < 1e-12


def test_who_insists_on_an_operator_is_told_why_there_is_none() -> None:
    run = Run(zoo.cell("gru_simplified"), 1, 1)
    with pytest.raises(
        RequestError, match=r"gru_simplified is no operator of ONNX, which are, .* lstm, gru.*native=False"
    ):
        sr.onnx(run.cell, run.parameters, native=True)
    double = Run(zoo.cell("gru"), 1, 1, "float64")
    with pytest.raises(
        RequestError, match=r"operator of gru in float32 alone, and these parameters are float64"
    ):
        sr.onnx(double.cell, double.parameters, native=True)
    model = zoo.MODELS["generator"]
    weights = sr.load(model, "numpy").init(np.random.default_rng(0), **{axis.name: 3 for axis in model.axes})
    with pytest.raises(RequestError, match="gru_closed_loop is no operator"):
        sr.onnx(model, weights, native=True)
