"""How a framework names the arrays of its layers and directions, and puts them together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from sympy import Expr, Integer

from symrnn.declaration.axes import Axis, Shape, axes_of
from symrnn.errors import RequestError
from symrnn.layouts.records import Place, m, n, p

Arrays = Mapping[str, np.ndarray[Any, Any]]
Shapes = Mapping[str, Shape]
"""What a layer has in one direction: the shapes of its arrays by name."""
Numbers = Mapping[Place, Mapping[str, tuple[int, ...]]]
"""The shapes of the arrays of all places."""

PLACE = r"l(?P<layer>\d{1,4})(?P<reverse>_reverse)?"


def place_named(name: str) -> Place | None:
    """The place of a name such as "l1_reverse"."""
    found = re.fullmatch(PLACE, name)
    return Place(int(found["layer"]), found["reverse"] is not None) if found else None


def all_places(found: Sequence[Place], most: int) -> tuple[Place, ...]:
    """All places of as many layers as were found, and of both directions if there is one that is reverse.

    What counts more layers than there are arrays is a name of something else.
    """
    counted = [place for place in found if place.layer < most]
    layers = 1 + max((place.layer for place in counted), default=0)
    directions = (False, True) if any(place.reverse for place in counted) else (False,)
    return tuple(Place(layer, reverse) for layer in range(layers) for reverse in directions)


def sizes_at(place: Place, places: Sequence[Place], shapes: Shapes, *, stacks: bool) -> dict[Expr, Expr]:
    """What the axes of a layer above the first are called.

    Where layers stack, it takes what the one below gives, in both directions.
    """
    if not place.layer:
        return {}
    axes = axes_of(tuple(size for shape in shapes.values() for size in shape))
    if stacks:
        return {n: (p if p in axes else m) * (1 + any(other.reverse for other in places))}
    return {axis: Axis(f"{axis}_l{place.layer}") for axis in axes}


@dataclass(frozen=True, slots=True)
class Named:
    """Every array is stored as it is, named by `placed`, or by `alone` where there is one place."""

    alone: str
    placed: str
    stacks: bool = False

    def name(self, array: str, place: object, *, alone: bool) -> str:
        """The name of an array of a place."""
        return (self.alone if alone else self.placed).format(array=array, place=place)

    def found(self, shapes: Shapes, given: Arrays) -> Iterator[Place]:
        """The places that names speak of."""
        for array in shapes:
            pattern = re.escape(self.placed.format(array=array, place="\0")).replace(re.escape("\0"), PLACE)
            for name in given:
                if match := re.fullmatch(pattern, name):
                    yield Place(int(match["layer"]), match["reverse"] is not None)

    def places(self, shapes: Shapes, given: Arrays, asked: Mapping[str, int]) -> tuple[Place, ...]:
        """The layers and directions that are given, or asked for."""
        return all_places([*self.found(shapes, given)], len(given))

    def wholes(self, shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
        """The shapes of what is stored, by its name."""
        made = {}
        for place in places:
            sizes = sizes_at(place, places, shapes, stacks=self.stacks)
            for array, shape in shapes.items():
                key = self.name(array, place, alone=len(places) == 1)
                made[key] = tuple(size.xreplace(sizes) for size in shape)
        return made

    def slots(self, numbers: Numbers, stored: Arrays) -> dict[Place, Arrays]:
        """The arrays of each place, as views into what is stored."""
        return {
            place: {array: stored[self.name(array, place, alone=len(numbers) == 1)] for array in shapes}
            for place, shapes in numbers.items()
        }


@dataclass(frozen=True, slots=True)
class Stacked(Named):
    """The directions of a layer lie in one array, along a first axis of their own."""

    def places(self, shapes: Shapes, given: Arrays, asked: Mapping[str, int]) -> tuple[Place, ...]:
        """The layers and directions that are given, or asked for."""
        found = [*self.found(shapes, given)]
        both = any(array.ndim and len(array) == 2 for array in given.values())
        return all_places([*found, Place(0, both)], max(1, len(given)))

    def wholes(self, shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
        """The shapes of what is stored, by its name."""
        forward = [place for place in places if not place.reverse]
        directions = Integer(len(places) // len(forward))
        return {key: (directions, *shape) for key, shape in Named.wholes(self, shapes, forward).items()}

    def slots(self, numbers: Numbers, stored: Arrays) -> dict[Place, Arrays]:
        """The arrays of each place, as views into what is stored."""
        alone = not any(place.layer for place in numbers)
        return {
            place: {
                array: stored[self.name(array, Place(place.layer, False), alone=alone)][int(place.reverse)]
                for array in shapes
            }
            for place, shapes in numbers.items()
        }


@dataclass(frozen=True, slots=True)
class Flat:
    """One vector of all: the matrices of each place in turn, row by row, then the biases of each."""

    whole: str
    placed: str
    stacks: bool = False

    def places(self, shapes: Shapes, given: Arrays, asked: Mapping[str, int]) -> tuple[Place, ...]:
        """The layers and directions that are given, or asked for."""
        layers, directions = asked.get("layers", 1), asked.get("directions", 1)
        if not {"n", "m"} <= asked.keys():
            raise RequestError(
                "One vector does not tell how it is cut. Give sizes, as in "
                "sizes={'n': 3, 'm': 4, 'layers': 1, 'directions': 1}, with n features and m units."
            )
        return tuple(Place(layer, reverse > 0) for layer in range(layers) for reverse in range(directions))

    def wholes(self, shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
        """The shapes of what is stored, by its name."""
        every = Named("{array}", self.placed, self.stacks).wholes(shapes, places)
        return {self.whole: (sum((prod(shape) for shape in every.values()), Integer(0)),)}

    def slots(self, numbers: Numbers, stored: Arrays) -> dict[Place, Arrays]:
        """The arrays of each place, as views into what is stored."""
        vector, begun = stored[self.whole], 0
        made: dict[Place, dict[str, Any]] = {place: {} for place in numbers}
        for dimensions in (2, 1):
            for place, shapes in numbers.items():
                for array, shape in shapes.items():
                    if len(shape) == dimensions:
                        ended = begun + prod(shape)
                        made[place][array] = vector[begun:ended].reshape(shape)
                        begun = ended
        return {**made}


Packing: TypeAlias = Named | Flat
