"""The printed JAX program of a cell, run once without JAX: what it does to arrays becomes nodes."""

import ast
import builtins
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symrnn.declaration.cell import Cell
from symrnn.kernels.jax.proving import in_place_of_jax
from symrnn.onnx_graphs.arrays import Array, Recorder, Size
from symrnn.onnx_graphs.operations import Operations
from symrnn.onnx_graphs.sequences import at_steps, turned
from symrnn.pipeline import emit


class _Named(ast.NodeTransformer):
    """Lets what is assigned to a variable be called like it."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Make `a = value` tell the name with the value; several at once are told in their order."""
        target = node.targets[0]
        names = [one.id if isinstance(one, ast.Name) else "" for one in getattr(target, "elts", [target])]
        told: Any = tuple(names) if isinstance(target, ast.Tuple) else names[0]
        node.value = ast.Call(ast.Name("_named", ast.Load()), [ast.Constant(told), node.value], [])
        return ast.fix_missing_locations(node)


def _code(cell: Cell) -> CodeType:
    return compile(_Named().visit(ast.parse(emit(cell, target="jax"))), f"<{cell.name} in JAX>", "exec")


@dataclass(frozen=True, slots=True)
class CellText:
    """The program of a cell on a recorder: `module` has its functions, `prepared` its prepared parameters."""

    recorder: Recorder
    module: Any
    prepared: Any

    def forward(
        self,
        inputs: Mapping[str, Array],
        state: Mapping[str, Array],
        lengths: Array | None,
        *,
        reverse: bool = False,
    ) -> tuple[Array, dict[str, Array]]:
        """Outputs (T, B, ...) and final states by name; with `reverse` steps are taken from the last on."""
        sequences = [turned(array, lengths) if reverse else array for array in inputs.values()]
        given = self.module.Inputs(*sequences), self.module.State(*state.values())
        outputs, final = self.module.forward(self.prepared, *given, lengths=lengths)
        outputs = turned(outputs, lengths) if reverse else outputs
        return outputs, dict(zip(state, final, strict=True))

    def step(self, inputs: Mapping[str, Array], state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The output (B, ...) and the next states by name."""
        given = self.module.Inputs(*inputs.values()), self.module.State(*state.values())
        output, after = self.module.step(self.prepared, *given)
        return output, dict(zip(state, after, strict=True))


def run_text(cell: Cell, parameters: Mapping[str, NDArray[Any]], recorder: Recorder) -> CellText:
    """The program of a cell with its parameters, ready to be called with arrays of a recorder.

    What depends on parameters alone is computed at once; where only inputs tell a size, it is noted.
    """
    operations = Operations(recorder)
    surroundings = in_place_of_jax(
        operations.of_arrays, operations.numpy, _Scan(recorder), operations.one_hot, operations.picked
    )

    def imported(name: str, *context: Any) -> Any:
        found = surroundings.modules.get(name)
        return importlib.__import__(name, *context) if found is None else found

    scope: dict[str, Any] = {
        "__name__": f"symrnn_onnx_{cell.name}",
        "__builtins__": {**vars(builtins), "__import__": imported},
        "_named": named,
    }
    exec(_code(cell), scope)
    scope |= {name: own for name, own in surroundings.functions.items() if name in scope}
    scope["_continued"] = partial(_continued, operations)
    module = SimpleNamespace(**scope)
    made = module.prepare(module.Parameters(*parameters.values()))
    arrays = [
        recorder.constant(array, recorder.dtype, name=recorder.prefix + name)
        for name, array in zip(made._fields, made, strict=True)
    ]
    return CellText(recorder, module, module.Prepared(*arrays))


def named(names: Any, values: Any) -> Any:
    """Values, of which those of a graph learn their names, unless they have some."""
    pairs = zip(names, values, strict=True) if isinstance(names, tuple) and isinstance(values, tuple) else ()
    for name, value in [(names, values)] if isinstance(names, str) else pairs:
        if isinstance(value, Array) and not value.name and name:
            value.name = value.recorder.prefix + name
    return values


class _Scan:
    """`jax.lax.scan` as a loop of the graph, which may have no step at all."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __call__(
        self, at: Callable[..., Any], carried: Any, rows: Sequence[Any], length: Size
    ) -> tuple[Any, tuple[Array, ...]]:
        """The records that are carried, after the last step, and what is kept of every step."""
        recorder = self.recorder
        before = [array for record in carried for array in record]
        with recorder.block() as body:
            t, going = recorder.input(np.int64, (), "t"), recorder.input(bool, (), "going")
            here = [recorder.input(array.dtype, array.shape, array.name) for array in before]
            given = tuple(None if row is None else row.rows(t) for row in rows)
            after, kept = at(_records(carried, here), given)
            ends = [array for record in after for array in record]
            recorder.give(body, [going, *ends, *kept])
        results = [(array.dtype, array.shape) for array in before]
        results += [(array.dtype, (length, *array.shape)) for array in kept]
        always = recorder.constant(True, bool)  # may be left out; onnx.reference would take no step then
        steps = [recorder.array(length, np.int64), always]
        made = recorder.nodes("Loop", [*steps, *before], results, bodies={"body": body})
        count = len(before)
        return _records(carried, made[:count]), tuple(map(self.of_no_step, made[count:]))

    def of_no_step(self, array: Array) -> Array:
        """What is kept of every step, in its shape also where there is none."""
        shape = [self.recorder.sized(array.shape)]
        return self.recorder.node("Reshape", [array, *shape], array.dtype, array.shape, allowzero=1)


def _records(like: Any, arrays: Sequence[Array]) -> tuple[Any, ...]:
    """Arrays as records like others."""
    rest = iter(arrays)
    return tuple(type(record)(*(next(rest) for _ in record)) for record in like)


def _continued(operations: Operations, inputs: Any, state: Any, lengths: Array) -> tuple[Any, Any]:
    """Inputs in which a sample's last step goes on to T, in place of the function that minds gradients, too.

    Of a sample without steps nothing is taken, whatever comes out. Its class numbers may be anything, and
    rows are picked with them all the same: they become 0.
    """
    numpy = operations.numpy
    T = inputs[0].shape[0]
    steps = numpy.minimum(numpy.arange(T)[:, None], numpy.maximum(lengths - 1, 0))
    made = [at_steps(array, steps) for array in inputs]
    made = [numpy.where(lengths > 0, array, 0) if array.dtype.kind == "i" else array for array in made]
    return type(inputs)(*made), state
