"""Weights of a framework's layer as parameters of a shipped cell, and back, by one record for both ways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
from sympy import Integer

from symrnn import zoo
from symrnn.declaration.axes import LARGEST_SIZE, Axis
from symrnn.declaration.cell import Cell
from symrnn.errors import RequestError, shown
from symrnn.layouts.fitting import Fit, fit, listed
from symrnn.layouts.frameworks import LAYOUTS, OWN, OWN_PACKING, PACKINGS
from symrnn.layouts.packing import Packing, numbers, place_named
from symrnn.layouts.records import (
    FIRST,
    Array,
    Arrays,
    Layout,
    Piece,
    Place,
    Sizes,
    Weights,
    addends,
    shapes_of,
    spans,
)
from symrnn.layouts.sources import arrays_of, as_array
from symrnn.layouts.wording import notes, origins

SIZES = {"n": LARGEST_SIZE, "m": LARGEST_SIZE, "layers": 1000, "directions": 2}
"""What can be asked for, up to which number."""
PARAMETERS = "Give each parameter of the cell by its name, for every layer and direction."


@dataclass(frozen=True, slots=True)
class _Taken:
    """How a framework's arrays fit a layout, which has no biases if the layer is without."""

    layout: Layout
    places: tuple[Place, ...]
    arrays: Arrays
    fit: Fit


def read(
    source: object,
    layout: str,
    cell: str | None = None,
    *,
    prefix: str = "",
    sizes: Mapping[str, int] | None = None,
) -> Weights:
    """The weights of a layer of another framework, as parameters of the shipped cell that it is.

    Args:
        source: a mapping of arrays or tensors by name (it may be nested), a list of the arrays of one layer,
            an array that holds all, or the path of a safetensors file.
        layout: one of `LAYOUTS`, such as "torch.GRU"; or a framework alone, such as "torch", for the layout
            that fits.
        cell: the shipped cell that the layer is, to choose by among a framework's layouts.
        prefix: only entries whose names begin so are read, as in "encoder.rnn.".
        sizes: what one vector of all weights (cuDNN) does not tell: n, m, layers, directions.

    Raises:
        RequestError: there is no such layout, or the source does not fit it; the message names what is
            missing, surplus or misshapen, and the layouts that fit.

    """
    choices = _choices(layout, cell)
    packing = PACKINGS[choices[0].framework]
    asked = _asked_sizes(sizes, packing)
    names = [*packing.wholes(shapes_of(choices[0].arrays), (FIRST,))]
    arrays = arrays_of(source, names, prefix)
    tries = [_taken(one, arrays, asked) for one in choices]
    fitting = [one for one in tries if not one.fit.faults]
    if len(fitting) > 1:
        told = ", ".join(f"{one.layout.name} ({one.layout.cell})" for one in fitting)
        raise RequestError(f"These weights fit several layouts: {told}. Name one, or the cell.")
    if not fitting:
        raise RequestError(_told(tries, layout))
    return _imported(fitting[0])


def _imported(taken: _Taken) -> Weights:
    """The parameters that a layout's arrays hold."""
    layout, sizes = taken.layout, taken.fit.sizes
    packing, cell, shapes = PACKINGS[layout.framework], zoo.cell(layout.cell), shapes_of(layout.arrays)
    own = {array.name: array for array in OWN[layout.cell]}
    dtype = next(iter(taken.arrays.values())).dtype
    layers = {}
    for place, stored in packing.slots(shapes, taken.places, sizes, taken.arrays).items():
        known = packing.sizes_at(shapes, place, taken.places, sizes)
        parameters = {q.name: np.empty(numbers(own[q.name].shape, known), dtype) for q in cell.parameters}
        _move(_views(layout.arrays, stored, known), _views(own.values(), parameters, known))
        layers[str(place)] = parameters
    return Weights(cell, layers, notes(layout, taken.places), origins(layout))


Views: TypeAlias = Mapping[tuple[str, str], tuple[Piece, np.ndarray[Any, Any]]]
"""Views of pieces by kind and gate."""


def _views(arrays: Iterable[Array], stored: Arrays, sizes: Sizes) -> Views:
    """The pieces of arrays as matrices that are views of these; a vector is a row."""
    made = {}
    for array in arrays:
        block = stored[array.name].T if array.transposed else np.atleast_2d(stored[array.name])
        for piece, rows, columns in spans(array):
            (top, bottom), (left, right) = numbers(rows, sizes), numbers(columns, sizes)
            made[piece.kind, piece.gate] = piece, block[top:bottom, left:right]
    return made


def _move(source: Views, target: Views) -> None:
    """Fill all pieces of the target; what is added to zero keeps its bits, minus zero included."""
    for piece, place in target.values():
        place[...] = 0
        parts = [part if piece.sign == of.sign else -part for of, part in addends(piece, source, target)]
        for part in parts:
            place[...] = part if part is parts[0] else np.where(part == 0, place, place + part)


def write(layers: object, layout: str, cell: str | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that a layer of another framework takes, by name, in its order.

    `layers` are `Weights`, the parameters of one layer (a mapping, or a kernel's `Parameters`), or a mapping
    of these by place: "l0", "l0_reverse", "l1". `layout` and `cell` are as for `read`; `Weights` know their
    cell.

    Raises:
        RequestError: there is no such layout, it is of another cell, or the parameters do not fit the cell.

    """
    if isinstance(layers, Weights):
        _require_cell(layers, layout, cell)
        cell = layers.cell.name
    (chosen, *others) = _choices(layout, cell)
    if others:
        told = ", ".join(f"{one.name} ({one.cell})" for one in (chosen, *others))
        raise RequestError(f"{layout} has several layouts: {told}. Name one, or the cell.")
    return _written(placed(layers), chosen)


def _written(layers: Mapping[Place, Arrays], layout: Layout) -> dict[str, np.ndarray[Any, Any]]:
    packing, own, shapes = PACKINGS[layout.framework], OWN[layout.cell], shapes_of(layout.arrays)
    given, fact = named(layers), f"These are no parameters of {layout.cell}."
    places, sizes = fitted(zoo.cell(layout.cell), given, fact, stacks=packing.stacks)
    dtype = next(iter(given.values())).dtype
    wholes = packing.wholes(shapes, places)
    made = {key: np.zeros(numbers(shape, sizes), dtype) for key, shape in wholes.items()}
    for place, stored in packing.slots(shapes, places, sizes, made).items():
        known = packing.sizes_at(shapes, place, places, sizes)
        _move(_views(own, layers[place], known), _views(layout.arrays, stored, known))
    return made


def fitted(cell: Cell, arrays: Arrays, fact: str, *, stacks: bool = False) -> tuple[tuple[Place, ...], Sizes]:
    """The places and the sizes that parameters of a cell have, by the names that `named` gives.

    Raises:
        RequestError: they do not fit the cell; the message begins with `fact`.

    """
    packing = replace(OWN_PACKING, stacks=stacks)
    shapes = {parameter.name: parameter.shape for parameter in cell.parameters}
    places = packing.places(shapes, arrays, {})
    found = fit(packing.wholes(shapes, places), arrays)
    if found.faults:
        raise RequestError(f"{fact} {' '.join(found.faults)} {PARAMETERS}")
    return places, found.sizes


def placed(layers: object) -> dict[Place, Arrays]:
    """The parameters of every place, of what `write` and `save` take.

    Raises:
        RequestError: these are none.

    """
    if isinstance(layers, Weights):
        layers = layers.layers
    if hasattr(layers, "_asdict"):
        layers = layers._asdict()
    if not isinstance(layers, Mapping) or not layers:
        raise RequestError(f"{shown(layers)} has no parameters. {PARAMETERS}")
    places = {name: place_named(name) for name in layers}
    if None in places.values():
        return {FIRST: _parameters(layers)}
    return {place: _parameters(layers[name]) for name, place in places.items() if place}


def _parameters(layer: Any) -> Arrays:
    layer = layer._asdict() if hasattr(layer, "_asdict") else layer
    if not isinstance(layer, Mapping):
        raise RequestError(f"{shown(layer)} has no parameters. {PARAMETERS}")
    return {str(name): as_array(value, str(name)) for name, value in layer.items()}


def named(layers: Mapping[Place, Arrays]) -> dict[str, np.ndarray[Any, Any]]:
    """All parameters by the equations' names, with their places if there are several."""
    places = [*layers] if [*layers] == [FIRST] else [FIRST, *layers]
    return {
        OWN_PACKING.name(name, place, places): array
        for place, arrays in layers.items()
        for name, array in arrays.items()
    }


def _taken(layout: Layout, arrays: Arrays, asked: Mapping[str, int]) -> _Taken:
    """How arrays fit a layout; if there is no bias at all, they fit that without biases."""
    packing = PACKINGS[layout.framework]
    places = packing.places(shapes_of(layout.arrays), arrays, asked)
    biases = shapes_of(array for array in layout.arrays if array.is_bias)
    if not packing.wholes(biases, places).keys() & arrays.keys():
        layout = replace(layout, arrays=tuple(array for array in layout.arrays if not array.is_bias))
    known = {Axis(axis): Integer(asked[axis]) for axis in ("n", "m") if axis in asked}
    return _Taken(
        layout, places, arrays, fit(packing.wholes(shapes_of(layout.arrays), places), arrays, known)
    )


def _choices(name: object, cell: object) -> list[Layout]:
    """The layouts of a name, or of a framework and a cell."""
    if isinstance(name, str) and name in LAYOUTS:
        found = [LAYOUTS[name]]
    elif isinstance(name, str) and name in PACKINGS:
        found = [layout for layout in LAYOUTS.values() if layout.framework == name]
    else:
        names = [*PACKINGS, *LAYOUTS]
        near = get_close_matches(str(name), names, 3, 0.5)
        told = f"Do you mean {' or '.join(near)}?" if near else f"Choose one of {', '.join(names)}."
        raise RequestError(f"There is no layout {shown(name)}. {told}")
    chosen = [layout for layout in found if cell in (None, layout.cell)]
    if not chosen:
        near = get_close_matches(str(cell), [layout.cell for layout in found], 1, 0.3)
        told = ", ".join(f"{layout.cell} ({layout.name})" for layout in found)
        raise RequestError(
            f"{name} has no layout of a cell {shown(cell)}. {f'Do you mean {near[0]}? ' if near else ''}"
            f"Choose one of {told}."
        )
    return chosen


def _require_cell(weights: Weights, name: object, cell: object) -> None:
    """Raise unless a layout, and a cell that is asked for, are of the cell of these weights."""
    own = weights.cell.name
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    known = own in OWN and weights.cell == zoo.cell(own)
    if known and cell in (None, own) and (layout is None or layout.cell == own):
        return
    others = [one.name for one in LAYOUTS.values() if known and one.cell == own]
    told = f"Choose one of {', '.join(others)}." if others else "Use save() to write them to a file."
    asked = f"{name} is {layout.cell}" if layout and layout.cell != own else f"{shown(cell)} is asked for"
    raise RequestError(f"These are weights of {own}, and {asked if known else 'no layout is of it'}. {told}")


def parse_sizes_of_layers(texts: Iterable[str]) -> dict[str, int]:
    """The sizes that texts such as "n=3" name.

    Raises:
        RequestError: one is written otherwise.

    """
    made = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in SIZES or not number.isdecimal() or not number.isascii():
            raise RequestError(
                f"{text!r} is no size. Write --size NAME=NUMBER, with one of {', '.join(SIZES)}, as in n=3."
            )
        made[name] = int(number)
    return made


def _asked_sizes(sizes: object, packing: Packing) -> Mapping[str, int]:
    """Sizes, of one vector alone: all else tells its own."""
    if sizes is None or sizes == {}:
        return {}
    if not isinstance(sizes, Mapping) or not all(
        isinstance(size, int | np.integer) and 0 < size <= SIZES.get(name, 0) and size is not True
        for name, size in sizes.items()
    ):
        raise RequestError(
            f"sizes is {shown(sizes)}. Give a mapping of {', '.join(SIZES)} to positive whole numbers. "
            f"Give 1 or 2 directions, and at most {SIZES['layers']} layers."
        )
    if not packing.whole:
        raise RequestError(
            f"sizes is {shown(sizes)}, and these arrays tell their sizes. Leave it (--size) out."
        )
    return {name: int(size) for name, size in sizes.items()}


def _told(tries: Sequence[_Taken], name: str) -> str:
    """What is wrong, and what would do."""
    nearest, arrays = min(tries, key=lambda one: one.fit.wrong), tries[0].arrays
    tried = [one.layout.name for one in tries]
    fact = nearest.layout.name if len(tries) == 1 else f"layer of {name}; {nearest.layout.name} is nearest"
    facts = f"These weights are no {fact}. {' '.join(nearest.fit.faults)}"
    apart = [one for one in LAYOUTS.values() if not PACKINGS[one.framework].whole]
    fits = [one.name for one in apart if one.name not in tried and not _taken(one, arrays, {}).fit.faults]
    if fits:
        return f"{facts} They fit {listed(fits)}. Name that, if it is meant."
    for one in [one for one in apart if one.name in tried]:
        first = next(iter(PACKINGS[one.framework].wholes(shapes_of(one.arrays), (FIRST,))))
        for prefix in [key.removesuffix(first) for key in arrays if key.endswith(first) and key != first]:
            below = {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
            if not _taken(one, below, {}).fit.faults:
                return f"{facts} Those that begin with {prefix!r} fit {one.name}. Give that as prefix."
    return f"{facts} Give all arrays of the layer, under the framework's names."
