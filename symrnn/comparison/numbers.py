"""Two cells run on the same random numbers: how far apart they come out. Evidence, never a proof."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sympy import Expr, S

from symrnn.comparison.forms import Form
from symrnn.comparison.pairing import Pairing
from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.derivation.numeric import Array, evaluate, evaluate_cell, size_value

STEPS = 6
SIZES = (3, 5, 4, 7, 2, 6)
SAMPLES = 20
ROUNDING = 1e-12
"""Differences of up to this part of the largest magnitude are rounding."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The largest difference of two cells' states and outputs on random input, and what it was measured on.

    `largest` is the largest magnitude among these states and outputs, for comparison. What
    is infinite or no number in one cell alone is an infinite difference; `finite` tells that none was met.
    """

    difference: float
    largest: float
    steps: int
    samples: int
    seed: int
    finite: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the difference is zero or no more than rounding."""
        return self.difference <= ROUNDING * self.largest

    def __str__(self) -> str:
        return (
            f"{self.difference:.2g}, with states and outputs up to {self.largest:.2g} "
            f"({self.samples} draws, {self.steps} steps, float64, seed {self.seed})"
        )


def measure(
    left: Form,
    right: Form,
    pairing: Pairing,
    choices: Mapping[Quantity, Expr],
    *,
    zero: tuple[Quantity, ...] = (),
    seed: int = 0,
) -> Evidence:
    """How far the right cell is from the left one with its parameters as `choices` give them.

    `choices` gives every parameter of the right cell (a divided matrix as its blocks) in the left cell's;
    those of the left in `zero` are zero, the others are drawn at random, as are inputs and first states.
    """
    rng = np.random.default_rng(seed)
    difference = largest = 0.0
    finite = True
    for _ in range(SAMPLES):
        mine = _Draw(left, rng, zero)
        theirs = mine.translated(right, pairing, choices)
        for one, other in zip(mine.run(), theirs, strict=True):
            both = np.stack(np.broadcast_arrays(one, other))
            known = np.isfinite(both).all(axis=0)
            difference = max(difference, _apart(both[0], both[1], known))
            finite = finite and bool(known.all())
            largest = max(largest, float(np.max(np.abs(both[:, known]), initial=0.0)))
    return Evidence(difference, largest, STEPS, SAMPLES, seed, finite)


def _apart(one: Array, other: Array, known: Array) -> float:
    """The largest difference of two arrays; where not both are finite (`known`) they must be the same."""
    if not np.array_equal(one[~known], other[~known], equal_nan=True):
        return float("inf")
    return float(np.max(np.abs(one[known] - other[known]), initial=0.0))


class _Draw:
    """Random numbers for a cell."""

    def __init__(self, form: Form, rng: np.random.Generator, zero: tuple[Quantity, ...]) -> None:
        cell = form.cell
        self.cell = cell
        self.sizes = {axis.name: SIZES[i % len(SIZES)] for i, axis in enumerate(cell.axes)}
        self.symbols = {
            q.name: np.zeros(self.shape(q.shape)) if q in zero else rng.standard_normal(self.shape(q.shape))
            for q in form.symbols
        }
        self.constants = {q.name: np.full(self.shape(q.shape), q.value) for q in cell.constants}
        self.parameters = assembled(form, self.symbols)
        self.inputs = [{q.name: self.input(q, rng) for q in cell.inputs} for _ in range(STEPS)]
        self.state = {q.name: rng.standard_normal(self.shape(q.shape)) for q in cell.states}

    def shape(self, shape: tuple[Expr, ...]) -> tuple[int, ...]:
        return tuple(size_value(size, self.sizes) for size in shape)

    def input(self, quantity: Quantity, rng: np.random.Generator) -> Array:
        if isinstance(quantity, Index):
            return np.asarray(rng.integers(0, size_value(quantity.classes, self.sizes)), np.float64)
        return rng.standard_normal(self.shape(quantity.shape))

    def run(self) -> list[Array]:
        """States and output of every step."""
        return run(self.cell, {**self.parameters, **self.constants}, self.inputs, self.state, self.sizes)

    def translated(self, right: Form, pairing: Pairing, choices: Mapping[Quantity, Expr]) -> list[Array]:
        """The same of the other cell, on the same numbers."""
        axes = {other: one for one, other in pairing.axes}
        sizes = {axis.name: self.sizes.get(str(axes.get(axis, axis)), SIZES[0]) for axis in right.cell.axes}
        known = {**self.symbols, **self.parameters, **self.constants}
        symbols = {}
        for symbol in right.symbols:
            shape = tuple(size_value(size, sizes) for size in symbol.shape)
            value = evaluate(choices.get(symbol, S.Zero), known, self.sizes)
            symbols[symbol.name] = np.broadcast_to(value, shape)
        constants = {
            q.name: np.full([size_value(size, sizes) for size in q.shape], q.value)
            for q in right.cell.constants
        }
        inputs = [{b.name: step[a.name] for a, b in pairing.inputs} for step in self.inputs]
        state = {b.name: self.state[a.name] for a, b in pairing.states}
        order = [b.name for a in self.cell.states for mine, b in pairing.states if mine == a]
        parameters = {**assembled(right, symbols), **constants}
        return run(right.cell, parameters, inputs, state, sizes, order)


def assembled(form: Form, symbols: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters of a cell, with matrices put together from their blocks."""
    made = {}
    for parameter in form.cell.parameters:
        blocks = form.blocks_of(parameter)
        made[parameter.name] = (
            np.concatenate([symbols[block.symbol.name] for block in blocks], axis=1)
            if blocks
            else symbols[parameter.name]
        )
    return made


def run(
    cell: Cell,
    parameters: Mapping[str, Array],
    inputs: list[dict[str, Array]],
    state: Mapping[str, Array],
    sizes: Mapping[str, int],
    order: list[str] | None = None,
) -> list[Array]:
    """States (in the given order) and output of every step."""
    made: list[Array] = []
    state = dict(state)
    for step in inputs:
        known = evaluate_cell(cell, {**parameters, **step, **state}, sizes)
        output = known[cell.output.name]
        state = {name: known[f"{name}.next"] for name in state}
        made += [*(state[name] for name in (order or state)), output]
    return made
