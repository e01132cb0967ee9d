"""Random elements to run a cell on: small ragged sizes, three steps, two samples."""

from collections.abc import Mapping
from dataclasses import dataclass

from symrnn.declaration.cell import Cell
from symrnn.declaration.quantities import Index, Quantity
from symrnn.validation.equations import Evaluator
from symrnn.validation.prime import PRIME, Draws, Residues

LENGTHS = (4, 3, 5, 2, 6, 7)
"""Sizes of a cell's axes, in turn: all different, so that a transposed operand shows."""

STEPS, SAMPLES = 3, 2


@dataclass(frozen=True, slots=True)
class Problem:
    """What a cell is run on, by quantity, and a direction in which all of it moves.

    Inputs and `d_outputs` are (T, B, ...), states and `d_states` (B, ...); indices are whole numbers and do
    not move.
    """

    cell: Cell
    sizes: Mapping[str, int]
    evaluator: Evaluator
    given: dict[Quantity, Residues]
    direction: dict[Quantity, Residues]
    d_outputs: Residues
    d_states: dict[Quantity, Residues]


def draw(cell: Cell, seed: int) -> Problem:
    """A random problem; equal seeds give equal ones."""
    rng = Draws(seed, 20261129)
    sizes = {axis.name: LENGTHS[i % len(LENGTHS)] for i, axis in enumerate(cell.axes)}

    def array(*shape: int) -> Residues:
        return rng.integers(1, PRIME, shape)

    evaluator = Evaluator(sizes)
    given: dict[Quantity, Residues] = {}
    direction: dict[Quantity, Residues] = {}
    for quantity in cell.given:
        lead = (STEPS, SAMPLES) if quantity in cell.inputs else (SAMPLES,) if quantity in cell.states else ()
        shape = (*lead, *evaluator.shape(quantity.shape))
        if isinstance(quantity, Index):
            given[quantity] = rng.integers(0, evaluator.size(quantity.classes), shape)
            continue
        given[quantity] = array(*shape)
        if quantity not in cell.constants:
            direction[quantity] = array(*shape)
    output = evaluator.shape(cell.output_shape)
    d_states = {state: array(SAMPLES, *evaluator.shape(state.shape)) for state in cell.states}
    return Problem(cell, sizes, evaluator, given, direction, array(STEPS, SAMPLES, *output), d_states)
