"""How a framework names the arrays of its layers and directions, and puts them together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
from sympy import Add, Integer

from symrnn.declaration.axes import Axis, Shape, Size, axes_of
from symrnn.errors import RequestError
from symrnn.layouts.records import Arrays, Place, Shapes, Sizes, m, n, p

PLACE = r"l(\d{1,4})(_reverse)?"


def place_named(name: object) -> Place | None:
    """The place of a name such as "l1_reverse"."""
    found = re.fullmatch(PLACE, name) if isinstance(name, str) else None
    return Place(int(found[1]), found[2] is not None) if found else None


def numbers(shape: Shape, sizes: Sizes) -> tuple[int, ...]:
    """A shape in numbers; sizes that are not known are 0, which no array has."""
    known = [size.xreplace(dict(sizes)) for size in shape]
    return tuple(int(size) if size.is_Integer else 0 for size in known)


@dataclass(frozen=True, slots=True)
class Packing:
    """Arrays are named by `placed`, or by `alone` where there is one place.

    Where layers stack, each takes what the one below gives, in both directions. Where directions are paired,
    they lie in one array, along a first axis of their own. Where there is a `whole`, one vector of that name
    is all: the matrices of each place in turn, row by row, then the biases of each.
    """

    alone: str
    placed: str
    stacks: bool = False
    paired: bool = False
    whole: str = ""

    def name(self, array: str, place: Place, places: Sequence[Place]) -> str:
        """The name of what holds an array of a place."""
        if self.paired:
            place, places = place._replace(reverse=False), [other for other in places if not other.reverse]
        return (self.alone if len(places) == 1 else self.placed).format(array=array, place=place)

    def places(self, shapes: Shapes, given: Arrays, asked: Mapping[str, int]) -> tuple[Place, ...]:
        """All places of as many layers as are given, or asked for, and of both directions if one is reverse.

        What counts more layers than there are arrays is a name of something else.
        """
        if self.whole:
            if not {"n", "m"} <= asked.keys():
                raise RequestError(
                    "One vector does not tell how it is cut. Give sizes, as in --size n=3 --size m=4 (sizes="
                    "{'n': 3, 'm': 4}), with n features, m units; layers and directions are 1 unless given."
                )
            layers, both = asked.get("layers", 1), asked.get("directions") == 2
        else:
            patterns = [re.escape(self.placed.format(array=name, place="@")) for name in shapes]
            matches = [
                re.fullmatch(text.replace("@", f"({PLACE})"), key) for text in patterns for key in given
            ]
            found = [place for match in matches if match and (place := place_named(match[1]))]
            found = [place for place in found if place.layer < len(given)]
            layers = 1 + max((place.layer for place in found), default=0)
            both = any(place.reverse for place in found)
            both |= self.paired and any(array.ndim and len(array) == 2 for array in given.values())
        return tuple(
            Place(layer, reverse) for layer in range(layers) for reverse in (False, True)[: 1 + both]
        )

    def wholes(self, shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
        """The shapes of what is stored, by its name."""
        each = self._each(shapes, places)
        return {self.whole: (Add(*(prod(shape) for shape in each.values())),)} if self.whole else each

    def _each(self, shapes: Shapes, places: Sequence[Place]) -> dict[str, Shape]:
        """The shapes of arrays by name, in one vector or not."""
        first = (Integer(1 + places[-1].reverse),) * self.paired
        return {
            self.name(array, place, places): (*first, *(size.xreplace(called) for size in shape))
            for place in places
            for called in [self._called(shapes, place, places)]
            for array, shape in shapes.items()
        }

    def _called(self, shapes: Shapes, place: Place, places: Sequence[Place]) -> dict[Axis, Size]:
        """What the axes of a layer above the first are called."""
        if not place.layer:
            return {}
        axes = axes_of(tuple(size for shape in shapes.values() for size in shape))
        if self.stacks:
            return {n: (p if p in axes else m) * (1 + places[-1].reverse)}
        return {axis: Axis(f"{axis}_l{place.layer}") for axis in axes}

    def sizes_at(self, shapes: Shapes, place: Place, places: Sequence[Place], sizes: Sizes) -> Sizes:
        """The sizes of the axes n, m and p at a place."""
        called = self._called(shapes, place, places)
        return {**sizes, **{axis: size.xreplace(dict(sizes)) for axis, size in called.items()}}

    def slots(
        self, shapes: Shapes, places: Sequence[Place], sizes: Sizes, stored: Arrays
    ) -> dict[Place, Arrays]:
        """The arrays of each place, as views into what is stored."""
        if self.whole:
            each = {key: numbers(shape, sizes) for key, shape in self._each(shapes, places).items()}
            order = sorted(each, key=lambda key: -len(each[key]))
            ends = [*accumulate(prod(each[key]) for key in order)]
            parts = np.split(stored[self.whole], ends[:-1])
            stored = {key: part.reshape(each[key]) for key, part in zip(order, parts, strict=True)}
        held = {
            place: {array: stored[self.name(array, place, places)] for array in shapes} for place in places
        }
        if not self.paired:
            return {**held}
        return {
            place: {name: array[int(place.reverse)] for name, array in arrays.items()}
            for place, arrays in held.items()
        }
