"""Weights of a framework's layer as parameters of a shipped cell, and back, by one record for both ways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from sympy import Integer

from symrnn import zoo
from symrnn.declaration.axes import Axis
from symrnn.errors import RequestError, shown
from symrnn.layouts.fitting import Fit, Sizes, fit, listed, numbers
from symrnn.layouts.frameworks import LAYOUTS, OWN, OWN_PACKING, PACKINGS
from symrnn.layouts.moving import move, views
from symrnn.layouts.packing import Arrays, Flat, Packing, Shapes, place_named, sizes_at
from symrnn.layouts.records import Array, Layout, Place, Weights
from symrnn.layouts.sources import arrays_of, as_array
from symrnn.layouts.wording import notes, origins

SIZES = ("n", "m", "layers", "directions")
MOST_LAYERS = 1000
FIRST = (Place(0, False),)


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
    asked = _asked_sizes(sizes)
    names = [*PACKINGS[choices[0].framework].wholes(_shapes(choices[0].arrays), FIRST)]
    arrays = arrays_of(source, names, prefix)
    tries = [_taken(one, arrays, asked) for one in choices]
    fitting = [one for one in tries if not one.fit.faults]
    if len(fitting) > 1:
        told = ", ".join(f"{one.layout.name} ({one.layout.cell})" for one in fitting)
        raise RequestError(f"These weights fit several layouts: {told}. Name one, or the cell.")
    if not fitting:
        nearest = min(tries, key=lambda one: len(one.fit.faults))
        raise RequestError(_told(nearest, arrays, choices))
    (taken,) = fitting
    return _imported(taken)


def _imported(taken: _Taken) -> Weights:
    """The parameters that a layout's arrays hold."""
    layout, sizes = taken.layout, taken.fit.sizes
    packing, made = PACKINGS[layout.framework], zoo.cell(layout.cell)
    own = {array.name: array for array in OWN[layout.cell]}
    parts = _slots(packing, layout.arrays, taken.places, sizes, taken.arrays)
    layers = {}
    for place, stored in parts.items():
        known = _known(packing, layout.arrays, taken.places, place, sizes)
        dtype = next(iter(taken.arrays.values())).dtype
        parameters = {q.name: np.empty(numbers(own[q.name].shape, known), dtype) for q in made.parameters}
        move(views(layout.arrays, stored, known), views(own.values(), parameters, known))
        layers[str(place)] = parameters
    return Weights(made, layers, notes(layout, taken.places), origins(layout))


def write(layers: object, layout: str, cell: str | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that a layer of another framework takes, by name, in its order.

    `layers` are `Weights`, the parameters of one layer (a mapping, or a kernel's `Parameters`), or a mapping
    of these by place: "l0", "l0_reverse", "l1". `layout` and `cell` are as for `read`; `Weights` know their
    cell.

    Raises:
        RequestError: there is no such layout, it is of another cell, or the parameters do not fit the cell.

    """
    if isinstance(layers, Weights):
        _require_cell(layers, layout)
        cell = layers.cell.name
    (chosen, *others) = _choices(layout, cell)
    if others:
        told = ", ".join(f"{one.name} ({one.cell})" for one in (chosen, *others))
        raise RequestError(f"{layout} has several layouts: {told}. Name one, or the cell.")
    return _written(placed(layers), chosen)


def _written(layers: Mapping[Place, Arrays], layout: Layout) -> dict[str, np.ndarray[Any, Any]]:
    packing, own = PACKINGS[layout.framework], OWN[layout.cell]
    packed = replace(OWN_PACKING, stacks=packing.stacks)
    given = named(layers)
    places = packed.places(_shapes(own), given, {})
    fitted = fit(packed.wholes(_shapes(own), places), given)
    if fitted.faults:
        raise RequestError(
            f"These are no parameters of {layout.cell}. {' '.join(fitted.faults)} {PARAMETERS}"
        )
    dtype = next(iter(given.values())).dtype
    wholes = packing.wholes(_shapes(layout.arrays), places)
    made = {key: np.zeros(numbers(shape, fitted.sizes), dtype) for key, shape in wholes.items()}
    for place, stored in _slots(packing, layout.arrays, places, fitted.sizes, made).items():
        known = _known(packing, layout.arrays, places, place, fitted.sizes)
        move(views(own, layers[place], known), views(layout.arrays, stored, known))
    return made


PARAMETERS = "Give each parameter of the cell by its name, for every layer and direction."


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
    places = {name: place_named(name) if isinstance(name, str) else None for name in layers}
    if None in places.values():
        return {FIRST[0]: _parameters(layers)}
    return {place: _parameters(layers[name]) for name, place in places.items() if place}


def _parameters(layer: Any) -> Arrays:
    layer = layer._asdict() if hasattr(layer, "_asdict") else layer
    if not isinstance(layer, Mapping):
        raise RequestError(f"{shown(layer)} has no parameters. {PARAMETERS}")
    return {str(name): as_array(value, str(name)) for name, value in layer.items()}


def named(layers: Mapping[Place, Arrays]) -> dict[str, np.ndarray[Any, Any]]:
    """All parameters by the equations' names, with their places if there are several."""
    alone = tuple(layers) == FIRST
    return {
        OWN_PACKING.name(name, place, alone=alone): array
        for place, arrays in layers.items()
        for name, array in arrays.items()
    }


def _shapes(arrays: Iterable[Array]) -> Shapes:
    return {array.name: array.shape for array in arrays}


def _known(
    packing: Packing, arrays: Sequence[Array], places: Sequence[Place], place: Place, sizes: Sizes
) -> Sizes:
    """The sizes of the axes n, m and p at a place."""
    called = sizes_at(place, places, _shapes(arrays), stacks=packing.stacks)
    return {**sizes, **{axis: size.xreplace(dict(sizes)) for axis, size in called.items()}}


def _slots(
    packing: Packing, arrays: Sequence[Array], places: Sequence[Place], sizes: Sizes, stored: Arrays
) -> dict[Place, Arrays]:
    """The arrays of each place as views into what a framework stores."""
    shapes = _shapes(arrays)
    at = {
        place: {
            name: numbers(shape, _known(packing, arrays, places, place, sizes))
            for name, shape in shapes.items()
        }
        for place in places
    }
    return packing.slots(at, stored)


def _taken(layout: Layout, arrays: Arrays, asked: Mapping[str, int]) -> _Taken:
    """How arrays fit a layout; if there is no bias at all, they fit that without biases."""
    packing = PACKINGS[layout.framework]
    places = packing.places(_shapes(layout.arrays), arrays, asked)
    biases = packing.wholes(_shapes(array for array in layout.arrays if array.is_bias), places)
    if not biases.keys() & arrays.keys():
        layout = replace(layout, arrays=tuple(array for array in layout.arrays if not array.is_bias))
    known = {Axis(axis): Integer(asked[axis]) for axis in ("n", "m") if axis in asked}
    wholes = packing.wholes(_shapes(layout.arrays), places)
    return _Taken(layout, places, arrays, fit(wholes, arrays, known))


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


def _require_cell(weights: Weights, name: object) -> None:
    """Raise unless a layout is of the cell of these weights."""
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    known = weights.cell.name in OWN and weights.cell == zoo.cell(weights.cell.name)
    if (layout is None or layout.cell == weights.cell.name) and known:
        return
    others = [one.name for one in LAYOUTS.values() if known and one.cell == weights.cell.name]
    told = f"Choose one of {', '.join(others)}." if others else "Use save() to write them to a file."
    fact = f"{name} is {layout.cell}" if layout else "no layout is of it"
    raise RequestError(f"These are weights of {weights.cell.name}, and {fact}. {told}")


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


def _asked_sizes(sizes: object) -> Mapping[str, int]:
    if sizes is None:
        return {}
    if not isinstance(sizes, Mapping) or not all(
        name in SIZES and isinstance(size, int) and size > 0 for name, size in sizes.items()
    ):
        raise RequestError(
            f"sizes is {shown(sizes)}. Give a mapping of {', '.join(SIZES)} to positive whole numbers."
        )
    if sizes.get("directions", 1) > 2 or sizes.get("layers", 1) > MOST_LAYERS:
        raise RequestError(
            f"sizes is {shown(sizes)}. Give 1 or 2 directions, and at most {MOST_LAYERS} layers."
        )
    return sizes


def _told(taken: _Taken, arrays: Arrays, tried: Sequence[Layout]) -> str:
    """What is wrong, and what would do."""
    facts = f"These weights are no {taken.layout.name}. {' '.join(taken.fit.faults)}"
    named = [one for one in LAYOUTS.values() if not isinstance(PACKINGS[one.framework], Flat)]
    fits = [one.name for one in named if one not in tried and not _taken(one, arrays, {}).fit.faults]
    if fits:
        return f"{facts} They fit {listed(fits)}. Name that, if it is meant."
    for one in tried:
        first = next(iter(PACKINGS[one.framework].wholes(_shapes(one.arrays), FIRST)))
        for prefix in {key.removesuffix(first): None for key in arrays if key.endswith(first)}:
            below = {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
            if one in named and prefix and not _taken(one, below, {}).fit.faults:
                return f"{facts} Those that begin with {prefix!r} fit {one.name}. Give that as prefix."
    return f"{facts} Give all arrays of the layer, under the framework's names."
