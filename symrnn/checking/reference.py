"""The reference: the author's equations, evaluated as they stand, and their gradients by other means.

A small interpreter walks the resolved equations of a cell. It shares nothing with derivation, planning and
emission, so an agreement with an emitted kernel is evidence. Its gradients come from JAX's autodiff in
float64, or from central differences in float64 where JAX is not installed.

Every array inside carries one leading axis, the batch or 1.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Mul, Not, Pow
from sympy.logic.boolalg import Boolean

from symrnn.checking.central_differences import HeldValues, slopes
from symrnn.checking.formulas import (
    COMPARISONS,
    CONNECTIVES,
    VECTOR_FORMULAS,
    Array,
    ArrayLibrary,
    double_precision,
    formula,
    jax_is_installed,
    jax_library,
    numpy_library,
)
from symrnn.checking.uncompiled import uncompiled
from symrnn.declaration import operations as op
from symrnn.declaration.axes import Axis, Shape, shape_text
from symrnn.declaration.cell import Cell
from symrnn.declaration.nodes import entry
from symrnn.declaration.quantities import Index, Quantity
from symrnn.errors import RequestError

Arrays: TypeAlias = Mapping[str, Any]
"""Arrays by the name of their quantity; what is absent from a state is zero."""
Values: TypeAlias = dict[Quantity, Array]

AUTODIFF, DIFFERENCES = "JAX autodiff", "central differences"


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """Outputs (T, B, ...) and the final state, (B, ...) by name."""

    outputs: Array
    state: dict[str, Array]


@dataclass(frozen=True, slots=True)
class ReferenceGradients:
    """A run and the gradients by name, all float64: what a kernel's `forward` and `backward` should say.

    `parameters` includes the constants, whose gradient is zero. `method` tells where the gradients come
    from: "JAX autodiff" or "central differences". Class indices have no gradient.
    """

    outputs: NDArray[np.float64]
    final_state: dict[str, NDArray[np.float64]]
    parameters: dict[str, NDArray[np.float64]]
    inputs: dict[str, NDArray[np.float64]]
    state: dict[str, NDArray[np.float64]]
    method: str


def reference_run(
    cell: Cell,
    parameters: Arrays,
    inputs: Arrays,
    state: Arrays,
    *,
    library: ArrayLibrary | None = None,
) -> ReferenceRun:
    """Outputs and final state of `cell` by plain evaluation of its equations.

    `parameters` (with the constants) have the declared shapes, `inputs` are (T, B, ...) and `state`
    (B, ...). `library` is NumPy if it is not given.
    """
    sizes = bind_sizes(cell, {**parameters, **inputs, **state})
    return _shared(cell, library or numpy_library(), tuple(sizes.items())).run(parameters, inputs, state)


class _Interpreter:
    """The meaning of a cell's equations in an array library, for given sizes."""

    def __init__(self, cell: Cell, library: ArrayLibrary, sizes: Iterable[tuple[Axis, int]]) -> None:
        self.cell = cell
        self.library = library
        self.sizes = dict(sizes)
        self.rules = {equation.target: equation.rhs for equation in cell.equations}
        self.reads = {
            target: sorted(rhs.atoms(Quantity) & self.rules.keys(), key=str)
            for target, rhs in self.rules.items()
        }
        self.shapes = {
            target: numeric_shape(cell.shape_of(target), self.sizes)
            for target in (*cell.states, *self.rules, cell.output)
        }
        self.fixed = (*cell.parameters, *cell.constants)
        self.given = {q.name: q for q in (*self.fixed, *cell.inputs, *cell.states)}
        self.step = library.traced(self._step)
        self.numbers: dict[Expr, float | None] = {}

    def run(self, parameters: Arrays, inputs: Arrays, state: Arrays) -> ReferenceRun:
        """The outputs and the final state."""
        xp = self.library.xp
        fixed = {q.name: xp.asarray(parameters[q.name])[None] for q in self.fixed}
        rows = {q.name: xp.asarray(inputs[q.name]) for q in self.cell.inputs}
        steps, batch = next(iter(rows.values())).shape[:2]
        first = {  # copies: the final state of no steps is not the caller's array
            q.name: xp.array(state[q.name]) if q.name in state else xp.zeros((batch, *self.shapes[q]))
            for q in self.cell.states
        }
        with np.errstate(all="ignore"):
            last, outputs = self.library.scan(partial(self.step, fixed), first, rows, steps)
        if outputs is None:
            outputs = xp.zeros((0, batch, *self.shapes[self.cell.output]))
        return ReferenceRun(outputs, last)

    def _step(self, *groups: dict[str, Array]) -> tuple[dict[str, Array], Array]:
        """The state after a step and its output, from what is fixed, the state and the inputs."""
        arrays = {self.given[name]: array for group in groups for name, array in group.items()}
        moment = _Moment(self, arrays, len(next(iter(groups[-1].values()))))
        return {q.name: moment.full(q.next) for q in self.cell.states}, moment.full(self.cell.output)

    def number(self, expr: Expr) -> float | None:
        """The number that `expr` is, or None if it is no number."""
        if expr not in self.numbers:
            named = expr.atoms(Quantity, op.ones, op.identity)
            self.numbers[expr] = None if named else float(expr.subs(self.sizes))
        return self.numbers[expr]


_shared = lru_cache(maxsize=32)(_Interpreter)  # its step is traced once for all samples of a model


class _Moment:
    """The values of one time step, each computed when it is first asked for."""

    def __init__(self, interpreter: _Interpreter, values: Values, batch: int) -> None:
        self.interpreter = interpreter
        self.library = interpreter.library
        self.xp = interpreter.library.xp
        self.sizes = interpreter.sizes
        self.values = values
        self.batch = batch

    def full(self, quantity: Quantity) -> Array:
        """The value of `quantity` for the whole batch: (B, ...)."""
        shape = self.interpreter.shapes[quantity]
        value = self.value(quantity)
        if value.ndim == 1:  # a scalar stands for an array of equal elements
            value = value.reshape(value.shape + (1,) * len(shape))
        return self.xp.broadcast_to(value, (self.batch, *shape))

    def value(self, expr: Expr) -> Array:
        """The value of an expression, (B or 1, ...)."""
        if isinstance(expr, Quantity):
            if expr not in self.values:
                self.work_out(expr)
            return self.values[expr]
        number = self.interpreter.number(expr)
        if number is not None:
            return self.xp.full((1,), number)
        form = entry(FORMS, expr)
        if form is None:
            raise NotImplementedError(f"The reference has no meaning for {type(expr).__name__} in {expr}.")
        return form(self, expr)

    def work_out(self, quantity: Quantity) -> None:
        """Compute a quantity after those that it is made of, of which there may be a long chain."""
        waiting = [quantity]
        while waiting:
            missing = [q for q in self.interpreter.reads[waiting[-1]] if q not in self.values]
            if not missing:
                made = waiting.pop()
                self.values[made] = self.value(self.interpreter.rules[made])
            waiting += missing[:1]

    def contraction(self, expr: op.Contract) -> Array:
        """An einsum, over the batch as well."""
        inputs = ",".join(f"...{letters}" for letters in expr.letters)
        return self.xp.einsum(f"{inputs}->...{expr.output}", *map(self.value, expr.operands))

    def stacked(self, expr: op.concatenate) -> Array:
        """Parts one after the other, those without a batch repeated."""
        parts = [self.value(part) for part in expr.args]
        batch = max(part.shape[0] for part in parts) if self.batch else 0
        whole = [self.xp.broadcast_to(part, (batch, *part.shape[1:])) for part in parts]
        return self.xp.concatenate(whole, axis=1)

    def unit(self, expr: op.one_hot) -> Array:
        """Unit vectors."""
        classes = self.xp.arange(numeric_size(expr.index.classes, self.sizes))
        return self.xp.where(classes == self.values[expr.index][:, None], 1.0, 0.0)

    def aligned(self, operands: Sequence[Expr]) -> list[Array]:
        """The values of `operands`, scalars reshaped to go with arrays."""
        return _align([self.value(operand) for operand in operands])

    def truth(self, condition: Boolean) -> Array:
        """The truth of a condition, (B or 1, ...)."""
        kind = type(condition)
        if kind in COMPARISONS:
            return getattr(self.xp, COMPARISONS[kind])(*self.aligned(condition.args))
        parts = _align([self.truth(arg) for arg in condition.args])
        if kind is Not:
            return self.xp.logical_not(*parts)
        return reduce(getattr(self.xp, CONNECTIVES[kind]), parts)


FORMS: Mapping[type, Callable[[_Moment, Any], Array]] = {
    Add: lambda at, e: reduce(operator.add, at.aligned(e.args)),
    Mul: lambda at, e: reduce(partial(at.library.elementwise, operator.mul), at.aligned(e.args)),
    Pow: lambda at, e: at.library.elementwise(lambda base: base ** int(e.args[1]), at.value(e.args[0])),
    op.PointwiseFunction: lambda at, e: at.library.elementwise(
        formula(type(e), at.library), *at.aligned(e.args)
    ),
    op.VectorFunction: lambda at, e: VECTOR_FORMULAS[type(e)](at.xp, *map(at.value, e.args)),
    op.where: lambda at, e: at.xp.where(*_align([at.truth(e.condition), *map(at.value, e.operands)])),
    op.Contract: _Moment.contraction,
    op.concatenate: _Moment.stacked,
    op.Slice: lambda at, e: at.value(e.args[0])[:, slice(*numeric_shape(e.args[1:], at.sizes))],
    op.ones: lambda at, e: at.xp.ones((1, *numeric_shape(e.args, at.sizes))),
    op.one_hot: _Moment.unit,
    op.identity: lambda at, e: at.xp.eye(numeric_size(e.args[0], at.sizes))[None],
}
"""What is neither a quantity nor a number, by its kind."""


def _align(arrays: list[Array]) -> list[Array]:
    rank = max(array.ndim for array in arrays)
    return [a.reshape(a.shape[:1] + (1,) * (rank - a.ndim) + a.shape[1:]) for a in arrays]


def reference_gradients(
    cell: Cell,
    parameters: Arrays,
    inputs: Arrays,
    state: Arrays,
    *,
    d_outputs: Any,
    d_state: Arrays,
    eager: bool = False,
) -> ReferenceGradients:
    """The run and all gradients of sum(d_outputs * outputs) + sum(d_state * final state).

    By JAX's autodiff, or by central differences where JAX is not installed. Shapes are as in
    `reference_run`; `d_outputs` is (T, B, ...) and `d_state` (B, ...) by name, zero where absent. `eager` is
    that of `jax_library`.
    """
    gradients = partial(autodiff_gradients, eager=eager) if jax_is_installed() else difference_gradients
    return gradients(cell, parameters, inputs, state, d_outputs=d_outputs, d_state=d_state)


def autodiff_gradients(
    cell: Cell,
    parameters: Arrays,
    inputs: Arrays,
    state: Arrays,
    *,
    d_outputs: Any,
    d_state: Arrays,
    eager: bool = False,
) -> ReferenceGradients:
    """`reference_gradients` by JAX's autodiff, float64."""
    with double_precision():
        import jax

        sizes = bind_sizes(cell, {**parameters, **inputs, **state})
        interpreter = _Interpreter(cell, jax_library(eager), sizes.items())
        first = _full_state(cell, inputs, state, sizes)
        adjoints = {name: np.zeros(array.shape) for name, array in first.items()} | _doubles(d_state)

        def run(*arrays: Any) -> tuple[Any, Any]:
            result = interpreter.run(*arrays)
            return result.outputs, result.state

        def differentiated(arguments: tuple[Any, ...], adjoints: tuple[Any, Any]) -> tuple[Any, Any]:
            results, pull = jax.vjp(run, *arguments)
            return results, pull(adjoints)

        # One program to compile, instead of one for every operation outside the loop over time.
        evaluated = uncompiled(differentiated) if eager else jax.jit(differentiated)
        (outputs, last), gradients = evaluated(
            (_doubles(parameters), _doubles(inputs), first), (np.asarray(d_outputs, np.float64), adjoints)
        )
        d_parameters, d_inputs, d_first = (_doubles(group) for group in gradients)
        d_parameters |= _zeros_for_constants(cell, d_parameters)
        d_inputs = {name: array for name, array in d_inputs.items() if name not in indices_of(cell)}
        return ReferenceGradients(
            np.asarray(outputs), _doubles(last), d_parameters, d_inputs, d_first, AUTODIFF
        )


def difference_gradients(
    cell: Cell, parameters: Arrays, inputs: Arrays, state: Arrays, *, d_outputs: Any, d_state: Arrays
) -> ReferenceGradients:
    """`reference_gradients` by central differences, element by element, float64.

    The step is eps^(1/3), about 6e-6: the error of a difference is of the order of 1e-9 of the largest
    terms of the sum, so a comparison can hold 1e-6 and no more. At a kink (relu at 0) the answer is the
    mean of the two slopes, which is not the declaration's rule: keep away from ties.
    """
    sizes = bind_sizes(cell, {**parameters, **inputs, **state})
    groups = (_doubles(parameters), _doubles(inputs), _full_state(cell, inputs, state, sizes))
    stops = HeldValues()
    interpreter = _Interpreter(cell, numpy_library(stops), sizes.items())
    base = interpreter.run(*groups)
    weights = {"": np.asarray(d_outputs, np.float64)} | _doubles(d_state)

    def run() -> dict[str, Any]:
        stops.rewind()
        result = interpreter.run(*groups)
        return {"": result.outputs} | result.state

    d_parameters, d_inputs, d_first = (
        {name: slopes(array, run, weights) for name, array in group.items() if name not in indices_of(cell)}
        for group in groups
    )
    d_parameters |= _zeros_for_constants(cell, d_parameters)
    return ReferenceGradients(
        base.outputs, _doubles(base.state), d_parameters, d_inputs, d_first, DIFFERENCES
    )


def indices_of(cell: Cell) -> set[str]:
    """The names of the inputs that are classes: whole numbers, without a gradient."""
    return {quantity.name for quantity in cell.inputs if isinstance(quantity, Index)}


def _doubles(arrays: Arrays) -> dict[str, NDArray[np.float64]]:
    return {name: np.array(array, dtype=np.float64) for name, array in arrays.items()}


def _zeros_for_constants(cell: Cell, arrays: Arrays) -> dict[str, NDArray[np.float64]]:
    return {q.name: np.zeros_like(arrays[q.name]) for q in cell.constants}


def _full_state(
    cell: Cell, inputs: Arrays, state: Arrays, sizes: Mapping[Axis, int]
) -> dict[str, NDArray[np.float64]]:
    batch = np.shape(inputs[cell.inputs[0].name])[1]
    zeros = {q.name: np.zeros((batch, *numeric_shape(q.shape, sizes))) for q in cell.states}
    return zeros | _doubles(state)


def numeric_size(size: Expr, sizes: Mapping[Axis, int]) -> int:
    """The number that `size` is."""
    return int(size.subs(sizes))


def numeric_shape(shape: Shape, sizes: Mapping[Axis, int]) -> tuple[int, ...]:
    """The numbers that `shape` is made of."""
    return tuple(numeric_size(size, sizes) for size in shape)


def bind_sizes(cell: Cell, arrays: Arrays) -> dict[Axis, int]:
    """The number of every axis of `cell`, read off the shapes of `arrays`.

    Raises:
        RequestError: two arrays disagree, or an axis is in no shape.

    """
    leading: dict[Quantity, int] = dict.fromkeys(cell.inputs, 2) | dict.fromkeys(cell.states, 1)
    found: dict[Axis, int] = {}
    pairs = [
        (quantity, size, length)
        for quantity in (*cell.inputs, *cell.states, *cell.parameters, *cell.constants)
        if quantity.name in arrays
        for size, length in zip(
            quantity.shape, np.shape(arrays[quantity.name])[leading.get(quantity, 0) :], strict=True
        )
    ]
    for _ in cell.axes:  # every pass settles one more axis of a sum such as m + n
        for quantity, size, length in pairs:
            rest = size.subs(found)
            unknown = sorted(rest.free_symbols, key=str)
            if not unknown and int(rest) != length:
                raise RequestError(
                    f"The array {quantity} of cell {cell.name!r} has a length {length} where its shape "
                    f"{shape_text(quantity.shape)} means {int(rest)}. Give arrays of one set of sizes."
                )
            if len(unknown) == 1:
                found[unknown[0]] = (length - int(rest.subs(unknown[0], 0))) // int(rest.coeff(unknown[0]))
    missing = [str(axis) for axis in cell.axes if axis not in found]
    if missing:
        raise RequestError(
            f"The shapes of the arrays of cell {cell.name!r} do not tell the size of {', '.join(missing)}. "
            "Every axis is needed in the shape of an input, a state or a parameter."
        )
    return found
