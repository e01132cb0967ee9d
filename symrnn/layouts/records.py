"""What a layout is: arrays as block matrices of pieces, of the same pieces that the cell's parameters have.

A piece is what one gate has of one kind: its weights on the input, for example. A framework's arrays and the
parameters of a cell are two arrangements of these, so that one record describes either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sympy import Integer

from symrnn.declaration.axes import Axis, Shape, Size, axes, ranges
from symrnn.declaration.cell import Cell

Arrays: TypeAlias = Mapping[str, np.ndarray[Any, Any]]
Shapes: TypeAlias = Mapping[str, Shape]
"""What a layer has in one direction: the shapes of its arrays by name."""
Sizes: TypeAlias = Mapping[Axis, Integer]

n, m, p = axes("n m p")  # input features, units, projected units

KINDS: dict[str, Shape] = {
    "W": (m, n),  # on the input
    "U": (m, m),  # on the state
    "V": (m, p),  # on a projected state
    "P": (p, m),  # the projection, which is of no gate
    "b": (Integer(1), m),
    "d": (Integer(1), m),  # the bias that stands with the state, where there are two
}
"""Rows and columns of pieces by kind; a vector is a row."""

BIASES = "bd"


class Place(NamedTuple):
    """A layer, counted from 0, and a direction of it."""

    layer: int
    reverse: bool

    def __str__(self) -> str:
        return f"l{self.layer}{'_reverse' * self.reverse}"


FIRST = Place(0, False)


class Piece(NamedTuple):
    """What a gate of the cell has of one kind; of sign -1 if the framework's gate is one minus the cell's."""

    kind: str
    gate: str
    sign: int = 1


class Span(NamedTuple):
    """Where a piece lies in the block matrix: from which row and column to which."""

    piece: Piece
    rows: tuple[Size, Size]
    columns: tuple[Size, Size]


@dataclass(frozen=True, slots=True)
class Array:
    """An array of a framework or a parameter of a cell: rows of pieces, or the transpose of that."""

    name: str
    pieces: tuple[tuple[Piece, ...], ...]
    transposed: bool = False

    @property
    def is_bias(self) -> bool:
        """Whether it holds biases alone."""
        return self.pieces[0][0].kind in BIASES

    @property
    def shape(self) -> Shape:
        """Its shape by the axes n, m and p; vectors in one row are a vector."""
        _, (_, height), (_, width) = spans(self)[-1]
        if self.is_bias and len(self.pieces) == 1:
            return (width,)
        return (width, height) if self.transposed else (height, width)


@cache
def spans(array: Array) -> tuple[Span, ...]:
    """Where the pieces of an array lie, before it is transposed."""
    return tuple(_spans(array))


def _spans(array: Array) -> Iterator[Span]:
    heights = ranges(KINDS[row[0].kind][0] for row in array.pieces)
    for row, rows in zip(array.pieces, heights, strict=True):
        for piece, columns in zip(row, ranges(KINDS[piece.kind][1] for piece in row), strict=True):
            yield Span(piece, rows, columns)


def shapes_of(arrays: Iterable[Array]) -> Shapes:
    """The shapes of arrays by name."""
    return {array.name: array.shape for array in arrays}


def addends(
    piece: Piece, source: Mapping[tuple[str, str], Any], target: Iterable[tuple[str, str]]
) -> list[Any]:
    """Of what a source has by kind and gate, that whose sum is a piece of a target; where it is none, zero.

    Where the target has one bias per gate and the source two, that is both; where the target has two and the
    source one, that is the first, and the second is zero.
    """
    kinds = BIASES if piece.kind == "b" and ("d", piece.gate) not in target else piece.kind
    return [source[kind, piece.gate] for kind in kinds if (kind, piece.gate) in source]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a framework keeps the weights of one of its layers, and which shipped cell that layer is.

    `gates` names the framework's gates in the order in which they stand and what the cell calls each, as in
    "z=-u r=r h=c"; a minus is a gate that is one minus the cell's, and so has weights of the other sign.
    """

    name: str
    cell: str
    gates: str
    arrays: tuple[Array, ...]

    @property
    def framework(self) -> str:
        """The name of the framework."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The parameters of a cell, for each layer and direction.

    `layers` has a dictionary of arrays by the parameters' names, in the cell's order, under "l0" for the
    first layer, "l0_reverse" for its other direction, "l1" for the next. `notes` say what was done to them,
    `origins` what each parameter of the first layer is in the arrays that were read, as NumPy says it.
    """

    cell: Cell = field(repr=False)
    layers: Mapping[str, Arrays] = field(repr=False)
    notes: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
