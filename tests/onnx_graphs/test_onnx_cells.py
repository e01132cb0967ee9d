"""Graphs of equations: in onnxruntime and onnx.reference they give what the NumPy kernel gives."""

from typing import Any

import numpy as np
import pytest
from indexed_cells import everything as indexed
from indexed_cells import words
from odd_cells import ODD
from onnx_runs import Run, errors_of, far, in_onnxruntime, in_reference
from random_cells import random_cell, sizes_for
from sympy import Eq
from unshipped_cells import everything, layer_normalised_lstm, matrix_memory, peephole_lstm

import symrnn as sr
from symrnn import Cell, Constant, Input, State, axes, zoo

BOUNDS = {"float32": 1e-6, "float64": 1e-12}
"""Errors relative to the largest number of an array."""

SHIPPED = {name: zoo.shipped(name) for name in zoo.SHIPPED.entries if name not in zoo.MODELS.entries}
STRANGE = {
    **ODD,
    "indexed": indexed(),
    "words": words(),
    "everything": everything(),
    "layer_normalised": layer_normalised_lstm(),
    "matrix_memory": matrix_memory(),
    "peephole": peephole_lstm(),
}


def examine(
    cell: Cell, dtype: str, *, reference: bool, seed: int = 0, sizes: dict[str, int] | None = None
) -> None:
    """Raise unless the graphs of a cell are right; without parameters they compute in float32."""
    dtype = dtype if cell.parameters else "float32"
    found = errors_of(Run(cell, 4, 3, dtype, seed=seed, sizes=sizes), reference=reference)
    assert max(found.values()) < BOUNDS[dtype], found


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cells(name: str) -> None:
    examine(SHIPPED[name], "float32", reference=True)


@pytest.mark.parametrize("name", STRANGE)
def test_cells_of_rare_shapes(name: str) -> None:
    examine(STRANGE[name], "float64", reference=name in ("indexed", "turned", "everything"))


@pytest.mark.parametrize("seed", range(44))
def test_random_cells(seed: int) -> None:
    cell, dtype = random_cell(seed), ("float64", "float32")[seed % 2]
    examine(cell, dtype, reference=seed % 8 < 2, seed=seed, sizes=sizes_for(cell))


def test_what_padding_holds_does_not_matter() -> None:
    run = Run(indexed(), 4, 3)
    graphs, lengths = run.graphs(), [4, 0, 2]
    wanted = run.wanted(lengths)
    for b, length in enumerate(lengths):
        run.inputs["x"][length:, b] = np.nan
        run.inputs["k"][length:, b] = 10**9
        run.inputs["j"][length:, b] = -(10**9)
    assert far(in_onnxruntime(graphs.model, run.feeds(lengths)), wanted) < 1e-6
    with pytest.raises(IndexError):  # without lengths it does
        in_reference(run.graphs(lengths=False).model, run.feeds())


def test_what_is_not_a_number_stays_in_its_sample() -> None:
    run = Run(zoo.cell("lstm"), 4, 3)
    run.inputs["x"][1, 1, 0] = np.nan
    outputs, *_ = in_onnxruntime(run.graphs(native=False).model, run.feeds([4, 4, 4]))
    assert np.isnan(outputs[1:, 1]).all()
    assert np.isfinite(np.delete(outputs, 1, axis=1)).all()
    assert np.isfinite(outputs[0]).all()


def test_no_sample_at_all() -> None:
    run = Run(zoo.cell("gru"), 3, 0)
    padded, whole = run.graphs(native=False), run.graphs(native=False, lengths=False)
    assert far(in_onnxruntime(padded.model, run.feeds([])), run.wanted()) == 0
    assert far(in_onnxruntime(whole.model, run.feeds()), run.wanted()) == 0


def test_sizes_that_inputs_alone_tell() -> None:
    n, m = axes("n m")
    x, h, g = Input("x", n), State("h", m), State("g", m)
    cell = Cell(
        "told",
        Eq(h.next, h / m + sr.total(x) / n),
        Eq(g.next, sr.softmax(h) + sr.outer(g, h) @ g + sr.identity(m) @ h),
        output=g.next,
    )
    run = Run(cell, 4, 3)
    graphs = run.graphs()
    assert [size.dim_param for size in graphs.model.graph.input[0].type.tensor_type.shape.dim] == [
        "T",
        "B",
        "n",
    ]
    assert max(errors_of(run, reference=True).values()) < 1e-6
    other = Run(cell, 2, 2, sizes={"n": 7, "m": 2})
    assert far(in_onnxruntime(graphs.model, other.feeds([2, 1])), other.wanted([2, 1])) < 1e-6


def test_constants_have_their_values() -> None:
    n = axes("n")
    x, h, rate = Input("x", n), State("h", n), Constant("rate", value=0.25)
    run = Run(Cell("leaky", Eq(h.next, (1 - rate) * h + rate * x)), 4, 3)
    wanted = run.wanted()
    assert far(in_onnxruntime(sr.onnx(run.cell, None, lengths=False).model, run.feeds()), wanted) < 1e-6
    run.parameters["rate"] = np.float32(0.5)
    found = in_onnxruntime(run.graphs(lengths=False).model, run.feeds())
    assert far(found, run.wanted()) < 1e-6 < far(found, wanted)


def test_names_that_graphs_use_themselves() -> None:
    n = axes("n")
    lengths, outputs, going, t = Input("lengths", n), State("outputs", n), State("going", n), sr.Value("t")
    cell = Cell(
        "named",
        Eq(t, lengths + sr.tanh(outputs)),
        Eq(outputs.next, t),
        Eq(going.next, going / 2 + outputs),
        output=t,
    )
    run = Run(cell, 4, 3)
    graphs = run.graphs()
    names = [
        [value.name for value in values] for values in (graphs.model.graph.input, graphs.model.graph.output)
    ]
    assert names == [
        ["lengths", "outputs", "going", "lengths_2"],
        ["outputs_2", "outputs_final", "going_final"],
    ]
    found = in_onnxruntime(graphs.model, run.inputs | run.state | {"lengths_2": np.array([4, 0, 2])})
    assert far(found, run.wanted([4, 0, 2])) < 1e-6
    assert (
        far(
            in_onnxruntime(graphs.step, {k: a[0] for k, a in run.inputs.items()} | run.state)[:1],
            [run.wanted()[0][0]],
        )
        < 1e-6
    )


def test_the_graph_is_named_like_the_equations() -> None:
    graphs = Run(zoo.cell("gru"), 2, 2).graphs(native=False)
    loop = next(node for node in graphs.model.graph.node if node.op_type == "Loop")
    body = {node.name: node.op_type for node in loop.attribute[0].g.node}
    assert body["r"] == body["u"] == "Sigmoid"
    assert body["c_tilde"] == "Tanh"
    assert {"b_all", "W_on_c_T"} <= {tensor.name for tensor in graphs.model.graph.initializer}


@pytest.mark.parametrize("opset", [18, 21, 23])
def test_versions_of_the_operators(opset: int) -> None:
    run = Run(zoo.cell("lstm"), 3, 2)
    for native in (True, False):
        graphs = run.graphs(native=native, opset=opset)
        assert graphs.model.opset_import[0].version == opset
        assert far(in_onnxruntime(graphs.model, run.feeds([3, 1])), run.wanted([3, 1])) < 1e-6


def test_equal_requests_give_equal_bytes() -> None:
    run = Run(zoo.cell("lstm"), 3, 2)
    one, other = (run.graphs(native=False).model.SerializeToString() for _ in range(2))
    assert one == other


def test_parameters_may_come_in_every_form() -> None:
    from symrnn import layouts

    run = Run(zoo.cell("gru"), 3, 2)
    wanted = run.wanted([3, 1])
    weights = layouts.read(layouts.write(run.parameters, "onnx", "gru"), "onnx", "gru")
    record: Any = run.kernel.Parameters(*run.parameters.values())
    for given in (record, weights, weights.layers["l0"]):
        assert far(in_onnxruntime(sr.onnx(run.cell, given).model, run.feeds([3, 1])), wanted) < 1e-6
