"""The meaning of a plan: a slow, plain NumPy interpreter.

It computes with whatever kind of number it is given: with floats, on which every pass is tested by
interpreting the plan before and after it, or with elements of a prime field, on which every plan that is made
is proved.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sympy import Add, And, Eq, Expr, Ge, Gt, Le, Lt, Mul, Ne, Not, Or, Pow, Symbol
from sympy.logic.boolalg import BooleanAtom

from symrnn.declaration.axes import Axis, axes_of
from symrnn.declaration.operations import Operation, PointwiseFunction, where
from symrnn.errors import PlanError
from symrnn.planning.ir import (
    Block,
    Buffer,
    Contraction,
    Fill,
    Gather,
    Largest,
    Pass,
    Pointwise,
    Scatter,
    Stack,
    Statement,
)
from symrnn.planning.plan import Plan

Array = NDArray[np.float64]
Sizes = Mapping[str, int]

MEANINGS: dict[type, Callable[[list[Any]], Any]] = {
    Add: partial(reduce, operator.add),
    Mul: partial(reduce, operator.mul),
    Pow: lambda args: args[0] ** args[1],
    where: lambda args: np.where(*args),
    And: partial(reduce, np.logical_and),
    Or: partial(reduce, np.logical_or),
    Not: lambda args: np.logical_not(*args),
    Gt: lambda args: np.greater(*args),
    Lt: lambda args: np.less(*args),
    Ge: lambda args: np.greater_equal(*args),
    Le: lambda args: np.less_equal(*args),
    Eq: lambda args: np.equal(*args),
    Ne: lambda args: np.not_equal(*args),
}
"""What algebra, choices and conditions make of arrays; operands of sums and products from left to right."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A kind of number: how arrays of it are made. All else NumPy's functions know how to do.

    `array` makes one of given numbers or truth values, `unwritten` the memory of a shape that nothing has
    written yet, `number` one number of an expression that holds none but numbers and axes, whose lengths it
    gets by name, `function` a function of the vocabulary on arrays.
    """

    array: Callable[[Any], Array]
    unwritten: Callable[[tuple[int, ...]], Array]
    number: Callable[[Expr, Mapping[str, int]], Any]
    function: Callable[[type[PointwiseFunction]], Callable[..., Array]]


DOUBLES = Numbers(
    array=lambda given: np.asarray(given, dtype=float),
    unwritten=lambda shape: np.full(shape, np.nan),  # reading before writing shows
    number=lambda expr, sizes: float(expr.xreplace({axis: sizes[axis.name] for axis in expr.atoms(Axis)})),
    function=lambda function: function.facts.value,
)

Watcher: TypeAlias = Callable[[Block, int | None, Callable[[str], Array]], None]
"""Told of every block once it is done: the block, the step (None outside loops), and a look at any array."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a plan computes: outputs (T, B, ...), final states, gradients by quantity name."""

    outputs: Array
    final_states: tuple[Array, ...]
    gradients: Mapping[str, Array]
    state_gradients: tuple[Array, ...]


def interpret(
    plan: Plan,
    arrays: Mapping[str, Array],
    states: tuple[Array, ...],
    d_outputs: Array,
    d_states: tuple[Array, ...],
    *,
    numbers: Numbers = DOUBLES,
    watch: Watcher | None = None,
) -> Result:
    """Run a plan, in float64 unless `numbers` are others.

    `arrays` holds inputs (T, B, ...), parameters and constants by name; `states` the initial states
    (B, ...), `d_outputs` (T, B, ...) and `d_states` (B, ...) the cotangents of outputs and final states.
    """
    machine = _Machine(plan, arrays, numbers, watch)
    with np.errstate(all="ignore"):
        return machine.run(states, d_outputs, d_states)


class _Machine:
    def __init__(
        self, plan: Plan, arrays: Mapping[str, Array], numbers: Numbers, watch: Watcher | None
    ) -> None:
        self.plan = plan
        self.numbers = numbers
        self.watch = watch
        self.table = plan.table()
        self.memory: dict[str, Array] = {
            name: numbers.array(arrays[name]) for name in (*plan.inputs, *plan.parameters, *plan.constants)
        }
        first = self.memory[plan.inputs[0]]
        self.sizes: dict[str, int] = {"T": first.shape[0], "B": first.shape[1]}
        self.t: int | None = None
        self.fixed: dict[Expr, Array | None] = {}
        self.lengths: dict[Expr, int] = {}

    def solve_sizes(self) -> None:
        """Work out every axis from a length that leaves only it open."""
        plan = self.plan
        names = [*plan.inputs, *plan.parameters, *plan.constants]
        names += [carry.initial for carry in plan.forward.loop.carries]
        lengths = [
            (size, length)
            for name in names
            for size, length in zip(
                self.table[name].shape, self.memory[name].shape[len(self.table[name].lead) :], strict=True
            )
        ]
        for _ in plan.axes:  # each round settles one more axis of a sum such as m + n
            for size, length in lengths:
                rest = size.subs({axis: self.sizes.get(axis.name, axis) for axis in axes_of((size,))})
                for axis in axes_of((rest,)):
                    if rest.free_symbols == {axis}:
                        remaining = length - int(rest.subs(axis, 0))
                        self.sizes[axis.name] = remaining // int(rest.coeff(axis))

    def size(self, size: Expr) -> int:
        if size not in self.lengths:
            axes = {axis: self.sizes[axis.name] for axis in axes_of((size,))}
            self.lengths[size] = int(size.xreplace(axes))
        return self.lengths[size]

    def run(self, states: tuple[Array, ...], d_outputs: Array, d_states: tuple[Array, ...]) -> Result:
        plan = self.plan
        for carry, state in zip(plan.forward.loop.carries, states, strict=True):
            self.memory[carry.initial] = self.numbers.array(state)
        self.solve_sizes()
        self.blocks(plan.prepare)
        final_states = self.pass_over_time(plan.forward)
        outputs = self.array(plan.output).copy()
        self.forget()
        self.memory[plan.output_cotangent] = self.numbers.array(d_outputs)
        for carry, d_state in zip(plan.backward.loop.carries, d_states, strict=True):
            self.memory[carry.initial] = self.numbers.array(d_state)
        state_gradients = self.pass_over_time(plan.backward)
        self.blocks(plan.finish)
        gradients = {name: self.array(gradient).copy() for name, gradient in plan.gradients}
        return Result(outputs, final_states, gradients, state_gradients)

    def forget(self) -> None:
        """Lose what the forward pass does not save, once the plan says what that is."""
        saved = {self.plan.root(name).name for name, _ in self.plan.saved}
        if saved:
            kept = {b.name for b in self.plan.buffers if b.kind != "value" or b.name in saved}
            self.memory = {name: array for name, array in self.memory.items() if name in kept}

    def pass_over_time(self, through: Pass) -> tuple[Array, ...]:
        self.blocks(through.before)
        steps = range(self.sizes["T"])
        carried = [self.memory[carry.initial].copy() for carry in through.loop.carries]
        for step in reversed(steps) if through.loop.backwards else steps:
            self.t = step
            for carry, value in zip(through.loop.carries, carried, strict=True):
                self.array(carry.here)[...] = value
            self.blocks(through.loop.blocks)
            carried = [self.array(carry.there).copy() for carry in through.loop.carries]
        self.t = None
        self.blocks(through.after)
        return tuple(carried)

    def blocks(self, blocks: tuple[Block, ...]) -> None:
        for block in blocks:
            for statement in block.statements:
                self.execute(statement)
            if self.watch is not None:
                self.watch(block, self.t, self.array)

    def array(self, name: str) -> Array:
        """The array `name` as a view; inside a loop its slice at t."""
        buffer = self.table[name]
        whole = self.whole(buffer)
        if "T" not in buffer.lead:
            return whole
        return whole[: self.sizes["T"]] if self.t is None else whole[self.t]

    def whole(self, buffer: Buffer) -> Array:
        window = buffer.window
        if window is None:
            return self.allocate(buffer)
        base = self.whole(self.table[window.base])
        if window.shift:
            base = base[window.shift :]
        if window.start is None:
            return base
        assert window.stop is not None
        index = [slice(None)] * base.ndim
        index[len(buffer.lead) + window.axis] = slice(self.size(window.start), self.size(window.stop))
        return base[tuple(index)]

    def allocate(self, buffer: Buffer) -> Array:
        if buffer.name not in self.memory:
            shape = [self.sizes[axis] for axis in buffer.lead]
            if buffer.extended:
                shape[0] += 1
            shape += [self.size(size) for size in buffer.shape]
            self.memory[buffer.name] = self.numbers.unwritten(tuple(shape))
        return self.memory[buffer.name]

    def execute(self, statement: Statement) -> None:
        meaning = STATEMENTS.get(type(statement))
        if meaning is None:
            raise PlanError(f"The interpreter does not know {type(statement).__name__}.")
        out, value = self.array(statement.out), meaning(self, statement)
        out[...] = out + value if statement.update else value

    def stacked(self, s: Stack) -> Array:
        lead = self.array(s.out).ndim - len(self.table[s.out].shape)
        return np.concatenate([self.array(part) for part in s.parts], axis=lead)

    def filled(self, s: Fill) -> Array:
        shape = self.array(s.out).shape
        return self.numbers.array(
            np.eye(shape[0]) if s.what == "identity" else np.full(shape, s.what == "ones")
        )

    def gathered(self, s: Gather) -> Array:
        operand, (index, at) = self.array(s.operand), self.places(s.index)
        return np.asanyarray(operand[at] if self.table[s.operand].lead else operand[index])

    def scattered(self, s: Scatter) -> Array:
        value, (index, at) = np.zeros_like(self.array(s.out)), self.places(s.index)
        np.add.at(value, at if self.table[s.out].lead else index, self.array(s.operand))
        return value

    def places(self, name: str) -> tuple[Any, Any]:
        """The numbers that an index holds, and the places in an array of samples that they are."""
        index = np.asarray(self.array(name)).astype(int)
        return index, (*np.indices(index.shape, sparse=True), index)

    def evaluate(self, expr: Expr, out: Buffer) -> NDArray[Any]:
        """The array, of numbers or truth values, that `expr` stands for, axes aligned to the result's."""
        if (fixed := self.number(expr)) is not None:
            return fixed
        if expr.is_Symbol:
            return self.broadcastable(self.table[expr.name], out)
        if isinstance(expr, BooleanAtom):
            return np.asarray(bool(expr))
        kind, args = type(expr), [self.evaluate(arg, out) for arg in expr.args]
        if kind in MEANINGS:
            return np.asanyarray(MEANINGS[kind](args))
        if not isinstance(expr, PointwiseFunction):
            raise PlanError(f"The interpreter does not know {kind.__name__}.")
        return np.asanyarray(self.numbers.function(kind)(*args))

    def number(self, expr: Expr) -> Array | None:
        """The number, perhaps made of axes, that `expr` is; None if it is none."""
        if expr not in self.fixed:
            numeric = isinstance(expr, Expr) and not expr.atoms(Symbol, Operation) - expr.atoms(Axis)
            number = self.numbers.number(expr, self.sizes) if numeric else None
            self.fixed[expr] = None if number is None else self.numbers.array(number)
        return self.fixed[expr]

    def broadcastable(self, buffer: Buffer, out: Buffer) -> Array:
        array = self.array(buffer.name)
        if not buffer.shape and buffer.lead:  # a scalar per sample goes with every axis of the result
            array = array.reshape(array.shape + (1,) * len(out.shape))
        return array


STATEMENTS: Mapping[type, Callable[[_Machine, Any], Any]] = {
    Contraction: lambda machine, s: np.einsum(s.spec, *map(machine.array, s.operands)),
    Pointwise: lambda machine, s: machine.evaluate(s.expr, machine.table[s.out]),
    Largest: lambda machine, s: np.max(machine.array(s.operand), axis=-1, initial=-np.inf),
    Stack: _Machine.stacked,
    Fill: _Machine.filled,
    Gather: _Machine.gathered,
    Scatter: _Machine.scattered,
}
"""What a statement of each kind writes into its array, or adds to it."""
