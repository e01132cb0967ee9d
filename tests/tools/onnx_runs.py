"""ONNX graphs at work: in onnxruntime and in onnx.reference, beside the NumPy kernel in double precision."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

import symrnn as sr
from symrnn import Cell
from symrnn.declaration.axes import size_number, size_text
from symrnn.declaration.quantities import Index

Arrays = dict[str, NDArray[Any]]

onnxruntime.set_default_logger_severity(3)


def in_onnxruntime(model: Any, feeds: Arrays, *, optimised: bool = False) -> list[NDArray[Any]]:
    """All outputs of a model; without optimisation, loading takes less."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))


def in_reference(model: Any, feeds: Arrays) -> list[NDArray[Any]]:
    """All outputs of a model, by NumPy in Python."""
    with np.errstate(all="ignore"):
        return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, feeds)]


def names_of(values: Sequence[Any]) -> list[str]:
    """The names of a graph's inputs or outputs."""
    return [value.name for value in values]


class Run:
    """A cell with parameters and inputs that are drawn, and what the NumPy kernel makes of it in float64."""

    def __init__(
        self,
        cell: Cell,
        T: int,
        B: int,
        dtype: str = "float32",
        *,
        seed: int = 0,
        sizes: dict[str, int] | None = None,
    ) -> None:
        """Draw arrays of a type; where they are rounded to it, the kernel takes them rounded."""
        self.cell, self.T, self.B, self.dtype = cell, T, B, np.dtype(dtype)
        self.rng = np.random.default_rng(seed)
        self.sizes = sizes or {axis.name: 3 + i for i, axis in enumerate(cell.axes)}
        self.kernel = sr.load(cell, "numpy")
        fresh = self.kernel.init(self.rng, **self.sizes, dtype=np.float64)
        drawn = [
            np.asarray(a) + 0.2 * self.rng.standard_normal(np.shape(a)) * (q in cell.parameters)
            for a, q in zip(fresh, (*cell.parameters, *cell.constants), strict=True)
        ]
        names = [q.name for q in (*cell.parameters, *cell.constants)]
        self.parameters = {n: a.astype(self.dtype) for n, a in zip(names, drawn, strict=True)}
        self.inputs = {q.name: self.drawn(q, (T, B)) for q in cell.inputs}
        self.state = {q.name: self.drawn(q, (B,)) * 0.5 for q in cell.states}

    def drawn(self, quantity: Any, lead: tuple[int, ...]) -> NDArray[Any]:
        """An input over leading axes."""
        shape = (*lead, *(size_number(size_text(size), self.sizes) for size in quantity.shape))
        if isinstance(quantity, Index):
            return self.rng.integers(0, size_number(size_text(quantity.classes), self.sizes), shape)
        return self.rng.standard_normal(shape).astype(self.dtype)

    def of(self, T: int, B: int) -> "Run":
        """The same parameters on inputs of another size."""
        other = copy(self)
        other.T, other.B = T, B
        other.inputs = {q.name: self.drawn(q, (T, B)) for q in self.cell.inputs}
        other.state = {q.name: self.drawn(q, (B,)) * 0.5 for q in self.cell.states}
        return other

    def graphs(self, **options: Any) -> Any:
        """The graphs of the cell with these parameters, without a fault."""
        made = sr.onnx(self.cell, self.parameters, **options)
        checked(made.model)
        checked(made.step)
        return made

    def feeds(self, lengths: Any = None) -> Arrays:
        """What the graph of the whole sequence takes."""
        ends = {} if lengths is None else {"lengths": np.asarray(lengths, np.int64)}
        return self.inputs | self.state | ends

    def wanted(self, lengths: Any = None) -> list[NDArray[Any]]:
        """Outputs and final states, in double precision."""

        def record(kind: Any, arrays: Arrays) -> Any:
            return kind(*(a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays.values()))

        kernel = self.kernel
        with np.errstate(all="ignore"):
            outputs, final = kernel.predict(
                record(kernel.Parameters, self.parameters),
                record(kernel.Inputs, self.inputs),
                record(kernel.State, self.state),
                lengths=None if lengths is None else np.asarray(lengths),
            )
        return [outputs, *final]


def far(found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> float:
    """The largest error, relative to the largest number of its array if that is above 1; shapes agree."""
    worst = 0.0
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape, (one.shape, other.shape)
        assert np.array_equal(np.isnan(one), np.isnan(other))
        assert np.array_equal(np.isinf(one), np.isinf(other))
        finite = np.isfinite(other)
        scale = max(1.0, float(np.abs(other[finite]).max(initial=0.0)))
        worst = max(
            worst, float(np.abs(one[finite].astype(np.float64) - other[finite]).max(initial=0.0)) / scale
        )
    return worst


def checked(model: Any) -> Any:
    """A model in which onnx.checker finds no fault."""
    onnx.checker.check_model(model, full_check=True)
    return model


def stepped(step: Any, inputs: Arrays, state: Arrays) -> list[NDArray[Any]]:
    """Outputs (T, B, ...) and the last states of a graph of one step, taken again and again."""
    outputs = []
    for t in range(len(next(iter(inputs.values())))):
        output, *after = in_onnxruntime(step, {name: array[t] for name, array in inputs.items()} | state)
        outputs.append(output)
        state = dict(zip(state, after, strict=True))
    return [np.stack(outputs), *state.values()]


def errors_of(run: Run, *, native: bool | str = False, reference: bool = False) -> dict[str, float]:
    """How far the graphs of a cell are from the kernel: sequences of several sizes, lengths, steps."""
    lengths = [run.T, 0, 1, *[2] * run.B][: run.B]
    whole, padded = run.graphs(lengths=False, native=native), run.graphs(native=native)
    single, none = run.of(1, 1), run.of(0, 2)
    found = {
        "sequence": far(in_onnxruntime(whole.model, run.feeds()), run.wanted()),
        "optimised": far(in_onnxruntime(whole.model, run.feeds(), optimised=True), run.wanted()),
        "lengths": far(in_onnxruntime(padded.model, run.feeds(lengths)), run.wanted(lengths)),
        "one step": far(in_onnxruntime(whole.model, single.feeds()), single.wanted()),
        "no step": far(in_onnxruntime(whole.model, none.feeds()), none.wanted()),
        "no step, lengths": far(in_onnxruntime(padded.model, none.feeds([0, 0])), none.wanted()),
        "steps": far(stepped(whole.step, run.inputs, run.state), run.wanted()),
    }
    if reference:
        found["reference"] = far(in_reference(whole.model, run.feeds()), run.wanted())
        found["reference, lengths"] = far(in_reference(padded.model, run.feeds(lengths)), run.wanted(lengths))
    return found
